//! How long a response may be reused (RFC 9111).

use http::{HeaderMap, header};

/// The longest that a response counts as fresh, in seconds, whatever it says.
const MOST: u64 = 24 * 60 * 60;

/// Returns for how many seconds a response with these header fields is fresh (RFC 9111 section 4.2), by its explicit
/// directives only: no heuristics.
pub(super) fn fresh_for(headers: &HeaderMap) -> u64 {
    let mut most = None;
    for line in headers.get_all(header::CACHE_CONTROL) {
        for directive in String::from_utf8_lossy(line.as_bytes()).split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => return 0,
                // Of several, the shortest: it is unknown which one is meant (RFC 9111 section 4.2.1).
                "max-age" => {
                    let life = seconds(value);
                    most = Some(most.map_or(life, |most: u64| most.min(life)));
                }
                _ => {}
            }
        }
    }
    let age = headers.get(header::AGE).and_then(|age| age.to_str().ok());
    let life = most.unwrap_or(0).min(MOST);
    life.saturating_sub(age.map_or(0, seconds))
}

/// Reads a number of seconds (RFC 9111 section 1.2.2), quoted or not. Anything else is 0; a number that is too large is
/// the largest.
fn seconds(text: &str) -> u64 {
    let text = text.trim().trim_matches('"');
    match text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        true => text.parse().unwrap_or(u64::MAX),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_how_long_they_are_fresh() {
        for (lines, age, expected) in [
            (&["max-age=300"][..], None, 300),
            (&["public, MAX-AGE = 300, must-revalidate"], None, 300),
            (&["max-age=\"300\""], None, 300),
            (&["max-age=300"], Some("100"), 200),
            (&["max-age=300"], Some("301"), 0),
            (&["max-age=300"], Some("18446744073709551616"), 0),
            (&["max-age=300"], Some("soon"), 300),
            (&["public", "max-age=300"], None, 300),
            (&["max-age=300, max-age=60"], None, 60),
            (&["max-age=99999999999999999999999"], None, MOST),
            (&["max-age=300, no-cache"], None, 0),
            (&["max-age=300", "No-Store"], None, 0),
            (&["no-cache=\"set-cookie\", max-age=300"], None, 0),
            // Only shared caches use it.
            (&["s-maxage=300"], None, 0),
            (&["max-age=-1"], None, 0),
            (&["max-age=1.5"], None, 0),
            (&["max-age="], None, 0),
            (&["max-age"], None, 0),
            (&["xmax-age=300"], None, 0),
            (&["\u{ff}\u{fe}"], None, 0),
            (&[""], None, 0),
            (&[], Some("5"), 0),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                let value = http::HeaderValue::from_bytes(line.as_bytes());
                headers.append(header::CACHE_CONTROL, value.expect("a value"));
            }
            if let Some(age) = age {
                headers.insert(header::AGE, age.parse().expect("a value"));
            }
            assert_eq!(fresh_for(&headers), expected, "{lines:?} {age:?}");
        }
    }
}
