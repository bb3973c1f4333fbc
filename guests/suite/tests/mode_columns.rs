//! Every column of what cases outside of long mode judge by hand is seen when it is wrong.

#[path = "../src/segments/columns.rs"]
mod columns;
#[path = "../src/modes/edge_model.rs"]
mod edge_model;
#[path = "../src/modes/port_permission_model.rs"]
mod port_permission_model;
#[path = "../src/modes/redirection_model.rs"]
mod redirection_model;
#[path = "../src/modes/return_model.rs"]
mod return_model;
#[expect(dead_code, unused_imports, reason = "each test uses a part")]
pub mod runtime;
#[path = "../src/modes/switching_model.rs"]
mod switching_model;

use columns::assert_each_column_counts;
use runtime::{Outcome, excursion::Registers, mmio};

#[test]
fn every_column_at_the_edges_of_segments_counts() {
    for row in 0..edge_model::EDGES.len() {
        assert_each_column_counts(edge_model::at_edge(row));
    }
    assert_each_column_counts(edge_model::loaded(0x1234_5678));
    for code in 0..5 {
        assert_each_column_counts(edge_model::wide(code, 0x5566_7788));
        let expected = if code == edge_model::THROUGH_STACK { Outcome::SS } else { Outcome::GP };
        assert_eq!(edge_model::beyond(code), expected);
    }
    assert_each_column_counts(edge_model::high(0xa1b2_c3d4, 7));
    for row in 0..edge_model::IDT_LIMITS.len() {
        assert_each_column_counts(edge_model::interrupt(row));
    }
    assert_each_column_counts(edge_model::HANDLED);
}

#[test]
fn edges_follow_from_offset_and_size() {
    for (row, (code, offset, outcome, value)) in edge_model::EDGES.into_iter().enumerate() {
        let size = [1, 2, 4, 2, 2][code];
        let fault = if code == 4 { Outcome::SS } else { Outcome::GP };
        let is_inside = offset + size <= 0x1_0000;
        assert_eq!(outcome, if is_inside { Outcome::COMPLETED } else { fault }, "row {row}");
        let bytes = edge_model::END.to_le_bytes();
        let loaded = (0..size).rev().fold(0, |value, index| {
            let byte = bytes.get((offset + index - 0xfffc) as usize).copied().unwrap_or(0);
            value << 8 | u32::from(byte)
        });
        assert_eq!(value, if is_inside { loaded } else { 0 }, "row {row}");
    }
    for (limit, is_inside) in edge_model::IDT_LIMITS {
        assert_eq!(is_inside, limit >= 32 * 4 + 3);
    }
}

#[test]
fn every_column_of_stacks_that_wrap_or_end_counts() {
    for row in 0..edge_model::WRAPS.len() {
        assert_each_column_counts(edge_model::wrapped(row));
        let (code, before, behind, ..) = edge_model::WRAPS[row];
        let step: u32 = [2_u32.wrapping_neg(), 4_u32.wrapping_neg(), 2, 4, 2_u32.wrapping_neg()][code];
        assert_eq!(before.wrapping_add(step) & 0xffff, behind, "row {row}");
    }
    for row in 0..edge_model::OVER_THE_END.len() {
        assert_each_column_counts(edge_model::over_the_end(row));
        let (code, sp) = edge_model::OVER_THE_END[row];
        let size: u32 = [2, 4, 2, 4, 2][code];
        let first = if matches!(code, 2 | 3) { sp } else { sp.wrapping_sub(size) & 0xffff };
        assert!(first + size > 0x1_0000, "row {row}");
    }
    for sp in [1, 15] {
        assert_each_column_counts(edge_model::odd(sp));
    }
    let accepted =
        [Outcome::SS, Outcome::GP, Outcome::COMPLETED, Outcome::UD, Outcome::gp(8), Outcome::exception(12, 8)]
            .map(edge_model::is_stack_or_protection_fault);
    assert_eq!(accepted, [1, 1, 0, 0, 0, 0]);
}

#[test]
fn every_column_of_returns_in_virtual_8086_mode_counts() {
    for row in 0..edge_model::RETURNS.len() {
        for size in [2, 4] {
            assert_each_column_counts(edge_model::returned(row, size));
        }
    }
    assert_each_column_counts(edge_model::refused(0xdff4));
    const VM: u32 = 1 << 17;
    const IOPL: u32 = 3 << 12;
    let returned = edge_model::returned_flags;
    assert_eq!(returned(VM | IOPL, 0, 4), VM | IOPL | 2);
    assert_eq!(returned(VM | 0x0024_0000, 0x4cd5, 2), VM | 0x0024_4cd7);
    assert_eq!(returned(VM, IOPL | 3 << 19 | 1, 4), VM | 3);
    for bit in 0..22 {
        let is_loaded = returned(VM | 2, VM | 2 | 1 << bit, 4) != VM | 2;
        assert_eq!(is_loaded, !matches!(bit, 1 | 12 | 13 | 17 | 19 | 20), "bit {bit}");
    }
}

#[test]
fn every_column_of_redirected_interrupts_counts() {
    assert_each_column_counts(redirection_model::redirected());
    assert_each_column_counts(redirection_model::refused());
    for iopl in 0..3 {
        for row in 0..redirection_model::VIRTUAL_FLAG.len() {
            assert_each_column_counts(redirection_model::virtual_flag(row, iopl));
        }
    }
    for row in 0..redirection_model::PROTECTED.len() {
        assert_each_column_counts(redirection_model::protected(row));
    }
    let registers = Registers {
        general: [1, 2, 3, 4, 5, 6, 7, 8],
        eip: 9,
        eflags: 10,
        cs: 11,
        ss: 12,
        ds: 13,
        es: 14,
        fs: 15,
        gs: 16,
    };
    let frame = redirection_model::frame(&registers);
    assert_each_column_counts(frame);
    assert_eq!([frame.eip, frame.cs, frame.eflags, frame.esp, frame.ss], [9, 11, 10, 5, 12]);
    assert_eq!([frame.es, frame.ds, frame.fs, frame.gs], [14, 13, 15, 16]);
}

#[test]
fn virtual_flags_and_ports_have_known_answers() {
    use redirection_model::{IF, PVI, VIF, VIP, input, pushed, without_a_gate};
    // What sets VIF faults with VIP pending, and nothing changes.
    for (before, outcome, behind) in redirection_model::VIRTUAL_FLAG {
        assert!(before != VIP || outcome == Outcome::GP);
        assert!(outcome == Outcome::COMPLETED || behind == before & VIF);
    }
    for (_, cr4, before, outcome, behind) in redirection_model::PROTECTED {
        assert!(cr4 & PVI != 0 || outcome == Outcome::GP);
        assert!(outcome == Outcome::COMPLETED || behind == before & VIF);
    }
    assert_eq!([pushed(0), pushed(VIF), pushed(IF)], [0x3002, 0x3202, 0x3002]);
    assert_eq!([without_a_gate(0), without_a_gate(255)], [Outcome::gp(2), Outcome::gp(0x7fa)]);
    let allowed = [(1, 1), (0, 1), (0xe, 1), (0xf, 4), (7, 4), (0xe, 4), (3, 2), (1, 2)]
        .map(|(clear, size)| input(clear, size) == Outcome::COMPLETED);
    assert_eq!(allowed, [true, false, false, true, false, false, true, false]);
}

#[test]
fn every_column_of_mode_switches_counts() {
    for ends_in_real_mode in [false, true] {
        assert_each_column_counts(switching_model::chain(0xe000, ends_in_real_mode));
    }
    assert_each_column_counts(switching_model::behind(0xe000, 0x18));
    for pe in [0, 1] {
        assert_each_column_counts(switching_model::refused(0x4000, pe));
    }
    assert_each_column_counts(switching_model::lmsw(0x3f));
    assert_each_column_counts(switching_model::cached(0x1234_5678));
    assert_eq!(switching_model::lmsw(0x8005_003f).cr0, 0x8005_0031);
    assert_eq!(switching_model::CODES, [0x18, 8, 0x18, 0x1000]);
    assert_ne!(switching_model::SET, 0);
}

#[test]
fn every_column_of_returns_counts() {
    use return_model::{INTO, NR_IMAGES, PARAGRAPHS, before, image, into_8086, masked, refused, same};
    for size in [2, 4] {
        for cpl in 0..4 {
            for number in 0..NR_IMAGES {
                assert_each_column_counts(same(before(number % 2, cpl, cpl), image(number), cpl, size, 0x58, 0xe000));
            }
        }
        for image in [2, 2 | return_model::RF] {
            assert_each_column_counts(masked(image, size));
        }
    }
    for row in 0..INTO.len() {
        for iopl in 0..4 {
            assert_each_column_counts(into_8086(row, iopl));
        }
    }
    assert_each_column_counts(refused(0xdff4, 0x2_0002));
    let paragraphs: std::collections::HashSet<_> = PARAGRAPHS.into_iter().collect();
    assert_eq!(paragraphs.len(), 4);
}

#[test]
fn each_flag_of_a_return_depends_on_level_and_size() {
    use return_model::{is_same_level, same_level_flags};
    let bits = |cpl, iopl: u32, size| {
        let before = 2 | iopl << 12;
        let is_loaded = |bit: u32| same_level_flags(before, before ^ 1 << bit, cpl, size) != before;
        (0..22).filter(|&bit| is_loaded(bit)).fold(0_u32, |bits, bit| bits | 1 << bit)
    };
    const ALWAYS: u32 = 0x4dd5;
    const WIDE: u32 = ALWAYS | 1 << 16 | 1 << 18 | 1 << 21;
    assert_eq!([bits(0, 0, 2), bits(0, 0, 4)], [ALWAYS | 0x3200, WIDE | 0x3200 | 3 << 19]);
    for cpl in 1..4 {
        for iopl in 0..4 {
            let interrupt = if cpl <= iopl { 1 << 9 } else { 0 };
            assert_eq!([bits(cpl, iopl, 2), bits(cpl, iopl, 4)], [ALWAYS | interrupt, WIDE | interrupt]);
        }
    }
    assert!(!is_same_level(1 << 17, 0, 4) && is_same_level(1 << 17, 0, 2) && is_same_level(1 << 17, 1, 4));
    assert_eq!(return_model::masked(1 << 16, 4).outcome, Outcome::UD.0);
    assert_eq!(return_model::masked(1 << 16, 2).outcome, Outcome::DB.0);
    assert_eq!(return_model::masked(0, 4).outcome, Outcome::DB.0);
    assert_eq!(return_model::before(0, 2, 0), 0x2002);
    assert_eq!([0, 1].map(|cpl| return_model::before(1, 0, cpl) >> 19 & 3), [0, 3]);
}

#[test]
fn every_column_of_port_strings_at_cpl_3_counts() {
    use port_permission_model::{CLEAR, OFFSETS, ROWS, by_limit, by_permission, is_clear, moved};
    for row in ROWS {
        for offset in OFFSETS {
            let outcome = by_limit(row, offset);
            assert_each_column_counts(moved(row, outcome, 0x4000, offset));
            let fault = if row.is_stack { Outcome::SS } else { Outcome::GP };
            let is_inside = (offset..offset + row.size).all(|address| address <= 0xffff);
            assert_eq!(outcome, if is_inside { Outcome::COMPLETED } else { fault });
        }
        let done = moved(row, Outcome::COMPLETED, 0, 0x5000);
        let refused = moved(row, Outcome::GP, 0, 0x5000);
        assert_eq!((refused.esi, refused.edi), (0x5000, 0x5000));
        assert_eq!(done.esi + done.edi, 0xa000 + u64::from(row.size));
        assert_eq!(done.edi > done.esi, row.is_input);
    }
    for size in [1, 2, 4] {
        let allowed = CLEAR.map(|clear| is_clear(clear, size));
        let expected = CLEAR.map(|clear: u32| clear.trailing_ones() >= size);
        assert_eq!(allowed, expected, "{size}");
    }
    assert_eq!([by_permission(true), by_permission(false)], [Outcome::COMPLETED, Outcome::GP]);
    assert!(ROWS.iter().any(|row| row.has_other_address_size));
}
