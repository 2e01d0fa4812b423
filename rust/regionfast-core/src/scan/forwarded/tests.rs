use super::*;
use proptest::prelude::*;

const NETWORKS: [&str; 5] = ["10.0.0.0/8", "192.0.2.0/24", "192.0.2.7", "2001:db8::/32", "2001:db8:1::/48"];

fn networks(texts: &[&str]) -> Vec<Network> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn said(header: Header, value: &str) -> (Parsed, String) {
    let trusted = Trusted::new(&networks(&NETWORKS));
    let peer: &[u8] = b"10.0.0.1";
    let (parsed, text) = client(header, value.as_bytes(), (text::parse(peer), peer), &trusted);
    (parsed, String::from_utf8(text.into_owned()).unwrap())
}

/// The client where the text must be what is parsed.
fn address(text: &str) -> (Parsed, String) {
    (text::parse(text.as_bytes()), text.to_owned())
}

fn invalid(text: &str) -> (Parsed, String) {
    (Parsed::Invalid, text.to_owned())
}

#[test]
fn trusted_networks() {
    let trusted = Trusted::new(&networks(&NETWORKS));
    for (text, expected) in [
        ("10.0.0.0", true),
        ("10.255.255.255", true),
        ("9.255.255.255", false),
        ("11.0.0.0", false),
        ("192.0.2.6", true),
        ("192.0.2.7", true),
        ("192.0.2.8", true),
        ("192.0.3.0", false),
        ("0.0.0.0", false),
        ("255.255.255.255", false),
        ("2001:db8::", true),
        ("2001:db8:1::", true),
        ("2001:db8:2::", true),
        ("2001:db9::", false),
        ("::ffff:10.1.2.3", true),
        ("::ffff:11.1.2.3", false),
        ("::10.1.2.3", false),
        ("::1:ffff:a01:203", false),
        ("2002:a01:203::", false),
        ("::", false),
        ("", false),
        ("-", false),
        ("10.0.0", false),
    ] {
        assert_eq!(trusted.contains(text::parse(text.as_bytes())), expected, "{text}");
    }
    let of_v6 = Trusted::new(&networks(&["::ffff:10.0.0.0/104"]));
    assert!(of_v6.contains(text::parse(b"::ffff:10.1.2.3")));
    assert!(!of_v6.contains(text::parse(b"10.1.2.3")), "an IPv4 address is in no IPv6 network");
    let everything = Trusted::new(&networks(&["0.0.0.0/0", "::/0"]));
    for text in ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
        assert!(everything.contains(text::parse(text.as_bytes())), "{text}");
    }
    assert!(!Trusted::new(&[]).contains(Parsed::V4(0)));
}

#[test]
fn a_peer_that_is_not_trusted_is_the_client() {
    let trusted = Trusted::new(&networks(&NETWORKS));
    for peer in ["203.0.113.9", "2001:db9::1", "", "-", "peer.example", "10.0.0.1:80"] {
        for header in [Header::XForwardedFor, Header::Forwarded] {
            let peer = (text::parse(peer.as_bytes()), peer.as_bytes());
            let found = client(header, b"for=198.51.100.1, 198.51.100.1", peer, &trusted);
            assert_eq!(found, (peer.0, Cow::Borrowed(peer.1)));
        }
    }
}

#[test]
fn x_forwarded_for() {
    for (value, expected) in [
        ("", address("10.0.0.1")),
        ("-", address("10.0.0.1")),
        (" ", address("10.0.0.1")),
        (", ,\t,", address("10.0.0.1")),
        ("203.0.113.9", address("203.0.113.9")),
        ("  203.0.113.9\t", address("203.0.113.9")),
        ("198.51.100.1, 203.0.113.9", address("203.0.113.9")),
        ("198.51.100.1, 203.0.113.9, 10.0.0.7", address("203.0.113.9")),
        ("198.51.100.1,203.0.113.9,,10.0.0.7,", address("203.0.113.9")),
        ("unknown, 203.0.113.9", address("203.0.113.9")),
        ("\"\"\", 203.0.113.9", address("203.0.113.9")),
        // All are trusted: the leftmost.
        ("10.0.0.9, 10.0.0.8", address("10.0.0.9")),
        (",10.0.0.9, ::ffff:10.0.0.8", address("10.0.0.9")),
        // Garbage stops the walk, but only on the way.
        ("203.0.113.9, unknown", invalid("unknown")),
        ("203.0.113.9, unknown, 10.0.0.8", invalid("unknown")),
        ("203.0.113.9, -", invalid("-")),
        ("203.0.113.9, client.example:80", invalid("client.example:80")),
        ("203.0.113.9 10.0.0.8", invalid("203.0.113.9 10.0.0.8")),
        ("203.0.113.9;10.0.0.8", invalid("203.0.113.9;10.0.0.8")),
        // Ports and brackets.
        ("203.0.113.9:1", address("203.0.113.9")),
        ("203.0.113.9:65535, 10.0.0.3:99999", address("203.0.113.9")),
        ("[2001:db9::1]", address("2001:db9::1")),
        ("[2001:db9::1]:443", address("2001:db9::1")),
        ("2001:db9::1, [2001:db8::1]:443", address("2001:db9::1")),
        ("2001:db9::443", address("2001:db9::443")),
        ("[fe80::1%eth0]:443", address("fe80::1%eth0")),
        ("[fe80::1%]]:443", address("fe80::1%]")),
        ("203.0.113.9:", invalid("203.0.113.9:")),
        ("203.0.113.9:-", invalid("203.0.113.9:-")),
        ("203.0.113.9:123456", invalid("203.0.113.9:123456")),
        ("203.0.113.9:+1", invalid("203.0.113.9:+1")),
        ("203.0.113.9:1:2", invalid("203.0.113.9:1:2")),
        (":80", invalid(":80")),
        ("-:80", invalid("-:80")),
        ("[]", invalid("[]")),
        ("[-]", invalid("[-]")),
        ("[203.0.113.9]", invalid("[203.0.113.9]")),
        ("[2001:db9::1]443", invalid("[2001:db9::1]443")),
        ("[2001:db9::1]:", invalid("[2001:db9::1]:")),
        ("[2001:db9::1]:-", invalid("[2001:db9::1]:-")),
        ("[2001:db9::1", invalid("[2001:db9::1")),
        ("2001:db9::1]", invalid("2001:db9::1]")),
        ("[[2001:db9::1]]", invalid("[[2001:db9::1]]")),
        ("[ 2001:db9::1]", invalid("[ 2001:db9::1]")),
        ("::ffff:203.0.113.9:80", invalid("::ffff:203.0.113.9:80")),
    ] {
        assert_eq!(said(Header::XForwardedFor, value), expected, "{value}");
    }
}

#[test]
fn forwarded() {
    for (value, expected) in [
        ("", address("10.0.0.1")),
        ("-", address("10.0.0.1")),
        (" , \t,", address("10.0.0.1")),
        // RFC 7239 §4 and §7.
        (r#"for="_gazonk""#, invalid("_gazonk")),
        (r#"For="[2001:db9:cafe::17]:4711""#, address("2001:db9:cafe::17")),
        ("for=203.0.113.60;proto=http;by=203.0.113.43", address("203.0.113.60")),
        ("for=198.51.100.43, for=203.0.113.17", address("203.0.113.17")),
        (r#"for=198.51.100.43, for="[2001:db9::17]", for=unknown"#, invalid("unknown")),
        (r#"for=192.0.2.43, for="[2001:db9:cafe::17]""#, address("2001:db9:cafe::17")),
        // Which pair counts, and how its name is written.
        ("by=203.0.113.1;for=203.0.113.2;for=203.0.113.3", address("203.0.113.2")),
        (";;by=x; FOR=203.0.113.2 ;", address("203.0.113.2")),
        ("fort=203.0.113.1;for=203.0.113.2", address("203.0.113.2")),
        (r#"by="for=203.0.113.1;";for=203.0.113.2"#, address("203.0.113.2")),
        ("by=203.0.113.1;proto=https", invalid("by=203.0.113.1;proto=https")),
        ("for=203.0.113.1, by=203.0.113.2", invalid("by=203.0.113.2")),
        ("for=203.0.113.1, ;", invalid(";")),
        ("for =203.0.113.1", invalid("for =203.0.113.1")),
        ("for=", invalid("")),
        ("for", invalid("for")),
        ("for= 203.0.113.1", invalid(" 203.0.113.1")),
        ("203.0.113.1", invalid("203.0.113.1")),
        (r#"for="""#, invalid("")),
        ("for=-", invalid("-")),
        // Quotes and escapes.
        (r#"for="203.0.113.1:80", for="10.0.0.4:80""#, address("203.0.113.1")),
        (r#"for="\203.0.113.1\:80""#, address("203.0.113.1")),
        (r#"for="\[2001:db9::1\]:80""#, address("2001:db9::1")),
        (r#"by="a\"b,c";for=203.0.113.1,for=10.0.0.4"#, address("203.0.113.1")),
        (r#"for=203.0.113.1;by=", for=10.0.0.9";x, for=10.0.0.4"#, address("203.0.113.1")),
        (r#"for="x\\", for=203.0.113.1;by="\\""#, address("203.0.113.1")),
        (r#"for="a\"b""#, invalid("a\"b")),
        (r#"for="203.0.113.1"x"#, invalid("\"203.0.113.1\"x")),
        (r#"for=203.0.113.1"""#, invalid("203.0.113.1\"\"")),
        (r#"for=fe80::1%"x""#, invalid("fe80::1%\"x\"")),
        (r#"for="fe80::1%x""#, address("fe80::1%x")),
        ("for=203.0.113.1:80", address("203.0.113.1")),
        ("for=[2001:db9::1]:80", address("2001:db9::1")),
        // A quote that is not closed takes all that follows into its element.
        (r#"for=203.0.113.1, for=10.0.0.3;by="x, for=10.0.0.4"#, invalid("for=10.0.0.3;by=\"x, for=10.0.0.4")),
        (r#"for="203.0.113.1\""#, invalid("for=\"203.0.113.1\\\"")),
        (r#"for="203.0.113.1\"#, invalid("for=\"203.0.113.1\\")),
        (r#"for=203.0.113.1, ""#, invalid("\"")),
        (r#"", for="[2001:db9::1]""#, invalid("\", for=\"[2001:db9::1]\"")),
        // Nothing left of the client counts.
        (r#"!for="_x";;=, for=203.0.113.1"#, address("203.0.113.1")),
        (r#"for="[2001:db8::9]", for="10.0.0.8:1""#, address("2001:db8::9")),
    ] {
        assert_eq!(said(Header::Forwarded, value), expected, "{value}");
    }
}

#[test]
fn long_headers_take_linear_time() {
    let elements = 40_000;
    let value = r#"for="10.0.0.2","#.repeat(elements);
    assert_eq!(said(Header::Forwarded, &value), address("10.0.0.2"));
    assert_eq!(said(Header::Forwarded, &"for=10.0.0.2,".repeat(elements)), address("10.0.0.2"));
    assert_eq!(said(Header::XForwardedFor, &"10.0.0.2,".repeat(elements)), address("10.0.0.2"));
    assert_eq!(said(Header::XForwardedFor, &",".repeat(1 << 20)), address("10.0.0.1"));
}

#[test]
fn ports_of_load_balancers() {
    for (text, expected) in [
        ("203.0.113.9:443", "203.0.113.9"),
        ("203.0.113.9:-", "203.0.113.9"),
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:", "203.0.113.9:"),
        ("203.0.113.9:123456", "203.0.113.9:123456"),
        ("203.0.113.9:http", "203.0.113.9:http"),
        ("[2001:db9::1]:443", "2001:db9::1"),
        ("[2001:db9::1]:-", "2001:db9::1"),
        ("[2001:db9::1]", "2001:db9::1"),
        ("[2001:db9::1]443", "[2001:db9::1]443"),
        ("2001:db9::1:443", "2001:db9::1"),
        ("2001:db9::beef", "2001:db9::beef"),
        ("[]", ""),
        ("[]:80", ""),
        (":80", ""),
        ("client.example:80", "client.example"),
        ("-", "-"),
        (":-", ""),
        ("-:-", "-"),
        ("", ""),
        ("[", "["),
        ("]", "]"),
        (":", ":"),
    ] {
        assert_eq!(without_port(text.as_bytes()), expected.as_bytes(), "{text}");
    }
}

/// The slow reference: the whole chain from the left, byte by byte, and every network one by one.
mod reference {
    use super::*;

    type Found = (Parsed, Vec<u8>);

    fn is_address(parsed: Parsed) -> bool {
        matches!(parsed, Parsed::V4(_) | Parsed::V6(_))
    }

    /// Tries every way to cut the entry into address and port.
    fn entry(text: &[u8]) -> Found {
        if is_address(text::parse(text)) {
            return (text::parse(text), text.to_vec());
        }
        for cut in 0..=text.len() {
            let (before, port) = text.split_at(cut);
            let is_port = match port {
                [b':', digits @ ..] => {
                    (1..6).contains(&digits.len()) && digits.iter().all(|digit| b"0123456789".contains(digit))
                }
                _ => port.is_empty(),
            };
            if !is_port {
                continue;
            }
            if let (Parsed::V4(v4), false) = (text::parse(before), port.is_empty()) {
                return (Parsed::V4(v4), before.to_vec());
            }
            if let [b'[', inner @ .., b']'] = before
                && let Parsed::V6(v6) = text::parse(inner)
            {
                return (Parsed::V6(v6), inner.to_vec());
            }
        }
        (Parsed::Invalid, text.to_vec())
    }

    fn trim(mut text: &[u8]) -> &[u8] {
        while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
            text = rest;
        }
        text
    }

    /// Pieces between separators outside quotes, and whether the last one ends inside quotes.
    fn pieces(text: &[u8], separator: u8) -> (Vec<Vec<u8>>, bool) {
        let (mut pieces, mut quoted, mut escaped) = (vec![vec![]], false, false);
        for &byte in text {
            if byte == separator && !quoted {
                pieces.push(vec![]);
                continue;
            }
            pieces.last_mut().unwrap().push(byte);
            if escaped {
                escaped = false;
            } else if quoted && byte == b'\\' {
                escaped = true;
            } else if byte == b'"' {
                quoted = !quoted;
            }
        }
        (pieces, quoted)
    }

    fn element(text: &[u8], is_open: bool) -> Found {
        if is_open {
            return (Parsed::Invalid, text.to_vec());
        }
        for pair in pieces(text, b';').0 {
            let pair = trim(&pair);
            if pair.to_ascii_lowercase().starts_with(b"for=") {
                return value(pair.get(4..).unwrap());
            }
        }
        (Parsed::Invalid, text.to_vec())
    }

    fn value(text: &[u8]) -> Found {
        if !text.contains(&b'"') {
            return entry(text);
        }
        let broken = (Parsed::Invalid, text.to_vec());
        let [b'"', inner @ .., b'"'] = text else { return broken };
        let (mut plain, mut escaped) = (vec![], false);
        for &byte in inner {
            if escaped || !matches!(byte, b'\\' | b'"') {
                plain.push(byte);
                escaped = false;
            } else if byte == b'\\' {
                escaped = true;
            } else {
                return broken;
            }
        }
        if escaped { broken } else { entry(&plain) }
    }

    fn is_trusted(parsed: Parsed, networks: &[Network]) -> bool {
        networks.iter().any(|network| match (network, parsed) {
            (Network::V4(prefix), Parsed::V4(v4)) => prefix.contains(v4),
            (Network::V6(prefix), Parsed::V6(v6)) if prefix.contains(v6) => true,
            (Network::V4(prefix), Parsed::V6(v6)) => {
                std::net::Ipv6Addr::from(v6).to_ipv4_mapped().is_some_and(|v4| prefix.contains(v4.into()))
            }
            _ => false,
        })
    }

    pub(super) fn client(header: Header, value: &[u8], peer: &[u8], networks: &[Network]) -> Found {
        let mut chain: Vec<Found> = vec![];
        let is_absent = value.is_empty() || value == b"-";
        match header {
            _ if is_absent => {}
            Header::XForwardedFor => {
                for piece in value.split(|byte| *byte == b',').map(trim).filter(|piece| !piece.is_empty()) {
                    chain.push(entry(piece));
                }
            }
            Header::Forwarded => {
                let (pieces, is_open) = pieces(value, b',');
                let last = pieces.len() - 1;
                for (at, piece) in pieces.iter().enumerate() {
                    if !trim(piece).is_empty() {
                        chain.push(element(trim(piece), is_open && at == last));
                    }
                }
            }
        }
        chain.push((text::parse(peer), peer.to_vec()));
        let end = chain.iter().rposition(|(parsed, _)| !is_trusted(*parsed, networks)).unwrap_or(0);
        chain.swap_remove(end)
    }
}

/// What entries are, most of them trusted.
const ADDRESSES: &[&str] = &[
    "10.0.0.7",
    "10.0.0.7:80",
    "192.0.2.7",
    "203.0.113.9",
    "2001:db8::1",
    "[2001:db8::1]",
    "[2001:db8::1]:80",
    "2001:db8:1::1",
    "2001:db9::1",
    "::ffff:10.0.0.7",
    "[::ffff:10.0.0.7]:1",
    "unknown",
];

/// What headers are made of.
const ATOMS: &[&str] = &[
    "10.0.0.7",
    "10.0.0.7:80",
    "192.0.2.7",
    "203.0.113.9",
    "203.0.113.9:443",
    "2001:db8::1",
    "[2001:db8::1]",
    "[2001:db8::1]:80",
    "2001:db9::1",
    "[2001:db9::1]:-",
    "::ffff:10.0.0.7",
    "[::ffff:10.0.0.7]:1",
    "fe80::1%a",
    "unknown",
    "_hidden",
    "-",
    "for=",
    "For=10.0.0.7",
    "for=10.0.0.8",
    "for=\"[2001:db8::1]:80\"",
    "for=\"10.0.0.7\"",
    "by=",
    "\"",
    "\\",
    "\\\"",
    ",",
    ", ",
    ",",
    ", ",
    ";",
    "=",
    " ",
    "\t",
    ":",
    "]",
    "\u{e9}",
];

fn headers() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![9 => prop::sample::select(ATOMS).prop_map(String::from), 1 => "\\PC"], 0..14)
        .prop_map(|atoms| atoms.concat().into_bytes())
}

/// Headers whose elements are whole, so that the walk goes far.
fn chains() -> impl Strategy<Value = Vec<u8>> {
    let around = prop::sample::select(&[("for=", ""), ("for=\"", "\""), ("by=\",;\\\"\";for=", "")][..]);
    let elements = prop::collection::vec((around, prop::sample::select(ADDRESSES)), 1..8);
    (elements, prop::sample::select(&[",", ", ", " ,\t,"][..])).prop_map(|(elements, comma)| {
        let elements = elements.into_iter().map(|((before, behind), atom)| format!("{before}{atom}{behind}{comma}"));
        elements.collect::<String>().into_bytes()
    })
}

fn prefixes() -> impl Strategy<Value = Vec<Network>> {
    let v4 = (any::<u32>(), 0_u32..=32).prop_map(|(bits, length)| {
        Network::V4(crate::prefix::Prefix::new(bits & !u32::ones(32 - length), length).unwrap())
    });
    let v6 = (any::<u128>(), 0_u32..=128).prop_map(|(bits, length)| {
        Network::V6(crate::prefix::Prefix::new(bits & !u128::ones(128 - length), length).unwrap())
    });
    prop::collection::vec(prop_oneof![v4, v6], 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn as_if_split_from_the_left(value in prop_oneof![headers(), chains()], peer in prop::sample::select(ATOMS)) {
        let networks = networks(&NETWORKS);
        let trusted = Trusted::new(&networks);
        for peer in [peer.as_bytes(), b"10.0.0.1"] {
            for header in [Header::XForwardedFor, Header::Forwarded] {
                let (parsed, text) = client(header, &value, (text::parse(peer), peer), &trusted);
                let found = (parsed, text.into_owned());
                prop_assert_eq!(found, reference::client(header, &value, peer, &networks));
            }
        }
    }

    #[test]
    fn trusted_as_every_network_alone(networks in prefixes(), v4: u32, v6: u128) {
        let trusted = Trusted::new(&networks);
        let bounds = networks.iter().flat_map(|network| match network {
            Network::V4(prefix) => {
                let Range { first, last } = prefix.range();
                [first, last, first.wrapping_sub(1), last.wrapping_add(1)].map(Parsed::V4)
            }
            Network::V6(prefix) => {
                let Range { first, last } = prefix.range();
                [first, last, first.wrapping_sub(1), last.wrapping_add(1)].map(Parsed::V6)
            }
        });
        for parsed in bounds.chain([Parsed::V4(v4), Parsed::V6(v6)]) {
            let expected = networks.iter().any(|network| match (network, parsed) {
                (Network::V4(prefix), Parsed::V4(v4)) => prefix.contains(v4),
                (Network::V6(prefix), Parsed::V6(v6)) => prefix.contains(v6),
                _ => false,
            });
            let Parsed::V4(v4) = parsed else {
                prop_assert!(trusted.contains(parsed) >= expected);
                continue;
            };
            prop_assert_eq!(trusted.contains(parsed), expected);
            let mapped = (0xffff_u128 << 32) | u128::from(v4);
            prop_assert!(trusted.contains(Parsed::V6(mapped)) >= expected);
        }
    }

    #[test]
    fn ports_off_any_bytes(text in prop::collection::vec(prop::sample::select(&b"[]:-0123456789a."[..]), 0..12)) {
        let is_digits = |port: &[u8]| (1..6).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
        // Of all cuts before a colon the last that leaves a port.
        let mut ported = (0..text.len()).filter_map(|cut| match text.split_at(cut) {
            (before, [b':', port @ ..]) if port == b"-" || is_digits(port) => Some(before),
            _ => None,
        });
        let expected = match (text.as_slice(), ported.next_back()) {
            ([b'[', inner @ .., b']'], _) | (_, Some([b'[', inner @ .., b']'])) => inner,
            (_, Some(before)) => before,
            (whole, None) => whole,
        };
        prop_assert_eq!(without_port(&text), expected);
    }
}
