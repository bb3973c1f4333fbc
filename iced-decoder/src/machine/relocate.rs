//! Areas of extended state of processors that place components elsewhere.

use super::{Extended, area::Component};

/// End of the legacy region and the header, which stand at the same place everywhere.
const HEADER_END: usize = 576;

/// The same state with components at other places: each component of `to` is taken from the one with the same bit of
/// `from`, and is zero if there is none. What belongs to no component of `to` is zero, too.
///
/// An executor takes the places of its processor from CPUID leaf 0DH (Intel SDM vol. 1, "Standard Form of XSAVE Area"),
/// and [`area::COMPONENTS`](super::area::COMPONENTS) for the other side.
pub fn relocate(area: &Extended, from: &[Component], to: &[Component]) -> Extended {
    let old = area.bytes();
    let end = to.iter().map(|component| component.offset + component.size_bytes).fold(HEADER_END, usize::max);
    let mut new = vec![0; end];
    let nr_legacy = HEADER_END.min(old.len());
    new[..nr_legacy].copy_from_slice(&old[..nr_legacy]);
    for component in to.iter().filter(|component| component.offset >= HEADER_END) {
        let source = from.iter().find(|source| source.bit == component.bit);
        let bytes = source.and_then(|source| {
            let end = (source.offset + source.size_bytes.min(component.size_bytes)).min(old.len());
            old.get(source.offset..end)
        });
        if let Some(bytes) = bytes {
            new[component.offset..component.offset + bytes.len()].copy_from_slice(bytes);
        }
    }
    Extended::from_bytes(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::area::{AVX, COMPONENTS, HI16_ZMM, OPMASK, ZMM_HI256, size_bytes};

    /// The places on AMD processors.
    const ELSEWHERE: [Component; 4] = [
        AVX,
        Component { offset: 832, ..OPMASK },
        Component { offset: 896, ..ZMM_HI256 },
        Component { offset: 1408, ..HI16_ZMM },
    ];

    #[test]
    fn components_move_and_come_back() {
        let mut area = Extended::initial(size_bytes(u64::MAX));
        for (value, component) in (1..).zip(COMPONENTS) {
            area.bytes_mut()[component.offset..component.offset + component.size_bytes].fill(value);
        }
        area.set_components(0xe7);
        let moved = relocate(&area, &COMPONENTS, &ELSEWHERE);
        assert_eq!(moved.bytes().len(), 2432);
        assert_eq!([moved.bytes()[576], moved.bytes()[832], moved.bytes()[896], moved.bytes()[2431]], [3, 4, 5, 6]);
        assert_eq!(moved.components(), 0xe7);
        assert_eq!(relocate(&moved, &ELSEWHERE, &COMPONENTS), area);
    }

    #[test]
    fn components_that_are_not_there_are_zero() {
        let area = Extended::initial(0);
        let moved = relocate(&area, &COMPONENTS, &ELSEWHERE);
        assert_eq!(moved.bytes()[..576], area.bytes()[..576]);
        assert!(moved.bytes()[576..].iter().all(|&byte| byte == 0));
    }
}
