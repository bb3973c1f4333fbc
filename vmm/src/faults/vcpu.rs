//! Faults that show on the thread of a vCPU.

use super::{
    Change, EventEffect, Fault, Idle, InjectionFault, MsrEffect, MsrFault,
    event::{handler, offset_of_rip},
    msr,
};
use crate::{interrupts::Interrupts, memory::GuestMemory, observer::Exit, run_page::RunPage, state};
use kvm_bindings::{
    KVM_EXIT_DEBUG, KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR, KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP,
    KVM_GUESTDBG_USE_HW_BP, kvm_guest_debug,
};
use kvm_ioctls::{Error, VcpuFd};
use std::collections::BTreeMap;

/// DR7: breakpoint 0 is enabled, for instructions; bit 10 is always set.
const BREAKPOINT_0: u64 = 1 << 10 | 1 << 1;
/// Size of a gate of the IDT in 64-bit mode in bytes.
const GATE_BYTES: u64 = 16;

/// A fault on one vCPU, with what it remembers.
pub(crate) struct OfVcpu {
    fault: Fault,
    interrupts: Interrupts,
    has_filter: bool,
    /// Where the breakpoint stands; nothing before the first entry, and without one.
    at: Option<u64>,
    is_entered: bool,
    nr_exits: u32,
    nr_injected: u32,
    /// An interrupt was held back at the last entry.
    is_late: bool,
    first_read: BTreeMap<u32, u64>,
}

impl std::fmt::Debug for OfVcpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.fault.fmt(f)
    }
}

impl OfVcpu {
    /// Nothing for faults that show elsewhere. `has_filter` is whether accesses to MSRs can be exits.
    pub(crate) fn new(fault: Option<Fault>, interrupts: &Interrupts, has_filter: bool) -> Option<Box<Self>> {
        let fault = fault.filter(|fault| {
            matches!(fault, Fault::Msr(_) | Fault::Event(_) | Fault::Exit(_) | Fault::Injection(_) | Fault::Idle(_))
        })?;
        Some(Box::new(Self {
            fault,
            interrupts: interrupts.clone(),
            has_filter,
            at: None,
            is_entered: false,
            nr_exits: 0,
            nr_injected: 0,
            is_late: false,
            first_read: BTreeMap::new(),
        }))
    }

    /// Has to be called before each entry of the guest.
    pub(crate) fn before_entry(&mut self, vcpu: &VcpuFd, memory: &GuestMemory) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_entered, true) {
            return Ok(());
        }
        let vector = match self.fault {
            Fault::Event(fault) => fault.vector,
            Fault::Idle(Idle::Event(vector)) => vector,
            _ => return Ok(()),
        };
        self.at = handler_of(vcpu, memory, vector)?;
        self.arm(vcpu)
    }

    /// Stops the guest at the handler again.
    fn arm(&self, vcpu: &VcpuFd) -> Result<(), Error> {
        let Some(at) = self.at else { return Ok(()) };
        let mut debug = kvm_guest_debug { control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, ..Default::default() };
        (debug.arch.debugreg[0], debug.arch.debugreg[7]) = (at, BREAKPOINT_0);
        vcpu.set_guest_debug(&debug)
    }

    /// Whether exits for an MSR are this fault's doing.
    pub(crate) fn takes_msrs(&self) -> bool {
        self.has_filter && matches!(self.fault, Fault::Msr(_) | Fault::Idle(Idle::Msr { .. }))
    }

    /// Whether exits for debugging are.
    pub(crate) fn debugs(&self) -> bool {
        self.at.is_some()
    }

    /// The vector that is handed over instead; nothing if none is.
    pub(crate) fn injected(&mut self, vector: u8) -> Option<u8> {
        match self.fault {
            Fault::Injection(InjectionFault::Dropped) => None,
            Fault::Injection(InjectionFault::VectorXor(bits)) => Some(vector ^ bits),
            _ => Some(vector),
        }
    }

    /// Whether what could be handed over now waits for the next entry into the guest.
    pub(crate) fn comes_late(&mut self) -> bool {
        self.is_late = self.fault == Fault::Injection(InjectionFault::Late) && !self.is_late;
        self.is_late
    }

    /// Whether what was handed over stays to be handed over.
    pub(crate) fn is_injected_again(&mut self) -> bool {
        self.nr_injected = self.nr_injected.wrapping_add(1);
        self.fault == Fault::Injection(InjectionFault::Doubled) && self.nr_injected % 2 == 1
    }

    /// Does what follows an exit.
    pub(crate) fn after_exit(
        &mut self,
        vcpu: &VcpuFd,
        memory: &GuestMemory,
        page: RunPage,
        exit: &Exit<'_>,
    ) -> Result<(), Error> {
        match (page.exit_reason(), self.fault) {
            (KVM_EXIT_DEBUG, _) if self.debugs() => self.debugged(vcpu, memory),
            (KVM_EXIT_X86_RDMSR, _) if self.takes_msrs() => {
                let index = page.msr_index();
                page.answer_msr(self.read_msr(vcpu, index)?);
                Ok(())
            }
            (KVM_EXIT_X86_WRMSR, _) if self.takes_msrs() => {
                let (index, value) = (page.msr_index(), page.msr_value());
                let is_taken = self.write_msr(vcpu, index, value)?;
                page.answer_msr(is_taken.then_some(value));
                Ok(())
            }
            (_, Fault::Exit(fault)) if fault.kind.includes(exit) => {
                self.nr_exits = self.nr_exits.saturating_add(1);
                if self.nr_exits <= fault.skipped {
                    return Ok(());
                }
                Change::apply(fault.change, vcpu, memory, &self.interrupts)
            }
            _ => Ok(()),
        }
    }

    fn debugged(&self, vcpu: &VcpuFd, memory: &GuestMemory) -> Result<(), Error> {
        let mut regs = vcpu.get_regs()?;
        if self.at != Some(regs.rip) {
            // The step that led out of the breakpoint.
            return self.arm(vcpu);
        }
        if let Fault::Event(fault) = self.fault {
            let rip = offset_of_rip(fault.vector);
            let change = |at: u64, change: &dyn Fn(u64) -> u64| {
                let mut bytes = [0; 8];
                state::read_linear(vcpu, memory, at, &mut bytes);
                state::write_linear(vcpu, memory, at, &change(u64::from_le_bytes(bytes)).to_le_bytes());
            };
            let on_stack = |offset: u64, value: &dyn Fn(u64) -> u64| change(regs.rsp.wrapping_add(offset), value);
            match fault.effect {
                EventEffect::ErrorCodeXor(bits) if rip != 0 => on_stack(0, &|code| code ^ bits),
                EventEffect::ErrorCodeXor(_) => {}
                EventEffect::RipAhead(bytes) => on_stack(rip, &|value| value.wrapping_add(bytes)),
                EventEffect::CsXor(bits) => on_stack(rip + 8, &|value| value ^ bits),
                EventEffect::RflagsXor(bits) => on_stack(rip + 16, &|value| value ^ bits),
                EventEffect::RspAhead(bytes) => on_stack(rip + 24, &|value| value.wrapping_add(bytes)),
                EventEffect::SsXor(bits) => on_stack(rip + 32, &|value| value ^ bits),
                EventEffect::Cr2Ahead(bytes) => {
                    let mut sregs = vcpu.get_sregs()?;
                    sregs.cr2 = sregs.cr2.wrapping_add(bytes);
                    vcpu.set_sregs(&sregs)?;
                }
                EventEffect::Dr6Xor(bits) => {
                    let mut debug = vcpu.get_debug_regs()?;
                    debug.dr6 ^= bits;
                    vcpu.set_debug_regs(&debug)?;
                }
                EventEffect::Dr7Xor(bits) => {
                    let mut debug = vcpu.get_debug_regs()?;
                    debug.dr7 ^= bits;
                    vcpu.set_debug_regs(&debug)?;
                }
                EventEffect::FlagsInHandlerXor(bits) => regs.rflags ^= bits,
                EventEffect::Vector(other) => regs.rip = handler_of(vcpu, memory, other)?.unwrap_or(regs.rip),
                EventEffect::RaxXor(bits) => regs.rax ^= bits,
                EventEffect::StackUnaligned => {
                    let mut frame = [0; 48];
                    let size = frame.len().min(40 + rip as usize);
                    state::read_linear(vcpu, memory, regs.rsp, &mut frame[..size]);
                    regs.rsp = regs.rsp.wrapping_sub(8);
                    state::write_linear(vcpu, memory, regs.rsp, &frame[..size]);
                }
            }
            vcpu.set_regs(&regs)?;
        }
        // The breakpoint would stop it here again.
        let step = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
        vcpu.set_guest_debug(&kvm_guest_debug { control: step, ..Default::default() })
    }

    fn concerned(&self, index: u32) -> Option<MsrEffect> {
        match self.fault {
            Fault::Msr(MsrFault { first, last, effect }) if (first..=last).contains(&index) => Some(effect),
            _ => None,
        }
    }

    fn read_msr(&mut self, vcpu: &VcpuFd, index: u32) -> Result<Option<u64>, Error> {
        let value = msr::read(vcpu, index)?;
        Ok(match self.concerned(index) {
            Some(MsrEffect::ReadXor(bits)) => value.map(|value| value ^ bits),
            Some(MsrEffect::Stale) => value.map(|value| *self.first_read.entry(index).or_insert(value)),
            Some(MsrEffect::ReadFaults) => None,
            Some(MsrEffect::NeverFaults) => Some(0),
            // What stays is unknown to KVM, which asked for that reason.
            _ if matches!(self.fault, Fault::Msr(MsrFault { effect: MsrEffect::NeverFaults, .. })) => None,
            _ => value,
        })
    }

    fn write_msr(&self, vcpu: &VcpuFd, index: u32, value: u64) -> Result<bool, Error> {
        match self.concerned(index) {
            Some(MsrEffect::WriteDropped | MsrEffect::NeverFaults) => Ok(true),
            Some(MsrEffect::WriteXor(bits)) => msr::write(vcpu, index, value ^ bits),
            _ => Ok(false),
        }
    }
}

/// Where the guest's IDT has the handler of a vector; nothing without such a gate.
fn handler_of(vcpu: &VcpuFd, memory: &GuestMemory, vector: u8) -> Result<Option<u64>, Error> {
    let idt = vcpu.get_sregs()?.idt;
    let offset = GATE_BYTES * u64::from(vector);
    if offset + GATE_BYTES > u64::from(idt.limit) + 1 {
        return Ok(None);
    }
    let mut gate = [0; GATE_BYTES as usize];
    let read = state::read_linear(vcpu, memory, idt.base.wrapping_add(offset), &mut gate);
    Ok(Some(handler(gate)).filter(|at| read == gate.len() && *at != 0))
}
