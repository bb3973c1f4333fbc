//! Virtualization exceptions (#VE): which EPT violations become them, and what their information area tells.

use super::{
    ept_access::{self, CONTENT, with_ept},
    ept_model::{bit, with_rights},
    events_gates::{self as gates, DELIVERED, ending, stack_word},
    events_model::{Event, kind},
};
use crate::paging::decision::Operation;
use rt::{
    case, check_eq, mmio, paging,
    vmx::{
        Guest, Page,
        control::{interruption, secondary},
        ept::{Ept, window},
        field, reason,
    },
    vocabulary::Needs,
};

/// The vector.
const VECTOR: u8 = 20;
/// The frame behind the window: L2's gates have the window's own.
const FRAME: usize = 7;
/// Bit 63 of an entry.
const SUPPRESS: u64 = 1 << 63;
/// What the information area holds before.
const EMPTY: u64 = 0x5555_5555_5555_5555;
/// What the word behind the exit reason holds once the area is used.
const BUSY: u32 = 0xffff_ffff;

/// Gives L2 gates, the window with these entries, and an information area that may be used or not.
fn prepare(guest: &mut Guest, ept: &Ept, operation: Operation, entries: [u64; 4], is_busy: bool) -> u64 {
    let linear = ept_access::map_window();
    ept_access::prepare(guest, ept, operation, linear);
    mmio::write_u64(paging::frame(FRAME), CONTENT);
    gates::fill();
    gates::attach(guest);
    Page::ExceptionInformation.fill(EMPTY);
    mmio::write_u32(area() + 4, u32::from(is_busy));
    guest.activate(secondary::VIRTUALIZATION_EXCEPTION);
    let _ = guest.set(field::EXCEPTION_INFORMATION, area());
    ept.set_window(entries);
    let _ = ept.invalidate();
    linear
}

fn area() -> u64 {
    Page::ExceptionInformation.address()
}

/// Entries of the window that forbid the operation at these levels, with bit 63 as told at each level: bit 3 is the PML4's.
fn entries(operation: Operation, levels: u64, suppressed: u64) -> [u64; 4] {
    let rights = match operation {
        Operation::Read => 0,
        Operation::Write => bit::R | bit::X,
        Operation::Fetch => bit::R | bit::W,
    };
    let mut entries = with_rights(window::entries(paging::frame(FRAME)), levels, rights);
    for (index, entry) in entries.iter_mut().enumerate() {
        if suppressed >> (3 - index) & 1 != 0 {
            *entry |= SUPPRESS;
        }
    }
    entries
}

/// The level whose bit 63 decides: that of the first entry that is not present, or of the page.
fn deciding(operation: Operation, levels: u64) -> u64 {
    match operation {
        // Without rights an entry is not present.
        Operation::Read => 1 << (63 - levels.leading_zeros()),
        Operation::Write | Operation::Fetch => 1,
    }
}

const OPERATIONS: [Operation; 3] = [Operation::Read, Operation::Write, Operation::Fetch];

/// A violation becomes #VE unless bit 63 of the entry that is not present, or maps the page, is set. The row is operation, levels without rights, and
/// levels with bit 63.
#[case(feature = VmxFunctions, spec = [sdm3c("Convertible EPT Violations"), sdm3c("Virtualization-Exception Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_VIRTUALIZATION_EXCEPTION)]
fn violations_that_become_exceptions() {
    with_ept(|guest, ept| {
        for (number, operation) in OPERATIONS.into_iter().enumerate() {
            for (levels, suppressed) in
                [1, 2, 4, 8, 3, 12].into_iter().flat_map(|levels| (0..16).map(move |bits| (levels, bits)))
            {
                let row = (number as u64) << 8 | levels << 4 | suppressed;
                let linear = prepare(guest, ept, operation, entries(operation, levels, suppressed), false);
                let exit = ept_access::run(guest);
                let ended = ending(&exit);
                let pushed = stack_word(guest, 0).wrapping_sub(guest.start());
                guest.reset();
                if suppressed & deciding(operation, levels) != 0 {
                    check_eq!("ending", [&[]; row], ended, reason::EPT_VIOLATION);
                    check_eq!("first words of the area", [&[]; row], mmio::read_u64(area()), EMPTY & 0xffff_ffff);
                    continue;
                }
                check_eq!("ending", [&[]; row], ended, DELIVERED + u64::from(VECTOR));
                check_eq!("exit reason in the area", [&[]; row], mmio::read_u32(area()), reason::EPT_VIOLATION);
                check_eq!("the area is used", [&[]; row], mmio::read_u32(area() + 4), BUSY);
                let access = 1_u64 << number;
                check_eq!("access in the area", [&[]; row], mmio::read_u64(area() + 8) & 7, access);
                check_eq!("linear address in the area", [&[]; row], mmio::read_u64(area() + 16), linear);
                check_eq!("physical address in the area", [&[]; row], mmio::read_u64(area() + 24), window::ADDRESS);
                if operation != Operation::Fetch {
                    check_eq!("pushed RIP from the start", [&[]; row], pushed, 0);
                }
            }
        }
    });
}

/// The information area tells the EPTP index of the VMCS.
#[case(feature = VmxFunctions, spec = sdm3c("Virtualization-Exception Information"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_VIRTUALIZATION_EXCEPTION)]
fn index_in_the_information_area() {
    with_ept(|guest, ept| {
        for index in [0, 1, 0x1fe, 0xffff] {
            let _ = prepare(guest, ept, Operation::Read, entries(Operation::Read, 1, 0), false);
            let _ = guest.set(field::EPTP_INDEX, index);
            let ended = ending(&ept_access::run(guest));
            guest.reset();
            check_eq!("ending", [&[]; index], ended, DELIVERED + u64::from(VECTOR));
            check_eq!("EPTP index in the area", [&[]; index], mmio::read_u16(area() + 32), index);
        }
    });
}

/// While the information area is used, violations exit, and it stays as it was; the qualification is the one that the area would have.
#[case(feature = VmxFunctions, spec = [sdm3c("Convertible EPT Violations"), sdm3c("Delivery of Virtualization Exceptions")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_VIRTUALIZATION_EXCEPTION)]
fn violations_exit_while_the_area_is_used() {
    with_ept(|guest, ept| {
        for (row, operation) in OPERATIONS.into_iter().enumerate() {
            let _ = prepare(guest, ept, operation, entries(operation, 1, 0), true);
            let exit = ept_access::run(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; row], exit.reason, reason::EPT_VIOLATION);
            check_eq!("first words of the area", [&[]; row], mmio::read_u64(area()), 1 << 32 | EMPTY & 0xffff_ffff);
            let _ = prepare(guest, ept, operation, entries(operation, 1, 0), false);
            let ended = ending(&ept_access::run(guest));
            guest.reset();
            check_eq!("ending once it is not", [&[]; row], ended, DELIVERED + u64::from(VECTOR));
            check_eq!("qualification in the area", [&[]; row], mmio::read_u64(area() + 8), exit.qualification);
        }
    });
}

/// #VE exits by bit 20 of the exception bitmap, with the area written; without the control, the violation exits whatever bit 63 is.
#[case(feature = VmxFunctions, spec = [sdm3c("Delivery of Virtualization Exceptions"), sdm3c("Exception Bitmap")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_VIRTUALIZATION_EXCEPTION)]
fn exits_of_virtualization_exceptions() {
    with_ept(|guest, ept| {
        for (row, operation) in OPERATIONS.into_iter().enumerate() {
            let _ = prepare(guest, ept, operation, entries(operation, 1, 0), false);
            let _ = guest.set(field::EXCEPTION_BITMAP, 1 << VECTOR);
            let exit = ept_access::run(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; row], exit.reason, reason::EXCEPTION_OR_NMI);
            let due = interruption::VALID | interruption::HARDWARE_EXCEPTION | u32::from(VECTOR);
            check_eq!("interruption information", [&[]; row], exit.interruption, due);
            check_eq!("an event was being delivered", [&[]; row], exit.vectoring >> 31, 0);
            check_eq!("the area is used", [&[]; row], mmio::read_u32(area() + 4), BUSY);
            let _ = prepare(guest, ept, operation, entries(operation, 1, 0), false);
            let _ = guest.clear_bits(field::SECONDARY_CONTROLS, secondary::VIRTUALIZATION_EXCEPTION.into());
            let exit = ept_access::run(guest);
            guest.reset();
            check_eq!("exit reason without the control", [&[]; row], exit.reason, reason::EPT_VIOLATION);
            check_eq!("the area without the control", [&[]; row], mmio::read_u32(area() + 4), 0);
        }
    });
}

/// A violation while an event is being delivered exits, and a misconfiguration does always.
#[case(feature = VmxFunctions, spec = sdm3c("Convertible EPT Violations"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_VIRTUALIZATION_EXCEPTION)]
fn violations_that_do_not_become_exceptions() {
    with_ept(|guest, ept| {
        let linear = prepare(guest, ept, Operation::Read, entries(Operation::Read, 1, 0), false);
        let event = Event::of(kind::HARDWARE, 6);
        let _ = guest.set(field::GUEST_IDTR_BASE, linear);
        let _ = guest.set(field::ENTRY_INTERRUPTION, event.word().into());
        let exit = ept_access::run(guest);
        guest.reset();
        check_eq!("exit reason during a delivery", exit.reason, reason::EPT_VIOLATION);
        check_eq!("IDT-vectoring information", exit.vectoring, event.word());
        check_eq!("the area during a delivery", mmio::read_u32(area() + 4), 0);
        // A page that may be written and not read.
        let mut wrong = entries(Operation::Read, 0, 0);
        wrong[3] = wrong[3] & !bit::R | bit::W;
        let _ = prepare(guest, ept, Operation::Read, wrong, false);
        let exit = ept_access::run(guest);
        guest.reset();
        check_eq!("exit reason of a misconfiguration", exit.reason, reason::EPT_MISCONFIGURATION);
        check_eq!("the area at a misconfiguration", mmio::read_u32(area() + 4), 0);
    });
}
