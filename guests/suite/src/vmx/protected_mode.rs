//! L2 in modes that are not of 64 bits, or not at CPL 0.

use rt::{
    layout, mmio, paging,
    tables::selector,
    vmx::{Guest, control::entry, field, field::segment},
};

/// The frame with the page-directory-pointer table.
const POINTERS: usize = 9;
/// Access rights: 32-bit code, present, accessed; the same at DPL 3, 64-bit code at DPL 3, and data at DPL 3.
const CODE_32: u64 = 0xc09b;
const CODE_32_USER: u64 = 0xc0fb;
const CODE_64_USER: u64 = 0xa0fb;
const DATA_USER: u64 = 0xc0f3;

/// Four page-directory-pointer-table entries for the identity map. They have none of the bits that are reserved there.
pub(super) fn pointers() -> [u64; 4] {
    [0, 1, 2, 3].map(|index| (layout::IDENTITY_PD + index * 4096) | 1)
}

/// Writes a page-directory-pointer table, and returns its address.
pub(super) fn write_pointers(entries: [u64; 4]) -> u64 {
    for (index, entry) in entries.into_iter().enumerate() {
        mmio::write_u64(paging::frame(POINTERS) + index as u64 * 8, entry);
    }
    paging::frame(POINTERS)
}

/// 32-bit protected mode at CPL 0 with PAE paging, whose tables are in L2's memory; without EPT.
pub(super) fn enter_32(guest: &mut Guest) {
    let _ = guest.clear_bits(field::ENTRY_CONTROLS, entry::GUEST_64_BIT.into());
    let _ = guest.set(field::GUEST_CR3, write_pointers(pointers()));
    let _ = guest.set(field::GUEST_ES_RIGHTS + segment::CS, CODE_32);
}

/// Compatibility mode at CPL 0, with 32-bit code.
pub(super) fn enter_compatibility(guest: &mut Guest) {
    let _ = guest.set(field::GUEST_ES_RIGHTS + segment::CS, CODE_32);
}

/// CPL 3, of 64-bit code or of 32-bit code in compatibility mode.
pub(super) fn enter_user(guest: &mut Guest, is_compatible: bool) {
    let (code, rights) =
        if is_compatible { (selector::USER_CODE_32, CODE_32_USER) } else { (selector::USER_CODE, CODE_64_USER) };
    let _ = guest.set(field::GUEST_CS, code.into());
    let _ = guest.set(field::GUEST_ES_RIGHTS + segment::CS, rights);
    for part in [segment::SS, segment::DS, segment::ES] {
        let _ = guest.set(field::GUEST_ES + part, selector::USER_DATA.into());
        let _ = guest.set(field::GUEST_ES_RIGHTS + part, DATA_USER);
    }
}
