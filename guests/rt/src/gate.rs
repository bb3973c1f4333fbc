//! Gates of the IDT and stacks of the TSS with other content, until they are dropped.

#![expect(unsafe_code, reason = "an instruction")]
// UNSAFETY: LIDT of the runtime's own table with another limit, inside of `catch`.

use crate::{
    catch::catch,
    layout, mmio,
    tables::{IDT_LIMIT, IO_BITMAP_OFFSET},
};
use core::arch::asm;

/// Types of a gate in 64-bit mode (SDM vol. 3A, "64-Bit Mode IDT").
pub mod gate_type {
    /// Interrupt gate: clears IF.
    pub const INTERRUPT: u64 = 0xe;
    /// Trap gate: leaves IF.
    pub const TRAP: u64 = 0xf;
    /// A task gate, which 64-bit mode does not know.
    pub const TASK: u64 = 0x5;
}

/// A gate of the IDT with other content until this is dropped.
#[derive(Debug)]
pub struct Gate {
    vector: u8,
    previous: u64,
}

impl Gate {
    /// Entry 1 to 7 of the interrupt stack table, or 0 for the stack that the change of privilege selects.
    ///
    /// Choosing 0, make sure that the stack it leads to is one: [`Stack::privilege_0`] if ring 3 is interrupted.
    pub fn with_interrupt_stack(vector: u8, index: u64) -> Self {
        Self::with_field(vector, 32, 7, index)
    }

    /// The gate's type, one of [`gate_type`].
    pub fn with_type(vector: u8, value: u64) -> Self {
        Self::with_field(vector, 40, 0xf, value)
    }

    /// The privilege level that INT n needs.
    pub fn with_privilege(vector: u8, value: u64) -> Self {
        Self::with_field(vector, 45, 3, value)
    }

    /// The present bit clear.
    pub fn not_present(vector: u8) -> Self {
        Self::with_field(vector, 47, 1, 0)
    }

    /// Another code segment.
    pub fn with_selector(vector: u8, value: u16) -> Self {
        Self::with_field(vector, 16, 0xffff, u64::from(value))
    }

    /// The handler of another vector, as which it arrives: a vector below 32 reaches its handler so even inside of
    /// [`crate::catch`] and [`crate::user`] calls, and the call goes on.
    ///
    /// # Panics
    /// If one of the two has an error code.
    pub fn with_handler_of(vector: u8, other: u8) -> Self {
        const HAVE_ERROR_CODES: [u8; 10] = [8, 10, 11, 12, 13, 14, 17, 21, 29, 30];
        assert!(!HAVE_ERROR_CODES.contains(&vector) && !HAVE_ERROR_CODES.contains(&other), "another stack frame");
        let gate = mmio::read_u64(address_of(other));
        Self::with_offset(vector, gate & 0xffff | (gate >> 48) << 16)
    }

    /// Another handler. It must be one for the vector's stack frame.
    pub(crate) fn with_offset(vector: u8, offset: u64) -> Self {
        let previous = mmio::read_u64(address_of(vector));
        let other = previous & 0x0000_ffff_ffff_0000 | offset & 0xffff | (offset >> 16 & 0xffff) << 48;
        mmio::write_u64(address_of(vector), other);
        Self { vector, previous }
    }

    fn with_field(vector: u8, shift: u32, mask: u64, value: u64) -> Self {
        let previous = mmio::read_u64(address_of(vector));
        mmio::write_u64(address_of(vector), previous & !(mask << shift) | (value & mask) << shift);
        Self { vector, previous }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        mmio::write_u64(address_of(self.vector), self.previous);
    }
}

fn address_of(vector: u8) -> u64 {
    layout::IDT + u64::from(vector) * 16
}

/// The IDT with another limit until this is dropped.
#[derive(Debug)]
pub struct Limit(());

impl Limit {
    /// Executes LIDT with this limit in bytes.
    #[must_use = "the limit returns when this is dropped"]
    pub fn new(limit: u16) -> Self {
        load_idt(limit);
        Self(())
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        load_idt(IDT_LIMIT);
    }
}

fn load_idt(limit: u16) {
    let base = layout::IDT;
    let pointer = [limit, base as u16, (base >> 16) as u16, (base >> 32) as u16, (base >> 48) as u16];
    // At CPL 0 with a canonical base it cannot fault.
    let _ = catch(|| {
        // SAFETY: the base is that of the runtime's IDT; a vector beyond the limit is what the case is about.
        unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(nostack, preserves_flags)) };
    });
}

/// A stack of the TSS at another place until this is dropped.
#[derive(Debug)]
pub struct Stack {
    address: u64,
    previous: u64,
}

/// Offsets in a 64-bit TSS (SDM vol. 3A, "Task Management in 64-bit Mode").
const RSP_0: u64 = 4;
const IST_1: u64 = 36;
const _: () = assert!(IST_1 + 7 * 8 < IO_BITMAP_OFFSET as u64);

impl Stack {
    /// The stack for a change to CPL 0. `top` is the address behind memory that belongs to the case.
    pub fn privilege_0(top: u64) -> Self {
        Self::at(layout::TSS + RSP_0, top)
    }

    /// Entry `index`, 1 to 7, of the interrupt stack table. `top` is the address behind memory that belongs to the case.
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn interrupt(index: u64, top: u64) -> Self {
        assert!((1..=7).contains(&index), "the table has entries 1 to 7");
        Self::at(layout::TSS + IST_1 + (index - 1) * 8, top)
    }

    fn at(address: u64, top: u64) -> Self {
        let previous = mmio::read_u64(address);
        mmio::write_u64(address, top);
        Self { address, previous }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        mmio::write_u64(self.address, self.previous);
    }
}
