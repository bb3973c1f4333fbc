//! Virtual-interrupt delivery: what is recognized, when it is delivered, and what that leaves.

use super::{
    apic_model::Priorities,
    apic_page::{bit, deliver, map, offset, register, set_bit, status},
    events_gates::{self as gates, DELIVERED, ending, stack_word},
    exit_slots::run,
    with_guest,
};
use rt::{
    case, check, check_eq, names,
    user::register::{RAX, RDI},
    user_code,
    vmx::{
        Guest,
        control::{activity, interruptibility, processor},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

user_code!(nops: "nop", "nop", "vmcall");
user_code!(write: "mov [rdi], eax", "nop", "vmcall");
user_code!(write_cr8: "mov cr8, rax", "nop", "vmcall");
user_code!(sti_hlt: "sti", "hlt", "vmcall");

/// RFLAGS with IF.
const ENABLED: u64 = 1 << 9 | 2;

fn requested(vector: u8) -> Priorities {
    Priorities { requested: vector, serviced: 0, task: 0 }
}

/// Gives L2 gates and these priorities, with interrupts enabled.
fn prepare(guest: &mut Guest, priorities: Priorities) {
    gates::attach(guest);
    deliver(guest, priorities);
    let _ = guest.set(field::GUEST_RFLAGS, ENABLED);
}

/// A virtual interrupt of every vector of class 1 and above is delivered at the entry, moves from IRR to ISR, and sets the priority.
#[case(feature = VmxApic, spec = [sdm3c("Virtual-Interrupt Delivery"), sdm3c("Evaluation of Pending Virtual Interrupts")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn virtual_interrupts_of_every_vector() {
    with_guest(nops, |guest| {
        gates::fill();
        for vector in 1..=255_u8 {
            prepare(guest, requested(vector));
            let exit = run(guest);
            let (ended, status) = (ending(&exit), status(guest));
            let pushed = stack_word(guest, 0).wrapping_sub(guest.start());
            let flags = guest.read(field::GUEST_RFLAGS);
            guest.reset();
            let taken = vector >= 16;
            let due = if taken { DELIVERED + u64::from(vector) } else { reason::VMCALL.into() };
            check_eq!("ending", [&[]; vector], ended, due);
            check_eq!("status", [&[]; vector], status, if taken { u64::from(vector) << 8 } else { vector.into() });
            check_eq!("requested", [&[]; vector], bit(offset::IRR, vector), !taken);
            check_eq!("in service", [&[]; vector], bit(offset::ISR, vector), taken);
            let due = if taken { u32::from(vector & 0xf0) } else { 0 };
            check_eq!("processor priority", [&[]; vector], register(offset::PPR), due);
            if taken {
                check_eq!("pushed RIP from the start", [&[]; vector], pushed, 0);
                check_eq!("RFLAGS", [&[]; vector], flags, 2);
            }
        }
    });
}

/// A virtual interrupt is recognized if its class is above that of TPR and of what is in service. The row is the three classes.
#[case(feature = VmxApic, spec = [sdm3c("Evaluation of Pending Virtual Interrupts"), sdm3c("PPR Virtualization")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn priorities_of_virtual_interrupts() {
    with_guest(nops, |guest| {
        gates::fill();
        for row in (0..0x1000_u64).filter(|row| row & 15 < 2 || row & 15 == row >> 4 & 15 || row % 7 == 0) {
            let class = |shift: u32| (row >> shift & 15) as u8;
            let serviced = if class(4) == 0 { 0 } else { class(4) << 4 | 3 };
            let priorities = Priorities { requested: class(8) << 4 | 7, serviced, task: class(0) << 4 | 5 };
            prepare(guest, priorities);
            let exit = run(guest);
            let (ended, status) = (ending(&exit), status(guest));
            guest.reset();
            let (ending, left, priority) = if priorities.is_recognized() {
                let vector = priorities.requested;
                (DELIVERED + u64::from(vector), u64::from(vector) << 8, vector & 0xf0)
            } else {
                (reason::VMCALL.into(), priorities.status(), priorities.processor())
            };
            check_eq!("ending", [&[]; row], ended, ending);
            check_eq!("status", [&[]; row], status, left);
            check_eq!("processor priority", [&[]; row], register(offset::PPR), priority);
        }
    });
}

/// What blocks interrupts delays virtual ones; interrupt-window exiting keeps them from being recognized.
#[case(feature = VmxApic, spec = [sdm3c("Virtual-Interrupt Delivery"), sdm3c("Interrupt-Window Exiting and Virtual-Interrupt Delivery")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn blocking_of_virtual_interrupts() {
    const VECTOR: u8 = 0x61;
    const NAMES: &[Text] = names!["enabled", "no IF", "behind STI", "behind MOV SS", "window", "window without IF"];
    const TAKEN: u64 = DELIVERED + VECTOR as u64;
    const NOT: u64 = reason::VMCALL as u64;
    let rows = [
        (ENABLED, 0, false, TAKEN, 0),
        (2, 0, false, NOT, 0),
        (ENABLED, interruptibility::STI, false, TAKEN, 1),
        (ENABLED, interruptibility::MOV_SS, false, TAKEN, 1),
        (ENABLED, 0, true, reason::INTERRUPT_WINDOW.into(), 0),
        (2, 0, true, NOT, 0),
    ];
    with_guest(nops, |guest| {
        gates::fill();
        for (row, (flags, blocking, is_window, due, offset)) in rows.into_iter().enumerate() {
            prepare(guest, requested(VECTOR));
            let _ = guest.set(field::GUEST_RFLAGS, flags);
            let _ = guest.set(field::GUEST_INTERRUPTIBILITY, blocking.into());
            if is_window {
                let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::INTERRUPT_WINDOW.into());
            }
            let exit = run(guest);
            let (ended, status) = (ending(&exit), status(guest));
            let pushed = stack_word(guest, 0).wrapping_sub(guest.start());
            guest.reset();
            check_eq!("ending", [NAMES; row], ended, due);
            if due == TAKEN {
                check_eq!("pushed RIP from the start", [NAMES; row], pushed, offset);
            } else {
                check_eq!("status", [NAMES; row], status, VECTOR);
            }
        }
    });
}

/// When one is delivered, the highest of those that still wait is requested next.
#[case(feature = VmxApic, spec = sdm3c("Virtual-Interrupt Delivery"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn next_virtual_interrupt() {
    with_guest(nops, |guest| {
        gates::fill();
        for next in [16_u8, 31, 32, 0x3f, 0x5f, 0x60, 0x7f, 0x80, 0x9e, 0xc0, 0xdf, 0xe0, 0xef] {
            prepare(guest, requested(0xf1));
            set_bit(offset::IRR, next);
            set_bit(offset::IRR, 16);
            let exit = run(guest);
            let (ended, status) = (ending(&exit), status(guest));
            guest.reset();
            check_eq!("ending", [&[]; next], ended, DELIVERED + 0xf1);
            check_eq!("status", [&[]; next], status, 0xf100 | u64::from(next));
        }
    });
}

/// An interrupt that waits is delivered behind the write of the TPR that lets it, by memory and by CR8; there are no exits by the threshold.
#[case(feature = VmxApic, spec = [sdm3c("TPR Virtualization"), sdm3c("Virtualizing CR8-Based TPR Accesses")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn virtual_interrupt_behind_a_write_of_the_tpr() {
    const VECTOR: u8 = 0x61;
    with_guest(write, |guest| {
        gates::fill();
        for row in 0..32_u64 {
            let (class, is_cr8) = (row & 15, row >= 16);
            guest.start_at(if is_cr8 { write_cr8 } else { write });
            prepare(guest, Priorities { requested: VECTOR, serviced: 0, task: 0xf0 });
            guest.registers[RDI] = map(guest) + offset::TPR;
            guest.registers[RAX] = if is_cr8 { class } else { class << 4 };
            let exit = run(guest);
            let ended = ending(&exit);
            let pushed = stack_word(guest, 0).wrapping_sub(guest.start());
            guest.reset();
            check_eq!("TPR", [&[]; row], register(offset::TPR), class << 4);
            if class < 6 {
                check_eq!("ending", [&[]; row], ended, DELIVERED + u64::from(VECTOR));
                check_eq!("pushed RIP from the start", [&[]; row], pushed, if is_cr8 { 4 } else { 2 });
            } else {
                check_eq!("ending", [&[]; row], ended, reason::VMCALL);
                check_eq!("processor priority", [&[]; row], register(offset::PPR), class << 4);
            }
        }
    });
}

/// A virtual interrupt wakes an L2 that the entry puts into HLT, and is delivered to one that halts by itself.
#[case(feature = VmxApic, spec = sdm3c("Virtual-Interrupt Delivery"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_VIRTUAL_INTERRUPTS | Needs::VMX_ACTIVITY_HLT)]
fn virtual_interrupt_ends_a_halt() {
    const NAMES: &[Text] = names!["entry into HLT", "STI, HLT"];
    with_guest(nops, |guest| {
        gates::fill();
        for row in 0..2 {
            guest.start_at(if row == 0 { nops } else { sti_hlt });
            prepare(guest, requested(0x55));
            let _ = guest.clear_bits(field::PROCESSOR_CONTROLS, processor::HLT.into());
            if row == 0 {
                let _ = guest.set(field::GUEST_ACTIVITY, activity::HLT.into());
            } else {
                let _ = guest.set(field::GUEST_RFLAGS, 2);
            }
            let exit = run(guest);
            let ended = ending(&exit);
            let (pushed, state) = (stack_word(guest, 0).wrapping_sub(guest.start()), guest.read(field::GUEST_ACTIVITY));
            guest.reset();
            check_eq!("ending", [NAMES; row], ended, DELIVERED + 0x55);
            check_eq!("pushed RIP from the start", [NAMES; row], pushed, if row == 0 { 0 } else { 2 });
            check_eq!("activity state", [NAMES; row], state, activity::ACTIVE);
        }
        check!("it is in service", bit(offset::ISR, 0x55));
    });
}
