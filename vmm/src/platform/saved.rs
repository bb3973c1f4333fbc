//! What a platform keeps of itself in a saved VM.

use super::{
    Platform,
    controllers::{Processors, UserControllers},
    general_events::GeneralEvents,
    lines::{Controllers, SharedLine},
    local_apics::{Counters, LocalApics},
};
use ::platform::{
    hpet::Hpet, io_apic::IoApic, pic::Pic, pit::Pit, pm_timer::PowerManagement, rtc::Rtc, time::Nanoseconds,
};
use kvm_ioctls::VcpuFd;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// All of a platform.
#[derive(Serialize, Deserialize)]
pub(crate) struct PlatformState {
    now: Nanoseconds,
    pub(super) pit: Option<Pit>,
    pub(super) hpet: Option<Hpet>,
    pub(super) rtc: Option<Rtc>,
    pub(super) power: Option<PowerManagement>,
    pub(super) general_events: Option<GeneralEvents>,
    pub(super) sci: SharedLine,
    pub(super) kernel_pit_replaced: Option<bool>,
    pub(super) controllers: Option<ControllersState>,
}

/// Interrupt controllers.
#[derive(Serialize, Deserialize)]
pub(super) struct ControllersState {
    pub(super) pic: Pic,
    pub(super) io_apic: IoApic,
    pub(super) pic_asked: bool,
    pub(super) touched: u64,
    pub(super) local_apics: Option<LocalApics>,
}

/// The saved state is of another platform, or its interrupts could not be told to KVM.
#[derive(Debug)]
pub(crate) struct Unfit;

impl Platform {
    /// Its state, with the time that it was at an instant since which nobody touched it.
    pub(crate) fn save(&self, here: Instant) -> PlatformState {
        let state = self.state();
        PlatformState { now: state.clock.at(here), ..state.parts() }
    }

    /// Takes it to a state. Counters are those of `vcpus`, and of `later`, each with its number, which came later. So many nanoseconds had passed since then at an instant, and go on to do so.
    pub(crate) fn restore(
        &self,
        saved: PlatformState,
        (vcpus, later): (&[VcpuFd], &[(u8, u64)]),
        (elapsed, here): (Nanoseconds, Instant),
    ) -> Result<(), Unfit> {
        let mut state = self.state();
        let then = saved.now;
        state.restore(saved)?;
        // That of one that has not run yet starts when it does.
        if then != 0 {
            state.clock.set(then.saturating_add(elapsed), here);
        }
        state.next = None;
        if let Some(apics) = state.local_apics() {
            apics.set_counters(Counters::of(vcpus), later)?;
        }
        Ok(())
    }
}

impl PlatformState {
    pub(super) fn at_zero(
        (pit, hpet, rtc, power): (Option<Pit>, Option<Hpet>, Option<Rtc>, Option<PowerManagement>),
        (general_events, sci): (Option<GeneralEvents>, SharedLine),
        kernel_pit_replaced: Option<bool>,
        controllers: &Controllers,
    ) -> Self {
        let controllers = match controllers {
            Controllers::Kernel(_) => None,
            Controllers::User(ours) => Some(ours.saved()),
        };
        Self { now: 0, pit, hpet, rtc, power, general_events, sci, kernel_pit_replaced, controllers }
    }
}

impl UserControllers {
    fn saved(&self) -> ControllersState {
        let local_apics = match &self.processors {
            Processors::Kernel(_) => None,
            Processors::User(apics) => Some(apics.clone()),
        };
        let (pic_asked, touched) = self.told();
        ControllersState { pic: self.pic.clone(), io_apic: self.io_apic.clone(), pic_asked, touched, local_apics }
    }

    pub(super) fn restore(&mut self, saved: ControllersState) -> Result<(), Unfit> {
        match (&mut self.processors, saved.local_apics) {
            (Processors::Kernel(_), None) => {}
            (Processors::User(apics), Some(saved)) if apics.is_like(&saved) => *apics = saved,
            _ => return Err(Unfit),
        }
        (self.pic, self.io_apic) = (saved.pic, saved.io_apic);
        self.set_told(saved.pic_asked, saved.touched);
        self.tell_level_pins().map_err(|_| Unfit)
    }
}
