//! The register file of the processor that this code runs on.

use super::{
    model::Group,
    rows::{ROWS, msrs},
    walk::{self, COMPLETED, Code, Column, Machine, PROTECTION, Part, WideRead},
};
use crate::cpuid::bit::Processor;
use case::{Site, Text};
use rt::{
    Outcome, check_eq, check_outcome,
    cpu::{cpuid::read_leaf, msr},
    instruction,
    report::check,
    user, user_code,
};

const _: () = assert!(Outcome::COMPLETED.0 == COMPLETED && Outcome::GP.0 == PROTECTION);

/// The processor that this code runs on.
struct Guest;

impl Processor for Guest {
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let leaf = read_leaf(leaf, subleaf);
        [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]
    }

    fn msr(&self, number: u32) -> u64 {
        msr::read(number).unwrap_or(0)
    }
}

user_code!(rdmsr: "mov rcx, rdi", "rdmsr", "ret");
user_code!(wrmsr: "mov rcx, rdi", "xor eax, eax", "xor edx, edx", "wrmsr", "ret");

impl Machine for Guest {
    fn read(&mut self, number: u32) -> Result<u64, Code> {
        msr::read(number).map_err(|exception| Outcome::from(exception).0)
    }

    fn write(&mut self, number: u32, value: u64) -> Result<(), Code> {
        msr::write(number, value).map_err(|exception| Outcome::from(exception).0)
    }

    fn read_wide(&mut self, number: u32) -> WideRead {
        let (mut rax, mut rdx) = (u64::MAX, u64::MAX);
        let result = instruction!("rdmsr", in("rcx") u64::from(number) | 0xffff_ffff << 32,
                                  inout("rax") u64::MAX => rax, inout("rdx") u64::MAX => rdx);
        WideRead { outcome: Outcome::from(result).0, rax, rdx }
    }

    fn read_at_cpl_3(&mut self, number: u32) -> Code {
        Outcome::from(user::call(rdmsr, number.into())).0
    }

    fn write_at_cpl_3(&mut self, number: u32) -> Code {
        Outcome::from(user::call(wrmsr, number.into())).0
    }

    fn report(&mut self, row: usize, column: Column, at: u32, actual: u64, expected: u64) {
        let sites = &SITES[row];
        let (left, right) = (Outcome(actual), Outcome(expected));
        match column {
            Column::Read => check_outcome!("RDMSR", [NAMES; row], left, right),
            Column::First => check_eq!("at first", [NAMES; row], actual, expected),
            Column::Write => check_outcome!("WRMSR", [NAMES; row], left, right),
            Column::WideRead => check_outcome!("RDMSR with bits 63 to 32 of RCX set", [NAMES; row], left, right),
            Column::UpperHalves => check_eq!("bits 63 to 32 of RAX and RDX", [NAMES; row], actual, expected),
            Column::WideValue => check_eq!("value read with bits 63 to 32 of RCX set", [NAMES; row], actual, expected),
            Column::UserRead => check_outcome!("RDMSR at CPL 3", [NAMES; row], left, right),
            Column::UserWrite => check_outcome!("WRMSR at CPL 3", [NAMES; row], left, right),
            Column::Fault => check(sites.faults, at.into(), actual, expected),
            Column::ReadBack => check(sites.reads, at.into(), actual, expected),
            Column::LowAddress => check(sites.low, at.into(), actual, expected),
            Column::HighAddress => check(sites.high, at.into(), actual, expected),
            Column::Type => check(sites.types, at.into(), actual, expected),
            Column::Unchanged => check_eq!("unchanged by writes that fault", [NAMES; row], actual, expected),
        }
    }
}

/// The checks of one row: each has a site of its own, so that its id names the MSR, and the bit is the row.
struct Sites {
    faults: &'static Site,
    reads: &'static Site,
    low: &'static Site,
    high: &'static Site,
    types: &'static Site,
}

macro_rules! sites {
    ($($name:ident $number:literal, $group:expr, $exists:expr, $absence:expr, $access:expr, $reset:expr, $fields:expr;)*) => {
        static SITES: &[Sites] = &[$(Sites {
            faults: rt::site!(concat!(stringify!($name), ": setting bit"), &[], Outcome),
            reads: rt::site!(concat!(stringify!($name), ": read-back of the other value of bit"), &[], Hex),
            low: rt::site!(concat!(stringify!($name), ": address of one bit"), &[], Hex),
            high: rt::site!(concat!(stringify!($name), ": address of all bits from"), &[], Hex),
            types: rt::site!(concat!(stringify!($name), ": type"), TYPE_NAMES, Outcome),
        }),*];
    };
}
msrs!(sites);

const NAMES: &[Text] = &{
    let mut names = [Text::EMPTY; ROWS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Text::new(ROWS[index].name);
        index += 1;
    }
    names
};

macro_rules! type_names {
    ($($byte:literal)*) => {
        /// In the order of [`walk::TYPES`].
        const TYPE_NAMES: &[Text] = &[$(
            Text::new(concat!("00 in byte ", $byte)), Text::new(concat!("01 in byte ", $byte)),
            Text::new(concat!("04 in byte ", $byte)), Text::new(concat!("05 in byte ", $byte)),
            Text::new(concat!("06 in byte ", $byte)), Text::new(concat!("07 in byte ", $byte)),
            Text::new(concat!("02 in byte ", $byte)), Text::new(concat!("03 in byte ", $byte)),
            Text::new(concat!("08 in byte ", $byte)), Text::new(concat!("10 in byte ", $byte)),
            Text::new(concat!("20 in byte ", $byte)), Text::new(concat!("40 in byte ", $byte)),
            Text::new(concat!("80 in byte ", $byte)),
        )*];
    };
}
type_names!(0 1 2 3 4 5 6 7);

/// See [`walk::check_accesses`].
pub(super) fn check_accesses(group: Group) {
    walk::check_accesses(&mut Guest, group);
}

/// See [`walk::check_privilege`].
pub(super) fn check_privilege(write: bool) {
    walk::check_privilege(&mut Guest, write);
}

/// See [`walk::check_bits`]; a skip if there is no bit to try.
pub(super) fn check_bits(group: Group, part: Part) {
    if walk::check_bits(&mut Guest, group, part) == 0 {
        rt::skip!("none of these MSRs exists here with a bit to try");
    }
}
