//! Links, devices, folders and other users' files in place of a store's files: they are neither followed, read nor
//! written.
#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use mcp_reauth::store::{RecordStore, Saved, StoreKey, TokenStore};
use mcp_reauth::{Error, FileStore, Secret};

/// Much longer than a store waits for a lock.
const LIMIT: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(60);
/// A user that owns nothing.
const NOBODY: u32 = 65534;
const SAID: &str = "the user's own words";

fn key() -> StoreKey {
    StoreKey {
        profile: "default".to_owned(),
        server: "https://mcp.example/mcp".to_owned(),
    }
}

struct Place {
    folder: tempfile::TempDir,
    store: FileStore,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::new(folder.path().join("credentials.json"));
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the user that a link leads to.
    fn victim(&self) -> PathBuf {
        let path = self.path("victim");
        fs::write(&path, SAID).expect("it is written");
        path
    }

    /// Takes a lease, and returns the name of its file.
    async fn lease_name(&self) -> String {
        self.lease().await.expect("it works");
        let mut names = fs::read_dir(self.path("credentials.json.leases")).expect("a folder");
        let name = names.next().expect("a lease").expect("an entry");
        let name = name.file_name().into_string().expect("it is text");
        fs::remove_file(self.path("credentials.json.leases").join(&name)).expect("it is removed");
        format!("credentials.json.leases/{name}")
    }

    async fn save(&self) -> Result<(), Error> {
        let current = self.load().await?;
        let save = self.store.save(&key(), Secret::new("{}"), current);
        let saved = soon(save).await?;
        assert!(matches!(saved, Saved::As(_)));
        Ok(())
    }

    async fn load(&self) -> Result<Option<u64>, Error> {
        let stored = soon(self.store.load(&key())).await?;
        Ok(stored.map(|stored| stored.version))
    }

    async fn lease(&self) -> Result<(), Error> {
        let lease = soon(self.store.try_lease(&key(), SystemTime::now(), TTL)).await?;
        assert!(lease.is_some());
        Ok(())
    }
}

/// Waits, but not for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("it ends")
}

/// Asserts that the error is about the store, and names the path and what is there.
fn names(ended: Result<impl std::fmt::Debug, Error>, path: &Path, what: &str) {
    let error = ended.expect_err(what);
    assert_eq!(error.code(), "store");
    let text = error.to_string();
    assert!(text.contains(path.to_str().expect("it is text")), "{text}");
    assert!(text.contains(what), "{text}");
}

fn is_root(path: &Path) -> bool {
    let root = fs::metadata(path).expect("it is there").uid() == 0;
    if !root {
        eprintln!("SKIPPED: only the administrator can give files to another user");
    }
    root
}

fn run(command: &str, args: &[&str], path: &Path) {
    let status = Command::new(command).arg(path).args(args).status();
    assert!(status.expect("it runs").success(), "{command}");
}

async fn refuses_what_is_no_file(name: &str, lease: bool) {
    let kinds = [
        "a FIFO",
        "a socket",
        "a folder",
        "a device",
        "a symbolic link",
    ];
    for kind in kinds {
        let place = Place::new();
        let path = match lease {
            true => place.path(&place.lease_name().await),
            false => place.path(name),
        };
        match kind {
            "a FIFO" => run("mkfifo", &[], &path),
            "a socket" => drop(UnixListener::bind(&path).expect("a socket")),
            "a folder" => fs::create_dir(&path).expect("a folder"),
            "a device" if is_root(place.folder.path()) => run("mknod", &["c", "1", "5"], &path),
            "a device" => continue,
            _ => symlink(place.victim(), &path).expect("a link"),
        }
        let before = fs::symlink_metadata(&path).expect("it is there");
        if lease {
            names(place.lease().await, &path, kind);
        } else if name == "credentials.json" && kind == "a symbolic link" {
            // A link to the store's file is allowed; this one leads to another file.
            names(place.load().await, &path, "not a credential file");
            names(place.save().await, &path, "not a credential file");
        } else {
            names(place.save().await, &path, kind);
        }
        let after = fs::symlink_metadata(&path).expect("it is there");
        assert_eq!(before.ino(), after.ino(), "it is left as it is");
        if kind == "a symbolic link" {
            let said = fs::read_to_string(place.path("victim"));
            assert_eq!(said.expect("it is there"), SAID);
        }
    }
}

#[tokio::test]
async fn what_is_no_file_is_refused_as_a_store() {
    refuses_what_is_no_file("credentials.json", false).await;
}

#[tokio::test]
async fn what_is_no_file_is_refused_as_a_lock() {
    refuses_what_is_no_file("credentials.json.lock", false).await;
}

#[tokio::test]
async fn what_is_no_file_is_refused_as_a_lease() {
    refuses_what_is_no_file("", true).await;
}

#[tokio::test]
async fn link_to_a_device_is_refused_as_a_store() {
    let place = Place::new();
    symlink("/dev/zero", place.path("credentials.json")).expect("a link");
    names(place.load().await, Path::new("/dev/zero"), "a device");
}

#[tokio::test]
async fn link_to_nothing_makes_nothing() {
    for name in ["credentials.json.lock", "credentials.json.tmp", "lease"] {
        let place = Place::new();
        let path = match name {
            "lease" => place.path(&place.lease_name().await),
            name => place.path(name),
        };
        symlink(place.path("victim"), &path).expect("a link");
        match name {
            "credentials.json.tmp" => place.save().await.expect("the link is removed"),
            "lease" => names(place.lease().await, &path, "a symbolic link"),
            _ => names(place.save().await, &path, "a symbolic link"),
        }
        assert!(!place.path("victim").exists(), "{name}");
    }
}

#[tokio::test]
async fn copy_and_reserved_space_are_new_files_whatever_is_there() {
    let place = Place::new();
    let victim = place.victim();
    symlink(&victim, place.path("credentials.json.tmp")).expect("a link");
    place.save().await.expect("it is written");
    let lease = place.lease_name().await;
    let space = place.path(&format!("{lease}.space"));
    symlink(&victim, &space).expect("a link");
    let reserved = place
        .store
        .reserve(&key(), 100)
        .await
        .expect("there is room");
    assert!(fs::symlink_metadata(&space).expect("it is there").is_file());
    // If it is replaced with a link again, the space is not used.
    fs::remove_file(&space).expect("it is removed");
    symlink(&victim, &space).expect("a link");
    place.save().await.expect("it is written");
    drop(reserved);
    assert_eq!(fs::read_to_string(&victim).expect("it is there"), SAID);
    assert!(place.load().await.expect("it is read").is_some());
}

#[tokio::test]
async fn folder_of_leases_that_is_a_link_is_refused() {
    let place = Place::new();
    let elsewhere = place.path("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    let folder = place.path("credentials.json.leases");
    symlink(&elsewhere, &folder).expect("a link");
    names(place.lease().await, &folder, "a symbolic link");
    let reserved = place.store.reserve(&key(), 100).await;
    names(reserved, &folder, "a symbolic link");
    assert_eq!(fs::read_dir(&elsewhere).expect("a folder").count(), 0);
}

#[tokio::test]
async fn files_of_another_user_are_refused() {
    let place = Place::new();
    if !is_root(place.folder.path()) {
        return;
    }
    place.save().await.expect("it is written");
    let lease = place.lease_name().await;
    place.lease().await.expect("it works");
    for name in [
        "credentials.json",
        "credentials.json.lock",
        &lease,
        "credentials.json.leases",
    ] {
        let path = place.path(name);
        chown(&path, Some(NOBODY), None).expect("it is given away");
        let ended = match name.contains("leases") {
            true => place.lease().await,
            false => place.save().await,
        };
        names(ended, &path, "belongs to another user");
        chown(&path, Some(0), None).expect("it is taken back");
    }
    place.save().await.expect("it is written");
    // A link is trusted as much as its owner.
    let link = place.path("link.json");
    symlink(place.path("credentials.json"), &link).expect("a link");
    let linked = FileStore::new(&link);
    assert_eq!(linked.keys().expect("it is read"), [key()]);
    lchown(&link, Some(NOBODY), None).expect("it is given away");
    names(linked.keys(), &link, "belongs to another user");
}

#[tokio::test]
async fn file_with_another_name_is_not_written_in_place() {
    for lease in [false, true] {
        let place = Place::new();
        let path = match lease {
            true => place.path(&place.lease_name().await),
            false => place.path("credentials.json.lock"),
        };
        let _ = fs::remove_file(&path);
        fs::hard_link(place.victim(), &path).expect("a link");
        let ended = match lease {
            true => place.lease().await,
            false => place.save().await,
        };
        names(ended, &path, "hard link");
        let said = fs::read_to_string(place.path("victim"));
        assert_eq!(said.expect("it is there"), SAID);
    }
}

#[tokio::test]
async fn links_in_a_circle_end() {
    let place = Place::new();
    let (one, two) = (place.path("credentials.json"), place.path("two"));
    symlink(&one, &two).expect("a link");
    symlink(&two, &one).expect("a link");
    names(place.load().await, &one, "too many links");
    names(place.save().await, &one, "too many links");
}

#[tokio::test]
async fn link_to_a_store_that_is_not_there_yet_stays_a_link() {
    let place = Place::new();
    symlink("real.json", place.path("credentials.json")).expect("a link");
    place.save().await.expect("it is written");
    let link = fs::symlink_metadata(place.path("credentials.json"));
    assert!(link.expect("it is there").is_symlink());
    assert!(place.path("real.json").is_file() && place.path("real.json.lock").is_file());
    assert!(place.load().await.expect("it is read").is_some());
}

#[tokio::test]
async fn store_larger_than_it_may_be_is_neither_read_nor_made() {
    let place = Place::new();
    place.save().await.expect("it is written");
    let path = place.path("credentials.json");
    let before = fs::read(&path).expect("it is there");
    let large = Secret::new(format!("\"{}\"", "x".repeat(16 << 20)));
    let current = place.load().await.expect("it is read");
    let saved = place.store.save(&key(), large, current).await;
    names(saved, &path, "larger than 16 MiB");
    assert_eq!(fs::read(&path).expect("it is there"), before);
    let file = File::options()
        .write(true)
        .open(&path)
        .expect("it is opened");
    file.set_len((16 << 20) + 1).expect("it grows");
    names(place.load().await, &path, "larger than 16 MiB");
    names(place.save().await, &path, "larger than 16 MiB");
    file.set_len(1 << 40).expect("it grows");
    names(place.load().await, &path, "larger than 16 MiB");
}

#[tokio::test]
async fn permissions_of_others_are_taken_back() {
    let place = Place::new();
    place.save().await.expect("it is written");
    place.lease().await.expect("it works");
    let mode = |name: &str| fs::metadata(place.path(name)).expect("it is there").mode() & 0o777;
    let open = |name: &str| {
        let wide = fs::Permissions::from_mode(0o666);
        fs::set_permissions(place.path(name), wide).expect("they are set");
    };
    open("credentials.json");
    open("credentials.json.lock");
    place.load().await.expect("it is read");
    assert_eq!(mode("credentials.json"), 0o600);
    place.save().await.expect("it is written");
    assert_eq!(mode("credentials.json.lock"), 0o600);
}

#[tokio::test]
async fn lock_that_a_stranger_holds_is_waited_for_in_bounds_and_named() {
    let place = Place::new();
    place.save().await.expect("it is written");
    let path = place.path("credentials.json.lock");
    let stranger = File::open(&path).expect("it is opened");
    stranger.lock().expect("it is locked");
    let begun = Instant::now();
    let (saved, leased) = tokio::join!(place.save(), place.lease());
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    names(saved, &path, "End that process");
    names(leased, &path, "End that process");
    assert!(
        place
            .load()
            .await
            .expect("reading waits for nobody")
            .is_some()
    );
    drop(stranger);
    place.save().await.expect("it is written");
}
