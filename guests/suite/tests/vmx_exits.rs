//! The models of VMX's exits and events agree with themselves, and catch wrong observations.

#[path = "../src/vmx/apic_model.rs"]
mod apic_model;
#[path = "../src/cover.rs"]
mod cover;
#[path = "../src/vmx/events_model.rs"]
mod events_model;
#[path = "../src/vmx/exit_control_model.rs"]
mod exit_control_model;
#[path = "../src/vmx/exit_information.rs"]
mod exit_information;
#[path = "../src/vmx/exit_reasons.rs"]
mod exit_reasons;

use apic_model::{Answer, Controls, Priorities};
use cover::Cover;
use events_model::{Event, Offered, RESERVED, Second, kind, pushes_error_code};
use exit_information::{Operand, Word, segment};
use exit_reasons::EXIT_REASONS;

const OFFERED: Offered = Offered { monitor_trap: true, zero_length: false, any_error_code: false };

#[test]
fn instruction_information_has_the_fields_of_the_manual() {
    // VMREAD [rbp + r9*4 - 4], r11.
    let word = Operand::based(5).indexed(9, 2).plus(-4).information().register_2(11);
    assert_eq!(word.value, 2 | 2 << 7 | 2 << 15 | 9 << 18 | 5 << 23 | 11 << 28);
    assert_eq!(word.defined, 3 | 0xf << 7 | 7 << 15 | 0x1f << 18 | 0x1f << 23 | 0xf << 28);
    assert_eq!(
        Word::NONE.register_1(13).identity(3),
        Word { value: 13 << 3 | 1 << 10 | 3 << 28, defined: 0xf << 3 | 1 << 10 | 3 << 28 }
    );
    assert_eq!(Word::NONE.only_register(15, 2), Word { value: 15 << 3 | 2 << 11, defined: 0xf << 3 | 3 << 11 });
}

#[test]
fn each_wrong_bit_of_instruction_information_is_caught() {
    let word = Operand::based(7).information();
    for bit in 0..32 {
        let seen = u64::from(word.value) ^ 1 << bit;
        assert_eq!(word.seen(seen) != word.value, word.defined >> bit & 1 != 0, "bit {bit}");
    }
    // What stands above bit 31 is not part of the field.
    assert_eq!(word.seen(u64::from(word.value) | 1 << 40), word.value);
}

#[test]
fn an_operand_without_registers_has_no_fields_for_them() {
    let word = Operand::NONE.plus(0x1234).information();
    assert_eq!(word.value, 2 << 7 | 3 << 15 | 1 << 22 | 1 << 27);
    assert_eq!(word.defined & (3 | 0xf << 18 | 0xf << 23), 0);
}

#[test]
fn qualifications_are_displacements_with_their_sign() {
    assert_eq!(Operand::based(7).plus(-0x80).qualification(0x1000), 0_u64.wrapping_sub(0x80));
    assert_eq!(Operand::from_rip(-0x10).qualification(0x1000), 0xff0);
    assert_eq!(Operand::from_rip(0x10).qualification(0x1000), 0x1010);
}

#[test]
fn linear_addresses_wrap_in_their_size_and_add_a_base() {
    let mut registers = [0; 16];
    registers[7] = 0x1_ffff_fff0;
    registers[6] = 8;
    let operand = Operand::based(7).indexed(6, 2).plus(1);
    assert_eq!(operand.linear_address(&registers, 0, 0, 0), 0x2_0000_0011);
    assert_eq!(operand.with_address_size(1).linear_address(&registers, 0, 0, 0), 0x11);
    assert_eq!(operand.with_address_size(1).of_segment(segment::GS).linear_address(&registers, 0, 5, 0x7000), 0x7011);
    assert_eq!(operand.of_segment(segment::FS).linear_address(&registers, 0, 5, 0), 0x2_0000_0016);
}

#[test]
fn reads_of_control_registers_take_the_shadow_where_the_mask_says() {
    assert_eq!(exit_control_model::shown(0b1100, 0b1010, 0b0110), 0b1010);
    assert_eq!(exit_control_model::shown(0, u64::MAX, 5), 5);
}

#[test]
fn clts_and_lmsw_never_clear_pe_and_leave_what_is_the_hosts() {
    use exit_control_model::{clts, clts_exits, lmsw, lmsw_exits};
    assert!(clts_exits(8, 8) && !clts_exits(8, 0) && !clts_exits(0, 8));
    assert_eq!((clts(8, 9), clts(0, 9)), (9, 1));
    // PE: only setting it exits.
    assert!(lmsw_exits(1, 0, 1) && !lmsw_exits(1, 1, 0) && !lmsw_exits(1, 1, 1) && !lmsw_exits(0, 0, 0xf));
    assert!(lmsw_exits(2, 0, 2) && lmsw_exits(2, 2, 0));
    assert_eq!((lmsw(0, 0x8000_000b, 4), lmsw(8, 9, 0), lmsw(0xf, 9, 6)), (0x8000_0005, 9, 9));
}

#[test]
fn events_have_the_word_of_the_manual() {
    assert_eq!(Event::of(kind::HARDWARE, 14).word(), 0x8000_0b0e);
    assert_eq!(Event::of(kind::HARDWARE, 6).word(), 0x8000_0306);
    assert_eq!(Event::of(kind::SOFTWARE, 14).word(), 0x8000_040e);
    assert_eq!(Event::of(kind::EXTERNAL, 0xff).word() & RESERVED, 0);
}

#[test]
fn the_entry_takes_legal_events_alone() {
    let legal = |kind, vector| Event::of(kind, vector).is_legal(OFFERED);
    assert_eq!([legal(0, 0), legal(4, 255), legal(5, 1), legal(6, 200)], [Some(true); 4]);
    assert_eq!([legal(1, 0), legal(2, 3), legal(3, 32), legal(7, 1)], [Some(false); 4]);
    assert_eq!([legal(2, 2), legal(3, 31), legal(7, 0), legal(3, 13)], [Some(true); 4]);
    assert_eq!(legal(3, 21), None);
    let without_trap = Offered { monitor_trap: false, ..OFFERED };
    assert_eq!(Event::of(kind::OTHER, 0).is_legal(without_trap), Some(false));
    for vector in (0..32).filter(|&vector| vector != 21) {
        let other =
            Event { has_error_code: pushes_error_code(vector) == Some(false), ..Event::of(kind::HARDWARE, vector) };
        assert_eq!(other.is_legal(OFFERED), Some(false));
        assert_eq!(other.is_legal(Offered { any_error_code: true, ..OFFERED }), Some(true));
    }
    for kind in [0, 2, 4, 5, 6, 7] {
        assert_eq!(Event { kind, vector: 2, has_error_code: true }.is_legal(OFFERED), Some(false));
    }
}

#[test]
fn lengths_count_for_instructions_alone() {
    let of = |kind, length| Event::of(kind, 3).is_legal_length(length, OFFERED);
    assert!(of(kind::SOFTWARE, 1) && of(kind::SOFTWARE, 15) && !of(kind::SOFTWARE, 16) && !of(kind::SOFTWARE, 0));
    assert!(of(kind::EXTERNAL, 0) && of(kind::HARDWARE, 77));
    assert!(Event::of(kind::PRIVILEGED, 1).is_legal_length(0, Offered { zero_length: true, ..OFFERED }));
}

#[test]
fn second_exceptions_follow_the_table_of_double_faults() {
    let of = |kind, vector, second| Event::of(kind, vector).second(second);
    assert_eq!([of(3, 13, 11), of(3, 0, 13), of(3, 14, 14), of(3, 14, 11)], [Second::DoubleFault; 4]);
    assert_eq!([of(3, 8, 11), of(3, 8, 14)], [Second::TripleFault; 2]);
    assert_eq!([of(3, 6, 11), of(3, 13, 14), of(4, 13, 11), of(0, 0x50, 13), of(2, 2, 14)], [Second::Itself; 5]);
    assert_eq!([Event::of(4, 1).external(), Event::of(6, 3).external(), Event::of(5, 1).external()], [0, 0, 1]);
}

#[test]
fn exit_reasons_are_told_once_and_in_order() {
    assert!(EXIT_REASONS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let covered = EXIT_REASONS.iter().filter(|(.., cover)| matches!(cover, Cover::Covered(_))).count();
    assert!(covered >= 58, "{covered}");
}

#[test]
fn every_case_of_the_list_is_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/vmx");
    let sources: String = std::fs::read_dir(folder)
        .expect("the folder of the area")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).expect("a source"))
        .collect();
    for (reason, name, cover) in EXIT_REASONS {
        match cover {
            Cover::Covered(case) => {
                assert!(sources.contains(&format!("fn {case}()")), "{reason} {name}: no case {case}");
            }
            Cover::NotCovered(why) => assert!(!why.is_empty(), "{reason} {name}"),
        }
    }
}

const REGISTERS: Controls = Controls { registers: true, interrupts: false };
const INTERRUPTS: Controls = Controls { registers: false, interrupts: true };

#[test]
fn accesses_of_a_virtual_local_apic_follow_its_controls() {
    let read = |controls, offset, size| apic_model::read(controls, offset, size);
    let nr_read = |controls| (0..256).filter(|number| read(controls, number * 16, 4) == Answer::Virtual).count();
    // Identification, version, TPR, EOI, LDR, DFR, SVR; three times eight; ESR; two of the ICR; six of the LVT; counts, divisor.
    assert_eq!((nr_read(REGISTERS), nr_read(INTERRUPTS)), (7 + 24 + 1 + 2 + 6 + 2, 1));
    assert_eq!(
        [read(REGISTERS, 0xd1, 4), read(REGISTERS, 0xd2, 2), read(REGISTERS, 0xd4, 1)],
        [Answer::AccessExit, Answer::Virtual, Answer::AccessExit]
    );
    let write = |controls, offset, value| apic_model::write(controls, offset, 4, value);
    assert_eq!([write(REGISTERS, 0xb0, 0), write(INTERRUPTS, 0xb0, 0)], [Answer::WriteExit, Answer::Virtual]);
    assert_eq!([write(REGISTERS, 0x310, 0), write(REGISTERS, 0x100, 0)], [Answer::Virtual, Answer::AccessExit]);
    assert_eq!(
        [write(REGISTERS, 0x300, 0x4_0041), write(INTERRUPTS, 0x300, 0x4_0041), write(INTERRUPTS, 0x300, 0x41)],
        [Answer::WriteExit, Answer::Virtual, Answer::WriteExit]
    );
}

#[test]
fn self_ipis_are_fixed_edges_to_the_sender() {
    let legal = |command| apic_model::is_self_ipi(command);
    assert!(legal(0x4_0010) && legal(0x4_48ff));
    for wrong in [0x4_000f, 0x0_0041, 0x8_0041, 0xc_0041, 0x4_8041, 0x4_1041, 0x4_2041, 0x4_0441, 0x5_0041, 0x14_0041] {
        assert!(!legal(wrong), "{wrong:#x}");
    }
}

#[test]
fn virtual_interrupts_need_a_higher_class() {
    let of = |requested, serviced, task| Priorities { requested, serviced, task };
    assert!(of(0x51, 0x43, 0x4f).is_recognized());
    assert!(
        !of(0x51, 0x53, 0).is_recognized() && !of(0x51, 0, 0x50).is_recognized() && !of(0x0f, 0, 0).is_recognized()
    );
    assert_eq!(
        [of(0, 0x43, 0x35).processor(), of(0, 0x43, 0x45).processor(), of(0, 0, 5).processor()],
        [0x40, 0x45, 5]
    );
    assert_eq!(of(0x51, 0x43, 0).status(), 0x4351);
}
