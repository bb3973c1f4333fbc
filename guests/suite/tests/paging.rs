//! The model of paging gives known answers, and each of its inputs and each part of what it judges counts.

#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/paging/decision.rs"]
mod decision;

use Operation::{Fetch, Read, Write};
use bit::{P, PS, RW, US, XD};
use case::message::outcome::{COMPLETED, exception};
use decision::{A, D, Decision, Format, Mode, Operation, bit, decide, flags_agree};

const ALL: u64 = P | RW | US;
const S: Mode = Mode::SUPERVISOR;
const U: Mode = Mode::USER;
const NX: Mode = Mode { execute_disable: true, ..U };
const BITS_32: Mode = Mode { format: Format::Bits32 { page_size_extensions: true }, physical_bits: 36, ..U };
const PAE: Mode = Mode { format: Format::Pae, physical_bits: 36, ..U };

const fn pf(code: u32) -> u64 {
    exception(14, code)
}

fn four(leaf: u64) -> [u64; 4] {
    [ALL, ALL, ALL, leaf]
}

/// Entries, operation, mode, and what the manuals say.
fn known() -> Vec<(Vec<u64>, Operation, Mode, u64)> {
    let keys = |pkru| Mode { user_keys: Some(pkru), ..U };
    vec![
        (four(ALL).into(), Read, U, COMPLETED),
        (four(ALL).into(), Write, U, COMPLETED),
        (four(ALL).into(), Fetch, U, COMPLETED),
        (four(0).into(), Read, U, pf(4)),
        (four(XD).into(), Write, S, pf(2)),
        (four(0).into(), Fetch, U, pf(4)),
        (four(0).into(), Fetch, NX, pf(0x14)),
        (four(P | RW).into(), Read, U, pf(5)),
        (four(P | RW).into(), Read, S, COMPLETED),
        (four(P | US).into(), Write, U, pf(7)),
        (four(P | US).into(), Write, S, pf(3)),
        (four(P | US).into(), Write, Mode { write_protect: false, ..S }, COMPLETED),
        (four(P | US).into(), Write, Mode { write_protect: false, ..U }, pf(7)),
        (four(ALL | XD).into(), Read, U, pf(0xd)),
        (four(ALL | XD).into(), Read, NX, COMPLETED),
        (four(ALL | XD).into(), Fetch, NX, pf(0x15)),
        (four(ALL | XD).into(), Fetch, Mode { execute_disable: true, ..S }, pf(0x11)),
        (vec![ALL | XD, ALL, ALL, ALL], Fetch, NX, pf(0x15)),
        (vec![ALL, ALL, P | US, ALL], Write, U, pf(7)),
        (vec![ALL, P | RW, ALL, ALL], Read, U, pf(5)),
        (vec![ALL, 0, ALL, ALL | XD], Read, U, pf(4)),
        (vec![ALL | XD, 0, ALL, ALL], Read, U, pf(0xd)),
        (four(ALL).into(), Fetch, Mode { smep: true, ..S }, pf(0x11)),
        (four(P | RW).into(), Fetch, Mode { smep: true, ..S }, COMPLETED),
        (four(0).into(), Fetch, Mode { smep: true, ..U }, pf(0x14)),
        (four(ALL).into(), Read, Mode { smap: true, ..S }, pf(1)),
        (four(ALL).into(), Write, Mode { smap: true, ..S }, pf(3)),
        (four(P | US).into(), Write, Mode { smap: true, write_protect: false, ..S }, pf(3)),
        (four(ALL).into(), Read, Mode { smap: true, alignment_check: true, ..S }, COMPLETED),
        (vec![P | RW, ALL, ALL, ALL], Read, Mode { smap: true, ..S }, COMPLETED),
        (four(ALL).into(), Fetch, Mode { smap: true, ..S }, COMPLETED),
        (four(ALL).into(), Read, Mode { smap: true, ..U }, COMPLETED),
        // Large pages end the walk.
        (vec![ALL, ALL, ALL | PS, 0], Write, U, COMPLETED),
        (vec![ALL, ALL | PS, 0, 0], Write, U, COMPLETED),
        (vec![ALL, ALL | PS, 0, 0], Write, Mode { has_page_1g: false, ..U }, pf(0xf)),
        (vec![ALL | PS, ALL, ALL, ALL], Read, S, pf(9)),
        (vec![ALL, ALL, ALL | PS | 1 << 12, 0], Read, U, COMPLETED),
        (vec![ALL, ALL, ALL | PS | 1 << 13, 0], Read, U, pf(0xd)),
        (vec![ALL, ALL, ALL | PS | 1 << 20, 0], Read, U, pf(0xd)),
        (vec![ALL, ALL, ALL | PS | 1 << 21, 0], Read, U, COMPLETED),
        (vec![ALL, ALL | PS | 1 << 29, 0, 0], Read, U, pf(0xd)),
        (vec![ALL, ALL | PS | 1 << 30, 0, 0], Read, U, COMPLETED),
        // MAXPHYADDR, and what is ignored above bit 51.
        (four(ALL | 1 << 40).into(), Read, Mode { physical_bits: 40, ..U }, pf(0xd)),
        (four(ALL | 1 << 39).into(), Read, Mode { physical_bits: 40, ..U }, COMPLETED),
        (four(ALL | 1 << 51).into(), Read, Mode { physical_bits: 40, ..U }, pf(0xd)),
        (four(ALL | 0x7ff << 52).into(), Read, U, COMPLETED),
        // Five levels.
        (vec![ALL; 5], Write, Mode { format: Format::FiveLevel, ..U }, COMPLETED),
        (vec![P | US, ALL, ALL, ALL, ALL], Write, Mode { format: Format::FiveLevel, ..U }, pf(7)),
        (vec![ALL | PS, ALL, ALL, ALL, ALL], Write, Mode { format: Format::FiveLevel, ..U }, pf(0xf)),
        // PAE.
        (vec![ALL, ALL], Write, PAE, COMPLETED),
        (vec![ALL, ALL | 1 << 62], Write, PAE, pf(0xf)),
        (vec![ALL, ALL | 1 << 52], Write, PAE, pf(0xf)),
        (vec![ALL, ALL | XD], Fetch, PAE, pf(0xd)),
        (vec![ALL, ALL | XD], Fetch, Mode { execute_disable: true, ..PAE }, pf(0x15)),
        (vec![ALL | PS, 0], Write, PAE, COMPLETED),
        (vec![ALL | PS | 1 << 13, 0], Write, PAE, pf(0xf)),
        // 32-bit paging.
        (vec![ALL, ALL], Write, BITS_32, COMPLETED),
        (vec![ALL | PS, 0], Write, BITS_32, COMPLETED),
        (vec![ALL | PS, 0], Write, Mode { format: Format::Bits32 { page_size_extensions: false }, ..BITS_32 }, pf(6)),
        (vec![ALL | PS | 1 << 12, 0], Write, BITS_32, COMPLETED),
        (vec![ALL | PS | 1 << 16, 0], Write, BITS_32, COMPLETED),
        (vec![ALL | PS | 1 << 17, 0], Write, BITS_32, pf(0xf)),
        (vec![ALL | PS | 1 << 21, 0], Write, BITS_32, pf(0xf)),
        (vec![ALL | PS | 1 << 21, 0], Write, Mode { physical_bits: 52, ..BITS_32 }, pf(0xf)),
        (vec![ALL | PS | 1 << 20, 0], Write, Mode { physical_bits: 52, ..BITS_32 }, COMPLETED),
        (vec![ALL, 0], Fetch, Mode { execute_disable: true, ..BITS_32 }, pf(4)),
        // Protection keys: key 5.
        (four(ALL | 5 << 59).into(), Read, keys(1 << 10), pf(0x25)),
        (four(ALL | 5 << 59).into(), Read, keys(2 << 10), COMPLETED),
        (four(ALL | 5 << 59).into(), Write, keys(2 << 10), pf(0x27)),
        (four(ALL | 5 << 59).into(), Write, Mode { user: false, ..keys(2 << 10) }, pf(0x23)),
        (four(ALL | 5 << 59).into(), Write, Mode { user: false, write_protect: false, ..keys(2 << 10) }, COMPLETED),
        (four(ALL | 5 << 59).into(), Write, Mode { write_protect: false, ..keys(2 << 10) }, pf(0x27)),
        (four(ALL | 5 << 59).into(), Fetch, keys(1 << 10), COMPLETED),
        (four(ALL | 4 << 59).into(), Read, keys(1 << 10), COMPLETED),
        (four(P | RW | 5 << 59).into(), Read, Mode { user: false, ..keys(1 << 10) }, COMPLETED),
        (four(P | RW | 5 << 59).into(), Read, Mode { supervisor_keys: Some(1 << 10), ..S }, pf(0x21)),
        (four(ALL | 5 << 59).into(), Read, Mode { supervisor_keys: Some(1 << 10), ..S }, COMPLETED),
        (vec![ALL, ALL | 5 << 59], Read, Mode { user_keys: Some(1 << 10), ..PAE }, pf(0xd)),
    ]
}

#[test]
fn known_answers() {
    for (line, (entries, operation, mode, expected)) in known().into_iter().enumerate() {
        let actual = decide(&entries, operation, &mode).outcome;
        assert_eq!(actual, expected, "row {line}: {entries:#x?} {operation:?} {mode:?}");
    }
}

/// Each input of the model, changed in every known row: at least one of the rows is answered otherwise.
#[test]
fn every_input_counts() {
    type Change = fn(&mut Vec<u64>, &mut Operation, &mut Mode);
    let changes: Vec<(&str, Change)> = vec![
        ("operation", |_, operation, _| *operation = if *operation == Read { Write } else { Read }),
        ("fetch", |_, operation, _| *operation = if *operation == Fetch { Read } else { Fetch }),
        ("CPL", |_, _, mode| mode.user ^= true),
        ("CR0.WP", |_, _, mode| mode.write_protect ^= true),
        ("NXE", |_, _, mode| mode.execute_disable ^= true),
        ("SMEP", |_, _, mode| mode.smep ^= true),
        ("SMAP", |_, _, mode| mode.smap ^= true),
        ("AC", |_, _, mode| mode.alignment_check ^= true),
        ("PKE", |_, _, mode| mode.user_keys = mode.user_keys.is_none().then_some(1 << 10)),
        ("PKS", |_, _, mode| mode.supervisor_keys = mode.supervisor_keys.is_none().then_some(1 << 10)),
        ("PKRU", |_, _, mode| mode.user_keys = mode.user_keys.map(|keys| keys >> 2)),
        ("PKRS", |_, _, mode| mode.supervisor_keys = mode.supervisor_keys.map(|keys| keys >> 2)),
        ("MAXPHYADDR", |_, _, mode| mode.physical_bits = 39),
        ("1 GiB pages", |_, _, mode| mode.has_page_1g ^= true),
        ("PSE", |_, _, mode| {
            if let Format::Bits32 { page_size_extensions } = &mut mode.format {
                *page_size_extensions ^= true;
            }
        }),
        ("PAE", |_, _, mode| {
            mode.format = match mode.format {
                Format::Pae => Format::Bits32 { page_size_extensions: true },
                Format::Bits32 { .. } => Format::Pae,
                other => other,
            };
        }),
    ];
    for (index, (name, change)) in changes.into_iter().enumerate() {
        let seen = known().into_iter().any(|(entries, operation, mode, expected)| {
            let (mut entries, mut operation, mut mode) = (entries, operation, mode);
            change(&mut entries, &mut operation, &mut mode);
            decide(&entries, operation, &mode).outcome != expected
        });
        assert!(seen, "no row depends on input {index}, {name}");
    }
}

#[test]
fn every_bit_of_every_entry_counts() {
    for level in 0..4 {
        for (name, bit) in [("P", P), ("R/W", RW), ("U/S", US), ("XD", XD), ("reserved", 1 << 51)] {
            let seen = known().into_iter().any(|(mut entries, operation, mode, expected)| {
                let Some(entry) = entries.get_mut(level) else { return false };
                *entry ^= bit;
                decide(&entries, operation, &Mode { physical_bits: mode.physical_bits.min(51), ..mode }).outcome
                    != expected
            });
            assert!(seen, "no row depends on {name} of entry {level}");
        }
    }
}

/// A walk of four levels to a writable page.
const BEFORE: [u64; 4] = [ALL; 4];

fn decision(operation: Operation) -> Decision {
    decide(&BEFORE, operation, &U)
}

#[test]
fn flags_as_the_manuals_say_agree() {
    assert!(flags_agree(&BEFORE, &[ALL | A; 4], Read, &decision(Read)));
    assert!(flags_agree(&BEFORE, &[ALL | A, ALL | A, ALL | A, ALL | A | D], Write, &decision(Write)));
    let denied = decide(&[ALL, ALL, ALL, P | US], Write, &U);
    assert!(flags_agree(&[ALL, ALL, ALL, P | US], &[ALL, ALL, ALL, P | US], Write, &denied));
    assert!(flags_agree(&[ALL, ALL, ALL, P | US], &[ALL | A, ALL | A, ALL, P | US | A], Write, &denied));
}

#[test]
fn every_wrong_flag_is_seen() {
    for operation in [Read, Write] {
        let leaf = if operation == Write { ALL | A | D } else { ALL | A };
        let right = [ALL | A, ALL | A, ALL | A, leaf];
        for index in 0..4 {
            for wrong in [A, D, RW, 1 << 9, XD, 1 << 12] {
                let mut after = right;
                after[index] ^= wrong;
                assert!(
                    !flags_agree(&BEFORE, &after, operation, &decision(operation)),
                    "{operation:?} {index} {wrong:#x}"
                );
            }
        }
    }
}

#[test]
fn a_denied_access_sets_no_dirty_flag_and_leaves_what_it_did_not_read() {
    let before = [ALL, 0, ALL, ALL];
    let absent = decide(&before, Write, &U);
    for (index, wrong) in [(0, D), (1, A), (1, D), (2, A), (3, A), (3, D)] {
        let mut after = before;
        after[index] ^= wrong;
        assert!(!flags_agree(&before, &after, Write, &absent), "{index} {wrong:#x}");
    }
}
