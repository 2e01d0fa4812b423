//! Rows of comma-separated text.
//!
//! RFC 4180 with the usual liberties: `#` begins a line of comment, blank lines are skipped, blanks around a
//! field do not count, lines may end in LF alone, a byte order mark is ignored. It is stricter where leniency
//! would make one row swallow others: a quote must be closed on its own line, and none may stand inside a
//! field that does not begin with one. The `csv` crate reads an unclosed quote to the end of the file, and
//! counts comments into the line number of the row that follows; hence a reader of our own.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// More than any database has, and few enough that a file of commas costs no memory.
const MAX_COLUMNS: usize = 64;

/// Reads row after row; fields borrow from the file, except quoted ones with a quote inside.
pub(crate) struct Rows<'a> {
    rest: &'a str,
    line: u64,
    fields: Vec<Cow<'a, str>>,
}

/// One row with at least one field.
pub(crate) struct Row<'r> {
    /// Where in the file, from 1, comments and blank lines counted.
    pub(crate) line: u64,
    fields: &'r [Cow<'r, str>],
}

impl<'a> Rows<'a> {
    /// # Errors
    ///
    /// [`Error::Row`] for the first line that is not UTF-8 or holds a zero byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> {
        let wrong = |offset: usize, message| {
            let before = bytes.iter().take(offset).filter(|byte| **byte == b'\n').count();
            Error::row(before as u64 + 1, message)
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|error| wrong(error.valid_up_to(), "not UTF-8: save the file in that encoding"))?;
        if let Some(offset) = bytes.iter().position(|byte| *byte == 0) {
            return Err(wrong(offset, "a zero byte: this is no text in UTF-8"));
        }
        Ok(Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 0, fields: Vec::new() })
    }

    /// The next row. Not an `Iterator`, since the fields are kept in one buffer from row to row.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            self.line += 1;
            let line = line.trim_ascii();
            if !line.is_empty() && !line.starts_with('#') {
                split(line, &mut self.fields).map_err(|message| Error::row(self.line, message))?;
                return Ok(Some(Row { line: self.line, fields: &self.fields }));
            }
        }
        Ok(None)
    }
}

impl Row<'_> {
    /// Number of fields, at least 1.
    pub(crate) fn width(&self) -> usize {
        self.fields.len()
    }

    /// The field in this column, from 0; empty where the row is shorter.
    pub(crate) fn field(&self, column: usize) -> &str {
        self.fields.get(column).map_or("", |field| field)
    }

    /// The first column whose text is one of `names`, in their order; ASCII letters in either case.
    pub(crate) fn column(&self, names: &[&str]) -> Option<usize> {
        let named = |name: &&str| self.fields.iter().position(|field| field.eq_ignore_ascii_case(name));
        names.iter().find_map(named)
    }

    /// An error in this row.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error::row(self.line, message)
    }
}

fn split<'a>(line: &'a str, fields: &mut Vec<Cow<'a, str>>) -> std::result::Result<(), &'static str> {
    fields.clear();
    let mut rest = Some(line);
    while let Some(text) = rest {
        if fields.len() == MAX_COLUMNS {
            return Err("more than 64 columns");
        }
        let text = text.trim_ascii_start();
        let (field, behind) = match text.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (field, behind) = match text.split_once(',') {
                    Some((field, behind)) => (field, Some(behind)),
                    None => (text, None),
                };
                if field.contains('"') {
                    return Err("a quote inside a field: put the whole field in quotes and double the quote");
                }
                (Cow::Borrowed(field.trim_ascii_end()), behind)
            }
        };
        fields.push(field);
        rest = behind;
    }
    Ok(())
}

/// A quoted field from behind its first quote, and what follows the comma behind it.
fn unquote(text: &str) -> std::result::Result<(Cow<'_, str>, Option<&str>), &'static str> {
    const UNCLOSED: &str = "a quoted field does not end on its line";
    let (field, mut behind) = text.split_once('"').ok_or(UNCLOSED)?;
    let mut field = Cow::Borrowed(field);
    // A doubled quote is one quote of the field.
    while let Some(more) = behind.strip_prefix('"') {
        let (piece, rest) = more.split_once('"').ok_or(UNCLOSED)?;
        let owned = field.to_mut();
        owned.push('"');
        owned.push_str(piece);
        behind = rest;
    }
    let behind = behind.trim_ascii_start();
    match behind.strip_prefix(',') {
        None if behind.is_empty() => Ok((field, None)),
        None => Err("text between a quoted field and the next comma"),
        rest => Ok((field, rest)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u64, Vec<String>)>> {
        let mut rows = Rows::new(bytes)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push((row.line, (0..row.width()).map(|column| row.field(column).to_owned()).collect()));
        }
        Ok(all)
    }

    fn rows(expected: &[(u64, &[&str])]) -> Vec<(u64, Vec<String>)> {
        let owned = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
        expected.iter().map(|(line, fields)| (*line, owned(fields))).collect()
    }

    #[test]
    fn fields_and_lines() {
        let text = "\u{feff}# title\r\n\r\na,b\r\n  \n \t# more\n c , \"d, e\" ,\"f\"\"g\"\"\"\n,\n\"\",\"\"\nlast";
        let expected: &[(u64, &[&str])] =
            &[(3, &["a", "b"]), (6, &["c", "d, e", "f\"g\""]), (7, &["", ""]), (8, &["", ""]), (9, &["last"])];
        assert_eq!(read(text.as_bytes()).unwrap(), rows(expected));
    }

    #[test]
    fn nothing_is_no_row() {
        for text in ["", "\n", "\u{feff}", "#a,b", " \r\n\r\n"] {
            assert_eq!(read(text.as_bytes()).unwrap(), [], "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        let many = format!("a\n{}", ",".repeat(64));
        for (bytes, message) in [
            (&b"a,b\n\"c,d\ne,f\n"[..], "row 2: a quoted field does not end on its line"),
            (b"a,b\n\"c\"\"", "row 2: a quoted field does not end on its line"),
            (b"\"a\"b,c", "row 1: text between a quoted field and the next comma"),
            (b"# x\na\"b,c", "row 2: a quote inside a field: put the whole field in quotes and double the quote"),
            (b"a\nb\n\xff", "row 3: not UTF-8: save the file in that encoding"),
            (b"\xff\xfea\0,\0", "row 1: not UTF-8: save the file in that encoding"),
            (b"a,b\nc\0,d", "row 2: a zero byte: this is no text in UTF-8"),
            (many.as_bytes(), "row 2: more than 64 columns"),
        ] {
            assert_eq!(read(bytes).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn long_lines_are_fields_like_others() {
        let long = "x".repeat(10_000_000);
        let text = format!("{long},\"{long}\"");
        assert_eq!(read(text.as_bytes()).unwrap(), [(1, vec![long.clone(), long])]);
        let commas = ",".repeat(10_000_000);
        assert!(matches!(read(commas.as_bytes()), Err(Error::Row { row: 1, .. })));
        let quotes = "\"".repeat(10_000_001);
        assert!(matches!(read(quotes.as_bytes()), Err(Error::Row { row: 1, .. })));
    }

    proptest! {
        #[test]
        fn quoted_text_comes_back(fields in vec("[^\\x00\n]{0,12}", 1..6)) {
            let quoted: Vec<String> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            prop_assert_eq!(read(quoted.join(",").as_bytes()).unwrap(), [(1, fields)]);
        }

        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            if let Ok(rows) = read(&bytes) {
                prop_assert!(rows.iter().all(|(_, fields)| !fields.is_empty()));
            }
        }

        #[test]
        fn any_text_is_answered(text in "[a\",# \r\n\u{feff}\u{e9}]{0,40}") {
            if let Ok(rows) = read(text.as_bytes()) {
                prop_assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
                prop_assert!(rows.iter().all(|(line, _)| *line as usize <= text.lines().count()));
            }
        }
    }
}
