//! A VM with one vCPU that is entered again and again, with all of its state in the caller's hands.
//!
//! There is no image, no bus and no device: the caller writes memory and registers, enters the guest and gets each exit
//! as KVM gave it. Registers travel in the page that is shared with KVM (KVM_CAP_SYNC_REGS), so that an entry costs one
//! system call.

#![expect(unsafe_code, reason = "guest memory is handed out as a slice, and KVM is given its address")]
// UNSAFETY: 1. one mapping that the VM owns and that the guest uses only during a call with `&mut self`; 2. one
// KVM_SET_USER_MEMORY_REGION with it; 3. KVM_SET_XSAVE with a structure of full size.

mod ticks;

pub use ticks::TICK_MS;

use crate::{control, cpuid, create::VmError, host::Hypervisor, layout, memory::MemoryError, run_page::RunPage};
use kvm_bindings::{
    KVM_CAP_EXIT_ON_EMULATION_FAILURE, KVM_EXIT_MMIO, kvm_enable_cap, kvm_regs, kvm_sregs, kvm_sync_regs,
    kvm_userspace_memory_region, kvm_vcpu_events, kvm_xsave,
};
use kvm_ioctls::{Cap, SyncReg, VcpuExit, VcpuFd, VmFd};
use std::{io, slice};
use vm_memory::mmap::MmapRegion;

/// The XSAVE area as KVM_SET_XSAVE takes it, in bytes.
pub const XSAVE_SIZE: usize = 4096;
/// KVM_CAP_SYNC_REGS must offer general and special registers and events.
const SYNC_REGS: i32 = (SyncReg::Register as i32) | (SyncReg::SystemRegister as i32) | (SyncReg::VcpuEvents as i32);

/// A VM with one vCPU, no interrupt controller and one slot of memory from 0.
pub struct ReusableVm {
    // The order matters: vCPU and VM go before the memory they use.
    vcpu: VcpuFd,
    fd: VmFd,
    memory: MmapRegion<()>,
    ticks_before: u64,
}

impl ReusableVm {
    /// Makes a VM with so much zeroed memory. Its vCPU is as after reset, and may use every extended state that KVM
    /// supports.
    ///
    /// # Errors
    /// See [`VmError`].
    pub fn new(hypervisor: &Hypervisor, memory_size_bytes: usize) -> Result<Self, VmError> {
        let sync_regs = hypervisor.kvm.check_extension_int(Cap::SyncRegs);
        if sync_regs & SYNC_REGS != SYNC_REGS {
            return Err(VmError::MissingCapability { name: "KVM_CAP_SYNC_REGS" });
        }
        let fd = hypervisor.kvm.create_vm().map_err(refused("KVM_CREATE_VM"))?;
        let memory = MmapRegion::new(memory_size_bytes)
            .map_err(|source| MemoryError::Map { size_bytes: memory_size_bytes as u64, source })?;
        let region = kvm_userspace_memory_region {
            memory_size: memory.size() as u64,
            userspace_addr: memory.as_ptr() as u64,
            ..Default::default()
        };
        // SAFETY: the memory is mapped with this size and is dropped after the vCPU and the VM.
        unsafe { fd.set_user_memory_region(region) }.map_err(refused("KVM_SET_USER_MEMORY_REGION"))?;
        fd.set_identity_map_address(layout::IDENTITY_MAP).map_err(refused("KVM_SET_IDENTITY_MAP_ADDR"))?;
        fd.set_tss_address(layout::KVM_TSS as usize).map_err(refused("KVM_SET_TSS_ADDR"))?;
        let mut vcpu = fd.create_vcpu(0).map_err(refused("KVM_CREATE_VCPU"))?;
        let machine = cpuid::Machine { nr_vcpus: 1, has_apic: false, has_kernel_apic: false, has_tsc_deadline: false };
        vcpu.set_cpuid2(&cpuid::for_vcpu(&hypervisor.supported_cpuid, machine, 0))
            .map_err(refused("KVM_SET_CPUID2"))?;
        let regs = vcpu.get_regs().map_err(refused("KVM_GET_REGS"))?;
        let sregs = vcpu.get_sregs().map_err(refused("KVM_GET_SREGS"))?;
        let events = vcpu.get_vcpu_events().map_err(refused("KVM_GET_VCPU_EVENTS"))?;
        *vcpu.sync_regs_mut() = kvm_sync_regs { regs, sregs, events };
        for reg in [SyncReg::Register, SyncReg::SystemRegister, SyncReg::VcpuEvents] {
            vcpu.set_sync_valid_reg(reg);
        }
        Ok(Self { vcpu, fd, memory, ticks_before: 0 })
    }

    /// Guest memory from address 0.
    pub fn memory(&self) -> &[u8] {
        // SAFETY: 1. the region is mapped and initialized with this size; 2. the guest changes it only in `enter`, which
        // borrows this value mutably.
        unsafe { slice::from_raw_parts(self.memory.as_ptr(), self.memory.size()) }
    }

    /// The same, to be changed.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `memory`; nobody else holds a reference while this value is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.memory.as_ptr(), self.memory.size()) }
    }

    /// Registers and events as they were at the last exit.
    pub fn state(&mut self) -> &kvm_sync_regs {
        self.vcpu.sync_regs_mut()
    }

    /// Sets the general registers for the next entry. It also drops an exception that is pending.
    pub fn set_regs(&mut self, regs: &kvm_regs) {
        self.vcpu.sync_regs_mut().regs = *regs;
        self.vcpu.set_sync_dirty_reg(SyncReg::Register);
    }

    /// Sets the special registers for the next entry.
    pub fn set_sregs(&mut self, sregs: &kvm_sregs) {
        self.vcpu.sync_regs_mut().sregs = *sregs;
        self.vcpu.set_sync_dirty_reg(SyncReg::SystemRegister);
    }

    /// Sets the events for the next entry.
    pub fn set_events(&mut self, events: &kvm_vcpu_events) {
        self.vcpu.sync_regs_mut().events = *events;
        self.vcpu.set_sync_dirty_reg(SyncReg::VcpuEvents);
    }

    /// Makes an instruction that KVM's emulator cannot do an internal error at every privilege level
    /// (KVM_CAP_EXIT_ON_EMULATION_FAILURE); else it is #UD for programs in ring 3. Says whether KVM has that.
    pub fn exit_on_emulation_failure(&mut self) -> bool {
        let mut cap = kvm_enable_cap { cap: KVM_CAP_EXIT_ON_EMULATION_FAILURE, ..Default::default() };
        cap.args[0] = 1;
        self.fd.enable_cap(&cap).is_ok()
    }

    /// The vCPU for requests that read or write state; KVM_RUN needs more than this reference.
    pub fn vcpu(&self) -> &VcpuFd {
        &self.vcpu
    }

    /// Sets XCR0.
    ///
    /// # Errors
    /// Those of KVM_SET_XCRS.
    pub fn set_xcr0(&mut self, value: u64) -> io::Result<()> {
        let mut xcrs = kvm_bindings::kvm_xcrs { nr_xcrs: 1, ..Default::default() };
        xcrs.xcrs[0].value = value;
        Ok(self.vcpu.set_xcrs(&xcrs)?)
    }

    /// Sets the extended state; what lies behind `area` is zero.
    ///
    /// # Errors
    /// Those of KVM_SET_XSAVE; EINVAL for an area that is longer than [`XSAVE_SIZE`].
    pub fn set_extended(&mut self, area: &[u8]) -> io::Result<()> {
        if area.len() > XSAVE_SIZE {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let mut xsave = kvm_xsave::default();
        let words = xsave.region.iter_mut().zip(area.chunks(4));
        for (word, bytes) in words {
            let mut whole = [0; 4];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u32::from_le_bytes(whole);
        }
        // SAFETY: the state is not larger than the structure, because no component beyond it can be enabled without a
        // request for permission (arch_prctl), which this process never makes.
        Ok(unsafe { self.vcpu.set_xsave(&xsave) }?)
    }

    /// Fills `area`, of at most [`XSAVE_SIZE`] bytes, with the extended state.
    ///
    /// # Errors
    /// Those of KVM_GET_XSAVE.
    pub fn extended(&self, area: &mut [u8]) -> io::Result<()> {
        let xsave = self.vcpu.get_xsave()?;
        for (bytes, word) in area.chunks_mut(4).zip(xsave.region) {
            bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }

    /// Starts to count for [`Self::ticks`], on the calling thread.
    ///
    /// # Errors
    /// Those of making a timer, on the first call of a thread.
    pub fn start_ticks(&mut self) -> io::Result<()> {
        ticks::start()?;
        self.ticks_before = control::ticks();
        Ok(())
    }

    /// How often an entry was or could have been interrupted since [`Self::start_ticks`], each after [`TICK_MS`] of the
    /// thread's processor time.
    pub fn ticks(&self) -> u64 {
        control::ticks().wrapping_sub(self.ticks_before)
    }

    /// Enters the guest until its next exit, completing the previous one. A tick ends it with [`VcpuExit::Intr`].
    ///
    /// # Errors
    /// Those of KVM_RUN.
    pub fn enter(&mut self) -> io::Result<VcpuExit<'_>> {
        self.run(false)
    }

    /// Completes the previous exit without entering the guest: [`VcpuExit::Intr`], or another exit that the same
    /// instruction has.
    ///
    /// # Errors
    /// Those of KVM_RUN.
    pub fn complete(&mut self) -> io::Result<VcpuExit<'_>> {
        self.run(true)
    }

    fn run(&mut self, immediate_exit: bool) -> io::Result<VcpuExit<'_>> {
        // SAFETY: the page is forgotten below, while the vCPU lives.
        let page = unsafe { RunPage::new(&mut self.vcpu) };
        let ticks = control::ticks();
        let outer = control::replace_running(Some(page));
        page.set_immediate_exit(immediate_exit);
        // A tick that came before the line above is taken up: it would have been lost.
        if control::ticks() != ticks {
            page.set_immediate_exit(true);
        }
        let result = self.vcpu.run();
        control::replace_running(outer);
        match result {
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => Ok(VcpuExit::Intr),
            result => Ok(result?),
        }
    }

    /// Answers a read of the last exit, if it was KVM_EXIT_MMIO, with as many bytes as it asked for.
    pub fn answer(&mut self, data: &[u8]) {
        let run = self.vcpu.get_kvm_run();
        if run.exit_reason == KVM_EXIT_MMIO {
            // SAFETY: the reason says that this member of the union was written.
            let mmio = unsafe { &mut run.__bindgen_anon_1.mmio };
            let size = data.len().min(mmio.data.len());
            mmio.data[..size].copy_from_slice(&data[..size]);
        }
    }

    /// Sub-error and data of the last exit, if it was an internal error.
    pub fn internal_error(&mut self) -> (u32, Vec<u64>) {
        // SAFETY: the page is used in this expression only, while the vCPU lives.
        unsafe { RunPage::new(&mut self.vcpu) }.internal_error()
    }
}

fn refused(request: &'static str) -> impl Fn(kvm_ioctls::Error) -> VmError {
    move |error| VmError::Kvm { request, source: error.into() }
}
