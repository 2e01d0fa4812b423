//! `gather`: cells of a matrix by pairs of group and column, each group having a row.

use numpy::{IntoPyArray, PyArray1, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use regionfast_core::column;

use crate::buffer::Buffer;

/// Pairs that are copied at a time: with their cells they stay in the L1 cache.
const PIECE: usize = 2048;

/// `cells[row_of[groups[i]], columns[i]]` for each `i`, `uint32` `(n,)`.
///
/// `cells` is `uint32` `(R, K)`, `row_of` `uint32` `(G,)`, `groups` `uint32` `(n,)`, `columns` `uint16` or `uint32`
/// `(n,)`; what is not contiguous is copied first. Raises `ValueError` where a group, row or column is out of bounds.
/// Releases the interpreter lock. O(n).
#[pyfunction]
#[pyo3(signature = (cells, row_of, groups, columns, /))]
pub fn gather<'py>(
    cells: &Bound<'py, PyUntypedArray>,
    row_of: &Bound<'py, PyUntypedArray>,
    groups: &Bound<'py, PyUntypedArray>,
    columns: &Bound<'py, PyUntypedArray>,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let py = cells.py();
    check("cells", cells, &[4])?;
    check("row_of", row_of, &[4])?;
    check("groups", groups, &[4])?;
    let narrow = check("columns", columns, &[2, 4])? == 2;
    let (&[_, width], &[_], &[len], &[also]) = (cells.shape(), row_of.shape(), groups.shape(), columns.shape()) else {
        return Err(PyValueError::new_err(
            "`cells` is of shape (R, K), `row_of` of shape (G,), `groups` and `columns` are of shape (n,)",
        ));
    };
    if len != also {
        return Err(PyValueError::new_err(format!("{len} `groups` and {also} `columns`: they are pairs")));
    }
    let shape = cells.shape().to_vec();
    let (cells, row_of) = (Buffer::new(cells)?, Buffer::new(row_of)?);
    let (groups, columns) = (Buffer::new(groups)?, Buffer::new(columns)?);
    let mut found = vec![0; len];
    let fit = py.detach(|| {
        let (mut row, mut column, mut thin) = (Vec::<u32>::new(), Vec::<u32>::new(), Vec::<u16>::new());
        let mut pieces = found.chunks_mut(PIECE).zip((0..).step_by(PIECE));
        pieces.all(|(found, at)| {
            let row = groups.copy(at, found.len(), &mut row);
            if !column::follow(&row_of, row) {
                false
            } else if narrow {
                column::gather(&cells, width, row, columns.copy(at, found.len(), &mut thin), found)
            } else {
                column::gather(&cells, width, row, columns.copy(at, found.len(), &mut column), found)
            }
        })
    });
    if !fit {
        return Err(PyValueError::new_err(format!(
            "a group, row or column is out of bounds: the cells are of shape {shape:?}"
        )));
    }
    Ok(found.into_pyarray(py))
}

/// The width of an array of unsigned integers, one of `widths`.
fn check(name: &str, array: &Bound<'_, PyUntypedArray>, widths: &[usize]) -> PyResult<usize> {
    let dtype = array.dtype();
    let width = dtype.itemsize();
    if dtype.kind() == b'u' && widths.contains(&width) {
        return Ok(width);
    }
    let names: Vec<String> = widths.iter().map(|width| format!("uint{}", 8 * width)).collect();
    Err(PyTypeError::new_err(format!("`{name}` is of dtype {dtype}, not {}", names.join(" or "))))
}
