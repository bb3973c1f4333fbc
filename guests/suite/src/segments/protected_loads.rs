//! Loads of segment registers in 32-bit protected mode: every type, S, DPL, P and RPL.

use super::{
    model::{lar, load_data, load_stack, lsl, verr, verw},
    rows::{NR_ROWS, extent, limit},
    walk::{self, NAMES, Span, expected, outcomes, values},
};
use rt::case;

const DATA_0: &[u32; NR_ROWS] = expected!(8, |selector, d| load_data(selector, Some(d), 0));
const DATA_3: &[u32; NR_ROWS] = expected!(8, |selector, d| load_data(selector, Some(d), 3));
const STACK_0: &[u32; NR_ROWS] = expected!(8, |selector, d| load_stack(selector, Some(d), 0, false));
const STACK_3: &[u32; NR_ROWS] = expected!(8, |selector, d| load_stack(selector, Some(d), 3, false));

/// MOV ES at CPL 0 takes readable segments whose DPL is not below CPL or RPL, and conforming code of any DPL.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Privilege Level Checking When Accessing Data Segments"), apm2("Data-Access Privilege Checks")])]
fn data_segments_at_cpl_0() {
    let site = rt::site!("MOV ES", NAMES, Outcome);
    outcomes(&walk::MOV_ES, 0, Span::ALL, site, DATA_0);
}

/// MOV SS at CPL 0 takes writable data whose DPL and selector's RPL are CPL.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Privilege Level Checking When Loading the SS Register"), apm2("Data-Access Privilege Checks")])]
fn stack_segments_at_cpl_0() {
    let site = rt::site!("MOV SS", NAMES, Outcome);
    outcomes(&walk::MOV_SS, 0, Span::ALL, site, STACK_0);
}

/// DS, FS and GS take at CPL 0 what ES takes.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Privilege Level Checking When Accessing Data Segments"), apm2("Data-Access Privilege Checks")])]
fn ds_fs_and_gs_at_cpl_0() {
    let site = rt::site!("MOV DS", NAMES, Outcome);
    outcomes(&walk::MOV_DS, 0, Span::SAMPLE, site, DATA_0);
    let site = rt::site!("MOV FS", NAMES, Outcome);
    outcomes(&walk::MOV_FS, 0, Span::SAMPLE, site, DATA_0);
    let site = rt::site!("MOV GS", NAMES, Outcome);
    outcomes(&walk::MOV_GS, 0, Span::SAMPLE, site, DATA_0);
}

/// POP into a segment register at CPL 0 takes what MOV takes.
#[case(feature = SegmentLoads, spec = [sdm2("POP—Pop a Value From the Stack"), sdm3a("Privilege Level Checking When Accessing Data Segments")])]
fn pop_at_cpl_0() {
    let site = rt::site!("POP ES", NAMES, Outcome);
    outcomes(&walk::POP_ES, 0, Span::SAMPLE, site, DATA_0);
    let site = rt::site!("POP DS", NAMES, Outcome);
    outcomes(&walk::POP_DS, 0, Span::SAMPLE, site, DATA_0);
    let site = rt::site!("POP FS", NAMES, Outcome);
    outcomes(&walk::POP_FS, 0, Span::SAMPLE, site, DATA_0);
    let site = rt::site!("POP SS", NAMES, Outcome);
    outcomes(&walk::POP_SS, 0, Span::SAMPLE, site, STACK_0);
}

/// Loads of far pointers at CPL 0 take what MOV takes.
#[case(feature = SegmentLoads, spec = [sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"), sdm3a("Privilege Level Checking When Accessing Data Segments")])]
fn far_pointers_at_cpl_0() {
    let site = rt::site!("LES", NAMES, Outcome);
    outcomes(&walk::LES, 0, Span::SAMPLE, site, DATA_0);
    let site = rt::site!("LDS", NAMES, Outcome);
    outcomes(&walk::LDS, 0, Span::SAMPLE, site, DATA_0);
    let site = rt::site!("LGS", NAMES, Outcome);
    outcomes(&walk::LGS, 0, Span::SAMPLE, site, DATA_0);
    let site = rt::site!("LSS", NAMES, Outcome);
    outcomes(&walk::LSS, 0, Span::SAMPLE, site, STACK_0);
}

/// MOV ES at CPL 3 takes readable segments whose DPL is not below CPL or RPL, and conforming code of any DPL.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Privilege Level Checking When Accessing Data Segments"), apm2("Data-Access Privilege Checks")])]
fn data_segments_at_cpl_3() {
    let site = rt::site!("MOV ES", NAMES, Outcome);
    outcomes(&walk::MOV_ES, 3, Span::ALL, site, DATA_3);
}

/// MOV SS at CPL 3 takes writable data whose DPL and selector's RPL are CPL.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Privilege Level Checking When Loading the SS Register"), apm2("Data-Access Privilege Checks")])]
fn stack_segments_at_cpl_3() {
    let site = rt::site!("MOV SS", NAMES, Outcome);
    outcomes(&walk::MOV_SS, 3, Span::ALL, site, STACK_3);
}

/// DS, FS and GS take at CPL 3 what ES takes.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Privilege Level Checking When Accessing Data Segments"), apm2("Data-Access Privilege Checks")])]
fn ds_fs_and_gs_at_cpl_3() {
    let site = rt::site!("MOV DS", NAMES, Outcome);
    outcomes(&walk::MOV_DS, 3, Span::SAMPLE, site, DATA_3);
    let site = rt::site!("MOV FS", NAMES, Outcome);
    outcomes(&walk::MOV_FS, 3, Span::SAMPLE, site, DATA_3);
    let site = rt::site!("MOV GS", NAMES, Outcome);
    outcomes(&walk::MOV_GS, 3, Span::SAMPLE, site, DATA_3);
}

/// POP into a segment register at CPL 3 takes what MOV takes.
#[case(feature = SegmentLoads, spec = [sdm2("POP—Pop a Value From the Stack"), sdm3a("Privilege Level Checking When Accessing Data Segments")])]
fn pop_at_cpl_3() {
    let site = rt::site!("POP ES", NAMES, Outcome);
    outcomes(&walk::POP_ES, 3, Span::SAMPLE, site, DATA_3);
    let site = rt::site!("POP DS", NAMES, Outcome);
    outcomes(&walk::POP_DS, 3, Span::SAMPLE, site, DATA_3);
    let site = rt::site!("POP FS", NAMES, Outcome);
    outcomes(&walk::POP_FS, 3, Span::SAMPLE, site, DATA_3);
    let site = rt::site!("POP SS", NAMES, Outcome);
    outcomes(&walk::POP_SS, 3, Span::SAMPLE, site, STACK_3);
}

/// Loads of far pointers at CPL 3 take what MOV takes.
#[case(feature = SegmentLoads, spec = [sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"), sdm3a("Privilege Level Checking When Accessing Data Segments")])]
fn far_pointers_at_cpl_3() {
    let site = rt::site!("LES", NAMES, Outcome);
    outcomes(&walk::LES, 3, Span::SAMPLE, site, DATA_3);
    let site = rt::site!("LDS", NAMES, Outcome);
    outcomes(&walk::LDS, 3, Span::SAMPLE, site, DATA_3);
    let site = rt::site!("LGS", NAMES, Outcome);
    outcomes(&walk::LGS, 3, Span::SAMPLE, site, DATA_3);
    let site = rt::site!("LSS", NAMES, Outcome);
    outcomes(&walk::LSS, 3, Span::SAMPLE, site, STACK_3);
}

const LAR_0: &[u32; NR_ROWS] = expected!(8, |selector, d| if lar(selector, d, 0, false) {
    let granularity = if extent(d).1 { 0xc0_0000 } else { 0 };
    granularity | d.access() << 8 | 1
} else {
    0
});
const LSL_0: &[u32; NR_ROWS] = expected!(8, |selector, d| if lsl(selector, d, 0, false) { limit(d) } else { 0 });
const VERR_0: &[u32; NR_ROWS] = expected!(8, |selector, d| verr(selector, d, 0) as u32);
const VERW_0: &[u32; NR_ROWS] = expected!(8, |selector, d| verw(selector, d, 0) as u32);

/// LAR at CPL 0 loads the access rights of visible segments and of five kinds of gates and tasks, whether present or not.
#[case(feature = SegmentTables, spec = [sdm2("LAR—Load Access Rights Byte"), apm3("LAR")])]
fn load_access_rights_at_cpl_0() {
    let site = rt::site!("LAR, bit 0 is ZF", NAMES, Hex);
    values(&walk::LAR, 0, Span::ALL, site, LAR_0);
}

/// LSL at CPL 0 loads the limit in bytes of visible segments, of LDTs and of tasks.
#[case(feature = SegmentTables, spec = [sdm2("LSL—Load Segment Limit"), apm3("LSL")])]
fn load_segment_limit_at_cpl_0() {
    let site = rt::site!("LSL", NAMES, Hex);
    values(&walk::LSL, 0, Span::ALL, site, LSL_0);
}

/// VERR and VERW at CPL 0 set ZF for visible segments that can be read or written.
#[case(feature = SegmentTables, spec = [sdm2("VERR/VERW—Verify a Segment for Reading or Writing"), apm3("VERR"), apm3("VERW")])]
fn verify_at_cpl_0() {
    let site = rt::site!("VERR", NAMES, Hex);
    values(&walk::VERR, 0, Span::rpl(0), site, VERR_0);
    let site = rt::site!("VERW", NAMES, Hex);
    values(&walk::VERW, 0, Span::rpl(0), site, VERW_0);
    let site = rt::site!("VERR", NAMES, Hex);
    values(&walk::VERR, 0, Span::rpl(3), site, VERR_0);
    let site = rt::site!("VERW", NAMES, Hex);
    values(&walk::VERW, 0, Span::rpl(2), site, VERW_0);
}

const LAR_3: &[u32; NR_ROWS] = expected!(8, |selector, d| if lar(selector, d, 3, false) {
    let granularity = if extent(d).1 { 0xc0_0000 } else { 0 };
    granularity | d.access() << 8 | 1
} else {
    0
});
const LSL_3: &[u32; NR_ROWS] = expected!(8, |selector, d| if lsl(selector, d, 3, false) { limit(d) } else { 0 });
const VERR_3: &[u32; NR_ROWS] = expected!(8, |selector, d| verr(selector, d, 3) as u32);
const VERW_3: &[u32; NR_ROWS] = expected!(8, |selector, d| verw(selector, d, 3) as u32);

/// LAR at CPL 3 loads the access rights of visible segments and of five kinds of gates and tasks, whether present or not.
#[case(feature = SegmentTables, spec = [sdm2("LAR—Load Access Rights Byte"), apm3("LAR")])]
fn load_access_rights_at_cpl_3() {
    let site = rt::site!("LAR, bit 0 is ZF", NAMES, Hex);
    values(&walk::LAR, 3, Span::ALL, site, LAR_3);
}

/// LSL at CPL 3 loads the limit in bytes of visible segments, of LDTs and of tasks.
#[case(feature = SegmentTables, spec = [sdm2("LSL—Load Segment Limit"), apm3("LSL")])]
fn load_segment_limit_at_cpl_3() {
    let site = rt::site!("LSL", NAMES, Hex);
    values(&walk::LSL, 3, Span::ALL, site, LSL_3);
}

/// VERR and VERW at CPL 3 set ZF for visible segments that can be read or written.
#[case(feature = SegmentTables, spec = [sdm2("VERR/VERW—Verify a Segment for Reading or Writing"), apm3("VERR"), apm3("VERW")])]
fn verify_at_cpl_3() {
    let site = rt::site!("VERR", NAMES, Hex);
    values(&walk::VERR, 3, Span::rpl(0), site, VERR_3);
    let site = rt::site!("VERW", NAMES, Hex);
    values(&walk::VERW, 3, Span::rpl(0), site, VERW_3);
    let site = rt::site!("VERR", NAMES, Hex);
    values(&walk::VERR, 3, Span::rpl(3), site, VERR_3);
    let site = rt::site!("VERW", NAMES, Hex);
    values(&walk::VERW, 3, Span::rpl(2), site, VERW_3);
}
