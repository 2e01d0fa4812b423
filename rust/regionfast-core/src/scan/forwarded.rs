//! The client behind proxies: what `X-Forwarded-For` and `Forwarded` say, as far as it can be believed.
//!
//! ```text
//! X-Forwarded-For: 192.0.2.1, 203.0.113.5, 10.0.0.7      peer 10.0.0.2      trusted 10.0.0.0/8
//!                  not looked at <── client <── trusted <───── trusted
//! ```
//!
//! Each proxy appends the address that it was called from, so the header ends with what our own proxies saw, and
//! begins with what a stranger wrote. The chain is therefore walked from the right, from the peer on: an address in a
//! trusted network is one of our proxies, and what it appended is believed; the first other address is the client; and
//! nothing left of the client is looked at. Where an entry is no address the walk ends too, and the row is invalid: to
//! step over it would believe what stands to its left without a reason.
//!
//! | work | cost |
//! |---|---|
//! | peer that is not trusted | one look into the trusted networks: O(log networks) |
//! | `X-Forwarded-For`, or `Forwarded` without quotes | O(bytes from the client to the right end) |
//! | `Forwarded` with quotes | O(bytes of the header), and 8 bytes of memory for each comma in it |

use std::borrow::Cow;
use std::cmp::Reverse;

use memchr::{memchr, memchr2, memrchr};

use crate::prefix::Network;
use crate::range::{Bits, Range};
use crate::text::{self, Parsed};

/// How the header is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Entries parted by commas. There is no standard; an entry is `A4`, `A6`, `A4:P`, `[A6]` or `[A6]:P`.
    XForwardedFor,
    /// RFC 7239: elements of pairs, of which the first `for=` of an element is its entry, in the forms above.
    Forwarded,
}

/// One place in the chain: what it says, and the text of the address without brackets and port, or the entry as it
/// stands where it is no address.
type Entry<'a> = (Parsed, Cow<'a, [u8]>);

/// The networks whose addresses are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    v4: Box<[Range<u32>]>,
    v6: Box<[Range<u128>]>,
}

impl Trusted {
    /// Takes the networks in any order; they may be repeated, and may lie inside each other.
    #[must_use]
    pub fn new(networks: &[Network]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                Network::V4(prefix) => v4.push(prefix.range()),
                Network::V6(prefix) => v6.push(prefix.range()),
            }
        }
        Self { v4: outermost(v4), v6: outermost(v6) }
    }

    /// Whether the address lies in one of the networks; what is no address does not. An IPv4-mapped IPv6 address
    /// (RFC 4291 §2.5.5.2) also lies where its IPv4 address does: it is how a proxy that listens on both families
    /// writes the same machine. O(log networks).
    #[inline]
    #[must_use]
    pub fn contains(&self, parsed: Parsed) -> bool {
        match parsed {
            Parsed::V4(v4) => holds(&self.v4, v4),
            Parsed::V6(v6) => holds(&self.v6, v6) || mapped(v6).is_some_and(|v4| holds(&self.v4, v4)),
            Parsed::Missing | Parsed::Invalid => false,
        }
    }
}

/// Sorted, and without those that lie in another: prefixes never overlap in part, so that these are disjoint.
fn outermost<T: Bits>(mut ranges: Vec<Range<T>>) -> Box<[Range<T>]> {
    ranges.sort_unstable_by_key(|range| (range.first, Reverse(range.last)));
    ranges.dedup_by(|inner, outer| outer.covers(inner));
    ranges.into()
}

/// Whether one of the ranges, sorted and disjoint, has the address.
#[inline]
fn holds<T: Bits>(ranges: &[Range<T>], address: T) -> bool {
    let behind = ranges.partition_point(|range| range.first <= address);
    behind.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|range| range.contains(address))
}

/// The IPv4 address of an IPv4-mapped one.
#[inline]
fn mapped(v6: u128) -> Option<u32> {
    (v6 >> 32 == 0xffff).then(|| u32::try_from(v6 & u128::from(u32::MAX)).ok())?
}

/// The client of a row: `value` is the header, empty or `-` where there is none; `peer` is who called us, read and as
/// text.
///
/// Gives what the client is, and its text without brackets and port. An entry that is no address gives
/// [`Parsed::Invalid`] and the entry as it stands. Where every entry is trusted the leftmost is the client, and
/// without any entry the peer.
#[must_use]
pub fn client<'a>(header: Header, value: &'a [u8], peer: (Parsed, &'a [u8]), trusted: &Trusted) -> Entry<'a> {
    let (parsed, text) = peer;
    let peer = (parsed, Cow::Borrowed(text));
    if !trusted.contains(parsed) || matches!(value, b"" | b"-") {
        return peer;
    }
    match header {
        Header::XForwardedFor => walk(FromRight::new(value).map(entry), peer, trusted),
        Header::Forwarded => match commas(value) {
            Commas::Plain => walk(FromRight::new(value).map(element), peer, trusted),
            Commas::Listed(commas) => walk(FromRight::listed(value, commas).map(element), peer, trusted),
            Commas::OpenBehind(start) => {
                (Parsed::Invalid, Cow::Borrowed(without_blanks(value.get(start..).unwrap_or(value))))
            }
        },
    }
}

/// Goes on while entries are trusted. What is no address never is.
fn walk<'a>(entries: impl Iterator<Item = Entry<'a>>, peer: Entry<'a>, trusted: &Trusted) -> Entry<'a> {
    let mut client = peer;
    for entry in entries {
        let is_trusted = trusted.contains(entry.0);
        client = entry;
        if !is_trusted {
            break;
        }
    }
    client
}

/// The members of a list from right to left, without the blanks around them, and without empty ones (RFC 9110
/// §5.6.1.2).
struct FromRight<'a> {
    /// What was not given yet; `None` when all was.
    rest: Option<&'a [u8]>,
    /// Where the commas are that part members; `None`: all commas do.
    commas: Option<Vec<usize>>,
}

impl<'a> FromRight<'a> {
    fn new(value: &'a [u8]) -> Self {
        Self { rest: Some(value), commas: None }
    }

    fn listed(value: &'a [u8], commas: Vec<usize>) -> Self {
        Self { rest: Some(value), commas: Some(commas) }
    }
}

impl<'a> Iterator for FromRight<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest?;
            let comma = match &mut self.commas {
                Some(commas) => commas.pop(),
                None => memrchr(b',', rest),
            };
            let (before, member) = match comma {
                Some(comma) => (rest.get(..comma), rest.get(comma + 1..)?),
                None => (None, rest),
            };
            self.rest = before;
            let member = without_blanks(member);
            if !member.is_empty() {
                return Some(member);
            }
        }
    }
}

/// Where the commas of a `Forwarded` header are that part its elements.
enum Commas {
    /// Everywhere: it has no quotes.
    Plain,
    /// At these places, ascending.
    Listed(Vec<usize>),
    /// A quote is opened and not closed in the element that starts here, the last one.
    OpenBehind(usize),
}

/// Whether a comma stands inside quotes cannot be told from the right: a quote opens or closes according to how many
/// there are before it, and a backslash counts only inside. So a header that has a quote is read once from the left,
/// for its commas only, and those are then taken from the right. They are listed, since to look for the last one again
/// and again would take time as the square of the header's length, which a stranger chooses.
///
/// Nor does it help the stranger to open a quote that is not closed: proxies append quotes in pairs, so that the header
/// as a whole ends inside one, and the row is invalid. (A proxy that copies an escaped quote from the request, say into
/// a pair beside its `for`, could be led to close it; RFC 7239 has no remedy for that, nor has a reader.)
fn commas(value: &[u8]) -> Commas {
    if memchr(b'"', value).is_none() {
        return Commas::Plain;
    }
    let mut unquoted = Unquoted::new(b',', value);
    let commas: Vec<usize> = unquoted.by_ref().collect();
    if unquoted.is_open {
        return Commas::OpenBehind(commas.last().map_or(0, |comma| comma + 1));
    }
    Commas::Listed(commas)
}

/// The places of a separator outside quotes, from left to right.
struct Unquoted<'a> {
    separator: u8,
    text: &'a [u8],
    at: usize,
    /// Whether the text ended inside a quote; known when there are no more places.
    is_open: bool,
}

impl<'a> Unquoted<'a> {
    fn new(separator: u8, text: &'a [u8]) -> Self {
        Self { separator, text, at: 0, is_open: false }
    }
}

impl Iterator for Unquoted<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let found = self.at + memchr2(b'"', self.separator, self.text.get(self.at..)?)?;
            self.at = found + 1;
            if self.text.get(found) == Some(&self.separator) {
                return Some(found);
            }
            let Some(length) = quoted_length(self.text.get(self.at..)?) else {
                self.is_open = true;
                self.at = self.text.len();
                return None;
            };
            self.at += length;
        }
    }
}

/// How many bytes a quoted string has from behind its opening quote up to and with the closing one; `None` where
/// none closes it. A backslash takes the byte behind it along (RFC 9110 §5.6.4).
fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(found) == Some(&b'"') {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

/// Reads an element of `Forwarded`, in which every quote is closed.
fn element(text: &[u8]) -> Entry<'_> {
    let mut start = 0;
    for end in Unquoted::new(b';', text).chain([text.len()]) {
        let pair = text.get(start..end).map(without_blanks);
        if let Some(value) = pair.and_then(for_value) {
            return node(value);
        }
        start = end + 1;
    }
    (Parsed::Invalid, Cow::Borrowed(text))
}

/// The value of a `for=` pair.
fn for_value(pair: &[u8]) -> Option<&[u8]> {
    let (name, value) = pair.split_at_checked(4)?;
    name.eq_ignore_ascii_case(b"for=").then_some(value)
}

/// Reads the value of a `for=`. Without quotes it should be a token, which has no colon and no bracket (RFC 7239 §4);
/// proxies that leave the quotes away around `A4:P` or `[A6]` nevertheless can only mean one thing.
fn node(value: &[u8]) -> Entry<'_> {
    let Some(quoted) = value.strip_prefix(b"\"") else {
        return if memchr(b'"', value).is_none() { entry(value) } else { (Parsed::Invalid, Cow::Borrowed(value)) };
    };
    let inner = match quoted_length(quoted) {
        Some(length) if length == quoted.len() => quoted.get(..length - 1).unwrap_or(quoted),
        _ => return (Parsed::Invalid, Cow::Borrowed(value)),
    };
    if memchr(b'\\', inner).is_none() {
        return entry(inner);
    }
    let unescaped = unescaped(inner);
    let (parsed, text) = entry(&unescaped);
    (parsed, Cow::Owned(text.into_owned()))
}

/// The text without the backslashes that escape the bytes behind them.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        out.extend(if byte == b'\\' { bytes.next() } else { Some(&byte) });
    }
    out
}

/// Reads an entry: `A4`, `A6`, `A4:P`, `[A6]`, `[A6]:P`.
#[inline]
fn entry(text: &[u8]) -> Entry<'_> {
    let parsed = text::parse(text);
    let (parsed, text) = match parsed {
        Parsed::V4(_) | Parsed::V6(_) => (parsed, text),
        Parsed::Missing | Parsed::Invalid => inner(text).unwrap_or((Parsed::Invalid, text)),
    };
    (parsed, Cow::Borrowed(text))
}

/// The address of an entry that has more than that.
fn inner(text: &[u8]) -> Option<(Parsed, &[u8])> {
    let (text, is_bracketed) = match bracketed(text, is_port) {
        Some(inner) => (inner, true),
        None => (before_port(text, is_port)?, false),
    };
    let parsed = text::parse(text);
    match (parsed, is_bracketed) {
        (Parsed::V4(_), false) | (Parsed::V6(_), true) => Some((parsed, text)),
        _ => None,
    }
}

/// The address in the `client:port` of a load balancer: `A` of `[A]:P`, `[A]` and `A:P`, where `P` is a port or `-`,
/// and any other text as it stands. Whether `A` is an address is not asked.
#[inline]
#[must_use]
pub fn without_port(text: &[u8]) -> &[u8] {
    let is_end = |port: &[u8]| port == b"-" || is_port(port);
    bracketed(text, is_end).or_else(|| before_port(text, is_end)).unwrap_or(text)
}

/// `A` of `[A]` and `[A]:P`. The bracket that counts is the last one, since the zone of an address may have any byte.
#[inline]
fn bracketed(text: &[u8], is_port: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"[")?;
    let (inner, behind) = inner.split_at_checked(memrchr(b']', inner)?)?;
    match behind {
        b"]" => Some(inner),
        [_, b':', port @ ..] if is_port(port) => Some(inner),
        _ => None,
    }
}

/// `A` of `A:P`.
#[inline]
fn before_port(text: &[u8], is_port: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let (before, behind) = text.split_at_checked(memrchr(b':', text)?)?;
    is_port(behind.get(1..)?).then_some(before)
}

/// One to five digits. That a port is at most 65535 is not asked: nothing depends on it.
#[inline]
fn is_port(text: &[u8]) -> bool {
    (1..=5).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

/// The text without blanks and tabs around it: the optional whitespace of RFC 9110 §5.6.3.
#[inline]
fn without_blanks(text: &[u8]) -> &[u8] {
    let is_ink = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let end = text.iter().rposition(is_ink).map_or(0, |last| last + 1);
    let start = text.iter().position(is_ink).unwrap_or(end);
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
