//! Exits of accesses to control and debug registers: by controls, masks and read shadows.

use super::with_guest;
use rt::{
    case, check_eq,
    cpu::control::{self as register, cr0, cr4},
    names,
    user::register::RBX,
    user_code,
    vmx::{
        Guest,
        capability::{self, number},
        control::processor,
        field, reason,
    },
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

/// An access that exits behind `setup`; RBX, which it reads, is `source()`.
struct Access {
    code: Code,
    setup: fn(&mut Guest),
    source: fn() -> u64,
    qualification: u64,
    length: u64,
}

macro_rules! accesses {
    ($($function:ident $title:literal: $assembly:literal $length:literal, $setup:expr, $source:expr, $qualification:expr;)*) => {
        $(user_code!($function: $assembly, "vmcall");)*
        static TABLE: &[Access] = &[$(Access {
            code: $function, setup: $setup, source: $source, qualification: $qualification, length: $length,
        }),*];
        const NAMES: &[Text] = names![$($title),*];
    };
}

fn primary(guest: &mut Guest, bit: u32) {
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, bit.into());
}

/// The guest does not own these bits of CR0, and sees what its host has.
fn mask_cr0(guest: &mut Guest, bits: u64) {
    let _ = guest.set(field::CR0_MASK, bits);
    let _ = guest.set(field::CR0_SHADOW, register::read_cr0());
    guest.keep(field::GUEST_CR0);
}

/// Exit qualifications: type of access, and RBX as the register.
const FROM: u64 = 1 << 4;
const CLTS: u64 = 2 << 4;
const LMSW: u64 = 3 << 4;
const REGISTER: u64 = 3 << 8;
/// PE, MP, TS, ET of a machine status word.
const TASK_SWITCHED: u64 = 0x1b;

accesses! {
    write_cr0 "MOV to CR0": "mov cr0, rbx" 3, |guest| mask_cr0(guest, cr0::AM), || register::read_cr0() ^ cr0::AM, REGISTER;
    clts "CLTS": "clts" 2, |guest| {
        mask_cr0(guest, cr0::TS);
        let _ = guest.set(field::CR0_SHADOW, register::read_cr0() | cr0::TS);
    }, || 0, CLTS;
    lmsw "LMSW": "lmsw bx" 3, |guest| mask_cr0(guest, cr0::TS), || TASK_SWITCHED, LMSW | TASK_SWITCHED << 16;
    write_cr3 "MOV to CR3": "mov cr3, rbx" 3, |guest| primary(guest, processor::CR3_LOAD), register::read_cr3, REGISTER | 3;
    read_cr3 "MOV from CR3": "mov rbx, cr3" 3, |guest| primary(guest, processor::CR3_STORE), || 0, REGISTER | FROM | 3;
    write_cr4 "MOV to CR4": "mov cr4, rbx" 3, |guest| {
        let _ = guest.set(field::CR4_MASK, cr4::TSD);
        let _ = guest.set(field::CR4_SHADOW, register::read_cr4());
        guest.keep(field::GUEST_CR4);
    }, || register::read_cr4() ^ cr4::TSD, REGISTER | 4;
    write_cr8 "MOV to CR8": "mov cr8, rbx" 4, |guest| primary(guest, processor::CR8_LOAD), || 0, REGISTER | 8;
    read_cr8 "MOV from CR8": "mov rbx, cr8" 4, |guest| primary(guest, processor::CR8_STORE), || 0, REGISTER | FROM | 8;
}

/// Accesses to control registers exit by their control, or where they change a bit that the guest does not own, with register and
/// type in the exit qualification, before they have done anything.
#[case(feature = VmxControlRegisters, spec = [sdm3c("Instructions That Cause VM Exits Conditionally"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX)]
fn accesses_to_control_registers_exit() {
    with_guest(write_cr0, |guest| {
        for (row, access) in TABLE.iter().enumerate() {
            guest.start_at(access.code);
            (access.setup)(guest);
            guest.registers[RBX] = (access.source)();
            let exit = guest.run().unwrap_or_default();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::CONTROL_REGISTER);
            if exit.reason == reason::CONTROL_REGISTER {
                check_eq!("exit qualification", [NAMES; row], exit.qualification, access.qualification);
                check_eq!("instruction length", [NAMES; row], exit.length, access.length);
                check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
                check_eq!("RBX", [NAMES; row], guest.registers[RBX], (access.source)());
            }
            guest.reset();
        }
    });
}

/// Without their control, or where no bit changes that the guest does not own, the same accesses complete.
#[case(feature = VmxControlRegisters, spec = [sdm3c("Instructions That Cause VM Exits Conditionally"), sdm3c("Guest/Host Masks and Read Shadows for CR0 and CR4")],
       needs = Needs::INTEL | Needs::VMX)]
fn accesses_to_control_registers_complete() {
    const CONTROLS: u32 = processor::CR3_LOAD | processor::CR3_STORE | processor::CR8_LOAD | processor::CR8_STORE;
    with_guest(write_cr0, |guest| {
        if guest.controls.processor.must & CONTROLS != 0 {
            rt::skip!("accesses to CR3 and CR8 always exit on this processor");
            return;
        }
        for (row, access) in TABLE.iter().enumerate() {
            guest.start_at(access.code);
            guest.keep(field::GUEST_CR0);
            guest.keep(field::GUEST_CR3);
            guest.keep(field::GUEST_CR4);
            guest.registers[RBX] = (access.source)();
            let reason = guest.run().map_or(u32::MAX, |exit| exit.reason);
            check_eq!("exit reason", [NAMES; row], reason, reason::VMCALL);
            guest.reset();
            // All bits are the host's, and the write changes none of them as the guest sees them.
            if access.code as *const () == write_cr0 as *const () {
                mask_cr0(guest, u64::MAX);
                guest.registers[RBX] = register::read_cr0();
                let reason = guest.run().map_or(u32::MAX, |exit| exit.reason);
                check_eq!("the same value of CR0", reason, reason::VMCALL);
                guest.reset();
            }
        }
    });
}

/// A value of CR3 that stands among the CR3-target values is loaded without an exit; others exit.
#[case(feature = VmxControlRegisters, spec = sdm3c("CR3-Target Controls"), needs = Needs::INTEL | Needs::VMX)]
fn cr3_targets() {
    with_guest(write_cr3, |guest| {
        let nr_targets = (capability::read(number::MISC) >> 16 & 0x1ff).min(4) as u32;
        let cr3 = register::read_cr3();
        for count in 0..=nr_targets {
            for place in 0..nr_targets {
                primary(guest, processor::CR3_LOAD);
                let _ = guest.set(field::CR3_TARGET_COUNT, count.into());
                for target in 0..nr_targets {
                    let value = if target == place { cr3 } else { 0x1000 };
                    let _ = guest.set(field::CR3_TARGET_0 + 2 * target, value);
                }
                guest.registers[RBX] = cr3;
                let reason = guest.run().map_or(u32::MAX, |exit| exit.reason);
                let due = if place < count { reason::VMCALL } else { reason::CONTROL_REGISTER };
                check_eq!("exit reason", [&[]; u64::from(count * 4 + place)], reason, due);
                guest.reset();
            }
        }
    });
}

macro_rules! moves {
    ($($function:ident $title:literal: $assembly:literal, $qualification:expr;)*) => {
        $(user_code!($function: $assembly, "vmcall");)*
        static MOVES: &[(Code, u64)] = &[$(($function, REGISTER | $qualification)),*];
        const MOVE_NAMES: &[Text] = names![$($title),*];
    };
}

moves! {
    read_dr0 "from DR0": "mov rbx, dr0", FROM;
    read_dr1 "from DR1": "mov rbx, dr1", FROM | 1;
    read_dr2 "from DR2": "mov rbx, dr2", FROM | 2;
    read_dr3 "from DR3": "mov rbx, dr3", FROM | 3;
    read_dr6 "from DR6": "mov rbx, dr6", FROM | 6;
    read_dr7 "from DR7": "mov rbx, dr7", FROM | 7;
    write_dr0 "to DR0": "mov dr0, rbx", 0;
    write_dr1 "to DR1": "mov dr1, rbx", 1;
    write_dr2 "to DR2": "mov dr2, rbx", 2;
    write_dr3 "to DR3": "mov dr3, rbx", 3;
    write_dr6 "to DR6": "mov dr6, rbx", 6;
    write_dr7 "to DR7": "mov dr7, rbx", 7;
}

/// With "MOV-DR exiting" each access to a debug register exits, with register and direction in the exit qualification.
#[case(feature = VmxControlRegisters, spec = [sdm3c("Instructions That Cause VM Exits Conditionally"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX)]
fn accesses_to_debug_registers_exit() {
    with_guest(read_dr0, |guest| {
        for (row, &(code, qualification)) in MOVES.iter().enumerate() {
            guest.start_at(code);
            primary(guest, processor::MOV_DR);
            guest.registers[RBX] = 0x400;
            let exit = guest.run().unwrap_or_default();
            check_eq!("exit reason", [MOVE_NAMES; row], exit.reason, reason::MOV_DR);
            check_eq!("exit qualification", [MOVE_NAMES; row], exit.qualification, qualification);
            check_eq!("instruction length", [MOVE_NAMES; row], exit.length, 3);
            check_eq!("RBX", [MOVE_NAMES; row], guest.registers[RBX], 0x400);
            guest.reset();
        }
    });
}
