//! Entries check guest segment selectors and bases.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, segments},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryGuestState;
    /// Entries refuse a TR selector that refers to the LDT.
    entry_checks_guest_tr_selector segments::TR_SELECTOR;
    /// Entries refuse an LDTR selector that refers to the LDT, if it is usable.
    entry_checks_guest_ldtr_selector segments::LDTR_SELECTOR;
    /// The selector of an unusable LDTR is not checked.
    entry_checks_guest_ldtr_selector_unusable segments::LDTR_SELECTOR_UNUSABLE;
    /// Entries refuse an SS with another RPL than CS.
    entry_checks_guest_ss_rpl segments::SS_RPL;
    /// Entries refuse a selector of usable DS whose RPL is above its DPL; no other bit is checked.
    entry_checks_guest_ds_selector segments::DS_SELECTOR;
    /// Entries refuse a selector of usable ES whose RPL is above its DPL; no other bit is checked.
    entry_checks_guest_es_selector segments::ES_SELECTOR;
    /// No bit of the selector of the guest's FS is checked in 64-bit mode.
    entry_checks_guest_fs_selector segments::FS_SELECTOR;
    /// No bit of the selector of the guest's GS is checked in 64-bit mode.
    entry_checks_guest_gs_selector segments::GS_SELECTOR;
    /// Entries refuse a base of CS above 4 GiB.
    entry_checks_guest_cs_base segments::CS_BASE;
    /// Entries refuse a base of the guest's usable SS above 4 GiB.
    entry_checks_guest_ss_base segments::SS_BASE;
    /// The base of an unusable SS is not checked.
    entry_checks_guest_ss_base_unusable segments::SS_BASE_UNUSABLE;
    /// Entries refuse a base of the guest's usable DS above 4 GiB.
    entry_checks_guest_ds_base segments::DS_BASE;
    /// The base of an unusable DS is not checked.
    entry_checks_guest_ds_base_unusable segments::DS_BASE_UNUSABLE;
    /// Entries refuse a base of the guest's usable ES above 4 GiB.
    entry_checks_guest_es_base segments::ES_BASE;
    /// The base of an unusable ES is not checked.
    entry_checks_guest_es_base_unusable segments::ES_BASE_UNUSABLE;
    /// Entries refuse a base of the guest's FS that is not canonical.
    entry_checks_guest_fs_base segments::FS_BASE;
    /// Entries refuse a base of the guest's GS that is not canonical.
    entry_checks_guest_gs_base segments::GS_BASE;
    /// Entries refuse a base of the guest's TR that is not canonical.
    entry_checks_guest_tr_base segments::TR_BASE;
    /// Entries refuse a base of the guest's LDTR that is not canonical.
    entry_checks_guest_ldtr_base segments::LDTR_BASE;
    /// The base of an unusable LDTR is not checked.
    entry_checks_guest_ldtr_base_unusable segments::LDTR_BASE_UNUSABLE;
    /// The RPL of SS is not checked of an unrestricted guest.
    entry_checks_guest_ss_rpl_unrestricted segments::SS_RPL_UNRESTRICTED, VMX_UNRESTRICTED;
}
