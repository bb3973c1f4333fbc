//! Instructions whose result is known, on memory and on a device.

use super::*;

/// What an instruction is expected to do to RAX and to the bytes at RBX; flags come from agreement alone.
struct Row {
    name: &'static str,
    build: fn(&mut CodeAssembler) -> Result<(), IcedError>,
    expected: fn(rax: u64, memory: u64) -> (u64, u64),
}

const RCX: u64 = 0x0202_0202_0202_0202;

macro_rules! row {
    ($build:expr, $expected:expr) => {
        Row { name: stringify!($build), build: $build, expected: $expected }
    };
}

fn low(value: u64, size: u32, part: u64) -> u64 {
    let mask = u64::MAX >> (64 - size);
    value & !mask | part & mask
}

const ROWS: &[Row] = &[
    row!(|a| a.mov(rax, qword_ptr(rbx)), |_, m| (m, m)),
    row!(|a| a.mov(eax, dword_ptr(rbx)), |_, m| (m & 0xffff_ffff, m)),
    row!(|a| a.mov(ax, word_ptr(rbx)), |r, m| (low(r, 16, m), m)),
    row!(|a| a.mov(al, byte_ptr(rbx)), |r, m| (low(r, 8, m), m)),
    row!(|a| a.mov(ah, byte_ptr(rbx)), |r, m| (r & !0xff00 | (m & 0xff) << 8, m)),
    row!(|a| a.mov(qword_ptr(rbx), rcx), |r, _| (r, RCX)),
    row!(|a| a.mov(dword_ptr(rbx), ecx), |r, m| (r, low(m, 32, RCX))),
    row!(|a| a.mov(word_ptr(rbx), cx), |r, m| (r, low(m, 16, RCX))),
    row!(|a| a.mov(byte_ptr(rbx), ch), |r, m| (r, low(m, 8, 2))),
    row!(|a| a.mov(dword_ptr(rbx), -5), |r, m| (r, low(m, 32, -5_i64 as u64))),
    row!(|a| a.mov(qword_ptr(rbx), -5), |r, _| (r, -5_i64 as u64)),
    row!(|a| a.movzx(eax, byte_ptr(rbx)), |_, m| (m & 0xff, m)),
    row!(|a| a.movzx(rax, word_ptr(rbx)), |_, m| (m & 0xffff, m)),
    row!(|a| a.movsx(eax, byte_ptr(rbx)), |_, m| (m as i8 as i32 as u32 as u64, m)),
    row!(|a| a.movsx(rax, word_ptr(rbx)), |_, m| (m as i16 as u64, m)),
    row!(|a| a.movsxd(rax, dword_ptr(rbx)), |_, m| (m as i32 as u64, m)),
    row!(|a| a.add(qword_ptr(rbx), rcx), |r, m| (r, m.wrapping_add(RCX))),
    row!(|a| a.add(dword_ptr(rbx), ecx), |r, m| (r, low(m, 32, m.wrapping_add(RCX)))),
    row!(|a| a.add(rax, qword_ptr(rbx)), |r, m| (r.wrapping_add(m), m)),
    row!(|a| a.sub(qword_ptr(rbx), rcx), |r, m| (r, m.wrapping_sub(RCX))),
    row!(|a| a.sub(rax, qword_ptr(rbx)), |r, m| (r.wrapping_sub(m), m)),
    row!(|a| a.and(qword_ptr(rbx), rcx), |r, m| (r, m & RCX)),
    row!(|a| a.or(qword_ptr(rbx), rcx), |r, m| (r, m | RCX)),
    row!(|a| a.xor(qword_ptr(rbx), rcx), |r, m| (r, m ^ RCX)),
    row!(|a| a.xor(rax, qword_ptr(rbx)), |r, m| (r ^ m, m)),
    row!(|a| a.adc(qword_ptr(rbx), rcx), |r, m| (r, m.wrapping_add(RCX))),
    row!(|a| a.sbb(qword_ptr(rbx), rcx), |r, m| (r, m.wrapping_sub(RCX))),
    row!(|a| a.cmp(qword_ptr(rbx), rcx), |r, m| (r, m)),
    row!(|a| a.test(qword_ptr(rbx), rcx), |r, m| (r, m)),
    row!(|a| a.inc(qword_ptr(rbx)), |r, m| (r, m.wrapping_add(1))),
    row!(|a| a.dec(dword_ptr(rbx)), |r, m| (r, low(m, 32, m.wrapping_sub(1)))),
    row!(|a| a.neg(qword_ptr(rbx)), |r, m| (r, m.wrapping_neg())),
    row!(|a| a.not(qword_ptr(rbx)), |r, m| (r, !m)),
    row!(|a| a.shl(qword_ptr(rbx), 3), |r, m| (r, m << 3)),
    row!(|a| a.shr(qword_ptr(rbx), cl), |r, m| (r, m >> 2)),
    row!(|a| a.sar(qword_ptr(rbx), 7), |r, m| (r, (m as i64 >> 7) as u64)),
    row!(|a| a.rol(qword_ptr(rbx), 9), |r, m| (r, m.rotate_left(9))),
    row!(|a| a.ror(qword_ptr(rbx), 9), |r, m| (r, m.rotate_right(9))),
    row!(|a| a.xchg(qword_ptr(rbx), rax), |r, m| (m, r)),
    row!(|a| a.lock().xadd(qword_ptr(rbx), rax), |r, m| (m, m.wrapping_add(r))),
    row!(|a| a.lock().add(qword_ptr(rbx), rcx), |r, m| (r, m.wrapping_add(RCX))),
    row!(|a| a.lock().dec(qword_ptr(rbx)), |r, m| (r, m.wrapping_sub(1))),
    row!(|a| a.lock().cmpxchg(qword_ptr(rbx), rcx), |_, m| (m, m)),
    row!(|a| a.bt(dword_ptr(rbx), 3), |r, m| (r, m)),
    row!(|a| a.bts(qword_ptr(rbx), 3), |r, m| (r, m | 8)),
    row!(|a| a.lock().btr(dword_ptr(rbx), 3), |r, m| (r, m & !8)),
    row!(|a| a.btc(dword_ptr(rbx), 3), |r, m| (r, m ^ 8)),
    row!(|a| a.bsf(rax, qword_ptr(rbx)), |_, m| (m.trailing_zeros().into(), m)),
    row!(|a| a.bsr(rax, qword_ptr(rbx)), |_, m| (m.ilog2().into(), m)),
    row!(|a| a.imul_3(rax, qword_ptr(rbx), 7), |_, m| (m.wrapping_mul(7), m)),
    row!(|a| a.imul_2(rax, qword_ptr(rbx)), |r, m| (m.wrapping_mul(r), m)),
    row!(|a| a.sete(byte_ptr(rbx)), |r, m| (r, low(m, 8, 0))),
    row!(|a| a.setne(byte_ptr(rbx)), |r, m| (r, low(m, 8, 1))),
    row!(|a| a.cmove(rax, qword_ptr(rbx)), |r, m| (r, m)),
    row!(|a| a.cmovne(rax, qword_ptr(rbx)), |_, m| (m, m)),
    row!(|a| a.movbe(rax, qword_ptr(rbx)), |_, m| (m.swap_bytes(), m)),
    row!(|a| a.movnti(qword_ptr(rbx), rcx), |r, _| (r, RCX)),
    row!(|a| a.pop(qword_ptr(rbx)), |r, _| (r, 0)),
    row!(|a| a.push(qword_ptr(rbx)), |r, m| (r, m)),
    row!(|a| a.lea(rax, qword_ptr(rbx + 1)), |_, m| (Window::Plain.address() + OFFSET + 1, m)),
];

#[test]
fn known_instructions_do_what_they_say_on_memory_and_on_a_device() {
    let mut memory = executor(Flavour::MemoryUser);
    let mut mmio = executor(Flavour::MmioUser);
    let mut supervisor = executor(Flavour::MmioSupervisor);
    for Row { name, build, expected } in ROWS {
        let input = input(Window::Plain, OFFSET, build);
        let native = memory.execute(&input).unwrap();
        let before = u64::from_le_bytes(read_at(&input, 8).try_into().unwrap());
        let (loaded, after) = expected(input.registers.general[0], before);
        assert_eq!(native.end, End::Completed, "{name}");
        assert_eq!(native.registers.rip, input.registers.rip + input.code.len() as u64, "{name}");
        assert_eq!(native.registers.general[0], loaded, "{name}");
        let mut content = input.content();
        content[OFFSET as usize..][..8].copy_from_slice(&after.to_le_bytes());
        assert!(native.memory == content, "{name}");
        for emulated in [&mut mmio, &mut supervisor] {
            let emulated = emulated.execute(&input).unwrap();
            if !is_refusal(&emulated.end) {
                assert_agree(&native, &emulated, name);
                let is_used = !name.contains("lea");
                assert_eq!(emulated.accesses.is_some_and(|accesses| !accesses.is_empty()), is_used, "{name}");
            }
        }
    }
}

#[test]
fn executions_that_end_by_int3_give_what_others_give() {
    // Only CPL 3 can be kept from the port.
    for flavour in [Flavour::MemoryUser, Flavour::MmioUser] {
        let (mut by_port, mut by_int3) = (executor(flavour), executor(flavour));
        by_int3.end_by_int3();
        let inputs: Vec<Input> = ROWS.iter().map(|row| input(Window::Plain, OFFSET, row.build)).collect();
        for (input, Row { name, .. }) in inputs.iter().zip(ROWS) {
            assert!(by_int3.execute(input).unwrap() == by_port.execute(input).unwrap(), "{flavour:?} {name}");
        }
        let expected: Vec<Output> = by_port.execute_many(&inputs).into_iter().map(Result::unwrap).collect();
        let actual: Vec<Output> = by_int3.execute_many(&inputs).into_iter().map(Result::unwrap).collect();
        assert!(actual == expected, "{flavour:?}");
        // An instruction under test that is INT3 itself is an exception.
        let own = input(Window::Plain, OFFSET, |a| a.int3());
        assert_eq!(by_int3.execute(&own).unwrap().end, raised(3, None, None), "{flavour:?}");
    }
}

#[test]
fn vector_loads_and_stores_agree() {
    let mut memory = executor(Flavour::MemoryUser);
    let mut mmio = executor(Flavour::MmioUser);
    type Build = fn(&mut CodeAssembler) -> Result<(), IcedError>;
    let rows: &[(&str, Build)] = &[
        ("movups load", |a| a.movups(xmm1, xmmword_ptr(rbx))),
        ("movups store", |a| a.movups(xmmword_ptr(rbx), xmm1)),
        ("movaps store", |a| a.movaps(xmmword_ptr(rbx), xmm2)),
        ("movdqu load", |a| a.movdqu(xmm3, xmmword_ptr(rbx))),
        ("paddd", |a| a.paddd(xmm3, xmmword_ptr(rbx))),
        ("vmovdqu load", |a| a.vmovdqu(ymm1, ymmword_ptr(rbx))),
        ("vmovdqu store", |a| a.vmovdqu(ymmword_ptr(rbx), ymm1)),
        ("fld", |a| a.fld(qword_ptr(rbx))),
        ("fnstcw", |a| a.fnstcw(word_ptr(rbx))),
        ("fnstsw", |a| a.fnstsw(word_ptr(rbx))),
    ];
    let mut nr_compared = 0;
    for (name, build) in rows {
        let input = with_extended(input(Window::Plain, OFFSET, build));
        let native = memory.execute(&input).unwrap();
        assert_eq!(native.end, End::Completed, "{name}");
        let emulated = mmio.execute(&input).unwrap();
        if !is_refusal(&emulated.end) {
            assert_agree(&native, &emulated, name);
            nr_compared += 1;
        }
    }
    assert!(nr_compared >= 3, "{nr_compared}");
    let input = with_extended(input(Window::Plain, OFFSET, |a| a.vmovdqu(ymm1, ymmword_ptr(rbx))));
    let output = memory.execute(&input).unwrap();
    let extended = output.extended.unwrap();
    let loaded = [&extended.bytes()[176..192], &extended.bytes()[592..608]].concat();
    assert_eq!(loaded, read_at(&input, 32));
}

#[test]
fn accesses_are_told_in_order_and_split_at_pages() {
    use Direction::{Read, Write};
    let mut mmio = executor(Flavour::MmioUser);
    let mut accesses = |window, offset, build: fn(&mut CodeAssembler) -> Result<(), IcedError>| {
        mmio.execute(&input(window, offset, build)).unwrap().accesses.unwrap()
    };
    let base = Window::Plain.address();
    assert_eq!(
        accesses(Window::Plain, 0x10, |a| a.add(dword_ptr(rbx), ecx)),
        [access(Read, base + 0x10, 4), access(Write, base + 0x10, 4)]
    );
    assert_eq!(
        accesses(Window::Plain, 0xffd, |a| a.mov(qword_ptr(rbx), rcx)),
        [access(Write, base + 0xffd, 3), access(Write, base + 0x1000, 5)]
    );
    // Half a device and half memory: the device sees its half.
    let base = Window::EndsMemory.address();
    assert_eq!(accesses(Window::EndsMemory, 0xffd, |a| a.mov(qword_ptr(rbx), rcx)), [access(Write, base + 0xffd, 3)]);
    let base = Window::StartsMemory.address();
    assert_eq!(accesses(Window::StartsMemory, 0xffd, |a| a.mov(rax, qword_ptr(rbx))), [access(Read, base + 0x1000, 5)]);
}

#[test]
fn operands_across_pages_agree() {
    let mut memory = executor(Flavour::MemoryUser);
    let mut mmio = executor(Flavour::MmioUser);
    type Build = fn(&mut CodeAssembler) -> Result<(), IcedError>;
    let builds: [Build; 4] = [
        |a| a.mov(qword_ptr(rbx), rcx),
        |a| a.mov(rax, qword_ptr(rbx)),
        |a| a.add(qword_ptr(rbx), rcx),
        |a| a.xchg(qword_ptr(rbx), rax),
    ];
    for window in Window::ALL {
        for (index, build) in builds.iter().enumerate() {
            for offset in [0xff9, 0xffc, 0xfff] {
                let input = input(window, offset, build);
                let native = memory.execute(&input).unwrap();
                let second = window.address() + PAGE;
                let is_write = index != 1;
                let end = match window {
                    // The read of a read-modify-write counts as a write (Intel SDM vol. 3A, "Page-Fault Exceptions").
                    Window::EndsAbsent => raised(14, Some(if is_write { 6 } else { 4 }), Some(second)),
                    Window::EndsReadOnly if is_write => raised(14, Some(7), Some(second)),
                    _ => End::Completed,
                };
                assert_eq!(native.end, end, "{window:?} {index} {offset:#x}");
                let emulated = mmio.execute(&input).unwrap();
                // Of a store that faults in its second page, a device may have seen the first part or not.
                assert_agree(&native, &emulated, &format!("{window:?} {index} {offset:#x}"));
            }
        }
    }
}

#[test]
fn batches_give_what_single_executions_give() {
    let mut memory = executor(Flavour::MemoryUser);
    let mut inputs: Vec<Input> = Vec::new();
    for round in 0..3 {
        for (number, Row { build, .. }) in ROWS.iter().enumerate() {
            for window in [Window::Plain, Window::EndsAbsent, Window::EndsReadOnly, Window::StartsMemory] {
                let mut input = input(window, if round == 2 { 0xffd } else { OFFSET }, build);
                input.memory_seed = number as u64 / 7;
                inputs.push(input);
            }
            // One that faults, and one that goes elsewhere.
            inputs.push(input(Window::Plain, OFFSET, |a| a.div(qword_ptr(rbx))));
            inputs.push(bytes_input(Window::Plain, OFFSET, vec![0xeb, 0x40]));
        }
    }
    let single: Vec<Output> = inputs.iter().map(|input| memory.execute(input).unwrap()).collect();
    for _ in 0..3 {
        for ((output, expected), input) in memory.execute_many(&inputs).into_iter().zip(&single).zip(&inputs) {
            let output = output.unwrap();
            assert_eq!(output.end, expected.end, "{:02x?}", input.code);
            assert_eq!(output.registers, expected.registers, "{:02x?}", input.code);
            assert!(output == *expected, "{:02x?}", input.code);
        }
    }
    assert!(memory.nr_batched() > inputs.len() as u64, "{} of {}", memory.nr_batched(), inputs.len());
}

#[test]
fn compatibility_mode_agrees_where_kvm_executes_it() {
    let mut memory = executor(Flavour::MemoryUser);
    let mut mmio = executor(Flavour::MmioUser);
    let mut input = input(Window::Plain, OFFSET, |a| a.add(dword_ptr(ebx), ecx));
    // Without the prefix for 32-bit addresses.
    input.code.remove(0);
    input.bitness = Bitness::Bits32;
    input.registers.bitness = Bitness::Bits32;
    input.registers.general = input.registers.general.map(|value| value & 0xffff_ffff);
    input.registers.general[8..].fill(0);
    let native = memory.execute(&input).unwrap();
    let sum = (read_at(&input, 8)[0]).wrapping_add(2);
    assert_eq!((&native.end, native.memory[OFFSET as usize]), (&End::Completed, sum));
    assert_agree(&native, &mmio.execute(&input).unwrap(), "32-bit");
}

#[test]
fn inputs_that_no_execution_can_have_are_errors() {
    let mut memory = executor(Flavour::MemoryUser);
    let good = input(Window::Plain, OFFSET, |a| a.nop());
    let elsewhere = Registers { rip: window::CODE + PAGE, ..good.registers };
    for bad in [Input { registers: elsewhere, ..good.clone() }, Input { code: vec![0x90; 16], ..good.clone() }] {
        assert!(memory.execute(&bad).is_err(), "{bad:?}");
        assert!(memory.execute_many(&[bad]).remove(0).is_err());
        assert_eq!(memory.execute(&good).unwrap().end, End::Completed);
    }
}
