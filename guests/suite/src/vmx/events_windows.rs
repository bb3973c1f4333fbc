//! Interrupt-window and NMI-window exits, and the blocking of NMIs.

use super::{
    events_gates::{self as gates, DELIVERED, ending},
    events_model::{Event, kind},
    exit_slots::run,
    with_guest,
};
use rt::{
    case, check_eq, mmio, names,
    tables::selector,
    user::register::RAX,
    user_code,
    vmx::{
        Guest,
        control::{interruptibility, interruption, pin, processor},
        field,
        guest::stack_top,
        reason,
    },
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

user_code!(nops: "nop", "nop", "nop", "vmcall");
user_code!(sti: "sti", "nop", "nop", "vmcall");
user_code!(sti_twice: "sti", "sti", "nop", "nop", "vmcall");
user_code!(popf: "popfq", "nop", "nop", "vmcall");
user_code!(mov_ss: "mov ss, eax", "nop", "nop", "vmcall");
user_code!(iret: "iretq", "nop", "vmcall");
user_code!(after_iret: "nop", "nop", "vmcall");

const IF: u64 = 1 << 9;

/// L2 at its start, and where the exit is due: offset of RIP, or none.
struct Row {
    code: Code,
    flags: u64,
    blocking: u32,
    due: Option<u64>,
}

const fn row(code: Code, flags: u64, blocking: u32, due: Option<u64>) -> Row {
    Row { code, flags, blocking, due }
}

/// What L2's code finds: RAX a selector for SS, and RFLAGS with IF on the stack.
fn prepare(guest: &mut Guest, row: &Row) {
    guest.start_at(row.code);
    guest.registers[RAX] = selector::KERNEL_DATA.into();
    let _ = guest.set(field::GUEST_RSP, stack_top() - 64);
    mmio::write_u64(stack_top() - 64, 2 | IF);
    guest.keep(field::GUEST_SS_RIGHTS);
    let _ = guest.set(field::GUEST_RFLAGS, 2 | row.flags);
    let _ = guest.set(field::GUEST_INTERRUPTIBILITY, row.blocking.into());
}

/// "Interrupt-window exiting" exits at the first boundary where IF is 1 and nothing blocks interrupts.
#[case(feature = VmxInterrupts, spec = [sdm3c("Other Causes of VM Exits"), sdm3c("Special Features of VM Entry")], needs = Needs::INTEL | Needs::VMX)]
fn interrupt_window() {
    const NAMES: &[Text] = names![
        "IF",
        "no IF",
        "IF behind STI",
        "IF behind MOV SS",
        "no IF behind MOV SS",
        "STI",
        "STI twice",
        "STI with IF",
        "POPF",
        "MOV SS, no IF"
    ];
    let rows = [
        row(nops, IF, 0, Some(0)),
        row(nops, 0, 0, None),
        row(nops, IF, interruptibility::STI, Some(1)),
        row(nops, IF, interruptibility::MOV_SS, Some(1)),
        row(nops, 0, interruptibility::MOV_SS, None),
        row(sti, 0, 0, Some(2)),
        row(sti_twice, 0, 0, Some(2)),
        row(sti, IF, 0, Some(0)),
        row(popf, 0, 0, Some(1)),
        row(mov_ss, 0, 0, None),
    ];
    with_guest(nops, |guest| {
        for (number, row) in rows.iter().enumerate() {
            prepare(guest, row);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::INTERRUPT_WINDOW.into());
            let exit = run(guest);
            let blocking = guest.read(field::GUEST_INTERRUPTIBILITY);
            let start = guest.start();
            guest.reset();
            match row.due {
                Some(offset) => {
                    check_eq!("exit reason", [NAMES; number], exit.reason, reason::INTERRUPT_WINDOW);
                    check_eq!("RIP from the start", [NAMES; number], exit.rip.wrapping_sub(start), offset);
                    check_eq!("exit qualification", [NAMES; number], exit.qualification, 0);
                    check_eq!("interruptibility", [NAMES; number], blocking, 0);
                }
                None => check_eq!("exit reason", [NAMES; number], exit.reason, reason::VMCALL),
            }
        }
    });
}

/// An event that is injected comes first: the window opens in its handler if the gate leaves IF, and not if it clears it.
#[case(feature = VmxInterrupts, spec = [sdm3c("Interrupt-Window Exiting and Virtual-Interrupt Delivery"), sdm3c("Event Injection")], needs = Needs::INTEL | Needs::VMX)]
fn interrupt_window_behind_an_injected_event() {
    const VECTOR: u8 = 0x62;
    const NAMES: &[Text] = names!["interrupt gate", "trap gate"];
    with_guest(nops, |guest| {
        gates::fill();
        for (number, gate) in [gates::INTERRUPT_GATE, gates::TRAP_GATE].into_iter().enumerate() {
            gates::set(VECTOR, gate);
            gates::attach(guest);
            let _ = guest.set(field::GUEST_RFLAGS, 2 | IF);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::INTERRUPT_WINDOW.into());
            let _ = guest.set(field::ENTRY_INTERRUPTION, Event::of(kind::EXTERNAL, VECTOR).word().into());
            let exit = run(guest);
            guest.reset();
            let due = if number == 0 { DELIVERED + u64::from(VECTOR) } else { reason::INTERRUPT_WINDOW.into() };
            check_eq!("ending", [NAMES; number], ending(&exit), due);
            check_eq!("RIP", [NAMES; number], exit.rip, gates::target(VECTOR));
        }
    });
}

fn virtual_nmis(guest: &mut Guest) {
    let _ = guest.set_bits(field::PIN_CONTROLS, (pin::NMI | pin::VIRTUAL_NMI).into());
}

/// "NMI-window exiting" exits at the first boundary where neither an NMI nor MOV SS blocks NMIs; IF does not count.
#[case(feature = VmxInterrupts, spec = sdm3c("Other Causes of VM Exits"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_VIRTUAL_NMI)]
fn nmi_window() {
    const NAMES: &[Text] = names!["open", "open with IF", "behind MOV SS", "behind an NMI", "MOV SS in front"];
    let rows = [
        row(nops, 0, 0, Some(0)),
        row(nops, IF, 0, Some(0)),
        row(nops, 0, interruptibility::MOV_SS, Some(1)),
        row(nops, 0, interruptibility::NMI, None),
        row(mov_ss, 0, interruptibility::NMI, None),
    ];
    with_guest(nops, |guest| {
        for (number, row) in rows.iter().enumerate() {
            prepare(guest, row);
            virtual_nmis(guest);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::NMI_WINDOW.into());
            let exit = run(guest);
            let start = guest.start();
            guest.reset();
            match row.due {
                Some(offset) => {
                    check_eq!("exit reason", [NAMES; number], exit.reason, reason::NMI_WINDOW);
                    check_eq!("RIP from the start", [NAMES; number], exit.rip.wrapping_sub(start), offset);
                }
                None => check_eq!("exit reason", [NAMES; number], exit.reason, reason::VMCALL),
            }
        }
    });
}

/// Writes a frame for IRET to `after_iret` on L2's stack, with this selector for CS.
fn write_frame(guest: &mut Guest, cs: u16) {
    let frame = [after_iret as *const () as u64, cs.into(), 2, stack_top(), selector::KERNEL_DATA.into()];
    let at = stack_top() - 256;
    for (index, value) in frame.into_iter().enumerate() {
        mmio::write_u64(at + index as u64 * 8, value);
    }
    let _ = guest.set(field::GUEST_RSP, at);
    guest.keep(field::GUEST_SS_RIGHTS);
    guest.keep(field::GUEST_CS_RIGHTS);
}

/// With virtual NMIs, an NMI that is injected blocks NMIs, and IRET ends that: the window opens behind it.
#[case(feature = VmxInterrupts, spec = [sdm3c("Event Injection"), sdm3c("Changes to Instruction Behavior in VMX Non-Root Operation")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_VIRTUAL_NMI)]
fn iret_opens_the_nmi_window() {
    with_guest(nops, |guest| {
        gates::fill();
        gates::attach(guest);
        virtual_nmis(guest);
        let _ = guest.set(field::ENTRY_INTERRUPTION, Event::of(kind::NMI, 2).word().into());
        let exit = run(guest);
        check_eq!("ending of an injected NMI", ending(&exit), DELIVERED + 2);
        let blocking = guest.read(field::GUEST_INTERRUPTIBILITY);
        check_eq!("interruptibility in its handler", blocking, interruptibility::NMI);
        guest.reset();
        guest.start_at(iret);
        for window in [false, true] {
            write_frame(guest, selector::KERNEL_CODE);
            virtual_nmis(guest);
            let _ = guest.set(field::GUEST_INTERRUPTIBILITY, interruptibility::NMI.into());
            if window {
                let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::NMI_WINDOW.into());
            }
            let exit = run(guest);
            let blocking = guest.read(field::GUEST_INTERRUPTIBILITY);
            let due = if window { reason::NMI_WINDOW } else { reason::VMCALL };
            guest.reset();
            check_eq!("exit reason", [&[]; u64::from(window)], exit.reason, due);
            check_eq!("interruptibility behind IRET", [&[]; u64::from(window)], blocking, 0);
            let rip = exit.rip.wrapping_sub(after_iret as *const () as u64);
            check_eq!("RIP from IRET's target", [&[]; u64::from(window)], rip, if window { 0 } else { 2 });
        }
    });
}

/// A fault of IRET that exits tells whether IRET had ended the blocking of NMIs.
#[case(feature = VmxInterrupts, spec = sdm3c("Resuming Guest Software After Handling an Exception"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_VIRTUAL_NMI)]
fn fault_of_iret_tells_unblocking() {
    const NAMES: &[Text] = names!["NMIs are open", "NMIs are blocked"];
    with_guest(iret, |guest| {
        for (row, blocking) in [0, interruptibility::NMI].into_iter().enumerate() {
            write_frame(guest, selector::BEYOND_LIMIT);
            virtual_nmis(guest);
            let _ = guest.set(field::GUEST_INTERRUPTIBILITY, blocking.into());
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
            let due = if blocking == 0 { 0 } else { interruption::NMI_UNBLOCKING };
            const GP: u32 = interruption::VALID | interruption::HAS_ERROR_CODE | interruption::HARDWARE_EXCEPTION | 13;
            check_eq!("interruption information", [NAMES; row], exit.interruption, GP | due);
            check_eq!("error code", [NAMES; row], exit.error_code, selector::BEYOND_LIMIT);
        }
    });
}
