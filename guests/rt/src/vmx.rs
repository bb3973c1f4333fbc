//! VMX: the image as a hypervisor (L1), whose guest (L2) is code of the same image with the same page tables.
//!
//! [`Enabled`] is VMX operation; [`Guest`] is L2 with the VMCS of [`page::Page::Vmcs`]: at CPL 0 in 64-bit mode like its
//! host, with all exceptions and HLT intercepted. It ends with VMCALL. A case changes fields by [`Guest::set`] and takes
//! the changes back by [`Guest::reset`]. One guest at a time, on the first processor.
//!
//! Source: SDM vol. 3C and 3D.

pub mod capability;
pub mod control;
mod entry;
pub mod ept;
pub mod field;
pub mod guest;
pub mod instruction;
pub mod page;
pub mod reason;
mod state;

pub use guest::{Exit, Guest};
pub use page::Page;

use crate::{
    Outcome,
    cpu::{control as register, msr},
};
use capability::number;

/// IA32_FEATURE_CONTROL.
pub const FEATURE_CONTROL: u32 = 0x3a;
/// Bits of [`FEATURE_CONTROL`].
pub mod feature_control {
    /// The MSR is locked: WRMSR raises #GP.
    pub const LOCKED: u64 = 1 << 0;
    /// VMXON is allowed outside of SMX operation.
    pub const VMX_OUTSIDE_SMX: u64 = 1 << 2;
}
/// CR4.VMXE.
pub const VMXE: u64 = 1 << 13;

/// CR0 and CR4 as VMX operation needs them, until this is dropped; VMXON is not executed.
#[derive(Debug)]
pub struct Prepared {
    cr0: u64,
    cr4: u64,
}

impl Prepared {
    /// Sets what must be set in IA32_FEATURE_CONTROL, where the firmware has not, and in CR0 and CR4.
    ///
    /// # Errors
    /// The exception of WRMSR or MOV to a control register.
    pub fn new() -> Result<Self, Outcome> {
        let control = msr::read(FEATURE_CONTROL)?;
        if control & feature_control::LOCKED == 0 {
            msr::write(FEATURE_CONTROL, control | feature_control::LOCKED | feature_control::VMX_OUTSIDE_SMX)?;
        }
        let prepared = Self { cr0: register::read_cr0(), cr4: register::read_cr4() };
        register::write_cr0(prepared.cr0 | capability::read(number::CR0_FIXED0))?;
        register::write_cr4(prepared.cr4 | VMXE | capability::read(number::CR4_FIXED0))?;
        Page::VmxonRegion.set_revision(capability::read_revision());
        Ok(prepared)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // Both values stood there before.
        let _ = register::write_cr4(self.cr4);
        let _ = register::write_cr0(self.cr0);
    }
}

/// VMX root operation, until this is dropped.
#[derive(Debug)]
pub struct Enabled {
    _prepared: Prepared,
}

impl Enabled {
    /// Enters it.
    ///
    /// # Errors
    /// The outcome of VMXON, or of what must come before it.
    pub fn new() -> Result<Self, Outcome> {
        let prepared = Prepared::new()?;
        match instruction::vmxon(Page::VmxonRegion.address()) {
            Outcome::COMPLETED => Ok(Self { _prepared: prepared }),
            other => Err(other),
        }
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        // Where a case has left VMX operation, there is nothing to be done.
        let _ = instruction::vmxoff();
    }
}
