//! RDMSR and WRMSR.

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: RDMSR and WRMSR inside of `catch`.

use crate::{
    catch::{Exception, catch},
    observed::{Place, seen},
};
use core::arch::asm;

/// Numbers of MSRs (SDM vol. 4, "Architectural MSRs"; APM vol. 2, appendix A).
pub mod number {
    #![expect(missing_docs, reason = "the manuals' own names")]
    pub const IA32_TIME_STAMP_COUNTER: u32 = 0x10;
    pub const IA32_APIC_BASE: u32 = 0x1b;
    pub const IA32_MTRRCAP: u32 = 0xfe;
    pub const IA32_SYSENTER_CS: u32 = 0x174;
    pub const IA32_SYSENTER_ESP: u32 = 0x175;
    pub const IA32_SYSENTER_EIP: u32 = 0x176;
    pub const IA32_PAT: u32 = 0x277;
    pub const IA32_MTRR_DEF_TYPE: u32 = 0x2ff;
    pub const IA32_EFER: u32 = 0xc000_0080;
    pub const IA32_STAR: u32 = 0xc000_0081;
    pub const IA32_LSTAR: u32 = 0xc000_0082;
    pub const IA32_CSTAR: u32 = 0xc000_0083;
    pub const IA32_FMASK: u32 = 0xc000_0084;
    pub const IA32_FS_BASE: u32 = 0xc000_0100;
    pub const IA32_GS_BASE: u32 = 0xc000_0101;
    pub const IA32_KERNEL_GS_BASE: u32 = 0xc000_0102;
    pub const IA32_TSC_AUX: u32 = 0xc000_0103;
    pub const IA32_TSC_ADJUST: u32 = 0x3b;
    pub const IA32_SPEC_CTRL: u32 = 0x48;
    pub const IA32_ARCH_CAPABILITIES: u32 = 0x10a;
    pub const IA32_MCG_CAP: u32 = 0x179;
    pub const IA32_MISC_ENABLE: u32 = 0x1a0;
    pub const IA32_MTRR_PHYSBASE0: u32 = 0x200;
    pub const IA32_MTRR_PHYSMASK0: u32 = 0x201;
    pub const IA32_MTRR_FIX64K_00000: u32 = 0x250;
    pub const IA32_MTRR_FIX4K_F8000: u32 = 0x26f;
    pub const IA32_TSC_DEADLINE: u32 = 0x6e0;
    pub const IA32_PKRS: u32 = 0x6e1;
    pub const IA32_XSS: u32 = 0xda0;
}

/// Bits of IA32_EFER.
pub mod efer {
    /// SYSCALL enable.
    pub const SCE: u64 = 1 << 0;
    /// Long mode enable.
    pub const LME: u64 = 1 << 8;
    /// Long mode active.
    pub const LMA: u64 = 1 << 10;
    /// Execute-disable enable.
    pub const NXE: u64 = 1 << 11;
}

/// Reads an MSR.
///
/// # Errors
/// The exception that RDMSR raises: #GP(0) for one that does not exist.
pub fn read(number: u32) -> Result<u64, Exception> {
    let value = catch(|| {
        let (low, high): (u32, u32);
        // SAFETY: at CPL 0; reading an MSR has no side effect that Rust could see, a fault is caught.
        unsafe { asm!("rdmsr", in("ecx") number, out("eax") low, out("edx") high, options(nostack)) };
        u64::from(high) << 32 | u64::from(low)
    })?;
    Ok(seen(Place::Msr, number.into(), value))
}

/// Writes an MSR and leaves it so. Prefer [`With`] or [`crate::cpu::msr::try_write`] where it must be undone.
///
/// # Errors
/// The exception that WRMSR raises: #GP(0) for a reserved bit or an MSR that does not exist.
pub fn write(number: u32, value: u64) -> Result<(), Exception> {
    catch(|| {
        // SAFETY: at CPL 0, a fault is caught. A case that writes an MSR which the runtime relies on (EFER, GS base)
        // keeps the bits that the runtime needs.
        unsafe {
            asm!("wrmsr", in("ecx") number, in("eax") value as u32, in("edx") (value >> 32) as u32, options(nostack));
        }
    })
}

/// An MSR with another value until this is dropped.
#[derive(Debug)]
pub struct With {
    number: u32,
    previous: u64,
}

impl With {
    /// Writes `value`.
    ///
    /// # Errors
    /// The exception of RDMSR or WRMSR; nothing is changed then.
    pub fn value(number: u32, value: u64) -> Result<Self, Exception> {
        let previous = read(number)?;
        write(number, value)?;
        Ok(Self { number, previous })
    }

    /// What the MSR held before.
    pub fn previous(&self) -> u64 {
        self.previous
    }
}

impl Drop for With {
    fn drop(&mut self) {
        // The value was read from the MSR, so writing it back faults only on a subject that is broken already; the
        // case's own checks tell that.
        let _ = write(self.number, self.previous);
    }
}

/// Writes `value`, reads it back, restores the MSR; the read-back value is the result.
///
/// # Errors
/// The exception that reading or writing `value` raises.
pub fn try_write(number: u32, value: u64) -> Result<u64, Exception> {
    let _undo = With::value(number, value)?;
    read(number)
}
