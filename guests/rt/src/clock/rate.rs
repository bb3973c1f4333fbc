//! Arithmetic of rates. It compiles for the host too, where it is tested.

/// The rate in kHz of a counter that passed `ticks` while another passed `reference` ticks at `reference_hz`.
pub fn khz_of(ticks: u64, reference: u64, reference_hz: u64) -> Option<u64> {
    let khz = ticks.checked_mul(reference_hz)?.checked_div(reference)? / 1000;
    (khz != 0).then_some(khz)
}

/// A reading of a counter between two of another one: before, the counter, after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracketed {
    /// The other one before.
    pub before: u64,
    /// The counter.
    pub count: u32,
    /// The other one afterwards.
    pub after: u64,
}

impl Bracketed {
    /// How much of the other one passed meanwhile.
    pub const fn width(self) -> u64 {
        self.after.wrapping_sub(self.before)
    }
}

/// The least and the greatest rate in kHz that two such readings leave possible, `passed` ticks at `reference_hz` apart, which
/// are one more or less: however long the processor stood still meanwhile, the true rate is between them.
pub fn khz_between(first: Bracketed, second: Bracketed, passed: u64, reference_hz: u64) -> Option<(u64, u64)> {
    let least = second.before.wrapping_sub(first.after);
    let most = second.after.wrapping_sub(first.before);
    let low = khz_of(least, passed + 1, reference_hz)?;
    Some((low, khz_of(most, passed.checked_sub(1)?, reference_hz)? + 1))
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
