//! Loads, far branches and returns in 64-bit mode: types, S, DPL, P and RPL, a fifth of all rows.

use super::{
    model::{Descriptor, Systems, branch, load_data, load_stack, return_to},
    rows::{NR_DESCRIPTORS, NR_ROWS, descriptor, extent, row_selector},
    walk::{NAMES, expected, outcome_of},
};
use case::Site;
use rt::{
    Exception, Outcome, case,
    descriptors::{Descriptors, FREE},
    excursion::tables::{access, flag, segment},
    instruction,
    report::check,
    tables::selector,
    user, user_code,
};

/// Bytes from descriptor to descriptor: those of 16 bytes have zeros in their second half.
const STRIDE: usize = 16;
/// Every fifth row: all types, DPL, RPL and both of P are among them.
const STEP: usize = 5;
/// L: 64-bit code.
const FLAG_L: u32 = 1 << 21;
const STACK_RING_1: u16 = FREE | 1;
const STACK_RING_2: u16 = (FREE + 8) | 2;

const DATA_0: &[u32; NR_ROWS] = expected!(16, |selector, d| load_data(selector, Some(d), 0));
const DATA_3: &[u32; NR_ROWS] = expected!(16, |selector, d| load_data(selector, Some(d), 3));
const STACK_0: &[u32; NR_ROWS] = expected!(16, |selector, d| load_stack(selector, Some(d), 0, true));
const STACK_3: &[u32; NR_ROWS] = expected!(16, |selector, d| load_stack(selector, Some(d), 3, true));
const BRANCH_0: &[u32; NR_ROWS] = expected!(16, |selector, d| branch(selector, d, 0, Systems::Long));
const BRANCH_3: &[u32; NR_ROWS] = expected!(16, |selector, d| branch(selector, d, 3, Systems::Long));
const RETURN_0: &[u32; NR_ROWS] = expected!(16, |selector, d| return_to(selector, d, 0));
const RETURN_3: &[u32; NR_ROWS] = expected!(16, |selector, d| return_to(selector, d, 3));

fn row_segment(d: Descriptor) -> u64 {
    let (limit, is_flat) = extent(d);
    let flags = match (d.kind & 0x18 == 0x18, is_flat) {
        (true, _) => FLAG_L | flag::G,
        (false, true) => flag::FLAT,
        (false, false) => 0,
    };
    segment(0, limit, d.access(), flags)
}

fn table() -> Descriptors {
    let table = Descriptors::new();
    for number in 0..NR_DESCRIPTORS {
        table.set_ldt((number * STRIDE) as u16, row_segment(descriptor(number)));
    }
    for (ring, at) in [STACK_RING_1, STACK_RING_2].into_iter().enumerate() {
        table.set(at, segment(0, 0xf_ffff, access::DATA | (ring as u32 + 1) << 5, flag::FLAT));
    }
    table
}

/// Reports what each row leads to. Code that only a successful attempt reaches may end it with #UD.
fn walk(site: &'static Site, expected: &[u32; NR_ROWS], first: usize, step: usize, attempt: impl Fn(u16) -> Outcome) {
    let _table = table();
    for row in (first..NR_ROWS).step_by(step) {
        let actual = attempt(row_selector(row, STRIDE).value);
        check(site, row as u64, actual.0, outcome_of(expected[row]));
    }
}

user_code!(load_es: "mov es, edi", "ret");
user_code!(load_fs: "mov fs, edi", "ret");
user_code!(load_ss: "mov ss, edi", "ret");
user_code!(far_jump: "mov rdx, rsp", "sub rsp, 16", "lea eax, [rip + 2f]", "mov [rsp], eax", "mov [rsp + 4], edi",
           ".byte 0xff, 0x2c, 0x24", "2: mov rsp, rdx", "ret");
user_code!(far_call: "mov rdx, rsp", "sub rsp, 16", "lea eax, [rip + 2f]", "mov [rsp], eax", "mov [rsp + 4], edi",
           ".byte 0xff, 0x1c, 0x24", "2: mov rsp, rdx", "ret");
user_code!(far_return: "mov rdx, rsp", "push rdi", "lea rax, [rip + 2f]", "push rax", "retfq", "2: mov rsp, rdx",
           "ret");
user_code!(interrupt_return: "mov rdx, rsp", "mov eax, ss", "push rax", "push rdx", "push 2", "push rdi",
           "lea rax, [rip + 2f]", "push rax", "iretq", "2: mov rsp, rdx", "ret");

fn at_cpl_3(function: extern "C" fn(u64) -> u64) -> impl Fn(u16) -> Outcome {
    move |value| user::call(function, value.into()).into()
}

/// MOV ES at CPL 0 in 64-bit mode takes what it takes outside of it.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), apm2("Data-Access Privilege Checks")])]
fn data_segments_in_64_bit_mode_at_cpl_0() {
    let site = rt::site!("MOV ES", NAMES, Outcome);
    walk(site, DATA_0, 0, STEP, |value| instruction!("mov es, {0:x}", in(reg) value).into());
}

/// MOV SS at CPL 0 in 64-bit mode takes what it takes outside of it.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), apm2("Data-Access Privilege Checks")])]
fn stack_segments_in_64_bit_mode_at_cpl_0() {
    let site = rt::site!("MOV SS", NAMES, Outcome);
    let flat = selector::KERNEL_DATA;
    walk(site, STACK_0, 0, STEP, |value| {
        instruction!("mov ss, {0:x}", "mov ss, {1:x}", in(reg) value, in(reg) flat).into()
    });
}

/// MOV ES and FS at CPL 3 in 64-bit mode take what they take outside of it.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), apm2("Data-Access Privilege Checks")])]
fn data_segments_in_64_bit_mode_at_cpl_3() {
    walk(rt::site!("MOV ES", NAMES, Outcome), DATA_3, 1, STEP, at_cpl_3(load_es));
    walk(rt::site!("MOV FS", NAMES, Outcome), DATA_3, 0, 7, at_cpl_3(load_fs));
}

/// MOV SS at CPL 3 in 64-bit mode takes what it takes outside of it.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), apm2("Data-Access Privilege Checks")])]
fn stack_segments_in_64_bit_mode_at_cpl_3() {
    walk(rt::site!("MOV SS", NAMES, Outcome), STACK_3, 1, STEP, at_cpl_3(load_ss));
}

macro_rules! branch_at_cpl_0 {
    ($bytes:literal, $value:expr) => {
        instruction!(
            "mov {saved}, rsp", "sub rsp, 16", "lea {at:e}, [rip + 2f]", "mov [rsp], {at:e}",
            "mov [rsp + 4], {value:e}", $bytes, "2: mov rsp, {saved}", "push {code}", "lea {at}, [rip + 3f]",
            "push {at}", "retfq", "3:",
            saved = out(reg) _, at = out(reg) _, value = in(reg) u32::from($value), code = const selector::KERNEL_CODE,
        ).into()
    };
}

/// Far JMP and CALL at CPL 0 in 64-bit mode take code of CPL 0 and conforming code of CPL 0.
#[case(feature = FarBranches, spec = [sdm2("JMP—Jump"), sdm2("CALL—Call Procedure"), apm2("Control-Transfer Privilege Checks")])]
fn far_branches_in_64_bit_mode_at_cpl_0() {
    // Rows of segments: present, then absent.
    let (jump, call) = (rt::site!("far JMP", NAMES, Outcome), rt::site!("far CALL", NAMES, Outcome));
    let _table = table();
    for row in (NR_ROWS / 4..NR_ROWS / 2).chain(NR_ROWS / 4 * 3..NR_ROWS).step_by(STEP) {
        let value = row_selector(row, STRIDE).value;
        let expected = outcome_of(BRANCH_0[row]);
        let actual: Outcome = branch_at_cpl_0!(".byte 0xff, 0x2c, 0x24", value);
        check(jump, row as u64, actual.0, expected);
        let actual: Outcome = branch_at_cpl_0!(".byte 0xff, 0x1c, 0x24", value);
        check(call, row as u64, actual.0, expected);
    }
}

/// Far JMP and CALL at CPL 0 in 64-bit mode refuse every system descriptor but the call gate.
#[case(feature = FarBranches, spec = [sdm2("JMP—Jump"), sdm2("CALL—Call Procedure"), apm2("Call Gates")])]
fn far_branches_to_system_descriptors_in_64_bit_mode_at_cpl_0() {
    let (jump, call) = (rt::site!("far JMP", NAMES, Outcome), rt::site!("far CALL", NAMES, Outcome));
    let _table = table();
    for row in (0..NR_ROWS / 4).chain(NR_ROWS / 2..NR_ROWS / 4 * 3).step_by(STEP) {
        let value = row_selector(row, STRIDE).value;
        let expected = outcome_of(BRANCH_0[row]);
        let actual: Outcome = branch_at_cpl_0!(".byte 0xff, 0x2c, 0x24", value);
        check(jump, row as u64, actual.0, expected);
        let actual: Outcome = branch_at_cpl_0!(".byte 0xff, 0x1c, 0x24", value);
        check(call, row as u64, actual.0, expected);
    }
}

/// Far JMP and CALL at CPL 3 in 64-bit mode take code of CPL 3 and conforming code of any DPL.
#[case(feature = FarBranches, spec = [sdm2("JMP—Jump"), sdm2("CALL—Call Procedure"), apm2("Control-Transfer Privilege Checks")])]
fn far_branches_in_64_bit_mode_at_cpl_3() {
    walk(rt::site!("far JMP", NAMES, Outcome), BRANCH_3, 0, STEP, at_cpl_3(far_jump));
    walk(rt::site!("far CALL", NAMES, Outcome), BRANCH_3, 2, 11, at_cpl_3(far_call));
}

/// Far RET and IRETQ at CPL 3 in 64-bit mode go to no inner level.
#[case(feature = InterruptReturn, spec = [sdm2("RET—Return From Procedure"), sdm2("IRET/IRETD/IRETQ—Interrupt Return")])]
fn returns_in_64_bit_mode_at_cpl_3() {
    walk(rt::site!("far RET", NAMES, Outcome), RETURN_3, 0, STEP, at_cpl_3(far_return));
    walk(rt::site!("IRETQ", NAMES, Outcome), RETURN_3, 2, 11, at_cpl_3(interrupt_return));
}

fn stack_of(value: u16) -> u64 {
    let stacks = [selector::KERNEL_DATA, STACK_RING_1, STACK_RING_2, selector::USER_DATA];
    stacks[usize::from(value & 3)].into()
}

/// What code of the outer level ends with, by its UD2, is success.
fn reached(result: Result<(), Exception>) -> Outcome {
    match result {
        Err(exception) if Outcome::from(exception) == Outcome::UD => Outcome::COMPLETED,
        other => other.into(),
    }
}

/// IRETQ at CPL 0 takes code of the DPL that the selector's RPL tells, and conforming code of an inner one.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm2("Long-Mode Interrupt Control Transfers")])]
fn interrupt_returns_in_64_bit_mode_at_cpl_0() {
    let top = user::stack_top();
    walk(rt::site!("IRETQ", NAMES, Outcome), RETURN_0, 0, STEP, |value| {
        reached(instruction!("push {0}", "push {1}", "push 2", "push {2}", "lea {3}, [rip + 2f]", "push {3}", "iretq",
                             "2: ud2", in(reg) stack_of(value), in(reg) top, in(reg) u64::from(value), out(reg) _))
    });
}

/// Far RET at CPL 0 takes code of the DPL that the selector's RPL tells, and conforming code of an inner one.
#[case(feature = FarBranches, spec = [sdm2("RET—Return From Procedure"), apm2("Return Control Transfers")])]
fn far_returns_in_64_bit_mode_at_cpl_0() {
    let top = user::stack_top();
    walk(rt::site!("far RET", NAMES, Outcome), RETURN_0, 0, STEP, |value| {
        reached(instruction!("push {0}", "push {1}", "push {2}", "lea {3}, [rip + 2f]", "push {3}", "retfq",
                             "2: ud2", in(reg) stack_of(value), in(reg) top, in(reg) u64::from(value), out(reg) _))
    });
}
