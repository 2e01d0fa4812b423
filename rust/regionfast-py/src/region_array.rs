//! `RegionArray`: the answers for a batch, as one slot a row.

use std::collections::BTreeMap;
use std::sync::Arc;

use numpy::ndarray::{Array1, ArrayView1};
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList, PySlice, PyString, PyTuple};
use regionfast_core::column;
use regionfast_core::lookup::Answers;
use regionfast_core::slot::{Label, Place};
use regionfast_core::{Slot, region};

use crate::export;
use crate::table::Table;

/// One answer a row, contiguous, same length and order as the addresses.
#[pyclass(frozen, sequence, module = "regionfast", weakref)]
pub struct RegionArray {
    table: Py<Table>,
    slots: Arc<Array1<Slot>>,
    /// How the first rows of `slots` were wrapped; those beyond its end were not.
    wrappings: Arc<[u8]>,
    /// The rows of `slots` that are rows of this array.
    start: usize,
    len: usize,
}

impl RegionArray {
    pub fn new(table: &Bound<'_, Table>, answers: Answers) -> Self {
        let len = answers.slots.len();
        Self {
            table: table.clone().unbind(),
            slots: Arc::new(Array1::from_vec(answers.slots)),
            wrappings: Arc::from(answers.wrappings),
            start: 0,
            len,
        }
    }

    fn rows(&self) -> &[Slot] {
        let all = self.slots.as_slice().unwrap_or_default();
        all.get(self.start..self.start + self.len).unwrap_or_default()
    }

    fn labels(&self) -> &[Label] {
        self.table.get().core().labels()
    }

    /// One byte a row, by slot.
    fn bytes<'py>(&self, py: Python<'py>, byte: impl Fn(&Label) -> u8) -> Bound<'py, PyArray1<u8>> {
        let by_slot: Vec<u8> = self.labels().iter().map(byte).collect();
        self.map(py, &by_slot)
    }

    fn map<'py>(&self, py: Python<'py>, by_slot: &[u8]) -> Bound<'py, PyArray1<u8>> {
        py.detach(|| column::map(self.rows(), by_slot)).into_pyarray(py)
    }
}

#[pymethods]
impl RegionArray {
    /// The table that answered.
    #[getter]
    fn table<'py>(&self, py: Python<'py>) -> Bound<'py, Table> {
        self.table.bind(py).clone()
    }

    /// The slots, `uint16`, read-only, without a copy. Meaningful with this table only: `table.regions[slot]`.
    #[getter]
    fn slots<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyArray1<u16>>> {
        let view = ArrayView1::from(slf.get().rows());
        #[expect(unsafe_code, reason = "a NumPy view of memory that this object owns")]
        // SAFETY: `slf` becomes the base of the array and keeps `slots` alive; nobody writes to it, for the
        // array is made read-only before anybody else sees it, and NumPy does not let go of that where the base is no
        // buffer.
        let array = unsafe { PyArray1::borrow_from_array(&view, slf.clone().into_any()) };
        array.call_method1("setflags", (false,))?;
        Ok(array)
    }

    /// The `Status` of each row, `uint8`.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u8>> {
        self.bytes(py, |label| label.status() as u8)
    }

    /// The `Evidence` of each row, `uint8`.
    #[getter]
    fn evidence<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u8>> {
        self.bytes(py, |label| label.evidence as u8)
    }

    /// How each row was `Unwrapped`, `uint8`.
    #[getter]
    fn unwrapped<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u8>> {
        let rows = self.wrappings.iter().copied().skip(self.start).chain(std::iter::repeat(0));
        rows.take(self.len).collect::<Vec<u8>>().into_pyarray(py)
    }

    /// Whether each row is in one of the regions, `bool`; a country holds its subdivisions. Names of our groups (`EU`)
    /// stand for their members at the date of the table, or at another moment, `at`, with its offset.
    ///
    /// Raises `ValueError` for what is no region code, and for a subdivision where the table tells countries only: a
    /// silent `False` would be wrong. So it does for a group where neither the table nor the caller says when.
    #[pyo3(signature = (regions, /, *, at=None))]
    fn isin<'py>(&self, regions: &Bound<'py, PyAny>, at: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let py = regions.py();
        if regions.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("`isin` takes an iterable of codes, such as [\"CN\"]"));
        }
        let (mut wanted, mut groups): (Vec<String>, Vec<Bound<'py, PyAny>>) = (Vec::new(), Vec::new());
        for region in regions.try_iter()? {
            let region = region?;
            let code = match region.cast::<PyString>() {
                Ok(code) => code.to_string(),
                Err(_) => region.getattr("code")?.extract()?,
            };
            match region::check(&code, self.table.get().core().content().level) {
                Ok(()) => wanted.push(code),
                Err(message) => {
                    // No name of a group is a region code. Imported here alone: a plain `isin` must stay light.
                    let algebra = py.import("regionfast.regions")?;
                    if !algebra.call_method1("is_group", (&code,))?.is_truthy()? {
                        return Err(PyValueError::new_err(message));
                    }
                    let at = match &at {
                        Some(at) => at.clone(),
                        None => self.table.get().built_at(py)?.ok_or_else(|| {
                            PyValueError::new_err(format!(
                                "`{code}` has other members at other times, and this table has no date: pass `at`"
                            ))
                        })?,
                    };
                    groups.push(algebra.call_method1("group", (code, at))?);
                }
            }
        }
        let inside = |label: &Label| -> PyResult<u8> {
            let Place::Region(code) = &label.place else { return Ok(0) };
            let mut inside = wanted.iter().any(|outer| region::contains(outer, code));
            for group in &groups {
                inside = inside || group.contains(&**code)?;
            }
            Ok(u8::from(inside))
        };
        let by_slot: Vec<u8> = self.labels().iter().map(inside).collect::<PyResult<_>>()?;
        // A byte of 0 or 1 is a bool of NumPy.
        self.map(py, &by_slot).call_method1("view", ("?",))
    }

    /// Rows by region code, most first, then rows by status for those that are not located.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let by_slot = py.detach(|| column::count(self.rows(), self.labels().len()));
        let mut regions: BTreeMap<&str, u64> = BTreeMap::new();
        let mut statuses: BTreeMap<u8, (&str, u64)> = BTreeMap::new();
        for (label, &count) in self.labels().iter().zip(&by_slot).filter(|&(_, &count)| count > 0) {
            match &label.place {
                Place::Region(code) => *regions.entry(code).or_default() += count,
                Place::Status(status) => statuses.entry(*status as u8).or_insert((status.name(), 0)).1 += count,
            }
        }
        let mut regions: Vec<_> = regions.into_iter().collect();
        regions.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let counts = PyDict::new(py);
        for (name, count) in regions.into_iter().chain(statuses.into_values()) {
            counts.set_item(name, count)?;
        }
        Ok(counts)
    }

    /// The code of each row, `None` where it is not located.
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let table = self.table.get();
        PyList::new(py, self.rows().iter().map(|&slot| table.code(py, slot)))
    }

    /// A `pyarrow.DictionaryArray` of `uint16` and `utf8`, null where not located.
    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let pyarrow = slf.py().import("pyarrow").map_err(|error| {
            pyo3::exceptions::PyImportError::new_err(format!(
                "to_arrow needs pyarrow: pip install \"regionfast[all]\" ({error})"
            ))
        })?;
        pyarrow.call_method1("array", (slf,))
    }

    /// The Arrow PyCapsule interface: a dictionary array of `uint16` and `utf8`, null where not located.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let array = py.detach(|| export::dictionary(self.rows(), self.labels()))?;
        export::capsules(py, array, requested_schema)
    }

    fn __len__(&self) -> usize {
        self.len
    }

    /// The `Region` of a row, `None` where it is not located; of a slice, a `RegionArray`.
    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        if let Ok(slice) = index.cast::<PySlice>() {
            return Ok(Bound::new(py, self.slice(py, slice)?)?.into_any());
        }
        let at: isize = index.extract()?;
        let at = if at < 0 { at.checked_add_unsigned(self.len) } else { Some(at) };
        let row = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| self.rows().get(at));
        let slot = row.ok_or_else(|| PyIndexError::new_err("row is out of range"))?;
        self.table.get().region_object(py, *slot)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Regions {
        Regions { rows: slf.unbind(), next: 0 }
    }

    fn __repr__(&self) -> String {
        format!("<RegionArray of {} rows>", self.len)
    }
}

impl RegionArray {
    /// A view where the step is 1, else a copy of the rows.
    fn slice(&self, py: Python<'_>, slice: &Bound<'_, PySlice>) -> PyResult<Self> {
        let indices = slice.indices(self.len.try_into()?)?;
        let (slots, wrappings, start) = if indices.step == 1 {
            (Arc::clone(&self.slots), Arc::clone(&self.wrappings), self.start + indices.start as usize)
        } else {
            let picked: Vec<usize> = (0..indices.slicelength)
                .map(|row| self.start + (indices.start + row as isize * indices.step) as usize)
                .collect();
            let slots = column::pick(self.slots.as_slice().unwrap_or_default(), &picked);
            let wrappings = picked.iter().map(|&row| self.wrappings.get(row).copied().unwrap_or(0)).collect();
            (Arc::new(Array1::from_vec(slots)), wrappings, 0)
        };
        Ok(Self { table: self.table.clone_ref(py), slots, wrappings, start, len: indices.slicelength })
    }
}

/// Iterator over the `Region` of each row.
#[pyclass(module = "regionfast")]
pub struct Regions {
    rows: Py<RegionArray>,
    next: usize,
}

#[pymethods]
impl Regions {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let rows = self.rows.get();
        let Some(&slot) = rows.rows().get(self.next) else { return Ok(None) };
        self.next += 1;
        rows.table.get().region_object(py, slot).map(Some)
    }
}
