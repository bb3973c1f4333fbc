//! Data breakpoints of each length against accesses of each size, and code breakpoints on each kind of instruction.

use super::{
    breakpoint_model::{SIZES, borders, columns, expected as expected_breaks, is_break},
    mode::Mode,
    program::{Machine, Seen, Start},
    vector_model::{PRIVILEGED, Place, UNPRIVILEGED, expected, names as names_of},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{self, cr4},
        debug::{
            Breakpoints,
            dr7::{self, Condition},
        },
    },
    layout, names,
    vocabulary::Text,
};

/// Loads and stores of 1, 2, 4 and 8 bytes at [RDI], and additions to it.
const LOADS: [&[u8]; 4] = [&[0x8a, 0x07], &[0x66, 0x8b, 0x07], &[0x8b, 0x07], &[0x48, 0x8b, 0x07]];
const STORES: [&[u8]; 4] = [&[0x88, 0x07], &[0x66, 0x89, 0x07], &[0x89, 0x07], &[0x48, 0x89, 0x07]];
const ADDITIONS: [&[u8]; 4] = [&[0x00, 0x07], &[0x66, 0x01, 0x07], &[0x01, 0x07], &[0x48, 0x01, 0x07]];

/// Length of the breakpoint, size of the access.
const LENGTHS_AND_SIZES: &[Text] = names![
    "1 byte, access of 1",
    "1 byte, access of 2",
    "1 byte, access of 4",
    "1 byte, access of 8",
    "2 bytes, access of 1",
    "2 bytes, access of 2",
    "2 bytes, access of 4",
    "2 bytes, access of 8",
    "4 bytes, access of 1",
    "4 bytes, access of 2",
    "4 bytes, access of 4",
    "4 bytes, access of 8",
    "8 bytes, access of 1",
    "8 bytes, access of 2",
    "8 bytes, access of 4",
    "8 bytes, access of 8"
];

/// Which borders break, and B0 to B3 of all that did.
fn breaks(machine: &Machine, bytes: &[u8], condition: Condition, length: u64, size: u64, number: u32) -> (u64, u64) {
    let at = machine.linear_data() + 0x40;
    let mut addresses = [0; 4];
    addresses[number as usize] = at;
    let (mut mask, mut causes) = (0, 0);
    for (index, offset) in borders(length, size).into_iter().enumerate() {
        let _breakpoints = Breakpoints::new(addresses, dr7::enable(number, condition, length));
        let address = Some(at.wrapping_add_signed(offset));
        // `run` clears DR6, which leaves the breakpoints.
        let seen = machine.run(bytes, Start { address, ..Start::PLAIN });
        // A trap: the access is behind the saved RIP.
        if is_break(seen.outcome.0, seen.ip, bytes.len()) {
            mask |= 1 << index;
            causes |= seen.dr6 & 0xf;
        }
    }
    (mask, causes)
}

fn walk(mode: Mode, accesses: [&[u8]; 4], writes: bool, reads_too: bool) {
    let machine = Machine::new(mode);
    let condition = if reads_too { Condition::ReadWrite } else { Condition::Write };
    for (row, (length, index)) in
        SIZES.into_iter().flat_map(|length| (0..4).map(move |index| (length, index))).enumerate()
    {
        let number = row as u32 & 3;
        let (mask, causes) = breaks(&machine, accesses[index], condition, length, SIZES[index], number);
        let expected = expected_breaks(length, SIZES[index], reads_too, writes);
        let [mask, causes] = columns(expected, number, mask, causes);
        check_eq!("borders that break", [LENGTHS_AND_SIZES; row], mask.0, mask.1);
        check_eq!("causes in DR6", [LENGTHS_AND_SIZES; row], causes.0, causes.1);
    }
}

/// At CPL 3 a breakpoint on writes breaks behind stores that touch it, whatever their size.
#[case(feature = ExceptionDebug, spec = [sdm3b("Breakpoint Field Recognition"), apm2("Data-Access Breakpoints")],
       time = 2)]
fn stores_and_write_breakpoints_at_cpl_3() {
    walk(Mode::Long3, STORES, true, false);
}

/// At CPL 0 a breakpoint on writes breaks behind stores that touch it, whatever their size.
#[case(feature = ExceptionDebug, spec = [sdm3b("Breakpoint Field Recognition"), apm2("Data-Access Breakpoints")],
       time = 2)]
fn stores_and_write_breakpoints_at_cpl_0() {
    walk(Mode::Long0, STORES, true, false);
}

/// A breakpoint on reads and writes breaks behind loads that touch it.
#[case(feature = ExceptionDebug, spec = [sdm3b("Breakpoint Field Recognition"), apm2("Data-Access Breakpoints")],
       time = 2)]
fn loads_and_access_breakpoints() {
    walk(Mode::Long3, LOADS, false, true);
}

/// A breakpoint on writes does not break behind loads.
#[case(feature = ExceptionDebug, spec = [sdm3b("Breakpoint Field Recognition"), apm2("Data-Access Breakpoints")],
       time = 2)]
fn loads_and_write_breakpoints() {
    walk(Mode::Long3, LOADS, false, false);
}

/// A breakpoint on reads and writes breaks behind a read-modify-write that touches it.
#[case(feature = ExceptionDebug, spec = [sdm3b("Breakpoint Field Recognition"), apm2("Data-Access Breakpoints")],
       time = 2)]
fn updates_and_access_breakpoints() {
    walk(Mode::Long3, ADDITIONS, true, true);
}

fn at_first_byte(machine: &Machine, bytes: &[u8], start: Start) -> Seen {
    let control = dr7::enable(1, Condition::Execute, 1);
    let _breakpoints = Breakpoints::new([0, machine.linear_code(), 0, 0], control);
    machine.run(bytes, start)
}

/// RF.
const RESUME: u64 = 1 << 16;

macro_rules! code_breakpoints {
    ($rows:ident, $mode:expr) => {{
        const NAMES: &[Text] = &names_of(&$rows);
        let machine = Machine::new($mode);
        for (index, row) in $rows.iter().enumerate().filter(|(_, row)| row.start == 0) {
            let Some(expected) = expected(row, $mode, layout::UNMAPPED) else { continue };
            let address = match row.place {
                Place::Data => None,
                Place::Beyond => Some(1 << 63),
                Place::Unmapped => Some(layout::UNMAPPED),
            };
            let start = Start { flags: 0, address, rdx: u64::from(row.rdx), ..Start::PLAIN };
            let seen = at_first_byte(&machine, row.bytes, start);
            check_outcome!("breakpoint", [NAMES; index], seen.outcome, Outcome::DB);
            check_eq!("saved RIP of the breakpoint", [NAMES; index], seen.ip, 0);
            check_eq!("cause in DR6", [NAMES; index], seen.dr6 & 0xf, 2);
            let seen = at_first_byte(&machine, row.bytes, Start { flags: RESUME, ..start });
            check_outcome!("with RF set", [NAMES; index], seen.outcome, Outcome(expected.outcome));
            check_eq!("saved RIP with RF set", [NAMES; index], seen.ip, expected.ip);
        }
    }};
}

/// A code breakpoint comes before whatever the instruction itself raises: #DE, #UD; with RF set that comes instead.
#[case(feature = ExceptionPriority, spec = [sdm3a("Prioritization of Concurrent Events"),
       sdm3b("Instruction-Breakpoint Exception Condition"), apm2("Priorities")])]
fn code_breakpoint_before_invalid_operations() {
    code_breakpoints!(UNPRIVILEGED, Mode::Long3);
}

/// A code breakpoint comes before whatever the instruction itself raises: #GP for length and privilege, #PF; with RF set
/// that comes instead.
#[case(feature = ExceptionPriority, spec = [sdm3a("Prioritization of Concurrent Events"),
       sdm3b("Instruction-Breakpoint Exception Condition"), apm2("Priorities")])]
fn code_breakpoint_before_protection() {
    code_breakpoints!(PRIVILEGED, Mode::Long3);
}

/// At CPL 0 a code breakpoint comes before an instruction, also one that a hypervisor does itself, and RF holds it back.
#[case(feature = ExceptionPriority, spec = [sdm3a("Prioritization of Concurrent Events"),
       sdm3b("Instruction-Breakpoint Exception Condition"), apm2("Priorities")])]
fn code_breakpoint_before_privileged_instructions() {
    code_breakpoints!(PRIVILEGED, Mode::Long0);
}

/// With CR4.DE set, a breakpoint of type 10B breaks behind IN and OUT of ports that it covers.
#[case(feature = ExceptionDebug, spec = [sdm3b("Data Memory and I/O Breakpoint Exception Conditions"),
       apm2("I/O Breakpoints")])]
fn port_breakpoints() {
    const ROWS: &[Text] = names![
        "OUT to the port",
        "IN from the port",
        "OUT behind it",
        "IN behind it",
        "OUT to the second of two",
        "IN from the last of four",
        "OUT behind four",
        "word to the byte before"
    ];
    // Bytes, bytes of the port from 80H, length, whether it breaks.
    let table: [(&[u8], u64, bool); 8] = [
        (&[0xe6, 0x80], 1, true),
        (&[0xe4, 0x80], 1, true),
        (&[0xe6, 0x81], 1, false),
        (&[0xe4, 0x81], 1, false),
        (&[0xe6, 0x81], 2, true),
        (&[0xe4, 0x83], 4, true),
        (&[0xe6, 0x84], 4, false),
        (&[0x66, 0xe7, 0x7f], 1, true),
    ];
    let Ok(_extensions) = control::With::cr4(cr4::DE, 0) else {
        rt::skip!("CR4.DE cannot be set");
        return;
    };
    let machine = Machine::new(Mode::Long0);
    for (row, (bytes, length, breaks)) in table.into_iter().enumerate() {
        // Type 10B of breakpoint 3.
        let control = dr7::enable(3, Condition::Write, length) & !(3 << 28) | 2 << 28;
        let _breakpoints = Breakpoints::new([0, 0, 0, 0x80], control);
        let seen = machine.run(bytes, Start::PLAIN);
        let expected = if breaks { Outcome::DB } else { Outcome::COMPLETED };
        check_outcome!("exception", [ROWS; row], seen.outcome, expected);
        check_eq!("saved RIP", [ROWS; row], seen.ip, bytes.len());
        check_eq!("cause in DR6", [ROWS; row], seen.dr6 & 0xf, if breaks { 8 } else { 0 });
    }
}
