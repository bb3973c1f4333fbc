//! INS and OUTS of every width at CPL 3: by IOPL and bitmap, and over the end of a segment.

use super::{
    model::is_allowed,
    port_permission_model::{CLEAR, Instruction, Moved, OFFSETS, ROWS, by_limit, by_permission, is_clear, moved},
    reporting::{report, sites},
};
use case::Text;
use rt::{
    Outcome, case,
    excursion::{
        ARENA, Arena, Arrival, EFLAGS_IOPL_3, Program, layout,
        register::{EDI, EDX, ESI},
        tables::{self, access, segment, selector, tss_32},
    },
    machine_code_table, names,
};

/// A port that no board of ours decodes: reads tell nothing, and writes do nothing.
const PORT: u16 = 0x3e0;
/// Offset of the bitmap in the TSS, and its size with the byte behind it: ports 0 to 3FFH.
const BITMAP: u32 = tss_32::SIZE + tables::REDIRECTION_SIZE;
const BITMAP_SIZE: u32 = 0x400 / 8 + 1;

machine_code_table! {
    code PERMITTED_STRINGS:
        "insb", "insw", "insd", "outsb", "outsw", "outsd",
        ".byte 0x67; insb", ".byte 0x67; insw", ".byte 0x67; insd",
        ".byte 0x67; outsb", ".byte 0x67; outsw", ".byte 0x67; outsd",
        ".byte 0x36; outsb", ".byte 0x36; outsw", ".byte 0x36; outsd"
}
static CODES: rt::excursion::CodeTable = machine_code_table! {
    table PERMITTED_STRINGS:
        "insb", "insw", "insd", "outsb", "outsw", "outsd",
        ".byte 0x67; insb", ".byte 0x67; insw", ".byte 0x67; insd",
        ".byte 0x67; outsb", ".byte 0x67; outsw", ".byte 0x67; outsd",
        ".byte 0x36; outsb", ".byte 0x36; outsw", ".byte 0x36; outsd"
};
const NAMES: &[Text] = names![
    "INSB",
    "INSW",
    "INSD",
    "OUTSB",
    "OUTSW",
    "OUTSD",
    "INSB, other address size",
    "INSW, other address size",
    "INSD, other address size",
    "OUTSB, other address size",
    "OUTSW, other address size",
    "OUTSD, other address size",
    "OUTSB through SS",
    "OUTSW through SS",
    "OUTSD through SS"
];

/// Where the instruction stands, and whether it is 32-bit code.
#[derive(Clone, Copy)]
struct Place {
    program: Program,
    is_32_bit: bool,
    is_virtual_8086: bool,
}

const VIRTUAL_8086: Place = Place { program: Program::VIRTUAL_8086, is_32_bit: false, is_virtual_8086: true };
const USER_16: Place = Place { program: Program::USER_16, is_32_bit: false, is_virtual_8086: false };
const USER_32: Place = Place { program: Program::USER_32, is_32_bit: true, is_virtual_8086: false };

/// An arena whose TSS has a bitmap of ones, but for these bits from [`PORT`] on.
fn with_bitmap(clear: u32) -> Arena {
    let arena = Arena::new();
    for offset in (0..BITMAP_SIZE.next_multiple_of(4)).step_by(4) {
        tables::write_u32(layout::TSS + BITMAP + offset, u32::MAX);
    }
    set_clear(clear);
    tables::write_u32(layout::TSS + tss_32::TRAP, BITMAP << 16);
    let limit = BITMAP + BITMAP_SIZE - 1;
    tables::set_descriptor(selector::TSS, segment(ARENA + layout::TSS, limit, access::TSS_32, 0));
    arena
}

fn set_clear(clear: u32) {
    tables::write_u32(layout::TSS + BITMAP + u32::from(PORT) / 8, !clear);
}

fn run(arena: &Arena, place: Place, row: usize, iopl: u32, index: u32) -> Arrival {
    let mut program = place.program.with(&[(ESI, index), (EDI, index), (EDX, PORT.into())]);
    program.registers.eflags |= iopl << 12;
    arena.run(&program, CODES.row(row, place.is_32_bit))
}

/// What is seen: EIP where the instruction faulted, else 0.
fn seen(arrival: &Arrival) -> Moved {
    let is_done = arrival.outcome() == Outcome::COMPLETED;
    Moved {
        outcome: arrival.outcome().0,
        eip: if is_done { 0 } else { arrival.registers.eip.into() },
        esi: arrival.registers.general[ESI].into(),
        edi: arrival.registers.general[EDI].into(),
    }
}

fn expected(row: Instruction, outcome: Outcome, place: Place, index: u32) -> Moved {
    let eip = if outcome == Outcome::COMPLETED { 0 } else { place.program.registers.eip };
    moved(row, outcome, eip, index)
}

/// With each pattern of the bitmap and each IOPL.
fn check_permissions(place: Place) {
    let arena = with_bitmap(0);
    // A 16-bit address of flat 32-bit code would leave the arena.
    let end = if place.is_32_bit { 6 } else { 12 };
    let index = place.program.registers.eip - layout::CODE + layout::DATA;
    for (pattern, clear) in CLEAR.into_iter().enumerate() {
        set_clear(clear);
        for iopl in [0, 2, 3] {
            for (row, instruction) in ROWS.into_iter().enumerate().take(end) {
                // The other address size with the first pattern that allows bytes and the first that allows all.
                if instruction.has_other_address_size && !matches!(clear, 1 | 0xf) {
                    continue;
                }
                let allowed = is_allowed(place.is_virtual_8086, 3, iopl, is_clear(clear, instruction.size));
                let arrival = run(&arena, place, row, iopl, index);
                let columns = seen(&arrival).beside(expected(instruction, by_permission(allowed), place, index));
                let sites = sites![&[]; Outcome "outcome", Hex "EIP of a fault", Hex "ESI", Hex "EDI"];
                report(sites, pattern * 1000 + iopl as usize * 100 + row, columns);
            }
        }
    }
}

/// Over the end of a segment of 64 KiB, where ports are allowed.
fn check_limits(place: Place) {
    let arena = with_bitmap(0xf);
    for offset in OFFSETS {
        tables::write_u32(0xfffc, 0);
        for (row, instruction) in ROWS.into_iter().enumerate() {
            let arrival = run(&arena, place, row, EFLAGS_IOPL_3 >> 12, offset);
            let mut due = expected(instruction, by_limit(instruction, offset), place, offset);
            if !instruction.has_other_address_size {
                // A 16-bit index that reaches the end wraps.
                (due.esi, due.edi) = (due.esi & 0xffff, due.edi & 0xffff);
            }
            let columns = seen(&arrival).beside(due);
            match offset {
                0xffff => report(
                    sites![NAMES; Outcome "at FFFFH", Hex "EIP at FFFFH", Hex "ESI at FFFFH", Hex "EDI at FFFFH"],
                    row,
                    columns,
                ),
                0xfffe => report(
                    sites![NAMES; Outcome "at FFFEH", Hex "EIP at FFFEH", Hex "ESI at FFFEH", Hex "EDI at FFFEH"],
                    row,
                    columns,
                ),
                0xfffd => report(
                    sites![NAMES; Outcome "at FFFDH", Hex "EIP at FFFDH", Hex "ESI at FFFDH", Hex "EDI at FFFDH"],
                    row,
                    columns,
                ),
                _ => report(
                    sites![NAMES; Outcome "at FFFCH", Hex "EIP at FFFCH", Hex "ESI at FFFCH", Hex "EDI at FFFCH"],
                    row,
                    columns,
                ),
            }
        }
    }
}

macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident $check:ident $place:ident;)+) => {$(
        $(#[$doc])*
        #[case(
            feature = ModeStrings,
            spec = [
                sdm2("INS/INSB/INSW/INSD—Input from Port to String"),
                sdm2("OUTS/OUTSB/OUTSW/OUTSD—Output String to Port"),
                sdm1("I/O Permission Bit Map"),
                sdm3a("Limit Checking"),
            ],
        )]
        fn $name() {
            $check($place);
        }
    )+};
}

cases! {
    /// In virtual-8086 mode INS and OUTS of each width need a clear bit for each of their ports, whatever IOPL is.
    string_permissions_in_virtual_8086_mode check_permissions VIRTUAL_8086;
    /// At CPL 3 of 16-bit code INS and OUTS of each width need IOPL 3 or a clear bit for each of their ports.
    string_permissions_in_16_bit_mode check_permissions USER_16;
    /// At CPL 3 of 32-bit code INS and OUTS of each width need IOPL 3 or a clear bit for each of their ports.
    string_permissions_in_32_bit_mode check_permissions USER_32;
    /// In virtual-8086 mode INS and OUTS over the end of a segment raise #GP(0), through SS #SS(0), and move nothing.
    string_limits_in_virtual_8086_mode check_limits VIRTUAL_8086;
    /// The same at CPL 3 of 16-bit protected mode.
    string_limits_in_16_bit_mode check_limits USER_16;
}
