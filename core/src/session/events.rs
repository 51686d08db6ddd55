//! The event listeners of one session: the application's function and its host.

use std::sync::Arc;

use crate::host::{AuthHost, Event, Listener};

pub(crate) struct Events {
    pub(super) listener: Option<Listener>,
    pub(super) host: Option<Arc<dyn AuthHost>>,
}

impl Events {
    pub(crate) fn tell(&self, event: Event) {
        if let Some(listener) = &self.listener {
            listener(&event);
        }
        if let Some(host) = &self.host {
            host.event(event);
        }
    }
}
