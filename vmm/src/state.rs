//! Registers of a vCPU as one plain value, and the memory behind its linear addresses.

use crate::{layout::PAGE_SIZE, memory::GuestMemory};
use kvm_bindings::{kvm_regs, kvm_sregs};
use kvm_ioctls::VcpuFd;
use std::io;

/// The longest instruction in bytes (Intel SDM vol. 2A § 2.3.11).
pub(crate) const INSTRUCTION_MAX_BYTES: usize = 15;

/// CR0.PE.
const CR0_PE: u64 = 1 << 0;
/// EFER.LMA.
const EFER_LMA: u64 = 1 << 10;

/// Registers of a vCPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the registers")]
pub struct CpuState {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rsp: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rflags: u64,
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub efer: u64,
    /// Selector of CS.
    pub cs: u16,
    /// Base of CS.
    pub cs_base: u64,
    /// Whether CS is a 64-bit segment (L).
    pub cs_long: bool,
    /// Whether operands and addresses are of 32 bits by default (D).
    pub cs_default_32: bool,
    /// Selector of SS.
    pub ss: u16,
    /// Base of FS.
    pub fs_base: u64,
    /// Base of GS.
    pub gs_base: u64,
    /// Current privilege level.
    pub cpl: u8,
}

impl CpuState {
    pub(crate) fn new(regs: &kvm_regs, sregs: &kvm_sregs) -> Self {
        Self {
            rax: regs.rax,
            rbx: regs.rbx,
            rcx: regs.rcx,
            rdx: regs.rdx,
            rsi: regs.rsi,
            rdi: regs.rdi,
            rsp: regs.rsp,
            rbp: regs.rbp,
            r8: regs.r8,
            r9: regs.r9,
            r10: regs.r10,
            r11: regs.r11,
            r12: regs.r12,
            r13: regs.r13,
            r14: regs.r14,
            r15: regs.r15,
            rip: regs.rip,
            rflags: regs.rflags,
            cr0: sregs.cr0,
            cr2: sregs.cr2,
            cr3: sregs.cr3,
            cr4: sregs.cr4,
            efer: sregs.efer,
            cs: sregs.cs.selector,
            cs_base: sregs.cs.base,
            cs_long: sregs.cs.l != 0,
            cs_default_32: sregs.cs.db != 0,
            ss: sregs.ss.selector,
            fs_base: sregs.fs.base,
            gs_base: sregs.gs.base,
            // KVM keeps the CPL in SS.DPL; in real mode there is none, and it is 0 in effect.
            cpl: if sregs.cr0 & CR0_PE == 0 { 0 } else { sregs.ss.dpl },
        }
    }

    /// Reads the registers of a vCPU that is not running.
    pub(crate) fn read(vcpu: &VcpuFd) -> io::Result<Self> {
        Ok(Self::new(&vcpu.get_regs()?, &vcpu.get_sregs()?))
    }

    /// Width of the code in bits, as a disassembler wants it: 16, 32 or 64.
    pub fn code_bits(&self) -> u32 {
        match (self.efer & EFER_LMA != 0 && self.cs_long, self.cs_default_32) {
            (true, _) => 64,
            (false, true) => 32,
            (false, false) => 16,
        }
    }

    /// Linear address of the instruction pointer: the base of CS counts in all modes but the 64-bit one.
    pub fn linear_rip(&self) -> u64 {
        match self.code_bits() {
            64 => self.rip,
            // Linear addresses wrap at 4 GiB outside 64-bit mode.
            _ => u64::from(self.cs_base.wrapping_add(self.rip) as u32),
        }
    }
}

/// Reads from a linear address on, as far as pages are mapped to guest memory; gives the number of bytes read.
pub(crate) fn read_linear(vcpu: &VcpuFd, memory: &GuestMemory, address: u64, bytes: &mut [u8]) -> usize {
    let mut done = 0;
    while done < bytes.len() {
        let (at, size) = piece(address, done, bytes.len());
        let read = translate(vcpu, at).and_then(|physical| memory.read(physical, &mut bytes[done..done + size]).ok());
        if read.is_none() {
            break;
        }
        done += size;
    }
    done
}

/// Writes to a linear address, whether or not the guest may; gives the number of bytes written.
pub(crate) fn write_linear(vcpu: &VcpuFd, memory: &GuestMemory, address: u64, bytes: &[u8]) -> usize {
    let mut done = 0;
    while done < bytes.len() {
        let (at, size) = piece(address, done, bytes.len());
        let written = translate(vcpu, at).and_then(|physical| memory.write(physical, &bytes[done..done + size]).ok());
        if written.is_none() {
            break;
        }
        done += size;
    }
    done
}

/// Address and size of the next piece of an access that lies within one page.
fn piece(address: u64, done: usize, total: usize) -> (u64, usize) {
    let at = address.wrapping_add(done as u64);
    let to_end_of_page = PAGE_SIZE - at % PAGE_SIZE;
    (at, (total - done).min(to_end_of_page as usize))
}

/// KVM walks the tables, in whatever mode the vCPU is.
fn translate(vcpu: &VcpuFd, linear: u64) -> Option<u64> {
    let translation = vcpu.translate_gva(linear).ok()?;
    (translation.valid != 0).then_some(translation.physical_address)
}

/// The bytes at CS:RIP, up to the longest instruction.
pub(crate) fn instruction(vcpu: &VcpuFd, memory: &GuestMemory, cpu: &CpuState) -> Vec<u8> {
    let mut bytes = vec![0; INSTRUCTION_MAX_BYTES];
    let size = read_linear(vcpu, memory, cpu.linear_rip(), &mut bytes);
    bytes.truncate(size);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_segment_decides_on_the_width_and_the_base() {
        let real = CpuState { rip: 0x10, cs_base: 0xffff_fff8, ..Default::default() };
        assert_eq!((real.code_bits(), real.linear_rip()), (16, 8));
        let protected = CpuState { cs_default_32: true, cs_long: true, ..real };
        assert_eq!((protected.code_bits(), protected.linear_rip()), (32, 8));
        let long = CpuState { efer: EFER_LMA, cs_long: true, ..real };
        assert_eq!((long.code_bits(), long.linear_rip()), (64, 0x10));
        let compatibility = CpuState { efer: EFER_LMA, cs_default_32: true, ..real };
        assert_eq!(compatibility.code_bits(), 32);
    }

    #[test]
    fn pieces_end_at_pages() {
        assert_eq!(piece(0xff8, 0, 15), (0xff8, 8));
        assert_eq!(piece(0xff8, 8, 15), (0x1000, 7));
        assert_eq!(piece(u64::MAX, 0, 4), (u64::MAX, 1));
        assert_eq!(piece(u64::MAX, 1, 4), (0, 3));
    }
}
