//! The ROM in the place of the video BIOS.

/// A ROM for the place of the video BIOS, which Bochs insists on: the signature, its size, and a return.
pub(super) fn video() -> Vec<u8> {
    let mut rom = vec![0x55, 0xaa, 1, 0xcb];
    rom.resize(511, 0);
    let sum = rom.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
    // All bytes of an option ROM add up to 0.
    rom.push(sum.wrapping_neg());
    rom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rom_adds_up_to_0() {
        let rom = video();
        assert_eq!((rom.len(), rom.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte))), (512, 0));
    }
}
