//! General registers, flags and memory.

use super::{number::*, *};
use iced_decoder::iced_x86::code_asm::*;

const A: u64 = 0x8000_1234_ffff_00f1;
const B: u64 = 0x7fff_edcb_0000_ff1f;

/// RAX, RBX and CF in; what RAX becomes.
type Operation = (fn(&mut CodeAssembler) -> Result<(), IcedError>, fn(u64, u64) -> u64);

#[test]
fn operations_on_registers_give_what_they_are_defined_to() {
    let operations: [Operation; 30] = [
        (|a| a.add(rax, rbx), |a, b| a.wrapping_add(b)),
        (|a| a.adc(rax, rbx), |a, b| a.wrapping_add(b).wrapping_add(1)),
        (|a| a.sub(rax, rbx), |a, b| a.wrapping_sub(b)),
        (|a| a.sbb(rax, rbx), |a, b| a.wrapping_sub(b).wrapping_sub(1)),
        (|a| a.and(rax, rbx), |a, b| a & b),
        (|a| a.or(rax, rbx), |a, b| a | b),
        (|a| a.xor(rax, rbx), |a, b| a ^ b),
        (|a| a.add(eax, ebx), |a, b| u64::from((a as u32).wrapping_add(b as u32))),
        (|a| a.add(ax, bx), |a, b| a & !0xffff | u64::from((a as u16).wrapping_add(b as u16))),
        (|a| a.add(al, bl), |a, b| a & !0xff | u64::from((a as u8).wrapping_add(b as u8))),
        (|a| a.add(ah, bh), |a, b| a & !0xff00 | (a & 0xff00).wrapping_add(b & 0xff00) & 0xff00),
        (|a| a.inc(rax), |a, _| a.wrapping_add(1)),
        (|a| a.dec(rax), |a, _| a.wrapping_sub(1)),
        (|a| a.neg(rax), |a, _| a.wrapping_neg()),
        (|a| a.not(rax), |a, _| !a),
        (|a| a.imul_2(rax, rbx), |a, b| a.wrapping_mul(b)),
        (|a| a.imul_3(rax, rbx, -7), |_, b| b.wrapping_mul(7).wrapping_neg()),
        (|a| a.shl(rax, 5), |a, _| a << 5),
        (|a| a.shr(rax, 5), |a, _| a >> 5),
        (|a| a.sar(rax, 5), |a, _| (a as i64 >> 5) as u64),
        (|a| a.rol(rax, 9), |a, _| a.rotate_left(9)),
        (|a| a.ror(rax, 9), |a, _| a.rotate_right(9)),
        (|a| a.bswap(rax), |a, _| a.swap_bytes()),
        (|a| a.movzx(eax, bl), |_, b| b & 0xff),
        (|a| a.movsx(eax, bh), |_, b| u64::from((b >> 8) as i8 as u32)),
        (|a| a.movsxd(rax, ebx), |_, b| b as i32 as u64),
        (|a| a.bsf(rax, rbx), |_, b| b.trailing_zeros().into()),
        (|a| a.bsr(rax, rbx), |_, b| b.ilog2().into()),
        (|a| a.lea(rax, qword_ptr(rbx + rax * 2 + 3)), |a, b| b.wrapping_add(a << 1).wrapping_add(3)),
        (|a| a.cmovc(rax, rbx), |_, b| b),
    ];
    let mut native = Native::start().unwrap();
    for (build, expected) in operations {
        let input = with_flags(with(with(input(build), RAX, A), RBX, B), flag::CF);
        let output = completed(&mut native, &input);
        let mut general = input.registers.general;
        general[RAX] = expected(A, B);
        assert_eq!(output.registers.general, general, "{:02x?}", input.code);
        assert_eq!(output.memory, input.content());
    }
}

#[test]
fn every_general_register_goes_in_and_comes_out() {
    let mut input = input(|a| a.nop());
    input.registers.general = std::array::from_fn(|number| 0x0123_4567_89ab_cdef_u64.rotate_left(4 * number as u32));
    let output = completed(&mut Native::start().unwrap(), &input);
    assert_eq!(output.registers.general, input.registers.general);
}

#[test]
fn every_flag_goes_in_and_comes_out() {
    let mut native = Native::start().unwrap();
    for flags in [flag::CF, flag::PF, flag::AF, flag::ZF, flag::SF, flag::DF, flag::OF, flag::ALL, 0] {
        let input = with_flags(input(|a| a.nop()), flags);
        assert_eq!(completed(&mut native, &input).registers.rflags, flags);
        let input = with_flags(input, flags | 1 << 18 | 1 << 14);
        assert_eq!(completed(&mut native, &input).registers.rflags & flag::ALL, flags, "AC and NT are not loaded");
    }
}

#[test]
fn flags_come_from_the_result() {
    let mut native = Native::start().unwrap();
    for (a, b, flags) in [
        (u64::MAX, 1, flag::CF | flag::PF | flag::AF | flag::ZF),
        (i64::MAX as u64, 1, flag::PF | flag::AF | flag::SF | flag::OF),
        (1, 1, 0),
        (0, 0, flag::PF | flag::ZF),
        (1 << 63, 1 << 63, flag::CF | flag::PF | flag::ZF | flag::OF),
    ] {
        let input = with(with(input(|a| a.add(rax, rbx)), RAX, a), RBX, b);
        assert_eq!(completed(&mut native, &input).registers.rflags, flags, "{a:#x} + {b:#x}");
    }
}

#[test]
fn flags_that_the_code_sets_do_no_harm() {
    let mut native = Native::start().unwrap();
    for bit in 0..22 {
        let mut input = input(|a| a.popfq());
        input.registers.general[RSP] = DATA;
        input.memory = (0..8).map(|index| (index, (1_u64 << bit).to_le_bytes()[usize::from(index)])).collect();
        let output = completed(&mut native, &input);
        assert_eq!(output.registers.rflags & flag::ALL, 1 << bit & flag::ALL, "bit {bit}");
        assert_eq!(output.registers.general[RSP], DATA + 8, "bit {bit}");
    }
}

#[test]
fn memory_is_read_and_written() {
    let mut native = Native::start().unwrap();
    let input = with(input(|a| a.add(qword_ptr(rdi + 0x10), rax)), RAX, A);
    let mut expected = input.content();
    let sum = word(&expected, 0x10).wrapping_add(A);
    expected[0x10..0x18].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(completed(&mut native, &input).memory, expected);

    let exchange = super::input(|a| a.lock().xadd(dword_ptr(rdi), eax));
    let output = completed(&mut native, &with(exchange.clone(), RAX, 5));
    let before = word(&exchange.content(), 0) as u32;
    assert_eq!(output.registers.general[RAX], u64::from(before));
    assert_eq!(word(&output.memory, 0) as u32, before.wrapping_add(5));
}

#[test]
fn every_window_can_be_used_up_to_its_absent_page() {
    let mut native = Native::start().unwrap();
    for window in Window::ALL {
        let input = with(in_window(input(|a| a.mov(dword_ptr(rdi + 0xffc), eax)), window), RAX, 0x1234_5678);
        let mut expected = input.content();
        expected[0xffc..0x1000].copy_from_slice(&0x1234_5678_u32.to_le_bytes());
        assert_eq!(completed(&mut native, &input).memory, expected, "{window:?}");
    }
}

#[test]
fn repeated_string_moves_run_to_their_end() {
    let mut native = Native::start().unwrap();
    let forwards = with(with(input(|a| a.rep().movsb()), RCX, 0x1800), RDI, DATA + 0x100);
    let mut expected = forwards.content();
    (0..0x1800).for_each(|index| expected[0x100 + index] = expected[index]);
    let output = completed(&mut native, &forwards);
    assert_eq!(output.memory, expected);
    assert_eq!(output.registers.general[RCX], 0);
    assert_eq!(output.registers.general[RSI], DATA + 0x1800);

    let backwards = with(with(input(|a| a.rep().stosw()), RCX, 4), RDI, DATA + 0x106);
    let output = completed(&mut native, &with_flags(backwards, flag::DF));
    assert_eq!(word(&output.memory, 0x100), 0);
    assert_eq!((output.registers.general[RDI], output.registers.rflags), (DATA + 0xfe, flag::DF));
}

#[test]
fn bases_of_fs_and_gs_count_and_come_out() {
    let mut native = Native::start().unwrap();
    let mut input = input(|a| a.mov(eax, dword_ptr(rbx + 4).fs()));
    input.registers.segment_bases[4] = DATA;
    input.registers.segment_bases[5] = 0x7654_3210_0000;
    let output = completed(&mut native, &input);
    assert_eq!(output.registers.general[RAX], u64::from((word(&input.content(), 0) >> 32) as u32));
    assert_eq!(output.registers.segment_bases, input.registers.segment_bases);

    let writes = with(super::input(|a| a.wrgsbase(rax)), RAX, 0x1234_5000);
    assert_eq!(completed(&mut native, &writes).registers.segment_bases, [0, 0, 0, 0, 0, 0x1234_5000]);
}

#[test]
fn the_stack_starts_as_zeros_each_time() {
    let mut native = Native::start().unwrap();
    let push = with(input(|a| a.push(rax)), RAX, A);
    assert_eq!(completed(&mut native, &push).registers.general[RSP], TOP - 8);
    let pop = with(input(|a| a.pop(rax)), RSP, TOP - 8);
    assert_eq!(completed(&mut native, &with(pop, RAX, B)).registers.general[RAX], 0);
}

#[test]
fn branches_end_where_they_lead_to() {
    let mut native = Native::start().unwrap();
    let jump = native.execute(&with(input(|a| a.jmp(rax)), RAX, 0x1234_5678)).unwrap();
    assert_eq!((jump.end, jump.registers.rip), (End::Completed, 0x1234_5678));
    let call = native.execute(&with(input(|a| a.call(rax)), RAX, 0x4321)).unwrap();
    assert_eq!((call.end, call.registers.rip, call.registers.general[RSP]), (End::Completed, 0x4321, TOP - 8));
    let through_memory = native.execute(&with(input(|a| a.ret()), RSP, DATA)).unwrap();
    // The seed gives an address that is not canonical.
    assert_eq!(through_memory.end, raised(13, Some(0), None));
    let not_taken = input(|a| a.jz(RIP + 0x40));
    completed(&mut native, &not_taken);
    let taken = native.execute(&with_flags(not_taken, flag::ZF)).unwrap();
    assert_eq!((taken.end, taken.registers.rip), (End::Completed, RIP + 0x40));
}

#[test]
fn code_may_stand_across_the_pages_of_code() {
    let mut native = Native::start().unwrap();
    for offset in 0xff0..0x1000 {
        let mut input = with(input(|a| a.mov(rax, A)), RAX, 0);
        input.registers.rip = window::CODE + offset;
        assert_eq!(completed(&mut native, &input).registers.general[RAX], A);
    }
}

#[test]
fn selectors_are_those_of_a_process() {
    let mut native = Native::start().unwrap();
    assert_eq!(completed(&mut native, &input(|a| a.mov(eax, ss))).registers.general[RAX], 0x2b);
    assert_eq!(completed(&mut native, &input(|a| a.mov(eax, cs))).registers.general[RAX], 0x33);
    let changes = with(input(|a| a.mov(ds, eax)), RAX, 0x2b);
    completed(&mut native, &changes);
    assert_eq!(completed(&mut native, &input(|a| a.mov(eax, ds))).registers.general[RAX], 0);
}

#[test]
fn breakpoints_stand_around_the_code() {
    let mut native = Native::start().unwrap();
    let before = with(input(|a| a.mov(rax, qword_ptr(rsi))), RSI, RIP - 8);
    assert_eq!(completed(&mut native, &before).registers.general[RAX], 0xcccc_cccc_cccc_cccc);
    // Where the code before stood.
    let mut after = with(input(|a| a.mov(rax, qword_ptr(rsi))), RSI, RIP);
    after.registers.rip = RIP + 0x100;
    assert_eq!(completed(&mut native, &after).registers.general[RAX], 0xcccc_cccc_cccc_cccc);
}
