//! The configuration of a SCSI host.

use super::{
    DISK, Host, REQUESTS, ROWS, answer, header,
    model::{CDB_BYTES, HEAD_BYTES, RESPONSE_BYTES, SENSE_BYTES, response},
};
use crate::virtio::{TRANSPORTS, each_transport_of, several::each_row};
use rt::{
    case, check, check_eq, mmio,
    virtio::{Element, kind},
    vocabulary::Devices,
};

/// Offsets.
const NUM_QUEUES: u64 = 0;
const SEG_MAX: u64 = 4;
const SENSE_SIZE: u64 = 20;
const CDB_SIZE: u64 = 24;

/// The configuration tells queues and sizes that make sense, and the sizes are those of before once the device is reset.
#[case(feature = VirtioConfiguration, spec = [virtio("SCSI Host Device"), virtio("Device Requirements: Device configuration layout")],
       devices = Devices::SCSI)]
fn sizes_are_restored_by_a_reset() {
    each_transport_of(kind::SCSI, |row, transport| {
        let accepted = transport.negotiate_offered(0).is_some();
        check!("features are accepted", [TRANSPORTS; row], accepted);
        let Some(at) = transport.config() else { return check!("there is one", [TRANSPORTS; row], false) };
        check!("a queue for requests", [TRANSPORTS; row], mmio::read_u32(at + NUM_QUEUES) >= 1);
        check!("segments", [TRANSPORTS; row], mmio::read_u32(at + SEG_MAX) >= 1);
        for _ in 0..2 {
            check_eq!("bytes of sense data", [TRANSPORTS; row], mmio::read_u32(at + SENSE_SIZE), SENSE_BYTES);
            check_eq!("bytes of a command", [TRANSPORTS; row], mmio::read_u32(at + CDB_SIZE), CDB_BYTES);
            mmio::write_u32(at + SENSE_SIZE, 32);
            mmio::write_u32(at + CDB_SIZE, 16);
            check_eq!("what was written of the one", [TRANSPORTS; row], mmio::read_u32(at + SENSE_SIZE), 32);
            check_eq!("what was written of the other", [TRANSPORTS; row], mmio::read_u32(at + CDB_SIZE), 16);
            check!("reset", [TRANSPORTS; row], transport.reset());
            check!("features are accepted again", [TRANSPORTS; row], transport.negotiate_offered(0).is_some());
        }
    });
}

/// Requests and responses are as long as the driver wrote.
#[case(feature = VirtioScsi, spec = [virtio("SCSI Host Device"), virtio("Device configuration layout")], devices = Devices::SCSI)]
fn sizes_are_the_drivers() {
    const SENSE: u32 = 20;
    const COMMAND: u32 = 16;
    each_row(kind::SCSI, |row, transport, layout| {
        let Some(mut host) = Host::started(transport, layout, 0) else { return super::refused(row) };
        let Some(at) = transport.config() else { return check!("there is one", [ROWS; row], false) };
        mmio::write_u32(at + SENSE_SIZE, SENSE);
        mmio::write_u32(at + CDB_SIZE, COMMAND);
        // A command that there is not: its sense data have their place, and no more.
        Host::prepare(DISK, &[0xff]);
        let head = Element::read(header(), HEAD_BYTES + COMMAND);
        let back = Element::written(answer(), RESPONSE_BYTES + SENSE);
        let written = host.device.exchange(REQUESTS, &[head, back]);
        check!("used length", [ROWS; row], written.is_some_and(|written| written <= RESPONSE_BYTES + SENSE));
        let answered = Host::answered(0);
        check_eq!("response", [ROWS; row], answered.response, response::OK);
        check!("sense data", [ROWS; row], (1..=SENSE).contains(&answered.sense_len));
    });
}
