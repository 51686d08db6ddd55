//! Reads the store file from outside: it must be valid at every read.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// The supported format of the file.
const FORMAT: u64 = 1;

/// Reads continuously, on its own thread.
#[derive(Debug)]
pub(crate) struct StoreReader {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    reads: AtomicU64,
    problems: Mutex<Vec<String>>,
}

impl StoreReader {
    pub(crate) fn start(store: PathBuf) -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut begun = false;
            while !own.ended.load(Ordering::Relaxed) {
                match read(&store, begun) {
                    Ok(found) => begun |= found,
                    Err(problem) => own.tell(problem),
                }
                own.reads.fetch_add(u64::from(begun), Ordering::Relaxed);
                // Leaves processor time for the other processes.
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    pub(crate) fn reads(&self) -> u64 {
        self.shared.reads.load(Ordering::Relaxed)
    }

    /// Stops reading, and returns the number of reads and the problems.
    pub(crate) fn end(&mut self) -> (u64, Vec<String>) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let problems = self.shared.problems.lock();
        (
            self.reads(),
            problems.unwrap_or_else(PoisonError::into_inner).clone(),
        )
    }
}

impl Shared {
    fn tell(&self, problem: String) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() < 20 {
            problems.push(problem);
        }
    }
}

/// Whether the file exists; once it does, it must continue to exist.
fn read(store: &PathBuf, begun: bool) -> Result<bool, String> {
    let bytes = match std::fs::read(store) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound && !begun => return Ok(false),
        Err(error) => return Err(format!("the store cannot be read: {error}")),
    };
    let length = bytes.len();
    let contents: Value = serde_json::from_slice(&bytes)
        .map_err(|error| format!("the store is not whole: {error} in {length} bytes"))?;
    if contents["format"] != FORMAT || !contents["records"].is_array() {
        return Err(format!(
            "the store has another form: {}",
            contents["format"]
        ));
    }
    Ok(true)
}
