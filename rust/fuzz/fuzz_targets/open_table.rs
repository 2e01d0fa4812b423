//! Any bytes as a compiled table, as they are and with the digest made right: an error, or a table that is written as
//! it was read.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use regionfast_core::{Address, Table, file};
use sha2::{Digest, Sha256};

fuzz_target!(|bytes: &[u8]| {
    open(bytes);
    // Without this the fuzzer would never get past the digest.
    let mut sealed = bytes.to_vec();
    sealed.extend_from_slice(&Sha256::digest(bytes));
    open(&sealed);
});

fn open(bytes: &[u8]) {
    let Ok(content) = file::read(bytes) else { return };
    let Ok(table) = Table::new(Arc::new(content)) else { return };
    let mut index = 0;
    while let Some((first, last, slot)) = table.range(&mut index, true) {
        for address in [first, last] {
            assert_eq!(table.lookup(Address::from(address)).slot, slot);
        }
        if index > 4096 {
            break;
        }
    }
    let again = file::read(&file::write(table.content())).expect("what we wrote, we read");
    let base = table.base().unwrap_or(&Arc::new(Table::new(Arc::new(again)).expect("and build"))).counts();
    assert!(base.0 > 0 && base.1 > 0);
}
