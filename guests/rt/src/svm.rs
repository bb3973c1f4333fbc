//! SVM: the image as a hypervisor (L1), whose guest (L2) is code of the same image with the same page tables.
//!
//! A guest of [`Guest::new`] is at CPL 0 in 64-bit mode like its host. It has no IDT, and exceptions, shutdown and HLT are
//! intercepted; it ends with VMMCALL. One guest at a time, on the first processor.
//!
//! Sources: APM vol. 2, "Secure Virtual Machine", appendix B.

#![expect(unsafe_code, reason = "instructions, and pages that the processor reads and writes")]
// UNSAFETY: VMRUN, VMLOAD, VMSAVE, STGI and CLGI inside of `catch`, on pages of this module that nothing refers to.

pub mod field;

use crate::{
    Exception, catch,
    cpu::{control, cpuid, msr},
    layout, mmio,
    tables::{GDT_LIMIT, Shared, selector},
};
use core::arch::{asm, global_asm};
use field::{exit, intercept_1, intercept_2, segment};

/// MSRs of SVM.
pub mod number {
    /// VM_CR.
    pub const VM_CR: u32 = 0xc001_0114;
    /// VM_HSAVE_PA.
    pub const HOST_SAVE: u32 = 0xc001_0117;
}

/// EFER.SVME.
pub const SVME: u64 = 1 << 12;
/// The leaf of SVM's features.
pub const FEATURE_LEAF: u32 = 0x8000_000a;

/// Bits of EDX of [`FEATURE_LEAF`].
pub mod feature {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const NESTED_PAGING: u32 = 1 << 0;
    pub const LBR_VIRTUALIZATION: u32 = 1 << 1;
    pub const SVM_LOCK: u32 = 1 << 2;
    pub const NEXT_RIP_SAVE: u32 = 1 << 3;
    pub const TSC_RATE: u32 = 1 << 4;
    pub const VMCB_CLEAN: u32 = 1 << 5;
    pub const FLUSH_BY_ASID: u32 = 1 << 6;
    pub const DECODE_ASSISTS: u32 = 1 << 7;
    pub const PAUSE_FILTER: u32 = 1 << 10;
    pub const PAUSE_FILTER_THRESHOLD: u32 = 1 << 12;
    pub const AVIC: u32 = 1 << 13;
    pub const VIRTUAL_VMLOAD: u32 = 1 << 15;
    pub const VIRTUAL_GIF: u32 = 1 << 16;
}

/// The features of SVM: EDX of [`FEATURE_LEAF`].
pub fn features() -> u32 {
    cpuid::read_leaf(FEATURE_LEAF, 0).edx
}

/// How many address spaces there are: EBX of [`FEATURE_LEAF`].
pub fn nr_asids() -> u32 {
    cpuid::read_leaf(FEATURE_LEAF, 0).ebx
}

static HOST_SAVE_AREA: Shared<[u8; 4096]> = Shared::new([0; 4096]);
static HOST_STATE: Shared<[u8; 4096]> = Shared::new([0; 4096]);
static VMCB: Shared<[u8; 4096]> = Shared::new([0; 4096]);
/// 12 KiB, and one byte behind for ports that begin at the last bit.
static IO_MAP: Shared<[u8; 4 * 4096]> = Shared::new([0; 4 * 4096]);
static MSR_MAP: Shared<[u8; 2 * 4096]> = Shared::new([0; 2 * 4096]);
static STACK: Shared<[u8; 2 * 4096]> = Shared::new([0; 2 * 4096]);

/// Registers of L2 that the VMCB has no place for, RBX to R15 but RSP; RAX is in the VMCB.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "registers")]
pub struct Registers {
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
}

// `svm_run(vmcb, registers, host_state)`: keeps what VMRUN does not (FS, GS, TR, LDTR and their MSRs) by VMSAVE, and lets
// no interrupt in while the guest's are loaded.
global_asm!(
    r#"
    .pushsection .text.svm_run, "ax", @progbits
    .global svm_run
    svm_run:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        push rdx
        push rsi
        mov rax, rdx
        vmsave rax
        clgi
        mov rax, rdi
        vmload rax
        mov rbx, [rsi + 0]
        mov rcx, [rsi + 8]
        mov rdx, [rsi + 16]
        mov rdi, [rsi + 32]
        mov rbp, [rsi + 40]
        mov r8, [rsi + 48]
        mov r9, [rsi + 56]
        mov r10, [rsi + 64]
        mov r11, [rsi + 72]
        mov r12, [rsi + 80]
        mov r13, [rsi + 88]
        mov r14, [rsi + 96]
        mov r15, [rsi + 104]
        mov rsi, [rsi + 24]
        vmrun rax
        push rsi
        mov rsi, [rsp + 8]
        mov [rsi + 0], rbx
        mov [rsi + 8], rcx
        mov [rsi + 16], rdx
        mov [rsi + 32], rdi
        mov [rsi + 40], rbp
        mov [rsi + 48], r8
        mov [rsi + 56], r9
        mov [rsi + 64], r10
        mov [rsi + 72], r11
        mov [rsi + 80], r12
        mov [rsi + 88], r13
        mov [rsi + 96], r14
        mov [rsi + 104], r15
        pop rbx
        mov [rsi + 24], rbx
        vmsave rax
        mov rax, [rsp + 8]
        vmload rax
        stgi
        pop rsi
        pop rdx
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        cld
        ret
    .popsection
    "#
);

unsafe extern "C" {
    fn svm_run(vmcb: u64, registers: *mut Registers, host_state: u64);
}

fn address<T>(page: &'static Shared<T>) -> u64 {
    page.0.get() as u64
}

/// EFER.SVME set and a place for the host's state, until this is dropped.
#[derive(Debug)]
pub struct Enabled {
    efer: u64,
}

impl Enabled {
    /// Enables SVM.
    ///
    /// # Errors
    /// The exception of WRMSR, where the firmware has forbidden it.
    pub fn new() -> Result<Self, Exception> {
        let efer = msr::read(msr::number::IA32_EFER)?;
        msr::write(msr::number::IA32_EFER, efer | SVME)?;
        msr::write(number::HOST_SAVE, address(&HOST_SAVE_AREA))?;
        Ok(Self { efer })
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        // GIF set and SVME clear as before; where a case has left SVM off, there is nothing to be done.
        let _ = set_global_interrupts();
        let _ = msr::write(number::HOST_SAVE, 0);
        let _ = msr::write(msr::number::IA32_EFER, self.efer);
    }
}

/// Executes STGI.
///
/// # Errors
/// The exception that it raises.
pub fn set_global_interrupts() -> Result<(), Exception> {
    // SAFETY: NMIs and interrupts are let in again, for which handlers stand ready.
    catch(|| unsafe { asm!("stgi", options(nostack)) })
}

/// Executes VMRUN with this address, and nothing around it: for addresses that are refused.
///
/// # Errors
/// The exception that it raises.
pub fn run_at(address: u64) -> Result<(), Exception> {
    // SAFETY: the caller's address is no VMCB that the processor accepts; GIF is set again if it took it all the same.
    catch(|| unsafe { asm!("vmrun rax", "stgi", in("rax") address, options(nostack)) })
}

/// Executes VMLOAD with this address.
///
/// # Errors
/// The exception that it raises.
pub fn load_at(address: u64) -> Result<(), Exception> {
    // SAFETY: what it loads was stored by VMSAVE, or the address is refused.
    catch(|| unsafe { asm!("vmload rax", in("rax") address, options(nostack)) })
}

/// Executes VMSAVE with this address.
///
/// # Errors
/// The exception that it raises.
pub fn save_at(address: u64) -> Result<(), Exception> {
    // SAFETY: it writes a page that belongs to the case, or the address is refused.
    catch(|| unsafe { asm!("vmsave rax", in("rax") address, options(nostack)) })
}

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
    /// Data, present, DPL 0.
    pub const DATA: u16 = 0xc93;
}

impl Guest {
    /// A guest that starts at `function`, with a stack of its own and all registers zero.
    pub fn new(function: extern "C" fn(u64) -> u64) -> Self {
        let guest = Self { registers: Registers::default() };
        for offset in (0..4096).step_by(8) {
            mmio::write_u64(address(&VMCB) + offset, 0);
        }
        // FS, GS, LDTR, TR and the MSRs that VMSAVE stores are the host's.
        let _ = save_at(address(&VMCB));
        guest.write_u32(field::EXCEPTIONS, u32::MAX);
        guest.write_u32(field::INTERCEPTS_1, 1 << intercept_1::SHUTDOWN | 1 << intercept_1::HLT);
        guest.write_u32(field::INTERCEPTS_2, 1 << intercept_2::VMRUN | 1 << intercept_2::VMMCALL);
        guest.write_u64(field::IOPM_BASE, address(&IO_MAP));
        guest.write_u64(field::MSRPM_BASE, address(&MSR_MAP));
        guest.write_u32(field::ASID, 1);
        for (at, selector, attributes) in [
            (field::CS, selector::KERNEL_CODE, attributes::CODE_64),
            (field::SS, selector::KERNEL_DATA, attributes::DATA),
            (field::DS, selector::KERNEL_DATA, attributes::DATA),
            (field::ES, selector::KERNEL_DATA, attributes::DATA),
        ] {
            guest.write_u16(at + segment::SELECTOR, selector);
            guest.write_u16(at + segment::ATTRIBUTES, attributes);
            guest.write_u32(at + segment::LIMIT, u32::MAX);
        }
        guest.write_u32(field::GDTR + segment::LIMIT, GDT_LIMIT.into());
        guest.write_u64(field::GDTR + segment::BASE, layout::GDT);
        // No gates: what is delivered to it although it must exit shuts it down, and does not reach the image's handlers.
        guest.write_u64(field::IDTR + segment::BASE, layout::IDT);
        guest.write_u64(field::EFER, msr::read(msr::number::IA32_EFER).unwrap_or(0) | SVME);
        guest.write_u64(field::CR0, control::read_cr0());
        guest.write_u64(field::CR3, control::read_cr3());
        guest.write_u64(field::CR4, control::read_cr4());
        guest.write_u64(field::DR6, 0xffff_0ff0);
        guest.write_u64(field::DR7, 0x400);
        guest.write_u64(field::RFLAGS, 1 << 1);
        guest.write_u64(field::G_PAT, 0x0007_0406_0007_0406);
        guest.write_u64(field::RIP, function as usize as u64);
        guest.write_u64(field::RSP, stack_top());
        guest
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
        catch(|| unsafe { svm_run(vmcb, registers, host_state) })?;
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
        mmio::read_u16(address(&VMCB) + field)
    }

    /// Reads a field of the VMCB.
    pub fn read_u32(&self, field: u64) -> u32 {
        mmio::read_u32(address(&VMCB) + field)
    }

    /// Reads a field of the VMCB.
    pub fn read_u64(&self, field: u64) -> u64 {
        mmio::read_u64(address(&VMCB) + field)
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

/// Sets or clears the bit of a port in the I/O permission map: set means an exit.
pub fn set_port(port: u16, exits: bool) {
    set_bit(address(&IO_MAP), port.into(), exits);
}

/// Sets or clears both bits of an MSR, read and write, in the MSR permission map; `None` if the map has no place for it.
pub fn set_msr(number: u32, reads: bool, writes: bool) -> Option<()> {
    let first = match number {
        0..=0x1fff => 0,
        0xc000_0000..=0xc000_1fff => 0x4000,
        0xc001_0000..=0xc001_1fff => 0x8000,
        _ => return None,
    };
    let bit = first + u64::from(number & 0x1fff) * 2;
    set_bit(address(&MSR_MAP), bit, reads);
    set_bit(address(&MSR_MAP), bit + 1, writes);
    Some(())
}

fn set_bit(map: u64, bit: u64, value: bool) {
    let at = map + bit / 8;
    let mask = 1 << (bit % 8);
    let byte = mmio::read_u8(at);
    mmio::write_u8(at, if value { byte | mask } else { byte & !mask });
}

/// Whether an exit is the VMMCALL by which L2 ends.
pub fn is_end(exit: &Exit) -> bool {
    exit.code == exit::VMMCALL
}
