//! The host of SCSI disks, with two of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use virtio::{
    devices::Scsi,
    disk::MemoryDisk,
    hostile::{self, Hosted, Step},
};

/// Most requests are for one of the disks: others are refused, one after another.
fn to_disks(steps: &mut [Step]) {
    for step in steps {
        if let Step::Request(request) = step
            && let Some(target) = request.head.first().filter(|first| **first < 0xf0)
        {
            let unit = [1, target & 1, 0x40, 0, 0, 0, 0, 0];
            request.head.splice(..1, [&unit[..], &[0; 11]].concat());
        }
    }
}

fuzz_target!(|input: Vec<Step>| {
    let mut steps = input;
    to_disks(&mut steps);
    let disk = MemoryDisk::new(vec![0; 1 << 16], false);
    hostile::survive_with_host(
        || {
            let scsi = Scsi::new(1).expect("an event");
            let read_only = MemoryDisk::new(vec![0; 512], true);
            for (target, disk) in (0..).zip([read_only, disk.clone()]) {
                scsi.bus().attach(target, Box::new(disk), "disk").expect("an empty target");
            }
            Hosted::scsi(scsi)
        },
        &steps,
    );
});
