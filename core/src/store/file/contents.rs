//! What the file holds, and its form.

use std::collections::HashSet;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::store::StoreKey;

/// The version of the file's form that this program writes and reads.
const FORMAT: u32 = 1;

/// The whole file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Contents {
    format: u32,
    /// The last version given; never goes back, so that a version is never seen twice.
    sequence: u64,
    pub(super) records: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) profile: String,
    pub(super) server: String,
    pub(super) version: u64,
    pub(super) record: Box<serde_json::value::RawValue>,
}

impl Entry {
    pub(super) fn is(&self, key: &StoreKey) -> bool {
        self.profile == key.profile && self.server == key.server
    }
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            format: FORMAT,
            sequence: 0,
            records: Vec::new(),
        }
    }
}

impl Contents {
    /// Reads a whole file, or says why that cannot be done, without quoting it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let contents = match serde_json::from_slice(bytes) {
            Ok(contents @ Self { format: FORMAT, .. }) => contents,
            Ok(_) => return Err(unreadable(bytes, None)),
            Err(error) => return Err(unreadable(bytes, Some(&error))),
        };
        let mut keys = HashSet::new();
        let mut records = contents.records.iter();
        if !records.all(|entry| keys.insert((&entry.profile, &entry.server))) {
            return Err("this file is damaged: it has two records for one server".to_owned());
        }
        Ok(contents)
    }

    /// Gives the version of the next write. Versions do not come again, also when the file was moved away or an
    /// older one put in its place under a running session: hence the clock.
    pub(super) fn next_version(&mut self, now: SystemTime) -> Result<u64, &'static str> {
        let next = self.sequence.checked_add(1);
        let next = next.ok_or("this file is damaged: it has no versions left")?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.ok().and_then(|now| u64::try_from(now.as_millis()).ok());
        self.sequence = next.max(now.unwrap_or_default());
        Ok(self.sequence)
    }
}

/// Why a file cannot be read.
fn unreadable(bytes: &[u8], error: Option<&serde_json::Error>) -> String {
    /// Another form may differ in anything else.
    #[derive(Deserialize)]
    struct Form {
        format: u32,
    }
    match serde_json::from_slice(bytes) {
        Err(_) => "this is no credential file of mcp-reauth, or a truncated one".to_owned(),
        Ok(Form { format }) if format != FORMAT => {
            format!(
                "this file has format {format}, and this program reads {FORMAT}; use a newer mcp-reauth"
            )
        }
        Ok(_) => {
            let (line, column) = error.map_or((0, 0), |error| (error.line(), error.column()));
            format!("this file is damaged at line {line}, column {column}")
        }
    }
}
