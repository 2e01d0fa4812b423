//! Databases of comma-separated text.
//!
//! | first line | rows |
//! |---|---|
//! | no header, 2 columns | network, region |
//! | no header, 3 columns | first address, last address, region |
//! | a header | the columns that it names; others are ignored |
//!
//! A header is a first row with a column `network` or `first`, by one of the names below. Without one, more
//! than three columns are refused: the third may be the country (ip-location-db, IP2Location) or the
//! continent (DB-IP), where `AF`, `AS`, `NA` and `SA` would pass for countries. One line on top of such a
//! file mends it:
//!
//! ```text
//! first,last,country,state1,state2,city,postcode,latitude,longitude,timezone
//! first,last,continent,country,state,city,latitude,longitude
//! ```
//!
//! Addresses are text, or decimal numbers in both columns of a range. Numbers are IPv4 if the last one has
//! at most 32 bits, else IPv6. IPv4 and IPv6 may be mixed. Ranges may be nested, the narrowest wins.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::addr::Address;
use crate::error::{Error, Result};
use crate::prefix::{Network, NetworkError};
use crate::range::{Entry, Range, flatten};
use crate::region;
use crate::row::{Row, Rows};
use crate::slot::{MAX_LABELS, Place};

/// Names of a column of networks in a header.
const NETWORK: [&str; 4] = ["network", "prefix", "ip_prefix", "cidr"];
/// Names of a column of first addresses; `ip_range_start` is ip-location-db's, `ip_from` IP2Location's.
const FIRST: [&str; 7] = ["first", "start", "start_ip", "ip_start", "ip_range_start", "range_start", "ip_from"];
/// Names of a column of last addresses, in the order of [`FIRST`].
const LAST: [&str; 7] = ["last", "end", "end_ip", "ip_end", "ip_range_end", "range_end", "ip_to"];
/// Names of a column of countries. Where a file has several, `country` is the one with the name in words.
const COUNTRY: [&str; 5] = ["country_code", "country_iso_code", "alpha2code", "iso_code", "country"];
/// Names of a column of subdivisions beside one of countries, codes first.
const SUBDIVISION: [&str; 8] = [
    "subdivision_code",
    "subdivision_1_iso_code",
    "region_code",
    "subdivision",
    "region",
    "state1",
    "stateprov",
    "state",
];

/// A database of text, its ranges disjoint and ascending. Not all addresses have one.
#[derive(Debug)]
pub struct CsvDatabase {
    /// Ranges of IPv4.
    pub v4: Vec<(Range<u32>, Place)>,
    /// Ranges of IPv6.
    pub v6: Vec<(Range<u128>, Place)>,
    /// Rows read, without header, comments and blank lines.
    pub rows: u64,
}

/// Reads a database; see the module for its forms. O(n log n) for n rows.
///
/// # Errors
///
/// [`Error::Row`] for the first row that is wrong, [`Error::NoSuchField`] for a header that lacks a column,
/// [`Error::Field`] for a file without rows, [`Error::TooLarge`] for more regions than a table can tell
/// apart.
pub fn read_database(bytes: &[u8]) -> Result<CsvDatabase> {
    let mut rows = Rows::new(bytes)?;
    let mut entries = Entries::default();
    let mut places = Places::default();
    let mut columns = None;
    while let Some(row) = rows.next()? {
        let columns = match &columns {
            Some(columns) => columns,
            None => match Columns::named(&row)? {
                Some(named) => {
                    columns = Some(named);
                    continue;
                }
                None => columns.insert(Columns::counted(&row)?),
            },
        };
        if row.width() != columns.width {
            let message = format!("{} columns where the first row has {}", row.width(), columns.width);
            return Err(row.error(message));
        }
        let extent = match columns.extent {
            ExtentColumns::Network(column) => network(row.field(column)),
            ExtentColumns::Ends(first, last) => ends(row.field(first), row.field(last)),
        };
        let extent = extent.map_err(|message| row.error(message))?;
        let place = places.of(&row, columns)?;
        entries.push(extent, place, row.line);
    }
    let rows = (entries.v4.len() + entries.v6.len()) as u64;
    if rows == 0 {
        return Err(Error::field("rows", "none: the file has no network with a region"));
    }
    Ok(CsvDatabase { v4: flatten(entries.v4)?, v6: flatten(entries.v6)?, rows })
}

/// The rows of a file by family.
#[derive(Default)]
pub(crate) struct Entries {
    pub(crate) v4: Vec<Entry<u32, Place>>,
    pub(crate) v6: Vec<Entry<u128, Place>>,
}

impl Entries {
    pub(crate) fn push(&mut self, extent: Extent, place: Place, row: u64) {
        match extent {
            Extent::V4(range) => self.v4.push((range, place, row)),
            Extent::V6(range) => self.v6.push((range, place, row)),
        }
    }
}

/// Which column is what.
pub(crate) struct Columns {
    pub(crate) extent: ExtentColumns,
    pub(crate) region: usize,
    pub(crate) subdivision: Option<usize>,
    /// Number of columns of the first row. In a database every row has as many, since a comma too much in
    /// one field moves the others.
    pub(crate) width: usize,
}

/// Where a row says which addresses it is about.
pub(crate) enum ExtentColumns {
    Network(usize),
    Ends(usize, usize),
}

impl Columns {
    /// By the names in a header; `None` if the row is none.
    pub(crate) fn named(header: &Row<'_>) -> Result<Option<Self>> {
        let lacks = |wanted: &str| Error::NoSuchField {
            wanted: wanted.to_owned(),
            available: (0..header.width()).map(|at| name(header.field(at))).collect::<Vec<_>>().join(", "),
        };
        let extent = match (header.column(&NETWORK), header.column(&FIRST)) {
            (Some(network), _) => ExtentColumns::Network(network),
            (None, Some(first)) => ExtentColumns::Ends(first, header.column(&LAST).ok_or_else(|| lacks("last"))?),
            (None, None) => return Ok(None),
        };
        let (region, subdivision) = match header.column(&COUNTRY) {
            Some(country) => (country, header.column(&SUBDIVISION)),
            None => (header.column(&["region"]).ok_or_else(|| lacks("region"))?, None),
        };
        Ok(Some(Self { extent, region, subdivision, width: header.width() }))
    }

    /// By the number of columns in the first row.
    fn counted(row: &Row<'_>) -> Result<Self> {
        let (extent, region) = match row.width() {
            1 => return Err(row.error("one column: a row has a network and a region with a comma between")),
            2 => (ExtentColumns::Network(0), 1),
            3 => (ExtentColumns::Ends(0, 1), 2),
            width => {
                return Err(row.error(format!(
                    "{width} columns and no header: name them in a first line such as \
                     `first,last,country,state1,city`"
                )));
            }
        };
        Ok(Self { extent, region, subdivision: None, width: row.width() })
    }
}

/// A name in a header as an error shows it. What is no name may be an address.
fn name(text: &str) -> String {
    let is_name = text.len() <= 40
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' '));
    if is_name { format!("`{text}`") } else { "a column of no plain name".to_owned() }
}

/// The addresses that a row is about.
pub(crate) enum Extent {
    V4(Range<u32>),
    V6(Range<u128>),
}

/// The addresses of a network.
pub(crate) fn network(text: &str) -> std::result::Result<Extent, String> {
    let network = text.parse().map_err(|error: NetworkError| error.to_string())?;
    Ok(match network {
        Network::V4(prefix) => Extent::V4(prefix.range()),
        Network::V6(prefix) => Extent::V6(prefix.range()),
    })
}

/// The addresses between two, both inclusive.
fn ends(first: &str, last: &str) -> std::result::Result<Extent, String> {
    let pair = match (number(first), number(last)) {
        (Some(first), Some(last)) => match (u32::try_from(first), u32::try_from(last)) {
            (Ok(first), Ok(last)) => Extent::V4(Range { first, last }),
            _ => Extent::V6(Range { first, last }),
        },
        _ => match (first.parse::<IpAddr>().map(Address::from), last.parse::<IpAddr>().map(Address::from)) {
            (Ok(Address::V4(first)), Ok(Address::V4(last))) => Extent::V4(Range { first, last }),
            (Ok(Address::V6(first)), Ok(Address::V6(last))) => Extent::V6(Range { first, last }),
            (Ok(_), Ok(_)) => {
                return Err("the first address is IPv4 and the last IPv6, or the reverse".into());
            }
            _ => return Err("not two addresses: write both as text, or both as decimal numbers".into()),
        },
    };
    let ascends = match &pair {
        Extent::V4(range) => range.first <= range.last,
        Extent::V6(range) => range.first <= range.last,
    };
    if ascends { Ok(pair) } else { Err("the last address is below the first".into()) }
}

/// The standard parser of integers also takes a plus sign.
fn number(text: &str) -> Option<u128> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The places met so far, so that a region is checked and kept once for all its rows.
#[derive(Default)]
struct Places {
    known: HashMap<String, Place>,
    /// Country and subdivision of the row at hand; one buffer for all rows.
    key: String,
}

impl Places {
    fn of(&mut self, row: &Row<'_>, columns: &Columns) -> Result<Place> {
        let country = row.field(columns.region);
        let subdivision = columns.subdivision.map_or("", |column| row.field(column));
        self.key.clear();
        self.key.push_str(country);
        // No character of a country, and none of a line either.
        self.key.push('\n');
        self.key.push_str(subdivision);
        if let Some(place) = self.known.get(&self.key) {
            return Ok(place.clone());
        }
        if self.known.len() == MAX_LABELS {
            return Err(Error::TooLarge(format!("more than {MAX_LABELS} distinct regions")));
        }
        let place = region::subdivision(country, subdivision);
        let place = place.ok_or_else(|| row.error(region::refusal(country)))?;
        self.known.insert(self.key.clone(), place.clone());
        Ok(place)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::slot::Status;
    use std::fmt::Write;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn text(place: &Place) -> &str {
        match place {
            Place::Region(code) => code,
            Place::Status(Status::Unknown) => "unknown",
            Place::Status(Status::Relay) => "relay",
            Place::Status(_) => "a status that no database has",
        }
    }

    /// `first last region` for each range.
    fn listed(bytes: &[u8]) -> Vec<String> {
        let database = read_database(bytes).unwrap();
        let v4 = database.v4.iter().map(|(range, place)| {
            format!("{} {} {}", Ipv4Addr::from(range.first), Ipv4Addr::from(range.last), text(place))
        });
        let v6 = database.v6.iter().map(|(range, place)| {
            format!("{} {} {}", Ipv6Addr::from(range.first), Ipv6Addr::from(range.last), text(place))
        });
        v4.chain(v6).collect()
    }

    fn message(bytes: &[u8]) -> String {
        read_database(bytes).unwrap_err().to_string()
    }

    const AUSTRALIA: &str = "1.0.0.0 1.0.0.255 AU";

    #[test]
    fn every_form_says_the_same() {
        for file in [
            "1.0.0.0/24,AU",
            "\u{feff}1.0.0.0/24,AU\r\n",
            "# made by hand\n\nnetwork,region\n 1.0.0.0/24 , AU \n",
            "\"1.0.0.0/24\",\"AU\"\n",
            "Network,Region\n1.0.0.0/24,AU",
            "region,cidr\nAU,1.0.0.0/24",
            "1.0.0.0,1.0.0.255,AU",
            "16777216,16777471,AU",
            "first,last,region\n1.0.0.0,1.0.0.255,AU",
            "ip_range_start,ip_range_end,country_code\n1.0.0.0,1.0.0.255,AU",
            "\"ip_from\",\"ip_to\",\"country_code\",\"country_name\"\n\
             \"16777216\",\"16777471\",\"AU\",\"Australia\"",
            "start_ip,end_ip,country,country_name,continent\n1.0.0.0,1.0.0.255,AU,Australia,OC",
            "network,country,country_code,continent\n1.0.0.0/24,Australia,AU,Oceania",
            "ip_start,ip_end,continent,country\n1.0.0.0,1.0.0.255,OC,AU",
            "1.0.0.0/25,AU\n1.0.0.128/25,AU\n1.0.0.0/24,AU",
        ] {
            let mut merged = listed(file.as_bytes());
            if merged.len() == 2 {
                // Neighbours are merged later, when segments are made of them.
                merged = vec![merged[0].replace("1.0.0.127", "1.0.0.255")];
            }
            assert_eq!(merged, [AUSTRALIA], "{file}");
        }
    }

    #[test]
    fn both_families_and_single_addresses() {
        let file = "2001:db8::/32,US-CA\n192.0.2.7,CN-HK\n::1,T1\n0.0.0.0/8,ZZ\n";
        assert_eq!(
            listed(file.as_bytes()),
            [
                "0.0.0.0 0.255.255.255 unknown",
                "192.0.2.7 192.0.2.7 HK",
                "::1 ::1 relay",
                "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff US-CA",
            ]
        );
        let file = "0.0.0.0,255.255.255.255,AU\n::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,AU";
        assert_eq!(
            listed(file.as_bytes()),
            ["0.0.0.0 255.255.255.255 AU", ":: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff AU"]
        );
    }

    #[test]
    fn numbers_of_ipv6() {
        // The first row of IP2Location's IPv6 file, and one of ip-location-db.
        let file = "0,281470681743359,-\n\
                    42540528726795050063891204319802818560,42540528806023212578155541913346768895,JP";
        assert_eq!(
            listed(file.as_bytes()),
            [":: ::fffe:ffff:ffff unknown", "2001:200:: 2001:200:ffff:ffff:ffff:ffff:ffff:ffff JP"]
        );
    }

    #[test]
    fn subdivisions_of_a_header() {
        let file = "first,last,country_code,state1,state2,city,postcode,latitude,longitude,timezone\n\
                    1.0.0.0,1.0.0.255,AU,Queensland,,\"South Brisbane\",,-27.4767,153.017,\n\
                    1.0.1.0,1.0.3.255,CN,Fujian,,Wenquan,,26.0998,119.297,\n\
                    1.0.4.0,1.0.7.255,AU,,,,,-27,133,\n\
                    1.0.8.0,1.0.8.255,CN,HK,,,,,,\n\
                    1.0.9.0,1.0.9.255,,California,,,,,,\n\
                    1.0.10.0,1.0.10.255,US,US-CA,,,,,,\n\
                    1.0.11.0,1.0.11.255,US,\"a, b\",,,,,,\n";
        let regions: Vec<String> =
            listed(file.as_bytes()).iter().map(|line| line.splitn(3, ' ').nth(2).unwrap().to_owned()).collect();
        assert_eq!(regions, ["AU-Queensland", "CN-Fujian", "AU", "HK", "unknown", "US-CA", "US"]);
    }

    #[test]
    fn nested_ranges_and_rows() {
        let file = "1.0.0.0/8,AU\n1.2.0.0/16,NZ\n1.2.3.0/24,US\n1.2.3.0/24,US\n";
        assert_eq!(
            listed(file.as_bytes()),
            [
                "1.0.0.0 1.1.255.255 AU",
                "1.2.0.0 1.2.2.255 NZ",
                "1.2.3.0 1.2.3.255 US",
                "1.2.4.0 1.2.255.255 NZ",
                "1.3.0.0 1.255.255.255 AU",
            ]
        );
        assert_eq!(read_database(file.as_bytes()).unwrap().rows, 4);
    }

    #[test]
    fn what_is_wrong_has_its_row() {
        let region = "is no region code: write two capital letters, such as `US`, or with a subdivision, `US-CA`";
        for (file, expected) in [
            ("1.0.0.0/24", "row 1: one column: a row has a network and a region with a comma between".to_owned()),
            (
                "1.0.0.0/24,AU\n\n# x\n1.0.1.1/24,AU",
                "row 4: bits beyond the prefix length are set: clear them, or write a longer prefix".to_owned(),
            ),
            ("1.0.0.0/24,AU\n1.0.1.0/24,Australia", format!("row 2: `Australia` {region}")),
            ("US,1.0.0.0/24", format!("row 1: {}", NetworkError::Address)),
            ("1.0.0.0/24,1.0.0.0", format!("row 1: the text in the column of the region {region}")),
            ("1.0.0.0/24,AU,x", "row 1: not two addresses: write both as text, or both as decimal numbers".to_owned()),
            ("1.0.0.0/24,AU\n1.0.1.0/24,AU,x", "row 2: 3 columns where the first row has 2".to_owned()),
            (
                "1.0.0.0,1.0.0.255,OC,AU,Queensland",
                "row 1: 5 columns and no header: name them in a first line such as \
                 `first,last,country,state1,city`"
                    .to_owned(),
            ),
            ("1.0.1.0,1.0.0.255,AU", "row 1: the last address is below the first".to_owned()),
            ("4294967296,16777216,AU", "row 1: the last address is below the first".to_owned()),
            ("1.0.1.0,2001:db8::,AU", "row 1: the first address is IPv4 and the last IPv6, or the reverse".to_owned()),
            (
                "1.0.1.0,16777471,AU",
                "row 1: not two addresses: write both as text, or both as decimal numbers".to_owned(),
            ),
            (
                "0,340282366920938463463374607431768211456,AU",
                "row 1: not two addresses: write both as text, or both as decimal numbers".to_owned(),
            ),
            ("+1,+2,AU", "row 1: not two addresses: write both as text, or both as decimal numbers".to_owned()),
            (
                "1.0.0.0/24,AU\n1.0.0.0/24,NZ",
                "row 2: has the same network as row 1 and another region: keep one of the two".to_owned(),
            ),
            (
                "1.0.0.0,1.0.0.255,AU\n1.0.0.128,1.0.1.127,AU",
                "row 2: overlaps row 1 and neither lies inside the other: keep one of the two".to_owned(),
            ),
            ("1.0.0.0/24,\"AU\n1.0.1.0/24,NZ\"", "row 1: a quoted field does not end on its line".to_owned()),
            (
                "network,geoname_id,1.2.3.4\n",
                "no `region` in the records of this database; it has `network`, `geoname_id`, \
                 a column of no plain name"
                    .to_owned(),
            ),
            ("first,region\n", "no `last` in the records of this database; it has `first`, `region`".to_owned()),
            ("", "field `rows`: none: the file has no network with a region".to_owned()),
            ("# only\nnetwork,region\n", "field `rows`: none: the file has no network with a region".to_owned()),
        ] {
            assert_eq!(message(file.as_bytes()), expected, "{file}");
        }
    }

    #[test]
    fn one_bad_row_in_a_million() {
        let mut file = String::new();
        for row in 0..1_000_000_u32 {
            writeln!(file, "{},{},{}", row * 256, row * 256 + 255, ["AU", "NZ"][row as usize % 2]).unwrap();
        }
        file.push_str("1.0.0.0,1.0.0.255,\n");
        assert_eq!(
            message(file.as_bytes()),
            "row 1000001: has the same network as row 65537 and another region: keep one of the two"
        );
        file.push_str("x,1.0.0.255,AU\n");
        assert!(message(file.as_bytes()).starts_with("row 1000002: not two addresses"));
    }

    #[test]
    fn more_regions_than_slots() {
        let mut file = String::new();
        for row in 0..=MAX_LABELS as u32 {
            writeln!(file, "{},{row},US-{row}", row).unwrap();
        }
        assert_eq!(message(file.as_bytes()), "more than 65000 distinct regions");
    }

    const ROW: &str = "((1\\.0\\.0\\.[0-4]|::[0-4]|[0-9]{1,2})(/3[0-2]|/12[6-8])?,){1,2}(US|CA|us|),?";

    proptest::proptest! {
        #[test]
        fn any_rows_are_answered(rows in proptest::collection::vec(ROW, 0..6)) {
            let text = rows.join("\n");
            if let Ok(database) = read_database(text.as_bytes()) {
                let ascending = |pair: &[(Range<u32>, Place)]| pair[0].0.last < pair[1].0.first;
                proptest::prop_assert!(database.v4.windows(2).all(ascending));
                proptest::prop_assert!(database.v4.iter().all(|(range, _)| range.first <= range.last));
                proptest::prop_assert!(database.v6.iter().all(|(range, _)| range.first <= range.last));
                proptest::prop_assert!(database.rows > 0);
            }
        }
    }
}
