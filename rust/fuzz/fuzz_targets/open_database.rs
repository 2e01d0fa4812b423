//! Any bytes as a database: an error, or a table whose single, batch and range answers agree. Never a panic, a hang,
//! or memory out of proportion.
#![no_main]

use std::num::NonZero;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use regionfast_core::build::Content;
use regionfast_core::database::{Database, ReadOptions};
use regionfast_core::level::Level;
use regionfast_core::lookup::Answers;
use regionfast_core::unwrap::Unwrapping;
use regionfast_core::{Address, Table, file};

fuzz_target!(|bytes: &[u8]| {
    for level in [Level::Country, Level::Subdivision] {
        let options = ReadOptions { level, registered: false, ..ReadOptions::default() };
        let Ok(database) = Database::read(bytes, &options) else { continue };
        let Ok(content) = Content::compile(database, level, Unwrapping::default(), "") else { continue };
        let Ok(table) = Table::new(Arc::new(content)) else { continue };
        agree(&table);
        let again = file::read(&file::write(table.content())).expect("what we wrote, we read");
        assert_eq!(again.digest, table.content().digest);
    }
});

fn agree(table: &Table) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    let mut index = 0;
    while let Some((first, last, slot)) = table.range(&mut index, true) {
        for address in [Address::from(first), Address::from(last)] {
            let found = table.lookup(address);
            match address {
                Address::V4(bits) => v4.push((bits, found.slot)),
                Address::V6(bits) => v6.push((bits, found.slot)),
            }
            assert_eq!(found.slot, slot, "a range answers at its ends what it says");
        }
        if index > 4096 {
            break;
        }
    }
    let mut answers = Answers::default();
    let (addresses, slots): (Vec<u32>, Vec<u16>) = v4.into_iter().unzip();
    answers.extend(table, &addresses[..], NonZero::new(1));
    assert_eq!(answers.slots, slots);
    let mut answers = Answers::default();
    let (addresses, slots): (Vec<u128>, Vec<u16>) = v6.into_iter().unzip();
    let packed: Vec<[u8; 16]> = addresses.iter().map(|bits| bits.to_be_bytes()).collect();
    answers.extend(table, &packed[..], NonZero::new(1));
    assert_eq!(answers.slots, slots);
}
