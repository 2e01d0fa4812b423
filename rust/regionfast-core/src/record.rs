//! Which fields of a database record say the region, and what they say.
//!
//! | shape | country | subdivision |
//! |---|---|---|
//! | MaxMind (GeoLite2, GeoIP2) | `country.iso_code` | `subdivisions.0.iso_code` |
//! | flat (ip-location-db, DB-IP) | `country_code` | `region_code` |
//! | IPinfo | `country_code`, in older files `country` | `region_code` |
//!
//! `registered_country.iso_code` says where a network is registered, not where it is used: it counts only
//! where the caller asks for it, and then as evidence of its own.

use std::collections::BTreeSet;
use std::fmt;

use maxminddb::{LookupResult, MaxMindDbError, PathElement};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::database::ReadOptions;
use crate::error::{Error, Result};
use crate::level::Level;
use crate::region;
use crate::slot::{Evidence, Label, Place, Slot, Status};

/// The label that every [`crate::database::Labels`] holds first: no place.
pub(crate) const UNPLACED: Slot = 0;

const COUNTRY: [&str; 3] = ["country.iso_code", "country_code", "country"];
const SUBDIVISION: [&str; 2] = ["subdivisions.0.iso_code", "region_code"];
const REGISTERED: [&str; 1] = ["registered_country.iso_code"];

type Found<'a> = LookupResult<'a, &'a [u8]>;

/// The paths to read in each record of one database.
pub(crate) struct Fields {
    country: String,
    /// At level `country` it is read in records of `CN` only: some databases nest Hong Kong, Macao and Taiwan
    /// there, and a country table must not lose that.
    subdivision: Option<String>,
    registered: Option<String>,
    level: Level,
    /// Different texts that are places.
    placed: usize,
    /// Different texts that are none.
    misshapen: usize,
}

/// Finds the fields by trying the known shapes on `records`, or takes those that the caller named.
///
/// # Errors
/// [`Error::NoSuchField`], listing what the records hold, where no record has what is wanted.
pub(crate) fn find_fields(records: &[Found<'_>], options: &ReadOptions) -> Result<Fields> {
    let first_of = |wanted: &str, candidates: &[&str]| {
        let has = |path: &&&str| records.iter().any(|record| matches!(text(record, path), Ok(Some(_))));
        candidates
            .iter()
            .find(has)
            .map(|path| (*path).to_owned())
            .ok_or_else(|| Error::NoSuchField { wanted: wanted.to_owned(), available: available(records) })
    };
    let named = |path: &String| first_of(path, &[path]);
    let (country, subdivision) = match (options.field.as_slice(), options.level) {
        ([], Level::Country) => (first_of("country", &COUNTRY)?, first_of("subdivision", &SUBDIVISION).ok()),
        ([], Level::Subdivision) => (first_of("country", &COUNTRY)?, Some(first_of("subdivision", &SUBDIVISION)?)),
        ([country], Level::Country) => (named(country)?, first_of("subdivision", &SUBDIVISION).ok()),
        ([whole], Level::Subdivision) => (named(whole)?, None),
        ([country, subdivision], Level::Subdivision) => (named(country)?, Some(named(subdivision)?)),
        _ => {
            return Err(Error::Option(
                "`field` takes one path, or two (country and subdivision) with level `subdivision`".into(),
            ));
        }
    };
    let registered = options.registered.then(|| first_of("registered country", &REGISTERED)).transpose()?;
    Ok(Fields { country, subdivision, registered, level: options.level, placed: 0, misshapen: 0 })
}

/// What one record says: country, subdivision, and whether the country is only that of the registration.
pub(crate) type Texts<'a> = (&'a str, Option<&'a str>, Evidence);

impl Fields {
    /// What one record says; `None` where it names no country.
    pub(crate) fn texts<'a>(&self, record: &Found<'a>) -> Result<Option<Texts<'a>>> {
        let country = text(record, &self.country)?.filter(|code| !code.is_empty());
        if let Some(country) = country {
            if self.level == Level::Country && country != "CN" {
                return Ok(Some((country, None, Evidence::Database)));
            }
            let subdivision = self.subdivision.as_ref().map_or(Ok(None), |path| text(record, path))?;
            return Ok(Some((country, subdivision, Evidence::Database)));
        }
        let registered = self.registered.as_ref().map_or(Ok(None), |path| text(record, path))?;
        Ok(registered.map(|country| (country, None, Evidence::Registered)))
    }

    /// What the texts of a record stand for.
    pub(crate) fn label(&mut self, (country, subdivision, evidence): Texts<'_>) -> Label {
        let place = match subdivision {
            Some(subdivision) => region::subdivision(country, subdivision),
            None => region::place(country),
        };
        if let Some(place) = place {
            self.placed += 1;
            return Label::new(self.level.of(place), evidence);
        }
        self.misshapen += 1;
        Label::UNPLACED
    }

    /// What a reader of the table should know about its records.
    ///
    /// # Errors
    /// [`Error::Field`] where no text was a region code.
    pub(crate) fn warnings(&self) -> Result<Vec<String>> {
        if self.placed == 0 && self.misshapen > 0 {
            return Err(Error::field(&self.country, "holds no region codes such as `US` or `US-CA`"));
        }
        let mut warnings = Vec::new();
        if self.misshapen > 0 {
            warnings.push(format!(
                "{} different texts in `{}` are no region codes, and read as unknown",
                self.misshapen, self.country
            ));
        }
        Ok(warnings)
    }
}

/// The text at a dotted path of a record, a number being an index; `None` where the path does not exist.
fn text<'a>(record: &Found<'a>, path: &str) -> std::result::Result<Option<&'a str>, MaxMindDbError> {
    let elements: Vec<PathElement<'_>> =
        path.split('.').map(|part| part.parse().map_or(PathElement::Key(part), PathElement::Index)).collect();
    record.decode_path(&elements)
}

/// The paths of all texts in some records, for a message.
fn available(records: &[Found<'_>]) -> String {
    let mut paths = BTreeSet::new();
    for record in records {
        if let Ok(Some(TextPaths(found))) = record.decode() {
            paths.extend(found);
        }
    }
    if paths.is_empty() {
        return "no text fields at all".to_owned();
    }
    let shown: Vec<String> = paths.iter().take(40).map(|path| format!("`{}`", Error::shown(path))).collect();
    shown.join(", ") + if paths.len() > 40 { ", …" } else { "" }
}

/// The dotted paths of the texts inside any value.
struct TextPaths(Vec<String>);

impl<'de> Deserialize<'de> for TextPaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(TextPathsVisitor)
    }
}

struct TextPathsVisitor;

impl<'de> Visitor<'de> for TextPathsVisitor {
    type Value = TextPaths;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<TextPaths, E> {
        Ok(TextPaths(vec![String::new()]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<TextPaths, A::Error> {
        let mut paths = Vec::new();
        while let Some((key, TextPaths(inner))) = map.next_entry::<&str, TextPaths>()? {
            paths.extend(inner.iter().map(|path| join(key, path)));
        }
        Ok(TextPaths(paths))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<TextPaths, A::Error> {
        let mut paths = Vec::new();
        if let Some(TextPaths(inner)) = items.next_element()? {
            paths.extend(inner.iter().map(|path| join("0", path)));
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(TextPaths(paths))
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<TextPaths, E> {
        Ok(TextPaths(Vec::new()))
    }
    fn visit_i64<E>(self, _: i64) -> std::result::Result<TextPaths, E> {
        Ok(TextPaths(Vec::new()))
    }
    fn visit_u64<E>(self, _: u64) -> std::result::Result<TextPaths, E> {
        Ok(TextPaths(Vec::new()))
    }
    fn visit_u128<E>(self, _: u128) -> std::result::Result<TextPaths, E> {
        Ok(TextPaths(Vec::new()))
    }
    fn visit_f64<E>(self, _: f64) -> std::result::Result<TextPaths, E> {
        Ok(TextPaths(Vec::new()))
    }
    fn visit_bytes<E>(self, _: &[u8]) -> std::result::Result<TextPaths, E> {
        Ok(TextPaths(Vec::new()))
    }
}

fn join(key: &str, path: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{key}.{path}") }
}

impl Label {
    /// No place, and nobody says so.
    pub(crate) const UNPLACED: Self = Self { place: Place::Status(Status::Unknown), evidence: Evidence::None };

    /// A place with who says it; "unknown" is nobody's evidence.
    pub(crate) fn new(place: Place, evidence: Evidence) -> Self {
        if place == Place::Status(Status::Unknown) { Self::UNPLACED } else { Self { place, evidence } }
    }
}
