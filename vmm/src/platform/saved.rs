//! What a platform keeps of itself in a saved VM.

use super::{
    Platform,
    controllers::{Processors, UserControllers},
    general_events::GeneralEvents,
    lines::{Controllers, SharedLine},
    local_apics::{Counters, LocalApics},
    state::State,
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
    /// Its state, with the time that it is: the clock goes on to count until then, though nothing runs.
    pub(crate) fn save(&self) -> PlatformState {
        let state = self.state();
        state.saved(state.clock.now_as_if_running())
    }

    /// Takes it to a state. So many nanoseconds had passed since then at an instant, and go on to do so, unless none did.
    pub(crate) fn restore(
        &self,
        saved: PlatformState,
        vcpus: &[VcpuFd],
        (elapsed, here): (Nanoseconds, Instant),
    ) -> Result<(), Unfit> {
        let mut state = self.state();
        let now = saved.now.saturating_add(elapsed);
        state.restore(saved)?;
        state.clock.set(now, (elapsed != 0).then_some(here));
        state.next = None;
        if let Some(apics) = state.local_apics() {
            apics.set_counters(Counters::of(vcpus))?;
        }
        Ok(())
    }
}

impl State {
    fn saved(&self, now: Nanoseconds) -> PlatformState {
        let parts = self.parts();
        PlatformState { now, ..parts }
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
