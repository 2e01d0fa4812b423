//! The words of every error, as a user sees them.

use std::io;
use std::path::Path;

use regionfast_core::Error;

#[test]
fn the_words_of_every_error() {
    let io = |action| Error::Io { action, source: io::Error::other("no such device") };
    let cases = [
        (io("read"), "cannot read the file: no such device"),
        (io("write"), "cannot write the file: no such device"),
        (
            Error::Corrupt { offset: 18_446_744_073_709_551_615, message: "the file ends too early".to_owned() },
            "the file ends too early (byte 18446744073709551615)",
        ),
        (
            Error::Field { field: "node_count".to_owned(), message: "no number".to_owned() },
            "field `node_count`: no number",
        ),
        (Error::Row { row: 7, message: "one column".to_owned() }, "row 7: one column"),
        (
            Error::NoSuchField { wanted: "country".to_owned(), available: "`asn`, `name`".to_owned() },
            "no `country` in the records of this database; it has `asn`, `name`",
        ),
        (Error::TooLarge("more than a table can hold".to_owned()), "more than a table can hold"),
        (Error::Option("`level` was settled".to_owned()), "`level` was settled"),
    ];
    for (error, words) in cases {
        assert_eq!(error.to_string(), words);
        let named = error.in_file(Path::new("some/table.rft"));
        assert_eq!(named.to_string(), format!("some/table.rft: {words}"));
        let source = std::error::Error::source(&named);
        assert_eq!(source.map(ToString::to_string).as_deref(), Some(words));
    }
}
