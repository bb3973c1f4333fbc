//! Entries check guest segment limits.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, segment_limits},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryGuestState;
    /// With G, bits 11:0 of the limit of CS must be 1.
    entry_checks_guest_cs_granularity segment_limits::CS_GRANULARITY;
    /// Without G, bits 31:20 of the limit of CS must be 0.
    entry_checks_guest_cs_bytes segment_limits::CS_BYTES;
    /// With G, bits 11:0 of the limit of SS must be 1.
    entry_checks_guest_ss_granularity segment_limits::SS_GRANULARITY;
    /// Without G, bits 31:20 of the limit of SS must be 0.
    entry_checks_guest_ss_bytes segment_limits::SS_BYTES;
    /// With G, bits 11:0 of the limit of DS must be 1.
    entry_checks_guest_ds_granularity segment_limits::DS_GRANULARITY;
    /// Without G, bits 31:20 of the limit of DS must be 0.
    entry_checks_guest_ds_bytes segment_limits::DS_BYTES;
    /// With G, bits 11:0 of the limit of ES must be 1.
    entry_checks_guest_es_granularity segment_limits::ES_GRANULARITY;
    /// Without G, bits 31:20 of the limit of ES must be 0.
    entry_checks_guest_es_bytes segment_limits::ES_BYTES;
    /// With G, bits 11:0 of the limit of FS must be 1.
    entry_checks_guest_fs_granularity segment_limits::FS_GRANULARITY;
    /// Without G, bits 31:20 of the limit of FS must be 0.
    entry_checks_guest_fs_bytes segment_limits::FS_BYTES;
    /// With G, bits 11:0 of the limit of GS must be 1.
    entry_checks_guest_gs_granularity segment_limits::GS_GRANULARITY;
    /// Without G, bits 31:20 of the limit of GS must be 0.
    entry_checks_guest_gs_bytes segment_limits::GS_BYTES;
    /// With G, bits 11:0 of the limit of TR must be 1.
    entry_checks_guest_tr_granularity segment_limits::TR_GRANULARITY;
    /// Without G, bits 31:20 of the limit of TR must be 0.
    entry_checks_guest_tr_bytes segment_limits::TR_BYTES;
    /// With G, bits 11:0 of the limit of LDTR must be 1.
    entry_checks_guest_ldtr_granularity segment_limits::LDTR_GRANULARITY;
    /// Without G, bits 31:20 of the limit of LDTR must be 0.
    entry_checks_guest_ldtr_bytes segment_limits::LDTR_BYTES;
}
