//! The models of arithmetic on bytes give known answers, and each bit of what they judge counts.

#[path = "../src/ring3/arithmetic_model.rs"]
mod arithmetic_model;

use arithmetic_model::{AF, CF, Model, OF, OPERANDS, PF, SF, STATUS, ZF, agrees, models};

const ALL: [(&str, Model); 20] = [
    ("ADD", models::ADD),
    ("ADC", models::ADC),
    ("SUB", models::SUB),
    ("SBB", models::SBB),
    ("CMP", models::CMP),
    ("INC", models::INC),
    ("DEC", models::DEC),
    ("NEG", models::NEG),
    ("AND", models::AND),
    ("OR", models::OR),
    ("XOR", models::XOR),
    ("TEST", models::TEST),
    ("NOT", models::NOT),
    ("SHL", models::SHL),
    ("SHR", models::SHR),
    ("SAR", models::SAR),
    ("ROL", models::ROL),
    ("ROR", models::ROR),
    ("RCL", models::RCL),
    ("RCR", models::RCR),
];

#[test]
fn every_bit_of_a_result_and_every_defined_flag_counts() {
    for (name, model) in ALL {
        for first in 0..=u8::MAX {
            for second in OPERANDS {
                for carry in [false, true] {
                    let predicted = model(first, second, carry);
                    let (result, flags, defined) = predicted;
                    assert!(agrees(predicted, result, flags), "{name}");
                    assert_eq!((flags | defined) & !STATUS, 0, "{name}: a flag that is none");
                    assert_ne!(defined, 0, "{name} {first} {second}: nothing is defined");
                    for bit in 0..8 {
                        assert!(!agrees(predicted, result ^ 1 << bit, flags), "{name}");
                    }
                    for flag in [CF, PF, AF, ZF, SF, OF] {
                        assert_eq!(agrees(predicted, result, flags ^ flag), defined & flag == 0, "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn known_answers() {
    let judged = |model: Model, first, second, carry| {
        let (result, flags, defined) = model(first, second, carry);
        (result, flags & defined)
    };
    assert_eq!(judged(models::ADD, 0xff, 1, false), (0, CF | PF | AF | ZF));
    assert_eq!(judged(models::ADD, 0x7f, 1, true), (0x80, AF | SF | OF));
    assert_eq!(judged(models::ADC, 0x7f, 0, true), (0x80, AF | SF | OF));
    assert_eq!(judged(models::SUB, 0, 1, true), (0xff, CF | PF | AF | SF));
    assert_eq!(judged(models::SBB, 0x80, 0, true), (0x7f, AF | OF));
    assert_eq!(judged(models::CMP, 5, 5, false), (5, PF | ZF));
    assert_eq!(judged(models::INC, 0x7f, 0, true), (0x80, CF | AF | SF | OF));
    assert_eq!(judged(models::DEC, 0, 0, false), (0xff, PF | AF | SF));
    assert_eq!(judged(models::NEG, 0x80, 0, false), (0x80, CF | SF | OF));
    assert_eq!(judged(models::AND, 0xf0, 0x0f, true), (0, PF | ZF));
    assert_eq!(judged(models::TEST, 0x80, 0xff, false), (0x80, SF));
    assert_eq!(judged(models::NOT, 0x55, 0, true), (0xaa, CF));
    assert_eq!(judged(models::SHL, 0x81, 1, false), (2, CF | OF));
    assert_eq!(judged(models::SHR, 0x81, 1, false), (0x40, CF | OF));
    assert_eq!(judged(models::SAR, 0x81, 0x1f, false), (0xff, PF | SF));
    assert_eq!(judged(models::SHL, 1, 0xaa, false).0, 0, "a count of 10");
    assert_eq!(judged(models::ROL, 0x81, 1, false), (3, CF | OF));
    assert_eq!(judged(models::ROR, 1, 0x81, false), (0x80, CF | OF), "a count of 1");
    assert_eq!(judged(models::RCL, 0x80, 1, true), (1, CF | OF));
    assert_eq!(judged(models::RCR, 1, 9, true), (1, CF), "nine bits");
}

#[test]
fn carry_decides_where_it_is_an_operand() {
    for (name, model) in ALL {
        let differs = (0..=u8::MAX)
            .flat_map(|first| OPERANDS.map(|second| (first, second)))
            .any(|(first, second)| model(first, second, false).0 != model(first, second, true).0);
        assert_eq!(differs, matches!(name, "ADC" | "SBB" | "RCL" | "RCR"), "{name}");
    }
}
