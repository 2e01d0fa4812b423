//! The compiled form of a table: a header, claims, labels, two covers, overrides, and a SHA-256 of it all.
//!
//! Sorted starts are told by their distances. A distance is almost always a power of two or a small multiple
//! of one, so it is written as the exponent, one byte, and the odd factor only where it is not 1. That makes
//! two to three bytes a range, and the slots beside them compress well in the wheel. Rejected: a compressor
//! inside the format, since then a small hostile file could unpack to any size.
//!
//! ```text
//! magic     8  "rgnfast" and the version, 1
//! claims       count, then key and value as texts
//! labels       count, then evidence (1 byte) and code as text; slots from 8 on
//! IPv4, IPv6   count, distances, slots (1 byte each where there are at most 256, else 2)
//! overrides    count, then first, last, slot; IPv4, then IPv6
//! digest   32  SHA-256 of all before it
//! ```
//!
//! Counts and text lengths are 4 bytes; all numbers are little-endian. The indexes are built anew when a file is opened,
//! so a file can be wrong about where an address is only by saying so, never by breaking an index.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::build::{Claims, Content, fixed_labels, order};
use crate::database::LATEST;
use crate::error::{Error, Result};
use crate::level::Level;
use crate::range::{Bits, Range, Segments};
use crate::region;
use crate::slot::{Evidence, FIRST_REGION, Label, MAX_LABELS, Place, Slot, Status, UNDECIDED};
use crate::unwrap::{Nat64Prefix, Unwrapping};

const MAGIC: &[u8; 8] = b"rgnfast\x01";
const DIGEST_BYTES: usize = 32;
/// Stands for [`UNDECIDED`] in a file: a slot that no row has, and small enough for one byte.
const ZONE: Slot = Status::Located as Slot;

/// Whether the bytes begin like a compiled table, of whatever version.
#[must_use]
pub fn is_compiled(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC.get(..7).unwrap_or_default())
}

/// The compiled form of a table.
#[must_use]
pub fn write(content: &Content) -> Vec<u8> {
    let mut bytes = body(content);
    bytes.extend_from_slice(&content.digest);
    bytes
}

/// Writes the compiled form to `path`. It appears there whole or not at all: written beside it, then renamed.
///
/// # Errors
/// What the operating system says.
pub fn save(content: &Content, path: &Path) -> std::io::Result<()> {
    static SAVES: AtomicU64 = AtomicU64::new(0);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.{}.part", std::process::id(), SAVES.fetch_add(1, Ordering::Relaxed)));
    let beside = PathBuf::from(beside);
    // Never a file, or a link, that somebody else has put there.
    let written = File::create_new(&beside)
        .and_then(|mut file| file.write_all(&write(content)).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The error that matters is the first one.
        drop(fs::remove_file(&beside));
    }
    written
}

/// SHA-256 of the compiled form.
#[must_use]
pub(crate) fn digest(content: &Content) -> [u8; DIGEST_BYTES] {
    Sha256::digest(body(content)).into()
}

fn body(content: &Content) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(4096 + 4 * (content.v4.len() + content.v6.len())));
    out.0.extend_from_slice(MAGIC);

    let pairs = pairs(&content.claims, content.level, &content.unwrapping);
    out.number(pairs.len() as u32);
    for (key, value) in &pairs {
        out.text(key);
        out.text(value);
    }

    let regions = content.labels.get(usize::from(FIRST_REGION)..).unwrap_or_default();
    out.number(regions.len() as u32);
    for label in regions {
        out.0.push(label.evidence as u8);
        if let Place::Region(code) = &label.place {
            out.text(code);
        }
    }
    let wide = is_wide(content.labels.len());
    out.segments(&content.v4, wide);
    out.segments(&content.v6, wide);
    out.ranges(&content.overrides_v4);
    out.ranges(&content.overrides_v6);
    out.0
}

/// What a table claims, in the order in which it is written.
fn pairs(claims: &Claims, level: Level, unwrapping: &Unwrapping) -> [(&'static str, String); 10] {
    let nat64: Vec<String> = unwrapping.nat64().iter().map(ToString::to_string).collect();
    [
        ("kind", claims.kind.clone()),
        ("description", claims.description.clone()),
        ("attribution", claims.attribution.clone()),
        ("built-at", claims.built_at.map_or_else(String::new, |seconds| seconds.to_string())),
        ("registry-date", claims.registry_date.clone()),
        ("ipv6", claims.has_v6.to_string()),
        ("warnings", claims.warnings.join("\n")),
        ("level", level.name().to_owned()),
        ("unwrap", unwrapping.is_enabled().to_string()),
        ("nat64", nat64.join(" ")),
    ]
}

fn is_wide(labels: usize) -> bool {
    labels > 256
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn segments<T: Bits>(&mut self, segments: &Segments<T>, wide: bool) {
        self.number(segments.len() as u32);
        let mut before = 0_u128;
        for &start in segments.starts().iter().skip(1) {
            let start: u128 = start.into();
            self.distance(start - before);
            before = start;
        }
        for &slot in segments.slots() {
            let slot = if slot == UNDECIDED { ZONE } else { slot };
            if wide {
                self.0.extend_from_slice(&slot.to_le_bytes());
            } else {
                self.0.push(slot as u8);
            }
        }
    }

    /// `(2 k + 1) << exponent`: the exponent, with the top bit where `k > 0`, then `k` in groups of 7 bits.
    fn distance(&mut self, distance: u128) {
        let exponent = distance.trailing_zeros() as u8;
        let mut rest = (distance >> exponent) >> 1;
        self.0.push(exponent | if rest > 0 { 0x80 } else { 0 });
        while rest > 0 {
            let group = rest as u8 & 0x7f;
            rest >>= 7;
            self.0.push(group | if rest > 0 { 0x80 } else { 0 });
        }
    }

    fn ranges<T: Bits>(&mut self, ranges: &[(Range<T>, Slot)]) {
        self.number(ranges.len() as u32);
        for (range, slot) in ranges {
            for end in [range.first, range.last] {
                let end: u128 = end.into();
                self.0.extend_from_slice(end.to_le_bytes().get(..T::WIDTH as usize / 8).unwrap_or_default());
            }
            self.0.extend_from_slice(&slot.to_le_bytes());
        }
    }
}

/// Reads and fully validates a compiled table.
///
/// # Errors
/// [`Error::Corrupt`] with the byte offset where the file is not one, or not as it was written.
pub fn read(bytes: &[u8]) -> Result<Content> {
    if !is_compiled(bytes) {
        return Err(Error::corrupt(0, "not a compiled table"));
    }
    if !bytes.starts_with(MAGIC) {
        return Err(Error::corrupt(7, "compiled by another version of regionfast: compile it again"));
    }
    let Some((body, digest)) = bytes.split_last_chunk::<DIGEST_BYTES>().filter(|(body, _)| body.len() >= 8) else {
        return Err(Error::corrupt(bytes.len(), "the file is cut off"));
    };
    if Sha256::digest(body).as_slice() != digest {
        return Err(Error::corrupt(body.len(), "the digest does not match: the file is damaged or cut off"));
    }
    let mut input = Input { bytes: body, at: MAGIC.len() };
    let (claims, level, unwrapping) = input.claims()?;
    let labels = input.labels(level)?;
    let v4 = input.segments::<u32>(&labels)?;
    let v6 = input.segments::<u128>(&labels)?;
    let overrides_v4 = input.ranges(&labels)?;
    let overrides_v6 = input.ranges(&labels)?;
    if input.at != body.len() {
        return Err(Error::corrupt(input.at, "more bytes than a table has"));
    }
    let content = Content {
        labels,
        v4: Arc::new(v4),
        v6: Arc::new(v6),
        overrides_v4,
        overrides_v6,
        unwrapping,
        level,
        claims,
        digest: *digest,
    };
    check_zones(&content)?;
    Ok(content)
}

/// The slot that says "wrapped IPv4" stands exactly where the claims say that there is some: elsewhere it
/// would answer nothing, and a zone with another slot would not be unwrapped.
fn check_zones(content: &Content) -> Result<()> {
    let misplaced = || Error::field("IPv6", "the zones of wrapped IPv4 are not where `unwrap` and `nat64` say");
    let mut zones = content.zones().into_iter().peekable();
    for (segment, slot) in content.v6.iter() {
        if slot != UNDECIDED {
            continue;
        }
        let mut next = Some(segment.first);
        // Zones that touch are one segment.
        while let Some(first) = next {
            match zones.next() {
                Some((zone, _)) if zone.first == first && zone.last <= segment.last => {
                    next = zone.last.successor().filter(|&after| after <= segment.last);
                }
                _ => return Err(misplaced()),
            }
        }
    }
    if zones.next().is_some() { Err(misplaced()) } else { Ok(()) }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| Error::corrupt(self.at, "the file ends too early"))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| Error::corrupt(at, "the file ends too early"))
    }

    /// A number of things that take at least `each` bytes: no more than there are bytes for.
    fn count(&mut self, each: usize) -> Result<usize> {
        let at = self.at;
        let count = u32::from_le_bytes(self.array()?) as usize;
        if count.saturating_mul(each) > self.bytes.len() - self.at {
            return Err(Error::corrupt(at, format!("{count} entries do not fit into the file")));
        }
        Ok(count)
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = self.count(1)?;
        let at = self.at;
        std::str::from_utf8(self.take(length)?).map_err(|_| Error::corrupt(at, "a text that is not UTF-8"))
    }

    fn claims(&mut self) -> Result<(Claims, Level, Unwrapping)> {
        let begin = self.at;
        let count = self.count(8)?;
        let mut read = Vec::with_capacity(count);
        for _ in 0..count {
            read.push((self.text()?, self.text()?));
        }
        let value = |wanted: &str| {
            let found = read.iter().find(|(key, _)| *key == wanted);
            found.map(|&(_, value)| value).ok_or_else(|| Error::corrupt(begin, format!("the claims lack `{wanted}`")))
        };
        let wrong = |key: &str| Error::corrupt(begin, format!("the claim `{key}` has an impossible value"));
        let flag = |key: &str| value(key)?.parse::<bool>().map_err(|_| wrong(key));
        let claims = Claims {
            kind: value("kind")?.to_owned(),
            description: value("description")?.to_owned(),
            attribution: value("attribution")?.to_owned(),
            built_at: match value("built-at")? {
                "" => None,
                seconds => {
                    let seconds = seconds.parse().ok().filter(|&seconds: &u64| seconds <= LATEST);
                    Some(seconds.ok_or_else(|| wrong("built-at"))?)
                }
            },
            registry_date: value("registry-date")?.to_owned(),
            has_v6: flag("ipv6")?,
            warnings: match value("warnings")? {
                "" => Vec::new(),
                lines => lines.split('\n').map(str::to_owned).collect(),
            },
        };
        let level = value("level")?.parse().map_err(|_| wrong("level"))?;
        let nat64: Result<Vec<Nat64Prefix>> = value("nat64")?.split_whitespace().map(str::parse).collect();
        let unwrapping = Unwrapping::new(flag("unwrap")?, &nat64.map_err(|_| wrong("nat64"))?);
        let unwrapping = unwrapping.map_err(|_| wrong("nat64"))?;
        // One content has one form, so that equal digests and equal contents are the same thing.
        let written = pairs(&claims, level, &unwrapping);
        if !written.iter().map(|(key, value)| (*key, value.as_str())).eq(read.iter().copied()) {
            return Err(Error::corrupt(begin, "the claims are not as this version writes them"));
        }
        Ok((claims, level, unwrapping))
    }

    fn labels(&mut self, level: Level) -> Result<Vec<Label>> {
        let mut labels = fixed_labels().to_vec();
        let count = self.count(5)?;
        if count > MAX_LABELS {
            return Err(Error::corrupt(self.at, "more regions than a table has slots"));
        }
        for _ in 0..count {
            let at = self.at;
            let evidence = match self.array()? {
                [1] => Evidence::Database,
                [2] => Evidence::Override,
                [3] => Evidence::Registered,
                _ => return Err(Error::corrupt(at, "a region with an impossible evidence")),
            };
            let code = self.text()?;
            // The same door as for a database, so that a file cannot bring in `CN-HK` or a status.
            match region::place(code) {
                Some(place) if level.of(place.clone()) == Place::Region(Arc::from(code)) => {
                    labels.push(Label { place, evidence });
                }
                _ => return Err(Error::corrupt(at, "a region that is no region code")),
            }
            let last = labels.iter().rev().take(2).map(order);
            if labels.len() > fixed_labels().len() + 1 && !last.is_sorted_by(|after, before| before < after) {
                return Err(Error::corrupt(at, "regions out of order"));
            }
        }
        Ok(labels)
    }

    fn segments<T: Bits>(&mut self, labels: &[Label]) -> Result<Segments<T>> {
        let wide = is_wide(labels.len());
        let at = self.at;
        let count = self.count(if wide { 3 } else { 2 })?;
        let mut starts = Vec::with_capacity(count);
        let mut start = 0_u128;
        for index in 0..count {
            if index > 0 {
                let at = self.at;
                start = self
                    .distance()?
                    .and_then(|distance| start.checked_add(distance))
                    .ok_or_else(|| Error::corrupt(at, "a range beyond the address space"))?;
            }
            let narrow = T::try_from(start);
            starts.push(narrow.map_err(|_| Error::corrupt(self.at, "a range beyond the address space"))?);
        }
        let slots_at = self.at;
        let slots: Vec<Slot> = if wide {
            let pairs = self.take(2 * count)?.chunks_exact(2);
            pairs.map(|pair| pair.iter().rev().fold(0, |slot, &byte| slot << 8 | Slot::from(byte))).collect()
        } else {
            self.take(count)?.iter().map(|&slot| Slot::from(slot)).collect()
        };
        let zone = |slot: Slot| slot == ZONE && T::WIDTH == u128::WIDTH;
        // A row of text is invalid or missing, a stored range never.
        let possible = |slot: Slot| {
            let label = labels.get(usize::from(slot)).filter(|_| slot >= FIRST_REGION);
            zone(slot) || matches!(slot, 0..=2 | 5) || label.is_some_and(|label| label.evidence != Evidence::Override)
        };
        if let Some(wrong) = slots.iter().position(|&slot| !possible(slot)) {
            return Err(Error::corrupt(slots_at, format!("range {wrong} has an impossible slot")));
        }
        let slots = slots.into_iter().map(|slot| if zone(slot) { UNDECIDED } else { slot }).collect();
        Segments::from_parts(starts, slots).map_err(|error| Error::corrupt(at, error.to_string()))
    }

    /// `None` where the distance is beyond 128 bits, or written in more groups than it needs.
    fn distance(&mut self) -> Result<Option<u128>> {
        let [first] = self.array()?;
        let exponent = u32::from(first & 0x7f);
        if first < 0x80 {
            return Ok(Some(1 << exponent));
        }
        let mut odd = 1_u128;
        let mut more = true;
        let mut shift = 1;
        while more {
            let [group] = self.array()?;
            let bits = u128::from(group & 0x7f);
            if shift >= 128 || (bits << shift) >> shift != bits {
                return Ok(None);
            }
            odd |= bits << shift;
            shift += 7;
            more = group & 0x80 != 0;
            if group == 0 {
                return Ok(None); // longer than it has to be
            }
        }
        Ok(Some(odd << exponent).filter(|distance| distance >> exponent == odd))
    }

    fn ranges<T: Bits>(&mut self, labels: &[Label]) -> Result<Vec<(Range<T>, Slot)>> {
        let width = T::WIDTH as usize / 8;
        let count = self.count(2 * width + 2)?;
        let mut ranges = Vec::with_capacity(count);
        let mut free = Some(T::ZERO);
        for _ in 0..count {
            let at = self.at;
            let mut end = || -> Result<T> {
                let mut wide = [0; 16];
                wide.iter_mut().zip(self.take(width)?).for_each(|(to, from)| *to = *from);
                T::try_from(u128::from_le_bytes(wide)).map_err(|_| Error::corrupt(at, "an impossible override"))
            };
            let range = Range { first: end()?, last: end()? };
            let slot = Slot::from_le_bytes(self.array()?);
            let by_override = labels.get(usize::from(slot)).is_some_and(|label| label.evidence == Evidence::Override);
            let ascends = free.is_some_and(|free| free <= range.first) && range.first <= range.last;
            if !ascends || !(by_override || slot == Status::Unknown.slot()) {
                return Err(Error::corrupt(at, "an impossible override"));
            }
            free = range.last.successor();
            ranges.push((range, slot));
        }
        Ok(ranges)
    }
}

#[cfg(test)]
mod tests;
