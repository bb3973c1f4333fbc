//! SCSI hosts: requests and their answers, addresses of units, task management.

mod addresses;
mod commands;
mod configuration;
mod events;
mod hostile;
mod model;
mod tasks;

use super::{
    ROWS,
    several::{Several, each_row, refused},
};
use model::{Answer, CDB_BYTES, HEAD_BYTES, NR_RULES, RESPONSE_BYTES, SENSE_BYTES, Sense, TEST_UNIT_READY, unit};
use rt::{
    check, mmio, names,
    virtio::{self, Element, Layout, Transport},
    vocabulary::Text,
};

/// Queues.
const CONTROL: usize = 0;
const EVENTS: usize = 1;
const REQUESTS: usize = 2;

/// The disk that every board has.
const DISK: [u8; 8] = unit(0, 0);
/// Bytes of a sector.
const SECTOR: u32 = 512;
/// What stands where the device has not answered.
const NOTHING: u8 = 0xee;

/// Names of the rules of [`Answer::keeps`].
const RULES: &[Text] = names![
    "sense data fit",
    "no more is left than there was",
    "a response that there is",
    "sense data come with CHECK CONDITION",
    "sense data have a format",
    "used length"
];
const _: () = assert!(RULES.len() == NR_RULES);

/// Where a request begins.
fn header() -> u64 {
    virtio::buffer(0)
}

/// Where its answer goes.
fn answer() -> u64 {
    virtio::buffer(1)
}

/// Room for data of several sectors.
fn data() -> u64 {
    virtio::buffer(4)
}

/// A SCSI host in use.
struct Host {
    device: Several<3>,
    /// Whether each answer so far kept the rules.
    kept: [bool; NR_RULES],
}

impl Host {
    fn started(transport: Transport, layout: Layout, wanted: u64) -> Option<Self> {
        let device = Several::started(transport, layout, wanted, [0, 1, 2])?;
        Some(Self { device, kept: [true; NR_RULES] })
    }

    /// The same, and the disk has told that there was a reset.
    fn ready(transport: Transport, layout: Layout) -> Option<Self> {
        Self::ready_with(transport, layout, 0)
    }

    /// The same with those of these features that are offered.
    fn ready_with(transport: Transport, layout: Layout, wanted: u64) -> Option<Self> {
        const NR_ATTENTIONS_MAX: usize = 3;
        let mut host = Self::started(transport, layout, wanted)?;
        (0..NR_ATTENTIONS_MAX).any(|_| host.command(DISK, &TEST_UNIT_READY, None).is_good()).then_some(host)
    }

    /// Writes a request's head and command, and no answer yet.
    fn prepare(lun: [u8; 8], command: &[u8]) {
        (0..64).step_by(8).for_each(|offset| mmio::write_u64(header() + offset, 0));
        mmio::write_u64(header(), u64::from_le_bytes(lun));
        mmio::write_u64(header() + 8, 0x1d1d_1d1d);
        (header() + u64::from(HEAD_BYTES)..).zip(command).for_each(|(at, byte)| mmio::write_u8(at, *byte));
        virtio::fill(answer(), 32, NOTHING);
    }

    /// Reads what was answered.
    fn answered(written: u32) -> Answer {
        let at = answer();
        let sense = core::array::from_fn(|offset| mmio::read_u8(at + u64::from(RESPONSE_BYTES) + offset as u64));
        Answer {
            sense_len: mmio::read_u32(at),
            residual: mmio::read_u32(at + 4),
            status: mmio::read_u8(at + 10),
            response: mmio::read_u8(at + 11),
            sense: Sense::new(sense),
            written,
        }
    }

    /// Has a command done, with data in one direction or none.
    fn command(&mut self, lun: [u8; 8], command: &[u8], data: Option<Element>) -> Answer {
        Self::prepare(lun, command);
        let head = Element::read(header(), HEAD_BYTES + CDB_BYTES);
        let back = Element::written(answer(), RESPONSE_BYTES + SENSE_BYTES);
        let written = match data {
            None => self.device.exchange(REQUESTS, &[head, back]),
            Some(data) if data.writable => self.device.exchange(REQUESTS, &[head, back, data]),
            Some(data) => self.device.exchange(REQUESTS, &[head, data, back]),
        };
        let answer = written.map(Self::answered).unwrap_or(Answer { response: NOTHING, ..Answer::default() });
        let (room, given) = match data {
            Some(Element { size, writable: true, .. }) => (size, 0),
            Some(Element { size, .. }) => (0, size),
            None => (0, 0),
        };
        for (kept, keeps) in self.kept.iter_mut().zip(answer.keeps(room, given)) {
            *kept &= keeps;
        }
        answer
    }

    /// Checks that all answers kept the rules.
    fn check_answers(&self) {
        for (rule, kept) in self.kept.into_iter().enumerate() {
            check!("it is kept", [RULES; rule], kept);
        }
    }
}

/// Calls `try_one` with a host whose disk is ready, for each transport and layout.
fn each_host(try_one: impl FnMut(u64, &mut Host)) {
    each_host_with(0, try_one);
}

/// The same with those of these features that are offered.
fn each_host_with(wanted: u64, mut try_one: impl FnMut(u64, &mut Host)) {
    each_row(virtio::kind::SCSI, |row, transport, layout| match Host::ready_with(transport, layout, wanted) {
        Some(mut host) => {
            try_one(row, &mut host);
            host.check_answers();
        }
        None => check!("the disk is ready", [ROWS; row], false),
    });
}

/// Whether the disk is there after a reset.
fn works_again(transport: Transport, layout: Layout) -> bool {
    transport.reset() && Host::ready(transport, layout).is_some()
}
