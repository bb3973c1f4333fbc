//! INS and OUTS: data, order, pointers, counts, prefixes.

use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        msr::{self, number::IA32_FS_BASE},
        port,
    },
    instruction, mmio, names, paging,
    test_device::{self, Access, port_number},
    vocabulary::{
        Needs, Text,
        image::board::{COM1_PORT, UNCLAIMED_PORT},
    },
};

/// The UART's scratch register keeps what is written to it (PC16550D, "Scratchpad Register").
const UART_SCRATCH: u16 = COM1_PORT + 7;

/// INS moves RDI and OUTS moves RSI by the operand's size, upwards with DF clear and downwards with DF set; nothing
/// else changes.
#[case(feature = PortIoString,
       spec = [sdm2("INS/INSB/INSW/INSD—Input from Port to String"),
               sdm2("OUTS/OUTSB/OUTSW/OUTSD—Output String to Port")])]
fn pointer_steps() {
    const NAMES: &[Text] = names![
        "INSB",
        "INSW",
        "INSD",
        "OUTSB",
        "OUTSW",
        "OUTSD",
        "INSB, DF",
        "INSW, DF",
        "INSD, DF",
        "OUTSB, DF",
        "OUTSW, DF",
        "OUTSD, DF",
        "REX.W INSD",
        "REX.W OUTSD"
    ];
    const COUNT: u64 = 0x1234_5678_9abc_def0;
    let buffer = paging::frame(0) + 64;
    macro_rules! row {
        ($row:literal, $set:literal, $instruction:literal, $rdi:expr, $rsi:expr) => {{
            let (mut rdi, mut rsi, mut rcx) = (buffer, buffer, COUNT);
            let result = instruction!($set, $instruction, "cld", in("rdx") u64::from(UNCLAIMED_PORT),
                inout("rdi") rdi, inout("rsi") rsi, inout("rcx") rcx);
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("RDI", [NAMES; $row], rdi, buffer.wrapping_add_signed($rdi));
            check_eq!("RSI", [NAMES; $row], rsi, buffer.wrapping_add_signed($rsi));
            check_eq!("RCX", [NAMES; $row], rcx, COUNT);
        }};
    }
    row!(0, "cld", "insb", 1, 0);
    row!(1, "cld", "insw", 2, 0);
    row!(2, "cld", "insd", 4, 0);
    row!(3, "cld", "outsb", 0, 1);
    row!(4, "cld", "outsw", 0, 2);
    row!(5, "cld", "outsd", 0, 4);
    row!(6, "std", "insb", -1, 0);
    row!(7, "std", "insw", -2, 0);
    row!(8, "std", "insd", -4, 0);
    row!(9, "std", "outsb", 0, -1);
    row!(10, "std", "outsw", 0, -2);
    row!(11, "std", "outsd", 0, -4);
    // "The operand size is not promoted": it stays 32 bits.
    row!(12, "cld", ".byte 0x48, 0x6d", 4, 0);
    row!(13, "cld", ".byte 0x48, 0x6f", 0, 4);
}

/// A count of zero makes REP INS and REP OUTS do nothing.
#[case(feature = PortIoString, spec = sdm2("REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix"),
       needs = Needs::COM1)]
fn count_of_zero() {
    let buffer = paging::frame(0);
    mmio::write_u64(buffer, 0x5555_5555_5555_5555);
    port::write_u8(UART_SCRATCH, 0xaa);
    let (mut rdi, mut rsi, mut rcx) = (buffer, buffer, 0_u64);
    let result = instruction!("rep insb", "rep outsb", in("rdx") u64::from(UART_SCRATCH),
        inout("rdi") rdi, inout("rsi") rsi, inout("rcx") rcx);
    check_outcome!("both", result, Outcome::COMPLETED);
    check_eq!("RDI", rdi, buffer);
    check_eq!("RSI", rsi, buffer);
    check_eq!("RCX", rcx, 0);
    check_eq!("memory", mmio::read_u64(buffer), 0x5555_5555_5555_5555_u64);
    check_eq!("port", port::read_u8(UART_SCRATCH), 0xaa);
}

/// REP INSB stores what the port yields, RCX times, and no byte more.
#[case(feature = PortIoString, spec = sdm2("INS/INSB/INSW/INSD—Input from Port to String"), needs = Needs::COM1)]
fn rep_ins_fills_memory() {
    let buffer = paging::frame(0);
    port::write_u8(UART_SCRATCH, 0xc3);
    for (row, (start, step)) in [(buffer + 8, 12_i64), (buffer + 64 + 11, -12)].into_iter().enumerate() {
        const NAMES: &[Text] = names!["upwards", "downwards"];
        let (mut rdi, mut rcx) = (start, 12_u64);
        let result = if step > 0 {
            instruction!("rep insb", in("rdx") u64::from(UART_SCRATCH), inout("rdi") rdi, inout("rcx") rcx)
        } else {
            instruction!("std", "rep insb", "cld", in("rdx") u64::from(UART_SCRATCH), inout("rdi") rdi, inout("rcx") rcx)
        };
        let first = if step > 0 { start } else { start - 11 };
        check_outcome!("REP INSB", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("RCX", [NAMES; row], rcx, 0);
        check_eq!("RDI", [NAMES; row], rdi, start.wrapping_add_signed(step));
        check_eq!("byte before", [NAMES; row], mmio::read_u8(first - 1), 0);
        check_eq!("bytes 0 to 7", [NAMES; row], mmio::read_u64(first), 0xc3c3_c3c3_c3c3_c3c3_u64);
        check_eq!("bytes 8 to 11, and none behind", [NAMES; row], mmio::read_u64(first + 8), 0xc3c3_c3c3_u64);
    }
}

/// REP OUTSB writes each byte in turn, so the last one stays in a register that keeps it.
#[case(feature = PortIoString, spec = sdm2("OUTS/OUTSB/OUTSW/OUTSD—Output String to Port"), needs = Needs::COM1)]
fn rep_outs_ends_with_the_last_byte() {
    let buffer = paging::frame(0);
    mmio::write_u64(buffer, 0x8877_6655_4433_2211);
    let (mut rsi, mut rcx) = (buffer, 5_u64);
    let result = instruction!("rep outsb", in("rdx") u64::from(UART_SCRATCH), inout("rsi") rsi, inout("rcx") rcx);
    check_outcome!("REP OUTSB", result, Outcome::COMPLETED);
    check_eq!("RCX", rcx, 0);
    check_eq!("RSI", rsi, buffer + 5);
    check_eq!("register", port::read_u8(UART_SCRATCH), 0x55);
}

/// REP OUTS is one access an element, of the operand's size, in the order of memory or against it.
#[case(feature = PortIoString,
       spec = [sdm2("OUTS/OUTSB/OUTSW/OUTSD—Output String to Port"), sdm1("Ordering I/O")], needs = Needs::TEST_DEVICE)]
fn rep_outs_is_one_access_an_element() {
    const NAMES: &[Text] = names!["OUTSB", "OUTSW", "OUTSD", "OUTSB, DF", "OUTSW, DF", "OUTSD, DF"];
    let buffer = paging::frame(0);
    for index in 0..4 {
        mmio::write_u32(buffer + index * 4, 0x0403_0201_u32.wrapping_add(0x0404_0404 * index as u32));
    }
    macro_rules! row {
        ($row:literal, $set:literal, $instruction:literal, $size:literal) => {{
            test_device::clear_log();
            let down = $row >= 3;
            let (mut rsi, mut rcx) = (if down { buffer + 2 * $size } else { buffer }, 3_u64);
            let result = instruction!($set, $instruction, "cld", in("rdx") u64::from(port_number(0)),
                inout("rsi") rsi, inout("rcx") rcx);
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("number of accesses", [NAMES; $row], test_device::read_nr_accesses(), 3);
            for element in 0..3_u32 {
                let place = if down { 2 - element } else { element };
                let memory = mmio::read_u32(buffer + u64::from(place) * $size);
                let expected = memory & (u32::MAX >> (32 - $size * 8));
                check_eq!("access", [NAMES; $row], test_device::read_access(element).0, Access::port_out(0, $size).0);
                check_eq!("data", [NAMES; $row], test_device::read_data(element), expected);
            }
        }};
    }
    row!(0, "cld", "rep outsb", 1);
    row!(1, "cld", "rep outsw", 2);
    row!(2, "cld", "rep outsd", 4);
    row!(3, "std", "rep outsb", 1);
    row!(4, "std", "rep outsw", 2);
    row!(5, "std", "rep outsd", 4);
}

/// REP INS is one access an element, of the operand's size, and stores whole elements.
#[case(feature = PortIoString, spec = sdm2("INS/INSB/INSW/INSD—Input from Port to String"), needs = Needs::TEST_DEVICE)]
fn rep_ins_is_one_access_an_element() {
    const NAMES: &[Text] = names!["INSB", "INSW", "INSD"];
    port::write_u32(port_number(0), 0x8765_4321);
    let buffer = paging::frame(0);
    macro_rules! row {
        ($row:literal, $instruction:literal, $size:literal, $low:expr) => {{
            test_device::clear_log();
            mmio::write_u64(buffer, 0);
            mmio::write_u64(buffer + 8, 0);
            let (mut rdi, mut rcx) = (buffer, 3_u64);
            let result =
                instruction!($instruction, in("rdx") u64::from(port_number(0)), inout("rdi") rdi, inout("rcx") rcx);
            check_outcome!("the instruction", [NAMES; $row], result, Outcome::COMPLETED);
            check_eq!("number of accesses", [NAMES; $row], test_device::read_nr_accesses(), 3);
            for element in 0..3 {
                check_eq!("access", [NAMES; $row], test_device::read_access(element).0, Access::port_in(0, $size).0);
            }
            check_eq!("RDI", [NAMES; $row], rdi, buffer + 3 * $size);
            check_eq!("bytes 0 to 7", [NAMES; $row], mmio::read_u64(buffer), $low);
            let high = if $size == 4 { 0x8765_4321_u64 } else { 0 };
            check_eq!("bytes 8 to 15", [NAMES; $row], mmio::read_u64(buffer + 8), high);
        }};
    }
    row!(0, "rep insb", 1, 0x21_2121_u64);
    row!(1, "rep insw", 2, 0x4321_4321_4321_u64);
    row!(2, "rep insd", 4, 0x8765_4321_8765_4321_u64);
}

/// With the address-size prefix, INS and OUTS use and write EDI, ESI and ECX, and clear the upper halves.
#[case(feature = PortIoString,
       spec = [sdm2("INS/INSB/INSW/INSD—Input from Port to String"),
               sdm2("OUTS/OUTSB/OUTSW/OUTSD—Output String to Port"), sdm1("General-Purpose Registers in 64-Bit Mode")],
       needs = Needs::COM1)]
fn address_size_prefix() {
    const GARBAGE: u64 = 0xdead_beef_0000_0000;
    let buffer = paging::frame(0);
    port::write_u8(UART_SCRATCH, 0x99);
    let (mut rdi, mut rcx) = (buffer | GARBAGE, 3 | GARBAGE);
    let result = instruction!(".byte 0xf3, 0x67, 0x6c", in("rdx") u64::from(UART_SCRATCH),
        inout("rdi") rdi, inout("rcx") rcx);
    check_outcome!("REP INSB", result, Outcome::COMPLETED);
    check_eq!("RDI", rdi, buffer + 3);
    check_eq!("RCX after INSB", rcx, 0);
    check_eq!("memory", mmio::read_u64(buffer), 0x99_9999);
    mmio::write_u8(buffer + 2, 0x42);
    let (mut rsi, mut rcx) = (buffer | GARBAGE, 3 | GARBAGE);
    let result = instruction!(".byte 0xf3, 0x67, 0x6e", in("rdx") u64::from(UART_SCRATCH),
        inout("rsi") rsi, inout("rcx") rcx);
    check_outcome!("REP OUTSB", result, Outcome::COMPLETED);
    check_eq!("RSI", rsi, buffer + 3);
    check_eq!("RCX after OUTSB", rcx, 0);
    check_eq!("register", port::read_u8(UART_SCRATCH), 0x42);
}

/// A segment override moves the source of OUTS, but not the destination of INS.
#[case(feature = PortIoString,
       spec = [sdm2("INS/INSB/INSW/INSD—Input from Port to String"),
               sdm2("OUTS/OUTSB/OUTSW/OUTSD—Output String to Port")], needs = Needs::COM1)]
fn segment_override() {
    let buffer = paging::frame(0);
    mmio::write_u8(buffer, 0x11);
    mmio::write_u8(buffer + 0x100, 0x22);
    let base = msr::With::value(IA32_FS_BASE, 0x100);
    check_outcome!(
        "FS base",
        base.as_ref().map_or_else(|&exception| Outcome::from(exception), |_| Outcome::COMPLETED),
        Outcome::COMPLETED
    );
    let port = u64::from(UART_SCRATCH);
    let result = instruction!(".byte 0x64, 0x6e", in("rdx") port, inout("rsi") buffer => _);
    check_outcome!("OUTSB with FS", result, Outcome::COMPLETED);
    check_eq!("register", port::read_u8(UART_SCRATCH), 0x22);
    port::write_u8(UART_SCRATCH, 0x33);
    let result = instruction!(".byte 0x64, 0x6c", in("rdx") port, inout("rdi") buffer => _);
    check_outcome!("INSB with FS", result, Outcome::COMPLETED);
    check_eq!("byte at RDI", mmio::read_u8(buffer), 0x33);
    check_eq!("byte at FS base plus RDI", mmio::read_u8(buffer + 0x100), 0x22);
}
