//! The grammar of `WWW-Authenticate` (RFC 9110 sections 5.6 and 11.3).
//!
//! ```text
//! field      = 1#challenge                      ; lines combine with commas (section 5.3)
//! challenge  = scheme [ 1*SP ( token68 / #auth-param ) ]
//! auth-param = token BWS "=" BWS ( token / quoted-string )
//! ```
//!
//! The parser is lenient where a common mistake of servers has one sensible reading (an unquoted URL, a missing comma),
//! and otherwise drops the smallest piece that it cannot read. It only moves forward, so it is linear in the length of
//! the input, and it cannot fail.

use std::borrow::Cow;

use memchr::memchr2;

/// One challenge of the field: a scheme and its parameters. A token68 is dropped, since the schemes that matter here
/// have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawChallenge<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) params: Vec<(&'a str, Cow<'a, str>)>,
}

impl RawChallenge<'_> {
    /// Returns the value of a parameter; its name is case-insensitive. Of duplicates the first counts.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
    }
}

/// Parses all field lines, in order. A line that begins with a parameter continues the challenge before it, as if the
/// lines had been joined by a comma.
pub(crate) fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<RawChallenge<'a>> {
    let mut challenges = Vec::new();
    for line in lines {
        Reader { rest: line }.line(&mut challenges);
    }
    challenges
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn line(&mut self, challenges: &mut Vec<RawChallenge<'a>>) {
        loop {
            self.skip(|b| is_space(b) || b == b',');
            if self.rest.is_empty() {
                return;
            }
            let name = self.take(is_token);
            if name.is_empty() {
                self.skip_element();
            } else if self.at_equals() {
                // A parameter without a challenge before it is read and dropped.
                let Some(value) = self.value() else { return };
                if let Some(challenge) = challenges.last_mut() {
                    challenge.params.push((name, value));
                }
                self.end_of_param();
            } else if self.rest.is_empty() || self.rest.starts_with([' ', '\t', ',']) {
                challenges.push(RawChallenge {
                    scheme: name,
                    params: Vec::new(),
                });
                self.skip_token68();
            } else {
                self.skip_element();
            }
        }
    }

    /// Reads `BWS "=" BWS` if that is what comes next; otherwise reads nothing.
    fn at_equals(&mut self) -> bool {
        let Some(after) = past(self.rest, is_space).strip_prefix('=') else {
            return false;
        };
        self.rest = past(after, is_space);
        true
    }

    /// Reads a parameter's value; `None` if a quoted string does not end, because nothing after it can be trusted.
    fn value(&mut self) -> Option<Cow<'a, str>> {
        match self.rest.strip_prefix('"') {
            Some(inside) => {
                let (value, rest) = quoted(inside)?;
                self.rest = rest;
                Some(value)
            }
            None => Some(Cow::Borrowed(self.take(|b| !is_space(b) && b != b','))),
        }
    }

    /// Reads the end of a parameter: a comma or, leniently, the start of another parameter. Skips anything else.
    fn end_of_param(&mut self) {
        let spaced = self.rest.starts_with([' ', '\t']);
        self.skip(is_space);
        let mut ahead = Reader { rest: self.rest };
        let next_is_param = spaced && !ahead.take(is_token).is_empty() && ahead.at_equals();
        if !next_is_param {
            self.skip_element();
        }
    }

    /// Skips a token68 after a scheme, if a comma or the end follows.
    fn skip_token68(&mut self) {
        let start = past(self.rest, is_space);
        let after = past(start, is_token68);
        if after.len() == start.len() {
            return;
        }
        let after = past(after.trim_start_matches('='), is_space);
        if after.is_empty() || after.starts_with(',') {
            self.rest = after;
        }
    }

    /// Skips what cannot be parsed, up to the next comma outside quotes.
    fn skip_element(&mut self) {
        loop {
            self.skip(|b| b != b',' && b != b'"');
            match self.rest.strip_prefix('"') {
                None => return,
                Some(inside) => self.rest = quoted(inside).map_or("", |(_, rest)| rest),
            }
        }
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        self.rest = past(self.rest, wanted);
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = past(self.rest, wanted);
        let taken = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        taken
    }
}

/// Returns what is left of a text after its leading `wanted` bytes. A predicate that accepts any byte of a non-ASCII
/// character accepts all of them, since all characters of the grammar are ASCII.
fn past(text: &str, wanted: impl Fn(u8) -> bool) -> &str {
    let end = text.bytes().position(|byte| !wanted(byte));
    &text[end.unwrap_or(text.len())..]
}

/// Returns the inside of a quoted string and what follows its closing quote, or `None` if it has none.
fn quoted(inside: &str) -> Option<(Cow<'_, str>, &str)> {
    let stop = memchr2(b'"', b'\\', inside.as_bytes())?;
    if inside[stop..].starts_with('"') {
        return Some((Cow::Borrowed(&inside[..stop]), &inside[stop + 1..]));
    }
    let mut value = String::from(&inside[..stop]);
    let mut chars = inside[stop..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(value), &inside[stop + at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A parameter as a server may write it, with the value that a parser must find.
    fn params() -> impl Strategy<Value = (String, String, String)> {
        let name = "[a-z_]{1,10}";
        let value = prop_oneof!["[a-z0-9:/.]{1,12}", "[ -~\u{e9}]{0,16}"];
        let equals = prop_oneof![Just("="), Just(" ="), Just("= "), Just("\t=\t")];
        (name, value, equals, any::<bool>()).prop_map(|(name, value, equals, quote)| {
            let bare = !value.is_empty() && value.bytes().all(is_token);
            let written = if quote || !bare {
                let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
                format!("{name}{equals}\"{escaped}\"")
            } else {
                format!("{name}{equals}{value}")
            };
            (name, value, written)
        })
    }

    type Owned = (String, Vec<(String, String)>);

    fn owned(challenge: RawChallenge<'_>) -> Owned {
        let params = challenge.params.into_iter();
        let params = params.map(|(name, value)| (name.to_owned(), value.into_owned()));
        (challenge.scheme.to_owned(), params.collect())
    }

    fn write((scheme, params): &Owned) -> String {
        let quoted = params.iter().map(|(name, value)| {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{name}=\"{escaped}\"")
        });
        format!("{scheme} {}", quoted.collect::<Vec<_>>().join(", "))
    }

    type Generated = (String, Vec<(String, String, String)>);

    fn challenges() -> impl Strategy<Value = Vec<Generated>> {
        let one = ("[A-Z][a-z]{2,8}", proptest::collection::vec(params(), 0..5));
        proptest::collection::vec(one, 1..5)
    }

    proptest! {
        #[test]
        fn reads_back_what_was_written(generated in challenges(), comma in "[ \t]?,[ \t]{0,2}(, )?", split: bool) {
            let written: Vec<String> = generated
                .iter()
                .map(|(scheme, params)| {
                    let params: Vec<&str> = params.iter().map(|(_, _, w)| w.as_str()).collect();
                    format!("{scheme}  {}", params.join(&comma)).trim_end().to_owned()
                })
                .collect();
            let lines = if split { written } else { vec![written.join(&comma)] };
            let read = parse(lines.iter().map(String::as_str));
            prop_assert_eq!(read.len(), generated.len());
            for (challenge, (scheme, params)) in read.iter().zip(&generated) {
                prop_assert_eq!(challenge.scheme, scheme);
                let expected: Vec<(&str, &str)> =
                    params.iter().map(|(n, v, _)| (n.as_str(), v.as_str())).collect();
                let found: Vec<(&str, &str)> =
                    challenge.params.iter().map(|(n, v)| (*n, &**v)).collect();
                prop_assert_eq!(found, expected);
            }
        }

        /// Damage to one line affects only that line.
        #[test]
        fn damage_stays_where_it_is(
            generated in challenges(),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), "[,=\"\\\\ \ta-z\u{e9}]?", any::<bool>()), 1..4),
        ) {
            let line = |(scheme, params): &Generated| {
                let params: Vec<&str> = params.iter().map(|(_, _, w)| w.as_str()).collect();
                format!("{scheme} {}", params.join(", "))
            };
            let mut lines: Vec<String> = generated.iter().map(line).collect();
            let whole = parse(lines[..lines.len() - 1].iter().map(String::as_str))
                .into_iter()
                .map(owned)
                .collect::<Vec<_>>();
            let last = lines.pop().expect("at least one");
            let mut chars: Vec<char> = last.chars().collect();
            for (at, with, replace) in damage {
                let at = at.index(chars.len() + 1);
                if replace && at < chars.len() {
                    chars.remove(at);
                }
                chars.splice(at..at, with.chars());
            }
            lines.push(chars.into_iter().collect());
            let read: Vec<_> = parse(lines.iter().map(String::as_str)).into_iter().map(owned).collect();
            let Some((last, earlier)) = whole.split_last() else { return Ok(()) };
            prop_assert!(read.len() >= whole.len());
            prop_assert_eq!(&read[..earlier.len()], earlier);
            // A line that begins with a parameter continues the challenge before it.
            let continued = &read[earlier.len()];
            prop_assert_eq!(&continued.0, &last.0);
            prop_assert!(continued.1.starts_with(&last.1));
        }

        /// What was parsed parses the same after it is written by the grammar.
        #[test]
        fn what_is_read_can_be_written(line in "[ -~\t\u{80}-\u{ff}]{0,80}") {
            let read: Vec<_> = parse([line.as_str()]).into_iter().map(owned).collect();
            let written: Vec<String> = read.iter().map(write).collect();
            let again: Vec<_> = parse(written.iter().map(String::as_str)).into_iter().map(owned).collect();
            prop_assert_eq!(again, read);
        }

        #[test]
        fn never_panics_and_invents_nothing(line in "[ -~\t\u{80}-\u{ff}]{0,80}") {
            for challenge in parse([line.as_str()]) {
                prop_assert!(line.contains(challenge.scheme));
                for (name, _) in &challenge.params {
                    prop_assert!(line.contains(name));
                }
            }
        }
    }

    /// The work is bounded by the length of the input.
    #[test]
    fn large_inputs_end() {
        for unit in [
            "Bearer a=\"b\",",
            "\"",
            "\\",
            "a=\"\\",
            ",",
            "= ",
            "Bearer ",
            "x y z ",
        ] {
            let line = unit.repeat(1_000_000 / unit.len());
            let _ = parse([line.as_str()]);
        }
    }
}
