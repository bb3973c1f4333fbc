//! Extended page tables: violations by what an instruction accesses besides its operand, and what such an exit tells of events.

use super::{
    ept_access::{self, WINDOW_FRAME, with_ept},
    ept_model::{LINEAR, TRANSLATED, bit, with_rights},
};
use crate::paging::decision::Operation;
use rt::{
    case, check_eq, mmio, paging,
    user::register::RAX,
    user_code,
    vmx::{
        control::{interruptibility, interruption},
        ept::window,
        field, reason,
    },
    vocabulary::Needs,
};

/// Bits of the qualification that tell access, rights and kind of an access.
const MASK: u64 = 0x1bf;

user_code!(undefined: "ud2", "vmcall");
user_code!(interrupt: "int 0x40", "vmcall");
user_code!(load_segment: "mov fs, eax", "vmcall");

/// A gate that cannot be read: the violation tells of the event that was being delivered.
#[case(feature = VmxEpt, spec = [sdm3c("Information for VM Exits That Occur During Event Delivery"), sdm3c("EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_violation_of_a_delivery() {
    let rows: [(extern "C" fn(u64) -> u64, u32, u64); 2] = [
        (undefined, interruption::HARDWARE_EXCEPTION | 6, 6),
        (interrupt, interruption::SOFTWARE_INTERRUPT | 0x40, 0x40),
    ];
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        for (row, (code, event, vector)) in rows.into_iter().enumerate() {
            ept.set_window(with_rights(ept_access::full(), 1, 0));
            ept_access::prepare(guest, ept, Operation::Read, linear);
            guest.start_at(code);
            let _ = guest.set(field::EXCEPTION_BITMAP, 0);
            let _ = guest.set(field::GUEST_IDTR_BASE, linear);
            let _ = guest.set(field::GUEST_IDTR_LIMIT, 0xfff);
            let exit = ept_access::run(guest);
            check_eq!("exit reason", [&[]; row], exit.reason, reason::EPT_VIOLATION);
            let due = 1 | LINEAR | TRANSLATED;
            check_eq!("exit qualification", [&[]; row], exit.qualification & MASK, due);
            let at = window::ADDRESS + vector * 16;
            check_eq!("gate of the address", [&[]; row], exit.physical_address & !15, at);
            check_eq!("IDT-vectoring information", [&[]; row], exit.vectoring, interruption::VALID | event);
            check_eq!("RIP from the start", [&[]; row], exit.rip.wrapping_sub(guest.start()), 0);
            guest.reset();
        }
    });
}

/// A GDT that cannot be read, and one whose accessed bit cannot be set: a violation by the instruction that loads a segment.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_violation_of_a_descriptor() {
    const SELECTOR: u64 = 0x10;
    // Data that may be written, present, flat; not accessed, so that loading it writes.
    const DESCRIPTOR: u64 = 0x00cf_9200_0000_ffff;
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        for (row, rights) in [0, bit::R].into_iter().enumerate() {
            ept.set_window(with_rights(ept_access::full(), 1, rights));
            ept_access::prepare(guest, ept, Operation::Read, linear);
            mmio::write_u64(paging::frame(WINDOW_FRAME) + SELECTOR, DESCRIPTOR);
            guest.start_at(load_segment);
            guest.registers[RAX] = SELECTOR;
            let _ = guest.set(field::GUEST_GDTR_BASE, linear);
            let _ = guest.set(field::GUEST_GDTR_LIMIT, 0xfff);
            let exit = ept_access::run(guest);
            check_eq!("exit reason", [&[]; row], exit.reason, reason::EPT_VIOLATION);
            let (mask, access) = if rights == 0 { (MASK, 1) } else { (MASK & !1, 2) };
            let due = access | rights << 3 | LINEAR | TRANSLATED;
            check_eq!("exit qualification", [&[]; row], exit.qualification & mask, due);
            check_eq!("descriptor of the address", [&[]; row], exit.physical_address & !7, window::ADDRESS + SELECTOR);
            check_eq!("descriptor", [&[]; row], mmio::read_u64(paging::frame(WINDOW_FRAME) + SELECTOR), DESCRIPTOR);
            guest.reset();
        }
    });
}

user_code!(interrupt_return: "mov rsp, rdi", "iretq");
user_code!(pop: "mov rsp, rdi", "pop rax", "vmcall");

/// IRET that violates has ended blocking by NMI, and says so in bit 12; another instruction has not, nor IRET where nothing was blocked.
#[case(feature = VmxEpt, spec = [sdm3c("Basic VM-Exit Information"), sdm3c("Information About NMI Unblocking Due to IRET")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_violation_tells_of_nmis_unblocked() {
    const UNBLOCKED: u64 = 1 << 12;
    let rows: [(extern "C" fn(u64) -> u64, u32, u64); 4] = [
        (interrupt_return, interruptibility::NMI, UNBLOCKED),
        (interrupt_return, 0, 0),
        (pop, interruptibility::NMI, 0),
        (pop, 0, 0),
    ];
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        for (row, (code, blocked, due)) in rows.into_iter().enumerate() {
            ept.set_window(with_rights(ept_access::full(), 1, 0));
            ept_access::prepare(guest, ept, Operation::Read, linear);
            guest.start_at(code);
            let _ = guest.set(field::GUEST_INTERRUPTIBILITY, blocked.into());
            let exit = ept_access::run(guest);
            // Which part of the frame is read first is left open.
            check_eq!("exit reason", [&[]; row], exit.reason, reason::EPT_VIOLATION);
            let due = 1 | LINEAR | TRANSLATED | due;
            check_eq!("exit qualification", [&[]; row], exit.qualification & (MASK | UNBLOCKED), due);
            check_eq!("page of the address", [&[]; row], exit.physical_address & !0xfff, window::ADDRESS);
            check_eq!("RIP from the start", [&[]; row], exit.rip.wrapping_sub(guest.start()), 3);
            guest.reset();
        }
    });
}
