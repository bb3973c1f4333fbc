//! Base address registers: what they are, how large, and where they are put.
//!
//! Source: PCI, "Base Addresses".

use super::{Function, header};
use case::image::board;

/// What stands behind a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// Ports.
    Io,
    /// Memory below 4 GiB.
    Memory32,
    /// Memory anywhere; the next register is its high half.
    Memory64,
}

/// A register that is implemented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its function.
    pub function: Function,
    /// Its index, from 0 to 5.
    pub index: u8,
    /// Its kind.
    pub kind: BarKind,
    /// Size of what stands behind it in bytes.
    pub size: u64,
}

impl Bar {
    /// Finds out what a register is, by writing all ones and what it held before. `None` for one that is not implemented. The
    /// function's decoders must be off.
    pub fn read(function: Function, index: u8) -> Option<Self> {
        let offset = offset_of(index);
        let before = function.read_u32(offset);
        let low = size_bits(function, offset);
        let kind = match before & 7 {
            bits if bits & 1 != 0 => BarKind::Io,
            4 => BarKind::Memory64,
            _ => BarKind::Memory32,
        };
        let size = match kind {
            BarKind::Io => u64::from((low & !3 | 0xffff_0000).wrapping_neg()),
            BarKind::Memory32 => u64::from((low & !0xf).wrapping_neg()),
            BarKind::Memory64 => {
                let high = size_bits(function, offset + 4);
                (u64::from(high) << 32 | u64::from(low & !0xf)).wrapping_neg()
            }
        };
        (low & !0xf != 0 || low & !3 != 0 && kind == BarKind::Io).then_some(Self { function, index, kind, size })
    }

    /// Offset of the register.
    pub const fn offset(self) -> u16 {
        offset_of(self.index)
    }

    /// The address that it holds.
    pub fn address(self) -> u64 {
        let low = u64::from(self.function.read_u32(self.offset()));
        match self.kind {
            BarKind::Io => low & !3,
            BarKind::Memory32 => low & !0xf,
            BarKind::Memory64 => u64::from(self.function.read_u32(self.offset() + 4)) << 32 | low & !0xf,
        }
    }

    /// Writes an address.
    pub fn place(self, address: u64) {
        self.function.write_u32(self.offset(), address as u32);
        if self.kind == BarKind::Memory64 {
            self.function.write_u32(self.offset() + 4, (address >> 32) as u32);
        }
    }
}

const fn offset_of(index: u8) -> u16 {
    header::BASE_ADDRESSES + 4 * index as u16
}

/// What a register reads as after all ones were written; what it held is written back.
fn size_bits(function: Function, offset: u16) -> u32 {
    let before = function.read_u32(offset);
    function.write_u32(offset, u32::MAX);
    let bits = function.read_u32(offset);
    function.write_u32(offset, before);
    bits
}

impl Function {
    /// The registers of a function with a header of type 0 that are implemented, whose decoders are switched off for it.
    pub fn bars(self) -> impl Iterator<Item = Bar> {
        self.change_command(0, super::command::IO_SPACE | super::command::MEMORY_SPACE);
        let mut index = 0;
        core::iter::from_fn(move || {
            while index < 6 {
                let bar = Bar::read(self, index);
                index += if matches!(bar, Some(Bar { kind: BarKind::Memory64, .. })) { 2 } else { 1 };
                if bar.is_some() {
                    return bar;
                }
            }
            None
        })
    }

    /// Gives each register for memory its own place below 4 GiB, from [`board::PCI_MEMORY`] on, and lets the function decode
    /// memory and access it.
    pub fn place_memory(self) {
        let mut next = board::PCI_MEMORY;
        for bar in self.bars() {
            if bar.kind != BarKind::Io {
                next = next.next_multiple_of(bar.size);
                bar.place(next);
                next += bar.size;
            }
        }
        self.change_command(super::command::MEMORY_SPACE | super::command::BUS_MASTER, 0);
    }
}
