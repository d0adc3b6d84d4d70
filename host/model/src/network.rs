//! A network of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses that begin alike (CIDR, RFC 4632). An IPv4 address that is written as one of IPv6 is an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    /// How many bits of it count.
    bits: u8,
}

/// What is wrong with a text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    #[error("This is not an address or a network, like `203.0.113.7` or `10.0.0.0/8`.")]
    Form,
    #[error("The address has bits behind its network's length. Write the network's first address.")]
    Bits,
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && first(address, self.bits) == self.address
    }

    /// Whether each address of `other` is one of these.
    pub fn covers(&self, other: &Network) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }
}

/// The first address of its network.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Network, InvalidNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork::Form)?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let digits = |bits: &str| bits.bytes().all(|byte| byte.is_ascii_digit()) && !bits.starts_with('+');
        let bits = match bits {
            Some(bits) if digits(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or(InvalidNetwork::Form)?,
            Some(_) => return Err(InvalidNetwork::Form),
            None => most,
        };
        // `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
        let (address, bits) = match address.to_canonical() {
            IpAddr::V4(short) if most == 128 => (IpAddr::V4(short), bits.checked_sub(96).ok_or(InvalidNetwork::Form)?),
            _ => (address, bits),
        };
        if first(address, bits) == address { Ok(Network { address, bits }) } else { Err(InvalidNetwork::Bits) }
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Network, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole: u8 = if self.address.is_ipv4() { 32 } else { 128 };
        match self.bits == whole {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_address_is_in_its_network_and_in_no_other() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.200.3.4", "11.0.0.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "::1", "127.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "::a00:1"),
        ] {
            let network = network(text);
            assert!(network.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{text} {outside}");
        }
        assert!(network("10.0.0.0/8").contains("::ffff:10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn a_network_covers_what_is_within_it() {
        let wide = network("10.0.0.0/8");
        assert!(wide.covers(&network("10.1.0.0/16")) && wide.covers(&wide) && wide.covers(&network("10.0.0.1")));
        assert!(!network("10.1.0.0/16").covers(&wide) && !wide.covers(&network("::/0")));
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in
            ["", "10", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/", "::/129", "host", "::ffff:1.2.3.4/90"]
        {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork::Form), "{text}");
        }
        assert_eq!("10.0.0.1/8".parse::<Network>(), Err(InvalidNetwork::Bits));
        assert_eq!(network("10.0.0.0/8").to_string(), "10.0.0.0/8");
        assert_eq!(network("2001:db8::1").to_string(), "2001:db8::1");
    }
}
