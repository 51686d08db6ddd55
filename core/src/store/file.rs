//! A store in one file, shared by all processes of one user.
//!
//! The file is replaced as a whole by renaming a complete, synced copy over it, so a reader sees the old file or the
//! new one. Writers take turns with a lock on `FILE.lock`. A lease is a lock on its own file in `FILE.leases/`; the
//! operating system releases it when the holder's process ends, however it ends. Only regular files of the user are
//! opened; links are followed only to the store's own file.

pub(crate) mod contents;
mod lease;
mod line;
mod lock;
mod private;
mod space;
mod stamp;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::threads::BoxFuture;
use futures_util::future::ready;
use zeroize::Zeroizing;

use super::{
    Deleted, LeaseId, RecordStore, Reservation, Saved, Stamp, StoreKey, Stored, TokenStore,
};
use crate::error::Error;
use crate::secret::Secret;
use crate::sync::Mutex;
use contents::{Contents, Entry};
use lease::{FileLeases, Fresh};
use line::{First, Line};
use lock::{NoTurn, Turn};
use private::parent;
use space::Space;

/// The maximum size of a store: many times the size of thousands of records.
const MAX_SIZE: u64 = 16 << 20;

/// How often to repeat a write because its lock file was deleted meanwhile.
const TURN_TRIES: u32 = 16;

/// How often to try to rename a file over another.
const REPLACE_TRIES: u32 = 50;

/// Keeps records in one file that only its owner can read. Clones and processes share it.
///
/// ```no_run
/// # use mcp_reauth::{AuthSession, Error, FileStore};
/// # async fn open() -> Result<(), Error> {
/// let store = FileStore::new("credentials.json");
/// let files = AuthSession::builder("https://files.example.com/mcp").store(store.clone()).open().await?;
/// let mail = AuthSession::builder("https://mail.example.com/mcp").store(store).open().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FileStore {
    path: PathBuf,
    leases: Arc<FileLeases>,
    /// The highest version that this store assigned or read: it outlasts the files.
    highest: Arc<AtomicU64>,
    spaces: Arc<Mutex<Spaces>>,
    line: Arc<Line>,
}

/// The space that is reserved for records to be written.
#[derive(Debug, Default)]
struct Spaces {
    by_key: HashMap<StoreKey, Space>,
    /// The number of the next reservation.
    next: u64,
}

impl FileStore {
    /// Creates a store in the file at `path`. The first write creates the file and its folder.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            line: Line::at(&path),
            path,
            leases: Arc::default(),
            highest: Arc::default(),
            spaces: Arc::default(),
        }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the keys of all records.
    ///
    /// # Errors
    /// [`Error::Store`] if the file cannot be read.
    pub fn keys(&self) -> Result<Vec<StoreKey>, Error> {
        let contents = self.read()?;
        let key = |entry: Entry| StoreKey {
            profile: entry.profile,
            server: entry.server,
        };
        Ok(contents.records.into_iter().map(key).collect())
    }

    /// Runs blocking work off the caller's thread. Dropping the future does not stop the work.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let store = self.clone();
        let place = self.path.display().to_string();
        Box::pin(async move {
            let outside = |_| Error::config(format!("{place}: a FileStore needs a tokio runtime"));
            let runtime = tokio::runtime::Handle::try_current().map_err(outside)?;
            runtime
                .spawn_blocking(move || work(&store))
                .await
                .map_err(|error| Error::store(format!("{place}: {error}")))?
        })
    }

    /// Runs work that writes, after the earlier writers of this process.
    fn run_in_line<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &mut First) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let store = self.clone();
        Box::pin(async move {
            let mut first = store.line.first().await;
            store.run(move |store| work(store, &mut first)).await
        })
    }

    fn failed(&self, what: &str, error: &io::Error) -> Error {
        Error::store(format!("{}: {what}: {error}", self.path.display()))
    }

    fn unusable(&self, why: impl std::fmt::Display) -> Error {
        Error::store(format!(
            "{}: {why}. It was left as it is; move it away, or choose another file",
            self.path.display()
        ))
    }

    fn read(&self) -> Result<Contents, Error> {
        let read = self
            .target()
            .and_then(|target| private::read(&target, MAX_SIZE));
        match read {
            Ok(Some(bytes)) => Contents::parse(&bytes).map_err(|why| self.unusable(why)),
            Ok(None) => Ok(Contents::default()),
            Err(error) => Err(self.failed("cannot be read", &error)),
        }
    }

    /// Writes the whole file: a complete, synced copy beside it, then renamed over it. Only one process at a time does
    /// so, so the copy has one name, and one that a crash left is replaced. If space is reserved for `key`, the copy is
    /// written there. Returns `false` if the turn was lost because the lock file was deleted; nothing has changed then.
    fn write(&self, key: &StoreKey, contents: &Contents, turn: &Turn<'_>) -> Result<bool, Error> {
        let failed = |error: &io::Error| self.failed("cannot be written", error);
        // A link stays a link: its target is replaced.
        let target = self.target().map_err(|error| failed(&error))?;
        let text = serde_json::to_vec(contents).map_err(|error| failed(&error.into()))?;
        let mut text = Zeroizing::new(text);
        text.push(b'\n');
        if u64::try_from(text.len()).is_ok_and(|length| length > MAX_SIZE) {
            return Err(self.unusable("with this record it would be larger than 16 MiB"));
        }
        let reserved = self.use_space(key, &text);
        let copy = reserved
            .clone()
            .unwrap_or_else(|| with_suffix(&target, "tmp"));
        let write = || -> io::Result<bool> {
            if reserved.is_none() {
                let mut file = private::create(&copy)?;
                file.write_all(&text)?;
                file.sync_all()?;
            }
            if !turn.is_valid()? {
                return Ok(false);
            }
            replace(&copy, &target)?;
            sync_folder(parent(&target));
            Ok(true)
        };
        let written = write().or_else(|error| {
            // If the lock file was deleted, two processes may have had a turn, and collided at the copy.
            let met = [io::ErrorKind::AlreadyExists, io::ErrorKind::NotFound];
            if met.contains(&error.kind()) || !turn.is_valid().unwrap_or(true) {
                return Ok(false);
            }
            // Half a copy on a full disk is useless. The error of the write is the one to report.
            let _ = fs::remove_file(&copy);
            Err(failed(&error))
        });
        if let (Ok(false), Some(copy)) = (&written, reserved) {
            let _ = fs::remove_file(copy);
        }
        written
    }

    /// Waits for this process's turn to write.
    fn turn<'a>(&self, first: &'a mut First) -> Result<Turn<'a>, Error> {
        let failed = |error| self.failed("cannot be locked", &error);
        private::folder(parent(&self.target().map_err(failed)?)).map_err(failed)?;
        let lock = self.beside("lock").map_err(failed)?;
        let path = self.path.display();
        Turn::take(lock.clone(), first).map_err(|why| match why {
            NoTurn::Failed(error) => failed(error),
            NoTurn::Stuck(seconds) => Error::store(format!(
                "{path}: another process has kept {} locked for {seconds} s. End that process, which `fuser` or `lsof` \
                 finds by the file's name, then try again",
                lock.display()
            )),
            NoTurn::Busy(seconds) => Error::store(format!(
                "{path}: other processes have been writing to it for {seconds} s. Its disk is too slow for so many: choose a file on another disk, or try again later"
            )),
        })
    }

    /// Resolves links, so that sessions share the file's lock and leases whether they were given a link to it or not.
    fn target(&self) -> io::Result<PathBuf> {
        private::resolve(&self.path)
    }

    fn beside(&self, suffix: &str) -> io::Result<PathBuf> {
        Ok(with_suffix(&self.target()?, suffix))
    }

    fn load_now(&self, key: &StoreKey) -> Result<Option<Stored>, Error> {
        let contents = self.read()?;
        let entry = contents.records.into_iter().find(|entry| entry.is(key));
        Ok(entry.map(|entry| {
            self.highest.fetch_max(entry.version, Ordering::Relaxed);
            Stored {
                version: entry.version,
                data: Secret::new(entry.record.get()),
            }
        }))
    }

    /// Writes the record, or deletes it.
    fn save_now(
        &self,
        first: &mut First,
        key: &StoreKey,
        data: Option<&Secret>,
        expected: Option<u64>,
    ) -> Result<Saved, Error> {
        for _ in 0..TURN_TRIES {
            if let Some(saved) = self.save_once(first, key, data, expected)? {
                return Ok(saved);
            }
        }
        Err(Error::store(format!(
            "{}: its lock file was deleted again and again; nothing was changed",
            self.path.display()
        )))
    }

    /// Returns `None` if the turn was lost; nothing was written then.
    fn save_once(
        &self,
        first: &mut First,
        key: &StoreKey,
        data: Option<&Secret>,
        expected: Option<u64>,
    ) -> Result<Option<Saved>, Error> {
        let turn = self.turn(first)?;
        let mut contents = self.read()?;
        let at = contents.records.iter().position(|entry| entry.is(key));
        if at.map(|at| contents.records[at].version) != expected {
            return Ok(Some(Saved::Conflict));
        }
        let version = self.next_version(&mut contents, &turn)?;
        if let Some(at) = at {
            contents.records.remove(at);
        }
        if let Some(data) = data {
            let record = serde_json::value::RawValue::from_string(data.expose().to_owned());
            contents.records.push(Entry {
                profile: key.profile.clone(),
                server: key.server.clone(),
                version,
                record: record.map_err(|_| Error::store("the record is not JSON"))?,
            });
        }
        let written = self.write(key, &contents, &turn)?;
        Ok(written.then_some(Saved::As(version)))
    }

    /// Assigns a version above all earlier ones, and records it before it is used.
    fn next_version(&self, contents: &mut Contents, turn: &Turn<'_>) -> Result<u64, Error> {
        let known = self.highest.load(Ordering::Relaxed);
        let known = known.max(turn.mark().unwrap_or_default());
        let version = contents
            .next_version(SystemTime::now(), known)
            .map_err(|why| self.unusable(why))?;
        turn.set_mark(version)
            .map_err(|error| self.failed("cannot be written", &error))?;
        self.highest.fetch_max(version, Ordering::Relaxed);
        Ok(version)
    }
}

impl RecordStore for FileStore {
    fn place(&self) -> Option<String> {
        Some(self.path.display().to_string())
    }

    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        let key = key.clone();
        self.run(move |store| store.load_now(&key))
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        let key = key.clone();
        self.run_in_line(move |store, first| store.save_now(first, &key, Some(&data), expected))
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        let key = key.clone();
        self.run_in_line(move |store, first| {
            let saved = store.save_now(first, &key, None, Some(expected))?;
            Ok(match saved {
                Saved::As(_) => Deleted::Done,
                Saved::Conflict => Deleted::Conflict,
            })
        })
    }

    fn reserve(
        &self,
        key: &StoreKey,
        bytes: u64,
    ) -> BoxFuture<'static, Result<Reservation, Error>> {
        let key = key.clone();
        self.run_in_line(move |store, first| store.reserve_now(first, &key, bytes))
    }

    fn stamp(&self, _key: &StoreKey) -> BoxFuture<'static, Option<Stamp>> {
        let stamp = self.run(|store| Ok(store.stamp_now()));
        Box::pin(async move { stamp.await.ok() })
    }
}

impl TokenStore for FileStore {
    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>> {
        let key = key.clone();
        let leased = self.run_in_line(move |store, first| store.lease_now(first, &key, now, ttl));
        Box::pin(async move { Ok(leased.await?.and_then(Fresh::keep)) })
    }

    fn renew_lease(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        let (key, lease) = (key.clone(), lease.clone());
        self.run_in_line(move |store, first| store.renew_now(first, &key, &lease, now, ttl))
    }

    fn release_lease(&self, key: &StoreKey, lease: &LeaseId) -> BoxFuture<'static, ()> {
        self.leases.release(key, lease);
        Box::pin(ready(()))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Renames a file over another. On Windows, this fails while another process reads that file, which takes only a
/// moment.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..REPLACE_TRIES {
        match fs::rename(from, to) {
            Err(error) if cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied => {
                std::thread::sleep(Duration::from_millis(20));
            }
            ended => return ended,
        }
    }
    fs::rename(from, to)
}

/// Makes a rename survive a power failure, if the file system can.
fn sync_folder(folder: &Path) {
    if cfg!(unix)
        && let Ok(folder) = File::open(folder)
    {
        // The file is in place, whether or not its folder can be synced.
        let _ = folder.sync_all();
    }
}
