//! Errors of the core as the exceptions of `regionfast.errors`.

use std::io::ErrorKind;
use std::path::PathBuf;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use regionfast_core::Error;

use crate::names;

/// The exception for an error of the core.
pub fn raised(py: Python<'_>, error: &Error) -> PyErr {
    match error {
        Error::Option(message) => PyValueError::new_err(message.clone()),
        _ => match names::error(py, "DatabaseError") {
            Ok(class) => exception(&class, (error.to_string(),)),
            Err(import) => import,
        },
    }
}

/// The exception for a file that cannot be written.
pub fn not_written(path: &std::path::Path, error: &std::io::Error) -> PyErr {
    let kind = if error.kind() == ErrorKind::StorageFull { "disk full" } else { "cannot be written" };
    PyOSError::new_err(format!("{}: {kind}: {error}", path.display()))
}

/// The exception that `open` of Python would raise for a file, with its number, words and path: from the number Python
/// makes `FileNotFoundError` and its kin.
pub fn not_opened(py: Python<'_>, error: &std::io::Error, path: Option<PathBuf>) -> PyErr {
    // What the core refuses by itself is a directory, which has a number too, and packed data without a beginning.
    let directory = (error.kind() == ErrorKind::IsADirectory).then_some("EISDIR");
    let number = match (error.raw_os_error(), directory) {
        (Some(number), _) => Ok(number),
        (None, Some(name)) => py.import("errno").and_then(|errno| errno.getattr(name)?.extract()),
        (None, None) => return PyOSError::new_err(error.to_string()),
    };
    let words = |number: i32| Ok::<_, PyErr>((number, py.import("os")?.call_method1("strerror", (number,))?.unbind()));
    number.and_then(words).map_or_else(|error| error, |(number, words)| PyOSError::new_err((number, words, path)))
}

/// `AddressError` for the text at an index of a batch, or for a single one.
pub fn no_address(py: Python<'_>, index: Option<usize>) -> PyErr {
    let message = match index {
        Some(index) => format!("addresses[{index}] is no IPv4 or IPv6 address"),
        None => "the text is no IPv4 or IPv6 address".to_owned(),
    };
    match names::error(py, "AddressError") {
        Ok(class) => exception(&class, (message, index)),
        Err(import) => import,
    }
}

fn exception<'py>(class: &Bound<'py, PyAny>, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    class.call1(arguments).map_or_else(|error| error, PyErr::from_value)
}
