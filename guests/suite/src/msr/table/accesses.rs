//! Existence, reset values, register halves and privilege, row by row.

use super::{
    drive::{check_accesses, check_privilege},
    model::Group,
};
use case::Needs;
use rt::case;

macro_rules! accesses {
    ($($(#[$doc:meta])* $name:ident $group:ident;)*) => {
        $(
            $(#[$doc])*
            #[case(
                feature = MsrTable,
                spec = [
                    sdm4("Architectural MSRs"),
                    sdm2("RDMSR—Read From Model Specific Register"),
                    sdm2("WRMSR—Write to Model Specific Register"),
                    apm2("Model-Specific Registers (MSRs)"),
                    apm3("RDMSR"),
                ],
            )]
            fn $name() {
                check_accesses(Group::$group);
            }
        )*
    };
}

accesses! {
    /// MSRs of the processor as a whole exist if and only if their feature does, hold their reset value, and are
    /// read-only if the manuals say so.
    existence_of_processor_msrs Processor;
    /// MSRs of the variable memory ranges exist as far as IA32_MTRRCAP counts, and take what stands in them.
    existence_of_variable_range_msrs VariableRanges;
    /// MSRs of the fixed memory ranges exist if and only if IA32_MTRRCAP tells of them, and take what stands in them.
    existence_of_fixed_range_msrs FixedRanges;
    /// MSRs of the variable memory ranges from the fifth on exist as far as IA32_MTRRCAP counts.
    existence_of_upper_variable_range_msrs UpperVariableRanges;
    /// MSRs of the fixed memory ranges from D8000H on exist if and only if IA32_MTRRCAP tells of them.
    existence_of_upper_fixed_range_msrs UpperFixedRanges;
    /// MSRs of the machine-check architecture exist as far as IA32_MCG_CAP tells.
    existence_of_machine_check_msrs MachineCheck;
    /// MSRs of performance monitoring and tracing exist as far as CPUID tells.
    existence_of_performance_msrs Performance;
    /// MSRs of control-flow enforcement, protection keys, user interrupts and extended states exist if and only if CPUID
    /// tells of these features.
    existence_of_extension_msrs Extensions;
    /// VMX capability MSRs exist if and only if CPUID tells of VMX, and are read-only.
    existence_of_vmx_msrs Vmx;
    /// MSRs C0000080H to C0000103H exist if and only if their feature does.
    existence_of_extended_msrs Extended;
    /// AMD's own MSRs exist where CPUID tells of their feature.
    existence_of_amd_msrs Amd;
}

/// MSRs of the local APIC exist where CPUID tells of their feature.
#[case(
    feature = MsrTable,
    spec = [sdm3a("Local APIC Status and Location"), sdm3a("TSC-Deadline Mode"), apm2("APIC Base Address Register")],
    needs = Needs::LOCAL_APIC,
    irqchip = LocalApic,
)]
fn existence_of_apic_msrs() {
    check_accesses(Group::Apic);
}

/// RDMSR raises #GP(0) at CPL 3 for every MSR of the table, whether it exists or not.
#[case(feature = MsrTable, spec = [sdm2("RDMSR—Read From Model Specific Register"), apm3("RDMSR")])]
fn every_read_at_cpl_3() {
    check_privilege(false);
}

/// WRMSR raises #GP(0) at CPL 3 for every MSR of the table, whether it exists or not.
#[case(feature = MsrTable, spec = [sdm2("WRMSR—Write to Model Specific Register"), apm3("WRMSR")])]
fn every_write_at_cpl_3() {
    check_privilege(true);
}
