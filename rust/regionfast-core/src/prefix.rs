//! Prefixes: networks whose size is a power of two.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::range::{Bits, Range};

/// The addresses that share their first `length` bits with `bits`.
// INVARIANT: length <= T::WIDTH, and the bits beyond it are zero; `new` and `around` establish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix<T> {
    bits: T,
    length: u32,
}

impl<T: Bits> Prefix<T> {
    /// The prefix of this length, given with all other bits zero.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if the length is above the width of an address, or a bit beyond it is set.
    pub fn new(bits: T, length: u32) -> Result<Self, NetworkError> {
        let Some(host) = T::WIDTH.checked_sub(length) else {
            return Err(NetworkError::Length);
        };
        if bits & T::ones(host) != T::ZERO {
            return Err(NetworkError::HostBits);
        }
        Ok(Self { bits, length })
    }

    /// The largest prefix that holds the address and lies inside the range, which must hold the address.
    ///
    /// A block of `h` host bits around the address stays above `first` as long as the address and
    /// `first - 1` differ somewhere in the bits that are left, and below `last` likewise with `last + 1`:
    ///
    /// ```text
    /// range 0100..=1101, address 0110
    /// first - 1 = 0011, differs from 0110 at bit 2: at most 2 host bits
    /// last + 1  = 1110, differs from 0110 at bit 3: at most 3 host bits
    /// the prefix is 01** = 0100/2
    /// ```
    #[must_use]
    pub fn around(address: T, range: Range<T>) -> Self {
        debug_assert!(range.contains(address));
        // No neighbour means that the range goes to the end of the space: nothing limits that side.
        let limit = |neighbour: Option<T>| {
            neighbour.map_or(T::WIDTH, |outside| T::WIDTH.saturating_sub((address ^ outside).leading_zeros() + 1))
        };
        let host = limit(range.first.predecessor()).min(limit(range.last.successor()));
        Self { bits: address & !T::ones(host), length: T::WIDTH - host }
    }

    /// The lowest address.
    #[must_use]
    pub fn bits(&self) -> T {
        self.bits
    }

    /// How many bits are fixed.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length
    }

    /// The addresses of the prefix.
    #[must_use]
    pub fn range(&self) -> Range<T> {
        Range { first: self.bits, last: self.bits | T::ones(T::WIDTH - self.length) }
    }

    /// Whether the address shares the bits of the prefix.
    #[must_use]
    pub fn contains(&self, address: T) -> bool {
        self.range().contains(address)
    }
}

impl fmt::Display for Prefix<u32> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", Ipv4Addr::from(self.bits), self.length)
    }
}

impl fmt::Display for Prefix<u128> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", Ipv6Addr::from(self.bits), self.length)
    }
}

/// A prefix of either family.
///
/// Its text is `192.0.2.0/24` or `2001:db8::/32`; an address alone is the network of that one address. What
/// is accepted is what Python's `ipaddress.ip_network` accepts, without two things it also takes: a mask in
/// the place of the length (`/255.255.255.0`), and a zone (`fe80::%eth0/64`), which says nothing of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// An IPv4 prefix.
    V4(Prefix<u32>),
    /// An IPv6 prefix.
    V6(Prefix<u128>),
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(parse_length(length)?)),
            None => (text, None),
        };
        match address.parse().map_err(|_| NetworkError::Address)? {
            IpAddr::V4(v4) => Prefix::new(v4.into(), length.unwrap_or(u32::WIDTH)).map(Self::V4),
            IpAddr::V6(v6) => Prefix::new(v6.into(), length.unwrap_or(u128::WIDTH)).map(Self::V6),
        }
    }
}

/// The standard parser of integers also takes a plus sign.
fn parse_length(text: &str) -> Result<u32, NetworkError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NetworkError::Length);
    }
    text.parse().map_err(|_| NetworkError::Length)
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(prefix) => prefix.fmt(formatter),
            Self::V6(prefix) => prefix.fmt(formatter),
        }
    }
}

/// Why text is no network. The text itself is not repeated: it is an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash.
    #[error("not a network: write an IPv4 or IPv6 network such as `192.0.2.0/24` or `2001:db8::/32`")]
    Address,
    /// The part behind the slash.
    #[error("the prefix length is not a number from 0 to 32 (IPv4) or 128 (IPv6)")]
    Length,
    /// An address inside a network instead of the network.
    #[error("bits beyond the prefix length are set: clear them, or write a longer prefix")]
    HostBits,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_of_networks() {
        for (text, canonical) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.0.2.0/024", "192.0.2.0/24"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("2001:db8:0:0:0:0:0:1", "2001:db8::1/128"),
            ("::/0", "::/0"),
            ("64:ff9b::192.0.2.0/120", "64:ff9b::c000:200/120"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_network() {
        for (text, error) in [
            ("", NetworkError::Address),
            ("/24", NetworkError::Address),
            (" 192.0.2.0/24", NetworkError::Address),
            ("192.0.2/24", NetworkError::Address),
            ("192.0.02.0/24", NetworkError::Address),
            ("192.0.2.256/32", NetworkError::Address),
            ("3221225984/24", NetworkError::Address),
            ("[2001:db8::]/32", NetworkError::Address),
            ("fe80::%eth0/64", NetworkError::Address),
            ("1:2:3:4:5:6:7:8::/128", NetworkError::Address),
            ("192.0.2.0/", NetworkError::Length),
            ("192.0.2.0/33", NetworkError::Length),
            ("2001:db8::/129", NetworkError::Length),
            ("192.0.2.0/+24", NetworkError::Length),
            ("192.0.2.0/-1", NetworkError::Length),
            ("192.0.2.0/24/24", NetworkError::Length),
            ("192.0.2.0/99999999999999999999", NetworkError::Length),
            ("192.0.2.0/255.255.255.0", NetworkError::Length),
            ("192.0.2.0/\u{662}\u{664}", NetworkError::Length),
            ("192.0.2.1/24", NetworkError::HostBits),
            ("2001:db8::1/127", NetworkError::HostBits),
            ("0.0.0.1/0", NetworkError::HostBits),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }

    #[test]
    fn every_prefix_of_eight_bits() {
        for length in 0..=8 {
            for bits in 0..=u8::MAX {
                let host = 0xff_u8.checked_shr(length).unwrap_or(0);
                let prefix = Prefix::new(bits, length);
                if bits & host != 0 {
                    assert_eq!(prefix, Err(NetworkError::HostBits));
                    continue;
                }
                let prefix = prefix.unwrap();
                assert_eq!(prefix.range(), Range { first: bits, last: bits | host });
                for address in 0..=u8::MAX {
                    assert_eq!(prefix.contains(address), address & !host == bits);
                }
            }
        }
        assert_eq!(Prefix::new(0_u8, 9), Err(NetworkError::Length));
    }

    #[test]
    fn around_is_the_largest_that_fits() {
        for first in 0..=u8::MAX {
            for last in first..=u8::MAX {
                let range = Range { first, last };
                for address in first..=last {
                    let largest = (0..=8)
                        .map(|length| Prefix::new(address & !u8::ones(8 - length), length).unwrap())
                        .find(|prefix| range.covers(&prefix.range()));
                    assert_eq!(Some(Prefix::around(address, range)), largest, "{address} in {range:?}");
                }
            }
        }
    }

    #[test]
    fn around_in_the_whole_space() {
        assert_eq!(Prefix::around(7_u32, Range::ALL).to_string(), "0.0.0.0/0");
        assert_eq!(Prefix::around(u128::MAX, Range::ALL).to_string(), "::/0");
        assert_eq!(Prefix::around(u128::MAX, Range { first: 1, last: u128::MAX }).to_string(), "8000::/1");
    }

    proptest! {
        #[test]
        fn text_goes_there_and_back(bits: u128, length in 0_u32..=128) {
            let prefix = Prefix::new(bits & !u128::ones(128 - length), length).unwrap();
            prop_assert_eq!(prefix.to_string().parse(), Ok(Network::V6(prefix)));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}") {
            if let Ok(network) = text.parse::<Network>() {
                prop_assert_eq!(network.to_string().parse(), Ok(network));
            }
        }
    }
}
