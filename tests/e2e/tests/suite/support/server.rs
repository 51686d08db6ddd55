//! The fixture on its own thread, so that its logs do not count as the client's.

use std::thread;

use mcp_reauth_fixture::{Config, Control, Fixture};
use tokio::sync::oneshot;

/// A fixture's servers. Dropping it stops them.
pub(crate) struct Servers {
    pub(crate) control: Control,
    pub(crate) mcp_url: String,
    pub(crate) issuer: String,
    pub(crate) second_issuer: String,
    /// The issuer of the identity provider, if there is one.
    pub(crate) idp_issuer: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Servers {
    pub(crate) async fn start(config: Config) -> Self {
        let (started, servers) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || run(config, started, stopped));
        let mut started = servers.await.expect("the fixture starts");
        started.stop = Some(stop);
        started.thread = Some(thread);
        started
    }
}

type Started = oneshot::Sender<Servers>;

fn run(config: Config, started: Started, stopped: oneshot::Receiver<()>) {
    let _silence = super::log::off();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async move {
        let fixture = Fixture::start(config).await.expect("the fixture starts");
        let told = started.send(Servers {
            control: fixture.control().clone(),
            mcp_url: fixture.mcp_url().to_owned(),
            issuer: fixture.issuer().to_owned(),
            second_issuer: fixture.second_issuer().to_owned(),
            idp_issuer: fixture.idp_issuer().map(str::to_owned),
            stop: None,
            thread: None,
        });
        if told.is_ok() {
            let _ = stopped.await;
        }
        fixture.shutdown().await;
    });
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
