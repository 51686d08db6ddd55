//! Text that came from a server, made fit to be shown to a person.

/// What is shorter is no secret, and could be part of any word.
const MIN_SECRET: usize = 8;
/// How many characters of a server's text are shown at the most.
const MAX_SHOWN: usize = 512;

/// The text without control characters, trimmed and bounded; `None` if nothing is left.
pub(crate) fn displayable(text: &str) -> Option<String> {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
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
