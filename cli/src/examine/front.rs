//! A relay in front of the authorization server, which can refuse connections as a stopped server does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The relay. Dropping it closes its connections.
pub(super) struct Front {
    address: SocketAddr,
    target: SocketAddr,
    serving: JoinHandle<()>,
}

impl Front {
    /// Starts a relay to a port of this machine.
    pub(super) async fn start(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
        let serving = tokio::spawn(serve(listener, target));
        Ok(Self {
            address,
            target,
            serving,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Closes all connections and refuses new ones.
    pub(super) async fn refuse(&mut self) {
        self.serving.abort();
        // Only then the port is free.
        let _ = (&mut self.serving).await;
    }

    /// Accepts connections again.
    pub(super) async fn accept(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.serving = tokio::spawn(serve(listener, self.target));
        Ok(())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, target: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(relay(client, target));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn relay(mut client: TcpStream, target: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    // A broken connection is the client's or the server's doing.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}
