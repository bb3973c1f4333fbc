//! What a virtual processor left with, as `kvm_run` describes it.

use crate::machine::Vcpu;
use kvm_bindings::kvm_run;
use std::mem::offset_of;

/// Where the description of an exit stands in `kvm_run`.
const EXIT: usize = offset_of!(kvm_run, __bindgen_anon_1);

/// KVM_EXIT_IO.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Io {
    pub(crate) direction: u8,
    pub(crate) size: u8,
    pub(crate) port: u16,
    pub(crate) count: u32,
    /// Where the data stands in the page.
    pub(crate) offset: usize,
}

/// KVM_EXIT_MMIO.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mmio {
    pub(crate) address: u64,
    pub(crate) data: u64,
    pub(crate) length: u32,
    pub(crate) is_write: u8,
}

/// KVM_EXIT_X86_RDMSR and KVM_EXIT_X86_WRMSR.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MsrExit {
    pub(crate) reason: u32,
    pub(crate) index: u32,
    pub(crate) data: u64,
}

impl Vcpu<'_> {
    pub(crate) fn io(&self) -> Io {
        Io {
            direction: self.page.u8(EXIT),
            size: self.page.u8(EXIT + 1),
            port: self.page.u16(EXIT + 2),
            count: self.page.u32(EXIT + 4),
            offset: self.page.u64(EXIT + 8) as usize,
        }
    }

    pub(crate) fn mmio(&self) -> Mmio {
        Mmio {
            address: self.page.u64(EXIT),
            data: self.page.u64(EXIT + 8),
            length: self.page.u32(EXIT + 16),
            is_write: self.page.u8(EXIT + 20),
        }
    }

    /// Answers a read by MMIO.
    pub(crate) fn answer_mmio(&self, data: &[u8]) {
        self.page.write(EXIT + 8, data);
    }

    pub(crate) fn msr(&self) -> MsrExit {
        MsrExit { reason: self.page.u32(EXIT + 8), index: self.page.u32(EXIT + 12), data: self.page.u64(EXIT + 16) }
    }

    /// Answers an MSR exit.
    pub(crate) fn answer_msr(&self, is_error: bool, data: u64) {
        self.page.write(EXIT, &[is_error.into()]);
        self.page.write(EXIT + 16, &data.to_le_bytes());
    }

    /// Exception, RIP and DR6 of KVM_EXIT_DEBUG.
    pub(crate) fn debug(&self) -> (u32, u64, u64) {
        (self.page.u32(EXIT), self.page.u64(EXIT + 8), self.page.u64(EXIT + 16))
    }

    /// Vector of KVM_EXIT_IOAPIC_EOI.
    pub(crate) fn eoi(&self) -> u8 {
        self.page.u8(EXIT)
    }

    /// Flags, address and size of KVM_EXIT_MEMORY_FAULT.
    pub(crate) fn memory_fault(&self) -> (u64, u64, u64) {
        (self.page.u64(EXIT), self.page.u64(EXIT + 8), self.page.u64(EXIT + 16))
    }
}
