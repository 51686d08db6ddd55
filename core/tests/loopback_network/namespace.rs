//! Tests that need their own machine: they run themselves again in a network namespace (Linux).

use std::process::Command;

const INSIDE: &str = "MCP_REAUTH_TEST_NETWORK";

/// Whether this is the run with its own loopback interface, which `set_up` (shell commands) has prepared. Otherwise,
/// starts that run for the test with this name, and checks that it passes.
pub(crate) fn is_own(test: &str, set_up: &str) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == *test) {
        return true;
    }
    if !available() {
        println!("skipped: this system makes no network namespaces for this user");
        return false;
    }
    let script = format!("ip link set lo up && {{ {set_up}; }} && exec \"$0\" \"$@\"");
    let program = std::env::current_exe().expect("this program has a path");
    let ran = Command::new("unshare")
        .args(["--net", "--map-root-user", "sh", "-c", &script])
        .arg(program)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, test)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}{errors}");
    assert!(said.contains("1 passed"), "{test} is no test: {said}");
    false
}

fn available() -> bool {
    let made = Command::new("unshare")
        .args(["--net", "--map-root-user", "ip", "link", "set", "lo", "up"])
        .output();
    made.is_ok_and(|made| made.status.success())
}
