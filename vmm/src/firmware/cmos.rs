//! What firmware reads from the memory of the real-time clock: how much memory and how many processors there are.
//!
//! Source: SeaBIOS, "src/hw/rtc.h", whose names of the bytes are those of QEMU's machines; the first four are IBM's, of the PC AT.

use crate::{
    bus::Bus,
    memory::{GuestMemory, MemoryMap},
};

/// Ports of the index and of the byte at it.
const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;

/// Bytes of the memory: low bytes of numbers of 16 bits.
mod byte {
    pub(super) const BASE_KIB: u8 = 0x15;
    pub(super) const EXTENDED_KIB: u8 = 0x17;
    pub(super) const EXTENDED_KIB_AGAIN: u8 = 0x30;
    pub(super) const ABOVE_16_MIB: u8 = 0x34;
    /// The first two devices that are booted from.
    pub(super) const BOOT_ORDER: u8 = 0x3d;
    /// In units of 64 KiB, as the one above; three bytes.
    pub(super) const ABOVE_4_GIB: u8 = 0x5b;
    pub(super) const NR_CPUS_LESS_ONE: u8 = 0x5f;
}

/// Hard disk, then CD-ROM.
const BOOT_ORDER: u8 = 0x32;
const BASE_KIB: u16 = 640;

/// Writes them through the bus; without a real-time clock nobody takes them.
pub(crate) fn write(bus: &mut Bus, memory: &GuestMemory, nr_vcpus: u8) {
    for (index, value) in bytes(memory.map(), nr_vcpus) {
        // The clock stands behind the ports, or nothing: neither has a reason to end a run that has not begun.
        let _ = bus.write_port(INDEX, 1, &[index], memory);
        let _ = bus.write_port(DATA, 1, &[value], memory);
    }
}

fn bytes(memory: MemoryMap, nr_vcpus: u8) -> Vec<(u8, u8)> {
    let low_bytes = memory.low_bytes();
    let limited = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
    let extended_kib = limited(low_bytes.saturating_sub(1 << 20) >> 10);
    let above_16_mib = limited(low_bytes.saturating_sub(16 << 20) >> 16);
    let mut bytes = Vec::new();
    for (index, value) in [
        (byte::BASE_KIB, BASE_KIB),
        (byte::EXTENDED_KIB, extended_kib),
        (byte::EXTENDED_KIB_AGAIN, extended_kib),
        (byte::ABOVE_16_MIB, above_16_mib),
    ] {
        let [low, high] = value.to_le_bytes();
        bytes.extend([(index, low), (index + 1, high)]);
    }
    // Three bytes: they reach a tebibyte.
    let [low, middle, high, ..] = (memory.high_bytes() >> 16).to_le_bytes();
    bytes.extend((byte::ABOVE_4_GIB..).zip([low, middle, high]));
    bytes.extend([(byte::BOOT_ORDER, BOOT_ORDER), (byte::NR_CPUS_LESS_ONE, nr_vcpus.saturating_sub(1))]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_both_units() {
        let of = |size: u64, index: u8| {
            let bytes = bytes(MemoryMap::new(size).unwrap(), 4);
            let at = |index| bytes.iter().find(|(at, _)| *at == index).unwrap().1;
            u16::from_le_bytes([at(index), at(index + 1)])
        };
        assert_eq!([0x15, 0x17, 0x30, 0x34].map(|index| of(8 << 20, index)), [640, 7168, 7168, 0]);
        assert_eq!([0x17, 0x34].map(|index| of(1 << 30, index)), [0xffff, 1008 * 16]);
        assert_eq!([0x34, 0x5b, 0x5c].map(|index| of(3 << 30, index)), [0xbf00, 0, 0]);
        // 0x00c000 and 0x030000 units of 64 KiB.
        assert_eq!([0x34, 0x5b, 0x5c].map(|index| of(6 << 30, index)), [0xbf00, 0xc000, 0x00c0]);
        assert_eq!([0x5b, 0x5c].map(|index| of(15 << 30, index)), [0x0000, 0x0300]);
        assert!(bytes(MemoryMap::new(1 << 20).unwrap(), 4).contains(&(0x5f, 3)));
    }
}
