//! Every address that this VMM chooses, once.
//!
//! Addresses of devices are not here: they are parameters, because guests and not this VMM decide them. The few that
//! the PC architecture fixes are in [`pc`].

/// Size of a small page in bytes: the granule of everything below.
pub const PAGE_SIZE: u64 = 0x1000;

/// Page with the PVH start info, the memory map and the command line.
///
/// Below the EBDA (0x9_fc00) and above everything that a boot sector uses, so that images linked at 1 MiB, the usual
/// place, and 16-bit programs at 0x7c00 both leave it free. One page: a VM's start copies no more than this one.
pub const START_INFO: u64 = 0x9_0000;
/// Offset of the memory map in that page; the start info itself takes 56 bytes.
pub const MEMORY_MAP_OFFSET: u64 = 0x80;
/// Offset of the command line in that page.
pub const COMMAND_LINE_OFFSET: u64 = 0x400;
/// The longest command line in bytes, without the NUL that ends it.
pub const COMMAND_LINE_MAX_BYTES: usize = (PAGE_SIZE - COMMAND_LINE_OFFSET) as usize - 1;

/// First byte of the legacy video and ROM hole, reserved in the memory map (there is plain memory behind it here).
pub const LEGACY_HOLE: u64 = 0xa_0000;
/// First byte behind that hole.
pub const LEGACY_HOLE_END: u64 = 0x10_0000;

/// Guest memory from 0 on ends here at the latest: above stand the MMIO pages, the APICs and the pages below.
pub const MEMORY_END: u64 = 0xc000_0000;
/// Where else it ends is a multiple of this: what is saved, or logged, at once is on one side.
pub const LOW_END_UNIT: u64 = 64 * PAGE_SIZE;
/// Where the rest of it is, if there is more.
pub const HIGH_MEMORY: u64 = 1 << 32;
/// The most memory: the rest ends below PCI's window, where processors with the smallest physical addresses reach it.
pub const MEMORY_MAX: u64 = 30 << 30;
/// The smallest memory: up to the end of the page with the start info.
pub const MEMORY_MIN: u64 = START_INFO + PAGE_SIZE;

/// One page for KVM_SET_IDENTITY_MAP_ADDR, which Intel processors without unrestricted guest need in real mode.
pub const IDENTITY_MAP: u64 = 0xfeff_c000;
/// Three pages for KVM_SET_TSS_ADDR, needed by the same processors; directly behind the page above, and below the place of
/// firmware, as in QEMU.
pub const KVM_TSS: u64 = 0xfeff_d000;

/// Where the largest firmware begins.
pub const ROM_START: u64 = 0xff00_0000;
/// Where firmware ends: the first instruction of a processor after reset is 16 bytes below.
pub const ROM_END: u64 = 1 << 32;
/// How much of the end of firmware is at the end of the first mebibyte too, in bytes. A chipset shows 128 KiB at first, and lets
/// firmware copy more; here there is none to ask, so that all of a BIOS of 256 KiB is there from the start.
pub const ROM_SHADOW_SIZE: u64 = 0x4_0000;

/// Page with the ACPI and MP tables of a VM that asks for them: the start of the place of the BIOS, where guests that were
/// told nothing search for both. Images that have something there cannot have the tables.
pub const FIRMWARE_TABLES: u64 = 0xf_0000;

/// The most vCPUs of a VM. Each is a thread; guests that test a hypervisor need no more, and all ids fit into xAPIC mode.
pub const NR_VCPUS_MAX: u8 = 64;

/// What a Linux kernel is entered with; the zero page takes the place of the start info.
pub mod linux {
    /// The zero page: `struct boot_params`.
    pub const ZERO_PAGE: u64 = super::START_INFO;
    /// Page with the command line.
    pub const COMMAND_LINE: u64 = ZERO_PAGE + super::PAGE_SIZE;
    /// The longest command line in bytes, without the NUL that ends it.
    pub const COMMAND_LINE_MAX_BYTES: usize = super::PAGE_SIZE as usize - 1;
    /// Page tables that map the first 4 GiB to themselves: PML4, page-directory-pointer table and four page directories.
    pub const PAGE_TABLES: u64 = COMMAND_LINE + super::PAGE_SIZE;
    /// How many pages they take.
    pub const NR_PAGE_TABLES: u64 = 6;
    /// Page with the GDT.
    pub const GDT: u64 = PAGE_TABLES + NR_PAGE_TABLES * super::PAGE_SIZE;
    /// First byte behind all of it.
    pub const END: u64 = GDT + super::PAGE_SIZE;
}

/// Ports and addresses that the PC architecture fixes, and those that its firmware tables tell.
pub mod pc {
    /// First of the eight ports of the first UART.
    pub const COM1: u16 = 0x3f8;
    /// Ports of a UART.
    pub const NR_UART_PORTS: u16 = 8;
    /// First port of the i8042 keyboard controller: data.
    pub const I8042: u16 = 0x60;
    /// Ports from the data port to the command port, both included.
    pub const NR_I8042_PORTS: u16 = 5;
    /// The command that resets the machine, written to the last of these ports.
    pub const I8042_RESET: u8 = 0xfe;
    /// ACPI's PM1a event block: status and enable register. The place of the block is the chipset's choice; it is that of
    /// QEMU's PIIX4, and nothing of a PC stands there.
    pub const PM1_EVENT: u16 = 0x600;
    /// Size of that block in bytes.
    pub const PM1_EVENT_SIZE_BYTES: u8 = 4;
    /// ACPI's PM1a control register.
    pub const PM1_CONTROL: u16 = 0x604;
    /// Its size in bytes.
    pub const PM1_CONTROL_SIZE_BYTES: u8 = 2;
    /// ACPI's PM timer.
    pub const PM_TIMER: u16 = 0x608;
    /// Its size in bytes.
    pub const PM_TIMER_SIZE_BYTES: u8 = 4;
    /// ACPI's general-purpose event block 0, if something raises such events, as on QEMU's i440FX machine.
    pub const GENERAL_EVENTS: u16 = 0xafe0;
    /// Its size in bytes: status and enable register.
    pub const GENERAL_EVENTS_SIZE_BYTES: u8 = 4;
    /// First port of the registers by which ACPI learns of processors that come and go, as on QEMU's i440FX machine.
    pub const CPU_HOT_PLUG: u16 = 0xaf00;
    /// Registers of the I/O APIC.
    pub const IO_APIC: u32 = 0xfec0_0000;
    /// Its id, which the guest may change.
    pub const IO_APIC_ID: u8 = 0;
    /// Registers of the HPET.
    pub const HPET: u32 = 0xfed0_0000;
    /// Registers of the local APICs after reset.
    pub const LOCAL_APIC: u32 = 0xfee0_0000;
}

/// Where PCI stands, if there is a host bridge. Nothing else uses these addresses.
pub mod pci {
    /// First port of the registers by which configuration space is accessed.
    pub const CONFIG_ADDRESS: u16 = 0xcf8;
    /// Configuration space of bus 0, mapped.
    pub const MAPPED_CONFIG: u64 = 0xe000_0000;
    /// Its size in bytes: one bus.
    pub const MAPPED_CONFIG_SIZE: u64 = 1 << 20;
    /// Where base address registers of memory below 4 GiB may point.
    pub const MEMORY_WINDOW: u64 = 0xe100_0000;
    /// Its size in bytes.
    pub const MEMORY_WINDOW_SIZE: u64 = 0x1700_0000;
    /// Where they may point, too: where SeaBIOS places what is small, downwards from the I/O APIC.
    pub const TOP_WINDOW: u64 = 0xfe00_0000;
    /// Its size in bytes.
    pub const TOP_WINDOW_SIZE: u64 = 0xc0_0000;
    /// Where they may point, too, where firmware is told of QEMU's q35 machine: from the end of guest memory on.
    pub const LOW_WINDOW: u64 = super::MEMORY_END;
    /// Its size in bytes.
    pub const LOW_WINDOW_SIZE: u64 = MAPPED_CONFIG - LOW_WINDOW;
    /// Configuration space, mapped where firmware for that machine expects it; guest memory that is not above 4 GiB ends below.
    pub const Q35_MAPPED_CONFIG: u64 = 0xb000_0000;
    /// Its size in bytes.
    pub const Q35_MAPPED_CONFIG_SIZE: u64 = 256 << 20;
    /// Where those of memory above may point: below the end of the smallest physical address space of a processor that has long mode.
    pub const HIGH_WINDOW: u64 = 0x8_0000_0000;
    /// Its size in bytes.
    pub const HIGH_WINDOW_SIZE: u64 = 0x4_0000_0000;
    /// Where those of ports may point.
    pub const IO_WINDOW: u16 = 0xc000;
    /// How many ports.
    pub const IO_WINDOW_SIZE: u16 = 0x1000;
    /// First port of the registers by which ACPI learns of functions that come and go, as on QEMU's i440FX machine.
    pub const HOT_PLUG: u16 = 0xae00;
    /// Interrupt line of INTA# in slot 0; the next pins and slots have the next three, in turn.
    pub const FIRST_LINE: u32 = 16;
}

const _: () = assert!(START_INFO.is_multiple_of(PAGE_SIZE) && MEMORY_MIN <= LEGACY_HOLE);
const _: () = assert!(HIGH_MEMORY + MEMORY_MAX - pci::Q35_MAPPED_CONFIG <= pci::HIGH_WINDOW);
// Huge pages are on one side, too.
const _: () = assert!((2_u64 << 20).is_multiple_of(LOW_END_UNIT));
const _: () = assert!(MEMORY_END.is_multiple_of(2 << 20) && pci::Q35_MAPPED_CONFIG.is_multiple_of(2 << 20));
const _: () = assert!(pci::Q35_MAPPED_CONFIG + pci::Q35_MAPPED_CONFIG_SIZE <= pci::LOW_WINDOW);
const _: () = assert!(KVM_TSS == IDENTITY_MAP + PAGE_SIZE);
const _: () = assert!(linux::END <= LEGACY_HOLE && KVM_TSS + 3 * PAGE_SIZE <= ROM_START);
