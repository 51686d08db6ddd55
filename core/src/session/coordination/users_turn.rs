//! One user, one page: of the sessions of a profile and server that need the user, in one process and in many, one has the
//! turn, and asks. The others watch the store meanwhile, and go on with the credential that it brings.

use std::time::{Duration, SystemTime};

use crate::session::held::Held;
use crate::store::StoreKey;
use crate::store::lease::Lease;
use crate::store::turn::Turn;

/// How often the store is looked at while another session has the turn.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

/// How long a turn lasts at the most, and is waited for. Where the user takes longer, there is merely another page.
const LONGEST: Duration = Duration::from_secs(600);

/// How waiting for the turn ended.
pub(crate) enum Turned {
    /// The user is this session's to ask, until the turn is dropped.
    Ours(UsersTurn),
    /// The user need not be asked any more.
    Over,
}

/// A turn with the user.
pub(crate) struct UsersTurn {
    #[expect(dead_code, reason = "held, not read")]
    lease: Option<Lease>,
    /// Since when it was waited for, if another session had it.
    pub(crate) waited: Option<SystemTime>,
}

impl UsersTurn {
    /// A turn beside that of another session.
    pub(crate) fn beside() -> Self {
        Self {
            lease: None,
            waited: None,
        }
    }
}

/// The line of sessions that need the user of one record.
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

    /// The turn, if no other session has it.
    pub(crate) async fn turn_now(&self) -> Option<UsersTurn> {
        let lease = come(&mut self.stand()).await?;
        Some(UsersTurn {
            lease,
            waited: None,
        })
    }

    /// Waits until the turn comes, or `is_over` says that it is not needed any more, which it is asked once a second.
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

/// The turn, if it has come. A store that cannot lease is no reason not to ask the user.
async fn come(turn: &mut Turn<'_>) -> Option<Option<Lease>> {
    match turn.come().await {
        Ok(lease) => lease.map(Some),
        Err(error) => {
            tracing::warn!(%error, "sessions cannot take turns with the user");
            Some(None)
        }
    }
}
