//! Which addresses a client may call: everything, or only what everybody could call.
//!
//! An address that a stranger may choose (a webhook's) must not make us call ourselves, our
//! neighbours or the machine that hands out credentials. The check is made on the resolved address
//! that is then connected to, so a name that resolves differently the second time gains nothing.

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Which addresses a client may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Any: our own services, and suppliers and nodes from the configuration.
    Anywhere,
    /// Only public ones: addresses that somebody outside has chosen.
    PublicOnly,
}

/// An address is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is not public")]
pub(super) struct NotPublic;

/// Resolves names as the system does and refuses those with an address that is not public.
pub(super) struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            // One private address among public ones is a trick, not an accident.
            if found.iter().all(|addr| is_public(addr.ip())) {
                Ok(Box::new(found.into_iter()) as Addrs)
            } else {
                Err(Box::new(NotPublic) as Box<dyn Error + Send + Sync>)
            }
        })
    }
}

/// Checks an address that is written as numbers, which no resolver sees.
pub(super) fn check_literal(url: &Url) -> Result<(), NotPublic> {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal {
        Ok(ip) if !is_public(ip) => Err(NotPublic),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Says whether an error came from here.
pub(super) fn is_not_public(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<NotPublic>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// IANA's registry of special addresses, IPv4.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// IANA's registry of special addresses, IPv6: global unicast without what tunnels to IPv4.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let is_global = (0x2000..=0x3fff).contains(&a);
    let is_protocol = a == 0x2001 && (b < 0x0200 || b == 0x0db8);
    let is_six_to_four = a == 0x2002;
    let is_document = a == 0x3fff && b < 0x1000;
    is_global && !is_protocol && !is_six_to_four && !is_document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_everybody_could_call_is_public() {
        for public in ["1.1.1.1", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for public in ["2606:4700:4700::1111", "2a00:1450::1", "2001:200::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for private in [
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn numbers_are_recognised_however_they_are_written() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "https://user@10.0.0.1:8443/x",
        ] {
            assert_eq!(check_literal(&Url::parse(url).unwrap()), Err(NotPublic), "{url}");
        }
        assert_eq!(check_literal(&Url::parse("https://1.1.1.1/").unwrap()), Ok(()));
        assert_eq!(check_literal(&Url::parse("https://hooks.example/").unwrap()), Ok(()));
    }
}
