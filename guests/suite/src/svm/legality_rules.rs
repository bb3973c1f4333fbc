//! VMRUN's rules as data: a field, its width, and what is illegal of it. It compiles for the host too, where a generator and the list
//! of what is covered read it.
//!
//! Source: APM vol. 2, "Canonicalization and Consistency Checks".

use super::legality_model::{
    Change::{Clear, Set, To},
    Rule, illegal, legal,
};

/// Offsets in the VMCB. They are written here a second time, so that rules and runtime do not err alike.
mod at {
    pub(super) const INTERCEPTS_2: u64 = 0x010;
    pub(super) const IOPM_BASE: u64 = 0x040;
    pub(super) const MSRPM_BASE: u64 = 0x048;
    pub(super) const ASID: u64 = 0x058;
    pub(super) const CS_ATTRIBUTES: u64 = 0x412;
    pub(super) const EFER: u64 = 0x4d0;
    pub(super) const CR4: u64 = 0x548;
    pub(super) const CR3: u64 = 0x550;
    pub(super) const CR0: u64 = 0x558;
    pub(super) const DR7: u64 = 0x560;
    pub(super) const DR6: u64 = 0x568;
}

/// Bits of a register that must be zero, from the first to the last, both included: each one alone makes a state illegal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reserved {
    /// The register's name, for lists.
    #[expect(dead_code, reason = "read where the rules are listed, on the host")]
    pub(crate) name: &'static str,
    /// Its field.
    pub(crate) field: u64,
    /// The first bit.
    pub(crate) first: u8,
    /// The last bit.
    pub(crate) last: u8,
}

const fn reserved(name: &'static str, field: u64, first: u8, last: u8) -> Reserved {
    Reserved { name, field, first, last }
}

/// What is reserved on every processor that there is. Bits of EFER and CR4 that newer processors define are left out.
pub(crate) const RESERVED: [Reserved; 9] = [
    reserved("CR0", at::CR0, 32, 63),
    reserved("CR3", at::CR3, 52, 63),
    reserved("CR4", at::CR4, 32, 63),
    reserved("CR4 below bit 32", at::CR4, 25, 27),
    reserved("DR6", at::DR6, 32, 63),
    reserved("DR7", at::DR7, 32, 63),
    reserved("EFER", at::EFER, 22, 63),
    reserved("EFER bit 9", at::EFER, 9, 9),
    reserved("EFER bit 16", at::EFER, 16, 16),
];

impl Reserved {
    /// The rule of one of its bits.
    pub(crate) const fn rule(self, bit: u8) -> Rule {
        illegal(self.field, 8, Set(1 << bit))
    }
}

const CR0_PE: u64 = 1 << 0;
const CR0_NW: u64 = 1 << 29;
const CR0_CD: u64 = 1 << 30;
const CR4_PAE: u64 = 1 << 5;
const EFER_SVME: u64 = 1 << 12;
const CS_D: u64 = 1 << 10;
const CS_L: u64 = 1 << 9;

/// A rule about several fields: all changes are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Combination {
    /// For lists.
    #[expect(dead_code, reason = "read where the rules are listed, on the host")]
    pub(crate) name: &'static str,
    /// The changes; whether the state is legal stands in the last.
    pub(crate) rules: &'static [Rule],
}

macro_rules! combinations {
    ($($name:literal: $($rule:expr),+;)*) => {
        /// Rules that are about more than a bit.
        pub(crate) const COMBINATIONS: &[Combination] = &[$(Combination { name: $name, rules: &[$($rule),+] }),*];
    };
}

combinations! {
    "EFER.SVME clear": illegal(at::EFER, 8, Clear(EFER_SVME));
    "CR0.CD clear, NW clear": legal(at::CR0, 8, Clear(CR0_CD | CR0_NW));
    "CR0.CD set, NW clear": legal(at::CR0, 8, Clear(CR0_NW)), legal(at::CR0, 8, Set(CR0_CD));
    "CR0.CD set, NW set": legal(at::CR0, 8, Set(CR0_CD | CR0_NW));
    "CR0.CD clear, NW set": legal(at::CR0, 8, Clear(CR0_CD)), illegal(at::CR0, 8, Set(CR0_NW));
    "LME and PG, PAE clear": illegal(at::CR4, 8, Clear(CR4_PAE));
    "LME, PG and PAE, CS.L and CS.D": illegal(at::CS_ATTRIBUTES, 2, Set(CS_L | CS_D));
    "LME, PG and PAE, CS.L alone": legal(at::CS_ATTRIBUTES, 2, Set(CS_L));
    "intercept of VMRUN clear": illegal(at::INTERCEPTS_2, 4, Clear(1));
    "no intercept of the second word": illegal(at::INTERCEPTS_2, 4, To(0));
    "ASID 0": illegal(at::ASID, 4, To(0));
    "ASID 1": legal(at::ASID, 4, To(1));
    "ASID 2": legal(at::ASID, 4, To(2));
    "I/O map at 2^52": illegal(at::IOPM_BASE, 8, To(1 << 52));
    "I/O map at 2^63": illegal(at::IOPM_BASE, 8, To(1 << 63));
    "MSR map at 2^52": illegal(at::MSRPM_BASE, 8, To(1 << 52));
    "MSR map at 2^63": illegal(at::MSRPM_BASE, 8, To(1 << 63));
}

/// Long mode without protection: by itself, because subjects have died of it.
pub(crate) const WITHOUT_PROTECTION: Rule = illegal(at::CR0, 8, Clear(CR0_PE));

/// Where the maps may lie: the last legal address, by size, below the end of physical addresses.
pub(crate) const fn last_map(physical_bits: u32, nr_pages: u64) -> u64 {
    (1 << physical_bits) - nr_pages * 4096
}

/// Pages of the map of ports, and of that of MSRs.
pub(crate) const MAP_PAGES: [u64; 2] = [3, 2];
/// Their fields.
pub(crate) const MAP_FIELDS: [u64; 2] = [at::IOPM_BASE, at::MSRPM_BASE];
