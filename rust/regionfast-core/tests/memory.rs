//! Memory: what a table says it takes, and what reading hostile files takes at most.
//!
//! A test binary of its own, since it counts what the allocator gives out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use regionfast_core::build::Content;
use regionfast_core::database::{Database, ReadOptions};
use regionfast_core::level::Level;
use regionfast_core::overrides::Overrides;
use regionfast_core::unwrap::Unwrapping;
use regionfast_core::{Error, Table, file};

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../src/mmdb/tests/writer.rs"]
mod writer;

use writer::{Branch, Value, Writer, country, map, text};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn given(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "the trait is")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        given(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        given(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Counted as a new block beside the old one, as it may be.
        given(size);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Only one measurement at a time: the counters are of the whole process.
static ONE: Mutex<()> = Mutex::new(());

/// What `work` returns, how much more memory is held while it is, and how much more was at most.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let done = work();
    let (live, peak) = (LIVE.load(Ordering::Relaxed), PEAK.load(Ordering::Relaxed));
    (done, live.saturating_sub(before), peak - before)
}

fn content(csv: &str) -> Content {
    let options = ReadOptions { level: Level::Subdivision, ..ReadOptions::default() };
    let database = Database::read(csv.as_bytes(), &options).unwrap();
    Content::compile(database, Level::Subdivision, Unwrapping::default(), "").unwrap()
}

/// Many ranges of every granularity, in both families.
fn fragments(rows: u32) -> String {
    let mut csv = String::new();
    for row in 0..rows {
        let address = std::net::Ipv4Addr::from(0x0b00_0000 + row * 1_000 + row % 7);
        writeln!(csv, "{address},{address},US-{}", row % 300).unwrap();
        writeln!(
            csv,
            "2a00:{:x}:{:x}::,2a00:{:x}:{:x}:ff::,DE-{}",
            row / 9_999,
            row % 9_999,
            row / 9_999,
            row % 9_999,
            row % 200
        )
        .unwrap();
    }
    csv
}

/// The figure of the arrays is exact; beside them are only the texts of labels and claims.
#[test]
fn a_table_takes_what_it_says() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (rows, overridden) in [(1, false), (40_000, false), (40_000, true)] {
        let csv = fragments(rows);
        let (table, held, _) = measured(|| {
            let mut content = content(&csv);
            if overridden {
                let own = Overrides::from_rows([("1.2.0.0/16", "relay"), ("2a01::/20", "MO")]).unwrap();
                content = content.with_overrides(&own).unwrap();
            }
            Table::new(Arc::new(content)).unwrap()
        });
        let said = table.bytes();
        let beside = 64 * table.labels().len() + 4_096;
        assert!(said <= held && held <= said + beside, "{held} bytes are held, {said} said, {rows} rows");
    }
}

/// A file of so many bytes may take so many times as much, and 16 MiB for the directory and the like, of which
/// 1 MiB is the smallest table.
fn assert_within(times: usize, file: usize, peak: usize, what: &str) {
    assert!(peak <= times * file + (16 << 20), "{what}: {peak} bytes for a file of {file}");
}

fn read(bytes: &[u8]) -> Result<Database, Error> {
    Database::read(bytes, &ReadOptions::default())
}

#[test]
fn counts_that_lie() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut writer = Writer::new(4, 24);
    let us = writer.record(&country("US"));
    writer.insert("1.0.0.0/8", us);
    for (field, value) in [("node_count", Value::U32(u32::MAX)), ("node_count", Value::U32(1 << 27))] {
        let mut lying = writer.clone();
        lying.lies.push((field, Some(value)));
        let bytes = lying.bytes();
        let (answer, _, peak) = measured(|| read(&bytes).map(|_| ()));
        assert!(answer.is_err());
        assert!(peak < 1 << 20, "{peak}");
    }
    let good = file::write(&content("1.0.0.0/8,US\n"));
    let (_, _, peak) = measured(|| {
        for at in 8..good.len() - 4 {
            let mut lying = good.clone();
            lying[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            let body = lying.len() - 32;
            let digest = <sha2::Sha256 as sha2::Digest>::digest(&lying[..body]);
            lying[body..].copy_from_slice(&digest);
            drop(file::read(&lying));
        }
    });
    assert!(peak < 1 << 20, "{peak}");
}

/// A tree whose few nodes spell out to very many networks.
#[test]
fn trees_that_spell_out() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut writer = Writer::new(6, 24);
    let us = writer.record(&country("US"));
    let de = writer.record(&country("DE"));
    writer.nodes = (1..100).map(|next| [Branch::Node(next); 2]).collect();
    writer.nodes.push([us, de]);
    let bytes = writer.bytes();
    let (answer, _, peak) = measured(|| read(&bytes).map(|_| ()));
    assert!(matches!(answer, Err(Error::TooLarge(_))));
    assert!(peak < 1 << 20, "{peak}");
}

/// Without a country, the message lists the fields of a record: of long names in each other only so much.
#[test]
fn names_in_names() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut writer = Writer::new(4, 24);
    let short = writer.value(&text("x"));
    let fields = (0..5_000).map(|_| (Value::Pointer(short), Value::Pointer(short)));
    let inner = Value::Map(fields.collect());
    let record = writer.record(&map([(&"long ".repeat(20_000), inner)]));
    writer.insert("1.0.0.0/8", record);
    let bytes = writer.bytes();
    let (answer, _, peak) = measured(|| read(&bytes).map(|_| ()));
    assert!(matches!(answer, Err(Error::NoSuchField { .. })));
    assert_within(24, bytes.len(), peak, "a message");
    let words = answer.unwrap_err().to_string().len();
    assert!(words < 10_000, "a message of {words} bytes");
}

/// The worst there is: each /24 a row of 256 slots of its own for two nodes of 6 bytes, whose branches are shared.
/// A row is 512 bytes, and as many while the table is built. [`regionfast_core::lookup::Direct`] stops at 2^28 slots.
#[test]
fn rows_of_shared_nodes() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut writer = Writer::new(4, 24);
    let codes: Vec<Branch> = (0..200_u8)
        .map(|nth| writer.record(&country(&format!("{}{}", char::from(b'B' + nth / 20), char::from(b'F' + nth % 20)))))
        .collect();
    // The lower half of a row ends with one address of another country.
    let ends: Vec<Branch> = (0..200)
        .map(|nth| {
            (0..7).fold(codes[nth], |below, _| {
                writer.nodes.push([codes[(nth + 1) % 200], below]);
                Branch::Node(writer.nodes.len() - 1)
            })
        })
        .collect();
    for row in 0..1 << 15 {
        writer.nodes.push([ends[row % 200], codes[row / 200]]);
        let branch = Branch::Node(writer.nodes.len() - 1);
        writer.insert_bits((0x0b_0000 + row as u128) << 104, 24, branch);
    }
    // Nodes that nothing leads to raise what a walk may take.
    writer.nodes.extend(vec![[Branch::Empty; 2]; 20_000]);
    let bytes = writer.bytes();
    let (table, _, peak) = measured(|| {
        let content = Content::compile(read(&bytes).unwrap(), Level::Country, Unwrapping::default(), "").unwrap();
        Table::new(Arc::new(content)).unwrap()
    });
    assert_within(160, bytes.len(), peak, &format!("a table of {} bytes", table.bytes()));
}
