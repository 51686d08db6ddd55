//! Scope sets: parse, union, covers, difference.
//!
//! Scopes are opaque, case-sensitive strings (RFC 6749 section 3.3). No hierarchy is assumed: `files` does not cover
//! `files:read`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text;

/// The maximum number of scopes in a set; more are dropped. No server needs as many, and one that sends them must not
/// make comparing sets slow.
const MAX_SCOPES: usize = 256;

/// The maximum length of a scope, in bytes; longer ones are dropped. Scopes are shown to the user and appear in URLs.
const MAX_SCOPE: usize = 1024;

/// An ordered set of scopes. It keeps the order of first appearance, also in a union, so that the list shown to the
/// user is stable.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct ScopeSet(Vec<String>);

impl ScopeSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Parses the value of a `scope` parameter (RFC 6749 section 3.3): parts separated by spaces. Drops empty parts,
    /// duplicates, and parts with control characters, which no scope can have.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        value.split(' ').collect()
    }

    /// Whether the set has no scope.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many scopes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `scope` is in the set.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    /// Adds one scope at the end, unless it is present, empty, too long or has control characters, or the set is full.
    pub fn insert(&mut self, scope: &str) {
        let length = 1..=MAX_SCOPE;
        let usable = length.contains(&scope.len()) && !text::has_controls(scope);
        if usable && self.len() < MAX_SCOPES && !self.contains(scope) {
            self.0.push(scope.to_owned());
        }
    }

    /// Returns both sets together: this one's order first, then what only the other has.
    ///
    /// ```
    /// # use mcp_reauth::ScopeSet;
    /// let granted = ScopeSet::parse("files:read profile");
    /// let required = ScopeSet::from(["files:read", "files:write"]);
    /// assert!(!granted.covers(&required));
    /// assert_eq!(required.difference(&granted).to_string(), "files:write");
    /// assert_eq!(granted.union(&required).to_string(), "files:read profile files:write");
    /// ```
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.extend(other.iter());
        all
    }

    /// Whether every scope of `required` is in this set. The empty requirement is always covered.
    #[must_use]
    pub fn covers(&self, required: &Self) -> bool {
        required.iter().all(|scope| self.contains(scope))
    }

    /// Whether this set covers `other` and has more.
    #[must_use]
    pub fn is_strict_superset(&self, other: &Self) -> bool {
        self.len() > other.len() && self.covers(other)
    }

    /// Returns the scopes of this set that `other` lacks, in this set's order.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.iter().filter(|scope| !other.contains(scope)).collect()
    }
}

impl<'a> Extend<&'a str> for ScopeSet {
    fn extend<I: IntoIterator<Item = &'a str>>(&mut self, scopes: I) {
        for scope in scopes {
            self.insert(scope);
        }
    }
}

impl<'a> FromIterator<&'a str> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        let mut set = Self::new();
        set.extend(scopes);
        set
    }
}

/// As [`parse`](ScopeSet::parse).
impl From<&str> for ScopeSet {
    fn from(value: &str) -> Self {
        Self::parse(value)
    }
}

/// As [`parse`](ScopeSet::parse): any text is a set of scopes.
impl FromStr for ScopeSet {
    type Err = Infallible;

    fn from_str(value: &str) -> Result<Self, Infallible> {
        Ok(Self::parse(value))
    }
}

impl<const N: usize> From<[&str; N]> for ScopeSet {
    fn from(scopes: [&str; N]) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Vec<String>> for ScopeSet {
    fn from(scopes: Vec<String>) -> Self {
        scopes.iter().map(String::as_str).collect()
    }
}

impl From<ScopeSet> for Vec<String> {
    fn from(set: ScopeSet) -> Self {
        set.0
    }
}

/// The form of a `scope` parameter: scopes joined by single spaces.
impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::ScopeSet;
    use proptest::prelude::*;

    fn sets() -> impl Strategy<Value = ScopeSet> {
        proptest::collection::vec("[a-e]{1,2}", 0..6).prop_map(ScopeSet::from)
    }

    #[test]
    fn texts_and_lists_are_sets() {
        let set = ScopeSet::parse("a b");
        assert_eq!(ScopeSet::from("b a").difference(&set), ScopeSet::new());
        assert_eq!("a b".parse(), Ok(set.clone()));
        assert_eq!(ScopeSet::from(["a", "b", "a", ""]), set);
    }

    proptest! {
        #[test]
        fn union_is_a_union(a in sets(), b in sets(), c in sets()) {
            let both = a.union(&b);
            prop_assert!(both.covers(&a) && both.covers(&b));
            prop_assert!(both.iter().all(|s| a.contains(s) || b.contains(s)));
            prop_assert_eq!(a.union(&a), a.clone());
            prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
            prop_assert_eq!(a.union(&ScopeSet::new()), a.clone());
            prop_assert_eq!(both.len(), both.iter().collect::<std::collections::BTreeSet<_>>().len());
        }

        #[test]
        fn difference_is_what_is_missing(a in sets(), b in sets()) {
            prop_assert_eq!(a.covers(&b), b.difference(&a).is_empty());
            prop_assert!(a.union(&b.difference(&a)).covers(&b));
            prop_assert_eq!(a.is_strict_superset(&b), a.covers(&b) && !b.covers(&a));
        }

        #[test]
        fn written_and_read_again(a in sets()) {
            prop_assert_eq!(ScopeSet::parse(&a.to_string()), a);
        }
    }
}
