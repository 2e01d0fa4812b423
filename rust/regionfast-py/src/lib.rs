//! Binding of `regionfast-core`: extracts arguments, detaches from the interpreter, calls the core, wraps
//! the result. No algorithm lives here; the loops copy Python objects out of containers, nothing else.

mod buffer;
mod doors;
mod error;
mod export;
mod gather;
mod logs;
mod lookup;
mod names;
mod open;
mod parse;
mod region_array;
mod table;

/// `regionfast._lib`
#[pyo3::pymodule(gil_used = false)]
mod _lib {
    #[pymodule_export]
    use super::gather::gather;
    #[pymodule_export]
    use super::logs::{LogBatch, LogScan, LogSource};
    #[pymodule_export]
    use super::lookup::Lookup;
    #[pymodule_export]
    use super::open::{cpu_features, kernels, open_table, usable_threads};
    #[pymodule_export]
    use super::parse::parse_many;
    #[pymodule_export]
    use super::region_array::RegionArray;
    #[pymodule_export]
    use super::table::Table;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python has for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
