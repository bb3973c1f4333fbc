//! The state in which vCPU 0 starts.
//!
//! Sources: Xen, "docs/misc/pvh.pandoc" § "CPU state"; Intel SDM vol. 3A § 3.4.5 "Segment Descriptors" and § 10.8.5
//! "Initializing IA-32e Mode".

use crate::layout;
use kvm_bindings::{kvm_dtable, kvm_regs, kvm_segment, kvm_sregs};

/// How a guest is entered. The first two find [`layout::START_INFO`] in RBX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// In 32-bit protected mode without paging, where the image's PVH note says.
    Pvh,
    /// In 64-bit mode; the tables it needs are in the image.
    LongMode(LongModeState),
    /// By Linux' 64-bit boot protocol, with the zero page in RSI; for [`crate::Image::load_linux`].
    Linux,
    /// As Multiboot says, with its information in EBX; for [`crate::Image::load_multiboot`].
    Multiboot,
    /// As after reset, 16 bytes below 4 GiB; for [`crate::Image::load_firmware`].
    Reset,
}

/// The state for [`Entry::LongMode`]; everything that is not here is as after reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LongModeState {
    /// Instruction pointer.
    pub rip: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// CR0; PE and PG have to be set.
    pub cr0: u64,
    /// CR3: where the page tables are.
    pub cr3: u64,
    /// CR4; PAE has to be set.
    pub cr4: u64,
    /// IA32_EFER; LME and LMA have to be set.
    pub efer: u64,
    /// Base of the GDT.
    pub gdt_base: u64,
    /// Base of the IDT.
    pub idt_base: u64,
    /// Base of the 64-bit TSS.
    pub tss_base: u64,
    /// Limit of the GDT in bytes, as LGDT takes it.
    pub gdt_limit: u16,
    /// Limit of the IDT in bytes, as LIDT takes it.
    pub idt_limit: u16,
    /// Limit of the TSS in bytes.
    pub tss_limit: u32,
    /// Selector of a 64-bit code segment.
    pub code_selector: u16,
    /// Selector of a data segment, for SS, DS, ES, FS and GS.
    pub data_selector: u16,
    /// Selector of the TSS; its descriptor in the GDT should say busy.
    pub tss_selector: u16,
}

/// Segment types, Intel SDM vol. 3A § 3.4.5.1 and § 3.5; all accessed, the TSS busy.
mod segment_type {
    pub(super) const DATA_READ_WRITE: u8 = 0x3;
    pub(super) const CODE_READ: u8 = 0xb;
    pub(super) const TSS_BUSY: u8 = 0xb;
}

/// RFLAGS as after reset: only bit 1, which is always set.
const RFLAGS: u64 = 1 << 1;
/// CR0.PE, and ET, which is always set.
const CR0_PROTECTED: u64 = 1 << 0 | 1 << 4;
/// CR0.PG, CR4.PAE, and IA32_EFER.LME and LMA.
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LONG: u64 = 1 << 8 | 1 << 10;
/// Limit of a segment that covers 4 GiB.
const FLAT_LIMIT: u32 = u32::MAX;
/// The smallest limit of a 32-bit TSS.
const TSS_LIMIT: u32 = 0x67;

/// Selectors of the PVH entry, which its ABI leaves open; there is no GDT behind them.
mod pvh_selector {
    pub(super) const CODE: u16 = 0x08;
    pub(super) const DATA: u16 = 0x10;
    pub(super) const TSS: u16 = 0x18;
}

/// The registers for the PVH entry at `entry`; `reset` are the special ones as KVM made them.
pub(crate) fn pvh(entry: u32, reset: kvm_sregs) -> (kvm_regs, kvm_sregs) {
    let regs = kvm_regs { rip: entry.into(), rbx: layout::START_INFO, rflags: RFLAGS, ..Default::default() };
    let data = flat(pvh_selector::DATA, segment_type::DATA_READ_WRITE);
    let sregs = kvm_sregs {
        cs: kvm_segment { db: 1, ..flat(pvh_selector::CODE, segment_type::CODE_READ) },
        tr: tss(pvh_selector::TSS, 0, TSS_LIMIT),
        cr0: CR0_PROTECTED,
        cr3: 0,
        cr4: 0,
        efer: 0,
        ..with_data(reset, data)
    };
    (regs, sregs)
}

/// The registers for an entry in long mode; `reset` as for [`pvh`].
pub(crate) fn long_mode(state: &LongModeState, reset: kvm_sregs) -> (kvm_regs, kvm_sregs) {
    let regs =
        kvm_regs { rip: state.rip, rsp: state.rsp, rbx: layout::START_INFO, rflags: RFLAGS, ..Default::default() };
    let data = flat(state.data_selector, segment_type::DATA_READ_WRITE);
    let sregs = kvm_sregs {
        // L and D exclude each other.
        cs: kvm_segment { l: 1, db: 0, ..flat(state.code_selector, segment_type::CODE_READ) },
        tr: tss(state.tss_selector, state.tss_base, state.tss_limit),
        gdt: kvm_dtable { base: state.gdt_base, limit: state.gdt_limit, ..Default::default() },
        idt: kvm_dtable { base: state.idt_base, limit: state.idt_limit, ..Default::default() },
        cr0: state.cr0,
        cr3: state.cr3,
        cr4: state.cr4,
        efer: state.efer,
        ..with_data(reset, data)
    };
    (regs, sregs)
}

/// What EAX holds at a Multiboot entry (Multiboot Specification 0.6.96, § 3.2 "Machine state").
const MULTIBOOT_MAGIC: u64 = 0x2bad_b002;

/// The registers for a Multiboot entry at `entry`; the rest is as for PVH.
pub(crate) fn multiboot(entry: u32, reset: kvm_sregs) -> (kvm_regs, kvm_sregs) {
    let (regs, sregs) = pvh(entry, reset);
    (kvm_regs { rax: MULTIBOOT_MAGIC, ..regs }, sregs)
}

/// Selectors that Linux expects ("Documentation/arch/x86/boot.rst" § "64-bit Boot Protocol": `__BOOT_CS` and `__BOOT_DS`).
pub(crate) mod linux_selector {
    pub(crate) const CODE: u16 = 0x10;
    pub(crate) const DATA: u16 = 0x18;
}

/// The state for Linux' 64-bit entry at `entry`: paging maps the first 4 GiB to themselves.
pub(crate) fn linux(entry: u64, reset: kvm_sregs) -> (kvm_regs, kvm_sregs) {
    let state = LongModeState {
        rip: entry,
        cr0: CR0_PROTECTED | CR0_PG,
        cr3: layout::linux::PAGE_TABLES,
        cr4: CR4_PAE,
        efer: EFER_LONG,
        gdt_base: layout::linux::GDT,
        gdt_limit: (size_of::<u64>() * 4 - 1) as u16,
        tss_limit: TSS_LIMIT,
        code_selector: linux_selector::CODE,
        data_selector: linux_selector::DATA,
        ..Default::default()
    };
    let (regs, sregs) = long_mode(&state, reset);
    (kvm_regs { rbx: 0, rsi: layout::linux::ZERO_PAGE, ..regs }, sregs)
}

fn with_data(reset: kvm_sregs, data: kvm_segment) -> kvm_sregs {
    let ldt = kvm_segment { unusable: 1, ..Default::default() };
    kvm_sregs { ds: data, es: data, fs: data, gs: data, ss: data, ldt, ..reset }
}

fn flat(selector: u16, type_: u8) -> kvm_segment {
    kvm_segment { selector, type_, limit: FLAT_LIMIT, present: 1, s: 1, db: 1, g: 1, ..Default::default() }
}

fn tss(selector: u16, base: u64, limit: u32) -> kvm_segment {
    kvm_segment { selector, base, limit, type_: segment_type::TSS_BUSY, present: 1, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pvh_state_is_that_of_the_abi() {
        let (regs, sregs) = pvh(0x10_0000, kvm_sregs { apic_base: 0xfee0_0900, ..Default::default() });
        assert_eq!([regs.rip, regs.rbx, regs.rflags], [0x10_0000, layout::START_INFO, 2]);
        assert_eq!([sregs.cr0, sregs.cr4, sregs.efer], [0x11, 0, 0]);
        for segment in [sregs.cs, sregs.ds, sregs.es, sregs.ss] {
            assert_eq!((segment.base, segment.limit, segment.db), (0, u32::MAX, 1));
        }
        assert_eq!((sregs.tr.base, sregs.tr.limit, sregs.tr.type_, sregs.tr.s), (0, 0x67, 0xb, 0));
        assert_eq!(sregs.apic_base, 0xfee0_0900);
    }

    #[test]
    fn linux_finds_its_zero_page_and_flat_segments() {
        let (regs, sregs) = linux(0x100_0200, kvm_sregs::default());
        assert_eq!([regs.rip, regs.rsi, regs.rflags, regs.rbx], [0x100_0200, 0x9_0000, 2, 0]);
        assert_eq!([sregs.cr0, sregs.cr3, sregs.cr4, sregs.efer], [0x8000_0011, 0x9_2000, 0x20, 0x500]);
        assert_eq!((sregs.cs.selector, sregs.cs.l, sregs.ss.selector, sregs.gdt.limit), (0x10, 1, 0x18, 31));
    }

    #[test]
    fn multiboot_state_has_the_magic_number_and_the_information() {
        let (regs, sregs) = multiboot(0x40_0000, kvm_sregs::default());
        assert_eq!([regs.rip, regs.rax, regs.rbx, sregs.cr0], [0x40_0000, 0x2bad_b002, layout::START_INFO, 0x11]);
    }

    #[test]
    fn long_mode_code_segment_is_64_bit() {
        let state = LongModeState { code_selector: 8, tss_limit: 0x67, ..Default::default() };
        let (regs, sregs) = long_mode(&state, kvm_sregs::default());
        assert_eq!(regs.rbx, layout::START_INFO);
        assert_eq!((sregs.cs.l, sregs.cs.db, sregs.cs.dpl), (1, 0, 0));
    }
}
