//! Entries check guest segments by mode.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, segments_by_mode},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryGuestState;
    /// In virtual-8086 mode entries refuse a base of ES other than 16 times the selector.
    entry_checks_guest_es_base_virtual_8086 segments_by_mode::ES_BASE_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a limit of ES other than FFFFH.
    entry_checks_guest_es_limit_virtual_8086 segments_by_mode::ES_LIMIT_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse access rights of ES other than F3H.
    entry_checks_guest_es_rights_virtual_8086 segments_by_mode::ES_RIGHTS_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a base of CS other than 16 times the selector.
    entry_checks_guest_cs_base_virtual_8086 segments_by_mode::CS_BASE_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a limit of CS other than FFFFH.
    entry_checks_guest_cs_limit_virtual_8086 segments_by_mode::CS_LIMIT_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse access rights of CS other than F3H.
    entry_checks_guest_cs_rights_virtual_8086 segments_by_mode::CS_RIGHTS_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a base of SS other than 16 times the selector.
    entry_checks_guest_ss_base_virtual_8086 segments_by_mode::SS_BASE_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a limit of SS other than FFFFH.
    entry_checks_guest_ss_limit_virtual_8086 segments_by_mode::SS_LIMIT_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse access rights of SS other than F3H.
    entry_checks_guest_ss_rights_virtual_8086 segments_by_mode::SS_RIGHTS_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a base of DS other than 16 times the selector.
    entry_checks_guest_ds_base_virtual_8086 segments_by_mode::DS_BASE_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a limit of DS other than FFFFH.
    entry_checks_guest_ds_limit_virtual_8086 segments_by_mode::DS_LIMIT_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse access rights of DS other than F3H.
    entry_checks_guest_ds_rights_virtual_8086 segments_by_mode::DS_RIGHTS_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a base of FS other than 16 times the selector.
    entry_checks_guest_fs_base_virtual_8086 segments_by_mode::FS_BASE_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a limit of FS other than FFFFH.
    entry_checks_guest_fs_limit_virtual_8086 segments_by_mode::FS_LIMIT_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse access rights of FS other than F3H.
    entry_checks_guest_fs_rights_virtual_8086 segments_by_mode::FS_RIGHTS_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a base of GS other than 16 times the selector.
    entry_checks_guest_gs_base_virtual_8086 segments_by_mode::GS_BASE_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a limit of GS other than FFFFH.
    entry_checks_guest_gs_limit_virtual_8086 segments_by_mode::GS_LIMIT_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse access rights of GS other than F3H.
    entry_checks_guest_gs_rights_virtual_8086 segments_by_mode::GS_RIGHTS_VIRTUAL_8086;
    /// In virtual-8086 mode entries refuse a CS whose selector is not a sixteenth of its base.
    entry_checks_guest_selectors_virtual_8086 segments_by_mode::SELECTORS_VIRTUAL_8086;
    /// Outside of IA-32e mode entries refuse a TR that is no busy TSS of 16 or 32 bits.
    entry_checks_guest_tr_type_protected segments_by_mode::TR_TYPE_PROTECTED;
    /// Outside of IA-32e mode L and D of CS are free.
    entry_checks_guest_cs_l_and_d_protected segments_by_mode::CS_L_AND_D_PROTECTED;
    /// In real mode CS may be data of type 3 beside accessed code.
    entry_checks_guest_cs_type_real segments_by_mode::CS_TYPE_REAL, VMX_UNRESTRICTED;
    /// Entries refuse a CS of type 3 with a DPL other than 0.
    entry_checks_guest_cs_dpl_real segments_by_mode::CS_DPL_REAL, VMX_UNRESTRICTED;
    /// In real mode entries refuse an SS with a DPL other than 0.
    entry_checks_guest_ss_dpl_real segments_by_mode::SS_DPL_REAL, VMX_UNRESTRICTED;
    /// CS of an unrestricted guest may be data of type 3 beside accessed code.
    entry_checks_guest_cs_type_unpaged segments_by_mode::CS_TYPE_UNPAGED, VMX_UNRESTRICTED;
    /// With a CS of type 3 entries refuse an SS with a DPL other than 0.
    entry_checks_guest_ss_dpl_unpaged segments_by_mode::SS_DPL_UNPAGED, VMX_UNRESTRICTED;
    /// The RPL of DS is not compared with its DPL for an unrestricted guest.
    entry_checks_guest_ds_dpl_unpaged segments_by_mode::DS_DPL_UNPAGED, VMX_UNRESTRICTED;
}
