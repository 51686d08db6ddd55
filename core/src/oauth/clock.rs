//! Clock skew: this machine's clock compared with a server's, by its `Date` (RFC 9110 section 6.6.1). Proofs and
//! assertions name the time when they were made, and servers refuse those that are too old or from the future.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::sync::{Mutex, lock};

/// A smaller skew is ignored: a response takes a while to arrive, and servers tolerate it.
const AGREE: Duration = Duration::from_secs(30);
/// The maximum number of servers whose skew is kept. A session speaks with two or three.
const MAX_ORIGINS: usize = 16;

/// The difference between this machine's clock and a server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skew {
    /// This machine's clock is behind.
    Behind(Duration),
    /// This machine's clock is ahead.
    Ahead(Duration),
}

impl Skew {
    /// Reads the skew from the `Date` of a response; `None` if the clocks agree.
    pub(crate) fn of(date: Option<&str>, now: SystemTime) -> Option<Self> {
        let server = httpdate::parse_http_date(date?.trim()).ok()?;
        let skew = match server.duration_since(now) {
            Ok(behind) => Self::Behind(behind),
            Err(ahead) => Self::Ahead(ahead.duration()),
        };
        (skew.amount() >= AGREE).then_some(skew)
    }

    fn amount(self) -> Duration {
        match self {
            Self::Behind(amount) | Self::Ahead(amount) => amount,
        }
    }

    /// Returns the time at the server.
    pub(crate) fn there(self, now: SystemTime) -> SystemTime {
        let there = match self {
            Self::Behind(amount) => now.checked_add(amount),
            Self::Ahead(amount) => now.checked_sub(amount),
        };
        there.unwrap_or(now)
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.amount().as_secs();
        let amount = match seconds {
            0..120 => format!("{seconds} s"),
            120..7200 => format!("{} min", seconds / 60),
            7200..172_800 => format!("{} h", seconds / 3600),
            _ => format!("{} days", seconds / 86400),
        };
        let side = match self {
            Self::Behind(_) => "behind",
            Self::Ahead(_) => "ahead of",
        };
        write!(f, "this machine's clock is {amount} {side} the server's")
    }
}

/// The clocks of servers that refused a proof because of its time, by origin.
#[derive(Default)]
pub(crate) struct Clocks(Mutex<HashMap<String, Skew>>);

impl Clocks {
    /// Returns the time at the server of this origin, corrected by the known skew.
    pub(crate) fn there(&self, origin: &str, now: SystemTime) -> SystemTime {
        let skew = lock(&self.0).get(origin).copied();
        skew.map_or(now, |skew| skew.there(now))
    }

    /// Records the `Date` of a response that refused a proof. Returns whether the assumed time was wrong.
    pub(crate) fn note(&self, origin: &str, date: Option<&str>, now: SystemTime) -> bool {
        let assumed = self.there(origin, now);
        let mut clocks = lock(&self.0);
        let wrong = Skew::of(date, assumed).is_some();
        if !wrong {
            return false;
        }
        if clocks.len() >= MAX_ORIGINS {
            clocks.clear();
        }
        match Skew::of(date, now) {
            Some(skew) => clocks.insert(origin.to_owned(), skew),
            // The clocks agree again.
            None => clocks.remove(origin),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn date(seconds: u64) -> String {
        httpdate::fmt_http_date(at(seconds))
    }

    #[test]
    fn clocks_that_differ() {
        let of = |server| Skew::of(Some(&date(server)), at(1_000_000));
        assert_eq!(of(1_000_029), None);
        assert_eq!(of(999_971), None);
        let told = |server| of(server).map(|skew| skew.to_string());
        let clock = |what| Some(format!("this machine's clock is {what} the server's"));
        assert_eq!(told(1_000_030), clock("30 s behind"));
        assert_eq!(told(1_000_600), clock("10 min behind"));
        assert_eq!(told(989_000), clock("3 h ahead of"));
        assert_eq!(told(86_400), clock("10 days ahead of"));
        assert_eq!(of(1_000_600).expect("a skew").there(at(5)), at(605));
        for none in [None, Some(""), Some("today")] {
            assert_eq!(Skew::of(none, at(0)), None);
        }
    }

    #[test]
    fn what_is_known_is_used_until_it_changes() {
        let clocks = Clocks::default();
        let note = |server, now| clocks.note("o", Some(&date(server)), at(now));
        assert!(!note(1_000, 1_010));
        assert!(note(1_600, 1_000));
        assert_eq!(clocks.there("o", at(2_000)), at(2_600));
        assert_eq!(clocks.there("other", at(2_000)), at(2_000));
        assert!(!note(3_600, 3_000), "it is known");
        assert!(note(4_000, 4_000), "it was set right");
        assert_eq!(clocks.there("o", at(5_000)), at(5_000));
    }
}
