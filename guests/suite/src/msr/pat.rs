//! IA32_PAT.
//!
//! Entries 4 to 7 are the ones to play with: a page takes them only if its PAT flag is set, and no page of the runtime
//! has it.

use case::{Needs, Text};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::msr::{self, number::IA32_PAT},
    names,
};

/// IA32_PAT with `kind` in an entry.
fn with_entry(pat: u64, entry: u32, kind: u64) -> u64 {
    pat & !(0xff << (entry * 8)) | kind << (entry * 8)
}

/// Each entry of IA32_PAT takes the memory types UC, WC, WT, WP, WB and UC-.
#[case(feature = MsrPat, spec = [sdm3a("IA32_PAT MSR"), apm2("PAT Register")], needs = Needs::PAT)]
fn memory_types() {
    const NAMES: &[Text] = names!["UC", "WC", "WT", "WP", "WB", "UC-"];
    let pat = msr::read(IA32_PAT).unwrap_or(0);
    for (row, kind) in [0, 1, 4, 5, 6, 7].into_iter().enumerate() {
        let value = with_entry(with_entry(pat, 4, kind), 7, kind);
        check_eq!("in entries 4 and 7", [NAMES; row], msr::try_write(IA32_PAT, value).unwrap_or(0), value);
    }
}

/// Memory types that are reserved raise #GP(0) and leave IA32_PAT as it was.
#[case(feature = MsrPat, spec = [sdm3a("IA32_PAT MSR"), apm2("PAT Register")], needs = Needs::PAT)]
fn reserved_memory_types() {
    const NAMES: &[Text] = names!["02", "03", "08", "10", "80", "FF"];
    let pat = msr::read(IA32_PAT).unwrap_or(0);
    for (row, kind) in [0x02, 0x03, 0x08, 0x10, 0x80, 0xff].into_iter().enumerate() {
        check_outcome!("in entry 7", [NAMES; row], msr::write(IA32_PAT, with_entry(pat, 7, kind)), Outcome::GP);
    }
    check_eq!("IA32_PAT afterwards", msr::read(IA32_PAT).unwrap_or(!pat), pat);
}

/// A reserved memory type raises #GP(0) in each of the eight entries.
#[case(feature = MsrPat, spec = [sdm3a("IA32_PAT MSR"), apm2("PAT Register")], needs = Needs::PAT)]
fn reserved_memory_type_in_each_entry() {
    let pat = msr::read(IA32_PAT).unwrap_or(0);
    for entry in 0..8 {
        check_outcome!("02 in entry", [&[]; entry], msr::write(IA32_PAT, with_entry(pat, entry, 2)), Outcome::GP);
    }
    check_eq!("IA32_PAT afterwards", msr::read(IA32_PAT).unwrap_or(!pat), pat);
}
