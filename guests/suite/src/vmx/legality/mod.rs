//! What an entry refuses: the rules of the manual as data, each with its nearest legal and illegal values. It compiles for
//! the host too.
//!
//! Source: SDM vol. 3C, "VM Entries".

pub(crate) mod bases;
pub(crate) mod controls;
pub(crate) mod data_segment_rights;
pub(crate) mod events;
pub(crate) mod host;
pub(crate) mod random;
pub(crate) mod registers;
pub(crate) mod segment_limits;
pub(crate) mod segment_rights;
pub(crate) mod segments;
pub(crate) mod segments_by_mode;
pub(crate) mod state;
pub(crate) mod values;

use super::reason::{self, error};
use case::{Text, message::outcome};

/// Bits of a word that must be 1, and those that may be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    pub(crate) must: u64,
    pub(crate) may: u64,
}

impl Allowed {
    /// Bits whose change breaks the word, of 32.
    pub(crate) const fn fixed(self) -> u64 {
        (self.must | !self.may) & 0xffff_ffff
    }

    /// Bits that may be 0 and 1.
    pub(crate) const fn free(self) -> u64 {
        self.may & !self.must
    }
}

/// What the rules depend on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// Bits of a physical address.
    pub(crate) width: u32,
    pub(crate) pin: Allowed,
    pub(crate) processor: Allowed,
    pub(crate) secondary: Allowed,
    pub(crate) exit: Allowed,
    pub(crate) entry: Allowed,
    pub(crate) cr0: Allowed,
    pub(crate) cr4: Allowed,
    /// IA32_VMX_BASIC.
    pub(crate) basic: u64,
    /// IA32_VMX_MISC.
    pub(crate) misc: u64,
    /// IA32_VMX_EPT_VPID_CAP.
    pub(crate) ept: u64,
    /// IA32_VMX_VMFUNC.
    pub(crate) functions: u64,
    /// Bits of IA32_EFER that there are.
    pub(crate) efer: u64,
    /// Addresses of a page that nothing else uses, of VMCSs beside the current one, of which the second is a shadow VMCS, and
    /// of the current one.
    pub(crate) free_page: u64,
    pub(crate) other_vmcs: u64,
    pub(crate) shadow_vmcs: u64,
    pub(crate) current_vmcs: u64,
}

impl Facts {
    /// Bits above a physical address.
    pub(crate) const fn beyond(&self) -> u64 {
        !0 << self.width
    }

    /// Whether any hardware exception may be injected with and without an error code.
    pub(crate) const fn error_codes_are_free(&self) -> bool {
        self.basic >> 56 & 1 != 0
    }
}

/// What a field becomes of what stands there.
pub(crate) type Change = fn(&Facts, u64) -> u64;

/// A field that a rule needs changed, legally.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    pub(crate) field: u32,
    pub(crate) change: Change,
}

/// How an entry fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// VMfailValid(7).
    Controls,
    /// VMfailValid(8).
    Host,
    /// One of these two: the manual has such checks "on VMX controls and the host-state area".
    ControlsOrHost,
    /// Exit reason 33, with this qualification.
    Guest(u64),
    /// Exit reason 34, with the number of an entry as qualification.
    Msr(u64),
}

/// A rule: whatever is legal of a field, and what is not.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// Its name in its table.
    pub(crate) name: &'static str,
    /// Title of the manual's section.
    pub(crate) section: &'static str,
    pub(crate) failure: Failure,
    pub(crate) field: u32,
    /// The state that it starts from, as a change of a guest in 64-bit mode.
    pub(crate) base: &'static [Given],
    pub(crate) given: &'static [Given],
    /// Whether the rule holds for the processor.
    pub(crate) holds: fn(&Facts) -> bool,
    /// Bits of which a change is legal, and bits of which it is not.
    pub(crate) legal_bits: fn(&Facts) -> u64,
    pub(crate) illegal_bits: fn(&Facts) -> u64,
    /// Names of the values, the legal ones first.
    pub(crate) names: &'static [Text],
    pub(crate) legal: &'static [Change],
    pub(crate) illegal: &'static [Change],
}

/// Which value of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The changed bit.
    Bit(u32),
    /// The number of the name.
    Value(usize),
}

impl Rule {
    /// Calls `body` with the place, the value's own change, and whether it is legal.
    pub(crate) fn each(&self, facts: &Facts, mut body: impl FnMut(Place, &dyn Fn(u64) -> u64, bool)) {
        let (legal, illegal) = ((self.legal_bits)(facts), (self.illegal_bits)(facts));
        for bit in 0..64 {
            if (legal | illegal) >> bit & 1 != 0 {
                body(Place::Bit(bit), &|value| value ^ 1 << bit, illegal >> bit & 1 == 0);
            }
        }
        for (number, change) in self.legal.iter().chain(self.illegal).enumerate() {
            body(Place::Value(number), &|value| change(facts, value), number < self.legal.len());
        }
    }
}

/// What an attempt to enter showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The outcome of the instruction.
    pub(crate) outcome: u64,
    /// The exit reason of an entry that failed, else 0.
    pub(crate) reason: u64,
    /// The exit qualification of one.
    pub(crate) qualification: u64,
}

/// A column that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Outcome,
    Reason,
    Qualification,
}

/// A column with what was seen and what is due.
pub(crate) type Judged = Option<(Column, u64, u64)>;

/// What is to be reported of an attempt; `failure` is `None` for a legal state.
pub(crate) fn judge(failure: Option<Failure>, seen: Seen) -> [Judged; 3] {
    const CONTROLS: u64 = outcome::vm_fail_valid(error::ENTRY_CONTROLS);
    const HOST: u64 = outcome::vm_fail_valid(error::ENTRY_HOST_STATE);
    let refused = |due| [Some((Column::Outcome, seen.outcome, due)), None, None];
    let failed = |due: u32, qualification: Option<u64>| {
        [
            Some((Column::Outcome, seen.outcome, outcome::COMPLETED)),
            Some((Column::Reason, seen.reason, u64::from(due))),
            // Without the failure that is due, it says nothing.
            qualification
                .filter(|_| seen.outcome == outcome::COMPLETED && seen.reason == u64::from(due))
                .map(|due| (Column::Qualification, seen.qualification, due)),
        ]
    };
    match failure {
        None => failed(0, None),
        Some(Failure::Controls) => refused(CONTROLS),
        Some(Failure::Host) => refused(HOST),
        Some(Failure::ControlsOrHost) => refused(if seen.outcome == CONTROLS { CONTROLS } else { HOST }),
        Some(Failure::Guest(due)) => failed(reason::ENTRY_FAILED | reason::INVALID_GUEST_STATE, Some(due)),
        Some(Failure::Msr(due)) => failed(reason::ENTRY_FAILED | reason::MSR_LOADING, Some(due)),
    }
}

/// Access rights with another type.
const fn with_type(rights: u64, kind: u64) -> u64 {
    rights & !0xf | kind
}

/// Makes rules of a table, and a list of all of them. `types` are those that access rights may have, and those that they must
/// not; `values` are those that several rules share.
macro_rules! rules {
    ($($name:ident: $failure:expr, $section:expr, $field:ident, $base:expr;
       $(when($holds:expr))?
       $(given { $($given:ident: $given_change:expr),+ $(,)? })?
       $(bits($legal_bits:expr, $illegal_bits:expr))?
       $(types { $($type:literal)+; $($other_type:literal)+ })?
       $(legal { $($legal_name:literal: $legal:expr),+ $(,)? })?
       $(illegal { $($illegal_name:literal: $illegal:expr),+ $(,)? })?
       $(values($values:expr))?;
    )+) => {
        $(pub(crate) const $name: Rule = Rule {
            name: stringify!($name),
            section: $section,
            failure: $failure,
            field: field::$field,
            base: $base,
            given: &[$($(Given { field: field::$given, change: $given_change }),+)?],
            $(holds: $holds,)?
            $(legal_bits: $legal_bits, illegal_bits: $illegal_bits,)?
            names: &[
                $($(Text::new(concat!("type ", $type)),)+)?
                $($(Text::new($legal_name),)+)?
                $($(Text::new(concat!("type ", $other_type)),)+)?
                $($(Text::new($illegal_name),)+)?
            ],
            legal: &[$($(|_, rights| super::with_type(rights, $type),)+)? $($($legal),+)?],
            illegal: &[$($(|_, rights| super::with_type(rights, $other_type),)+)? $($($illegal),+)?],
            ..Rule::EMPTY
        }$(.with(&$values))?;)+

        /// All of them.
        pub(crate) const ALL: &[Rule] = &[$($name),+];
    };
}
use rules;

impl Rule {
    /// Nothing.
    pub(crate) const EMPTY: Self = Self {
        name: "",
        section: "",
        failure: Failure::Controls,
        field: 0,
        base: &[],
        given: &[],
        holds: |_| true,
        legal_bits: |_| 0,
        illegal_bits: |_| 0,
        names: &[],
        legal: &[],
        illegal: &[],
    };
}

/// No bits.
pub(crate) const fn none(_: &Facts) -> u64 {
    0
}

/// Bits of a page's address that may change: those of the lowest 256 MiB.
pub(crate) const fn page_bits(_: &Facts) -> u64 {
    0x0fff_f000
}

/// Bits that no page's address may have.
pub(crate) const fn not_page_bits(facts: &Facts) -> u64 {
    facts.beyond() | 0xfff
}

/// All 64 bits.
pub(crate) const fn all_bits(_: &Facts) -> u64 {
    !0
}

/// Bits that must be equal to bit 47, of an address below 2^47.
pub(crate) const fn not_canonical(_: &Facts) -> u64 {
    !0 << 47
}

/// All rules.
pub(crate) const TABLES: &[&[Rule]] = &[
    controls::ALL,
    events::ALL,
    host::ALL,
    registers::ALL,
    segments::ALL,
    segment_rights::ALL,
    data_segment_rights::ALL,
    segment_limits::ALL,
    segments_by_mode::ALL,
    state::ALL,
];
