//! Which SIMD floating-point exceptions an instruction may raise at all.
//!
//! Source: Intel SDM vol. 2, "SIMD Floating-Point Exceptions" of each instruction.

use super::exception::{DENORMAL, DIVIDE, INVALID, OVERFLOW, PRECISION, UNDERFLOW};
use iced_x86::Mnemonic;
use std::sync::LazyLock;

/// What an operation of arithmetic with two operands may raise.
const ARITHMETIC: u8 = INVALID | DENORMAL | OVERFLOW | UNDERFLOW | PRECISION;
/// What a comparison may raise.
const COMPARISON: u8 = INVALID | DENORMAL;
/// What a conversion to an integer, or rounding to one, may raise. Denormals are none of it.
const ROUNDING: u8 = INVALID | PRECISION;

/// Operations by the start of their names, which a type follows (`ps`, `pd`, `ss`, `sd`, `ph` or `sh`).
const OPERATIONS: [(&str, Operation, u8); 26] = [
    ("addsub", Operation::AddSubtract, ARITHMETIC),
    ("add", Operation::Add, ARITHMETIC),
    ("sub", Operation::Subtract, ARITHMETIC),
    ("mul", Operation::Multiply, ARITHMETIC),
    ("div", Operation::Divide, ARITHMETIC | DIVIDE),
    ("sqrt", Operation::SquareRoot, INVALID | DENORMAL | PRECISION),
    ("min", Operation::Extremum, COMPARISON),
    ("max", Operation::Extremum, COMPARISON),
    ("cmp", Operation::Compare, COMPARISON),
    ("ucomi", Operation::CompareQuiet, COMPARISON),
    ("comi", Operation::CompareSignaling, COMPARISON),
    ("round", Operation::Round, ROUNDING),
    ("rndscale", Operation::Round, ROUNDING),
    ("hadd", Operation::Other, ARITHMETIC),
    ("hsub", Operation::Other, ARITHMETIC),
    ("dp", Operation::Other, ARITHMETIC),
    ("reduce", Operation::Other, ROUNDING),
    ("getexp", Operation::Other, COMPARISON),
    ("getmant", Operation::Other, COMPARISON),
    ("fixupimm", Operation::Other, INVALID | DIVIDE),
    ("range", Operation::Other, COMPARISON),
    ("scalef", Operation::Other, ARITHMETIC),
    ("fmulc", Operation::Other, ARITHMETIC),
    ("fcmulc", Operation::Other, ARITHMETIC),
    ("fmaddc", Operation::Other, ARITHMETIC),
    ("fcmaddc", Operation::Other, ARITHMETIC),
];

/// Fused operations by the start of their names, which the order of the operands and a type follow: whether the product is
/// negated, and what becomes of the addend.
const FUSED: [(&str, bool, Addend); 6] = [
    ("fmaddsub", false, Addend::EvenSubtracted),
    ("fmsubadd", false, Addend::OddSubtracted),
    ("fnmadd", true, Addend::Added),
    ("fnmsub", true, Addend::Subtracted),
    ("fmadd", false, Addend::Added),
    ("fmsub", false, Addend::Subtracted),
];

/// Conversions: source, destination, what they may raise. Those that are not listed are exact.
const CONVERSIONS: [(&str, &str, u8); 25] = [
    ("dq", "ps", PRECISION),
    ("pi", "ps", PRECISION),
    ("udq", "ps", PRECISION),
    ("qq", "ps|pd", PRECISION),
    ("uqq", "ps|pd", PRECISION),
    ("si", "ss|sd", PRECISION),
    ("usi", "ss|sd", PRECISION),
    ("ps", "dq|udq|qq|uqq|pi", ROUNDING),
    ("pd", "dq|udq|qq|uqq|pi", ROUNDING),
    ("ph", "dq|udq|qq|uqq|w|uw", ROUNDING),
    ("ss|sd|sh", "si|usi", ROUNDING),
    ("ps", "pd", COMPARISON),
    ("ss", "sd", COMPARISON),
    ("pd", "ps", ARITHMETIC),
    ("sd", "ss", ARITHMETIC),
    // The half-precision denormals of F16C are taken without notice, those of AVX512-FP16 are not.
    ("ph", "ps", INVALID),
    ("ph", "psx", COMPARISON),
    ("ph", "pd", COMPARISON),
    ("sh", "ss|sd", COMPARISON),
    ("ps", "ph|phx", ARITHMETIC),
    ("pd", "ph", ARITHMETIC),
    ("ss|sd", "sh", ARITHMETIC),
    ("dq|udq|qq|uqq|w|uw", "ph", OVERFLOW | PRECISION),
    ("si|usi", "sh", OVERFLOW | PRECISION),
    ("", "", 0),
];

/// What an instruction computes, as far as its exceptions depend on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    /// Odd elements are added, even ones subtracted.
    AddSubtract,
    Multiply,
    Divide,
    SquareRoot,
    /// Minimum or maximum.
    Extremum,
    /// By a predicate that stands in an immediate.
    Compare,
    /// UCOMI: a quiet NaN is no exception.
    CompareQuiet,
    /// COMI: it is one.
    CompareSignaling,
    /// To an integer in the same format.
    Round,
    /// Between two formats.
    Convert {
        /// The format of the source.
        from: Format,
        /// The format of the destination.
        to: Format,
    },
    /// The sum of a product and a third operand.
    Fused {
        /// Which operands are which.
        order: Order,
        /// Whether the product is negated.
        negates_product: bool,
        /// What becomes of the third operand.
        addend: Addend,
    },
    /// With more steps than are followed.
    Other,
}

/// Which operands of a fused operation are factors and which is the addend, as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    F132,
    F213,
    F231,
}

/// What becomes of the addend of a fused operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addend {
    Added,
    Subtracted,
    EvenSubtracted,
    OddSubtracted,
}

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Half,
    Single,
    Double,
    /// An integer, whose size the operand tells.
    Integer,
}

impl Format {
    /// Size in bytes; integers of conversions have the size of the operand's elements.
    pub(super) fn size_bytes(self) -> Option<u64> {
        match self {
            Self::Half => Some(2),
            Self::Single => Some(4),
            Self::Double => Some(8),
            Self::Integer => None,
        }
    }
}

/// What is known of a mnemonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// What it computes.
    pub(super) operation: Operation,
    /// What the elements of its operands are.
    pub(super) format: Format,
    /// Whether there is one element only.
    pub(super) is_scalar: bool,
    /// The exceptions that it may raise, as bits of MXCSR.
    pub(super) exceptions: u8,
}

static KINDS: LazyLock<Vec<Option<Kind>>> =
    LazyLock::new(|| Mnemonic::values().map(|mnemonic| by_name(&format!("{mnemonic:?}").to_lowercase())).collect());

/// What is known of a mnemonic that may raise SIMD floating-point exceptions. CMPSD is also the name of a string
/// instruction, which has no operand in a vector register.
pub(super) fn kind(mnemonic: Mnemonic) -> Option<Kind> {
    KINDS.get(mnemonic as usize).copied().flatten()
}

fn by_name(name: &str) -> Option<Kind> {
    let name = name.strip_prefix('v').unwrap_or(name);
    if let Some(formats) = name.strip_prefix("cvtt").or_else(|| name.strip_prefix("cvt")) {
        return conversion(formats);
    }
    if let Some(kind) = fused(name) {
        return Some(kind);
    }
    OPERATIONS.iter().find_map(|&(start, operation, exceptions)| {
        name.strip_prefix(start).and_then(|suffix| of_type(suffix, operation, exceptions))
    })
}

fn fused(name: &str) -> Option<Kind> {
    let (rest, negates_product, addend) =
        FUSED.iter().find_map(|&(start, negates, addend)| Some((name.strip_prefix(start)?, negates, addend)))?;
    let orders = [("132", Order::F132), ("213", Order::F213), ("231", Order::F231)];
    let (suffix, order) = orders.iter().find_map(|(name, order)| Some((rest.strip_prefix(name)?, *order)))?;
    of_type(suffix, Operation::Fused { order, negates_product, addend }, ARITHMETIC)
}

fn of_type(suffix: &str, operation: Operation, exceptions: u8) -> Option<Kind> {
    let is_scalar = matches!(suffix, "ss" | "sd" | "sh");
    // The products of complex numbers have a type of their own.
    let format = format(suffix.strip_prefix('c').unwrap_or(suffix))?;
    (format != Format::Integer).then_some(Kind { operation, format, is_scalar, exceptions })
}

fn conversion(formats: &str) -> Option<Kind> {
    let (source, destination) = formats.split_once('2')?;
    let is_among = |list: &str, name: &str| list.split('|').any(|one| one == name);
    let (_, _, exceptions) =
        CONVERSIONS.iter().find(|(from, to, _)| is_among(from, source) && is_among(to, destination))?;
    let (from, to) = (format(source)?, format(destination)?);
    let is_scalar = [source, destination].iter().any(|name| matches!(*name, "ss" | "sd" | "sh"));
    Some(Kind { operation: Operation::Convert { from, to }, format: from, is_scalar, exceptions: *exceptions })
}

fn format(name: &str) -> Option<Format> {
    Some(match name {
        "ps" | "ss" | "psx" => Format::Single,
        "pd" | "sd" => Format::Double,
        "ph" | "sh" | "phx" => Format::Half,
        "dq" | "udq" | "qq" | "uqq" | "pi" | "si" | "usi" | "w" | "uw" => Format::Integer,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, fmt::Write};

    #[test]
    fn mnemonics_are_listed_by_what_they_may_raise() {
        let mut by_exceptions: BTreeMap<u8, Vec<String>> = BTreeMap::new();
        for mnemonic in Mnemonic::values() {
            if let Some(kind) = kind(mnemonic) {
                by_exceptions.entry(kind.exceptions).or_default().push(format!("{mnemonic:?}").to_lowercase());
            }
        }
        let mut text = String::new();
        for (exceptions, mut names) in by_exceptions {
            names.sort();
            writeln!(text, "{exceptions:06b}: {}", names.join(" ")).unwrap();
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn integers_moves_and_estimates_raise_nothing() {
        use Mnemonic as M;
        for mnemonic in [M::Paddd, M::Movaps, M::Vaddsubps, M::Rcpps, M::Vrsqrt14pd, M::Cvtdq2pd, M::Vandps] {
            assert_eq!(kind(mnemonic).is_some(), mnemonic == M::Vaddsubps, "{mnemonic:?}");
        }
    }
}
