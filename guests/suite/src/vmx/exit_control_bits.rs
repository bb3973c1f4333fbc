//! Masks and read shadows of CR0 and CR4, bit by bit; CLTS, LMSW and SMSW.

use super::{exit_control_model as model, exit_slots::run, with_guest};
use rt::{
    case, check_eq,
    cpu::control as register,
    mmio, names, paging,
    user::register::{RAX, RBX, RDI},
    user_code,
    vmx::{Guest, field, reason},
    vocabulary::{Needs, Text},
};

user_code!(read_cr0: "mov rax, cr0", "vmcall");
user_code!(read_cr4: "mov rax, cr4", "vmcall");
user_code!(write_cr0: "mov cr0, rbx", "vmcall");
user_code!(write_cr4: "mov cr4, rbx", "vmcall");
user_code!(clts: "clts", "vmcall");
user_code!(lmsw: "lmsw bx", "vmcall");
user_code!(lmsw_memory: "lmsw word ptr [rdi + 8]", "vmcall");
user_code!(smsw: "smsw rax", "vmcall");

/// CR0.TS.
const TS: u64 = 1 << 3;
/// CR0.MP, CR0.EM and CR0.TS: what LMSW may change without harm.
const CHANGED: u64 = 0xe;

fn mask(guest: &mut Guest, fields: [u32; 2], values: [u64; 2]) {
    for (encoding, value) in fields.into_iter().zip(values) {
        let _ = guest.set(encoding, value);
    }
}
const CR0: [u32; 2] = [field::CR0_MASK, field::CR0_SHADOW];
const CR4: [u32; 2] = [field::CR4_MASK, field::CR4_SHADOW];

/// Each bit of CR0 is read from the shadow where the mask has it, else from the register: all bits alone, and all but one.
#[case(feature = VmxControlRegisters, spec = sdm3c("Guest/Host Masks and Read Shadows for CR0 and CR4"), needs = Needs::INTEL | Needs::VMX)]
fn every_bit_of_cr0_is_read() {
    with_guest(read_cr0, |guest| {
        let cr0 = register::read_cr0();
        for bit in 0..64 {
            mask(guest, CR0, [1 << bit, !cr0]);
            let exit = run(guest);
            check_eq!("exit reason", [&[]; bit], exit.reason, reason::VMCALL);
            check_eq!("CR0 with the bit in the mask", [&[]; bit], guest.registers[RAX], cr0 ^ 1 << bit);
            guest.reset();
            mask(guest, CR0, [!(1 << bit), !cr0]);
            let _ = run(guest);
            check_eq!("CR0 with all others in the mask", [&[]; bit], guest.registers[RAX], !cr0 ^ 1 << bit);
            guest.reset();
        }
    });
}

/// The same of CR4.
#[case(feature = VmxControlRegisters, spec = sdm3c("Guest/Host Masks and Read Shadows for CR0 and CR4"), needs = Needs::INTEL | Needs::VMX)]
fn every_bit_of_cr4_is_read() {
    with_guest(read_cr4, |guest| {
        let cr4 = register::read_cr4();
        for bit in 0..64 {
            mask(guest, CR4, [1 << bit, !cr4]);
            let exit = run(guest);
            check_eq!("exit reason", [&[]; bit], exit.reason, reason::VMCALL);
            check_eq!("CR4 with the bit in the mask", [&[]; bit], guest.registers[RAX], cr4 ^ 1 << bit);
            guest.reset();
            mask(guest, CR4, [!(1 << bit), !cr4]);
            let _ = run(guest);
            check_eq!("CR4 with all others in the mask", [&[]; bit], guest.registers[RAX], !cr4 ^ 1 << bit);
            guest.reset();
        }
    });
}

/// SMSW shows CR0 as MOV from CR0 does.
#[case(feature = VmxControlRegisters, spec = sdm3c("Changes to Instruction Behavior in VMX Non-Root Operation"), needs = Needs::INTEL | Needs::VMX)]
fn smsw_shows_the_shadow() {
    with_guest(smsw, |guest| {
        let cr0 = register::read_cr0();
        for bit in 0..32 {
            mask(guest, CR0, [1 << bit, !cr0]);
            let exit = run(guest);
            check_eq!("exit reason", [&[]; bit], exit.reason, reason::VMCALL);
            let due = model::shown(1 << bit, !cr0, cr0) & 0xffff_ffff;
            check_eq!("low half of RAX", [&[]; bit], guest.registers[RAX] & 0xffff_ffff, due);
            guest.reset();
        }
    });
}

/// MOV to CR0 with a value that differs from the shadow in one bit exits if the mask has that bit, reserved or not, and leaves CR0.
#[case(feature = VmxControlRegisters, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX)]
fn every_bit_of_cr0_is_written() {
    with_guest(write_cr0, |guest| {
        let cr0 = register::read_cr0();
        for bit in 0..64 {
            // The shadow differs in the bit, and what is written is what stands there: nothing but the exit could tell.
            mask(guest, CR0, [1 << bit, cr0 ^ 1 << bit]);
            guest.registers[RBX] = cr0;
            let exit = run(guest);
            check_eq!("exit reason by the shadow", [&[]; bit], exit.reason, reason::CONTROL_REGISTER);
            check_eq!("exit qualification", [&[]; bit], exit.qualification, 0x300);
            guest.reset();
            mask(guest, CR0, [!(1 << bit), cr0 ^ 1 << bit]);
            guest.registers[RBX] = cr0;
            check_eq!("exit reason by all other bits", [&[]; bit], run(guest).reason, reason::VMCALL);
            guest.reset();
            mask(guest, CR0, [u64::MAX, cr0]);
            guest.registers[RBX] = cr0 ^ 1 << bit;
            let exit = run(guest);
            let after = guest.read(field::GUEST_CR0);
            check_eq!("exit reason by the value", [&[]; bit], exit.reason, reason::CONTROL_REGISTER);
            check_eq!("CR0", [&[]; bit], after, cr0);
            guest.reset();
        }
    });
}

/// The same of CR4.
#[case(feature = VmxControlRegisters, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX)]
fn every_bit_of_cr4_is_written() {
    with_guest(write_cr4, |guest| {
        let cr4 = register::read_cr4();
        for bit in 0..64 {
            mask(guest, CR4, [1 << bit, cr4 ^ 1 << bit]);
            guest.registers[RBX] = cr4;
            let exit = run(guest);
            check_eq!("exit reason by the shadow", [&[]; bit], exit.reason, reason::CONTROL_REGISTER);
            check_eq!("exit qualification", [&[]; bit], exit.qualification, 0x304);
            guest.reset();
            mask(guest, CR4, [!(1 << bit), cr4 ^ 1 << bit]);
            guest.registers[RBX] = cr4;
            check_eq!("exit reason by all other bits", [&[]; bit], run(guest).reason, reason::VMCALL);
            guest.reset();
            mask(guest, CR4, [u64::MAX, cr4]);
            guest.registers[RBX] = cr4 ^ 1 << bit;
            let exit = run(guest);
            let after = guest.read(field::GUEST_CR4);
            check_eq!("exit reason by the value", [&[]; bit], exit.reason, reason::CONTROL_REGISTER);
            check_eq!("CR4", [&[]; bit], after, cr4);
            guest.reset();
        }
    });
}

/// A MOV to CR0 that does not exit leaves bits of the mask as they are, whatever it writes to them as the shadow has them.
#[case(feature = VmxControlRegisters, spec = sdm3c("Changes to Instruction Behavior in VMX Non-Root Operation"), needs = Needs::INTEL | Needs::VMX)]
fn masked_bits_stay_behind_a_write() {
    const BITS: [u64; 4] = [register::cr0::TS, register::cr0::AM, register::cr0::MP, register::cr0::EM];
    const NAMES: &[Text] = names!["TS", "AM", "MP", "EM"];
    with_guest(write_cr0, |guest| {
        let cr0 = register::read_cr0();
        for (row, bit) in BITS.into_iter().enumerate() {
            mask(guest, CR0, [bit, cr0 ^ bit]);
            guest.keep(field::GUEST_CR0);
            guest.registers[RBX] = cr0 ^ bit;
            check_eq!("exit reason", [NAMES; row], run(guest).reason, reason::VMCALL);
            check_eq!("CR0 behind it", [NAMES; row], guest.read(field::GUEST_CR0), cr0);
            guest.reset();
            guest.keep(field::GUEST_CR0);
            guest.registers[RBX] = cr0 ^ bit;
            check_eq!("exit reason without mask", [NAMES; row], run(guest).reason, reason::VMCALL);
            check_eq!("CR0 without mask", [NAMES; row], guest.read(field::GUEST_CR0), cr0 ^ bit);
            guest.reset();
        }
    });
}

/// CLTS by mask, shadow and CR0.TS: it exits, clears the bit or leaves it.
#[case(feature = VmxControlRegisters, spec = [sdm3c("Instructions That Cause VM Exits Conditionally"), sdm3c("Changes to Instruction Behavior in VMX Non-Root Operation")],
       needs = Needs::INTEL | Needs::VMX)]
fn clts_by_mask_and_shadow() {
    with_guest(clts, |guest| {
        for row in 0..8_u64 {
            let [of_mask, of_shadow, of_register] = [row & 1, row >> 1 & 1, row >> 2 & 1].map(|bit| bit * TS);
            let cr0 = register::read_cr0() & !TS | of_register;
            let _ = guest.set(field::GUEST_CR0, cr0);
            mask(guest, CR0, [of_mask, of_shadow]);
            let exit = run(guest);
            let after = guest.read(field::GUEST_CR0);
            guest.reset();
            let exits = model::clts_exits(of_mask, of_shadow);
            check_eq!(
                "exit reason",
                [&[]; row],
                exit.reason,
                if exits { reason::CONTROL_REGISTER } else { reason::VMCALL }
            );
            check_eq!("CR0 behind it", [&[]; row], after, if exits { cr0 } else { model::clts(of_mask, cr0) });
            if exits {
                check_eq!("exit qualification", [&[]; row], exit.qualification, 2 << 4);
            }
        }
    });
}

/// LMSW by every mask, shadow and source of the low four bits: it exits, or writes the bits that the mask has not.
#[case(feature = VmxControlRegisters, spec = [sdm3c("Instructions That Cause VM Exits Conditionally"), sdm3c("Changes to Instruction Behavior in VMX Non-Root Operation")],
       needs = Needs::INTEL | Needs::VMX)]
fn lmsw_by_mask_and_shadow() {
    with_guest(lmsw, |guest| {
        for row in 0..4096_u64 {
            let (of_mask, shadow, source) = (row & 15, row >> 4 & 15, row >> 8);
            let cr0 = register::read_cr0() & !CHANGED;
            let _ = guest.set(field::GUEST_CR0, cr0);
            mask(guest, CR0, [of_mask, shadow]);
            guest.registers[RBX] = source;
            let exit = run(guest);
            let after = guest.read(field::GUEST_CR0);
            guest.reset();
            let exits = model::lmsw_exits(of_mask, shadow, source);
            let due = if exits { reason::CONTROL_REGISTER } else { reason::VMCALL };
            // Three digits: source, shadow, mask.
            check_eq!("exit reason", [&[]; row], exit.reason, due);
            check_eq!("CR0 behind it", [&[]; row], after, if exits { cr0 } else { model::lmsw(of_mask, cr0, source) });
        }
    });
}

/// An exit of LMSW tells its source operand, and for one in memory its linear address.
#[case(feature = VmxControlRegisters, spec = sdm3c("Basic VM-Exit Information"), needs = Needs::INTEL | Needs::VMX)]
fn source_of_lmsw() {
    const LMSW: u64 = 3 << 4;
    const MEMORY: u64 = 1 << 6;
    with_guest(lmsw, |guest| {
        for value in [0x0009_u64, 0xfff9, 0x8001, 0xaaaf, 0x5559] {
            mask(guest, CR0, [TS, !value]);
            guest.start_at(lmsw);
            guest.registers[RBX] = 0xdead_0000 | value;
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason of a register", [&[]; value], exit.reason, reason::CONTROL_REGISTER);
            check_eq!("exit qualification of a register", [&[]; value], exit.qualification, LMSW | value << 16);
            check_eq!("length of a register's", [&[]; value], exit.length, 3);
            mmio::write_u64(paging::frame(2) + 8, 0xffff_ffff_ffff_0000 | value);
            mask(guest, CR0, [TS, !value]);
            guest.start_at(lmsw_memory);
            guest.registers[RDI] = paging::frame(2);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason of memory", [&[]; value], exit.reason, reason::CONTROL_REGISTER);
            check_eq!("exit qualification of memory", [&[]; value], exit.qualification, LMSW | MEMORY | value << 16);
            check_eq!("guest-linear address", [&[]; value], exit.linear_address, paging::frame(2) + 8);
            check_eq!("length of memory's", [&[]; value], exit.length, 4);
        }
    });
}
