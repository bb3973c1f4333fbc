//! The registers by which ACPI learns of processors that come and go, and ejects them.
//!
//! | offset | access | size | what |
//! |---|---|---|---|
//! | 0 | write | 4 | selects a processor; the others are about this one |
//! | 0 | read | 4 | high half of its APIC id after command 3: zero |
//! | 4 | read | 1 | bit 0: it is there; 1: it came, and the guest was not told yet; 2: it is to go, likewise |
//! | 4 | write | 1 | bit 1 or 2: the guest was told; 3: ejects it |
//! | 5 | write | 1 | command |
//! | 8 | read | 4 | after command 0 the number of the processor, after command 3 its APIC id |
//! | 8 | write | 4 | after command 1 an event of _OST, after command 2 its status |
//!
//! Command 0 selects the next processor that the guest has to be told of, if there is one. Accesses of other sizes read as zero and are
//! dropped. Not completely as in QEMU: there is no bitmap of older machines that had to be left by a write first.
//!
//! Source: QEMU, "docs/specs/acpi_cpu_hotplug.rst".

use serde::{Deserialize, Serialize};

/// How many bytes of ports the registers take.
pub(crate) const SIZE_BYTES: u16 = 12;

/// Offsets of the registers.
mod register {
    pub(super) const SELECTOR: u64 = 0;
    pub(super) const FLAGS: u64 = 4;
    pub(super) const COMMAND: u64 = 5;
    pub(super) const DATA: u64 = 8;
}

/// Bits of the flags.
mod flag {
    pub(super) const ENABLED: u8 = 1 << 0;
    pub(super) const INSERTED: u8 = 1 << 1;
    pub(super) const REMOVING: u8 = 1 << 2;
    pub(super) const EJECT: u8 = 1 << 3;
}

/// Commands.
mod command {
    pub(super) const NEXT: u8 = 0;
    pub(super) const OST_EVENT: u8 = 1;
    pub(super) const OST_STATUS: u8 = 2;
    pub(super) const APIC_ID: u8 = 3;
}

/// Why a processor cannot come or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OccupancyError {
    /// The machine has no place for it.
    #[error("there is no place for processor {index}: the machine has {nr_max} at most")]
    TooMany {
        /// Which one.
        index: u8,
        /// How many there can be.
        nr_max: usize,
    },
    /// It is there.
    #[error("processor {index} is there already")]
    Present {
        /// Which one.
        index: u8,
    },
    /// It is not there.
    #[error("there is no processor {index} now")]
    Absent {
        /// Which one.
        index: u8,
    },
    /// It is there from the start, and for good.
    #[error("processor {index} is there from the start, and cannot go")]
    Fixed {
        /// Which one.
        index: u8,
    },
    /// The guest has not yet looked at what it was asked last.
    #[error("processor {index} has been asked to go already")]
    Pending {
        /// Which one.
        index: u8,
    },
}

/// What the guest did to a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpareEvent {
    /// It gave the processor back, which is gone now.
    Ejected {
        /// Which one.
        index: u8,
    },
    /// It says what became of what it was told (ACPI specification 6.5, § "_OST (OSPM Status Indication)").
    Status {
        /// Of which processor.
        index: u8,
        /// What it was told.
        event: u32,
        /// What became of it: 0 is success.
        status: u32,
    },
}

/// One processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Processor {
    is_enabled: bool,
    is_inserted: bool,
    is_removing: bool,
    /// What a status is about that may follow.
    ost_event: u32,
}

/// The registers, and what they tell of each processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registers {
    /// Those below are there for good.
    first: u8,
    processors: Vec<Processor>,
    selected: u32,
    command: u8,
}

impl Registers {
    /// Of so many processors, of which those below `first` are there, and for good.
    pub(super) fn new(first: u8, nr_max: u8) -> Self {
        let processor = |index| Processor { is_enabled: index < first, ..Processor::default() };
        Self { first, processors: (0..nr_max).map(processor).collect(), selected: 0, command: command::NEXT }
    }

    /// A processor that can come and go.
    fn spare(&mut self, index: u8) -> Result<&mut Processor, OccupancyError> {
        let nr_max = self.processors.len();
        match self.processors.get_mut(usize::from(index)) {
            None => Err(OccupancyError::TooMany { index, nr_max }),
            Some(_) if index < self.first => Err(OccupancyError::Fixed { index }),
            Some(processor) => Ok(processor),
        }
    }

    /// Whether they can stand in for others: of as many processors, of which the same are there for good.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let mut for_good = self.processors.iter().take(self.first.into());
        (self.first, self.processors.len()) == (other.first, other.processors.len())
            && for_good.all(|processor| processor.is_enabled)
    }

    /// The numbers of those that came and are there.
    pub(super) fn enabled(&self) -> impl Iterator<Item = u8> {
        (0..).zip(&self.processors).skip(self.first.into()).filter(|(_, of)| of.is_enabled).map(|(index, _)| index)
    }

    #[cfg(test)]
    fn is_enabled(&self, index: u8) -> bool {
        self.processors.get(usize::from(index)).is_some_and(|processor| processor.is_enabled)
    }

    /// Whether a processor could come.
    pub(super) fn check_room(&mut self, index: u8) -> Result<(), OccupancyError> {
        match self.spare(index) {
            Ok(processor) if processor.is_enabled => Err(OccupancyError::Present { index }),
            Err(OccupancyError::Fixed { .. }) => Err(OccupancyError::Present { index }),
            result => result.map(drop),
        }
    }

    /// A processor came: the guest's event is due.
    pub(super) fn insert(&mut self, index: u8) -> Result<(), OccupancyError> {
        self.check_room(index)?;
        *self.spare(index)? = Processor { is_enabled: true, is_inserted: true, ..Processor::default() };
        Ok(())
    }

    /// A processor is to go: the guest's event is due.
    pub(super) fn request_removal(&mut self, index: u8) -> Result<(), OccupancyError> {
        let processor = self.spare(index)?;
        match *processor {
            Processor { is_enabled: false, .. } => Err(OccupancyError::Absent { index }),
            Processor { is_removing: true, .. } => Err(OccupancyError::Pending { index }),
            _ => {
                processor.is_removing = true;
                Ok(())
            }
        }
    }

    fn selected(&mut self) -> Option<&mut Processor> {
        self.processors.get_mut(usize::try_from(self.selected).ok()?)
    }

    /// Fills `data` from an offset.
    pub(super) fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let (selected, command) = (self.selected, self.command);
        let Some(processor) = self.selected() else { return };
        match (offset, data) {
            (register::FLAGS, [flags]) => {
                let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
                *flags = bit(processor.is_enabled, flag::ENABLED)
                    | bit(processor.is_inserted, flag::INSERTED)
                    | bit(processor.is_removing, flag::REMOVING);
            }
            (register::DATA, data) if data.len() == 4 && matches!(command, command::NEXT | command::APIC_ID) => {
                // An APIC id is the number of the processor.
                data.copy_from_slice(&selected.to_le_bytes());
            }
            _ => {}
        }
    }

    /// Takes what is written; gives what the guest did by it.
    #[must_use]
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Option<SpareEvent> {
        match (offset, data) {
            (register::SELECTOR, &[a, b, c, d]) => self.selected = u32::from_le_bytes([a, b, c, d]),
            (register::FLAGS, &[flags]) => return self.write_flags(flags),
            (register::COMMAND, &[command]) => {
                self.command = command;
                if command == command::NEXT {
                    self.select_next();
                }
            }
            (register::DATA, &[a, b, c, d]) => return self.write_data(u32::from_le_bytes([a, b, c, d])),
            _ => {}
        }
        None
    }

    fn write_flags(&mut self, flags: u8) -> Option<SpareEvent> {
        // What lies beyond the last processor is no index.
        let (index, first) = (u8::try_from(self.selected).ok()?, self.first);
        let processor = self.selected()?;
        // One at a time, as in QEMU.
        if flags & flag::INSERTED != 0 {
            processor.is_inserted = false;
        } else if flags & flag::REMOVING != 0 {
            processor.is_removing = false;
        } else if flags & flag::EJECT != 0 && processor.is_enabled && index >= first {
            *processor = Processor::default();
            return Some(SpareEvent::Ejected { index });
        }
        None
    }

    fn write_data(&mut self, value: u32) -> Option<SpareEvent> {
        let (index, command) = (u8::try_from(self.selected).ok()?, self.command);
        let processor = self.selected()?;
        match command {
            command::OST_EVENT => processor.ost_event = value,
            command::OST_STATUS => {
                return Some(SpareEvent::Status { index, event: processor.ost_event, status: value });
            }
            _ => {}
        }
        None
    }

    /// Selects the next processor of which there is something to tell, from the selected one on.
    fn select_next(&mut self) {
        let nr = self.processors.len();
        let start = usize::try_from(self.selected).ok().filter(|index| *index < nr).unwrap_or(0);
        let has_event = |index: &usize| self.processors[*index].is_inserted || self.processors[*index].is_removing;
        if let Some(next) = (start..nr).chain(0..start).find(has_event) {
            self.selected = next as u32;
        }
    }
}

#[cfg(test)]
mod tests;
