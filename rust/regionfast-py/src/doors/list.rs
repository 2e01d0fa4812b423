//! Lists, tuples, iterators and object arrays. Objects are copied out under the interpreter lock in pieces, and
//! each piece is parsed without it.

use pyo3::exceptions::{PyTypeError, PyUnicodeEncodeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyList, PyString, PyTuple, PyType};
use regionfast_core::addresses::{Batch, TextColumn};
use regionfast_core::text::{Parsed, SliceRows};

use super::{OneAddress, kind};

/// Rows that are copied before the lock is released.
const PIECE: usize = 1 << 16;
/// Bytes of text that end a piece early, so that long texts do not pile up.
const PIECE_BYTES: usize = 4 << 20;

/// Adds an iterable of texts, `ipaddress` objects, `None` and NaN.
pub fn read<B: Batch>(addresses: &Bound<'_, PyAny>, batch: &mut B) -> PyResult<()> {
    let mut copies = Copies::new(addresses.py(), batch);
    if let Ok(list) = addresses.cast::<PyList>() {
        copies.reserve(list.len());
        // By index, not by iterator: a list that another thread shortens ends the batch, it does not break it.
        let mut index = 0;
        while let Ok(item) = list.get_item(index) {
            copies.push(index, &item)?;
            index += 1;
        }
    } else if let Ok(tuple) = addresses.cast::<PyTuple>() {
        copies.reserve(tuple.len());
        for (index, item) in tuple.iter_borrowed().enumerate() {
            copies.push(index, &item)?;
        }
    } else {
        let items = addresses.try_iter().map_err(|_| {
            PyTypeError::new_err(format!("`addresses` is {}, not a batch of addresses", kind(addresses)))
        })?;
        for (index, item) in items.enumerate() {
            copies.push(index, &item?)?;
        }
    }
    copies.flush();
    Ok(())
}

/// Copies of texts, and the rows that are no texts.
struct Copies<'a, 'py, B> {
    py: Python<'py>,
    batch: &'a mut B,
    text: Vec<u8>,
    offsets: Vec<u32>,
    /// Rows of the piece that say something else than their text.
    others: Vec<(usize, Parsed)>,
}

impl<'a, 'py, B: Batch> Copies<'a, 'py, B> {
    fn new(py: Python<'py>, batch: &'a mut B) -> Self {
        Self { py, batch, text: Vec::new(), offsets: vec![0], others: Vec::new() }
    }

    fn reserve(&mut self, rows: usize) {
        self.batch.reserve(rows);
        self.offsets.reserve(rows.min(PIECE));
        self.text.reserve(16 * rows.min(PIECE));
    }

    #[inline]
    fn push(&mut self, index: usize, object: &Bound<'py, PyAny>) -> PyResult<()> {
        match item(object) {
            Ok(Some(OneAddress::Text(text))) => self.text.extend_from_slice(text),
            Ok(Some(OneAddress::Parsed(parsed))) => self.others.push((self.offsets.len() - 1, parsed)),
            Ok(None) => {
                return Err(PyTypeError::new_err(format!("addresses[{index}] is {}, not an address", kind(object))));
            }
            Err(error) => return Err(error),
        }
        if self.text.len() > u32::MAX as usize {
            // One text of 4 GiB: no offset reaches behind it, and it is no address.
            self.text.truncate(self.offsets.last().map_or(0, |&end| end as usize));
            self.others.push((self.offsets.len() - 1, Parsed::Invalid));
        }
        self.offsets.push(self.text.len() as u32);
        if self.offsets.len() > PIECE || self.text.len() > PIECE_BYTES {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        let Self { py, batch, text, offsets, others } = self;
        let before = batch.len();
        py.detach(|| {
            let rows = SliceRows { text, offsets };
            batch.extend(&TextColumn::new(&rows));
            batch.replace(before, others.drain(..));
        });
        text.clear();
        offsets.truncate(1);
    }
}

/// What one object says; `None` for an object that is no address.
#[inline]
pub fn item<'a>(object: &'a Bound<'_, PyAny>) -> PyResult<Option<OneAddress<'a>>> {
    match object.cast::<PyString>() {
        Ok(text) => Ok(Some(match text.to_str() {
            Ok(text) => OneAddress::Text(text.as_bytes()),
            Err(error) => OneAddress::Parsed(surrogates(text, error)?),
        })),
        Err(_) => other(object),
    }
}

/// A text with lone surrogates has no UTF-8. It is an address where they stand in its zone.
#[cold]
fn surrogates(text: &Bound<'_, PyString>, error: PyErr) -> PyResult<Parsed> {
    if !error.is_instance_of::<PyUnicodeEncodeError>(text.py()) {
        return Err(error);
    }
    let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
    Ok(regionfast_core::text::parse(bytes.extract::<&[u8]>()?))
}

#[cold]
fn other<'a>(object: &Bound<'_, PyAny>) -> PyResult<Option<OneAddress<'a>>> {
    static IPV4: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static IPV6: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = object.py();
    let parsed = |parsed| Ok(Some(OneAddress::Parsed(parsed)));
    if object.is_none() {
        return parsed(Parsed::Missing);
    }
    if object.is_instance(IPV4.import(py, "ipaddress", "IPv4Address")?)? {
        return parsed(Parsed::V4(object.getattr(intern!(py, "_ip"))?.extract()?));
    }
    if object.is_instance(IPV6.import(py, "ipaddress", "IPv6Address")?)? {
        return parsed(Parsed::V6(object.getattr(intern!(py, "_ip"))?.extract()?));
    }
    if let Ok(float) = object.cast::<PyFloat>()
        && float.extract::<f64>()?.is_nan()
    {
        return parsed(Parsed::Missing);
    }
    // pandas has nulls of its own, which no other package may know the classes of.
    let class = object.get_type();
    let name = class.name()?;
    if matches!(name.to_str()?, "NAType" | "NaTType") && class.module()?.to_str()?.split('.').next() == Some("pandas") {
        return parsed(Parsed::Missing);
    }
    Ok(None)
}
