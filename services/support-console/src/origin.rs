//! Where a request comes from: its peer, or whoever stands behind proxies that are ours. Pure.

use std::{net::IpAddr, str::FromStr};

/// Proxies whose word about where a request comes from is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Network>);

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address and no network like 10.0.0.0/8")]
pub struct NotANetwork(String);

impl FromStr for Proxies {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address = address.parse::<IpAddr>().map_err(|_no_address| wrong())?;
        let whole = width(address);
        let bits =
            bits.map_or(Ok(whole), |bits| bits.parse::<u8>().map_err(|_no_number| wrong()))?;
        if bits > whole { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        width(self.address) == width(address)
            && beginning(self.address, self.bits) == beginning(address, self.bits)
    }
}

impl Proxies {
    /// Whoever sent a request to the first proxy that is not ours to trust.
    ///
    /// Each proxy adds to the end of `x-forwarded-for` whom it heard, so the list is read from its
    /// end, and only as long as whoever added an entry is trusted: what a client writes into it
    /// stands further left and counts for nothing.
    #[must_use]
    pub fn origin<'a>(
        &self,
        peer: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
    ) -> IpAddr {
        let mut origin = peer.to_canonical();
        let entries = forwarded.flat_map(|line| line.split(',')).rev();
        for entry in entries {
            if !self.0.iter().any(|network| network.holds(origin)) {
                break;
            }
            let Some(before) = address(entry.trim()) else { break };
            origin = before.to_canonical();
        }
        origin
    }
}

/// What tries to sign in are counted by: an address, and of the sixth version the network that one
/// customer of a provider has.
pub(crate) fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            format!("{}/64", std::net::Ipv6Addr::from(network))
        }
    }
}

/// An address as proxies write it: bare, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port)
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first bits of an address.
fn beginning(address: IpAddr, bits: u8) -> u128 {
    let (value, width) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    value.checked_shr(width - u32::from(bits)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(trusted: &str, peer: &str, forwarded: &[&str]) -> String {
        let trusted: Proxies = trusted.parse().unwrap();
        trusted.origin(peer.parse().unwrap(), forwarded.iter().copied()).to_string()
    }

    #[test]
    fn a_proxy_that_is_not_trusted_says_nothing() {
        assert_eq!(origin("", "192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(origin("10.0.0.0/8", "192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(origin("10.0.0.0/8", "10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn what_a_client_writes_in_front_counts_for_nothing() {
        let trusted = "10.0.0.0/8, 2001:db8::5";
        let of = |forwarded: &[&str]| origin(trusted, "10.1.2.3", forwarded);
        assert_eq!(of(&["198.51.100.1"]), "198.51.100.1");
        assert_eq!(of(&["203.0.113.9, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(of(&["203.0.113.9", "198.51.100.1, 10.9.9.9"]), "198.51.100.1");
        assert_eq!(of(&["198.51.100.1, 2001:db8::5, 10.9.9.9"]), "198.51.100.1");
        assert_eq!(of(&["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(of(&["[2001:db8::7]:4711"]), "2001:db8::7");
        // Where a proxy of ours says what is no address, it is itself as far as anybody knows.
        assert_eq!(of(&["198.51.100.1, unknown"]), "10.1.2.3");
        assert_eq!(origin(trusted, "::ffff:10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn a_network_is_read_or_refused() {
        for good in ["", "10.0.0.1", "10.0.0.0/8,::1/128", "0.0.0.0/0"] {
            assert!(good.parse::<Proxies>().is_ok(), "{good}");
        }
        for bad in ["ten", "10.0.0.0/33", "10.0.0.0/x", "::/129", "10.0.0.0/"] {
            assert!(bad.parse::<Proxies>().is_err(), "{bad}");
        }
        assert_eq!(origin("0.0.0.0/0", "192.0.2.7", &["198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn tries_from_one_network_of_the_sixth_version_are_counted_together() {
        let of = |text: &str| place(text.parse().unwrap());
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
