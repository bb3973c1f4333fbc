//! The model of instructions outside of long mode holds for what the manuals and arithmetic say, every row of every table
//! stays within the memory that is modelled, and a wrong observation of any column is seen.

#[path = "../src/modes/model/mod.rs"]
mod model;

/// What the guest makes a table with code of is here its rows alone.
macro_rules! table {
    ($name:ident: $($assembly:literal => $effect:expr,)+) => {
        table! { $name: $($assembly = $assembly => $effect,)+ }
    };
    ($name:ident $(($option:ident))?: $($title:literal = $assembly:literal => $effect:expr,)+) => {
        pub(crate) static $name: &[(&str, crate::model::Effect)] = &[$(($title, $effect)),+];
    };
}
#[path = "../src/modes/tables/mod.rs"]
mod tables;

use model::{
    AF, CF, COMPARED, DF, IF, Input, MEMORY, Machine, Mode, OF, Observed, PF, SF, STATUS, ZF, judge, register::*,
};
use tables::{branches, data, decimal, memory, stack, strings, system};

const MODES: [Mode; 7] = [
    Mode::Real,
    Mode::BigReal,
    Mode::Virtual8086,
    Mode::Protected16,
    Mode::Protected32,
    Mode::Protected16WideStack,
    Mode::Protected32NarrowStack,
];

type Rows = &'static [(&'static str, model::Effect)];

/// Every table with the inputs that cases run it with.
fn tables() -> Vec<(Rows, Vec<Input>)> {
    vec![
        (data::SUMS, data::INPUTS.to_vec()),
        (data::LOGIC, data::INPUTS.to_vec()),
        (data::SHIFTS, data::INPUTS.to_vec()),
        (data::PRODUCTS, data::INPUTS.to_vec()),
        (decimal::PACKED, decimal::INPUTS.to_vec()),
        (decimal::UNPACKED, decimal::INPUTS.to_vec()),
        (decimal::DIGITS, decimal::INPUTS.to_vec()),
        (decimal::ZERO_BASE, decimal::INPUTS.to_vec()),
        (stack::STACK, stack::INPUTS_WIDE.to_vec()),
        (stack::STACK, stack::INPUTS_NARROW.to_vec()),
        (stack::ENTER, stack::INPUTS_FRAME.to_vec()),
        (stack::NESTED, stack::INPUTS_FRAME.to_vec()),
        (stack::LEAVE, stack::INPUTS_FRAME.to_vec()),
        (branches::CONDITIONS, branches::INPUTS.to_vec()),
        (branches::LOOPS, branches::INPUTS.to_vec()),
        (system::UNDEFINED, system::INPUTS.to_vec()),
        (system::PROTECTED_ONLY, system::INPUTS.to_vec()),
        (system::PRIVILEGED, system::INPUTS.to_vec()),
        (system::BOUNDS, system::INPUTS.to_vec()),
        (system::BREAKPOINT, system::INPUTS.to_vec()),
        (system::OVERFLOW, system::INPUTS.to_vec()),
        (system::UD, system::INPUTS.to_vec()),
        (system::VERIFY, system::INPUTS.to_vec()),
        (system::RIGHTS, system::INPUTS.to_vec()),
        (system::ARPL, system::INPUTS.to_vec()),
        (system::POINTERS, system::INPUTS.to_vec()),
        (system::SENSITIVE, system::INPUTS.to_vec()),
        (system::WITH_IOPL_3, system::INPUTS_IOPL.to_vec()),
        (system::NOT_SENSITIVE, system::INPUTS.to_vec()),
        (strings::MOVS_16, strings::INPUTS_16.to_vec()),
        (strings::STOS_16, strings::INPUTS_16.to_vec()),
        (strings::LODS_16, strings::INPUTS_16.to_vec()),
        (strings::CMPS_16, strings::INPUTS_16.to_vec()),
        (strings::SCAS_16, strings::INPUTS_16.to_vec()),
        (strings::MOVS_32, strings::INPUTS_32.to_vec()),
        (strings::STOS_32, strings::INPUTS_32.to_vec()),
        (strings::LODS_32, strings::INPUTS_32.to_vec()),
        (strings::CMPS_32, strings::INPUTS_32.to_vec()),
        (strings::SCAS_32, strings::INPUTS_32.to_vec()),
        (memory::FORMS_16, memory::INPUTS_16.to_vec()),
        (memory::FORMS_32, memory::INPUTS_32.to_vec()),
        (memory::FAR_POINTERS, memory::INPUTS_32.to_vec()),
        (branches::CALLS, branches::INPUTS_ONE.to_vec()),
    ]
}

fn machine(mode: Mode, general: [u32; 8], flags: u32) -> Machine {
    Machine::new(mode, &Input { general, flags })
}

/// What a processor shows that does what the model says.
fn right(expected: &Machine) -> Observed {
    Observed {
        vector: expected.fault.map_or(Observed::END, u32::from),
        eip: expected.fault_eip,
        general: expected.general,
        flags: expected.flags,
        memory: expected.memory,
    }
}

fn is_seen(expected: &Machine, observed: &Observed) -> bool {
    judge(expected, observed).iter().any(|(actual, expected)| actual != expected)
}

#[test]
fn what_the_model_says_is_accepted_and_any_other_value_of_a_column_is_not() {
    for (rows, inputs) in tables() {
        for mode in MODES {
            if inputs[0].general[ESP] > 0xffff && mode.stack_size() == 4 {
                continue;
            }
            for (name, effect) in rows {
                for input in &inputs {
                    let mut expected = Machine::new(mode, input);
                    effect(&mut expected);
                    let observed = right(&expected);
                    assert!(!is_seen(&expected, &observed), "{name} in {mode:?}");
                    check_perturbations(name, &expected, &observed);
                }
            }
        }
    }
}

fn check_perturbations(name: &str, expected: &Machine, observed: &Observed) {
    for vector in [0, 6, 13, Observed::END] {
        let wrong = Observed { vector, ..*observed };
        assert_eq!(is_seen(expected, &wrong), vector != observed.vector, "{name}: vector {vector}");
    }
    for index in (0..8).filter(|index| *index != EAX || !expected.is_address) {
        for bit in 0..32 {
            let mut wrong = *observed;
            wrong.general[index] ^= 1 << bit;
            assert!(is_seen(expected, &wrong), "{name}: bit {bit} of register {index}");
        }
    }
    for flag in [CF, PF, AF, ZF, SF, OF, DF, IF] {
        let wrong = Observed { flags: observed.flags ^ flag, ..*observed };
        assert_eq!(is_seen(expected, &wrong), expected.open_flags & flag == 0, "{name}: flag {flag:#x}");
    }
    if expected.fault.is_some() {
        assert!(is_seen(expected, &Observed { eip: observed.eip + 1, ..*observed }), "{name}: EIP");
    }
    // What the row wrote, but for what it says is open.
    for (index, before) in MEMORY.into_iter().enumerate() {
        let mut wrong = *observed;
        wrong.memory[index] ^= 0x8000_0000;
        let written = expected.memory[index] != before && expected.open_memory >> index & 1 == 0;
        let offset = model::offset_of_word(index);
        let top = expected.get(expected.mode.stack_size(), ESP);
        if written && (offset < 0x6000 || offset + 4 > top) {
            assert!(is_seen(expected, &wrong), "{name}: doubleword {index}");
        }
    }
}

#[test]
fn decimal_adjustment_makes_decimal_sums_and_differences() {
    let bcd = |value: u32| ((value / 10 % 10) << 4) | (value % 10);
    for a in 0..100 {
        for b in 0..100 {
            let mut sum = machine(Mode::Real, [bcd(a), bcd(b), 0, 0, 0, 0, 0, 0], 0);
            sum.add(1, AL, CL);
            sum.decimal_adjust(false);
            assert_eq!((sum.get(1, AL), sum.flag(CF)), (bcd((a + b) % 100), a + b > 99), "{a} + {b}");
            let mut difference = machine(Mode::Real, [bcd(a), bcd(b), 0, 0, 0, 0, 0, 0], 0);
            difference.sub(1, AL, CL);
            difference.decimal_adjust(true);
            assert_eq!((difference.get(1, AL), difference.flag(CF)), (bcd((100 + a - b) % 100), a < b), "{a} - {b}");
        }
    }
}

#[test]
fn unpacked_adjustment_makes_digits() {
    for a in 0..10 {
        for b in 0..10 {
            let mut sum = machine(Mode::Real, [0x0300 + a, b, 0, 0, 0, 0, 0, 0], 0);
            sum.add(1, AL, CL);
            sum.ascii_adjust(false);
            let carry = u32::from(a + b > 9);
            assert_eq!(
                (sum.general[EAX], sum.flag(CF)),
                (0x300 + (carry << 8) + (a + b) % 10, carry == 1),
                "{a} + {b}"
            );
            let mut product = machine(Mode::Real, [a * b, 0, 0, 0, 0, 0, 0, 0], 0);
            product.aam(10);
            assert_eq!(product.general[EAX], ((a * b / 10) << 8) + a * b % 10, "{a} * {b}");
            product.aad(10);
            assert_eq!(product.general[EAX], a * b, "{a} * {b} back");
        }
    }
    let mut none = machine(Mode::Real, [5, 0, 0, 0, 0, 0, 0, 0], 0);
    none.aam(0);
    assert_eq!(none.fault, Some(0));
}

#[test]
fn sums_products_and_shifts_agree_with_wider_arithmetic() {
    let values = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x1234_5678, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    for size in [1_u32, 2, 4] {
        let (bits, mask) = (size * 8, u32::MAX >> (32 - size * 8));
        let signed = |value: u32| i64::from((value << (32 - bits)) as i32 >> (32 - bits));
        for a in values {
            for b in values {
                let (a, b) = (a & mask, b & mask);
                let mut m = machine(Mode::Real, [a, b, 0, 0, 0, 0, 0, 0], CF);
                m.adc(size, EAX, ECX);
                let wide = u64::from(a) + u64::from(b) + 1;
                assert_eq!((m.general[EAX], m.flag(CF)), (wide as u32 & mask, wide > u64::from(mask)));
                let exact = signed(a) + signed(b) + 1;
                assert_eq!(m.flag(OF), exact != signed(m.general[EAX]));
                let mut m = machine(Mode::Real, [a, b, 0, 0, 0, 0, 0, 0], CF);
                m.sbb(size, EAX, ECX);
                assert_eq!(m.flag(CF), u64::from(a) < u64::from(b) + 1);
                assert_eq!(m.flag(OF), signed(a) - signed(b) - 1 != signed(m.general[EAX]));
                let mut m = machine(Mode::Real, [a, b, 0, 0, 0, 0, 0, 0], 0);
                m.imul_to(size, EDX, a, b);
                assert_eq!(m.flag(OF), signed(a) * signed(b) != signed(m.general[EDX]));
            }
            for count in 1..bits {
                let mut m = machine(Mode::Real, [a & mask, 0, 0, 0, 0, 0, 0, 0], 0);
                m.rotate(size, EAX, false, count);
                m.rotate(size, EAX, true, count);
                assert_eq!(m.general[EAX], a & mask);
                m.rotate_through_carry(size, EAX, false, count);
                m.rotate_through_carry(size, EAX, true, count);
                assert_eq!(m.general[EAX], a & mask);
            }
        }
    }
    assert_eq!(STATUS & !COMPARED, 0);
}

#[test]
fn strings_move_and_compare_what_they_should() {
    use model::{DATA, Repeat, StringOperation::*};
    let mut m = machine(Mode::Real, [0, 0x10_0003, 0, 0, 0, 0, 0xdead_5000, 0xbeef_5004], 0);
    m.string(Movs, 4, Repeat::Equal, 2);
    assert_eq!((m.general[ECX], m.general[ESI], m.general[EDI]), (0x10_0000, 0xdead_500c, 0xbeef_5010));
    assert_eq!(&m.memory[1..4], &[MEMORY[0]; 3], "what is moved is moved again");
    let mut m = machine(Mode::Real, [0, 3, 0, 0, 0, 0, DATA + 2, DATA + 2], DF);
    m.string(Cmps, 1, Repeat::Equal, 4);
    assert_eq!((m.general[ECX], m.general[ESI], m.flag(ZF)), (0, DATA - 1, true));
    let mut m = machine(Mode::Real, [MEMORY[0] >> 16, 9, 0, 0, 0, 0, 0, DATA], 0);
    m.string(Scas, 2, Repeat::NotEqual, 4);
    assert_eq!((m.general[ECX], m.general[EDI], m.flag(ZF)), (7, DATA + 4, true));
    let mut m = machine(Mode::Real, [0, 0, 0, 0, 0, 0, DATA, DATA], ZF);
    m.string(Scas, 2, Repeat::Equal, 2);
    assert_eq!((m.general[EDI], m.flags), (DATA, ZF), "a count of 0 does nothing");
}

const PORTS: model::PortState = model::PortState {
    ecx: 0x5aa5_0003,
    esi: 0x5aa5_5008,
    edi: 0x5aa5_5008,
    memory: 0x0f0e_0d0c_0b0a_0908 << 64,
    port: 0x8765_43a5,
};
const REP_INSW: model::PortString = model::PortString { is_input: true, repeats: true, size: 2, address_size: 2 };

#[test]
fn port_strings_move_elements_and_leave_what_the_address_size_does_not_cover() {
    let state = model::after(REP_INSW, PORTS, false);
    assert_eq!((state.ecx, state.edi, state.esi), (0x5aa5_0000, 0x5aa5_500e, PORTS.esi));
    assert_eq!((state.memory >> 64) as u64, 0x0f0e_43a5_43a5_43a5);
    let state = model::after(model::PortString { is_input: false, repeats: false, ..REP_INSW }, PORTS, true);
    assert_eq!((state.ecx, state.esi, state.port, state.memory), (PORTS.ecx, 0x5aa5_5006, 0x8765_0908, PORTS.memory));
    let none = model::PortState { ecx: 0x5aa5_0000, ..PORTS };
    assert_eq!(model::after(REP_INSW, none, false), none);
    let wide = model::PortString { size: 4, address_size: 4, repeats: false, ..REP_INSW };
    let wrapped = model::after(wide, model::PortState { edi: u32::MAX - 1, ..PORTS }, false);
    assert_eq!((wrapped.edi, wrapped.ecx), (2, PORTS.ecx));
}

#[test]
fn every_column_of_a_port_string_is_told() {
    let good = model::columns(PORTS);
    let wrong = [
        model::PortState { ecx: 0, ..PORTS },
        model::PortState { esi: 0, ..PORTS },
        model::PortState { edi: 0, ..PORTS },
        model::PortState { memory: PORTS.memory ^ 1, ..PORTS },
        model::PortState { memory: PORTS.memory ^ 1 << 64, ..PORTS },
        model::PortState { port: 0, ..PORTS },
    ];
    for (column, state) in wrong.into_iter().enumerate() {
        let actual = model::columns(state);
        assert!((0..good.len()).all(|index| (actual[index] != good[index]) == (index == column)), "{column}");
    }
    assert_eq!(model::START, 8);
}

#[test]
fn ports_are_allowed_by_privilege_or_bitmap_and_in_virtual_8086_mode_by_the_bitmap_alone() {
    for (is_virtual_8086, cpl, iopl, is_clear, expected) in [
        (false, 0, 0, false, true),
        (false, 3, 3, false, true),
        (false, 3, 2, false, false),
        (false, 3, 2, true, true),
        (true, 3, 3, false, false),
        (true, 3, 0, true, true),
    ] {
        assert_eq!(model::is_allowed(is_virtual_8086, cpl, iopl, is_clear), expected);
    }
}
