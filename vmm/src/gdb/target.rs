//! The vCPU as gdbstub sees it.

use super::registers;
use crate::{
    control::Control,
    memory::GuestMemory,
    state,
    stop::StopReason,
    vcpu::{Outside, Runner},
};
use gdbstub::{
    common::Signal,
    target::{
        Target, TargetError, TargetResult,
        ext::{
            base::{
                BaseOps,
                singlethread::{
                    SingleThreadBase, SingleThreadResume, SingleThreadResumeOps, SingleThreadSingleStep,
                    SingleThreadSingleStepOps,
                },
            },
            breakpoints::{Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, SwBreakpoint, SwBreakpointOps},
        },
    },
};
use gdbstub_arch::x86::{X86_64_SSE, reg::X86_64CoreRegs};
use kvm_bindings::{
    KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_HW_BP, kvm_guest_debug, kvm_guest_debug_arch,
};
use std::io;

/// How many addresses the debug registers hold.
const NR_BREAKPOINTS: usize = 4;
/// Bit 10 of DR7, which is always set (Intel SDM vol. 3B § 19.2.4).
const DR7_ALWAYS: u64 = 1 << 10;

/// What gdb calls a breakpoint; both are debug registers here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Software,
    Hardware,
}

/// vCPU 0 under a debugger.
pub(super) struct Debuggee<'a, 'o> {
    pub(super) runner: Runner<'a>,
    pub(super) outside: Outside<'o>,
    pub(super) control: &'a Control,
    /// Set once the guest's run is over; gdb may still look at it.
    pub(super) ended: Option<StopReason>,
    memory: &'a GuestMemory,
    breakpoints: [Option<(u64, Kind)>; NR_BREAKPOINTS],
}

impl<'a, 'o> Debuggee<'a, 'o> {
    pub(super) fn new(runner: Runner<'a>, outside: Outside<'o>, memory: &'a GuestMemory, control: &'a Control) -> Self {
        Self { runner, outside, control, ended: None, memory, breakpoints: [None; NR_BREAKPOINTS] }
    }

    /// Turns guest debugging off.
    pub(super) fn remove_all(&self) -> io::Result<()> {
        Ok(self.runner.vcpu().set_guest_debug(&kvm_guest_debug::default())?)
    }

    pub(super) fn into_end(self) -> (Option<StopReason>, u64) {
        let nr_exits = self.runner.nr_exits();
        (self.ended, nr_exits)
    }

    pub(super) fn kind_of_breakpoint(&self, address: u64) -> Option<Kind> {
        self.breakpoints.iter().flatten().find(|(at, _)| *at == address).map(|(_, kind)| *kind)
    }

    fn arm(&self, single_step: bool) -> io::Result<()> {
        let mut debug = kvm_guest_debug {
            control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
            arch: kvm_guest_debug_arch::default(),
            ..Default::default()
        };
        if single_step {
            debug.control |= KVM_GUESTDBG_SINGLESTEP;
        }
        debug.arch.debugreg[7] = DR7_ALWAYS;
        for (index, breakpoint) in self.breakpoints.iter().enumerate() {
            if let Some((address, _)) = breakpoint {
                debug.arch.debugreg[index] = *address;
                // G0 to G3 are every other bit from 1 on; type and length 0 mean execution.
                debug.arch.debugreg[7] |= 2 << (2 * index);
            }
        }
        Ok(self.runner.vcpu().set_guest_debug(&debug)?)
    }

    /// Gives false if all four are taken, which gdb tells its user.
    fn add(&mut self, address: u64, kind: Kind) -> bool {
        match self.breakpoints.iter_mut().find(|breakpoint| breakpoint.is_none()) {
            Some(free) => {
                *free = Some((address, kind));
                true
            }
            None => false,
        }
    }

    fn remove(&mut self, address: u64, kind: Kind) -> bool {
        match self.breakpoints.iter_mut().find(|breakpoint| **breakpoint == Some((address, kind))) {
            Some(taken) => {
                *taken = None;
                true
            }
            None => false,
        }
    }
}

impl Target for Debuggee<'_, '_> {
    type Arch = X86_64_SSE;
    type Error = io::Error;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::SingleThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadBase for Debuggee<'_, '_> {
    fn read_registers(&mut self, regs: &mut X86_64CoreRegs) -> TargetResult<(), Self> {
        let vcpu = self.runner.vcpu();
        let read = || Ok((vcpu.get_regs()?, vcpu.get_sregs()?, vcpu.get_fpu()?));
        let (general, special, fpu) = read().map_err(|error: kvm_ioctls::Error| TargetError::Io(error.into()))?;
        *regs = registers::to_gdb(&general, &special, &fpu);
        Ok(())
    }

    /// Only the general registers, RIP and the flags: a segment register is more than its selector, and no one debugs
    /// by setting the others.
    fn write_registers(&mut self, regs: &X86_64CoreRegs) -> TargetResult<(), Self> {
        let result = self.runner.vcpu().set_regs(&registers::to_kvm(regs));
        result.map_err(|error| TargetError::Io(error.into()))
    }

    fn read_addrs(&mut self, address: u64, data: &mut [u8]) -> TargetResult<usize, Self> {
        match state::read_linear(self.runner.vcpu(), self.memory, address, data) {
            0 if !data.is_empty() => Err(TargetError::NonFatal),
            size => Ok(size),
        }
    }

    fn write_addrs(&mut self, address: u64, data: &[u8]) -> TargetResult<(), Self> {
        let written = state::write_linear(self.runner.vcpu(), self.memory, address, data);
        if written == data.len() { Ok(()) } else { Err(TargetError::NonFatal) }
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadResume for Debuggee<'_, '_> {
    fn resume(&mut self, _: Option<Signal>) -> io::Result<()> {
        self.arm(false)
    }

    fn support_single_step(&mut self) -> Option<SingleThreadSingleStepOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadSingleStep for Debuggee<'_, '_> {
    fn step(&mut self, _: Option<Signal>) -> io::Result<()> {
        self.arm(true)
    }
}

impl Breakpoints for Debuggee<'_, '_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Debuggee<'_, '_> {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.add(address, Kind::Software))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.remove(address, Kind::Software))
    }
}

impl HwBreakpoint for Debuggee<'_, '_> {
    fn add_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.add(address, Kind::Hardware))
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.remove(address, Kind::Hardware))
    }
}
