//! What is read from a database file before a table is built of it.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::level::Level;
use crate::range::{Bits, Range, Segments, SegmentsBuilder};
use crate::record::UNPLACED;
use crate::slot::{Evidence, Label, MAX_LABELS, Place, Slot};
use crate::{delimited, mmdb};

/// What to take from the records of a database.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// How finely to tell places apart.
    pub level: Level,
    /// Dotted paths of the region, or of country and subdivision; empty: found by the known shapes.
    pub field: Vec<String>,
    /// Take the registered country where a record has no other, marked as such.
    pub registered: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { level: Level::Country, field: Vec::new(), registered: false }
    }
}

/// The last second of the year 9999, beyond which calendars have no dates.
pub(crate) const LATEST: u64 = 253_402_300_799;

/// What a database says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `DBIP-Country-Lite`, `GeoLite2-City`, `CSV`.
    pub kind: String,
    /// Free text of its maker.
    pub description: String,
    /// Seconds since 1970-01-01 UTC; `None` where the database does not say.
    pub built_at: Option<u64>,
    /// What a user of its answers should know.
    pub warnings: Vec<String>,
}

/// A database as segments whose slots index `labels`.
#[derive(Debug)]
pub struct Database {
    /// The IPv4 space.
    pub v4: Segments<u32>,
    /// The IPv6 space; `None` where the database has none.
    pub v6: Option<Segments<u128>>,
    /// What the slots of the segments stand for. Not yet the slots of a table.
    pub labels: Labels,
    /// What the database says of itself.
    pub about: About,
}

impl Database {
    /// Reads a `.mmdb` or CSV database; which of the two is found by its content.
    ///
    /// # Errors
    /// Every way in which the file is not a sound database of the wanted level.
    pub fn read(bytes: &[u8], options: &ReadOptions) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::corrupt(0, "the file is empty"));
        }
        if bytes.windows(mmdb::METADATA_MARKER.len()).rev().any(|window| window == mmdb::METADATA_MARKER) {
            return mmdb::read(bytes, options);
        }
        if options.registered || !options.field.is_empty() {
            return Err(Error::Option("`field` and `registered` are for `.mmdb` databases".to_owned()));
        }
        // Control characters say that this was never text; better than "row 1 is wrong".
        if bytes.iter().take(1024).any(|&byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) {
            return Err(Error::corrupt(
                bytes.len(),
                "neither a MaxMind DB (no metadata marker: truncated?), nor a compiled table, nor CSV",
            ));
        }
        let csv = delimited::read_database(bytes)?;
        let mut labels = Labels::default();
        Ok(Self {
            v4: segments(csv.v4, options.level, &mut labels)?,
            v6: Some(csv.v6)
                .filter(|ranges| !ranges.is_empty())
                .map(|ranges| segments(ranges, options.level, &mut labels))
                .transpose()?,
            labels,
            about: About { kind: "CSV".to_owned(), ..About::default() },
        })
    }
}

fn segments<T: Bits>(ranges: Vec<(Range<T>, Place)>, level: Level, labels: &mut Labels) -> Result<Segments<T>> {
    let mut builder = SegmentsBuilder::new(UNPLACED);
    for (range, place) in ranges {
        builder.push(range, labels.intern(Label::new(level.of(place), Evidence::Database))?)?;
    }
    Ok(builder.finish())
}

/// Distinct labels in the order of their first use; the first is "no place".
#[derive(Debug)]
pub struct Labels {
    list: Vec<Label>,
    index: HashMap<Label, Slot>,
}

impl Default for Labels {
    fn default() -> Self {
        Self { list: vec![Label::UNPLACED], index: HashMap::from([(Label::UNPLACED, UNPLACED)]) }
    }
}

impl Labels {
    /// The number of a label, a new one where it was not met before.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`MAX_LABELS`].
    pub fn intern(&mut self, label: Label) -> Result<Slot> {
        if let Some(&slot) = self.index.get(&label) {
            return Ok(slot);
        }
        if self.list.len() > MAX_LABELS {
            return Err(Error::TooLarge(format!(
                "more than {MAX_LABELS} distinct regions; a table numbers them with 16 bits"
            )));
        }
        let slot = self.list.len() as Slot;
        self.list.push(label.clone());
        self.index.insert(label, slot);
        Ok(slot)
    }

    /// All labels by number.
    #[must_use]
    pub fn list(&self) -> &[Label] {
        &self.list
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::mmdb::tests::small;
    use crate::slot::Status;

    fn read(bytes: &[u8]) -> Result<Database> {
        Database::read(bytes, &ReadOptions::default())
    }

    #[test]
    fn the_content_says_what_a_file_is() {
        assert_eq!(read(&small(6, 24).bytes()).unwrap().about.kind, "Test-Country");
        let csv = read(b"1.0.0.0/8,US\n2.0.0.0/8,US-CA\n3.0.0.0/8,A1\n4.0.0.0/8,EU\n").unwrap();
        assert_eq!(csv.about, About { kind: "CSV".to_owned(), ..About::default() });
        assert!(csv.v6.is_none());
        let labels: Vec<(Place, Evidence)> =
            csv.labels.list().iter().map(|label| (label.place.clone(), label.evidence)).collect();
        assert_eq!(
            labels,
            [
                (Place::Status(Status::Unknown), Evidence::None),
                (Place::Region("US".into()), Evidence::Database),
                (Place::Status(Status::Relay), Evidence::Database),
            ]
        );
        // Gaps, and what is not to be located, are unplaced; two regions that are one country are one segment.
        assert_eq!(csv.v4.starts(), [0, 1 << 24, 3 << 24, 4 << 24]);
        assert_eq!(csv.v4.slots(), [UNPLACED, 1, 2, UNPLACED]);
        let both = read(b"1.0.0.0/8,US\n2a00::/16,DE\n").unwrap();
        assert_eq!(both.v6.unwrap().slots(), [UNPLACED, 2, UNPLACED]);
        let six = read(b"2a00::/16,DE\n").unwrap();
        assert_eq!(six.v4, Segments::uniform(UNPLACED));
    }

    #[test]
    fn what_is_no_database() {
        let message = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(message(b""), "the file is empty (byte 0)");
        for bytes in [&b"\x7fELF\x02\x01"[..], b"PK\x03\x04", b"\x1f\x8b\x08\0", b"1.0.0.0/8,US\n\0"] {
            assert_eq!(
                message(bytes),
                format!(
                    "neither a MaxMind DB (no metadata marker: truncated?), nor a compiled table, nor CSV (byte {})",
                    bytes.len()
                )
            );
        }
        assert_eq!(
            message(b"\xef\xbb\xbf<html>"),
            "row 1: one column: a row has a network and a region with a comma between"
        );
        assert_eq!(message(b"#only a comment\n"), "field `rows`: none: the file has no network with a region");
    }

    #[test]
    fn options_that_are_for_records() {
        for options in [
            ReadOptions { registered: true, ..ReadOptions::default() },
            ReadOptions { field: vec!["country_code".to_owned()], ..ReadOptions::default() },
        ] {
            let error = Database::read(b"1.0.0.0/8,US\n", &options).unwrap_err();
            assert!(matches!(error, Error::Option(_)));
            assert_eq!(error.to_string(), "`field` and `registered` are for `.mmdb` databases");
        }
    }

    #[test]
    fn a_label_has_one_number() {
        let mut labels = Labels::default();
        let label = |code: &str, evidence| Label { place: Place::Region(code.into()), evidence };
        let all = [
            label("US", Evidence::Database),
            label("DE", Evidence::Database),
            label("US", Evidence::Registered),
            label("US", Evidence::Database),
            Label::UNPLACED,
        ];
        let numbers: Vec<Slot> = all.iter().map(|label| labels.intern(label.clone()).unwrap()).collect();
        assert_eq!(numbers, [1, 2, 3, 1, UNPLACED]);
        assert_eq!(labels.list().len(), 4);
    }
}
