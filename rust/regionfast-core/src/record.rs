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
    let shown: Vec<String> = paths.iter().take(40).map(|path| format!("`{path}`")).collect();
    shown.join(", ") + if paths.len() > 40 { ", …" } else { "" }
}

/// Paths that are kept of one value. Maps that share their inner maps would otherwise spell out to gigabytes.
const PATHS: usize = 64;

/// The dotted paths of the texts inside any value, the first of them.
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
            paths.extend(inner.iter().take(PATHS - paths.len()).map(|path| join(key, path)));
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
    // Cut here and not in the message alone, for the same reason as for `PATHS`.
    if path.is_empty() { Error::shown(key) } else { Error::shown(&format!("{}.{path}", Error::shown(key))) }
}

impl Label {
    /// No place, and nobody says so.
    pub(crate) const UNPLACED: Self = Self { place: Place::Status(Status::Unknown), evidence: Evidence::None };

    /// A place with who says it; "unknown" is nobody's evidence.
    pub(crate) fn new(place: Place, evidence: Evidence) -> Self {
        if place == Place::Status(Status::Unknown) { Self::UNPLACED } else { Self { place, evidence } }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use crate::addr::Address;
    use crate::database::{Database, ReadOptions};
    use crate::error::{Error, Result};
    use crate::level::Level;
    use crate::mmdb::tests::writer::{Value, Writer, map, text};
    use crate::oracle;
    use crate::slot::{Evidence, Label, Place, Status};

    const COUNTRY: Level = Level::Country;
    const SUBDIVISION: Level = Level::Subdivision;

    /// A database with these records in 1.0.0.0/8, 2.0.0.0/8 and so on.
    fn read_with(records: &[Value], options: &ReadOptions) -> Result<Database> {
        let mut writer = Writer::new(4, 24);
        for (record, network) in records.iter().zip(1..) {
            let branch = writer.record(record);
            writer.insert(&format!("{network}.0.0.0/8"), branch);
        }
        Database::read(&writer.bytes(), options)
    }

    fn read(records: &[Value], level: Level) -> Result<Database> {
        read_with(records, &ReadOptions { level, ..ReadOptions::default() })
    }

    fn named(records: &[Value], level: Level, field: &[&str]) -> Result<Database> {
        let field = field.iter().map(|path| (*path).to_owned()).collect();
        read_with(records, &ReadOptions { level, field, registered: false })
    }

    /// What the record of each network says, as text.
    fn said(database: Result<Database>) -> Vec<String> {
        let entries = oracle::of_database(&database.unwrap());
        let mut all = Vec::new();
        for network in 1..10_u32 {
            let address = Address::V4(network << 24);
            let entry = entries.iter().find(|entry| entry.first <= address && address <= entry.last).unwrap();
            all.push(match &entry.label {
                Label { place: Place::Region(code), evidence: Evidence::Database } => code.to_string(),
                Label { place: Place::Region(code), evidence } => format!("{code} {evidence:?}"),
                Label { place: Place::Status(Status::Unknown), evidence: Evidence::None } => String::new(),
                other => format!("{other:?}"),
            });
        }
        while all.last().is_some_and(String::is_empty) {
            all.pop();
        }
        all
    }

    fn maxmind(country: &str, subdivisions: &[&str]) -> Value {
        let subdivisions =
            subdivisions.iter().map(|code| map([("iso_code", text(code)), ("geoname_id", Value::U32(9))]));
        map([
            ("city", map([("names", map([("en", text("A town"))]))])),
            ("country", map([("iso_code", text(country)), ("names", map([("en", text("A country"))]))])),
            ("location", map([("latitude", Value::Double(-1.5)), ("accuracy_radius", Value::U16(20))])),
            ("registered_country", map([("iso_code", text("GB"))])),
            ("subdivisions", Value::Array(subdivisions.collect())),
        ])
    }

    fn flat(country: &str, subdivision: &str) -> Value {
        map([("country_code", text(country)), ("region_code", text(subdivision))])
    }

    #[test]
    fn the_shape_of_maxmind() {
        let records =
            [maxmind("US", &["CA", "XY"]), maxmind("MC", &[]), maxmind("CN", &["HK"]), maxmind("CN", &["22"])];
        assert_eq!(said(read(&records, COUNTRY)), ["US", "MC", "HK", "CN"]);
        assert_eq!(said(read(&records, SUBDIVISION)), ["US-CA", "MC", "HK", "CN-22"]);
    }

    #[test]
    fn the_flat_shape() {
        let records = [flat("US", "CA"), flat("US", "US-TX"), flat("MC", ""), flat("CN", "CN-MO"), flat("", "CA")];
        assert_eq!(said(read(&records, COUNTRY)), ["US", "US", "MC", "MO"]);
        assert_eq!(said(read(&records, SUBDIVISION)), ["US-CA", "US-TX", "MC", "MO"]);
    }

    #[test]
    fn the_older_shape_of_ipinfo() {
        let records = [map([("country", text("US")), ("country_name", text("United States"))])];
        assert_eq!(said(read(&records, COUNTRY)), ["US"]);
        assert!(matches!(read(&records, SUBDIVISION), Err(Error::NoSuchField { .. })));
    }

    /// A subdivision is enough to have the level, whatever other records lack.
    #[test]
    fn records_of_several_shapes() {
        let records = [map([("asn", Value::U32(1))]), flat("DE", "BE"), map([("country_code", text("FR"))]), map([])];
        assert_eq!(said(read(&records, SUBDIVISION)), ["", "DE-BE", "FR"]);
    }

    #[test]
    fn fields_that_the_caller_names() {
        let records = [map([
            ("where", map([("codes", Value::Array(vec![text("US"), text("CA"), text("DE-BE")]))])),
            ("country_code", text("FR")),
            ("subdivisions", Value::Array(vec![map([("iso_code", text("HK"))])])),
        ])];
        assert_eq!(said(named(&records, COUNTRY, &["where.codes.0"])), ["US"]);
        assert_eq!(said(named(&records, SUBDIVISION, &["where.codes.0", "where.codes.1"])), ["US-CA"]);
        assert_eq!(said(named(&records, SUBDIVISION, &["where.codes.2"])), ["DE-BE"]);
        assert_eq!(said(named(&records, COUNTRY, &["where.codes.2"])), ["DE"]);
        let refused = named(&records, COUNTRY, &["where.code"]).unwrap_err().to_string();
        assert_eq!(
            refused,
            "no `where.code` in the records of this database; it has `country_code`, `subdivisions.0.iso_code`, \
             `where.codes.0`"
        );
        for (level, field) in [
            (COUNTRY, &["country_code", "country_code"][..]),
            (SUBDIVISION, &["country_code", "country_code", "country_code"]),
        ] {
            assert_eq!(
                named(&records, level, field).unwrap_err().to_string(),
                "`field` takes one path, or two (country and subdivision) with level `subdivision`"
            );
        }
    }

    #[test]
    fn registered_countries_on_request() {
        let registered = map([("registered_country", map([("iso_code", text("FR"))]))]);
        let records = [maxmind("US", &[]), registered.clone(), maxmind("", &[]), map([])];
        assert_eq!(said(read(&records, COUNTRY)), ["US"]);
        let options = ReadOptions { registered: true, ..ReadOptions::default() };
        assert_eq!(said(read_with(&records, &options)), ["US", "FR Registered", "GB Registered"]);
        // What is asked for must be there.
        let error = read_with(&[flat("US", "")], &options).unwrap_err();
        assert!(error.to_string().starts_with("no `registered country` in the records"), "{error}");
        let error = read(&[registered], COUNTRY).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no `country` in the records of this database; it has `registered_country.iso_code`"
        );
    }

    #[test]
    fn pseudo_codes_and_texts_that_are_none() {
        let records = ["T1", "EU", "usa", "XX", "United States", "DE", "usa"].map(|code| flat(code, ""));
        let database = read(&records, COUNTRY);
        let warnings = database.as_ref().unwrap().about.warnings.clone();
        assert!(said(database).iter().filter(|text| text.contains("Relay")).count() == 1);
        assert_eq!(
            warnings.first().unwrap(),
            "2 different texts in `country_code` are no region codes, and read as unknown"
        );
        let records = ["usa", "United States"].map(|code| flat(code, ""));
        assert_eq!(
            read(&records, COUNTRY).unwrap_err().to_string(),
            "field `country_code`: holds no region codes such as `US` or `US-CA`"
        );
    }

    #[test]
    fn without_a_country_the_message_lists_what_there_is() {
        let every_type = map([
            ("text", text("x")),
            ("bytes", Value::Bytes(vec![1, 2])),
            ("double", Value::Double(1.5)),
            ("float", Value::Float(1.5)),
            ("u16", Value::U16(1)),
            ("u32", Value::U32(1)),
            ("i32", Value::I32(-1)),
            ("u64", Value::U64(1)),
            ("u128", Value::U128(1 << 100)),
            ("bool", Value::Bool(true)),
            ("map", map([("inner", map([("text", text("y"))])), ("none", map([]))])),
            ("array", Value::Array(vec![map([("text", text("z"))]), text("not the first")])),
            ("empty", Value::Array(vec![])),
        ]);
        assert_eq!(
            read(&[every_type], COUNTRY).unwrap_err().to_string(),
            "no `country` in the records of this database; it has `array.0.text`, `map.inner.text`, `text`"
        );
        for records in [&[][..], &[map([])], &[map([("asn", Value::U32(1))])]] {
            assert_eq!(
                read(records, COUNTRY).unwrap_err().to_string(),
                "no `country` in the records of this database; it has no text fields at all"
            );
        }
        let many = Value::Map((10..60).map(|field| (text(&format!("f{field}")), text("x"))).collect());
        let message = read(&[many], COUNTRY).unwrap_err().to_string();
        assert!(message.ends_with("`f48`, `f49`, …"), "{message}");
        let at_city_level = read(&[map([("country_code", text("US"))])], SUBDIVISION).unwrap_err();
        assert_eq!(
            at_city_level.to_string(),
            "no `subdivision` in the records of this database; it has `country_code`"
        );
    }

    /// A field of another type in some record: an error that names the field, never another record's answer.
    #[test]
    fn a_country_that_is_no_text() {
        let records = [flat("US", ""), map([("country_code", Value::U32(840))])];
        let error = read(&records, COUNTRY).unwrap_err();
        assert!(matches!(&error, Error::Field { field, .. } if field.contains("country_code")), "{error}");
    }
}
