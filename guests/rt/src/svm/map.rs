//! The permission maps of ports and MSRs.

use super::{
    address,
    pages::{IO_MAP, MSR_MAP},
};
use crate::mmio;

/// Sets or clears the bit of a port in the I/O permission map: set means an exit.
pub fn set_port(port: u16, exits: bool) {
    set_bit(address(&IO_MAP), port.into(), exits);
}

/// Sets or clears both bits of an MSR, read and write, in the MSR permission map; `None` if the map has no place for it.
///
/// Of what lies behind the last bit of a range nothing is known, so that a case must clear what it sets.
pub fn set_msr(number: u32, reads: bool, writes: bool) -> Option<()> {
    let first = match number {
        0..=0x1fff => 0,
        0xc000_0000..=0xc000_1fff => 0x4000,
        0xc001_0000..=0xc001_1fff => 0x8000,
        _ => return None,
    };
    let bit = first + u64::from(number & 0x1fff) * 2;
    set_bit(address(&MSR_MAP), bit, reads);
    set_bit(address(&MSR_MAP), bit + 1, writes);
    Some(())
}

fn set_bit(map: u64, bit: u64, value: bool) {
    let at = map + bit / 8;
    let mask = 1 << (bit % 8);
    let byte = mmio::read_u8(at);
    mmio::write_u8(at, if value { byte | mask } else { byte & !mask });
}
