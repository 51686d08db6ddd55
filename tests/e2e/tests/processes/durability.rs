//! A writer that is killed at any time leaves the store file valid, with the last record it reported or the next one.

use std::path::Path;
use std::time::{Duration, Instant};

use mcp_reauth::store::{RecordStore, Saved, StoreKey};
use mcp_reauth::{FileStore, Secret};
use serde_json::Value;

use crate::stage::Worker;

const KILLS: usize = 500;
/// The number of other records in the file, so that copying it takes some time.
const OTHERS: usize = 50;
/// The size of the record, in bytes.
const SIZE: &str = "10000";
/// Half of the kills come within this time after a reported write, while the next copy is written; the others come at
/// any time of a write, most of which is waiting for the disk.
const COPYING: Duration = Duration::from_millis(2);

/// Marsaglia's xorshift: the same seed gives the same kills.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What the kills interrupted.
#[derive(Debug, Default)]
struct Hits {
    /// The copy was begun but not renamed yet.
    copying: usize,
    /// The copy was incomplete.
    halfway: usize,
    /// The next record was written but not reported.
    written: usize,
}

fn key(server: &str) -> StoreKey {
    StoreKey {
        profile: "default".to_owned(),
        server: format!("https://mcp.example/{server}"),
    }
}

/// Fills the store with records that are not written again.
async fn fill(store: &FileStore) {
    for other in 0..OTHERS {
        let data = Secret::new("{}");
        let saved = store.save(&key(&other.to_string()), data, None).await;
        assert!(matches!(saved, Ok(Saved::As(_))));
    }
}

/// Reads the number of the record, and asserts that the record is complete.
async fn number(store: &FileStore) -> u64 {
    assert_eq!(store.keys().unwrap().len(), OTHERS + 1);
    let stored = store.load(&key("mcp")).await.unwrap().unwrap();
    let record: Value = serde_json::from_str(stored.data.expose()).unwrap();
    let number = record["number"].as_u64().unwrap();
    assert_eq!(record["end"], number);
    let padding = record["padding"].as_str().unwrap();
    assert_eq!(padding, (number % 10).to_string().repeat(padding.len()));
    number
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn writer_killed_five_hundred_times_leaves_a_whole_record() {
    let seed = std::env::var("MCP_REAUTH_TEST_SEED").ok();
    let seed = seed.map_or_else(rand_seed, |seed| seed.parse().unwrap());
    println!("MCP_REAUTH_TEST_SEED={seed}");
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    let copy = folder.path().join("credentials.json.tmp");
    let store = FileStore::new(&path);
    let mut hits = Hits::default();
    fill(&store).await;
    let (mut last, cycle) = time_of_a_write(&path).await;
    let begun = Instant::now();
    for kill in 0..KILLS {
        let longest = if kill % 2 == 0 { COPYING } else { cycle };
        let wait = random.below(u64::try_from(longest.as_nanos()).unwrap().max(1));
        let told = run_and_kill(&path, last, Duration::from_nanos(wait)).await;
        let partial = std::fs::read(&copy).ok();
        hits.copying += usize::from(partial.is_some());
        let whole = |copy: &Vec<u8>| serde_json::from_slice::<Value>(copy).is_ok();
        hits.halfway += usize::from(partial.is_some_and(|copy| !whole(&copy)));
        let found = number(&store).await;
        assert!(
            found == told || found == told + 1,
            "told {told}, found {found}"
        );
        hits.written += usize::from(found > told);
        last = found;
        let allowed = [
            "credentials.json",
            "credentials.json.lock",
            "credentials.json.tmp",
        ];
        assert!(
            names(folder.path())
                .iter()
                .all(|name| allowed.contains(&name.as_str()))
        );
    }
    println!(
        "{KILLS} kills in {:?}, {last} records: a write takes {cycle:?}, {hits:?}",
        begun.elapsed()
    );
    // The kills must have hit the critical moments.
    assert!(hits.copying > 0 && hits.written > 0, "{hits:?}");
    leaves_nothing_behind(&store, folder.path()).await;
}

fn rand_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_nanos()).unwrap() | 1
}

/// Starts a writer, which continues from `last`, and kills it some time after it has reported a write. Returns the last
/// number it reported.
async fn run_and_kill(path: &Path, last: u64, wait: Duration) -> u64 {
    let mut writer = Worker::start(&["writes", path.to_str().unwrap(), SIZE]);
    let first = writer.says().await["number"].as_u64().unwrap();
    assert_eq!(first, last, "the next writer goes on from there");
    let mut told = writer.says().await["number"].as_u64().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < wait {
        std::hint::spin_loop();
    }
    writer.kill().await;
    // The numbers it reported before it died.
    while let Some(line) = writer.next().await {
        told = line["number"].as_u64().unwrap();
    }
    told
}

/// The last number of a first writer, and how long a write took.
async fn time_of_a_write(path: &Path) -> (u64, Duration) {
    const WRITES: u32 = 20;
    let mut writer = Worker::start(&["writes", path.to_str().unwrap(), SIZE]);
    writer.says().await;
    let begun = Instant::now();
    for _ in 0..WRITES {
        writer.says().await;
    }
    let cycle = begun.elapsed() / WRITES;
    writer.kill().await;
    (number(&FileStore::new(path)).await, cycle)
}

/// The next write is not blocked by a lock, and removes temporary files.
async fn leaves_nothing_behind(store: &FileStore, folder: &Path) {
    let data = Secret::new("{}");
    store.save(&key("one more"), data, None).await.unwrap();
    assert_eq!(names(folder), ["credentials.json", "credentials.json.lock"]);
}
