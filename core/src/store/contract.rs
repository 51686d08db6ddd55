//! The contract of a store, as checks for any store.

use std::sync::Arc;
use std::time::Duration;

use crate::threads::BoxFuture;
use futures_util::future::join_all;

use super::{Deleted, LeaseId, Saved, StoreKey, TokenStore};
use crate::error::Error;
use crate::runtime::{Runtime, timeout};
use crate::secret::Secret;

/// How long a check may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a lease lasts that a check lets lapse.
const SHORT: Duration = Duration::from_secs(3);

/// How long to wait for a lease to lapse.
const PATIENCE: Duration = Duration::from_secs(20);

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoreCheck {
    /// What the store must do.
    pub name: &'static str,
    /// What it did instead; `None` if it passed.
    pub failure: Option<String>,
}

/// Checks a store against the contract of [`TokenStore`], and returns the result of each check.
///
/// `one` and `other` are two ways to the same records, as two processes have them: two connections to one database, two
/// stores on one file. For a store within a process, they are the same store. The checks write and delete records of
/// profiles that begin with `mcp-reauth-check`; they take some seconds, since leases have to lapse.
pub async fn check_store(
    one: impl TokenStore,
    other: impl TokenStore,
    runtime: impl Runtime,
) -> Vec<StoreCheck> {
    let bench = Bench {
        one: Arc::new(one),
        other: Arc::new(other),
        runtime: Arc::new(runtime),
    };
    let mut checks = Vec::new();
    for (name, check) in CHECKS {
        let ended = timeout(&*bench.runtime, LIMIT, check(&bench)).await;
        let late = || Err(format!("it did not end within {} s", LIMIT.as_secs()));
        let failure = ended.unwrap_or_else(late).err();
        checks.push(StoreCheck { name, failure });
    }
    checks
}

struct Bench {
    one: Arc<dyn TokenStore>,
    other: Arc<dyn TokenStore>,
    runtime: Arc<dyn Runtime>,
}

type Ended = Result<(), String>;

type Check = fn(&Bench) -> BoxFuture<'_, Ended>;

const CHECKS: [(&str, Check); 13] = [
    ("a record that was never written is absent", |bench| {
        Box::pin(bench.absent())
    }),
    (
        "a record is read as it was written, byte for byte",
        |bench| Box::pin(bench.bytes()),
    ),
    (
        "a write over another version is a conflict, and changes nothing",
        |bench| Box::pin(bench.conflicts()),
    ),
    (
        "versions grow, and never come again after a deletion",
        |bench| Box::pin(bench.versions()),
    ),
    (
        "records of other profiles and servers are others",
        |bench| Box::pin(bench.keys()),
    ),
    ("of writes at once over one version, one is made", |bench| {
        Box::pin(bench.race())
    }),
    ("what one has written, the other reads", |bench| {
        Box::pin(bench.shared())
    }),
    ("a stamp changes with each write, and only then", |bench| {
        Box::pin(bench.stamps())
    }),
    ("space is reserved for a write", |bench| {
        Box::pin(bench.space())
    }),
    ("a lease is held once, for each key", |bench| {
        Box::pin(bench.held_once())
    }),
    (
        "of leases asked for at once, for one key, one is given",
        |bench| Box::pin(bench.together()),
    ),
    (
        "a lease lasts while it is renewed, and lapses when it is not",
        |bench| Box::pin(bench.lapses()),
    ),
    ("a lease is not released by who no longer has it", |bench| {
        Box::pin(bench.stale())
    }),
];

fn key(server: &str) -> StoreKey {
    StoreKey {
        profile: "mcp-reauth-check".to_owned(),
        server: format!("https://check.invalid/{server}"),
    }
}

/// Turns a store's error into a check's.
fn worked<T>(what: &str, result: Result<T, Error>) -> Result<T, String> {
    result.map_err(|error| format!("{what} failed: {error}"))
}

fn is(what: &str, holds: bool) -> Ended {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Bench {
    async fn read(&self, key: &StoreKey) -> Result<Option<(u64, String)>, String> {
        let stored = worked("load", self.one.load(key).await)?;
        Ok(stored.map(|stored| (stored.version, stored.data.expose().to_owned())))
    }

    /// Writes a record; a conflict is a failure.
    async fn write(&self, key: &StoreKey, data: &str, over: Option<u64>) -> Result<u64, String> {
        match worked("save", self.one.save(key, Secret::new(data), over).await)? {
            Saved::As(version) => Ok(version),
            Saved::Conflict => Err(format!(
                "save over the present version, {over:?}, is a conflict"
            )),
        }
    }

    /// Deletes the record, if there is one.
    async fn clear(&self, key: &StoreKey) -> Ended {
        if let Some((version, _)) = self.read(key).await? {
            let deleted = worked("delete", self.one.delete(key, version).await)?;
            is(
                "delete of the present version is a conflict",
                deleted == Deleted::Done,
            )?;
        }
        is(
            "a record that was deleted is still there",
            self.read(key).await?.is_none(),
        )
    }

    async fn absent(&self) -> Ended {
        self.clear(&key("absent")).await?;
        let deleted = worked("delete", self.one.delete(&key("absent"), 1).await)?;
        is(
            "delete of no record is no conflict",
            deleted == Deleted::Conflict,
        )
    }

    async fn bytes(&self) -> Ended {
        let key = key("bytes");
        let long = format!(r#"{{"long":"{}"}}"#, "x".repeat(64 << 10));
        for data in [r#"{"a":"\u0000 \" \\ ü 漢 🦀 '"}"#, "{}", &long] {
            self.clear(&key).await?;
            let version = self.write(&key, data, None).await?;
            let read = self.read(&key).await?;
            is(
                "what is read is not what was written",
                read == Some((version, data.to_owned())),
            )?;
        }
        self.clear(&key).await
    }

    async fn conflicts(&self) -> Ended {
        let key = key("conflicts");
        self.clear(&key).await?;
        let version = self.write(&key, r#"{"n":1}"#, None).await?;
        for over in [None, version.checked_add(1), version.checked_sub(1)] {
            let saved = self.one.save(&key, Secret::new(r#"{"n":2}"#), over).await;
            let saved = worked("save", saved)?;
            is(
                "save over another version is made",
                saved == Saved::Conflict,
            )?;
        }
        let deleted = worked("delete", self.one.delete(&key, version ^ 1).await)?;
        is(
            "delete of another version is made",
            deleted == Deleted::Conflict,
        )?;
        let read = self.read(&key).await?;
        is(
            "a conflict changed the record",
            read == Some((version, r#"{"n":1}"#.to_owned())),
        )?;
        self.clear(&key).await
    }

    async fn versions(&self) -> Ended {
        let key = key("versions");
        self.clear(&key).await?;
        let mut highest = None;
        for _ in 0..3 {
            let first = self.write(&key, "{}", None).await?;
            is(
                "a version came again after a deletion",
                highest < Some(first),
            )?;
            let second = self.write(&key, "{}", Some(first)).await?;
            is("a version did not grow", second > first)?;
            highest = Some(second);
            self.clear(&key).await?;
        }
        Ok(())
    }

    async fn keys(&self) -> Ended {
        let with = |profile: &str, server: &str| StoreKey {
            profile: format!("mcp-reauth-check{profile}"),
            server: server.to_owned(),
        };
        let keys = [
            with("", "a"),
            with("", "A"),
            with("", "a/"),
            with("a", ""),
            with(" ", "a"),
            with(":", "a"),
            with("", ":a"),
            with("/../b", "a"),
            with("ü", "漢"),
            with("", &"long/".repeat(400)),
        ];
        let data = |number| format!(r#"{{"number":{number}}}"#);
        for (number, key) in keys.iter().enumerate() {
            self.clear(key).await?;
            self.write(key, &data(number), None).await?;
        }
        for (number, key) in keys.iter().enumerate() {
            let read = self.read(key).await?.map(|(_, data)| data);
            is("two keys have one record", read == Some(data(number)))?;
        }
        for key in &keys {
            self.clear(key).await?;
        }
        Ok(())
    }

    async fn race(&self) -> Ended {
        let key = key("race");
        self.clear(&key).await?;
        let mut version = self.write(&key, "{}", None).await?;
        for round in 0..4 {
            let writes = (0..8).map(|writer| {
                let store = if writer % 2 == 0 {
                    &self.one
                } else {
                    &self.other
                };
                let data = format!(r#"{{"round":{round},"writer":{writer}}}"#);
                store.save(&key, Secret::new(data), Some(version))
            });
            let mut made = Vec::new();
            for saved in join_all(writes).await {
                if let Saved::As(version) = worked("save", saved)? {
                    made.push(version);
                }
            }
            is(
                &format!("{} of 8 writes were made", made.len()),
                made.len() == 1,
            )?;
            version = made[0];
            let read = self.read(&key).await?.map(|(version, _)| version);
            is(
                "the version that is read is not the one that was written",
                read == Some(version),
            )?;
        }
        self.clear(&key).await
    }

    async fn shared(&self) -> Ended {
        let key = key("shared");
        self.clear(&key).await?;
        let version = self.write(&key, r#"{"by":"one"}"#, None).await?;
        let read = worked("load", self.other.load(&key).await)?;
        is(
            "the other does not read it",
            read.is_some_and(|read| read.version == version),
        )?;
        let saved = self
            .other
            .save(&key, Secret::new("{}"), Some(version))
            .await;
        let saved = worked("save", saved)?;
        is("the other cannot replace it", matches!(saved, Saved::As(_)))?;
        let saved = self.one.save(&key, Secret::new("{}"), Some(version)).await;
        is(
            "one replaces what the other wrote",
            worked("save", saved)? == Saved::Conflict,
        )?;
        self.clear(&key).await
    }

    async fn stamps(&self) -> Ended {
        let key = key("stamps");
        self.clear(&key).await?;
        let version = self.write(&key, "{}", None).await?;
        let Some(before) = self.other.stamp(&key).await else {
            return self.clear(&key).await;
        };
        let again = self.other.stamp(&key).await;
        is("it changed without a write", again == Some(before))?;
        self.write(&key, r#"{"n":2}"#, Some(version)).await?;
        let after = self.other.stamp(&key).await;
        is(
            "it did not change with a write",
            after.is_some_and(|after| after != before),
        )?;
        self.clear(&key).await
    }

    async fn space(&self) -> Ended {
        let key = key("space");
        self.clear(&key).await?;
        let reserved = worked("reserve", self.one.reserve(&key, 4096).await)?;
        let version = self.write(&key, r#"{"n":1}"#, None).await?;
        drop(reserved);
        let unused = worked("reserve", self.one.reserve(&key, 4096).await)?;
        drop(unused);
        let read = self.read(&key).await?;
        is(
            "a reservation changed the record",
            read == Some((version, r#"{"n":1}"#.to_owned())),
        )?;
        self.clear(&key).await
    }

    async fn lease(
        &self,
        of: &Arc<dyn TokenStore>,
        key: &StoreKey,
        ttl: Duration,
    ) -> Result<Option<LeaseId>, String> {
        let lease = of.try_lease(key, self.runtime.now(), ttl).await;
        worked("try_lease", lease)
    }

    async fn leased(&self, key: &StoreKey, ttl: Duration) -> Result<LeaseId, String> {
        let lease = self.lease(&self.one, key, ttl).await?;
        lease.ok_or_else(|| "a lease that is free is refused".to_owned())
    }

    async fn renewed(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        ttl: Duration,
    ) -> Result<bool, String> {
        let renewed = self
            .one
            .renew_lease(key, lease, self.runtime.now(), ttl)
            .await;
        worked("renew_lease", renewed)
    }

    async fn held_once(&self) -> Ended {
        let (key, another) = (key("held once"), key("held once, another"));
        let held = self.leased(&key, LIMIT).await?;
        for store in [&self.one, &self.other] {
            let second = self.lease(store, &key, LIMIT).await?;
            is("it is given out twice", second.is_none())?;
        }
        let second = self.leased(&another, LIMIT).await?;
        self.one.release_lease(&another, &second).await;
        self.one.release_lease(&key, &held).await;
        let next = self.lease(&self.other, &key, LIMIT).await?;
        let next = next.ok_or("it was released, and is not to be had")?;
        is("a later lease has the same identifier", next != held)?;
        self.other.release_lease(&key, &next).await;
        Ok(())
    }

    async fn together(&self) -> Ended {
        let key = &key("together");
        for _ in 0..4 {
            let asked = (0..8).map(|number| {
                let store = if number % 2 == 0 {
                    &self.one
                } else {
                    &self.other
                };
                async move { (store, self.lease(store, key, LIMIT).await) }
            });
            let mut given = 0;
            for (store, lease) in join_all(asked).await {
                if let Some(lease) = lease? {
                    given += 1;
                    store.release_lease(key, &lease).await;
                }
            }
            is(&format!("{given} of 8 are given"), given == 1)?;
        }
        Ok(())
    }

    /// Waits for a lease to lapse. A store that uses the given time is told a later one; a store that sees that the
    /// holder is alive leaves it the lease for longer.
    async fn lapsed(&self, key: &StoreKey) -> Result<LeaseId, String> {
        let pause = Duration::from_millis(250);
        let (mut waited, mut ahead) = (Duration::ZERO, Duration::ZERO);
        while waited < PATIENCE {
            // A store with its own clock needs real time.
            self.runtime.sleep(pause).await;
            waited += pause;
            if waited > SHORT + pause {
                ahead += Duration::from_secs(60);
            }
            let now = self.runtime.now() + ahead;
            let lease = self.other.try_lease(key, now, LIMIT).await;
            if let Some(lease) = worked("try_lease", lease)? {
                return Ok(lease);
            }
        }
        Err(format!("it has not lapsed {} s later", PATIENCE.as_secs()))
    }

    async fn lapses(&self) -> Ended {
        let key = key("lapses");
        let held = self.leased(&key, SHORT).await?;
        for _ in 0..4 {
            self.runtime.sleep(SHORT / 3).await;
            is(
                "it cannot be renewed",
                self.renewed(&key, &held, SHORT).await?,
            )?;
            let second = self.lease(&self.other, &key, LIMIT).await?;
            is("it is given out though it was renewed", second.is_none())?;
        }
        let next = self.lapsed(&key).await?;
        let renewed = self.renewed(&key, &held, SHORT).await?;
        is("it is renewed though another has it", !renewed)?;
        self.one.release_lease(&key, &held).await;
        self.other.release_lease(&key, &next).await;
        Ok(())
    }

    async fn stale(&self) -> Ended {
        let key = key("stale");
        let held = self.leased(&key, SHORT).await?;
        let next = self.lapsed(&key).await?;
        self.one.release_lease(&key, &held).await;
        let third = self.lease(&self.one, &key, LIMIT).await?;
        is("it is given out though another has it", third.is_none())?;
        self.other.release_lease(&key, &next).await;
        let renewed = self.renewed(&key, &held, SHORT).await?;
        is("it is renewed though it was released", !renewed)?;
        let last = self.leased(&key, SHORT).await?;
        self.one.release_lease(&key, &last).await;
        Ok(())
    }
}
