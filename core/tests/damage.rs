//! Files that are not valid stores: the error names them, and they are left as they are.

use std::fs;
use std::path::Path;

use mcp_reauth::store::{RecordStore, Saved, StoreKey};
use mcp_reauth::{Error, FileStore, Secret};
use proptest::prelude::*;

fn key(server: &str) -> StoreKey {
    StoreKey {
        profile: "default".to_owned(),
        server: server.to_owned(),
    }
}

fn record() -> Secret {
    Secret::new(r#"{"text":"gr\u00fc\u00df \"quoted\" \\"}"#)
}

/// Returns the content of a file store with two records.
async fn whole(path: &Path) -> Vec<u8> {
    let store = FileStore::new(path);
    for server in ["https://a.example/mcp", "https://b.example/mcp"] {
        let saved = store.save(&key(server), record(), None).await;
        assert!(matches!(saved, Ok(Saved::As(_))), "{saved:?}");
    }
    fs::read(path).expect("it was written")
}

/// Asserts that the error is about the store, and names the file.
fn names(path: &Path, error: &Error) {
    let path = path.display().to_string();
    assert_eq!(error.code(), "store");
    assert!(error.to_string().contains(&path), "{error}");
}

/// Asserts that the file can be neither read nor written, and is not changed.
async fn refuses(path: &Path, contents: &[u8]) {
    fs::write(path, contents).expect("it is written");
    let store = FileStore::new(path);
    let shown = String::from_utf8_lossy(contents);
    let key = key("https://a.example/mcp");
    let loaded = store.load(&key).await.map(|_| ());
    names(path, &loaded.expect_err(&shown));
    names(path, &store.keys().expect_err(&shown));
    for expected in [None, Some(1)] {
        let saved = store.save(&key, record(), expected).await;
        names(path, &saved.expect_err(&shown));
    }
    let deleted = store.delete(&key, 1).await;
    names(path, &deleted.expect_err(&shown));
    assert_eq!(fs::read(path).expect("it is there"), contents, "{shown}");
}

fn text(whole: &[u8]) -> String {
    String::from_utf8(whole.to_vec()).expect("it is text")
}

#[tokio::test]
async fn what_is_no_store_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    let whole = whole(&path).await;
    let twice = text(&whole).replace("https://b.example", "https://a.example");
    let newer = text(&whole).replacen("\"format\":1", "\"format\":2", 1);
    let untimely = text(&whole).replacen("\"sequence\":", "\"sequence\":-", 1);
    let marked = [b"\xef\xbb\xbf".as_slice(), &whole].concat();
    let trailed = [whole.as_slice(), b"{}"].concat();
    let in_a_name = text(&whole).replacen("a.example", "a.ex\u{1}mple", 1);
    let not_text = |at: &str| {
        let mut bytes = whole.clone();
        let found = text(&whole).find(at).expect("it is there");
        bytes[found] = 0xff;
        bytes
    };
    for contents in [
        b"".as_slice(),
        b"\n",
        b"\0\0\0\0",
        b"# shopping list",
        b"[]",
        b"null",
        b"{\"credentials\":[]}",
        b"{\"format\":1}",
        b"{\"format\":\"1\",\"sequence\":1,\"records\":[]}",
        b"{\"format\":1,\"format\":1,\"sequence\":1,\"records\":[]}",
        b"{\"format\":1,\"sequence\":1,\"records\":[{}]}",
        b"{\"format\":99,\"vault\":{}}",
        &whole[..whole.len() / 2],
        newer.as_bytes(),
        twice.as_bytes(),
        untimely.as_bytes(),
        in_a_name.as_bytes(),
        &marked,
        &trailed,
        &not_text("a.example"),
        &not_text("quoted"),
        &not_text("records"),
    ] {
        refuses(&path, contents).await;
    }
    let mut left = fs::read_dir(folder.path()).expect("a folder");
    let left = left.all(|entry| {
        let name = entry.expect("an entry").file_name();
        name == "credentials.json" || name == "credentials.json.lock"
    });
    assert!(left, "nothing else is left");
}

#[tokio::test]
async fn folder_in_the_files_place_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    fs::create_dir(&path).expect("a folder");
    fs::write(path.join("inside"), "").expect("a file");
    let store = FileStore::new(&path);
    let key = key("https://a.example/mcp");
    names(&path, &store.load(&key).await.expect_err("it is a folder"));
    let saved = store.save(&key, record(), None).await;
    names(&path, &saved.expect_err("it is a folder"));
    assert!(path.join("inside").exists());
}

#[tokio::test]
async fn file_without_versions_left_can_be_read_and_is_not_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    let contents = format!("{{\"format\":1,\"sequence\":{},\"records\":[]}}", u64::MAX);
    fs::write(&path, &contents).expect("it is written");
    let store = FileStore::new(&path);
    let key = key("https://a.example/mcp");
    assert_eq!(store.load(&key).await, Ok(None));
    let saved = store.save(&key, record(), None).await;
    let error = saved.expect_err("no version is left");
    names(&path, &error);
    assert!(error.to_string().contains("no versions left"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), contents);
}

#[tokio::test]
async fn every_beginning_of_a_file_is_refused_or_the_whole_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    let whole = whole(&path).await;
    // Without the final line break, the content is the same.
    for end in 0..whole.len() - 1 {
        refuses(&path, &whole[..end]).await;
    }
    fs::write(&path, &whole[..whole.len() - 1]).expect("it is written");
    assert_eq!(FileStore::new(&path).keys().map(|keys| keys.len()), Ok(2));
}

/// With one byte changed, the file is refused by name, or still a store; it is not changed.
async fn one_byte_changed(path: &Path, whole: &[u8], at: usize, byte: u8) {
    let mut contents = whole.to_vec();
    contents[at] = byte;
    fs::write(path, &contents).expect("it is written");
    let store = FileStore::new(path);
    let key = key("https://a.example/mcp");
    match (store.keys(), store.load(&key).await) {
        (Ok(keys), Ok(_)) => assert!(keys.len() <= 2),
        (Err(error), Err(same)) => {
            assert_eq!(error, same);
            names(path, &error);
            let saved = store.save(&key, record(), None).await;
            assert_eq!(saved, Err(error));
        }
        differ => panic!("{at} {byte}: {differ:?}"),
    }
    assert_eq!(fs::read(path).expect("it is there"), contents);
}

#[tokio::test]
async fn any_place_changed_is_refused_or_still_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    let whole = whole(&path).await;
    for at in 0..whole.len() {
        for byte in [0, 0xff, b'"', b'{', b'9', whole[at] ^ 1] {
            one_byte_changed(&path, &whole, at, byte).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_byte_changed_is_refused_or_still_a_store(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials.json");
        // As written by a store, but without waiting for the disk a thousand times.
        let whole = br#"{"format":1,"sequence":1800000000001,"records":[{"profile":"default","server":"https://a.example/mcp","version":1800000000000,"record":{"text":"1"}},{"profile":"default","server":"https://b.example/mcp","version":1800000000001,"record":{"text":"2"}}]}"#;
        runtime.block_on(one_byte_changed(&path, whole, at.index(whole.len()), byte));
    }
}
