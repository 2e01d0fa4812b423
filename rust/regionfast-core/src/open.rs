//! From a file to a table, whatever form the file has.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::Content;
use crate::database::{Database, ReadOptions};
use crate::error::{Error, Result};
use crate::file;
use crate::level::Level;
use crate::overrides::Overrides;
use crate::table::Table;
use crate::unwrap::{Nat64Prefix, Unwrapping};

/// How to open a file. `None` is the default for a database, and "as compiled" for a compiled table.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How finely to tell places apart.
    pub level: Option<Level>,
    /// See [`ReadOptions::field`].
    pub field: Vec<String>,
    /// See [`ReadOptions::registered`].
    pub registered: bool,
    /// File of own networks.
    pub overrides: Option<PathBuf>,
    /// Whether to unwrap IPv4 inside IPv6.
    pub unwrap: Option<bool>,
    /// Own NAT64 prefixes.
    pub nat64: Option<Vec<Nat64Prefix>>,
    /// Credit to carry along.
    pub attribution: String,
}

/// Opens a `.mmdb` or CSV database or a compiled table. The file is read into memory of our own, so that one
/// who replaces or truncates it later changes nothing.
///
/// # Errors
/// Every error says which file.
pub fn open(path: &Path, options: &Options) -> Result<Table> {
    let overrides = options.overrides.as_deref();
    let bytes = read(path)?;
    // The overrides are read at the level of the table, so a compiled one comes first.
    let content = content(&bytes, options).map_err(|error| of_file(error, path))?;
    drop(bytes);
    let content = match overrides {
        Some(path) => Overrides::from_bytes(&read(path)?, content.level == Level::Subdivision)
            .and_then(|overrides| content.with_overrides(&overrides))
            .map_err(|error| of_file(error, path))?,
        None => content,
    };
    Table::new(Arc::new(content)).map_err(|error| of_file(error, path))
}

/// Contradicting options are the caller's, not the file's.
fn of_file(error: Error, path: &Path) -> Error {
    if matches!(error, Error::Option(_)) { error } else { error.in_file(path) }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Io { action: "read", source }.in_file(path))
}

fn content(bytes: &[u8], options: &Options) -> Result<Content> {
    if file::is_compiled(bytes) {
        return compiled(file::read(bytes)?, options);
    }
    let level = options.level.unwrap_or(Level::Country);
    let unwrapping = Unwrapping::new(options.unwrap.unwrap_or(true), options.nat64.as_deref().unwrap_or_default())?;
    let read = ReadOptions { level, field: options.field.clone(), registered: options.registered };
    Content::compile(Database::read(bytes, &read)?, level, unwrapping, &options.attribution)
}

/// A compiled table with these options, as far as they can change after compiling.
fn compiled(content: Content, options: &Options) -> Result<Content> {
    let settled = match options {
        Options { level: Some(level), .. } if *level != content.level => Some("level"),
        Options { field, .. } if !field.is_empty() => Some("field"),
        Options { registered: true, .. } => Some("registered"),
        Options { attribution, .. } if !attribution.is_empty() => Some("attribution"),
        _ => None,
    };
    if let Some(option) = settled {
        return Err(Error::Option(format!(
            "`{option}` was settled when the table was compiled (level `{}`): compile the database again",
            content.level.name()
        )));
    }
    if options.unwrap.is_none() && options.nat64.is_none() {
        return Ok(content);
    }
    let enabled = options.unwrap.unwrap_or_else(|| content.unwrapping.is_enabled());
    let own = content.unwrapping.nat64();
    let nat64 = options.nat64.as_deref().unwrap_or(if enabled { own } else { &[] });
    let unwrapping = Unwrapping::new(enabled, nat64)?;
    content.with_unwrapping(unwrapping)
}
