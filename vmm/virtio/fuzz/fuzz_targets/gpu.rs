//! The graphics adapter.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtio::{
    devices::{FrameBuffer, Gpu},
    hostile::{self, Hosted, Step},
};

fuzz_target!(|steps: Vec<Step>| {
    hostile::survive_with_host(|| Hosted::gpu(Gpu::new(64, 48, FrameBuffer::new()).expect("descriptors")), &steps);
});
