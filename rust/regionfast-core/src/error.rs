//! The one error type of the crate: values with a place.

use std::path::{Path, PathBuf};

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a database, a table file or an override file cannot be used.
///
/// Messages are lower-case, name the place (byte offset, row or field) and never contain an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read or written.
    #[error("cannot {action} the file: {source}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The bytes are not what the format says; `offset` is from the start of the file.
    #[error("{message} (byte {offset})")]
    Corrupt {
        /// Byte offset in the file.
        offset: u64,
        /// What is wrong there.
        message: String,
    },
    /// A metadata field or a whole structure of the file is impossible.
    #[error("field `{field}`: {message}")]
    Field {
        /// Name of the field, as the format spells it.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A row of a text file (CSV, geofeed) is wrong; rows count from 1 as an editor shows them.
    #[error("row {row}: {message}")]
    Row {
        /// Line number in the file.
        row: u64,
        /// What is wrong there, without the address.
        message: String,
    },
    /// The records hold no region where one was looked for.
    #[error("no `{wanted}` in the records of this database; it has {available}")]
    NoSuchField {
        /// The field or level that was asked for.
        wanted: String,
        /// What a record of this database holds, as a list of paths.
        available: String,
    },
    /// The file is valid but larger than a table can hold, or made to be.
    #[error("{0}")]
    TooLarge(String),
    /// An option contradicts the file or another option.
    #[error("{0}")]
    Option(String),
    /// Any of the above, in a named file.
    #[error("{}: {source}", .path.display())]
    InFile {
        /// The file as the caller named it.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
}

impl Error {
    /// The same error, said of the file at `path`.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        Self::InFile { path: path.to_owned(), source: Box::new(self) }
    }

    /// Text from a file as it may stand in a message: one line of at most 64 characters, none of which commands a
    /// terminal.
    #[must_use]
    pub fn shown(text: &str) -> String {
        let plain = |character: char| if character.is_control() { '\u{fffd}' } else { character };
        let rest = if text.chars().nth(64).is_some() { "…" } else { "" };
        text.chars().take(64).map(plain).chain(rest.chars()).collect()
    }

    pub(crate) fn corrupt(offset: usize, message: impl Into<String>) -> Self {
        Self::Corrupt { offset: offset as u64, message: message.into() }
    }

    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field { field: field.into(), message: message.into() }
    }

    pub(crate) fn row(row: u64, message: impl Into<String>) -> Self {
        Self::Row { row, message: message.into() }
    }
}
