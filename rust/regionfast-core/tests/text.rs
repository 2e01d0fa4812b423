//! Address text: every kernel against the vectors, against a slow reference, and against `std`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use regionfast_core::text::{FixedRows, Parsed, Row, Rows, SliceRows, TextKernel, narrow_ucs4, parse};

/// The language of `ipaddress.ip_address`, by splitting at dots and colons.
fn reference(text: &[u8]) -> Parsed {
    if text.is_empty() || text == b"-" {
        return Parsed::Missing;
    }
    if let Some(v4) = reference_v4(text) {
        return Parsed::V4(v4);
    }
    reference_v6(text).map_or(Parsed::Invalid, Parsed::V6)
}

fn reference_v4(text: &[u8]) -> Option<u32> {
    let octets: Vec<&[u8]> = text.split(|&byte| byte == b'.').collect();
    if octets.len() != 4 {
        return None;
    }
    let mut address = 0;
    for octet in octets {
        let digits = std::str::from_utf8(octet).ok()?;
        let value: u8 = digits.parse().ok()?;
        if value.to_string() != digits {
            return None; // a leading zero, or a plus sign
        }
        address = address << 8 | u32::from(value);
    }
    Some(address)
}

fn reference_v6(text: &[u8]) -> Option<u128> {
    if text.contains(&b'/') {
        return None;
    }
    let address = match text.iter().position(|&byte| byte == b'%') {
        Some(at) if at + 1 == text.len() || text[at + 1..].contains(&b'%') => return None,
        Some(at) => &text[..at],
        None => text,
    };
    let mut address = String::from_utf8(address.to_vec()).ok()?;
    let (_, last) = address.rsplit_once(':')?;
    if last.contains('.') {
        let quad = reference_v4(last.as_bytes())?;
        let head = &address[..address.len() - last.len()];
        address = format!("{head}{:x}:{:x}", quad >> 16, quad & 0xffff);
    }
    let groups = |side: &str| -> Option<Vec<u16>> {
        if side.is_empty() { Some(Vec::new()) } else { side.split(':').map(reference_group).collect() }
    };
    let value = |groups: &[u16]| groups.iter().fold(0_u128, |value, &group| value << 16 | u128::from(group));
    let Some((head, tail)) = address.split_once("::") else {
        let all = groups(&address)?;
        return (all.len() == 8).then(|| value(&all));
    };
    let (head, tail) = (groups(head)?, groups(tail)?);
    let gap = 8_usize.checked_sub(head.len() + tail.len()).filter(|&gap| gap > 0)?;
    Some(value(&[head, vec![0; gap], tail].concat()))
}

fn reference_group(digits: &str) -> Option<u16> {
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hexadecimal && (1..=4).contains(&digits.len())).then(|| u16::from_str_radix(digits, 16).unwrap())
}

/// What rows say, one by one, through one kernel.
fn all_rows<R: Rows>(kernel: TextKernel, rows: &R, start: usize, count: usize) -> Vec<Parsed> {
    let before = (usize::MAX, Parsed::Missing);
    let (mut v4, mut others) = (vec![0xdead_beef; count], vec![before]);
    kernel.parse_rows(rows, start, &mut v4, &mut others);
    assert_eq!(others.remove(0), before, "what was listed before stays");
    assert!(others.is_sorted_by(|a, b| a.0 < b.0), "in ascending order, each once");
    let mut said: Vec<Parsed> = v4.iter().map(|&address| Parsed::V4(address)).collect();
    for (at, parsed) in others {
        assert!(!matches!(parsed, Parsed::V4(_)), "a quad is not listed");
        assert_eq!(v4[at], 0, "what is listed has a 0");
        said[at] = parsed;
    }
    said
}

/// One text through every kernel: alone, and before bytes that would make another address of it.
#[track_caller]
fn check(text: &[u8], expected: Parsed) {
    let shown = text.escape_ascii();
    assert_eq!(parse(text), expected, "`{shown}`");
    for kernel in TextKernel::available() {
        assert_eq!(kernel.parse(text), expected, "`{shown}` alone, {}", kernel.name());
        for fill in ["5", ".", ":", "1.2.3.", "1:2:"] {
            let buffer = [text, fill.repeat(64).as_bytes()].concat();
            let rows = SliceRows { text: &buffer, offsets: &[0, text.len() as u32] };
            let said = all_rows(kernel, &rows, 0, 1);
            assert_eq!(said, [expected], "`{shown}` before `{fill}`, {}", kernel.name());
        }
    }
}

const ADDRESSES: [&str; 26] = [
    "0.0.0.0",
    "8.8.8.8",
    "1.2.3.40",
    "1.2.30.4",
    "1.20.3.4",
    "10.2.3.4",
    "10.0.20.255",
    "192.168.10.1",
    "203.0.113.77",
    "255.255.255.255",
    "::",
    "::1",
    "1::",
    "2001:db8::1",
    "a:bc:def:1234:5:67:890:abcd",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "1:2:3::5:6:7:8",
    "2a02:6b8::feed:ff",
    "0123:4567:89ab:cdef:FEDC:BA98:7654:3210",
    "::ffff:192.0.2.1",
    "1:2:3:4:5:6:7.8.9.10",
    "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
    "fe80::1%eth0",
    "::ffff:1.2.3.4%eth0",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%wlan0",
];

#[derive(serde::Deserialize)]
struct Vectors {
    address: Vec<Vector>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    text: String,
    says: String,
    value: Option<String>,
    why: String,
}

#[test]
fn vectors() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/addresses.toml");
    let vectors: Vectors = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(vectors.address.len() >= 150);
    for Vector { text, says, value, why } in vectors.address {
        let value = value.map(|value| u128::from_str_radix(value.strip_prefix("0x").unwrap(), 16).unwrap());
        let expected = match (says.as_str(), value) {
            ("v4", Some(value)) => Parsed::V4(value.try_into().unwrap()),
            ("v6", Some(value)) => Parsed::V6(value),
            ("missing", None) => Parsed::Missing,
            ("invalid", None) => Parsed::Invalid,
            _ => unreachable!("`{says}` with a value that does not fit: {why}"),
        };
        assert_eq!(reference(text.as_bytes()), expected, "reference: {why}");
        check(text.as_bytes(), expected);
    }
}

#[test]
fn the_twin_is_there_where_the_cpu_has_it() {
    #[cfg(target_arch = "x86_64")]
    let has_twin = std::arch::is_x86_feature_detected!("sse4.1");
    #[cfg(not(target_arch = "x86_64"))]
    let has_twin = false;
    let expected = if has_twin { vec!["scalar", "sse41"] } else { vec!["scalar"] };
    let names: Vec<&str> = TextKernel::available().map(TextKernel::name).collect();
    assert_eq!(names, expected);
    assert_eq!(TextKernel::detect().name(), *expected.last().unwrap());
    assert_eq!(TextKernel::SCALAR.name(), "scalar");
}

#[test]
fn every_octet_in_every_place_of_every_shape() {
    let lengths = ["7", "42", "193"];
    for place in 0..4 {
        for shape in 0..27 {
            let mut octets = [shape % 3, shape / 3 % 3, shape / 9, 0].map(|length| lengths[length].to_owned());
            octets.swap(place, 3);
            for value in 0..=255 {
                octets[place] = value.to_string();
                let text = octets.join(".");
                check(text.as_bytes(), Parsed::V4(text.parse::<Ipv4Addr>().unwrap().to_bits()));
            }
        }
    }
}

#[test]
fn every_number_below_a_thousand_with_leading_zeros_in_every_place() {
    for place in 0..4 {
        for number in 0..1000 {
            for width in 1..=4 {
                let mut octets = ["1", "22", "133", "4"].map(str::to_owned);
                octets[place] = format!("{number:0width$}");
                let text = octets.join(".");
                let expected = text.parse::<Ipv4Addr>().map_or(Parsed::Invalid, |v4| Parsed::V4(v4.to_bits()));
                assert_eq!(reference(text.as_bytes()), expected);
                check(text.as_bytes(), expected);
            }
        }
    }
}

#[test]
fn every_change_of_one_byte() {
    for address in ADDRESSES {
        let expected = reference(address.as_bytes());
        assert!(matches!(expected, Parsed::V4(_) | Parsed::V6(_)), "{address}");
        check(address.as_bytes(), expected);
        for at in 0..=address.len() {
            let (front, back) = address.as_bytes().split_at(at);
            check(front, reference(front));
            check(back, reference(back));
            let rest = back.get(1..).unwrap_or_default();
            let removed = [front, rest].concat();
            check(&removed, reference(&removed));
            for byte in *b"0159afgAFG.:%/- \0\xb1" {
                let inserted = [front, &[byte], back].concat();
                check(&inserted, reference(&inserted));
            }
            for byte in 0..=u8::MAX {
                let replaced = [front, &[byte], rest].concat();
                check(&replaced, reference(&replaced));
            }
        }
    }
}

/// Every length from 0 to 64, in every place of a line of 16 bytes, before bytes that would make another address
/// of it.
#[test]
fn lengths_alignments_and_what_lies_behind() {
    #[repr(align(64))]
    struct Aligned([u8; 192]);
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for len in 0..=64 {
        for pattern in ["1", "1.", "12.", "123.", "1:", "12:", "1234:", "::", "%", "-", "a", "\0", "\u{ff11}"] {
            texts.push(pattern.bytes().cycle().take(len).collect());
        }
        for address in ADDRESSES {
            texts.push(address.bytes().take(len).collect());
            texts.push(address.bytes().chain("x".bytes().cycle()).take(len).collect());
        }
    }
    texts.sort();
    texts.dedup();
    // As many bytes behind as change how a row is loaded, and those beside them.
    let sizes = [0, 1, 2, 4, 7, 8, 9, 12, 15, 16, 17, 32, 33, 40, 47, 48, 64];
    let fills = ["5", ".", ":", ".1", ":1", "%zone", "\0", "\u{ff11}"].map(|fill| fill.repeat(192));
    let mut buffer = Aligned([0; 192]);
    for text in &texts {
        let expected = reference(text);
        for start in 0..16 {
            for (behind, fill) in sizes.iter().zip(fills.iter().cycle()) {
                let end = start + text.len();
                buffer.0.copy_from_slice(&fill.as_bytes()[..192]);
                buffer.0[start..end].copy_from_slice(text);
                let offsets = [start as i64, end as i64];
                let rows = SliceRows { text: &buffer.0[..end + behind], offsets: &offsets };
                for kernel in TextKernel::available() {
                    let said = all_rows(kernel, &rows, 0, 1);
                    assert_eq!(said, [expected], "`{}` at {start}, {behind} behind", text.escape_ascii());
                }
            }
        }
    }
}

#[test]
fn long_texts_cost_their_length_only_as_zones() {
    let long =
        |front: &str, fill: &str| -> Vec<u8> { [front, &fill.repeat((10 << 20) / fill.len())].concat().into_bytes() };
    let texts = [
        long("", "1"),
        long("", ":"),
        long("", "1:"),
        long("1.2.3.4", " "),
        long("1.2.3.4", "\0"),
        long("1.2.3.4", "."),
        long("1.2.3.4%", "x"),
        long("abc%", "x"),
        long("::ffff:1.2.3.4", "5"),
        long("::ffff:1.2.3%", "x"),
    ];
    let start = Instant::now();
    for text in &texts {
        for _ in 0..1000 {
            assert_eq!(parse(text), Parsed::Invalid);
        }
    }
    // Whoever looks at every byte looks at 100 GB here.
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    for (zoned, expected) in [
        (long("fe80::1%", "x"), Parsed::V6(0xfe80 << 112 | 1)),
        (long("::1.2.3.4%", "x"), Parsed::V6(0x0102_0304)),
        ([long("fe80::1%", "x"), b"%".to_vec()].concat(), Parsed::Invalid),
        ([long("::1.2.3.4%", "x"), b"/".to_vec()].concat(), Parsed::Invalid),
    ] {
        for kernel in TextKernel::available() {
            assert_eq!(kernel.parse(&zoned), expected);
        }
    }
}

fn packed(texts: &[&[u8]]) -> (Vec<u8>, Vec<u32>) {
    let ends = texts.iter().scan(0, |end, text| {
        *end += text.len() as u32;
        Some(*end)
    });
    (texts.concat(), std::iter::once(0).chain(ends).collect())
}

#[test]
fn any_part_of_a_mixed_column() {
    let kinds = ["8.8.8.8", "2001:db8::1", "", "-", "host.example", "192.0.2.255", "0.0.0.0", "::1%lo", "1.2.3.4 "];
    let texts: Vec<&[u8]> = (0..1100_usize).map(|row| kinds[row * row / 7 % kinds.len()].as_bytes()).collect();
    let expected: Vec<Parsed> = texts.iter().map(|text| reference(text)).collect();
    let (text, offsets) = packed(&texts);
    let rows = SliceRows { text: &text, offsets: &offsets };
    assert_eq!((rows.len(), rows.is_empty()), (1100, false));
    for kernel in TextKernel::available() {
        for count in (0..=257).chain([511, 512, 513, 1024, 1100]) {
            for start in [0, 1, 255, 256, 1100 - count].into_iter().filter(|start| start + count <= 1100) {
                assert_eq!(all_rows(kernel, &rows, start, count), expected[start..start + count]);
            }
        }
    }
}

#[test]
fn columns_of_one_kind() {
    for kind in ["1.2.3.4", "::1", "", "x"] {
        let (text, offsets) = packed(&[kind.as_bytes(); 600]);
        let rows = SliceRows { text: &text, offsets: &offsets };
        for kernel in TextKernel::available() {
            assert_eq!(all_rows(kernel, &rows, 0, 600), [reference(kind.as_bytes()); 600]);
        }
    }
}

#[test]
fn rows_behind_the_last_are_invalid() {
    let (text, offsets) = packed(&[b"1.2.3.4", b"5.6.7.8"]);
    let slices = SliceRows { text: &text, offsets: &offsets };
    let cells = FixedRows::new(&text, 7, 2);
    let none = SliceRows::<i32> { text: b"1.2.3.4", offsets: &[] };
    assert!(none.is_empty());
    for kernel in TextKernel::available() {
        let expected = [Parsed::V4(0x0506_0708), Parsed::Invalid, Parsed::Invalid];
        assert_eq!(all_rows(kernel, &slices, 1, 3), expected);
        assert_eq!(all_rows(kernel, &cells, 1, 3), expected);
        assert_eq!(all_rows(kernel, &none, 0, 1), [Parsed::Invalid]);
        for far in [1 << 32, usize::MAX / 7 + 1, usize::MAX / 2, usize::MAX - 1] {
            assert_eq!(all_rows(kernel, &slices, far, 2), [Parsed::Invalid; 2]);
            assert_eq!(all_rows(kernel, &cells, far, 2), [Parsed::Invalid; 2]);
        }
    }
}

#[test]
fn offsets_that_lie_make_invalid_rows_and_spare_the_others() {
    let text = b"1.2.3.45.6.7.8";
    let (one, two, invalid) = (Parsed::V4(0x0102_0304), Parsed::V4(0x0506_0708), Parsed::Invalid);
    let cases: [(&[i64], &[Parsed]); 10] = [
        (&[0, 7, 14], &[one, two]),
        (&[0, 7, 15], &[one, invalid]),
        (&[7, 14, 7, 14], &[two, invalid, two]),
        (&[14, 7, 14], &[invalid, two]),
        (&[-7, 7, 14], &[invalid, two]),
        (&[0, -1, 7, 14], &[invalid, invalid, two]),
        (&[-2, -1], &[invalid]),
        (&[i64::MIN, i64::MAX, i64::MIN, 0, 7], &[invalid, invalid, invalid, one]),
        (&[15, 15, 14, 14], &[invalid, invalid, Parsed::Missing]),
        (&[1 << 32, (1 << 32) + 7, 7, 14], &[invalid, invalid, two]),
    ];
    fn as_other<O: TryFrom<i64>>(offsets: &[i64]) -> Option<Vec<O>> {
        offsets.iter().map(|&offset| offset.try_into().ok()).collect()
    }
    for kernel in TextKernel::available() {
        for (offsets, expected) in cases {
            let rows = SliceRows { text, offsets };
            assert_eq!(all_rows(kernel, &rows, 0, rows.len()), expected, "{offsets:?}");
            if let Some(offsets) = as_other::<i32>(offsets) {
                let rows = SliceRows { text, offsets: &offsets };
                assert_eq!(all_rows(kernel, &rows, 0, rows.len()), expected, "{offsets:?} as i32");
            }
            if let Some(offsets) = as_other::<u32>(offsets) {
                let rows = SliceRows { text, offsets: &offsets };
                assert_eq!(all_rows(kernel, &rows, 0, rows.len()), expected, "{offsets:?} as u32");
            }
        }
    }
}

#[test]
fn a_row_is_never_longer_than_its_window() {
    assert!(Row::new(b"1.2.3.4", 8).is_none());
    assert_eq!(Row::new(b"1.2.3.4", 7).unwrap().bytes(), b"1.2.3.4");
    assert_eq!(Row::new(b"1.2.3.4", 3).unwrap().bytes(), b"1.2");
    assert_eq!(parse(Row::MISSING.bytes()), Parsed::Missing);
    assert_eq!(parse(Row::INVALID.bytes()), Parsed::Invalid);
}

#[test]
fn cells_of_every_width() {
    let texts: Vec<&[u8]> = ADDRESSES.iter().map(|text| text.as_bytes()).chain([&b""[..], b"-", b"\0\x001"]).collect();
    for width in 0..=60 {
        let nuls = std::iter::repeat(0);
        let buffer: Vec<u8> =
            texts.iter().flat_map(|text| text.iter().copied().chain(nuls.clone()).take(width)).collect();
        let rows = FixedRows::new(&buffer, width, texts.len());
        assert_eq!(rows.len(), texts.len());
        let expected: Vec<Parsed> = texts
            .iter()
            .map(|text| &text[..text.len().min(width)])
            .map(|text| reference(if text.iter().all(|&byte| byte == 0) { b"" } else { text }))
            .collect();
        for kernel in TextKernel::available() {
            assert_eq!(all_rows(kernel, &rows, 0, texts.len()), expected, "{width}");
        }
    }
}

#[test]
fn a_nul_is_padding_only_at_the_end_of_a_cell() {
    let cells =
        ["1.2.3.4\0\0\0\0", "1.2.3.4\0\0x\0", "\x001.2.3.4\0\0\0", "1.2.3.\x004\0\0\0", "\0\0\0\0\0\0\0\0\0\0\0"];
    let buffer = cells.concat().into_bytes();
    let invalid = Parsed::Invalid;
    let expected = [Parsed::V4(0x0102_0304), invalid, invalid, invalid, Parsed::Missing];
    for kernel in TextKernel::available() {
        assert_eq!(all_rows(kernel, &FixedRows::new(&buffer, 11, 5), 0, 5), expected);
        let cut = FixedRows::new(&buffer[..54], 11, 5);
        assert_eq!(all_rows(kernel, &cut, 0, 5), [&expected[..4], &[invalid]].concat());
    }
}

#[test]
fn ucs4_cells() {
    let texts = ["1.2.3.4", "fe80::1%ж１", "1.2.3.４", "::1\u{ff}", "", "-", "::%\u{10ffff}", "—", "::ffff:9.8.7.6"];
    let width = texts.iter().map(|text| text.chars().count()).max().unwrap();
    let nuls = std::iter::repeat(0);
    let cells = texts.iter().flat_map(|text| text.chars().map(u32::from).chain(nuls.clone()).take(width));
    let mut narrow = vec![0xaa; width * texts.len()];
    narrow_ucs4(cells, &mut narrow);
    let rows = FixedRows::new(&narrow, width, texts.len());
    let expected: Vec<Parsed> = texts.iter().map(|text| reference(text.as_bytes())).collect();
    for kernel in TextKernel::available() {
        assert_eq!(all_rows(kernel, &rows, 0, texts.len()), expected);
    }
}

#[test]
fn ucs4_cells_beyond_ascii_are_no_ascii() {
    let [colon, percent] = [b':', b'%'].map(u32::from);
    // A lone surrogate is a character to Python. The last three are none, and end in the bits of ASCII.
    for cell in [0x80, 0xff, 0x130, 0x10030, 0xd800, 0xff11, 0x0010_ffff, 0x0011_0031, 0x8000_0031, u32::MAX] {
        let mut outside = [0; 3];
        narrow_ucs4([colon, colon, cell], &mut outside);
        assert_eq!(parse(&outside), Parsed::Invalid, "{cell:#x}");
        let mut zone = [0; 4];
        narrow_ucs4([colon, colon, percent, cell], &mut zone);
        assert_eq!(parse(&zone), Parsed::V6(0), "{cell:#x}");
    }
    let mut narrow = [0xaa; 0x80];
    narrow_ucs4(0..0x80, &mut narrow);
    assert!(narrow.into_iter().eq(0..0x80));
}

/// Pieces that addresses are made of, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(":".to_owned()),
        4 => Just(".".to_owned()),
        2 => Just("::".to_owned()),
        1 => Just("%".to_owned()),
        1 => Just("/".to_owned()),
        1 => Just("-".to_owned()),
        6 => (0..=999_u16).prop_map(|number| number.to_string()),
        1 => (0..=99_u8).prop_map(|number| format!("{number:03}")),
        6 => any::<u16>().prop_map(|number| format!("{number:x}")),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Texts of the form of an address, many of them valid: groups, a gap, groups, a tail, a zone.
fn formed() -> impl Strategy<Value = Vec<u8>> {
    fn groups(most: usize) -> impl Strategy<Value = String> {
        let group = (any::<u16>(), any::<bool>(), 1..=4_usize).prop_map(|(group, upper, width)| {
            if upper { format!("{group:0width$X}") } else { format!("{:x}", group >> (4 * (width - 1))) }
        });
        proptest::collection::vec(group, 0..=most).prop_map(|groups| groups.join(":"))
    }
    fn quad() -> impl Strategy<Value = String> {
        any::<[u8; 4]>().prop_map(|octets| octets.map(|octet| octet.to_string()).join("."))
    }
    let gap = prop_oneof![3 => Just("::"), 1 => Just(":")];
    let tail = prop_oneof![3 => Just(String::new()), 1 => quad(), 1 => quad().prop_map(|quad| format!(":{quad}"))];
    let zone = prop_oneof![4 => Just(String::new()), 1 => "[a-z0-9:.]{0,6}".prop_map(|zone| format!("%{zone}"))];
    (groups(8), gap, groups(6), tail, zone)
        .prop_map(|(head, gap, groups, tail, zone)| format!("{head}{gap}{groups}{tail}{zone}").into_bytes())
}

/// What `std` says, where it must agree: it knows neither a zone nor a missing text.
fn std_says(text: &[u8]) -> Option<Parsed> {
    if text.is_empty() || text == b"-" || text.contains(&b'%') {
        return None;
    }
    let address = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    Some(match address {
        Some(IpAddr::V4(v4)) => Parsed::V4(v4.to_bits()),
        Some(IpAddr::V6(v6)) => Parsed::V6(v6.to_bits()),
        None => Parsed::Invalid,
    })
}

#[track_caller]
fn check_against_both(text: &[u8]) {
    let expected = reference(text);
    if let Some(said) = std_says(text) {
        assert_eq!(said, expected, "`{}`: std and the reference", text.escape_ascii());
    }
    check(text, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 2_000 } else { 50_000 }))]

    #[test]
    fn pieces_of_addresses(text in pieces()) {
        check_against_both(&text);
    }

    #[test]
    fn texts_of_the_form_of_an_address(text in formed()) {
        check_against_both(&text);
    }

    #[test]
    fn any_bytes(text in proptest::collection::vec(any::<u8>(), 0..64)) {
        check_against_both(&text);
    }

    #[test]
    fn what_std_writes_is_read_back(v4: u32, v6: u128, mask: u128) {
        check(IpAddr::V4(v4.into()).to_string().as_bytes(), Parsed::V4(v4));
        for bits in [v6, v6 & mask, v6 & 0xffff_0000_ffff, v6 & 0xffff << 112, 0xffff << 32 | u128::from(v4)] {
            check(IpAddr::V6(bits.into()).to_string().as_bytes(), Parsed::V6(bits));
        }
    }
}
