//! IA32_APIC_BASE: which mode the local APIC is in, and where its registers are.

use super::{Config, GeneralProtection, Mode};

/// Bit 8: this is the bootstrap processor.
const BOOTSTRAP: u64 = 1 << 8;
/// Bit 10: x2APIC mode.
const EXTENDED: u64 = 1 << 10;
/// Bit 11: globally enabled.
const ENABLED: u64 = 1 << 11;
const PAGE_MASK: u64 = 0xfff;

/// Where the registers are after reset.
pub const DEFAULT_ADDRESS: u64 = 0xfee0_0000;

/// The MSR after reset.
pub(super) const fn reset(config: &Config) -> u64 {
    DEFAULT_ADDRESS | ENABLED | if config.bootstrap { BOOTSTRAP } else { 0 }
}

pub(super) const fn mode(base: u64) -> Mode {
    match (base & ENABLED != 0, base & EXTENDED != 0) {
        (false, _) => Mode::Disabled,
        (true, false) => Mode::XApic,
        (true, true) => Mode::X2Apic,
    }
}

/// Whether the processor is the one that starts by itself. System software can say so of another ("MP Initialization
/// Protocol Requirements and Restrictions": a processor that was chosen stays so over INIT).
pub(super) const fn is_bootstrap(base: u64) -> bool {
    base & BOOTSTRAP != 0
}

pub(super) const fn address(base: u64) -> u64 {
    base & !PAGE_MASK
}

/// Whether both values have a mode, and there is no way from the old to the new.
pub(super) const fn is_transition_wrong(old: u64, new: u64) -> bool {
    matches!((mode(old), mode(new)), (Mode::Disabled, Mode::X2Apic) | (Mode::X2Apic, Mode::XApic))
}

/// The mode after a write ("x2APIC State Transitions").
///
/// # Errors
/// Where reserved bits are set or there is no such transition.
pub(super) fn transition(config: &Config, old: u64, new: u64) -> Result<Mode, GeneralProtection> {
    let addresses = 1_u64.checked_shl(config.physical_address_bits.into()).map_or(u64::MAX, |end| end - 1) & !PAGE_MASK;
    let extended = if config.x2apic { EXTENDED } else { 0 };
    if new & !(addresses | BOOTSTRAP | ENABLED | extended) != 0 || new & (ENABLED | EXTENDED) == EXTENDED {
        return Err(GeneralProtection);
    }
    match (mode(old), mode(new)) {
        (Mode::Disabled, Mode::X2Apic) | (Mode::X2Apic, Mode::XApic) => Err(GeneralProtection),
        (_, mode) => Ok(mode),
    }
}
