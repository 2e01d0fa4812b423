//! Work on columns of slots: what a table knows of a slot, once a row.

use std::collections::HashMap;

use crate::slot::{Label, Place, Slot};

/// The byte of each row's slot, such as a verdict. `by_slot` has one byte for each slot that a row can have;
/// a slot beyond it reads as 0. O(rows).
#[must_use]
pub fn map(rows: &[Slot], by_slot: &[u8]) -> Vec<u8> {
    // All 65,536 slots have a byte here, so the loop needs no bound and no branch.
    let mut bytes = [0; 1 << 16];
    bytes.iter_mut().zip(by_slot).for_each(|(to, from)| *to = *from);
    #[expect(clippy::indexing_slicing, reason = "a u16 is an index of 2^16 bytes")]
    rows.iter().map(|&slot| bytes[usize::from(slot)]).collect()
}

/// How many rows have each of the slots below `slots`. O(rows).
#[must_use]
pub fn count(rows: &[Slot], slots: usize) -> Vec<u64> {
    // Neighbouring rows often share a slot, and a counter cannot be raised twice at once: four sets of counters keep
    // them apart.
    let mut counters = vec![[0_u64; 4]; slots];
    for (index, &slot) in rows.iter().enumerate() {
        if let Some([a, b, c, d]) = counters.get_mut(usize::from(slot)) {
            *match index % 4 {
                0 => a,
                1 => b,
                2 => c,
                _ => d,
            } += 1;
        }
    }
    counters.into_iter().map(|four| four.iter().sum()).collect()
}

/// The rows at these indices, in their order; an index that is no row is left out.
#[must_use]
pub fn pick<T: Copy>(rows: &[T], indices: &[usize]) -> Vec<T> {
    indices.iter().filter_map(|&index| rows.get(index).copied()).collect()
}

/// A matrix of cells, row after row, that may lie in memory of others: it is read a cell at a time.
pub trait Cells {
    /// Number of cells.
    fn len(&self) -> usize;

    /// Whether there is no cell.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cell at an index below [`Cells::len`]; what another index gives is not said.
    fn at(&self, index: usize) -> u32;
}

impl Cells for [u32] {
    fn len(&self) -> usize {
        <[u32]>::len(self)
    }

    #[inline]
    fn at(&self, index: usize) -> u32 {
        self.get(index).copied().unwrap_or_default()
    }
}

/// Writes the cell of each pair of row and column, such as the verdict for a slot, of a matrix of `width` columns.
/// `rows`, `columns` and `found` are of one length. O(pairs).
///
/// `false`, with `found` as it was, if one of them is no row or no column of the matrix. That is asked of all pairs
/// first, so that the loop which reads cells has nothing to decide.
#[must_use]
pub fn gather<M, C>(cells: &M, width: usize, rows: &[u32], columns: &[C], found: &mut [u32]) -> bool
where
    M: Cells + ?Sized,
    C: Copy + Into<u32>,
{
    let height = cells.len().checked_div(width).unwrap_or(0);
    // The greatest by value: `max` of references has a branch and is not done for many at once.
    let row = rows.iter().fold(0, |greatest, row| greatest.max(*row));
    let column = columns.iter().fold(0, |greatest: u32, column| greatest.max((*column).into()));
    if !rows.is_empty() && (row as usize >= height || column as usize >= width) {
        return false;
    }
    for ((row, column), found) in rows.iter().zip(columns).zip(found) {
        let column: u32 = (*column).into();
        // Below the number of cells, so it does not wrap.
        *found = cells.at((*row as usize).wrapping_mul(width).wrapping_add(column as usize));
    }
    true
}

/// Puts in the place of each index the value that stands there, such as the row of a matrix for the group that
/// something is in. O(indices).
///
/// `false`, with `indices` as they were, if one of them is beyond the values.
#[must_use]
pub fn follow<V: Cells + ?Sized>(values: &V, indices: &mut [u32]) -> bool {
    let greatest = indices.iter().fold(0, |greatest, index| greatest.max(*index));
    if !indices.is_empty() && greatest as usize >= values.len() {
        return false;
    }
    indices.iter_mut().for_each(|index| *index = values.at(*index as usize));
    true
}

/// Rows as keys into a list of codes.
#[derive(Debug)]
pub struct Dictionary<'a> {
    /// Index into `codes`; 0 where the row is not located.
    pub keys: Vec<u16>,
    /// Whether the row is located.
    pub valid: Vec<bool>,
    /// The codes of all regions of the table, each once, in the order of their slots.
    pub codes: Vec<&'a str>,
}

/// Rows as keys into the codes of the table's regions. Regions that have several slots, one for each kind of
/// evidence, are one code. O(rows + labels).
#[must_use]
pub fn dictionary<'a>(rows: &[Slot], labels: &'a [Label]) -> Dictionary<'a> {
    let mut codes: Vec<&str> = Vec::new();
    let mut known: HashMap<&str, u16> = HashMap::new();
    let keys: Vec<Option<u16>> = labels
        .iter()
        .map(|label| match &label.place {
            Place::Region(code) => Some(*known.entry(code).or_insert_with(|| {
                codes.push(code);
                (codes.len() - 1) as u16
            })),
            Place::Status(_) => None,
        })
        .collect();
    let of = |slot: &Slot| keys.get(usize::from(*slot)).copied().flatten();
    Dictionary {
        keys: rows.iter().map(|slot| of(slot).unwrap_or(0)).collect(),
        valid: rows.iter().map(|slot| of(slot).is_some()).collect(),
        codes,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::build::fixed_labels;
    use crate::slot::{Evidence, Slot};

    fn labels() -> Vec<Label> {
        let label = |code: &str, evidence| Label { place: Place::Region(Arc::from(code)), evidence };
        let own = [
            label("DE", Evidence::Database),
            label("US", Evidence::Database),
            label("US", Evidence::Registered),
            label("AD", Evidence::Override),
            label("DE", Evidence::Override),
        ];
        fixed_labels().into_iter().chain(own).collect()
    }

    #[test]
    fn a_byte_for_each_slot() {
        assert_eq!(map(&[8, 0, 9, 8, 10, u16::MAX], &[7, 0, 0, 0, 0, 0, 0, 0, 1, 2]), [1, 7, 2, 1, 0, 0]);
        assert_eq!(map(&[], &[1]), []);
        assert_eq!(map(&[0], &[]), [0]);
        let all: Vec<Slot> = (0..=u16::MAX).collect();
        let by_slot: Vec<u8> = all.iter().map(|slot| (slot >> 8 ^ slot & 255) as u8).collect();
        assert_eq!(map(&all, &by_slot), by_slot);
        // More bytes than there are slots are never asked for.
        assert_eq!(map(&[u16::MAX], &vec![3; 70_000]), [3]);
    }

    #[test]
    fn rows_by_their_codes() {
        let labels = labels();
        let found = dictionary(&[8, 9, 10, 11, 12, 0, 5, 7, 9, 99], &labels);
        assert_eq!(found.codes, ["DE", "US", "AD"]);
        assert_eq!(found.keys, [0, 1, 1, 2, 0, 0, 0, 0, 1, 0]);
        assert_eq!(found.valid, [true, true, true, true, true, false, false, false, true, false]);
        let none = dictionary(&[], &labels);
        assert_eq!((none.keys.len(), none.valid.len(), none.codes), (0, 0, vec!["DE", "US", "AD"]));
    }

    #[test]
    fn a_cell_for_each_pair() {
        let cells: &[u32] = &[1, 2, 3, 4, 5, 6];
        let gathered = |width, rows: &[u32], columns: &[u16]| {
            let mut found = vec![9; rows.len()];
            gather(cells, width, rows, columns, &mut found).then_some(found)
        };
        assert_eq!(gathered(3, &[0, 1, 1, 0], &[0, 2, 0, 1]), Some(vec![1, 6, 4, 2]));
        assert_eq!(gathered(2, &[2], &[1]), Some(vec![6]));
        assert_eq!(gathered(3, &[], &[]), Some(vec![]));
        for (width, row, column) in [(3, 2, 0), (3, 0, 3), (3, u32::MAX, 0), (6, 1, 0), (0, 0, 0), (4, 1, 0)] {
            assert_eq!(gathered(width, &[0, row], &[0, column]), None, "{width} {row} {column}");
        }
        let mut found = [9; 2];
        assert!(!gather(cells, 3, &[0, 2], &[0_u32, 0], &mut found));
        assert_eq!(found, [9, 9], "nothing is written");
        assert!(!gather::<[u32], u32>(&[], 3, &[0], &[0], &mut found));
    }

    #[test]
    fn a_value_for_each_index() {
        let values: &[u32] = &[7, 8, 9];
        let mut indices = [2, 0, 0, 1];
        assert!(follow(values, &mut indices));
        assert_eq!(indices, [9, 7, 7, 8]);
        assert!(!follow(values, &mut [0, 3]));
        let mut beyond = [0, u32::MAX];
        assert!(!follow(values, &mut beyond));
        assert_eq!(beyond, [0, u32::MAX], "nothing is written");
        assert!(follow::<[u32]>(&[], &mut []));
        assert!(!follow::<[u32]>(&[], &mut [0]));
    }

    proptest! {
        #[test]
        fn gathered_cells_are_those_of_two_indices(
            width in 1..40_usize, height in 0..40_usize,
            pairs in proptest::collection::vec((0..41_u32, 0..41_u16), 0..50),
        ) {
            let matrix: Vec<Vec<u32>> =
                (0..height).map(|row| (0..width).map(|column| (row << 16 | column) as u32).collect()).collect();
            let cells = matrix.concat();
            let (rows, columns): (Vec<u32>, Vec<u16>) = pairs.iter().copied().unzip();
            let expected: Option<Vec<u32>> = pairs
                .iter()
                .map(|(row, column)| matrix.get(*row as usize)?.get(usize::from(*column)).copied())
                .collect();
            let mut found = vec![0; pairs.len()];
            let fits = gather(&*cells, width, &rows, &columns, &mut found);
            prop_assert_eq!(fits.then_some(found), expected);
        }

        #[test]
        fn counts_are_those_of_a_linear_search(
            rows in proptest::collection::vec(0..20_u16, 0..200),
            slots in 0..25_usize,
        ) {
            let expected: Vec<u64> =
                (0..slots).map(|slot| rows.iter().filter(|row| usize::from(**row) == slot).count() as u64).collect();
            prop_assert_eq!(count(&rows, slots), expected);
        }

        #[test]
        fn picked_rows_are_those_that_exist(rows: Vec<u8>, indices in proptest::collection::vec(0..40_usize, 0..40)) {
            let mut expected = Vec::new();
            for index in indices.iter().copied() {
                if index < rows.len() {
                    expected.extend(rows.iter().skip(index).take(1));
                }
            }
            prop_assert_eq!(pick(&rows, &indices), expected);
        }
    }
}
