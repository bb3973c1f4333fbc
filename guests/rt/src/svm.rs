//! SVM: the image as a hypervisor (L1), whose guest (L2) is code of the same image with the same page tables.
//!
//! A guest of [`Guest::new`] is at CPL 0 in 64-bit mode like its host. It has no IDT, and exceptions, shutdown and HLT are
//! intercepted; it ends with VMMCALL. One guest at a time, on the first processor.
//!
//! Sources: APM vol. 2, "Secure Virtual Machine", appendix B.

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: VMRUN, VMLOAD, VMSAVE, STGI, CLGI and INVLPGA inside of `catch`, on pages of this module that nothing refers to.

pub mod field;
pub mod gates;
mod guest;
mod map;
pub mod mode;
pub mod nested;
mod pages;
mod run;

pub use guest::{Exit, Guest, attributes, privileged_stack_top, stack_top};
pub use map::{set_msr, set_port};
pub use run::Registers;

use crate::{
    Exception, catch,
    cpu::{cpuid, msr},
    tables::Shared,
};
use core::{
    arch::asm,
    sync::atomic::{AtomicU64, Ordering},
};
use field::exit;
use pages::HOST_SAVE_AREA;

/// MSRs of SVM.
pub mod number {
    /// VM_CR.
    pub const VM_CR: u32 = 0xc001_0114;
    /// VM_HSAVE_PA.
    pub const HOST_SAVE: u32 = 0xc001_0117;
}

/// EFER.SVME.
pub const SVME: u64 = 1 << 12;
/// The leaf of SVM's features.
pub const FEATURE_LEAF: u32 = 0x8000_000a;

/// Bits of EDX of [`FEATURE_LEAF`].
pub mod feature {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const NESTED_PAGING: u32 = 1 << 0;
    pub const LBR_VIRTUALIZATION: u32 = 1 << 1;
    pub const SVM_LOCK: u32 = 1 << 2;
    pub const NEXT_RIP_SAVE: u32 = 1 << 3;
    pub const TSC_RATE: u32 = 1 << 4;
    pub const VMCB_CLEAN: u32 = 1 << 5;
    pub const FLUSH_BY_ASID: u32 = 1 << 6;
    pub const DECODE_ASSISTS: u32 = 1 << 7;
    pub const PAUSE_FILTER: u32 = 1 << 10;
    pub const PAUSE_FILTER_THRESHOLD: u32 = 1 << 12;
    pub const AVIC: u32 = 1 << 13;
    pub const VIRTUAL_VMLOAD: u32 = 1 << 15;
    pub const VIRTUAL_GIF: u32 = 1 << 16;
}

fn address<T>(page: &'static Shared<T>) -> u64 {
    page.0.get() as u64
}

/// EBX and EDX of [`FEATURE_LEAF`], or all ones before they have been read: CPUID exits.
static LEAF: AtomicU64 = AtomicU64::new(u64::MAX);

fn leaf() -> u64 {
    let known = LEAF.load(Ordering::Relaxed);
    if known != u64::MAX {
        return known;
    }
    let leaf = cpuid::read_leaf(FEATURE_LEAF, 0);
    let read = u64::from(leaf.ebx) << 32 | u64::from(leaf.edx);
    LEAF.store(read, Ordering::Relaxed);
    read
}

/// The features of SVM: EDX of [`FEATURE_LEAF`], asked once.
pub fn features() -> u32 {
    leaf() as u32
}

/// How many address spaces there are: EBX of [`FEATURE_LEAF`], asked once.
pub fn nr_asids() -> u32 {
    (leaf() >> 32) as u32
}

/// EFER.SVME set and a place for the host's state, until this is dropped.
#[derive(Debug)]
pub struct Enabled {
    efer: u64,
}

impl Enabled {
    /// Enables SVM.
    ///
    /// # Errors
    /// The exception of WRMSR, where the firmware has forbidden it.
    pub fn new() -> Result<Self, Exception> {
        guest::forget_template();
        let efer = msr::read(msr::number::IA32_EFER)?;
        msr::write(msr::number::IA32_EFER, efer | SVME)?;
        msr::write(number::HOST_SAVE, address(&HOST_SAVE_AREA))?;
        Ok(Self { efer })
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        // GIF set and SVME clear as before; where a case has left SVM off, there is nothing to be done.
        let _ = set_global_interrupts();
        let _ = msr::write(number::HOST_SAVE, 0);
        let _ = msr::write(msr::number::IA32_EFER, self.efer);
    }
}

/// Executes STGI.
///
/// # Errors
/// The exception that it raises.
pub fn set_global_interrupts() -> Result<(), Exception> {
    // SAFETY: NMIs and interrupts are let in again, for which handlers stand ready.
    catch(|| unsafe { asm!("stgi", options(nostack)) })
}

/// Executes CLGI: interrupts and NMIs wait from here on, until [`set_global_interrupts`] or the end of [`Guest::run`].
///
/// # Errors
/// The exception that it raises.
pub fn clear_global_interrupts() -> Result<(), Exception> {
    // SAFETY: what waits comes later; [`Enabled`] sets GIF again when it is dropped.
    catch(|| unsafe { asm!("clgi", options(nostack)) })
}

/// Executes INVLPGA.
///
/// # Errors
/// The exception that it raises.
pub fn invalidate_in(address: u64, asid: u32) -> Result<(), Exception> {
    // SAFETY: drops cached translations, which are the same afterwards.
    catch(|| unsafe { asm!("invlpga rax, ecx", in("rax") address, in("ecx") asid, options(nostack)) })
}

/// Executes VMRUN with this address, and nothing around it: for addresses that are refused.
///
/// # Errors
/// The exception that it raises.
pub fn run_at(address: u64) -> Result<(), Exception> {
    // SAFETY: the caller's address is no VMCB that the processor accepts; GIF is set again if it took it all the same.
    catch(|| unsafe { asm!("vmrun rax", "stgi", in("rax") address, options(nostack)) })
}

/// Executes VMLOAD with this address.
///
/// # Errors
/// The exception that it raises.
pub fn load_at(address: u64) -> Result<(), Exception> {
    // SAFETY: what it loads was stored by VMSAVE, or the address is refused.
    catch(|| unsafe { asm!("vmload rax", in("rax") address, options(nostack)) })
}

/// Executes VMSAVE with this address.
///
/// # Errors
/// The exception that it raises.
pub fn save_at(address: u64) -> Result<(), Exception> {
    // SAFETY: it writes a page that belongs to the case, or the address is refused.
    catch(|| unsafe { asm!("vmsave rax", in("rax") address, options(nostack)) })
}

/// Whether an exit is the VMMCALL by which L2 ends.
pub fn is_end(exit: &Exit) -> bool {
    exit.code == exit::VMMCALL
}
