//! Entries check controls: each rule of the manual, by its nearest legal and illegal values.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, controls},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryControls;
    /// Entries refuse pin-based controls with a bit that the capability MSR does not allow.
    entry_checks_pin_reserved controls::PIN_RESERVED;
    /// Entries refuse primary processor-based controls with a bit that the capability MSR does not allow.
    entry_checks_processor_reserved controls::PROCESSOR_RESERVED;
    /// Entries refuse secondary processor-based controls with a bit that the capability MSR does not allow.
    entry_checks_secondary_reserved controls::SECONDARY_RESERVED, VMX_SECONDARY;
    /// Without "activate secondary controls" no bit of the secondary controls is checked.
    entry_checks_secondary_inactive controls::SECONDARY_INACTIVE, VMX_SECONDARY;
    /// Entries refuse more CR3-target values than IA32_VMX_MISC tells.
    entry_checks_cr3_targets controls::CR3_TARGETS;
    /// Entries refuse the address of I/O bitmap A if it is not that of a page below the end of physical addresses.
    entry_checks_io_bitmap_a controls::IO_BITMAP_A;
    /// Without its control the address of I/O bitmap A is not checked.
    entry_checks_io_bitmap_a_unused controls::IO_BITMAP_A_UNUSED;
    /// Entries refuse the address of I/O bitmap B if it is not that of a page below the end of physical addresses.
    entry_checks_io_bitmap_b controls::IO_BITMAP_B;
    /// Without its control the address of I/O bitmap B is not checked.
    entry_checks_io_bitmap_b_unused controls::IO_BITMAP_B_UNUSED;
    /// Entries refuse the address of MSR bitmaps if it is not that of a page below the end of physical addresses.
    entry_checks_msr_bitmap controls::MSR_BITMAP, VMX_MSR_MAPS;
    /// Without its control the address of MSR bitmaps is not checked.
    entry_checks_msr_bitmap_unused controls::MSR_BITMAP_UNUSED, VMX_MSR_MAPS;
    /// Entries refuse the virtual-APIC address if it is not that of a page below the end of physical addresses.
    entry_checks_virtual_apic controls::VIRTUAL_APIC, VMX_TPR_SHADOW;
    /// Without its control the virtual-APIC address is not checked.
    entry_checks_virtual_apic_unused controls::VIRTUAL_APIC_UNUSED, VMX_TPR_SHADOW;
    /// With a TPR shadow whose VTPR is 0 the TPR threshold must be 0.
    entry_checks_tpr_threshold controls::TPR_THRESHOLD, VMX_TPR_SHADOW;
    /// Without a TPR shadow no bit of the TPR threshold is checked.
    entry_checks_tpr_threshold_unused controls::TPR_THRESHOLD_UNUSED, VMX_TPR_SHADOW;
    /// With virtualized APIC accesses the TPR threshold is not compared with VTPR, and its bits 31:4 must be 0.
    entry_checks_tpr_threshold_of_apic_accesses controls::TPR_THRESHOLD_OF_APIC_ACCESSES, VMX_SECONDARY, VMX_TPR_SHADOW, VMX_APIC_ACCESS;
    /// Entries refuse virtual NMIs without NMI exiting.
    entry_checks_nmi_exiting controls::NMI_EXITING, VMX_VIRTUAL_NMI;
    /// Entries refuse NMI-window exiting without virtual NMIs.
    entry_checks_nmi_window controls::NMI_WINDOW, VMX_VIRTUAL_NMI;
    /// Entries refuse the APIC-access address if it is not that of a page below the end of physical addresses.
    entry_checks_apic_access controls::APIC_ACCESS, VMX_SECONDARY, VMX_APIC_ACCESS;
    /// Without its control the APIC-access address is not checked.
    entry_checks_apic_access_unused controls::APIC_ACCESS_UNUSED, VMX_SECONDARY, VMX_APIC_ACCESS;
    /// Entries refuse virtualization of x2APIC mode, of APIC registers and of interrupts without a TPR shadow.
    entry_checks_tpr_shadow_needed controls::TPR_SHADOW_NEEDED, VMX_SECONDARY;
    /// Entries refuse virtualization of x2APIC mode together with that of APIC accesses.
    entry_checks_x2apic_without_apic_accesses controls::X2APIC_WITHOUT_APIC_ACCESSES, VMX_SECONDARY, VMX_TPR_SHADOW, VMX_APIC_ACCESS;
    /// Entries refuse virtual-interrupt delivery without external-interrupt exiting.
    entry_checks_virtual_interrupts controls::VIRTUAL_INTERRUPTS, VMX_VIRTUAL_INTERRUPTS, VMX_SECONDARY, VMX_TPR_SHADOW, VMX_APIC_ACCESS;
    /// Entries refuse posted interrupts without virtual-interrupt delivery.
    entry_checks_posted_interrupts controls::POSTED_INTERRUPTS;
    /// Entries refuse VPID 0 where VPIDs are enabled.
    entry_checks_vpid controls::VPID, VMX_SECONDARY, VMX_VPID;
    /// Without VPIDs the VPID is not checked.
    entry_checks_vpid_unused controls::VPID_UNUSED, VMX_SECONDARY, VMX_VPID;
    /// Entries refuse an EPT pointer with a memory type that is reserved.
    entry_checks_ept_memory_type controls::EPT_MEMORY_TYPE, VMX_SECONDARY, VMX_EPT;
    /// Entries refuse an EPT pointer with a page-walk length that there is not.
    entry_checks_ept_walk_length controls::EPT_WALK_LENGTH, VMX_SECONDARY, VMX_EPT;
    /// Entries refuse an EPT pointer with reserved bits, and with accessed and dirty flags where there are none.
    entry_checks_ept_reserved controls::EPT_RESERVED, VMX_SECONDARY, VMX_EPT;
    /// Without EPT no bit of the EPT pointer is checked.
    entry_checks_ept_unused controls::EPT_UNUSED, VMX_SECONDARY, VMX_EPT;
    /// Entries refuse unrestricted guests, PML, mode-based execution and sub-page permissions without EPT.
    entry_checks_ept_needed controls::EPT_NEEDED, VMX_SECONDARY;
    /// Entries refuse the PML address if it is not that of a page below the end of physical addresses.
    entry_checks_pml_address controls::PML_ADDRESS, VMX_SECONDARY, VMX_EPT, VMX_PML;
    /// Entries refuse VM functions that there are not.
    entry_checks_functions controls::FUNCTIONS, VMX_SECONDARY, VMX_EPT, VMX_FUNCTIONS;
    /// Entries refuse the EPTP-list address if it is not that of a page below the end of physical addresses.
    entry_checks_eptp_list controls::EPTP_LIST, VMX_SECONDARY, VMX_EPT, VMX_FUNCTIONS, VMX_EPTP_SWITCHING;
    /// Entries refuse EPTP switching without EPT.
    entry_checks_eptp_switching_needs_ept controls::EPTP_SWITCHING_NEEDS_EPT, VMX_SECONDARY, VMX_FUNCTIONS;
    /// Entries refuse the VMREAD-bitmap address if it is not that of a page below the end of physical addresses.
    entry_checks_vmread_bitmap controls::VMREAD_BITMAP, VMX_SECONDARY, VMX_SHADOWING;
    /// Entries refuse the VMWRITE-bitmap address if it is not that of a page below the end of physical addresses.
    entry_checks_vmwrite_bitmap controls::VMWRITE_BITMAP, VMX_SECONDARY, VMX_SHADOWING;
    /// Entries refuse the virtualization-exception information address if it is not that of a page below the end of physical addresses.
    entry_checks_exception_information controls::EXCEPTION_INFORMATION, VMX_SECONDARY, VMX_EPT, VMX_VIRTUALIZATION_EXCEPTION;
    /// Entries refuse exit controls with a bit that the capability MSR does not allow.
    entry_checks_exit_reserved controls::EXIT_RESERVED;
    /// Entries refuse to save the preemption timer where it is not active.
    entry_checks_saved_timer controls::SAVED_TIMER;
    /// Entries refuse an address of the MSR-store area of exits that is not aligned to 16 bytes or beyond physical addresses.
    entry_checks_exit_msr_store controls::EXIT_MSR_STORE;
    /// Entries refuse the MSR-store area of exits if it reaches beyond physical addresses.
    entry_checks_exit_msr_store_end controls::EXIT_MSR_STORE_END;
    /// The address of an empty MSR-store area of exits is not checked.
    entry_checks_exit_msr_store_unused controls::EXIT_MSR_STORE_UNUSED;
    /// Entries refuse an address of the MSR-load area of exits that is not aligned to 16 bytes or beyond physical addresses.
    entry_checks_exit_msr_load controls::EXIT_MSR_LOAD;
    /// Entries refuse the MSR-load area of exits if it reaches beyond physical addresses.
    entry_checks_exit_msr_load_end controls::EXIT_MSR_LOAD_END;
    /// The address of an empty MSR-load area of exits is not checked.
    entry_checks_exit_msr_load_unused controls::EXIT_MSR_LOAD_UNUSED;
    /// Entries refuse an address of the MSR-load area of entries that is not aligned to 16 bytes or beyond physical addresses.
    entry_checks_entry_msr_load controls::ENTRY_MSR_LOAD;
    /// Entries refuse the MSR-load area of entries if it reaches beyond physical addresses.
    entry_checks_entry_msr_load_end controls::ENTRY_MSR_LOAD_END;
    /// The address of an empty MSR-load area of entries is not checked.
    entry_checks_entry_msr_load_unused controls::ENTRY_MSR_LOAD_UNUSED;
    /// Entries refuse entry controls with a bit that the capability MSR does not allow.
    entry_checks_entry_reserved controls::ENTRY_RESERVED;
    /// Entries outside of SMM refuse the entry to SMM and the end of the dual-monitor treatment.
    entry_checks_entry_outside_of_smm controls::ENTRY_OUTSIDE_OF_SMM;
}
