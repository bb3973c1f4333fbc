//! The TPR shadow: CR8, its threshold, and the TPR as an MSR.

use super::{exit_slots::run, with_guest};
use rt::{
    case, check_eq, mmio,
    user::register::{RAX, RBX, RCX, RDX},
    user_code,
    vmx::{
        Guest, Page,
        control::{processor, secondary},
        field, reason,
    },
    vocabulary::Needs,
};

user_code!(end: "vmcall");
user_code!(read_cr8: "mov rax, cr8", "vmcall");
user_code!(write_cr8: "mov cr8, rbx", "vmcall");
user_code!(rdmsr: "rdmsr", "vmcall");
user_code!(wrmsr: "wrmsr", "vmcall");

/// Offset of the TPR in the virtual-APIC page.
const TPR: u64 = 0x80;

/// Uses the shadow, with this TPR.
fn shadow(guest: &mut Guest, tpr: u32) {
    Page::VirtualApic.fill(0);
    mmio::write_u32(Page::VirtualApic.address() + TPR, tpr);
    let _ = guest.set(field::VIRTUAL_APIC, Page::VirtualApic.address());
    let _ = guest.set(field::TPR_THRESHOLD, 0);
    let _ = guest.clear_bits(field::PROCESSOR_CONTROLS, (processor::CR8_LOAD | processor::CR8_STORE).into());
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::TPR_SHADOW.into());
}

fn tpr() -> u32 {
    mmio::read_u32(Page::VirtualApic.address() + TPR)
}

/// MOV from CR8 reads bits 7:4 of the TPR in the virtual-APIC page, and MOV to CR8 writes them and clears the rest of it.
#[case(feature = VmxApic, spec = [sdm3c("Virtualizing CR8-Based TPR Accesses"), sdm3c("Changes to Instruction Behavior in VMX Non-Root Operation")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW)]
fn cr8_is_the_tpr_shadow() {
    with_guest(read_cr8, |guest| {
        for value in 0..256_u64 {
            guest.start_at(read_cr8);
            shadow(guest, value as u32);
            let exit = run(guest);
            check_eq!("exit reason of a read", [&[]; value], exit.reason, reason::VMCALL);
            check_eq!("CR8", [&[]; value], guest.registers[RAX], value >> 4);
            guest.reset();
        }
        for value in 0..16_u64 {
            guest.start_at(write_cr8);
            shadow(guest, 0xffff_ff5a);
            guest.registers[RBX] = value;
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason of a write", [&[]; value], exit.reason, reason::VMCALL);
            check_eq!("TPR behind a write", [&[]; value], tpr(), value << 4);
        }
    });
}

/// MOV to CR8 of a value with reserved bits raises #GP and leaves the TPR.
#[case(feature = VmxApic, spec = sdm3c("Virtualizing CR8-Based TPR Accesses"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW)]
fn reserved_bits_of_cr8() {
    with_guest(write_cr8, |guest| {
        for bit in 4..64 {
            shadow(guest, 0x30);
            guest.registers[RBX] = 1 << bit;
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; bit], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("vector", [&[]; bit], exit.interruption & 0xff, 13);
            check_eq!("TPR", [&[]; bit], tpr(), 0x30);
        }
    });
}

/// MOV to CR8 of less than the threshold exits behind the instruction.
#[case(feature = VmxApic, spec = [sdm3c("Virtualizing CR8-Based TPR Accesses"), sdm3c("TPR Virtualization")], needs = Needs::INTEL | Needs::VMX
       | Needs::VMX_TPR_SHADOW)]
fn tpr_threshold() {
    with_guest(write_cr8, |guest| {
        for row in 0..256_u64 {
            let (threshold, value) = (row >> 4, row & 15);
            shadow(guest, 0xf0);
            let _ = guest.set(field::TPR_THRESHOLD, threshold);
            guest.registers[RBX] = value;
            let exit = run(guest);
            guest.reset();
            let due = if value < threshold { reason::TPR_BELOW_THRESHOLD } else { reason::VMCALL };
            check_eq!("exit reason", [&[]; row], exit.reason, due);
            check_eq!("RIP from the start", [&[]; row], exit.rip.wrapping_sub(guest.start()), 4);
            check_eq!("TPR", [&[]; row], tpr(), value << 4);
        }
    });
}

/// "CR8-load exiting" and "CR8-store exiting" come before the shadow, which stays.
#[case(feature = VmxApic, spec = sdm3c("Virtualizing CR8-Based TPR Accesses"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW)]
fn exits_of_cr8_come_before_the_shadow() {
    with_guest(write_cr8, |guest| {
        for value in 0..16_u64 {
            guest.start_at(write_cr8);
            shadow(guest, 0x70);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::CR8_LOAD.into());
            guest.registers[RBX] = value;
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason of a write", [&[]; value], exit.reason, reason::CONTROL_REGISTER);
            check_eq!("TPR", [&[]; value], tpr(), 0x70);
            guest.start_at(read_cr8);
            shadow(guest, (value << 4) as u32);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::CR8_STORE.into());
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason of a read", [&[]; value], exit.reason, reason::CONTROL_REGISTER);
        }
    });
}

/// With "virtualize APIC accesses" an entry with a TPR below the threshold exits at once; without it, it fails.
#[case(feature = VmxApic, spec = sdm3c("VM Exits Induced by the TPR Threshold"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW
       | Needs::VMX_APIC_ACCESS)]
fn entry_below_the_threshold() {
    with_guest(end, |guest| {
        for row in 0..256_u64 {
            let (threshold, value) = (row >> 4, row & 15);
            shadow(guest, (value << 4) as u32);
            let _ = guest.set(field::APIC_ACCESS, Page::ApicAccess.address());
            guest.activate(secondary::APIC_ACCESSES);
            let _ = guest.set(field::TPR_THRESHOLD, threshold);
            let exit = run(guest);
            guest.reset();
            let due = if value < threshold { reason::TPR_BELOW_THRESHOLD } else { reason::VMCALL };
            check_eq!("exit reason", [&[]; row], exit.reason, due);
            check_eq!("RIP from the start", [&[]; row], exit.rip.wrapping_sub(guest.start()), 0);
        }
    });
}

/// With "virtualize x2APIC mode" the MSR of the TPR is that of the virtual-APIC page: reads have 64 bits of it, writes obey the threshold.
#[case(feature = VmxApic, spec = sdm3c("Virtualizing MSR-Based APIC Accesses"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW
       | Needs::VMX_X2APIC | Needs::VMX_MSR_MAPS)]
fn msr_of_the_tpr() {
    const NUMBER: u64 = 0x808;
    let prepare = |guest: &mut Guest, value| {
        Page::MsrBitmap.fill(0);
        shadow(guest, value);
        guest.activate(secondary::X2APIC);
        let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::MSR_BITMAPS.into());
        let _ = guest.set(field::MSR_BITMAP, Page::MsrBitmap.address());
        guest.registers[RCX] = NUMBER;
    };
    with_guest(rdmsr, |guest| {
        for value in 0..256_u64 {
            guest.start_at(rdmsr);
            prepare(guest, value as u32);
            let exit = run(guest);
            check_eq!("exit reason of a read", [&[]; value], exit.reason, reason::VMCALL);
            check_eq!("value", [&[]; value], guest.registers[RAX] | guest.registers[RDX] << 32, value);
            guest.reset();
            guest.start_at(wrmsr);
            prepare(guest, 0xf0);
            let _ = guest.set(field::TPR_THRESHOLD, 8);
            guest.registers[RAX] = value;
            let exit = run(guest);
            guest.reset();
            let due = if value >> 4 < 8 { reason::TPR_BELOW_THRESHOLD } else { reason::VMCALL };
            check_eq!("exit reason of a write", [&[]; value], exit.reason, due);
            check_eq!("TPR behind a write", [&[]; value], tpr(), value);
        }
        for bit in 8..64 {
            guest.start_at(wrmsr);
            prepare(guest, 0x30);
            guest.registers[RAX] = 1 << bit & 0xffff_ffff;
            guest.registers[RDX] = 1_u64 << bit >> 32;
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason of a reserved bit", [&[]; bit], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("TPR behind a reserved bit", [&[]; bit], tpr(), 0x30);
        }
    });
}
