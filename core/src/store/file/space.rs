//! Reserves space for a record: a file as large as the copy that a save writes, which the save then overwrites and
//! renames.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::line::First;
use super::{FileStore, private};
use crate::error::Error;
use crate::store::{Reservation, StoreKey};
use crate::sync::lock;

/// The space that this store has reserved for a key.
#[derive(Debug)]
pub(super) struct Space {
    path: PathBuf,
    /// Distinguishes one reservation from the next.
    id: u64,
}

impl FileStore {
    pub(super) fn reserve_now(
        &self,
        first: &mut First,
        key: &StoreKey,
        bytes: u64,
    ) -> Result<Reservation, Error> {
        let turn = self.turn(first)?;
        let failed = |error| self.failed("has no space for a new token", &error);
        // The mark of the next version needs space too. An existing mark is overwritten.
        if turn.mark().is_none() {
            let highest = self.read()?.highest();
            turn.set_mark(highest).map_err(failed)?;
        }
        let target = self.target().map_err(failed)?;
        let size = fs::metadata(target).map_or(0, |found| found.len());
        let path = self.own_file(key, ".space").map_err(failed)?;
        if let Err(error) = fill(&path, size.saturating_add(bytes)) {
            let _ = fs::remove_file(&path);
            return Err(failed(error));
        }
        Ok(self.note_space(key, path))
    }

    fn note_space(&self, key: &StoreKey, path: PathBuf) -> Reservation {
        let mut spaces = lock(&self.spaces);
        let id = spaces.next;
        spaces.next += 1;
        spaces.by_key.insert(key.clone(), Space { path, id });
        let (spaces, key) = (Arc::clone(&self.spaces), key.clone());
        Reservation::new(move || {
            let mut spaces = lock(&spaces);
            if spaces.by_key.get(&key).is_some_and(|space| space.id == id)
                && let Some(space) = spaces.by_key.remove(&key)
            {
                let _ = fs::remove_file(space.path);
            }
        })
    }

    /// Writes `text` into the space that is reserved for the key, and returns its file, to be renamed. `None` if there
    /// is no such space, or it cannot be used.
    pub(super) fn use_space(&self, key: &StoreKey, text: &[u8]) -> Option<PathBuf> {
        let space = lock(&self.spaces).by_key.remove(key)?;
        match overwrite(&space.path, text) {
            Ok(()) => Some(space.path),
            Err(_) => {
                let _ = fs::remove_file(space.path);
                None
            }
        }
    }
}

/// Creates a file of that size, every byte written and synced, so that no other process can take the space.
fn fill(path: &Path, size: u64) -> io::Result<()> {
    let mut file = private::create(path)?;
    io::copy(&mut io::Read::take(io::repeat(b' '), size), &mut file)?;
    file.sync_all()
}

fn overwrite(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file: File = private::open_existing(path)?;
    let length = u64::try_from(text.len()).map_err(io::Error::other)?;
    file.rewind()?;
    file.write_all(text)?;
    file.set_len(length)?;
    file.sync_all()
}
