//! What a monitor tells of itself (VESA Enhanced EDID Standard, release A, revision 2, § 3 "Base EDID").

/// Bytes of the base block, which is all that there is.
pub(super) const BLOCK_BYTES: usize = 128;
/// The largest side that a detailed timing can tell.
const SIDE_MAX: u32 = 4095;
/// Places of the descriptors, of 18 bytes each.
const TIMING: usize = 54;
const NAME: usize = 72;
const UNUSED: [usize; 2] = [90, 108];

/// The base block of a screen of so many pixels, of which the first detailed timing tells: of larger ones than 4095 in one direction it
/// tells 4095, and VIRTIO_GPU_CMD_GET_DISPLAY_INFO alone the rest.
pub(super) fn block(width: u32, height: u32) -> [u8; BLOCK_BYTES] {
    let (width, height) = (width.clamp(1, SIDE_MAX), height.clamp(1, SIDE_MAX));
    let mut block = [0; BLOCK_BYTES];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    // The maker, five bits a letter, then product, serial number, week and year.
    put(8, &maker(*b"VMP").to_be_bytes());
    put(10, &[1, 0, 1, 0, 0, 0, 1, 2026_u16.wrapping_sub(1990) as u8]);
    // Version 1.4; digital, 8 bits a colour, DisplayPort.
    put(18, &[1, 4, 0xa5]);
    // Centimetres at 96 pixels an inch, gamma 2.2, sRGB with a preferred timing.
    put(21, &[centimetres(width), centimetres(height), 120, 0x06]);
    put(25, &[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]);
    // 640 × 480 at 60 Hz, and no other standard timings.
    put(35, &[0x20, 0, 0]);
    put(38, &[1; 16]);
    put(TIMING, &timing(width, height));
    put(NAME, b"\0\0\0\xfc\0vmproof\n     ");
    UNUSED.into_iter().for_each(|at| put(at, &[0, 0, 0, 0x10, 0]));
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    block[BLOCK_BYTES - 1] = sum.wrapping_neg();
    block
}

fn maker(letters: [u8; 3]) -> u16 {
    letters.into_iter().fold(0, |bits, letter| bits << 5 | u16::from(letter - b'A' + 1))
}

fn centimetres(pixels: u32) -> u8 {
    (pixels * 254 / 9600).clamp(1, 255) as u8
}

/// A detailed timing (§ 3.10.2), with 60 pictures a second unless the clock has no place for so many, and reduced blanking.
fn timing(width: u32, height: u32) -> [u8; 18] {
    const BLANK: (u32, u32) = (160, 30);
    const FRONT: (u32, u32) = (48, 3);
    const SYNC: (u32, u32) = (32, 6);
    const RATE: u32 = 60;
    // In units of 10 kHz.
    let clock = ((width + BLANK.0) * (height + BLANK.1) / 10_000 * RATE).clamp(1, u16::MAX.into()) as u16;
    let millimetres = |pixels: u32| (pixels * 254 / 960).max(1);
    let (across, down) = (millimetres(width), millimetres(height));
    let [clock_low, clock_high] = clock.to_le_bytes();
    // Bits from 8 on of two numbers of 12.
    let high = |one: u32, other: u32| (one >> 8 << 4 | other >> 8) as u8;
    [
        clock_low,
        clock_high,
        width as u8,
        BLANK.0 as u8,
        high(width, BLANK.0),
        height as u8,
        BLANK.1 as u8,
        high(height, BLANK.1),
        FRONT.0 as u8,
        SYNC.0 as u8,
        (FRONT.1 << 4 | SYNC.1) as u8,
        0,
        across as u8,
        down as u8,
        high(across, down),
        0,
        0,
        // Separate digital synchronization, positive horizontally.
        0x1a,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_tells_the_size_in_its_first_timing_and_adds_up_to_zero() {
        for (size, told) in
            [((1024, 768), (1024, 768)), ((4095, 1), (4095, 1)), ((8192, 4096), (4095, 4095)), ((0, 0), (1, 1))]
        {
            let block = block(size.0, size.1);
            assert_eq!(block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0, "{size:?}");
            let side = |low: usize, high: usize| u32::from(block[low]) | u32::from(block[high] >> 4) << 8;
            assert_eq!((side(56, 58), side(59, 61)), told, "{size:?}");
            assert_ne!(block[54..56], [0, 0], "{size:?}: a clock");
            assert!(block[21] > 0 && block[22] > 0);
        }
    }

    #[test]
    fn the_maker_has_three_letters() {
        assert_eq!(maker(*b"VMP"), 22 << 10 | 13 << 5 | 16);
        assert_eq!(block(640, 480)[8..10], maker(*b"VMP").to_be_bytes());
    }
}
