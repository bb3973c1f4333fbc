//! KVM's interface breaking a rule, as the host's cases see it.

use super::super::trial::{self, Trial};
use crate::host_cases;
use case::Feature;
use interface::{
    Fault,
    Wrong::{self, Accepted, Garbled, Ignored},
};

/// A request that goes wrong.
struct Row {
    id: &'static str,
    what: &'static str,
    feature: Feature,
    fault: Fault,
}

const fn without(offset: usize, bits: u32) -> Wrong {
    Wrong::Without { offset, bits }
}

/// All of them.
pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    TABLE.iter().map(|row| Trial {
        id: row.id.to_owned(),
        what: row.what.to_owned(),
        feature: row.feature,
        wrong: trial::Wrong::Host(host_cases::Wrong::Interface(row.fault)),
    })
}

/// Rows of a feature: what is wrong with which request, the name, and a sentence.
macro_rules! rows {
    ($($feature:ident { $($request:ident $wrong:expr, $id:literal: $what:literal;)+ })+) => {
        const TABLE: &[Row] = &[$($(Row {
            id: concat!("request-", $id),
            what: $what,
            feature: Feature::$feature,
            fault: Fault { request: concat!("KVM_", stringify!($request)), wrong: $wrong },
        }),+),+];
    };
}

rows! {
    InterfaceMemory {
        SET_USER_MEMORY_REGION without(4, 2), "slot-read-only-ignored": "A read-only slot can be written.";
        SET_USER_MEMORY_REGION Accepted, "slot-refusal-lost": "A slot that is refused is said to be set.";
    }
    InterfaceDirty {
        SET_USER_MEMORY_REGION without(4, 1), "slot-logging-ignored": "A slot is not logged.";
        GET_DIRTY_LOG Ignored, "dirty-log-empty": "The dirty log is not read.";
        GET_DIRTY_LOG Accepted, "dirty-log-refusal-lost": "A dirty log that is refused is said to be read.";
        CLEAR_DIRTY_LOG Ignored, "dirty-log-not-cleared": "KVM_CLEAR_DIRTY_LOG clears nothing.";
        CLEAR_DIRTY_LOG Accepted, "dirty-log-clear-refusal-lost": "A range that cannot be cleared is said to be.";
        ENABLE_CAP Ignored, "manual-protect-ignored": "Manual protection is said to be enabled.";
    }
    InterfaceEvents {
        REGISTER_COALESCED_MMIO Ignored, "coalesced-not-registered": "A zone is said to be coalesced.";
        REGISTER_COALESCED_MMIO without(12, 1), "coalesced-ports-as-memory": "A zone of ports is taken for one of memory.";
        UNREGISTER_COALESCED_MMIO Ignored, "coalesced-not-unregistered": "A zone stays when it is unregistered.";
        IOEVENTFD Ignored, "ioeventfd-not-assigned": "An ioeventfd is said to be assigned.";
        IOEVENTFD Accepted, "ioeventfd-refusal-lost": "An ioeventfd that is refused is said to be assigned.";
        IOEVENTFD without(24, 1), "ioeventfd-datamatch-ignored": "An ioeventfd is signalled by any data.";
        IOEVENTFD without(24, 4), "ioeventfd-deassign-ignored": "An ioeventfd is assigned instead of deassigned.";
    }
    InterfaceInterrupts {
        IRQFD Ignored, "irqfd-not-assigned": "An irqfd is said to be assigned.";
        IRQFD Accepted, "irqfd-refusal-lost": "An irqfd that is refused is said to be assigned.";
        IRQFD without(8, 1), "irqfd-deassign-ignored": "An irqfd is assigned instead of deassigned.";
        IRQFD without(8, 2), "irqfd-resample-ignored": "The end of an interrupt is not told to the resamplefd.";
        SET_GSI_ROUTING Ignored, "routing-not-set": "A routing table is said to be set.";
        SET_GSI_ROUTING Accepted, "routing-refusal-lost": "A routing table that is refused is said to be set.";
        SIGNAL_MSI Ignored, "msi-not-sent": "A message is said to be delivered to nobody.";
        SIGNAL_MSI without(8, 1), "msi-vector-even": "Messages have even vectors only.";
        SIGNAL_MSI Accepted, "msi-refusal-lost": "A message that is refused is said to be delivered to nobody.";
        IRQ_LINE Accepted, "irq-line-refusal-lost": "An input that nobody has is said to be set.";
    }
    InterfaceDebug {
        SET_GUEST_DEBUG without(0, 2), "debug-single-step-ignored": "No step leaves.";
        SET_GUEST_DEBUG without(0, 0x2_0000), "debug-hardware-breakpoint-ignored": "Hardware breakpoints are not used.";
        SET_GUEST_DEBUG without(0, 0x4_0000), "debug-exception-not-injected": "No debug exception is injected.";
        SET_GUEST_DEBUG without(0, 0x8_0000), "debug-breakpoint-not-injected": "No breakpoint exception is injected.";
        SET_GUEST_DEBUG without(0, 0x10_0000), "debug-interrupts-not-blocked": "Interrupts are not held back.";
        SET_DEBUGREGS Ignored, "debug-registers-not-set": "Debug registers are said to be set.";
        GET_DEBUGREGS Garbled, "debug-registers-garbled": "Debug registers are read wrong.";
    }
    InterfaceExits {
        SET_SIGNAL_MASK Ignored, "signal-mask-not-set": "A signal mask is said to be set.";
        SET_SIGNAL_MASK Accepted, "signal-mask-refusal-lost": "A signal mask of a wrong length is said to be set.";
        RUN Accepted, "run-ended-by-nothing": "KVM_RUN that a signal ends is said to have left.";
        INTERRUPT Ignored, "interrupt-not-queued": "An interrupt is said to be queued.";
        INTERRUPT Accepted, "interrupt-refusal-lost": "An interrupt that is refused is said to be queued.";
        GET_REGS Garbled, "registers-garbled": "General registers are read wrong.";
    }
    InterfaceMsrs {
        X86_SET_MSR_FILTER Ignored, "msr-filter-not-set": "A filter of MSRs is said to be set.";
        X86_SET_MSR_FILTER Accepted, "msr-filter-refusal-lost": "A filter that is refused is said to be set.";
        X86_SET_MSR_FILTER without(0, 1), "msr-filter-default-allow": "A filter allows what no range holds.";
        X86_SET_MSR_FILTER without(8, 1), "msr-filter-reads-pass": "The first range of a filter does not hold for reads.";
        X86_SET_MSR_FILTER without(8, 2), "msr-filter-writes-pass": "The first range of a filter does not hold for writes.";
        ENABLE_CAP Ignored, "msr-exits-not-enabled": "Exits of MSRs are said to be enabled.";
        ENABLE_CAP Accepted, "msr-exit-reasons-any": "Reasons for exits that there are not are said to be enabled.";
        SET_MSRS Ignored, "msrs-not-set": "No MSR is set.";
        GET_MSRS Garbled, "msrs-garbled": "MSRs are read wrong.";
    }
    InterfaceState {
        SET_SREGS Accepted, "sregs-refusal-lost": "Special registers that are refused are said to be set.";
        SET_SREGS2 Ignored, "sregs2-not-set": "Special registers are said to be set.";
        GET_SREGS2 Garbled, "sregs2-garbled": "Special registers are read wrong.";
        TRANSLATE Garbled, "translation-garbled": "A translation is told wrong.";
        SET_VCPU_EVENTS Ignored, "events-not-set": "Events are said to be set.";
        SET_VCPU_EVENTS Accepted, "events-refusal-lost": "Events that are refused are said to be set.";
        GET_VCPU_EVENTS Garbled, "events-garbled": "Events are read wrong.";
        NMI Ignored, "nmi-not-queued": "An NMI is said to be queued.";
        SET_MP_STATE Ignored, "activity-not-set": "The activity state is said to be set.";
        SET_MP_STATE Accepted, "activity-refusal-lost": "An activity state that is refused is said to be set.";
        GET_MP_STATE Garbled, "activity-garbled": "The activity state is read wrong.";
        SET_XCRS Ignored, "xcrs-not-set": "XCR0 is said to be set.";
        SET_XCRS Accepted, "xcrs-refusal-lost": "An XCR0 that is refused is said to be set.";
        SET_XSAVE Ignored, "xsave-not-set": "Extended state is said to be set.";
        SET_XSAVE Accepted, "xsave-refusal-lost": "Extended state that is refused is said to be set.";
        GET_XSAVE Garbled, "xsave-garbled": "Extended state is read wrong.";
        GET_CPUID2 Garbled, "cpuid-garbled": "CPUID is read wrong.";
        SET_CPUID2 Accepted, "cpuid-refusal-lost": "A CPUID that is refused is said to be set.";
    }
    InterfaceDevices {
        SET_LAPIC Ignored, "lapic-not-set": "The local APIC is said to be set.";
        GET_LAPIC Garbled, "lapic-garbled": "The local APIC is read wrong.";
        GET_LAPIC Accepted, "lapic-refusal-lost": "A local APIC that there is not is said to be read.";
        SET_IRQCHIP Ignored, "irqchip-not-set": "An interrupt controller is said to be set.";
        GET_IRQCHIP Garbled, "irqchip-garbled": "An interrupt controller is read wrong.";
        CREATE_IRQCHIP Accepted, "irqchip-made-twice": "Interrupt controllers are said to be made once more.";
        CREATE_PIT2 Accepted, "pit-refusal-lost": "A PIT that is refused is said to be made.";
    }
    InterfaceClocks {
        SET_CLOCK Ignored, "clock-not-set": "The clock is said to be set.";
        GET_CLOCK Ignored, "clock-stands": "The clock is not read.";
        SET_TSC_KHZ Ignored, "tsc-rate-not-set": "The rate of the time-stamp counter is said to be set.";
        GET_TSC_KHZ Ignored, "tsc-rate-zero": "The rate of the time-stamp counter is told as 0.";
        KVMCLOCK_CTRL Accepted, "clock-control-refusal-lost": "A clock that there is not is said to be told of a pause.";
    }
    InterfaceCapabilities {
        CHECK_EXTENSION Ignored, "extensions-denied": "Each extension is denied.";
        GET_API_VERSION Ignored, "version-zero": "The version of the interface is 0.";
        GET_API_VERSION Accepted, "order-arguments-taken": "An order takes an argument that it must refuse.";
        ENABLE_CAP Accepted, "capability-refusal-lost": "A capability that is refused is said to be enabled.";
        NONE Accepted, "unknown-requests-done": "A request that there is not is said to be done.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_feature_is_without() {
        let features: BTreeSet<_> = TABLE.iter().map(|row| row.feature.id()).collect();
        assert!(interface::all().all(|case| features.contains(case.feature.id())));
    }
}
