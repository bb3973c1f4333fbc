//! Task management and subscriptions from the control queue (§ 5.6.6.2 "Device Operation: controlq").

use super::{Scsi, address::Address, request::Response, sense::Sense};
use crate::{Chain, Memory};

/// Types of requests.
mod kind {
    pub(super) const TASK_MANAGEMENT: u32 = 0;
    pub(super) const QUERY_NOTIFICATIONS: u32 = 1;
    pub(super) const SUBSCRIBE: u32 = 2;
}

/// Functions of task management.
mod function {
    pub(super) const ABORT_TASK: u32 = 0;
    pub(super) const ABORT_TASK_SET: u32 = 1;
    pub(super) const CLEAR_TASK_SET: u32 = 3;
    pub(super) const NEXUS_RESET: u32 = 4;
    pub(super) const UNIT_RESET: u32 = 5;
    pub(super) const QUERY_TASK: u32 = 6;
    pub(super) const QUERY_TASK_SET: u32 = 7;
}

/// Bytes of a request of task management: type, function, unit, id.
const TASK_BYTES: usize = 24;
/// Bytes of one about notifications: type, unit, which.
const NOTIFICATIONS_BYTES: usize = 16;

impl Scsi {
    /// Does what a request asks for, and gives how many bytes were written.
    pub(super) fn control(&mut self, chain: &Chain, memory: &Memory) -> u32 {
        let mut bytes = [0; TASK_BYTES];
        let size = chain.read(memory, 0, &mut bytes);
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
        let unit = |at: usize| Address::new(std::array::from_fn(|index| bytes[at + index]));
        let (answer, needed, response) = match word(0) {
            _ if size < 4 => return 0,
            kind::TASK_MANAGEMENT => (vec![], TASK_BYTES, self.manage(word(4), unit(8))),
            // None of the notifications is ever sent: which ones will be is zero.
            kind::QUERY_NOTIFICATIONS | kind::SUBSCRIBE => (vec![0; 4], NOTIFICATIONS_BYTES, self.locate(unit(4))),
            // What the answer to it would look like is not known.
            _ => return 0,
        };
        let response = if size < needed { Response::Failure } else { response };
        let answer = [answer, vec![response as u8]].concat();
        if chain.writable_bytes() < answer.len() as u64 {
            return 0;
        }
        chain.write(memory, 0, &answer) as u32
    }

    /// Whether there is such a unit.
    fn locate(&self, unit: Address) -> Response {
        match unit {
            Address::Unit { target, lun } if self.has(target) => {
                if lun == 0 {
                    Response::Ok
                } else {
                    Response::IncorrectLun
                }
            }
            Address::ReportLuns => Response::Ok,
            _ => Response::BadTarget,
        }
    }

    fn has(&self, target: u8) -> bool {
        self.targets.get(usize::from(target)).is_some_and(Option::is_some)
    }

    fn manage(&mut self, function: u32, unit: Address) -> Response {
        let found = match (function, unit) {
            // It is for the target as a whole.
            (function::NEXUS_RESET, Address::Unit { target, .. }) if self.has(target) => Response::Ok,
            _ => self.locate(unit),
        };
        if found != Response::Ok {
            return found;
        }
        match function {
            // A command is over before the next request is looked at: there is never a task to end or to find.
            function::ABORT_TASK
            | function::ABORT_TASK_SET
            | function::CLEAR_TASK_SET
            | function::QUERY_TASK
            | function::QUERY_TASK_SET => Response::Ok,
            function::NEXUS_RESET | function::UNIT_RESET => {
                if let Address::Unit { target, .. } = unit
                    && let Some(Some(target)) = self.targets.get_mut(usize::from(target))
                {
                    target.reset(Sense::RESET);
                }
                Response::Ok
            }
            // Among them CLEAR ACA: there is no such condition.
            _ => Response::FunctionRejected,
        }
    }
}
