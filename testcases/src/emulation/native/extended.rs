//! Extended state on its way in and out: which components the host has, and where they lie.
//!
//! Source: Intel SDM vol. 1, "XSAVE-Supported Features and State-Component Bitmaps" and "Standard Form of XSAVE Area".

use super::{
    NativeError,
    layout::slot::EXTENDED_SIZE,
    runner::ExtendedState,
    system::{cpuid, enabled_components},
};
use iced_decoder::machine::Extended;
use std::ops::Range;

/// x87, SSE, AVX, and the three of AVX-512. PKRU and the tiles of AMX are not among the state of an input.
const WANTED: u64 = 0b1110_0111;
/// Bit and place of the x87 registers; the control word is no part of it, because it is not 0 initially.
static X87: (u64, [Range<usize>; 2]) = (1, [2..24, 32..160]);
/// Bit of the SSE registers. MXCSR is loaded and saved whatever the header says.
const SSE: u64 = 2;
/// Place of the SSE registers.
static SSE_REGISTERS: Range<usize> = 160..416;
/// x87 control word.
const CONTROL_WORD: Range<usize> = 0..2;
/// Its initial value.
const INITIAL_CONTROL_WORD: u16 = 0x37f;
/// Behind the SSE registers: not used by the processor, and used by the kernel in the frames of signals.
const UNUSED: Range<usize> = 416..512;
/// XSTATE_BV.
const COMPONENTS: Range<usize> = 512..520;
/// What follows XSTATE_BV in the header: 0 in the standard form.
const HEADER_REST: Range<usize> = 520..576;
/// The first component behind the header.
const FIRST_EXTENDED: u32 = 2;

/// What the host's areas look like.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// What the runner loads and saves.
    pub(super) state: ExtendedState,
    /// Bit and place of each component behind the header.
    places: Vec<(u64, Range<usize>)>,
}

/// Why an area cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lacking {
    /// Components in use that the host does not have.
    pub(super) components: u64,
}

impl Layout {
    /// Asks the processor.
    ///
    /// # Errors
    /// No XSAVE, or more state than the runner has space for.
    pub(super) fn of_host() -> Result<Self, NativeError> {
        let enabled = enabled_components().ok_or(NativeError::Missing("XSAVE"))?;
        let components = enabled & WANTED;
        let mut places = Vec::new();
        for component in FIRST_EXTENDED..u64::BITS {
            let bit = 1 << component;
            if components & bit != 0 {
                let (size, start) = cpuid(0xd, component);
                places.push((bit, start as usize..start as usize + size as usize));
            }
        }
        let size = places.iter().map(|(_, place)| place.end).fold(HEADER_REST.end, usize::max).next_multiple_of(8);
        if size > EXTENDED_SIZE {
            return Err(NativeError::StateTooLarge { size, limit: EXTENDED_SIZE });
        }
        Ok(Self { state: ExtendedState { components, size }, places })
    }

    /// The area as the processor is to load it.
    ///
    /// # Errors
    /// It uses components that the host does not have.
    pub(super) fn loadable(&self, extended: &Extended) -> Result<Vec<u8>, Lacking> {
        let lacking = extended.components() & !self.state.components;
        if lacking != 0 {
            return Err(Lacking { components: lacking });
        }
        let mut bytes = extended.bytes().to_vec();
        bytes.resize(self.state.size, 0);
        bytes[HEADER_REST].fill(0);
        Ok(bytes)
    }

    /// The area that the processor or the kernel saved, in one form: components that are in their initial state are
    /// written out, and XSTATE_BV names exactly those that are not. The processor is free to say more, and Linux does.
    pub(super) fn saved(&self, mut bytes: Vec<u8>) -> Extended {
        let said = self.components(&bytes);
        bytes[HEADER_REST].fill(0);
        bytes[UNUSED].fill(0);
        let mut components = 0;
        for (bit, places) in self.all_places() {
            for place in places {
                let bytes = &mut bytes[place.clone()];
                if said & bit == 0 {
                    bytes.fill(0);
                } else if bytes.iter().any(|&byte| byte != 0) {
                    components |= bit;
                }
            }
        }
        let initial = INITIAL_CONTROL_WORD.to_le_bytes();
        if said & X87.0 == 0 {
            bytes[CONTROL_WORD].copy_from_slice(&initial);
        } else if bytes[CONTROL_WORD] != initial {
            components |= X87.0;
        }
        bytes[COMPONENTS].copy_from_slice(&components.to_le_bytes());
        Extended::from_bytes(bytes)
    }

    fn all_places(&self) -> impl Iterator<Item = (u64, &[Range<usize>])> {
        let others = self.places.iter().map(|(bit, place)| (*bit, std::slice::from_ref(place)));
        [(X87.0, X87.1.as_slice()), (SSE, std::slice::from_ref(&SSE_REGISTERS))].into_iter().chain(others)
    }

    fn components(&self, bytes: &[u8]) -> u64 {
        let mut header = [0; 8];
        header.copy_from_slice(&bytes[COMPONENTS]);
        u64::from_le_bytes(header) & self.state.components
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_its_initial_state_is_written_out() {
        let layout = Layout::of_host().unwrap();
        let mut bytes = vec![0xff; layout.state.size];
        bytes[COMPONENTS].copy_from_slice(&0b10_u64.to_le_bytes());
        let extended = layout.saved(bytes);
        assert_eq!(extended.components(), 0b10);
        assert_eq!(extended.bytes()[..4], [0x7f, 3, 0, 0]);
        assert_eq!(extended.bytes()[32..160], [0; 128]);
        assert_eq!(extended.bytes()[160..416], [0xff; 256]);
        assert!(extended.bytes()[576..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn components_that_the_host_does_not_have_are_named() {
        let layout = Layout::of_host().unwrap();
        let mut extended = Extended::initial(576);
        extended.set_components(1 << 62 | 1);
        assert_eq!(layout.loadable(&extended), Err(Lacking { components: 1 << 62 }));
    }
}
