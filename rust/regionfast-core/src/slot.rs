//! What a lookup answers: a slot, and the label it stands for.

use std::sync::Arc;

/// A dense number inside one table. Slots 0 to 7 are statuses, the same in every table for ever; each
/// slot from [`FIRST_REGION`] on is one region with one kind of evidence. Never stored, never compared
/// across tables.
pub type Slot = u16;

/// The first slot that stands for a region.
pub const FIRST_REGION: Slot = 8;

/// Number of distinct labels above which a database is refused.
pub const MAX_LABELS: usize = 65_000;

/// Not a slot that a caller ever sees: in the IPv6 search tree it says "the high 64 bits do not decide".
pub(crate) const UNDECIDED: Slot = u16::MAX;

/// The slot of a relay that the caller's own overrides name; [`Status::Relay`] with [`Evidence::Override`].
pub const OVERRIDDEN_RELAY: Slot = 7;

/// What kind of answer a slot is. The discriminants are the slots of the statuses.
///
/// `Unknown` is 0, so memory that nobody filled reads as "no place", never as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// An address of the public Internet that the table does not place.
    Unknown = 0,
    /// RFC 1918, unique local, shared (CGNAT), loopback, link-local.
    Private = 1,
    /// Any other special-purpose range: documentation, multicast, future use, ...
    Reserved = 2,
    /// Text that is no address.
    Invalid = 3,
    /// No address was given.
    Missing = 4,
    /// An anonymising network or satellite relay, by the database or by an override.
    Relay = 5,
    /// Placed in a region. Never a slot of its own: every region slot has this status.
    Located = 6,
}

impl Status {
    /// The slot that carries this status with no region.
    #[must_use]
    pub const fn slot(self) -> Slot {
        self as Slot
    }

    /// The word for it: `unknown`, `private`, ...
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Private => "private",
            Self::Reserved => "reserved",
            Self::Invalid => "invalid",
            Self::Missing => "missing",
            Self::Relay => "relay",
            Self::Located => "located",
        }
    }
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Evidence {
    /// No hit: unknown, private, reserved, invalid, missing.
    None = 0,
    /// The database places the address.
    Database = 1,
    /// The caller's own overrides place it.
    Override = 2,
    /// The database knows only where the network is registered, and the caller asked for that.
    Registered = 3,
}

/// A region code, or a status in its stead.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// ISO 3166-1 alpha-2 or 3166-2 text: `CN`, `US-CA`.
    Region(Arc<str>),
    /// [`Status::Unknown`] or [`Status::Relay`]; nothing else comes out of a database or an override.
    Status(Status),
}

/// A place with its evidence: what one slot stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// Says who.
    pub evidence: Evidence,
}

impl Label {
    /// The status of a row with this label.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.place {
            Place::Region(_) => Status::Located,
            Place::Status(status) => status,
        }
    }
}
