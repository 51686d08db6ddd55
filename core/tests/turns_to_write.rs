//! Writers of one file store get their turns in order, and no process takes the turns of another.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::{join_all, poll_immediate};
use mcp_reauth::store::{RecordStore, Saved, StoreKey};
use mcp_reauth::{FileStore, Secret};

fn key(server: usize) -> StoreKey {
    StoreKey {
        profile: "default".to_owned(),
        server: server.to_string(),
    }
}

/// Saves a new record, or an old one again, and returns its version.
async fn save(store: &FileStore, server: usize) -> u64 {
    let key = key(server);
    let expected = store.load(&key).await.expect("it is read");
    let expected = expected.map(|stored| stored.version);
    let saved = store.save(&key, Secret::new("{}"), expected).await;
    match saved {
        Ok(Saved::As(version)) => version,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn writers_of_one_process_have_their_turns_in_the_order_in_which_they_came() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = FileStore::new(folder.path().join("credentials.json"));
    let first = save(&store, 0).await;

    // Nothing is written before all writers are in the queue.
    let lock = std::fs::File::open(folder.path().join("credentials.json.lock")).expect("it is");
    lock.lock().expect("it is locked");
    let mut writers: Vec<_> = (1..=30)
        .map(|n| {
            // Sessions with their own stores.
            let store = FileStore::new(store.path());
            store.save(&key(n), Secret::new("{}"), None)
        })
        .collect();
    for writer in &mut writers {
        assert!(poll_immediate(writer).await.is_none());
    }
    lock.unlock().expect("it was locked");

    let mut versions = vec![first];
    for saved in join_all(writers).await {
        let Ok(Saved::As(version)) = saved else {
            panic!("{saved:?}");
        };
        versions.push(version);
    }
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
}

/// While 20 sessions of a process write all the time, another writes 20 times.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_that_writes_all_the_time_leaves_turns_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    let busy = FileStore::new(&path);
    save(&busy, 0).await;
    // Under another name, it shares no queue with the others of this process, as if it were in another process.
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    let other = FileStore::new(link);

    let (ended, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
    let write = async |server| {
        while !ended.load(Ordering::SeqCst) {
            save(&busy, server).await;
            turns.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (_, most) = tokio::join!(join_all((1..=20).map(write)), async {
        let mut most = 0;
        for _ in 0..20 {
            let before = turns.load(Ordering::SeqCst);
            save(&other, 1000).await;
            most = most.max(turns.load(Ordering::SeqCst) - before);
        }
        ended.store(true, Ordering::SeqCst);
        most
    });
    assert!(
        most <= 6,
        "another process had {most} turns before this one had its own"
    );
    assert!(turns.load(Ordering::SeqCst) >= 20);
}
