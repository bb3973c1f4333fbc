//! IN and OUT.

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: IN and OUT of one register each. No port of a board that runs cases reaches the runtime's memory.

use core::arch::asm;

macro_rules! width {
    ($read:ident $write:ident $type:ty, $register:tt) => {
        /// Reads a port.
        pub fn $read(port: u16) -> $type {
            let value: $type;
            // SAFETY: at CPL 0; no effect on memory.
            unsafe {
                asm!(concat!("in ", $register, ", dx"), in("dx") port, out($register) value,
                     options(nomem, nostack, preserves_flags))
            };
            value
        }

        /// Writes a port.
        pub fn $write(port: u16, value: $type) {
            // SAFETY: at CPL 0. A doorbell's reader sees memory, so no `nomem`.
            unsafe {
                asm!(concat!("out dx, ", $register), in("dx") port, in($register) value,
                     options(nostack, preserves_flags))
            };
        }
    };
}

width!(read_u8 write_u8 u8, "al");
width!(read_u16 write_u16 u16, "ax");
width!(read_u32 write_u32 u32, "eax");
