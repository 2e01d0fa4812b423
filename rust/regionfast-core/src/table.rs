//! The immutable structure that answers lookups.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;

use crate::addr::Address;
use crate::build::Content;
use crate::error::Result;
use crate::lookup::{self, Direct, Kernel, Tree};
use crate::prefix::{Network, Prefix};
use crate::range::Segments;
use crate::slot::{Label, Slot, Status, UNDECIDED};
use crate::unwrap::{Unwrapping, Wrapping};

/// An immutable table. Cheap to share between threads behind an [`Arc`].
///
/// | work | cost |
/// |---|---|
/// | [`Table::lookup`] | 2 or 3 loads (IPv4), ⌈log₉ n⌉ cache lines (IPv6) |
/// | [`Table::network`] | O(log n) |
/// | memory | [`Table::bytes`], exact |
#[derive(Debug)]
pub struct Table {
    content: Arc<Content>,
    /// The same table without overrides; `None` where it has none, so that it is its own base.
    base: Option<Arc<Table>>,
    v4: Arc<Segments<u32>>,
    v6: Arc<Segments<u128>>,
    direct: Direct,
    tree: Tree,
    kernel: Kernel,
}

/// The answer for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Status or region.
    pub slot: Slot,
    /// The address that was judged: the one inside, where the given one was wrapped.
    pub judged: Address,
    /// How it was wrapped.
    pub wrapping: Wrapping,
}

impl Table {
    /// Builds both indexes over what a database, an override file or a compiled file holds.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] where the IPv4 ranges are too fragmented; [`crate::Error::Option`] where the
    /// environment names a kernel that this machine lacks.
    pub fn new(content: Arc<Content>) -> Result<Self> {
        let Some(without) = content.without_overrides() else {
            let (v4, v6) = (Arc::clone(&content.v4), Arc::clone(&content.v6));
            return Self::index(content, v4, v6, None);
        };
        let base = Self::new(Arc::new(without))?;
        let v4 = content.v4.overlay(&content.overrides_v4)?;
        // An override wider than a zone covers it, but what is wrapped is still judged by what is inside.
        let v6 = content.v6.overlay(&content.overrides_v6)?.overlay(&content.zones())?;
        Self::index(content, Arc::new(v4), Arc::new(v6), Some(Arc::new(base)))
    }

    fn index(
        content: Arc<Content>,
        v4: Arc<Segments<u32>>,
        v6: Arc<Segments<u128>>,
        base: Option<Arc<Self>>,
    ) -> Result<Self> {
        let kernel = Kernel::detect()?;
        let (direct, tree) = thread::scope(|scope| {
            // Both take as long, so side by side they take half; where there is no thread to give, one after the other.
            let tree = thread::Builder::new().spawn_scoped(scope, || Tree::build(&v6));
            let direct = Direct::build(&v4);
            let tree = tree.ok().and_then(|tree| tree.join().ok()).unwrap_or_else(|| Tree::build(&v6));
            (direct, tree)
        });
        Ok(Self { content, base, direct: direct?, tree, v4, v6, kernel })
    }

    /// What the table was built from.
    #[must_use]
    pub fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// The same table without its overrides; `None` where it has none and is its own base.
    #[must_use]
    pub fn base(&self) -> Option<&Arc<Self>> {
        self.base.as_ref()
    }

    /// Which implementation answers batches.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The same table answering batches with another kernel, for comparing them.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// What each slot stands for; the first [`crate::slot::FIRST_REGION`] are statuses.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.content.labels
    }

    /// Number of ranges, IPv4 and IPv6.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.v4.len(), self.v6.len())
    }

    /// Bytes of the arrays that this table holds, its base included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let segments = |len: usize, address: usize| len * (address + size_of::<Slot>());
        let own = segments(self.v4.len(), 4) + segments(self.v6.len(), 16) + self.direct.bytes() + self.tree.bytes();
        own + self.content.bytes() + self.base.as_ref().map_or(0, |base| base.bytes())
    }

    /// How IPv4 inside IPv6 is treated.
    #[must_use]
    pub fn unwrapping(&self) -> &Unwrapping {
        &self.content.unwrapping
    }

    /// The answer for one address. Total: every address has one.
    #[must_use]
    #[inline]
    pub fn lookup(&self, address: Address) -> Found {
        match address {
            Address::V4(bits) => Found { slot: self.slot_v4(bits), judged: address, wrapping: Wrapping::None },
            Address::V6(bits) => self.lookup_v6(bits),
        }
    }

    #[inline]
    pub(crate) fn slot_v4(&self, bits: u32) -> Slot {
        lookup::v4_one(&self.direct, bits)
    }

    fn lookup_v6(&self, bits: u128) -> Found {
        let slot = lookup::v6_one(&self.tree, (bits >> 64) as u64);
        if slot == UNDECIDED {
            return self.decide(bits);
        }
        Found { slot, judged: Address::V6(bits), wrapping: Wrapping::None }
    }

    /// The answer where the high half of an IPv6 address does not give it: IPv4 inside, or a boundary
    /// beyond /64.
    #[cold]
    pub(crate) fn decide(&self, bits: u128) -> Found {
        if let Some((inner, wrapping)) = self.content.unwrapping.unwrap(bits) {
            return Found { slot: self.slot_v4(inner), judged: Address::V4(inner), wrapping };
        }
        let slot = self.tree.decide((bits >> 64) as u64, bits as u64);
        // A zone without an IPv4 address inside, as RFC 6052 forbids.
        let slot = if slot == UNDECIDED { Status::Reserved.slot() } else { slot };
        Found { slot, judged: Address::V6(bits), wrapping: Wrapping::None }
    }

    /// The largest prefix around the judged address that the table answers alike. O(log n).
    ///
    /// Networks of the database that lie side by side with one answer have been merged, so this may be
    /// larger than the network that the database shows, never smaller.
    #[must_use]
    pub fn network(&self, judged: Address) -> Network {
        match judged {
            Address::V4(bits) => Network::V4(Prefix::around(bits, self.v4.find(bits).0)),
            Address::V6(bits) => {
                let (mut range, slot) = self.v6.find(bits);
                if slot == UNDECIDED {
                    // In a zone, but not unwrapped for its octet 8 (bits 64 to 71): so is all that shares its first set bit.
                    let octet = (bits >> 56) as u8;
                    let host = 128 - (65 + octet.leading_zeros().min(7));
                    range.first = bits >> host << host;
                    range.last = range.first | (u128::MAX >> (128 - host));
                }
                Network::V6(Prefix::around(bits, range))
            }
        }
    }

    /// Slots of IPv4 addresses, same order. One thread.
    pub fn lookup_v4_many(&self, addresses: &[u32], slots: &mut [Slot]) {
        self.kernel.v4(&self.direct, addresses, slots);
    }

    /// Slots by the high halves of IPv6 addresses; those with [`UNDECIDED`] go to [`Table::decide`].
    pub(crate) fn lookup_high_halves(&self, highs: &[u64], slots: &mut [Slot]) {
        self.kernel.v6(&self.tree, highs, slots);
    }

    /// The IPv4 space: the first address of each range, ascending from 0, and the slots.
    #[must_use]
    pub fn boundaries_v4(&self) -> (&[u32], &[Slot]) {
        (self.v4.starts(), self.v4.slots())
    }

    /// The IPv6 space likewise. The zones of wrapped IPv4 are [`Status::Reserved`], as is what lies in them without
    /// an IPv4 address inside; where there is one, it is to be looked for in the IPv4 space. O(ranges).
    #[must_use]
    pub fn boundaries_v6(&self) -> Segments<u128> {
        self.v6.map_slots(|slot| if slot == UNDECIDED { Status::Reserved.slot() } else { slot })
    }

    /// The range at an index, IPv4 then, where wanted, IPv6; `index` becomes that of the next one. Zones of
    /// wrapped IPv4 are left out: their answer is that of the address inside. `None` after the last.
    #[must_use]
    pub fn range(&self, index: &mut usize, v6: bool) -> Option<(IpAddr, IpAddr, Slot)> {
        loop {
            let at = *index;
            *index += 1;
            if let Some((range, slot)) = self.v4.at(at) {
                return Some((Address::V4(range.first).into(), Address::V4(range.last).into(), slot));
            }
            let (range, slot) = self.v6.at(at.checked_sub(self.v4.len())?).filter(|_| v6)?;
            if slot != UNDECIDED {
                return Some((Address::V6(range.first).into(), Address::V6(range.last).into(), slot));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
