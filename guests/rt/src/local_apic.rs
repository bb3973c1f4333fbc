//! The local APIC of the processor that executes, in xAPIC and x2APIC mode through one type.
//!
//! A register has one number in both modes: bits 9:4 of its offset in memory, which is its MSR's distance from 800H.
//!
//! Source: SDM vol. 3A, "Advanced Programmable Interrupt Controller (APIC)".

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: RDMSR and WRMSR of the local APIC's own registers.

use crate::{
    catch::Exception,
    cpu::{
        cpuid,
        msr::{self, number::IA32_APIC_BASE},
    },
    mmio,
};
use core::{arch::asm, marker::PhantomData};

pub mod interprocessor;
pub mod register;

use register::Register;

/// First MSR of x2APIC mode.
pub const X2APIC_FIRST: u32 = 0x800;

/// Bits of IA32_APIC_BASE (SDM vol. 3A, "Local APIC Status and Location", "Detecting and Enabling x2APIC Mode").
pub mod base {
    /// The processor that starts by itself.
    pub const BOOTSTRAP: u64 = 1 << 8;
    /// x2APIC mode.
    pub const EXTENDED: u64 = 1 << 10;
    /// The local APIC is enabled.
    pub const ENABLED: u64 = 1 << 11;
    /// Address of the registers' page, up to the width of physical addresses.
    pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

/// What IA32_APIC_BASE makes of the local APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Disabled as if there were none.
    Disabled,
    /// Its registers are in memory.
    XApic,
    /// Its registers are MSRs.
    X2Apic,
}

impl Mode {
    /// The mode that a value of IA32_APIC_BASE stands for. x2APIC mode without the enable bit is no mode; no processor holds it.
    pub const fn of(base: u64) -> Self {
        match (base & base::ENABLED != 0, base & base::EXTENDED != 0) {
            (false, _) => Self::Disabled,
            (true, false) => Self::XApic,
            (true, true) => Self::X2Apic,
        }
    }

    const fn bits(self) -> u64 {
        match self {
            Self::Disabled => 0,
            Self::XApic => base::ENABLED,
            Self::X2Apic => base::ENABLED | base::EXTENDED,
        }
    }
}

/// Reads IA32_APIC_BASE.
pub fn read_base() -> u64 {
    read_msr(IA32_APIC_BASE)
}

/// Writes IA32_APIC_BASE and leaves it so.
///
/// # Errors
/// #GP(0) for reserved bits and for transitions that there are not.
pub fn write_base(value: u64) -> Result<(), Exception> {
    msr::write(IA32_APIC_BASE, value)
}

/// Goes to a mode by legal transitions: out of x2APIC mode only by way of disabled, which resets the registers, and into it
/// only by way of xAPIC mode.
///
/// # Errors
/// #GP(0) of a step that the processor refuses, such as x2APIC mode where there is none.
pub fn go_to(mode: Mode) -> Result<(), Exception> {
    let base = read_base();
    let rest = base & !(base::ENABLED | base::EXTENDED);
    let way = match (Mode::of(base), mode) {
        (Mode::X2Apic, Mode::XApic) => Some(Mode::Disabled),
        (Mode::Disabled, Mode::X2Apic) => Some(Mode::XApic),
        _ => None,
    };
    if let Some(way) = way {
        write_base(rest | way.bits())?;
    }
    if Mode::of(base) == mode { Ok(()) } else { write_base(rest | mode.bits()) }
}

fn read_msr(number: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: at CPL 0; reading changes nothing that Rust knows of. A fault goes to the innermost `catch`.
    unsafe { asm!("rdmsr", in("ecx") number, out("eax") low, out("edx") high, options(nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

fn write_msr(number: u32, value: u64) {
    // SAFETY: at CPL 0; the MSR is one of the local APIC. A fault goes to the innermost `catch`.
    unsafe {
        asm!("wrmsr", in("ecx") number, in("eax") value as u32, in("edx") (value >> 32) as u32, options(nostack))
    };
}

/// Where the registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Memory(u64),
    Msr,
}

/// Access to the registers as they are reached now. It changes nothing; [`LocalApic`] does.
///
/// It belongs to the processor and to the mode in which it was made.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    access: Access,
    _not_send: PhantomData<*const ()>,
}

impl Registers {
    /// The registers in the mode that IA32_APIC_BASE tells; while the local APIC is disabled, what stands at the address where
    /// they were.
    pub fn new() -> Self {
        let base = read_base();
        let access = match Mode::of(base) {
            Mode::X2Apic => Access::Msr,
            Mode::XApic | Mode::Disabled => Access::Memory(base & base::ADDRESS),
        };
        Self { access, _not_send: PhantomData }
    }

    /// Whether they are MSRs.
    pub fn are_msrs(&self) -> bool {
        self.access == Access::Msr
    }

    /// Reads a register that can be read. Of one that cannot, the MSR's exception goes to the innermost [`crate::catch`].
    pub fn read(&self, register: Register) -> u32 {
        match self.access {
            Access::Memory(base) => mmio::read_u32(base + register.offset()),
            Access::Msr => read_msr(register.msr()) as u32,
        }
    }

    /// Writes a register that can be written. Of one that cannot, the MSR's exception goes to the innermost
    /// [`crate::catch`].
    pub fn write(&self, register: Register, value: u32) {
        match self.access {
            Access::Memory(base) => mmio::write_u32(base + register.offset(), value),
            Access::Msr => write_msr(register.msr(), value.into()),
        }
    }

    /// Reads all of a register: 64 bits of an MSR, 32 in memory.
    ///
    /// # Errors
    /// The exception of RDMSR.
    pub fn try_read(&self, register: Register) -> Result<u64, Exception> {
        match self.access {
            Access::Memory(_) => Ok(self.read(register).into()),
            Access::Msr => msr::read(register.msr()),
        }
    }

    /// Writes all of a register; in memory only the low 32 bits of `value`.
    ///
    /// # Errors
    /// The exception of WRMSR.
    pub fn try_write(&self, register: Register, value: u64) -> Result<(), Exception> {
        match self.access {
            Access::Memory(_) => {
                self.write(register, value as u32);
                Ok(())
            }
            Access::Msr => msr::write(register.msr(), value),
        }
    }

    /// One of 256 bits in eight registers.
    fn bit(&self, first: Register, vector: u8) -> bool {
        self.read(Register(first.0 + (vector >> 5))) >> (vector & 31) & 1 != 0
    }

    /// Whether an interrupt waits: IRR.
    pub fn is_requested(&self, vector: u8) -> bool {
        self.bit(Register::IRR, vector)
    }

    /// Whether an interrupt was delivered and not ended: ISR.
    pub fn is_in_service(&self, vector: u8) -> bool {
        self.bit(Register::ISR, vector)
    }

    /// Whether it was level-triggered when it was accepted: TMR.
    pub fn is_level(&self, vector: u8) -> bool {
        self.bit(Register::TMR, vector)
    }

    /// Ends the interrupt in service of the highest priority.
    pub fn end_interrupt(&self) {
        self.write(Register::EOI, 0);
    }

    /// The ID as it is used in destinations: 8 bits in xAPIC mode, 32 in x2APIC mode.
    pub fn id(&self) -> u32 {
        let id = self.read(Register::ID);
        if self.are_msrs() { id } else { id >> 24 }
    }

    /// Number of the last entry of the local vector table.
    pub fn last_local_vector(&self) -> u32 {
        self.read(Register::VERSION) >> 16 & 0xff
    }

    /// What was detected since the last call: ESR is written, which brings it up to date, and read.
    pub fn take_errors(&self) -> u32 {
        self.write(Register::ESR, 0);
        self.read(Register::ESR)
    }

    /// Sends an interrupt: the destination is 8 bits in xAPIC mode, 32 in x2APIC mode; the command is the ICR's low half, see
    /// [`register::icr`].
    pub fn send(&self, destination: u32, command: u32) {
        match self.access {
            Access::Memory(base) => {
                mmio::write_u32(base + Register::ICR_HIGH.offset(), destination << 24);
                mmio::write_u32(base + Register::ICR.offset(), command);
            }
            Access::Msr => write_msr(Register::ICR.msr(), u64::from(destination) << 32 | u64::from(command)),
        }
    }

    /// Sends an interrupt to the processor itself, by the shorthand of the ICR.
    pub fn send_to_self(&self, vector: u8) {
        let command = register::icr::TO_SELF | register::icr::ASSERT | u32::from(vector);
        match self.access {
            Access::Memory(base) => mmio::write_u32(base + Register::ICR.offset(), command),
            Access::Msr => write_msr(Register::ICR.msr(), command.into()),
        }
    }

    /// Sends an NMI to the processor itself, by its ID: NMIs have no shorthand for it.
    pub fn send_nmi_to_self(&self) {
        self.send(self.id(), register::icr::NMI | register::icr::ASSERT);
    }
}

impl Default for Registers {
    fn default() -> Self {
        Self::new()
    }
}

/// The local APIC in a mode, enabled by software, with a task priority of 0, until this is dropped: then mode, SVR, TPR and
/// LINT0 are what they were.
#[derive(Debug)]
pub struct LocalApic {
    registers: Registers,
    previous_mode: Mode,
    /// SVR, TPR and LINT0.
    previous: [u32; 3],
}

const KEPT: [Register; 3] = [Register::SVR, Register::TPR, Register::LVT_LINT0];

impl LocalApic {
    /// Goes to that mode and enables the local APIC, with FFH as its spurious vector. Masks LINT0, by which firmware may have
    /// left the 8259A and a running timer connected.
    ///
    /// # Errors
    /// As of [`go_to`].
    pub fn in_mode(mode: Mode) -> Result<Self, Exception> {
        let previous_mode = Mode::of(read_base());
        let mut previous = [0xff, 0, register::lvt::MASKED];
        if previous_mode != Mode::Disabled {
            let registers = Registers::new();
            for (value, register) in previous.iter_mut().zip(KEPT) {
                *value = registers.read(register);
            }
        }
        go_to(mode)?;
        let registers = Registers::new();
        if mode != Mode::Disabled {
            registers.write(Register::SVR, register::svr::ENABLED | 0xff);
            registers.write(Register::LVT_LINT0, register::lvt::MASKED);
            registers.write(Register::TPR, 0);
        }
        Ok(Self { registers, previous_mode, previous })
    }

    /// The same in the mode that it is in, or in xAPIC mode if it is disabled.
    pub fn enabled() -> Self {
        let mode = match Mode::of(read_base()) {
            Mode::X2Apic => Mode::X2Apic,
            Mode::XApic | Mode::Disabled => Mode::XApic,
        };
        // Enabling a local APIC is always legal; where it raises an exception nothing is changed, and cases see that.
        Self::in_mode(mode).unwrap_or_else(|_| Self {
            registers: Registers::new(),
            previous_mode: Mode::of(read_base()),
            previous: [0xff, 0, register::lvt::MASKED],
        })
    }
}

impl Drop for LocalApic {
    fn drop(&mut self) {
        // The processor was in that mode before; a subject that refuses the way back fails the cases of modes.
        let _ = go_to(self.previous_mode);
        if self.previous_mode == Mode::Disabled {
            return;
        }
        let registers = Registers::new();
        for (value, register) in self.previous.into_iter().zip(KEPT) {
            registers.write(register, value & !register::lvt::READ_ONLY);
        }
    }
}

impl core::ops::Deref for LocalApic {
    type Target = Registers;

    fn deref(&self) -> &Registers {
        &self.registers
    }
}

/// Whether CPUID tells of x2APIC mode.
pub fn has_x2apic() -> bool {
    cpuid::read_leaf(1, 0).ecx >> 21 & 1 != 0
}
