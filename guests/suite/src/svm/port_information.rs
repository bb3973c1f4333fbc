//! EXITINFO1 of ports' exits. It compiles for the host too.
//!
//! Source: APM vol. 2, "IOIO Intercepts".

/// An access to a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// The port.
    pub(crate) port: u16,
    /// Its size in bytes: 1, 2 or 4.
    pub(crate) size: u64,
    /// It reads.
    pub(crate) is_in: bool,
    /// INS or OUTS.
    pub(crate) is_string: bool,
    /// With a repeat prefix.
    pub(crate) repeats: bool,
    /// Address size in bits; it is told of string instructions.
    pub(crate) address_bits: u64,
}

/// Bits that are told of every access: type, string, repeat, size and port.
pub(crate) const OF_ALL: u64 = 0xffff_007d;
/// Those that are told of string instructions besides: the address size.
pub(crate) const OF_STRINGS: u64 = 0x380;

impl Access {
    /// EXITINFO1, without the segment.
    pub(crate) const fn information(self) -> u64 {
        let address = match self.address_bits {
            16 => 1 << 7,
            32 => 1 << 8,
            _ => 1 << 9,
        };
        (self.port as u64) << 16
            | self.size << 4
            | self.is_in as u64
            | (self.is_string as u64) << 2
            | (self.repeats as u64) << 3
            | address
    }
}
