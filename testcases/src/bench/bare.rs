//! The peer: a virtual machine as a bare program around KVM_RUN makes it. It shares no code with the VMM.

#![expect(unsafe_code, reason = "a bare virtual machine has its memory set by hand")]
// UNSAFETY: KVM_SET_USER_MEMORY_REGION with memory that outlives the virtual machine.

use super::{
    interrupt_guest::{PIN, VECTOR},
    interrupts::{Handled, Way},
    loops,
};
use anyhow::bail;
use kvm_bindings::{
    KVM_IRQ_ROUTING_MSI, KVM_MAX_CPUID_ENTRIES, KvmIrqRouting, kvm_irq_routing_entry, kvm_msi, kvm_segment,
    kvm_userspace_memory_region,
};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use std::sync::Arc;
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryBackend as _, GuestMemoryMmap};
use vmm_sys_util::eventfd::EventFd;

/// Memory of the guest in bytes.
pub(super) const MEMORY_SIZE_BYTES: usize = 4 << 20;
/// Where KVM keeps what Intel processors without unrestricted guest need: at the top of 32-bit addresses.
const KVM_PAGES: u64 = 0xfffb_c000;
/// Where messages for the local APIC of id 0 go (Intel SDM vol. 3A, "Message Address Register Format").
const MESSAGE_ADDRESS: u32 = 0xfee0_0000;
/// A message that is an NMI (there, "Message Data Register Format").
const NMI: u32 = 4 << 8;
/// The first GSI behind the pins of the I/O APIC.
const FREE_GSI: u32 = 24;

/// The machine, with one virtual processor in 32-bit protected mode.
pub(super) struct BareVm {
    pub(super) vcpu: VcpuFd,
    vm: Arc<VmFd>,
    /// Dropped last: the guest runs on it.
    _memory: GuestMemoryMmap<()>,
}

impl BareVm {
    /// A machine that starts at the first byte of `code`, with KVM's interrupt controllers if asked for.
    pub(super) fn new(code: &[u8], has_irqchip: bool) -> anyhow::Result<Self> {
        let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), MEMORY_SIZE_BYTES)])?;
        memory.write_slice(code, GuestAddress(loops::ENTRY))?;
        let kvm = Kvm::new()?;
        let vm = kvm.create_vm()?;
        let region = kvm_userspace_memory_region {
            memory_size: MEMORY_SIZE_BYTES as u64,
            userspace_addr: memory.get_host_address(GuestAddress(0))? as u64,
            ..Default::default()
        };
        // SAFETY: the memory is kept in the same structure as the virtual machine, and dropped behind it.
        unsafe { vm.set_user_memory_region(region) }?;
        if has_irqchip {
            vm.set_identity_map_address(KVM_PAGES)?;
            vm.set_tss_address(KVM_PAGES as usize + 0x1000)?;
            vm.create_irq_chip()?;
        }
        let vcpu = vm.create_vcpu(0)?;
        if has_irqchip {
            vcpu.set_cpuid2(&kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)?)?;
        }
        enter(&vcpu)?;
        Ok(Self { vcpu, vm: Arc::new(vm), _memory: memory })
    }

    /// What sends an interrupt in this way.
    pub(super) fn signal(&self, way: Way) -> anyhow::Result<Signal> {
        let vm = self.vm.clone();
        let message = kvm_msi { address_lo: MESSAGE_ADDRESS, data: VECTOR.into(), ..Default::default() };
        let event = match way {
            Way::MessageEvent => {
                let mut route =
                    kvm_irq_routing_entry { gsi: FREE_GSI, type_: KVM_IRQ_ROUTING_MSI, ..Default::default() };
                route.u.msi.address_lo = MESSAGE_ADDRESS;
                route.u.msi.data = VECTOR.into();
                vm.set_gsi_routing(&KvmIrqRouting::from_entries(&[route])?)?;
                let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
                vm.register_irqfd(&event, FREE_GSI)?;
                Some(event)
            }
            Way::Message | Way::Pin => None,
        };
        Ok(Signal { way, vm, message, event })
    }

    /// Runs the guest until `handled` has seen enough of its writes.
    pub(super) fn run(&mut self, handled: &Handled) -> anyhow::Result<()> {
        loop {
            match self.vcpu.run()? {
                VcpuExit::IoOut(..) if handled.tell() => {}
                VcpuExit::IoOut(..) => return Ok(()),
                exit => bail!("the guest of the benchmark ended: {exit:?}"),
            }
        }
    }
}

/// A way into the machine, for another thread.
pub(super) struct Signal {
    way: Way,
    vm: Arc<VmFd>,
    message: kvm_msi,
    event: Option<EventFd>,
}

impl Signal {
    /// Sends the interrupt.
    pub(super) fn send(&self) -> anyhow::Result<()> {
        match (self.way, &self.event) {
            (Way::Message, _) => {
                self.vm.signal_msi(self.message)?;
            }
            (Way::MessageEvent, Some(event)) => event.write(1)?,
            (Way::MessageEvent, None) => bail!("there is no event file descriptor"),
            (Way::Pin, _) => {
                self.vm.set_irq_line(PIN, true)?;
                self.vm.set_irq_line(PIN, false)?;
            }
        }
        Ok(())
    }

    /// Ends a guest that does not answer any more: it has no handler for an NMI, and shuts down.
    pub(super) fn end(&self) {
        // If that is lost too, KVM is beyond what a benchmark can deal with.
        let _ = self.vm.signal_msi(kvm_msi { data: NMI, ..self.message });
    }
}

/// The state of the PVH entry, written down once more: the peer shares no code with the VMM.
fn enter(vcpu: &VcpuFd) -> anyhow::Result<()> {
    let mut sregs = vcpu.get_sregs()?;
    let data =
        kvm_segment { limit: u32::MAX, selector: 0x10, type_: 3, present: 1, s: 1, db: 1, g: 1, ..Default::default() };
    sregs.cs = kvm_segment { selector: 8, type_: 11, ..data };
    (sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss) = (data, data, data, data, data);
    sregs.cr0 |= 1;
    vcpu.set_sregs(&sregs)?;
    let mut regs = vcpu.get_regs()?;
    regs.rip = loops::ENTRY;
    vcpu.set_regs(&regs)?;
    Ok(())
}
