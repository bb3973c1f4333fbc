//! Where an exception's frame stands, and what is in it.

use core::sync::atomic::{AtomicU64, Ordering};
use rt::{
    Exception, Outcome, case, check, check_eq, check_outcome,
    gate::{Gate, Stack, gate_type},
    instruction, mmio, names,
    paging::frame,
    tables::selector,
    trap, user,
    user::State,
    user_code,
};

user_code!(ud2: "ud2");
user_code!(hlt: "hlt");

const UD: u8 = 6;
const GP: u8 = 13;
/// RIP, CS, RFLAGS, RSP and SS.
const FRAME_SIZE: u64 = 40;
const INTERRUPT_FLAG: u64 = 1 << 9;

/// The stack that an entry of the interrupt stack table names is used from its top, for faults with and without an
/// error code, at both privilege levels.
#[case(feature = ExceptionStackSwitch, spec = sdm3a("Interrupt Stack Table"))]
fn interrupt_stack_table_entry_is_used() {
    let top = frame(1);
    for index in 1..=7 {
        let (stack, no_code) = (Stack::interrupt(index, top), Gate::with_interrupt_stack(UD, index));
        let with_code = Gate::with_interrupt_stack(GP, index);
        let results: [Result<(), Exception>; 3] =
            [instruction!("ud2"), user::call(ud2, 0).map(|_| ()), user::call(hlt, 0).map(|_| ())];
        drop((stack, no_code, with_code));
        for (row, result) in results.into_iter().enumerate() {
            check_eq!(
                "address of the saved RIP",
                [names![
                    "IST1, #UD at CPL 0",
                    "IST1, #UD at CPL 3",
                    "IST1, #GP at CPL 3",
                    "IST2, #UD at CPL 0",
                    "IST2, #UD at CPL 3",
                    "IST2, #GP at CPL 3",
                    "IST3, #UD at CPL 0",
                    "IST3, #UD at CPL 3",
                    "IST3, #GP at CPL 3",
                    "IST4, #UD at CPL 0",
                    "IST4, #UD at CPL 3",
                    "IST4, #GP at CPL 3",
                    "IST5, #UD at CPL 0",
                    "IST5, #UD at CPL 3",
                    "IST5, #GP at CPL 3",
                    "IST6, #UD at CPL 0",
                    "IST6, #UD at CPL 3",
                    "IST6, #GP at CPL 3",
                    "IST7, #UD at CPL 0",
                    "IST7, #UD at CPL 3",
                    "IST7, #GP at CPL 3"
                ]; (index as usize - 1) * 3 + row],
                result.map_or_else(|exception| exception.saved_rip_address, |()| 0),
                top - FRAME_SIZE
            );
        }
    }
}

/// Without an interrupt stack, an exception at CPL 0 stays on its stack, aligned down to 16 bytes.
#[case(feature = ExceptionStackSwitch, spec = sdm3a("64-Bit Mode Stack Frame"))]
fn frame_is_aligned_on_the_same_stack() {
    let _gate = Gate::with_interrupt_stack(UD, 0);
    let mut state = [0_u64; 4];
    for (row, offset) in [0_u64, 1, 8, 15].into_iter().enumerate() {
        let result: Result<(), Exception> = instruction!("sub rsp, {}", "ud2", in(reg) offset);
        let (at, rsp) = result.map_or_else(|exception| (exception.saved_rip_address, exception.rsp), |()| (0, 0));
        state[row] = rsp;
        check_eq!(
            "address of the saved RIP",
            [names!["RSP", "RSP - 1", "RSP - 8", "RSP - 15"]; row],
            at,
            (rsp & !0xf) - FRAME_SIZE
        );
    }
    check_eq!("saved RSP, 1 byte lower", state[0].wrapping_sub(state[1]), 1);
    check_eq!("saved RSP, 15 bytes lower", state[0].wrapping_sub(state[3]), 15);
}

/// Without an interrupt stack, an exception at CPL 3 uses RSP0 of the TSS.
#[case(feature = ExceptionStackSwitch, spec = [sdm3a("Stack Switching in IA-32e Mode"), sdm3a("64-Bit Mode Stack Frame")])]
fn privilege_change_uses_rsp0() {
    let _gates = (Gate::with_interrupt_stack(UD, 0), Gate::with_interrupt_stack(GP, 0));
    for (row, top) in [frame(1), frame(2), frame(2) - 8, frame(2) - 1].into_iter().enumerate() {
        let _stack = Stack::privilege_0(top);
        let results = [user::call(ud2, 0), user::call(hlt, 0)];
        for (index, result) in results.into_iter().enumerate() {
            check_eq!(
                "address of the saved RIP",
                [names![
                    "#UD",
                    "#GP",
                    "#UD, another stack",
                    "#GP, another stack",
                    "#UD, 8 below",
                    "#GP, 8 below",
                    "#UD, 1 below",
                    "#GP, 1 below"
                ]; 2 * row + index],
                result.map_or_else(|exception| exception.saved_rip_address, |_| 0),
                (top & !0xf) - FRAME_SIZE
            );
        }
    }
}

/// The frame of an exception at CPL 3 holds CS, SS, RSP and RFLAGS of the interrupted code.
#[case(feature = ExceptionStackSwitch, spec = sdm3a("64-Bit Mode Stack Frame"))]
fn frame_holds_the_interrupted_state() {
    const FLAGS: [u64; 4] = [0, 0x8d5, 0x400, 0x24_0000];
    for (row, flags) in FLAGS.into_iter().enumerate() {
        let mut state = State::at(ud2 as *const () as usize as u64);
        state.rflags = user::RFLAGS_CLEAR | flags;
        let rsp = user::stack_top() - 0x123 * row as u64;
        state.registers[user::register::RSP] = rsp;
        let exception = user::enter(&mut state);
        check_eq!(
            "RIP",
            [names!["none", "OF SF ZF AF PF CF", "DF", "ID AC"]; row],
            exception.rip,
            ud2 as *const () as usize as u64
        );
        check_eq!("CS", [names!["none", "OF SF ZF AF PF CF", "DF", "ID AC"]; row], exception.cs, selector::USER_CODE);
        check_eq!("SS", [names!["none", "OF SF ZF AF PF CF", "DF", "ID AC"]; row], exception.ss, selector::USER_DATA);
        check_eq!("RSP", [names!["none", "OF SF ZF AF PF CF", "DF", "ID AC"]; row], exception.rsp, rsp);
        // RF is checked elsewhere.
        check_eq!(
            "RFLAGS",
            [names!["none", "OF SF ZF AF PF CF", "DF", "ID AC"]; row],
            exception.rflags & !(1 << 16),
            user::RFLAGS_CLEAR | flags
        );
    }
}

/// The frame of an exception at CPL 0 holds SS and RSP, too.
#[case(feature = ExceptionStackSwitch, spec = sdm3a("64-Bit Mode Stack Frame"))]
fn frame_at_cpl_0_holds_ss_and_rsp() {
    let _ = instruction!("mov ss, {0:x}", in(reg) selector::KERNEL_DATA);
    let mut rsp = 0_u64;
    let result: Result<(), Exception> = instruction!("mov [{}], rsp", "ud2", in(reg) &raw mut rsp);
    let Err(exception) = result else {
        check!("UD2 raises an exception", false);
        return;
    };
    check_eq!("SS", exception.ss, selector::KERNEL_DATA);
    check_eq!("CS", exception.cs, selector::KERNEL_CODE);
    check_eq!("RSP", exception.rsp, rsp);
}

/// An exception that changes to CPL 0 leaves a null selector in SS.
#[case(feature = ExceptionStackSwitch, spec = sdm3a("Stack Switching in IA-32e Mode"))]
fn privilege_change_nulls_ss() {
    check_outcome!("exception at CPL 3", user::call(ud2, 0), Outcome::UD);
    let mut ss = u64::MAX;
    let _ = instruction!("mov {0:e}, ss", "mov [{1}], {0}", out(reg) _, in(reg) &raw mut ss);
    check_eq!("SS behind it", ss, 0);
}

static FLAGS_IN_HANDLER: AtomicU64 = AtomicU64::new(0);

fn keep_flags(_: &mut trap::TrapFrame) {
    let mut flags = 0_u64;
    let _ = instruction!("pushfq", "pop {0}", "mov [{1}], {0}", out(reg) _, in(reg) &raw mut flags);
    FLAGS_IN_HANDLER.store(flags, Ordering::Relaxed);
}

/// RFLAGS as a handler for a software interrupt finds them, raised with these flags set.
fn flags_in_handler(flags: u64) -> u64 {
    let _handling = trap::handle(0x80, keep_flags);
    FLAGS_IN_HANDLER.store(u64::MAX, Ordering::Relaxed);
    let _ = instruction!("pushfq", "or qword ptr [rsp], {0}", "popfq", "int 0x80", "pushfq", "and qword ptr [rsp], {1}",
                         "popfq", in(reg) flags, in(reg) !flags);
    FLAGS_IN_HANDLER.load(Ordering::Relaxed)
}

/// An interrupt gate clears IF for its handler, a trap gate leaves it; both clear NT.
#[case(feature = ExceptionStackSwitch, spec = sdm3a("Flag Usage By Exception- or Interrupt-Handler Procedure"))]
fn gate_type_decides_interrupt_flag() {
    const NT: u64 = 1 << 14;
    mask_8259s();
    check_eq!("interrupt gate, IF set", flags_in_handler(INTERRUPT_FLAG) & INTERRUPT_FLAG, 0);
    check_eq!("interrupt gate, NT set", flags_in_handler(NT) & NT, 0);
    let _gate = Gate::with_type(0x80, gate_type::TRAP);
    check_eq!("trap gate, IF set", flags_in_handler(INTERRUPT_FLAG) & INTERRUPT_FLAG, INTERRUPT_FLAG);
    check_eq!("trap gate, IF clear", flags_in_handler(0) & INTERRUPT_FLAG, 0);
    check_eq!("trap gate, NT set", flags_in_handler(NT) & NT, 0);
}

/// Firmware may have left the 8259s with the timer's interrupt on; where there are none nobody listens.
fn mask_8259s() {
    use rt::cpu::port;
    const FIRST_MASK: u16 = 0x21;
    const SECOND_MASK: u16 = 0xa1;
    port::write_u8(FIRST_MASK, 0xff);
    port::write_u8(SECOND_MASK, 0xff);
}

/// IRETQ from a handler goes on behind the software interrupt, with registers, flags and stack as they were.
#[case(feature = ExceptionStackSwitch, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn return_from_a_handler() {
    let _handling = trap::handle(0x80, |_| ());
    let (mut rsp_before, mut rsp_after, mut flags) = (0_u64, 1_u64, 0_u64);
    let result = instruction!("mov {before}, rsp", "stc", "int 0x80", "mov {after}, rsp", "pushfq", "pop {flags}",
                              before = inout(reg) rsp_before, after = inout(reg) rsp_after,
                              flags = inout(reg) flags);
    check_outcome!("INT 80H with a handler", result, Outcome::COMPLETED);
    check_eq!("RSP", rsp_after, rsp_before);
    check_eq!("CF", flags & 1, 1);
    // At CPL 3: STC; INT 80H; UD2.
    for (index, byte) in [0xf9, 0xcd, 0x80, 0x0f, 0x0b].into_iter().enumerate() {
        mmio::write_u8(frame(0) + index as u64, byte);
    }
    let exception = user::enter(&mut State::at(frame(0)));
    check_outcome!("the UD2 behind INT 80H at CPL 3", exception, Outcome::UD);
    check_eq!("RIP at CPL 3", exception.rip, frame(0) + 3);
    check_eq!("CF at CPL 3", exception.rflags & 1, 1);
    check_eq!("CS at CPL 3", exception.cs, selector::USER_CODE);
}
