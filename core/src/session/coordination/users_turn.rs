//! One user, one page: of all sessions for one profile and server that need the user, in any process, one has the turn
//! and asks. The others watch the store and continue with the credential that the sign-in stores.

use std::time::{Duration, SystemTime};

use crate::session::held::Held;
use crate::store::StoreKey;
use crate::store::lease::Lease;
use crate::store::turn::Turn;

/// How often the store is read while another session has the turn.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

/// The longest a turn lasts, and the longest wait for one. If the user takes longer, a second page may open.
const LONGEST: Duration = Duration::from_secs(600);

/// The result of waiting for the turn.
pub(crate) enum Turned {
    /// This session may ask the user, until the turn is dropped.
    Ours(UsersTurn),
    /// The user is no longer needed.
    Over,
}

/// The right to ask the user.
pub(crate) struct UsersTurn {
    #[expect(dead_code, reason = "held, not read")]
    lease: Option<Lease>,
    /// When the wait for it began, if another session had it.
    pub(crate) waited: Option<SystemTime>,
}

impl UsersTurn {
    /// Returns a turn without waiting for that of another session.
    pub(crate) fn beside() -> Self {
        Self {
            lease: None,
            waited: None,
        }
    }
}

/// The queue of sessions that need the user for one record.
pub(crate) struct Line<'a> {
    held: &'a Held,
    key: StoreKey,
}

impl<'a> Line<'a> {
    pub(crate) fn new(held: &'a Held) -> Self {
        let key = StoreKey {
            server: format!("{} (sign-in)", held.key.server),
            ..held.key.clone()
        };
        Self { held, key }
    }

    /// Takes the turn, if no other session has it.
    pub(crate) async fn turn_now(&self) -> Option<UsersTurn> {
        let lease = come(&mut self.stand()).await?;
        Some(UsersTurn {
            lease,
            waited: None,
        })
    }

    /// Waits until the turn is free, or until `is_over`, checked once a second, says that it is no longer needed. After
    /// [`LONGEST`], returns a turn without a lease.
    pub(crate) async fn wait<O>(&self, is_over: impl Fn() -> O) -> Turned
    where
        O: Future<Output = bool>,
    {
        let runtime = &*self.held.runtime;
        let since = |then| runtime.now().duration_since(then).unwrap_or_default();
        let began = runtime.now();
        let ours = |lease| {
            let waited = Some(began);
            Turned::Ours(UsersTurn { lease, waited })
        };
        let mut turn = self.stand();
        let mut looked = began;
        while since(began) < LONGEST {
            if since(looked) >= PERIOD {
                looked = runtime.now();
                if is_over().await {
                    return Turned::Over;
                }
            }
            if let Some(lease) = come(&mut turn).await {
                return ours(lease);
            }
        }
        ours(None)
    }

    fn stand(&self) -> Turn<'_> {
        Turn::new(&self.held.store, &self.held.runtime, &self.key, LONGEST)
    }
}

/// Returns the turn, if it is free. If the store cannot grant leases, the user is asked anyway.
async fn come(turn: &mut Turn<'_>) -> Option<Option<Lease>> {
    match turn.come().await {
        Ok(lease) => lease.map(Some),
        Err(error) => {
            tracing::warn!(%error, "the store cannot lease, so several sessions may prompt the user at once");
            Some(None)
        }
    }
}
