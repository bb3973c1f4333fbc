//! A VM of 64 KiB with a virtual processor in real mode: enough for every case, and made in a millisecond.

use crate::{
    api::{Answer, Handle, Mapping},
    requests::*,
    signals::Watchdog,
    trouble::{Errno, Trouble},
};
use iced_x86::{IcedError, code_asm::CodeAssembler};
use kvm_bindings::{
    KVM_CAP_SPLIT_IRQCHIP, kvm_enable_cap, kvm_lapic_state, kvm_regs, kvm_run, kvm_segment, kvm_sregs,
    kvm_userspace_memory_region,
};
use std::{
    mem::offset_of,
    time::{Duration, Instant},
};

/// Size of a page.
pub(crate) const PAGE: u64 = 0x1000;
/// Size of the memory at 0.
pub(crate) const MEMORY: u64 = 0x1_0000;
/// Where code stands and starts.
pub(crate) const CODE: u64 = 0x1000;
/// Port by which guests say that they are through.
pub(crate) const END: u16 = 0xf4;

/// Who emulates interrupt controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Irqchip {
    None,
    Split,
    Full,
}

/// A VM. Memory that is added lives as long as it does.
pub(crate) struct Machine {
    pub(crate) vm: Handle,
    pub(crate) kvm: Handle,
    pub(crate) memory: Mapping,
}

impl Machine {
    /// A VM with memory in slot 0.
    pub(crate) fn new(irqchip: Irqchip) -> Result<Self, Errno> {
        let machine = Self::empty()?;
        machine.slot(0, 0, 0, MEMORY, machine.memory.address())?;
        machine.vm.order(SET_TSS_ADDR, 0xfffb_d000)?;
        match irqchip {
            Irqchip::None => {}
            Irqchip::Split => {
                machine.enable(KVM_CAP_SPLIT_IRQCHIP, 24)?;
            }
            Irqchip::Full => {
                machine.vm.order(CREATE_IRQCHIP, 0)?;
            }
        }
        Ok(machine)
    }

    /// A VM to which nothing is added.
    pub(crate) fn empty() -> Result<Self, Errno> {
        let kvm = Handle::open()?;
        let vm = kvm.create(CREATE_VM, 0)?;
        Ok(Self { vm, kvm, memory: Mapping::anonymous(MEMORY as usize)? })
    }

    /// Sets a memory slot.
    pub(crate) fn slot(&self, slot: u32, flags: u32, address: u64, size: u64, host: u64) -> Answer {
        let mut region = kvm_userspace_memory_region {
            slot,
            flags,
            guest_phys_addr: address,
            memory_size: size,
            userspace_addr: host,
        };
        self.vm.request(&SET_USER_MEMORY_REGION, &mut region)
    }

    /// Enables a capability of the VM.
    pub(crate) fn enable(&self, cap: u32, argument: u64) -> Answer {
        let mut cap = kvm_enable_cap { cap, args: [argument, 0, 0, 0], ..Default::default() };
        self.vm.request(&ENABLE_CAP, &mut cap)
    }

    /// The dirty pages of a slot of up to 64 pages, a bit for each.
    pub(crate) fn dirty(&self, slot: u32) -> Answer {
        let mut bitmap = [0_u64; 16];
        let mut log = DirtyLog { slot, padding: 0, bitmap: bitmap.as_mut_ptr() };
        self.vm.request(&GET_DIRTY_LOG, &mut log)?;
        let [first, ..] = bitmap;
        Ok(first)
    }

    /// Creates a virtual processor.
    pub(crate) fn vcpu(&self, id: u64) -> Result<Vcpu<'_>, Errno> {
        let handle = self.vm.create(CREATE_VCPU, id)?;
        let size = self.kvm.order(GET_VCPU_MMAP_SIZE, 0)?;
        let page = Mapping::of(&handle, 0, size as usize)?;
        Ok(Vcpu { handle, page, machine: self })
    }

    /// A virtual processor that starts with this code.
    pub(crate) fn with_code(&self, code: Code) -> Result<Vcpu<'_>, Trouble> {
        let vcpu = self.vcpu(0)?;
        vcpu.load(code)?;
        Ok(vcpu)
    }
}

/// 16-bit code.
pub(crate) type Code = fn(&mut CodeAssembler) -> Result<(), IcedError>;

/// A virtual processor.
pub(crate) struct Vcpu<'m> {
    pub(crate) handle: Handle,
    /// What it shares with KVM: `kvm_run`.
    pub(crate) page: Mapping,
    machine: &'m Machine,
}

impl Vcpu<'_> {
    /// Writes code, and sets the processor to its start, with everything else as real mode has it.
    pub(crate) fn load(&self, code: Code) -> Result<(), Trouble> {
        let mut assembler = CodeAssembler::new(16)?;
        code(&mut assembler)?;
        self.machine.memory.write(CODE as usize, &assembler.assemble(CODE)?);
        Ok(self.start()?)
    }

    /// Tells it by CPUID that it has all that KVM supports.
    pub(crate) fn offer_all(&self) -> Result<(), Errno> {
        let mut cpuid = Cpuid::with_room(CPUID_ROOM as u32);
        self.machine.kvm.request(&GET_SUPPORTED_CPUID, &mut cpuid)?;
        self.handle.request(&SET_CPUID2, &mut cpuid).map(drop)
    }

    /// Sets the processor to the start of its code.
    pub(crate) fn start(&self) -> Result<(), Errno> {
        self.change_sregs(|sregs| {
            for segment in [&mut sregs.cs, &mut sregs.ds, &mut sregs.es, &mut sregs.ss] {
                segment.selector = 0;
                segment.base = 0;
            }
        })?;
        let mut regs = kvm_regs { rip: CODE, rflags: 2, rsp: 0x8000, ..Default::default() };
        self.handle.request(&SET_REGS, &mut regs).map(drop)
    }

    pub(crate) fn change_sregs(&self, change: impl FnOnce(&mut kvm_sregs)) -> Answer {
        let mut sregs = self.handle.get(&GET_SREGS)?;
        change(&mut sregs);
        self.handle.request(&SET_SREGS, &mut sregs)
    }

    /// Points DS to an address below 1 MiB.
    pub(crate) fn point_ds(&self, address: u32) -> Answer {
        self.change_sregs(|sregs| sregs.ds = real(sregs.ds, address))
    }

    /// Runs it once. The answer is the exit reason.
    pub(crate) fn run(&self) -> Answer {
        let watchdog = Watchdog::arm()?;
        self.handle.order(RUN, 0)?;
        drop(watchdog);
        Ok(self.exit_reason().into())
    }

    /// The exit reason, which is there even if KVM_RUN fails.
    pub(crate) fn exit_reason(&self) -> u32 {
        self.page.u32(offset_of!(kvm_run, exit_reason))
    }

    /// Runs it to an exit that the set-up needs.
    pub(crate) fn run_to(&self, expected: u32) -> Result<(), Trouble> {
        let reason = u32::try_from(self.run()?).unwrap_or(u32::MAX);
        if reason == expected { Ok(()) } else { Err(Trouble::Exit { reason, expected }) }
    }

    pub(crate) fn regs(&self) -> Result<kvm_regs, Errno> {
        self.handle.get(&GET_REGS)
    }

    pub(crate) fn set_immediate_exit(&self, value: bool) {
        self.page.write(offset_of!(kvm_run, immediate_exit), &[value.into()]);
    }

    /// A register of the local APIC.
    pub(crate) fn apic(&self, offset: usize) -> Result<u32, Errno> {
        let state = self.handle.get(&GET_LAPIC)?;
        Ok(apic_register(&state, offset))
    }

    /// Switches the local APIC on, by the spurious-interrupt vector register.
    pub(crate) fn enable_apic(&self) -> Answer {
        let mut state = self.handle.get(&GET_LAPIC)?;
        set_apic_register(&mut state, 0xf0, 0x1ff);
        self.handle.request(&SET_LAPIC, &mut state)
    }

    /// Whether a vector is requested, which may take a moment where a worker of the kernel delivers it.
    pub(crate) fn wait_for_request(&self, vector: u8) -> Result<bool, Errno> {
        let (offset, bit) = (0x200 + usize::from(vector / 32) * 0x10, vector % 32);
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            if self.apic(offset)? >> bit & 1 == 1 {
                return Ok(true);
            }
            if Instant::now() > end {
                return Ok(false);
            }
            std::thread::yield_now();
        }
    }

    /// Whether a vector is requested now.
    pub(crate) fn is_requested(&self, vector: u8) -> Result<bool, Errno> {
        let (offset, bit) = (0x200 + usize::from(vector / 32) * 0x10, vector % 32);
        Ok(self.apic(offset)? >> bit & 1 == 1)
    }
}

/// A segment of real mode that starts at an address below 1 MiB.
pub(crate) fn real(segment: kvm_segment, address: u32) -> kvm_segment {
    kvm_segment { base: address.into(), selector: (address >> 4) as u16, ..segment }
}

pub(crate) fn apic_register(state: &kvm_lapic_state, offset: usize) -> u32 {
    let byte = |n: usize| state.regs.get(offset + n).map_or(0, |byte: &i8| u32::from(byte.cast_unsigned()));
    (0..4).fold(0, |value, n| value | byte(n) << (8 * n))
}

pub(crate) fn set_apic_register(state: &mut kvm_lapic_state, offset: usize, value: u32) {
    for (to, from) in state.regs.iter_mut().skip(offset).zip(value.to_le_bytes()) {
        *to = from.cast_signed();
    }
}

/// Code that ends at once.
pub(crate) fn end(a: &mut CodeAssembler) -> Result<(), IcedError> {
    use iced_x86::code_asm::{al, dx};
    a.mov(dx, u32::from(END))?;
    a.out(dx, al)
}
