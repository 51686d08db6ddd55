//! The sockets of a callback address: one for every IP address of its host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use url::Host;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// How often to look for a port that is free in both families.
const TRIES: usize = 20;

/// The error of systems without IPv6 (`EAFNOSUPPORT`), which has no [`io::ErrorKind`].
const NO_SUCH_FAMILY: i32 = if cfg!(windows) {
    10047
} else if cfg!(target_vendor = "apple") || cfg!(target_os = "freebsd") {
    47
} else {
    97
};

/// Listens at every address that a browser may use for the callback.
#[derive(Debug)]
pub(super) struct Sockets {
    first: TcpListener,
    /// The socket of the other family, if the host is a name: browsers try both.
    second: Option<TcpListener>,
}

/// An address that cannot be listened at.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

impl Sockets {
    /// Listens at an IP address, or at both addresses of `localhost`: if another program had one of them, a browser
    /// might send the callback there. Port 0 means any free port.
    pub(super) async fn bind(host: Option<Host<&str>>, port: u16) -> Result<Self, Taken> {
        let ip = match host {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) | None => return Self::bind_both(port).await,
        };
        Self::bind_one(ip, port).await
    }

    async fn bind_both(port: u16) -> Result<Self, Taken> {
        // Kept open, so that each try gets another port.
        let mut passed_over = Vec::new();
        loop {
            let first = match listen(V4, port).await {
                Ok(first) => first,
                Err(taken) if taken.is_no_family() => return Self::bind_one(V6, port).await,
                Err(taken) => return Err(taken),
            };
            let at = |error| Taken {
                address: SocketAddr::new(V4, port),
                error,
            };
            let chosen = first.local_addr().map_err(at)?.port();
            let second = match listen(V6, chosen).await {
                Ok(second) => Some(second),
                Err(taken) if taken.is_no_family() => None,
                Err(taken) if port == 0 && taken.is_in_use() && passed_over.len() < TRIES => {
                    passed_over.push(first);
                    continue;
                }
                Err(taken) => return Err(taken),
            };
            return Ok(Self { first, second });
        }
    }

    async fn bind_one(ip: IpAddr, port: u16) -> Result<Self, Taken> {
        let (first, second) = (listen(ip, port).await?, None);
        Ok(Self { first, second })
    }

    /// Returns the port that it listens at.
    pub(super) fn port(&self) -> io::Result<u16> {
        Ok(self.first.local_addr()?.port())
    }

    /// Accepts the next connection, of either family.
    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        let accepted = match &self.second {
            Some(second) => tokio::select! {
                accepted = self.first.accept() => accepted,
                accepted = second.accept() => accepted,
            },
            None => self.first.accept().await,
        };
        Ok(accepted?.0)
    }
}

async fn listen(ip: IpAddr, port: u16) -> Result<TcpListener, Taken> {
    let address = SocketAddr::new(ip, port);
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| Taken { address, error })
}

impl Taken {
    fn is_in_use(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }

    /// Whether this machine has no such address at all, so that no other program can have it either.
    fn is_no_family(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrNotAvailable
            || self.error.raw_os_error() == Some(NO_SUCH_FAMILY)
    }
}
