//! Inputs made at random, one form at a time: every choice comes from a seed, the form and a number.
//!
//! An input's memory operand lies in a data window and is addressed in any of the ways that its form has; registers,
//! flags, memory and extended state are full of boundary values. Forms, not bytes, are chosen, so that rare ones are
//! tried as often as common ones.
//!
//! **Architecture Invariant**: nothing here depends on the machine, on the order of a hash table or on what was generated
//! before, so that any input can be made again alone, and work can be split in any way.

mod addressing;
mod content;
mod draft;
mod extended;
mod implicit;
mod indices;
mod operands;
mod place;
mod prefixes;
mod recipe;
#[cfg(any(test, feature = "proptest"))]
mod strategy;
mod string;
mod values;

#[cfg(any(test, feature = "proptest"))]
pub use strategy::any_input;

use crate::random::Random;
use crate::{
    form::{Form, forms},
    machine::{
        Input,
        window::{CODE, CODE_OFFSET, PAGE, Window},
    },
    registers::{Bitness, Registers},
    unpredictable::why,
};
use draft::Draft;
use iced_x86::{Decoder, DecoderOptions, Encoder, EncodingKind, Instruction};
use place::{Place, Wish};
use recipe::{Memory, NoRecipe, Recipe};

/// The longest instruction in bytes (Intel SDM vol. 2A, "Instruction Format").
const MAX_INSTRUCTION_BYTES: usize = 15;
/// CF, PF, AF, ZF, SF, DF and OF: the flags of an input that count.
const FLAGS: u64 = 0xcd5;
/// So often is an input begun anew when its choices cannot be encoded together.
const MAX_ATTEMPTS: u64 = 32;

/// Makes inputs.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    components: u64,
    recipes: Vec<Entry>,
    rejected: Vec<Rejected>,
}

#[derive(Clone, Debug)]
struct Entry {
    form: Form,
    recipe: Recipe,
    /// What is returned should no attempt succeed.
    fallback: Input,
}

/// A form that no input can be made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The form.
    pub form: Form,
    /// Why not.
    pub reason: String,
}

/// The forms of a mode that are predicted: what a generator is usually made for.
pub fn predicted_forms(bitness: Bitness) -> impl Iterator<Item = Form> {
    forms(bitness).into_iter().filter(|&form| why(form).is_none())
}

impl Generator {
    /// A generator for these forms, which may be of several modes. Forms that no input can be made for are
    /// [`rejected`](Self::rejected), the others keep their order.
    pub fn new(seed: u64, forms: impl IntoIterator<Item = Form>) -> Self {
        Self::with_components(seed, u64::MAX, forms)
    }

    /// The same for a processor that has these state components only (a bitmap as in XCR0): inputs hold no others. Forms
    /// that need others should not be given.
    pub fn with_components(seed: u64, components: u64, forms: impl IntoIterator<Item = Form>) -> Self {
        let mut generator = Self { seed, components, recipes: Vec::new(), rejected: Vec::new() };
        for form in forms {
            let reject = |reason: String| Rejected { form, reason };
            let entry = Recipe::new(form.code).map_err(|no: NoRecipe| reject(no.to_string()));
            let entry = entry.and_then(|recipe| {
                let tried =
                    (0..MAX_ATTEMPTS).find_map(|attempt| generator.attempt(&recipe, form.bitness, 0, attempt).ok());
                let failed = || generator.attempt(&recipe, form.bitness, 0, 0).err().unwrap_or_default();
                let fallback = tried.ok_or_else(|| reject(failed()))?;
                Ok(Entry { form, recipe, fallback })
            });
            match entry {
                Ok(entry) => generator.recipes.push(entry),
                Err(rejected) => generator.rejected.push(rejected),
            }
        }
        generator
    }

    /// The forms that inputs are made for.
    pub fn forms(&self) -> impl ExactSizeIterator<Item = Form> {
        self.recipes.iter().map(|entry| entry.form)
    }

    /// Number of these forms.
    pub fn nr_forms(&self) -> usize {
        self.recipes.len()
    }

    /// The forms that no input can be made for.
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// Input number `nr` of the form at `form_index` in [`forms`](Self::forms). The same seed, form and number always
    /// give the same input, whatever the other forms are.
    ///
    /// # Panics
    /// If `form_index` is not below [`nr_forms`](Self::nr_forms), as an index of a slice would.
    pub fn input(&self, form_index: usize, nr: u64) -> Input {
        let Entry { form, recipe, fallback } = &self.recipes[form_index];
        let tried = (0..MAX_ATTEMPTS).find_map(|attempt| self.attempt(recipe, form.bitness, nr, attempt).ok());
        tried.unwrap_or_else(|| fallback.clone())
    }

    /// Chooses everything once; what is chosen may have no encoding, of which iced-x86 says why.
    fn attempt(&self, recipe: &Recipe, bitness: Bitness, nr: u64, attempt: u64) -> Result<Input, String> {
        let random = Random::from_numbers(&[self.seed, recipe.key, bitness.bits().into(), nr, attempt]);
        let mut draft = begin(random, recipe, bitness);
        operands::choose(&mut draft);
        implicit::stack_pointer(&mut draft);
        operands::choose_values(&mut draft);
        let repetitions = string::repetitions(&mut draft);
        choose_place(&mut draft, repetitions);
        implicit::register_operand(&mut draft);
        address(&mut draft, repetitions);
        let code = encode(&mut draft)?;
        let decoded = decode(bitness, &code, draft.registers.rip);
        // Some forms are others if an operand has a certain value, and some are only decoded when asked for.
        if decoded.code() != recipe.code || decoded.len() != code.len() {
            return Err(format!("is decoded as {:?}", decoded.code()));
        }
        content::choose(&mut draft);
        let extended = extended::choose(&mut draft, self.components);
        if bitness != Bitness::Bits64 {
            draft.registers.general.iter_mut().for_each(|value| *value &= draft::mask(32));
        }
        let memory_seed = if draft.random.once_in(16) { 0 } else { draft.random.bits() };
        Ok(Input {
            bitness,
            code,
            registers: draft.registers,
            extended,
            window: draft.place.window,
            memory_seed,
            memory: draft.memory,
        })
    }
}

/// Decodes an instruction as a processor does that raises #UD for a wrong LOCK prefix, or for registers of a gather that are
/// the same, only after it has read the instruction, so that it can be told which one that is.
pub(crate) fn decode(bitness: Bitness, code: &[u8], rip: u64) -> Instruction {
    let decode = |options| Decoder::with_ip(bitness.bits(), code, rip, options).decode();
    let instruction = decode(DecoderOptions::NONE);
    if !instruction.is_invalid() {
        return instruction;
    }
    let unchecked = decode(DecoderOptions::NO_INVALID_CHECK);
    if unchecked.has_lock_prefix() || unchecked.is_vsib() { unchecked } else { instruction }
}

/// A draft with registers, flags and RIP.
fn begin(mut random: Random, recipe: &Recipe, bitness: Bitness) -> Draft<'_> {
    let mut registers = Registers { bitness, ..Registers::default() };
    let nr = if bitness == Bitness::Bits64 { 16 } else { 8 };
    registers.general[..nr].iter_mut().for_each(|value| *value = values::integer(&mut random));
    registers.rflags = random.bits() & FLAGS;
    registers.rip = if random.once_in(12) {
        // Mostly so that the instruction crosses into the second page of code.
        CODE + PAGE - 1 - random.below(MAX_INSTRUCTION_BYTES as u64)
    } else {
        CODE + CODE_OFFSET
    };
    Draft {
        random,
        recipe,
        bitness,
        instruction: recipe.template,
        registers,
        fixed: 0,
        has_high_byte: false,
        place: Place { window: Window::Plain, offset: 0 },
        size: recipe.size,
        bit_displacement: 0,
        indices: None,
        vectors: 0,
        memory: Vec::new(),
    }
}

/// Decides about LOCK and where the operand lies.
fn choose_place(draft: &mut Draft<'_>, repetitions: u64) {
    let info = draft.recipe.code.op_code();
    let is_locked = if info.can_use_lock_prefix() {
        let has_prefix = draft.random.once_in(3);
        draft.instruction.set_has_lock_prefix(has_prefix);
        has_prefix || operands::locks_always(draft.recipe.code)
    } else {
        // #UD everywhere else.
        let may_be_wrong = draft.recipe.code.encoding() == EncodingKind::Legacy;
        draft.instruction.set_has_lock_prefix(may_be_wrong && draft.random.once_in(64));
        false
    };
    let element = match draft.recipe.memory {
        Memory::Implicit(_) | Memory::String | Memory::Offset | Memory::Table => draft.recipe.size,
        _ => (draft.instruction.memory_size().size() as u64).max(1).max(if draft.instruction.is_broadcast() {
            1
        } else {
            draft.recipe.size
        }),
    };
    draft.size = match draft.recipe.memory {
        Memory::Vector { .. } => indices::STRETCH,
        _ => element * repetitions.max(1),
    };
    let alignment = element.next_power_of_two().min(64);
    let wish = Wish { size: draft.size, alignment, is_strict: draft.recipe.is_aligned };
    draft.place = place::choose(&mut draft.random, wish);
    // A split lock is slow, and some operating systems slow down whoever does it further: it is tried, but rarely.
    if is_locked && !draft.random.once_in(16) {
        draft.place = draft.place.within_cache_line(draft.size);
    }
}

/// Points the operand to its place.
fn address(draft: &mut Draft<'_>, repetitions: u64) {
    let target = draft.place.address();
    match draft.recipe.memory {
        Memory::Explicit => addressing::explicit(draft, target),
        Memory::Vector { first, index_bytes } => indices::address(draft, first, index_bytes),
        Memory::Offset => addressing::offset(draft, target),
        Memory::String => string::string(draft, repetitions),
        Memory::Table => implicit::table(draft),
        Memory::Implicit(memory) => implicit::other(draft, memory),
    }
}

/// Encodes the instruction, sometimes behind prefixes that change nothing.
fn encode(draft: &mut Draft<'_>) -> Result<Vec<u8>, String> {
    let mut encoder = Encoder::new(draft.bitness.bits());
    prefixes::choose_encoding(draft, &mut encoder);
    let rip = draft.registers.rip;
    let nr = prefixes::nr_redundant(draft);
    if nr > 0 {
        let code = encode_at(&mut encoder, &draft.instruction, rip + nr as u64)?;
        let longer = prefixes::prepend(draft, &code, nr.min(MAX_INSTRUCTION_BYTES.saturating_sub(code.len())));
        if let Some(code) = longer.filter(|_| code.len() + nr <= MAX_INSTRUCTION_BYTES) {
            return Ok(code);
        }
    }
    encode_at(&mut encoder, &draft.instruction, rip)
}

fn encode_at(encoder: &mut Encoder, instruction: &Instruction, rip: u64) -> Result<Vec<u8>, String> {
    encoder.encode(instruction, rip).map_err(|error| error.to_string())?;
    Ok(encoder.take_buffer())
}

#[cfg(test)]
mod tests;
