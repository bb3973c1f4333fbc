//! Properties of every prediction.

use super::{Due, Predictor, Unpredictable, split_at_pages, test_support::input};
use crate::{
    access::{Direction, accesses},
    effects::COMPARED_FLAGS,
    form::forms,
    generate::{Generator, predicted_forms},
    machine::window::Window,
    registers::{Bitness, Registers},
};
use iced_x86::{Decoder, DecoderOptions};
use proptest::prelude::*;

/// Inputs of every form and mode.
fn for_each_generated(mut check: impl FnMut(&crate::machine::Input, &mut Predictor)) {
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        let generator = Generator::new(3, predicted_forms(bitness));
        let mut predictor = Predictor::default();
        for index in 0..generator.nr_forms() {
            for number in 0..2 {
                check(&generator.input(index, number), &mut predictor);
            }
        }
    }
}

#[test]
fn every_generated_input_is_predicted() {
    let (mut nr_inputs, mut nr_accesses) = (0, 0);
    for_each_generated(|input, predictor| {
        let prediction = predictor.predict(input).unwrap_or_else(|error| panic!("{input:x?}: {error}"));
        nr_inputs += 1;
        nr_accesses += prediction.accesses.len();
        let effects = prediction.effects;
        assert_eq!(effects.flags_undefined & !effects.flags, 0, "{input:x?}");
        assert_eq!(effects.general_undefined & !effects.general, 0, "{input:x?}");
        assert_eq!(effects.flags & !COMPARED_FLAGS, 0, "{input:x?}");
        for predicted in &prediction.accesses {
            assert_eq!(split_at_pages(&predicted.access).count(), 1, "{input:x?}");
        }
    });
    assert!(nr_inputs > 3 * 6000, "{nr_inputs}");
    assert!(nr_accesses > nr_inputs / 2, "{nr_accesses} of {nr_inputs}");
}

#[test]
fn predicted_accesses_lie_within_the_memory_that_an_instruction_uses() {
    for_each_generated(|input, predictor| {
        let Ok(prediction) = predictor.predict(input) else { return };
        let instruction = prediction.instruction;
        let is_bit_string = matches!(instruction.mnemonic(), iced_x86::Mnemonic::Bt | iced_x86::Mnemonic::Btc)
            || matches!(instruction.mnemonic(), iced_x86::Mnemonic::Btr | iced_x86::Mnemonic::Bts);
        // iced-x86 takes the stack pointer of 16-bit code to be SP.
        let is_16_bit_stack = instruction.is_stack_instruction() && input.bitness == Bitness::Bits16;
        if instruction.is_string_instruction() || instruction.is_vsib() || is_bit_string || is_16_bit_stack {
            return;
        }
        let registers = Registers { bitness: input.bitness, ..input.registers };
        let used = accesses(&instruction, &registers);
        for predicted in &prediction.accesses {
            let access = predicted.access;
            let is_used = used.iter().any(|used| {
                let distance = access.address.wrapping_sub(used.address) & 0xffff_ffff;
                let is_same = used.direction == access.direction || access.direction == Direction::Write;
                is_same && distance + u64::from(access.size_bytes) <= u64::from(used.size_bytes)
            });
            assert!(is_used, "{input:x?}: {access:x?} not in {used:x?}");
        }
    });
}

/// Of ten thousand predictions so many are open, by cause. Alignment: masked moves, SHA, and MXCSR.MM. Access: a shift by 0
/// of memory that cannot be written, reserved fields of FXSAVE. Order: two operands that fault, or #MF and a fault. Result:
/// overflow, underflow and inexact results beyond what the host tells. Value: memory of no window, reserved bits of MXCSR.
#[test]
fn few_predictions_are_open_and_each_has_a_cause() {
    let (mut nr_inputs, mut causes) = (0, std::collections::BTreeMap::new());
    for_each_generated(|input, predictor| {
        let prediction = predictor.predict(input).unwrap_or_else(|error| panic!("{input:x?}: {error}"));
        nr_inputs += 1;
        assert_eq!(prediction.due == Due::Open, prediction.open_cause.is_some(), "{input}");
        if let Some(cause) = prediction.open_cause {
            *causes.entry(cause).or_insert(0) += 1;
        }
    });
    let nr_open: usize = causes.values().sum();
    assert!(nr_open * 100 < nr_inputs, "{nr_open} of {nr_inputs}");
    let shares: Vec<String> =
        causes.iter().map(|(cause, nr)| format!("{cause:?}: {}\n", nr * 10_000 / nr_inputs)).collect();
    insta::assert_snapshot!(shares.concat());
}

#[test]
fn every_form_is_predicted_or_has_a_reason() {
    let listed = |bitness| forms(bitness).len();
    let predicted = |bitness| predicted_forms(bitness).count();
    assert!(predicted(Bitness::Bits64) > 3300 && predicted(Bitness::Bits64) < listed(Bitness::Bits64));
}

proptest! {
    #[test]
    fn any_bytes_are_predicted_without_panic(
        code in prop::collection::vec(any::<u8>(), 0..16),
        general in prop::array::uniform16(prop_oneof![
            any::<u64>(),
            (0_u64..0x2010).prop_map(|offset| Window::EndsAbsent.address() + offset)
        ]),
        rip: u64,
        rflags: u64,
        bits in 0..3,
    ) {
        let mut input = input(&code);
        input.bitness = [Bitness::Bits16, Bitness::Bits32, Bitness::Bits64][bits as usize];
        input.window = Window::EndsAbsent;
        input.registers = Registers { general, rip, rflags, bitness: input.bitness, ..input.registers };
        let result = Predictor::default().predict(&input);
        let decoded = Decoder::with_ip(input.bitness.bits(), &code, rip, DecoderOptions::NONE).decode();
        match result {
            Ok(prediction) => {
                let raises = matches!(prediction.due, Due::Raises { .. });
                prop_assert!(prediction.instruction == decoded || raises);
            }
            Err(Unpredictable::Incomplete(length)) => prop_assert_eq!(length, code.len()),
            Err(Unpredictable::Undecodable) => prop_assert!(decoded.is_invalid()),
            Err(_) => {}
        }
    }
}
