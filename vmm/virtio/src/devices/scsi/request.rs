//! Commands from the request queues (§ 5.6.6.1).

use super::{
    Scsi,
    address::{Address, TARGETS_MAX},
    command::{Buffers, COMMAND_BYTES, Command, Failure},
    inquiry::{self, Unit},
    sense::Sense,
    target::{self, SECTORS_MAX, opcode},
};
use crate::{Chain, Memory};

/// Bytes of a request before its command: the unit, an id, attribute, priority and CRN.
const HEAD_BYTES: u64 = 19;
/// Bytes of a response before its sense data: their length, the residual, a qualifier, status and response.
const RESPONSE_BYTES: u64 = 12;
/// Status CHECK CONDITION (SAM-4 § 5.3).
const CHECK_CONDITION: u8 = 2;

/// What became of a request, whatever it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Response {
    Ok = 0,
    Overrun = 1,
    BadTarget = 3,
    Failure = 9,
    FunctionRejected = 11,
    IncorrectLun = 12,
}

impl Scsi {
    /// Does what a request asks for, and gives how many bytes were written.
    pub(super) fn request(&mut self, chain: &Chain, memory: &Memory) -> u32 {
        let (head, response) = (HEAD_BYTES + u64::from(self.cdb_size), RESPONSE_BYTES + u64::from(self.sense_size));
        // Without all of its response, a request has no place for any answer.
        let Some(room) = chain.writable_bytes().checked_sub(response) else { return 0 };
        let given = chain.readable_bytes().checked_sub(head);
        let buffers = Buffers { chain, memory, out: (head, given.unwrap_or(0)), room: (response, room) };
        // A request that ends before its command does, or has data in both directions, which was not negotiated (§ 5.6.6.1.1).
        let is_broken = given.is_none_or(|given| given > 0 && room > 0);
        let (kind, result) = if is_broken { (Response::Failure, Ok(0)) } else { self.perform(&buffers) };
        let (kind, sense, moved) = match result {
            Ok(moved) => (kind, None, moved),
            Err(Failure::Check(sense)) => (kind, Some(sense), 0),
            Err(Failure::Overrun) => (Response::Overrun, None, 0),
        };
        let residual = (buffers.out.1 + room).saturating_sub(moved);
        chain.write(memory, 0, &self.response(kind, sense, u32::try_from(residual).unwrap_or(u32::MAX)));
        let read = if room > 0 { moved } else { 0 };
        u32::try_from(response + read).unwrap_or(u32::MAX)
    }

    fn response(&self, kind: Response, sense: Option<Sense>, residual: u32) -> Vec<u8> {
        let sense_size = self.sense_size as usize;
        let mut bytes = vec![0; RESPONSE_BYTES as usize + sense_size];
        bytes[4..8].copy_from_slice(&residual.to_le_bytes());
        bytes[11] = kind as u8;
        if let Some(sense) = sense {
            let sense = sense.bytes();
            let size = sense.len().min(sense_size);
            bytes[..4].copy_from_slice(&(size as u32).to_le_bytes());
            bytes[10] = CHECK_CONDITION;
            bytes[12..12 + size].copy_from_slice(&sense[..size]);
        }
        bytes
    }

    fn perform(&mut self, buffers: &Buffers<'_>) -> (Response, Result<u64, Failure>) {
        let (mut lun, mut command) = ([0; 8], [0; COMMAND_BYTES]);
        buffers.chain.read(buffers.memory, 0, &mut lun);
        let size = COMMAND_BYTES.min(self.cdb_size as usize);
        buffers.chain.read(buffers.memory, HEAD_BYTES, &mut command[..size]);
        let command = Command(command);
        match Address::new(lun) {
            Address::Unit { target, lun } => match self.targets.get_mut(usize::from(target)) {
                Some(Some(target)) if lun == 0 => (Response::Ok, target.execute(&command, buffers, &mut self.transfer)),
                Some(Some(_)) => (Response::Ok, absent(&command, buffers)),
                _ => (Response::BadTarget, Ok(0)),
            },
            Address::ReportLuns => (Response::Ok, self.report(&command, buffers)),
            Address::Invalid => (Response::BadTarget, Ok(0)),
        }
    }

    /// The well-known unit: it reports the units of all targets, as requests lead to them.
    fn report(&self, command: &Command, buffers: &Buffers<'_>) -> Result<u64, Failure> {
        match command.byte(0) {
            opcode::TEST_UNIT_READY => Ok(0),
            opcode::INQUIRY => inquiry::inquiry(Unit::ReportLuns, "", SECTORS_MAX, command, buffers),
            opcode::REQUEST_SENSE => buffers.answer(&Sense::NONE.bytes(), command.number(4, 1)),
            opcode::REPORT_LUNS => {
                let present = |target: &u8| self.targets[usize::from(*target)].is_some();
                let luns: Vec<_> = (0..TARGETS_MAX).filter(present).map(Address::of).collect();
                target::report_luns(&luns, command, buffers)
            }
            _ => Err(Sense::INVALID_OPCODE.into()),
        }
    }
}

/// What a target answers for a unit that it has not (SPC-4 § 6.4.1, § 6.33 and § 6.39).
fn absent(command: &Command, buffers: &Buffers<'_>) -> Result<u64, Failure> {
    match command.byte(0) {
        opcode::INQUIRY => inquiry::inquiry(Unit::Absent, "", SECTORS_MAX, command, buffers),
        opcode::REPORT_LUNS => target::report_luns(&[[0; 8]], command, buffers),
        opcode::REQUEST_SENSE => buffers.answer(&Sense::NO_UNIT.bytes(), command.number(4, 1)),
        _ => Err(Sense::NO_UNIT.into()),
    }
}
