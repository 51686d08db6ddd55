//! Another origin that must receive no connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpListener;

/// A listener that counts connections and answers none.
pub(crate) struct Elsewhere {
    pub(crate) url: String,
    hits: Arc<AtomicU64>,
}

impl Elsewhere {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let hits = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&hits);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            url: format!("http://{address}/collect"),
            hits,
        }
    }

    /// The number of connections. A connection is only accepted when this task yields, so this opens one itself, which
    /// is the last.
    pub(crate) async fn hits(&self) -> u64 {
        let before = self.hits.load(Ordering::Relaxed);
        let address = self.url.trim_start_matches("http://");
        let address = address.trim_end_matches("/collect");
        let _own = tokio::net::TcpStream::connect(address)
            .await
            .expect("it listens");
        while self.hits.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
        // Connections are accepted in order, so all earlier ones are counted.
        self.hits.fetch_sub(1, Ordering::Relaxed) - 1
    }
}
