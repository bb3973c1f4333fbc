//! The local APIC of the processor that this code runs on, as the walk over the table wants it.

use super::{
    table::{Features, NR_ROWS, ROWS},
    walk::{self, Code, Column, Machine},
};
use case::{Needs, Site, Text};
use rt::{
    Outcome, check_eq, check_outcome,
    cpu::cpuid,
    local_apic::{
        Registers,
        register::{Register, svr},
    },
    report::check,
};

/// The local APIC of this processor.
#[derive(Debug)]
pub(crate) struct Guest<'a> {
    registers: &'a Registers,
    features: Features,
}

impl<'a> Guest<'a> {
    pub(crate) fn new(registers: &'a Registers) -> Self {
        let version = registers.read(Register::VERSION);
        let (offers, _) = cpuid::read_offers();
        let features = Features {
            last_vector: version >> 16 & 0xff,
            suppression: version & 1 << 24 != 0,
            deadline: offers.contains(Needs::TSC_DEADLINE),
            extended: offers.contains(Needs::AMD),
        };
        Self { registers, features }
    }

    pub(crate) fn registers(&self) -> &Registers {
        self.registers
    }
}

const _: () = assert!(super::table::SUPPRESS == svr::SUPPRESS_BROADCAST);

impl Machine for Guest<'_> {
    fn features(&self) -> Features {
        self.features
    }

    fn is_x2apic(&self) -> bool {
        self.registers.are_msrs()
    }

    fn read(&mut self, number: u8) -> Result<u64, Code> {
        self.registers.try_read(Register(number)).map_err(|exception| Outcome::from(exception).0)
    }

    fn write(&mut self, number: u8, value: u64) -> Result<(), Code> {
        self.registers.try_write(Register(number), value).map_err(|exception| Outcome::from(exception).0)
    }

    fn report(&mut self, row: usize, column: Column, at: u32, actual: u64, expected: u64) {
        let sites = &SITES[row];
        let (left, right) = (Outcome(actual), Outcome(expected));
        match column {
            Column::Reset => check_eq!("after reset", [NAMES; row], actual, expected),
            Column::Read => check_outcome!("RDMSR", [NAMES; row], left, right),
            Column::ReservedAsRead => check_eq!("reserved bits", [NAMES; row], actual, expected),
            Column::Write => check_outcome!("WRMSR", [NAMES; row], left, right),
            Column::Unchanged => check_eq!("unchanged", [NAMES; row], actual, expected),
            Column::ReadBack => check(sites.bits, at.into(), actual, expected),
            Column::Value => check(sites.values, at.into(), actual, expected),
            Column::Reserved => check(sites.reserved, at.into(), actual, expected),
            Column::Beside => check(sites.beside, at.into(), actual, expected),
        }
    }
}

/// The checks of one row: each has a site of its own, so that its id names the register, and the bit is the row.
struct Sites {
    name: &'static str,
    bits: &'static Site,
    values: &'static Site,
    reserved: &'static Site,
    beside: &'static Site,
}

macro_rules! sites {
    ($($name:literal)*) => {
        static SITES: &[Sites] = &[$(Sites {
            name: $name,
            bits: rt::site!(concat!($name, ": read-back with the other value of bit"), &[], Hex),
            values: rt::site!(concat!($name, ": read-back of legal value"), &[], Hex),
            reserved: rt::site!(concat!($name, ": setting reserved bit"), &[], Outcome),
            beside: rt::site!(concat!($name, ": what stands beside reserved bit"), &[], Hex),
        }),*];
    };
}

// In the order of the table, as the assertion below sees to.
sites! {
    "ID" "version" "TPR" "APR" "PPR" "EOI" "RRD" "LDR" "DFR" "SVR"
    "ISR 31:0" "ISR 63:32" "ISR 95:64" "ISR 127:96" "ISR 159:128" "ISR 191:160" "ISR 223:192" "ISR 255:224"
    "TMR 31:0" "TMR 63:32" "TMR 95:64" "TMR 127:96" "TMR 159:128" "TMR 191:160" "TMR 223:192" "TMR 255:224"
    "IRR 31:0" "IRR 63:32" "IRR 95:64" "IRR 127:96" "IRR 159:128" "IRR 191:160" "IRR 223:192" "IRR 255:224"
    "ESR" "LVT CMCI" "ICR" "ICR 63:32" "LVT timer" "LVT thermal sensor" "LVT performance counters" "LVT LINT0" "LVT LINT1"
    "LVT error" "initial count" "current count" "divide configuration" "self IPI"
}

const fn are_equal(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}

const _: () = {
    assert!(SITES.len() == NR_ROWS, "a row has no checks");
    let mut index = 0;
    while index < NR_ROWS {
        assert!(
            are_equal(SITES[index].name.as_bytes(), ROWS[index].name.as_bytes()),
            "checks are named as another row"
        );
        index += 1;
    }
};

const NAMES: &[Text] = &{
    let mut names = [Text::EMPTY; NR_ROWS];
    let mut index = 0;
    while index < names.len() {
        names[index] = Text::new(ROWS[index].name);
        index += 1;
    }
    names
};

/// Reserved bits of the registers from number `first` up to `end`.
pub(crate) fn check_range(guest: &mut Guest<'_>, first: u8, end: u8) {
    let index = |number: u8| ROWS.iter().position(|row| row.number >= number).unwrap_or(NR_ROWS);
    walk::check_reserved(guest, index(first), index(end));
}
