//! Searches the workers' output for secrets.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

/// Searches all files of a folder; names those that contain a secret, and the secret's first characters.
pub(crate) fn found(folder: &Path, secrets: &HashSet<String>) -> io::Result<(u64, Vec<String>)> {
    let mut by_length: BTreeMap<usize, HashSet<&[u8]>> = BTreeMap::new();
    for secret in secrets.iter().filter(|secret| secret.len() >= 20) {
        by_length
            .entry(secret.len())
            .or_default()
            .insert(secret.as_bytes());
    }
    let (mut bytes, mut problems) = (0, Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read(&path)?;
        bytes += text.len() as u64;
        if let Some(secret) = first(&text, &by_length) {
            let kind: String = secret.chars().take(3).collect();
            problems.push(format!(
                "{}: a secret that begins with {kind}",
                path.display()
            ));
        }
    }
    Ok((bytes, problems))
}

/// Finds the first secret in a text. Secrets consist of letters, digits, `-` and `_`, and may be inside longer words.
fn first(text: &[u8], by_length: &BTreeMap<usize, HashSet<&[u8]>>) -> Option<String> {
    let part_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    for word in text.split(|byte| !part_of_word(byte)) {
        for (length, secrets) in by_length.range(..=word.len()) {
            let found = word
                .windows(*length)
                .find(|window| secrets.contains(window));
            if let Some(found) = found {
                return Some(String::from_utf8_lossy(found).into_owned());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_inside_a_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let secret = "at_0123456789012345678901234567890123456789abc".to_owned();
        let said = format!("debug header=\"Bearer x{secret}y\"");
        std::fs::write(folder.path().join("said"), said).expect("it is written");
        let (_, problems) = found(folder.path(), &HashSet::from([secret])).expect("it is read");
        assert_eq!(problems.len(), 1, "{problems:?}");
        let other = HashSet::from(["rt_0123456789012345678901234567890123456789abc".to_owned()]);
        assert!(
            found(folder.path(), &other)
                .expect("it is read")
                .1
                .is_empty()
        );
    }
}
