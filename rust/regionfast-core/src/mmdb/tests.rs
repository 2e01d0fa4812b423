#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

pub(crate) mod writer;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

use maxminddb::PathElement;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::addr::Address;
use crate::level::Level;
use crate::oracle::{self, Entry};
use crate::slot::{Evidence, Label, Place, Status};
use writer::{Branch, Value, Writer, country, map, text};

const RECORD_BITS: [u16; 3] = [24, 28, 32];

fn read_default(bytes: &[u8]) -> Result<Database> {
    read(bytes, &ReadOptions::default())
}

fn message(writer: &Writer) -> String {
    read_default(&writer.bytes()).unwrap_err().to_string()
}

/// What the database says of an address, by a linear search.
fn label(database: &Database, address: &str) -> Label {
    label_in(&oracle::of_database(database), address.parse::<IpAddr>().unwrap().into())
}

fn label_in(entries: &[Entry], address: Address) -> Label {
    let mut holding = entries.iter().filter(|entry| entry.first <= address && address <= entry.last);
    let label = holding.next().map_or(Label::UNPLACED, |entry| entry.label.clone());
    assert!(holding.next().is_none(), "disjoint");
    label
}

fn placed(code: &str) -> Label {
    Label { place: Place::Region(code.into()), evidence: Evidence::Database }
}

/// A small database of every kind of thing: both families, nested networks, shared texts and pointers.
pub(crate) fn small(ip_version: u16, record_bits: u16) -> Writer {
    let mut writer = Writer::new(ip_version, record_bits);
    let us = writer.record(&country("US"));
    let code = writer.value(&text("DE"));
    let de = writer.record(&map([("country", map([("iso_code", Value::Pointer(code))]))]));
    let hk = writer.record(&map([
        ("continent", map([("code", text("AS")), ("geoname_id", Value::U32(6_255_147))])),
        ("country", map([("is_in_european_union", Value::Bool(false)), ("iso_code", text("HK"))])),
    ]));
    writer.insert("1.0.0.0/8", us);
    writer.insert("1.2.0.0/16", de);
    writer.insert("223.255.255.0/25", hk);
    if ip_version == 6 {
        writer.insert("2400::/12", us);
        writer.insert("2a00:1:2:3:4::/80", de);
        writer.insert("2a00::/128", hk);
        writer.alias_ipv4();
    }
    writer
}

#[test]
fn every_form_of_tree_says_the_same() {
    for (ip_version, record_bits) in [4, 6].into_iter().flat_map(|ip| RECORD_BITS.map(|bits| (ip, bits))) {
        let database = read_default(&small(ip_version, record_bits).bytes()).unwrap();
        for (address, code) in [
            ("1.0.0.0", Some("US")),
            ("1.1.255.255", Some("US")),
            ("1.2.0.0", Some("DE")),
            ("1.2.255.255", Some("DE")),
            ("1.3.0.0", Some("US")),
            ("0.255.255.255", None),
            ("2.0.0.0", None),
            ("223.255.255.127", Some("HK")),
            ("223.255.255.128", None),
        ] {
            assert_eq!(label(&database, address), code.map_or(Label::UNPLACED, placed), "{address}");
        }
        assert_eq!(database.v6.is_some(), ip_version == 6);
        for (address, code) in [
            ("2400::", Some("US")),
            ("240f:ffff::", Some("US")),
            ("2410::", None),
            ("2a00:1:2:3:4::", Some("DE")),
            ("2a00:1:2:3:5::", None),
            ("2a00::", Some("HK")),
            ("2a00::1", None),
            // The IPv4 subtree and its aliases are not read as IPv6.
            ("::1.2.0.0", None),
            ("::ffff:1.2.0.0", None),
            ("2002:102::", None),
            ("2001:0:102::", None),
        ] {
            let expected = code.filter(|_| ip_version == 6).map_or(Label::UNPLACED, placed);
            assert_eq!(label(&database, address), expected, "{address}");
        }
    }
}

#[test]
fn what_a_database_says_of_itself() {
    let about = read_default(&small(6, 24).bytes()).unwrap().about;
    assert_eq!((&*about.kind, &*about.description), ("Test-Country", "made for a test"));
    assert_eq!(about.built_at, Some(1_750_000_000));
    assert_eq!(about.warnings, [""; 0]);
    let mut without = small(4, 24);
    without.lies =
        vec![("build_epoch", Some(Value::U64(0))), ("description", Some(map([("xx", text("in another tongue"))])))];
    let about = read_default(&without.bytes()).unwrap().about;
    assert_eq!((about.built_at, &*about.description), (None, "in another tongue"));
    assert_eq!(about.warnings, ["the database has no IPv6: every IPv6 address that is not special is unknown"]);
}

/// Networks with the index of their record, from the widest to the narrowest.
type Networks = Vec<(u128, usize, usize)>;

const CODES: [&str; 8] = ["US", "DE", "CN-TW", "T1", "EU", "usa", "", "GB"];

/// What [`CODES`] stand for.
fn meaning(code: usize) -> Label {
    match CODES[code] {
        "CN-TW" => placed("TW"),
        "T1" => Label { place: Place::Status(Status::Relay), evidence: Evidence::Database },
        "EU" | "usa" | "" => Label::UNPLACED,
        code => placed(code),
    }
}

/// Bits and length from the top of `width` bits. Half of them near each other, so that they nest. The last address is
/// placed, since a database without any region is refused.
fn networks(width: usize) -> impl Strategy<Value = Networks> {
    let bits =
        prop_oneof![any::<u128>(), any::<u128>().prop_map(|bits| bits & 0x9000_0180_0000_0000_0000_0000_0000_0081)];
    vec((bits, 1..=width, 0..CODES.len()), 1..30).prop_map(move |mut networks| {
        networks.sort_by_key(|(_, length, _)| *length);
        networks.push((u128::MAX, width, 0));
        let mask = |length: usize| u128::MAX << (128 - length);
        networks.into_iter().map(|(bits, length, code)| (bits & mask(length), length, code)).collect()
    })
}

/// The database of these networks, the records behind pointers of both short forms.
fn written(networks: &Networks, ip_version: u16, record_bits: u16) -> Writer {
    let mut writer = Writer::new(ip_version, record_bits);
    let codes: Vec<usize> = CODES.iter().map(|code| writer.value(&text(code))).collect();
    let key = writer.value(&text("iso_code"));
    // Behind this, offsets need the longer form of pointers.
    writer.value(&Value::Bytes(vec![0; 3_000]));
    let outer = writer.value(&text("country"));
    let records: Vec<Branch> = codes
        .iter()
        .map(|&code| {
            let inner = Value::Map(vec![(Value::LongPointer(key), Value::Pointer(code))]);
            writer.record(&Value::Map(vec![(Value::Pointer(outer), inner)]))
        })
        .collect();
    for &(bits, length, code) in networks {
        writer.insert_bits(bits, length, records[code]);
    }
    writer
}

/// What the longest of the networks around an address says.
fn definition(networks: &Networks, bits: u128) -> Label {
    let around = networks.iter().filter(|(network, length, _)| (network ^ bits) >> (128 - length) == 0);
    around.max_by_key(|(_, length, _)| *length).map_or(Label::UNPLACED, |&(_, _, code)| meaning(code))
}

/// The ends of each network and their neighbours.
fn probes(networks: &Networks) -> Vec<u128> {
    let ends =
        networks.iter().flat_map(|&(bits, length, _)| [bits, bits | u128::MAX.checked_shr(length as u32).unwrap_or(0)]);
    ends.flat_map(|end| [end.wrapping_sub(1), end, end.wrapping_add(1)]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn ipv4_trees_say_what_their_networks_say(networks in networks(32), bits in 0..3_usize, shared: bool) {
        let mut writer = written(&networks, 4, RECORD_BITS[bits]);
        if shared {
            writer.share_subtrees();
        }
        let entries = oracle::of_database(&read_default(&writer.bytes()).unwrap());
        for probe in probes(&networks) {
            let address = (probe >> 96) as u32;
            let found = label_in(&entries, Address::V4(address));
            prop_assert_eq!(found, definition(&networks, u128::from(address) << 96));
        }
    }

    /// The same with IPv4 below ::/96, reached in several ways.
    #[test]
    fn ipv6_trees_say_what_their_networks_say(
        mut wide in networks(128),
        v4 in networks(32),
        bits in 0..3_usize,
        aliases: bool,
        shared: bool,
    ) {
        let below = v4.into_iter().map(|(bits, length, code)| (bits >> 96, 96 + length, code));
        wide.extend(below);
        wide.sort_by_key(|(_, length, _)| *length);
        let mut writer = written(&wide, 6, RECORD_BITS[bits]);
        if aliases {
            writer.alias_ipv4();
        }
        if shared {
            writer.share_subtrees();
        }
        let entries = oracle::of_database(&read_default(&writer.bytes()).unwrap());
        for probe in probes(&wide) {
            let v4 = label_in(&entries, Address::V4(probe as u32));
            prop_assert_eq!(v4, definition(&wide, u128::from(probe as u32)));
            // ::/96 and its aliases are not read as IPv6.
            let zone = matches!(probe >> 32, 0 | 0xffff) || probe >> 96 == 0x2001_0000 || probe >> 112 == 0x2002;
            if !zone {
                prop_assert_eq!(label_in(&entries, Address::V6(probe)), definition(&wide, probe));
            }
        }
    }
}

/// The whole IPv4 space in one record, at any depth of the tree.
#[test]
fn the_ipv4_subtree_may_be_a_leaf() {
    for (length, outside) in [(1, "8000::"), (64, "0:0:0:1::"), (95, "::2:0:0"), (96, "::1:0:0")] {
        let mut writer = Writer::new(6, 24);
        let us = writer.record(&country("US"));
        writer.insert_bits(0, length, us);
        let database = read_default(&writer.bytes()).unwrap();
        let entries = oracle::of_database(&database);
        for address in ["0.0.0.0", "8.8.8.8", "255.255.255.255"] {
            assert_eq!(label(&database, address), placed("US"), "{length}");
        }
        let outside: u128 = outside.parse::<Ipv6Addr>().unwrap().into();
        assert_eq!(label_in(&entries, Address::V6(outside - 1)), placed("US"), "{length}");
        assert_eq!(label_in(&entries, Address::V6(outside)), Label::UNPLACED, "{length}");
    }
    // And it may be empty.
    let mut writer = Writer::new(6, 24);
    let us = writer.record(&country("US"));
    writer.insert("2a00::/16", us);
    let database = read_default(&writer.bytes()).unwrap();
    assert_eq!(database.v4, Segments::uniform(record::UNPLACED));
    assert_eq!(label(&database, "2a00::1"), placed("US"));
}

#[test]
fn the_four_forms_of_pointers() {
    let mut writer = Writer::new(4, 32);
    let mut records = Vec::new();
    for (at, code) in [(0, "US"), (3_000, "DE"), (600_000, "FR")] {
        let gap = at - writer.data.len();
        writer.data.extend(vec![0; gap]);
        let code = writer.value(&text(code));
        records.push(Value::Pointer(code));
        records.push(Value::LongPointer(code));
    }
    let lengths = records.iter().map(|pointer| {
        let mut short = Writer::new(4, 32);
        short.value(pointer);
        short.data.len()
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [2, 5, 3, 5, 4, 5]);
    for (index, pointer) in records.into_iter().enumerate() {
        // A record may itself be a pointer.
        let inner = writer.value(&map([("country", map([("iso_code", pointer)]))]));
        let record = if index % 2 == 0 { Branch::Record(inner) } else { writer.record(&Value::LongPointer(inner)) };
        writer.insert(&format!("{}.0.0.0/8", 20 + index), record);
    }
    let entries = oracle::of_database(&read_default(&writer.bytes()).unwrap());
    for (index, code) in ["US", "US", "DE", "DE", "FR", "FR"].into_iter().enumerate() {
        assert_eq!(label_in(&entries, Address::V4((20 + index as u32) << 24)), placed(code), "{index}");
    }
}

/// Records beyond 2^24, whose top bits share an octet in nodes of 28 bits.
#[test]
fn records_of_more_than_24_bits() {
    for record_bits in [28, 32] {
        let mut writer = Writer::new(4, record_bits);
        let codes = ["US", "DE", "FR"];
        let records = codes.map(|code| {
            let record = writer.record(&country(code));
            let behind = writer.data.len() + (17 << 20);
            writer.data.resize(behind, 0);
            record
        });
        // Each beside each other, on either side.
        for (place, (left, right)) in [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)].into_iter().enumerate() {
            writer.insert(&format!("{}.0.0.0/8", 2 * place), records[left]);
            writer.insert(&format!("{}.0.0.0/8", 2 * place + 1), records[right]);
        }
        let entries = oracle::of_database(&read_default(&writer.bytes()).unwrap());
        for (network, code) in [0, 1, 1, 0, 1, 2, 2, 1, 0, 2, 2, 0].into_iter().enumerate() {
            let found = label_in(&entries, Address::V4((network as u32) << 24));
            assert_eq!(found, placed(codes[code]), "{network} of {record_bits} bits");
        }
    }
}

#[test]
fn a_record_is_decoded_once() {
    // A country behind so many other fields that 2^16 networks would take minutes to decode.
    let mut writer = Writer::new(4, 24);
    let mut fields: Vec<(Value, Value)> =
        (0..6_000).map(|field| (text(&format!("field {field}")), Value::Bool(true))).collect();
    fields.push((text("country_code"), text("US")));
    let costly = writer.record(&Value::Map(fields));
    // Each second /17, so that no two of them are one network.
    for network in 0..1_u128 << 16 {
        writer.insert_bits(network << 112, 17, costly);
    }
    let bytes = writer.bytes();
    let one = Instant::now();
    let reader = Reader::from_source(&*bytes).unwrap();
    let record = reader.lookup(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).unwrap();
    assert_eq!(record.decode_path(&[PathElement::Key("country_code")]).unwrap(), Some("US"));
    let one = one.elapsed();
    let all = Instant::now();
    let database = read_default(&bytes).unwrap();
    let all = all.elapsed();
    assert_eq!(database.v4.len(), 1 << 17);
    assert!(all < one * 20_000, "{all:?} for what takes {one:?} once");
}

/// Every file that ends too early is refused, wherever it ends.
#[test]
fn truncation_at_every_byte() {
    for ip_version in [4, 6] {
        let bytes = small(ip_version, 28).bytes();
        assert!(Database::read(&bytes, &ReadOptions::default()).is_ok());
        for length in 0..bytes.len() {
            let cut = Database::read(&bytes[..length], &ReadOptions::default());
            let message = cut.unwrap_err().to_string();
            assert!(message.contains("byte ") || message.starts_with("field `"), "{length}: {message}");
        }
    }
}

/// What the crate's own search finds, if it can be decoded.
fn by_the_crate(reader: &Reader<&[u8]>, address: IpAddr) -> Option<Label> {
    let path = [PathElement::Key("country"), PathElement::Key("iso_code")];
    let code = reader.lookup(address).ok()?.decode_path::<&str>(&path).ok()?;
    let place = code.and_then(crate::region::place);
    Some(place.map_or(Label::UNPLACED, |place| Label::new(Level::Country.of(place), Evidence::Database)))
}

/// A file without a checksum: a flipped bit gives an error, or a table that says what the file now says.
#[test]
fn every_flip_of_one_bit() {
    let (mut refused, mut sane, mut slowest) = (0, 0, Duration::ZERO);
    for (ip_version, record_bits) in [(4, 24), (6, 28)] {
        let good = small(ip_version, record_bits).bytes();
        for bit in 0..8 * good.len() {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let began = Instant::now();
            let database = Database::read(&bytes, &ReadOptions::default());
            slowest = slowest.max(began.elapsed());
            let Ok(database) = database else {
                refused += 1;
                continue;
            };
            sane += 1;
            let entries = oracle::of_database(&database);
            let reader = Reader::from_source(&*bytes).unwrap();
            for bits in
                [0, 0x0100_0000, 0x0101_ffff, 0x0102_0000, 0x0102_ffff, 0xdfff_ff00, 0xdfff_ff7f, 0xdfff_ff80, u32::MAX]
            {
                let expected = by_the_crate(&reader, IpAddr::V4(bits.into()));
                assert_eq!(Some(label_in(&entries, Address::V4(bits))), expected, "bit {bit}: {bits:x}");
            }
            for address in ["2400::", "240f:ffff::", "2a00:1:2:3:4::", "2a00::", "2a00::1", "ffff::"] {
                let address: Ipv6Addr = address.parse().unwrap();
                let found = label_in(&entries, Address::V6(address.into()));
                // A branch that now leads to the IPv4 subtree is taken for one of its aliases.
                let expected = by_the_crate(&reader, address.into());
                assert!(found == Label::UNPLACED || Some(found) == expected, "bit {bit}: {address}");
            }
        }
    }
    assert!(refused > 1_000 && sane > 1_000, "{refused} refused, {sane} sane");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_damage_is_answered(
        ip in 0..2_usize,
        bits in 0..3_usize,
        damage in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut bytes = small([4, 6][ip], RECORD_BITS[bits]).bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let began = Instant::now();
        if let Ok(database) = read_default(&bytes) {
            prop_assert!(oracle::of_database(&database).len() < 100_000);
        }
        prop_assert!(began.elapsed() < Duration::from_secs(5));
    }
}

/// A chain of nodes whose children coincide: 2^length networks in `length` nodes.
fn coinciding(ip_version: u16, length: usize) -> Writer {
    let mut writer = Writer::new(ip_version, 24);
    let us = writer.record(&country("US"));
    writer.nodes = (1..length).map(|next| [Branch::Node(next); 2]).collect();
    writer.nodes.push([us; 2]);
    writer
}

#[test]
fn nodes_whose_children_coincide_are_refused_quickly() {
    let began = Instant::now();
    for (ip_version, length) in [(4, 20), (4, 31), (6, 40), (6, 100), (6, 127)] {
        assert_eq!(
            message(&coinciding(ip_version, length)),
            format!(
                "the search tree shares its {length} nodes so often that it spells out to more than 4 times as many"
            )
        );
    }
    assert!(began.elapsed() < Duration::from_secs(2));
    // Few of them are few networks.
    assert_eq!(read_default(&coinciding(4, 8).bytes()).unwrap().v4, Segments::uniform(1));
}

/// The budget is of the whole tree, not of each of its parts: many small knots are one large one.
#[test]
fn many_small_knots_are_refused_as_well() {
    let mut writer = Writer::new(4, 24);
    let us = writer.record(&country("US"));
    writer.nodes = vec![[Branch::Empty; 2]];
    let knot = writer.nodes.len();
    writer.nodes.extend((1..14).map(|next| [Branch::Node(knot + next); 2]));
    writer.nodes.push([us, Branch::Empty]);
    for network in 0..1_u128 << 10 {
        writer.insert_bits(network << 118, 10, Branch::Node(knot));
    }
    assert!(message(&writer).contains("spells out to more than 4 times as many"));
}

#[test]
fn trees_that_never_end() {
    let mut writer = Writer::new(4, 24);
    let us = writer.record(&country("US"));
    for ip_version in [4, 6] {
        writer.ip_version = ip_version;
        writer.nodes = vec![[Branch::Node(0), us]];
        assert_eq!(message(&writer), "the search tree is deeper than an address is long, at node 0 (byte 0)");
        writer.nodes = vec![[us, Branch::Node(1)], [Branch::Empty, Branch::Node(0)]];
        assert!(message(&writer).starts_with("the search tree is deeper than an address is long, at node "));
        writer.nodes = vec![[Branch::Node(0); 2]];
        assert!(message(&writer).starts_with("the search tree is deeper than an address is long, at node 0"));
    }
}

#[test]
fn trees_deeper_than_an_address() {
    for (ip_version, width) in [(4, 32), (6, 128)] {
        let mut writer = Writer::new(ip_version, 24);
        let us = writer.record(&country("US"));
        // To the right, so that nothing but its depth is special.
        let chain = |length: usize| -> Vec<[Branch; 2]> {
            let inner = (1..length).map(|next| [Branch::Empty, Branch::Node(next)]);
            inner.chain([[Branch::Empty, us]]).collect()
        };
        writer.nodes = chain(width);
        let database = read_default(&writer.bytes()).unwrap();
        let last = if width == 32 { "255.255.255.255" } else { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
        assert_eq!(label(&database, last), placed("US"));
        writer.nodes = chain(width + 1);
        assert_eq!(
            message(&writer),
            format!(
                "the search tree is deeper than an address is long, at node {} (byte {})",
                width - 1,
                6 * (width - 1)
            )
        );
    }
}

#[test]
fn leaves_outside_the_data_section() {
    let mut writer = small(4, 24);
    let (nodes, data) = (writer.nodes.len() as u32, writer.data.len() as u32);
    let last = writer.nodes.len() - 1;
    // The separator, the end of the data, the marker and far beyond.
    for number in [nodes + 1, nodes + 15, nodes + 16 + data, nodes + 17 + data, nodes + 200 + data, (1 << 24) - 1] {
        writer.nodes[last][1] = Branch::Number(number);
        assert_eq!(
            message(&writer),
            format!("node {last} of the search tree points outside the data section (byte {})", 6 * last)
        );
    }
    writer.nodes[last][1] = Branch::Number(nodes + 16);
    assert!(read_default(&writer.bytes()).is_ok());
    // Inside, but no record begins there: the last byte is the end of a text.
    writer.nodes[last][1] = Branch::Number(nodes + 15 + data);
    assert!(read_default(&writer.bytes()).is_err());
}

#[test]
fn metadata_that_lie() {
    let lie = |field: &'static str, value: Option<Value>| {
        let mut writer = small(4, 24);
        writer.lies.push((field, value));
        read_default(&writer.bytes())
    };
    let nodes = small(4, 24).nodes.len() as u32;
    for (field, value) in [
        ("node_count", Some(Value::U32(u32::MAX))),
        ("node_count", Some(Value::U32(1 << 20))),
        ("node_count", Some(Value::U32(0))),
        ("node_count", Some(text("many"))),
        ("node_count", None),
        ("record_size", Some(Value::U16(0))),
        ("record_size", Some(Value::U16(20))),
        ("record_size", Some(Value::U16(64))),
        ("record_size", Some(Value::U16(u16::MAX))),
        ("record_size", None),
        ("ip_version", Some(Value::U16(5))),
        ("ip_version", Some(Value::U16(0))),
        ("ip_version", None),
        ("binary_format_major_version", Some(Value::U16(3))),
        ("database_type", Some(Value::U32(1))),
        ("database_type", None),
        ("build_epoch", Some(text("today"))),
        ("description", Some(Value::Array(vec![]))),
    ] {
        let error = lie(field, value.clone()).map(|_| ()).unwrap_err();
        assert!(!matches!(error, Error::NoSuchField { .. }), "{field} {value:?}: {error}");
    }
    // Less than the truth moves the beginning of the data; each count is answered somehow.
    for count in 0..2 * nodes {
        if let Ok(database) = lie("node_count", Some(Value::U32(count))) {
            assert!(oracle::of_database(&database).len() <= 4 * nodes as usize + 1024, "{count}");
        }
    }
}

#[test]
fn a_size_of_records_that_is_not_that_of_the_tree() {
    for (told, real) in RECORD_BITS.into_iter().flat_map(|told| RECORD_BITS.map(|real| (told, real))) {
        let mut writer = small(6, real);
        writer.lies.push(("record_size", Some(Value::U16(told))));
        assert_eq!(read_default(&writer.bytes()).is_ok(), told == real, "{told} for {real}");
    }
}

/// Pointers in circles and maps in maps without end; the message lists what a record has.
#[test]
fn records_that_never_end() {
    // By hand: a nested value would overflow the stack of the writer.
    let deep = |depth: usize| Value::Raw([b"\xe1\x41a".repeat(depth), vec![0x41, b'x']].concat());
    let mut circle = Writer::new(4, 24);
    circle.data.push(0); // the offset 0 is not the pointer
    let record = circle.record(&map([("country", Value::LongPointer(1)), ("b", Value::LongPointer(1))]));
    circle.insert("1.0.0.0/8", record);
    let mut pointer = Writer::new(4, 24);
    let record = pointer.record(&Value::LongPointer(0));
    pointer.insert("1.0.0.0/8", record);
    let mut nested = Writer::new(4, 24);
    let record = nested.record(&deep(100_000));
    nested.insert("1.0.0.0/8", record);
    let mut nested_behind_a_country = Writer::new(4, 24);
    let record = nested_behind_a_country
        .record(&Value::Map(vec![(text("z"), deep(100_000)), (text("country_code"), text("US"))]));
    nested_behind_a_country.insert("1.0.0.0/8", record);
    // Without optimisation a level of nesting takes 8 KiB of stack, and the crate stops at 512 of them.
    let reading = thread::Builder::new().stack_size(16 << 20).spawn(move || {
        for writer in [circle, pointer, nested, nested_behind_a_country] {
            let began = Instant::now();
            assert!(read_default(&writer.bytes()).is_err());
            assert!(began.elapsed() < Duration::from_secs(2));
        }
    });
    reading.unwrap().join().unwrap();
}

/// A text may be as long as the file, and every record may say it: reading must not take their product.
#[test]
fn long_texts_cost_once() {
    let mut writer = Writer::new(4, 24);
    let key = writer.value(&text("country_code"));
    let us = writer.record(&Value::Map(vec![(Value::Pointer(key), text("US"))]));
    let long = writer.value(&text(&"x".repeat(1 << 20)));
    writer.insert("1.0.0.0/8", us);
    for network in 0..1_000_u128 {
        let record = writer.record(&Value::Map(vec![(Value::Pointer(key), Value::Pointer(long))]));
        writer.insert_bits(2 << 120 | network << 104, 24, record);
    }
    let began = Instant::now();
    match read_default(&writer.bytes()) {
        Ok(database) => {
            assert_eq!(label(&database, "1.2.3.4"), placed("US"));
            assert_eq!(label(&database, "2.0.1.4"), Label::UNPLACED);
        }
        Err(error) => assert!(matches!(error, Error::TooLarge(_)), "{error}"),
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?} for {} bytes", began.elapsed(), writer.bytes().len());
}

/// A writer that shares equal subtrees may find one of IPv6 that equals that of IPv4 where both are small.
#[test]
fn what_looks_like_ipv4_is_not_ipv4() {
    let mut writer = Writer::new(6, 24);
    let us = writer.record(&country("US"));
    writer.insert("16.0.0.0/6", us);
    writer.insert("2a00::1000:0/102", us);
    writer.share_subtrees();
    let database = read_default(&writer.bytes()).unwrap();
    assert_eq!(label(&database, "16.0.0.0"), placed("US"));
    assert_eq!(label(&database, "2a00::1000:0"), placed("US"));
}
