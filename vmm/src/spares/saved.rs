//! What is kept of vCPUs that come and go in a saved VM: the registers, and the state of each that is there.
//!
//! Of one that was ejected nothing is: it comes back as a new one.

use super::{Made, Place, Registers, Spares};
use crate::{
    save::{RestoreError, SaveError, VcpuState},
    tsc,
    vcpu::Pending,
};
use kvm_ioctls::VcpuFd;
use std::sync::{PoisonError, atomic::Ordering};

impl Spares {
    /// The registers, and the vCPUs that are there by their numbers, which have taken their interrupts. Nothing runs.
    pub(crate) fn save(&self) -> Result<(Registers, Vec<(u8, VcpuState)>), SaveError> {
        let mut states = Vec::new();
        let registers = self.each_enabled(|index, vcpu, pending| {
            states.push((index, VcpuState::read(vcpu, &self.msrs, pending, self.has_kernel_apic)?));
            Ok(())
        })?;
        Ok((registers, states))
    }

    /// Lets those that are there take the interrupts that wait for them. Gives the vectors of those that end by that. Nothing runs.
    pub(crate) fn take_interrupts(&self) -> Result<Vec<u8>, SaveError> {
        let mut ended = Vec::new();
        self.each_enabled(|_, vcpu, _| {
            ended.extend(VcpuState::take_interrupts(vcpu, self.has_kernel_apic)?);
            Ok(())
        })?;
        Ok(ended)
    }

    /// Gives each vCPU that is there to `act`, with its number and what is left of its last exit; then the registers.
    fn each_enabled(
        &self,
        mut act: impl FnMut(u8, &mut VcpuFd, Pending) -> Result<(), SaveError>,
    ) -> Result<Registers, SaveError> {
        let _plugging = self.plugging.lock().unwrap_or_else(PoisonError::into_inner);
        let registers = self.registers().clone();
        for index in registers.enabled() {
            let Some(mut place) = self.place(index) else { continue };
            let pending = place.unfinished.pending();
            if let Some(Made { vcpu, .. }) = &mut place.made {
                act(index, vcpu, pending)?;
            }
        }
        Ok(registers)
    }

    /// Takes those of a new VM to what was saved: makes each vCPU that was there, in the state that `state_of` gives; counters fall
    /// behind the host's by `behind`. Gives how far each is ahead of it then, where local APICs are this VMM's.
    pub(crate) fn restore(
        &self,
        registers: Registers,
        state_of: impl Fn(u8) -> Result<VcpuState, RestoreError>,
        behind: u64,
    ) -> Result<Vec<(u8, u64)>, RestoreError> {
        let _plugging = self.plugging.lock().unwrap_or_else(PoisonError::into_inner);
        if !registers.is_like(&self.registers()) {
            return Err(RestoreError::Section { name: SECTION.to_owned() });
        }
        let mut differences = Vec::new();
        for index in registers.enabled() {
            let Some(mut place) = self.place(index) else { continue };
            let state = state_of(index)?;
            let vcpu = self.made(index, &mut place)?;
            state.write(vcpu, behind)?;
            if self.platform.is_some() {
                let request = "KVM_GET_MSRS of the time-stamp counter";
                let difference = tsc::difference(vcpu);
                let refused = |error: kvm_ioctls::Error| RestoreError::Kvm { request, source: error.into() };
                differences.push((index, difference.map_err(refused)?));
            }
            place.unfinished.set_pending(state.pending());
            self.present.fetch_or(1 << index, Ordering::SeqCst);
        }
        *self.registers() = registers;
        Ok(differences)
    }

    /// Its vCPU, which is made if there never was one.
    fn made<'a>(&self, index: u8, place: &'a mut Place) -> Result<&'a mut VcpuFd, RestoreError> {
        let made = match place.made.take() {
            Some(made) => made,
            None => {
                self.make(index, place).map_err(|source| RestoreError::Spare { index, source: Box::new(source) })?
            }
        };
        Ok(&mut place.made.insert(made).vcpu)
    }
}

/// The section of the registers.
pub(crate) const SECTION: &str = "spares";
