//! Extended state that an instruction may not change.

use super::{Aspect, Disagreement, hex, note};
use crate::{
    effects::{Effects, normalize},
    machine::{
        Extended,
        area::{AVX, HI16_ZMM, OPMASK, SSE, X87, ZMM_HI256},
    },
    predict::Prediction,
};
use iced_x86::EncodingKind;
use std::ops::Range;

/// Where MXCSR stands.
const MXCSR: Range<usize> = 24..28;
/// Control, status and tag word.
const X87_WORDS: Range<usize> = 0..5;
/// First of the x87 registers.
const X87_STACK: usize = 32;
/// Number of vector registers.
const NR_VECTORS: usize = 32;
/// Vector registers that have their parts in three components; the others lie in one.
const NR_SPLIT_VECTORS: usize = 16;

pub(super) fn check(before: &Extended, after: &Extended, prediction: &Prediction, found: &mut Vec<Disagreement>) {
    if before == after {
        return;
    }
    let effects = &prediction.effects;
    // What is undefined may change, and is no part of what is compared.
    let (mut before, mut after) = (before.clone(), after.clone());
    normalize(&mut before, effects);
    normalize(&mut after, effects);
    let mut part = |aspect: Aspect, name: &dyn Fn() -> String, range: Range<usize>| {
        let [before, after] = [&before, &after].map(|area| bytes(area, range.clone()));
        if !is_same(before, after) {
            note(found, aspect, name(), format!("{} as before", hex(before)), hex(after));
        }
    };
    if !effects.x87 {
        part(Aspect::X87, &|| "x87 control, status and tags".to_owned(), X87_WORDS);
        part(Aspect::X87, &|| "x87 registers".to_owned(), X87_STACK..X87.offset + X87.size_bytes);
    }
    if !effects.mxcsr {
        part(Aspect::Mxcsr, &|| "mxcsr".to_owned(), MXCSR);
    }
    for number in 0..8 {
        if effects.opmask >> number & 1 == 0 {
            let start = OPMASK.offset + 8 * number;
            part(Aspect::Opmask, &|| format!("k{number}"), start..start + 8);
        }
    }
    let leaves_upper = prediction.instruction.code().encoding() == EncodingKind::Legacy;
    for number in 0..NR_VECTORS {
        let may_change = may_change(effects, number);
        for (which, range) in vector(number).into_iter().flatten() {
            // SSE instructions leave the bits from 128 on (Intel SDM vol. 1, "Programming Considerations with 128-bit SIMD
            // Instructions").
            if !may_change || leaves_upper && which != LOWEST {
                part(Aspect::Vector, &|| format!("{which} of vector register {number}"), range);
            }
        }
    }
}

const LOWEST: &str = "bits 0 to 127";

fn may_change(effects: &Effects, number: usize) -> bool {
    effects.vector >> number & 1 != 0
}

/// The parts of a vector register in an area.
fn vector(number: usize) -> [Option<(&'static str, Range<usize>)>; 3] {
    let of = |start: usize, index: usize, size: usize| start + index * size..start + (index + 1) * size;
    if number >= NR_SPLIT_VECTORS {
        return [Some(("bits 0 to 511", of(HI16_ZMM.offset, number - NR_SPLIT_VECTORS, 64))), None, None];
    }
    [
        Some((LOWEST, of(SSE.offset, number, 16))),
        Some(("bits 128 to 255", of(AVX.offset, number, 16))),
        Some(("bits 256 to 511", of(ZMM_HI256.offset, number, 32))),
    ]
}

/// A part of an area; less of it, or nothing, if the area ends before.
fn bytes(area: &Extended, range: Range<usize>) -> &[u8] {
    let end = range.end.min(area.bytes().len());
    area.bytes().get(range.start..end).unwrap_or_default()
}

/// Whether two parts are equal; what an area does not hold is zero.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    long[..short.len()] == *short && long[short.len()..].iter().all(|byte| *byte == 0)
}
