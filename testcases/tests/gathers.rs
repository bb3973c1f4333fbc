//! What gathers and scatters leave behind on this processor, element by element, against the manual.
//!
//! Values are computed here from the instruction's description, and what is open after a fault is what the oracle says, so
//! that an oracle that leaves open too little or takes too much for done is found.

use iced_decoder::{
    Bitness, Due, Form, Prediction, Predictor,
    generate::{Generator, predicted_forms},
    iced_x86::{Instruction, OpKind, Register},
    machine::{End, Exception, Executor, Extended, Input, Output, window::PAGE},
    normalize,
};
use testcases::emulation::{native::Native, placed::Placed};

/// Inputs of each form.
const NR_INPUTS: u64 = 60;
/// Vector of the invalid-opcode exception.
const INVALID_OPCODE: u8 = 6;

fn is_indexed(form: &Form) -> bool {
    format!("{:?}", form.code).contains("_vm")
}

/// Linear addresses of the elements that the mask selects, with their numbers.
fn elements(instruction: &Instruction, input: &Input, data: Register) -> Vec<(usize, u64)> {
    let state = input.extended.as_ref().unwrap();
    let size = instruction.memory_size().size();
    let index_bytes = if instruction.is_vsib64() { 8 } else { 4 };
    let nr = (data.size() / size).min(instruction.memory_index().size() / index_bytes);
    let is_selected = |element: &usize| match instruction.op_mask() {
        Register::None => state.vector(instruction.op2_register().number())[element * size + size - 1] & 0x80 != 0,
        opmask => state.opmask(opmask.number()) >> element & 1 != 0,
    };
    let operand = u32::from(instruction.op0_kind() != OpKind::Memory);
    let address = |element: usize| {
        let address = instruction.virtual_address(operand, element, |register, element, _| {
            if !register.is_vector_register() {
                return input.registers.value(register);
            }
            let bytes = &state.vector(register.number())[element * index_bytes..][..index_bytes];
            Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
        });
        let mask = if input.bitness == Bitness::Bits64 { u64::MAX } else { u32::MAX.into() };
        address.unwrap() & mask
    };
    (0..nr).filter(is_selected).map(|element| (element, address(element))).collect()
}

/// Extended state and memory as they are to be.
fn expected(input: &Input, prediction: &Prediction) -> (Extended, Vec<u8>) {
    let instruction = &prediction.instruction;
    let is_scatter = instruction.op0_kind() == OpKind::Memory;
    let data = if is_scatter { instruction.op1_register() } else { instruction.op0_register() };
    let mut state = input.extended.as_deref().unwrap().clone();
    let mut memory = input.content();
    let size = instruction.memory_size().size();
    let is_completed = prediction.due == Due::Completes;
    let fault = match prediction.due {
        // A segment that cannot be written: nothing is done.
        Due::Raises { exception: Exception { address: None, .. }, .. } => return (state, memory),
        Due::Raises { exception: Exception { address: Some(address), .. }, .. } => address,
        _ => 0,
    };
    let mask = instruction.op2_register();
    for (element, address) in elements(instruction, input, data) {
        let faults = (address..address + size as u64).contains(&fault) || address / PAGE == fault / PAGE;
        if !is_completed && faults {
            // Whether the page is read-only matters for a scatter alone, and all scatters to it fault.
            break;
        }
        let offset = (address - input.window.address()) as usize;
        let place = element * size..(element + 1) * size;
        if is_scatter {
            memory[offset..offset + size].copy_from_slice(&state.vector(data.number())[place.clone()]);
        } else {
            state.change_vector(data.number(), |bytes| {
                bytes[place.clone()].copy_from_slice(&memory[offset..offset + size])
            });
        }
        match instruction.op_mask() {
            Register::None => state.change_vector(mask.number(), |bytes| bytes[place].fill(0)),
            opmask => state.change_opmask(opmask.number(), |bits| bits & !(1 << element)),
        }
    }
    if is_completed {
        // What lies behind the elements of the destination and the mask is cleared.
        let index_bytes = if instruction.is_vsib64() { 8 } else { 4 };
        let nr = (data.size() / size).min(instruction.memory_index().size() / index_bytes);
        if !is_scatter {
            state.change_vector(data.number(), |bytes| bytes[nr * size..].fill(0));
        }
        match instruction.op_mask() {
            Register::None => state.change_vector(mask.number(), |bytes| bytes.fill(0)),
            opmask => state.change_opmask(opmask.number(), |_| 0),
        }
    }
    (state, memory)
}

/// Checks one execution, and tells whether elements were done before a fault.
fn check(input: &Input, output: &Output, prediction: &Prediction) -> bool {
    let raised = match &output.end {
        End::Raised(exception) => Some(exception),
        _ => None,
    };
    assert!(prediction.due.allows(raised), "{:?} but {:?}: {input}", prediction.due, output.end);
    if raised.is_some_and(|exception| exception.vector == INVALID_OPCODE) {
        return false;
    }
    let (mut want, memory) = expected(input, prediction);
    let mut have = output.extended.as_deref().unwrap().clone();
    // Outputs say more components to be in use than inputs.
    want.set_components(want.components() | have.components());
    have.set_components(want.components());
    normalize(&mut want, &prediction.effects);
    normalize(&mut have, &prediction.effects);
    let differing = want.bytes().iter().zip(have.bytes()).position(|(want, have)| want != have);
    assert_eq!(differing, None, "{} {:?} {input}", prediction.instruction, prediction.due);
    for (offset, (want, have)) in memory.iter().zip(&output.memory).enumerate() {
        let address = input.window.address() + offset as u64;
        let is_open = prediction.undefined_memory.iter().any(|range| range.contains(&address));
        assert!(want == have || is_open, "{} {offset:#x}: {want:x} {have:x} {input}", prediction.instruction);
    }
    raised.is_some() && prediction.accesses.iter().any(|access| access.is_certain)
}

#[test]
fn gathers_and_scatters_leave_what_the_manual_says() {
    let mut native = Placed::new(Native::start().unwrap());
    for bitness in [Bitness::Bits64, Bitness::Bits32] {
        let generator = Generator::new(5, predicted_forms(bitness).filter(is_indexed));
        let (mut nr_offered, mut nr_partial) = (0, 0);
        for form in 0..generator.nr_forms() {
            let inputs: Vec<Input> = (0..NR_INPUTS).map(|number| generator.input(form, number)).collect();
            // Inputs with state that this processor lacks are not executed at all.
            let outputs: Vec<Output> = inputs.iter().filter_map(|input| native.execute(input).ok()).collect();
            let is_invalid =
                |output: &Output| matches!(&output.end, End::Raised(exception) if exception.vector == INVALID_OPCODE);
            if outputs.len() < inputs.len() || outputs.iter().all(is_invalid) {
                continue;
            }
            nr_offered += 1;
            for (input, output) in inputs.iter().zip(&outputs) {
                let prediction = Predictor::default().predict(input).unwrap();
                nr_partial += u32::from(check(input, output, &prediction));
            }
        }
        let is_expected = std::arch::is_x86_feature_detected!("avx2");
        assert!(!is_expected || nr_offered >= 16 && nr_partial >= 10, "{nr_offered} {nr_partial}");
    }
}
