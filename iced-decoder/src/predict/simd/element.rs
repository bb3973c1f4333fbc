//! What an operation on one element raises.
//!
//! The order of Intel SDM vol. 1, "Priority Among Simultaneous Exceptions and Interrupts" of SIMD floating-point
//! exceptions: a signalling NaN is invalid; a quiet one is no exception and hides the others; then other invalid operations
//! and divisions by zero; then denormals; then what depends on the result.
//!
//! No arithmetic is emulated: a result is only looked at where the host's own is exact, or tells by an error-free
//! transformation (sum, fused multiply-add) that no rounding gives it. What is not known that way is possible.

use super::{
    exception::{BY_RESULT, DENORMAL, DIVIDE, INVALID, OVERFLOW, PRECISION, Raised, UNDERFLOW},
    number::{Class, Number},
    possible::{Format, Operation},
};

/// A sum or product whose magnitude lies in these bounds is rounded like one with unbounded exponents.
const SINGLE_NORMAL: (f64, f64) = (f32::MIN_POSITIVE as f64, f32::MAX as f64);
/// The same of double precision, with enough space below for an error term to be exact.
const DOUBLE_SAFE: (f64, f64) = (1e-280, 1e300);
/// Fraction bits that single precision does not have.
const BEYOND_SINGLE: u64 = (1 << 29) - 1;

/// An operation with two operands.
pub(super) fn binary(operation: Operation, format: Format, one: Number, other: Number) -> Raised {
    if one.class == Class::Signaling || other.class == Class::Signaling {
        return Raised::certain(INVALID);
    }
    if one.is_nan() || other.is_nan() {
        return match operation {
            Operation::Extremum | Operation::CompareSignaling => Raised::certain(INVALID),
            _ => Raised::NONE,
        };
    }
    let has = |class| one.class == class || other.class == class;
    let is_invalid = match operation {
        Operation::Add => has(Class::Infinite) && is_difference_of_infinities(one, other),
        Operation::Multiply => has(Class::Infinite) && has(Class::Zero),
        Operation::Divide => one.class == other.class && matches!(one.class, Class::Zero | Class::Infinite),
        _ => false,
    };
    if is_invalid {
        return Raised::certain(INVALID);
    }
    if operation == Operation::Divide && other.class == Class::Zero && one.class != Class::Infinite {
        // Whether a denormal is told, too, if division by zero is masked is not said.
        let denormal = if one.class == Class::Denormal { DENORMAL } else { 0 };
        return Raised { certain: DIVIDE, possible: denormal };
    }
    let denormal = Raised::certain(if has(Class::Denormal) { DENORMAL } else { 0 });
    if has(Class::Infinite) {
        return denormal;
    }
    let result = match operation {
        Operation::Add => sum(format, one, other),
        Operation::Multiply => product(format, one, other),
        Operation::Divide if one.class == Class::Zero => Raised::NONE,
        Operation::Divide => quotient(format, one, other),
        _ => Raised::NONE,
    };
    denormal.and(result)
}

fn is_difference_of_infinities(one: Number, other: Number) -> bool {
    one.class == other.class && one.is_negative != other.is_negative
}

/// A product and a sum, rounded once.
pub(super) fn fused(format: Format, factors: [Number; 2], addend: Number) -> Raised {
    let [one, other] = factors;
    let all = [one, other, addend];
    if all.iter().any(|number| number.class == Class::Signaling) {
        return Raised::certain(INVALID);
    }
    let has = |class| one.class == class || other.class == class;
    let is_zero_by_infinity = has(Class::Infinite) && has(Class::Zero);
    if all.iter().any(|number| number.is_nan()) {
        // Which of the two comes first if the addend is a NaN is not told alike.
        return Raised::possible(if is_zero_by_infinity { INVALID } else { 0 });
    }
    let is_negative = one.is_negative != other.is_negative;
    let is_opposite = has(Class::Infinite) && addend.class == Class::Infinite && is_negative != addend.is_negative;
    if is_zero_by_infinity || is_opposite {
        return Raised::certain(INVALID);
    }
    let has_denormal = all.iter().any(|number| number.class == Class::Denormal);
    let denormal = Raised::certain(if has_denormal { DENORMAL } else { 0 });
    if has(Class::Infinite) || addend.class == Class::Infinite {
        return denormal;
    }
    // In single precision the product is exact, and the sum has an error that is.
    let result = if format == Format::Single {
        let product = one.value * other.value;
        match product + addend.value {
            0.0 => Raised::NONE,
            sum => to_single(sum, error_of_sum(product, addend.value) != 0.0),
        }
    } else {
        Raised::possible(BY_RESULT)
    };
    denormal.and(result)
}

/// A square root.
pub(super) fn square_root(format: Format, number: Number) -> Raised {
    match number.class {
        Class::Signaling => Raised::certain(INVALID),
        Class::Quiet | Class::Zero => Raised::NONE,
        _ if number.is_negative => Raised::certain(INVALID),
        Class::Infinite => Raised::NONE,
        Class::Denormal => Raised { certain: DENORMAL, possible: PRECISION },
        Class::Normal => {
            let root = number.value.sqrt();
            let is_representable = format == Format::Double || is_single(root);
            match format {
                Format::Half => Raised::possible(PRECISION),
                _ if number.value < DOUBLE_SAFE.0 && format == Format::Double => Raised::possible(PRECISION),
                _ => inexact(!is_representable || root.mul_add(root, -number.value) != 0.0),
            }
        }
    }
}

/// Rounding to an integer in the same format.
pub(super) fn round(number: Number, suppresses_precision: bool) -> Raised {
    match number.class {
        Class::Signaling => Raised::certain(INVALID),
        Class::Denormal | Class::Normal if !suppresses_precision => inexact(number.value.fract() != 0.0),
        _ => Raised::NONE,
    }
}

/// A conversion to another floating-point format.
pub(super) fn convert(from: Format, to: Format, number: Number) -> Raised {
    let denormal = Raised::certain(if number.class == Class::Denormal { DENORMAL } else { 0 });
    match number.class {
        Class::Signaling => Raised::certain(INVALID),
        Class::Quiet | Class::Zero | Class::Infinite => Raised::NONE,
        // Denormals of a narrower format are normal in the wider one.
        _ if from.size_bytes() < to.size_bytes() => denormal,
        _ if to == Format::Single => denormal.and(to_single(number.value, false)),
        _ => denormal.and(Raised::possible(BY_RESULT)),
    }
}

/// A conversion to an integer of a size that is not told: its range is that of the smallest.
pub(super) fn to_integer(number: Number) -> Raised {
    match number.class {
        Class::Signaling | Class::Quiet | Class::Infinite => Raised::certain(INVALID),
        Class::Zero => Raised::NONE,
        // Below any limit; whatever the rounding, it is inexact or nothing.
        _ if number.value.abs() < 127.0 && !number.is_negative => inexact(number.value.fract() != 0.0),
        _ => Raised::possible(INVALID | PRECISION),
    }
}

fn inexact(is_inexact: bool) -> Raised {
    Raised::certain(if is_inexact { PRECISION } else { 0 })
}

/// Whether a normal number of single precision has this value.
fn is_single(value: f64) -> bool {
    let (least, greatest) = SINGLE_NORMAL;
    value == 0.0 || (least..=greatest).contains(&value.abs()) && value.to_bits() & BEYOND_SINGLE == 0
}

/// A result that is `value`, or beside it by less than a unit in the last place, in single precision.
fn to_single(value: f64, is_beside: bool) -> Raised {
    let (least, greatest) = SINGLE_NORMAL;
    let magnitude = value.abs();
    // Beside the greatest number may be above it, which overflows where it is rounded away from zero.
    let is_at_end = magnitude == least || magnitude == greatest && is_beside;
    if (least..=greatest).contains(&magnitude) && !is_at_end {
        return inexact(is_beside || !is_single(value));
    }
    if magnitude > 2.0 * greatest {
        return Raised::certain(OVERFLOW | PRECISION);
    }
    if magnitude < least / 2.0 && magnitude > 0.0 {
        // A tiny result underflows where that is not masked, exact or not; masked, it underflows only if it is inexact.
        return Raised { certain: UNDERFLOW, possible: PRECISION };
    }
    Raised::possible(BY_RESULT)
}

/// A result in double precision, whose error term is exact if the result lies in the safe range.
fn to_double(value: f64, is_beside: bool) -> Raised {
    let (least, greatest) = DOUBLE_SAFE;
    if (least..=greatest).contains(&value.abs()) { inexact(is_beside) } else { Raised::possible(BY_RESULT) }
}

fn sum(format: Format, one: Number, other: Number) -> Raised {
    let sum = one.value + other.value;
    let is_beside = error_of_sum(one.value, other.value) != 0.0;
    if sum == 0.0 {
        // Only equal numbers cancel out: sums do not become too small to be told.
        return Raised::NONE;
    }
    match format {
        Format::Single => to_single(sum, is_beside),
        Format::Double => to_double(sum, is_beside),
        Format::Half | Format::Integer => Raised::possible(BY_RESULT),
    }
}

/// What the host's sum of two numbers lacks (Knuth's error-free transformation).
fn error_of_sum(one: f64, other: f64) -> f64 {
    let sum = one + other;
    let part = sum - one;
    (one - (sum - part)) + (other - part)
}

fn product(format: Format, one: Number, other: Number) -> Raised {
    if one.class == Class::Zero || other.class == Class::Zero {
        return Raised::NONE;
    }
    let product = one.value * other.value;
    match format {
        // Twice 24 bits fit in 53.
        Format::Single => to_single(product, false),
        Format::Double => to_double(product, one.value.mul_add(other.value, -product) != 0.0),
        Format::Half | Format::Integer => Raised::possible(BY_RESULT),
    }
}

fn quotient(format: Format, one: Number, other: Number) -> Raised {
    let quotient = one.value / other.value;
    let is_beside = || quotient.mul_add(other.value, -one.value) != 0.0;
    match format {
        Format::Single => to_single(quotient, is_beside()),
        Format::Double if one.value.abs() > DOUBLE_SAFE.0 => to_double(quotient, is_beside()),
        _ => Raised::possible(BY_RESULT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f32 = f32::NAN;
    const INFINITY: f32 = f32::INFINITY;
    /// The smallest denormal.
    const TINY: f32 = f32::from_bits(1);

    fn raised(operation: Operation, one: f32, other: f32) -> (u8, u8) {
        let number = |value: f32| Number::new(value.to_bits().into(), Format::Single);
        let raised = binary(operation, Format::Single, number(one), number(other));
        (raised.certain, raised.possible)
    }

    #[test]
    fn operands_decide_before_the_result() {
        use Operation::{Add, CompareQuiet, CompareSignaling, Divide, Extremum, Multiply};
        let signaling = f32::from_bits(0x7f80_0001);
        for (operation, one, other, expected) in [
            (Add, signaling, NAN, INVALID),
            (Add, NAN, TINY, 0),
            (Add, INFINITY, -INFINITY, INVALID),
            (Add, INFINITY, INFINITY, 0),
            (Multiply, INFINITY, 0.0, INVALID),
            (Divide, 0.0, 0.0, INVALID),
            (Divide, 1.0, -0.0, DIVIDE),
            (Divide, INFINITY, 0.0, 0),
            (Divide, 1.0, INFINITY, 0),
            (Extremum, 1.0, NAN, INVALID),
            (Extremum, 1.0, TINY, DENORMAL),
            (CompareQuiet, 1.0, NAN, 0),
            (CompareSignaling, 1.0, NAN, INVALID),
        ] {
            assert_eq!(raised(operation, one, other), (expected, 0), "{operation:?} {one} {other}");
        }
    }

    #[test]
    fn what_lies_beside_the_greatest_number_may_overflow() {
        let raised = |other| raised(Operation::Add, f32::MAX, other);
        assert_eq!(raised(0.0), (0, 0));
        assert_eq!(raised(-1e30), (PRECISION, 0));
        // Rounded upwards it is infinite; so near that double precision does not show it.
        assert_eq!(raised(f32::MIN_POSITIVE), (0, BY_RESULT));
    }

    #[test]
    fn results_are_told_where_the_host_is_exact() {
        use Operation::{Add, Divide, Multiply};
        for (operation, one, other, expected) in [
            (Add, 1.0, 2.0, (0, 0)),
            (Add, 1.0, 1e-30, (PRECISION, 0)),
            (Add, 1.0, -1.0, (0, 0)),
            (Add, f32::MAX, f32::MAX, (0, BY_RESULT)),
            (Multiply, 3.0, 5.0, (0, 0)),
            (Multiply, 1.1, 1.1, (PRECISION, 0)),
            (Multiply, 1e30, 1e30, (OVERFLOW | PRECISION, 0)),
            (Multiply, 1e-30, 1e-30, (UNDERFLOW, PRECISION)),
            (Add, -0.0, 0.0, (0, 0)),
            (Divide, 1.0, 3.0, (PRECISION, 0)),
            (Divide, 6.0, 3.0, (0, 0)),
        ] {
            assert_eq!(raised(operation, one, other), expected, "{operation:?} {one} {other}");
        }
    }

    #[test]
    fn products_too_small_for_the_host_are_not_exact() {
        let number = |value: f64| Number::new(value.to_bits(), Format::Double);
        let raised = binary(Operation::Multiply, Format::Double, number(1e-300), number(1e-300));
        assert_eq!(raised, Raised::possible(BY_RESULT));
    }

    proptest::proptest! {
        #[test]
        fn single_results_that_the_host_represents_are_exact(one: f32, other: f32) {
            use proptest::prop_assert_eq;
            proptest::prop_assume!(one.is_normal() && other.is_normal());
            let exact = f64::from(one) * f64::from(other);
            let (certain, possible) = raised(Operation::Multiply, one, other);
            if possible == 0 && certain & (OVERFLOW | UNDERFLOW) == 0 {
                prop_assert_eq!(certain == PRECISION, f64::from(one * other) != exact);
            }
        }
    }
}
