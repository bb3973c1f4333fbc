//! Which writes of control registers exit by mask and shadow. It compiles for the host too.
//!
//! Source: SDM vol. 3C, "Instructions That Cause VM Exits Conditionally", "Changes to Instruction Behavior in VMX Non-Root
//! Operation".

/// CR0.PE.
const PE: u64 = 1;
/// CR0.TS.
const TS: u64 = 1 << 3;
/// The bits that LMSW may write.
const STATUS: u64 = 0xf;

/// What MOV from CR0 or CR4 and SMSW show.
pub(crate) const fn shown(mask: u64, shadow: u64, register: u64) -> u64 {
    mask & shadow | !mask & register
}

/// Whether CLTS exits.
pub(crate) const fn clts_exits(mask: u64, shadow: u64) -> bool {
    mask & shadow & TS != 0
}

/// CR0 behind a CLTS that does not exit.
pub(crate) const fn clts(mask: u64, cr0: u64) -> u64 {
    if mask & TS != 0 { cr0 } else { cr0 & !TS }
}

/// Whether LMSW exits. It cannot clear PE, so that only setting it counts.
pub(crate) const fn lmsw_exits(mask: u64, shadow: u64, source: u64) -> bool {
    let sets_pe = mask & PE & source & !shadow != 0;
    sets_pe || mask & STATUS & !PE & (shadow ^ source) != 0
}

/// CR0 behind a LMSW that does not exit: bits that the mask names stay.
pub(crate) const fn lmsw(mask: u64, cr0: u64, source: u64) -> u64 {
    let writes = STATUS & !mask;
    cr0 & !(writes & !PE) | source & writes
}
