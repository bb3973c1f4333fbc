//! Entries check host state.

use super::{
    entry_walk::{BITS, cases, walk},
    legality::{Column, Place, host},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    vocabulary::{Needs, Text},
};

cases! { VmxEntryHostState;
    /// Entries refuse a host CR0 with bits that VMX operation fixes otherwise.
    entry_checks_host_cr0 host::CR0;
    /// Entries refuse a host CR4 with bits that VMX operation fixes otherwise.
    entry_checks_host_cr4 host::CR4;
    /// Entries refuse a host CR3 with bits beyond physical addresses.
    entry_checks_host_cr3 host::CR3;
    /// Entries refuse a host IA32_SYSENTER_ESP that is not canonical.
    entry_checks_host_sysenter_esp host::SYSENTER_ESP;
    /// Entries refuse a host IA32_SYSENTER_EIP that is not canonical.
    entry_checks_host_sysenter_eip host::SYSENTER_EIP;
    /// Entries refuse a host IA32_PAT with a reserved type in any byte.
    entry_checks_host_pat host::PAT, VMX_PAT;
    /// Where exits do not load IA32_PAT the field is not checked.
    entry_checks_host_pat_unused host::PAT_UNUSED, VMX_PAT;
    /// Entries refuse a host IA32_EFER with reserved bits.
    entry_checks_host_efer_reserved host::EFER_RESERVED, VMX_EFER;
    /// Entries refuse a host IA32_EFER whose LME or LMA is not that of the host's address-space size.
    entry_checks_host_efer_long_mode host::EFER_LONG_MODE, VMX_EFER;
    /// Where exits do not load IA32_EFER the field is not checked.
    entry_checks_host_efer_unused host::EFER_UNUSED, VMX_EFER;
    /// Entries refuse a selector of the host's ES with RPL or TI.
    entry_checks_host_es_selector host::ES_SELECTOR;
    /// Entries refuse a selector of the host's CS with RPL or TI.
    entry_checks_host_cs_selector host::CS_SELECTOR;
    /// Entries refuse a selector of the host's SS with RPL or TI.
    entry_checks_host_ss_selector host::SS_SELECTOR;
    /// Entries refuse a selector of the host's DS with RPL or TI.
    entry_checks_host_ds_selector host::DS_SELECTOR;
    /// Entries refuse a selector of the host's FS with RPL or TI.
    entry_checks_host_fs_selector host::FS_SELECTOR;
    /// Entries refuse a selector of the host's GS with RPL or TI.
    entry_checks_host_gs_selector host::GS_SELECTOR;
    /// Entries refuse a selector of the host's TR with RPL or TI.
    entry_checks_host_tr_selector host::TR_SELECTOR;
    /// Entries refuse a null selector for the host's CS.
    entry_checks_host_cs_null host::CS_NULL;
    /// Entries refuse a null selector for the host's TR.
    entry_checks_host_tr_null host::TR_NULL;
    /// Entries refuse a base of the host's FS that is not canonical.
    entry_checks_host_fs_base host::FS_BASE;
    /// Entries refuse a base of the host's GS that is not canonical.
    entry_checks_host_gs_base host::GS_BASE;
    /// Entries refuse a base of the host's GDTR that is not canonical.
    entry_checks_host_gdtr_base host::GDTR_BASE;
    /// Entries refuse a base of the host's IDTR that is not canonical.
    entry_checks_host_idtr_base host::IDTR_BASE;
    /// Entries refuse a base of the host's TR that is not canonical.
    entry_checks_host_tr_base host::TR_BASE;
    /// Entries refuse a host RIP that is not canonical.
    entry_checks_host_rip host::RIP;
    /// Entries refuse a 64-bit host without CR4.PAE.
    entry_checks_host_pae host::PAE;
    /// In IA-32e mode entries refuse a 32-bit host.
    entry_checks_host_host_size host::HOST_SIZE;
    /// In IA-32e mode entries refuse a 32-bit host for a 32-bit guest, too.
    entry_checks_host_host_size_of_32_bit_guest host::HOST_SIZE_OF_32_BIT_GUEST;
}
