//! A store in one file, shared by all processes of one user.
//!
//! The file is replaced as a whole by renaming a complete, synced copy over it, so a reader sees the old
//! file or the new one. Writers take turns by a lock on `FILE.lock`. A lease is a lock on a file of its own
//! in `FILE.leases/`, which the operating system releases when its holder's process ends, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{Lease, Saved, StoreKey, Stored, TokenStore};
use crate::error::Error;
use crate::runtime::unix_seconds;
use crate::secret::Secret;

/// The version of the file's form that this program writes and reads.
const FORMAT: u32 = 1;
/// How long a writer waits for its turn. Writing takes milliseconds; a longer wait means a stuck process.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Keeps records in one file, readable by its owner only. Clones share it, and so do processes.
#[derive(Debug, Clone)]
pub struct FileStore {
    path: PathBuf,
}

/// The whole file.
#[derive(Serialize, Deserialize)]
struct Contents {
    format: u32,
    /// Counts writes; never goes back, so that a version is never seen twice.
    sequence: u64,
    records: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    profile: String,
    server: String,
    version: u64,
    record: Box<serde_json::value::RawValue>,
}

impl Entry {
    fn is(&self, key: &StoreKey) -> bool {
        self.profile == key.profile && self.server == key.server
    }
}

impl FileStore {
    /// A store in the file at `path`. The file is created, with its folder, by the first write.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
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
        /// Read first: a newer form may differ in anything else.
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Contents {
                    format: FORMAT,
                    sequence: 0,
                    records: Vec::new(),
                });
            }
            Err(error) => return Err(self.failed("cannot be read", &error)),
        };
        let Ok(form) = serde_json::from_slice::<Form>(&bytes) else {
            return Err(
                self.unusable("this is no credential file of mcp-reauth, or a truncated one")
            );
        };
        if form.format != FORMAT {
            return Err(self.unusable(format_args!(
                "this file has format {}, and this program reads {FORMAT}; use a newer mcp-reauth",
                form.format
            )));
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            self.unusable(format_args!(
                "this file is damaged at line {}, column {}",
                error.line(),
                error.column()
            ))
        })
    }

    /// Writes the whole file: a complete copy beside it, synced, then renamed over it.
    fn write(&self, contents: &Contents) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            // A link stays a link: what it points to is replaced.
            let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
            let folder = parent(&target);
            let mut copy = NamedTempFile::new_in(folder)?;
            serde_json::to_writer(copy.as_file_mut(), contents)?;
            copy.as_file_mut().write_all(b"\n")?;
            copy.as_file().sync_all()?;
            copy.persist(&target).map_err(|error| error.error)?;
            sync_folder(folder)
        };
        write().map_err(|error| self.failed("cannot be written", &error))
    }

    /// Takes this process's turn. The lock ends with the returned file.
    fn turn(&self) -> Result<File, Error> {
        let failed = |error| self.failed("cannot be locked", &error);
        private_folder(parent(&self.path)).map_err(failed)?;
        let lock = private_file(&self.beside("lock")).map_err(failed)?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if start.elapsed() > LOCK_WAIT => {
                    return Err(Error::store(format!(
                        "{}: another process has kept it locked for {} s",
                        self.path.display(),
                        LOCK_WAIT.as_secs()
                    )));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(suffix);
        name.into()
    }

    fn load_now(&self, key: &StoreKey) -> Result<Option<Stored>, Error> {
        let contents = self.read()?;
        let entry = contents.records.into_iter().find(|entry| entry.is(key));
        Ok(entry.map(|entry| Stored {
            version: entry.version,
            data: Secret::new(entry.record.get()),
        }))
    }

    fn save_now(
        &self,
        key: &StoreKey,
        data: Option<&Secret>,
        expected: Option<u64>,
    ) -> Result<Saved, Error> {
        let _turn = self.turn()?;
        let mut contents = self.read()?;
        let at = contents.records.iter().position(|entry| entry.is(key));
        if at.map(|at| contents.records[at].version) != expected {
            return Ok(Saved::Conflict);
        }
        contents.sequence += 1;
        let version = contents.sequence;
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
        self.write(&contents)?;
        Ok(Saved::As(version))
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
                if !overstayed(&mut file, now) {
                    return Ok(None);
                }
                let fresh = NamedTempFile::new_in(&folder).map_err(failed)?;
                file = fresh.persist(&path).map_err(|e| failed(e.error))?;
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
            write!(file, "{}", unix_seconds(now + ttl))
        };
        write(&mut file).map_err(failed)?;
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

fn overstayed(lease: &mut File, now: SystemTime) -> bool {
    let mut until = String::new();
    let read = lease
        .rewind()
        .and_then(|()| lease.read_to_string(&mut until));
    read.is_ok()
        && until
            .trim()
            .parse()
            .is_ok_and(|until: u64| unix_seconds(now) >= until)
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

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
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

/// Makes a rename outlast a power cut. Only Unix lets a folder be synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
