//! What a line has at a place that was asked for.

use std::borrow::Cow;

use memchr::memchr_iter;

/// One field of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The line has no such field, or a JSON null there.
    Absent,
    /// Text, as it was before the format escaped it.
    Text(Cow<'a, [u8]>),
    /// A JSON value that is no text, as it stands: a number, `true`, an object.
    Other(&'a [u8]),
}

impl<'a> Cell<'a> {
    /// Text that stands in the line as it is.
    #[inline]
    #[must_use]
    pub fn borrowed(text: &'a [u8]) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The bytes of a text or of another value; `None` where there is nothing.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Absent => None,
            Self::Text(text) => Some(text),
            Self::Other(value) => Some(value),
        }
    }
}

/// Which columns are wanted, in the order in which a line has them.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Column and place among the cells, ascending.
    order: Vec<(usize, usize)>,
    cells: usize,
}

impl Places {
    /// For each cell its column, where lines have one.
    pub fn new(wanted: impl IntoIterator<Item = Option<usize>>) -> Self {
        let wanted: Vec<Option<usize>> = wanted.into_iter().collect();
        let places = wanted.iter().enumerate().filter_map(|(place, column)| Some(((*column)?, place)));
        let mut order: Vec<(usize, usize)> = places.collect();
        order.sort_unstable();
        Self { order, cells: wanted.len() }
    }

    /// Makes every cell absent; what is left to be put into them is all.
    #[inline]
    pub fn clear<'a>(&self, cells: &mut Vec<Cell<'a>>) -> Left<'_> {
        cells.clear();
        cells.resize(self.cells, Cell::Absent);
        Left(&self.order)
    }

    /// Puts what stands between separators where it is wanted; how many parts the line has.
    #[inline]
    pub fn split<'a>(&self, line: &'a [u8], separator: u8, cells: &mut Vec<Cell<'a>>) -> usize {
        let mut left = self.clear(cells);
        let mut ends = memchr_iter(separator, line);
        let (mut start, mut column) = (0, 0);
        while !left.is_empty() {
            let end = ends.next();
            left.put(column, cells, || Cell::borrowed(line.get(start..end.unwrap_or(line.len())).unwrap_or_default()));
            column += 1;
            let Some(end) = end else { return column };
            start = end + 1;
        }
        column + ends.count() + 1
    }
}

/// The places behind the column that a splitter has come to.
pub(super) struct Left<'p>(&'p [(usize, usize)]);

impl Left<'_> {
    /// Puts a column where it is wanted. Columns come in their order.
    #[inline]
    pub fn put<'a>(&mut self, column: usize, cells: &mut [Cell<'a>], cell: impl Fn() -> Cell<'a>) {
        while let Some(((wanted, place), rest)) = self.0.split_first()
            && *wanted == column
        {
            if let Some(to) = cells.get_mut(*place) {
                *to = cell();
            }
            self.0 = rest;
        }
    }

    /// Whether no further column is wanted.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
