//! The source of random bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtio::{
    devices::Entropy,
    hostile::{self, Step},
};

fuzz_target!(|steps: Vec<Step>| hostile::survive(|| Box::new(Entropy::new(std::io::repeat(0x5a))), &steps));
