//! Arithmetic of rates. It compiles for the host too, where it is tested.

/// The rate in kHz of a counter that passed `ticks` while another passed `reference` ticks at `reference_hz`.
pub fn khz_of(ticks: u64, reference: u64, reference_hz: u64) -> Option<u64> {
    let khz = ticks.checked_mul(reference_hz)?.checked_div(reference)? / 1000;
    (khz != 0).then_some(khz)
}

/// The rate in kHz that CPUID leaf 15H tells: EBX / EAX is the ratio to the crystal, ECX the crystal's rate in Hz. Each may
/// be zero, which means that it is not told.
pub const fn khz_from_crystal(denominator: u32, numerator: u32, crystal_hz: u32) -> Option<u64> {
    if denominator == 0 || numerator == 0 || crystal_hz == 0 {
        return None;
    }
    // The product of two 32-bit numbers fits.
    Some(crystal_hz as u64 * numerator as u64 / denominator as u64 / 1000)
}

/// A number in decimal digits, up to the first byte that is none.
pub fn decimal(digits: &[u8]) -> u64 {
    let mut value = 0_u64;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    value
}
