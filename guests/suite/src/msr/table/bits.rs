//! Every bit of every MSR of the table: writable, reserved, zero, part of an address or of a memory type.

use super::{
    drive::check_bits,
    model::Group,
    walk::Part::{self, Faults, Values},
};
use case::Needs;
use rt::case;

macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident $group:ident $part:expr, [$($spec:expr),*];)*) => {
        $(
            $(#[$doc])*
            #[case(feature = MsrTable, spec = [$($spec),*, sdm2("WRMSR—Write to Model Specific Register")])]
            fn $name() {
                let part: Part = $part;
                check_bits(Group::$group, part);
            }
        )*
    };
}

bits! {
    /// Writable bits and memory types of the processor's MSRs read back as they were written.
    values_of_processor_msrs Processor Values, [sdm4("Architectural MSRs"), sdm3a("IA32_PAT MSR"), apm2("PAT Register")];
    /// Setting a reserved bit of the processor's MSRs raises #GP(0) and changes nothing.
    reserved_bits_of_processor_msrs Processor Faults, [sdm4("Architectural MSRs"), sdm3a("IA32_MTRR_DEF_TYPE MSR")];
    /// Variable ranges take every memory type and every address that the processor has.
    values_of_variable_range_msrs VariableRanges Values, [sdm3a("Variable Range MTRRs"), apm2("Variable-Range MTRRs")];
    /// Setting a reserved bit, or an address bit that does not exist, of a variable range raises #GP(0) and changes
    /// nothing.
    reserved_bits_of_variable_range_msrs VariableRanges Faults,
        [sdm3a("Variable Range MTRRs"), apm2("Variable-Range MTRRs")];
    /// Each byte of the fixed ranges takes every memory type, and raises #GP(0) for everything else.
    values_of_fixed_range_msrs FixedRanges Values, [sdm3a("Fixed Range MTRRs"), apm2("Fixed-Range MTRRs")];
    /// The same for the variable ranges from the fifth on.
    values_of_upper_variable_range_msrs UpperVariableRanges Values,
        [sdm3a("Variable Range MTRRs"), apm2("Variable-Range MTRRs")];
    /// The same for the reserved bits of the variable ranges from the fifth on.
    reserved_bits_of_upper_variable_range_msrs UpperVariableRanges Faults,
        [sdm3a("Variable Range MTRRs"), apm2("Variable-Range MTRRs")];
    /// The same for the fixed ranges from D8000H on.
    values_of_upper_fixed_range_msrs UpperFixedRanges Values, [sdm3a("Fixed Range MTRRs"), apm2("Fixed-Range MTRRs")];
    /// Writing anything but 0 to a bank's status raises #GP(0) and changes nothing.
    nonzero_machine_check_status MachineCheck Faults,
        [sdm3b("IA32_MCi_STATUS MSRS"), apm2("Machine-Check Status Registers")];
    /// Bits of the event selectors and of the counters' controls read back as they were written.
    values_of_performance_msrs Performance Values, [sdm3b("Architectural Performance Monitoring")];
    /// Setting the enable bit of a counter that does not exist raises #GP(0) and changes nothing.
    reserved_bits_of_performance_msrs Performance Faults, [sdm3b("Architectural Performance Monitoring")];
    /// Bits of MSRs of control-flow enforcement, protection keys, user interrupts and extended states read back as they
    /// were written, and addresses must be canonical.
    values_of_extension_msrs Extensions Values, [sdm4("Architectural MSRs"), sdm1("Processor Tracking of XSAVE-Managed State")];
    /// Setting a reserved bit of these MSRs, or a component of IA32_XSS that CPUID does not tell of, raises #GP(0) and
    /// changes nothing.
    reserved_bits_of_extension_msrs Extensions Faults,
        [sdm4("Architectural MSRs"), sdm1("Enabling the XSAVE Feature Set and XSAVE-Enabled Features")];
    /// Bits of EFER that CPUID tells of, the system-call MSRs and the bases read back as they were written, and addresses
    /// must be canonical.
    values_of_extended_msrs Extended Values,
        [sdm4("Architectural MSRs"), apm2("Extended Feature Enable Register (EFER)"), apm2("SYSCALL and SYSRET MSRs")];
    /// Setting a reserved bit of EFER or TSC_AUX, and clearing LME with paging on, raises #GP(0) and changes nothing.
    reserved_bits_of_extended_msrs Extended Faults,
        [sdm4("Architectural MSRs"), apm2("Extended Feature Enable Register (EFER)")];
    /// Writable bits of AMD's own MSRs read back as they were written.
    values_of_amd_msrs Amd Values, [apm2("VM_HSAVE_PA MSR (C001_0117h)"), apm2("Debug Breakpoint Address Masking")];
    /// Setting a reserved bit of AMD's own MSRs raises #GP(0) and changes nothing.
    reserved_bits_of_amd_msrs Amd Faults, [apm2("VM_HSAVE_PA MSR (C001_0117h)")];
}

/// Setting a reserved bit of IA32_APIC_BASE raises #GP(0) and changes nothing.
#[case(
    feature = MsrTable,
    spec = [sdm3a("Local APIC Status and Location"), apm2("APIC Base Address Register")],
    needs = Needs::LOCAL_APIC,
    irqchip = LocalApic,
)]
fn reserved_bits_of_apic_msrs() {
    check_bits(Group::Apic, Faults);
}
