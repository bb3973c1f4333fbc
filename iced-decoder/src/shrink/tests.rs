//! Tests of the shrinker.

use super::*;
use crate::{
    access::accesses,
    form::Form,
    generate::{Generator, predicted_forms},
    machine::{Extended, area, window},
    registers::Bitness,
};

fn inputs(name: &str, nr: u64) -> Vec<Input> {
    let generator = Generator::new(1, Form::by_name(name, Bitness::Bits64));
    (0..nr).map(|nr| generator.input(0, nr)).collect()
}

fn instruction(input: &Input) -> Instruction {
    decode(input.bitness, &input.code, input.registers.rip)
}

fn crosses_page(input: &Input) -> bool {
    let access = accesses(&instruction(input), &input.registers)[0];
    access.address % window::PAGE + u64::from(access.size_bytes) > window::PAGE
}

#[test]
fn what_always_fails_becomes_the_simplest_input_of_its_form() {
    for input in inputs("Add_rm32_r32", 300) {
        let small = shrink(&input, &mut |_| true);
        assert_eq!(small.code, [0x01, 0x03], "{}", instruction(&small));
        assert_eq!(small.to_string(), "mode=64 code=0103 rip=10000800 rbx=12000000 window=plain seed=0");
    }
}

#[test]
fn what_never_fails_stays() {
    for input in inputs("Add_rm32_r32", 20) {
        assert_eq!(shrink(&input, &mut |_| false), input);
    }
}

#[test]
fn what_matters_is_kept() {
    let crossing = inputs("Add_rm32_r32", 600).into_iter().filter(crosses_page);
    let mut nr = 0;
    for input in crossing {
        let small = shrink(&input, &mut crosses_page);
        assert!(crosses_page(&small));
        assert_eq!(small.code, [0x01, 0x03], "{}", instruction(&small));
        assert_eq!(small.registers.general.iter().filter(|value| **value != 0).count(), 1);
        nr += 1;
    }
    assert!(nr > 20);
    for input in inputs("Add_rm32_r32", 50) {
        let value = |input: &Input| input.registers.value(instruction(input).op1_register()).unwrap();
        if value(&input) >> 9 & 1 == 1 {
            let small = shrink(&input, &mut |input| value(input) >> 9 & 1 == 1);
            assert_eq!(value(&small) & 0xffff_ffff, 1 << 9, "{small}");
        }
    }
}

#[test]
fn prefixes_that_matter_are_kept() {
    let has_lock = |input: &Input| instruction(input).has_lock_prefix();
    for input in inputs("Add_rm32_r32", 100).into_iter().filter(has_lock) {
        assert_eq!(shrink(&input, &mut |input| has_lock(input)).code, [0xf0, 0x01, 0x03]);
    }
    let has_gs = |input: &Input| instruction(input).memory_segment() == Register::GS;
    let mut nr = 0;
    for input in inputs("Add_rm32_r32", 300).into_iter().filter(has_gs) {
        assert_eq!(shrink(&input, &mut |input| has_gs(input)).code, [0x65, 0x01, 0x03]);
        nr += 1;
    }
    assert!(nr > 5);
    let is_repeated = |input: &Input| instruction(input).has_rep_prefix() && input.registers.general[1] as u32 > 3;
    for input in inputs("Movsw_m16_m16", 100).into_iter().filter(is_repeated) {
        let small = shrink(&input, &mut |input| is_repeated(input));
        assert_eq!((small.code, small.registers.general[1]), (vec![0x66, 0xf3, 0xa5], 4));
    }
}

#[test]
fn state_that_matters_is_kept() {
    let upper = |input: &Input| input.extended.as_ref().map(|state| state.bytes()[area::AVX.offset + 16 * 3 + 2] & 4);
    let mut nr = 0;
    for input in inputs("VEX_Vaddps_ymm_ymm_ymmm256", 40).into_iter().filter(|input| upper(input) == Some(4)) {
        let small = shrink(&input, &mut |input| upper(input) == Some(4));
        let state = small.extended.unwrap();
        let used = state.bytes()[32..].iter().enumerate().filter(|(at, byte)| **byte != 0 && at + 32 != 512);
        let offsets: Vec<usize> = used.map(|(offset, _)| offset + 32).collect();
        assert_eq!(offsets, [area::AVX.offset + 16 * 3 + 2]);
        nr += 1;
    }
    assert!(nr > 5);
}

#[test]
fn memory_that_matters_is_kept() {
    let byte = |input: &Input| {
        let access = accesses(&instruction(input), &input.registers)[0];
        input.content()[(access.address - input.window.address()) as usize]
    };
    for input in inputs("Add_r32_rm32", 100) {
        let wanted = byte(&input);
        let small = shrink(&input, &mut |input| byte(input) == wanted);
        assert_eq!(byte(&small), wanted);
        assert!(small.memory.len() <= 1 || small.memory_seed == 0, "{small}");
    }
}

#[test]
fn every_form_stays_what_it_is_and_its_operands_stay_in_the_window() {
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        let generator = Generator::new(2, predicted_forms(bitness).step_by(7));
        for (index, form) in generator.forms().enumerate() {
            let input = generator.input(index, 0);
            let mut nr_tries = 0;
            let small = shrink(&input, &mut |input| {
                nr_tries += 1;
                assert_eq!(instruction(input).code(), form.code);
                let window = input.window.address();
                let before = operands(&instruction(input), &input.registers);
                let is_bit_string =
                    matches!(form.code.mnemonic(), Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc);
                for address in before.into_iter().flatten() {
                    // 16 bits of DI reach no window.
                    let is_low = bitness != Bitness::Bits64 && address < window::LOW_END;
                    let is_inside = is_low || (window..window + window::SIZE as u64).contains(&address);
                    assert!(is_inside || is_bit_string, "{form:?} {address:#x} {} {input}", instruction(input));
                }
                true
            });
            assert!(small.code.len() <= input.code.len() && cost(&small) <= cost(&input), "{input} {small}");
            assert!(nr_tries <= 200, "{form:?} {nr_tries}");
        }
    }
}

#[test]
fn an_operand_is_moved_only_on_purpose() {
    for input in inputs("Mov_r32_rm32", 50) {
        let Some(base) = encoding::base(&instruction(&input)) else { continue };
        let mut moved = input.clone();
        moved.registers.general[base] ^= 1;
        assert!(is_alike(&input, &input, 0) && !is_alike(&input, &moved, 0));
    }
}

#[test]
fn tries_are_bounded() {
    let name = "EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er";
    let most = inputs(name, 20).into_iter().map(|input| {
        let mut nr_tries = 0;
        shrink_within(100, &input, &mut |_| {
            nr_tries += 1;
            false
        });
        nr_tries
    });
    assert_eq!(most.max(), Some(100));
}

#[test]
fn the_result_depends_on_the_answers_only() {
    for input in inputs("EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er", 20) {
        let once = || {
            let mut nr_tries = 0;
            let small = shrink(&input, &mut |input| {
                nr_tries += 1;
                input.hash64() % 3 == 0
            });
            (small, nr_tries)
        };
        let (small, nr_tries) = once();
        assert_eq!((small, nr_tries), once());
    }
}

#[test]
fn the_initial_state_costs_nothing_and_everything_else_does() {
    let mut area = Extended::initial(area::size_bytes(0xe7));
    assert_eq!(state::cost(&area), 0);
    for offset in [0, 24, 160, 512, 2687] {
        area.bytes_mut()[offset] ^= 4;
        assert!(state::cost(&area) > 0, "{offset}");
        area.bytes_mut()[offset] ^= 4;
    }
}
