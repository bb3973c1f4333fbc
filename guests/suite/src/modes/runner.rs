//! Runs tables of instructions in a mode, and reports each column of each row beside what the model says.

use super::model::{Effect, Input, MEMORY, Machine, Mode, NR_COLUMNS, NR_WORDS, Observed, judge, offset_of_word};
use rt::{
    Outcome, check_outcome,
    excursion::{
        ARENA, Arena, Arrival, Code, CodeTable, Ending, Program, layout,
        tables::{self, access, flag, selector},
    },
    report::check,
    user,
    vocabulary::Site,
};

/// The checks of one row; the number of the input is the row of each.
pub(super) type Sites = [&'static Site; NR_COLUMNS];

/// A table with its code and its checks; made by [`table!`].
pub(super) struct Table {
    pub(super) rows: &'static [Effect],
    pub(super) sites: &'static [Sites],
    pub(super) code: CodeTable,
}

/// Defines a [`Table`]: assembly and what it does; with `"name" = ` in front of the assembly where that says little,
/// and `(att_syntax)` behind the table's name for that syntax.
macro_rules! table {
    ($name:ident: $($assembly:literal => $effect:expr,)+) => {
        table! { $name: $($assembly = $assembly => $effect,)+ }
    };
    ($name:ident $(($option:ident))?: $($title:literal = $assembly:literal => $effect:expr,)+) => {
        rt::machine_code_table! { code $name $(($option))?: $($assembly),+ }
        pub(crate) static $name: crate::modes::runner::Table = crate::modes::runner::Table {
            rows: &[$($effect),+],
            sites: &[$([
                rt::site!(concat!($title, ": outcome"), &[], Outcome),
                rt::site!(concat!($title, ": EAX"), &[], Hex),
                rt::site!(concat!($title, ": ECX"), &[], Hex),
                rt::site!(concat!($title, ": EDX"), &[], Hex),
                rt::site!(concat!($title, ": ESP"), &[], Hex),
                rt::site!(concat!($title, ": flags"), &[], Hex),
                rt::site!(concat!($title, ": other registers that differ"), &[], Hex),
                rt::site!(concat!($title, ": doublewords of memory that differ"), &[], Hex),
            ]),+],
            code: rt::machine_code_table! { table $name: $($assembly),+ },
        };
    };
}

/// Selectors of segments with the arena as their base, beside those of [`selector`].
pub(super) const CODE_32: u16 = selector::FREE;
/// Stack or data with flag B set.
pub(super) const WIDE_STACK: u16 = selector::FREE + 8;

/// An arena that runs rows in one mode.
pub(super) struct Runner {
    pub(super) arena: Arena,
    pub(super) program: Program,
    mode: Mode,
}

impl Runner {
    pub(super) fn new(mode: Mode) -> Self {
        let arena = Arena::new();
        tables::set_descriptor(CODE_32, tables::segment(ARENA, 0xffff, access::CODE, flag::D_B));
        tables::set_descriptor(WIDE_STACK, tables::segment(ARENA, 0xffff, access::DATA, flag::D_B));
        for (index, value) in MEMORY.into_iter().enumerate() {
            tables::write_u32(offset_of_word(index), value);
        }
        Self { arena, program: program(mode), mode }
    }

    /// Runs every row with every input.
    pub(super) fn run(&self, table: &Table, inputs: &[Input]) {
        let mut judged = Outcome::COMPLETED;
        for row in 0..table.rows.len() {
            for (number, input) in inputs.iter().enumerate() {
                let arrival = self.enter(table.code.row(row, self.mode.size() == 4), input);
                // At CPL 3, because only there the model is native on every subject.
                let result = user::run(|| self.report(table, row, number, input, &arrival));
                if result.is_err() {
                    judged = result.into();
                }
            }
        }
        check_outcome!("judging the rows at CPL 3", judged, Outcome::COMPLETED);
    }

    fn enter(&self, code: &Code, input: &Input) -> Arrival {
        let mut program = self.program;
        program.registers.general = input.general;
        program.registers.eflags |= input.flags;
        self.arena.run(&program, code)
    }

    fn report(&self, table: &Table, row: usize, number: usize, input: &Input, arrival: &Arrival) {
        let mut observed = Observed {
            vector: arrival.vector | arrival.error_code << 16,
            eip: arrival.registers.eip.wrapping_sub(self.program.registers.eip),
            general: arrival.registers.general,
            flags: arrival.registers.eflags,
            memory: [0; NR_WORDS],
        };
        for (index, value) in observed.memory.iter_mut().enumerate() {
            *value = tables::read_u32(offset_of_word(index));
            tables::write_u32(offset_of_word(index), MEMORY[index]);
        }
        let mut expected = Machine::new(self.mode, input);
        (table.rows[row])(&mut expected);
        for (column, (actual, expected)) in judge(&expected, &observed).into_iter().enumerate() {
            let (actual, expected) =
                if column == 0 { (outcome(actual), outcome(expected)) } else { (actual.into(), expected.into()) };
            check(table.sites[row][column], number as u64, actual, expected);
        }
    }
}

fn outcome(vector: u32) -> u64 {
    if vector == Observed::END { Outcome::COMPLETED.0 } else { Outcome::exception(vector as u8, vector >> 16).0 }
}

/// A program whose segments all have the arena as their base.
pub(super) fn program(mode: Mode) -> Program {
    let mut program = match mode {
        Mode::Real => Program::REAL,
        Mode::BigReal => Program::BIG_REAL,
        Mode::Virtual8086 => Program::VIRTUAL_8086,
        Mode::Protected16 | Mode::Protected16WideStack => Program::PROTECTED_16,
        Mode::Protected32 | Mode::Protected32NarrowStack => Program::PROTECTED_32,
    };
    if mode.size() == 4 {
        let data = u32::from(selector::DATA_16);
        let registers = &mut program.registers;
        registers.eip = layout::CODE;
        registers.cs = CODE_32.into();
        (registers.ss, registers.ds, registers.es, registers.fs, registers.gs) = (data, data, data, data, data);
        program.ending = Ending::FarJump32;
    }
    if matches!(mode, Mode::Protected32 | Mode::Protected16WideStack) {
        program.registers.ss = WIDE_STACK.into();
    }
    program
}
