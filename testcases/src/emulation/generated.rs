//! Inputs from the generator, with what the oracle says of them.

use super::{
    compare::{Open, OpenAddress},
    judge::is_invalid_opcode,
    source::{Expectation, Source},
};
use iced_decoder::{
    Access, Bitness, Due, Encoding, Form, Predictor,
    generate::{Generator, predicted_forms},
    machine::{Executor, ExecutorError, Input, Mode, window},
    pieces,
};
use std::cell::RefCell;
use wildmatch::WildMatch;

/// KVM hands a device at most so many bytes at a time.
const MAX_ACCESS_BYTES: u32 = 8;
/// So many inputs of a form are tried before a processor is said not to have it.
const NR_PROBES: u64 = 4;

thread_local! {
    static PREDICTORS: RefCell<[Predictor; 2]> = RefCell::new([Mode::User, Mode::Supervisor].map(Predictor::new));
}

/// The generator's inputs of the forms that this processor has.
pub struct Generated {
    generator: Generator,
    mode: Mode,
    names: Vec<String>,
    /// Names of forms that this processor does not have: they raise #UD there.
    pub not_offered: Vec<String>,
    /// Names of forms that no input can be made for, with the reason.
    pub rejected: Vec<(String, String)>,
}

impl Generated {
    /// The forms of a mode whose name matches `pattern`, without those that the processor behind `native` does not have.
    ///
    /// # Errors
    /// If `native` fails at an input.
    pub fn new(
        seed: u64,
        bitness: Bitness,
        pattern: Option<&str>,
        native: &mut dyn Executor,
    ) -> Result<Self, ExecutorError> {
        let pattern = pattern.map(WildMatch::new);
        let is_wanted = |form: &Form| pattern.as_ref().is_none_or(|pattern| pattern.matches(&form.name()));
        Self::of(seed, bitness, &is_wanted, native)
    }

    /// The wanted forms of a mode, without those that the processor behind `native` does not have.
    ///
    /// # Errors
    /// If `native` fails at an input.
    pub fn of(
        seed: u64,
        bitness: Bitness,
        is_wanted: &dyn Fn(&Form) -> bool,
        native: &mut dyn Executor,
    ) -> Result<Self, ExecutorError> {
        let components = native.components();
        let all = Generator::with_components(seed, components, predicted_forms(bitness).filter(|form| is_wanted(form)));
        let rejected = all.rejected().iter().map(|one| (one.form.name(), one.reason.clone())).collect();
        let (mut offered, mut not_offered) = (Vec::new(), Vec::new());
        for (index, form) in all.forms().enumerate() {
            if is_offered(&all, index, native)? { offered.push(form) } else { not_offered.push(form.name()) }
        }
        Ok(Self { not_offered, rejected, ..Self::of_offered(seed, components, offered) })
    }

    /// Forms that the processor is known to have, with state of these components (bits of XCR0).
    pub fn of_offered(seed: u64, components: u64, forms: impl IntoIterator<Item = Form>) -> Self {
        let generator = Generator::with_components(seed, components, forms);
        let names = generator.forms().map(Form::name).collect();
        Self { generator, mode: Mode::User, names, not_offered: Vec::new(), rejected: Vec::new() }
    }

    /// The forms.
    pub fn forms(&self) -> impl ExactSizeIterator<Item = Form> {
        self.generator.forms()
    }

    /// The same for executions with that privilege.
    pub fn for_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }
}

fn is_offered(generator: &Generator, form: usize, native: &mut dyn Executor) -> Result<bool, ExecutorError> {
    for number in 0..NR_PROBES {
        // An input that the executor cannot take, such as one with state that this processor lacks, says the same.
        if native.execute(&generator.input(form, number)).is_ok_and(|output| !is_invalid_opcode(&output.end)) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Source for Generated {
    fn nr_forms(&self) -> usize {
        self.generator.nr_forms()
    }

    fn name(&self, form: usize) -> String {
        self.names.get(form).cloned().unwrap_or_default()
    }

    fn encoding(&self, form: usize) -> &'static str {
        self.generator.forms().nth(form).map_or("", |form| encoding_name(form.encoding()))
    }

    fn operand_bits(&self, form: usize) -> Option<u32> {
        operand_bits(self.generator.forms().nth(form)?)
    }

    fn input(&self, form: usize, number: u64) -> Option<Input> {
        (form < self.generator.nr_forms()).then(|| self.generator.input(form, number))
    }

    fn expectation(&self, input: &Input) -> Expectation {
        PREDICTORS.with_borrow_mut(|predictors| expectation(&mut predictors[self.mode as usize], input))
    }
}

/// Sizes of memory operands that are told apart in tables.
const USUAL_OPERAND_BITS: [u32; 8] = [8, 16, 32, 64, 80, 128, 256, 512];

/// The size of a form's memory operand in tables; nothing for sizes that are not usual.
pub(super) fn operand_bits(form: Form) -> Option<u32> {
    let bits = u32::try_from(8 * form.memory_size_bytes()).ok()?;
    USUAL_OPERAND_BITS.contains(&bits).then_some(bits)
}

/// The name of an encoding in tables.
pub(super) fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Legacy => "legacy",
        Encoding::X87 => "x87",
        Encoding::Vex => "VEX",
        Encoding::Evex => "EVEX",
        Encoding::Xop => "XOP",
        Encoding::D3Now => "3DNow!",
        Encoding::Mvex => "MVEX",
    }
}

/// What the oracle says of an input; nothing is known of what it does not predict.
pub fn expectation(predictor: &mut Predictor, input: &Input) -> Expectation {
    let Ok(prediction) = predictor.predict(input) else { return Expectation::default() };
    let start = input.window.address();
    let offset = |address: u64| usize::try_from(address.saturating_sub(start)).unwrap_or(usize::MAX);
    let memory = prediction.undefined_memory.iter().map(|range| offset(range.start)..offset(range.end)).collect();
    let effects = prediction.effects;
    let (error_code, address) = match prediction.due {
        Due::Raises { error_code_open, is_address_open: true, .. } => (error_code_open, OpenAddress::InPage),
        Due::Raises { error_code_open, .. } => (error_code_open, OpenAddress::None),
        Due::Completes => (0, OpenAddress::None),
        // Of several operands that fault, either may be told.
        Due::Open => (u32::MAX, OpenAddress::All),
    };
    let open = Open {
        error_code,
        address,
        flags: effects.flags_undefined,
        general: effects.general_undefined,
        memory,
        effects,
    };
    let on_device = |access: &Access| is_tested(input, access.address);
    let made = prediction.accesses.iter().filter(|predicted| on_device(&predicted.access));
    let is_certain = matches!(prediction.due, Due::Completes)
        && !prediction.is_order_open
        && made.clone().all(|predicted| predicted.is_certain);
    let accesses = is_certain.then(|| made.flat_map(|predicted| pieces(&predicted.access, MAX_ACCESS_BYTES)).collect());
    Expectation { open, accesses, prediction: Some(prediction) }
}

/// Whether an address lies in a page under test of the input's window.
fn is_tested(input: &Input, address: u64) -> bool {
    let page = address.wrapping_sub(input.window.address()) / window::PAGE;
    let pages = input.window.pages();
    usize::try_from(page).ok().and_then(|page| pages.get(page)).is_some_and(|page| *page == window::Page::Tested)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_decoder::{
        iced_x86::{Decoder, DecoderOptions, EncodingKind},
        machine::{End, Exception, Output},
    };

    /// x87, SSE and AVX.
    const WITHOUT_AVX512: u64 = 0b111;

    /// A processor without AVX-512, which is never given such state.
    struct Older;

    impl Executor for Older {
        fn name(&self) -> &str {
            "older"
        }

        fn components(&self) -> u64 {
            WITHOUT_AVX512
        }

        fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
            let used = input.extended.as_ref().map_or(0, |extended| extended.components());
            assert_eq!(used & !WITHOUT_AVX512, 0, "{:02x?}", input.code);
            let mut decoder = Decoder::new(64, &input.code, DecoderOptions::NONE);
            let code = decoder.decode().code();
            let uses_masks = code.op_code().op_kinds().iter().any(|kind| format!("{kind:?}").contains("k_"));
            let end = if code.encoding() == EncodingKind::EVEX || uses_masks {
                End::Raised(Exception { vector: 6, error_code: None, address: None })
            } else {
                End::Completed
            };
            let (registers, memory) = (input.registers, Vec::new());
            Ok(Output { end, registers, extended: input.extended.clone(), memory, accesses: None })
        }
    }

    #[test]
    fn a_processor_without_avx512_is_asked_for_nothing_of_it() {
        let source = Generated::new(1, Bitness::Bits64, Some("*mov*"), &mut Older).unwrap();
        assert!(source.forms().any(|form| form.encoding() == Encoding::Vex));
        assert!(source.forms().all(|form| form.encoding() != Encoding::Evex));
        assert!(source.not_offered.iter().any(|name| name.starts_with("EVEX_Vmovups")), "{:?}", source.not_offered);
        for form in 0..source.nr_forms() {
            for number in 0..50 {
                Older.execute(&source.input(form, number).unwrap()).unwrap();
            }
        }
    }
}
