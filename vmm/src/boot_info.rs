//! What a guest is told at its entry: PVH's start info, Linux' zero page, or Multiboot's information.
//!
//! Sources: Linux, "Documentation/arch/x86/boot.rst" § "64-bit Boot Protocol" and "Documentation/arch/x86/zero-page.rst";
//! Multiboot Specification 0.6.96, § 3.3 "Boot information format"; Intel SDM vol. 3A § 3.4.5 "Segment Descriptors" and § 4.5
//! "4-Level Paging and 5-Level Paging".

use crate::{
    boot::{Entry, linux_selector},
    create::VmError,
    image::{Image, Linux, Multiboot},
    layout::{self, linux as at},
    memory::{GuestMemory, OutsideMemory},
    start_info,
};
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params};
use vm_memory::{Bytes, GuestAddress};

/// Writes what goes with the entry; the command line has been checked to fit where PVH has it.
///
/// `rsdp` is the address of ACPI's root pointer, or 0.
pub(crate) fn write(
    memory: &GuestMemory,
    image: &Image,
    entry: &Entry,
    command_line: &str,
    rsdp: u64,
) -> Result<(), VmError> {
    match entry {
        Entry::Pvh | Entry::LongMode(_) => start_info::write(memory, command_line, rsdp)?,
        Entry::Linux => {
            let linux = image.linux()?;
            linux.check_command_line(command_line.len()).map_err(crate::ImageError::from)?;
            write_linux(memory, linux, command_line, rsdp)?;
        }
        Entry::Multiboot => {
            let multiboot = image.multiboot()?;
            let line = format!("{} {command_line}", multiboot.name);
            if line.len() > layout::COMMAND_LINE_MAX_BYTES || line.contains('\0') {
                return Err(VmError::CommandLine { size_bytes: line.len() });
            }
            write_multiboot(memory, multiboot, line.trim_end())?;
        }
        // Firmware finds out by itself.
        Entry::Reset => {}
    }
    Ok(())
}

/// 64-bit code and data with a base of 0 and no limit, accessed; granularity, present, and what makes them long or 32-bit.
const GDT_CODE: u64 = 0x00af_9b00_0000_ffff;
const GDT_DATA: u64 = 0x00cf_9300_0000_ffff;

/// Bits of page-table entries: present and writable; and a large page.
const PRESENT: u64 = 0b11;
const LARGE: u64 = 1 << 7;
const LARGE_PAGE_SIZE: u64 = 2 << 20;
/// Entries of a page table.
const NR_ENTRIES: u64 = 512;

fn write_linux(memory: &GuestMemory, linux: &Linux, command_line: &str, rsdp: u64) -> Result<(), OutsideMemory> {
    let mut page = boot_params { hdr: linux.header, acpi_rsdp_addr: rsdp, ..Default::default() };
    page.hdr.cmd_line_ptr = at::COMMAND_LINE as u32;
    let map = start_info::memory_map(memory.map());
    page.e820_entries = map.len() as u8;
    for (entry, of_map) in page.e820_table.iter_mut().zip(&map) {
        // Types are numbered alike.
        *entry = boot_e820_entry { addr: of_map.addr, size: of_map.size, r#type: of_map.type_ };
    }
    let outside = OutsideMemory { address: at::ZERO_PAGE, size_bytes: size_of::<boot_params>() };
    memory.before_start().write_obj(page, GuestAddress(at::ZERO_PAGE)).map_err(|_| outside)?;
    memory.write(at::COMMAND_LINE, command_line.as_bytes())?;

    let mut gdt = [0_u64; 4];
    gdt[usize::from(linux_selector::CODE / 8)] = GDT_CODE;
    gdt[usize::from(linux_selector::DATA / 8)] = GDT_DATA;
    memory.write(at::GDT, &words(gdt))?;

    let table = |index: u64| at::PAGE_TABLES + index * layout::PAGE_SIZE;
    let nr_directories = at::NR_PAGE_TABLES - 2;
    memory.write(table(0), &words([table(1) | PRESENT]))?;
    memory.write(table(1), &words((0..nr_directories).map(|index| table(2 + index) | PRESENT)))?;
    let pages = (0..nr_directories * NR_ENTRIES).map(|page| (page * LARGE_PAGE_SIZE) | PRESENT | LARGE);
    memory.write(table(2), &words(pages))
}

fn words(words: impl IntoIterator<Item = u64>) -> Vec<u8> {
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// Fields of Multiboot's information that are filled in, in its flags.
mod flag {
    pub(super) const MEMORY: u32 = 1 << 0;
    pub(super) const COMMAND_LINE: u32 = 1 << 2;
    pub(super) const MODULES: u32 = 1 << 3;
    pub(super) const MEMORY_MAP: u32 = 1 << 6;
    pub(super) const LOADER_NAME: u32 = 1 << 9;
}

/// Offsets in the page with the information: the list of modules, an empty string, and the loader's name.
mod offset {
    pub(super) const MODULES: u64 = 0x100;
    pub(super) const EMPTY: u64 = 0x110;
    pub(super) const LOADER_NAME: u64 = 0x120;
}

/// Size of an entry of the memory map without the field that tells it.
const MAP_ENTRY_SIZE: u32 = 20;
/// KiB of memory from 0 on, to the video memory.
const LOWER_KIB: u64 = layout::LEGACY_HOLE >> 10;

fn write_multiboot(memory: &GuestMemory, multiboot: &Multiboot, command_line: &str) -> Result<(), OutsideMemory> {
    let base = layout::START_INFO;
    let low_bytes = memory.map().low_bytes();
    let map: Vec<u8> = start_info::memory_map(memory.map())
        .iter()
        .flat_map(|entry| {
            let [address, size] = [entry.addr, entry.size].map(u64::to_le_bytes);
            [&MAP_ENTRY_SIZE.to_le_bytes()[..], &address, &size, &entry.type_.to_le_bytes()].concat()
        })
        .collect();
    let modules: Vec<u32> =
        multiboot.module.map_or_else(Vec::new, |(start, end)| vec![start, end, (base + offset::EMPTY) as u32, 0]);
    // flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms (4), mmap_length, mmap_addr, drives (2),
    // config_table, boot_loader_name.
    let mut info = [0_u32; 17];
    info[0] = flag::MEMORY | flag::COMMAND_LINE | flag::MODULES | flag::MEMORY_MAP | flag::LOADER_NAME;
    info[1] = LOWER_KIB.min(low_bytes >> 10) as u32;
    info[2] = (low_bytes.saturating_sub(layout::LEGACY_HOLE_END) >> 10) as u32;
    info[4] = (base + layout::COMMAND_LINE_OFFSET) as u32;
    info[5] = u32::from(multiboot.module.is_some());
    info[6] = (base + offset::MODULES) as u32;
    info[11] = map.len() as u32;
    info[12] = (base + layout::MEMORY_MAP_OFFSET) as u32;
    info[16] = (base + offset::LOADER_NAME) as u32;
    let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    memory.write(base, &bytes(&info))?;
    memory.write(base + layout::MEMORY_MAP_OFFSET, &map)?;
    memory.write(base + offset::MODULES, &bytes(&modules))?;
    memory.write(base + offset::LOADER_NAME, b"vmproof\0")?;
    // The NUL at the end is the template's: nothing else stands in this page.
    memory.write(base + layout::COMMAND_LINE_OFFSET, command_line.as_bytes())
}

const _: () = assert!(layout::MEMORY_MAP_OFFSET + start_info::NR_ENTRIES_MAX * 24 <= offset::MODULES);
const _: () = assert!(offset::LOADER_NAME + 8 <= layout::COMMAND_LINE_OFFSET);
