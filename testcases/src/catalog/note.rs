//! The note that makes an ELF file an image.

use super::{elf::Elf, error::ImageError, fields::Fields};
use case::{
    FORMAT_VERSION,
    image::{ImageNote, NOTE_NAME, NOTE_TYPE, layout},
};

/// Reads the note and checks its version.
pub(super) fn read(elf: &Elf) -> Result<ImageNote, ImageError> {
    let descriptor = elf.note(NOTE_NAME, NOTE_TYPE).ok_or(ImageError::NoNote)?;
    let fields = Fields(descriptor);
    // The version comes first in every format, so that an image of another format is called that and not damaged.
    if descriptor.len() >= size_of::<u32>() && fields.u32(layout::VERSION) != u32::from(FORMAT_VERSION) {
        return Err(ImageError::FormatVersion { image: fields.u32(layout::VERSION), program: FORMAT_VERSION });
    }
    if descriptor.len() != layout::SIZE {
        return Err(ImageError::NoteSize { size: descriptor.len(), expected: layout::SIZE });
    }
    Ok(ImageNote {
        version: fields.u32(layout::VERSION),
        reserved: 0,
        entry: fields.u64(layout::ENTRY),
        stack: fields.u64(layout::STACK),
        page_tables: fields.u64(layout::PAGE_TABLES),
        gdt_base: fields.u64(layout::GDT_BASE),
        idt_base: fields.u64(layout::IDT_BASE),
        tss_base: fields.u64(layout::TSS_BASE),
        report_page: fields.u64(layout::REPORT_PAGE),
        gdt_limit: fields.u32(layout::GDT_LIMIT),
        idt_limit: fields.u32(layout::IDT_LIMIT),
        tss_limit: fields.u32(layout::TSS_LIMIT),
        code_selector: fields.u16(layout::CODE_SELECTOR),
        data_selector: fields.u16(layout::DATA_SELECTOR),
        tss_selector: fields.u16(layout::TSS_SELECTOR),
        reserved_end: [0; 3],
    })
}
