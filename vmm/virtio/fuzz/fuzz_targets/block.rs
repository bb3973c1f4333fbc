//! The disk, which can be written or not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtio::{
    devices::Block,
    disk::MemoryDisk,
    hostile::{self, Hosted, Step},
};

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (read_only, steps) = input;
    let disk = MemoryDisk::new(vec![0; 1 << 16], read_only);
    hostile::survive_with_host(|| Hosted::block(Block::new(Box::new(disk.clone()), "disk", 2)), &steps);
});
