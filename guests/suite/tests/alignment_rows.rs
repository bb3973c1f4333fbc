//! The rows of the alignment checks are the instructions that they say, and access as much as they say.

#[path = "../src/exceptions/alignment_rows.rs"]
mod alignment_rows;

use alignment_rows::{NAMES, ROWS_16, ROWS_32, Row};
use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Register};
use std::collections::HashSet;

fn decoded(bitness: u32, bytes: &[u8]) -> Instruction {
    let instruction = Decoder::new(bitness, bytes, DecoderOptions::NONE).decode();
    assert!(!instruction.is_invalid() && instruction.len() == bytes.len(), "{bytes:x?}");
    instruction
}

/// Sizes of what the instruction accesses at [BX], [DI] or [EDI].
fn sizes(instruction: &Instruction) -> HashSet<usize> {
    let mut factory = InstructionInfoFactory::new();
    let memory = factory.info(instruction).used_memory();
    memory
        .iter()
        .filter(|memory| matches!(memory.base(), Register::BX | Register::DI | Register::EDI))
        .map(|memory| memory.memory_size().size())
        .collect()
}

fn agrees((bytes, size): &Row, bitness: u32) -> bool {
    sizes(&decoded(bitness, bytes)) == HashSet::from([*size as usize])
}

#[test]
fn each_row_accesses_as_much_as_it_says() {
    for (rows, bitness) in [(&ROWS_32, 32), (&ROWS_16, 16)] {
        assert_eq!(rows.len(), NAMES.len());
        for row in rows {
            assert!(agrees(row, bitness), "{bitness}: {row:x?}");
            // Another size is seen.
            assert!(!agrees(&(row.0, row.1 * 2), bitness), "{row:x?}");
        }
        let bytes: HashSet<_> = rows.iter().map(|row| row.0).collect();
        assert_eq!(bytes.len(), rows.len(), "two rows are one instruction");
    }
}

#[test]
fn rows_of_both_tables_are_the_same_instructions() {
    for (row, (wide, narrow)) in ROWS_32.iter().zip(&ROWS_16).enumerate() {
        let mnemonics = [decoded(32, wide.0), decoded(16, narrow.0)].map(|instruction| instruction.mnemonic());
        assert_eq!(mnemonics[0], mnemonics[1], "row {row}");
        // PUSH and POP have the size of the mode.
        assert!(wide.1 == narrow.1 || row >= ROWS_32.len() - 2, "row {row}");
    }
}
