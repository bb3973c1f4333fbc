//! Entries check guest non-register state and PDPTEs.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, state},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryGuestState;
    /// Entries refuse an activity state that there is not.
    entry_checks_guest_activity state::ACTIVITY, VMX_ACTIVITY_HLT;
    /// Entries refuse the activity state HLT at a CPL other than 0.
    entry_checks_guest_hlt_at_cpl_3 state::HLT_AT_CPL_3, VMX_ACTIVITY_HLT;
    /// With blocking by STI entries refuse any activity state but active.
    entry_checks_guest_activity_with_blocking_by_sti state::ACTIVITY_WITH_BLOCKING_BY_STI, VMX_ACTIVITY_HLT;
    /// With blocking by MOV SS entries refuse any activity state but active.
    entry_checks_guest_activity_with_blocking_by_mov_ss state::ACTIVITY_WITH_BLOCKING_BY_MOV_SS, VMX_ACTIVITY_HLT;
    /// In the activity state HLT entries refuse events that do not end it.
    entry_checks_guest_events_in_hlt state::EVENTS_IN_HLT, VMX_ACTIVITY_HLT;
    /// In the activity state shutdown entries refuse events other than NMI and machine check.
    entry_checks_guest_events_in_shutdown state::EVENTS_IN_SHUTDOWN, VMX_ACTIVITY_SHUTDOWN;
    /// In the activity state wait-for-SIPI entries refuse every event.
    entry_checks_guest_events_in_wait_for_sipi state::EVENTS_IN_WAIT_FOR_SIPI, VMX_ACTIVITY_WAIT;
    /// Entries refuse an interruptibility state with reserved bits.
    entry_checks_guest_interruptibility_reserved state::INTERRUPTIBILITY_RESERVED;
    /// Entries refuse blocking by STI and by MOV SS at once.
    entry_checks_guest_blocking_by_sti_and_mov_ss state::BLOCKING_BY_STI_AND_MOV_SS;
    /// Entries refuse blocking by STI while RFLAGS.IF is 0.
    entry_checks_guest_blocking_by_sti_without_if state::BLOCKING_BY_STI_WITHOUT_IF;
    /// Entries refuse blocking by SMI outside of SMM.
    entry_checks_guest_blocking_by_smi state::BLOCKING_BY_SMI;
    /// Entries refuse to inject an external interrupt that STI or MOV SS blocks.
    entry_checks_guest_external_interrupt_while_blocked state::EXTERNAL_INTERRUPT_WHILE_BLOCKED;
    /// Entries refuse to inject an NMI that MOV SS blocks.
    entry_checks_guest_nmi_while_blocked_by_mov_ss state::NMI_WHILE_BLOCKED_BY_MOV_SS;
    /// With virtual NMIs entries refuse to inject an NMI that an NMI blocks.
    entry_checks_guest_virtual_nmi_while_blocked state::VIRTUAL_NMI_WHILE_BLOCKED, VMX_VIRTUAL_NMI;
    /// Entries refuse an enclave interruption together with blocking by MOV SS.
    entry_checks_guest_enclave_interruption state::ENCLAVE_INTERRUPTION;
    /// Entries refuse pending debug exceptions with reserved bits.
    entry_checks_guest_pending_debug_reserved state::PENDING_DEBUG_RESERVED;
    /// With blocking by MOV SS and RFLAGS.TF, BS must be pending.
    entry_checks_guest_pending_bs_with_tf state::PENDING_BS_WITH_TF;
    /// With blocking by MOV SS and without RFLAGS.TF, BS must not be pending.
    entry_checks_guest_pending_bs_without_tf state::PENDING_BS_WITHOUT_TF;
    /// With blocking by MOV SS and steps by branches, BS must not be pending.
    entry_checks_guest_pending_bs_with_btf state::PENDING_BS_WITH_BTF;
    /// In the activity state HLT with RFLAGS.TF, BS must be pending.
    entry_checks_guest_pending_bs_in_hlt state::PENDING_BS_IN_HLT, VMX_ACTIVITY_HLT;
    /// With blocking by STI and RFLAGS.TF, BS must be pending.
    entry_checks_guest_pending_bs_after_sti state::PENDING_BS_AFTER_STI;
    /// Entries refuse a link pointer that is no address of a page; all ones are none.
    entry_checks_guest_link_pointer_alignment state::LINK_POINTER_ALIGNMENT;
    /// Without VMCS shadowing entries refuse a link pointer to what is no ordinary VMCS.
    entry_checks_guest_link_pointer_revision state::LINK_POINTER_REVISION;
    /// With VMCS shadowing entries refuse a link pointer to what is no shadow VMCS.
    entry_checks_guest_link_pointer_with_shadowing state::LINK_POINTER_WITH_SHADOWING, VMX_SECONDARY, VMX_SHADOWING;
    /// Entries refuse a link pointer to the current VMCS.
    entry_checks_guest_link_pointer_to_current_vmcs state::LINK_POINTER_TO_CURRENT_VMCS;
    /// Entries refuse reserved bits of a present PDPTE 0.
    entry_checks_guest_pdpte_0 state::PDPTE_0, VMX_EPT;
    /// Of PDPTE 0, if it is not present, nothing else is checked.
    entry_checks_guest_pdpte_0_not_present state::PDPTE_0_NOT_PRESENT, VMX_EPT;
    /// Entries refuse reserved bits of a present PDPTE 1.
    entry_checks_guest_pdpte_1 state::PDPTE_1, VMX_EPT;
    /// Of PDPTE 1, if it is not present, nothing else is checked.
    entry_checks_guest_pdpte_1_not_present state::PDPTE_1_NOT_PRESENT, VMX_EPT;
    /// Entries refuse reserved bits of a present PDPTE 2.
    entry_checks_guest_pdpte_2 state::PDPTE_2, VMX_EPT;
    /// Of PDPTE 2, if it is not present, nothing else is checked.
    entry_checks_guest_pdpte_2_not_present state::PDPTE_2_NOT_PRESENT, VMX_EPT;
    /// Entries refuse reserved bits of a present PDPTE 3.
    entry_checks_guest_pdpte_3 state::PDPTE_3, VMX_EPT;
    /// Of PDPTE 3, if it is not present, nothing else is checked.
    entry_checks_guest_pdpte_3_not_present state::PDPTE_3_NOT_PRESENT, VMX_EPT;
}
