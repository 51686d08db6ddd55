//! What needs tokio returns an error without tokio, and does not panic.

use futures_util::FutureExt;
use mcp_reauth::store::StoreKey;
use mcp_reauth::{AuthSession, Error, FileStore, RecordStore};

#[test]
fn session_that_is_opened_outside_of_tokio_is_a_config_error() {
    let opened = AuthSession::builder("https://mcp.example/mcp").open();
    let opened = opened.now_or_never().expect("it does not wait");
    let Err(error @ Error::Config { .. }) = opened else {
        panic!("{opened:?}");
    };
    assert!(
        error.to_string().contains("within a tokio runtime"),
        "{error}"
    );
}

#[test]
fn session_that_is_opened_without_timers_is_a_config_error() {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    let opened = runtime.block_on(AuthSession::builder("https://mcp.example/mcp").open());
    let Err(error @ Error::Config { .. }) = opened else {
        panic!("{opened:?}");
    };
    assert!(error.to_string().contains("enable_time"), "{error}");
}

#[test]
fn file_store_outside_of_tokio_is_a_config_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    let store = FileStore::new(&path);
    let key = StoreKey {
        profile: "default".to_owned(),
        server: "https://mcp.example/mcp".to_owned(),
    };
    let loaded = store.load(&key).now_or_never().expect("it does not wait");
    let Err(error @ Error::Config { .. }) = loaded else {
        panic!("{loaded:?}");
    };
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
}
