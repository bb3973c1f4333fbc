//! Floating-point numbers of the formats that vectors have, by their class.

use super::possible::Format;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Zero,
    Denormal,
    Normal,
    Infinite,
    Quiet,
    Signaling,
}

/// A number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    /// What it is.
    pub(super) class: Class,
    /// Its sign.
    pub(super) is_negative: bool,
    /// Its value, unless it is a NaN; every format is a part of this one.
    pub(super) value: f64,
}

impl Number {
    /// The number with these bits.
    pub(super) fn new(bits: u64, format: Format) -> Self {
        let (nr_fraction, nr_exponent, bias) = match format {
            Format::Half => (10, 5, 15),
            Format::Single => (23, 8, 127),
            Format::Double | Format::Integer => (52, 11, 1023),
        };
        let fraction = bits & ((1 << nr_fraction) - 1);
        let exponent = bits >> nr_fraction & ((1 << nr_exponent) - 1);
        let is_negative = bits >> (nr_fraction + nr_exponent) & 1 != 0;
        let is_last = exponent == (1 << nr_exponent) - 1;
        let class = match (exponent, fraction) {
            (0, 0) => Class::Zero,
            (0, _) => Class::Denormal,
            (_, 0) if is_last => Class::Infinite,
            _ if !is_last => Class::Normal,
            _ if fraction >> (nr_fraction - 1) != 0 => Class::Quiet,
            _ => Class::Signaling,
        };
        let value = match (format, class) {
            (Format::Double | Format::Integer, _) => f64::from_bits(bits),
            (_, Class::Infinite) => f64::INFINITY.copysign(if is_negative { -1.0 } else { 1.0 }),
            _ => {
                // Both factors and the product are exact: the smallest is 2^-149.
                let significand = if exponent == 0 { fraction } else { fraction | 1 << nr_fraction };
                let power = exponent.max(1) as i32 - bias - nr_fraction;
                let magnitude = significand as f64 * power_of_two(power);
                if is_negative { -magnitude } else { magnitude }
            }
        };
        Self { class, is_negative, value }
    }

    /// Whether it is one of the two kinds of NaN.
    pub(super) fn is_nan(self) -> bool {
        matches!(self.class, Class::Quiet | Class::Signaling)
    }

    /// The number as it is taken while denormals are zeros (MXCSR.DAZ).
    pub(super) fn with_denormals_as_zeros(self) -> Self {
        match self.class {
            Class::Denormal => {
                Self { class: Class::Zero, value: 0.0_f64.copysign(self.value), is_negative: self.is_negative }
            }
            _ => self,
        }
    }

    /// The number with the other sign.
    pub(super) fn negated(self) -> Self {
        Self { value: -self.value, is_negative: !self.is_negative, ..self }
    }
}

/// 2 to a power that normal double-precision numbers have.
fn power_of_two(power: i32) -> f64 {
    f64::from_bits(((power + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_classes_are_those_of_the_host() {
        for bits in
            [0_u32, 1, 0x8000_0000, 0x007f_ffff, 0x0080_0000, 0x3f80_0001, 0x7f7f_ffff, 0x7f80_0000, 0xff80_0000]
        {
            let number = Number::new(bits.into(), Format::Single);
            assert_eq!(number.value.to_bits(), f64::from(f32::from_bits(bits)).to_bits(), "{bits:#x}");
        }
        for (bits, class) in [(0x7f80_0001, Class::Signaling), (0xffc0_0000, Class::Quiet), (1, Class::Denormal)] {
            assert_eq!(Number::new(bits, Format::Single).class, class);
        }
        assert_eq!(Number::new(0x3c00, Format::Half).value, 1.0);
        assert_eq!(Number::new(1, Format::Half).value, 2.0_f64.powi(-24));
        assert_eq!(Number::new(0x7c01, Format::Half).class, Class::Signaling);
        assert_eq!(Number::new(0xfff8 << 48, Format::Double).class, Class::Quiet);
    }
}
