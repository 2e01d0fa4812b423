//! Any bytes as a log of any shape: no panic, the same whatever the threads, and every line is counted once.
#![no_main]

use std::io::Cursor;
use std::num::NonZero;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use regionfast_core::scan::forwarded::{Header, Trusted};
use regionfast_core::scan::layout::{Field, Layout, Wanted};
use regionfast_core::scan::source::Source;
use regionfast_core::scan::time::Form;
use regionfast_core::scan::{Bucket, Plan, Scan};
use regionfast_core::{Table, file};

static TABLE: LazyLock<Arc<Table>> = LazyLock::new(|| {
    let bytes = include_bytes!("../../../python/regionfast/data/country.rft");
    Arc::new(Table::new(Arc::new(file::read(bytes).expect("the bundled table"))).expect("a table"))
});

const SHAPES: [&str; 7] = ["common", "vhost", "blank", "csv", "w3c", "json", "text"];

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (shape, options, bytes) = input;
    let shape = SHAPES[usize::from(shape) % SHAPES.len()];
    let one = scan(bytes, shape, options, 1);
    assert_eq!(one, scan(bytes, shape, options, 2));
});

/// Lines, skipped, unparsed, and the sum of all counts; then the rows that were handed out.
fn scan(bytes: &[u8], shape: &str, options: u8, threads: usize) -> (u64, u64, u64, u64, Vec<u64>, Vec<u8>) {
    let has_fields = shape != "text";
    let field = |number: usize, name: &str| match shape {
        "w3c" | "json" => Field::Names(vec![name.to_owned()]),
        _ => Field::Number(number),
    };
    let header = if options & 1 == 0 { Header::XForwardedFor } else { Header::Forwarded };
    let trusted = Trusted::new(&["10.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")]);
    let form = [Form::Clf, Form::Iso, Form::IsoUtc, Form::Epoch, Form::Any][usize::from(options >> 1) % 5];
    let wanted = Wanted {
        shape: shape.to_owned(),
        client: has_fields.then(|| field(0, "client")),
        strip_port: options & 64 != 0,
        forwarded: (has_fields && options & 128 != 0).then(|| (field(2, "via"), header, trusted)),
        time: if has_fields { vec![field(1, "time")] } else { Vec::new() },
        time_form: Some(form),
        keep: if has_fields { vec![field(3, "other")] } else { Vec::new() },
        separator: b',',
        width: None,
    };
    let plan = Plan {
        table: Arc::clone(&TABLE),
        layout: Layout::new(wanted).expect("fields of the shape"),
        bucket: [Bucket::None, Bucket::Hour, Bucket::Day][usize::from(options) % 3],
        select: None,
        rows: true,
        address: true,
        line: true,
        raw: true,
        rejects: true,
    };
    let source = Source::of(Cursor::new(bytes.to_vec()), Some(bytes.len() as u64), Box::new(|| true))
        .expect("bytes can be read");
    let mut scan = Scan::new(source, plan, 0, NonZero::new(threads));
    while scan.step(1 << 16) {}
    let totals = scan.totals;
    let rows = scan.take_rows();
    let counted: u64 = scan.counts().iter().map(|(_, _, count)| count).sum();
    assert_eq!(totals.lines, totals.skipped + totals.unparsed + counted);
    assert_eq!((counted, totals.matched), (rows.lines.len() as u64, counted));
    (totals.lines, totals.skipped, totals.unparsed, counted, rows.lines, scan.take_raw())
}
