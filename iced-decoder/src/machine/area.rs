//! Where components stand in an [`Extended`](super::Extended) area.
//!
//! The standard form leaves the offsets of components beyond AVX to CPUID leaf 0DH, and processors differ: what stands
//! here is the layout of Intel processors with AVX-512. An executor on a processor that tells other offsets moves the
//! components; generated inputs, their text form and outputs always use this one.
//!
//! Source: Intel SDM vol. 1, "XSAVE-Managed Features and State-Component Bitmaps" and "Standard Form of XSAVE Area".

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

/// Size in bytes of an area that holds these components (a bitmap as in XSTATE_BV).
pub fn size_bytes(components: u64) -> usize {
    let ends = COMPONENTS.iter().filter(|component| components >> component.bit & 1 != 0);
    ends.map(|component| component.offset + component.size_bytes).max().unwrap_or(0).max(576)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_ends_with_its_last_component() {
        assert_eq!(size_bytes(0), 576);
        assert_eq!(size_bytes(0b11), 576);
        assert_eq!(size_bytes(0b111), 832);
        assert_eq!(size_bytes(0xe7), 2688);
    }
}
