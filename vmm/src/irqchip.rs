//! The interrupt controllers that KVM emulates, and what it leaves to this VMM where it emulates none.

use crate::{
    config::{Irqchip, VmConfig},
    create::{VmError, refused},
    tsc::{MSR_TSC, MSR_TSC_ADJUST},
};
use ::platform::local_apic::{MSR_APIC_BASE, MSR_TSC_DEADLINE};
use kvm_bindings::{
    KVM_CAP_DISABLE_QUIRKS, KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER,
    KVM_MSR_EXIT_REASON_INVAL, KVM_MSR_EXIT_REASON_UNKNOWN, KVM_PIT_SPEAKER_DUMMY, KVM_X86_QUIRK_LINT0_REENABLED,
    kvm_enable_cap, kvm_pit_config,
};
use kvm_ioctls::{Cap, MsrFilterDefaultAction, MsrFilterRange, MsrFilterRangeFlags, VcpuFd, VmFd};

/// How many pins the routes of a split interrupt controller keep free: those of an I/O APIC.
const NR_SPLIT_PINS: u64 = 24;

/// Makes them; before the vCPUs.
pub(crate) fn create(fd: &VmFd, config: &VmConfig) -> Result<(), VmError> {
    match config.irqchip {
        Irqchip::None => {}
        Irqchip::User => {
            need(fd, Cap::X86UserSpaceMsr, "KVM_CAP_X86_USER_SPACE_MSR")?;
            need(fd, Cap::X86MsrFilter, "KVM_CAP_X86_MSR_FILTER")?;
            // Those of x2APIC mode cannot be filtered: KVM, which has no local APIC here, knows none of them.
            let reasons = KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER;
            enable(fd, KVM_CAP_X86_USER_SPACE_MSR, reasons.into(), "KVM_ENABLE_CAP of KVM_CAP_X86_USER_SPACE_MSR")?;
        }
        Irqchip::Split => {
            need(fd, Cap::SplitIrqchip, "KVM_CAP_SPLIT_IRQCHIP")?;
            enable(fd, KVM_CAP_SPLIT_IRQCHIP, NR_SPLIT_PINS, "KVM_ENABLE_CAP of KVM_CAP_SPLIT_IRQCHIP")?;
        }
        Irqchip::Kernel => {
            need(fd, Cap::Irqchip, "KVM_CAP_IRQCHIP")?;
            fd.create_irq_chip().map_err(refused("KVM_CREATE_IRQCHIP"))?;
        }
    }
    if matches!(config.irqchip, Irqchip::Split | Irqchip::Kernel)
        && fd.check_extension_raw(KVM_CAP_DISABLE_QUIRKS.into()) > 0
    {
        // LINT0 is masked after reset, as in a processor ("Local APIC State After Power-Up or Reset"): by default KVM has it
        // as firmware would leave it.
        let quirk = KVM_X86_QUIRK_LINT0_REENABLED.into();
        enable(fd, KVM_CAP_DISABLE_QUIRKS, quirk, "KVM_ENABLE_CAP of KVM_CAP_DISABLE_QUIRKS")?;
    }
    if config.pit {
        need(fd, Cap::Pit2, "KVM_CAP_PIT2")?;
        // Port 61H is KVM's too: guests calibrate with it.
        let pit = kvm_pit_config { flags: KVM_PIT_SPEAKER_DUMMY, ..Default::default() };
        fd.create_pit2(pit).map_err(refused("KVM_CREATE_PIT2"))?;
    }
    Ok(())
}

/// Lets messages by id reach KVM's local APIC of the vCPU that was made last.
///
/// KVM finds a destination in a map. It makes the map anew while a vCPU is made (kvm_lapic_reset), but counts that vCPU among
/// the VM's only afterwards, and then again when a local APIC is enabled, or is given another id or mode. So until then the
/// last vCPU is in no map, and an INIT to its id is lost without a trace. KVM_SET_LAPIC makes the map anew too, whatever it
/// sets: other VMMs, which set LINT0 and LINT1 with it, never meet this. (Linux 6.18, "arch/x86/kvm/lapic.c".)
pub(crate) fn make_reachable(last: &VcpuFd) -> Result<(), VmError> {
    let state = last.get_lapic().map_err(refused("KVM_GET_LAPIC"))?;
    last.set_lapic(&state).map_err(refused("KVM_SET_LAPIC"))
}

/// Takes the MSRs that a local APIC of this VMM has to know of: IA32_APIC_BASE and IA32_TSC_DEADLINE, and if its timer has
/// deadlines, writes of the time-stamp counter.
pub(crate) fn take_msrs(fd: &VmFd, with_tsc: bool) -> Result<(), VmError> {
    let range = |base, flags| MsrFilterRange { flags, base, msr_count: 1, bitmap: &[0] };
    let all = MsrFilterRangeFlags::READ | MsrFilterRangeFlags::WRITE;
    let ranges = [
        range(MSR_APIC_BASE, all),
        range(MSR_TSC_DEADLINE, all),
        range(MSR_TSC, MsrFilterRangeFlags::WRITE),
        range(MSR_TSC_ADJUST, MsrFilterRangeFlags::WRITE),
    ];
    let nr = if with_tsc { ranges.len() } else { 2 };
    fd.set_msr_filter(MsrFilterDefaultAction::ALLOW, &ranges[..nr]).map_err(refused("KVM_X86_SET_MSR_FILTER"))
}

fn need(fd: &VmFd, capability: Cap, name: &'static str) -> Result<(), VmError> {
    match fd.check_extension(capability) {
        true => Ok(()),
        false => Err(VmError::MissingCapability { name }),
    }
}

fn enable(fd: &VmFd, cap: u32, argument: u64, request: &'static str) -> Result<(), VmError> {
    let mut request_of_it = kvm_enable_cap { cap, ..Default::default() };
    request_of_it.args[0] = argument;
    fd.enable_cap(&request_of_it).map_err(refused(request))
}
