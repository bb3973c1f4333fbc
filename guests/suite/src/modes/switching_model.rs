//! What programs find that go from mode to mode, and what refused values of CR0 leave.
//!
//! Sources: SDM vol. 3A, "Switching to Protected Mode", "Switching Back to Real-Address Mode"; SDM vol. 2, "MOV—Move
//! to/from Control Registers", "LMSW—Load Machine Status Word".

use super::{
    columns::columns,
    runtime::{
        Outcome,
        excursion::{ARENA_SEGMENT, tables::selector},
    },
};

/// Bits of CR4 that mean nothing to these programs: DE and OSXMMEXCPT.
pub(crate) const CR4: u32 = 1 << 3 | 1 << 10;
/// ESI and EBP, which the programs do not touch.
pub(crate) const KEPT: [u32; 2] = [0xaaaa_bbbb, 0xcccc_dddd];
/// EBX, which they set first.
pub(crate) const SET: u32 = 0x1111_2222;
const PG_NW: u64 = 1 << 31 | 1 << 29;

columns! {
    /// What a program finds that has gone through several modes.
    Chain { outcome, ebx, esi, ebp, esp, cr4, pe = 1, is_real }
    /// What a program finds in one mode behind another.
    Behind { first, second, eax, esp, cs = 0xffff }
    /// What a refused value of CR0 leaves.
    Refused { outcome, ip, pg_nw = PG_NW, pe = 1 }
    /// What LMSW makes of CR0.
    Lmsw { outcome, cr0 }
    /// What is read through segments whose registers keep what real mode loaded.
    Cached { outcome, ds, es, real }
}

/// CS in 16-bit, 32-bit, 16-bit protected mode and real mode.
pub(crate) const CODES: [u32; 4] =
    [selector::CODE_16 as u32, selector::CODE_32 as u32, selector::CODE_16 as u32, ARENA_SEGMENT];

/// The program's end is reached in real mode or in protected mode, with `esp` as it was or as the program set it.
pub(crate) const fn chain(esp: u32, ends_in_real_mode: bool) -> Chain {
    Chain {
        outcome: Outcome::COMPLETED.0,
        ebx: SET as u64,
        esi: KEPT[0] as u64,
        ebp: KEPT[1] as u64,
        esp: esp as u64,
        cr4: CR4 as u64,
        pe: !ends_in_real_mode as u64,
        is_real: ends_in_real_mode as u64,
    }
}

/// The second program finds its own stack and code segment, whatever ran before.
pub(crate) const fn behind(esp: u32, cs: u32) -> Behind {
    let done = Outcome::COMPLETED.0;
    Behind { first: done, second: done, eax: SET as u64, esp: esp as u64, cs: cs as u64 }
}

/// #GP(0) at the first instruction; PG and NW are still clear, PE is as it was.
pub(crate) const fn refused(ip: u32, pe: u32) -> Refused {
    Refused { outcome: Outcome::GP.0, ip: ip as u64, pg_nw: 0, pe: pe as u64 }
}

/// LMSW of CR0 with its low four bits clear: PE stays; MP, EM and TS are cleared; nothing else changes.
pub(crate) const fn lmsw(before: u32) -> Lmsw {
    Lmsw { outcome: Outcome::COMPLETED.0, cr0: (before & !0xe | 1) as u64 }
}

/// `value` is read through DS and ES with PE set, and through DS with PE clear again.
pub(crate) const fn cached(value: u32) -> Cached {
    Cached { outcome: Outcome::COMPLETED.0, ds: value as u64, es: value as u64, real: value as u64 }
}
