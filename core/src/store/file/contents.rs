//! The content of the file, and its format.

use std::collections::HashSet;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::store::StoreKey;

/// The version of the file's format that this program writes and reads.
const FORMAT: u32 = 1;

/// The highest version: the largest integer that JavaScript represents exactly, since stores and readers in JavaScript
/// handle versions too.
pub(super) const MAX_VERSION: u64 = (1 << 53) - 1;

/// The last time at which versions follow the clock, in microseconds since 1970: the year 2112. A later clock is wrong,
/// and must not use up the versions: they are then only counted.
const MAX_CLOCK: u64 = 1 << 52;

/// The whole file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Contents {
    format: u32,
    /// The last version assigned; never decreases, so that no version is used twice.
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
    /// Parses a whole file; the error says why that fails, without quoting the file.
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
        if contents
            .records
            .iter()
            .any(|entry| entry.version > MAX_VERSION)
        {
            return Err("this file is damaged: a record's version is out of range".to_owned());
        }
        Ok(contents)
    }

    /// Returns the highest version in this file.
    pub(super) fn highest(&self) -> u64 {
        let records = self.records.iter().map(|entry| entry.version);
        records.fold(self.sequence, u64::max)
    }

    /// Assigns the version of the next write: above `known`, the highest version that is known elsewhere, and above all
    /// in this file. It also follows the clock, in microseconds, in case all of these are older copies.
    pub(super) fn next_version(
        &mut self,
        now: SystemTime,
        known: u64,
    ) -> Result<u64, &'static str> {
        let own = self.highest();
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.ok().and_then(|now| u64::try_from(now.as_micros()).ok());
        let clock = now.filter(|now| *now <= MAX_CLOCK).unwrap_or_default();
        let next = own.max(known).saturating_add(1).max(clock);
        if next > MAX_VERSION {
            return Err(match own >= MAX_VERSION {
                true => "this file is damaged: it has no versions left",
                false => "its lock file is damaged: it has no versions left",
            });
        }
        self.sequence = next;
        Ok(next)
    }
}

/// Explains why a file cannot be read.
fn unreadable(bytes: &[u8], error: Option<&serde_json::Error>) -> String {
    /// Another format may differ in anything else.
    #[derive(Deserialize)]
    struct Form {
        format: u32,
    }
    match serde_json::from_slice(bytes) {
        Err(_) => "this is not a credential file of mcp-reauth, or it is truncated".to_owned(),
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
