//! A session whose file is damaged while it is in use: an error that names the file, no prompt, and the file is not
//! changed.

use std::fs;
use std::path::PathBuf;

use mcp_reauth::{AuthSession, Error, FileStore, Revocation};
use tempfile::TempDir;

use crate::support::{Bench, Mcp, code};

struct Disk {
    bench: Bench,
    folder: TempDir,
}

impl Disk {
    fn new() -> Self {
        Self {
            bench: Bench::new(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("credentials.json")
    }

    async fn try_open(&self) -> Result<AuthSession, Error> {
        let builder = self.bench.builder().host(self.bench.host.clone());
        builder.store(FileStore::new(self.path())).open().await
    }

    async fn signed_in(&self) -> AuthSession {
        let session = self.try_open().await.expect("the session opens");
        assert_eq!(self.bench.send(&session, "").await, Ok(200));
        session
    }

    fn contents(&self) -> Vec<u8> {
        fs::read(self.path()).expect("it is there")
    }

    fn damage(&self, contents: &[u8]) {
        fs::write(self.path(), contents).expect("it is written");
    }

    /// Asserts that the error is about the store, and names the file.
    fn names(&self, error: &Error) {
        let path = self.path().display().to_string();
        assert_eq!(error.code(), "store");
        assert!(error.to_string().contains(&path), "{error}");
    }
}

/// Damaged versions of a file.
fn damages(whole: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8(whole.to_vec()).expect("it is text");
    let twice = text.replacen("\"records\":[", "\"records\":[ENTRY,", 1);
    let entry = text.split_once("\"records\":[").expect("there are records");
    let entry = entry.1.trim_end().strip_suffix("]}").expect("it is whole");
    vec![
        Vec::new(),
        whole[..whole.len() / 2].to_vec(),
        b"# shopping list\n".to_vec(),
        text.replacen("\"format\":1", "\"format\":2", 1)
            .into_bytes(),
        [b"\xef\xbb\xbf".as_slice(), whole].concat(),
        text.replacen("mcp.example", "mcp.ex\0mple", 1).into_bytes(),
        twice.replacen("ENTRY", entry, 1).into_bytes(),
    ]
}

#[tokio::test(start_paused = true)]
async fn session_does_not_open_on_a_damaged_file() {
    let disk = Disk::new();
    drop(disk.signed_in().await);
    for damage in damages(&disk.contents()) {
        disk.damage(&damage);
        disk.names(&disk.try_open().await.expect_err("it is damaged"));
        assert_eq!(disk.contents(), damage);
    }
}

#[tokio::test(start_paused = true)]
async fn session_goes_on_with_what_it_has_and_renews_nothing_it_could_not_store() {
    let disk = Disk::new();
    let session = disk.signed_in().await;
    let whole = disk.contents();
    for damage in damages(&whole) {
        disk.damage(&damage);
        // A valid token is used without reading the file.
        assert_eq!(disk.bench.send(&session, "").await, Ok(200));
        disk.bench.world.servers(|s| s.revoke_access());
        disk.bench.world.take();
        let sent = disk.bench.send(&session, "").await;
        disk.names(&sent.expect_err("it cannot be renewed"));
        assert_eq!(disk.bench.world.trace(), [Mcp]);
        assert_eq!(disk.contents(), damage);
        // After a backup is restored, whose refresh token has been used since, the session continues with what it has
        // in memory.
        disk.damage(&whole);
        assert_eq!(disk.bench.send(&session, "").await, Ok(200));
        assert_eq!(disk.bench.host.prompts(), (0, 1));
    }
    disk.bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn signing_out_of_a_damaged_file_is_an_error_and_forgets_what_is_in_memory() {
    let disk = Disk::new();
    drop(disk.signed_in().await);
    let whole = disk.contents();
    for damage in damages(&whole) {
        disk.damage(&whole);
        let session = disk.try_open().await.expect("the session opens");
        disk.damage(&damage);
        let signed_out = session.sign_out().await;
        disk.names(&signed_out.expect_err("it cannot be cleared"));
        assert_eq!(disk.contents(), damage);
        assert_eq!(session.authorization(), None);
        // The user is not sent to a page whose result could not be stored.
        let sent = disk.bench.send(&session, "").await;
        disk.names(&sent.expect_err("nobody is signed in"));
        assert_eq!(disk.contents(), damage);
    }
    assert_eq!(disk.bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn record_of_a_newer_program_is_left_alone_until_somebody_signs_out() {
    let disk = Disk::new();
    let session = disk.signed_in().await;
    let mut file: serde_json::Value = serde_json::from_slice(&disk.contents()).expect("JSON");
    let newer = serde_json::json!({ "format": 2, "vault": "sealed" });
    file["records"][0]["record"] = newer;
    let damage = file.to_string().into_bytes();
    disk.damage(&damage);
    disk.names(&disk.try_open().await.expect_err("it is newer"));
    disk.bench.world.servers(|s| s.revoke_access());
    let sent = disk.bench.send(&session, "").await;
    disk.names(&sent.expect_err("it cannot be renewed"));
    assert_eq!(code(&session.connection_state().await), "store");
    assert_eq!(disk.contents(), damage);
    // A user who signs out wants the record deleted. That its tokens could not be revoked is reported.
    assert_eq!(session.sign_out().await, Ok(Revocation::Failed));
    let session = disk.try_open().await.expect("the session opens");
    assert!(session.authorization().is_none());
    assert_eq!(disk.bench.host.prompts(), (0, 1));
}
