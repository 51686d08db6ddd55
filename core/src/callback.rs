//! The parameters of an authorization response, kept opaque until `state` and `iss` have been checked.

use std::fmt;

use url::form_urlencoded;

use crate::secret::Secret;

/// The query of a callback, kept opaque: `state` and `iss` decide whether any part of it may be used, stored or shown
/// (RFC 9207 section 2.4), and core checks them first.
#[derive(Clone)]
pub struct CallbackParams {
    query: Secret,
}

impl CallbackParams {
    /// Parses a callback: a URL, a query with or without its question mark, or form-encoded parameters.
    #[must_use]
    pub fn parse(callback: &str) -> Self {
        let callback = callback.trim();
        let callback = callback.split('#').next().unwrap_or_default();
        // A value may contain anything, even a URL: only the text before the first `=` tells the form.
        let head = callback.split('=').next().unwrap_or_default();
        let query = match head.find('?') {
            Some(mark) => &callback[mark + 1..],
            None if head.contains("://") => "",
            None => callback,
        };
        Self {
            query: Secret::new(query),
        }
    }

    /// Builds a callback from parameters that a web framework has already decoded.
    #[must_use]
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        Self {
            query: Secret::new(query),
        }
    }

    /// Whether the callback belongs to the authorization with this `state`, compared in constant time.
    #[must_use]
    pub fn has_state(&self, state: &str) -> bool {
        use subtle::ConstantTimeEq;
        self.get("state")
            .is_ok_and(|own| own.is_some_and(|own| own.as_bytes().ct_eq(state.as_bytes()).into()))
    }

    /// Returns the query as received, to pass it to the part of the program that completes the authorization. It is
    /// still unchecked.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.query.expose()
    }

    /// Returns the decoded value of a parameter. A repeated parameter makes the response invalid (RFC 6749 section
    /// 3.1).
    pub(crate) fn get(&self, name: &str) -> Result<Option<String>, Repeated> {
        let mut values = form_urlencoded::parse(self.query.expose().as_bytes())
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Repeated),
            (value, None) => Ok(value),
        }
    }
}

/// A parameter occurs more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeated;

impl fmt::Debug for CallbackParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackParams")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_callback() {
        for form in [
            "http://127.0.0.1:6276/oauth/callback?code=a%20b&state=s&iss=https%3A%2F%2Fas.example",
            "?code=a+b&state=s&iss=https://as.example",
            "code=a%20b&state=s&iss=https://as.example\n",
            "https://app.example/cb?code=a+b&state=s&iss=https://as.example#_=_",
        ] {
            let params = CallbackParams::parse(form);
            assert_eq!(params.get("code"), Ok(Some("a b".to_owned())), "{form}");
            assert_eq!(params.get("iss"), Ok(Some("https://as.example".to_owned())));
            assert!(params.has_state("s") && !params.has_state("t") && !params.has_state(""));
        }
        let none = CallbackParams::parse("http://127.0.0.1/cb");
        assert_eq!(none.get("code"), Ok(None));
        let twice = CallbackParams::parse("state=a&state=a");
        assert_eq!(twice.get("state"), Err(Repeated));
        assert!(!twice.has_state("a"));
        assert_eq!(format!("{twice:?}"), "CallbackParams");
    }
}
