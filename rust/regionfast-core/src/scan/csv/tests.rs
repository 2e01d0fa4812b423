#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn csv() -> Csv {
    Csv::new(b',', vec![], None)
}

fn split(wanted: &[usize], width: Option<usize>, record: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut cells = vec![Cell::Other(b"of the row before")];
    let is_row = Csv::new(b',', wanted.to_vec(), width).split(record, &mut cells);
    is_row.then(|| cells.iter().map(|cell| cell.bytes().map(<[u8]>::to_vec)).collect())
}

fn row(texts: &[&str]) -> Option<Vec<Option<Vec<u8>>>> {
    Some(texts.iter().map(|text| Some(text.as_bytes().to_vec())).collect())
}

#[test]
fn cells_come_in_the_order_that_is_asked_for() {
    let expected = Some(vec![Some(b"c".to_vec()), Some(b"a".to_vec()), None, Some(b"c".to_vec())]);
    assert_eq!(split(&[2, 0, 3, 2], None, b"a,b,c"), expected);
    assert_eq!(split(&[2, 0, 3, 2], Some(3), b"a,b,c"), expected);
}

#[test]
fn quotes_keep_separators_line_ends_and_quotes() {
    assert_eq!(split(&[0, 1], None, b"\"a,b\",\"c\r\nd\""), row(&["a,b", "c\r\nd"]));
    assert_eq!(split(&[0, 1], None, b"\"\",\"\"\"\"\"x\"\"\""), row(&["", "\"\"x\""]));
}

#[test]
fn quotes_open_a_cell_only_as_its_first_byte() {
    assert_eq!(split(&[0, 1], None, b"a\"b,c\"\""), row(&["a\"b", "c\"\""]));
    assert_eq!(split(&[0, 1], None, b" \"a,b\""), row(&[" \"a", "b\""]));
}

#[test]
fn cells_may_be_empty() {
    assert_eq!(split(&[0, 1, 2], Some(3), b",,"), row(&["", "", ""]));
    assert_eq!(split(&[0], Some(1), b""), row(&[""]));
}

#[test]
fn other_separators_part_too() {
    let mut cells = Vec::new();
    assert!(Csv::new(b'\t', vec![1], Some(2)).split(b"a,b\t\"c\td\"", &mut cells));
    assert_eq!(cells, [Cell::borrowed(b"c\td")]);
}

#[test]
fn rows_have_the_width() {
    for record in [&b"a"[..], b"a,b,c", b"a,b,", b"\"a,b\"", b""] {
        assert_eq!(split(&[0], Some(2), record), None);
    }
}

#[test]
fn nothing_stands_behind_a_closing_quote() {
    for record in [&b"\"a\"b,c"[..], b"\"a\" ,c", b"a,\"b\"\"", b"a,\"", b"\"a\"\r"] {
        assert_eq!(split(&[0], None, record), None);
    }
}

#[test]
fn plain_text_is_borrowed() {
    let mut cells = Vec::new();
    assert!(Csv::new(b',', vec![0, 1], None).split(b"a,\"b\"", &mut cells));
    assert!(cells.iter().all(|cell| matches!(cell, Cell::Text(Cow::Borrowed(_)))));
}

#[test]
fn records_end_with_their_line() {
    assert_eq!(csv().record_end(b"a,b\nc", false), Some(Record::Row { len: 4 }));
    assert_eq!(csv().record_end(b"a,b\r\nc", false), Some(Record::Row { len: 5 }));
    assert_eq!(csv().record_end(b"\"a\",b\nc", false), Some(Record::Row { len: 6 }));
    assert_eq!(csv().record_end(b"\"a\"\r\nc", false), Some(Record::Row { len: 5 }));
    assert_eq!(csv().record_end(b"\n", false), Some(Record::Row { len: 1 }));
}

#[test]
fn records_end_behind_line_ends_in_quotes() {
    assert_eq!(csv().record_end(b"\"a\nb\",c\nd", false), Some(Record::Row { len: 8 }));
    assert_eq!(csv().record_end(b"\"a\"\"\n\n\"\n", false), Some(Record::Row { len: 8 }));
}

#[test]
fn records_end_with_the_file() {
    for file in [&b"a,b"[..], b"\"a\"", b"\"a\nb\"", b"\"a\nb\",", b"\"a\nb\",c"] {
        assert_eq!(csv().record_end(file, false), None);
        assert_eq!(csv().record_end(file, true), Some(Record::Row { len: file.len() }));
    }
    assert_eq!(csv().record_end(b"", false), None);
    assert_eq!(csv().record_end(b"", true), None);
}

#[test]
fn what_is_behind_a_closing_quote_breaks_one_line() {
    assert_eq!(csv().record_end(b"\"a\"b\nc\n", false), Some(Record::Broken { len: 5 }));
    assert_eq!(csv().record_end(b"\"a\nb\"c\nd\n", false), Some(Record::Broken { len: 3 }));
    assert_eq!(csv().record_end(b"\"a\"\rb\n", false), Some(Record::Broken { len: 6 }));
    assert_eq!(csv().record_end(b"\"a\"\r", true), Some(Record::Broken { len: 4 }));
    // Its line may go on.
    assert_eq!(csv().record_end(b"\"a\"b", false), None);
}

#[test]
fn quotes_that_are_not_closed_break_one_line() {
    let mut csv = csv();
    assert_eq!(csv.record_end(b"a,\"b\nc\nd\n", false), None);
    assert_eq!(csv.record_end(b"a,\"b\nc\nd\n", true), Some(Record::Broken { len: 5 }));
    assert_eq!(csv.record_end(b"c\nd\n", true), Some(Record::Row { len: 2 }));
}

#[test]
fn quotes_that_run_too_far_break_one_line() {
    let tail = |len: usize| [b"\"a\n".to_vec(), vec![b'x'; len - 4], b"\"\nb\n".to_vec()].concat();
    assert_eq!(csv().record_end(&tail(LONGEST), false), Some(Record::Row { len: LONGEST + 1 }));
    assert_eq!(csv().record_end(&tail(LONGEST + 1), false), Some(Record::Broken { len: 3 }));
    assert_eq!(csv().record_end(&tail(9 * LONGEST), false), Some(Record::Broken { len: 3 }));
}

#[test]
fn a_line_that_is_too_long_is_a_row_whatever_is_in_it() {
    let line = [b"\"a\"b,\"".to_vec(), vec![b'x'; LONGEST], b"\n\"\n".to_vec()].concat();
    assert_eq!(csv().record_end(&line[..LONGEST + 2], false), None);
    assert_eq!(csv().record_end(&line, false), Some(Record::Row { len: LONGEST + 7 }));
}

/// Every line opens a quote and, read from the line before, closes one: no row ever ends. Read anew for each line this
/// would take hours.
#[test]
fn hostile_quotes_cost_their_bytes_once() {
    for end in [&b""[..], b"x\"z\n"] {
        let file = [&b"x\",\"\n".repeat(3 * LONGEST / 5)[..], end].concat();
        let mut csv = csv();
        let mut start = 0;
        while let Some(record) = csv.record_end(&file[start..], true) {
            let (Record::Row { len } | Record::Broken { len }) = record;
            assert_eq!(
                record,
                if start + 5 <= file.len() { Record::Broken { len: 5 } } else { Record::Row { len: 4 } }
            );
            start += len;
        }
        assert_eq!(start, file.len());
    }
}

/// RFC 4180, a byte at a time: the cells and the length of the record at the front; `None` where it is broken.
fn slow_record(file: &[u8], separator: u8) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut cells = vec![Vec::new()];
    let (mut is_quoted, mut is_closed, mut is_fresh) = (false, false, true);
    let mut at = 0;
    while at < file.len() {
        let (byte, next) = (file[at], file.get(at + 1).copied());
        at += 1;
        let cell = cells.last_mut().unwrap();
        if is_quoted {
            match (byte, next) {
                (b'"', Some(b'"')) => {
                    cell.push(b'"');
                    at += 1;
                }
                (b'"', _) => (is_quoted, is_closed) = (false, true),
                _ => cell.push(byte),
            }
        } else if byte == b'\n' || (byte == b'\r' && next == Some(b'\n')) {
            return Some((cells, at + usize::from(byte == b'\r')));
        } else if byte == separator {
            cells.push(Vec::new());
            (is_closed, is_fresh) = (false, true);
            continue;
        } else if is_closed {
            return None;
        } else if is_fresh && byte == b'"' {
            is_quoted = true;
        } else {
            cell.push(byte);
        }
        is_fresh = false;
    }
    (!is_quoted).then_some((cells, at))
}

/// All records of a file, each by itself.
fn slow_records(file: &[u8], longest: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let line = rest.split_inclusive(|&byte| byte == b'\n').next().unwrap();
        let record = match slow_record(rest, b',') {
            _ if trimmed(line).len() > longest => Record::Row { len: line.len() },
            Some((_, len)) if trimmed(&rest[..len]).len() <= longest => Record::Row { len },
            _ => Record::Broken { len: line.len() },
        };
        let (Record::Row { len } | Record::Broken { len }) = record;
        records.push(record);
        rest = &rest[len..];
    }
    records
}

/// All records of a file that is there from the start.
fn records(file: &[u8], longest: usize) -> Vec<Record> {
    let mut csv = csv();
    let mut start = 0;
    let next = || {
        let record = csv.end_within(&file[start..], true, longest)?;
        let (Record::Row { len } | Record::Broken { len }) = record;
        start += len;
        Some(record)
    };
    std::iter::from_fn(next).collect()
}

/// All records of a file that comes in pieces.
fn records_of_pieces(file: &[u8], longest: usize, sizes: &[usize]) -> Vec<Record> {
    let mut csv = csv();
    let mut records = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let (mut start, mut end, mut at_end) = (0, 0, false);
    while start < file.len() {
        let bytes = &file[start..end];
        let record = csv.end_within(bytes, at_end, longest);
        if let Some(record) = record {
            let (Record::Row { len } | Record::Broken { len }) = record;
            records.push(record);
            start += len;
        } else if bytes.len() > longest + 1 {
            // Dropped, as the reader of blocks does.
            let line = file[start..].split_inclusive(|&byte| byte == b'\n').next().unwrap();
            assert!(trimmed(line).len() > longest);
            records.push(Record::Row { len: line.len() });
            start += line.len();
            end = end.max(start);
        } else {
            assert!(!at_end);
            at_end = end == file.len();
            end = file.len().min(end + sizes.next().unwrap());
        }
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn records_are_those_of_a_byte_loop(
        file in vec(select(b"\"\"\"\",,\n\n\rx".to_vec()), 0..80),
        longest in 1_usize..30,
        sizes in vec(1_usize..20, 1..4),
        cuts in any::<[usize; 2]>(),
    ) {
        let expected = slow_records(&file, longest);
        prop_assert_eq!(&records(&file, longest), &expected);
        prop_assert_eq!(&records_of_pieces(&file, longest, &sizes), &expected);
        // A block of records has the same records.
        let mut cuts = cuts.map(|cut| cut % (expected.len() + 1));
        cuts.sort_unstable();
        let len = |records: &[Record]| -> usize {
            records.iter().map(|record| match record { Record::Row { len } | Record::Broken { len } => *len }).sum()
        };
        let (start, end) = (len(&expected[..cuts[0]]), len(&expected[..cuts[1]]));
        prop_assert_eq!(&records(&file[start..end], longest), &expected[cuts[0]..cuts[1]]);
    }

    #[test]
    fn cells_are_those_of_a_byte_loop(record in vec(select(b"\"\"\",,x\r\xff".to_vec()), 0..24), width in 1_usize..4) {
        let line = [&record[..], b"\r\n"].concat();
        let expected = slow_record(&line, b',').map(|(cells, _)| cells);
        let picked = expected.clone().map(|cells| [1, 0, 1].map(|column| cells.get(column).cloned()).to_vec());
        prop_assert_eq!(split(&[1, 0, 1], None, &record), picked.clone());
        let is_wide = expected.is_some_and(|cells| cells.len() == width);
        prop_assert_eq!(split(&[1, 0, 1], Some(width), &record), picked.filter(|_| is_wide));
    }
}
