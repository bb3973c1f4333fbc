//! Accesses to the APIC-access page: type and offset in the exit qualification, and what the TPR shadow answers.

use super::{
    events_gates as gates,
    events_model::{Event, kind},
    exit_slots::run,
    with_guest,
};
use rt::{
    case, check_eq, mmio, names, paging,
    user::register::{RAX, RDI},
    user_code,
    vmx::{
        Guest, Page,
        control::{processor, secondary},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

user_code!(read: "mov eax, [rdi]", "vmcall");
user_code!(write: "mov [rdi], eax", "vmcall");
user_code!(read_byte: "mov al, [rdi]", "vmcall");
user_code!(read_quadword: "mov rax, [rdi]", "vmcall");
user_code!(test: "test [rdi], eax", "vmcall");

/// Types of accesses, in bits 15:12.
const READ: u64 = 0;
const WRITE: u64 = 1 << 12;
const FETCH: u64 = 2 << 12;
const DELIVERY: u64 = 3 << 12;

/// The page of the window that maps the APIC-access page in a page of 4 KiB.
const PAGE: usize = 5;

/// Maps the page and virtualizes accesses to it.
fn prepare(guest: &mut Guest) -> u64 {
    let address = paging::map(PAGE, Page::ApicAccess.address(), paging::ALL_RIGHTS);
    let _ = guest.set(field::APIC_ACCESS, Page::ApicAccess.address());
    guest.activate(secondary::APIC_ACCESSES);
    address
}

/// Every register of the page exits by reads and writes, at each multiple of 16.
#[case(feature = VmxApic, spec = [sdm3c("APIC-Access VM Exits"), sdm3c("Basic VM-Exit Information")], needs = Needs::INTEL | Needs::VMX
       | Needs::VMX_APIC_ACCESS)]
fn every_register_of_the_page_exits() {
    with_guest(read, |guest| {
        for register in 0..256_u64 {
            for (code, kind) in [(read as extern "C" fn(u64) -> u64, READ), (write, WRITE)] {
                guest.start_at(code);
                guest.registers[RDI] = prepare(guest) + register * 16;
                let exit = run(guest);
                guest.reset();
                if kind == READ {
                    check_eq!("exit reason of a read", [&[]; register], exit.reason, reason::APIC_ACCESS);
                    check_eq!("exit qualification of a read", [&[]; register], exit.qualification, register * 16);
                } else {
                    check_eq!("exit reason of a write", [&[]; register], exit.reason, reason::APIC_ACCESS);
                    check_eq!(
                        "exit qualification of a write",
                        [&[]; register],
                        exit.qualification,
                        (register * 16) | WRITE
                    );
                }
            }
        }
    });
}

/// Accesses by other instructions, and at other offsets, tell where and how; nothing is accessed.
#[case(feature = VmxApic, spec = sdm3c("APIC-Access VM Exits"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_APIC_ACCESS)]
fn accesses_of_other_sizes_exit() {
    const NAMES: &[Text] = names!["byte at 0", "byte at FFFH", "quadword at 8", "TEST at 320H", "byte at 81H"];
    with_guest(read, |guest| {
        let rows = [
            (read_byte as extern "C" fn(u64) -> u64, 0),
            (read_byte, 0xfff),
            (read_quadword, 8),
            (test, 0x320),
            (read_byte, 0x81),
        ];
        Page::ApicAccess.fill(0x5555_5555_5555_5555);
        for (row, (code, offset)) in rows.into_iter().enumerate() {
            guest.start_at(code);
            guest.registers[RDI] = prepare(guest) + offset;
            let exit = run(guest);
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::APIC_ACCESS);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, READ | offset);
            check_eq!("RAX", [NAMES; row], guest.registers[RAX], 0);
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
            guest.reset();
        }
    });
}

/// A fetch from the page exits as a fetch.
#[case(feature = VmxApic, spec = sdm3c("APIC-Access VM Exits"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_APIC_ACCESS)]
fn fetch_from_the_page_exits() {
    with_guest(read, |guest| {
        for offset in [0_u64, 0x80, 0x300, 0xff0] {
            let address = prepare(guest);
            let _ = guest.set(field::GUEST_RIP, address + offset);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; offset], exit.reason, reason::APIC_ACCESS);
            check_eq!("exit qualification", [&[]; offset], exit.qualification, FETCH | offset);
        }
    });
}

/// An access of the delivery of an event exits as one, with the event in the IDT-vectoring information.
#[case(feature = VmxApic, spec = [sdm3c("APIC-Access VM Exits"), sdm3c("Information for VM Exits That Occur During Event Delivery")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_APIC_ACCESS)]
fn delivery_by_the_page_exits() {
    const EVENTS: [Event; 3] =
        [Event::of(kind::HARDWARE, 6), Event::of(kind::HARDWARE, 13), Event::of(kind::SOFTWARE, 0x20)];
    const NAMES: &[Text] = names!["IDT, #UD", "IDT, #GP", "IDT, INT 20H", "stack, #UD", "stack, #GP", "stack, INT 20H"];
    with_guest(read, |guest| {
        gates::fill();
        for row in 0..6 {
            let (event, is_stack) = (EVENTS[row % 3], row >= 3);
            gates::attach(guest);
            let address = prepare(guest);
            let vector = u64::from(event.vector);
            let due = if is_stack {
                let _ = guest.set(field::GUEST_RSP, address + 0x800);
                0x800 - 8
            } else {
                let _ = guest.set(field::GUEST_IDTR_BASE, address);
                vector * 16
            };
            let _ = guest.set(field::ENTRY_INTERRUPTION, event.word().into());
            let _ = guest.set(field::ENTRY_LENGTH, 2);
            let _ = guest.set(field::ENTRY_ERROR_CODE, 0);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::APIC_ACCESS);
            check_eq!("type", [NAMES; row], exit.qualification & 0xf000, DELIVERY);
            check_eq!("offset", [NAMES; row], exit.qualification & 0xff0, due & 0xff0);
            check_eq!("IDT-vectoring information", [NAMES; row], exit.vectoring, event.word());
        }
    });
}

/// With the TPR shadow, reads and writes of 32 bits of the TPR are of the virtual-APIC page; its neighbours exit.
#[case(feature = VmxApic, spec = [sdm3c("Virtualizing Reads from the APIC-Access Page"), sdm3c("Virtualizing Writes to the APIC-Access Page")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_APIC_ACCESS | Needs::VMX_TPR_SHADOW)]
fn tpr_of_the_page() {
    let shadow = |guest: &mut Guest, value: u32| {
        Page::VirtualApic.fill(0);
        mmio::write_u32(Page::VirtualApic.address() + 0x80, value);
        let _ = guest.set(field::VIRTUAL_APIC, Page::VirtualApic.address());
        let _ = guest.set(field::TPR_THRESHOLD, 0);
        let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::TPR_SHADOW.into());
    };
    with_guest(read, |guest| {
        for value in (0..256_u64).step_by(7) {
            guest.start_at(read);
            guest.registers[RDI] = prepare(guest) + 0x80;
            shadow(guest, value as u32);
            let exit = run(guest);
            check_eq!("exit reason of a read", [&[]; value], exit.reason, reason::VMCALL);
            check_eq!("TPR", [&[]; value], guest.registers[RAX], value);
            guest.reset();
            guest.start_at(write);
            guest.registers[RDI] = prepare(guest) + 0x80;
            guest.registers[RAX] = value;
            shadow(guest, 0xf0);
            let _ = guest.set(field::TPR_THRESHOLD, 5);
            let exit = run(guest);
            guest.reset();
            let due = if value >> 4 < 5 { reason::TPR_BELOW_THRESHOLD } else { reason::VMCALL };
            check_eq!("exit reason of a write", [&[]; value], exit.reason, due);
            let written = mmio::read_u32(Page::VirtualApic.address() + 0x80);
            check_eq!("TPR behind a write", [&[]; value], written, value);
        }
        for offset in [0x70_u64, 0x90, 0xb0, 0x300] {
            guest.start_at(read);
            guest.registers[RDI] = prepare(guest) + offset;
            shadow(guest, 0);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason of another register", [&[]; offset], exit.reason, reason::APIC_ACCESS);
        }
    });
}
