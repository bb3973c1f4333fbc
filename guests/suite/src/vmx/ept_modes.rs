//! Extended page tables under guests that do not use paging of four levels: real mode, protected mode, PAE.

use super::{
    ept_access::{self, CONTENT, with_ept},
    ept_model::{LINEAR, TRANSLATED, bit},
};
use rt::{
    case, check_eq,
    cpu::control::{cr0, cr4},
    layout, mmio, names, paging,
    user::register::{RAX, RCX, RDI, RSI},
    user_code,
    vmx::{
        Exit, Guest,
        control::{entry, secondary},
        ept::{Ept, Level},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

/// Bits of the qualification that tell access, rights and kind of an access.
const MASK: u64 = 0x1bf;
/// The frame that these guests access.
const FRAME: usize = 9;
/// 32-bit code, present, DPL 0, accessed; and 16-bit code.
const CODE_32: u64 = 0xc09b;
const CODE_16: u64 = 0x809b;

// MOV EAX, [EDI]; MOV [EDI], ESI: the same bytes in 32-bit code, and with prefixes in 16-bit code.
user_code!(read_32: ".byte 0x8b, 0x07", "vmcall");
user_code!(write_32: ".byte 0x89, 0x37", "vmcall");
user_code!(read_16: ".byte 0x66, 0x67, 0x8b, 0x07", "vmcall");
user_code!(write_16: ".byte 0x66, 0x67, 0x89, 0x37", "vmcall");
user_code!(load_cr3: "mov cr3, rcx", "vmcall");

/// A mode that is not of 64 bits.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Real,
    Protected16,
    Protected32,
    Pae,
}

impl Mode {
    fn is_16_bit(self) -> bool {
        matches!(self, Self::Real | Self::Protected16)
    }
}

/// Turns L2 to a mode, with flat segments; the code's own segment begins at the code in 16-bit modes.
fn enter(guest: &mut Guest, mode: Mode, code: extern "C" fn(u64) -> u64) {
    guest.start_at(code);
    let start = guest.start();
    let _ = guest.clear_bits(field::ENTRY_CONTROLS, entry::GUEST_64_BIT.into());
    let clear = match mode {
        Mode::Real => cr0::PG | cr0::PE,
        Mode::Protected16 | Mode::Protected32 => cr0::PG,
        Mode::Pae => 0,
    };
    let _ = guest.clear_bits(field::GUEST_CR0, clear);
    let _ = guest.set_bits(field::GUEST_CR4, cr4::PAE);
    let cs = field::segment::CS;
    let _ = guest.set(field::GUEST_ES_RIGHTS + cs, if mode.is_16_bit() { CODE_16 } else { CODE_32 });
    if mode.is_16_bit() {
        let _ = guest.set(field::GUEST_ES_BASE + cs, start);
        let _ = guest.set(field::GUEST_RIP, 0);
    }
    if mode != Mode::Pae {
        guest.activate(secondary::UNRESTRICTED);
    }
    if mode == Mode::Pae {
        for (index, number) in POINTERS.into_iter().enumerate() {
            let _ = guest.set(number, (layout::IDENTITY_PD + index as u64 * 4096) | 1);
        }
    }
}

/// The PDPTEs of the VMCS.
const POINTERS: [u32; 4] = [field::GUEST_PDPTE0, field::GUEST_PDPTE1, field::GUEST_PDPTE2, field::GUEST_PDPTE3];

fn attach(guest: &mut Guest, ept: &Ept) {
    ept.attach(guest);
    let _ = ept.invalidate();
}

/// Reads and writes a page with each of the legal rights in a mode. The row is rights and operation.
fn accesses(mode: Mode) {
    let (read, write): (extern "C" fn(u64) -> u64, extern "C" fn(u64) -> u64) =
        if mode.is_16_bit() { (read_16, write_16) } else { (read_32, write_32) };
    let page = paging::frame(FRAME);
    with_ept(|guest, ept| {
        let _ = ept.split(page);
        let former = ept.read(Level::Pt, page);
        for rights in [0, bit::R, bit::R | bit::W, bit::R | bit::X, 7] {
            for (number, (code, access)) in [(read, 1), (write, 2)].into_iter().enumerate() {
                let row = rights << 4 | number as u64;
                for offset in [0, 0xffc] {
                    let row = row | offset << 8;
                    mmio::write_u32(page + offset, CONTENT as u32);
                    ept.write(Level::Pt, page, former & !7 | rights);
                    attach(guest, ept);
                    enter(guest, mode, code);
                    guest.registers[RDI] = page + offset;
                    guest.registers[RSI] = 0x5566_7788;
                    let exit = ept_access::run(guest);
                    judge(row, guest, &exit, mode, access, rights, page + offset);
                    guest.reset();
                }
            }
        }
        ept.write(Level::Pt, page, former);
        let _ = ept.invalidate();
    });
}

/// Holds an access to the rights of its page.
fn judge(row: u64, guest: &Guest, exit: &Exit, mode: Mode, access: u64, rights: u64, address: u64) {
    let left = u64::from(mmio::read_u32(address));
    if rights & access != 0 {
        check_eq!("exit reason", [&[]; row], exit.reason, reason::VMCALL);
        if access == 1 {
            check_eq!("value", [&[]; row], guest.registers[RAX], CONTENT & 0xffff_ffff);
        } else {
            check_eq!("memory", [&[]; row], left, 0x5566_7788);
        }
        return;
    }
    check_eq!("exit reason", [&[]; row], exit.reason, reason::EPT_VIOLATION);
    let due = access | rights << 3 | LINEAR | TRANSLATED;
    check_eq!("exit qualification", [&[]; row], exit.qualification & MASK, due);
    check_eq!("guest-physical address", [&[]; row], exit.physical_address, address);
    check_eq!("guest-linear address", [&[]; row], exit.linear_address, address);
    check_eq!("memory", [&[]; row], left, CONTENT & 0xffff_ffff);
    let start = if mode.is_16_bit() { 0 } else { guest.start() };
    check_eq!("RIP", [&[]; row], exit.rip, start);
}

/// Real mode of an unrestricted guest: linear addresses are guest-physical ones, and both are told.
#[case(feature = VmxUnrestricted, spec = [sdm3c("Unrestricted Guests"), sdm3c("EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_UNRESTRICTED)]
fn ept_under_real_mode() {
    accesses(Mode::Real);
}

/// 16-bit protected mode without paging.
#[case(feature = VmxUnrestricted, spec = [sdm3c("Unrestricted Guests"), sdm3c("EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_UNRESTRICTED)]
fn ept_under_16_bit_protected_mode() {
    accesses(Mode::Protected16);
}

/// 32-bit protected mode without paging.
#[case(feature = VmxUnrestricted, spec = [sdm3c("Unrestricted Guests"), sdm3c("EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_UNRESTRICTED)]
fn ept_under_32_bit_protected_mode() {
    accesses(Mode::Protected32);
}

/// PAE paging, whose PDPTEs are fields of the VMCS.
#[case(feature = VmxEpt, spec = [sdm3c("Loading Page-Directory-Pointer-Table Entries"), sdm3c("EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_under_pae() {
    accesses(Mode::Pae);
}

/// Reserved bits of a PDPTE that is present fail the entry; those of one that is absent do not count.
#[case(feature = VmxEpt, spec = [sdm3c("Checks on Guest Page-Directory-Pointer-Table Entries"), sdm3c("Loading Page-Directory-Pointer-Table Entries")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_reserved_bits_of_pdptes() {
    const INVALID: u32 = reason::INVALID_GUEST_STATE | reason::ENTRY_FAILED;
    let physical_bits = paging::read_physical_address_bits();
    with_ept(|guest, ept| {
        for (index, number) in POINTERS.into_iter().enumerate() {
            for bit in (1..9).chain(physical_bits..64).filter(|bit| !matches!(bit, 3 | 4)) {
                let row = (index as u64) << 8 | u64::from(bit);
                attach(guest, ept);
                enter(guest, Mode::Pae, read_32);
                guest.registers[RDI] = paging::frame(FRAME);
                let _ = guest.set_bits(number, 1 << bit);
                let exit = ept_access::run(guest);
                check_eq!("exit reason", [&[]; row], exit.reason, INVALID);
                check_eq!("exit qualification", [&[]; row], exit.qualification, 2);
                // The last GiB is not used: its PDPTE may be absent.
                if index == 3 {
                    let _ = guest.clear_bits(number, 1);
                    check_eq!("exit reason, absent", [&[]; row], ept_access::run(guest).reason, reason::VMCALL);
                }
                guest.reset();
            }
        }
    });
}

/// MOV to CR3 with PAE paging reads the PDPTEs of L2's memory: that violates without a linear address, and leaves CR3 and PDPTEs alone; repaired,
/// they are loaded, and saved by the exit.
#[case(feature = VmxEpt, spec = [sdm3c("Basic VM-Exit Information"), sdm3c("Saving Page-Directory-Pointer-Table Entries")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_violation_of_loading_pdptes() {
    const NAMES: &[Text] = names!["PDPTE0", "PDPTE1", "PDPTE2", "PDPTE3"];
    let page = paging::frame(FRAME);
    with_ept(|guest, ept| {
        let _ = ept.split(page);
        let former = ept.read(Level::Pt, page);
        for index in 0..4_u64 {
            // The second pair is swapped, so that what is loaded can be told.
            let table = if index < 2 { index } else { 5 - index };
            mmio::write_u64(page + index * 8, (layout::IDENTITY_PD + table * 4096) | 1);
        }
        for rights in [0, bit::R] {
            attach(guest, ept);
            ept.write(Level::Pt, page, former & !7 | rights);
            let _ = ept.invalidate();
            enter(guest, Mode::Pae, load_cr3);
            for field in POINTERS.into_iter().chain([field::GUEST_CR3]) {
                guest.keep(field);
            }
            let before = guest.read(field::GUEST_CR3);
            guest.registers[RCX] = page;
            let exit = ept_access::run(guest);
            if rights == 0 {
                check_eq!("exit reason", exit.reason, reason::EPT_VIOLATION);
                check_eq!("a read, and no linear address", exit.qualification & 0xbf, 1);
                check_eq!("page of the address", exit.physical_address & !0xfff, page);
                check_eq!("CR3", guest.read(field::GUEST_CR3), before);
                check_eq!("RIP from the start", exit.rip.wrapping_sub(guest.start()), 0);
            } else {
                check_eq!("exit reason, readable", exit.reason, reason::VMCALL);
                check_eq!("CR3 behind it", guest.read(field::GUEST_CR3), page);
            }
            for (index, number) in POINTERS.into_iter().enumerate() {
                let table = if index < 2 || rights == 0 { index } else { 5 - index } as u64;
                let due = (layout::IDENTITY_PD + table * 4096) | 1;
                if rights == 0 {
                    check_eq!("as it was", [NAMES; index], guest.read(number), due);
                } else {
                    check_eq!("as loaded", [NAMES; index], guest.read(number), due);
                }
            }
            guest.reset();
        }
        ept.write(Level::Pt, page, former);
        let _ = ept.invalidate();
    });
}
