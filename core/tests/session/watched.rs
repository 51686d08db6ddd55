//! Sessions on one file, as in two programs: one uses what the other stores, without a rejection first.

use std::time::Duration;

use mcp_reauth::{AuthSession, FileStore, Runtime};

use crate::support::{Bench, Mcp, Token, all, pass};

struct File {
    bench: Bench,
    folder: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        Self {
            bench: Bench::new(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// Opens a session with its own store on the file.
    async fn open(&self) -> AuthSession {
        let store = FileStore::new(self.folder.path().join("credentials.json"));
        let builder = self.bench.builder().host(self.bench.host.clone());
        let session = builder.store(store).open().await;
        session.expect("the session opens")
    }

    async fn sends(&self, session: &AuthSession) {
        assert_eq!(self.bench.send(session, "").await, Ok(200));
    }
}

#[tokio::test(start_paused = true)]
async fn token_that_was_renewed_elsewhere_is_used_within_a_second() {
    let file = File::new();
    let (one, two) = (file.open().await, file.open().await);
    file.sends(&one).await;
    file.bench.world.take();
    pass(1).await;
    file.sends(&two).await;
    assert_eq!(file.bench.world.trace(), [Mcp]);
    for _ in 0..5 {
        file.bench.world.servers(|s| s.revoke_access());
        file.bench.world.take();
        file.sends(&one).await;
        assert_eq!(file.bench.world.trace(), [Mcp, Token, Mcp]);
        file.bench.world.take();
        assert!(two.fresh_for() <= Duration::from_secs(1) && !two.fresh_for().is_zero());
        pass(1).await;
        assert_eq!(two.fresh_for(), Duration::ZERO);
        // A request that does not check the file must not use the old token.
        assert!(two.current_if_fresh().is_none());
        file.sends(&two).await;
        assert_eq!(two.current_if_fresh(), one.authorization());
        assert_eq!(file.bench.world.trace(), [Mcp]);
    }
    assert_eq!(file.bench.host.prompts(), (0, 1));
    assert_eq!(file.bench.host.heard("adopted"), 6);
    file.bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_wait_for_one_look() {
    let file = File::new();
    let one = file.open().await;
    file.sends(&one).await;
    let two = file.open().await;
    file.bench.world.servers(|s| s.revoke_access());
    file.sends(&one).await;
    pass(1).await;
    file.bench.world.take();
    let sends = (0..20).map(|_| file.bench.spawn(&two, "")).collect();
    let results = all(sends).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(file.bench.world.count(Mcp), 20);
    assert_eq!(file.bench.world.count(Token), 0);
}

#[tokio::test(start_paused = true)]
async fn expired_token_that_was_renewed_elsewhere_takes_no_renewal() {
    let file = File::new();
    let one = file.open().await;
    file.sends(&one).await;
    let two = file.open().await;
    pass(3601).await;
    file.sends(&one).await;
    file.bench.world.take();
    file.sends(&two).await;
    assert_eq!(file.bench.world.trace(), [Mcp]);
    file.bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn sign_out_elsewhere_is_noticed() {
    let file = File::new();
    let one = file.open().await;
    file.sends(&one).await;
    let two = file.open().await;
    one.sign_out().await.expect("signed out");
    pass(1).await;
    file.bench.world.take();
    file.sends(&two).await;
    assert_eq!(file.bench.host.prompts(), (0, 2));
    assert!(one.authorization().is_none());
}

#[tokio::test(start_paused = true)]
async fn file_that_cannot_be_read_leaves_the_session_what_it_has() {
    let file = File::new();
    let one = file.open().await;
    file.sends(&one).await;
    let path = file.folder.path().join("credentials.json");
    std::fs::write(path, "no store").expect("it is written");
    for _ in 0..3 {
        pass(1).await;
        file.bench.world.take();
        file.sends(&one).await;
        assert_eq!(file.bench.world.trace(), [Mcp]);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_another_credential_hears_of_one_that_was_stored_elsewhere() {
    let file = File::new();
    let (one, two) = (file.open().await, file.open().await);
    let runtime = file.bench.runtime.clone();
    let waiting = {
        let two = two.clone();
        tokio::spawn(async move { two.wait_for_change(None).await })
    };
    file.sends(&one).await;
    let begun = runtime.now();
    waiting.await.expect("no panic");
    let waited = runtime.now().duration_since(begun).expect("forward");
    assert!(waited <= Duration::from_secs(2), "{waited:?}");
    assert_eq!(two.authorization(), one.authorization());
}
