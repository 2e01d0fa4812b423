//! The caller's own networks: what is known better than a database knows it.
//!
//! | file | columns |
//! |---|---|
//! | CSV | network, region, and if wanted a comment |
//! | geofeed (RFC 8805) | network, country, region, city, postal code |
//! | either, with a header | those it names `network` or `ip_prefix`, `region`, `country` or `alpha2code` |
//!
//! Without a header the first row decides: it is of a geofeed if it has more than three columns, or if the
//! third is a subdivision of the second (`US,US-CA`). A geofeed may leave out empty columns at the end of a
//! row; cities and postal codes are not read. Networks may be nested, the narrowest wins.
//!
//! A region is a code as a database has it, or one of two words: `relay`, and `ZZ` for "not to be located".
//! The other pseudo-codes are refused: whoever writes `EU` or `T1` by hand means something that an unknown
//! address is not. In a geofeed an empty country says the same as `ZZ` (RFC 8805 §2.1.1), whatever stands
//! beside it, and codes are read in either case. In CSV an empty region is an error, since a half-filled file
//! would hide networks.

use crate::delimited::{Columns, Entries, Extent, ExtentColumns, network};
use crate::error::{Error, Result};
use crate::range::{Range, flatten};
use crate::region;
use crate::row::{Row, Rows};
use crate::slot::{Place, Status};

/// Own networks with their places: a region, or [`Status::Relay`] or [`Status::Unknown`].
#[derive(Debug)]
pub struct Overrides {
    /// Ranges of IPv4, ascending and disjoint.
    pub v4: Vec<(Range<u32>, Place)>,
    /// Ranges of IPv6, ascending and disjoint.
    pub v6: Vec<(Range<u128>, Place)>,
    /// The IPv6 networks as they were written, with their rows.
    written: Vec<(Range<u128>, u64)>,
}

impl Overrides {
    /// Reads a CSV file or a geofeed; see the module. The subdivisions of a geofeed are read on request only:
    /// a country table does not have them, and many feeds leave them badly filled. O(n log n) for n rows.
    ///
    /// # Errors
    ///
    /// [`Error::Row`] for the first row that is wrong, [`Error::NoSuchField`] for a header that lacks a
    /// column, [`Error::Field`] for a file without rows: it is more likely truncated than meant.
    pub fn from_bytes(bytes: &[u8], subdivisions: bool) -> Result<Self> {
        let mut rows = Rows::new(bytes)?;
        let mut entries = Entries::default();
        let mut form = None;
        while let Some(row) = rows.next()? {
            let form = match &form {
                Some(form) => form,
                None => match Columns::named(&row)? {
                    Some(columns) => {
                        form = Some(Form::named(&columns)?);
                        continue;
                    }
                    None => form.insert(Form::shaped(&row)),
                },
            };
            let (extent, place) = form.read(&row, subdivisions).map_err(|message| row.error(message))?;
            entries.push(extent, place, row.line);
        }
        if entries.v4.is_empty() && entries.v6.is_empty() {
            return Err(Error::field("rows", "none: for a table without overrides, name no file of them"));
        }
        Self::new(entries)
    }

    /// The same of networks and regions in the caller's hands, possibly none. Rows count from 1.
    ///
    /// # Errors
    ///
    /// [`Error::Row`] for the first row that is wrong.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut entries = Entries::default();
        for ((written, region), row) in rows.into_iter().zip(1..) {
            let extent = network(written).map_err(|message| Error::row(row, message))?;
            entries.push(extent, plain(region).map_err(|message| Error::row(row, message))?, row);
        }
        Self::new(entries)
    }

    fn new(entries: Entries) -> Result<Self> {
        let written = entries.v6.iter().map(|(range, _, row)| (*range, *row)).collect();
        Ok(Self { v4: flatten(entries.v4)?, v6: flatten(entries.v6)?, written })
    }

    /// Refuses networks inside a zone of wrapped IPv4: addresses there are judged by the IPv4 address that
    /// they carry, so the override would never be asked. A network that reaches beyond a zone means the rest.
    ///
    /// # Errors
    ///
    /// [`Error::Row`] for the first such network.
    pub fn check_zones(&self, zones: &[Range<u128>]) -> Result<()> {
        match self.written.iter().find(|(range, _)| zones.iter().any(|zone| zone.covers(range))) {
            None => Ok(()),
            Some((_, row)) => Err(Error::row(
                *row,
                "the network lies where IPv6 addresses carry IPv4 ones (mapped, 6to4, Teredo or NAT64): \
                 write the IPv4 network instead",
            )),
        }
    }
}

/// Which column is what.
struct Form {
    network: usize,
    /// The region of CSV, the country of a geofeed.
    region: usize,
    /// Geofeeds have one.
    subdivision: Option<usize>,
    /// More columns than this are a mistake.
    widest: usize,
}

impl Form {
    fn named(columns: &Columns) -> Result<Self> {
        let ExtentColumns::Network(network) = columns.extent else {
            let message = "overrides are written as networks, such as `192.0.2.0/24`, not as first and last address";
            return Err(Error::field("network", message));
        };
        let (region, subdivision) = (columns.region, columns.subdivision);
        Ok(Self { network, region, subdivision, widest: columns.width })
    }

    fn shaped(first: &Row<'_>) -> Self {
        let third = first.field(2);
        let is_geofeed = first.width() > 3 || third.contains('-') && region::contains(first.field(1), third);
        if is_geofeed {
            Self { network: 0, region: 1, subdivision: Some(2), widest: usize::MAX }
        } else {
            Self { network: 0, region: 1, subdivision: None, widest: 3 }
        }
    }

    fn read(&self, row: &Row<'_>, subdivisions: bool) -> std::result::Result<(Extent, Place), String> {
        if row.width() > self.widest {
            return Err(format!(
                "{} columns, where {} were looked for: put a comment that has commas in quotes, and all five \
                 columns of a geofeed in its first row",
                row.width(),
                self.widest
            ));
        }
        let extent = network(row.field(self.network))?;
        let region = row.field(self.region);
        let place = match self.subdivision {
            None => plain(region),
            Some(column) => geofeed(region, if subdivisions { row.field(column) } else { "" }),
        };
        Ok((extent, place?))
    }
}

/// The place of one column.
fn plain(text: &str) -> std::result::Result<Place, String> {
    match (text, region::place(text)) {
        ("relay", _) => Ok(Place::Status(Status::Relay)),
        ("ZZ", _) => Ok(Place::Status(Status::Unknown)),
        ("", _) => Err("no region: write one, or `relay`, or `ZZ` for a network not to be located".to_owned()),
        // No more than the pseudo-code is repeated: a subdivision behind it can be any text.
        (_, Some(Place::Status(_))) => Err(format!(
            "`{}` is no territory: write a region, or `relay`, or `ZZ` for a network not to be located",
            text.get(..2).unwrap_or(text)
        )),
        (_, Some(place)) => Ok(place),
        (_, None) => Err(region::refusal(text) + ", or `relay`, or `ZZ` for a network not to be located"),
    }
}

/// The place of a country and its subdivision by RFC 8805 §2.1.1.2 and §2.1.1.3.
fn geofeed(country: &str, subdivision: &str) -> std::result::Result<Place, String> {
    if country.is_empty() {
        return Ok(Place::Status(Status::Unknown));
    }
    // Our own word is no code and has one spelling.
    let country = if country == "relay" { country.to_owned() } else { country.to_ascii_uppercase() };
    let subdivision = subdivision.to_ascii_uppercase();
    let whole = plain(&country)?;
    let Place::Region(code) = &whole else { return Ok(whole) };
    // Small territories are often written as their own subdivision: `SG,SG`.
    if subdivision.is_empty() || subdivision == country {
        return Ok(whole);
    }
    let inside = |part: &Place| match part {
        Place::Region(part) => region::contains(code, part) || region::contains(&country, &subdivision),
        Place::Status(_) => false,
    };
    // ISO 3166-2 codes have up to three letters or digits behind the dash. Feeds also leave the country out.
    let tail = subdivision.rsplit_once('-').map_or(&*subdivision, |(_, tail)| tail);
    let is_iso = tail.len() <= 3 && tail.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let part = if subdivision.contains('-') {
        region::place(&subdivision)
    } else {
        region::subdivision(&country, &subdivision)
    };
    part.filter(|part| is_iso && inside(part)).ok_or_else(|| {
        "the region is no subdivision of the country: write its ISO 3166-2 code, such as `US-CA`, or nothing".to_owned()
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::prefix::Network;

    fn text(place: &Place) -> String {
        match place {
            Place::Region(code) => code.to_string(),
            Place::Status(status) => format!("{status:?}"),
        }
    }

    /// The place of the first address of the only network.
    fn single(file: &str, subdivisions: bool) -> std::result::Result<String, String> {
        let overrides = Overrides::from_bytes(file.as_bytes(), subdivisions).map_err(|error| error.to_string())?;
        assert_eq!(overrides.v4.len() + overrides.v6.len(), 1, "{file}");
        let places = overrides.v4.iter().map(|entry| &entry.1).chain(overrides.v6.iter().map(|entry| &entry.1));
        Ok(places.map(text).collect())
    }

    fn message(file: &str) -> String {
        Overrides::from_bytes(file.as_bytes(), true).unwrap_err().to_string()
    }

    #[test]
    fn plain_rows() {
        for (file, place) in [
            ("192.0.2.0/24,US", "US"),
            ("192.0.2.0/24,US-CA", "US-CA"),
            ("192.0.2.0/24,CN-HK,our office", "HK"),
            ("192.0.2.0/24,relay", "Relay"),
            ("2001:db8::/32,ZZ", "Unknown"),
            ("192.0.2.7,US,\"a comment, with a comma\"", "US"),
            ("# ours\nnetwork,region\n192.0.2.0/24,US", "US"),
            ("network,region,comment\n192.0.2.0/24,US,x", "US"),
            ("network,comment,region\n192.0.2.0/24,x,US", "US"),
            ("192.0.2.0/24,US,CA-ON", "US"),
        ] {
            for subdivisions in [false, true] {
                assert_eq!(single(file, subdivisions).as_deref(), Ok(place), "{file}");
            }
        }
    }

    #[test]
    fn geofeed_rows() {
        for (row, country, subdivision) in [
            ("US,US-CA,Mountain View,", "US", "US-CA"),
            ("us,us-ca,,", "US", "US-CA"),
            ("US,CA,,", "US", "US-CA"),
            ("US,,,", "US", "US"),
            ("SG,SG,,", "SG", "SG"),
            ("SG,SG-01,,", "SG", "SG-01"),
            ("CN,CN-HK,Hong Kong,", "CN", "HK"),
            ("HK,CN-HK,Hong Kong,", "HK", "HK"),
            ("HK,,,", "HK", "HK"),
            ("TW,TW-TPE,,", "TW", "TW-TPE"),
            ("GB,GB-ENG,London,,more", "GB", "GB-ENG"),
            (",,,", "Unknown", "Unknown"),
            ("ZZ,,,", "Unknown", "Unknown"),
            ("zz,US-CA,,", "Unknown", "Unknown"),
            (",US-CA,,", "Unknown", "Unknown"),
            ("relay,,,", "Relay", "Relay"),
        ] {
            let file = format!("192.0.2.0/24,{row}\n");
            assert_eq!(single(&file, false).as_deref(), Ok(country), "{row}");
            assert_eq!(single(&file, true).as_deref(), Ok(subdivision), "{row}");
        }
        assert_eq!(single("192.0.2.0/24,US,US-CA", true).as_deref(), Ok("US-CA"));
        let named = "ip_prefix,alpha2code,region,city,postal_code\n192.0.2.0/24,US,US-CA,,\n";
        assert_eq!(single(named, true).as_deref(), Ok("US-CA"));
        assert_eq!(single(named, false).as_deref(), Ok("US"));
        // Only the first row decides the form.
        let short = Overrides::from_bytes(b"192.0.2.0/25,US,,,\n192.0.2.128/25,US,CA\n192.0.3.0/24", true).unwrap();
        assert_eq!(short.v4.iter().map(|entry| text(&entry.1)).collect::<Vec<_>>(), ["US", "US-CA", "Unknown"]);
    }

    #[test]
    fn geofeed_regions_that_are_none() {
        for row in ["GB,IE-D,,", "US,CALIFORNIA,,", "US,US-,,", "US,US-CALI,,", "US,CA ON,,", "CN,TW-TPE,,", "US,-,,"] {
            let file = format!("192.0.2.0/24,{row}\n");
            assert!(message(&file).starts_with("row 1: the region is no subdivision of the country"), "{row}");
            assert!(single(&file, false).is_ok(), "{row}: a country table does not ask");
        }
    }

    #[test]
    fn what_is_wrong_has_its_row() {
        const WRITE: &str = "write a region, or `relay`, or `ZZ` for a network not to be located";
        for (file, expected) in [
            ("192.0.2.0/24,EU".to_owned(), format!("row 1: `EU` is no territory: {WRITE}")),
            ("192.0.2.0/24,T1-192.0.2.1".to_owned(), format!("row 1: `T1` is no territory: {WRITE}")),
            (
                "192.0.2.0/24,US\n192.0.3.0/24,".to_owned(),
                "row 2: no region: write one, or `relay`, or `ZZ` for a network not to be located".to_owned(),
            ),
            (
                "192.0.2.0/24".to_owned(),
                "row 1: no region: write one, or `relay`, or `ZZ` for a network not to be located".to_owned(),
            ),
            ("192.0.2.0/24,Relay".to_owned(), {
                let refusal = region::refusal("Relay");
                format!("row 1: {refusal}, or `relay`, or `ZZ` for a network not to be located")
            }),
            (
                "192.0.2.1/24,US".to_owned(),
                "row 1: bits beyond the prefix length are set: clear them, or write a longer prefix".to_owned(),
            ),
            (
                "192.0.2.0/24,US\n192.0.3.0/24,US,US-CA,,".to_owned(),
                "row 2: 5 columns, where 3 were looked for: put a comment that has commas in quotes, and all five \
                 columns of a geofeed in its first row"
                    .to_owned(),
            ),
            (
                "192.0.2.0/24,US\n192.0.2.0/24,CA".to_owned(),
                "row 2: has the same network as row 1 and another region: keep one of the two".to_owned(),
            ),
            (
                "first,last,region\n192.0.2.0,192.0.2.255,US".to_owned(),
                "field `network`: overrides are written as networks, such as `192.0.2.0/24`, not as first and \
                 last address"
                    .to_owned(),
            ),
            (
                "network,region\n# none\n".to_owned(),
                "field `rows`: none: for a table without overrides, name no file of them".to_owned(),
            ),
        ] {
            assert_eq!(message(&file), expected, "{file}");
        }
    }

    #[test]
    fn rows_in_hand() {
        let rows = [("192.0.2.0/24", "US"), ("192.0.2.128/25", "relay"), ("2001:db8::/32", "CN-HK")];
        let overrides = Overrides::from_rows(rows).unwrap();
        let v4: Vec<_> = overrides.v4.iter().map(|(range, place)| (range.last & 255, text(place))).collect();
        assert_eq!(v4, [(127, "US".to_owned()), (255, "Relay".to_owned())]);
        assert_eq!(overrides.v6.iter().map(|entry| text(&entry.1)).collect::<String>(), "HK");
        assert!(Overrides::from_rows([]).unwrap().v4.is_empty());
        let wrong = Overrides::from_rows([("192.0.2.0/24", "US"), ("host", "US")]).unwrap_err();
        assert!(wrong.to_string().starts_with("row 2: not a network"));
    }

    #[test]
    fn zones_of_wrapped_ipv4() {
        let range = |text: &str| match text.parse() {
            Ok(Network::V6(prefix)) => prefix.range(),
            other => unreachable!("{other:?}"),
        };
        let zones = ["::ffff:0:0/96", "2002::/16", "2001::/32", "64:ff9b::/96"].map(range);
        for inside in ["::ffff:192.0.2.0/120", "::ffff:0:0/96", "2002:c000:200::/40", "2001::/32", "64:ff9b::1"] {
            let file = format!("2001:db8::/32,US\n# x\n{inside},US\n::/0,CA\n");
            let error = Overrides::from_bytes(file.as_bytes(), false).unwrap().check_zones(&zones).unwrap_err();
            assert_eq!(
                error.to_string(),
                "row 3: the network lies where IPv6 addresses carry IPv4 ones (mapped, 6to4, Teredo or NAT64): \
                 write the IPv4 network instead"
            );
        }
        for outside in ["2000::/3", "::/0", "2001:db8::/32", "64:ff9b:1::/48", "2001::/31"] {
            // Split by nested networks on both sides of zones, as flattening leaves it.
            let file = format!("{outside},US\n2001:db8:1::/48,relay\n192.0.2.0/24,US\n");
            let overrides = Overrides::from_bytes(file.as_bytes(), false).unwrap();
            assert!(overrides.check_zones(&zones).is_ok(), "{outside}");
        }
    }
}
