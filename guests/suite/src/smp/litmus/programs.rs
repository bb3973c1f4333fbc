//! The programs, once: as data for the model, and as instructions for CPL 3.
//!
//! `w x 1` stores 1 at x; `r a y` loads y into register a; `xchg a x 1` does both, locked; `mfence` is a fence. The names
//! are those of the literature (Sewell et al., "x86-TSO"; Alglave et al., "Herding Cats"), those with digits and a dot
//! are the examples of the SDM's section "Examples Illustrating the Memory-Ordering Principles".

/// Calls a macro with all programs.
macro_rules! programs {
    ($callback:ident) => {
        $callback! {
            "SB": sb_0 [w x 1] [r a y]; sb_1 [w y 1] [r a x];
            "SB with MFENCE": sbm_0 [w x 1] [mfence] [r a y]; sbm_1 [w y 1] [mfence] [r a x];
            "SB with one MFENCE": sbo_0 [w x 1] [mfence] [r a y]; sbo_1 [w y 1] [r a x];
            "SB with XCHG": sbx_0 [xchg b x 1] [r a y]; sbx_1 [xchg b y 1] [r a x];
            "SB with XCHG elsewhere": sbz_0 [w x 1] [xchg b z 1] [r a y]; sbz_1 [w y 1] [xchg b z 2] [r a x];
            "MP": mp_0 [w x 1] [w y 1]; mp_1 [r a y] [r b x];
            "MP with XCHG": mpx_0 [w x 1] [xchg a y 1]; mpx_1 [r a y] [r b x];
            "LB": lb_0 [r a x] [w y 1]; lb_1 [r a y] [w x 1];
            "S": s_0 [w x 2] [w y 1]; s_1 [r a y] [w x 1];
            "R": r_0 [w x 1] [w y 1]; r_1 [w y 2] [r a x];
            "R with MFENCE": rm_0 [w x 1] [mfence] [w y 1]; rm_1 [w y 2] [mfence] [r a x];
            "2+2W": ww_0 [w x 1] [w y 2]; ww_1 [w y 1] [w x 2];
            "CoRR": corr_0 [w x 1]; corr_1 [r a x] [r b x];
            "CoRW": corw_0 [w x 1]; corw_1 [r a x] [w x 2] [r b x];
            "CoWR": cowr_0 [w x 1] [r a x]; cowr_1 [w x 2] [r a x];
            "CoWW": coww_0 [w x 1] [w x 2]; coww_1 [r a x] [r b x];
            "8.2.3.5, forwarding": fw_0 [w x 1] [r a x] [r b y]; fw_1 [w y 1] [r a y] [r b x];
            "n6": nsix_0 [w x 1] [r a x] [r b y]; nsix_1 [w y 1] [w x 2];
            "n5": nfive_0 [w x 1] [r a x]; nfive_1 [w x 2] [r a x];
            "n4b": nfour_0 [r a x] [w x 1]; nfour_1 [r a x] [w x 2];
            "XCHG, two of them": xx_0 [xchg a x 1] [r b x]; xx_1 [xchg a x 2] [r b x];
            "WRC": wrc_0 [w x 1]; wrc_1 [r a x] [w y 1]; wrc_2 [r a y] [r b x];
            "RWC": rwc_0 [w x 1]; rwc_1 [r a x] [r b y]; rwc_2 [w y 1] [r a x];
            "RWC with MFENCE": rwm_0 [w x 1]; rwm_1 [r a x] [r b y]; rwm_2 [w y 1] [mfence] [r a x];
            "ISA2": isa_0 [w x 1] [w y 1]; isa_1 [r a y] [w z 1]; isa_2 [r a z] [r b x];
            "Z6.3": zsix_0 [w x 1] [w y 1]; zsix_1 [w y 2] [w z 1]; zsix_2 [r a z] [r b x];
            "W+RWC": wrw_0 [w x 1] [w z 1]; wrw_1 [r a z] [r b y]; wrw_2 [w y 1] [r a x];
            "WWC": wwc_0 [w x 2]; wwc_1 [r a x] [w y 1]; wwc_2 [r a y] [w x 1];
            "3.SB": sbt_0 [w x 1] [r a y]; sbt_1 [w y 1] [r a z]; sbt_2 [w z 1] [r a x];
            "3.SB with MFENCE": stm_0 [w x 1] [mfence] [r a y]; stm_1 [w y 1] [mfence] [r a z];
                stm_2 [w z 1] [mfence] [r a x];
            "3.2W": tww_0 [w x 2] [w y 1]; tww_1 [w y 2] [w z 1]; tww_2 [w z 2] [w x 1];
            "3.LB": tlb_0 [r a x] [w y 1]; tlb_1 [r a y] [w z 1]; tlb_2 [r a z] [w x 1];
            "IRIW": iriw_0 [w x 1]; iriw_1 [w y 1]; iriw_2 [r a x] [r b y]; iriw_3 [r a y] [r b x];
            "IRIW of one location": ico_0 [w x 1]; ico_1 [w x 2]; ico_2 [r a x] [r b x]; ico_3 [r a x] [r b x];
            "IRIW with XCHG": irx_0 [xchg a x 1]; irx_1 [xchg a y 1]; irx_2 [r a x] [r b y]; irx_3 [r a y] [r b x];
            "IRRWIW": irrw_0 [w x 2]; irrw_1 [r a x] [r b y]; irrw_2 [w y 1]; irrw_3 [r a y] [w x 1];
        }
    };
}
pub(crate) use programs;

/// A location's number.
macro_rules! location {
    (x) => {
        0
    };
    (y) => {
        1
    };
    (z) => {
        2
    };
}

/// A register's number.
macro_rules! register {
    (a) => {
        0
    };
    (b) => {
        1
    };
}

/// An instruction, as data.
macro_rules! op {
    (w $at:ident $value:literal) => {
        Op::Write(location!($at), $value)
    };
    (r $to:ident $at:ident) => {
        Op::Read(register!($to), location!($at))
    };
    (xchg $to:ident $at:ident $value:literal) => {
        Op::Exchange(register!($to), location!($at), $value)
    };
    (mfence) => {
        Op::Fence
    };
}

use super::model::{Op, Threads};

macro_rules! as_data {
    ($($name:literal: $($thread:ident $([$($op:tt)+])+;)+)+) => {
        /// Name and threads of each program.
        pub(crate) const PROGRAMS: &[(&str, &Threads)] = &[$(($name, &[$(&[$(op!($($op)+)),+]),+])),+];
    };
}

programs!(as_data);
