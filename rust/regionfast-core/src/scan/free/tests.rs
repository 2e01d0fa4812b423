#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str;

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn texts(line: &str) -> Vec<&str> {
    addresses(line.as_bytes()).map(|(text, _)| str::from_utf8(text).unwrap()).collect()
}

#[test]
fn sentences_have_addresses() {
    let sshd = "Mar  1 03:12:45 srv sshd[811]: Failed password for root from 192.0.2.7 port 40112 ssh2";
    assert_eq!(texts(sshd), ["192.0.2.7"]);
    assert_eq!(texts("lost 2001:db8::7, then 198.51.100.7."), ["2001:db8::7", "198.51.100.7"]);
    assert_eq!(
        texts("[2001:db8::7]:443 (192.0.2.7) <192.0.2.8> a=192.0.2.9;"),
        ["2001:db8::7", "192.0.2.7", "192.0.2.8", "192.0.2.9"]
    );
    assert_eq!(texts("2001:db8:1:2:3:4:5:6 ::ffff:192.0.2.7"), ["2001:db8:1:2:3:4:5:6", "::ffff:192.0.2.7"]);
    assert_eq!(texts("192.0.2.7"), ["192.0.2.7"]);
    assert_eq!(texts("fe80::1%eth0"), ["fe80::1"]);
}

#[test]
fn addresses_are_read() {
    let found: Vec<_> = addresses(b"192.0.2.7:22 2001:db8::").collect();
    assert_eq!(found, [(&b"192.0.2.7"[..], Parsed::V4(0xc000_0207)), (b"2001:db8::", Parsed::V6(0x2001_0db8 << 96)),]);
}

#[test]
fn words_that_touch_a_run_make_it_none() {
    for line in [
        "v192.0.2.7",
        "x_192.0.2.7",
        "192.0.2.7_x",
        "192.0.2.7z",
        "é192.0.2.7",
        "192.0.2.7é",
        "192.0.2.7.example.org",
        "ip-10-0-0-1.internal",
        "std::dec",
        "peer:192.0.2.7",
    ] {
        assert!(texts(line).is_empty(), "{line}");
    }
    assert_eq!(texts("x-192.0.2.7-y"), ["192.0.2.7"]);
}

#[test]
fn marks_at_the_end_belong_to_the_sentence() {
    for line in
        ["192.0.2.7.", "192.0.2.7:", "192.0.2.7...", "192.0.2.7::", "192.0.2.7.:.", "192.0.2.7:22:", "192.0.2.7:22."]
    {
        assert_eq!(texts(line), ["192.0.2.7"], "{line}");
    }
    assert_eq!(texts("::1. ::1:"), ["::1", "::1"]);
    assert_eq!(texts(".192.0.2.7 :192.0.2.7"), [""; 0]);
}

#[test]
fn two_colons_at_the_end_are_kept_where_they_make_an_address() {
    assert_eq!(texts("fe80:: fe80::. fe80::: 1:2:3:4:5:6:7::"), ["fe80::", "fe80::", "fe80::", "1:2:3:4:5:6:7::"]);
    assert_eq!(texts("1:2:3:4:5:6:7:8::"), ["1:2:3:4:5:6:7:8"]);
    assert_eq!(texts("1::2::"), ["1::2"]);
    assert_eq!(texts("fe80:.:"), [""; 0]);
}

#[test]
fn ports_are_cut_off_ipv4() {
    assert_eq!(texts("192.0.2.7:1 192.0.2.7:00000 192.0.2.7:65536"), ["192.0.2.7"; 3]);
    assert_eq!(texts("192.0.2.7:123456 192.0.2.7:a 192.0.2.7:1:1 192.0.2.7::1"), [""; 0]);
    assert_eq!(texts("::ffff:192.0.2.7:22"), [""; 0]);
}

#[test]
fn other_runs_are_none() {
    for line in [
        "",
        ".",
        ":",
        "::",
        "::.",
        " :: ",
        "12:34:56",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4",
        "dead.beef",
        "1:2:3:4:5:6:7",
        "a:b:c",
        "1.5 3. x: 0:1",
    ] {
        assert!(texts(line).is_empty(), "{line}");
    }
}

#[test]
fn bytes_need_not_be_text() {
    let found: Vec<_> = addresses(b"\x00192.0.2.7\0 \xff192.0.2.8 192.0.2.9\xc3").map(|(text, _)| text).collect();
    assert_eq!(found, [b"192.0.2.7"]);
}

#[test]
fn lines_start_with_a_time() {
    const AT: i64 = 1_772_323_204;
    for line in [
        "2026-03-01T00:00:04Z srv sshd: x",
        "2026-03-01T00:00:04Z",
        "2026-03-01 00:00:04.123456+00:00 x",
        "2026-03-01T01:00:04,5+0100: x",
        "2026-03-01T02:00:04+02 x",
        "2026-03-01T02:00:04+02: x",
        "2026-02-28T23:30:04-00:30",
        "<34>1 2026-03-01T00:00:04.003Z mymachine.example.com su - ID47 - x",
        "<34>2026-03-01T00:00:04Z x",
        "<0>2026-03-01T00:00:04Z: x",
    ] {
        assert_eq!(line_time(line.as_bytes()), Some(AT), "{line}");
    }
}

#[test]
fn other_lines_have_no_time() {
    for line in [
        "",
        "Mar  1 00:00:04 srv sshd: x",
        "<34>Mar  1 00:00:04 srv su: x",
        "2026-03-01T00:00:04 x",
        "2026-03-01T00:00:04",
        "2026-03-01T00:00:04.5",
        "2026-03-01T00:00:04.Z",
        "2026-03-01 00:00:04 +0000",
        "2026-03-01T00:00:04+0 x",
        "2026-03-01T00:00:04+",
        "2026-13-01T00:00:04Z",
        " 2026-03-01T00:00:04Z",
        "<>2026-03-01T00:00:04Z",
        "<1234>2026-03-01T00:00:04Z",
        "<34> 2026-03-01T00:00:04Z",
        "<34>2 2026-03-01T00:00:04Z",
        "<34>1",
        "<34",
    ] {
        assert_eq!(line_time(line.as_bytes()), None, "{line}");
    }
}

/// The rules, for every stretch of the line.
fn slow_addresses(line: &[u8]) -> Vec<(Vec<u8>, Parsed)> {
    let part = |byte: u8| b"0123456789abcdefABCDEF.:".contains(&byte);
    let word =
        |byte: Option<&u8>| byte.is_some_and(|&byte| byte >= 0x80 || byte == b'_' || byte.is_ascii_alphanumeric());
    let mut found = Vec::new();
    for start in 0..line.len() {
        for end in start + 1..=line.len() {
            let before = start.checked_sub(1).and_then(|before| line.get(before));
            let behind = line.get(end);
            let is_maximal = !before.is_some_and(|byte| part(*byte)) && !behind.is_some_and(|byte| part(*byte));
            if is_maximal && line[start..end].iter().all(|byte| part(*byte)) && !word(before) && !word(behind) {
                found.extend(slow_address(str::from_utf8(&line[start..end]).unwrap()));
            }
        }
    }
    found
}

fn slow_address(run: &str) -> Option<(Vec<u8>, Parsed)> {
    let v4 = |text: &str| text.parse::<Ipv4Addr>().ok().map(|v4| (text.into(), Parsed::V4(v4.to_bits())));
    let v6 = |text: &str| text.parse::<Ipv6Addr>().ok().map(|v6| (text.into(), Parsed::V6(v6.to_bits())));
    let cut = run.trim_end_matches(['.', ':']);
    let longer = format!("{cut}::");
    if run.starts_with(&longer) && longer != "::" && v6(&longer).is_some() {
        return v6(&longer);
    }
    let port = |text: &str| {
        let (text, port) = text.rsplit_once(':')?;
        v4(text).filter(|_| port.len() <= 5 && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    v4(cut).or_else(|| port(cut)).or_else(|| v6(cut))
}

fn pieces() -> Vec<&'static str> {
    let marks = [".", ".", ":", ":", "::", " ", " ", "-", "_", "[", "]", "é", "g", "a", "\0"];
    let numbers = ["0", "1", "25", "255", "256", "fe80", "65535", "123456", "00"];
    let addresses = ["192.0.2.7", "2001:db8::7", "::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1.2.3.", ":80"];
    [&marks[..], &numbers, &addresses].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn addresses_are_those_of_every_stretch(pieces in vec(select(pieces()), 0..16)) {
        let line = pieces.concat();
        let found: Vec<_> = addresses(line.as_bytes()).map(|(text, parsed)| (text.to_vec(), parsed)).collect();
        prop_assert_eq!(found, slow_addresses(line.as_bytes()));
    }

    #[test]
    fn bytes_are_those_of_every_stretch(line in vec(select(b"12af..::: g_\xc3".to_vec()), 0..40)) {
        let found: Vec<_> = addresses(&line).map(|(text, parsed)| (text.to_vec(), parsed)).collect();
        prop_assert_eq!(found, slow_addresses(&line));
    }
}
