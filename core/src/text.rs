//! Text that came from a server, made fit to be shown to a person.

use std::borrow::Cow;

/// What is shorter is no secret, and could be part of any word.
const MIN_SECRET: usize = 8;
/// How many characters of a server's text are shown at the most.
const MAX_SHOWN: usize = 512;

/// Whether a character could make text look like what it is not: control characters, line separators, and those
/// that turn the direction of writing.
fn deceives(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The text without characters that deceive, trimmed and bounded; `None` if nothing is left.
pub(crate) fn displayable(text: &str) -> Option<String> {
    let clean: Cow<'_, str> = if text.contains(deceives) {
        text.chars().filter(|c| !deceives(*c)).collect()
    } else {
        text.into()
    };
    let shown = clean.trim();
    let end = shown.char_indices().nth(MAX_SHOWN);
    let shown = end.map_or(shown, |(end, _)| &shown[..end]);
    (!shown.is_empty()).then(|| shown.to_owned())
}

/// The text without these secrets: a server may quote what it was sent. Where the text was cut off, so may be a
/// secret at its end.
pub(crate) fn without<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    const REDACTED: &str = "[redacted]";
    let mut text = text.to_owned();
    for secret in secrets
        .into_iter()
        .filter(|secret| secret.len() >= MIN_SECRET)
    {
        text = text.replace(secret, REDACTED);
        let cuts = (MIN_SECRET..secret.len()).rev();
        let mut begun = cuts.filter_map(|cut| secret.get(..cut));
        if let Some(begun) = begun.find(|begun| text.ends_with(begun)) {
            text.truncate(text.len() - begun.len());
            text.push_str(REDACTED);
        }
    }
    text
}

/// An address without its query and fragment.
pub(crate) fn without_query(url: &str) -> &str {
    url.find(['?', '#']).map_or(url, |end| &url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_whole_and_cut_off() {
        let secret = "secret-token-1";
        let without = |text| without(text, [secret, "short"]);
        assert_eq!(without("a secret-token-1 b"), "a [redacted] b");
        assert_eq!(without("a secret-token-1"), "a [redacted]");
        assert_eq!(without("a secret-token-"), "a [redacted]");
        assert_eq!(without("a secret-t"), "a [redacted]");
        assert_eq!(without("a secret-"), "a secret-");
        assert_eq!(without("secret-t secret-t"), "secret-t [redacted]");
        assert_eq!(without("a short one"), "a short one");
        assert_eq!(without(""), "");
    }
}
