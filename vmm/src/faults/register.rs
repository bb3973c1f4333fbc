//! State that is changed behind the guest's back.

#![expect(unsafe_code, reason = "KVM_SET_XSAVE has conditions on the size of the state")]
// UNSAFETY: one call of `VcpuFd::set_xsave`.

use super::msr;
use crate::{interrupts::Interrupts, memory::GuestMemory};
use kvm_bindings::kvm_segment;
use kvm_ioctls::{Error, VcpuFd};

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the registers")]
pub enum RegisterName {
    Rax,
    Rbx,
    Rcx,
    Rdx,
    Rsi,
    Rdi,
    Rbp,
    Rsp,
    R8,
    R15,
    Rip,
    Rflags,
    Cr0,
    Cr2,
    Cr3,
    Cr4,
    Cr8,
    Efer,
    CsSelector,
    CsBase,
    CsLimit,
    CsRights,
    SsRights,
    DsSelector,
    DsBase,
    DsLimit,
    EsBase,
    EsLimit,
    FsBase,
    GsBase,
    TrBase,
    TrRights,
    LdtBase,
    GdtLimit,
    IdtBase,
    IdtLimit,
    Dr0,
    Dr3,
    Dr6,
    Dr7,
    Xcr0,
    /// The x87 control word, in bits 15:0, and status word.
    X87Control,
    /// The significand of ST(0).
    St0,
    Mxcsr,
    /// Low half.
    Xmm0,
    /// Low half.
    Xmm15,
    /// Low half of what AVX has above the SSE register.
    Ymm0High,
}

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// These bits of a register are inverted.
    Register(RegisterName, u64),
    /// These bits of an MSR are inverted.
    Msr(u32, u64),
    /// These bits of eight bytes of guest memory are inverted.
    Memory(u64, u64),
    /// KVM's clock goes forward by so many nanoseconds.
    ClockForward(u64),
    /// DS and SS, with all of their attributes, take each other's place.
    SegmentsSwapped,
}

/// Bits 16 and up of the fields below, in the layout of a descriptor's second doubleword.
fn change_rights(segment: &mut kvm_segment, bits: u64) {
    segment.type_ ^= (bits & 0xf) as u8;
    segment.s ^= (bits >> 4 & 1) as u8;
    segment.dpl ^= (bits >> 5 & 3) as u8;
    segment.present ^= (bits >> 7 & 1) as u8;
    segment.l ^= (bits >> 13 & 1) as u8;
    segment.db ^= (bits >> 14 & 1) as u8;
    segment.g ^= (bits >> 15 & 1) as u8;
}

impl Change {
    pub(super) fn apply(self, vcpu: &VcpuFd, memory: &GuestMemory, interrupts: &Interrupts) -> Result<(), Error> {
        match self {
            Self::Register(register, bits) => change_register(register, vcpu, bits),
            Self::Msr(index, bits) => {
                let value = msr::read(vcpu, index)?.unwrap_or_default();
                msr::write(vcpu, index, value ^ bits).map(drop)
            }
            Self::Memory(address, bits) => {
                let mut bytes = [0; 8];
                let changed = memory
                    .read(address, &mut bytes)
                    .and_then(|()| memory.write(address, &(u64::from_le_bytes(bytes) ^ bits).to_le_bytes()));
                changed.map_err(|_| Error::new(libc::EFAULT))
            }
            Self::ClockForward(nanoseconds) => {
                interrupts.set_clock_forward(nanoseconds).map_err(|error| Error::new(error.raw_os_error().unwrap_or(0)))
            }
            Self::SegmentsSwapped => {
                let mut sregs = vcpu.get_sregs()?;
                std::mem::swap(&mut sregs.ds, &mut sregs.ss);
                vcpu.set_sregs(&sregs)
            }
        }
    }
}

fn change_register(register: RegisterName, vcpu: &VcpuFd, bits: u64) -> Result<(), Error> {
    use RegisterName as R;
    let mut regs = vcpu.get_regs()?;
    let general = match register {
        R::Rax => Some(&mut regs.rax),
        R::Rbx => Some(&mut regs.rbx),
        R::Rcx => Some(&mut regs.rcx),
        R::Rdx => Some(&mut regs.rdx),
        R::Rsi => Some(&mut regs.rsi),
        R::Rdi => Some(&mut regs.rdi),
        R::Rbp => Some(&mut regs.rbp),
        R::Rsp => Some(&mut regs.rsp),
        R::R8 => Some(&mut regs.r8),
        R::R15 => Some(&mut regs.r15),
        R::Rip => Some(&mut regs.rip),
        R::Rflags => Some(&mut regs.rflags),
        _ => None,
    };
    if let Some(register) = general {
        *register ^= bits;
        return vcpu.set_regs(&regs);
    }
    match register {
        R::Dr0 | R::Dr3 | R::Dr6 | R::Dr7 => {
            let mut debug = vcpu.get_debug_regs()?;
            match register {
                R::Dr0 => debug.db[0] ^= bits,
                R::Dr3 => debug.db[3] ^= bits,
                R::Dr6 => debug.dr6 ^= bits,
                _ => debug.dr7 ^= bits,
            }
            vcpu.set_debug_regs(&debug)
        }
        R::Xcr0 => {
            let mut xcrs = vcpu.get_xcrs()?;
            xcrs.xcrs[0].value ^= bits;
            vcpu.set_xcrs(&xcrs)
        }
        R::X87Control | R::St0 | R::Mxcsr | R::Xmm0 | R::Xmm15 | R::Ymm0High => change_extended(register, vcpu, bits),
        _ => change_special(register, vcpu, bits),
    }
}

fn change_special(register: RegisterName, vcpu: &VcpuFd, bits: u64) -> Result<(), Error> {
    use RegisterName as R;
    let mut sregs = vcpu.get_sregs()?;
    match register {
        R::Cr0 => sregs.cr0 ^= bits,
        R::Cr2 => sregs.cr2 ^= bits,
        R::Cr3 => sregs.cr3 ^= bits,
        R::Cr4 => sregs.cr4 ^= bits,
        R::Cr8 => sregs.cr8 ^= bits,
        R::Efer => sregs.efer ^= bits,
        R::CsSelector => sregs.cs.selector ^= bits as u16,
        R::CsBase => sregs.cs.base ^= bits,
        R::CsLimit => sregs.cs.limit ^= bits as u32,
        R::CsRights => change_rights(&mut sregs.cs, bits),
        R::SsRights => change_rights(&mut sregs.ss, bits),
        R::DsSelector => sregs.ds.selector ^= bits as u16,
        R::DsBase => sregs.ds.base ^= bits,
        R::DsLimit => sregs.ds.limit ^= bits as u32,
        R::EsBase => sregs.es.base ^= bits,
        R::EsLimit => sregs.es.limit ^= bits as u32,
        R::FsBase => sregs.fs.base ^= bits,
        R::GsBase => sregs.gs.base ^= bits,
        R::TrBase => sregs.tr.base ^= bits,
        R::TrRights => change_rights(&mut sregs.tr, bits),
        R::LdtBase => sregs.ldt.base ^= bits,
        R::GdtLimit => sregs.gdt.limit ^= bits as u16,
        R::IdtBase => sregs.idt.base ^= bits,
        R::IdtLimit => sregs.idt.limit ^= bits as u16,
        // Those of `change_register`.
        _ => {}
    }
    vcpu.set_sregs(&sregs)
}

/// Doubleword of a register in the standard form of XSAVE, and its component (Intel SDM vol. 1, "Layout of the XSAVE Area").
const fn place(register: RegisterName) -> (usize, u32) {
    match register {
        RegisterName::X87Control => (0, 1),
        RegisterName::St0 => (8, 1),
        RegisterName::Mxcsr => (6, 2),
        RegisterName::Xmm15 => (40 + 15 * 4, 2),
        RegisterName::Ymm0High => (576 / 4, 4),
        _ => (40, 2),
    }
}

/// Doubleword of XSTATE_BV.
const XSTATE_BV: usize = 512 / 4;

fn change_extended(register: RegisterName, vcpu: &VcpuFd, bits: u64) -> Result<(), Error> {
    let mut xsave = vcpu.get_xsave()?;
    let (word, component) = place(register);
    xsave.region[XSTATE_BV] |= component;
    xsave.region[word] ^= bits as u32;
    if bits >> 32 != 0 {
        xsave.region[word + 1] ^= (bits >> 32) as u32;
    }
    // SAFETY: the state is the one that KVM gave, with a component of the first three, all of which lie in the structure; a
    // guest of this VMM has none that has to be asked for, which alone would make it larger.
    unsafe { vcpu.set_xsave(&xsave) }
}
