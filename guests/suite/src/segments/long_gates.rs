//! Call and interrupt gates in 64-bit mode: stacks, flags, and what refuses them.

use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    descriptors::{Descriptors, FREE, WholeGate},
    excursion::tables::{access, flag, gate, segment},
    gate::Stack,
    layout, mmio, names, paging,
    tables::selector,
    user::{self, State, register},
    user_code,
};

const GATE: u16 = FREE + 32;
const CODE: u16 = FREE + 64;
const FLAG_L: u32 = 1 << 21;
const VECTOR: u8 = 0x80;
const DPL_3: u32 = access::DPL_3;

// What a gate leads to: it shows as #UD.
user_code!(undefined: "ud2");
user_code!(call_gate: "mov rsi, rsp", "sub rsp, 16", "mov dword ptr [rsp + 4], edi", ".byte 0xff, 0x1c, 0x24", "ud2");
user_code!(jump_gate: "mov rsi, rsp", "sub rsp, 16", "mov dword ptr [rsp + 4], edi", ".byte 0xff, 0x2c, 0x24", "ud2");
user_code!(interrupt: "int 0x80", "ret");

fn target() -> u64 {
    undefined as *const () as usize as u64
}

const fn code(dpl: u32, kind: u32) -> u64 {
    segment(0, 0xf_ffff, kind | dpl << 5, FLAG_L | flag::G)
}

fn put_gate(table: &Descriptors, selector: u16, offset: u64, kind: u32) {
    table.set(GATE, gate(selector, offset as u32, kind, 0));
    table.set(GATE + 8, offset >> 32);
}

fn call(selector: u16) -> (Exception, State) {
    let mut state = State::calling(call_gate, selector.into());
    (user::enter(&mut state), state)
}

/// CALL through a 64-bit gate to CPL 0 takes RSP0 and a null SS, and saves SS, RSP, CS and RIP.
#[case(feature = CallGates, spec = [sdm3a("Stack Switching in 64-bit Mode"), sdm3a("Call Gates in 64-bit Mode"), apm2("Long-Mode Stack Switches")])]
fn call_to_an_inner_level() {
    let table = Descriptors::new();
    let top = paging::frame(1) + 4096;
    let _stack = Stack::privilege_0(top);
    put_gate(&table, selector::KERNEL_CODE, target(), access::CALL_GATE_32 | DPL_3);
    let (exception, state) = call(GATE | 3);
    check_outcome!("what is reached", exception, Outcome::UD);
    check_eq!("RIP", exception.rip, target());
    check_eq!("CS", exception.cs, selector::KERNEL_CODE);
    check_eq!("SS", exception.ss, 0);
    check_eq!("RSP", exception.rsp, top - 32);
    check_eq!("saved SS", mmio::read_u64(top - 8), selector::USER_DATA);
    check_eq!("saved RSP", mmio::read_u64(top - 16), state.registers[register::RSI] - 16);
    check_eq!("saved CS", mmio::read_u64(top - 24), selector::USER_CODE);
    let next = mmio::read_u64(top - 32);
    check_eq!("saved RIP is that of UD2", u64::from(mmio::read_u16(next)), 0x0b0f);
}

/// CALL through a 64-bit gate to code of CPL 3 and to conforming code stays on its stack.
#[case(feature = CallGates, spec = [sdm3a("Call Gates in 64-bit Mode"), sdm2("CALL—Call Procedure"), apm2("Long-Mode Call Gates")])]
fn call_to_the_same_level() {
    const CODES: &[rt::vocabulary::Text] = names!["CPL 3", "conforming, DPL 0", "conforming, DPL 3"];
    let table = Descriptors::new();
    for (row, (dpl, kind)) in
        [(3, access::CODE), (0, access::CONFORMING), (3, access::CONFORMING)].into_iter().enumerate()
    {
        table.set(CODE, code(dpl, kind));
        put_gate(&table, CODE, target(), access::CALL_GATE_32 | DPL_3);
        let (exception, state) = call(GATE | 3);
        check_outcome!("what is reached", [CODES; row], exception, Outcome::UD);
        check_eq!("RIP", [CODES; row], exception.rip, target());
        check_eq!("CS", [CODES; row], exception.cs, CODE | 3);
        check_eq!("RSP", [CODES; row], exception.rsp, state.registers[register::RSI] - 32);
        check_eq!("SS", [CODES; row], exception.ss, selector::USER_DATA);
    }
}

/// A 64-bit call gate is refused by its own DPL and P, its upper half, the code it names and a target that is not
/// canonical.
#[case(feature = CallGates, spec = [sdm2("CALL—Call Procedure"), sdm3a("Call Gates in 64-bit Mode"), apm2("Long-Mode Call Gates")])]
fn gates_that_are_refused() {
    const ROWS: &[rt::vocabulary::Text] = names![
        "DPL 0",
        "not present",
        "null code segment",
        "32-bit code segment",
        "L and D set",
        "data segment",
        "code not present",
        "code beyond the limit",
        "target not canonical",
        "type in the upper half",
        "16-bit call gate",
        "task gate",
        "64-bit TSS"
    ];
    let table = Descriptors::new();
    let kind = access::CALL_GATE_32 | DPL_3;
    let gp = |selector: u16| Outcome::gp(u32::from(selector & 0xfffc));
    let np = |selector: u16| Outcome::exception(11, u32::from(selector & 0xfffc));
    let rows: [(u32, u16, u64, u64, Outcome); 13] = [
        (access::CALL_GATE_32, selector::KERNEL_CODE, 0, 0, gp(GATE)),
        (kind & !access::PRESENT, selector::KERNEL_CODE, 0, 0, np(GATE)),
        (kind, 0, 0, 0, Outcome::GP),
        (kind, selector::KERNEL_CODE_32, 0, 0, gp(selector::KERNEL_CODE_32)),
        (kind, CODE, segment(0, 0xf_ffff, access::CODE, FLAG_L | flag::FLAT), 0, gp(CODE)),
        (kind, selector::USER_DATA & !3, 0, 0, gp(selector::USER_DATA)),
        (kind, CODE, code(0, access::CODE & !access::PRESENT), 0, np(CODE)),
        (kind, 0xfff8, 0, 0, gp(0xfff8)),
        (kind, selector::KERNEL_CODE, 0, 0x8000_0000_0000 >> 32, Outcome::GP),
        (kind, selector::KERNEL_CODE, 0, 1 << 40, gp(GATE)),
        (access::CALL_GATE_16 | DPL_3, selector::KERNEL_CODE, 0, 0, gp(GATE)),
        (access::TASK_GATE | DPL_3 | access::PRESENT, selector::KERNEL_CODE, 0, 0, gp(GATE)),
        (access::TSS_32 | DPL_3, selector::KERNEL_CODE, 0, 0, gp(GATE)),
    ];
    for (row, (kind, code_selector, descriptor, upper, expected)) in rows.into_iter().enumerate() {
        if descriptor != 0 {
            table.set(CODE, descriptor);
        }
        put_gate(&table, code_selector, target(), kind);
        table.set(GATE + 8, target() >> 32 | upper);
        let (exception, state) = call(GATE | 3);
        check_outcome!("CALL", [ROWS; row], exception, expected);
        check_eq!("RSP", [ROWS; row], exception.rsp, state.registers[register::RSI] - 16);
        let jump = user::enter(&mut State::calling(jump_gate, (GATE | 3).into()));
        // The gate itself is judged alike; what it leads to may be refused for its level first.
        if matches!(row, 0..=2 | 9..) {
            check_outcome!("JMP", [ROWS; row], jump, expected);
        } else {
            check_eq!("vector of JMP", [ROWS; row], jump.vector, 13);
        }
    }
    put_gate(&table, selector::KERNEL_CODE, target(), access::CALL_GATE_32 | DPL_3);
    let jump = user::enter(&mut State::calling(jump_gate, (GATE | 3).into()));
    check_outcome!("JMP to CPL 0", jump, gp(selector::KERNEL_CODE));
}

/// INT n through gates of every type: interrupt and trap gates are taken, all others raise #GP with IDT in the code.
#[case(feature = InterruptGates, spec = [sdm3a("64-Bit Mode IDT"), sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), apm2("Long-Mode Interrupt Control Transfers")])]
fn gates_by_type() {
    let error = u32::from(VECTOR) << 3 | 2;
    let address = layout::IDT + u64::from(VECTOR) * 16;
    let (low, high) = (mmio::read_u64(address), mmio::read_u64(address + 8));
    for kind in 0..32_u64 {
        for (row, dpl) in (kind * 4..).zip(0..4_u64) {
            let changed = low & !(0xff << 40) | (kind | dpl << 5 | 0x80) << 40;
            let _gate = WholeGate::new(VECTOR, changed, high);
            let is_taken = (kind == 0xe || kind == 0xf) && dpl == 3;
            // The vector's usual handler shows the interrupt itself.
            let expected = if is_taken { Outcome::exception(VECTOR, 0) } else { Outcome::gp(error) };
            check_outcome!("type times 4 plus DPL", [&[]; row], user::call(interrupt, 0), expected);
        }
    }
}

/// A gate to code that is null, of an outer level, no code, 32-bit, not present or beyond the limit is refused with that
/// selector in the error code; conforming code is taken at CPL 3.
#[case(feature = InterruptGates, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), apm2("Long-Mode Interrupt Control Transfers")])]
fn gates_by_code_segment() {
    const ROWS: &[rt::vocabulary::Text] =
        names!["null", "data", "32-bit code", "not present", "beyond the limit", "L and D set", "TSS"];
    let table = Descriptors::new();
    let gp = |selector: u16| Outcome::gp(u32::from(selector & 0xfffc));
    let rows: [(u16, u64, Outcome); 7] = [
        (0, 0, Outcome::GP),
        (selector::KERNEL_DATA, 0, gp(selector::KERNEL_DATA)),
        (selector::KERNEL_CODE_32, 0, gp(selector::KERNEL_CODE_32)),
        (CODE, code(0, access::CODE & !access::PRESENT), Outcome::exception(11, CODE.into())),
        (0xfff8, 0, gp(0xfff8)),
        (CODE, segment(0, 0xf_ffff, access::CODE, FLAG_L | flag::FLAT), gp(CODE)),
        (selector::TSS, 0, gp(selector::TSS)),
    ];
    let address = layout::IDT + u64::from(VECTOR) * 16;
    let (low, high) = (mmio::read_u64(address), mmio::read_u64(address + 8));
    for (row, (value, descriptor, expected)) in rows.into_iter().enumerate() {
        if descriptor != 0 {
            table.set(CODE, descriptor);
        }
        let _gate = WholeGate::new(VECTOR, low & !0xffff_0000 | u64::from(value) << 16, high);
        check_outcome!("INT n", [ROWS; row], user::call(interrupt, 0), expected);
    }
}

user_code!(return_with_flags: "mov rdx, rsp", "mov eax, ss", "push rax", "push rdx", "push rdi", "mov eax, cs",
           "push rax", "lea rax, [rip + 2f]", "push rax", "iretq", "2: pushfq", "pop rax", "mov rsp, rdx",
           "push 2", "popfq", "ret");

/// IRETQ at CPL 3 loads the arithmetic flags, DF, AC, NT and ID; it changes IF only if IOPL is 3, and IOPL never.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm3("IRET")])]
fn flags_at_cpl_3() {
    const FLAGS: &[rt::vocabulary::Text] = names![
        "CF", "PF", "AF", "ZF", "SF", "DF", "OF", "NT", "AC", "ID", "IF", "IOPL", "VIF", "VIP", "bit 3", "bit 63"
    ];
    let bits: [(u64, bool); 16] = [
        (1, true),
        (1 << 2, true),
        (1 << 4, true),
        (1 << 6, true),
        (1 << 7, true),
        (1 << 10, true),
        (1 << 11, true),
        (1 << 14, true),
        (1 << 18, true),
        (1 << 21, true),
        (1 << 9, false),
        (3 << 12, false),
        (1 << 19, false),
        (1 << 20, false),
        (1 << 3, false),
        (1 << 63, false),
    ];
    for (row, (bit, is_loaded)) in bits.into_iter().enumerate() {
        let result = user::call(return_with_flags, bit | 2);
        check_outcome!("IRETQ", [FLAGS; row], result, Outcome::COMPLETED);
        let expected = if is_loaded { bit } else { 0 };
        check_eq!("flag", [FLAGS; row], result.unwrap_or(!0) & bit, expected);
    }
    let result = user::call_with_flags(return_with_flags, 2 | 3 << 12, user::RFLAGS_IOPL_3);
    check_eq!("IF stays clear with IOPL 3", result.unwrap_or(!0) >> 9 & 1, 0);
    check_eq!("IOPL as it was", result.unwrap_or(0) >> 12 & 3, 3);
    let result = user::call_with_flags(return_with_flags, 2, user::RFLAGS_IOPL_3);
    check_eq!("IOPL cannot be lowered", result.unwrap_or(0) >> 12 & 3, 3);
}
