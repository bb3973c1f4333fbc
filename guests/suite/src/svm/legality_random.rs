//! Random states of a VMCB: legal values of fields, and at most two that VMRUN refuses. It compiles for the host too.

use super::{
    legality_model::{
        Change::{Flip, Set, To},
        Rule, legal,
    },
    legality_rules::{COMBINATIONS, MAP_FIELDS, MAP_PAGES, RESERVED, WITHOUT_PROTECTION, last_map},
};
use crate::random::Random;

const NR_STEPS: usize = 12;

/// What the rules depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Bits of a physical address.
    pub(crate) physical_bits: u32,
    /// How many address spaces there are.
    pub(crate) nr_asids: u32,
    /// Rules of one field each beside those of `legality_rules`.
    pub(crate) singles: &'static [Rule],
}

/// What is free of a field: its offset, its width in bytes, and the bits that may be either.
#[derive(Clone, Copy, Debug)]
struct Free(u64, u8, u64);

/// Offset of the ASID, of which values and not bits are free.
const ASID: u64 = 0x058;
/// Offset of the TLB control: nothing and "flush all" are what every processor knows.
const TLB_CONTROL: u64 = 0x05c;

/// Fields of which a change is legal, and no code of L2's notices: intercepts of what it does not do, state that it has no use
/// for, and what VMRUN does not look at.
const FREE: [Free; 27] = [
    Free(0x000, 2, 0xffff),
    Free(0x002, 2, 0xffff),
    Free(0x004, 2, 0xffff),
    Free(0x006, 2, 0xffff),
    // From selective writes of CR0 to INVLPGA.
    Free(0x00c, 4, 0x07ff_ffe0),
    // From VMLOAD to MWAIT.
    Free(0x010, 4, 0x0ffc),
    // The low bits of the maps' addresses.
    Free(0x040, 8, 0xfff),
    Free(0x048, 8, 0xfff),
    // The TSC offset.
    Free(0x050, 8, u64::MAX),
    Free(ASID, 4, 0),
    Free(TLB_CONTROL, 1, 1),
    // The virtual task priority, and the interrupt shadow.
    Free(0x060, 1, 0xf),
    Free(0x068, 1, 1),
    // Where the processor writes.
    Free(0x078, 8, u64::MAX),
    Free(0x080, 8, u64::MAX),
    // Base and limit of ES and DS.
    Free(0x404, 4, 0xffff_ffff),
    Free(0x408, 8, 0xffff_ffff),
    Free(0x434, 4, 0xffff_ffff),
    Free(0x438, 8, 0xffff_ffff),
    // EFER.SCE; CR4.TSD, DE, MCE, PGE and PCE; PWT and PCD of CR3; CR0.MP, EM, TS, NE, WP and AM.
    Free(0x4d0, 8, 1),
    Free(0x548, 8, 0x1cc),
    Free(0x550, 8, 0x18),
    Free(0x558, 8, 0x5_002e),
    // Breakpoints by execution, which are nowhere where L2 is, and general detection: DR7.L0 to GE, and GD.
    Free(0x560, 8, 0x23ff),
    // Flags other than those of traps and interrupts.
    Free(0x570, 8, 0x24_fcd5 & !0x8000),
    // RAX and CR2.
    Free(0x5f8, 8, u64::MAX),
    Free(0x640, 8, u64::MAX),
];

/// A rule, by its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// One of [`Facts::singles`].
    Single(usize),
    /// One of [`RESERVED`].
    Reserved(usize),
    /// One of [`COMBINATIONS`].
    Combination(usize),
    /// [`WITHOUT_PROTECTION`].
    WithoutProtection,
    /// Where one of the maps lies.
    Map(usize),
    /// One of the free fields.
    Free(usize),
}

impl Class {
    /// How many there are.
    pub(crate) const fn count(facts: &Facts) -> usize {
        facts.singles.len() + RESERVED.len() + COMBINATIONS.len() + 1 + MAP_FIELDS.len() + FREE.len()
    }

    /// The class with a number.
    pub(crate) const fn of(facts: &Facts, mut number: usize) -> Self {
        if number < facts.singles.len() {
            return Self::Single(number);
        }
        number -= facts.singles.len();
        if number < RESERVED.len() {
            return Self::Reserved(number);
        }
        number -= RESERVED.len();
        if number < COMBINATIONS.len() {
            return Self::Combination(number);
        }
        number -= COMBINATIONS.len();
        if number == 0 {
            return Self::WithoutProtection;
        }
        number -= 1;
        if number < MAP_FIELDS.len() { Self::Map(number) } else { Self::Free(number - MAP_FIELDS.len()) }
    }

    /// Whether it has a legal, and whether an illegal value.
    pub(crate) fn has(self, facts: &Facts) -> [bool; 2] {
        match self {
            Self::Map(_) => [true, true],
            Self::Free(_) => [true, false],
            Self::Reserved(_) | Self::WithoutProtection => [false, true],
            Self::Single(_) | Self::Combination(_) => {
                let mut is_legal = true;
                let step = Step { class: self, value: 0, is_legal };
                step.each(facts, |rule| is_legal = rule.is_legal);
                [is_legal, !is_legal]
            }
        }
    }
}

/// A value of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) class: Class,
    /// The bit of a reserved range, the distance of a map from its last legal place in pages, or random bits.
    pub(crate) value: u64,
    pub(crate) is_legal: bool,
}

impl Step {
    /// Calls `body` with each change that it makes.
    pub(crate) fn each(self, facts: &Facts, mut body: impl FnMut(Rule)) {
        match self.class {
            Class::Single(at) => facts.singles.get(at).copied().into_iter().for_each(body),
            Class::Reserved(at) => {
                RESERVED.get(at).map(|reserved| reserved.rule(self.value as u8)).into_iter().for_each(body);
            }
            Class::Combination(at) => {
                let rules = COMBINATIONS.get(at).map_or(&[][..], |combination| combination.rules);
                rules.iter().copied().for_each(body);
            }
            Class::WithoutProtection => body(WITHOUT_PROTECTION),
            Class::Map(at) => {
                if let (Some(field), Some(pages)) = (MAP_FIELDS.get(at), MAP_PAGES.get(at)) {
                    let address = last_map(facts.physical_bits, *pages) + self.value * 4096;
                    body(Rule { field: *field, width: 8, change: To(address), is_legal: self.is_legal });
                }
            }
            Class::Free(at) => {
                if let Some(Free(field, width, bits)) = FREE.get(at).copied() {
                    let is_intercept = field < 0x18;
                    body(match field {
                        ASID => legal(field, width, To(1 + self.value % u64::from(facts.nr_asids.max(2) - 1))),
                        // An intercept that there is stays.
                        _ if is_intercept => legal(field, width, Set(self.value & bits)),
                        _ => legal(field, width, Flip(self.value & bits)),
                    });
                }
            }
        }
    }

    fn fields(self, facts: &Facts) -> impl Iterator<Item = u64> {
        let mut fields = [None; 2];
        let mut nr_fields = 0;
        self.each(facts, |rule| {
            if let Some(place) = fields.get_mut(nr_fields) {
                *place = Some(rule.field);
                nr_fields += 1;
            }
        });
        fields.into_iter().flatten()
    }
}

/// A state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    steps: [Option<Step>; NR_STEPS],
    nr_steps: usize,
}

impl Plan {
    /// The state with this number.
    pub(crate) fn new(facts: &Facts, seed: u64, number: u64) -> Self {
        let mut random = Random::of(seed, number);
        let mut plan = Self::default();
        let nr_illegal = [0, 1, 1, 1, 2][random.below(5)];
        let nr_wanted = 1 + nr_illegal + random.below(NR_STEPS - nr_illegal - 1);
        for _ in 0..8 * NR_STEPS {
            if plan.nr_steps == nr_wanted {
                break;
            }
            let class = Class::of(facts, random.below(Class::count(facts)));
            plan.take(class, facts, plan.nr_steps >= nr_illegal, &mut random);
        }
        plan
    }

    /// Takes a value of a rule, if no other step changes one of its fields.
    fn take(&mut self, class: Class, facts: &Facts, is_legal: bool, random: &mut Random) {
        let [has_legal, has_illegal] = class.has(facts);
        if if is_legal { !has_legal } else { !has_illegal } {
            return;
        }
        let value = match class {
            Class::Reserved(at) => RESERVED.get(at).map_or(0, |reserved| {
                u64::from(reserved.first) + random.below(usize::from(reserved.last - reserved.first) + 1) as u64
            }),
            Class::Map(at) if !is_legal => {
                let pages = MAP_PAGES.get(at).copied().unwrap_or(1);
                [1, pages, pages + 1][random.below(3)]
            }
            Class::Free(_) => random.next(),
            _ => 0,
        };
        let step = Step { class, value, is_legal };
        let is_taken = |field| self.steps().any(|other| other.fields(facts).any(|taken| taken == field));
        if step.fields(facts).any(is_taken) {
            return;
        }
        if let Some(place) = self.steps.get_mut(self.nr_steps) {
            *place = Some(step);
            self.nr_steps += 1;
        }
    }

    /// Its values.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> {
        self.steps.iter().take(self.nr_steps).copied().flatten()
    }

    /// Whether VMRUN must take it.
    pub(crate) fn is_legal(&self) -> bool {
        self.steps().all(|step| step.is_legal)
    }

    /// Leaves the step out.
    pub(crate) fn remove(&mut self, at: usize) {
        self.steps.copy_within(at + 1..self.nr_steps, at);
        self.nr_steps -= 1;
        self.steps[self.nr_steps] = None;
    }
}
