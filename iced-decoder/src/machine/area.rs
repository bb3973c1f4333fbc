//! Where components stand in an [`Extended`] area.
//!
//! The standard form leaves the offsets of components beyond AVX to CPUID leaf 0DH, and processors differ: what stands
//! here is the layout of Intel processors with AVX-512. An executor on a processor that tells other offsets moves the
//! components by a [`Layout`]; generated inputs, their text form and outputs always use this one.
//!
//! Source: Intel SDM vol. 1, "XSAVE-Managed Features and State-Component Bitmaps" and "Standard Form of XSAVE Area".

use super::Extended;

/// A component of extended state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its bit in XSTATE_BV and XCR0.
    pub bit: u32,
    /// Offset in the area in bytes; the two legacy components share the first 512 bytes.
    pub offset: usize,
    /// Size in bytes.
    pub size_bytes: usize,
}

/// x87 and MMX: control, status and tag word at 0, 2 and 4, ST0 to ST7 every 16 bytes from 32 on.
pub const X87: Component = Component { bit: 0, offset: 0, size_bytes: 160 };
/// XMM0 to XMM15. MXCSR stands at 24.
pub const SSE: Component = Component { bit: 1, offset: 160, size_bytes: 256 };
/// Bits 128 to 255 of YMM0 to YMM15.
pub const AVX: Component = Component { bit: 2, offset: 576, size_bytes: 256 };
/// K0 to K7.
pub const OPMASK: Component = Component { bit: 5, offset: 1088, size_bytes: 64 };
/// Bits 256 to 511 of ZMM0 to ZMM15.
pub const ZMM_HI256: Component = Component { bit: 6, offset: 1152, size_bytes: 512 };
/// ZMM16 to ZMM31.
pub const HI16_ZMM: Component = Component { bit: 7, offset: 1664, size_bytes: 1024 };

/// Every component, in the order of their bits.
pub const COMPONENTS: [Component; 6] = [X87, SSE, AVX, OPMASK, ZMM_HI256, HI16_ZMM];

/// End of the header.
const HEADER_END: usize = 576;

/// Size in bytes of an area that holds these components (a bitmap as in XSTATE_BV).
pub fn size_bytes(components: u64) -> usize {
    let ends = COMPONENTS.iter().filter(|component| components >> component.bit & 1 != 0);
    ends.map(|component| component.offset + component.size_bytes).max().unwrap_or(0).max(HEADER_END)
}

/// Where a processor keeps the components: the offsets that CPUID leaf 0DH tells there. The sizes are the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    offsets: [usize; COMPONENTS.len()],
}

impl Layout {
    /// A layout by the offset of each component behind the header (EBX of CPUID leaf 0DH, subleaf = bit); nothing for
    /// those that the processor does not have.
    pub fn new(mut offset: impl FnMut(u32) -> Option<usize>) -> Self {
        let of = |component: Component| match component.bit {
            0 | 1 => component.offset,
            bit => offset(bit).unwrap_or(component.offset),
        };
        Self { offsets: COMPONENTS.map(of) }
    }

    /// Size in bytes of an area of the processor that holds these components.
    pub fn size_bytes(&self, components: u64) -> usize {
        let placed = COMPONENTS.iter().zip(self.offsets).filter(|(component, _)| components >> component.bit & 1 != 0);
        placed.map(|(component, offset)| offset + component.size_bytes).max().unwrap_or(0).max(HEADER_END)
    }

    /// An area as this processor loads it, with space for the components in use.
    pub fn to_processor(&self, extended: &Extended) -> Vec<u8> {
        let mut bytes = vec![0; self.size_bytes(extended.components())];
        bytes[..HEADER_END].copy_from_slice(&extended.bytes()[..HEADER_END]);
        for (component, offset) in self.behind_header(extended.components()) {
            if let Some(from) = extended.bytes().get(component.offset..component.offset + component.size_bytes) {
                bytes[offset..offset + component.size_bytes].copy_from_slice(from);
            }
        }
        bytes
    }

    /// An area that this processor saved, with components moved to where they stand in [`Extended`].
    pub fn from_processor(&self, bytes: &[u8]) -> Extended {
        let header = bytes.get(..HEADER_END).unwrap_or_default();
        let mut moved = header.to_vec();
        moved.resize(HEADER_END, 0);
        let components = Extended::from_bytes(moved.clone()).components();
        moved.resize(size_bytes(components), 0);
        for (component, offset) in self.behind_header(components) {
            if let Some(from) = bytes.get(offset..offset + component.size_bytes) {
                moved[component.offset..component.offset + component.size_bytes].copy_from_slice(from);
            }
        }
        Extended::from_bytes(moved)
    }

    fn behind_header(&self, components: u64) -> impl Iterator<Item = (Component, usize)> {
        let placed = COMPONENTS.into_iter().zip(self.offsets);
        placed.filter(move |(component, _)| component.bit > SSE.bit && components >> component.bit & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of AMD's Zen 4, which has no space for MPX.
    fn zen4() -> Layout {
        Layout::new(|bit| {
            [(2, 576), (5, 832), (6, 896), (7, 1408)].into_iter().find(|(of, _)| *of == bit).map(|of| of.1)
        })
    }

    #[test]
    fn components_are_moved_to_where_a_processor_has_them_and_back() {
        let mut extended = Extended::initial(size_bytes(0xe7));
        extended.set_components(0xe7);
        extended.bytes_mut()[OPMASK.offset + 8] = 1;
        extended.bytes_mut()[ZMM_HI256.offset] = 2;
        extended.bytes_mut()[HI16_ZMM.offset + 1023] = 3;
        let bytes = zen4().to_processor(&extended);
        assert_eq!((bytes.len(), bytes[840], bytes[896], bytes[2431]), (2432, 1, 2, 3));
        assert_eq!(zen4().from_processor(&bytes), extended);
    }

    #[test]
    fn an_area_that_is_cut_short_is_no_error() {
        let extended = zen4().from_processor(&[0; 10]);
        assert_eq!((extended.components(), extended.bytes().len()), (0, 576));
    }

    #[test]
    fn an_area_ends_with_its_last_component() {
        assert_eq!(size_bytes(0), 576);
        assert_eq!(size_bytes(0b11), 576);
        assert_eq!(size_bytes(0b111), 832);
        assert_eq!(size_bytes(0xe7), 2688);
    }
}
