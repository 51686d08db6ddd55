//! Makes text from a server fit to be shown to the user.

use std::borrow::Cow;

/// A shorter string does not count as a secret: it could be part of any word.
const MIN_SECRET: usize = 8;
/// The maximum number of characters of a server's text that are shown.
const MAX_SHOWN: usize = 512;

/// Whether a character could make text look like something else: control characters, line separators, and those that
/// change the direction of writing.
pub(crate) fn is_deceptive(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether a text is printable ASCII, as almost all text is: it then has no control characters and none that deceive.
fn is_plain(text: &str) -> bool {
    // Reads all of it, without stopping early, so that many bytes are processed at a time.
    text.bytes()
        .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

/// Decodes a header's value: as UTF-8, or else as Latin-1 (RFC 9110 section 5.5), in which every byte is a character.
/// One invalid byte thus does not cost the rest of the header.
pub(crate) fn header_text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => text.into(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

/// Whether a text has control characters.
pub(crate) fn has_controls(text: &str) -> bool {
    !is_plain(text) && text.contains(char::is_control)
}

/// Returns the text without characters that deceive, trimmed and bounded; `None` if nothing is left.
pub(crate) fn displayable(text: &str) -> Option<String> {
    let clean: Cow<'_, str> = if is_plain(text) {
        text.into()
    } else {
        text.chars().filter(|c| !is_deceptive(*c)).collect()
    };
    let mut shown = clean.trim();
    // There are no more characters than bytes.
    if shown.len() > MAX_SHOWN
        && let Some((end, _)) = shown.char_indices().nth(MAX_SHOWN)
    {
        shown = &shown[..end];
    }
    (!shown.is_empty()).then(|| shown.to_owned())
}

/// Returns the text with every character that is_deceptive, except newline and tab, written as `\uXXXX`: complete, and
/// without effect on a terminal. CR LF becomes a newline.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\t') || !is_deceptive(c);
    if is_plain(text) || text.chars().all(stays) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if stays(c) {
            escaped.push(c);
        } else if c != '\r' || rest.peek() != Some(&'\n') {
            // All of them are in the Basic Multilingual Plane.
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    escaped.into()
}

/// The replacement for a secret.
const REDACTED: &str = "[redacted]";

/// Returns the text without these secrets, which a server may quote. Text that was truncated may end in the middle of
/// one.
pub(crate) fn without<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = text.to_owned();
    for secret in secrets.into_iter().filter(|secret| is_secret(secret)) {
        text = text.replace(secret, REDACTED);
        let longest = secret.len().min(text.len() + 1);
        let cut = (MIN_SECRET..longest)
            .rev()
            .filter_map(|length| secret.get(..length))
            .find(|start| text.ends_with(start));
        if let Some(cut) = cut {
            text.truncate(text.len() - cut.len());
            text.push_str(REDACTED);
        }
    }
    text
}

/// Whether a text contains a secret.
pub(crate) fn quotes(text: &str, secret: &str) -> bool {
    is_secret(secret) && text.contains(secret)
}

fn is_secret(secret: &str) -> bool {
    secret.len() >= MIN_SECRET
}

/// Returns a URL without its query and fragment.
pub(crate) fn without_query(url: &str) -> &str {
    url.find(['?', '#']).map_or(url, |end| &url[..end])
}

/// Returns a URL, valid or not, without user name and password.
pub(crate) fn without_password(url: &str) -> Cow<'_, str> {
    let start = url.find("//").map_or(0, |at| at + 2);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    match url[start..end].rfind('@') {
        Some(at) => format!("{}{}", &url[..start], &url[start + at + 1..]).into(),
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_taken_out_of_addresses() {
        for (url, shown) in [
            ("https://a.example/x@y", "https://a.example/x@y"),
            ("http://user:pw@a.example/x", "http://a.example/x"),
            ("http://u@v:p@a.example", "http://a.example"),
            ("user:pw@a.example", "a.example"),
            ("//u:p@", "//"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn what_controls_a_terminal_is_escaped_and_all_else_stays() {
        for (text, shown) in [
            ("", ""),
            (
                "two words, caf\u{e9} \u{1f469}\u{200d}\u{1f680}",
                "two words, caf\u{e9} \u{1f469}\u{200d}\u{1f680}",
            ),
            ("a\tb\nc\r\nd", "a\tb\nc\nd"),
            ("100%\rdone", "100%\\u000ddone"),
            ("\u{1b}]52;c;ZXZpbA==\u{7}", "\\u001b]52;c;ZXZpbA==\\u0007"),
            (
                "\u{9d}0;title\u{9c}\u{9b}2J",
                "\\u009d0;title\\u009c\\u009b2J",
            ),
            ("\0\u{8}\u{7f}\u{85}", "\\u0000\\u0008\\u007f\\u0085"),
            (
                "a\u{202e}b\u{2066}c\u{2069}\u{200f}\u{61c}",
                "a\\u202eb\\u2066c\\u2069\\u200f\\u061c",
            ),
            ("a\u{2028}b\u{2029}", "a\\u2028b\\u2029"),
        ] {
            assert_eq!(escaped(text), shown);
        }
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let text = c.to_string();
            let shown = escaped(&text);
            let stays = matches!(c, '\n' | '\t') || !is_deceptive(c);
            assert_eq!(shown == text, stays, "{c:?}");
            assert!(!shown.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')));
        }
    }

    #[test]
    fn secrets_are_taken_out_also_where_the_end_cuts_them() {
        let secret = "at_0123456789";
        for (text, expected) in [
            ("a at_0123456789 b", "a [redacted] b"),
            ("at_0123456789at_0123456789", "[redacted][redacted]"),
            ("a at_012345678", "a [redacted]"),
            ("a at_01234", "a [redacted]"),
            // Too short to be told from any other word.
            ("a at_0123", "a at_0123"),
            ("at_0123456 b", "at_0123456 b"),
            ("", ""),
        ] {
            assert_eq!(without(text, [secret]), expected, "{text}");
        }
        assert_eq!(
            without(
                "\u{e9}\u{e9}\u{e9}\u{e9}",
                ["\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"]
            ),
            REDACTED
        );
        assert_eq!(without("short", ["short"]), "short");
    }
}
