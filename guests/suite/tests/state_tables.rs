//! The tables of x87, SSE and AVX-512 state hold what they claim, and each column of what they judge counts.

#[path = "../src/state/environment_model.rs"]
mod environment_model;
#[path = "../src/state/masking_model.rs"]
mod masking_model;
#[path = "../src/state/mxcsr_model.rs"]
mod mxcsr_model;
#[path = "../src/state/pkru_model.rs"]
mod pkru_model;
#[path = "../src/state/unreported_model.rs"]
mod unreported_model;
#[path = "../src/state/upper_model.rs"]
mod upper_model;
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/state/waiting_model.rs"]
mod waiting_model;

use case::message::outcome::{COMPLETED, exception};
use iced_x86::{Decoder, DecoderOptions, Mnemonic};

fn passes(pairs: &[(u64, u64)]) -> bool {
    pairs.iter().all(|(actual, expected)| actual == expected)
}

fn waiting_rows() -> impl Iterator<Item = &'static waiting_model::Row> {
    static ALL: [&[waiting_model::Row]; 4] =
        [&waiting_model::MEMORY, &waiting_model::REGISTERS, &waiting_model::MMX, &waiting_model::OTHERS];
    ALL.iter().flat_map(|rows| rows.iter())
}

/// The mnemonics of the manuals that do not wait, among the instructions on x87 state.
const NON_WAITING: [Mnemonic; 6] =
    [Mnemonic::Fninit, Mnemonic::Fnclex, Mnemonic::Fnstenv, Mnemonic::Fnsave, Mnemonic::Fnstsw, Mnemonic::Fnstcw];

#[test]
fn bytes_are_the_instructions_that_rows_name() {
    for row in waiting_rows() {
        let mut decoder = Decoder::new(64, row.bytes, DecoderOptions::NONE);
        let instruction = decoder.decode();
        assert_eq!(instruction.len(), row.bytes.len(), "{}", row.name);
        let mnemonic = format!("{:?}", instruction.mnemonic()).to_uppercase();
        let named = row.name.split([' ', ',']).next().unwrap_or_default();
        assert_eq!(mnemonic, named, "{}", row.name);
        if (0xd8..=0xdf).contains(&row.bytes[0]) {
            assert_eq!(row.waits, !NON_WAITING.contains(&instruction.mnemonic()), "{}", row.name);
        }
    }
}

#[test]
fn every_escape_opcode_with_a_memory_operand_is_there() {
    let rows: Vec<_> = waiting_model::MEMORY.iter().map(|row| row.bytes).collect();
    for opcode in 0xd8..=0xdf_u8 {
        for extension in 0..8_u8 {
            let bytes = [opcode, extension << 3 | 7];
            let is_known = !Decoder::new(64, &bytes, DecoderOptions::NONE).decode().is_invalid();
            assert_eq!(rows.contains(&&bytes[..]), is_known, "{bytes:x?}");
        }
    }
}

#[test]
fn every_column_of_a_waiting_instruction_counts() {
    use waiting_model::{Observed, columns};
    for row in waiting_rows() {
        for pending in [false, true] {
            let [outcome, ip] = columns(row, pending, Observed { outcome: 0, ip: 0 });
            let right = Observed { outcome: outcome.1, ip: ip.1 };
            assert_eq!(right.outcome == exception(16, 0), pending && row.waits, "{}", row.name);
            assert!(passes(&columns(row, pending, right)));
            for wrong in [
                Observed { outcome: right.outcome ^ 1, ..right },
                Observed { outcome: exception(7, 0), ..right },
                Observed { ip: right.ip + 1, ..right },
            ] {
                assert!(!passes(&columns(row, pending, wrong)), "{}: {wrong:?}", row.name);
            }
        }
    }
}

#[test]
fn names_of_waiting_instructions_are_unique() {
    let mut names: Vec<_> = waiting_rows().map(|row| row.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn each_bit_of_mxcsr_follows_the_mask() {
    use mxcsr_model::{BY_DEFAULT, columns, mask};
    assert_eq!((mask(0), mask(0x2_ffff)), (0xffbf, 0x2_ffff));
    for bit in 0..32 {
        let taken = columns(0xffff, bit, COMPLETED, BY_DEFAULT | 1 << bit);
        let refused = columns(0xffff, bit, exception(13, 0), BY_DEFAULT);
        assert_eq!((passes(&taken), passes(&refused)), (bit < 16, bit >= 16), "{bit}");
        assert!(!passes(&columns(0xffff, bit, exception(6, 0), BY_DEFAULT | 1 << bit)), "another exception");
        assert!(!passes(&columns(u32::MAX, bit, COMPLETED, (BY_DEFAULT | 1 << bit) ^ 1 << 6)), "another value");
        assert!(!passes(&columns(0, bit, exception(13, 0), BY_DEFAULT ^ 1 << 7)), "changed by a refused load");
    }
}

#[test]
fn every_input_of_a_masked_result_counts() {
    use masking_model::{BYTES_AND_WORDS, FOUNDATION, NR_MASKS, Operation, mask, result};
    let [before, first, second] = [0x0123_4567_89ab_cdef_u64, 0xfedc_ba98_7654_3211, 0x8f1b_bcdc_bfa5_3e0b]
        .map(|seed| [1, 3, 5, 7, 9, 11, 13, 15].map(|factor| seed.wrapping_mul(factor)));
    for row in FOUNDATION.iter().chain(&BYTES_AND_WORDS) {
        let nr_elements = 512 / row.bits;
        for index in 0..NR_MASKS {
            let mask = mask(index, nr_elements);
            let right = result(row, mask, &before, &first, &second);
            assert_eq!(masking_model::column(&right, &right), (0, 0));
            for quadword in 0..8 {
                let mut wrong = right;
                wrong[quadword] ^= 1 << (index % 64);
                assert_eq!(masking_model::column(&right, &wrong), (1 << quadword, 0), "{row:?}");
            }
            let element = index as u32 % nr_elements;
            let other = result(row, mask ^ 1 << element, &before, &first, &second);
            assert_ne!(other, right, "{row:?}: bit {element} of mask {mask:#x}");
        }
        let none = result(row, 0, &before, &first, &second);
        assert_eq!(none, if row.zeroing { [0; 8] } else { before }, "{row:?}");
        if row.operation == Operation::Move {
            let all = if nr_elements == 64 { u64::MAX } else { (1 << nr_elements) - 1 };
            assert_eq!(result(row, all, &before, &first, &second), first, "{row:?}");
        }
    }
    let bytes = BYTES_AND_WORDS[0];
    let sum = result(&bytes, u64::MAX, &[0; 8], &[0x01ff_u64; 8], &[0x0101; 8]);
    assert_eq!(sum, [0x0200; 8], "no carry between elements");
}

#[test]
fn elements_that_a_mask_leaves_out_do_not_fault() {
    use masking_model::faults;
    assert!(!faults(0, 0) && faults(1, 0) && !faults(1, 1) && faults(0x80, 7) && !faults(0x7f, 7) && faults(0xff, 3));
}

#[test]
fn every_quadword_above_what_an_instruction_writes_counts() {
    use upper_model::{
        Encoding::{Legacy, Other, Vector128, Vector256},
        UPPER, column,
    };
    for encoding in [Legacy, Other, Vector128, Vector256] {
        let mut right = match encoding {
            Legacy | Other => UPPER,
            Vector128 | Vector256 => [0; 6],
        };
        if encoding == Vector256 {
            (right[0], right[1]) = (7, 8);
        }
        assert!(passes(&[column(encoding, &right)]));
        for quadword in 0..6 {
            let mut wrong = right;
            wrong[quadword] ^= 2;
            let counts = encoding != Vector256 || quadword >= 2;
            assert_eq!(!passes(&[column(encoding, &wrong)]), counts, "{encoding:?}: {quadword}");
        }
    }
}

use environment_model::{Environment, Format, Places, Processor, ROWS, columns as environment_columns, parse};

const FORMATS: [Format; 7] = [
    Format::Protected32,
    Format::Protected16,
    Format::Real32,
    Format::Real16,
    Format::Fxsave,
    Format::Fxsave16,
    Format::Fxsave64,
];

#[test]
fn known_images_of_each_format_of_the_x87_environment() {
    // Byte n holds n, so that each field tells where it was taken from.
    let memory = [0, 1, 2, 3].map(|quadword| 0x0706_0504_0302_0100 + quadword * 0x0808_0808_0808_0808);
    let of = |format| {
        let Environment { instruction, instruction_selector, data, data_selector, opcode } = parse(format, &memory);
        [instruction, instruction_selector, data, data_selector, opcode]
    };
    assert_eq!(of(Format::Protected32), [0x0f0e_0d0c, 0x1110, 0x1716_1514, 0x1918, 0x312]);
    assert_eq!(of(Format::Protected16), [0x0706, 0x0908, 0x0b0a, 0x0d0c, 0]);
    assert_eq!(of(Format::Real32), [0x3121_0d0c, 0, 0xb1a1_1514, 0, 0x110]);
    assert_eq!(of(Format::Real16), [0x0_0706, 0, 0x0_0b0a, 0, 0x108]);
    assert_eq!(of(Format::Fxsave), [0x0b0a_0908, 0x0d0c, 0x1312_1110, 0x1514, 0x706]);
    assert_eq!(of(Format::Fxsave16), of(Format::Fxsave));
    assert_eq!(of(Format::Fxsave64), [0x0f0e_0d0c_0b0a_0908, 0, 0x1716_1514_1312_1110, 0, 0x706]);
}

const PLACES: Places = Places { code: 0x1_5004, code_selector: Some(0x1b), data: 0x1_6000, data_selector: Some(0x23) };
const PLAIN: Processor =
    Processor { deprecates_selectors: false, data_on_exceptions: false, saves_on_exceptions: false };

fn environment_passes(row: &environment_model::Row, format: Format, processor: Processor, seen: &Environment) -> bool {
    environment_columns(row, format, processor, PLACES, seen)
        .iter()
        .flatten()
        .all(|(actual, expected)| actual == expected)
}

#[test]
fn every_column_of_the_x87_environment_counts() {
    for row in &ROWS {
        for format in FORMATS {
            let mask = format.address_mask();
            let right = match row.last {
                Some(last) => Environment {
                    instruction: (PLACES.code + u64::from(last)) & mask,
                    instruction_selector: 0x1b,
                    data: PLACES.data & mask,
                    data_selector: 0x23,
                    opcode: row.opcode,
                },
                None => Environment::default(),
            };
            assert!(environment_passes(row, format, PLAIN, &right), "{} {format:?}", row.name);
            let has_data = row.has_operand || row.last.is_none();
            for (wrong, counts) in [
                (Environment { instruction: right.instruction ^ 1, ..right }, true),
                (Environment { instruction_selector: 0x77, ..right }, format.has_selectors()),
                (Environment { data: right.data ^ 2, ..right }, has_data),
                (Environment { data_selector: 0x77, ..right }, format.has_selectors() && has_data),
                (Environment { opcode: 0x7ff, ..right }, format.has_opcode()),
                (Environment { opcode: 0, ..right }, format.has_opcode() && row.faults),
            ] {
                assert_eq!(
                    !environment_passes(row, format, PLAIN, &wrong),
                    counts,
                    "{} {format:?}: {wrong:?}",
                    row.name
                );
            }
            let deprecates = Processor { deprecates_selectors: true, ..PLAIN };
            let judged = format.has_selectors() && row.last.is_some();
            assert_eq!(!environment_passes(row, format, deprecates, &right), judged, "selectors must be 0");
            if matches!(format, Format::Real16 | Format::Real32) && row.last.is_some() {
                let offsets =
                    Environment { instruction: right.instruction & 0xffff, data: right.data & 0xffff, ..right };
                assert!(environment_passes(row, format, deprecates, &offsets), "{}: the base is left open", row.name);
                assert!(!environment_passes(row, format, PLAIN, &offsets), "{}: the base counts", row.name);
                let wrong = Environment { instruction: offsets.instruction ^ 1, ..offsets };
                assert!(!environment_passes(row, format, deprecates, &wrong), "{}: the offset counts", row.name);
            }
            let exceptions = Processor { data_on_exceptions: true, ..PLAIN };
            let wrong = Environment { data: right.data ^ 2, ..right };
            assert_eq!(!environment_passes(row, format, exceptions, &wrong), row.faults || row.last.is_none());
            let on_exceptions = Processor { saves_on_exceptions: true, ..PLAIN };
            let is_left_out = !row.faults && matches!(format, Format::Fxsave | Format::Fxsave16 | Format::Fxsave64);
            let wrong = Environment { instruction: right.instruction ^ 1, ..right };
            assert_eq!(environment_passes(row, format, on_exceptions, &wrong), is_left_out, "{} {format:?}", row.name);
        }
    }
}

#[test]
fn opcodes_of_the_x87_environment_are_those_of_the_bytes() {
    for row in &ROWS {
        let Some(last) = row.last else { continue };
        let bytes = &row.bytes[usize::from(last)..];
        let bytes = if bytes[0] == 0x3e { &bytes[1..] } else { bytes };
        assert_eq!(row.opcode, u64::from(bytes[0] & 7) << 8 | u64::from(bytes[1]), "{}", row.name);
    }
}

#[test]
fn every_input_and_column_of_pkru_counts() {
    use pkru_model::{NR_ROWS, PKRU, Row, Saved, restored, row, saved_columns};
    const MARK: u32 = 0x5a5a_a5a5;
    let known = |rfbm, xstate_bv| restored(&Row { before: 4, rfbm, xstate_bv, memory: 8 });
    assert_eq!([known(1, PKRU), known(PKRU, PKRU), known(PKRU, 0), known(PKRU | 1, PKRU)], [4, 8, 0, 8]);
    let rows: std::collections::BTreeSet<_> =
        (0..NR_ROWS).map(row).map(|row| (row.before, row.memory, row.rfbm, row.xstate_bv)).collect();
    assert_eq!(rows.len(), NR_ROWS, "no two rows are the same");
    for row in (0..NR_ROWS).map(row) {
        assert_eq!((row.before | row.memory) & 3, 0, "key 0 stays allowed");
        let is_requested = row.rfbm & PKRU != 0;
        let right = Saved { in_xstate_bv: true, memory: if is_requested { row.before } else { MARK } };
        assert!(passes(&saved_columns(&row, MARK, right)));
        assert!(!passes(&saved_columns(&row, MARK, Saved { memory: right.memory ^ 4, ..right })));
        let unmarked = Saved { in_xstate_bv: false, ..right };
        assert_eq!(passes(&saved_columns(&row, MARK, unmarked)), is_requested && row.before == 0);
    }
}

#[test]
fn every_column_of_a_restored_environment_counts() {
    use environment_model::{IMAGES, restored_columns};
    let deprecates = Processor { deprecates_selectors: true, ..PLAIN };
    let on_exceptions = Processor { saves_on_exceptions: true, ..PLAIN };
    for image in &IMAGES {
        for format in [Format::Fxsave64, Format::Fxsave] {
            let [head, ip, dp] = image.quadwords(format);
            let seen = parse(format, &[head, ip, dp, 0]);
            let judged = |processor, seen: &Environment| restored_columns(image, format, processor, seen);
            let passes =
                |columns: [Option<(u64, u64)>; 5]| columns.into_iter().flatten().all(|(seen, due)| seen == due);
            assert!(passes(judged(PLAIN, &seen)), "{}", image.name);
            let wrong = [
                Environment { instruction: seen.instruction ^ 1, ..seen },
                Environment { instruction_selector: seen.instruction_selector ^ 1, ..seen },
                Environment { data: seen.data ^ 1, ..seen },
                Environment { data_selector: seen.data_selector ^ 1, ..seen },
                Environment { opcode: seen.opcode ^ 1, ..seen },
            ];
            for (column, wrong) in wrong.iter().enumerate() {
                let is_selector = column == 1 || column == 3;
                assert_eq!(passes(judged(PLAIN, wrong)), is_selector && !format.has_selectors(), "{column}");
                let is_open = image.status == 0;
                assert!(passes(judged(on_exceptions, wrong)) == is_open || is_selector, "{column}");
            }
            let selectors = judged(deprecates, &seen);
            assert!(selectors[1].is_none_or(|(_, due)| due == 0) && selectors[3].is_none_or(|(_, due)| due == 0));
        }
        assert_eq!(image.status != 0, image.control & 4 == 0, "{}: pending means unmasked", image.name);
    }
}

#[test]
fn every_column_of_an_unreported_exception_counts() {
    use unreported_model::{NAMES, ROWS, Seen, columns};
    const INTERRUPT: u8 = 0x41;
    assert_eq!(NAMES.len(), ROWS.len());
    let all = |row, seen| columns(row, INTERRUPT, seen).into_iter().all(|(seen, due)| seen == due);
    for row in &ROWS {
        let length = row.bytes.len() as u64;
        let later = if row.clears { COMPLETED } else { exception(16, 0) };
        let executed = Seen { end: exception(6, 0), ip: length, later };
        let frozen = Seen { end: exception(INTERRUPT, 0), ip: 0, later };
        assert!(all(row, executed), "{}", row.name);
        assert_eq!(all(row, frozen), row.waits, "{}", row.name);
        for wrong in [
            Seen { end: exception(16, 0), ip: 0, later },
            Seen { ip: length + 1, ..executed },
            Seen { later: if row.clears { exception(16, 0) } else { COMPLETED }, ..executed },
            Seen { ip: 1, ..frozen },
            Seen { end: exception(7, 0), ..frozen },
        ] {
            assert!(!all(row, wrong), "{}: {wrong:?}", row.name);
        }
        let decoded = Decoder::new(64, row.bytes, DecoderOptions::NONE).decode();
        assert_eq!(decoded.len(), row.bytes.len(), "{}", row.name);
        let mnemonic = format!("{:?}", decoded.mnemonic()).to_uppercase();
        assert_eq!(row.name.split(' ').next(), Some(if mnemonic == "WAIT" { "FWAIT" } else { &mnemonic }));
        let other = waiting_rows().find(|other| other.bytes == row.bytes);
        assert!(other.is_none_or(|other| other.waits == row.waits), "{}: the other table contradicts", row.name);
        assert!(!row.waits || !row.clears, "{}", row.name);
    }
}
