//! Entries check guest control registers, debug registers, MSRs, descriptor-table registers, RIP and RFLAGS.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, registers},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryGuestState;
    /// Entries refuse a guest CR0 with bits that VMX operation fixes otherwise; bits that it does not fix are free.
    entry_checks_guest_cr0 registers::CR0;
    /// For an unrestricted guest, too, bits of CR0 other than PE and PG must be as VMX operation fixes them.
    entry_checks_guest_cr0_unrestricted registers::CR0_UNRESTRICTED, VMX_UNRESTRICTED;
    /// Entries refuse paging without protection, of an unrestricted guest too.
    entry_checks_guest_cr0_paging_needs_protection registers::CR0_PAGING_NEEDS_PROTECTION, VMX_UNRESTRICTED;
    /// Entries refuse IA-32e mode without paging.
    entry_checks_guest_cr0_paging_of_long_mode registers::CR0_PAGING_OF_LONG_MODE, VMX_UNRESTRICTED;
    /// Entries refuse a guest CR4 with bits that VMX operation fixes otherwise; bits that it does not fix are free.
    entry_checks_guest_cr4 registers::CR4;
    /// Entries refuse IA-32e mode without CR4.PAE.
    entry_checks_guest_cr4_pae_of_long_mode registers::CR4_PAE_OF_LONG_MODE;
    /// Entries refuse CR4.PCIDE outside of IA-32e mode.
    entry_checks_guest_cr4_pcide registers::CR4_PCIDE;
    /// Entries refuse an IA32_DEBUGCTL with reserved bits.
    entry_checks_guest_debugctl registers::DEBUGCTL;
    /// Where entries do not load debug controls IA32_DEBUGCTL is not checked.
    entry_checks_guest_debugctl_unused registers::DEBUGCTL_UNUSED;
    /// Entries refuse a guest CR3 with bits beyond physical addresses.
    entry_checks_guest_cr3 registers::CR3;
    /// In protected mode, too, entries refuse a guest CR3 with bits beyond physical addresses.
    entry_checks_guest_cr3_of_protected_mode registers::CR3_OF_PROTECTED_MODE;
    /// Entries refuse a DR7 with bits above bit 31.
    entry_checks_guest_dr7 registers::DR7;
    /// Where entries do not load debug controls DR7 is not checked.
    entry_checks_guest_dr7_unused registers::DR7_UNUSED;
    /// Entries refuse a guest IA32_SYSENTER_ESP that is not canonical.
    entry_checks_guest_sysenter_esp registers::SYSENTER_ESP;
    /// Entries refuse a guest IA32_SYSENTER_EIP that is not canonical.
    entry_checks_guest_sysenter_eip registers::SYSENTER_EIP;
    /// Entries refuse a guest IA32_PAT with a reserved type in any byte.
    entry_checks_guest_pat registers::PAT, VMX_PAT;
    /// Where entries do not load IA32_PAT the field is not checked.
    entry_checks_guest_pat_unused registers::PAT_UNUSED, VMX_PAT;
    /// Entries refuse a guest IA32_EFER with reserved bits.
    entry_checks_guest_efer_reserved registers::EFER_RESERVED, VMX_EFER;
    /// In IA-32e mode entries refuse a guest IA32_EFER without both LME and LMA.
    entry_checks_guest_efer_long_mode registers::EFER_LONG_MODE, VMX_EFER;
    /// In protected mode with paging entries refuse a guest IA32_EFER with LME or LMA.
    entry_checks_guest_efer_protected_mode registers::EFER_PROTECTED_MODE, VMX_EFER;
    /// Without paging IA32_EFER.LME is free, and entries refuse LMA.
    entry_checks_guest_efer_without_paging registers::EFER_WITHOUT_PAGING, VMX_UNRESTRICTED, VMX_EFER;
    /// Where entries do not load IA32_EFER the field is not checked.
    entry_checks_guest_efer_unused registers::EFER_UNUSED, VMX_EFER;
    /// Entries refuse an IA32_PERF_GLOBAL_CTRL with reserved bits.
    entry_checks_guest_performance registers::PERFORMANCE, VMX_PERFORMANCE;
    /// Entries refuse an IA32_BNDCFGS with reserved bits or a base that is not canonical.
    entry_checks_guest_bounds registers::BOUNDS, VMX_BOUNDS;
    /// Entries refuse a base of the guest's GDTR that is not canonical.
    entry_checks_guest_gdtr_base registers::GDTR_BASE;
    /// Entries refuse a limit of the guest's GDTR above FFFFH.
    entry_checks_guest_gdtr_limit registers::GDTR_LIMIT;
    /// Entries refuse a base of the guest's IDTR that is not canonical.
    entry_checks_guest_idtr_base registers::IDTR_BASE;
    /// Entries refuse a limit of the guest's IDTR above FFFFH.
    entry_checks_guest_idtr_limit registers::IDTR_LIMIT;
    /// In 64-bit mode bits 63:48 of RIP must be equal; bit 47 may differ.
    entry_checks_guest_rip_of_64_bit_code registers::RIP_OF_64_BIT_CODE;
    /// In compatibility mode entries refuse a RIP above 4 GiB.
    entry_checks_guest_rip_of_compatibility_mode registers::RIP_OF_COMPATIBILITY_MODE;
    /// In protected mode entries refuse a RIP above 4 GiB.
    entry_checks_guest_rip_of_protected_mode registers::RIP_OF_PROTECTED_MODE;
    /// In real mode entries refuse a RIP above 4 GiB.
    entry_checks_guest_rip_of_real_mode registers::RIP_OF_REAL_MODE, VMX_UNRESTRICTED;
    /// Entries refuse RFLAGS with reserved bits that are not as they must be.
    entry_checks_guest_rflags_reserved registers::RFLAGS_RESERVED;
    /// Entries refuse RFLAGS.VM in IA-32e mode.
    entry_checks_guest_rflags_vm_of_ia_32e_mode registers::RFLAGS_VM_OF_IA_32E_MODE;
    /// Entries refuse RFLAGS.VM without protection.
    entry_checks_guest_rflags_vm_of_real_mode registers::RFLAGS_VM_OF_REAL_MODE, VMX_UNRESTRICTED;
    /// In virtual-8086 mode entries refuse RFLAGS with reserved bits that are not as they must be.
    entry_checks_guest_rflags_of_virtual_8086_mode registers::RFLAGS_OF_VIRTUAL_8086_MODE;
    /// Entries refuse to inject an external interrupt while RFLAGS.IF is 0.
    entry_checks_guest_rflags_if_of_an_external_interrupt registers::RFLAGS_IF_OF_AN_EXTERNAL_INTERRUPT;
}
