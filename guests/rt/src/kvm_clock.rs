//! KVM's clock: a structure in memory that the hypervisor fills, one for each processor, and a wall clock.
//!
//! Source: KVM, "KVM-specific MSRs".

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: LFENCE and RDTSC, which change nothing but output registers.

use crate::{clock, cpu::msr, mmio};
use core::{
    arch::asm,
    sync::atomic::{Ordering, compiler_fence},
};

pub mod convert;

/// KVM_WALL_CLOCK_NEW: takes the address of a structure of 12 bytes, and fills it at once.
pub const WALL_CLOCK: u32 = 0x4b56_4d00;
/// KVM_SYSTEM_TIME_NEW: takes the address of a structure of 32 bytes, and [`ENABLE`].
pub const SYSTEM_TIME: u32 = 0x4b56_4d01;
/// The former numbers of both, which CPUID tells by a bit of its own.
pub const FORMER_WALL_CLOCK: u32 = 0x11;
/// See [`FORMER_WALL_CLOCK`].
pub const FORMER_SYSTEM_TIME: u32 = 0x12;
/// Enables the clock.
pub const ENABLE: u64 = 1 << 0;
/// Bytes of `struct pvclock_vcpu_time_info`.
pub const SIZE: u64 = 32;
/// Bytes of `struct pvclock_wall_clock`.
pub const WALL_CLOCK_SIZE: u64 = 12;

/// Bits of the flags.
pub mod flag {
    /// Times of different processors compare.
    pub const STABLE: u8 = 1 << 0;
    /// The host has paused this processor.
    pub const PAUSED: u8 = 1 << 1;
}

/// The structure, as it stood with one even version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields of the structure")]
pub struct TimeInfo {
    pub version: u32,
    pub padding: u32,
    pub tsc_timestamp: u64,
    pub system_time: u64,
    pub multiplier: u32,
    pub shift: i8,
    pub flags: u8,
    pub padding_end: u16,
}

impl TimeInfo {
    /// The time in nanoseconds when the counter of this processor stood at `tsc`. A counter before the structure's own gives
    /// the structure's time.
    pub fn at(&self, tsc: u64) -> u64 {
        let passed = tsc.saturating_sub(self.tsc_timestamp);
        self.system_time.wrapping_add(convert::nanoseconds(passed, self.multiplier, self.shift))
    }
}

/// KVM's clock of the processor that made it, until this is dropped: there, and at CPL 0.
#[derive(Debug)]
pub struct Clock {
    address: u64,
}

impl Clock {
    /// Enables it, with its structure at this physical address, a multiple of 4 in memory that belongs to the case.
    ///
    /// # Errors
    /// The exception of WRMSR.
    pub fn enable(address: u64) -> Result<Self, crate::Exception> {
        msr::write(SYSTEM_TIME, address | ENABLE)?;
        Ok(Self { address })
    }

    /// Where its structure stands.
    pub fn address(&self) -> u64 {
        self.address
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // Nothing can be done about a refusal, and whoever enabled it has seen that the MSR exists.
        let _ = msr::write(SYSTEM_TIME, 0);
    }
}

/// How often [`read`] looks again while the hypervisor writes. It writes on the way into the guest, so that a processor
/// sees no more than one attempt of its own structure, and few of another's.
const ATTEMPTS: u32 = 1000;

/// The time-stamp counter behind all loads before it. For CPL 3: who interprets CPL 0 may not know LFENCE, and has no need
/// of it.
pub fn ordered_tsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: every processor in long mode has both; CR4.TSD is a case's, which then does not call this.
    unsafe { asm!("lfence", "rdtsc", out("eax") low, out("edx") high, options(nostack, preserves_flags)) };
    u64::from(high) << 32 | u64::from(low)
}

/// Reads a structure by its protocol: again, until its version is even and the same before and after. `None` if it never was.
pub fn read(address: u64) -> Option<TimeInfo> {
    read_with(address, clock::now).map(|(info, _)| info)
}

/// The same, and what `tsc` gave while the structure was that: [`clock::now`] at CPL 0, [`ordered_tsc`] at CPL 3.
pub fn read_with(address: u64, tsc: impl Fn() -> u64) -> Option<(TimeInfo, u64)> {
    for _ in 0..ATTEMPTS {
        let version = mmio::read_u32(address);
        compiler_fence(Ordering::SeqCst);
        let info = read_fields(address);
        let tsc = tsc();
        compiler_fence(Ordering::SeqCst);
        if version & 1 == 0 && mmio::read_u32(address) == version {
            return Some((TimeInfo { version, ..info }, tsc));
        }
        core::hint::spin_loop();
    }
    None
}

fn read_fields(address: u64) -> TimeInfo {
    let last = mmio::read_u64(address + 24);
    TimeInfo {
        version: 0,
        padding: mmio::read_u32(address + 4),
        tsc_timestamp: mmio::read_u64(address + 8),
        system_time: mmio::read_u64(address + 16),
        multiplier: last as u32,
        shift: (last >> 32) as i8,
        flags: (last >> 40) as u8,
        padding_end: (last >> 48) as u16,
    }
}
