//! Opening files, and what this build and machine can do.

use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use regionfast_core::lookup::Kernel;
use regionfast_core::open::{self, Options};

use crate::error::raised;
use crate::table::Table;

/// `field`: one dotted path, or a tuple of one or two.
#[derive(FromPyObject)]
pub enum Field {
    #[pyo3(transparent)]
    Path(String),
    #[pyo3(transparent)]
    Paths(Vec<String>),
}

/// Opens a database or a compiled table; see `regionfast.open`.
#[pyfunction]
#[pyo3(signature = (path, *, level=None, field=None, registered=false, overrides=None, unwrap=None, nat64=None, attribution="", built_at=None))]
#[expect(clippy::too_many_arguments, reason = "keyword-only options of one Python function")]
pub fn open_table(
    py: Python<'_>,
    path: PathBuf,
    level: Option<&str>,
    field: Option<Field>,
    registered: bool,
    overrides: Option<PathBuf>,
    unwrap: Option<bool>,
    nat64: Option<Vec<String>>,
    attribution: &str,
    built_at: Option<&Bound<'_, PyAny>>,
) -> PyResult<Table> {
    let field = match field {
        None => Vec::new(),
        Some(Field::Path(path)) => vec![path],
        Some(Field::Paths(paths)) => paths,
    };
    let built_at = built_at.map(seconds).transpose()?;
    let table = py.detach(|| {
        let level = level.map(str::parse).transpose()?;
        let nat64 = nat64.map(|texts| texts.iter().map(|text| text.parse()).collect()).transpose()?;
        let attribution = attribution.to_owned();
        let options = Options { level, field, registered, overrides, unwrap, nat64, attribution, built_at };
        open::open(&path, &options)
    });
    Table::new(py, table.map_err(|error| raised(py, &error))?, Some(path))
}

/// A `datetime` as seconds since 1970.
fn seconds(built_at: &Bound<'_, PyAny>) -> PyResult<u64> {
    let py = built_at.py();
    if built_at.call_method0(intern!(py, "utcoffset"))?.is_none() {
        return Err(PyValueError::new_err(
            "`built_at` has no offset: pass a time such as `datetime(2020, 6, 1, tzinfo=UTC)`",
        ));
    }
    let seconds: f64 = built_at.call_method0(intern!(py, "timestamp"))?.extract()?;
    if seconds < 0.0 {
        return Err(PyValueError::new_err("`built_at` is a date before 1970"));
    }
    Ok(seconds as u64) // whole ones; a `datetime` ends with the year 9999
}

/// The kernels that this machine runs, slowest first.
#[pyfunction]
pub fn kernels() -> Vec<&'static str> {
    Kernel::available().into_iter().map(Kernel::name).collect()
}

/// The most threads that a large batch uses unless told otherwise: what affinity and control groups allow.
#[pyfunction]
pub fn usable_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The CPU features that kernels and the text parser look for, where this machine has them.
#[pyfunction]
pub fn cpu_features() -> Vec<&'static str> {
    regionfast_core::lookup::cpu_features()
}
