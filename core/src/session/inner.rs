//! The parts of a session.

use std::sync::Arc;

use crate::recovery::Trigger;
use crate::session::client::SessionClient;
use crate::session::coordination::queue::Queue;
use crate::session::coordination::rejected::RejectedSignIn;
use crate::session::held::Held;
use crate::session::idp_renewals::IdpRenewals;
use crate::session::need::{Ending, Need};
use crate::session::redirected::Redirected;
use crate::session::renewals::Renewals;
use crate::session::user::User;
use crate::session::ways::Ways;
use crate::settings::Settings;

/// The parts of a session. Tasks hold it, or only the parts that they need.
pub(crate) struct Inner {
    pub(super) settings: Arc<Settings>,
    pub(super) held: Arc<Held>,
    pub(super) client: Arc<SessionClient>,
    pub(super) ways: Arc<Ways>,
    pub(super) user: User,
    pub(super) renewals: Arc<Renewals>,
    /// `None`: the session is not enterprise-managed, or its identity provider is not configured.
    pub(super) idp: Option<Arc<IdpRenewals>>,
    pub(super) interactions: Queue<Need, Ending>,
    pub(super) rejected: RejectedSignIn,
    pub(super) redirected: Redirected,
}

impl Inner {
    /// Whether a credential can be minted now, after a renewal of the session at the identity provider if necessary.
    pub(super) async fn can_mint(&self, trigger: Trigger) -> bool {
        match &self.idp {
            Some(idp) => idp.is_ready(trigger).await,
            None => false,
        }
    }

    /// Clears earlier failures, because the application requests a sign-in or has set a credential.
    pub(super) fn start_afresh(&self) {
        self.renewals.backoff.reset();
        self.rejected.forget();
    }
}
