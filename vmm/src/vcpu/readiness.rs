//! What a vCPU does for interrupts that are this VMM's affair.

use super::{Runner, Step, Unfinished};
use crate::{
    lint1,
    platform::{Platform, Request},
    reset,
    stop::StopReason,
    tsc::{self, MSR_TSC, MSR_TSC_ADJUST},
};
use ::platform::local_apic::MSR_APIC_BASE;

/// Whether the guest can be entered.
pub(super) enum Readiness {
    Ready,
    /// It waits for an interrupt.
    Idle,
}

impl Runner<'_> {
    /// Does what has to be done before the guest is entered, where interrupts are this VMM's affair.
    pub(super) fn prepare_entry(&mut self, platform: &Platform) -> Result<Readiness, StopReason> {
        if platform.has_local_apics() {
            while let Some(request) = platform.take_request(self.index) {
                self.unfinished.is_halted = false;
                match request {
                    Request::Init => reset::init(self.vcpu)?,
                    Request::StartUp(page) => reset::start_up(self.vcpu, page)?,
                    Request::Nmi => {
                        self.vcpu.nmi()?;
                        self.unfinished.injector.expect_nmi();
                    }
                    // There is no system-management mode.
                    Request::Smi => {}
                }
            }
            let can_wake = || self.page.has_interrupts_enabled() && platform.asks(self.index);
            if platform.is_waiting(self.index) || self.unfinished.is_halted && !can_wake() {
                return Ok(Readiness::Idle);
            }
            self.unfinished.is_halted = false;
            self.cr8 = platform.cr8(self.index);
            self.page.set_cr8(self.cr8);
        }
        let Unfinished { injector, fault, .. } = &mut *self.unfinished;
        injector.prepare_entry(platform, self.index, self.vcpu, self.page, fault.as_deref_mut())?;
        Ok(Readiness::Ready)
    }

    pub(super) fn pulse_lint1(&mut self) -> Step {
        if let Some(platform) = self.platform.filter(|platform| platform.has_local_apics()) {
            return platform.pulse_lint1(self.index).into();
        }
        match lint1::pulse(self.vcpu) {
            Ok(true) => self.unfinished.injector.expect_nmi(),
            Ok(false) => {}
            Err(reason) => return Step::Stop(reason),
        }
        Step::Continue
    }

    /// Does what is left of a WRMSR that this VMM took.
    pub(super) fn complete_write(&self, platform: &Platform, (msr, value): (u32, u64)) -> Result<(), StopReason> {
        match msr {
            MSR_APIC_BASE => reset::set_apic_base(self.vcpu, value)?,
            MSR_TSC => tsc::write(self.vcpu, value)?,
            MSR_TSC_ADJUST => tsc::adjust(self.vcpu, value)?,
            _ => return Ok(()),
        }
        if msr != MSR_APIC_BASE {
            platform.move_counter(self.index, tsc::difference(self.vcpu)?)?;
        }
        Ok(())
    }
}
