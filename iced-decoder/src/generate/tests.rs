//! Tests of the generator.

use super::*;
use crate::{
    access::{Direction, Space, accesses},
    form::Encoding,
    machine::window,
};
use iced_x86::{Mnemonic, OpKind, Register};
use std::collections::{BTreeMap, BTreeSet};

/// Enough for every choice of a form to be made, few enough for a test.
const NR: u64 = 24;

fn generator(bitness: Bitness) -> Generator {
    Generator::new(1, predicted_forms(bitness))
}

fn for_each(generator: &Generator, nr: u64, mut with: impl FnMut(Form, &Input)) {
    for (index, form) in generator.forms().enumerate() {
        (0..nr).for_each(|nr| with(form, &generator.input(index, nr)));
    }
}

#[test]
fn every_input_is_decoded_as_its_form() {
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        for_each(&generator(bitness), NR, |form, input| {
            let instruction = decode(bitness, &input.code, input.registers.rip);
            assert_eq!(instruction.code(), form.code, "{:02x?}", input.code);
            assert_eq!(instruction.len(), input.code.len(), "{form:?} {:02x?}", input.code);
            assert!(input.code.len() <= MAX_INSTRUCTION_BYTES);
            assert!((CODE..CODE + PAGE).contains(&input.registers.rip));
        });
    }
}

#[test]
fn default_decoders_refuse_a_wrong_lock_and_gathers_into_their_index_only() {
    for_each(&generator(Bitness::Bits64), NR, |form, input| {
        let instruction = Decoder::with_ip(64, &input.code, input.registers.rip, 0).decode();
        let has_lock = decode(Bitness::Bits64, &input.code, input.registers.rip).has_lock_prefix();
        let is_indexed = format!("{form:?}").contains("_vm");
        assert!(!instruction.is_invalid() || has_lock || is_indexed, "{form:?} {:02x?}", input.code);
    });
}

#[test]
fn memory_operands_lie_in_the_window() {
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        for_each(&generator(bitness), NR, |form, input| {
            let instruction = decode(bitness, &input.code, input.registers.rip);
            let is_bit = matches!(instruction.mnemonic(), Mnemonic::Bt | Mnemonic::Btc | Mnemonic::Btr | Mnemonic::Bts);
            if is_bit || instruction.is_vsib() {
                // Where a bit or an element is depends on more than general registers and the effective address.
                return;
            }
            if (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::MemoryESDI) {
                // 16 bits of DI reach no window.
                return;
            }
            let first = input.window.address();
            let in_window = |address: u64, size: u64| first <= address && address + size <= first + window::SIZE as u64;
            // Whether a stack of 16-bit mode is in SP or ESP depends on its segment; iced-x86 takes SP.
            let reached = if bitness == Bitness::Bits16 { u64::from(u16::MAX) } else { u64::MAX };
            let stack = window::STACK & reached;
            let in_stack = |address: u64| (stack..stack + 0x2000).contains(&address);
            let mut nr = 0;
            for access in accesses(&instruction, &input.registers) {
                assert_eq!(access.space, Space::Memory);
                let size = u64::from(access.size_bytes);
                assert!(
                    in_window(access.address, size) || in_stack(access.address),
                    "{form:?} {:02x?} {instruction} accesses {:#x} in {:?}: {:x?}",
                    input.code,
                    access.address,
                    input.window,
                    input.registers
                );
                nr += u32::from(in_window(access.address, size));
            }
            let has_size = instruction.memory_size().size() != 0 && instruction.mnemonic() != Mnemonic::Lea;
            let is_nop = instruction.op_code().is_nop() || instruction.op_code().is_reserved_nop();
            let name = format!("{:?}", instruction.mnemonic());
            let is_hint = ["Prefetch", "Cldemote", "Clflush", "Clwb"].iter().any(|hint| name.starts_with(hint));
            // Repeated ones have a test of their own.
            let is_repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
            assert!(nr > 0 || !has_size || is_nop || is_hint || is_repeated, "{form:?} {instruction} accesses nothing");
        });
    }
}

#[test]
fn repeated_strings_stay_in_the_window() {
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        let names = ["Movsd_m32_m32", "Stosw_m16_AX", "Lodsb_AL_m8", "Cmpsd_m32_m32", "Scasb_AL_m8"];
        let generator = Generator::new(8, names.iter().filter_map(|name| Form::by_name(name, bitness)));
        assert_eq!(generator.nr_forms(), names.len());
        for_each(&generator, 500, |_, input| {
            let instruction = decode(bitness, &input.code, input.registers.rip);
            let is_repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
            let size = instruction.memory_size().size() as u64;
            for operand in 0..instruction.op_count() {
                let (register, segment) = match instruction.op_kind(operand) {
                    OpKind::MemorySegRSI => (Register::RSI, instruction.memory_segment()),
                    OpKind::MemorySegESI => (Register::ESI, instruction.memory_segment()),
                    OpKind::MemoryESRDI => (Register::RDI, Register::ES),
                    OpKind::MemoryESEDI => (Register::EDI, Register::ES),
                    _ => continue,
                };
                let value = |register| input.registers.value(register).unwrap();
                let count = if register.size() == 8 { Register::RCX } else { Register::ECX };
                let nr = if is_repeated { value(count) } else { 1 };
                if nr > 1000 {
                    // It is meant to end in a fault.
                    continue;
                }
                let first = value(register).wrapping_add(value(segment));
                let behind = size * nr.saturating_sub(1);
                let (low, high) = match input.registers.rflags & 0x400 {
                    0 => (first, first + behind),
                    _ => (first - behind, first),
                };
                let window = input.window.address();
                assert!(window <= low && high + size <= window + window::SIZE as u64, "{instruction} {input:?}");
            }
        });
    }
}

#[test]
fn the_same_seed_form_and_number_give_the_same_input() {
    let all = generator(Bitness::Bits64);
    let one = Form::by_name("Add_rm32_r32", Bitness::Bits64).unwrap();
    let alone = Generator::new(1, [one]);
    let index = all.forms().position(|form| form == one).unwrap();
    for nr in [0, 1, 7, u64::MAX] {
        assert_eq!(all.input(index, nr), alone.input(0, nr));
    }
    assert_ne!(alone.input(0, 0), alone.input(0, 1));
    assert_ne!(alone.input(0, 0), Generator::new(2, [one]).input(0, 0));
}

#[test]
fn every_way_of_addressing_is_used() {
    let form = Form::by_name("EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er", Bitness::Bits64).unwrap();
    let legacy = Form::by_name("Add_rm32_r32", Bitness::Bits64).unwrap();
    for form in [form, legacy] {
        let generator = Generator::new(3, [form]);
        let mut seen = BTreeSet::new();
        for nr in 0..2000 {
            let input = generator.input(0, nr);
            let instruction = decode(Bitness::Bits64, &input.code, input.registers.rip);
            let base = match instruction.memory_base() {
                Register::None => "none",
                Register::RIP => "rip",
                Register::EIP => "eip",
                Register::RSP => "rsp",
                Register::RBP => "rbp",
                base if base.size() == 4 => "32 bits",
                _ => "64 bits",
            };
            let encoder = Decoder::with_ip(64, &input.code, input.registers.rip, DecoderOptions::NO_INVALID_CHECK)
                .get_constant_offsets(&instruction);
            seen.insert((base, instruction.memory_index() != Register::None, encoder.displacement_size()));
        }
        for wanted in [
            ("none", false, 4),
            ("none", true, 4),
            ("rip", false, 4),
            ("eip", false, 4),
            ("rsp", false, 1),
            ("rbp", true, 4),
            ("32 bits", false, 0),
            ("32 bits", true, 1),
            ("64 bits", false, 0),
            ("64 bits", false, 1),
            ("64 bits", false, 4),
            ("64 bits", true, 0),
            ("64 bits", true, 1),
            ("64 bits", true, 4),
        ] {
            assert!(seen.contains(&wanted), "{form:?}: {wanted:?} is missing in {seen:?}");
        }
    }
}

#[test]
fn prefixes_of_every_kind_are_used() {
    let form = Form::by_name("Add_rm32_r32", Bitness::Bits64).unwrap();
    let generator = Generator::new(4, [form]);
    let codes: Vec<Vec<u8>> = (0..3000).map(|nr| generator.input(0, nr).code).collect();
    for prefix in [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0xf0, 0xf2, 0xf3, 0x41, 0x42, 0x44] {
        assert!(codes.iter().any(|code| code.iter().take(4).any(|byte| *byte == prefix)), "{prefix:#x}");
    }
    let form = Form::by_name("Movsb_m8_m8", Bitness::Bits64).unwrap();
    let generator = Generator::new(4, [form]);
    let mut counts = BTreeSet::new();
    for nr in 0..1000 {
        let input = generator.input(0, nr);
        if decode(Bitness::Bits64, &input.code, input.registers.rip).has_rep_prefix() {
            counts.insert(input.registers.general[1] & 0xffff_ffff);
        }
    }
    assert!((0..=16).all(|count| counts.contains(&count)), "{counts:?}");
    let is_long = |count: &&u64| (17..=600).contains(*count);
    assert!(counts.contains(&600) && counts.iter().filter(is_long).count() > 5, "{counts:?}");
    assert!(counts.iter().any(|count| *count > 4 * window::SIZE as u64), "{counts:?}");
}

#[test]
fn implied_operands_are_addressed_by_16_bits_where_the_mode_can() {
    let names = ["Lodsw_AX_m16", "Stosb_m8_AL", "Xlat_m8", "Mov_EAX_moffs32", "Maskmovq_rDI_mm_mm"];
    for name in names {
        for bitness in [Bitness::Bits32, Bitness::Bits16] {
            let generator = Generator::new(4, Form::by_name(name, bitness));
            let inputs: Vec<Input> = (0..200).map(|nr| generator.input(0, nr)).collect();
            let is_short = |input: &&Input| {
                let instruction = decode(bitness, &input.code, input.registers.rip);
                let kinds = [OpKind::MemorySegSI, OpKind::MemoryESDI, OpKind::MemorySegDI];
                let is_string =
                    (0..instruction.op_count()).any(|operand| kinds.contains(&instruction.op_kind(operand)));
                is_string || instruction.memory_base() == Register::BX || instruction.memory_displ_size() == 2
            };
            let nr = inputs.iter().filter(is_short).count();
            assert!((10..190).contains(&nr), "{name} {bitness:?} {nr}");
        }
    }
}

#[test]
fn offsets_of_16_bits_wrap() {
    let generator = Generator::new(4, Form::by_name("Lodsb_AL_m8", Bitness::Bits16));
    let wraps = |input: &Input| {
        let instruction = decode(Bitness::Bits16, &input.code, input.registers.rip);
        let [start, count] = [6, 1].map(|number: usize| input.registers.general[number] & 0xffff);
        let is_up = input.registers.rflags & 0x400 == 0;
        let is_repeated = instruction.op1_kind() == OpKind::MemorySegSI && instruction.has_rep_prefix();
        is_repeated && count < 600 && if is_up { start + count > 0x1_0000 } else { start + 1 < count }
    };
    assert!((0..2000).any(|nr| wraps(&generator.input(0, nr))));
}

#[test]
fn x87_exceptions_are_pending_with_their_summary() {
    let generator = Generator::new(4, Form::by_name("Fadd_m32fp", Bitness::Bits64));
    let mut nr_pending = 0;
    for nr in 0..1000 {
        let extended = generator.input(0, nr).extended.unwrap();
        let word = |at: usize| u16::from_le_bytes([extended.bytes()[at], extended.bytes()[at + 1]]);
        let is_pending = word(2) & !word(0) & 0x3f != 0;
        assert_eq!(word(2) & 0x8080, if is_pending { 0x8080 } else { 0 }, "{:#x} {:#x}", word(0), word(2));
        nr_pending += u32::from(is_pending);
    }
    assert!((30..120).contains(&nr_pending), "{nr_pending}");
}

#[test]
fn bits_of_bit_strings_lie_in_the_window() {
    for name in ["Bt_rm16_r16", "Bts_rm32_r32", "Btc_rm64_r64"] {
        let generator = Generator::new(5, [Form::by_name(name, Bitness::Bits64).unwrap()]);
        for nr in 0..2000 {
            let input = generator.input(0, nr);
            let instruction = decode(Bitness::Bits64, &input.code, input.registers.rip);
            let register = instruction.op1_register();
            let bits = register.size() as u32 * 8;
            let value = input.registers.value(register).unwrap();
            let offset = (value << (64 - bits)) as i64 >> (64 - bits);
            let [first, ..] = accesses(&instruction, &input.registers)[..] else { panic!("{instruction}") };
            let accessed = first.address.wrapping_add_signed(offset.div_euclid(bits.into()) * i64::from(bits) / 8);
            let window = input.window.address();
            assert!(
                (window..window + window::SIZE as u64).contains(&accessed),
                "{instruction} {accessed:#x} {input:?}"
            );
        }
    }
}

#[test]
fn operands_cross_pages_and_end_at_them() {
    let generator = Generator::new(6, [Form::by_name("Mov_rm64_r64", Bitness::Bits64).unwrap()]);
    let mut seen = std::collections::HashMap::<(Window, &str), u32>::new();
    for nr in 0..4000 {
        let input = generator.input(0, nr);
        let instruction = decode(Bitness::Bits64, &input.code, input.registers.rip);
        let [access] = accesses(&instruction, &input.registers)[..] else { panic!("{instruction}") };
        assert_eq!(access.direction, Direction::Write);
        let kind = match access.address - input.window.address() {
            0..0xff8 => "first",
            0xff8 => "ends",
            0xff9..0x1000 => "crosses",
            _ => "second",
        };
        *seen.entry((input.window, kind)).or_default() += 1;
    }
    for window in Window::ALL {
        for kind in ["first", "ends", "crosses", "second"] {
            assert!(seen.contains_key(&(window, kind)), "{window:?} {kind}");
        }
    }
}

#[test]
fn state_is_there_for_forms_that_use_it() {
    let components = |name: &str| {
        let input = Generator::new(7, [Form::by_name(name, Bitness::Bits64).unwrap()]).input(0, 0);
        input.extended.map(|extended| extended.components() & !0b100)
    };
    assert_eq!(components("Add_rm32_r32"), None);
    assert_eq!(components("VEX_Andn_r32_r32_rm32"), None);
    assert_eq!(components("Fadd_m32fp"), Some(0b11));
    assert_eq!(components("Paddb_mm_mmm64"), Some(0b11));
    assert_eq!(components("Addps_xmm_xmmm128"), Some(0b11));
    assert_eq!(components("VEX_Vaddps_ymm_ymm_ymmm256"), Some(0b11));
    assert_eq!(components("EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er"), Some(0xe3));
    assert_eq!(components("VEX_Kmovw_kr_km16"), Some(0xe3));
    let form = Form::by_name("VEX_Vaddps_ymm_ymm_ymmm256", Bitness::Bits64).unwrap();
    let limited = Generator::with_components(7, 0b11, [form]).input(0, 0);
    assert_eq!(limited.extended.map(|extended| extended.components()), Some(0b11));
}

#[test]
fn forms_that_are_generated_are_counted() {
    let mut text = String::new();
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        let mut counts = BTreeMap::<Encoding, (u32, u32)>::new();
        let generator = Generator::new(1, forms(bitness));
        generator.forms().for_each(|form| counts.entry(form.encoding()).or_default().0 += 1);
        generator.rejected().iter().for_each(|no| counts.entry(no.form.encoding()).or_default().1 += 1);
        for (encoding, (made, rejected)) in counts {
            text += &format!("{bitness:?} {encoding:?}: {made} generated, {rejected} not\n");
        }
        for no in generator.rejected() {
            text += &format!("  {}: {}\n", no.form.name(), no.reason);
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn nearly_all_forms_that_are_predicted_can_be_generated() {
    for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
        let generator = generator(bitness);
        let names: Vec<String> = generator.rejected().iter().map(|no| no.form.name()).collect();
        let expected = [
            "Reservednop_rm16_r16_0F0D",
            "Reservednop_rm32_r32_0F0D",
            "Reservednop_rm64_r64_0F0D",
            "Movdir64b_r16_m512",
        ];
        assert!(names.iter().all(|name| expected.contains(&name.as_str())), "{names:?}");
        assert!(generator.nr_forms() > 3000);
    }
}

#[test]
fn redundant_kinds_of_operands_do_not_appear() {
    // A register operand where memory could stand would test nothing.
    for_each(&generator(Bitness::Bits64), 2, |form, input| {
        let instruction = decode(Bitness::Bits64, &input.code, input.registers.rip);
        let is_memory = |kind| !matches!(kind, OpKind::Register) && format!("{kind:?}").starts_with("Memory");
        assert!((0..instruction.op_count()).any(|operand| is_memory(instruction.op_kind(operand))), "{form:?}");
    });
}

proptest::proptest! {
    #[test]
    fn the_strategy_makes_inputs_of_its_forms(
        input in any_input(std::sync::Arc::new(Generator::new(9, Form::by_name("Add_rm32_r32", Bitness::Bits64))))
    ) {
        let code = decode(input.bitness, &input.code, input.registers.rip).code();
        proptest::prop_assert_eq!(code, iced_x86::Code::Add_rm32_r32);
    }
}
