//! Extended state in the one form that all areas with the same meaning share.

use super::Effects;
use crate::machine::{
    Extended,
    area::{COMPONENTS, Component, SSE, X87},
};

/// Offset of the x87 status word.
const STATUS_WORD: usize = 2;
/// Control word after initialization.
const INITIAL_CONTROL_WORD: u16 = 0x37f;
/// The reserved byte behind the tag word, FOP, FIP and FDP.
const POINTERS: std::ops::Range<usize> = 5..24;
/// MXCSR and MXCSR_MASK, which no component's initial state sets.
const MXCSR_END: usize = 28;
const MXCSR_MASK: std::ops::Range<usize> = 28..32;
/// Reserved fields behind XMM15 and fields for software.
const LEGACY_RESERVED: std::ops::Range<usize> = 416..512;
/// XSTATE_BV, XCOMP_BV and reserved fields.
const HEADER: std::ops::Range<usize> = 512..576;
/// ST0 to ST7: ten bytes in every sixteen from here on.
const STACK: usize = 32;

/// Brings an area into the form in which it is compared, and blanks what is undefined after an instruction with these
/// effects:
/// - a component that XSTATE_BV says to be in its initial state holds that state, and XSTATE_BV is blank (Intel SDM vol. 1,
///   "Processor Tracking of XSAVE-Managed State": a processor may or may not notice that a component is initial);
/// - FOP, FIP and FDP are blank: they tell addresses, and AMD processors save them only with a pending exception (AMD APM
///   vol. 2, "Saving Media and x87 State");
/// - so are parts of vector and opmask registers that are undefined, MXCSR_MASK, reserved fields, components beyond AVX-512, and condition codes that are undefined.
pub fn normalize(area: &mut Extended, effects: &Effects) {
    let components = area.components();
    for (number, undefined) in effects.vector_undefined.into_iter().filter(|(_, undefined)| *undefined != 0) {
        area.change_vector(number.into(), |register| {
            let undefined = (0..u64::BITS).filter(|byte| undefined >> byte & 1 != 0);
            undefined.for_each(|byte| register[byte as usize] = 0);
        });
    }
    let (number, undefined) = effects.opmask_undefined;
    area.change_opmask(number.into(), |value| value & !undefined);
    let bytes = area.bytes_mut();
    for component in COMPONENTS.iter().filter(|component| components >> component.bit & 1 == 0) {
        initialize(bytes, component);
    }
    for register in 0..8 {
        blank(bytes, STACK + register * 16 + 10..STACK + register * 16 + 16);
    }
    for range in [POINTERS, MXCSR_MASK, LEGACY_RESERVED, HEADER] {
        blank(bytes, range);
    }
    // What lies between and behind the components has no meaning.
    let mut end = HEADER.end;
    for component in COMPONENTS.iter().filter(|component| component.bit > SSE.bit) {
        blank(bytes, end..component.offset);
        end = component.offset + component.size_bytes;
    }
    blank(bytes, end..bytes.len().max(end));
    if let Some(status) = bytes.get_mut(STATUS_WORD..STATUS_WORD + 2) {
        for (byte, undefined) in status.iter_mut().zip(effects.x87_status_undefined.to_le_bytes()) {
            *byte &= !undefined;
        }
    }
}

fn initialize(bytes: &mut [u8], component: &Component) {
    if *component != X87 {
        blank(bytes, component.offset..component.offset + component.size_bytes);
        return;
    }
    // MXCSR stands among the x87 registers and belongs to SSE and AVX.
    blank(bytes, 0..MXCSR_END - 4);
    blank(bytes, STACK..X87.offset + X87.size_bytes);
    if let Some(control) = bytes.get_mut(..2) {
        control.copy_from_slice(&INITIAL_CONTROL_WORD.to_le_bytes());
    }
}

/// Zeros a range as far as it lies in the area.
fn blank(bytes: &mut [u8], range: std::ops::Range<usize>) {
    let end = range.end.min(bytes.len());
    if let Some(bytes) = bytes.get_mut(range.start..end) {
        bytes.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::area::{AVX, HI16_ZMM, OPMASK, size_bytes};

    const ALL: u64 = 0xe7;

    fn area(components: u64) -> Extended {
        let mut area = Extended::initial(size_bytes(ALL));
        area.set_components(components);
        area
    }

    fn normalized(mut area: Extended, effects: &Effects) -> Extended {
        normalize(&mut area, effects);
        area
    }

    #[test]
    fn initial_components_are_equal_whether_noticed_or_not() {
        let effects = Effects::default();
        let expected = normalized(area(0), &effects);
        assert_eq!(normalized(area(ALL), &effects), expected);
        let mut stale = area(0);
        for component in [SSE, AVX, OPMASK, HI16_ZMM] {
            stale.bytes_mut()[component.offset] = 1;
        }
        stale.bytes_mut()[0] = 0;
        assert_eq!(normalized(stale, &effects), expected);
        assert_eq!(expected.bytes()[..2], [0x7f, 3]);
        assert_eq!(expected.bytes()[24..28], [0x80, 0x1f, 0, 0]);
    }

    #[test]
    fn values_of_components_in_use_are_kept() {
        let effects = Effects::default();
        for offset in [0, 2, 4, 24, 32, 41, 160, 415, 576, 1088, 1152, 2687] {
            let mut changed = area(ALL);
            changed.bytes_mut()[offset] ^= 1;
            assert_ne!(normalized(changed, &effects), normalized(area(ALL), &effects), "{offset}");
        }
        for offset in [5, 6, 8, 16, 28, 42, 47, 416, 511, 520, 575, 832, 1087] {
            let mut changed = area(ALL);
            changed.bytes_mut()[offset] ^= 1;
            assert_eq!(normalized(changed, &effects), normalized(area(ALL), &effects), "{offset}");
        }
    }

    #[test]
    fn undefined_condition_codes_do_not_count() {
        let effects = Effects { x87_status_undefined: 1 << 14, ..Effects::default() };
        let with_status = |status| {
            let mut area = area(ALL);
            area.bytes_mut()[3] = status;
            normalized(area, &effects)
        };
        assert_eq!(with_status(0x40), with_status(0));
        assert_ne!(with_status(0x02), with_status(0));
    }

    #[test]
    fn short_areas_are_normalized_as_far_as_they_go() {
        let mut area = Extended::from_bytes(vec![0xff; 577]);
        normalize(&mut area, &Effects::default());
        assert_eq!(area.bytes()[576], 0xff);
    }
}
