//! The I/O permission bitmap in the TSS, and where the TSS says that it is.

#![expect(unsafe_code, reason = "the processor reads the TSS from memory")]
// UNSAFETY: volatile accesses to the bitmap and its base address, fields of the TSS that no Rust code refers to.

use crate::{
    layout,
    tables::{IO_BITMAP_OFFSET, TSS_LIMIT},
};

/// Offset in the TSS of the bitmap's base address (SDM vol. 3A, "Task Management in 64-bit Mode").
const MAP_BASE: u64 = 102;

fn bit(port: u16) -> (*mut u8, u8) {
    let address = layout::TSS + u64::from(IO_BITMAP_OFFSET) + u64::from(port / 8);
    (address as *mut u8, 1 << (port % 8))
}

fn set(port: u16, denied: bool) {
    let (byte, mask) = bit(port);
    // SAFETY: every port has its bit in the bitmap, which is 8 KiB large; the processor only reads it.
    unsafe {
        let rest = byte.read_volatile() & !mask;
        byte.write_volatile(if denied { rest | mask } else { rest });
    }
}

/// Ports that ring 3 may use whatever its IOPL, until this is dropped.
#[derive(Debug)]
pub struct Allowed {
    first: u16,
    nr_ports: u16,
}

/// Clears the bits of `nr_ports` ports from `first` on. At first all bits of the bitmap are set.
#[must_use = "the ports are denied again when this is dropped"]
pub fn allow(first: u16, nr_ports: u16) -> Allowed {
    for offset in 0..nr_ports {
        set(first.wrapping_add(offset), false);
    }
    Allowed { first, nr_ports }
}

impl Drop for Allowed {
    fn drop(&mut self) {
        for offset in 0..self.nr_ports {
            set(self.first.wrapping_add(offset), true);
        }
    }
}

/// The bitmap at another place until this is dropped.
#[derive(Debug)]
pub struct Moved {
    cleared: Option<u16>,
}

fn write_map_base(base: u16) {
    // SAFETY: the field is two bytes in the TSS and aligned; the processor only reads it.
    unsafe { ((layout::TSS + MAP_BASE) as *mut u16).write_volatile(base) };
}

fn write_byte(offset: u16, value: u8) {
    // SAFETY: the TSS has three pages of its own, of which what follows the bitmap is unused.
    unsafe { ((layout::TSS + u64::from(offset)) as *mut u8).write_volatile(value) };
}

/// Says that the bitmap starts at this offset from the TSS.
#[must_use = "the bitmap is where it was when this is dropped"]
pub fn move_to(offset: u16) -> Moved {
    write_map_base(offset);
    Moved { cleared: None }
}

/// Moves the bitmap so that the byte with `port`'s bit lies `distance` bytes before the last byte of the TSS, and
/// clears that byte: a distance of 1 leaves room for the byte behind it, 0 does not, and -1 puts it beyond the limit.
#[must_use = "the bitmap is where it was when this is dropped"]
pub fn move_to_limit(port: u16, distance: i16) -> Moved {
    let offset = (TSS_LIMIT as u16).wrapping_sub(distance as u16);
    write_byte(offset, 0);
    write_map_base(offset - port / 8);
    Moved { cleared: Some(offset) }
}

impl Drop for Moved {
    fn drop(&mut self) {
        write_map_base(IO_BITMAP_OFFSET);
        if let Some(offset) = self.cleared {
            write_byte(offset, 0xff);
        }
    }
}
