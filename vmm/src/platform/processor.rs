//! What the thread of a vCPU asks of its local APIC in user space.

use super::{Failure, Platform};
use crate::tsc::{MSR_TSC, MSR_TSC_ADJUST};
use ::platform::{
    local_apic::{self, GeneralProtection, LocalApic, MSR_TSC_DEADLINE, Request},
    model::Model,
    time::Nanoseconds,
};

impl Platform {
    /// Whether local APICs are ours: then so are HLT, CR8, start-up and all interrupts of the vCPUs.
    pub(crate) fn has_local_apics(&self) -> bool {
        self.has_local_apics
    }

    /// The vCPU came, and waits for its start-up interrupt; its counter is so far ahead of the host's.
    pub(crate) fn add_processor(&self, vcpu: u8, difference: u64) -> Result<(), Failure> {
        self.access(|state, now| {
            if let Some(apics) = state.local_apics() {
                apics.add(now, vcpu, difference);
            }
            state.carry(now)
        })
    }

    /// The vCPU is gone.
    pub(crate) fn remove_processor(&self, vcpu: u8) {
        if let Some(apics) = self.state().local_apics() {
            apics.remove(vcpu);
        }
    }

    /// INIT, start-up or NMI that the vCPU has to obey. Its local APIC has been reset with an INIT.
    pub(crate) fn take_request(&self, vcpu: u8) -> Option<Request> {
        self.state().local_apic(vcpu)?.take_request()
    }

    /// Whether the vCPU waits for its start-up interrupt.
    pub(crate) fn is_waiting(&self, vcpu: u8) -> bool {
        self.state().local_apic(vcpu).is_some_and(|apic| apic.is_waiting())
    }

    pub(crate) fn cr8(&self, vcpu: u8) -> u8 {
        self.state().local_apic(vcpu).map_or(0, |apic| apic.cr8())
    }

    pub(crate) fn set_cr8(&self, vcpu: u8, value: u8) {
        if let Some(apic) = self.state().local_apic(vcpu) {
            apic.set_cr8(value);
        }
    }

    /// Raises and lowers pin LINT1 of the vCPU's local APIC.
    pub(crate) fn pulse_lint1(&self, vcpu: u8) -> Result<(), Failure> {
        const LINT1: u8 = 1;
        self.access(|state, now| {
            if let Some(apic) = state.local_apic(vcpu) {
                apic.set_pin(now, LINT1, true);
                apic.set_pin(now, LINT1, false);
            }
            state.carry(now)
        })
    }

    /// Reads a register, if the address is in the page of this vCPU's local APIC.
    pub(crate) fn read_apic(&self, vcpu: u8, address: u64, data: &mut [u8]) -> Option<Result<(), Failure>> {
        let size = data.len().min(8);
        let value = self.at_apic(vcpu, address, |apic, now, offset| apic.read(now, offset, size as u8))?;
        Some(value.map(|value| data[..size].copy_from_slice(&value.to_le_bytes()[..size])))
    }

    /// Writes a register, in the same way.
    pub(crate) fn write_apic(&self, vcpu: u8, address: u64, data: &[u8]) -> Option<Result<(), Failure>> {
        let size = data.len().min(8);
        let mut value = [0; 8];
        value[..size].copy_from_slice(&data[..size]);
        let value = u64::from_le_bytes(value);
        self.at_apic(vcpu, address, |apic, now, offset| apic.write(now, offset, size as u8, value))
    }

    fn at_apic<T>(
        &self,
        vcpu: u8,
        address: u64,
        access: impl FnOnce(&mut LocalApic, Nanoseconds, u64) -> T,
    ) -> Option<Result<T, Failure>> {
        if !self.has_local_apics {
            return None;
        }
        let base = self.state().local_apic(vcpu)?.address()?;
        let offset = address.checked_sub(base).filter(|offset| *offset < local_apic::SIZE_BYTES)?;
        // Only this vCPU's thread moves the page.
        self.access(|state, now| {
            let result = state.local_apic(vcpu).map(|apic| access(apic, now, offset));
            state.carry(now)?;
            Ok(result)
        })
        .transpose()
    }

    /// The vCPU's time-stamp counter was written, and is so far ahead of the host's now.
    pub(crate) fn move_counter(&self, vcpu: u8, difference: u64) -> Result<(), Failure> {
        self.access(|state, now| {
            if let Some(apics) = state.local_apics() {
                apics.move_counter(now, vcpu, difference);
            }
            state.carry(now)
        })
    }

    /// RDMSR, of what KVM leaves to this VMM.
    pub(crate) fn read_msr(&self, vcpu: u8, msr: u32) -> Result<u64, GeneralProtection> {
        let result = self.access(|state, now| {
            Ok::<_, Failure>(state.local_apic(vcpu).ok_or(GeneralProtection).and_then(|apic| apic.read_msr(now, msr)))
        });
        // Reading sends nothing that could fail.
        result.unwrap_or(Err(GeneralProtection))
    }

    /// WRMSR, likewise. The inner result is that of the guest; of IA32_APIC_BASE and of the counter KVM has to know then.
    pub(crate) fn write_msr(&self, vcpu: u8, msr: u32, value: u64) -> Result<Result<(), GeneralProtection>, Failure> {
        if matches!(msr, MSR_TSC | MSR_TSC_ADJUST) {
            return Ok(Ok(()));
        }
        self.access(|state, now| {
            if msr == MSR_TSC_DEADLINE
                && let Some(apics) = state.local_apics()
            {
                apics.expect_deadlines(now);
            }
            let Some(apic) = state.local_apic(vcpu) else { return Ok(Err(GeneralProtection)) };
            let result = apic.write_msr(now, msr, value);
            state.carry(now)?;
            Ok(result)
        })
    }
}
