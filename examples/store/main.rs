//! A custom store: one file for each record, in a folder that only this process uses.
//!
//! ```console
//! $ cargo run -p mcp-reauth-examples --bin store -- https://mcp.example.com/mcp folder
//! ```
//!
//! A test at the end checks it against the store contract. A store that several processes share must implement leases
//! itself (`TokenStore`); one on a disk should sync its writes. `FileStore` does both.

use std::error::Error as StdError;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, ready};
use mcp_reauth::loopback::TerminalHost;
use mcp_reauth::store::{Deleted, Saved, StoreKey, Stored};
use mcp_reauth::{AuthSession, Error, LocalLeases, RecordStore, Secret};
use sha2::{Digest, Sha256};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let mut args = std::env::args().skip(1);
    let (Some(server), Some(folder)) = (args.next(), args.next()) else {
        return Err("usage: store SERVER FOLDER".into());
    };
    let session = AuthSession::builder(server)
        .client_name("Store example")
        .store(LocalLeases::new(FolderStore::open(folder)?))
        .host(TerminalHost::default())
        .open()
        .await?;
    if session.authorization().is_none() {
        session.sign_in(Default::default()).await;
    }
    let state = session.connection_state().await?;
    println!("signed in: {}", state.signed_in);
    session.settle().await;
    Ok(())
}

/// Stores each record in a file. Clones share the records.
#[derive(Clone)]
struct FolderStore {
    folder: Arc<PathBuf>,
    /// Held while a record is read and replaced.
    turn: Arc<Mutex<()>>,
}

impl FolderStore {
    fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder: Arc::new(folder),
            turn: Arc::default(),
        })
    }

    fn path(&self, key: &StoreKey) -> PathBuf {
        // Profiles and addresses may be too long for a file name, and contain any character.
        let hash = Sha256::digest(format!("{}\n{}", key.profile, key.server));
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(name)
    }

    /// Reads a record's file: the first line is the version, the rest is the record. A deleted record has an empty
    /// rest.
    fn read(&self, key: &StoreKey) -> io::Result<(u64, Option<Secret>)> {
        let text = match fs::read_to_string(self.path(key)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((0, None)),
            text => text?,
        };
        let (version, data) = text.split_once('\n').unwrap_or((&text, ""));
        let version = version
            .parse()
            .map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
        Ok((version, (!data.is_empty()).then(|| Secret::new(data))))
    }

    /// Replaces a record if its version is `expected`, or creates it if there is none.
    fn replace(
        &self,
        key: &StoreKey,
        expected: Option<u64>,
        data: &str,
    ) -> io::Result<Option<u64>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, held) = self.read(key)?;
        if held.map(|_| version) != expected {
            return Ok(None);
        }
        let path = self.path(key);
        let new = path.with_extension("new");
        write_private(&new, &format!("{}\n{data}", version + 1))?;
        // Readers see either the old file or the new one.
        fs::rename(new, path)?;
        Ok(Some(version + 1))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::store(format!("{}: {error}", self.folder.display()))
    }
}

/// Writes a file that other users cannot read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(path)?, text.as_bytes())
}

impl RecordStore for FolderStore {
    fn place(&self) -> Option<String> {
        Some(self.folder.display().to_string())
    }

    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        let read = self.read(key).map_err(|error| self.failed(error));
        let stored = read.map(|(version, data)| {
            Some(Stored {
                version,
                data: data?,
            })
        });
        Box::pin(ready(stored))
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        let saved = self.replace(key, expected, data.expose());
        let saved = saved.map(|version| version.map_or(Saved::Conflict, Saved::As));
        Box::pin(ready(saved.map_err(|error| self.failed(error))))
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        // The version stays, so that later writes get a higher one.
        let deleted = self.replace(key, Some(expected), "");
        let deleted = deleted.map(|version| version.map_or(Deleted::Conflict, |_| Deleted::Done));
        Box::pin(ready(deleted.map_err(|error| self.failed(error))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_reauth::TokioRuntime;
    use mcp_reauth::testing::check_store;

    #[tokio::test]
    async fn it_keeps_to_what_sessions_rely_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FolderStore::open(folder.path()).expect("a store");
        let store = Arc::new(LocalLeases::new(store));
        for check in check_store(Arc::clone(&store), store, TokioRuntime).await {
            assert_eq!(check.failure, None, "{}", check.name);
        }
    }
}
