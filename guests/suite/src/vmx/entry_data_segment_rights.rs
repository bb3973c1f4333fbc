//! Entries check access rights of guest data segments.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, data_segment_rights},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryGuestState;
    /// Entries refuse a type of DS that is none of accessed segments that can be read.
    entry_checks_guest_ds_type data_segment_rights::DS_TYPE;
    /// Entries refuse a usable DS with reserved bits in its access rights.
    entry_checks_guest_ds_reserved data_segment_rights::DS_RESERVED;
    /// Entries refuse a usable DS that is a system segment.
    entry_checks_guest_ds_s data_segment_rights::DS_S;
    /// Entries refuse a usable DS that is not present.
    entry_checks_guest_ds_p data_segment_rights::DS_P;
    /// Other access rights of an unusable DS are not checked.
    entry_checks_guest_ds_unusable data_segment_rights::DS_UNUSABLE;
    /// Entries refuse a type of ES that is none of accessed segments that can be read.
    entry_checks_guest_es_type data_segment_rights::ES_TYPE;
    /// Entries refuse a usable ES with reserved bits in its access rights.
    entry_checks_guest_es_reserved data_segment_rights::ES_RESERVED;
    /// Entries refuse a usable ES that is a system segment.
    entry_checks_guest_es_s data_segment_rights::ES_S;
    /// Entries refuse a usable ES that is not present.
    entry_checks_guest_es_p data_segment_rights::ES_P;
    /// Other access rights of an unusable ES are not checked.
    entry_checks_guest_es_unusable data_segment_rights::ES_UNUSABLE;
    /// Entries refuse a type of FS that is none of accessed segments that can be read.
    entry_checks_guest_fs_type data_segment_rights::FS_TYPE;
    /// Entries refuse a usable FS with reserved bits in its access rights.
    entry_checks_guest_fs_reserved data_segment_rights::FS_RESERVED;
    /// Entries refuse a usable FS that is a system segment.
    entry_checks_guest_fs_s data_segment_rights::FS_S;
    /// Entries refuse a usable FS that is not present.
    entry_checks_guest_fs_p data_segment_rights::FS_P;
    /// Other access rights of an unusable FS are not checked.
    entry_checks_guest_fs_unusable data_segment_rights::FS_UNUSABLE;
    /// Entries refuse a type of GS that is none of accessed segments that can be read.
    entry_checks_guest_gs_type data_segment_rights::GS_TYPE;
    /// Entries refuse a usable GS with reserved bits in its access rights.
    entry_checks_guest_gs_reserved data_segment_rights::GS_RESERVED;
    /// Entries refuse a usable GS that is a system segment.
    entry_checks_guest_gs_s data_segment_rights::GS_S;
    /// Entries refuse a usable GS that is not present.
    entry_checks_guest_gs_p data_segment_rights::GS_P;
    /// Other access rights of an unusable GS are not checked.
    entry_checks_guest_gs_unusable data_segment_rights::GS_UNUSABLE;
    /// Entries refuse a usable DS whose DPL is below its RPL, unless it is conforming code.
    entry_checks_guest_ds_dpl data_segment_rights::DS_DPL;
    /// Entries refuse a usable ES whose DPL is below its RPL, unless it is conforming code.
    entry_checks_guest_es_dpl data_segment_rights::ES_DPL;
    /// Entries refuse a usable FS whose DPL is below its RPL, unless it is conforming code.
    entry_checks_guest_fs_dpl data_segment_rights::FS_DPL;
    /// Entries refuse a usable GS whose DPL is below its RPL, unless it is conforming code.
    entry_checks_guest_gs_dpl data_segment_rights::GS_DPL;
}
