//! Virtual-interrupt delivery: ends of interrupts with their exits, and interrupts that L2 sends to itself.

use super::{
    apic_model::{Priorities, is_self_ipi},
    apic_page::{bit, deliver, map, offset, register, set_bit, status},
    events_gates::{self as gates, DELIVERED, ending, stack_word},
    exit_slots::run,
    with_guest,
};
use rt::{
    case, check_eq,
    user::register::{RAX, RDI},
    user_code,
    vmx::{Guest, field, reason},
    vocabulary::Needs,
};

user_code!(write: "mov [rdi], eax", "nop", "vmcall");

/// RFLAGS with IF.
const ENABLED: u64 = 1 << 9 | 2;
/// Length of the write.
const LENGTH: u64 = 2;

/// Gives L2 gates and these priorities, with interrupts as RFLAGS says, and lets it write a register.
fn prepare(guest: &mut Guest, priorities: Priorities, flags: u64, register: u64, value: u64) {
    gates::attach(guest);
    deliver(guest, priorities);
    guest.registers[RDI] = map(guest) + register;
    guest.registers[RAX] = value;
    let _ = guest.set(field::GUEST_RFLAGS, flags);
}

/// The bitmap that has the bit of a vector, and the bit.
fn exit_bit(vector: u8) -> (u32, u64) {
    (field::EOI_EXIT_0 + u32::from(vector / 64) * 2, 1 << (vector % 64))
}

/// An end of interrupt takes the highest vector out of service, and the next one's priority counts: for every vector.
#[case(feature = VmxApic, spec = [sdm3c("EOI Virtualization"), sdm3c("PPR Virtualization")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn virtual_ends_of_interrupts() {
    with_guest(write, |guest| {
        gates::fill();
        for vector in 32..=255_u8 {
            // Another one below it is in service on every second row.
            let next = if vector % 2 == 0 { 0 } else { vector / 2 };
            prepare(guest, Priorities { requested: 0, serviced: vector, task: 0x14 }, 2, offset::EOI, 0);
            if next != 0 {
                set_bit(offset::ISR, next);
            }
            let exit = run(guest);
            let status = status(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; vector], exit.reason, reason::VMCALL);
            check_eq!("status", [&[]; vector], status, u64::from(next) << 8);
            check_eq!("in service", [&[]; vector], bit(offset::ISR, vector), false);
            let due = Priorities { requested: 0, serviced: next, task: 0x14 }.processor();
            check_eq!("processor priority", [&[]; vector], register(offset::PPR), due);
            check_eq!("EOI", [&[]; vector], register(offset::EOI), 0);
        }
    });
}

/// An end of interrupt exits behind the instruction if its vector is in the EOI-exit bitmaps, with the vector: for every vector.
#[case(feature = VmxApic, spec = [sdm3c("EOI Virtualization"), sdm3c("EOI-Induced VM Exits")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn exits_of_ends_of_interrupts() {
    with_guest(write, |guest| {
        gates::fill();
        for vector in 16..=255_u8 {
            let (bitmap, bit) = exit_bit(vector);
            for (row, bits, due) in [(0, bit, reason::VIRTUALIZED_EOI), (1, !bit, reason::VMCALL)] {
                let row = row << 8 | u64::from(vector);
                prepare(guest, Priorities { requested: 0, serviced: vector, task: 0 }, 2, offset::EOI, 0);
                let _ = guest.set(bitmap, bits);
                let exit = run(guest);
                let (status, start) = (status(guest), guest.start());
                guest.reset();
                check_eq!("exit reason", [&[]; row], exit.reason, due);
                check_eq!("status", [&[]; row], status, 0);
                if due == reason::VIRTUALIZED_EOI {
                    check_eq!("exit qualification", [&[]; row], exit.qualification, vector);
                    check_eq!("RIP from the start", [&[]; row], exit.rip.wrapping_sub(start), LENGTH);
                    check_eq!("an event is told", [&[]; row], exit.interruption >> 31, 0);
                }
            }
        }
    });
}

/// What waited for an end of interrupt is delivered behind it; an exit by the bitmap comes first, and leaves it requested.
#[case(feature = VmxApic, spec = [sdm3c("EOI Virtualization"), sdm3c("Evaluation of Pending Virtual Interrupts")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn virtual_interrupt_behind_an_end_of_interrupt() {
    with_guest(write, |guest| {
        gates::fill();
        for (row, exits) in [false, true].into_iter().enumerate() {
            prepare(guest, Priorities { requested: 0x45, serviced: 0x51, task: 0 }, ENABLED, offset::EOI, 0);
            if exits {
                let (bitmap, bit) = exit_bit(0x51);
                let _ = guest.set(bitmap, bit);
            }
            let exit = run(guest);
            let (ended, status, pushed) = (ending(&exit), status(guest), stack_word(guest, 0));
            let start = guest.start();
            guest.reset();
            if exits {
                check_eq!("ending", [&[]; row], ended, reason::VIRTUALIZED_EOI);
                check_eq!("exit qualification", [&[]; row], exit.qualification, 0x51);
                check_eq!("status", [&[]; row], status, 0x45);
            } else {
                check_eq!("ending", [&[]; row], ended, DELIVERED + 0x45);
                check_eq!("status", [&[]; row], status, 0x4500);
                check_eq!("pushed RIP from the start", [&[]; row], pushed.wrapping_sub(start), LENGTH);
            }
        }
    });
}

/// A command to itself is delivered behind the write, for every vector of class 1 and above; one of class 0 exits behind it.
#[case(feature = VmxApic, spec = [sdm3c("Self-IPI Virtualization"), sdm3c("APIC-Write Emulation")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn virtual_self_ipis_of_every_vector() {
    with_guest(write, |guest| {
        gates::fill();
        for vector in 0..=255_u8 {
            let command = 0x4_0000 | u32::from(vector);
            let idle = Priorities { requested: 0, serviced: 0, task: 0 };
            prepare(guest, idle, ENABLED, offset::ICR, command.into());
            let exit = run(guest);
            let (ended, status, pushed) = (ending(&exit), status(guest), stack_word(guest, 0));
            let start = guest.start();
            guest.reset();
            check_eq!("ICR", [&[]; vector], register(offset::ICR), command);
            if vector >= 16 {
                check_eq!("ending", [&[]; vector], ended, DELIVERED + u64::from(vector));
                check_eq!("status", [&[]; vector], status, u64::from(vector) << 8);
                check_eq!("pushed RIP from the start", [&[]; vector], pushed.wrapping_sub(start), LENGTH);
            } else {
                check_eq!("ending", [&[]; vector], ended, reason::APIC_WRITE);
                check_eq!("exit qualification", [&[]; vector], exit.qualification, offset::ICR);
                check_eq!("RIP from the start", [&[]; vector], exit.rip.wrapping_sub(start), LENGTH);
            }
        }
    });
}

/// Each other bit of the command decides whether the processor sends it by itself or exits.
#[case(feature = VmxApic, spec = [sdm3c("APIC-Write Emulation"), sdm3c("APIC-Write VM Exits")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn virtual_self_ipis_by_their_bits() {
    const BASE: u32 = 0x4_0041;
    with_guest(write, |guest| {
        gates::fill();
        for bit_number in 8..32 {
            let command = BASE ^ 1 << bit_number;
            let idle = Priorities { requested: 0, serviced: 0, task: 0 };
            prepare(guest, idle, 2, offset::ICR, command.into());
            let exit = run(guest);
            let status = status(guest);
            guest.reset();
            let is_sent = is_self_ipi(command);
            let due = if is_sent { reason::VMCALL } else { reason::APIC_WRITE };
            check_eq!("exit reason", [&[]; bit_number], exit.reason, due);
            check_eq!("status", [&[]; bit_number], status, if is_sent { 0x41 } else { 0 });
            check_eq!("requested", [&[]; bit_number], bit(offset::IRR, 0x41), is_sent);
            check_eq!("ICR", [&[]; bit_number], register(offset::ICR), command);
        }
    });
}

/// A command to itself raises what is requested, and does not lower it.
#[case(feature = VmxApic, spec = sdm3c("Self-IPI Virtualization"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_TPR_SHADOW | Needs::VMX_APIC_ACCESS | Needs::VMX_VIRTUAL_INTERRUPTS)]
fn virtual_self_ipi_beside_another_interrupt() {
    with_guest(write, |guest| {
        gates::fill();
        for (row, (vector, waiting)) in
            [(0x41_u8, 0x51_u8), (0x51, 0x41), (0x41, 0x41), (0xff, 0xfe), (0x10, 0xff)].into_iter().enumerate()
        {
            let priorities = Priorities { requested: waiting, serviced: 0, task: 0 };
            prepare(guest, priorities, 2, offset::ICR, 0x4_0000 | u64::from(vector));
            let exit = run(guest);
            let status = status(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; row], exit.reason, reason::VMCALL);
            check_eq!("status", [&[]; row], status, vector.max(waiting));
            check_eq!("requested", [&[]; row], bit(offset::IRR, vector), true);
            check_eq!("the other one", [&[]; row], bit(offset::IRR, waiting), true);
        }
    });
}
