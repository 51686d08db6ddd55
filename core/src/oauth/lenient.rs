//! JSON as servers write it (RFC 8259).

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// Parses a body, if it is JSON. A member that cannot be read, such as a number that is out of range, counts as absent,
/// so that no token is lost because of it.
pub(super) fn json(body: &[u8]) -> Option<Value> {
    let whole = serde_json::from_slice(body);
    whole.ok().or_else(|| {
        let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
        let read = |(name, raw): (String, &RawValue)| {
            let value = serde_json::from_str(raw.get());
            Some((name, value.ok()?))
        };
        Some(Value::Object(
            members.into_iter().filter_map(read).collect(),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_does_not_spoil_the_others() {
        let read = |text: &str| json(text.as_bytes()).map(|value| value.to_string());
        for text in [
            r#"{"a":"b","n":1e400}"#,
            r#"{"n":{"deep":[-1e999]},"a":"b"}"#,
        ] {
            assert_eq!(read(text).as_deref(), Some(r#"{"a":"b"}"#), "{text}");
        }
        assert_eq!(read("[1]").as_deref(), Some("[1]"));
        for text in [
            "",
            "{",
            "1e400",
            "[1e400]",
            r#"{"a":1e400"#,
            r#"{"a":1e400} x"#,
            "<html>",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
