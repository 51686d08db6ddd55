//! A program that writes one record repeatedly.

use mcp_reauth::store::{RecordStore, Saved, StoreKey};
use mcp_reauth::{FileStore, Secret};
use serde_json::{Value, json};

use crate::tell;

/// Writes records of about `size` bytes, with numbers that continue from the stored one. Reports each number when it is
/// stored. Exits when a write fails.
pub(crate) async fn run(store: &str, size: &str) {
    let store = FileStore::new(store);
    let size: usize = size.parse().expect("a number");
    let key = StoreKey {
        profile: "default".to_owned(),
        server: "https://mcp.example/mcp".to_owned(),
    };
    let loaded = store.load(&key).await.expect("it is read");
    let mut version = loaded.as_ref().map(|stored| stored.version);
    let mut number = loaded.map_or(0, |stored| {
        let record: Value = serde_json::from_str(stored.data.expose()).expect("a whole record");
        record["number"].as_u64().expect("a number")
    });
    tell(&json!({ "number": number }));
    loop {
        number += 1;
        let padding = (number % 10).to_string().repeat(size);
        let record = json!({ "number": number, "padding": padding, "end": number });
        let data = Secret::new(record.to_string());
        match store.save(&key, data, version).await {
            Ok(Saved::As(written)) => version = Some(written),
            Ok(Saved::Conflict) => panic!("nobody else writes"),
            Err(error) => {
                tell(&json!({ "code": error.code(), "message": error.to_string() }));
                return;
            }
        }
        tell(&json!({ "number": number }));
    }
}
