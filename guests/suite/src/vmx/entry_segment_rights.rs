//! Entries check guest segment access rights.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, segment_rights},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryGuestState;
    /// Entries refuse a type of CS that is none of accessed code.
    entry_checks_guest_cs_type segment_rights::CS_TYPE;
    /// Entries refuse a usable CS with reserved bits in its access rights.
    entry_checks_guest_cs_reserved segment_rights::CS_RESERVED;
    /// Entries refuse a usable CS that is a system segment.
    entry_checks_guest_cs_s segment_rights::CS_S;
    /// Entries refuse a usable CS that is not present.
    entry_checks_guest_cs_p segment_rights::CS_P;
    /// Entries refuse a type of SS that is none of accessed data that can be written.
    entry_checks_guest_ss_type segment_rights::SS_TYPE;
    /// Entries refuse a usable SS with reserved bits in its access rights.
    entry_checks_guest_ss_reserved segment_rights::SS_RESERVED;
    /// Entries refuse a usable SS that is a system segment.
    entry_checks_guest_ss_s segment_rights::SS_S;
    /// Entries refuse a usable SS that is not present.
    entry_checks_guest_ss_p segment_rights::SS_P;
    /// Other access rights of an unusable SS are not checked.
    entry_checks_guest_ss_unusable segment_rights::SS_UNUSABLE;
    /// Access rights of CS are checked although it is unusable.
    entry_checks_guest_cs_unusable_type segment_rights::CS_UNUSABLE_TYPE;
    /// In IA-32e mode entries refuse a CS with both L and D.
    entry_checks_guest_cs_default_size segment_rights::CS_DEFAULT_SIZE;
    /// Entries refuse a CS that does not conform with another DPL than SS, and one that conforms with a higher one.
    entry_checks_guest_cs_dpl segment_rights::CS_DPL;
    /// Entries refuse an SS with another DPL than RPL.
    entry_checks_guest_ss_dpl segment_rights::SS_DPL;
    /// At CPL 3 a conforming CS may have any DPL, and another must have that of SS.
    entry_checks_guest_conforming_cs_dpl segment_rights::CONFORMING_CS_DPL;
    /// In IA-32e mode entries refuse a TR that is no busy 64-bit TSS.
    entry_checks_guest_tr_type segment_rights::TR_TYPE;
    /// Entries refuse a TR with reserved bits in its access rights.
    entry_checks_guest_tr_reserved segment_rights::TR_RESERVED;
    /// Entries refuse a TR that is no system segment, not present or unusable.
    entry_checks_guest_tr_s_p_and_unusable segment_rights::TR_S_P_AND_UNUSABLE;
    /// Entries refuse a usable LDTR that is no LDT.
    entry_checks_guest_ldtr_type segment_rights::LDTR_TYPE;
    /// Entries refuse a usable LDTR with reserved bits in its access rights.
    entry_checks_guest_ldtr_reserved segment_rights::LDTR_RESERVED;
    /// Entries refuse a usable LDTR that is no system segment or not present.
    entry_checks_guest_ldtr_s_and_p segment_rights::LDTR_S_AND_P;
    /// Other access rights of an unusable LDTR are not checked.
    entry_checks_guest_ldtr_unusable segment_rights::LDTR_UNUSABLE;
}
