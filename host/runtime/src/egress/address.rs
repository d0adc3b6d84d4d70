//! Which addresses are of the open internet.
//!
//! From the IANA special-purpose address registries (RFC 6890 and its updates), multicast, and the address of a
//! cloud's host agent that lies in open space. Whatever embeds an IPv4 address in an IPv6 one (mapped, compatible,
//! NAT64, 6to4, Teredo) is not let through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const CLOSED_V4: [([u8; 4], u32); 17] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([168, 63, 129, 16], 32),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, reserved, broadcast.
    ([224, 0, 0, 0], 3),
];

/// Within `2000::/3`; everything outside of it is closed.
const CLOSED_V6: [([u16; 8], u32); 6] = [
    // IETF protocol assignments, with Teredo, benchmarking and ORCHID.
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    // 6bone, given back.
    ([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16),
];

pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !CLOSED_V4.iter().any(|(prefix, bits)| within_v4(address, *prefix, *bits)),
        IpAddr::V6(address) => {
            within_v6(address, [0x2000, 0, 0, 0, 0, 0, 0, 0], 3)
                && !CLOSED_V6.iter().any(|(prefix, bits)| within_v6(address, *prefix, *bits))
        }
    }
}

fn within_v4(address: Ipv4Addr, prefix: [u8; 4], bits: u32) -> bool {
    let differ = u32::from(address) ^ u32::from(Ipv4Addr::from(prefix));
    differ.leading_zeros() >= bits
}

fn within_v6(address: Ipv6Addr, prefix: [u16; 8], bits: u32) -> bool {
    let differ = u128::from(address) ^ u128::from(Ipv6Addr::from(prefix));
    differ.leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_addresses() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_global(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn open_addresses() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.167.1.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00::1",
        ] {
            assert!(is_global(address.parse().unwrap()), "{address}");
        }
    }
}
