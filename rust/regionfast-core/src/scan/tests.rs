#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use super::layout::{Field, Wanted};
use super::source::tests::{gzip, source};
use super::time::Form;
use super::*;
use crate::build::Content;
use crate::level::Level;
use crate::slot::Status;
use crate::table::tests::{database, labels, unwrapping};

/// 1.0.0.0/8 is the first label that is a region; the rest is unknown.
fn table() -> Arc<Table> {
    let database = database(&vec![(0, 0), (1 << 24, 1), (2 << 24, 0)], None, &labels());
    let content = Content::compile(database, Level::Subdivision, unwrapping(&[]), "").unwrap();
    Arc::new(Table::new(Arc::new(content)).unwrap())
}

fn plan(shape: &str) -> Plan {
    let wanted = match shape {
        "common" => Wanted {
            client: Some(Field::Number(0)),
            time: vec![Field::Number(3)],
            time_form: Some(Form::Clf),
            ..Wanted::default()
        },
        "csv" => Wanted { client: Some(Field::Number(1)), width: Some(2), separator: b',', ..Wanted::default() },
        "w3c" => Wanted { client: Some(Field::Names(vec!["c-ip".into()])), ..Wanted::default() },
        _ => Wanted::default(),
    };
    Plan {
        table: table(),
        layout: Layout::new(Wanted { shape: shape.into(), ..wanted }).unwrap(),
        bucket: Bucket::None,
        select: None,
        rows: false,
        address: false,
        line: false,
        raw: false,
        rejects: false,
    }
}

fn scan(bytes: &[u8], plan: Plan, threads: usize) -> Scan {
    let mut scan = Scan::new(source(bytes), plan, 0, NonZero::new(threads));
    while scan.step(1 << 20) {}
    scan
}

fn line(address: &str, rest: usize) -> String {
    format!("{address} - - [10/Oct/2026:13:55:36 +0000] \"GET /{} HTTP/1.1\" 200 1\n", "x".repeat(rest))
}

/// Lines of all lengths, so that blocks end everywhere in them, and how many of them are a row of 1.2.3.4.
fn many() -> (Vec<u8>, u64, u64) {
    let mut bytes = Vec::new();
    let (mut lines, mut rows) = (0, 0);
    for nth in 0..9_000_usize {
        let (text, is_row) = match nth % 7 {
            5 => ("\n".into(), false),
            6 => ("no log\n".into(), false),
            _ => (line("1.2.3.4", nth * 37 % 601), true),
        };
        bytes.extend_from_slice(text.as_bytes());
        lines += 1;
        rows += u64::from(is_row);
    }
    (bytes, lines, rows)
}

#[test]
fn blocks_and_threads_change_nothing() {
    let (bytes, lines, rows) = many();
    assert!(bytes.len() > 6 * block::BLOCK);
    for packed in [bytes.clone(), gzip(&bytes), bytes[..bytes.len() - 1].to_vec()] {
        for threads in [1, 2, 3, usize::MAX] {
            let mut plan = plan("common");
            (plan.rows, plan.line, plan.rejects, plan.raw) = (true, true, true, true);
            let mut scan = scan(&packed, plan, threads);
            let totals = scan.totals;
            assert_eq!((totals.lines, totals.matched, totals.undated), (lines, rows, 0));
            assert_eq!(totals.skipped + totals.unparsed + rows, lines);
            let slot = scan.table().lookup_parsed(crate::text::parse(b"1.2.3.4")).0;
            assert_eq!(scan.counts(), [(tally::UNDATED, slot, rows)]);
            let found = scan.take_rows();
            let mut text = 0..0;
            for ((line, offset), end) in found.lines.iter().zip(&found.offsets).zip(&found.texts.ends) {
                text = text.end..*end;
                let expected = bytes[*offset as usize..].split(|byte| *byte == b'\n').next().unwrap();
                assert_eq!(&found.texts.bytes[text.clone()], expected);
                assert!((line - 1) % 7 < 5, "line {line}");
            }
            assert!(found.lines.is_sorted());
            let raw: Vec<u8> = bytes
                .split_inclusive(|byte| *byte == b'\n')
                .filter(|line| line.starts_with(b"1."))
                .flatten()
                .copied()
                .collect();
            assert_eq!(scan.take_raw(), raw);
            let rejects = scan.take_rejects();
            assert_eq!(rejects.len() as u64, totals.unparsed);
            assert!(rejects.iter().all(|(line, reason)| (line - 1) % 7 == 6 && *reason == Reason::NoMatch));
        }
    }
}

#[test]
fn a_line_of_any_length_is_one_line() {
    for extra in
        [LONGEST - 200, LONGEST - 58, LONGEST - 57, LONGEST - 56, LONGEST - 55, LONGEST, 3 * LONGEST, 5_000_000]
    {
        for end in ["\n", "\r\n", ""] {
            let long = line("1.2.3.4", extra).trim_end().to_owned();
            let is_read = long.len() <= LONGEST;
            let before = line("1.2.3.4", 7);
            let after = if end.is_empty() { String::new() } else { line("1.2.3.4", 9) };
            let mut plan = plan("common");
            plan.rejects = true;
            let mut scan = scan(format!("{before}{long}{end}{after}").as_bytes(), plan, 2);
            let lines = 2 + u64::from(!after.is_empty());
            assert_eq!((scan.totals.lines, scan.totals.unparsed), (lines, u64::from(!is_read)), "{extra} {end:?}");
            assert_eq!(scan.take_rejects(), if is_read { vec![] } else { vec![(2, Reason::TooLong)] });
        }
    }
}

#[test]
fn it_does_not_matter_where_in_a_block_a_long_line_is() {
    for before in [0, 1000, block::BLOCK - 1] {
        for long in [" ".repeat(LONGEST + 1), format!("#{}", "x".repeat(LONGEST))] {
            let text = format!("#Fields: c-ip\n{}\n{long}\n1.2.3.4\n", "x".repeat(before));
            let mut plan = plan("w3c");
            plan.rejects = true;
            let mut scan = scan(text.as_bytes(), plan, 2);
            assert!(scan.take_rejects().contains(&(3, Reason::TooLong)));
            assert_eq!((scan.totals.lines, scan.totals.unparsed), (4, 1));
        }
    }
}

#[test]
fn a_line_that_is_cut_off_is_no_row() {
    // Random hours, so that the packed data is long and half of it ends inside a line.
    let text: String =
        (0..20_000_u32).map(|nth| line(&format!("1.2.3.{}", nth.wrapping_mul(0x9e37_79b9) >> 24), 1)).collect();
    let packed = gzip(text.as_bytes());
    for cut in [packed.len() / 2, packed.len() / 3, packed.len() - 9] {
        let mut plan = plan("common");
        plan.rejects = true;
        let mut scan = scan(&packed[..cut], plan, 2);
        assert!(scan.failure().is_some());
        let rows: u64 = scan.counts().into_iter().map(|(_, _, count)| count).sum();
        assert_eq!(rows + scan.totals.unparsed, scan.totals.lines);
        let rejects = scan.take_rejects();
        assert!(rejects.iter().all(|reject| *reject == (scan.totals.lines, Reason::Cut)) && rejects.len() <= 1);
        assert!(rows > 1000);
    }
    assert_eq!(scan(&text.as_bytes()[..text.len() - 1], plan("common"), 1).totals.unparsed, 0);
}

#[test]
fn a_step_ends_when_much_waits_to_be_taken() {
    let text = "a\n".repeat(1 << 20);
    let mut plan = plan("text");
    (plan.rows, plan.rejects) = (true, true);
    let mut scan = Scan::new(source(text.as_bytes()), plan, 0, NonZero::new(1));
    let mut rows = 0;
    while scan.step(1 << 22) {
        let some = scan.take_rows();
        assert!(some.bytes() < 1 << 24, "{}", some.bytes());
        rows += some.lines.len();
    }
    assert_eq!(rows + scan.take_rows().lines.len(), 1 << 20);
}

#[test]
fn columns_of_w3c_hold_until_others_come() {
    let mut text = String::from("1.2.3.4 before\n#Fields: c-ip what\n");
    for nth in 0..40_000 {
        text.push_str(if nth % 2 == 0 { "1.2.3.4 x\n" } else { "9.9.9.9 y\n" });
    }
    text.push_str("#Fields: what when c-ip\r\n");
    for _ in 0..40_000 {
        text.push_str("x y 1.2.3.4\n");
    }
    for threads in 1..=2 {
        let mut plan = plan("w3c");
        plan.rejects = true;
        let mut scan = scan(text.as_bytes(), plan, threads);
        assert_eq!((scan.totals.lines, scan.totals.skipped, scan.totals.unparsed), (80_003, 2, 1));
        assert_eq!(scan.take_rejects(), [(1, Reason::NoHeader)]);
        let counts: Vec<u64> = scan.counts().into_iter().map(|(_, _, count)| count).collect();
        assert_eq!(counts, [20_000, 60_000]);
    }
}

#[test]
fn rows_of_csv_may_hold_line_ends() {
    let row = format!("\"{}\",1.2.3.4\n", "a \"\"b\"\"\n".repeat(900));
    let text = format!("what,client\n{}\n", row.repeat(200));
    for threads in 1..=2 {
        let mut scan = Scan::new(source(text.as_bytes()), plan("csv"), 1, NonZero::new(threads));
        while scan.step(1) {}
        assert_eq!((scan.totals.lines, scan.totals.skipped, scan.totals.unparsed), (202, 2, 0));
    }
}

#[test]
fn a_heading_is_the_first_row() {
    let blanks = format!("{}what,client\nx,1.2.3.4\n", "\n".repeat(block::BLOCK + 5));
    for text in [&blanks, "\n \t\nwhat,client\nx,1.2.3.4\n", "\"x,\nwhat,client\nx,1.2.3.4\n", "what,client\nx,1.2.3.4"]
    {
        let mut scan = Scan::new(source(text.as_bytes()), plan("csv"), 1, NonZero::new(1));
        while scan.step(1) {}
        let slot = scan.table().lookup_parsed(crate::text::parse(b"1.2.3.4")).0;
        assert_eq!(scan.counts(), [(tally::UNDATED, slot, 1)], "{text}");
    }
}

#[test]
fn selected_rows_are_rows_and_the_others_are_counted() {
    let text = [line("1.2.3.4", 1), line("9.9.9.9", 1), line("-", 1), line("host.example", 1)].concat();
    let mut plan = plan("common");
    let mut select = vec![0; plan.table.labels().len()];
    select[usize::from(Status::Invalid.slot())] = 1;
    select[usize::from(Status::Missing.slot())] = 1;
    (plan.rows, plan.address, plan.select) = (true, true, Some(select));
    let mut scan = scan(text.as_bytes(), plan, 1);
    assert_eq!((scan.totals.lines, scan.totals.matched), (4, 2));
    let rows = scan.take_rows();
    assert_eq!((rows.lines, rows.slots), (vec![3, 4], vec![Status::Missing.slot(), Status::Invalid.slot()]));
    assert_eq!((rows.addresses.valid, rows.addresses.bytes), (vec![false, true], b"host.example".to_vec()));
    assert_eq!(scan.counts().len(), 4);
}

#[test]
fn hours_and_days_are_counted_apart() {
    let at = |time: &str| format!("1.2.3.4 - - [{time}] \"GET / HTTP/1.1\" 200 1\n");
    let text = [
        at("10/Oct/2026:23:59:59 +0000"),
        at("11/Oct/2026:00:30:00 +0100"),
        at("11/Oct/2026:00:00:00 +0000"),
        at("never"),
    ]
    .concat();
    for (bucket, expected) in [
        (Bucket::Hour, vec![(tally::UNDATED, 1), (1_791_673_200, 2), (1_791_676_800, 1)]),
        (Bucket::Day, vec![(tally::UNDATED, 1), (1_791_590_400, 2), (1_791_676_800, 1)]),
        (Bucket::None, vec![(tally::UNDATED, 4)]),
    ] {
        let mut plan = plan("common");
        plan.bucket = bucket;
        let mut scan = scan(text.as_bytes(), plan, 1);
        let counts: Vec<(i64, u64)> = scan.counts().into_iter().map(|(bucket, _, count)| (bucket, count)).collect();
        assert_eq!(counts, expected);
        assert_eq!(
            (scan.totals.undated, scan.totals.first, scan.totals.last),
            (1, Some(1_791_675_000), Some(1_791_676_800))
        );
    }
}
