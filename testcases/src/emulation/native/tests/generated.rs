//! Inputs as they are generated, of every form.

use super::*;
use iced_decoder::generate::{Generator, predicted_forms};

/// Inputs of each form.
const NR_INPUTS: u64 = 2;

fn inputs(native: &Native, bitness: Bitness) -> Vec<Input> {
    let generator = Generator::with_components(1, native.components(), predicted_forms(bitness));
    let indices = (0..generator.nr_forms()).flat_map(|form| (0..NR_INPUTS).map(move |nr| (form, nr)));
    indices.map(|(form, nr)| generator.input(form, nr)).collect()
}

#[test]
fn every_generated_form_is_executed_and_depends_on_nothing_before_it() {
    let mut native = Native::start().unwrap();
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        let mut inputs = inputs(&native, bitness);
        let outputs: Vec<_> = native.execute_many(&inputs).into_iter().map(Result::unwrap).collect();
        inputs.reverse();
        let again = native.execute_many(&inputs);
        for ((input, output), again) in inputs.iter().zip(outputs.iter().rev()).zip(again) {
            let behind = input.registers.rip + input.code.len() as u64;
            let expected = if output.end == End::Completed { behind } else { input.registers.rip };
            assert_eq!(output.registers.rip, expected, "{bitness:?} {:02x?}", input.code);
            assert!(matches!(output.end, End::Completed | End::Raised(_)), "{bitness:?} {:02x?}", input.code);
            let again = again.unwrap();
            assert!(*output == again, "{bitness:?} {:02x?}: {:?}, then {:?}", input.code, output.end, again.end);
        }
    }
}
