//! What is wanted of the lines of a log, and where it stands in them.

use super::blank::Tokens;
use super::cell::Cell;
use super::common::{self, Common};
use super::csv::Csv;
use super::forwarded::{Header, Trusted};
use super::json::{Path, Paths};
use super::time::Form;
use super::w3c;
use crate::error::{Error, Result};

/// How lines are written.
#[derive(Clone)]
pub(super) enum Shape {
    Common(Common),
    Blank(Tokens),
    Csv(Csv),
    W3c(w3c::Wanted),
    Json(Paths),
    /// Free text, which has no fields.
    Text,
}

/// Where a field stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// By number: of [`common::NAMES`], of a token, of a column.
    Number(usize),
    /// The keys on the way to a JSON value; of a W3C log the names that the column may have, the first that is there.
    Names(Vec<String>),
}

/// How a log says what its lines are about; made by [`Layout::new`].
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `common`, `vhost`, `blank`, `csv`, `w3c`, `json` or `text`.
    pub shape: String,
    /// The address of the client; none of free text.
    pub client: Option<Field>,
    /// Whether a port is behind it.
    pub strip_port: bool,
    /// A header in which proxies say whom they speak for, and which proxies are believed.
    pub forwarded: Option<(Field, Header, Trusted)>,
    /// When the line was written. A W3C log has it in two fields, date and time.
    pub time: Vec<Field>,
    /// In which form.
    pub time_form: Option<Form>,
    /// Other fields that rows carry.
    pub keep: Vec<Field>,
    /// What parts the cells of CSV.
    pub separator: u8,
    /// How many cells a row of CSV has.
    pub width: Option<usize>,
}

/// What is wanted of the lines of a log.
#[derive(Clone)]
pub struct Layout {
    pub(super) shape: Shape,
    pub(super) strip_port: bool,
    pub(super) forwarded: Option<(Header, Trusted)>,
    pub(super) time: Option<Form>,
    /// Cells that the time takes: one, or two of a W3C log.
    pub(super) time_cells: usize,
    pub(super) kept: usize,
}

impl Layout {
    /// Checks that the fields fit the shape.
    ///
    /// # Errors
    /// [`Error::Option`] names what does not.
    pub fn new(wanted: Wanted) -> Result<Self> {
        let Wanted { shape, client, strip_port, forwarded, time, time_form, keep, separator, width } = wanted;
        let (time_cells, kept) = (time.len(), keep.len());
        let header = forwarded.as_ref().map(|(field, ..)| field.clone());
        let forwarded = forwarded.map(|(_, header, trusted)| (header, trusted));
        if shape == "text" {
            if client.is_some() || header.is_some() || !keep.is_empty() || !time.is_empty() {
                return Err(Error::Option("free text has no fields".into()));
            }
            let time = time_form;
            return Ok(Self { shape: Shape::Text, strip_port: false, forwarded: None, time, time_cells: 0, kept: 0 });
        }
        let Some(client) = client else {
            return Err(Error::Option(format!("`{shape}` needs the field of the client")));
        };
        let is_forwarded: Vec<bool> = [false].into_iter().chain(header.iter().map(|_| true)).collect();
        let fields: Vec<Field> = [client].into_iter().chain(header).chain(time).chain(keep).collect();
        let shape = match shape.as_str() {
            "common" | "vhost" => {
                let numbers = numbers(&fields, common::NAMES.len())?;
                Shape::Common(Common::new(shape == "vhost", numbers))
            }
            "blank" => Shape::Blank(Tokens::new(numbers(&fields, usize::MAX)?)),
            "csv" => Shape::Csv(Csv::new(separator, numbers(&fields, width.unwrap_or(usize::MAX))?, width)),
            "w3c" => Shape::W3c(w3c::Wanted { names: names(fields)? }),
            "json" => {
                let joined = is_forwarded.into_iter().chain(std::iter::repeat(false));
                let paths = names(fields)?.into_iter().zip(joined);
                Shape::Json(Paths::new(&paths.map(|(keys, joined)| Path { keys, joined }).collect::<Vec<_>>()))
            }
            other => return Err(Error::Option(format!("`{}` is no shape of lines", Error::shown(other)))),
        };
        Ok(Self { shape, strip_port, forwarded, time: time_form, time_cells, kept })
    }
}

impl Layout {
    /// Whether times are read.
    #[must_use]
    pub fn has_time(&self) -> bool {
        self.time.is_some()
    }
}

impl Shape {
    /// The wanted cells of a line; false where the line has not this shape. Of a W3C log by the columns in force.
    #[inline]
    pub(super) fn split<'a>(&self, line: &'a [u8], columns: Option<&w3c::Columns>, cells: &mut Vec<Cell<'a>>) -> bool {
        match self {
            Self::Common(common) => common.split(line, cells),
            Self::Blank(tokens) => tokens.split(line, cells),
            Self::Csv(csv) => csv.split(line, cells),
            // A row without the column of the client is of another log.
            Self::W3c(_) => {
                columns.is_some_and(|columns| columns.split(line, cells)) && cells.first() != Some(&Cell::Absent)
            }
            Self::Json(paths) => paths.split(line, cells),
            Self::Text => true,
        }
    }
}

fn numbers(fields: &[Field], below: usize) -> Result<Vec<usize>> {
    let number = |field: &Field| match field {
        Field::Number(number) if *number < below => Ok(*number),
        Field::Number(number) => Err(Error::Option(format!("field {number} is none of the {below} that lines have"))),
        Field::Names(_) => Err(Error::Option("fields of this shape go by number".into())),
    };
    fields.iter().map(number).collect()
}

fn names(fields: Vec<Field>) -> Result<Vec<Vec<String>>> {
    let names = |field| match field {
        Field::Names(names) if !names.is_empty() => Ok(names),
        _ => Err(Error::Option("fields of this shape go by name".into())),
    };
    fields.into_iter().map(names).collect()
}
