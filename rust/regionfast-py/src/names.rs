//! The Python classes that the extension makes objects of, looked up once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use regionfast_core::unwrap::Wrapping;
use regionfast_core::{Evidence, Status};

/// A class of `regionfast.errors`. Not cached: errors are rare.
pub fn error<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("regionfast.errors")?.getattr(name)
}

/// A class of `regionfast.types`.
pub fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("regionfast.types")?.getattr(name)
}

/// The members of an enumeration in the order of their numbers.
fn members<'py>(
    py: Python<'py>,
    cache: &'py PyOnceLock<Py<PyTuple>>,
    name: &str,
) -> PyResult<&'py Bound<'py, PyTuple>> {
    let tuple = cache.get_or_try_init(py, || -> PyResult<_> {
        let members = class(py, name)?.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        Ok(PyTuple::new(py, members)?.unbind())
    })?;
    Ok(tuple.bind(py))
}

/// The member of `Status`.
pub fn status(py: Python<'_>, status: Status) -> PyResult<Bound<'_, PyAny>> {
    static MEMBERS: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    members(py, &MEMBERS, "Status")?.get_item(status as usize)
}

/// The member of `Evidence`.
pub fn evidence(py: Python<'_>, evidence: Evidence) -> PyResult<Bound<'_, PyAny>> {
    static MEMBERS: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    members(py, &MEMBERS, "Evidence")?.get_item(evidence as usize)
}

/// The member of `Unwrapped`.
pub fn unwrapped(py: Python<'_>, wrapping: Wrapping) -> PyResult<Bound<'_, PyAny>> {
    static MEMBERS: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    members(py, &MEMBERS, "Unwrapped")?.get_item(wrapping as usize)
}
