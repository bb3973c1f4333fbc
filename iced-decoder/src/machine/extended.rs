//! Extended state: x87, SSE, AVX and AVX-512.

/// Extended state in the standard form of an XSAVE area (Intel SDM vol. 1, "Standard Form of XSAVE Area").
///
/// Its size is that of the legacy region, the header and the components that are used; what lies behind is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended {
    bytes: Vec<u8>,
}

/// Offset of XSTATE_BV in the area.
const XSTATE_BV: usize = 512;
/// Offset of MXCSR.
const MXCSR: usize = 24;
/// Offset of the x87 control word.
const CONTROL_WORD: usize = 0;
/// End of the header.
const HEADER_END: usize = 576;

impl Extended {
    /// The initial state of `size` bytes: x87 control word 37FH, MXCSR 1F80H, nothing else in use.
    pub fn initial(size: usize) -> Self {
        let mut bytes = vec![0; size.max(HEADER_END)];
        bytes[CONTROL_WORD..CONTROL_WORD + 2].copy_from_slice(&0x37f_u16.to_le_bytes());
        bytes[MXCSR..MXCSR + 4].copy_from_slice(&0x1f80_u32.to_le_bytes());
        Self { bytes }
    }

    /// Takes an area as it stands in memory, extended with zeros to the end of its header.
    pub fn from_bytes(mut bytes: Vec<u8>) -> Self {
        if bytes.len() < HEADER_END {
            bytes.resize(HEADER_END, 0);
        }
        Self { bytes }
    }

    /// The area.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The area, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// XSTATE_BV: which components are not in their initial state.
    pub fn components(&self) -> u64 {
        u64::from_le_bytes(self.bytes[XSTATE_BV..XSTATE_BV + 8].try_into().unwrap_or_default())
    }

    /// Sets XSTATE_BV.
    pub fn set_components(&mut self, components: u64) {
        self.bytes[XSTATE_BV..XSTATE_BV + 8].copy_from_slice(&components.to_le_bytes());
    }
}
