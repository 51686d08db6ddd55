//! One user, one page: sessions of a profile and server that need the user, in one process and in many, have them do it
//! once. One holds the turn while the user is asked; the others watch the store meanwhile, and go on with what it brings.

use std::future::pending;
use std::time::{Duration, SystemTime};

use crate::challenge::Reason;
use crate::error::Error;
use crate::host::AuthHost;
use crate::runtime::timeout;
use crate::session::Inner;
use crate::session::credential::Authorization;
use crate::session::interaction::{Interaction, Need};
use crate::store::StoreKey;
use crate::store::lease::Lease;
use crate::store::turn::Turn;

/// How often the store is looked at while the user is waited for.
const PERIOD: Duration = Duration::from_secs(1);

/// How long a turn lasts at the most, and is waited for. Where a user takes longer, there is merely another page.
const LONGEST: Duration = Duration::from_secs(600);

/// What waiting for the turn came to.
pub(super) enum UsersTurn {
    /// The user is this session's to ask, until this is dropped.
    Ours(Ours),
    /// There is nothing to ask any more.
    Over,
}

/// A turn with the user.
pub(super) struct Ours {
    #[expect(dead_code, reason = "held, not read")]
    lease: Option<Lease>,
    /// Since when it was waited for, if another had it.
    pub(super) waited: Option<SystemTime>,
}

impl Ours {
    fn at_once(lease: Option<Lease>) -> Self {
        Self {
            lease,
            waited: None,
        }
    }
}

impl Need {
    /// Whether `now`, which came after it was decided that the user is needed, is what they were needed for.
    fn is_met_by(&self, now: &Authorization) -> bool {
        if self.of.as_ref() == Some(now) {
            return false;
        }
        let before = self.of.as_ref().map(|of| &of.grant().sign_in);
        let signed_in = before != Some(&now.grant().sign_in);
        let required = &self.challenge.required_scopes;
        match self.challenge.reason {
            Reason::InsufficientScope if !required.is_empty() => now.scopes().covers(required),
            Reason::InsufficientScope | Reason::InsufficientUserAuthentication => signed_in,
            Reason::Unauthorized | Reason::TokenExpired | Reason::InvalidToken => {
                signed_in || !self.deliberate
            }
        }
    }
}

impl Inner {
    /// Waits until the user is this session's to ask, or need not be asked any more. A caller that asks for a sign-in
    /// on purpose does not wait.
    pub(super) async fn users_turn(
        &self,
        host: &dyn AuthHost,
        interaction: &Interaction,
    ) -> Result<UsersTurn, Error> {
        let key = StoreKey {
            server: format!("{} (sign-in)", self.key.server),
            ..self.key.clone()
        };
        let mut turn = Turn::new(&self.store, &self.runtime, &key, LONGEST);
        if let Some(lease) = come(&mut turn).await {
            return Ok(UsersTurn::Ours(Ours::at_once(lease)));
        }
        if interaction.need().deliberate {
            return Ok(UsersTurn::Ours(Ours::at_once(None)));
        }
        let told = async {
            host.sign_in_elsewhere(&self.server).await;
            pending().await
        };
        let waiting = async {
            tokio::select! {
                biased;
                turned = self.behind(turn, interaction) => Ok(turned),
                never = told => never,
            }
        };
        self.within_patience("The sign-in", waiting).await
    }

    /// Waits while another session has the turn, for a time.
    async fn behind(&self, mut turn: Turn<'_>, interaction: &Interaction) -> UsersTurn {
        let since = |then| {
            let passed = self.runtime.now().duration_since(then);
            passed.unwrap_or_default()
        };
        let began = self.runtime.now();
        let ours = |lease| {
            let waited = Some(began);
            UsersTurn::Ours(Ours { lease, waited })
        };
        let mut looked = began;
        while since(began) < LONGEST {
            if since(looked) >= PERIOD {
                looked = self.runtime.now();
                if !interaction.is_wanted() || self.is_met(&interaction.need()).await {
                    return UsersTurn::Over;
                }
            }
            if let Some(lease) = come(&mut turn).await {
                return ours(lease);
            }
        }
        ours(None)
    }

    /// Completes when another session or process stores what the user is needed for.
    pub(super) async fn met(&self, need: &Need) {
        loop {
            let now = self.current.get();
            let _ = timeout(&*self.runtime, PERIOD, self.current.changed(now.as_ref())).await;
            if self.is_met(need).await {
                return;
            }
        }
    }

    async fn is_met(&self, need: &Need) -> bool {
        // A store's failure is reported by the caller that needs what is in it.
        let _ = self.reload().await;
        let now = self.current.get();
        now.is_some_and(|now| !now.is_expired(self.now()) && need.is_met_by(&now))
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
