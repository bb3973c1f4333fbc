//! What the user of a VM controls it by, from any thread.

use super::Control;
use crate::{
    platform::Platform,
    spares::{SpareError, Spares},
};
use std::{
    fmt,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

/// Controls a VM's run from any thread; it may outlive the VM.
#[derive(Clone)]
pub struct VmHandle {
    pub(crate) control: Arc<Control>,
    pub(crate) platform: Weak<Platform>,
    pub(crate) spares: Weak<Spares>,
}

/// Why a VM did not do what its handle asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It has no power button.
    #[error("the VM has no power button: it comes with ACPI's fixed hardware")]
    NoPowerButton,
    /// The interrupt did not reach its controller.
    #[error("the interrupt of ACPI could not be sent")]
    Interrupt,
}

impl VmHandle {
    /// Gets every vCPU out of the guest, for good: a run that is under way ends with
    /// [`crate::StopReason::Requested`], and one that is still to start ends so at once. Harmless after the end.
    pub fn stop(&self) {
        self.control.requested.store(true, Ordering::SeqCst);
        self.control.interrupt();
    }

    /// Gets every vCPU out of the guest, so that it can go on in another run or be saved: a run that is under way ends with
    /// [`crate::StopReason::Suspended`], unless something else ends it at the same time. Without effect where there is none.
    pub fn suspend(&self) {
        self.control.end();
    }

    /// Pauses the guest: when this returns no vCPU is in it; a run that is still to start waits, too. Whether it went until now.
    /// All clocks of the VM go on, time-stamp counters among them, and what comes due meanwhile comes when the guest goes on. Not for
    /// a run by [`crate::Vm::debug`], which a debugger pauses.
    pub fn pause(&self) -> bool {
        let _turn = self.control.pausing();
        if self.is_paused() {
            return false;
        }
        self.control.gate.hold(|| self.control.interrupt());
        if let Some(platform) = self.platform.upgrade() {
            platform.set_held(true);
        }
        true
    }

    /// Lets the guest go on where it stood; whether it was paused.
    pub fn resume(&self) -> bool {
        let _turn = self.control.pausing();
        if !self.is_paused() {
            return false;
        }
        if let Some(platform) = self.platform.upgrade() {
            platform.set_held(false);
        }
        self.control.gate.release();
        true
    }

    /// Whether the guest is paused.
    pub fn is_paused(&self) -> bool {
        self.control.gate.is_held()
    }

    /// Each vCPU that a thread runs now, and the number of that thread.
    pub fn vcpu_threads(&self) -> Vec<(u8, i32)> {
        let mut threads: Vec<_> = self.control.threads().iter().map(|thread| (thread.vcpu, thread.tid)).collect();
        threads.sort_unstable();
        threads
    }

    /// Presses the power button, by which a guest that has enabled it is asked to turn itself off. Without effect once the VM is gone.
    ///
    /// # Errors
    /// If the VM has none.
    pub fn press_power_button(&self) -> Result<(), HandleError> {
        self.platform.upgrade().map_or(Err(HandleError::NoPowerButton), |platform| platform.press_power_button())
    }

    /// Adds a vCPU to those that are there, one of [`crate::VmConfig::spare_vcpus`], and tells the guest: it waits for its start-up
    /// interrupt then.
    ///
    /// # Errors
    /// See [`SpareError`].
    pub fn plug_vcpu(&self, index: u8) -> Result<(), SpareError> {
        self.spares.upgrade().ok_or(SpareError::None)?.plug(index)
    }

    /// Asks the guest to give such a vCPU back, which it does some time later or never.
    ///
    /// # Errors
    /// See [`SpareError`].
    pub fn request_vcpu_removal(&self, index: u8) -> Result<(), SpareError> {
        self.spares.upgrade().ok_or(SpareError::None)?.request_removal(index)
    }

    /// Whether such a vCPU is there now.
    pub fn has_spare_vcpu(&self, index: u8) -> bool {
        self.spares.upgrade().is_some_and(|spares| spares.is_present(index))
    }

    /// What the run that is under way has used of processors, over all vCPUs: unlike a clock it does not go on while
    /// other programs hold the processors. A guest that waits uses none. Zero if no run is under way.
    pub fn processor_time(&self) -> Duration {
        self.control.processor_time()
    }

    /// How long a vCPU of the run that is under way was ready and had no processor, since this was asked for the first time in the
    /// run: of the one that had to wait longest. Zero if no run is under way, and where the system does not tell.
    pub fn waited_for_processors(&self) -> Duration {
        self.control.waited_for_processors()
    }
}

impl fmt::Debug for VmHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VmHandle").field("control", &self.control).finish_non_exhaustive()
    }
}
