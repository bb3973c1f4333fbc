//! The graphics adapter.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtio::{
    devices::{FrameBuffer, Gpu},
    hostile::{self, Step},
};

fuzz_target!(|steps: Vec<Step>| {
    hostile::survive(|| Box::new(Gpu::new(64, 48, FrameBuffer::new()).expect("descriptors")), &steps);
});
