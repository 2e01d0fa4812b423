//! `LogSource`, `LogScan`, `LogBatch`: a pass over a log, step by step.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyTuple};
use regionfast_core::prefix::Network;
use regionfast_core::scan::forwarded::{Header, Trusted};
use regionfast_core::scan::layout::{Field, Layout, Wanted};
use regionfast_core::scan::source::{GoOn, Source};
use regionfast_core::scan::time::Form;
use regionfast_core::scan::{Bucket, Plan, Scan};

use crate::error::{not_opened, raised};
use crate::export;
use crate::table::{Table, at_most};

type Counts<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u16>>, Bound<'py, PyArray1<u64>>);
type Rejects<'py> = (Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u8>>);

/// An open log, unpacked where it is packed in gzip or zstd.
#[pyclass(frozen, module = "regionfast")]
pub struct LogSource {
    /// `None` when a scan has it. In a lock, since a decoder may be used by one thread at a time.
    source: Mutex<Option<Source>>,
    position: Arc<AtomicU64>,
    /// Bytes of the file as it is stored; `None` where the system does not know, as of a pipe.
    #[pyo3(get)]
    size: Option<u64>,
    /// `none`, `gzip` or `zstd`.
    #[pyo3(get)]
    compression: &'static str,
    signals: Signals,
}

/// What a signal handler of Python raised while a source was waited for: `KeyboardInterrupt` for Ctrl-C.
#[derive(Clone, Default)]
struct Signals(Arc<Mutex<Option<PyErr>>>);

impl Signals {
    /// Runs the handlers; false where one raises.
    fn go_on(&self) -> GoOn {
        let signals = self.clone();
        Box::new(move || match Python::attach(|py| py.check_signals()) {
            Ok(()) => true,
            Err(raised) => {
                *signals.lock() = Some(raised);
                false
            }
        })
    }

    /// Raises what a handler raised.
    fn raise(&self) -> PyResult<()> {
        self.lock().take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, Option<PyErr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which file.
enum Place {
    Stdin,
    Path(PathBuf),
}

impl<'py> FromPyObject<'_, 'py> for Place {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<i64>() {
            Ok(0) => Ok(Self::Stdin),
            Ok(_) => Err(PyValueError::new_err("of descriptors 0, standard input, is read: give a path")),
            Err(_) => Ok(Self::Path(object.extract()?)),
        }
    }
}

#[pymethods]
impl LogSource {
    /// Opens a path, or standard input for 0.
    #[new]
    #[pyo3(signature = (source, /))]
    fn new(py: Python<'_>, source: Place) -> PyResult<Self> {
        let path = if let Place::Path(path) = &source { Some(path.clone()) } else { None };
        let file = match source {
            Place::Path(path) => opened(py, path)?,
            Place::Stdin => stdin(),
        };
        let signals = Signals::default();
        let go_on = signals.go_on();
        let source = py.detach(|| file.and_then(|file| Source::new(file, go_on)));
        signals.raise()?;
        let source = source.map_err(|error| not_opened(py, &error, path))?;
        let (position, size) = (source.position(), source.size());
        let compression = source.compression().name();
        Ok(Self { source: Mutex::new(Some(source)), position, size, compression, signals })
    }

    /// How many bytes of the file were read so far.
    #[getter]
    fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Why no more can be read, where what was looked at ended early; `None` also when a scan has the source.
    #[getter]
    fn failure(&self) -> Option<String> {
        self.lock().as_ref().and_then(|source| source.failure().map(str::to_owned))
    }

    /// The first bytes, unpacked and without a mark of UTF-8; fewer only where the file has no more, and at most 16 MiB.
    /// Before a scan.
    #[pyo3(signature = (size=65_536, /))]
    fn peek<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        let first = py.detach(|| self.lock().as_mut().map(|source| source.peek(size).to_vec()));
        self.signals.raise()?;
        Ok(PyBytes::new(py, &first.ok_or_else(is_taken)?))
    }
}

impl LogSource {
    fn lock(&self) -> MutexGuard<'_, Option<Source>> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_taken() -> PyErr {
    PyValueError::new_err("a scan has read this source: open the file again")
}

/// The file at a path. A pipe with a name is not open before somebody writes to it, and the system's call for that cannot
/// be left: another thread waits in it, and this one for signals.
fn opened(py: Python<'_>, path: PathBuf) -> PyResult<std::io::Result<File>> {
    if !std::fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
        return Ok(py.detach(|| File::open(path)));
    }
    let (sender, mut receiver) = mpsc::channel();
    let open = move || sender.send(File::open(path));
    if let Err(error) = thread::Builder::new().spawn(open) {
        return Ok(Err(error));
    }
    loop {
        let receiver = &mut receiver; // for one thread alone, which is what may leave the interpreter
        match py.detach(move || receiver.recv_timeout(Duration::from_millis(100))) {
            Ok(opened) => return Ok(opened),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(error @ RecvTimeoutError::Disconnected) => return Ok(Err(std::io::Error::other(error))),
        }
    }
}

/// Standard input, as a file of its own: it stays open when this one is closed.
fn stdin() -> std::io::Result<File> {
    #[cfg(unix)]
    let own = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned();
    #[cfg(windows)]
    let own = std::os::windows::io::AsHandle::as_handle(&std::io::stdin()).try_clone_to_owned();
    own.map(File::from)
}

/// Where a field stands: a number, or names.
#[derive(FromPyObject)]
enum FieldArgument {
    Number(usize),
    Names(Vec<String>),
}

impl From<FieldArgument> for Field {
    fn from(field: FieldArgument) -> Self {
        match field {
            FieldArgument::Number(number) => Self::Number(number),
            FieldArgument::Names(names) => Self::Names(names),
        }
    }
}

/// A pass over a log, step by step.
#[pyclass(module = "regionfast")]
pub struct LogScan {
    scan: Scan,
    table: Py<Table>,
    signals: Signals,
    /// The names of the fields that rows carry.
    kept: Vec<String>,
}

#[pymethods]
impl LogScan {
    /// A pass over a source, which it takes. See `regionfast.logs.formats` for the layouts of known formats.
    #[new]
    #[expect(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        reason = "keywords of Python, by name only"
    )]
    #[pyo3(signature = (source, table, /, *, shape, client=None, strip_port=false, forwarded=None,
        header="x-forwarded-for", trusted=Vec::new(), time=None, time_form=None, keep=Vec::new(), separator=",",
        width=None, skip=0, bucket=0, select=None, rows=false, address=false, line=false, raw=false, rejects=false,
        threads=None))]
    fn new(
        source: &Bound<'_, LogSource>,
        table: &Bound<'_, Table>,
        shape: String,
        client: Option<FieldArgument>,
        strip_port: bool,
        forwarded: Option<FieldArgument>,
        header: &str,
        trusted: Vec<String>,
        time: Option<FieldArgument>,
        time_form: Option<&str>,
        keep: Vec<(String, FieldArgument)>,
        separator: &str,
        width: Option<usize>,
        skip: usize,
        bucket: u32,
        select: Option<Vec<u8>>,
        rows: bool,
        address: bool,
        line: bool,
        raw: bool,
        rejects: bool,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let py = source.py();
        let (kept, keep): (Vec<String>, Vec<FieldArgument>) = keep.into_iter().unzip();
        let time_form = time_form.map(form).transpose()?;
        let time = match (time, time_form) {
            // The two columns of the standard, section "Fields", which has them in UTC.
            (None, Some(Form::IsoUtc)) if shape == "w3c" => {
                ["date", "time"].map(|name| Field::Names(vec![name.into()])).to_vec()
            }
            (time, _) => time.into_iter().map(Field::from).collect(),
        };
        let forwarded = match forwarded {
            Some(field) => Some((field.into(), self::header(header)?, self::trusted(&trusted)?)),
            None if trusted.is_empty() => None,
            None => return Err(PyValueError::new_err("`trusted` needs the field of the header, `forwarded`")),
        };
        let &[separator] = separator.as_bytes() else {
            return Err(PyValueError::new_err("a separator is one character of ASCII"));
        };
        let wanted = Wanted {
            shape,
            client: client.map(Field::from),
            strip_port,
            forwarded,
            time,
            time_form,
            keep: keep.into_iter().map(Field::from).collect(),
            separator,
            width,
        };
        let bucket = match bucket {
            0 => Bucket::None,
            3600 => Bucket::Hour,
            86_400 => Bucket::Day,
            _ => return Err(PyValueError::new_err("`bucket` is 0, 3600 or 86400")),
        };
        let slots = table.get().core().labels().len();
        if select.as_ref().is_some_and(|select| select.len() != slots) {
            return Err(PyValueError::new_err(format!(
                "`select` has a byte for each of the {slots} slots of the table"
            )));
        }
        let plan = Plan {
            table: Arc::clone(table.get().core()),
            layout: Layout::new(wanted).map_err(|error| raised(py, &error))?,
            bucket,
            select,
            rows,
            address,
            line,
            raw,
            rejects,
        };
        let source = source.get();
        let threads = at_most(threads)?;
        let signals = source.signals.clone();
        let source = py.detach(|| source.lock().take()).ok_or_else(is_taken)?;
        Ok(Self { scan: Scan::new(source, plan, skip, threads), table: table.clone().unbind(), signals, kept })
    }

    /// Reads on, without the interpreter lock, until about `size` bytes were read or wait to be taken, a moment is over,
    /// or a pipe has no more yet; false when all is read.
    #[pyo3(signature = (size=67_108_864, /))]
    fn step(&mut self, py: Python<'_>, size: usize) -> PyResult<bool> {
        let is_more = py.detach(|| self.scan.step(size));
        self.signals.raise()?;
        Ok(is_more)
    }

    /// Lines so far; `skipped + unparsed +` rows.
    #[getter]
    fn lines(&self) -> u64 {
        self.scan.totals.lines
    }

    /// Blank lines, headings and directives.
    #[getter]
    fn skipped(&self) -> u64 {
        self.scan.totals.skipped
    }

    /// Lines that have not the form of the log.
    #[getter]
    fn unparsed(&self) -> u64 {
        self.scan.totals.unparsed
    }

    /// Rows that were selected; 0 where only counts are wanted.
    #[getter]
    fn matched(&self) -> u64 {
        self.scan.totals.matched
    }

    /// Rows without a time, where times are wanted.
    #[getter]
    fn undated(&self) -> u64 {
        self.scan.totals.undated
    }

    /// Rows that have a time, and are counted without it since there are too many times.
    #[getter]
    fn crowded(&self) -> u64 {
        self.scan.crowded()
    }

    /// The earliest time of a row, seconds since 1970 in UTC.
    #[getter]
    fn first(&self) -> Option<i64> {
        self.scan.totals.first
    }

    /// The latest time of a row, seconds since 1970 in UTC.
    #[getter]
    fn last(&self) -> Option<i64> {
        self.scan.totals.last
    }

    /// Why the input ended before its end; what came before was read.
    #[getter]
    fn failure(&self) -> Option<String> {
        self.scan.failure()
    }

    /// `(bucket, slot, count)`, ascending: `int64`, the start of each bucket in seconds, its least number where there
    /// is none; `uint16`; `uint64`.
    fn counts<'py>(&mut self, py: Python<'py>) -> Counts<'py> {
        let counts = py.detach(|| self.scan.counts());
        let (mut buckets, mut slots, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for (bucket, slot, number) in counts {
            buckets.push(bucket);
            slots.push(slot);
            numbers.push(number);
        }
        (buckets.into_pyarray(py), slots.into_pyarray(py), numbers.into_pyarray(py))
    }

    /// Of free text the addresses of all lines by slot, `uint64`; empty for other shapes.
    fn mentions<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u64>> {
        self.scan.mentions().to_vec().into_pyarray(py)
    }

    /// The rows since the last call, a list of at most one batch.
    fn take_batches(&mut self, py: Python<'_>) -> PyResult<Vec<LogBatch>> {
        let rows = self.scan.take_rows();
        if rows.lines.is_empty() {
            return Ok(Vec::new());
        }
        let plan = self.scan.plan();
        let labels = self.table.get().core().labels();
        let batch = py.detach(|| export::rows(rows, labels, &self.kept, plan));
        Ok(vec![LogBatch { batch: batch? }])
    }

    /// The selected lines since the last call, byte for byte, each with a line end.
    fn take_lines<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.scan.take_raw())
    }

    /// `(line, reason)` of the lines since the last call that are wrong: `uint64` from 1; `uint8`, 0 too long, 1 not of
    /// the form, 2 before any `#Fields:`, 3 a row whose address is none, 4 cut off where the source failed.
    fn take_rejects<'py>(&mut self, py: Python<'py>) -> Rejects<'py> {
        let (lines, reasons): (Vec<u64>, Vec<u8>) =
            self.scan.take_rejects().into_iter().map(|(line, reason)| (line, reason as u8)).unzip();
        (lines.into_pyarray(py), reasons.into_pyarray(py))
    }
}

fn form(name: &str) -> PyResult<Form> {
    Ok(match name {
        "clf" => Form::Clf,
        "iso" => Form::Iso,
        "w3c" => Form::IsoUtc,
        "epoch" => Form::Epoch,
        "any" => Form::Any,
        _ => return Err(PyValueError::new_err("`time_form` is `clf`, `iso`, `w3c`, `epoch` or `any`")),
    })
}

fn header(name: &str) -> PyResult<Header> {
    Ok(match name {
        "x-forwarded-for" => Header::XForwardedFor,
        "forwarded" => Header::Forwarded,
        _ => return Err(PyValueError::new_err("`header` is `x-forwarded-for` or `forwarded`")),
    })
}

fn trusted(networks: &[String]) -> PyResult<Trusted> {
    let parse = |(index, text): (usize, &String)| {
        text.parse::<Network>().map_err(|error| PyValueError::new_err(format!("trusted[{index}]: {error}")))
    };
    Ok(Trusted::new(&networks.iter().enumerate().map(parse).collect::<PyResult<Vec<_>>>()?))
}

/// Some rows of a log, as Arrow.
#[pyclass(frozen, module = "regionfast")]
pub struct LogBatch {
    batch: arrow_array::StructArray,
}

#[pymethods]
impl LogBatch {
    fn __len__(&self) -> usize {
        arrow_array::Array::len(&self.batch)
    }

    /// A struct array: `pyarrow.record_batch(batch)` and `polars.from_arrow` take it without a copy.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        export::struct_capsules(py, &self.batch, requested_schema)
    }
}
