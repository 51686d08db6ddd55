//! Text that came from a server, made fit to be shown to a person.

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
    let clean: String = text.chars().filter(|c| !deceives(*c)).collect();
    let shown: String = clean.trim().chars().take(MAX_SHOWN).collect();
    (!shown.is_empty()).then_some(shown)
}

/// The text without these secrets: a server may quote what it was sent.
pub(crate) fn without<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = text.to_owned();
    for secret in secrets
        .into_iter()
        .filter(|secret| secret.len() >= MIN_SECRET)
    {
        text = text.replace(secret, "[redacted]");
    }
    text
}

/// An address without its query and fragment.
pub(crate) fn without_query(url: &str) -> &str {
    url.find(['?', '#']).map_or(url, |end| &url[..end])
}
