//! `Table`: a core table with the Python objects that its answers are made of.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyUntypedArray};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use regionfast_core::addr::Address;
use regionfast_core::lookup::Resolved;
use regionfast_core::slot::{FIRST_REGION, Place};
use regionfast_core::table::Table as CoreTable;
use regionfast_core::text::{Parsed, parse};
use regionfast_core::{Slot, Status, file};

use crate::doors::{self, OneAddress};
use crate::error::{no_address, not_written, raised};
use crate::lookup::Lookup;
use crate::names;
use crate::parse::octets;
use crate::region_array::RegionArray;

type Boundaries<'py> = (Bound<'py, PyAny>, Bound<'py, PyArray1<u16>>);
type Inner<'py> = (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<u32>>);

/// An immutable table; shared by threads, pickled, and survives `fork`.
#[pyclass(frozen, module = "regionfast", name = "Table", weakref)]
pub struct Table {
    core: Arc<CoreTable>,
    /// The codes of the regions by slot: answers share them.
    codes: Vec<Option<Py<PyString>>>,
    regions: PyOnceLock<Py<PyTuple>>,
    base: PyOnceLock<Py<Self>>,
    source: Option<PathBuf>,
}

impl Table {
    pub fn new(py: Python<'_>, core: CoreTable, source: Option<PathBuf>) -> PyResult<Self> {
        Ok(Self::of(py, Arc::new(core), source))
    }

    fn of(py: Python<'_>, core: Arc<CoreTable>, source: Option<PathBuf>) -> Self {
        let code = |place: &Place| match place {
            Place::Region(code) => Some(PyString::intern(py, code).unbind()),
            Place::Status(_) => None,
        };
        let codes = core.labels().iter().map(|label| code(&label.place)).collect();
        Self { core, codes, regions: PyOnceLock::new(), base: PyOnceLock::new(), source }
    }

    pub fn core(&self) -> &Arc<CoreTable> {
        &self.core
    }

    /// The code of a slot, `None` where it is a status.
    pub fn code<'py>(&self, py: Python<'py>, slot: Slot) -> Option<Bound<'py, PyString>> {
        self.codes.get(usize::from(slot)).and_then(Option::as_ref).map(|code| code.bind(py).clone())
    }

    /// When the database was built, a `datetime` in UTC; `None` where it does not say.
    pub fn built_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.core.content().claims.built_at.map(|seconds| utc(py, seconds)).transpose()
    }

    fn region_objects<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyTuple>> {
        let regions = self.regions.get_or_try_init(py, || -> PyResult<_> {
            let class = names::class(py, "Region")?;
            let region = |code: &Option<Py<PyString>>| match code {
                Some(code) => class.call1((code,)),
                None => Ok(py.None().into_bound(py)),
            };
            let objects: Vec<_> = self.codes.iter().map(region).collect::<PyResult<_>>()?;
            Ok(PyTuple::new(py, objects)?.unbind())
        })?;
        Ok(regions.bind(py))
    }

    /// The `Region` of a slot, `None` where it is a status.
    pub fn region_object<'py>(&self, py: Python<'py>, slot: Slot) -> PyResult<Bound<'py, PyAny>> {
        self.region_objects(py)?.get_item(usize::from(slot))
    }
}

#[pymethods]
impl Table {
    /// What the table is and claims, a `TableInfo`.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let content = self.core.content();
        let claims = &content.claims;
        let (ipv4_ranges, ipv6_ranges) = self.core.counts();
        let nat64: Vec<String> = content.unwrapping.nat64().iter().map(ToString::to_string).collect();
        let mut regions: Vec<&str> = content.regions().collect();
        regions.sort_unstable();
        regions.dedup();
        let fields = PyDict::new(py);
        fields.set_item("source", self.source.as_ref().map(|path| path.display().to_string()))?;
        fields.set_item("kind", &claims.kind)?;
        fields.set_item("description", &claims.description)?;
        fields.set_item("attribution", &claims.attribution)?;
        fields.set_item("level", content.level.name())?;
        fields.set_item("built_at", self.built_at(py)?)?;
        fields.set_item("digest", digest(&self.core))?;
        fields.set_item("registry_date", &claims.registry_date)?;
        fields.set_item("unwrap", content.unwrapping.is_enabled())?;
        fields.set_item("nat64", PyTuple::new(py, nat64)?)?;
        fields.set_item("region_count", regions.len())?;
        fields.set_item("ipv4_ranges", ipv4_ranges)?;
        fields.set_item("ipv6_ranges", ipv6_ranges)?;
        fields.set_item("override_ranges", content.overrides_v4.len() + content.overrides_v6.len())?;
        fields.set_item("bytes", self.core.bytes())?;
        fields.set_item("kernel", self.core.kernel().name())?;
        fields.set_item("warnings", PyTuple::new(py, &claims.warnings)?)?;
        names::class(py, "TableInfo")?.call((), Some(&fields))
    }

    /// The same table without its overrides; the table itself where it has none.
    ///
    /// It answers by database and special ranges alone, for whoever must not trust an override.
    #[getter]
    fn base(slf: &Bound<'_, Self>) -> PyResult<Py<Self>> {
        let py = slf.py();
        let this = slf.get();
        let Some(core) = this.core.base() else { return Ok(slf.clone().unbind()) };
        let base =
            this.base.get_or_try_init(py, || Py::new(py, Self::of(py, Arc::clone(core), this.source.clone())))?;
        Ok(base.clone_ref(py))
    }

    /// A `Region` for each slot, `None` for the statuses. Several slots share a region where the table has it
    /// by different evidence.
    #[getter]
    fn regions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.region_objects(py).cloned()
    }

    /// The `Evidence` of each slot, `uint8`.
    #[getter]
    fn evidence<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u8>> {
        let by_slot: Vec<u8> = self.core.labels().iter().map(|label| label.evidence as u8).collect();
        by_slot.into_pyarray(py)
    }

    /// The code of the region of one address, `None` where it is not located.
    ///
    /// Raises `AddressError`, a `ValueError`, for text that is no address.
    #[pyo3(signature = (address, /))]
    fn region<'py>(&self, address: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
        let py = address.py();
        let parsed = match doors::one(address)? {
            OneAddress::Parsed(parsed) => parsed,
            OneAddress::Text(text) => parse(text),
        };
        if matches!(parsed, Parsed::Invalid | Parsed::Missing) {
            return Err(no_address(py, None));
        }
        Ok(self.code(py, self.core.lookup_parsed(parsed).0))
    }

    /// All that the table says of one address. Text that is none has a status, it does not raise.
    #[pyo3(signature = (address, /))]
    fn lookup(slf: &Bound<'_, Self>, address: &Bound<'_, PyAny>) -> PyResult<Lookup> {
        let parsed = match doors::one_or_missing(address)? {
            OneAddress::Parsed(parsed) => parsed,
            OneAddress::Text(text) => parse(text),
        };
        let address = match parsed {
            Parsed::V4(bits) => Address::V4(bits),
            Parsed::V6(bits) => Address::V6(bits),
            Parsed::Missing => return Ok(Lookup::without_address(slf, Status::Missing)),
            Parsed::Invalid => return Ok(Lookup::without_address(slf, Status::Invalid)),
        };
        Ok(Lookup::new(slf, slf.get().core.lookup(address)))
    }

    /// The answers for many addresses, same length and order; see `Addresses` for what is accepted.
    ///
    /// Text that is no address and missing values are statuses. `errors="raise"` raises `AddressError` for the
    /// first text that is none. `threads=None` means what the process may use, one for small batches. Copies Python objects
    /// under the interpreter lock and releases it for the rest. O(n).
    #[pyo3(signature = (addresses, /, *, errors="status", threads=None))]
    fn lookup_many(
        slf: &Bound<'_, Self>,
        addresses: &Bound<'_, PyAny>,
        errors: &str,
        threads: Option<usize>,
    ) -> PyResult<RegionArray> {
        let py = slf.py();
        let raise = match errors {
            "status" => false,
            "raise" => true,
            _ => return Err(PyValueError::new_err("`errors` is neither \"status\" nor \"raise\"")),
        };
        let mut resolved = Resolved::new(&slf.get().core, at_most(threads)?);
        doors::read(addresses, &mut resolved)?;
        let found = resolved.answers;
        if raise && let Some(index) = found.slots.iter().position(|&slot| slot == Status::Invalid.slot()) {
            return Err(no_address(py, Some(index)));
        }
        Ok(RegionArray::new(slf, found))
    }

    /// Iterates over `(first, last, region or status)` of the ranges that differ from their neighbours, IPv4 then
    /// IPv6, or one of them. IPv6 ranges that wrap IPv4 are left out: their answer is that of the address inside.
    #[pyo3(signature = (family=None))]
    fn ranges(slf: &Bound<'_, Self>, family: Option<u8>) -> PyResult<Ranges> {
        let (v4, v6) = match family {
            None => (true, true),
            Some(4) => (true, false),
            Some(6) => (false, true),
            Some(_) => return Err(PyValueError::new_err("`family` is 4, 6 or None")),
        };
        Ok(Ranges { table: slf.clone().unbind(), next: if v4 { 0 } else { slf.get().core.counts().0 }, v6 })
    }

    /// The ranges that `ranges` tells as columns: `(starts, slots)`, the first address of each, ascending from 0, and
    /// what it answers; each ends where the next begins.
    ///
    /// Family 4: `uint32` `(k,)`, host order. Family 6: `uint8` `(k, 16)`, network order; IPv6 ranges that wrap IPv4
    /// are reserved here, as are addresses in them with none inside: see `unwrap`. O(k).
    #[pyo3(signature = (family, /))]
    fn boundaries<'py>(&self, py: Python<'py>, family: u8) -> PyResult<Boundaries<'py>> {
        match family {
            4 => {
                let (starts, slots) = self.core.boundaries_v4();
                Ok((PyArray1::from_slice(py, starts).into_any(), PyArray1::from_slice(py, slots)))
            }
            6 => {
                let (starts, slots) = py.detach(|| {
                    let cover = self.core.boundaries_v6();
                    (cover.starts().iter().map(|start| start.to_be_bytes()).collect(), cover.slots().to_vec())
                });
                Ok((octets(py, starts)?.into_any(), slots.into_pyarray(py)))
            }
            _ => Err(PyValueError::new_err("`family` is 4 or 6")),
        }
    }

    /// What is inside IPv6 addresses, `uint8` `(m, 16)`, as `lookup_many` unwraps them: `(unwrapped, v4)`.
    ///
    /// `unwrapped`, `uint8` `(m,)`: numbers of `Unwrapped`. `v4`, `uint32` `(m,)`, host order, 0 where there is none.
    /// O(m).
    #[pyo3(signature = (v6, /))]
    fn unwrap<'py>(&self, v6: &Bound<'py, PyUntypedArray>) -> PyResult<Inner<'py>> {
        let py = v6.py();
        let v6 = doors::numpy::sixteens(v6)?;
        let (unwrapped, v4) = py.detach(|| self.core.unwrapping().unwrap_many(&v6));
        Ok((unwrapped.into_pyarray(py), v4.into_pyarray(py)))
    }

    /// Writes the compiled form, from which `open` takes milliseconds. The file appears whole or not at all.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| file::save(self.core.content(), &path)).map_err(|error| not_written(&path, &error))
    }

    /// The compiled form.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| file::write(self.core.content()));
        PyBytes::new(py, &bytes)
    }

    /// The table of a compiled form. With `digest`, one of another digest is refused.
    #[staticmethod]
    #[pyo3(name = "from_bytes", signature = (data, /, *, digest=None))]
    fn from_bytes(py: Python<'_>, data: &[u8], digest: Option<&str>) -> PyResult<Self> {
        // `bytes` are immutable, so they may be read while detached.
        let core = py.detach(|| CoreTable::new(Arc::new(file::read(data)?)));
        let core = core.map_err(|error| raised(py, &error))?;
        if digest.is_some_and(|digest| digest != self::digest(&core)) {
            return Err(PyValueError::new_err("the table is another than the one that was asked for"));
        }
        Self::new(py, core, None)
    }

    /// Pickles by content: the receiver needs no file, and the digest is checked.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let content = slf.get().to_bytes(py);
        Ok((slf.getattr(intern!(py, "from_bytes"))?, PyTuple::new(py, [content])?))
    }

    fn __repr__(&self) -> String {
        let claims = &self.core.content().claims;
        let regions = self.codes.iter().flatten().count();
        let kind = regionfast_core::Error::shown(&claims.kind);
        format!("<Table {kind} {} {regions} regions>", self.core.content().level.name())
    }
}

/// How many threads are used at most, `None` what the process may use.
pub fn at_most(threads: Option<usize>) -> PyResult<Option<NonZero<usize>>> {
    match threads.map(NonZero::new) {
        Some(None) => Err(PyValueError::new_err("`threads` is at least 1, or None")),
        threads => Ok(threads.flatten()),
    }
}

/// SHA-256 of the compiled form, hexadecimal.
fn digest(core: &CoreTable) -> String {
    core.content().digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn utc(py: Python<'_>, seconds: u64) -> PyResult<Bound<'_, PyAny>> {
    let datetime = py.import("datetime")?;
    let fromtimestamp = datetime.getattr("datetime")?.getattr("fromtimestamp")?;
    fromtimestamp.call1((seconds, datetime.getattr("UTC")?))
}

/// Iterator over the ranges of a table.
#[pyclass(module = "regionfast")]
pub struct Ranges {
    table: Py<Table>,
    /// Index of the next range, IPv4 first.
    next: usize,
    v6: bool,
}

#[pymethods]
impl Ranges {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<(String, String, Bound<'py, PyAny>)>> {
        let table = self.table.get();
        let Some((first, last, slot)) = table.core.range(&mut self.next, self.v6) else { return Ok(None) };
        let place = if slot >= FIRST_REGION {
            table.region_object(py, slot)?
        } else {
            match table.core.labels().get(usize::from(slot)).map(|label| &label.place) {
                Some(Place::Status(status)) => names::status(py, *status)?,
                _ => names::status(py, Status::Unknown)?,
            }
        };
        Ok(Some((first.to_string(), last.to_string(), place)))
    }
}
