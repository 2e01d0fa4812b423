//! `gather`: cells of a matrix by pairs of row and column.

use numpy::{IntoPyArray, PyArray1, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use regionfast_core::column;

use crate::buffer::Buffer;

/// Pairs that are copied at a time: with their cells they stay in the L1 cache.
const PIECE: usize = 2048;

/// `cells[rows[i], columns[i]]` for each `i`, `uint32` `(n,)`.
///
/// `cells` is `uint32` `(R, K)`, `rows` `uint32` `(n,)`, `columns` `uint16` or `uint32` `(n,)`; what is not contiguous
/// is copied first. Raises `ValueError` where a row or column is out of bounds. Releases the interpreter lock. O(n).
#[pyfunction]
#[pyo3(signature = (cells, rows, columns, /))]
pub fn gather<'py>(
    cells: &Bound<'py, PyUntypedArray>,
    rows: &Bound<'py, PyUntypedArray>,
    columns: &Bound<'py, PyUntypedArray>,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let py = cells.py();
    check("cells", cells, &[4])?;
    check("rows", rows, &[4])?;
    let narrow = check("columns", columns, &[2, 4])? == 2;
    let (&[_, width], &[len], &[also]) = (cells.shape(), rows.shape(), columns.shape()) else {
        return Err(PyValueError::new_err("`cells` is of shape (R, K), `rows` and `columns` are of shape (n,)"));
    };
    if len != also {
        return Err(PyValueError::new_err(format!("{len} `rows` and {also} `columns`: they are pairs")));
    }
    let shape = cells.shape().to_vec();
    let (cells, rows, columns) = (Buffer::new(cells)?, Buffer::new(rows)?, Buffer::new(columns)?);
    let mut found = vec![0; len];
    let fit = py.detach(|| {
        let (mut row, mut column, mut thin) = (Vec::<u32>::new(), Vec::<u32>::new(), Vec::<u16>::new());
        let mut pieces = found.chunks_mut(PIECE).zip((0..).step_by(PIECE));
        pieces.all(|(found, at)| {
            let row = rows.copy(at, found.len(), &mut row);
            if narrow {
                column::gather(&cells, width, row, columns.copy(at, found.len(), &mut thin), found)
            } else {
                column::gather(&cells, width, row, columns.copy(at, found.len(), &mut column), found)
            }
        })
    });
    if !fit {
        return Err(PyValueError::new_err(format!(
            "a row or column is out of bounds: the cells are of shape {shape:?}"
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
