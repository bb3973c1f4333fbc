//! What KVM keeps of a VM beside its vCPUs: interrupt controllers, PIT and clock.
//!
//! Not completely: KVM starts a PIT's counters anew when they are set, so that the part of a period that has passed is lost.

use super::{RestoreError, SaveError};
use crate::config::Irqchip;
use kvm_bindings::{
    KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, kvm_clock_data, kvm_irqchip, kvm_pit_state2,
};
use kvm_ioctls::VmFd;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// All three; the I/O APIC last, because it sends what waits in it at once.
const CHIPS: [u32; 3] = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC];

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KernelState {
    chips: Vec<kvm_irqchip>,
    pit: Option<kvm_pit_state2>,
    /// In nanoseconds, when the VM was saved.
    clock: Option<u64>,
}

/// What passed since an instant.
fn nanoseconds_since(here: Instant) -> u64 {
    // More than five centuries do not pass.
    u64::try_from(here.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn refused(request: &'static str) -> impl Fn(kvm_ioctls::Error) -> SaveError {
    move |error| SaveError::Kvm { request, source: error.into() }
}

fn denied(request: &'static str) -> impl Fn(kvm_ioctls::Error) -> RestoreError {
    move |error| RestoreError::Kvm { request, source: error.into() }
}

impl KernelState {
    /// With the clock as it was at an instant.
    pub(super) fn read(vm: &VmFd, irqchip: Irqchip, has_pit: bool, here: Instant) -> Result<Self, SaveError> {
        let clock = vm.get_clock().ok().map(|clock| clock.clock.saturating_sub(nanoseconds_since(here)));
        let chip = |chip_id: &u32| {
            let mut chip = kvm_irqchip { chip_id: *chip_id, ..Default::default() };
            vm.get_irqchip(&mut chip).map(|()| chip).map_err(refused("KVM_GET_IRQCHIP"))
        };
        let chips =
            if irqchip == Irqchip::Kernel { CHIPS.iter().map(chip).collect::<Result<_, _>>()? } else { Vec::new() };
        let pit = if has_pit { Some(vm.get_pit2().map_err(refused("KVM_GET_PIT2"))?) } else { None };
        Ok(Self { chips, pit, clock })
    }

    /// Sets the clock, which went on by so many nanoseconds until an instant. Before vCPUs that look at it.
    pub(super) fn write_clock(&self, vm: &VmFd, (elapsed, here): (u64, Instant)) -> Result<(), RestoreError> {
        let Some(clock) = self.clock else { return Ok(()) };
        let clock = clock.saturating_add(elapsed).saturating_add(nanoseconds_since(here));
        let clock = kvm_clock_data { clock, ..Default::default() };
        vm.set_clock(&clock).map_err(denied("KVM_SET_CLOCK"))
    }

    /// Sets the others, after the local APICs that they interrupt.
    pub(super) fn write_chips(&self, vm: &VmFd) -> Result<(), RestoreError> {
        for chip in &self.chips {
            vm.set_irqchip(chip).map_err(denied("KVM_SET_IRQCHIP"))?;
        }
        self.pit.as_ref().map_or(Ok(()), |pit| vm.set_pit2(pit).map_err(denied("KVM_SET_PIT2")))
    }
}
