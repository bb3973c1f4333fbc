//! The host of SCSI disks, with two of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtio::{
    devices::Scsi,
    disk::MemoryDisk,
    hostile::{self, Step},
};

fuzz_target!(|steps: Vec<Step>| {
    let disk = MemoryDisk::new(vec![0; 1 << 16], false);
    hostile::survive(
        || {
            let scsi = Scsi::new(1).expect("an event");
            let read_only = MemoryDisk::new(vec![0; 512], true);
            for (target, disk) in (0..).zip([disk.clone(), read_only]) {
                scsi.bus().attach(target, Box::new(disk), "disk").expect("an empty target");
            }
            Box::new(scsi)
        },
        &steps,
    );
});
