//! The devices of a platform with all that is between them, under one lock.

mod requests;
mod time;

use super::{
    Failure,
    clock::Clock,
    controllers::{Processors, UserControllers},
    general_events::GeneralEvents,
    lines::{self, Controllers, SharedLine},
    local_apics::LocalApics,
    saved::{PlatformState, Unfit},
};
use crate::{
    bus::{Device, FirmwareDevice},
    config::VmConfig,
    faults::{Clocks, Fault, Interference, model},
    interrupts::Interrupts,
};
use ::platform::{
    hpet::Hpet,
    model::Model,
    pit::Pit,
    pm_timer::{self, PowerManagement, Width},
    rtc::{CENTURY, Rtc, SIZE_BYTES},
    time::Nanoseconds,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which device of a platform an access is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Both 8259As.
    Pic,
    /// The I/O APIC.
    IoApic,
    /// The 8254 and port 61H.
    Pit,
    /// The HPET.
    Hpet,
    /// The real-time clock.
    Rtc,
    /// The PM1 registers and the PM timer.
    Power,
    /// The general-purpose event block.
    GeneralEvents,
}

/// The host's time since 1970 began; a host from before shows that.
fn wall_clock() -> Nanoseconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // More than five centuries do not pass.
    Nanoseconds::try_from(since.as_nanos()).unwrap_or(Nanoseconds::MAX)
}

/// What the ACPI timer begins with: its highest bit changes a quarter of a second later, and then every 2.3 s, so that a guest
/// need not wait for long to see that.
const POWER_TIMER_START: u32 = (1 << 23) - (pm_timer::FREQUENCY / 4) as u32;

/// Whether ACPI is told of what comes and goes.
fn has_events(config: &VmConfig) -> bool {
    let of_device = |device: &dyn Device| device.firmware_device() == Some(FirmwareDevice::PciHostWithHotPlug);
    config.spare_vcpus.is_some() || config.devices.iter().any(|device| of_device(&**device))
}

/// A model without its outputs, whose types differ.
trait Registers {
    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64;
    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64);
}

impl<M: Model> Registers for M {
    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64 {
        Model::read(self, now, offset, size)
    }

    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64) {
        Model::write(self, now, offset, size, value);
    }
}

/// The devices, and when they are next to be looked at.
pub(crate) struct State {
    pub(super) clock: Clock,
    pit: Option<Pit>,
    hpet: Option<Hpet>,
    rtc: Option<Rtc>,
    power: Option<PowerManagement>,
    general_events: Option<GeneralEvents>,
    /// The system control interrupt, which both of them assert.
    sci: SharedLine,
    /// Whether the HPET stands in for the PIT of KVM, as KVM was told last; nothing where that PIT is not KVM's.
    kernel_pit_replaced: Option<bool>,
    controllers: Controllers,
    /// Devices for which time passes otherwise.
    clocks: Clocks,
    /// Lines that go wrong.
    interference: Interference,
    fault: Option<Fault>,
    /// When the thread that waits for this next looks, if it does at all.
    pub(super) due: Option<Nanoseconds>,
    /// When something changes by itself, as it was after the last access.
    pub(super) next: Option<Nanoseconds>,
    pub(super) must_stop: bool,
    /// Whether the guest is paused.
    pub(super) is_held: bool,
}

impl State {
    pub(super) fn new(config: &VmConfig, local_apics: Option<LocalApics>, interrupts: Interrupts) -> Self {
        let chipset = config.chipset;
        let controllers = match (local_apics, chipset.interrupt_controllers) {
            (Some(local_apics), _) => Controllers::User(Box::new(UserControllers::new(Processors::User(local_apics)))),
            (None, true) => Controllers::User(Box::new(UserControllers::new(Processors::Kernel(interrupts)))),
            (None, false) => Controllers::Kernel(interrupts),
        };
        let mut state = Self {
            clocks: Clocks::new(config.fault),
            interference: Interference::new(config.fault),
            fault: config.fault,
            clock: Clock::default(),
            pit: chipset.pit.then(Pit::new),
            hpet: chipset.hpet.then(Hpet::default),
            rtc: chipset.rtc.then(|| Rtc::new(wall_clock())),
            power: chipset.power.then(|| PowerManagement::new(Width::Bits24, POWER_TIMER_START)),
            general_events: (chipset.power && has_events(config)).then(GeneralEvents::new),
            sci: SharedLine::default(),
            kernel_pit_replaced: config.pit.then_some(false),
            controllers,
            due: None,
            next: None,
            must_stop: false,
            is_held: false,
        };
        state.set_fault();
        state
    }

    /// Lets the model that the fault is for break a rule.
    fn set_fault(&mut self) {
        let Some(Fault::Model(fault)) = self.fault else { return };
        match fault {
            model::Fault::Pit(fault) => self.pit.iter_mut().for_each(|pit| pit.set_fault(fault)),
            model::Fault::Hpet(fault) => self.hpet.iter_mut().for_each(|hpet| hpet.set_fault(fault)),
            model::Fault::Rtc(fault) => self.rtc.iter_mut().for_each(|rtc| rtc.set_fault(fault)),
            model::Fault::Power(fault) => self.power.iter_mut().for_each(|power| power.set_fault(fault)),
            model::Fault::Pic(fault) => self.ours().into_iter().for_each(|ours| ours.pic.set_fault(fault)),
            model::Fault::IoApic(fault) => self.ours().into_iter().for_each(|ours| ours.io_apic.set_fault(fault)),
            model::Fault::LocalApic(fault) => self.local_apics().into_iter().for_each(|apics| apics.set_fault(fault)),
        }
    }

    /// Lets the clock count, if it does not yet. The first time, the real-time clock begins with what the host's shows then, however
    /// long it took to make the VM.
    pub(super) fn start(&mut self) {
        if self.clock.is_new()
            && let Some(rtc) = &mut self.rtc
        {
            let before = std::mem::replace(rtc, Rtc::new(wall_clock()));
            // What was put into its memory when the VM was made stays.
            (0..SIZE_BYTES as u8)
                .filter(|index| *index != CENTURY)
                .for_each(|index| rtc.set_memory(index, before.memory(index)));
        }
        self.set_fault();
        self.clock.start();
    }

    /// A copy of the devices, without the time.
    pub(super) fn parts(&self) -> PlatformState {
        let devices = (self.pit.clone(), self.hpet.clone(), self.rtc.clone(), self.power.clone());
        let events = (self.general_events.clone(), self.sci.clone());
        PlatformState::at_zero(devices, events, self.kernel_pit_replaced, &self.controllers)
    }

    /// Puts saved devices in the place of those that there are, which must be of the same kinds.
    pub(super) fn restore(&mut self, saved: PlatformState) -> Result<(), Unfit> {
        let is_like = self.pit.is_some() == saved.pit.is_some()
            && self.hpet.is_some() == saved.hpet.is_some()
            && self.rtc.is_some() == saved.rtc.is_some()
            && self.power.is_some() == saved.power.is_some()
            && self.general_events.is_some() == saved.general_events.is_some()
            && self.kernel_pit_replaced.is_some() == saved.kernel_pit_replaced.is_some();
        match (&mut self.controllers, saved.controllers) {
            _ if !is_like => return Err(Unfit),
            (Controllers::Kernel(_), None) => {}
            (Controllers::User(ours), Some(saved)) => ours.restore(saved)?,
            _ => return Err(Unfit),
        }
        (self.pit, self.hpet, self.rtc, self.power) = (saved.pit, saved.hpet, saved.rtc, saved.power);
        (self.general_events, self.sci) = (saved.general_events, saved.sci);
        self.kernel_pit_replaced = saved.kernel_pit_replaced;
        Ok(())
    }

    fn ours(&mut self) -> Option<&mut UserControllers> {
        match &mut self.controllers {
            Controllers::User(controllers) => Some(controllers),
            Controllers::Kernel(_) => None,
        }
    }

    fn model(&mut self, target: Target) -> Option<&mut dyn Registers> {
        match target {
            Target::Pic => self.ours().map(|ours| &mut ours.pic as &mut dyn Registers),
            Target::IoApic => self.ours().map(|ours| &mut ours.io_apic as &mut dyn Registers),
            Target::Pit => self.pit.as_mut().map(|pit| pit as &mut dyn Registers),
            Target::Hpet => self.hpet.as_mut().map(|hpet| hpet as &mut dyn Registers),
            Target::Rtc => self.rtc.as_mut().map(|rtc| rtc as &mut dyn Registers),
            Target::Power => self.power.as_mut().map(|power| power as &mut dyn Registers),
            Target::GeneralEvents => self.general_events.as_mut().map(|events| events as &mut dyn Registers),
        }
    }

    /// What a guest reads; all ones where there is nothing.
    pub(super) fn read(&mut self, now: Nanoseconds, target: Target, offset: u64, size: u8) -> Result<u64, Failure> {
        let shown = self.shown(target, now);
        let value = self.model(target).map_or(u64::MAX, |model| model.read(shown, offset, size));
        self.carry(now)?;
        Ok(value)
    }

    /// Takes what a guest writes.
    pub(super) fn write(
        &mut self,
        now: Nanoseconds,
        target: Target,
        offset: u64,
        size: u8,
        value: u64,
    ) -> Result<(), Failure> {
        let shown = self.shown(target, now);
        if let Some(model) = self.model(target) {
            model.write(shown, offset, size, value);
        }
        if target == Target::IoApic
            && let Some(ours) = self.ours()
        {
            ours.tell_level_pins()?;
        }
        self.carry(now)
    }

    /// Takes all outputs to where they lead.
    pub(super) fn carry(&mut self, now: Nanoseconds) -> Result<(), Failure> {
        let Self { pit, hpet, rtc, power, general_events, sci, kernel_pit_replaced, controllers, interference, .. } =
            self;
        let is_replaced = hpet.as_ref().is_some_and(Hpet::is_legacy_replacement);
        if kernel_pit_replaced.is_some_and(|told| told != is_replaced)
            && let Controllers::Kernel(interrupts) = controllers
        {
            interrupts.replace_pit(is_replaced)?;
            *kernel_pit_replaced = Some(is_replaced);
        }
        let mut is_off = false;
        while let Some(signal) = pit.as_mut().and_then(Model::take) {
            if !is_replaced {
                controllers.carry_unless(*interference, lines::PIT, signal)?;
            }
        }
        while let Some(signal) = hpet.as_mut().and_then(Model::take) {
            controllers.carry_unless(*interference, lines::of_hpet(signal.pin), signal)?;
        }
        while let Some(signal) = rtc.as_mut().and_then(Model::take) {
            if !is_replaced {
                controllers.carry_unless(*interference, lines::RTC, signal)?;
            }
        }
        while let Some(output) = power.as_mut().and_then(Model::take) {
            match output {
                pm_timer::Output::Interrupt(signal) => {
                    if let Some(signal) = sci.join(0, signal) {
                        controllers.carry_unless(*interference, lines::SCI, signal)?;
                    }
                }
                pm_timer::Output::Off => is_off = true,
            }
        }
        while let Some(signal) = general_events.as_mut().and_then(Model::take) {
            if let Some(signal) = sci.join(1, signal) {
                controllers.carry_unless(*interference, lines::SCI, signal)?;
            }
        }
        self.ours().map_or(Ok(()), |ours| ours.send(now))?;
        if is_off { Err(Failure::PowerOff) } else { Ok(()) }
    }

    pub(super) fn local_apics(&mut self) -> Option<&mut LocalApics> {
        match &mut self.ours()?.processors {
            Processors::User(apics) => Some(apics),
            Processors::Kernel(_) => None,
        }
    }
}
