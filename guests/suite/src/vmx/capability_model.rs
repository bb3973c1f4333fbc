//! What capability MSRs must say of each other. It compiles for the host too.
//!
//! Source: SDM vol. 3D, appendix A, "VMX Capability Reporting Facility".

use case::{Text, probe::vmx::number};

/// What the MSRs hold; 0 for those that do not exist.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) basic: u64,
    pub(crate) pin: u64,
    pub(crate) processor: u64,
    pub(crate) exit: u64,
    pub(crate) entry: u64,
    pub(crate) true_pin: u64,
    pub(crate) true_processor: u64,
    pub(crate) true_exit: u64,
    pub(crate) true_entry: u64,
    pub(crate) secondary: u64,
    pub(crate) misc: u64,
    pub(crate) ept: u64,
    pub(crate) functions: u64,
    pub(crate) largest_index: u64,
    pub(crate) address_bits: u32,
}

const SECONDARY: u64 = 1 << 63;
const TERTIARY: u64 = 1 << (32 + 17);
const EPT_OR_VPID: u64 = (1 << 1 | 1 << 5) << 32;
const FUNCTIONS: u64 = 1 << (32 + 13);
const EXIT_CONTROLS_2: u64 = 1 << 63;
const TRUE: u64 = 1 << 55;

/// Whether a capability MSR exists, by what others say.
pub(crate) fn exists(number: u32, read: impl Fn(u32) -> u64) -> bool {
    let secondary =
        |bits| read(number::PROCESSOR_CONTROLS) & SECONDARY != 0 && read(number::SECONDARY_CONTROLS) & bits != 0;
    match number {
        number::SECONDARY_CONTROLS => read(number::PROCESSOR_CONTROLS) & SECONDARY != 0,
        number::EPT_VPID => secondary(EPT_OR_VPID),
        number::FUNCTIONS => secondary(FUNCTIONS),
        number::TRUE_PIN_CONTROLS..=number::TRUE_ENTRY_CONTROLS => read(number::BASIC) & TRUE != 0,
        number::TERTIARY_CONTROLS => read(number::PROCESSOR_CONTROLS) & TERTIARY != 0,
        number::EXIT_CONTROLS_2 => read(number::EXIT_CONTROLS) & EXIT_CONTROLS_2 != 0,
        _ => true,
    }
}

impl Facts {
    /// Asks for those that exist.
    pub(crate) fn read(read: impl Fn(u32) -> u64 + Copy, address_bits: u32) -> Self {
        let of = |number| if exists(number, read) { read(number) } else { 0 };
        Self {
            basic: of(number::BASIC),
            pin: of(number::PIN_CONTROLS),
            processor: of(number::PROCESSOR_CONTROLS),
            exit: of(number::EXIT_CONTROLS),
            entry: of(number::ENTRY_CONTROLS),
            true_pin: of(number::TRUE_PIN_CONTROLS),
            true_processor: of(number::TRUE_PROCESSOR_CONTROLS),
            true_exit: of(number::TRUE_EXIT_CONTROLS),
            true_entry: of(number::TRUE_ENTRY_CONTROLS),
            secondary: of(number::SECONDARY_CONTROLS),
            misc: of(number::MISC),
            ept: of(number::EPT_VPID),
            functions: of(number::FUNCTIONS),
            largest_index: of(number::VMCS_ENUM) >> 1 & 0x1ff,
            address_bits,
        }
    }

    const fn may(&self, bit: u32) -> bool {
        self.secondary >> (32 + bit) & 1 != 0
    }
}

/// A rule: `broken` yields the bits that break it, or 0.
pub(crate) struct Rule {
    pub(crate) broken: fn(&Facts) -> u64,
}

macro_rules! rules {
    ($($name:literal: $broken:expr;)*) => {
        pub(crate) static RULES: &[Rule] = &[$(Rule { broken: $broken }),*];
        pub(crate) static NAMES: &[Text] = &[$(Text::new($name)),*];
    };
}

/// Bits that must be 1 and may not.
const fn contradiction(controls: u64) -> u64 {
    controls & 0xffff_ffff & !(controls >> 32)
}

/// Bits of the default1 class that the first MSR lets be 0.
const fn not_held(controls: u64, default: u64) -> u64 {
    default & !controls
}

/// The two MSRs of a word may differ in default1 bits that must be 1, and in nothing else.
const fn differs(facts: &Facts, first: u64, second: u64, default: u64) -> u64 {
    if facts.basic & TRUE == 0 { 0 } else { (first ^ second) & !default }
}

const PIN: u64 = 0x16;
const PROCESSOR: u64 = 0x0401_e172;
const EXIT: u64 = 0x0003_6dff;
const ENTRY: u64 = 0x0000_11ff;

/// All of `bits` unless `condition` holds.
const fn unless(condition: bool, bits: u64) -> u64 {
    if condition { 0 } else { bits }
}

rules! {
    "BASIC: bit 31 is 0": |facts| facts.basic & 1 << 31;
    "BASIC: a region has 1 to 4096 bytes": |facts| {
        let size = facts.basic >> 32 & 0x1fff;
        unless((1..=4096).contains(&size), size | 1 << 63)
    };
    "BASIC: reserved bits": |facts| facts.basic & (7 << 45 | !0 << 59);
    "BASIC: addresses of 32 bits are of processors without 64-bit mode": |facts| facts.basic & 1 << 48;
    "BASIC: the memory type is uncacheable or write-back": |facts| {
        let kind = facts.basic >> 50 & 15;
        unless(kind == 0 || kind == 6, kind)
    };
    "pin-based: must and may not": |facts| contradiction(facts.pin);
    "processor-based: must and may not": |facts| contradiction(facts.processor);
    "exit: must and may not": |facts| contradiction(facts.exit);
    "entry: must and may not": |facts| contradiction(facts.entry);
    "secondary: a bit must be 1": |facts| facts.secondary & 0xffff_ffff;
    "pin-based: default1 that may be 0": |facts| not_held(facts.pin, PIN);
    "processor-based: default1 that may be 0": |facts| not_held(facts.processor, PROCESSOR);
    "exit: default1 that may be 0": |facts| not_held(facts.exit, EXIT);
    "entry: default1 that may be 0": |facts| not_held(facts.entry, ENTRY);
    "pin-based: the two MSRs": |facts| differs(facts, facts.pin, facts.true_pin, PIN);
    "processor-based: the two MSRs": |facts| differs(facts, facts.processor, facts.true_processor, PROCESSOR);
    "exit: the two MSRs": |facts| differs(facts, facts.exit, facts.true_exit, EXIT);
    "entry: the two MSRs": |facts| differs(facts, facts.entry, facts.true_entry, ENTRY);
    "virtual NMIs need NMI exiting": |facts| unless(facts.pin >> 37 & 1 == 0 || facts.pin >> 35 & 1 != 0, 1 << 37);
    "posted interrupts need virtual-interrupt delivery": |facts| unless(facts.pin >> 39 & 1 == 0 || facts.may(9), 1 << 39);
    "posted interrupts need acknowledging exits": |facts| {
        unless(facts.pin >> 39 & 1 == 0 || facts.exit >> 47 & 1 != 0, 1 << 39)
    };
    "virtual-interrupt delivery needs the TPR shadow": |facts| unless(!facts.may(9) || facts.processor >> 53 & 1 != 0, 1 << 9);
    "APIC-register virtualization needs the TPR shadow": |facts| unless(!facts.may(8) || facts.processor >> 53 & 1 != 0, 1 << 8);
    "x2APIC virtualization needs the TPR shadow": |facts| unless(!facts.may(4) || facts.processor >> 53 & 1 != 0, 1 << 4);
    "unrestricted guests need EPT": |facts| unless(!facts.may(7) || facts.may(1), 1 << 7);
    "PML needs EPT with dirty flags": |facts| unless(!facts.may(17) || facts.may(1) && facts.ept >> 21 & 1 != 0, 1 << 17);
    "mode-based execute control needs EPT": |facts| unless(!facts.may(22) || facts.may(1), 1 << 22);
    "sub-page permissions need EPT": |facts| unless(!facts.may(23) || facts.may(1), 1 << 23);
    "saving the timer needs the timer": |facts| unless(facts.exit >> 54 & 1 == 0 || facts.pin >> 38 & 1 != 0, 1 << 54);
    "a host of 64 bits": |facts| !facts.exit & 1 << 41;
    "a guest of 64 bits": |facts| !facts.entry & 1 << 41;
    "EPT: a walk of four levels": |facts| unless(!facts.may(1), !facts.ept & 1 << 6);
    "EPT: a memory type": |facts| unless(!facts.may(1) || facts.ept & (1 << 8 | 1 << 14) != 0, 1 << 8 | 1 << 14);
    "EPT: INVEPT with EPT": |facts| unless(!facts.may(1), !facts.ept & 1 << 20);
    "EPT: a type of INVEPT": |facts| unless(facts.ept >> 20 & 1 == 0 || facts.ept & 3 << 25 != 0, 3 << 25);
    "VPID: INVVPID with VPIDs": |facts| unless(!facts.may(5), !facts.ept & 1 << 32);
    "VPID: a type of INVVPID": |facts| unless(facts.ept >> 32 & 1 == 0 || facts.ept >> 40 & 15 != 0, 15 << 40);
    "EPT: reserved bits": |facts| facts.ept & (0x1f << 1 | 0x1f << 9 | 1 << 15 | 3 << 18 | 1 << 24 | 0x1f << 27 | 0x7f << 33 | 0xf << 44 | !0 << 54);
    "MISC: reserved bits": |facts| facts.misc & (0x1f << 9 | 1 << 31);
    "MISC: at most 256 CR3-target values": |facts| unless(facts.misc >> 16 & 0x1ff <= 256, facts.misc >> 16 & 0x1ff);
    "MISC: unrestricted guests store LMA": |facts| unless(!facts.may(7) || facts.misc >> 5 & 1 != 0, 1 << 5);
    "VMCS_ENUM: the index reaches the guest's SYSENTER_EIP": |facts| unless(facts.largest_index >= 0x13, facts.largest_index | 1 << 63);
    "VMCS_ENUM: the index reaches the timer": |facts| unless(facts.pin >> 38 & 1 == 0 || facts.largest_index >= 0x17, facts.largest_index | 1 << 63);
    "FUNCTIONS: EPTP switching needs EPT": |facts| unless(facts.functions & 1 == 0 || facts.may(1), 1);
    "physical addresses of 32 to 52 bits": |facts| unless((32..=52).contains(&facts.address_bits), facts.address_bits as u64);
}
