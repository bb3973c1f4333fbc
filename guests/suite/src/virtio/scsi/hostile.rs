//! Requests without their command, without room for an answer, and with data in both directions.

use super::{
    CONTROL, DISK, Host, REQUESTS, ROWS, answer, data, header,
    model::{CDB_BYTES, HEAD_BYTES, RESPONSE_BYTES, SENSE_BYTES, response, transfer},
    refused, works_again,
};
use crate::virtio::several::each_row;
use rt::{
    case, check, check_eq, mmio,
    virtio::{Element, kind},
    vocabulary::Devices,
};

const HEAD: u32 = HEAD_BYTES + CDB_BYTES;
const BACK: u32 = RESPONSE_BYTES + SENSE_BYTES;

/// Data in both directions, which nobody negotiated, are a failure.
#[case(feature = VirtioScsi, spec = virtio("Device Requirements: Device Operation: Request Queues"), devices = Devices::SCSI)]
fn data_in_both_directions_are_a_failure() {
    super::each_host(|row, host| {
        Host::prepare(DISK, &transfer(false, 0, 1));
        let out = [Element::read(header(), HEAD), Element::read(data(), 512)];
        let back = [Element::written(answer(), BACK), Element::written(data() + 512, 512)];
        let written = host.device.exchange(REQUESTS, &[out[0], out[1], back[0], back[1]]);
        check!("it comes back", [ROWS; row], written.is_some());
        check_eq!("response", [ROWS; row], Host::answered(0).response, response::FAILURE);
    });
}

/// Requests of any size: failed or answered by the need for a reset, and never written behind their room.
#[case(feature = VirtioHostileDrivers, spec = virtio("Device Operation: Request Queues"), devices = Devices::SCSI)]
fn requests_of_any_size_are_survived() {
    const SIZES: [(usize, u32, u32); 8] = [
        (REQUESTS, 1, BACK),
        (REQUESTS, HEAD_BYTES, BACK),
        (REQUESTS, HEAD - 1, BACK),
        (REQUESTS, HEAD, 1),
        (REQUESTS, HEAD, BACK - 1),
        (CONTROL, 3, 1),
        (CONTROL, 4, 1),
        (CONTROL, 23, 1),
    ];
    each_row(kind::SCSI, |row, transport, layout| {
        for (queue, size, room) in SIZES {
            let Some(mut host) = Host::ready(transport, layout) else { return refused(row) };
            Host::prepare(DISK, &transfer(false, 0, 1));
            mmio::write_u32(answer() + u64::from(room), 0x4444_4444);
            host.device.give(queue, &[Element::read(header(), size), Element::written(answer(), room)]);
            super::super::give_time();
            check_eq!("behind its room", [ROWS; row], mmio::read_u32(answer() + u64::from(room)), 0x4444_4444);
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}

/// Types of requests that there are not.
#[case(feature = VirtioHostileDrivers, spec = virtio("Device Operation: controlq"), devices = Devices::SCSI)]
fn unknown_types_of_requests_are_survived() {
    each_row(kind::SCSI, |row, transport, layout| {
        for kind in [3, 0x100, u32::MAX] {
            let Some(mut host) = Host::ready(transport, layout) else { return refused(row) };
            mmio::write_u32(header(), kind);
            host.device.give(CONTROL, &[Element::read(header(), 24), Element::written(answer(), 8)]);
            super::super::give_time();
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}
