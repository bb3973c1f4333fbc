//! Both layouts of the save area of system-management mode, and what is read out of it.

// Each test uses a part of what stands there.
#![expect(dead_code, reason = "compiled for the cases of the guest")]

#[path = "../src/nmi/smi_model.rs"]
mod model;

use model::{AMD, AMD_TABLES, Field, INTEL, Layout};
use std::collections::BTreeSet;

fn fields(layout: &Layout) -> Vec<Field> {
    let Layout { cr0, cr3, rflags, efer, rip, dr6, dr7, tr, selectors, known, auto_halt, revision, base } = *layout;
    let mut fields = vec![cr0, cr3, rflags, efer, rip, dr6, dr7, tr, auto_halt, revision, base];
    fields.extend(selectors);
    fields.extend(known);
    if base == AMD.base {
        fields.extend(AMD_TABLES);
    }
    fields
}

#[test]
fn no_two_fields_share_a_byte_and_all_are_in_the_area() {
    for layout in [&INTEL, &AMD] {
        let mut bytes = BTreeSet::new();
        for field in fields(layout) {
            for offset in 0..u32::from(field.size) {
                let at = u32::from(field.offset) + offset;
                assert!((0xfe00..=0xffff).contains(&at), "{field:x?}");
                assert!(bytes.insert(at), "{field:x?}");
            }
        }
    }
}

/// Registers of a layout stand one behind the other, in the order of their numbers, downwards.
#[test]
fn registers_stand_in_their_order() {
    for (layout, rcx, rdx, rsi, rdi, r8) in
        [(&AMD, 0xfff0, 0xffe8, 0xffc8, 0xffc0, 0xffb8), (&INTEL, 0xff64, 0xff6c, 0xff8c, 0xff94, 0xff54)]
    {
        let mut expected = vec![rcx, rdx, rsi, rdi];
        expected.extend((0..8).map(|index| r8 - index * 8));
        let actual: Vec<_> = layout.known.iter().map(|field| field.offset).collect();
        assert_eq!(actual, expected);
    }
}

#[test]
fn a_wrong_byte_of_a_field_is_seen_and_one_beside_it_is_not() {
    for layout in [&INTEL, &AMD] {
        for field in fields(layout) {
            let mut area = [0_u8; 0x200];
            let read = |area: &[u8; 0x200]| {
                model::value(field, |offset| {
                    let at = usize::from(offset - 0xfe00);
                    u32::from_le_bytes([area[at], area[at + 1], area[at + 2], area[at + 3]])
                })
            };
            assert_eq!(read(&area), 0);
            for at in 0..area.len() {
                area[at] = 0x5a;
                let within = (at + 0xfe00).checked_sub(field.offset.into()).filter(|&byte| byte < field.size.into());
                assert_eq!(read(&area), within.map_or(0, |byte| 0x5a << (byte * 8)), "{field:x?} {at:x}");
                area[at] = 0;
            }
        }
    }
}

#[test]
fn the_halt_state_is_one_bit_of_each_layout() {
    for word in 0..=0xffff_u32 {
        assert_eq!(model::was_halted(&INTEL, word), word & 1 != 0);
        assert_eq!(model::was_halted(&AMD, word), word & 0x100 != 0);
    }
}
