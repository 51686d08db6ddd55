//! A full disk and a read-only folder: the error names the file, and the file stays unchanged.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::stage::{WORKER, Worker};

/// A user without files, because root may write everywhere.
const NOBODY: u32 = 65534;

/// A store in which a worker has written a few records.
async fn written() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    let mut writer = Worker::start(&["writes", path.to_str().unwrap(), "10"]);
    for _ in 0..3 {
        writer.says().await;
    }
    writer.kill().await;
    // Removes what the kill may have left, which another test checks.
    let _ = fs::remove_file(folder.path().join("credentials.json.tmp"));
    (folder, path)
}

/// The writer reads the record, fails to write, and reports the error; nothing has changed.
async fn fails(mut writer: Worker, path: &Path, why: &[&str]) {
    let before = fs::read(path).unwrap();
    assert!(
        writer.says().await["number"].as_u64() > Some(0),
        "it can be read"
    );
    let told = writer.says().await;
    assert_eq!(told["code"], "store", "{told}");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert!(why.iter().any(|why| message.contains(why)), "{message}");
    assert_eq!(writer.next().await, None::<Value>, "it has ended");
    assert_eq!(fs::read(path).unwrap(), before);
    let copy = path.with_file_name("credentials.json.tmp");
    assert!(!copy.exists(), "half a copy takes the room that is lacking");
    // The file may belong to another user, whose store this program refuses to open.
    let contents: Value = serde_json::from_slice(&before).unwrap();
    assert_eq!(contents["records"].as_array().unwrap().len(), 1);
}

/// The writer's files may not grow beyond a block: writes fail in the same place as on a full disk.
#[tokio::test]
async fn full_disk_is_told_and_the_old_record_stands() {
    let (_folder, path) = written().await;
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"",
            WORKER,
        ])
        .args(["writes", path.to_str().unwrap(), "10000"]);
    fails(
        Worker::run(command),
        &path,
        &["cannot be written: File too large"],
    )
    .await;
    // With space again, it continues.
    let mut writer = Worker::start(&["writes", path.to_str().unwrap(), "10000"]);
    let number = writer.says().await["number"].as_u64().unwrap();
    assert_eq!(writer.says().await["number"], number + 1);
}

/// A worker of a user for whom permissions count, on its own files.
fn unprivileged(folder: &Path, path: &Path) -> Worker {
    let mut command = if fs::metadata(folder).unwrap().uid() == 0 {
        // `install` copies the worker to where every user may run it. If this process wrote it, another test's child
        // could inherit the open file, and an open file cannot be run ("text file busy").
        let worker = folder.with_extension("worker");
        let mut install = Command::new("install");
        install.args(["-m", "755", WORKER]).arg(&worker);
        assert!(install.status().unwrap().success());
        for entry in fs::read_dir(folder).unwrap() {
            chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        let mut command = Command::new(worker);
        command.uid(NOBODY).gid(NOBODY);
        command
    } else {
        Command::new(WORKER)
    };
    command.args(["writes", path.to_str().unwrap(), "10"]);
    Worker::run(command)
}

async fn read_only_folder(keep_the_lock: bool, why: &str) {
    let (folder, path) = written().await;
    let folder = folder.path();
    if !keep_the_lock {
        fs::remove_file(folder.join("credentials.json.lock")).unwrap();
    }
    let mode = |mode| fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let worker = unprivileged(folder, &path);
    fails(worker, &path, &[why]).await;
    mode(0o700);
    let _ = fs::remove_file(folder.with_extension("worker"));
}

#[tokio::test]
async fn read_only_folder_is_told_and_the_old_record_stands() {
    read_only_folder(true, "cannot be written: Permission denied").await;
}

#[tokio::test]
async fn read_only_folder_without_a_lock_is_told_and_the_old_record_stands() {
    read_only_folder(false, "cannot be locked: Permission denied").await;
}
