//! Credentials in a file, which processes share. The guard is a lock file, as the SDK's documentation suggests.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use rmcp::transport::auth::{
    AuthError, CredentialRefreshGuard, CredentialStore, StoredCredentials,
};

/// How often a waiting process looks for the lock.
const POLL: Duration = Duration::from_millis(10);

pub(crate) struct FileStore {
    file: PathBuf,
    lock: PathBuf,
}

impl FileStore {
    pub(crate) fn new(folder: &str) -> Self {
        let folder = PathBuf::from(folder);
        Self {
            file: folder.join("credentials.json"),
            lock: folder.join("lock"),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> AuthError {
    AuthError::CredentialStoreError(error.to_string())
}

/// Removes the lock file on drop.
struct Lock(PathBuf);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[async_trait]
impl CredentialStore for FileStore {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        match std::fs::read(&self.file) {
            Ok(text) => serde_json::from_slice(&text).map_err(failed),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        let text = serde_json::to_vec(&credentials).map_err(failed)?;
        let new = self.file.with_extension(std::process::id().to_string());
        std::fs::write(&new, text).map_err(failed)?;
        std::fs::rename(&new, &self.file).map_err(failed)
    }

    async fn clear(&self) -> Result<(), AuthError> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    async fn acquire_refresh_guard(&self) -> Result<Option<CredentialRefreshGuard>, AuthError> {
        loop {
            match std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&self.lock)
            {
                Ok(_) => return Ok(Some(CredentialRefreshGuard::new(Lock(self.lock.clone())))),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    tokio::time::sleep(POLL).await;
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }
}
