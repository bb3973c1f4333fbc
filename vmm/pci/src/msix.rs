//! MSI-X (§ 6.8.2 "MSI-X Capability and Table Structure").

mod saved;
mod wrong;

pub use saved::MsiXState;

use crate::{Config, Fault};

/// Size of an entry of the table in bytes.
pub const TABLE_ENTRY_BYTES: u64 = 16;
/// The capability's id.
const CAPABILITY: u8 = 0x11;
/// Message control: all vectors are masked.
const FUNCTION_MASK: u16 = 1 << 14;
/// Message control: MSI-X is on, and the pin is not used.
const ENABLE: u16 = 1 << 15;
/// Vector control: this vector is masked.
const MASK: u32 = 1;

/// An interrupt as a write of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub address: u64,
    /// What.
    pub data: u32,
}

/// An entry's address low and high, data, and vector control.
#[derive(Clone, Copy, Debug)]
struct Entry([u32; 4]);

impl Entry {
    fn message(self) -> Message {
        Message { address: u64::from(self.0[1]) << 32 | u64::from(self.0[0] & !3), data: self.0[2] }
    }

    fn is_masked(self) -> bool {
        self.0[3] & MASK != 0
    }
}

/// Table and pending bits of a function.
#[derive(Clone, Debug)]
pub struct MsiX {
    /// Offset of the capability.
    capability: usize,
    entries: Vec<Entry>,
    pending: Vec<u64>,
    /// A rule to break.
    wrong: Option<wrong::Wrong>,
}

impl MsiX {
    /// Adds the capability with `nr_vectors`, from 1 to 2,048, to a function whose table and pending bits stand behind the base
    /// address register `bar`, at offsets that are multiples of 8.
    pub fn new(config: &mut Config, nr_vectors: u16, bar: u8, table: u32, pending: u32) -> Self {
        let mut body = [0; 10];
        body[..2].copy_from_slice(&(nr_vectors - 1).to_le_bytes());
        body[2..6].copy_from_slice(&(table | u32::from(bar)).to_le_bytes());
        body[6..].copy_from_slice(&(pending | u32::from(bar)).to_le_bytes());
        let mut writable = [0; 10];
        writable[..2].copy_from_slice(&(ENABLE | FUNCTION_MASK).to_le_bytes());
        let capability = config.add_capability(CAPABILITY, &body, &writable);
        let nr = usize::from(nr_vectors);
        Self { capability, entries: vec![Entry([0, 0, 0, MASK]); nr], pending: vec![0; nr.div_ceil(64)], wrong: None }
    }

    /// As after reset: each vector masked, none pending.
    pub fn reset(&mut self) {
        self.entries.fill(Entry([0, 0, 0, MASK]));
        self.pending.fill(0);
    }

    /// How many vectors there are.
    pub fn nr_vectors(&self) -> u16 {
        self.entries.len() as u16
    }

    fn control(&self, config: &Config) -> u16 {
        config.u16_at(self.capability + 2)
    }

    /// Whether messages are used instead of the pin.
    pub fn is_enabled(&self, config: &Config) -> bool {
        self.control(config) & ENABLE != 0
    }

    /// Whether a vector's message may be sent.
    fn may_send(&self, config: &Config, vector: usize) -> bool {
        let fault = config.fault();
        let is_masked = self.control(config) & FUNCTION_MASK != 0 && !Fault::FunctionMaskIgnored.is_set(fault)
            || self.entries[vector].is_masked() && !Fault::MaskIgnored.is_set(fault);
        self.is_enabled(config) && config.is_bus_master() && !is_masked
    }

    /// An interrupt of `vector` is due: gives the message to send, or remembers it as long as the vector is masked.
    pub fn signal(&mut self, config: &Config, vector: u16) -> Option<Message> {
        let vector = usize::from(vector);
        if vector >= self.entries.len() || !self.is_enabled(config) {
            return None;
        }
        if self.may_send(config, vector) {
            return Some(self.message(vector));
        }
        if let Some(wrong) = &mut self.wrong
            && wrong.holds_back(vector, self.entries[vector])
        {
            return None;
        }
        self.pending[vector / 64] |= 1 << (vector % 64);
        None
    }

    fn message(&mut self, vector: usize) -> Message {
        match &mut self.wrong {
            None => self.entries[vector].message(),
            Some(wrong) => wrong.message(vector, &self.entries),
        }
    }

    /// The messages that were held back and may be sent now; to be asked for after each write of the table and of configuration
    /// space.
    pub fn released(&mut self, config: &Config) -> Vec<Message> {
        let mut messages = Vec::new();
        for vector in 0..self.entries.len() {
            let bit = 1 << (vector % 64);
            if self.pending[vector / 64] & bit != 0 && self.may_send(config, vector) {
                self.pending[vector / 64] &= !bit;
                messages.push(self.message(vector));
            }
        }
        messages
    }

    /// Fills `data` from `offset` of the table; only aligned doublewords and quadwords can be read (§ 6.8.2).
    pub fn read_table(&self, offset: u64, data: &mut [u8]) {
        each_doubleword(offset, data.len(), |index, at| {
            let value = self.entries.get(index / 4).map_or(0, |entry| entry.0[index % 4]);
            data[at..at + 4].copy_from_slice(&value.to_le_bytes());
        });
    }

    /// Writes `data` at `offset` of the table.
    pub fn write_table(&mut self, offset: u64, data: &[u8]) {
        each_doubleword(offset, data.len(), |index, at| {
            let value = u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
            let is_taken = self.wrong.is_none_or(|wrong| wrong.takes(index % 4, data.len()));
            if let Some(entry) = self.entries.get_mut(index / 4).filter(|_| is_taken) {
                // Of vector control only the mask is defined; of the address, bits 1:0 are zero.
                entry.0[index % 4] = match index % 4 {
                    0 => value & !3,
                    3 => value & MASK,
                    _ => value,
                };
            }
        });
    }

    /// Fills `data` from `offset` of the pending bits, which cannot be written.
    pub fn read_pending(&self, offset: u64, data: &mut [u8]) {
        each_doubleword(offset, data.len(), |index, at| {
            let value = self.pending.get(index / 2).map_or(0, |bits| (bits >> (32 * (index % 2))) as u32);
            let value = self.wrong.map_or(value, |wrong| wrong.pending(index, value));
            data[at..at + 4].copy_from_slice(&value.to_le_bytes());
        });
    }
}

/// Index of each doubleword of an aligned access of 4 or 8 bytes, and where in the data it stands.
fn each_doubleword(offset: u64, size: usize, mut access: impl FnMut(usize, usize)) {
    if !matches!(size, 4 | 8) || !offset.is_multiple_of(size as u64) {
        return;
    }
    let Ok(first) = usize::try_from(offset / 4) else { return };
    for at in 0..size / 4 {
        access(first + at, 4 * at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    fn function(nr_vectors: u16) -> (Config, MsiX) {
        let mut config = Config::new(Identity::default(), &[]);
        let msix = MsiX::new(&mut config, nr_vectors, 0, 0x1000, 0x2000);
        config.write(4, &4_u16.to_le_bytes());
        (config, msix)
    }

    fn control(config: &mut Config, bits: u16) {
        config.write(0x42, &bits.to_le_bytes());
    }

    fn fill(msix: &mut MsiX, vector: u64, masked: u32) {
        for (index, value) in [0xfee0_1003, 1, 0x4000 + vector as u32, masked].into_iter().enumerate() {
            msix.write_table(16 * vector + 4 * index as u64, &u32::to_le_bytes(value));
        }
    }

    #[test]
    fn an_unmasked_vector_sends_its_message() {
        let (mut config, mut msix) = function(3);
        fill(&mut msix, 2, 0);
        assert_eq!(msix.signal(&config, 2), None, "off");
        control(&mut config, ENABLE);
        let message = Message { address: 0x1_fee0_1000, data: 0x4002 };
        assert_eq!(msix.signal(&config, 2), Some(message));
        assert_eq!(
            (msix.signal(&config, 3), msix.released(&config)),
            (None, vec![]),
            "no such vector, and none held back"
        );
    }

    #[test]
    fn a_masked_vector_is_pending_until_it_is_unmasked() {
        let (mut config, mut msix) = function(70);
        control(&mut config, ENABLE);
        fill(&mut msix, 69, MASK);
        assert_eq!((msix.signal(&config, 69), msix.signal(&config, 69)), (None, None));
        let mut bits = [0; 8];
        msix.read_pending(8, &mut bits);
        assert_eq!(bits, (1_u64 << 5).to_le_bytes());
        assert_eq!(msix.released(&config), []);
        fill(&mut msix, 69, 0);
        assert_eq!(msix.released(&config).len(), 1, "once, however often it was due");
        assert_eq!(msix.released(&config), []);
        msix.read_pending(8, &mut bits);
        assert_eq!(bits, [0; 8]);
    }

    #[test]
    fn the_function_mask_holds_all_back() {
        let (mut config, mut msix) = function(2);
        control(&mut config, ENABLE | FUNCTION_MASK);
        fill(&mut msix, 0, 0);
        fill(&mut msix, 1, 0);
        assert_eq!((msix.signal(&config, 0), msix.signal(&config, 1)), (None, None));
        control(&mut config, ENABLE);
        assert_eq!(msix.released(&config).len(), 2);
    }

    #[test]
    fn odd_accesses_have_no_effect() {
        let (_, mut msix) = function(1);
        fill(&mut msix, 0, 0);
        let mut before = [0; 8];
        msix.read_table(0, &mut before);
        for (offset, size) in [(0, 1), (0, 2), (2, 4), (4, 8), (1, 4), (u64::MAX - 7, 8), (1 << 40, 4)] {
            msix.write_table(offset, &[0xff; 8][..size]);
        }
        let mut after = [0; 8];
        msix.read_table(0, &mut after);
        assert_eq!(after, before);
    }
}
