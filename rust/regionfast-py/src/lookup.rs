//! `Lookup`: the answer for one address.

use pyo3::prelude::*;
use regionfast_core::slot::{FIRST_REGION, Label};
use regionfast_core::table::Found;
use regionfast_core::unwrap::Wrapping;
use regionfast_core::{Evidence, Slot, Status};

use crate::names;
use crate::table::Table;

/// What a table says of one address; false when it is not located.
#[pyclass(frozen, module = "regionfast")]
pub struct Lookup {
    table: Py<Table>,
    slot: Slot,
    /// `None` where there was no address to look up.
    found: Option<Found>,
}

impl Lookup {
    pub fn new(table: &Bound<'_, Table>, found: Found) -> Self {
        Self { table: table.clone().unbind(), slot: found.slot, found: Some(found) }
    }

    pub fn without_address(table: &Bound<'_, Table>, status: Status) -> Self {
        Self { table: table.clone().unbind(), slot: status.slot(), found: None }
    }

    fn label(&self) -> Option<&Label> {
        self.table.get().core().labels().get(usize::from(self.slot))
    }
}

#[pymethods]
impl Lookup {
    /// The `Region`, `None` when not located.
    #[getter]
    fn region<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.table.get().region_object(py, self.slot)
    }

    /// The `Status`.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        names::status(py, self.label().map_or(Status::Unknown, Label::status))
    }

    /// The largest network around the judged address that the table answers alike, `None` without an address.
    /// For a wrapped address it is an IPv4 network.
    #[getter]
    fn network(&self) -> Option<String> {
        self.found.map(|found| self.table.get().core().network(found.judged).to_string())
    }

    /// The `Evidence`.
    #[getter]
    fn evidence<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        names::evidence(py, self.label().map_or(Evidence::None, |label| label.evidence))
    }

    /// How the judged IPv4 address was wrapped, an `Unwrapped`.
    #[getter]
    fn unwrapped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        names::unwrapped(py, self.found.map_or(Wrapping::None, |found| found.wrapping))
    }

    fn __bool__(&self) -> bool {
        self.slot >= FIRST_REGION
    }

    /// Without network: that would name the person.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let region = match self.table.get().code(py, self.slot) {
            Some(code) => code.repr()?.to_string(),
            None => "None".to_owned(),
        };
        Ok(format!(
            "Lookup(region={region}, status={}, evidence={})",
            self.status(py)?.str()?,
            self.evidence(py)?.str()?
        ))
    }
}
