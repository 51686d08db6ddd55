//! The contract checks of stores: our own stores pass them, and each defect is found.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::store::{Deleted, LeaseId, Saved, Stamp, StoreKey, Stored};
use mcp_reauth::testing::check_store;
use mcp_reauth::{
    Error, FileStore, LocalLeases, MemoryStore, RecordStore, Secret, TokenStore, TokioRuntime,
};

/// Returns the checks that a store does not pass.
async fn failures(one: impl TokenStore, other: impl TokenStore) -> Vec<String> {
    let checks = check_store(one, other, TokioRuntime).await;
    assert_eq!(checks.len(), 13);
    let failed = checks.into_iter().filter_map(|check| {
        let failure = check.failure?;
        Some(format!("{}: {failure}", check.name))
    });
    failed.collect()
}

const NONE: [&str; 0] = [];

#[tokio::test]
async fn file_store_keeps_to_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    let (one, other) = (FileStore::new(&path), FileStore::new(&path));
    assert_eq!(failures(one, other).await, NONE);
}

#[tokio::test(start_paused = true)]
async fn memory_store_keeps_to_the_contract() {
    let store = MemoryStore::new();
    assert_eq!(failures(store.clone(), store).await, NONE);
}

/// A store without leases.
#[derive(Clone)]
struct Records(MemoryStore);

impl RecordStore for Records {
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        self.0.load(key)
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        self.0.save(key, data, expected)
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        self.0.delete(key, expected)
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_is_given_leases_keeps_to_the_contract() {
    let store = Arc::new(LocalLeases::new(Records(MemoryStore::new())));
    let checks = check_store(Arc::clone(&store), store, TokioRuntime).await;
    assert!(
        checks.iter().all(|check| check.failure.is_none()),
        "{checks:?}"
    );
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    OverwritesAnything,
    DeletesAnything,
    ConflictsWithItself,
    VersionsComeAgain,
    CutsLongRecords,
    IgnoresCase,
    ForgetsTheProfile,
    LeasesTwice,
    LeasesAllAtOnce,
    LeasesBetweenTwoSteps,
    NeverLapses,
    CannotBeRenewed,
    RenewsAnyones,
    ReleasesAnyones,
    NeverReleases,
    StampStandsStill,
    StampNeverStands,
    Fails,
    NeverAnswers,
}

/// A [`MemoryStore`] with a defect.
#[derive(Clone)]
struct Defective {
    store: MemoryStore,
    defect: Defect,
}

impl Defective {
    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn key(&self, key: &StoreKey) -> StoreKey {
        let mut key = key.clone();
        if self.is(Defect::IgnoresCase) {
            key.server = key.server.to_lowercase();
        }
        if self.is(Defect::ForgetsTheProfile) {
            key.profile = String::new();
        }
        key
    }

    /// Releases the lease of any holder.
    fn release_all(&self, key: &StoreKey) {
        for id in 0..1000 {
            let id = LeaseId::new(id.to_string());
            drop(self.store.release_lease(key, &id));
        }
    }

    /// Returns the present version of the record.
    async fn version(&self, key: &StoreKey) -> Option<u64> {
        let stored = self.store.load(key).await.expect("memory");
        stored.map(|stored| stored.version)
    }
}

impl RecordStore for Defective {
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        match self.defect {
            Defect::Fails => Box::pin(async { Err(Error::store("out of order")) }),
            Defect::NeverAnswers => Box::pin(std::future::pending()),
            _ => {
                let (store, key) = (self.clone(), self.key(key));
                Box::pin(async move {
                    let mut stored = store.store.load(&key).await?;
                    if let Some(stored) = &mut stored
                        && store.is(Defect::VersionsComeAgain)
                    {
                        stored.version %= 2;
                    }
                    Ok(stored)
                })
            }
        }
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        let (store, key) = (self.clone(), self.key(key));
        Box::pin(async move {
            let now = store.version(&key).await;
            let (expected, data) = match store.defect {
                Defect::OverwritesAnything => (now, data),
                Defect::ConflictsWithItself if expected.is_some() => (Some(u64::MAX), data),
                Defect::VersionsComeAgain if now.map(|now| now % 2) == expected => (now, data),
                Defect::CutsLongRecords => {
                    let text: String = data.expose().chars().take(255).collect();
                    (expected, Secret::new(text))
                }
                _ => (expected, data),
            };
            let saved = store.store.save(&key, data, expected).await?;
            Ok(match saved {
                Saved::As(version) if store.is(Defect::VersionsComeAgain) => Saved::As(version % 2),
                saved => saved,
            })
        })
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        let (store, key) = (self.clone(), self.key(key));
        Box::pin(async move {
            let now = store.version(&key).await;
            let expected = match now {
                Some(now) if store.is(Defect::DeletesAnything) => now,
                Some(now) if store.is(Defect::VersionsComeAgain) && now % 2 == expected => now,
                _ => expected,
            };
            store.store.delete(&key, expected).await
        })
    }

    fn stamp(&self, key: &StoreKey) -> BoxFuture<'static, Option<Stamp>> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let (store, key) = (self.clone(), self.key(key));
        Box::pin(async move {
            let stamp = match store.defect {
                Defect::StampStandsStill => 0,
                Defect::StampNeverStands => NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                _ => store.version(&key).await.unwrap_or_default(),
            };
            Some(Stamp::new(stamp))
        })
    }
}

impl TokenStore for Defective {
    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>> {
        let (store, mut key, mut ttl) = (self.clone(), self.key(key), ttl);
        Box::pin(async move {
            match store.defect {
                Defect::LeasesTwice => return Ok(Some(LeaseId::new("1"))),
                Defect::LeasesAllAtOnce => key.server = String::new(),
                Defect::LeasesBetweenTwoSteps => {
                    let lease = store.store.try_lease(&key, now, ttl).await?;
                    let Some(lease) = lease else { return Ok(None) };
                    // As if it had checked, and not written yet.
                    store.store.release_lease(&key, &lease).await;
                    tokio::task::yield_now().await;
                    store.release_all(&key);
                }
                Defect::NeverLapses => ttl = Duration::from_secs(1_000_000),
                _ => {}
            }
            store.store.try_lease(&key, now, ttl).await
        })
    }

    fn renew_lease(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        match self.defect {
            Defect::RenewsAnyones => Box::pin(async { Ok(true) }),
            Defect::CannotBeRenewed => Box::pin(async { Ok(false) }),
            _ => self.store.renew_lease(&self.key(key), lease, now, ttl),
        }
    }

    fn release_lease(&self, key: &StoreKey, lease: &LeaseId) -> BoxFuture<'static, ()> {
        match self.defect {
            Defect::NeverReleases => Box::pin(async {}),
            Defect::ReleasesAnyones => {
                self.release_all(&self.key(key));
                Box::pin(async {})
            }
            _ => self.store.release_lease(&self.key(key), lease),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_defect_of_a_store_is_found() {
    let found = [
        (
            Defect::OverwritesAnything,
            "save over another version is made",
        ),
        (Defect::DeletesAnything, "delete of another version is made"),
        (Defect::ConflictsWithItself, "is a conflict"),
        (Defect::VersionsComeAgain, "a version"),
        (
            Defect::CutsLongRecords,
            "what is read is not what was written",
        ),
        (
            Defect::IgnoresCase,
            "records of other profiles and servers are others",
        ),
        (
            Defect::ForgetsTheProfile,
            "records of other profiles and servers are others",
        ),
        (Defect::LeasesTwice, "it is given out twice"),
        (Defect::LeasesBetweenTwoSteps, "of 8 are given"),
        (Defect::LeasesAllAtOnce, "a lease that is free is refused"),
        (Defect::NeverLapses, "it has not lapsed"),
        (Defect::CannotBeRenewed, "it cannot be renewed"),
        (Defect::RenewsAnyones, "it is renewed though another has it"),
        (
            Defect::ReleasesAnyones,
            "it is given out though another has it",
        ),
        (
            Defect::NeverReleases,
            "it was released, and is not to be had",
        ),
        (Defect::StampStandsStill, "it did not change with a write"),
        (Defect::StampNeverStands, "it changed without a write"),
        (Defect::Fails, "out of order"),
        (Defect::NeverAnswers, "it did not end within 60 s"),
    ];
    for (defect, failure) in found {
        let store = Defective {
            store: MemoryStore::new(),
            defect,
        };
        let failures = failures(store.clone(), store).await;
        assert!(
            failures.iter().any(|text| text.contains(failure)),
            "{defect:?}: {failures:?}"
        );
    }
}
