//! A store in one file, shared by all processes of one user.
//!
//! The file is replaced as a whole by renaming a complete, synced copy over it, so a reader sees the old
//! file or the new one. Writers take turns by a lock on `FILE.lock`. A lease is a lock on a file of its own
//! in `FILE.leases/`, which the operating system releases when its holder's process ends, however it ends.

pub(crate) mod contents;
mod lock;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::grace::Grace;
use super::{Lease, Saved, StoreKey, Stored, TokenStore};
use crate::error::Error;
use crate::runtime::unix_seconds;
use crate::secret::Secret;
use contents::{Contents, Entry};
use lock::{NoTurn, Turn};

/// How often a write begins again because its lock file was deleted meanwhile.
const TURN_TRIES: u32 = 16;

/// How often a file is renamed over another before giving up.
const REPLACE_TRIES: u32 = 50;

/// Keeps records in one file, readable by its owner only. Clones share it, and so do processes.
#[derive(Debug, Clone)]
pub struct FileStore {
    path: PathBuf,
    grace: Arc<Grace>,
    /// The highest version that this store gave or read: it outlasts the files.
    highest: Arc<AtomicU64>,
}

impl FileStore {
    /// A store in the file at `path`. The file is created, with its folder, by the first write.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            grace: Arc::default(),
            highest: Arc::default(),
        }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys of all records.
    ///
    /// # Errors
    /// [`Error::Store`] when the file cannot be read.
    pub fn keys(&self) -> Result<Vec<StoreKey>, Error> {
        let contents = self.read()?;
        let key = |entry: Entry| StoreKey {
            profile: entry.profile,
            server: entry.server,
        };
        Ok(contents.records.into_iter().map(key).collect())
    }

    /// Runs blocking work off the caller's thread. Dropping the future does not stop the work half-way.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let store = self.clone();
        let place = self.path.display().to_string();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || work(&store))
                .await
                .map_err(|error| Error::store(format!("{place}: {error}")))?
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
        match fs::read(&self.path) {
            Ok(bytes) => Contents::parse(&bytes).map_err(|why| self.unusable(why)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Contents::default()),
            Err(error) => Err(self.failed("cannot be read", &error)),
        }
    }

    /// Writes the whole file: a complete copy beside it, synced, then renamed over it. Only one process at a
    /// time does so, hence the copy has one name, and one that a crash leaves is replaced by the next. `false`:
    /// the turn was lost, as its file was deleted, and nothing has changed.
    fn write(&self, contents: &Contents, turn: &Turn) -> Result<bool, Error> {
        // A link stays a link: what it points to is replaced.
        let target = self.target();
        let copy = with_suffix(&target, "tmp");
        let write = || -> io::Result<bool> {
            let mut text = Zeroizing::new(serde_json::to_vec(contents)?);
            text.push(b'\n');
            let mut file = new_private_file(&copy)?;
            file.write_all(&text)?;
            file.sync_all()?;
            if !turn.is_valid()? {
                return Ok(false);
            }
            replace(&copy, &target)?;
            sync_folder(parent(&target));
            Ok(true)
        };
        write().or_else(|error| {
            // Where the lock file was deleted, two processes may have had their turn, and met at the copy.
            let met = [io::ErrorKind::AlreadyExists, io::ErrorKind::NotFound];
            if met.contains(&error.kind()) || !turn.is_valid().unwrap_or(true) {
                return Ok(false);
            }
            // On a full disk, half a copy is no help. The error that counts is the one there was.
            let _ = fs::remove_file(&copy);
            Err(self.failed("cannot be written", &error))
        })
    }

    /// Waits for this process's turn to write.
    fn turn(&self) -> Result<Turn, Error> {
        let failed = |error| self.failed("cannot be locked", &error);
        private_folder(parent(&self.target())).map_err(failed)?;
        let lock = self.beside("lock");
        Turn::take(lock.clone()).map_err(|why| match why {
            NoTurn::Failed(error) => failed(error),
            NoTurn::Held(seconds) => Error::store(format!(
                "{}: another process has kept {} locked for {seconds} s. Find out which it is and end it, then try \
                 again",
                self.path.display(),
                lock.display()
            )),
        })
    }

    /// The file itself: whoever comes by a link, and whoever does not, share its lock and its leases.
    fn target(&self) -> PathBuf {
        fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        with_suffix(&self.target(), suffix)
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

    fn save_now(
        &self,
        key: &StoreKey,
        data: Option<&Secret>,
        expected: Option<u64>,
    ) -> Result<Saved, Error> {
        for _ in 0..TURN_TRIES {
            if let Some(saved) = self.save_once(key, data, expected)? {
                return Ok(saved);
            }
        }
        Err(Error::store(format!(
            "{}: its lock file was deleted again and again; nothing was changed",
            self.path.display()
        )))
    }

    /// `None`: the turn was lost, and nothing was written.
    fn save_once(
        &self,
        key: &StoreKey,
        data: Option<&Secret>,
        expected: Option<u64>,
    ) -> Result<Option<Saved>, Error> {
        let turn = self.turn()?;
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
        let written = self.write(&contents, &turn)?;
        Ok(written.then_some(Saved::As(version)))
    }

    /// A version above all that were given, which is noted before anything has it.
    fn next_version(&self, contents: &mut Contents, turn: &Turn) -> Result<u64, Error> {
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

    fn lease_now(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<Option<Lease>, Error> {
        // Leases are taken in turns, so that a lapsed one is replaced by one process only.
        let _turn = self.turn()?;
        let failed = |error| self.failed("cannot be leased", &error);
        let folder = self.beside("leases");
        private_folder(&folder).map_err(failed)?;
        let path = folder.join(lease_name(key));
        let mut file = private_file(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                // The holder lives. Has it overstayed? Then it is stuck, and gets to keep its own file.
                let lapsed = lapses_at(&mut file).filter(|at| unix_seconds(now) >= *at);
                if !lapsed.is_some_and(|at| self.grace.is_over(key, at, now)) {
                    return Ok(None);
                }
                let fresh = with_suffix(&path, "tmp");
                file = new_private_file(&fresh).map_err(failed)?;
                replace(&fresh, &path).map_err(failed)?;
                match file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::Error(error)) => return Err(failed(error)),
                    Err(TryLockError::WouldBlock) => return Ok(None),
                }
            }
        }
        let write = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", unix_seconds(now).saturating_add(ttl.as_secs()))
        };
        write(&mut file).map_err(failed)?;
        self.grace.forget(key);
        Ok(Some(Lease::new(move || drop(file))))
    }
}

impl TokenStore for FileStore {
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
        data: Option<Secret>,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        let key = key.clone();
        self.run(move |store| store.save_now(&key, data.as_ref(), expected))
    }

    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<Lease>, Error>> {
        let key = key.clone();
        self.run(move |store| store.lease_now(&key, now, ttl))
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// When the holder of a lease has to have ended, in seconds since 1970, if that can be read.
fn lapses_at(lease: &mut File) -> Option<u64> {
    let mut until = String::new();
    lease.rewind().ok()?;
    lease.read_to_string(&mut until).ok()?;
    until.trim().parse().ok()
}

/// A file name for a key: FNV-1a, which is the same in every build. Two keys that share one only wait for
/// each other.
fn lease_name(key: &StoreKey) -> String {
    let bytes = key.profile.bytes().chain([0]).chain(key.server.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Opens a file that only its owner can read, or makes it.
fn private_file(path: &Path) -> io::Result<File> {
    open_private(OpenOptions::new().create(true).truncate(false), path)
}

/// Makes a file anew, whatever was there.
fn new_private_file(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => open_private(OpenOptions::new().create_new(true), path),
    }
}

fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Renames a file over another. Elsewhere than on Unix that fails while somebody reads the other, which takes
/// no time.
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

fn private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a rename outlast a power cut, where the file system can.
fn sync_folder(folder: &Path) {
    if cfg!(unix)
        && let Ok(folder) = File::open(folder)
    {
        // The file is in place; a folder that cannot be synced is no reason to say otherwise.
        let _ = folder.sync_all();
    }
}
