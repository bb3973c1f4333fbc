//! KVM's hypercalls, by the instruction of the processor's vendor.

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: VMCALL and VMMCALL inside of `catch`.

use crate::{
    catch::{Exception, catch},
    cpu::cpuid,
};
use core::arch::asm;

/// The instruction that this processor has for hypercalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Intel's, and that of processors that follow Intel's manual.
    Vmcall,
    /// AMD's and Hygon's.
    Vmmcall,
}

impl Instruction {
    /// Finds it out by CPUID leaf 0, which exits to the hypervisor.
    pub fn of_vendor() -> Self {
        let vendor = cpuid::read_leaf(0, 0).ebx;
        // "Auth" of AuthenticAMD and "Hygo" of HygonGenuine.
        if vendor == 0x6874_7541 || vendor == 0x6f67_7948 { Self::Vmmcall } else { Self::Vmcall }
    }
}

/// What a hypercall takes and what it may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "registers")]
pub struct Registers {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
}

macro_rules! hypercall {
    ($name:literal, $registers:ident) => {
        // RBX belongs to the compiler: R12 carries it.
        asm!("xchg rbx, r12", $name, "xchg rbx, r12",
             inout("rax") $registers.rax, inout("r12") $registers.rbx, inout("rcx") $registers.rcx,
             inout("rdx") $registers.rdx, inout("rsi") $registers.rsi, inout("rdi") $registers.rdi,
             inout("r8") $registers.r8, inout("r9") $registers.r9, inout("r10") $registers.r10,
             inout("r11") $registers.r11)
    };
}

/// Makes a hypercall with these registers, and returns what they hold afterwards.
///
/// # Errors
/// The exception that the instruction raises.
pub fn raw(instruction: Instruction, mut registers: Registers) -> Result<Registers, Exception> {
    catch(|| {
        // SAFETY: the hypercalls that cases make change no memory but what their arguments name.
        unsafe {
            match instruction {
                Instruction::Vmcall => hypercall!("vmcall", registers),
                Instruction::Vmmcall => hypercall!("vmmcall", registers),
            }
        }
        registers
    })
}

/// Makes hypercall `number` with up to four arguments, and returns RAX.
///
/// # Errors
/// The exception that the instruction raises.
pub fn call(instruction: Instruction, number: u64, arguments: [u64; 4]) -> Result<u64, Exception> {
    let [rbx, rcx, rdx, rsi] = arguments;
    raw(instruction, Registers { rax: number, rbx, rcx, rdx, rsi, rdi: 0, r8: 0, r9: 0, r10: 0, r11: 0 })
        .map(|registers| registers.rax)
}
