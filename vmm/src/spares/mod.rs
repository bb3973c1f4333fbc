//! vCPUs that come and go while the guest runs.
//!
//! Each has a thread from the start of a run on, which waits at the gate while its vCPU is not there. A vCPU is made when it first comes. KVM
//! cannot take one away again: one that was ejected stays as it was after its making, and comes back so.
//!
//! **Architecture Invariant**: the place of a vCPU is locked by its thread while that runs it, and otherwise only while it is made or set
//! back, never under the lock of the bus.

mod device;
mod registers;
mod saved;

pub(crate) use device::SpareRegisters;
pub use registers::{OccupancyError, SpareEvent};
pub(crate) use registers::{Registers, SIZE_BYTES as REGISTERS_SIZE_BYTES};
pub(crate) use saved::SECTION;

use crate::{
    control::Control,
    create::VmError,
    interrupts::Interrupts,
    irqchip,
    platform::Platform,
    save::{RestoreError, SaveError, VcpuState},
    tsc,
    vcpu::Unfinished,
};
use kvm_bindings::CpuId;
use kvm_ioctls::{VcpuFd, VmFd};
use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The general-purpose event of processors, as QEMU's machines number it.
pub(crate) const EVENT: u8 = 2;

/// Why a vCPU cannot come or go.
#[derive(Debug, thiserror::Error)]
pub enum SpareError {
    /// The VM has none that could, or is gone.
    #[error("the VM has no processors that could come and go")]
    None,
    /// Of what is there and what is not.
    #[error(transparent)]
    Occupancy(#[from] OccupancyError),
    /// It could not be made.
    #[error(transparent)]
    Make(Box<VmError>),
    /// Its state after its making could not be kept.
    #[error(transparent)]
    Read(Box<SaveError>),
    /// It could not be set back to that state.
    #[error(transparent)]
    Write(Box<RestoreError>),
    /// Its time-stamp counter could not be compared with the host's.
    #[error("failed to read the time-stamp counter of processor {index}")]
    Counter {
        /// Which one.
        index: u8,
        /// Why.
        source: io::Error,
    },
}

/// Who is told what the guest does; on the thread of a vCPU, which it must not hold up.
pub(crate) type OnEvent = Box<dyn Fn(SpareEvent) + Send + Sync>;

/// How many vCPUs can be there, and who is told what the guest does with those that come and go.
pub struct SpareVcpus {
    pub(crate) nr_max: u8,
    pub(crate) on_event: OnEvent,
}

impl SpareVcpus {
    /// So many vCPUs at most. `on_event` is called on the thread of a vCPU, which it must not hold up.
    pub fn new(nr_max: u8, on_event: impl Fn(SpareEvent) + Send + Sync + 'static) -> Self {
        Self { nr_max, on_event: Box::new(on_event) }
    }
}

/// What is made of each of them, and of what.
pub(crate) struct Parts {
    pub(crate) vm: Arc<VmFd>,
    pub(crate) interrupts: Interrupts,
    pub(crate) control: Arc<Control>,
    /// Where local APICs are this VMM's.
    pub(crate) platform: Option<Arc<Platform>>,
    pub(crate) has_kernel_apic: bool,
    /// MSRs that KVM keeps.
    pub(crate) msrs: Vec<u32>,
    /// How many vCPUs are there from the start.
    pub(crate) first: u8,
    /// CPUID of each of the others, and what their threads take along.
    pub(crate) each: Vec<(CpuId, Unfinished)>,
    pub(crate) on_event: OnEvent,
}

/// The vCPUs of a VM that come and go.
pub(crate) struct Spares {
    places: Vec<Mutex<Place>>,
    /// A bit for each that is there.
    present: AtomicU64,
    registers: Mutex<Registers>,
    /// One comes at a time.
    plugging: Mutex<()>,
    vm: Arc<VmFd>,
    interrupts: Interrupts,
    control: Arc<Control>,
    platform: Option<Arc<Platform>>,
    has_kernel_apic: bool,
    msrs: Vec<u32>,
    first: u8,
    on_event: OnEvent,
}

/// Where a vCPU has its place.
pub(crate) struct Place {
    cpuid: CpuId,
    pub(crate) unfinished: Unfinished,
    made: Option<Made>,
}

struct Made {
    vcpu: VcpuFd,
    /// Its state when it was new.
    new: VcpuState,
}

impl Place {
    /// The vCPU, if there ever was one.
    pub(crate) fn vcpu(&self) -> Option<&VcpuFd> {
        self.made.as_ref().map(|made| &made.vcpu)
    }

    /// The same to run it, with what its thread takes along.
    pub(crate) fn runnable(&mut self) -> Option<(&mut VcpuFd, &mut Unfinished)> {
        self.made.as_mut().map(|made| (&mut made.vcpu, &mut self.unfinished))
    }

    /// Sets it back to what it was when it was new.
    fn set_back(&mut self) -> Result<(), SpareError> {
        let Some(Made { vcpu, new }) = &mut self.made else { return Ok(()) };
        new.write_again(vcpu).map_err(|error| SpareError::Write(Box::new(error)))?;
        self.unfinished.set_pending(new.pending());
        Ok(())
    }
}

impl Spares {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { vm, interrupts, control, platform, has_kernel_apic, msrs, first, each, on_event } = parts;
        // There are 64 vCPUs at most.
        let nr_max = first + each.len() as u8;
        let place = |(cpuid, unfinished)| Mutex::new(Place { cpuid, unfinished, made: None });
        Self {
            places: each.into_iter().map(place).collect(),
            present: AtomicU64::new(0),
            registers: Mutex::new(Registers::new(first, nr_max)),
            plugging: Mutex::new(()),
            vm,
            interrupts,
            control,
            platform,
            has_kernel_apic,
            msrs,
            first,
            on_event,
        }
    }

    /// The numbers of all of them.
    pub(crate) fn indices(&self) -> std::ops::Range<u8> {
        self.first..self.first + self.places.len() as u8
    }

    /// Whether it is there now.
    pub(crate) fn is_present(&self, index: u8) -> bool {
        self.present.load(Ordering::SeqCst) >> index & 1 != 0
    }

    /// Its place; waits while its thread runs it.
    pub(crate) fn place(&self, index: u8) -> Option<MutexGuard<'_, Place>> {
        let place = self.places.get(usize::from(index.checked_sub(self.first)?))?;
        // After a panic the run ends, and the vCPU is looked at and no longer run.
        Some(place.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn registers(&self) -> MutexGuard<'_, Registers> {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is there, and gives its place to run it; nothing when the run ends.
    pub(crate) fn wait(&self, index: u8) -> Option<MutexGuard<'_, Place>> {
        self.control.gate().wait_for(|| self.control.must_stop() || self.is_present(index));
        if self.control.must_stop() { None } else { self.place(index) }
    }

    /// After it was ejected and its thread has left it: so that it takes no interrupts meant for others.
    pub(crate) fn left(&self, mut place: MutexGuard<'_, Place>) {
        // It is tried again, and told, when it comes back.
        let _ = place.set_back();
    }

    /// Makes a vCPU, which waits for its start-up interrupt, and tells the guest.
    pub(crate) fn plug(&self, index: u8) -> Result<(), SpareError> {
        let _plugging = self.plugging.lock().unwrap_or_else(PoisonError::into_inner);
        self.registers().check_room(index)?;
        let mut place = self.place(index).ok_or(SpareError::None)?;
        match place.made {
            // It may have been sent something while it was not there.
            Some(_) => place.set_back()?,
            None => place.made = Some(self.make(index, &place)?),
        }
        if let (Some(platform), Some(vcpu)) = (&self.platform, place.vcpu()) {
            let difference = tsc::difference(vcpu).map_err(|error| SpareError::Counter { index, source: error.into() });
            // What follows from it is told when the guest is next served.
            let _ = platform.add_processor(index, difference?);
        }
        drop(place);
        self.registers().insert(index)?;
        self.present.fetch_or(1 << index, Ordering::SeqCst);
        self.control.gate().notify();
        self.tell();
        Ok(())
    }

    fn make(&self, index: u8, place: &Place) -> Result<Made, SpareError> {
        let refused = |request: &'static str| {
            move |error: kvm_ioctls::Error| SpareError::Make(Box::new(VmError::Kvm { request, source: error.into() }))
        };
        let mut vcpu = self.vm.create_vcpu(index.into()).map_err(refused("KVM_CREATE_VCPU"))?;
        vcpu.set_cpuid2(&place.cpuid).map_err(refused("KVM_SET_CPUID2"))?;
        if self.has_kernel_apic {
            irqchip::make_reachable(&vcpu).map_err(|error| SpareError::Make(Box::new(error)))?;
        }
        let new = VcpuState::read(&mut vcpu, &self.msrs, place.unfinished.pending(), self.has_kernel_apic)
            .map_err(|error| SpareError::Read(Box::new(error)))?;
        Ok(Made { vcpu, new })
    }

    /// Asks the guest to give a vCPU back, which it does some time later or never.
    pub(crate) fn request_removal(&self, index: u8) -> Result<(), SpareError> {
        self.registers().request_removal(index)?;
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        // Who asks for such vCPUs has the events.
        self.interrupts.raise_general_event(EVENT);
    }

    fn read(&self, offset: u64, data: &mut [u8]) {
        self.registers().read(offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let event = self.registers().write(offset, data);
        if let Some(SpareEvent::Ejected { index }) = event {
            self.present.fetch_and(!(1 << index), Ordering::SeqCst);
            if let Some(platform) = &self.platform {
                platform.remove_processor(index);
            }
            // Its thread may be in the guest, or at the gate; if it is this one, it looks when it is done here.
            self.control.interrupt_one(index);
            self.control.gate().notify();
        }
        if let Some(event) = event {
            (self.on_event)(event);
        }
    }
}
