//! Single steps one after the other: through repeated string instructions on memory, devices and ports, and around
//! instructions that load or clear TF.

use super::step_walk_model::{
    FLOWS, Flow, PORTS, REPEATS, Repeat, Seen, Stack, Stop, TRAP_FLAG, columns, flow_names, repeat_names,
};
use rt::{
    case, check_eq,
    cpu::control::{read_dr6, write_dr6},
    io_bitmap, mmio,
    paging::frame,
    tables::selector,
    test_device, user,
    user::{State, register},
    vocabulary::{Needs, Text},
};

/// Puts a program and UD2 behind it at [`frame`] 0, and makes ready to run it.
fn start(bytes: &[u8], is_user: bool) -> State {
    for (index, &byte) in (0..).zip(bytes.iter().chain(&[0x0f, 0x0b])) {
        mmio::write_u8(frame(0) + index, byte);
    }
    let mut state = State::at(frame(0));
    if !is_user {
        (state.cs, state.ss) = (selector::KERNEL_CODE, selector::KERNEL_DATA);
    }
    state.registers[register::RAX] = u64::from(state.ss);
    state
}

/// Runs from stop to stop.
fn walk(mut state: State, has_device: bool) -> Seen {
    let mut seen = Seen::NOTHING;
    loop {
        let _ = write_dr6(0);
        let exception = user::enter(&mut state);
        let stop = Stop {
            vector: exception.vector,
            dr6: read_dr6(),
            ip: exception.rip.wrapping_sub(frame(0)),
            count: state.registers[register::RCX],
            accesses: if has_device { test_device::read_nr_accesses() } else { 0 },
            flags: exception.rflags,
        };
        if !seen.take(stop) {
            let _ = write_dr6(0);
            return seen;
        }
    }
}

/// What a repeated instruction uses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Memory.
    Memory,
    /// RDI at a device.
    ToDevice,
    /// RSI at a device.
    FromDevice,
    /// Ports.
    Ports,
}

/// The last byte of the opcode.
fn opcode(row: &Repeat) -> u8 {
    row.bytes.last().copied().unwrap_or(0)
}

impl Place {
    /// Number of accesses of the device in an iteration.
    fn accesses(self, row: &Repeat) -> u64 {
        let opcode = opcode(row);
        let reads_source = matches!(opcode, 0xa4..=0xa7 | 0xac..=0xad);
        u64::from(match self {
            Self::Memory => false,
            Self::ToDevice => !matches!(opcode, 0xac..=0xad),
            Self::FromDevice => reads_source,
            Self::Ports => true,
        })
    }
}

fn observe_repeat(row: &Repeat, place: Place, is_user: bool) -> Seen {
    let mut bytes = [0x90; 5];
    for (to, &from) in bytes.iter_mut().zip(row.bytes) {
        *to = from;
    }
    let mut state = start(bytes.get(..=row.bytes.len()).unwrap_or_default(), is_user);
    state.rflags |= TRAP_FLAG;
    let device = test_device::page_address(0);
    state.registers[register::RAX] = 0;
    state.registers[register::RCX] = u64::from(row.count);
    state.registers[register::RDX] = u64::from(test_device::port_number(0));
    state.registers[register::RDI] = if place == Place::ToDevice { device } else { frame(1) };
    state.registers[register::RSI] = if place == Place::FromDevice { device } else { frame(2) };
    if place == Place::Memory {
        return walk(state, false);
    }
    for offset in [0, 8, 16, 24] {
        mmio::write_u64(device + offset, 0);
    }
    let port = test_device::port_number(0);
    let _ports = (place == Place::Ports && is_user).then(|| io_bitmap::allow(port, 1));
    test_device::clear_log();
    walk(state, true)
}

macro_rules! walk_repeats {
    ($rows:ident, $place:expr, $is_user:expr) => {{
        const NAMES: &[Text] = &repeat_names(&$rows);
        for (index, row) in $rows.iter().enumerate() {
            let accesses = $place.accesses(row);
            if $place != Place::Memory && accesses == 0 {
                continue;
            }
            let expected = row.expected(accesses);
            let [kinds, ips, counts, flags, accesses] = columns(&expected, &observe_repeat(row, $place, $is_user));
            check_eq!("kinds of stops", [NAMES; index], kinds.0, kinds.1);
            check_eq!("saved IPs", [NAMES; index], ips.0, ips.1);
            check_eq!("RCX", [NAMES; index], counts.0, counts.1);
            check_eq!("saved TF", [NAMES; index], flags.0, flags.1);
            if $place != Place::Memory {
                check_eq!("accesses of the device", [NAMES; index], accesses.0, accesses.1);
            }
        }
    }};
}

// A case for each place and privilege level.
macro_rules! repeats {
    ($($(#[$doc:meta])* $name:ident $rows:ident $place:ident $is_user:literal $needs:expr;)+) => {$(
        $(#[$doc])*
        #[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")],
               needs = $needs, time = 2)]
        fn $name() {
            walk_repeats!($rows, Place::$place, $is_user);
        }
    )+};
}

repeats! {
    /// At CPL 3 a single step strikes behind each iteration of a string instruction on memory, and once where there is none.
    steps_of_repeats_at_cpl_3 REPEATS Memory true Needs::empty();
    /// At CPL 0 a single step strikes behind each iteration of a string instruction on memory, and once where there is none.
    steps_of_repeats_at_cpl_0 REPEATS Memory false Needs::empty();
    /// At CPL 3 a single step strikes behind each iteration of a string instruction to a device, which has seen it then.
    steps_of_repeats_to_a_device_at_cpl_3 REPEATS ToDevice true Needs::TEST_DEVICE;
    /// At CPL 0 a single step strikes behind each iteration of a string instruction to a device, which has seen it then.
    steps_of_repeats_to_a_device_at_cpl_0 REPEATS ToDevice false Needs::TEST_DEVICE;
    /// At CPL 3 a single step strikes behind each iteration of a string instruction from a device, which has seen it then.
    steps_of_repeats_from_a_device_at_cpl_3 REPEATS FromDevice true Needs::TEST_DEVICE;
    /// At CPL 0 a single step strikes behind each iteration of a string instruction from a device, which has seen it then.
    steps_of_repeats_from_a_device_at_cpl_0 REPEATS FromDevice false Needs::TEST_DEVICE;
    /// At CPL 3 a single step strikes behind each iteration of INS and OUTS, which the port has seen then.
    steps_of_repeats_on_ports_at_cpl_3 PORTS Ports true Needs::TEST_DEVICE;
    /// At CPL 0 a single step strikes behind each iteration of INS and OUTS, which the port has seen then.
    steps_of_repeats_on_ports_at_cpl_0 PORTS Ports false Needs::TEST_DEVICE;
}

fn observe_flow(row: &Flow, is_user: bool) -> Seen {
    let mut state = start(row.bytes, is_user);
    let flags = |flag| if flag { TRAP_FLAG | 2 } else { 2 };
    state.rflags = flags(row.flag);
    let top = user::stack_top() - 0x80;
    state.registers[register::RSP] = top;
    let words = match row.stack {
        Stack::Flags(flag) => [flags(flag), 0, 0, 0, 0],
        Stack::Selector => [u64::from(state.ss), 0, 0, 0, 0],
        Stack::Return(offset, flag) => {
            [frame(0) + u64::from(offset), u64::from(state.cs), flags(flag), top, u64::from(state.ss)]
        }
    };
    for (index, word) in (0..).zip(words) {
        mmio::write_u64(top + index * 8, word);
    }
    walk(state, false)
}

fn walk_flows(is_user: bool) {
    const NAMES: &[Text] = &flow_names(&FLOWS);
    for (index, row) in FLOWS.iter().enumerate().filter(|(_, row)| row.at_cpl_3 || !is_user) {
        let [kinds, ips, _, flags, _] = columns(&row.expected(), &observe_flow(row, is_user));
        check_eq!("kinds of stops", [NAMES; index], kinds.0, kinds.1);
        check_eq!("saved IPs", [NAMES; index], ips.0, ips.1);
        check_eq!("saved TF", [NAMES; index], flags.0, flags.1);
    }
}

/// At CPL 3 the TF that an instruction finds decides on the step behind it: POPF and IRETQ that set TF are not stepped
/// over, those that clear it are.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_around_changes_of_tf_at_cpl_3() {
    walk_flows(true);
}

/// At CPL 0 the TF that an instruction finds decides on the step behind it, and STI does not hold it back.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn steps_around_changes_of_tf_at_cpl_0() {
    walk_flows(false);
}
