//! IRET and IRETD outside of long mode: each bit of EFLAGS by CPL, IOPL and operand size, and the ways into virtual-8086
//! mode and out of it.

use super::{
    reporting::{report, sites},
    return_model::{
        ESP as ESP_8086, INTO, Into8086, Masked, NR_IMAGES, PARAGRAPHS, RF, Refused, Same, TARGET, VM, before, image,
        into_8086, is_same_level, masked, refused, same,
    },
};
use case::Text;
use rt::{
    case,
    cpu::{
        debug::{
            Breakpoints,
            dr7::{self, Condition},
        },
        port,
    },
    excursion::{
        ARENA, ARENA_SEGMENT, Arena, Arrival, Code, EFLAGS_CLEAR, Ending, Program, layout,
        register::ESP,
        tables::{self, access, flag, segment, selector},
    },
    machine_code, names,
};

machine_code! {
    16 FLAGS_RETURN_16_IN_16 = "iret";
    16 FLAGS_RETURN_32_IN_16 = "iretd";
    32 FLAGS_RETURN_16_IN_32 = ".byte 0x66, 0xcf";
    32 FLAGS_RETURN_32_IN_32 = "iretd";
}

/// Code and data of each level with the arena as their base. Taken for paragraphs, as a return does that enters virtual-8086
/// mode where it must not, these selectors have [`TARGET`] in the arena's data.
const SEGMENTS: u16 = 0x600;
const _: () = assert!(SEGMENTS > selector::FREE && SEGMENTS as u32 * 16 + TARGET == ARENA + layout::DATA + 0x800);

/// What a program is that returns to its own level.
#[derive(Clone, Copy)]
struct Place {
    cpl: u32,
    is_32_bit: bool,
}

impl Place {
    fn cs(self) -> u32 {
        (u32::from(SEGMENTS) + self.cpl * 16) | self.cpl
    }

    fn code(self, size: u32) -> &'static Code {
        match (self.is_32_bit, size) {
            (false, 2) => &FLAGS_RETURN_16_IN_16,
            (false, _) => &FLAGS_RETURN_32_IN_16,
            (true, 2) => &FLAGS_RETURN_16_IN_32,
            (true, _) => &FLAGS_RETURN_32_IN_32,
        }
    }

    /// An arena with the segments, with UD2 at the target, and where a wrong return to virtual-8086 mode comes to.
    fn arena(self) -> Arena {
        let arena = Arena::new();
        let flags = if self.is_32_bit { flag::D_B } else { 0 };
        for level in 0..4 {
            let at = SEGMENTS + level * 16;
            let dpl = u32::from(level) << 5;
            tables::set_descriptor(at, segment(ARENA, 0xffff, access::CODE | dpl, flags));
            tables::set_descriptor(at + 8, segment(ARENA, 0xffff, access::DATA | dpl, flags));
        }
        for at in [TARGET, self.cs() * 16 + TARGET - ARENA] {
            tables::write_ud2(at);
        }
        arena
    }

    fn program(self, eflags: u32, esp: u32) -> Program {
        let mut program = Program::PROTECTED_16.by_interrupt_return().with(&[(ESP, esp)]);
        if self.cpl == 0 {
            program = Program::PROTECTED_16.with(&[(ESP, esp)]);
        }
        let (cs, ss) = (self.cs(), self.cs() + 8);
        let registers = &mut program.registers;
        (registers.cs, registers.ss, registers.ds, registers.es) = (cs, ss, ss, ss);
        (registers.fs, registers.gs) = (0, 0);
        registers.eflags = eflags;
        program.ending = Ending::Nothing;
        program
    }
}

/// Firmware may have left the 8259s with the timer's interrupt on; where there are none nobody listens.
fn mask_8259s() {
    port::write_u8(0x21, 0xff);
    port::write_u8(0xa1, 0xff);
}

/// Writes doublewords or words that end at the top of the program's stack, and returns where they start.
fn put_frame(size: u32, words: &[u32]) -> u32 {
    let esp = layout::STACK - size * words.len() as u32;
    for (index, &word) in (0..).zip(words) {
        let at = esp + size * index;
        if size == 4 {
            tables::write_u32(at, word);
        } else {
            rt::mmio::write_u16(u64::from(ARENA + at), word as u16);
        }
    }
    esp
}

/// Bits of an image, none and all.
const NAMES: &[Text] = names![
    "CF",
    "bit 1",
    "PF",
    "bit 3",
    "AF",
    "bit 5",
    "ZF",
    "SF",
    "TF",
    "IF",
    "DF",
    "OF",
    "IOPL bit 0",
    "IOPL bit 1",
    "NT",
    "bit 15",
    "RF",
    "VM",
    "AC",
    "VIF",
    "VIP",
    "ID",
    "bit 22",
    "bit 23",
    "bit 24",
    "bit 25",
    "bit 26",
    "bit 27",
    "bit 28",
    "bit 29",
    "bit 30",
    "bit 31",
    "none",
    "all"
];

/// Each bit alone, none and all, with IOPL 0; then none and all with each IOPL.
fn check_same_level(place: Place) {
    mask_8259s();
    let arena = place.arena();
    for size in [2, 4] {
        for iopl in 0..4 {
            for set in 0..2 {
                for number in 0..NR_IMAGES {
                    let image = image(number);
                    let is_due = number >= 32 || iopl == 0 && set == 0;
                    if !is_due || !is_same_level(image, place.cpl, size) {
                        continue;
                    }
                    let before = before(set, iopl, place.cpl);
                    let esp = put_frame(size, &[TARGET, place.cs(), image]);
                    let arrival = arena.run(&place.program(before, esp), place.code(size));
                    let columns = seen_same(&arrival).beside(same(
                        before,
                        image & 0x3f_7fd7,
                        place.cpl,
                        size,
                        place.cs(),
                        layout::STACK,
                    ));
                    report_same(columns, size, iopl, set, number);
                }
            }
        }
    }
}

fn seen_same(arrival: &Arrival) -> Same {
    let registers = &arrival.registers;
    Same {
        outcome: arrival.outcome().0,
        eip: registers.eip.into(),
        cs: registers.cs.into(),
        eflags: registers.eflags.into(),
        sp: registers.general[ESP].into(),
    }
}

/// Rows of IOPL 0 have names; the others are numbers: IOPL, then whether flags were set, then whether the image's are.
fn report_same(columns: [(u64, u64); 5], size: u32, iopl: u32, set: usize, number: usize) {
    let row = iopl as usize * 100 + set * 10 + number % 2;
    match (size, iopl == 0 && set == 0) {
        (2, true) => report(
            sites![NAMES; Outcome "IRET", Hex "EIP of IRET", Hex "CS of IRET", Hex "EFLAGS of IRET", Hex "SP of IRET"],
            number,
            columns,
        ),
        (_, true) => report(
            sites![NAMES; Outcome "IRETD", Hex "EIP of IRETD", Hex "CS of IRETD", Hex "EFLAGS of IRETD",
                Hex "SP of IRETD"],
            number,
            columns,
        ),
        (2, false) => report(
            sites![&[]; Outcome "IRET by IOPL", Hex "EIP of IRET by IOPL", Hex "CS of IRET by IOPL",
                Hex "EFLAGS of IRET by IOPL", Hex "SP of IRET by IOPL"],
            row,
            columns,
        ),
        _ => report(
            sites![&[]; Outcome "IRETD by IOPL", Hex "EIP of IRETD by IOPL", Hex "CS of IRETD by IOPL",
                Hex "EFLAGS of IRETD by IOPL", Hex "SP of IRETD by IOPL"],
            row,
            columns,
        ),
    }
}

/// RF in the image, seen by an instruction breakpoint at the target.
fn check_resume_flag(place: Place) {
    const ROWS: &[Text] = names!["IRET, RF clear", "IRET, RF set", "IRETD, RF clear", "IRETD, RF set"];
    let arena = place.arena();
    for (row, (size, image)) in [(2, 2), (2, 2 | RF), (4, 2), (4, 2 | RF)].into_iter().enumerate() {
        let esp = put_frame(size, &[TARGET, place.cs(), image]);
        let breakpoints =
            Breakpoints::new([u64::from(ARENA + TARGET), 0, 0, 0], dr7::NONE | dr7::enable(0, Condition::Execute, 1));
        let arrival = arena.run(&place.program(EFLAGS_CLEAR, esp), place.code(size));
        drop(breakpoints);
        let seen = Masked { outcome: arrival.outcome().0, eip: arrival.registers.eip.into() };
        report(sites![ROWS; Outcome "UD2 at the target", Hex "EIP"], row, seen.beside(masked(image, size)));
    }
}

macro_rules! levels {
    ($($(#[$doc:meta])* $name:ident $feature:ident $check:ident $cpl:literal $is_32_bit:literal;)+) => {$(
        $(#[$doc])*
        #[case(
            feature = $feature,
            spec = [
                sdm2("IRET/IRETD/IRETQ—Interrupt Return"),
                sdm3b("Instruction-Breakpoint Exception Condition"),
                apm3("IRET"),
            ],
        )]
        fn $name() {
            $check(Place { cpl: $cpl, is_32_bit: $is_32_bit });
        }
    )+};
}

levels! {
    /// At CPL 0 of 16-bit code, IRET and IRETD to the same level load the status flags, IF and IOPL, and IRETD VIF and VIP.
    return_flags_in_16_bit_mode_at_cpl_0 ProtectedMode16 check_same_level 0 false;
    /// At CPL 0 of 16-bit code IRETD loads RF, which masks an instruction breakpoint at its target; IRET does not.
    resume_flag_in_16_bit_mode_at_cpl_0 ProtectedMode16 check_resume_flag 0 false;
    /// At CPL 1 of 16-bit code, IRET and IRETD to the same level load the status flags, IF up to IOPL, and never IOPL, VM, VIF and VIP.
    return_flags_in_16_bit_mode_at_cpl_1 ProtectedMode16 check_same_level 1 false;
    /// At CPL 1 of 16-bit code IRETD loads RF, which masks an instruction breakpoint at its target; IRET does not.
    resume_flag_in_16_bit_mode_at_cpl_1 ProtectedMode16 check_resume_flag 1 false;
    /// At CPL 2 of 16-bit code, IRET and IRETD to the same level load the status flags, IF up to IOPL, and never IOPL, VM, VIF and VIP.
    return_flags_in_16_bit_mode_at_cpl_2 ProtectedMode16 check_same_level 2 false;
    /// At CPL 2 of 16-bit code IRETD loads RF, which masks an instruction breakpoint at its target; IRET does not.
    resume_flag_in_16_bit_mode_at_cpl_2 ProtectedMode16 check_resume_flag 2 false;
    /// At CPL 3 of 16-bit code, IRET and IRETD to the same level load the status flags, IF up to IOPL, and never IOPL, VM, VIF and VIP.
    return_flags_in_16_bit_mode_at_cpl_3 ProtectedMode16 check_same_level 3 false;
    /// At CPL 3 of 16-bit code IRETD loads RF, which masks an instruction breakpoint at its target; IRET does not.
    resume_flag_in_16_bit_mode_at_cpl_3 ProtectedMode16 check_resume_flag 3 false;
    /// At CPL 0 of 32-bit code, IRET and IRETD to the same level load the status flags, IF and IOPL, and IRETD VIF and VIP.
    return_flags_in_32_bit_mode_at_cpl_0 ProtectedMode32 check_same_level 0 true;
    /// At CPL 0 of 32-bit code IRETD loads RF, which masks an instruction breakpoint at its target; IRET does not.
    resume_flag_in_32_bit_mode_at_cpl_0 ProtectedMode32 check_resume_flag 0 true;
    /// At CPL 1 of 32-bit code, IRET and IRETD to the same level load the status flags, IF up to IOPL, and never IOPL, VM, VIF and VIP.
    return_flags_in_32_bit_mode_at_cpl_1 ProtectedMode32 check_same_level 1 true;
    /// At CPL 1 of 32-bit code IRETD loads RF, which masks an instruction breakpoint at its target; IRET does not.
    resume_flag_in_32_bit_mode_at_cpl_1 ProtectedMode32 check_resume_flag 1 true;
    /// At CPL 2 of 32-bit code, IRET and IRETD to the same level load the status flags, IF up to IOPL, and never IOPL, VM, VIF and VIP.
    return_flags_in_32_bit_mode_at_cpl_2 ProtectedMode32 check_same_level 2 true;
    /// At CPL 2 of 32-bit code IRETD loads RF, which masks an instruction breakpoint at its target; IRET does not.
    resume_flag_in_32_bit_mode_at_cpl_2 ProtectedMode32 check_resume_flag 2 true;
    /// At CPL 3 of 32-bit code, IRET and IRETD to the same level load the status flags, IF up to IOPL, and never IOPL, VM, VIF and VIP.
    return_flags_in_32_bit_mode_at_cpl_3 ProtectedMode32 check_same_level 3 true;
    /// At CPL 3 of 32-bit code IRETD loads RF, which masks an instruction breakpoint at its target; IRET does not.
    resume_flag_in_32_bit_mode_at_cpl_3 ProtectedMode32 check_resume_flag 3 true;
}

/// IRETD at CPL 0 with VM in its image, by 16 or 32-bit code.
fn check_into_8086(is_32_bit: bool) {
    mask_8259s();
    let place = Place { cpl: 0, is_32_bit };
    let arena = place.arena();
    tables::write_u32(TARGET, 0xf4f4_f4f4);
    let [es, ds, fs, gs] = PARAGRAPHS;
    for iopl in 0..4 {
        for (row, flags) in INTO.into_iter().enumerate() {
            let eflags = flags | VM | iopl << 12 | 2;
            let words = [TARGET, ARENA_SEGMENT, eflags, ESP_8086, ARENA_SEGMENT, es, ds, fs, gs];
            let esp = put_frame(4, &words);
            let arrival = arena.run(&place.program(EFLAGS_CLEAR, esp), place.code(4));
            let registers = &arrival.registers;
            let seen = Into8086 {
                outcome: arrival.outcome().0,
                ip: registers.eip.into(),
                cs: registers.cs.into(),
                eflags: registers.eflags.into(),
                esp: registers.general[ESP].into(),
                ss: registers.ss.into(),
                es: registers.es.into(),
                ds: registers.ds.into(),
                fs: registers.fs.into(),
                gs: registers.gs.into(),
                handler_esp: arrival.handler_esp.into(),
            };
            let sites = sites![&[]; Outcome "HLT behind IRETD", Hex "IP", Hex "CS", Hex "EFLAGS", Hex "ESP", Hex "SS",
                Hex "ES", Hex "DS", Hex "FS", Hex "GS", Hex "ESP in the handler"];
            report(sites, iopl as usize * 100 + row, seen.beside(into_8086(row, iopl)));
        }
    }
}

/// IRETD of 32-bit code at CPL 0 with VM in its image enters virtual-8086 mode with each IOPL and each other flag, and loads
/// all segment registers.
#[case(feature = Virtual8086, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm3b("Entering Virtual-8086 Mode")])]
fn return_to_virtual_8086_mode() {
    check_into_8086(true);
}

/// IRETD of 16-bit code at CPL 0 does the same.
#[case(feature = Virtual8086, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm3b("Entering Virtual-8086 Mode")])]
fn return_to_virtual_8086_mode_from_16_bit_code() {
    check_into_8086(false);
}

/// IRET and IRETD in virtual-8086 mode raise #GP(0) with an IOPL of 0, 1 or 2, whatever their image, and change nothing.
#[case(feature = Virtual8086, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm3b("Sensitive Instructions"), apm3("IRET")])]
fn return_in_virtual_8086_mode_below_iopl_3() {
    let arena = Arena::new();
    for iopl in 0..3 {
        for (size, code) in [(2, &FLAGS_RETURN_16_IN_16), (4, &FLAGS_RETURN_32_IN_16)] {
            for (row, flags) in INTO.into_iter().enumerate() {
                let esp = put_frame(size, &[TARGET, ARENA_SEGMENT, flags | VM | 2]);
                let mut program = Program::VIRTUAL_8086.with(&[(ESP, esp)]);
                program.registers.eflags |= iopl << 12;
                program.ending = Ending::Nothing;
                let arrival = arena.run(&program, code);
                let seen = Refused {
                    outcome: arrival.outcome().0,
                    ip: arrival.registers.eip.into(),
                    sp: arrival.registers.general[ESP].into(),
                    eflags: arrival.registers.eflags.into(),
                };
                let columns = seen.beside(refused(esp, program.registers.eflags));
                let row = iopl as usize * 100 + row;
                if size == 2 {
                    report(sites![&[]; Outcome "IRET", Hex "IP", Hex "SP", Hex "EFLAGS"], row, columns);
                } else {
                    let sites =
                        sites![&[]; Outcome "IRETD", Hex "IP of IRETD", Hex "SP of IRETD", Hex "EFLAGS of IRETD"];
                    report(sites, row, columns);
                }
            }
        }
    }
}
