//! The disk, which can be written or not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtio::{
    devices::Block,
    disk::MemoryDisk,
    hostile::{self, Step},
};

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (read_only, steps) = input;
    let disk = MemoryDisk::new(vec![0; 1 << 16], read_only);
    hostile::survive(|| Box::new(Block::new(Box::new(disk.clone()), "disk", 2)), &steps);
});
