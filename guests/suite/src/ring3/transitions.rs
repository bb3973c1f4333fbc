//! Ways from ring to ring and from mode to mode.

use rt::{
    Exception, Outcome, case, check_eq, check_outcome, instruction, mmio, names,
    paging::frame,
    tables::selector,
    user,
    user::{State, register},
    user_code,
};

user_code!(add_one: "lea rax, [rdi + 1]", "ret");
// Where a return that must fail would lead: it shows as #UD instead of running on.
user_code!(undefined: "ud2");
user_code!(read_ds: "xor eax, eax", "mov eax, ds", "ret");
user_code!(read_es: "xor eax, eax", "mov eax, es", "ret");
user_code!(read_cs: "xor eax, eax", "mov eax, cs", "ret");
user_code!(read_ss: "xor eax, eax", "mov eax, ss", "ret");

/// A function called at CPL 3 returns its result.
#[case(feature = Ring3Transitions, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn call_and_return() {
    let result = user::call(add_one, 41);
    check_outcome!("call", result, Outcome::COMPLETED);
    check_eq!("result", result.unwrap_or(0), 42);
}

/// IRETQ to CPL 3 loads CS and SS with the selectors on its stack, and RPL is CPL.
#[case(feature = Ring3Transitions, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn selectors_at_cpl_3() {
    check_eq!("CS", user::call(read_cs, 0).unwrap_or(0), selector::USER_CODE);
    check_eq!("SS", user::call(read_ss, 0).unwrap_or(0), selector::USER_DATA);
}

/// IRETQ to CPL 3 makes DS and ES null if they hold a data segment of CPL 0, and keeps one of CPL 3.
#[case(feature = Ring3Transitions, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn iret_nulls_data_segments_of_cpl_0() {
    let table = [(selector::KERNEL_DATA, 0), (selector::USER_DATA, selector::USER_DATA), (0, 0)];
    for (row, (value, expected)) in table.into_iter().enumerate() {
        let _ = instruction!("mov ds, {0:x}", in(reg) value);
        check_eq!("DS", [names!["of CPL 0", "of CPL 3", "null"]; row], user::call(read_ds, 0).unwrap_or(1), expected);
        let _ = instruction!("mov es, {0:x}", in(reg) value);
        check_eq!("ES", [names!["of CPL 0", "of CPL 3", "null"]; row], user::call(read_es, 0).unwrap_or(1), expected);
    }
}

/// All general-purpose registers keep their 64 bits on the way to CPL 3 and back.
#[case(feature = Ring3Transitions, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn registers_survive_the_way() {
    // UD2.
    mmio::write_u8(frame(0), 0x0f);
    mmio::write_u8(frame(0) + 1, 0x0b);
    let mut state = State::at(frame(0));
    for (index, value) in state.registers.iter_mut().enumerate() {
        *value = 0x0123_4567_89ab_cd00 + index as u64;
    }
    let exception = user::enter(&mut state);
    check_outcome!("UD2", exception, Outcome::UD);
    for (index, value) in state.registers.into_iter().enumerate() {
        check_eq!(
            "register",
            [names![
                "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14",
                "R15"
            ]; index],
            value,
            0x0123_4567_89ab_cd00 + index as u64
        );
    }
}

fn iretq(rip: u64, cs: u64, flags: u64, ss: u64) -> Result<(), Exception> {
    let rsp = user::stack_top();
    instruction!("push {0}", "push {1}", "push {2}", "push {3}", "push {4}", "iretq", in(reg) ss, in(reg) rsp,
                 in(reg) flags, in(reg) cs, in(reg) rip)
}

/// IRETQ refuses a null CS, one beyond the limit or of data, one whose RPL is below CPL's, an SS that does not fit, and
/// NT set, with #GP and the selector.
#[case(feature = Ring3Transitions, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn iret_refuses_selectors() {
    let code = u64::from(selector::USER_CODE);
    let data = u64::from(selector::USER_DATA);
    let table = [
        (0, data, Outcome::GP),
        (u64::from(selector::BEYOND_LIMIT) | 3, data, Outcome::gp(selector::BEYOND_LIMIT as u32)),
        (data, data, Outcome::gp(data as u32 & !3)),
        (code & !3, data, Outcome::gp(code as u32 & !3)),
        (code, data & !3, Outcome::gp(data as u32 & !3)),
        (code, u64::from(selector::KERNEL_DATA), Outcome::gp(selector::KERNEL_DATA as u32)),
        (code, u64::from(selector::KERNEL_DATA) | 3, Outcome::gp(selector::KERNEL_DATA as u32)),
        (code, code, Outcome::gp(code as u32 & !3)),
        (code, 0, Outcome::GP),
    ];
    for (row, (cs, ss, expected)) in table.into_iter().enumerate() {
        check_outcome!(
            "IRETQ",
            [names![
                "null CS",
                "CS beyond the limit",
                "CS of data",
                "CS with RPL 0",
                "SS with RPL 0",
                "SS of CPL 0",
                "SS of CPL 0 with RPL 3",
                "SS of code",
                "null SS"
            ]; row],
            iretq(undefined as *const () as usize as u64, cs, user::RFLAGS_CLEAR, ss),
            expected
        );
    }
    let result: Result<(), Exception> = instruction!(
        "pushfq",
        "or qword ptr [rsp], 0x4000",
        "popfq",
        "push 0",
        "push 0",
        "push 0",
        "push 0",
        "push 0",
        "iretq"
    );
    check_outcome!("NT set", result, Outcome::GP);
}

/// IRETQ to an address that is not canonical raises #GP(0).
///
/// On one vendor's processors the fault is that of IRETQ at CPL 0, on the other's that of the fetch at CPL 3.
#[case(feature = Ring3Transitions, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn iret_to_non_canonical_address() {
    for (row, rip) in [0x8000_0000_0000, 1 << 63, 0xffff_7fff_ffff_ffff].into_iter().enumerate() {
        let exception = user::enter(&mut State::at(rip));
        check_outcome!("to CPL 3", [names!["first", "bit 63", "last"]; row], exception, Outcome::GP);
    }
}

user_code!(same_level: "mov rdx, rsp", "mov eax, ss", "push rax", "lea rax, [rdx - 64]", "push rax", "push 0x3246",
           "mov eax, cs", "push rax", "lea rax, [rip + 2f]", "push rax", "iretq",
           "2: pushfq", "pop rax", "lea rcx, [rsp + 64]", "cmp rcx, rdx", "mov rsp, rdx", "je 3f", "xor eax, eax",
           "3: ret");

/// At CPL 3 IRETQ stays there, changes neither IF nor IOPL, and loads RSP and SS as in every return in 64-bit mode.
#[case(feature = Ring3Transitions, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn iret_at_cpl_3() {
    // Flags with IF, IOPL 3, ZF and PF; RAX is 0 if RSP was not the one on the stack.
    let result = user::call(same_level, 0);
    check_outcome!("IRETQ", result, Outcome::COMPLETED);
    check_eq!("RFLAGS", result.unwrap_or(0), 0x46);
}

/// A far return to a 32-bit code segment enters compatibility mode, where 48H is DEC and not REX.W, and one to the 64-bit
/// segment leaves it.
#[case(feature = Ring3Transitions, spec = [sdm2("RET—Return From Procedure"), sdm3a("64-bit Mode and Compatibility Mode Operation")])]
fn compatibility_mode_and_back() {
    // In compatibility mode: DEC EAX; JMP FAR 2B:<frame 0 + 16>. There, in 64-bit mode: REX.W INC RAX; UD2.
    let mut at = frame(0);
    let target = (frame(0) as u32 + 16).to_le_bytes();
    let far_jump = [0xea, target[0], target[1], target[2], target[3], selector::USER_CODE as u8, 0];
    mmio::write_u8(at, 0x48);
    for byte in far_jump {
        at += 1;
        mmio::write_u8(at, byte);
    }
    for (index, byte) in [0x48, 0xff, 0xc0, 0x0f, 0x0b].into_iter().enumerate() {
        mmio::write_u8(frame(0) + 16 + index as u64, byte);
    }
    let mut state = State::at(frame(0));
    state.cs = selector::USER_CODE_32;
    state.registers[register::RAX] = 0x8000_0000;
    let exception = user::enter(&mut state);
    check_outcome!("UD2 in 64-bit mode", exception, Outcome::UD);
    check_eq!("RIP", exception.rip, frame(0) + 19);
    check_eq!("CS", exception.cs, selector::USER_CODE);
    check_eq!("RAX: less one, then plus one", state.registers[register::RAX], 0x8000_0000);
    // In 64-bit mode the same bytes start with a prefix, and far JMP is undefined.
    let exception = user::enter(&mut State::at(frame(0)));
    check_outcome!("the same bytes in 64-bit mode", exception, Outcome::UD);
    check_eq!("their RIP", exception.rip, frame(0));
}

/// An exception in compatibility mode saves the 32-bit CS, and the frame is that of 64-bit mode.
#[case(feature = Ring3Transitions, spec = sdm3a("64-Bit Mode Stack Frame"))]
fn exception_in_compatibility_mode() {
    // INC EAX in 32-bit code, where 40H is no prefix; UD2.
    for (index, byte) in [0x40, 0x0f, 0x0b].into_iter().enumerate() {
        mmio::write_u8(frame(0) + index as u64, byte);
    }
    let mut state = State::at(frame(0));
    state.cs = selector::USER_CODE_32;
    let exception = user::enter(&mut state);
    check_outcome!("UD2", exception, Outcome::UD);
    check_eq!("RIP", exception.rip, frame(0) + 1);
    check_eq!("CS", exception.cs, selector::USER_CODE_32);
    check_eq!("SS", exception.ss, selector::USER_DATA);
    check_eq!("EAX", state.registers[register::RAX], 1);
}
