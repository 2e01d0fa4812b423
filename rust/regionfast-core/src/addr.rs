//! One IPv4 or IPv6 address, in host byte order.

use std::net::IpAddr;

/// An IPv4 address as `u32` or an IPv6 address as `u128`, both in host byte order.
///
/// An IPv6 zone (`%eth0`) is not part of the address: two interfaces of one host do not differ in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// `192.0.2.1` is `V4(0xc0000201)`.
    V4(u32),
    /// `2001:db8::1` is `V6(0x20010db8_00000000_00000000_00000001)`.
    V6(u128),
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::V4(v4.into()),
            IpAddr::V6(v6) => Self::V6(v6.into()),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        match address {
            Address::V4(bits) => Self::V4(bits.into()),
            Address::V6(bits) => Self::V6(bits.into()),
        }
    }
}
