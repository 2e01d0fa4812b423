//! Any bytes as a compiled table, as they are and with the digest made right: an error, or a table that is written as
//! it was read and whose answers, and those of its base, have labels.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use regionfast_core::slot::Evidence;
use regionfast_core::{Address, Table, file};
use sha2::{Digest, Sha256};

fuzz_target!(|bytes: &[u8]| {
    open(bytes);
    // Without this the fuzzer would never get past the digest. What is a whole file is sealed anew, what is none gets
    // a digest behind it.
    open(&sealed(bytes));
    if let Some((body, _)) = bytes.split_last_chunk::<32>() {
        open(&sealed(body));
    }
});

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(&Sha256::digest(body));
    bytes
}

fn open(bytes: &[u8]) {
    let Ok(content) = file::read(bytes) else { return };
    assert_eq!(file::write(&content), bytes, "one content has one form");
    let table = Table::new(Arc::new(content)).expect("a small file is no large table");
    ranges_answer(&table);
    if let Some(base) = table.base() {
        ranges_answer(base);
        assert!(base.labels().iter().skip(8).all(|label| label.evidence != Evidence::Override));
        assert!(table.labels().starts_with(base.labels()));
        let again = file::read(&file::write(base.content())).expect("the base is a table");
        assert_eq!(again.digest, base.content().digest);
    }
}

fn ranges_answer(table: &Table) {
    let mut index = 0;
    while let Some((first, last, slot)) = table.range(&mut index, true) {
        assert!(usize::from(slot) < table.labels().len());
        for address in [first, last] {
            let found = table.lookup(Address::from(address));
            assert_eq!(found.slot, slot, "a range answers at its ends what it says");
        }
        if index > 4096 {
            break;
        }
    }
}
