//! Registers on their way in and out.

use super::{
    layout::{self, selector},
    tables,
};
use iced_decoder::{
    Bitness, Registers,
    machine::{Input, Mode},
};
use iced_x86::{CpuidFeature, Decoder, DecoderOptions, EncodingKind, FlowControl};
use kvm_bindings::{kvm_dtable, kvm_regs, kvm_segment, kvm_sregs};

/// PE, MP, ET, NE, WP, AM and PG.
const CR0: u64 = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 16 | 1 << 18 | 1 << 31;
/// PAE, OSFXSR, OSXMMEXCPT.
const CR4: u64 = 1 << 5 | 1 << 9 | 1 << 10;
/// FSGSBASE.
pub(super) const CR4_FSGSBASE: u64 = 1 << 16;
/// OSXSAVE.
pub(super) const CR4_OSXSAVE: u64 = 1 << 18;
/// LME, LMA and NXE. Not SCE: SYSCALL is #UD.
const EFER: u64 = 1 << 8 | 1 << 10 | 1 << 11;

/// CF, PF, AF, ZF, SF, DF and OF: the flags of an input that count.
const RFLAGS_INPUT: u64 = 0xcd5;
/// Bit 1, which is always set, and IF, which programs in ring 3 find set.
const RFLAGS_FIXED: u64 = 1 << 1 | 1 << 9;
/// RF: set in what a fault saves, and nothing that an instruction does.
const RFLAGS_RF: u64 = 1 << 16;

fn segment(selector: u16, type_: u8, bitness: Bitness) -> kvm_segment {
    kvm_segment {
        selector,
        type_,
        limit: u32::MAX,
        present: 1,
        s: 1,
        g: 1,
        dpl: (selector & 3) as u8,
        db: u8::from(bitness == Bitness::Bits32),
        l: u8::from(bitness == Bitness::Bits64),
        ..Default::default()
    }
}

/// The special registers for a mode; `reset` are those that KVM made.
pub(super) fn special(reset: &kvm_sregs, bitness: Bitness, mode: Mode, cr4: u64) -> kvm_sregs {
    const DATA: u8 = 3;
    const CODE: u8 = 0xb;
    let (code, stack) = match (mode, bitness) {
        (Mode::Supervisor, Bitness::Bits64) => (selector::KERNEL_CODE, selector::KERNEL_DATA),
        (Mode::Supervisor, Bitness::Bits32) => (selector::KERNEL_CODE_32, selector::KERNEL_DATA),
        (Mode::Supervisor, Bitness::Bits16) => (selector::KERNEL_CODE_16, selector::KERNEL_DATA),
        (Mode::User, Bitness::Bits64) => (selector::USER_CODE, selector::USER_DATA),
        (Mode::User, Bitness::Bits32) => (selector::USER_CODE_32, selector::USER_DATA),
        (Mode::User, Bitness::Bits16) => (selector::USER_CODE_16, selector::USER_DATA),
    };
    // As on Linux: 16-bit code has a stack and data of 32 bits, which reach all windows.
    let stack = segment(stack, DATA, Bitness::Bits32);
    let null = kvm_segment { unusable: 1, type_: 1, ..Default::default() };
    // As on Linux: the data segments of 64-bit programs are null.
    let data = if bitness == Bitness::Bits64 { null } else { stack };
    kvm_sregs {
        cs: segment(code, CODE, bitness),
        ss: stack,
        ds: data,
        es: data,
        fs: data,
        gs: data,
        ldt: kvm_segment {
            base: layout::SYSTEM + layout::LDT,
            limit: tables::LDT_LIMIT,
            selector: selector::LDT,
            type_: 2,
            present: 1,
            ..Default::default()
        },
        tr: kvm_segment {
            base: layout::SYSTEM + layout::TSS,
            limit: tables::TSS_LIMIT,
            selector: selector::TSS,
            type_: 0xb,
            present: 1,
            ..Default::default()
        },
        gdt: kvm_dtable { base: layout::SYSTEM + layout::GDT, limit: selector::GDT_SIZE - 1, ..Default::default() },
        idt: kvm_dtable { base: layout::SYSTEM + layout::IDT, limit: 0xfff, ..Default::default() },
        cr0: CR0,
        cr2: 0,
        cr3: layout::PAGE_TABLES,
        cr4: CR4 | cr4,
        efer: EFER,
        ..*reset
    }
}

/// General registers for KVM.
pub(super) fn to_kvm(registers: &Registers) -> kvm_regs {
    let [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = registers.general;
    let rflags = registers.rflags & RFLAGS_INPUT | RFLAGS_FIXED;
    let rip = registers.rip;
    kvm_regs { rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags }
}

/// The registers that KVM gives; bases but of FS and GS are those of the input.
pub(super) fn from_kvm(regs: &kvm_regs, sregs: &kvm_sregs, input: &Registers) -> Registers {
    let kvm_regs { rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags } = *regs;
    let [es, cs, ss, ds, ..] = input.segment_bases;
    Registers {
        general: [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15],
        rip,
        rflags: rflags & !RFLAGS_RF,
        segment_bases: [es, cs, ss, ds, sregs.fs.base, sregs.gs.base],
        bitness: input.bitness,
    }
}

/// Whether code may leave extended state changed: everything but one plain instruction.
pub(super) fn uses_extended(input: &Input) -> bool {
    let mut decoder = Decoder::with_ip(input.bitness.bits(), &input.code, input.registers.rip, DecoderOptions::NONE);
    let instruction = decoder.decode();
    let is_plain = instruction.len() == input.code.len()
        && instruction.encoding() == EncodingKind::Legacy
        && instruction.flow_control() == FlowControl::Next
        && instruction.cpuid_features().iter().all(|feature| {
            matches!(
                feature,
                CpuidFeature::INTEL8086
                    | CpuidFeature::INTEL186
                    | CpuidFeature::INTEL286
                    | CpuidFeature::INTEL386
                    | CpuidFeature::INTEL486
                    | CpuidFeature::X64
                    | CpuidFeature::CMOV
                    | CpuidFeature::CX8
                    | CpuidFeature::CMPXCHG16B
                    | CpuidFeature::MOVBE
                    | CpuidFeature::POPCNT
                    | CpuidFeature::ADX
            )
        });
    !is_plain
}
