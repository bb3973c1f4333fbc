//! Control and debug registers.

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: MOV from and to control registers, the writes inside of `catch`.

use crate::catch::{Exception, catch};
use core::arch::asm;

macro_rules! register {
    ($(#[$doc:meta])* $read:ident $write:ident $name:literal) => {
        $(#[$doc])*
        pub fn $read() -> u64 {
            let value;
            // SAFETY: at CPL 0; reading changes nothing.
            unsafe { asm!(concat!("mov {}, ", $name), out(reg) value, options(nomem, nostack, preserves_flags)) };
            value
        }

        #[doc = concat!("Writes ", $name, " and leaves it so.")]
        ///
        /// # Errors
        /// The exception that the write raises.
        pub fn $write(value: u64) -> Result<(), Exception> {
            catch(|| {
                // SAFETY: at CPL 0, a fault is caught. A case keeps what the runtime relies on: paging with the boot
                // tables, and the bits of `crate::boot`.
                unsafe { asm!(concat!("mov ", $name, ", {}"), in(reg) value, options(nostack)) };
            })
        }
    };
}

register! {
    /// Reads CR0.
    read_cr0 write_cr0 "cr0"
}
register! {
    /// Reads CR2.
    read_cr2 write_cr2 "cr2"
}
register! {
    /// Reads CR3.
    read_cr3 write_cr3 "cr3"
}
register! {
    /// Reads CR4.
    read_cr4 write_cr4 "cr4"
}
register! {
    /// Reads CR8.
    read_cr8 write_cr8 "cr8"
}
register! {
    /// Reads DR0.
    read_dr0 write_dr0 "dr0"
}
register! {
    /// Reads DR6.
    read_dr6 write_dr6 "dr6"
}
register! {
    /// Reads DR7.
    read_dr7 write_dr7 "dr7"
}

/// Bits of CR0 (SDM vol. 3A, "Control Registers").
pub mod cr0 {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const PE: u64 = 1 << 0;
    pub const MP: u64 = 1 << 1;
    pub const EM: u64 = 1 << 2;
    pub const TS: u64 = 1 << 3;
    pub const ET: u64 = 1 << 4;
    pub const NE: u64 = 1 << 5;
    pub const WP: u64 = 1 << 16;
    pub const AM: u64 = 1 << 18;
    pub const NW: u64 = 1 << 29;
    pub const CD: u64 = 1 << 30;
    pub const PG: u64 = 1 << 31;
}

/// Bits of CR4 (SDM vol. 3A, "Control Registers").
pub mod cr4 {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const TSD: u64 = 1 << 2;
    pub const DE: u64 = 1 << 3;
    pub const PAE: u64 = 1 << 5;
    pub const PGE: u64 = 1 << 7;
    pub const OSFXSR: u64 = 1 << 9;
    pub const OSXMMEXCPT: u64 = 1 << 10;
    pub const UMIP: u64 = 1 << 11;
    pub const LA57: u64 = 1 << 12;
    pub const FSGSBASE: u64 = 1 << 16;
    pub const PCIDE: u64 = 1 << 17;
    pub const OSXSAVE: u64 = 1 << 18;
    pub const SMEP: u64 = 1 << 20;
    pub const SMAP: u64 = 1 << 21;
}

/// A control register with other bits until this is dropped.
#[derive(Debug)]
pub struct With {
    previous: u64,
    write: fn(u64) -> Result<(), Exception>,
}

impl With {
    /// CR0 with the bits `set` set and `clear` cleared.
    ///
    /// # Errors
    /// The exception that the write raises; nothing is changed then.
    pub fn cr0(set: u64, clear: u64) -> Result<Self, Exception> {
        Self::new(read_cr0(), set, clear, write_cr0)
    }

    /// CR4 with the bits `set` set and `clear` cleared.
    ///
    /// # Errors
    /// The exception that the write raises; nothing is changed then.
    pub fn cr4(set: u64, clear: u64) -> Result<Self, Exception> {
        Self::new(read_cr4(), set, clear, write_cr4)
    }

    fn new(previous: u64, set: u64, clear: u64, write: fn(u64) -> Result<(), Exception>) -> Result<Self, Exception> {
        write((previous | set) & !clear)?;
        Ok(Self { previous, write })
    }
}

impl Drop for With {
    fn drop(&mut self) {
        // The value stood in the register before; see `msr::With`.
        let _ = (self.write)(self.previous);
    }
}
