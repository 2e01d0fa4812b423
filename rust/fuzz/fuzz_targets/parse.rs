//! Address text: the kernels against each other, and all of them against `std`.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use regionfast_core::text::{Parsed, SliceRows, TextKernel};

// The first byte says how much of the rest is the text; what is left lies behind it in the same buffer.
fuzz_target!(|data: &[u8]| {
    let Some((&first, buffer)) = data.split_first() else { return };
    let len = usize::from(first).min(buffer.len());
    let text = &buffer[..len];

    let expected = TextKernel::SCALAR.parse(text);
    // Row 0 is the text, row 1 all that lies behind it, row 2 a row that lies about its end.
    let offsets = [0, len as i64, buffer.len() as i64, buffer.len() as i64 + 1];
    let behind = TextKernel::SCALAR.parse(&buffer[len..]);
    for kernel in TextKernel::available() {
        assert_eq!(kernel.parse(text), expected, "{} alone", kernel.name());
        let (mut v4, mut others) = ([1; 3], Vec::new());
        kernel.parse_rows(&SliceRows { text: buffer, offsets: &offsets }, 0, &mut v4, &mut others);
        let mut said = v4.map(Parsed::V4);
        for (row, parsed) in others {
            assert_eq!(v4[row], 0);
            said[row] = parsed;
        }
        assert_eq!(said, [expected, behind, Parsed::Invalid], "{} in a buffer", kernel.name());
    }

    // `std` knows no missing text and no zone; a zone is what follows the first `%` of an IPv6 address, not
    // empty, without a `%` or `/`.
    let of_std = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    let by_std = match text.iter().position(|&byte| byte == b'%') {
        None => of_std(text),
        Some(at) => of_std(&text[..at]).filter(|address: &IpAddr| {
            let zone = &text[at + 1..];
            address.is_ipv6() && !zone.is_empty() && !zone.iter().any(|byte| b"%/".contains(byte))
        }),
    };
    let by_std = match by_std {
        Some(IpAddr::V4(v4)) => Parsed::V4(v4.to_bits()),
        Some(IpAddr::V6(v6)) => Parsed::V6(v6.to_bits()),
        None if text.is_empty() || text == b"-" => Parsed::Missing,
        None => Parsed::Invalid,
    };
    assert_eq!(expected, by_std);
});
