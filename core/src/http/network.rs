//! Which network an address is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network, from the widest to the narrowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Network {
    /// The internet.
    Public,
    /// An intranet (RFC 1918, RFC 4193), carrier-grade NAT (RFC 6598), or an address for no single host on the internet
    /// (RFC 6890).
    Private,
    /// The machine's link (RFC 3927, RFC 4291 section 2.5.6), where clouds serve instance metadata with secrets.
    LinkLocal,
    /// This machine.
    Loopback,
}

impl Network {
    /// The number of networks.
    #[cfg(feature = "reqwest")]
    pub(crate) const COUNT: usize = Self::Loopback as usize + 1;

    /// Returns the network of an address. An IPv6 address that carries an IPv4 address counts as that one.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => carried(address).map_or_else(|| of_v6(address), of_v4),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Network {
    match address.octets() {
        // A packet to 0.0.0.0 arrives at this machine.
        [0 | 127, ..] => Network::Loopback,
        [169, 254, ..] => Network::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Network::Private,
        // Protocol assignments, benchmarks, multicast, reserved.
        [192, 0, 0, _] | [198, 18..=19, ..] | [224..=255, ..] => Network::Private,
        _ => Network::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Network {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Network::Loopback,
        [0xfe80..=0xfebf, ..] => Network::LinkLocal,
        // Unique local and the former site-local; multicast; Teredo, whose servers choose what is reached.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff | 0xff00..=0xffff, ..] | [0x2001, 0, ..] => {
            Network::Private
        }
        // IPv4 addresses for translation within a network (RFC 8215).
        [0x64, 0xff9b, 1, ..] => Network::Private,
        _ => Network::Public,
    }
}

/// Returns the IPv4 address that an IPv6 address carries: mapped or compatible (RFC 4291 section 2.5.5), translated
/// (RFC 6052), or 6to4 (RFC 3056).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(join(high, low))
        }
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_in_one_network() {
        for (network, addresses) in [
            (
                Network::Public,
                "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 169.253.255.255 169.255.0.0 \
                 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 \
                 223.255.255.255 2606:4700::1111 2001:4860:4860::8888 2001:db8::1 ::ffff:8.8.8.8 64:ff9b::808:808 \
                 2002:808:808::1 fbff::1 fe7f::1",
            ),
            (
                Network::Private,
                "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255 100.64.0.0 \
                 100.127.255.255 192.0.0.1 198.18.0.1 198.19.255.255 224.0.0.1 239.255.255.255 240.0.0.1 \
                 255.255.255.255 fc00::1 fdff::1 fec0::1 ff02::1 2001::1 64:ff9b:1::a00:1 ::ffff:10.0.0.1 ::10.0.0.1 \
                 64:ff9b::a00:1 2002:a00:1::1",
            ),
            (
                Network::LinkLocal,
                "169.254.0.0 169.254.169.254 169.254.255.255 fe80::1 febf::1 ::ffff:169.254.169.254 \
                 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::",
            ),
            (
                Network::Loopback,
                "127.0.0.1 127.255.255.255 0.0.0.0 0.1.2.3 ::1 :: ::ffff:127.0.0.1 ::ffff:0.0.0.0 ::127.0.0.1 \
                 64:ff9b::7f00:1 2002:7f00:1::1",
            ),
        ] {
            for address in addresses.split_whitespace() {
                let parsed: IpAddr = address.parse().expect("an address");
                assert_eq!(Network::of(parsed), network, "{address}");
            }
        }
    }
}
