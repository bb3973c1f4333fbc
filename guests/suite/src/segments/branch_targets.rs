//! Canonical checks of near and far branches in 64-bit mode, and limit checks of them outside of it.

use super::boundaries::{NAMES, TARGETS, is_canonical};
use case::Text;
use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    excursion::{
        ARENA, Arena, Code, Program, layout,
        register::{EAX, ESP},
        tables::{self, access, flag, segment, selector as arena_selector},
    },
    instruction, machine_code, names,
    tables::selector,
    user::{self, State, register},
    user_code,
};

user_code!(jump: "jmp rdi");
user_code!(jump_memory: "push rdi", "jmp [rsp]");
user_code!(call: "call rdi", "ud2");
user_code!(call_memory: "push rdi", "call [rsp]", "ud2");
user_code!(near_return: "push rdi", "ret");
user_code!(near_return_16: "push rdi", "ret 16");
user_code!(far_return: "mov eax, cs", "push rax", "push rdi", "retfq");
user_code!(interrupt_return: "mov rdx, rsp", "mov eax, ss", "push rax", "push rdx", "push 2", "mov eax, cs", "push rax",
           "push rdi", "iretq");

fn expected(target: u64, cpl: u8) -> Outcome {
    if !is_canonical(target) {
        Outcome::GP
    } else if cpl == 3 {
        Outcome::pf(4)
    } else {
        Outcome::pf(0)
    }
}

macro_rules! targets_at_cpl_3 {
    ($($(#[$doc:meta])* $name:ident, $title:literal, $spec:literal, $function:ident, $pushed:literal;)+) => {$(
        $(#[$doc])*
        #[case(feature = BranchTargets, spec = [sdm2($spec), sdm1("Canonical Addressing"), apm2("Canonical Address Form")])]
        fn $name() {
            for (row, target) in TARGETS.into_iter().enumerate() {
                let mut state = State::calling($function, target);
                let exception = user::enter(&mut state);
                check_outcome!($title, [NAMES; row], exception, expected(target, 3));
                if is_canonical(target) {
                    check_eq!("RIP and CR2 of the fetch", [NAMES; row], exception.rip ^ exception.cr2, 0);
                    check_eq!("RIP of the fetch", [NAMES; row], exception.rip, target);
                } else if !$spec.starts_with("IRET") && !$title.starts_with("far") {
                    // The return address and what was pushed: a branch that is refused leaves RSP.
                    check_eq!("RSP", [NAMES; row], exception.rsp, user::stack_top() - 8 - $pushed);
                }
            }
        }
    )+};
}

targets_at_cpl_3! {
    /// Near JMP by register at CPL 3 refuses every target that is not canonical.
    jump_to_each_boundary, "JMP", "JMP—Jump", jump, 0;
    /// Near JMP by memory at CPL 3 refuses every target that is not canonical.
    jump_by_memory_to_each_boundary, "JMP m", "JMP—Jump", jump_memory, 8;
    /// Near CALL by register at CPL 3 refuses every target that is not canonical, and pushes nothing then.
    call_to_each_boundary, "CALL", "CALL—Call Procedure", call, 0;
    /// Near CALL by memory at CPL 3 refuses every target that is not canonical, and pushes nothing then.
    call_by_memory_to_each_boundary, "CALL m", "CALL—Call Procedure", call_memory, 8;
    /// Near RET at CPL 3 refuses every target that is not canonical, and pops nothing then.
    return_to_each_boundary, "RET", "RET—Return From Procedure", near_return, 8;
    /// Near RET with an immediate at CPL 3 refuses every target that is not canonical, and pops nothing then.
    return_with_immediate_to_each_boundary, "RET 16", "RET—Return From Procedure", near_return_16, 8;
    /// Far RET at CPL 3 refuses every target that is not canonical.
    far_return_to_each_boundary, "far RET", "RET—Return From Procedure", far_return, 8;
    /// IRETQ at CPL 3 refuses every target that is not canonical.
    interrupt_return_to_each_boundary, "IRETQ", "IRET/IRETD/IRETQ—Interrupt Return", interrupt_return, 8;
}

/// At CPL 0 near JMP, CALL and RET refuse every target that is not canonical.
#[case(feature = BranchTargets, spec = [sdm2("JMP—Jump"), sdm2("CALL—Call Procedure"), sdm2("RET—Return From Procedure"), apm2("Canonical Address Form")])]
fn near_branches_at_cpl_0_to_each_boundary() {
    for (row, target) in TARGETS.into_iter().enumerate() {
        let attempts: [Result<(), Exception>; 3] = [
            instruction!("jmp {0}", in(reg) target),
            instruction!("call {0}", in(reg) target),
            instruction!("push {0}", "ret", in(reg) target),
        ];
        check_outcome!("JMP", [NAMES; row], attempts[0], expected(target, 0));
        check_outcome!("CALL", [NAMES; row], attempts[1], expected(target, 0));
        check_outcome!("RET", [NAMES; row], attempts[2], expected(target, 0));
    }
}

/// At CPL 0 far RET and IRETQ to the same level refuse every target that is not canonical.
#[case(feature = BranchTargets, spec = [sdm2("RET—Return From Procedure"), sdm2("IRET/IRETD/IRETQ—Interrupt Return")])]
fn far_returns_at_cpl_0_to_each_boundary() {
    let (code, data) = (u64::from(selector::KERNEL_CODE), u64::from(selector::KERNEL_DATA));
    for (row, target) in TARGETS.into_iter().enumerate() {
        let far: Result<(), Exception> = instruction!("push {1}", "push {0}", "retfq", in(reg) target, in(reg) code);
        check_outcome!("far RET", [NAMES; row], far, expected(target, 0));
        let interrupt: Result<(), Exception> = instruction!("mov {3}, rsp", "push {2}", "push {3}", "push 2", "push {1}",
            "push {0}", "iretq", in(reg) target, in(reg) code, in(reg) data, out(reg) _);
        check_outcome!("IRETQ", [NAMES; row], interrupt, expected(target, 0));
    }
}

/// At CPL 0 IRETQ to CPL 3 with a target that is not canonical raises #GP(0), at whichever level.
#[case(feature = BranchTargets, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn interrupt_return_to_cpl_3_to_each_boundary() {
    for (row, target) in TARGETS.into_iter().enumerate() {
        let mut state = State::at(target);
        state.registers[register::RAX] = 0;
        check_outcome!("IRETQ", [NAMES; row], user::enter(&mut state), expected(target, 3));
    }
}

machine_code! {
    /// Near branches to EAX, of which each may be refused.
    32 TARGET_JUMP_32 = "jmp eax";
    /// The same.
    32 TARGET_CALL_32 = "call eax";
    /// The same.
    32 TARGET_RETURN_32 = "push eax", "ret";
    /// The same.
    32 TARGET_FAR_RETURN_32 = "push cs", "push eax", "retf";
    /// Far JMP by memory.
    32 TARGET_FAR_JUMP_32 = "push cs", "push eax", ".byte 0xff, 0x2c, 0x24";
    /// Far CALL by memory.
    32 TARGET_FAR_CALL_32 = "push cs", "push eax", ".byte 0xff, 0x1c, 0x24";
    /// IRET.
    32 TARGET_INTERRUPT_RETURN_32 = "push 2", "push cs", "push eax", "iretd";
}

const LIMITED: u16 = arena_selector::FREE;
/// The last byte of the segment, which is a NOP; behind it stand INT3s, which nothing may reach.
const LAST: u32 = ARENA + layout::DATA + 0xfff;

fn check_limit(code: &Code, row: usize) {
    const BRANCHES: &[Text] = names!["JMP", "CALL", "RET", "far RET", "far JMP", "far CALL", "IRET"];
    let arena = Arena::new();
    tables::set_descriptor(LIMITED, segment(0, LAST, access::CODE, flag::D_B));
    tables::write_u32(layout::DATA + 0xffc, 0x90cc_cccc);
    tables::write_u32(layout::DATA + 0x1000, 0xcccc_cccc);
    tables::write_u32(layout::DATA + 0x1ffc, 0xcccc_cccc);
    let run = |target| {
        let mut program = Program::PROTECTED_32.with(&[(EAX, target)]);
        program.registers.cs = LIMITED.into();
        arena.run(&program, code)
    };
    let arrival = run(LAST);
    check_outcome!("behind the last byte", [BRANCHES; row], arrival.outcome(), Outcome::GP);
    check_eq!("EIP behind the last byte", [BRANCHES; row], arrival.registers.eip, LAST + 1);
    let arrival = run(LAST + 1);
    check_outcome!("first byte beyond", [BRANCHES; row], arrival.outcome(), Outcome::GP);
    if row == 1 {
        let top = Program::PROTECTED_32.registers.general[ESP];
        check_eq!("ESP of what is refused", [BRANCHES; row], arrival.registers.general[ESP], top);
    }
    check_outcome!("a page beyond", [BRANCHES; row], run(LAST + 0x1000).outcome(), Outcome::GP);
}

/// Near branches outside of 64-bit mode reach the last byte of the code segment, and raise #GP(0) beyond.
#[case(feature = BranchTargets, spec = [sdm3a("Limit Checking"), sdm2("JMP—Jump"), sdm2("CALL—Call Procedure"), apm2("Determining Limit Violations")])]
fn near_branches_to_the_code_segment_limit() {
    for (row, code) in [&TARGET_JUMP_32, &TARGET_CALL_32, &TARGET_RETURN_32].into_iter().enumerate() {
        check_limit(code, row);
    }
}

/// Far JMP and CALL outside of 64-bit mode reach the last byte of the code segment, and raise #GP(0) beyond.
#[case(feature = BranchTargets, spec = [sdm3a("Limit Checking"), sdm2("JMP—Jump"), sdm2("CALL—Call Procedure")])]
fn far_branches_to_the_code_segment_limit() {
    check_limit(&TARGET_FAR_JUMP_32, 4);
    check_limit(&TARGET_FAR_CALL_32, 5);
}

/// Far RET outside of 64-bit mode reaches the last byte of the code segment, and raises #GP(0) beyond.
#[case(feature = BranchTargets, spec = [sdm3a("Limit Checking"), sdm2("RET—Return From Procedure")])]
fn far_return_to_the_code_segment_limit() {
    check_limit(&TARGET_FAR_RETURN_32, 3);
}

/// IRET outside of 64-bit mode reaches the last byte of the code segment, and raises #GP(0) beyond.
#[case(feature = BranchTargets, spec = [sdm3a("Limit Checking"), sdm2("IRET/IRETD/IRETQ—Interrupt Return")])]
fn interrupt_return_to_the_code_segment_limit() {
    check_limit(&TARGET_INTERRUPT_RETURN_32, 6);
}
