//! From a file to a table, whatever form the file has.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::Content;
use crate::database::{Database, LATEST, ReadOptions};
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
    /// When the database was built, seconds since 1970-01-01 UTC, for one that does not say it itself.
    pub built_at: Option<u64>,
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
    let mut database = Database::read(bytes, &read)?;
    if let Some(seconds) = options.built_at {
        if database.about.built_at.is_some() {
            return Err(Error::Option(
                "`built_at` is for a database that does not say itself when it was built".into(),
            ));
        }
        if seconds > LATEST {
            return Err(Error::Option("`built_at` is a date beyond the year 9999".into()));
        }
        database.about.built_at = Some(seconds);
    }
    Content::compile(database, level, unwrapping, &options.attribution)
}

/// A compiled table with these options, as far as they can change after compiling.
fn compiled(content: Content, options: &Options) -> Result<Content> {
    let settled = match options {
        Options { level: Some(level), .. } if *level != content.level => Some("level"),
        Options { field, .. } if !field.is_empty() => Some("field"),
        Options { registered: true, .. } => Some("registered"),
        Options { attribution, .. } if !attribution.is_empty() => Some("attribution"),
        Options { built_at: Some(_), .. } => Some("built_at"),
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::mmdb::tests::small;

    /// A folder of its own for each test, gone when it ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("regionfast-open-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, bytes).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn code(table: &Table, address: &str) -> String {
        let found = table.lookup(address.parse::<IpAddr>().unwrap().into());
        let label = table.labels().get(usize::from(found.slot)).unwrap();
        format!("{:?} {:?}", label.place, label.evidence)
    }

    #[test]
    fn whatever_form_the_file_has() {
        let folder = Folder::new("forms");
        let mmdb = folder.write("a", &small(6, 28).bytes());
        let csv = folder.write("b", b"1.0.0.0/8,US\n1.2.0.0/16,DE\n2a00:1:2:3:4::/80,DE\n");
        let own = folder.write("own.csv", b"1.3.0.0/16,relay\n1.2.3.0/24,FR-75\n");
        let options = |overrides: Option<&PathBuf>| Options { overrides: overrides.cloned(), ..Options::default() };
        for path in [&mmdb, &csv] {
            let table = open(path, &options(Some(&own))).unwrap();
            let compiled = folder.0.join("c");
            file::save(table.content(), &compiled).unwrap();
            let again = open(&compiled, &Options::default()).unwrap();
            let base = folder.0.join("d");
            file::save(table.base().unwrap().content(), &base).unwrap();
            let overridden = open(&base, &options(Some(&own))).unwrap();
            for table in [&table, &again, &overridden] {
                assert_eq!(code(table, "1.1.0.0"), "Region(\"US\") Database");
                assert_eq!(code(table, "1.2.0.0"), "Region(\"DE\") Database");
                assert_eq!(code(table, "1.2.3.0"), "Region(\"FR\") Override");
                assert_eq!(code(table, "1.3.3.0"), "Status(Relay) Override");
                assert_eq!(code(table, "2a00:1:2:3:4::"), "Region(\"DE\") Database");
                assert_eq!(code(table.base().unwrap(), "1.2.3.0"), "Region(\"DE\") Database");
            }
            assert_eq!(again.content().digest, table.content().digest);
            assert_eq!(overridden.content().digest, table.content().digest);
        }
    }

    #[test]
    fn a_date_for_a_database_without_one() {
        let folder = Folder::new("dates");
        let csv = folder.write("a.csv", b"1.0.0.0/8,US\n");
        let mmdb = folder.write("b.mmdb", &small(6, 28).bytes());
        let dated = |seconds| Options { built_at: Some(seconds), ..Options::default() };
        let table = open(&csv, &dated(1_590_969_600)).unwrap();
        assert_eq!(table.content().claims.built_at, Some(1_590_969_600));
        assert_ne!(table.content().digest, open(&csv, &Options::default()).unwrap().content().digest);
        let message = |path: &Path, seconds| open(path, &dated(seconds)).unwrap_err().to_string();
        assert_eq!(message(&csv, LATEST + 1), "`built_at` is a date beyond the year 9999");
        let says = "`built_at` is for a database that does not say itself when it was built";
        assert_eq!(message(&mmdb, 1), says);
        let compiled = folder.0.join("c.rft");
        file::save(table.content(), &compiled).unwrap();
        assert!(message(&compiled, 1).starts_with("`built_at` was settled when the table was compiled"));
    }

    #[test]
    fn errors_say_which_file() {
        let folder = Folder::new("errors");
        let good = folder.write("good.csv", b"1.0.0.0/8,US\n");
        let bad = folder.write("bad.csv", b"1.0.0.0/8,US\n2.0.0.0,DE,x,y\n");
        let cut = folder.write("cut.mmdb", small(6, 28).bytes().split_last().unwrap().1);
        let own = folder.write("own.csv", b"1.0.0.0/8,US\n\n::ffff:1.0.0.0/120,DE\n");
        let missing = folder.0.join("missing.mmdb");
        let message = |path: &Path, options: &Options| open(path, options).unwrap_err().to_string();
        let default = Options::default();
        assert_eq!(message(&bad, &default), format!("{}: row 2: 4 columns where the first row has 2", bad.display()));
        assert!(message(&cut, &default).starts_with(&format!("{}: ", cut.display())));
        let not_there = message(&missing, &default);
        assert!(not_there.starts_with(&format!("{}: cannot read the file: ", missing.display())), "{not_there}");
        assert!(message(&folder.0, &default).starts_with(&format!("{}: cannot read the file: ", folder.0.display())));
        let with = |path: &Path| Options { overrides: Some(path.to_owned()), ..Options::default() };
        assert!(message(&good, &with(&own)).starts_with(&format!("{}: row 3: the network lies where", own.display())));
        assert!(message(&good, &with(&missing)).starts_with(&format!("{}: cannot read", missing.display())));
        // A wrong option is no fault of the file.
        let options = Options { registered: true, ..Options::default() };
        assert_eq!(message(&good, &options), "`field` and `registered` are for `.mmdb` databases");
    }

    #[test]
    fn what_can_change_after_compiling() {
        let folder = Folder::new("compiled");
        let csv = folder.write("a.csv", b"1.0.0.0/8,US\n2a00::/16,DE\n4000:1::/32,FR\n64:ff9b::/96,FR\n");
        let nat64 = || Some(vec!["4000::/32".parse().unwrap()]);
        let table = open(&csv, &Options { nat64: nat64(), ..Options::default() }).unwrap();
        let compiled = folder.0.join("a.rft");
        file::save(table.content(), &compiled).unwrap();
        let digest = |options: &Options| open(&compiled, options).unwrap().content().digest;
        let same = table.content().digest;
        assert_eq!(digest(&Options::default()), same);
        assert_eq!(digest(&Options { level: Some(Level::Country), unwrap: Some(true), ..Options::default() }), same);
        assert_eq!(digest(&Options { nat64: nat64(), ..Options::default() }), same);
        // None of its own prefixes, others, or no unwrapping at all.
        let none = open(&compiled, &Options { nat64: Some(Vec::new()), ..Options::default() }).unwrap();
        assert_eq!(none.unwrapping(), &Unwrapping::default());
        assert_eq!(code(&none, "4000::100:0:0"), "Status(Unknown) None");
        let off = open(&compiled, &Options { unwrap: Some(false), ..Options::default() }).unwrap();
        assert_eq!(code(&off, "::ffff:1.2.3.4"), "Status(Reserved) None");
        assert_eq!(code(&off, "2a00::1"), "Region(\"DE\") Database");
        assert_eq!(code(&table, "::ffff:1.2.3.4"), "Region(\"US\") Database");
        for (options, option) in [
            (Options { level: Some(Level::Subdivision), ..Options::default() }, "level"),
            (Options { field: vec!["country_code".to_owned()], ..Options::default() }, "field"),
            (Options { registered: true, ..Options::default() }, "registered"),
            (Options { attribution: "me".to_owned(), ..Options::default() }, "attribution"),
        ] {
            assert_eq!(
                open(&compiled, &options).unwrap_err().to_string(),
                format!(
                    "`{option}` was settled when the table was compiled (level `country`): compile the database again"
                )
            );
        }
        let both = Options { unwrap: Some(false), nat64: nat64(), ..Options::default() };
        assert!(open(&compiled, &both).unwrap_err().to_string().starts_with("`nat64`: own prefixes do nothing"));
    }

    /// Read into memory of our own: what happens to the file later changes nothing.
    #[test]
    fn a_file_that_is_replaced_in_place() {
        let folder = Folder::new("replaced");
        let path = folder.write("a.csv", b"1.0.0.0/8,US\n");
        let table = open(&path, &Options::default()).unwrap();
        fs::write(&path, b"1.0.0.0/8,DE\n").unwrap();
        assert_eq!(code(&table, "1.2.3.4"), "Region(\"US\") Database");
        fs::write(&path, b"").unwrap();
        assert_eq!(code(&table, "1.2.3.4"), "Region(\"US\") Database");
    }
}
