//! Who asks, as far as limits tell people apart: not by address, of which one visitor may have 2^64, but by the prefix
//! that a provider hands out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// How many bits of an IPv4 address tell one visitor from another, and of an IPv6 address: a house, or a line.
const NARROW: (u8, u8) = (24, 64);
/// The same for neighbourhoods: what somebody gets who rents addresses by the thousand.
const WIDE: (u8, u8) = (16, 48);

/// The addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpPrefix {
    first: IpAddr,
    bits: u8,
}

/// Text that is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address and a length such as 192.0.2.0/24")]
pub struct IpPrefixError;

impl IpPrefix {
    /// The visitor's own: /24 of IPv4, /64 of IPv6.
    pub fn narrow(address: IpAddr) -> Self {
        Self::of(address, NARROW)
    }

    /// The one around it: /16 of IPv4, /48 of IPv6.
    pub fn wide(self) -> Self {
        Self::of(self.first, WIDE)
    }

    fn of(address: IpAddr, (short, long): (u8, u8)) -> Self {
        // An IPv4 address is the same visitor whichever way a socket writes it.
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = u32::MAX << (32 - u32::from(short));
                Self { first: IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask)), bits: short }
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX << (128 - u32::from(long));
                Self { first: IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask)), bits: long }
            }
        }
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl FromStr for IpPrefix {
    type Err = IpPrefixError;

    fn from_str(text: &str) -> Result<Self, IpPrefixError> {
        let (address, _) = text.split_once('/').ok_or(IpPrefixError)?;
        let narrow = Self::narrow(address.parse().map_err(|_| IpPrefixError)?);
        // One spelling: what was written by `Display`.
        if narrow.to_string() == text { Ok(narrow) } else { Err(IpPrefixError) }
    }
}

/// Who asks: the peer of the connection, or, when that is a proxy of the operator's, the last address in its
/// `X-Forwarded-For` that is none. What stands further left was written by whoever asked, and proves nothing; where a
/// proxy says nothing that can be read, the proxy itself is whom the limits are for.
pub fn client(peer: IpAddr, forwarded: &[&str], proxies: &[IpAddr]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_proxy = |address: &IpAddr| proxies.iter().any(|proxy| proxy.to_canonical() == *address);
    let mut client = peer;
    for entry in forwarded.iter().flat_map(|value| value.split(',')).rev() {
        if !is_proxy(&client) {
            return client;
        }
        let Ok(address) = entry.trim().parse::<IpAddr>() else { return client };
        client = address.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn visitors_are_told_apart_by_24_and_64_bits_and_neighbourhoods_by_16_and_48() {
        for (address, narrow, wide) in [
            ("192.0.2.7", "192.0.2.0/24", "192.0.0.0/16"),
            ("::ffff:192.0.2.9", "192.0.2.0/24", "192.0.0.0/16"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
            ("::1", "::/64", "::/48"),
        ] {
            let prefix = IpPrefix::narrow(ip(address));
            assert_eq!((prefix.to_string(), prefix.wide().to_string()), (narrow.into(), wide.into()), "{address}");
            assert_eq!(narrow.parse(), Ok(prefix));
        }
        for text in ["", "192.0.2.0", "192.0.2.1/24", "192.0.2.0/16", "192.0.2.0/024", "x/24", "2001:db8::/48"] {
            assert_eq!(text.parse::<IpPrefix>(), Err(IpPrefixError), "{text}");
        }
    }

    #[test]
    fn only_the_operators_proxy_is_believed_and_only_its_own_word() {
        let proxies = [ip("127.0.0.1"), ip("10.0.0.2")];
        let client = |peer, forwarded: &[&str]| client(ip(peer), forwarded, &proxies).to_string();
        assert_eq!(client("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("127.0.0.1", &["203.0.113.9, 198.51.100.1"]), "198.51.100.1", "what the client wrote");
        assert_eq!(client("127.0.0.1", &["203.0.113.9", "198.51.100.1, 10.0.0.2"]), "198.51.100.1", "two proxies");
        assert_eq!(client("127.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["unknown"]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"]), "10.0.0.2");
        // The control: a stranger who says that it comes from elsewhere.
        assert_eq!(client("203.0.113.5", &["198.51.100.1"]), "203.0.113.5");
        assert_eq!(super::client(ip("203.0.113.5"), &["198.51.100.1"], &[]).to_string(), "203.0.113.5");
    }
}
