//! Watching a guest from outside, exit by exit.

use crate::{
    memory::GuestMemory,
    state::{self, CpuState},
};
use kvm_ioctls::VcpuFd;
use std::io;

/// What a vCPU left the guest for, and what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit<'a> {
    /// Input from a port; a string instruction makes several accesses at once.
    PioIn {
        /// The port.
        port: u16,
        /// Size of one access in bytes.
        size: u8,
        /// How many accesses.
        count: u32,
        /// What the device answered.
        data: &'a [u8],
    },
    /// Output to a port.
    PioOut {
        /// The port.
        port: u16,
        /// Size of one access in bytes.
        size: u8,
        /// How many accesses.
        count: u32,
        /// What the guest wrote.
        data: &'a [u8],
    },
    /// A read where there is no memory, of at most 8 bytes: KVM splits larger ones.
    MmioRead {
        /// Guest physical address.
        address: u64,
        /// What the device answered.
        data: &'a [u8],
    },
    /// A write where there is no memory, of at most 8 bytes.
    MmioWrite {
        /// Guest physical address.
        address: u64,
        /// What the guest wrote.
        data: &'a [u8],
    },
    /// HLT.
    Hlt,
    /// Triple fault.
    Shutdown,
    /// KVM's internal error.
    InternalError {
        /// `KVM_INTERNAL_ERROR_*`.
        suberror: u32,
    },
    /// Any other exit.
    Other {
        /// Its name in the kernel's terms.
        name: &'static str,
    },
}

/// Access to a vCPU during one of its exits; costs nothing unless used.
pub struct CpuView<'a> {
    pub(crate) vcpu: &'a VcpuFd,
    pub(crate) memory: &'a GuestMemory,
}

impl CpuView<'_> {
    /// The registers. The result of a read is not in them yet: KVM completes the instruction when the guest goes on;
    /// and after a write RIP may be past the instruction already.
    ///
    /// # Errors
    /// Those of KVM_GET_REGS and KVM_GET_SREGS.
    pub fn registers(&self) -> io::Result<CpuState> {
        CpuState::read(self.vcpu)
    }

    /// Up to 15 bytes at CS:RIP of `cpu`.
    pub fn instruction(&self, cpu: &CpuState) -> Vec<u8> {
        state::instruction(self.vcpu, self.memory, cpu)
    }

    /// Fills `bytes` from a linear address on, as far as it is mapped to memory, and gives how many were.
    pub fn read_linear(&self, address: u64, bytes: &mut [u8]) -> usize {
        state::read_linear(self.vcpu, self.memory, address, bytes)
    }

    /// Guest memory.
    pub fn memory(&self) -> &GuestMemory {
        self.memory
    }
}

/// Someone who is told of every exit. vCPUs call one at a time.
pub trait ExitObserver: Send {
    /// Called after the device answered, before the guest goes on.
    fn exit(&mut self, vcpu: u8, exit: &Exit<'_>, cpu: &CpuView<'_>);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl ExitObserver for NoObserver {
    fn exit(&mut self, _: u8, _: &Exit<'_>, _: &CpuView<'_>) {}
}
