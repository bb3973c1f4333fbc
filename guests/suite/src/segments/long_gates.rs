//! Call and interrupt gates in 64-bit mode: stacks, flags, and what refuses them.

use super::{
    long_gate_model::{
        BY_CODE, CODE, FLAGS, Flag, GATE, Inner, JUMP_TO_AN_INNER_LEVEL, REFUSED, Refused, SAME, Same, VECTOR, by_type,
        code, flag, inner, jump_seen, refused, same,
    },
    reporting::{report, report_once, sites},
};
use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    descriptors::{Descriptors, WholeGate},
    excursion::tables::{access, gate},
    gate::Stack,
    layout, mmio, names, paging,
    tables::selector,
    user::{self, State, register},
    user_code,
};

const DPL_3: u32 = access::DPL_3;

// What a gate leads to: it shows as #UD.
user_code!(undefined: "ud2");
user_code!(call_gate: "mov rsi, rsp", "sub rsp, 16", "mov dword ptr [rsp + 4], edi", ".byte 0xff, 0x1c, 0x24", "ud2");
user_code!(jump_gate: "mov rsi, rsp", "sub rsp, 16", "mov dword ptr [rsp + 4], edi", ".byte 0xff, 0x2c, 0x24", "ud2");
user_code!(interrupt: "int 0x80", "ret");

fn target() -> u64 {
    undefined as *const () as usize as u64
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
#[case(feature = CallGates, spec = [sdm3a("Stack Switching in 64-bit Mode"), sdm3a("IA-32e Mode Call Gates"), apm2("Long-Mode Stack Switches")])]
fn call_to_an_inner_level() {
    let table = Descriptors::new();
    let top = paging::frame(1) + 4096;
    let _stack = Stack::privilege_0(top);
    put_gate(&table, selector::KERNEL_CODE, target(), access::CALL_GATE_32 | DPL_3);
    let (exception, state) = call(GATE | 3);
    let seen = Inner {
        outcome: Outcome::from(exception).0,
        rip: exception.rip,
        cs: exception.cs.into(),
        ss: exception.ss.into(),
        rsp: exception.rsp,
        saved_ss: mmio::read_u64(top - 8),
        saved_rsp: mmio::read_u64(top - 16),
        saved_cs: mmio::read_u64(top - 24),
        next_code: mmio::read_u16(mmio::read_u64(top - 32)).into(),
    };
    let sites = sites![&[]; Outcome "what is reached", Hex "RIP", Hex "CS", Hex "SS", Hex "RSP", Hex "saved SS",
        Hex "saved RSP", Hex "saved CS", Hex "saved RIP is that of UD2"];
    report_once(sites, seen.beside(inner(target(), top, state.registers[register::RSI] - 16)));
}

/// CALL through a 64-bit gate to code of CPL 3 and to conforming code stays on its stack.
#[case(feature = CallGates, spec = [sdm3a("IA-32e Mode Call Gates"), sdm2("CALL—Call Procedure"), apm2("Control Transfers Through Call Gates")])]
fn call_to_the_same_level() {
    const CODES: &[rt::vocabulary::Text] = names!["CPL 3", "conforming, DPL 0", "conforming, DPL 3"];
    let table = Descriptors::new();
    for (row, (dpl, kind)) in SAME.into_iter().enumerate() {
        table.set(CODE, code(dpl, kind));
        put_gate(&table, CODE, target(), access::CALL_GATE_32 | DPL_3);
        let (exception, state) = call(GATE | 3);
        let seen = Same {
            outcome: Outcome::from(exception).0,
            rip: exception.rip,
            cs: exception.cs.into(),
            rsp: exception.rsp,
            ss: exception.ss.into(),
        };
        let sites = sites![CODES; Outcome "what is reached", Hex "RIP", Hex "CS", Hex "RSP", Hex "SS"];
        report(sites, row, seen.beside(same(target(), state.registers[register::RSI] - 16)));
    }
}

/// A 64-bit call gate is refused by its own DPL and P, its upper half, the code it names and a target that is not
/// canonical.
#[case(feature = CallGates, spec = [sdm2("CALL—Call Procedure"), sdm3a("IA-32e Mode Call Gates"), apm2("Control Transfers Through Call Gates")])]
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
    for (row, (kind, code_selector, descriptor, upper, _, _)) in REFUSED.into_iter().enumerate() {
        if descriptor != 0 {
            table.set(CODE, descriptor);
        }
        put_gate(&table, code_selector, target(), kind);
        table.set(GATE + 8, target() >> 32 | upper);
        let (exception, state) = call(GATE | 3);
        let jump = user::enter(&mut State::calling(jump_gate, (GATE | 3).into()));
        let seen = Refused {
            call: Outcome::from(exception).0,
            rsp: exception.rsp,
            jump: jump_seen(row, jump.into(), jump.vector),
        };
        let sites = sites![ROWS; Outcome "CALL", Hex "RSP", Outcome "JMP"];
        report(sites, row, seen.beside(refused(row, state.registers[register::RSI] - 16)));
    }
    put_gate(&table, selector::KERNEL_CODE, target(), access::CALL_GATE_32 | DPL_3);
    let jump = user::enter(&mut State::calling(jump_gate, (GATE | 3).into()));
    check_outcome!("JMP to CPL 0", jump, JUMP_TO_AN_INNER_LEVEL);
}

/// INT n through gates of every type: interrupt and trap gates are taken, all others raise #GP with IDT in the code.
#[case(feature = InterruptGates, spec = [sdm3a("64-Bit Mode IDT"), sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), apm2("Long-Mode Interrupt Control Transfers")])]
fn gates_by_type() {
    let address = layout::IDT + u64::from(VECTOR) * 16;
    let (low, high) = (mmio::read_u64(address), mmio::read_u64(address + 8));
    for kind in 0..32_u64 {
        for (row, dpl) in (kind * 4..).zip(0..4_u64) {
            let changed = low & !(0xff << 40) | (kind | dpl << 5 | 0x80) << 40;
            let _gate = WholeGate::new(VECTOR, changed, high);
            check_outcome!("type times 4 plus DPL", [&[]; row], user::call(interrupt, 0), by_type(kind, dpl));
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
    let address = layout::IDT + u64::from(VECTOR) * 16;
    let (low, high) = (mmio::read_u64(address), mmio::read_u64(address + 8));
    for (row, (value, descriptor, expected)) in BY_CODE.into_iter().enumerate() {
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
    const NAMES: &[rt::vocabulary::Text] = names![
        "CF", "PF", "AF", "ZF", "SF", "DF", "OF", "NT", "AC", "ID", "IF", "IOPL", "VIF", "VIP", "bit 3", "bit 63", "VM"
    ];
    for (row, (bit, _)) in FLAGS.into_iter().enumerate() {
        let result = user::call(return_with_flags, bit | 2);
        let seen = Flag { outcome: Outcome::from(result).0, flag: result.unwrap_or(!0) & bit };
        report(sites![NAMES; Outcome "IRETQ", Hex "flag"], row, seen.beside(flag(row)));
    }
    let result = user::call_with_flags(return_with_flags, 2 | 3 << 12, user::RFLAGS_IOPL_3);
    check_eq!("IF stays clear with IOPL 3", result.unwrap_or(!0) >> 9 & 1, 0);
    check_eq!("IOPL as it was", result.unwrap_or(0) >> 12 & 3, 3);
    let result = user::call_with_flags(return_with_flags, 2, user::RFLAGS_IOPL_3);
    check_eq!("IOPL cannot be lowered", result.unwrap_or(0) >> 12 & 3, 3);
}
