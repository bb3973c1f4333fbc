//! The balloon, which gives nothing back but memory of the guest.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtio::{
    devices::{Balloon, Discard},
    hostile::{self, Hosted, Step},
};

/// Guest memory ends here.
const MEMORY_BYTES: u64 = 1 << 20;

struct Checked;

impl Discard for Checked {
    fn discard(&mut self, address: u64, size_bytes: u64) {
        assert!(size_bytes > 0 && (address | size_bytes).is_multiple_of(4096) && address + size_bytes <= MEMORY_BYTES);
    }
}

fuzz_target!(|steps: Vec<Step>| {
    hostile::survive_with_host(|| Hosted::balloon(Balloon::new(Checked).expect("descriptors")), &steps);
});
