//! L2 and its VMCB.

#![expect(unsafe_code, reason = "a page is copied by one instruction, and VMRUN is called")]
// UNSAFETY: pages of `pages`, that nothing refers to.

use super::{
    Registers, SVME, address,
    field::{self, intercept_1, intercept_2, segment},
    pages::{HOST_STATE, IO_MAP, MSR_MAP, STACK, STACK_0, TEMPLATE, TSS, VMCB},
    run::svm_run,
    save_at, set_global_interrupts,
};
use crate::{
    Exception, catch,
    cpu::{control, msr},
    layout, mmio,
    observed::{Place, seen},
    tables::{GDT_LIMIT, selector},
};
use core::{
    arch::asm,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether [`TEMPLATE`] holds what a guest of this case starts with.
static IS_TEMPLATE_READY: AtomicBool = AtomicBool::new(false);
/// Limit of L2's TSS: it has no map of ports.
const TSS_LIMIT: u32 = 103;

/// L2 and its VMCB.
#[derive(Debug)]
pub struct Guest {
    /// Registers that are not in the VMCB.
    pub registers: Registers,
}

/// What an exit told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code.
    pub code: u64,
    /// EXITINFO1.
    pub info_1: u64,
    /// EXITINFO2.
    pub info_2: u64,
    /// EXITINTINFO.
    pub interrupt_info: u64,
    /// L2's RIP.
    pub rip: u64,
    /// The next sequential instruction, where it is saved.
    pub next_rip: u64,
}

/// Attributes of a segment: bits 47:40 and 55:52 of a descriptor.
pub mod attributes {
    /// 64-bit code, present, DPL 0.
    pub const CODE_64: u16 = 0xa9b;
    /// 32-bit code, present, DPL 0.
    pub const CODE_32: u16 = 0xc9b;
    /// 16-bit code, present, DPL 0.
    pub const CODE_16: u16 = 0x09b;
    /// Data, present, DPL 0.
    pub const DATA: u16 = 0xc93;
    /// Data with 16-bit stack pointer and a limit in bytes, present, DPL 0.
    pub const DATA_16: u16 = 0x093;
    /// A TSS that is in use.
    pub const TSS_BUSY: u16 = 0x08b;
    /// The bits of DPL 3.
    pub const DPL_3: u16 = 3 << 5;
}

impl Guest {
    /// A guest that starts at `function`, with a stack of its own and all registers zero.
    ///
    /// The first one after [`Enabled::new`](super::Enabled::new) decides the control registers of them all: a case makes a guest for each row,
    /// and what they start with is put together once.
    pub fn new(function: extern "C" fn(u64) -> u64) -> Self {
        let guest = Self { registers: Registers::default() };
        if !IS_TEMPLATE_READY.load(Ordering::Relaxed) {
            guest.fill();
            copy_page(address(&VMCB), address(&TEMPLATE));
            IS_TEMPLATE_READY.store(true, Ordering::Relaxed);
        } else {
            copy_page(address(&TEMPLATE), address(&VMCB));
        }
        guest.write_u64(field::RIP, function as usize as u64);
        guest
    }

    fn fill(&self) {
        const TSS_RSP_0: u64 = 4;
        const TSS_IO_MAP: u64 = 102;
        for offset in (0..4096).step_by(8) {
            mmio::write_u64(address(&VMCB) + offset, 0);
        }
        // FS, GS, LDTR and the MSRs that VMSAVE stores are the host's.
        let _ = save_at(address(&VMCB));
        mmio::write_u64(address(&TSS) + TSS_RSP_0, privileged_stack_top());
        mmio::write_u16(address(&TSS) + TSS_IO_MAP, TSS_LIMIT as u16 + 1);
        self.write_u16(field::TR + segment::SELECTOR, selector::TSS);
        self.write_u16(field::TR + segment::ATTRIBUTES, attributes::TSS_BUSY);
        self.write_u32(field::TR + segment::LIMIT, TSS_LIMIT);
        self.write_u64(field::TR + segment::BASE, address(&TSS));
        self.write_u32(field::EXCEPTIONS, u32::MAX);
        self.write_u32(field::INTERCEPTS_1, 1 << intercept_1::SHUTDOWN | 1 << intercept_1::HLT);
        self.write_u32(field::INTERCEPTS_2, 1 << intercept_2::VMRUN | 1 << intercept_2::VMMCALL);
        self.write_u64(field::IOPM_BASE, address(&IO_MAP));
        self.write_u64(field::MSRPM_BASE, address(&MSR_MAP));
        self.write_u32(field::ASID, 1);
        for (at, selector, attributes) in [
            (field::CS, selector::KERNEL_CODE, attributes::CODE_64),
            (field::SS, selector::KERNEL_DATA, attributes::DATA),
            (field::DS, selector::KERNEL_DATA, attributes::DATA),
            (field::ES, selector::KERNEL_DATA, attributes::DATA),
        ] {
            self.write_u16(at + segment::SELECTOR, selector);
            self.write_u16(at + segment::ATTRIBUTES, attributes);
            self.write_u32(at + segment::LIMIT, u32::MAX);
        }
        self.write_u32(field::GDTR + segment::LIMIT, GDT_LIMIT.into());
        self.write_u64(field::GDTR + segment::BASE, layout::GDT);
        // No gates: what is delivered to it although it must exit shuts it down, and does not reach the image's handlers.
        self.write_u64(field::IDTR + segment::BASE, layout::IDT);
        self.write_u64(field::EFER, msr::read(msr::number::IA32_EFER).unwrap_or(0) | SVME);
        self.write_u64(field::CR0, control::read_cr0());
        self.write_u64(field::CR3, control::read_cr3());
        self.write_u64(field::CR4, control::read_cr4());
        self.write_u64(field::DR6, 0xffff_0ff0);
        self.write_u64(field::DR7, 0x400);
        self.write_u64(field::RFLAGS, 1 << 1);
        self.write_u64(field::G_PAT, 0x0007_0406_0007_0406);
        self.write_u64(field::RSP, stack_top());
    }

    /// Physical address of the VMCB.
    pub fn vmcb(&self) -> u64 {
        address(&VMCB)
    }

    /// Sets a bit of one of the words of intercepts.
    pub fn intercept(&self, word: u64, bit: u32) {
        self.write_u32(word, self.read_u32(word) | 1 << bit);
    }

    /// Clears a bit of one of the words of intercepts.
    pub fn let_through(&self, word: u64, bit: u32) {
        self.write_u32(word, self.read_u32(word) & !(1 << bit));
    }

    /// Runs it until its next exit.
    ///
    /// # Errors
    /// The exception that VMRUN raises in the host.
    pub fn run(&mut self) -> Result<Exit, Exception> {
        let (vmcb, registers, host_state) = (address(&VMCB), &raw mut self.registers, address(&HOST_STATE));
        // SAFETY: the VMCB's guest executes code of the image that cannot leave it but by an exit; the pages are this
        // module's, and the registers' are borrowed.
        let ran = catch(|| unsafe { svm_run(vmcb, registers, host_state) });
        if let Err(exception) = ran {
            let _ = set_global_interrupts();
            return Err(exception);
        }
        // SAFETY: SVM is enabled, or VMRUN would not have ended. Interrupts and NMIs that wait come here, outside of `catch`.
        unsafe { asm!("stgi", options(nostack)) };
        Ok(Exit {
            code: self.read_u64(field::EXIT_CODE),
            info_1: self.read_u64(field::EXIT_INFO_1),
            info_2: self.read_u64(field::EXIT_INFO_2),
            interrupt_info: self.read_u64(field::EXIT_INTERRUPT_INFO),
            rip: self.read_u64(field::RIP),
            next_rip: self.read_u64(field::NEXT_RIP),
        })
    }

    /// Reads a field of the VMCB.
    pub fn read_u16(&self, field: u64) -> u16 {
        seen(Place::VmcbField, field, mmio::read_u16(address(&VMCB) + field).into()) as u16
    }

    /// Reads a field of the VMCB.
    pub fn read_u32(&self, field: u64) -> u32 {
        seen(Place::VmcbField, field, mmio::read_u32(address(&VMCB) + field).into()) as u32
    }

    /// Reads a field of the VMCB.
    pub fn read_u64(&self, field: u64) -> u64 {
        seen(Place::VmcbField, field, mmio::read_u64(address(&VMCB) + field))
    }

    /// Reads a field of the VMCB.
    pub fn read_u8(&self, field: u64) -> u8 {
        seen(Place::VmcbField, field, mmio::read_u8(address(&VMCB) + field).into()) as u8
    }

    /// Writes a field of the VMCB.
    pub fn write_u8(&self, field: u64, value: u8) {
        mmio::write_u8(address(&VMCB) + field, value);
    }

    /// Writes a field of the VMCB.
    pub fn write_u16(&self, field: u64, value: u16) {
        mmio::write_u16(address(&VMCB) + field, value);
    }

    /// Writes a field of the VMCB.
    pub fn write_u32(&self, field: u64, value: u32) {
        mmio::write_u32(address(&VMCB) + field, value);
    }

    /// Writes a field of the VMCB.
    pub fn write_u64(&self, field: u64, value: u64) {
        mmio::write_u64(address(&VMCB) + field, value);
    }
}

/// The address behind L2's stack.
pub fn stack_top() -> u64 {
    address(&STACK) + 2 * 4096 - 64
}

/// The address behind the stack of [`Guest::new`]'s TSS, which L2 has for CPL 0 if it is at CPL 3.
pub fn privileged_stack_top() -> u64 {
    address(&STACK_0) + 4096 - 64
}

/// The next guest is put together anew.
pub(super) fn forget_template() {
    IS_TEMPLATE_READY.store(false, Ordering::Relaxed);
}

fn copy_page(from: u64, to: u64) {
    // SAFETY: both are pages of this module, and they are not the same.
    unsafe {
        asm!("rep movsq", inout("rcx") 512_u64 => _, inout("rsi") from => _, inout("rdi") to => _, options(nostack))
    };
}
