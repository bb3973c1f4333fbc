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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::save::to_bytes;
    use kvm_bindings::kvm_pit_config;
    use kvm_ioctls::Kvm;
    use std::{thread, time::Duration};

    /// Far longer than what is done in between takes.
    const PAUSE: Duration = Duration::from_millis(50);
    /// What KVM's clock and the host's other ones may differ by in that time.
    const SLACK: u64 = 1_000_000;

    fn vm() -> VmFd {
        Kvm::new().expect("these tests need KVM").create_vm().unwrap()
    }

    fn now(vm: &VmFd) -> u64 {
        vm.get_clock().unwrap().clock
    }

    #[test]
    fn the_clock_is_saved_as_it_was_at_the_moment() {
        let vm = vm();
        let before = now(&vm);
        let here = Instant::now();
        let after = now(&vm);
        thread::sleep(PAUSE);
        let saved = KernelState::read(&vm, Irqchip::None, false, here).unwrap().clock.unwrap();
        assert!((before - SLACK.min(before)..=after + SLACK).contains(&saved), "{before} {saved} {after}");
    }

    #[test]
    fn the_clock_goes_on_from_the_moment() {
        let vm = vm();
        let state = KernelState { chips: Vec::new(), pit: None, clock: Some(1_000_000_000) };
        let here = Instant::now();
        thread::sleep(PAUSE);
        state.write_clock(&vm, (7_000_000_000, here)).unwrap();
        let due = 8_000_000_000 + PAUSE.as_nanos() as u64;
        assert!(now(&vm) + SLACK >= due, "{} of {due}", now(&vm));
    }

    /// What the first 8259 of KVM's is like.
    fn pic(vm: &VmFd) -> kvm_irqchip {
        let mut chip = kvm_irqchip { chip_id: KVM_IRQCHIP_PIC_MASTER, ..Default::default() };
        vm.get_irqchip(&mut chip).unwrap();
        chip
    }

    /// Waits until the 8259 is another than it was, because it was interrupted.
    fn is_interrupted(vm: &VmFd, before: &kvm_irqchip, limit: Duration) -> bool {
        let start = Instant::now();
        let before = to_bytes(before).unwrap();
        while to_bytes(&pic(vm)).unwrap() == before {
            if start.elapsed() >= limit {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Why a PIT of KVM's does not go on where it was: a count of mode 0 that is over comes to its end once more.
    #[test]
    fn kvm_starts_the_counter_of_a_pit_anew() {
        const GENEROUS: Duration = Duration::from_secs(20);
        let vm = vm();
        vm.create_irq_chip().unwrap();
        vm.create_pit2(kvm_pit_config::default()).unwrap();
        let idle = pic(&vm);
        let mut state = vm.get_pit2().unwrap();
        state.channels[0].mode = 0;
        // 7 ms.
        state.channels[0].count = 0x2000;
        vm.set_pit2(&state).unwrap();
        assert!(is_interrupted(&vm, &idle, GENEROUS), "at the end of the count");
        let over = vm.get_pit2().unwrap();
        vm.set_irqchip(&idle).unwrap();
        assert!(!is_interrupted(&vm, &idle, PAUSE), "and not later");
        vm.set_pit2(&over).unwrap();
        assert!(is_interrupted(&vm, &idle, GENEROUS), "but when it is set, once more");
    }
}
