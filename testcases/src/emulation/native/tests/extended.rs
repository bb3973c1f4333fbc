//! x87, SSE, AVX and AVX-512 state on its way in and out.

use super::{number::*, *};
use iced_decoder::{iced_x86::code_asm::*, machine::Extended};

const X87: u64 = 1 << 0;
const SSE: u64 = 1 << 1;
const AVX: u64 = 1 << 2;
const OPMASK: u64 = 1 << 5;
const HIGH_256: u64 = 1 << 6;
const HIGH_16: u64 = 1 << 7;

/// Offset of XMM0.
const XMM: usize = 160;
/// Offset of ST0.
const ST: usize = 32;

/// Where a component lies on this host.
fn offset(component: u32) -> usize {
    super::super::system::cpuid(0xd, component).1 as usize
}

fn with_extended(mut input: Input, components: u64, fill: impl FnOnce(&mut [u8])) -> Input {
    let mut extended = Extended::initial(4096);
    extended.set_components(components);
    fill(extended.bytes_mut());
    input.extended = Some(Box::new(extended));
    input
}

fn area(output: &Output) -> &[u8] {
    output.extended.as_ref().unwrap().bytes()
}

fn host_has(components: u64) -> bool {
    super::super::system::enabled_components().unwrap() & components == components
}

#[test]
fn the_initial_state_comes_out_as_it_went_in() {
    let input = with_extended(input(|a| a.nop()), 0, |_| ());
    let output = execute(&input);
    let initial = Extended::initial(0);
    assert_eq!(area(&output)[..28], initial.bytes()[..28]);
    assert!(area(&output)[32..512].iter().all(|&byte| byte == 0));
    assert!(area(&output)[520..].iter().all(|&byte| byte == 0));
}

#[test]
fn sse_registers_go_in_and_come_out() {
    let input = with_extended(input(|a| a.paddb(xmm1, xmm2)), SSE, |area| {
        (0..256).for_each(|index| area[XMM + index] = index as u8);
    });
    let output = execute(&input);
    let sums: Vec<u8> = (0..16).map(|index| 2 * index + 0x30).collect();
    assert_eq!(area(&output)[XMM + 16..XMM + 32], sums);
    assert_eq!(area(&output)[XMM + 32..XMM + 256], input.extended.as_ref().unwrap().bytes()[XMM + 32..XMM + 256]);
}

#[test]
fn components_that_are_not_in_use_are_initial_although_bytes_stand_there() {
    let input = with_extended(input(|a| a.movups(xmmword_ptr(rdi), xmm0)), X87, |area| area[XMM..XMM + 16].fill(9));
    assert_eq!(execute(&input).memory[..16], [0; 16]);
}

#[test]
fn x87_registers_tags_and_words_go_in_and_come_out() {
    let input = with_extended(input(|a| a.fld1()), X87, |area| {
        // TOP is 7 and ST0 is 2.0.
        area[2..4].copy_from_slice(&(7_u16 << 11).to_le_bytes());
        area[4] = 0x80;
        area[ST + 7..ST + 10].copy_from_slice(&[0x80, 0x00, 0x40]);
    });
    let output = execute(&input);
    let area = area(&output);
    assert_eq!(u16::from_le_bytes([area[2], area[3]]) >> 11 & 7, 6);
    assert_eq!(area[4], 0xc0);
    assert_eq!(area[ST + 7..ST + 10], [0x80, 0xff, 0x3f]);
    assert_eq!(area[ST + 16 + 7..ST + 16 + 10], [0x80, 0x00, 0x40]);
}

#[test]
fn avx_registers_go_in_and_come_out() {
    if !host_has(AVX) {
        return;
    }
    let high = offset(2);
    let input = with_extended(input(|a| a.vmovups(ymmword_ptr(rdi), ymm15)), SSE | AVX, |area| {
        area[XMM + 15 * 16..XMM + 16 * 16].fill(0x11);
        area[high + 15 * 16..high + 16 * 16].fill(0x22);
    });
    let output = execute(&input);
    assert_eq!((output.memory[..16].to_vec(), output.memory[16..32].to_vec()), (vec![0x11; 16], vec![0x22; 16]));
    assert_eq!(area(&output)[high + 15 * 16..high + 16 * 16], [0x22; 16]);
}

#[test]
fn avx512_registers_and_masks_go_in_and_come_out() {
    if !host_has(OPMASK | HIGH_256 | HIGH_16) {
        return;
    }
    let (masks, high_256, high_16) = (offset(5), offset(6), offset(7));
    let all = SSE | AVX | OPMASK | HIGH_256 | HIGH_16;
    let input = with_extended(input(|a| a.vmovdqu8(zmmword_ptr(rdi).k1(), zmm17)), all, |area| {
        area[masks + 8..masks + 16].copy_from_slice(&0x8000_0000_0000_0001_u64.to_le_bytes());
        area[high_16 + 64..high_16 + 128].fill(0x33);
        area[high_256..high_256 + 32].fill(0x44);
    });
    let output = execute(&input);
    let mut expected = input.content();
    (expected[0], expected[63]) = (0x33, 0x33);
    assert_eq!(output.memory, expected);
    assert_eq!(area(&output)[high_256..high_256 + 32], [0x44; 32]);
    assert_eq!(area(&output)[high_16 + 64..high_16 + 128], [0x33; 64]);
}

#[test]
fn the_state_survives_an_exception() {
    let input = with_extended(input(|a| a.ud2()), X87 | SSE | AVX, |area| {
        area[0..2].copy_from_slice(&0x27f_u16.to_le_bytes());
        area[XMM..XMM + 16].fill(0x55);
        area[24..28].copy_from_slice(&0x9f80_u32.to_le_bytes());
    });
    let output = execute(&input);
    assert_eq!(output.end, raised(6, None, None));
    assert_eq!(area(&output)[..2], [0x7f, 2]);
    assert_eq!(area(&output)[XMM..XMM + 16], [0x55; 16]);
    assert_eq!(area(&output)[24..28], 0x9f80_u32.to_le_bytes());
    assert!(area(&output)[416..512].iter().all(|&byte| byte == 0), "nothing of the kernel's stands there");
}

#[test]
fn completion_and_exception_save_the_same() {
    let fill = |area: &mut [u8]| (0..256).for_each(|index| area[XMM + index] = index as u8 ^ 0x5a);
    let completed = execute(&with_extended(input(|a| a.nop()), SSE, fill));
    let faulted = execute(&with_extended(input(|a| a.ud2()), SSE, fill));
    assert_eq!(area(&completed), area(&faulted));
}

#[test]
fn unmasked_floating_point_exceptions_have_their_vectors() {
    let division = with_extended(input(|a| a.divss(xmm0, xmm1)), SSE, |area| {
        area[24..28].copy_from_slice(&0x1d80_u32.to_le_bytes());
        area[XMM..XMM + 4].copy_from_slice(&1_f32.to_le_bytes());
    });
    assert_eq!(execute(&division).end, raised(19, None, None));
    // A pending x87 exception is taken by the next instruction that waits.
    let waiting = with_extended(input(|a| a.wait()), X87, |area| {
        area[0..2].copy_from_slice(&0x37e_u16.to_le_bytes());
        area[2..4].copy_from_slice(&0x8081_u16.to_le_bytes());
    });
    assert_eq!(execute(&waiting).end, raised(16, None, None));
}

#[test]
fn a_state_that_cannot_be_loaded_is_an_error_and_not_the_end() {
    let mut native = Native::start().unwrap();
    let reserved = with_extended(input(|a| a.nop()), SSE, |area| area[24..28].fill(0xff));
    let error = native.execute(&reserved).unwrap_err();
    assert_eq!(error.text, "cannot execute 90: the processor refused the state of the input with vector 13");
    let unknown = with_extended(input(|a| a.nop()), 1 << 60, |_| ());
    assert!(native.execute(&unknown).unwrap_err().text.contains("0x1000000000000000"));
    completed(&mut native, &with(input(|a| a.nop()), RAX, 1));
}

#[test]
fn no_state_is_left_for_the_next_execution() {
    let mut native = Native::start().unwrap();
    let sets = with_extended(input(|a| a.nop()), SSE, |area| area[XMM..XMM + 16].fill(0x77));
    completed(&mut native, &sets);
    let reads = completed(&mut native, &input(|a| a.movups(xmmword_ptr(rdi), xmm0)));
    assert_eq!((reads.memory[..16].to_vec(), reads.extended), (vec![0; 16], None));
}
