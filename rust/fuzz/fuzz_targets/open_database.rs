//! Any bytes as a database: an error, or a table that answers what the database says, at each boundary. Never a
//! panic, a hang, or memory out of proportion; the last two are limits that the fuzzer is given.
#![no_main]

use std::num::NonZero;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use regionfast_core::build::Content;
use regionfast_core::database::{Database, ReadOptions};
use regionfast_core::level::Level;
use regionfast_core::lookup::{Answers, Kernel};
use regionfast_core::oracle::{self, Oracle};
use regionfast_core::unwrap::Unwrapping;
use regionfast_core::{Address, Table, file};

/// More ranges than these are left to single lookups: the oracle scans all of them for each address.
const SCANNED: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    for (level, registered) in [(Level::Country, false), (Level::Subdivision, true)] {
        let options = ReadOptions { level, registered, ..ReadOptions::default() };
        let Ok(database) = Database::read(bytes, &options) else { continue };
        let entries = oracle::of_database(&database);
        let unwrapping = Unwrapping::default();
        let content =
            Content::compile(database, level, unwrapping.clone(), "").expect("what was read has labels enough");
        let again = file::read(&file::write(&content)).expect("what we wrote, we read");
        assert_eq!(again.digest, content.digest);

        let ends: Vec<Address> = entries.iter().flat_map(|entry| [entry.first, entry.last]).take(4096).collect();
        let mut table = Table::new(Arc::new(content)).expect("a small file is no large table");
        if entries.len() <= SCANNED {
            let oracle = Oracle::new(entries, Vec::new(), &unwrapping);
            for address in oracle.edges() {
                let (found, expected) = (table.lookup(address), oracle.answer(address));
                assert_eq!(table.labels()[usize::from(found.slot)], expected.label);
                assert_eq!((found.judged, found.wrapping), (expected.judged, expected.wrapping));
            }
        }
        for kernel in Kernel::available() {
            table = table.with_kernel(kernel);
            batches_answer_alike(&table, &ends);
        }
    }
});

fn batches_answer_alike(table: &Table, addresses: &[Address]) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for &address in addresses {
        match address {
            Address::V4(bits) => v4.push(bits),
            Address::V6(bits) => v6.push(bits.to_be_bytes()),
        }
    }
    let mut answers = Answers::default();
    answers.extend(table, &v4[..], NonZero::new(1));
    answers.extend(table, &v6[..], NonZero::new(1));
    let all = v4.into_iter().map(Address::V4).chain(v6.into_iter().map(|row| Address::V6(u128::from_be_bytes(row))));
    for (at, address) in all.enumerate() {
        let found = table.lookup(address);
        let wrapping = answers.wrappings.get(at).copied().unwrap_or(0);
        assert_eq!((answers.slots[at], wrapping), (found.slot, found.wrapping as u8));
    }
}
