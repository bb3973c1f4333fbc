//! INS and OUTS outside of long mode: each size, address size, direction and count; IOPL and the I/O permission bitmap.

use super::{
    model::{DATA, DF, Mode, PortState, PortString, START, after, columns, is_allowed},
    runner,
};
use case::{Needs, Site};
use rt::{
    Outcome, case,
    cpu::port,
    excursion::{
        ARENA, Arena, CodeTable, Program, layout,
        register::*,
        tables::{self, access, segment, selector, tss_32},
    },
    report::check,
    test_device::port_number,
};

/// The scratch register of COM1 (PC16550D, "Scratchpad Register"): a port that holds what was written.
const SCRATCHPAD: u16 = case::image::board::COM1_PORT + 7;
const PORT_VALUE: u32 = 0x8765_43a5;
const MEMORY: u128 = 0x1f1e_1d1c_1b1a_1918_1716_1514_1312_1110;

/// A table of instructions and their checks; the columns are those of [`columns`].
struct Rows {
    rows: &'static [PortString],
    sites: &'static [[&'static Site; 7]],
    code: CodeTable,
}

macro_rules! rows {
    ($name:ident: $($title:literal = $assembly:literal => $is_input:literal $repeats:literal $size:literal $other:literal,)+) => {
        rt::machine_code_table! { code $name: $($assembly),+ }
        /// Instructions; the address size is 2 for the default of the mode, 4 for the other.
        static $name: Rows = Rows {
            rows: &[$(PortString { is_input: $is_input, repeats: $repeats, size: $size, address_size: $other }),+],
            sites: &[$([
                rt::site!(concat!($title, ": outcome"), &[], Outcome),
                rt::site!(concat!($title, ": ECX"), &[], Hex),
                rt::site!(concat!($title, ": ESI"), &[], Hex),
                rt::site!(concat!($title, ": EDI"), &[], Hex),
                rt::site!(concat!($title, ": bytes 0 to 7"), &[], Hex),
                rt::site!(concat!($title, ": bytes 8 to 15"), &[], Hex),
                rt::site!(concat!($title, ": port"), &[], Hex),
            ]),+],
            code: rt::machine_code_table! { table $name: $($assembly),+ },
        };
    };
}

rows! { BYTES:
    "INSB" = "insb" => true false 1 2,
    "REP INSB" = "rep insb" => true true 1 2,
    "INSB, other address size" = ".byte 0x67, 0x6c" => true false 1 4,
    "REP INSB, other address size" = ".byte 0x67, 0xf3, 0x6c" => true true 1 4,
    "INSB with FS" = ".byte 0x64, 0x6c" => true false 1 2,
    "OUTSB" = "outsb" => false false 1 2,
    "REP OUTSB" = "rep outsb" => false true 1 2,
    "OUTSB, other address size" = ".byte 0x67, 0x6e" => false false 1 4,
    "REP OUTSB, other address size" = ".byte 0xf3, 0x67, 0x6e" => false true 1 4,
    "REP OUTSB with ES" = ".byte 0x26, 0xf3, 0x6e" => false true 1 2,
}

rows! { WIDE:
    "INSW" = "insw" => true false 2 2,
    "INSD" = "insd" => true false 4 2,
    "REP INSW" = "rep insw" => true true 2 2,
    "REP INSD" = "rep insd" => true true 4 2,
    "REP INSW, other address size" = ".byte 0x67; rep insw" => true true 2 4,
    "OUTSW" = "outsw" => false false 2 2,
    "OUTSD" = "outsd" => false false 4 2,
    "REP OUTSW" = "rep outsw" => false true 2 2,
    "REP OUTSD" = "rep outsd" => false true 4 2,
    "REP OUTSW, other address size" = ".byte 0x67; rep outsw" => false true 2 4,
}

/// A program in one of the modes, with privilege and bitmap.
#[derive(Clone, Copy)]
struct Place {
    program: Program,
    /// Default address size in bytes.
    default_size: u32,
    is_virtual_8086: bool,
    cpl: u32,
    iopl: u32,
    /// Bits of the I/O permission bitmap are clear.
    is_clear: bool,
}

impl Place {
    fn at_cpl_0(mode: Mode) -> Self {
        // The segments have the arena as their base, so its own offset is not part of addresses.
        let program = runner::program(mode).with(&[(ESP, layout::STACK)]);
        Self { program, default_size: mode.size(), is_virtual_8086: false, cpl: 0, iopl: 0, is_clear: false }
    }

    fn at_cpl_3(program: Program, is_virtual_8086: bool, iopl: u32, is_clear: bool) -> Self {
        Self { program, default_size: 2, is_virtual_8086, cpl: 3, iopl, is_clear }
    }
}

/// An arena whose TSS has a bitmap up to port 3FFH, with the bit of [`SCRATCHPAD`] alone clear or set.
fn with_bitmap(is_clear: bool) -> Arena {
    const SIZE: u32 = 0x400 / 8 + 1;
    let arena = Arena::new();
    let start = tss_32::SIZE + tables::REDIRECTION_SIZE;
    for offset in (0..SIZE.next_multiple_of(4)).step_by(4) {
        tables::write_u32(layout::TSS + start + offset, if is_clear { u32::MAX } else { 0 });
    }
    let word = layout::TSS + start + u32::from(SCRATCHPAD) / 32 * 4;
    tables::write_u32(word, tables::read_u32(word) ^ 1 << (SCRATCHPAD % 32));
    tables::write_u32(layout::TSS + tss_32::TRAP, start << 16);
    let limit = start + SIZE - 1;
    tables::set_descriptor(selector::TSS, segment(ARENA + layout::TSS, limit, access::TSS_32, 0));
    tables::set_descriptor(runner::CODE_32, segment(ARENA, 0xffff, access::CODE, tables::flag::D_B));
    tables::set_descriptor(runner::WIDE_STACK, segment(ARENA, 0xffff, access::DATA, tables::flag::D_B));
    arena
}

fn read_memory() -> u128 {
    u128::from(tables::read_u64(DATA + 8)) << 64 | u128::from(tables::read_u64(DATA))
}

fn write_port(number: u16, value: u32) {
    if number == SCRATCHPAD { port::write_u8(number, value as u8) } else { port::write_u32(number, value) }
}

fn read_port(number: u16) -> u32 {
    if number == SCRATCHPAD { port::read_u8(number).into() } else { port::read_u32(number) }
}

/// Runs every row up and down, with counts of 0, 1 and 3 (2 for what is larger than a word).
fn run(place: Place, table: &'static Rows, number: u16) {
    let arena = with_bitmap(place.is_clear);
    for (index, &(mut row)) in table.rows.iter().enumerate() {
        row.address_size = if row.address_size == 2 { place.default_size } else { 6 - place.default_size };
        // What a counter and an index of 16 bits do not cover stays.
        let high = if row.address_size == 2 { 0x5aa5_0000 } else { 0 };
        for (input, (count, flags)) in [(0, 0), (1, 0), (3, 0), (0, DF), (1, DF), (3, DF)].into_iter().enumerate() {
            let count = if row.size == 4 { u32::min(count, 2) } else { count };
            let start = high | (DATA + START);
            let port = if number == SCRATCHPAD { PORT_VALUE & 0xff } else { PORT_VALUE };
            let before = PortState { ecx: high | count, esi: start, edi: start, memory: MEMORY, port };
            tables::write_u64(DATA, MEMORY as u64);
            tables::write_u64(DATA + 8, (MEMORY >> 64) as u64);
            write_port(number, port);
            let mut program = place.program.with(&[
                (ECX, before.ecx),
                (ESI, before.esi),
                (EDI, before.edi),
                (EDX, 0x7007_0000 | u32::from(number)),
            ]);
            program.registers.eflags |= flags | place.iopl << 12;
            let arrival = arena.run(&program, table.code.row(index, place.default_size == 4));
            let general = arrival.registers.general;
            let actual = PortState {
                ecx: general[ECX],
                esi: general[ESI],
                edi: general[EDI],
                memory: read_memory(),
                port: read_port(number),
            };
            let is_allowed = is_allowed(place.is_virtual_8086, place.cpl, place.iopl, place.is_clear);
            let nothing_moves = row.repeats && count == 0;
            let expected = if is_allowed { after(row, before, flags & DF != 0) } else { before };
            let outcome = if is_allowed { Outcome::COMPLETED } else { Outcome::GP };
            // Whether the permission is asked for no element at all differs by implementation.
            if is_allowed || !nothing_moves {
                check(table.sites[index][0], input as u64, arrival.outcome().0, outcome.0);
            }
            for (column, (actual, expected)) in columns(actual).into_iter().zip(columns(expected)).enumerate() {
                check(table.sites[index][column + 1], input as u64, actual, expected);
            }
        }
    }
}

macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident $place:expr, $table:ident, $number:expr, $needs:ident;)+) => {$(
        $(#[$doc])*
        #[case(
            feature = ModeStrings,
            spec = [
                sdm2("INS/INSB/INSW/INSD—Input from Port to String"),
                sdm2("OUTS/OUTSB/OUTSW/OUTSD—Output String to Port"),
                sdm1("I/O Privilege Level"),
            ],
            needs = Needs::$needs,
        )]
        fn $name() {
            let place: Place = $place;
            run(place, &$table, $number);
        }
    )+};
}

cases! {
    /// INSB and OUTSB in real mode.
    port_bytes_in_real_mode Place::at_cpl_0(Mode::Real), BYTES, SCRATCHPAD, COM1;
    /// INSB and OUTSB in 16-bit protected mode.
    port_bytes_in_16_bit_mode Place::at_cpl_0(Mode::Protected16), BYTES, SCRATCHPAD, COM1;
    /// INSB and OUTSB in 32-bit protected mode.
    port_bytes_in_32_bit_mode Place::at_cpl_0(Mode::Protected32), BYTES, SCRATCHPAD, COM1;
    /// In virtual-8086 mode INSB and OUTSB complete if the port's bit is clear, with an IOPL of 0.
    port_bytes_in_virtual_8086_mode Place::at_cpl_3(Program::VIRTUAL_8086, true, 0, true), BYTES, SCRATCHPAD, COM1;
    /// In virtual-8086 mode INSB and OUTSB raise #GP(0) and move nothing if the port's bit is set, with an IOPL of 3 too.
    port_bytes_refused_in_virtual_8086_mode Place::at_cpl_3(Program::VIRTUAL_8086, true, 3, false), BYTES, SCRATCHPAD,
        COM1;
    /// At CPL 3 INSB and OUTSB complete with an IOPL of 3, whatever the bitmap says.
    port_bytes_at_cpl_3_with_iopl_3 Place::at_cpl_3(Program::USER_16, false, 3, false), BYTES, SCRATCHPAD, COM1;
    /// At CPL 3 INSB and OUTSB complete with an IOPL of 2 if the port's bit is clear.
    port_bytes_at_cpl_3_by_the_bitmap Place::at_cpl_3(Program::USER_16, false, 2, true), BYTES, SCRATCHPAD, COM1;
    /// At CPL 3 INSB and OUTSB raise #GP(0) and move nothing with an IOPL of 2 if the port's bit is set.
    port_bytes_refused_at_cpl_3 Place::at_cpl_3(Program::USER_16, false, 2, false), BYTES, SCRATCHPAD, COM1;
    /// INSW, INSD, OUTSW and OUTSD in real mode.
    port_words_in_real_mode Place::at_cpl_0(Mode::Real), WIDE, port_number(0), TEST_DEVICE;
    /// INSW, INSD, OUTSW and OUTSD in 16-bit protected mode.
    port_words_in_16_bit_mode Place::at_cpl_0(Mode::Protected16), WIDE, port_number(0), TEST_DEVICE;
    /// INSW, INSD, OUTSW and OUTSD in 32-bit protected mode.
    port_words_in_32_bit_mode Place::at_cpl_0(Mode::Protected32), WIDE, port_number(0), TEST_DEVICE;
}
