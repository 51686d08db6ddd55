//! Issuer identifiers (RFC 8414 section 2): compared byte for byte, except for one trailing slash.

/// Whether two issuer identifiers name the same authorization server. An issuer without a path and the same issuer with
/// one trailing slash have the same metadata document (RFC 8414 section 3.1), and libraries that normalize URLs turn
/// one into the other. Any other difference means another server.
///
/// This comparison finds metadata, grants and registrations. `iss` (RFC 9207, OpenID Connect Core) is compared byte for
/// byte with the issuer as its metadata writes it.
pub(crate) fn same_issuer(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    long.strip_suffix('/') == Some(short) && is_bare(short)
}

/// Returns the issuer with its trailing slash added or removed, if that names the same server: see [`same_issuer`].
pub(crate) fn other_spelling(issuer: &str) -> Option<String> {
    if is_bare(issuer) {
        return Some(format!("{issuer}/"));
    }
    let short = issuer.strip_suffix('/')?;
    is_bare(short).then(|| short.to_owned())
}

/// Whether the issuer consists of a scheme and an authority only.
fn is_bare(issuer: &str) -> bool {
    let authority = issuer.split_once("://").map(|(_, rest)| rest);
    authority.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_after_the_authority_makes_no_difference() {
        for (a, b) in [
            ("https://as.example", "https://as.example/"),
            ("https://as.example:8443", "https://as.example:8443/"),
            ("http://127.0.0.1:9/", "http://127.0.0.1:9"),
            ("https://as.example/t", "https://as.example/t"),
        ] {
            assert!(same_issuer(a, b) && same_issuer(b, a), "{a} {b}");
            let other = other_spelling(a);
            assert_eq!(other.is_some(), a != b);
            assert!(other.is_none_or(|other| other == b));
        }
    }

    #[test]
    fn any_other_difference_makes_another_server() {
        for (a, b) in [
            ("https://as.example", "https://as.example//"),
            ("https://as.example/", "https://as.example//"),
            ("https://as.example/t", "https://as.example/t/"),
            ("https://as.example?a", "https://as.example?a/"),
            ("https://as.example#a", "https://as.example#a/"),
            ("https://as.example", "https://AS.example/"),
            ("https://as.example", "https://as.example:443/"),
            ("https://as.example", "HTTPS://as.example/"),
            ("https://as.example", "http://as.example/"),
            ("https://as.example", "https://as.example./"),
            ("https://as.example", "https://as.example/?"),
            ("https://as.example", " https://as.example/"),
            ("https://", "https:///"),
            ("as.example", "as.example/"),
            ("", "/"),
        ] {
            assert!(!same_issuer(a, b) && !same_issuer(b, a), "{a} {b}");
        }
    }
}
