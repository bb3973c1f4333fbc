//! Exits of exceptions: by the exception bitmap, page faults by mask and match too, and what a delivery that fails leads to.

use super::with_guest;
use rt::{
    case, check_eq,
    cpu::control::{self, cr0},
    layout::UNMAPPED,
    names,
    tables::selector,
    user::register::{RBX, RDI, RSI},
    user_code,
    vmx::{
        Exit, Guest,
        control::{interruption, pin},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

/// What L2's code raises.
struct Raised {
    code: Code,
    /// Type and vector.
    event: u32,
    error_code: Option<u32>,
    /// The exit qualification: the address of a page fault, else 0.
    qualification: u64,
    /// Length of the instruction, for software exceptions.
    length: Option<u64>,
}

macro_rules! exceptions {
    ($($function:ident $title:literal: $assembly:literal, $kind:ident $vector:literal, $error_code:expr, $qualification:expr, $length:expr;)*) => {
        $(user_code!($function: $assembly, "vmcall");)*
        static TABLE: &[Raised] = &[$(Raised {
            code: $function, event: interruption::$kind | $vector, error_code: $error_code, qualification: $qualification, length: $length,
        }),*];
        const NAMES: &[Text] = names![$($title),*];
    };
}

// RDI is an address that is not mapped, RSI one that is not canonical, ECX is zero, EBX a selector.
exceptions! {
    divide "#DE": "div ecx", HARDWARE_EXCEPTION 0, None, 0, None;
    breakpoint "#BP": "int3", SOFTWARE_EXCEPTION 3, None, 0, Some(1);
    invalid_opcode "#UD": "ud2", HARDWARE_EXCEPTION 6, None, 0, None;
    device "#NM": "fnop", HARDWARE_EXCEPTION 7, None, 0, None;
    not_present "#NP": "mov ds, ebx", HARDWARE_EXCEPTION 11, Some(selector::NOT_PRESENT as u32), 0, None;
    stack "#SS": "mov rax, [rsp]", HARDWARE_EXCEPTION 12, Some(0), 0, None;
    protection "#GP": "mov rax, [rsi]", HARDWARE_EXCEPTION 13, Some(0), 0, None;
    page_fault_read "#PF of a read": "mov rax, [rdi]", HARDWARE_EXCEPTION 14, Some(0), UNMAPPED, None;
    page_fault_write "#PF of a write": "mov [rdi], rax", HARDWARE_EXCEPTION 14, Some(2), UNMAPPED, None;
}

/// Row of the device that is not available: CR0.TS is set.
const DEVICE: usize = 3;
/// Row of the stack fault: RSP is not canonical.
const STACK: usize = 5;
const NOT_CANONICAL: u64 = 1 << 63;

fn prepare(guest: &mut Guest, row: usize, raised: &Raised) {
    guest.start_at(raised.code);
    guest.registers[RDI] = UNMAPPED;
    guest.registers[RSI] = NOT_CANONICAL;
    guest.registers[RBX] = selector::NOT_PRESENT.into();
    if row == DEVICE {
        let _ = guest.set_bits(field::GUEST_CR0, cr0::TS);
    }
    if row == STACK {
        let _ = guest.set(field::GUEST_RSP, NOT_CANONICAL);
    }
}

fn run(guest: &mut Guest) -> Exit {
    guest.run().unwrap_or(Exit { reason: u32::MAX, ..Exit::default() })
}

/// Each exception exits by the bit of its vector, with type, error code and address, at the instruction; a page fault leaves CR2 alone.
#[case(feature = VmxExceptions, spec = [sdm3c("Information for VM Exits Due to Vectored Events"), sdm3c("Other Causes of VM Exits")],
       needs = Needs::INTEL | Needs::VMX)]
fn each_exception_exits() {
    const CR2: u64 = 0x1234_5000;
    with_guest(divide, |guest| {
        for (row, raised) in TABLE.iter().enumerate() {
            prepare(guest, row, raised);
            let _ = guest.set(field::EXCEPTION_BITMAP, 1 << (raised.event & 31));
            let _ = control::write_cr2(CR2);
            let exit = run(guest);
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
            let with_code = if raised.error_code.is_some() { interruption::HAS_ERROR_CODE } else { 0 };
            let due = interruption::VALID | with_code | raised.event;
            check_eq!("interruption information", [NAMES; row], exit.interruption, due);
            if let Some(error_code) = raised.error_code {
                check_eq!("error code", [NAMES; row], exit.error_code, error_code);
            }
            if let Some(length) = raised.length {
                check_eq!("instruction length", [NAMES; row], exit.length, length);
            }
            check_eq!("exit qualification", [NAMES; row], exit.qualification, raised.qualification);
            check_eq!("no event was being delivered", [NAMES; row], exit.vectoring & 1 << 31, 0);
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
            check_eq!("CR2", [NAMES; row], control::read_cr2(), CR2);
            guest.reset();
        }
    });
}

/// Without the bit of its vector an exception is delivered to L2: there is no gate, and the #GP of the delivery exits with the first exception
/// in the IDT-vectoring information.
#[case(feature = VmxExceptions, spec = [sdm3c("Information for VM Exits That Occur During Event Delivery"), sdm3c("Other Causes of VM Exits")],
       needs = Needs::INTEL | Needs::VMX)]
fn fault_of_a_delivery_tells_what_was_delivered() {
    with_guest(divide, |guest| {
        // #GP, #SS and #NP meet another contributory exception in the delivery: #DF.
        for (row, raised) in TABLE.iter().enumerate().filter(|(_, raised)| matches!(raised.event & 31, 3 | 6 | 7)) {
            prepare(guest, row, raised);
            let _ = guest.set(field::EXCEPTION_BITMAP, u64::from(!(1_u32 << (raised.event & 31))));
            let exit = run(guest);
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
            const PROTECTION: u32 =
                interruption::VALID | interruption::HAS_ERROR_CODE | interruption::HARDWARE_EXCEPTION | 13;
            check_eq!("interruption information", [NAMES; row], exit.interruption, PROTECTION);
            // The index of the gate, in the IDT; EXT unless the event was a software exception.
            let is_software = raised.event & 0x700 == interruption::SOFTWARE_EXCEPTION;
            let due = (raised.event & 31) << 3 | 2 | u32::from(!is_software);
            check_eq!("error code", [NAMES; row], exit.error_code, due);
            check_eq!("IDT-vectoring information", [NAMES; row], exit.vectoring, interruption::VALID | raised.event);
            guest.reset();
        }
    });
}

/// An L2 without gates whose exceptions do not exit ends in a triple fault, which exits and leaves the host running.
#[case(feature = VmxExceptions, spec = sdm3c("Other Causes of VM Exits"), needs = Needs::INTEL | Needs::VMX)]
fn triple_fault_exits() {
    with_guest(divide, |guest| {
        for (row, raised) in TABLE.iter().enumerate() {
            prepare(guest, row, raised);
            let _ = guest.set(field::EXCEPTION_BITMAP, 0);
            check_eq!("exit reason", [NAMES; row], run(guest).reason, reason::TRIPLE_FAULT);
            guest.reset();
        }
    });
}

/// A page fault exits if its error code, masked, equals the match and bit 14 of the exception bitmap is 1, or if it differs and the bit is 0.
#[case(feature = VmxExceptions, spec = sdm3c("Exception Bitmap"), needs = Needs::INTEL | Needs::VMX)]
fn page_faults_by_mask_and_match() {
    const WRITE: u64 = 2;
    let rows = [(0, 0), (WRITE, WRITE), (WRITE, 0), (0, WRITE), (0xffff_ffff, WRITE), (0xffff_ffff, 0)];
    with_guest(page_fault_write, |guest| {
        for (row, (mask, value)) in rows.into_iter().enumerate() {
            for bit in [0_u64, 1] {
                guest.registers[RDI] = UNMAPPED;
                let _ = guest.set(field::EXCEPTION_BITMAP, bit << 14);
                let _ = guest.set(field::PAGE_FAULT_MASK, mask);
                let _ = guest.set(field::PAGE_FAULT_MATCH, value);
                let exits = (WRITE & mask == value) == (bit == 1);
                // Its delivery fails three times where it does not exit.
                let due = if exits { reason::EXCEPTION_OR_NMI } else { reason::TRIPLE_FAULT };
                check_eq!("exit reason", [&[]; row * 2 + bit as usize], run(guest).reason, due);
                guest.reset();
            }
        }
    });
}

user_code!(endless: "2:", "pause", "jmp 2b");

/// The preemption timer ends an L2 that does not end, and a value of 0 before its first instruction.
#[case(feature = VmxPreemptionTimer, spec = sdm3c("VMX-Preemption Timer"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_PREEMPTION_TIMER)]
fn timer_ends_an_endless_guest() {
    with_guest(endless, |guest| {
        for (row, ticks) in [0, 1, 100, 10_000].into_iter().enumerate() {
            let _ = guest.set_bits(field::PIN_CONTROLS, pin::PREEMPTION_TIMER.into());
            let _ = guest.set(field::PREEMPTION_TIMER, ticks);
            let exit = run(guest);
            check_eq!("exit reason", [&[]; row], exit.reason, reason::PREEMPTION_TIMER);
            check_eq!("exit qualification", [&[]; row], exit.qualification, 0);
            if ticks == 0 {
                check_eq!("RIP from the start", exit.rip.wrapping_sub(guest.start()), 0);
            }
            guest.reset();
        }
    });
}
