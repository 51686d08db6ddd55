//! Files that hold a secret. Errors name the file, and contain none of its text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use futures_util::future::BoxFuture;
use mcp_reauth::{Error, PrivateKey, Secret, WorkloadIdentity};
use tokio::sync::oneshot;

use crate::failure::Failure;

/// The size limit of a secret's file.
const MAX_LENGTH: u64 = 64 * 1024;

/// Reads the secret that a file holds.
pub(crate) fn secret(path: &Path) -> Result<Secret, Failure> {
    read(path).map_err(|what| Failure::Usage(format!("{}: {what}", path.display())))
}

/// Reads the private key that a file holds.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKey, Failure> {
    let text = secret(path)?;
    PrivateKey::read(text.expose()).map_err(|error| {
        Failure::Auth(match error {
            Error::Config { detail } => Error::config(format!("{}: {detail}", path.display())),
            other => other,
        })
    })
}

fn read(path: &Path) -> Result<Secret, String> {
    let what = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => "it is not valid UTF-8".to_owned(),
        _ => error.to_string(),
    };
    let mut text = String::new();
    let file = File::open(path).map_err(what)?;
    let read = file.take(MAX_LENGTH + 1).read_to_string(&mut text);
    if read.map_err(what)? as u64 > MAX_LENGTH {
        return Err("the file is larger than 64 KiB".to_owned());
    }
    match text.trim() {
        "" => Err("the file is empty".to_owned()),
        secret => Ok(Secret::new(secret)),
    }
}

/// A workload identity whose platform writes its token to a file.
pub(crate) struct ProjectedToken(pub(crate) std::path::PathBuf);

impl WorkloadIdentity for ProjectedToken {
    fn assertion(&self, _audience: &str) -> BoxFuture<'_, Result<Secret, Error>> {
        let path = self.0.clone();
        Box::pin(async move {
            let (sender, token) = oneshot::channel();
            // Reads on a detached thread, so that the program can exit without waiting for it.
            let name = path.display().to_string();
            std::thread::spawn(move || {
                let _ = sender.send(read(&path));
            });
            let token = token
                .await
                .unwrap_or_else(|_| Err("it was not read".to_owned()));
            token.map_err(|what| Error::host(format!("the workload's token in {name}: {what}")))
        })
    }
}
