//! Accesses to memory-mapped devices, by exactly one instruction each.

#![expect(unsafe_code, reason = "device registers are reached by address")]
// UNSAFETY: one MOV each. The addresses that cases use hold devices, not the runtime's memory.

use core::arch::asm;

macro_rules! width {
    ($read:ident $write:ident $type:ty, $register:ident, $size:literal) => {
        /// Reads a register of a device.
        pub fn $read(address: u64) -> $type {
            let value: $type;
            // SAFETY: a load; what lies at the address is the caller's subject. The operands name memory, so the
            // compiler may not move it.
            unsafe {
                asm!(concat!("mov {}, ", $size, " ptr [{}]"), out($register) value, in(reg) address,
                     options(nostack, preserves_flags))
            };
            value
        }

        /// Writes a register of a device. Writing to memory of the runtime would break it.
        pub fn $write(address: u64, value: $type) {
            // SAFETY: a store to a device's register or to memory that the caller owns.
            unsafe {
                asm!(concat!("mov ", $size, " ptr [{}], {}"), in(reg) address, in($register) value,
                     options(nostack, preserves_flags))
            };
        }
    };
}

width!(read_u8 write_u8 u8, reg_byte, "byte");

macro_rules! wide {
    ($read:ident $write:ident $type:ty, $modifier:literal, $size:literal) => {
        /// Reads a register of a device.
        pub fn $read(address: u64) -> $type {
            let value: $type;
            // SAFETY: as above.
            unsafe {
                asm!(concat!("mov {0:", $modifier, "}, ", $size, " ptr [{1}]"), out(reg) value, in(reg) address,
                     options(nostack, preserves_flags))
            };
            value
        }

        /// Writes a register of a device. Writing to memory of the runtime would break it.
        pub fn $write(address: u64, value: $type) {
            // SAFETY: as above.
            unsafe {
                asm!(concat!("mov ", $size, " ptr [{0}], {1:", $modifier, "}"), in(reg) address, in(reg) value,
                     options(nostack, preserves_flags))
            };
        }
    };
}

wide!(read_u16 write_u16 u16, "x", "word");
wide!(read_u32 write_u32 u32, "e", "dword");
wide!(read_u64 write_u64 u64, "r", "qword");

/// Clears bit 0 of 32 bits in memory by one instruction, and says whether it was set.
pub fn test_and_clear_bit_0(address: u64) -> bool {
    let was_set: u8;
    // SAFETY: a load and a store of memory that the caller owns.
    unsafe { asm!("btr dword ptr [{}], 0", "setc {}", in(reg) address, out(reg_byte) was_set, options(nostack)) };
    was_set != 0
}

/// Writes `new` to 8 bits in memory if they are `old`, by one locked instruction; says whether they were.
pub fn compare_exchange_u8(address: u64, old: u8, new: u8) -> bool {
    let was_equal: u8;
    // SAFETY: a load and a store of memory that the caller owns.
    unsafe {
        asm!("lock cmpxchg byte ptr [{}], {}", "setz {}", in(reg) address, in(reg_byte) new, out(reg_byte) was_equal,
             inout("al") old => _, options(nostack))
    };
    was_equal != 0
}
