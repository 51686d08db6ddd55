//! The code that runs for every request does not allocate.

use mcp_reauth::{AuthSession, AuthState};
use mcp_reauth_bench::{Counting, counted};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[tokio::test]
async fn reading_the_credential_allocates_nothing() {
    let session = AuthSession::builder("https://mcp.example.com/mcp").open();
    let session = session.await.expect("the session opens");
    let (none, memory) = counted(|| session.authorization());
    assert_eq!((none, memory.allocations), (None, 0));
    let state = r#"{
        "grant": {
            "id": "1",
            "grantor": { "issuer": "https://auth.example.com", "token_endpoint": "https://auth.example.com/token" },
            "access_token": "token",
            "granted": ["files:read"],
            "obtained_at": 1700000000
        },
        "requested": []
    }"#;
    let state = AuthState::from_json(state).expect("it is one");
    session.set_auth_state(state).await.expect("it is kept");
    let (read, memory) = counted(|| session.authorization());
    let read = read.expect("there is a credential");
    assert_eq!(read.header_value(), "Bearer token");
    assert_eq!((memory.allocations, memory.live), (0, 0));
}
