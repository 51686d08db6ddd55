//! The file store under a running session, on a real file.

use std::fs;
use std::time::SystemTime;

use mcp_reauth::store::{RecordStore, StoreKey, TokenStore};
use mcp_reauth::{FileStore, Secret};

fn key(server: &str) -> StoreKey {
    StoreKey {
        profile: "default".to_owned(),
        server: server.to_owned(),
    }
}

async fn save(store: &FileStore, server: &str, text: &str, expected: Option<u64>) {
    let data = Secret::new(format!("{{\"text\":\"{text}\"}}"));
    let saved = store.save(&key(server), data, expected).await;
    saved.expect("it is written");
}

#[tokio::test]
async fn lease_is_held_once_also_before_1970() {
    use std::time::Duration;
    let folder = tempfile::tempdir().expect("a folder");
    let store = FileStore::new(folder.path().join("credentials.json"));
    let (now, ttl) = (
        SystemTime::UNIX_EPOCH - Duration::from_secs(86400),
        Duration::from_secs(60),
    );
    let first = store.try_lease(&key("a"), now, ttl).await;
    let first = first.expect("it works").expect("nobody holds it");
    let second = store.try_lease(&key("a"), now, ttl).await;
    assert!(second.is_ok_and(|lease| lease.is_none()));
    store.release_lease(&key("a"), &first).await;
    let third = store.try_lease(&key("a"), now, ttl).await;
    assert!(third.is_ok_and(|lease| lease.is_some()));
}

#[tokio::test]
async fn what_a_crash_left_is_replaced_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    fs::write(folder.path().join("credentials.json.tmp"), "half a rec").expect("it is written");
    let store = FileStore::new(&path);
    save(&store, "a", "1", None).await;
    let names = fs::read_dir(folder.path()).expect("a folder");
    let mut names: Vec<_> = names
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["credentials.json", "credentials.json.lock"]);
    assert_eq!(store.keys().expect("it is read"), [key("a")]);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_any_of_it() {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new").join("credentials.json");
    let store = FileStore::new(&path);
    save(&store, "a", "1", None).await;
    let lease = store
        .try_lease(&key("a"), SystemTime::now(), Duration::from_secs(60))
        .await;
    let lease = lease.expect("it works").expect("nobody holds it");
    let mut seen = 0;
    let mut folders = vec![folder.path().join("new")];
    while let Some(folder) = folders.pop() {
        let mode = fs::metadata(&folder)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{}", folder.display());
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mode = fs::metadata(&path)
                .expect("it is there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
            seen += 1;
        }
    }
    assert_eq!(seen, 3, "the file, its lock and a lease");
    store.release_lease(&key("a"), &lease).await;
}

#[tokio::test]
async fn a_lease_is_held_once_and_ends_with_its_holder_or_its_time() {
    use std::time::Duration;
    let folder = tempfile::tempdir().expect("a folder");
    let store = FileStore::new(folder.path().join("credentials.json"));
    let (now, ttl) = (SystemTime::now(), Duration::from_secs(10));
    let key = key("a");
    let take = async |now| {
        let lease = store.try_lease(&key, now, ttl).await;
        lease.expect("it works")
    };
    let first = take(now).await.expect("nobody holds it");
    assert!(take(now).await.is_none());
    assert!(take(now + ttl / 2).await.is_none());
    // Its holder is seen to be alive, and may be stopped: it gets some minutes.
    assert!(take(now + ttl * 15).await.is_none());
    assert!(
        take(now + ttl * 16 - Duration::from_secs(1))
            .await
            .is_none()
    );
    // The machine may have slept, and the holder with it: it gets a grace period once that is seen.
    let (awake, grace) = (now + ttl * 100, Duration::from_secs(6));
    assert!(take(awake).await.is_none());
    assert!(take(awake + grace / 2).await.is_none());
    // A holder that renews it meanwhile keeps it.
    let renewed = store.renew_lease(&key, &first, awake, ttl).await;
    assert!(renewed.expect("it works"));
    assert!(take(awake + grace).await.is_none());
    // A stuck holder keeps its own file, and others do not wait for it for ever.
    let stuck = awake + ttl * 100;
    assert!(take(stuck).await.is_none());
    let late = stuck + grace;
    let second = take(late).await.expect("its time is over");
    assert!(take(late).await.is_none());
    let renewed = store.renew_lease(&key, &first, late, ttl).await;
    assert!(!renewed.expect("it works"), "another has it");
    store.release_lease(&key, &first).await;
    assert!(
        take(late).await.is_none(),
        "the late holder gives back what it has, no more"
    );
    store.release_lease(&key, &second).await;
    assert!(take(late).await.is_some());
}

#[tokio::test]
async fn lease_that_is_not_waited_for_any_more_is_given_back() {
    use std::time::Duration;
    let folder = tempfile::tempdir().expect("a folder");
    let store = FileStore::new(folder.path().join("credentials.json"));
    let take = || store.try_lease(&key("a"), SystemTime::now(), Duration::from_secs(10));
    for pause in 0..100 {
        let in_time = tokio::time::timeout(Duration::from_micros(pause * 20), take()).await;
        if let Ok(lease) = in_time {
            let lease = lease.expect("it works").expect("nobody holds it");
            store.release_lease(&key("a"), &lease).await;
        }
        let taken = async {
            loop {
                if let Some(lease) = take().await.expect("it works") {
                    return lease;
                }
                tokio::task::yield_now().await;
            }
        };
        let lease = tokio::time::timeout(Duration::from_secs(20), taken).await;
        let lease = lease.expect("it was given back");
        store.release_lease(&key("a"), &lease).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_and_its_file_are_one_store() {
    use std::time::Duration;
    let folder = tempfile::tempdir().expect("a folder");
    let real = folder.path().join("real.json");
    let link = folder.path().join("link.json");
    let (direct, linked) = (FileStore::new(&real), FileStore::new(&link));
    save(&direct, "a", "1", None).await;
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    let (now, ttl) = (SystemTime::now(), Duration::from_secs(60));
    let lease = linked
        .try_lease(&key("a"), now, ttl)
        .await
        .expect("it works");
    assert!(lease.is_some());
    assert!(
        direct
            .try_lease(&key("a"), now, ttl)
            .await
            .expect("it works")
            .is_none()
    );
    save(&linked, "b", "2", None).await;
    assert!(
        fs::symlink_metadata(&link)
            .expect("it is there")
            .is_symlink(),
        "a link stays a link"
    );
    assert_eq!(direct.keys().expect("it is read").len(), 2);
    assert!(!folder.path().join("link.json.lock").exists());
}
