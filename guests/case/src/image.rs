//! The image as a whole: its ELF note, its command line, and the addresses that both sides agree on.

use core::mem::{offset_of, size_of};

/// Name of the ELF note that makes an ELF file a vmproof image.
pub const NOTE_NAME: &str = "vmproof";
/// Type of that note; its descriptor is an [`ImageNote`].
pub const NOTE_TYPE: u32 = 1;

/// Descriptor of the note: where things are, and the state for an entry directly into long mode.
///
/// A VMM that loads exactly this state skips the mode switch; the tables it points to are part of the image.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageNote {
    /// [`crate::FORMAT_VERSION`].
    pub version: u32,
    /// Zero.
    pub reserved: u32,
    /// RIP for the direct entry; RBX holds the address of the PVH start info.
    pub entry: u64,
    /// RSP for the direct entry.
    pub stack: u64,
    /// CR3: page tables of four levels that map the first 4 GiB onto themselves.
    pub page_tables: u64,
    /// Base of the GDT.
    pub gdt_base: u64,
    /// Base of the IDT.
    pub idt_base: u64,
    /// Base of the 64-bit TSS.
    pub tss_base: u64,
    /// Address of the shared pages for messages.
    pub report_page: u64,
    /// Limit of the GDT in bytes, as LGDT takes it.
    pub gdt_limit: u32,
    /// Limit of the IDT in bytes, as LIDT takes it.
    pub idt_limit: u32,
    /// Limit of the TSS in bytes.
    pub tss_limit: u32,
    /// Selector of the 64-bit code segment at CPL 0.
    pub code_selector: u16,
    /// Selector of the data segments at CPL 0.
    pub data_selector: u16,
    /// Selector of the TSS.
    pub tss_selector: u16,
    /// Zero.
    pub reserved_end: [u16; 3],
}

/// Offsets of the fields, for the host.
pub mod layout {
    use super::{ImageNote, offset_of, size_of};
    /// Size of the descriptor in bytes.
    pub const SIZE: usize = size_of::<ImageNote>();
    /// `u32`.
    pub const VERSION: usize = offset_of!(ImageNote, version);
    /// `u64`.
    pub const ENTRY: usize = offset_of!(ImageNote, entry);
    /// `u64`.
    pub const STACK: usize = offset_of!(ImageNote, stack);
    /// `u64`.
    pub const PAGE_TABLES: usize = offset_of!(ImageNote, page_tables);
    /// `u64`.
    pub const GDT_BASE: usize = offset_of!(ImageNote, gdt_base);
    /// `u64`.
    pub const IDT_BASE: usize = offset_of!(ImageNote, idt_base);
    /// `u64`.
    pub const TSS_BASE: usize = offset_of!(ImageNote, tss_base);
    /// `u64`.
    pub const REPORT_PAGE: usize = offset_of!(ImageNote, report_page);
    /// `u32`.
    pub const GDT_LIMIT: usize = offset_of!(ImageNote, gdt_limit);
    /// `u32`.
    pub const IDT_LIMIT: usize = offset_of!(ImageNote, idt_limit);
    /// `u32`.
    pub const TSS_LIMIT: usize = offset_of!(ImageNote, tss_limit);
    /// `u16`.
    pub const CODE_SELECTOR: usize = offset_of!(ImageNote, code_selector);
    /// `u16`.
    pub const DATA_SELECTOR: usize = offset_of!(ImageNote, data_selector);
    /// `u16`.
    pub const TSS_SELECTOR: usize = offset_of!(ImageNote, tss_selector);
}

const _: () = assert!(layout::SIZE == 88 && layout::ENTRY == 8 && layout::REPORT_PAGE == 56 && layout::GDT_LIMIT == 64);
const _: () = assert!(layout::CODE_SELECTOR == 76 && layout::TSS_SELECTOR == 80);

/// Control registers that the tables of the image are made for: the state for an entry directly into long mode, and what
/// the image's own mode switch leads to.
pub mod control {
    /// CR0: PE, MP, ET, NE, WP, PG.
    pub const CR0: u64 = 0x8001_0033;
    /// CR4: PAE, OSFXSR, OSXMMEXCPT.
    pub const CR4: u64 = 0x620;
    /// IA32_EFER as written: LME.
    pub const EFER: u64 = 0x100;
    /// IA32_EFER as read while paging is on: LME and LMA.
    pub const EFER_ACTIVE: u64 = 0x500;
}

/// The command line: words with one space between, in any order, unknown ones ignored.
///
/// `vp.report=page` or `vp.report=com1` chooses the transport (COM1 is the default); `vp.at=<hexadecimal>` is the
/// address of the case's record, which saves the search; `vp.case=<area>::<name>` names the case, and
/// `vp.case=probe` asks for [`crate::message::Kind::Offers`] instead, and [`crate::fuzz`] has programs that are no cases.
pub mod command_line {
    /// Prefix of every word of ours.
    pub const PREFIX: &str = "vp.";
    /// Value of `vp.report` for the shared pages.
    pub const REPORT_PAGE: &str = "page";
    /// Value of `vp.case` that asks for the probe.
    pub const PROBE: &str = "probe";
    /// The longest command line in bytes.
    pub const MAX_BYTES: usize = 1024;
}

/// Addresses outside the image that guest and host agree on.
pub mod board {
    /// Port of the doorbell: a write of any value, one byte wide, announces the messages in the shared pages.
    pub const DOORBELL_PORT: u16 = 0x5f0;
    /// Port that ends the VM with an exit status, as QEMU's isa-debug-exit does.
    pub const DEBUG_EXIT_PORT: u16 = 0xf4;
    /// First of eight ports of the UART.
    pub const COM1_PORT: u16 = 0x3f8;
    /// Status and command port of the i8042 controller.
    pub const I8042_COMMAND_PORT: u16 = 0x64;
    /// First port of the test device: 16 bytes that keep what was written to them.
    pub const SCRATCH_PORT: u16 = 0x5c0;
    /// How many ports keep their bytes.
    pub const NR_SCRATCH_PORTS: u16 = 16;
    /// The test device's log of accesses, by 32-bit ports: see the offsets below.
    pub const LOG_PORT: u16 = 0x5d0;
    /// Written: selects an access of the log, 0 the oldest. Read: number of accesses since the last clearing.
    pub const LOG_SELECT: u16 = LOG_PORT;
    /// Read: the selected access: bits 0 to 15 offset into the page or port range, bits 16 to 23 size in bytes, bit 24
    /// set for a write, bit 25 set for a port. Written: clears the log.
    pub const LOG_ACCESS: u16 = LOG_PORT + 4;
    /// Read: low half of the selected access's data.
    pub const LOG_DATA_LOW: u16 = LOG_PORT + 8;
    /// Read: high half of it.
    pub const LOG_DATA_HIGH: u16 = LOG_PORT + 12;
    /// How many accesses the log keeps; later ones are only counted.
    pub const LOG_CAPACITY: usize = 64;
    /// A page of the test device that keeps what was written to it, zero at first.
    pub const SCRATCH_MMIO: u64 = 0xd000_0000;
    /// Its size in bytes.
    pub const SCRATCH_MMIO_SIZE: u64 = 0x1000;
    /// The signalling device, by 32-bit ports. Written: bits 31 to 0 of the address of the next message; read: the same.
    pub const SIGNAL_ADDRESS: u16 = 0x5b0;
    /// Written: the data of a message, which is sent at once to the address above (KVM_SIGNAL_MSI or the same of a local APIC
    /// of the host program's own). Read: 1 if a local APIC took the last one.
    pub const SIGNAL_DATA: u16 = SIGNAL_ADDRESS + 4;
    /// Written: drives an interrupt line: bits 7 to 0 the line (GSI), bit 8 the level. With bit 9 set, the level is ignored and
    /// an event file descriptor that is bound to the line is signalled once. With bit 10 set, the line does not matter: an event
    /// file descriptor is signalled whose route is the message of the address above and of bits 31 to 16 as its data.
    pub const SIGNAL_LINE: u16 = SIGNAL_ADDRESS + 8;
    /// Written: any value stores the host's clock (CLOCK_MONOTONIC_RAW, nanoseconds). Read: the low half of what was stored, and
    /// with the next read the high half.
    pub const SIGNAL_CLOCK: u16 = SIGNAL_ADDRESS + 12;
    /// The signalling device's commands, by 32-bit ports. Written: the argument of the next command; read: the same.
    pub const CONTROL_ARGUMENT: u16 = 0x5a0;
    /// Written: a command, which is over when the write is. Read: 0 if the last one succeeded, or
    /// the number of the host's error.
    ///
    /// 1 pauses the processor that asks for as many microseconds as the argument tells; 2 tells KVM that this processor was
    /// paused (KVM_KVMCLOCK_CTRL); 3 sets KVM's clock forward by as many microseconds (KVM_SET_CLOCK); 4 moves the thread of this
    /// processor to the host's processor of this number, and 5 lets it run on all of them again; 6 raises and lowers pin LINT1 of this processor's local
    /// APIC; 7 takes the page of memory at the address away, until some milliseconds after it is touched.
    pub const CONTROL_COMMAND: u16 = CONTROL_ARGUMENT + 4;
    /// What the host changes in configurations of virtio devices, by 32-bit ports; a device may show it a little after the write.
    /// Written: how many sectors the disks of block devices and SCSI hosts have. Read: 0 if the last change was made, or the number
    /// of the host's error.
    pub const CHANGE_CAPACITY: u16 = 0x570;
    /// Written: 1 plugs the cable of network devices in, 0 pulls it out.
    pub const CHANGE_LINK: u16 = CHANGE_CAPACITY + 4;
    /// Written: how many pages balloons are to have.
    pub const CHANGE_BALLOON: u16 = CHANGE_CAPACITY + 8;
    /// Written: columns of consoles in the low half, and rows in the high one.
    pub const CHANGE_CONSOLE: u16 = CHANGE_CAPACITY + 12;
    /// Written: width of the screens of GPUs in pixels in the low half, and their height in the high one.
    pub const CHANGE_SCREEN: u16 = CHANGE_CAPACITY + 16;
    /// Written, whatever it is: drivers of network devices are to announce themselves.
    pub const CHANGE_ANNOUNCE: u16 = CHANGE_CAPACITY + 20;
    /// Written: 1 gives target 1 of SCSI hosts a disk, 0 takes it away.
    pub const CHANGE_TARGET: u16 = CHANGE_CAPACITY + 24;
    /// The number of these ports.
    pub const NR_CHANGE_PORTS: u16 = 28;
    /// Registers of the virtio device over MMIO.
    pub const VIRTIO_MMIO: u64 = 0xd000_2000;
    /// Its interrupt line.
    pub const VIRTIO_MMIO_LINE: u8 = 10;
    /// Configuration space of PCI bus 0, mapped, on our VMM.
    pub const PCI_MAPPED: u64 = 0xe000_0000;
    /// Where base address registers may point, on every board: memory below 4 GiB, memory above, ports.
    pub const PCI_MEMORY: u64 = 0xe100_0000;
    /// The second of them: 1 GiB at least.
    pub const PCI_HIGH_MEMORY: u64 = 0x8_0000_0000;
    /// A page that no device claims.
    pub const UNCLAIMED_MMIO: u64 = 0xd800_0000;
    /// A port that no device claims.
    pub const UNCLAIMED_PORT: u16 = 0x5e8;
}
