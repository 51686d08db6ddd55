//! A store never assigns a version twice, whatever happens to its files and to the clock.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use mcp_reauth::store::{Deleted, RecordStore, Saved, StoreKey, TokenStore};
use mcp_reauth::{FileStore, MemoryStore, Secret};

/// The largest integer that JavaScript represents exactly.
const MAX: u64 = (1 << 53) - 1;

fn key(server: &str) -> StoreKey {
    StoreKey {
        profile: "default".to_owned(),
        server: server.to_owned(),
    }
}

fn data() -> Secret {
    Secret::new("{}")
}

fn now() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    u64::try_from(now.as_micros()).expect("before the end of time")
}

/// A store's files. Each process is a separate store on them: they share nothing else.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("credentials.json")
    }

    fn lock(&self) -> PathBuf {
        self.folder.path().join("credentials.json.lock")
    }

    fn process(&self) -> FileStore {
        FileStore::new(self.path())
    }

    fn move_away(&self) {
        fs::rename(self.path(), self.folder.path().join("away")).expect("it is moved");
    }

    /// Writes a file as if the clock had been a year ahead when the last version was assigned.
    fn a_year_ahead(&self) -> u64 {
        let version = now() + 365 * 86400 * 1_000_000;
        let contents = format!(
            r#"{{"format":1,"sequence":{version},"records":[{{"profile":"default","server":"a","version":{version},"record":{{}}}}]}}"#
        );
        fs::write(self.path(), contents).expect("it is written");
        version
    }
}

/// Replaces the record, whatever it is.
async fn save(store: &impl RecordStore) -> u64 {
    let stored = store.load(&key("a")).await.expect("it is read");
    save_over(store, stored.map(|stored| stored.version)).await
}

async fn save_over(store: &impl RecordStore, expected: Option<u64>) -> u64 {
    match store.save(&key("a"), data(), expected).await {
        Ok(Saved::As(version)) => {
            assert!(version <= MAX, "{version}");
            version
        }
        other => panic!("{other:?}"),
    }
}

/// Saves with a store that knows no earlier versions, and expects a version above all of them.
async fn another_is_above(files: &Files, before: u64) -> u64 {
    let version = save(&files.process()).await;
    assert!(version > before, "{before} {version}");
    version
}

#[tokio::test]
async fn versions_do_not_come_again_when_the_file_is_moved_away() {
    let files = Files::new();
    let store = files.process();
    let mut last = 0;
    for _ in 0..20 {
        let first = save_over(&store, None).await;
        let second = save_over(&store, Some(first)).await;
        assert!(last < first && first < second, "{last} {first} {second}");
        files.move_away();
        let third = save_over(&store, None).await;
        assert!(second < third, "{second} {third}");
        let late = store.save(&key("a"), data(), Some(second)).await;
        assert_eq!(late, Ok(Saved::Conflict));
        files.move_away();
        last = third;
    }
}

#[tokio::test]
async fn versions_do_not_come_again_when_an_older_file_is_put_back() {
    let files = Files::new();
    let store = files.process();
    let first = save(&store).await;
    let backup = fs::read(files.path()).expect("it was written");
    let mut last = save(&store).await;
    for _ in 0..20 {
        fs::write(files.path(), &backup).expect("it is put back");
        let next = save_over(&store, Some(first)).await;
        assert!(next > last, "{last} {next}");
        last = next;
    }
}

#[tokio::test]
async fn versions_do_not_come_again_when_the_clock_is_set_back_and_the_file_moved_away() {
    let files = Files::new();
    let ahead = files.a_year_ahead();
    let mut last = another_is_above(&files, ahead).await;
    for _ in 0..20 {
        files.move_away();
        last = another_is_above(&files, last).await;
    }
    // The same after a deletion, and for the store that deleted.
    let store = files.process();
    let deleted = store.delete(&key("a"), last).await;
    assert!(matches!(deleted, Ok(Deleted::Done)), "{deleted:?}");
    files.move_away();
    another_is_above(&files, last).await;
}

#[tokio::test]
async fn versions_do_not_come_again_when_the_clock_is_set_back_and_an_older_file_put_back() {
    let files = Files::new();
    files.a_year_ahead();
    let mut last = save(&files.process()).await;
    let backup = fs::read(files.path()).expect("it was written");
    for _ in 0..20 {
        last = another_is_above(&files, last).await;
        last = another_is_above(&files, last).await;
        fs::write(files.path(), &backup).expect("it is put back");
    }
}

#[tokio::test]
async fn versions_do_not_come_again_when_the_lock_file_is_deleted_or_damaged() {
    let files = Files::new();
    let mut last = files.a_year_ahead();
    last = another_is_above(&files, last).await;
    let most = u64::MAX.to_string();
    let above = format!("{}\n", MAX + 1);
    let low = format!("{:016}\n", 1);
    for damaged in [
        "",
        "\n",
        "0",
        "1764372926123456",
        "no number here!!\n",
        "+764372926123456\n",
        &most,
        &above,
        &low,
        &"9".repeat(1 << 20),
    ] {
        fs::write(files.lock(), damaged).expect("it is damaged");
        last = another_is_above(&files, last).await;
        fs::remove_file(files.lock()).expect("it is deleted");
        last = another_is_above(&files, last).await;
        // The mark that was written over it is valid.
        fs::write(files.lock(), damaged).expect("it is damaged");
        last = another_is_above(&files, last).await;
        files.move_away();
        last = another_is_above(&files, last).await;
    }
}

#[tokio::test]
async fn versions_do_not_come_again_to_a_store_that_lost_both_files_and_its_clock() {
    let files = Files::new();
    let ahead = files.a_year_ahead();
    let store = files.process();
    // A store that has read or assigned a version knows it.
    let read = files.process();
    let given = save(&store).await;
    assert!(given > ahead);
    read.load(&key("a")).await.expect("it is read");
    for store in [store, read] {
        let mut last = given;
        for _ in 0..5 {
            files.move_away();
            fs::remove_file(files.lock()).expect("it is deleted");
            let next = save(&store).await;
            assert!(next > last, "{last} {next}");
            last = next;
        }
    }
}

#[tokio::test]
async fn versions_follow_the_clock_where_nothing_else_is_left() {
    let files = Files::new();
    let mut last = 0;
    for _ in 0..20 {
        last = another_is_above(&files, last).await;
        last = another_is_above(&files, last).await;
        let before = now();
        files.move_away();
        fs::remove_file(files.lock()).expect("it is deleted");
        assert!(last <= before, "versions do not run ahead of the clock");
    }
}

#[tokio::test]
async fn version_beyond_what_a_reader_can_tell_apart_is_refused_and_one_below_is_not() {
    let files = Files::new();
    let contents = |version: u64| {
        format!(
            r#"{{"format":1,"sequence":1,"records":[{{"profile":"default","server":"a","version":{version},"record":{{}}}}]}}"#
        )
    };
    fs::write(files.path(), contents(MAX + 1)).expect("it is written");
    let store = files.process();
    let error = store.load(&key("a")).await.expect_err("out of range");
    assert_eq!(error.code(), "store");
    assert!(error.to_string().contains("out of range"), "{error}");
    let saved = store.save(&key("a"), data(), None).await;
    assert_eq!(saved, Err(error));
    assert_eq!(
        fs::read_to_string(files.path()).expect("it is there"),
        contents(MAX + 1)
    );
    // The last version is assigned, and none after it.
    fs::write(files.path(), contents(MAX - 1)).expect("it is written");
    assert_eq!(save(&store).await, MAX);
    let saved = store.save(&key("a"), data(), Some(MAX)).await;
    let error = saved.expect_err("no version is left").to_string();
    assert!(error.contains("no versions left"), "{error}");
    let stored = store.load(&key("a")).await.expect("it is read");
    assert_eq!(stored.expect("it is there").version, MAX);
}

/// Moves the file away, puts older copies back and deletes the lock file, all the time.
fn disturb(folder: &Path, locks_too: bool, writes: &AtomicUsize, ended: &AtomicBool) {
    let mut deleted_at = 0;
    let file = folder.join("credentials.json");
    let mut copies: Vec<Vec<u8>> = Vec::new();
    for turn in 0_usize.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        match turn % 4 {
            0 => copies.extend(fs::read(&file)),
            1 => drop(fs::rename(&file, folder.join("away"))),
            // Rarely enough that writes complete in between.
            2 if locks_too && writes.load(Ordering::Relaxed) >= deleted_at + 5 => {
                deleted_at = writes.load(Ordering::Relaxed);
                drop(fs::remove_file(folder.join("credentials.json.lock")));
            }
            _ => {
                // With a rename, as a copy of a whole file is put back.
                if let Some(copy) = copies.get(turn % copies.len().max(1)) {
                    fs::write(folder.join("back"), copy).expect("it is written");
                    fs::rename(folder.join("back"), &file).expect("it is put back");
                }
            }
        }
        std::thread::yield_now();
    }
}

fn given_at_once(files: &Files, locks_too: bool) {
    const WRITES: usize = 60;
    let (writes, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let given = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .expect("a runtime");
                    runtime.block_on(async {
                        let store = files.process();
                        let mut given = Vec::new();
                        while given.len() < WRITES {
                            let stored = store.load(&key("a")).await.expect("it is read");
                            let expected = stored.map(|stored| stored.version);
                            let saved = store.save(&key("a"), data(), expected).await;
                            if let Saved::As(version) = saved.expect("it is written") {
                                given.push(version);
                                writes.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        given
                    })
                })
            })
            .collect();
        scope.spawn(|| disturb(files.folder.path(), locks_too, &writes, &ended));
        let given: Vec<Vec<u64>> = writers
            .into_iter()
            .map(|w| w.join().unwrap_or_default())
            .collect();
        ended.store(true, Ordering::Relaxed);
        given
    });
    assert!(
        given.iter().all(|given| given.len() == WRITES),
        "a writer failed"
    );
    assert!(given.iter().all(|given| given.is_sorted()), "{given:?}");
    let all: Vec<u64> = given.into_iter().flatten().collect();
    let distinct: HashSet<u64> = all.iter().copied().collect();
    assert_eq!(distinct.len(), all.len(), "a version came again");
}

#[test]
fn versions_of_many_writers_never_meet_while_files_are_moved_deleted_and_put_back() {
    given_at_once(&Files::new(), true);
}

#[test]
fn versions_of_many_writers_never_meet_behind_the_clock_while_files_are_moved_and_put_back() {
    let files = Files::new();
    files.a_year_ahead();
    given_at_once(&files, false);
}

#[tokio::test]
async fn versions_in_memory_never_come_again() {
    let store = MemoryStore::new();
    let mut last = 0;
    for _ in 0..10 {
        let written = save_over(&store, None).await;
        let lease = store.try_lease(
            &key("a"),
            SystemTime::now(),
            std::time::Duration::from_secs(1),
        );
        let lease = lease.await.expect("a store").expect("a lease");
        store.release_lease(&key("a"), &lease).await;
        let deleted = store.delete(&key("a"), written).await;
        assert!(matches!(deleted, Ok(Deleted::Done)), "{deleted:?}");
        assert!(last < written);
        last = written;
    }
}
