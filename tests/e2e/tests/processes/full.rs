//! A full disk (a small tmpfs): no refresh token is used if its successor cannot be stored.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mcp_reauth_fixture::{Config, Faults};
use tempfile::TempDir;

use crate::stage::{Stage, Worker};

/// A tmpfs, unmounted on drop.
struct Disk(TempDir);

impl Disk {
    /// `None`, with a message, if this user may not mount anything.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"]);
        let mounted = mount.arg(folder.path()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: this user may not mount a disk that can be filled");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Fills the disk completely.
    fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        let page = [b'x'; 4096];
        while filler.write_all(&page).is_ok() {}
    }

    fn clear(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

async fn signed_in(disk: &Disk) -> (Stage, Worker) {
    let stage = Stage::signed_in_at(Config::default(), disk.path().join("credentials.json")).await;
    let program = stage.program(&[]).await;
    (stage, program)
}

/// Asserts that no reserved space is left.
fn no_space_is_left_behind(stage: &Stage) {
    let leases = stage.store().with_file_name("credentials.json.leases");
    let mut names = fs::read_dir(leases).unwrap();
    assert!(names.all(|name| name.unwrap().path().extension().is_none()));
}

#[tokio::test]
async fn refresh_token_is_not_used_on_a_full_disk() {
    let Some(disk) = Disk::new() else { return };
    let (stage, mut program) = signed_in(&disk).await;
    let before = stage.record();
    stage.control().expire_access_tokens();
    disk.fill();
    let calls = program.calls(3).await;
    assert_eq!(calls.failed.len(), 3, "{calls:?}");
    for [code, message, _] in &calls.failed {
        assert_eq!(code, "store");
        assert!(
            message.contains(stage.store().to_str().unwrap()),
            "{message}"
        );
        assert!(message.contains("No space left"), "{message}");
    }
    assert_eq!(stage.counters().token_requests, 0);
    assert_eq!(stage.record(), before);
    no_space_is_left_behind(&stage);
    // With space again, the old refresh token is used.
    disk.clear();
    let calls = program.calls(3).await;
    assert_eq!((calls.succeeded, calls.pages), (3, 0), "{calls:?}");
    let counters = stage.counters();
    assert_eq!((counters.token_refresh, counters.reuse_detected), (1, 0));
}

#[tokio::test]
async fn disk_that_fills_up_during_a_renewal_loses_nothing() {
    let Some(disk) = Disk::new() else { return };
    let (stage, mut program) = signed_in(&disk).await;
    let before = stage.record();
    stage.control().expire_access_tokens();
    stage.fault(Faults {
        hold_after_rotation: true,
        ..Faults::default()
    });
    program.begin(3).await;
    stage.counted(|c| c.token_refresh == 1).await;
    disk.fill();
    stage.mend();
    let calls = program.end().await;
    assert_eq!((calls.succeeded, calls.pages), (3, 0), "{calls:?}");
    assert_ne!(stage.record(), before);
    no_space_is_left_behind(&stage);
    // The next program has the new token, and renews it once there is space.
    let mut next = stage.program(&[]).await;
    assert_eq!(next.calls(1).await.succeeded, 1);
    assert_eq!(stage.counters().token_requests, 1);
    disk.clear();
    stage.control().expire_access_tokens();
    assert_eq!(next.calls(1).await.succeeded, 1);
    let counters = stage.counters();
    assert_eq!((counters.token_refresh, counters.reuse_detected), (2, 0));
}

#[tokio::test]
async fn token_that_cannot_be_stored_all_the_same_serves_the_calls_at_hand() {
    let Some(disk) = Disk::new() else { return };
    let (stage, _) = signed_in(&disk).await;
    // A program with a host, which receives the event.
    let mut program = stage.program(&["person"]).await;
    stage.control().expire_access_tokens();
    stage.fault(Faults {
        hold_after_rotation: true,
        ..Faults::default()
    });
    program.begin(3).await;
    stage.counted(|c| c.token_refresh == 1).await;
    // Deletes the reserved space.
    let leases = stage.store().with_file_name("credentials.json.leases");
    for name in fs::read_dir(leases).unwrap() {
        let path = name.unwrap().path();
        if path.extension().is_some() {
            fs::remove_file(path).unwrap();
        }
    }
    disk.fill();
    stage.mend();
    let calls = program.end().await;
    assert_eq!((calls.succeeded, calls.pages), (3, 0), "{calls:?}");
    let told = calls.events.iter().any(|event| event[1] == "store");
    assert!(told, "{calls:?}");
    assert_eq!(program.calls(3).await.succeeded, 3);
    assert_eq!(stage.counters().token_requests, 1);
}
