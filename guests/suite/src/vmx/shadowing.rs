//! VMCS shadowing: VMREAD and VMWRITE of L2's, by bitmaps and link pointer.

use super::{exit_slots::run, field_model as model, with_guest};
use rt::{
    Outcome, case, check_eq, check_outcome,
    user::register::{RAX, RBX, RCX, RDX},
    user_code,
    vmx::{
        Guest, Page, capability,
        control::secondary,
        field::{self, ALL, Field, NAMES},
        instruction, reason,
    },
    vocabulary::Needs,
};

// RDX becomes the flags behind the instruction.
user_code!(vmread: "vmread rbx, rcx", "pushfq", "pop rdx", "vmcall");
user_code!(vmwrite: "vmwrite rcx, rax", "pushfq", "pop rdx", "vmcall");

const STATUS: u64 = 0x8d5;
const CF: u64 = 1 << 0;
const ZF: u64 = 1 << 6;

/// Makes the shadow VMCS current while `body` runs.
fn in_shadow(body: impl FnOnce()) {
    let _ = instruction::load_pointer(Page::ShadowVmcs.address());
    body();
    let _ = instruction::clear(Page::ShadowVmcs.address());
    let _ = instruction::load_pointer(Page::Vmcs.address());
}

/// Gives L2 a shadow VMCS and bitmaps in which nothing exits.
fn prepare(guest: &mut Guest) {
    Page::VmreadBitmap.fill(0);
    Page::VmwriteBitmap.fill(0);
    guest.activate(secondary::SHADOWING);
    let _ = guest.set(field::VMREAD_BITMAP, Page::VmreadBitmap.address());
    let _ = guest.set(field::VMWRITE_BITMAP, Page::VmwriteBitmap.address());
    let _ = guest.set(field::VMCS_LINK, Page::ShadowVmcs.address());
}

fn with_shadow(code: extern "C" fn(u64) -> u64, body: impl FnOnce(&mut Guest)) {
    with_guest(code, |guest| {
        Page::ShadowVmcs.set_revision(capability::read_revision() | 1 << 31);
        check_outcome!(
            "VMCLEAR of the shadow VMCS",
            instruction::clear(Page::ShadowVmcs.address()),
            Outcome::COMPLETED
        );
        body(guest);
    });
}

/// Fields that this processor has, and that keep all bits.
fn fields() -> impl Iterator<Item = (usize, &'static Field)> {
    let offers = rt::vocabulary::probe::vmx::offers(|number| rt::cpu::msr::read(number).ok());
    let fields = ALL.iter().enumerate();
    fields.filter(move |(_, field)| {
        model::is_present(field, offers) == Some(true)
            && model::write_outcome(field, true, offers).is_none()
            && model::keeps_all_bits(field)
    })
}

/// VMREAD of L2 reads each field of the shadow VMCS, without an exit.
#[case(feature = VmxShadowing, spec = [sdm3c("VMREAD—Read Field from Virtual-Machine Control Structure"), sdm3c("VMCS Shadowing Bitmap Addresses")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_SHADOWING)]
fn shadow_fields_are_read() {
    with_shadow(vmread, |guest| {
        for (row, field) in fields() {
            let mark = model::mark(field.encoding) & field::mask(field.encoding);
            in_shadow(|| _ = instruction::write(field.encoding, mark));
            prepare(guest);
            guest.registers[RCX] = field.encoding.into();
            let exit = run(guest);
            let [value, flags] = [RBX, RDX].map(|register| guest.registers[register]);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::VMCALL);
            check_eq!("value", [NAMES; row], value, mark);
            check_eq!("status flags", [NAMES; row], flags & STATUS, 0);
        }
    });
}

/// VMWRITE of L2 writes each field of the shadow VMCS, without an exit.
#[case(feature = VmxShadowing, spec = [sdm3c("VMWRITE—Write Field to Virtual-Machine Control Structure"), sdm3c("VMCS Shadowing Bitmap Addresses")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_SHADOWING)]
fn shadow_fields_are_written() {
    with_shadow(vmwrite, |guest| {
        for (row, field) in fields() {
            let mark = model::mark(field.encoding) & field::mask(field.encoding);
            prepare(guest);
            guest.registers[RCX] = field.encoding.into();
            guest.registers[RAX] = mark;
            let exit = run(guest);
            let flags = guest.registers[RDX];
            guest.reset();
            let mut value = 0;
            in_shadow(|| value = instruction::read(field.encoding).unwrap_or(0));
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::VMCALL);
            check_eq!("value", [NAMES; row], value, mark);
            check_eq!("status flags", [NAMES; row], flags & STATUS, 0);
        }
    });
}

/// Each field exits by its own bit of the bitmap of the instruction, at every bit of the encoding.
#[case(feature = VmxShadowing, spec = sdm3c("VMCS Shadowing Bitmap Addresses"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SHADOWING)]
fn shadow_bitmaps() {
    with_shadow(vmread, |guest| {
        for encoding in (0..15).map(|bit| 1 << bit).chain([0, 0x681e, 0x4402, 0x7fff, 0x7ffe]) {
            for is_write in [false, true] {
                guest.start_at(if is_write { vmwrite } else { vmread });
                prepare(guest);
                let own = if is_write { Page::VmwriteBitmap } else { Page::VmreadBitmap };
                own.set_bit(encoding, true);
                guest.registers[RCX] = encoding.into();
                let exit = run(guest);
                guest.reset();
                if is_write {
                    check_eq!("exit reason of VMWRITE", [&[]; encoding], exit.reason, reason::VMWRITE);
                } else {
                    check_eq!("exit reason of VMREAD", [&[]; encoding], exit.reason, reason::VMREAD);
                }
                check_eq!(
                    "RIP from the start",
                    [&[]; encoding * 2 + u32::from(is_write)],
                    exit.rip.wrapping_sub(guest.start()),
                    0
                );
            }
        }
    });
}

/// A number with a bit above bit 14 exits, whatever the bitmaps hold.
#[case(feature = VmxShadowing, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_SHADOWING)]
fn numbers_that_the_shadow_bitmaps_have_not() {
    with_shadow(vmread, |guest| {
        for bit in 15..64_u64 {
            prepare(guest);
            guest.registers[RCX] = 1 << bit | u64::from(field::GUEST_RIP);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; bit], exit.reason, reason::VMREAD);
        }
    });
}

/// Without a link pointer L2's VMREAD and VMWRITE fail with VMfailInvalid; of a number that no field has, with VMfailValid.
#[case(feature = VmxShadowing, spec = [sdm3c("VMREAD—Read Field from Virtual-Machine Control Structure"), sdm3c("VM Instruction Error Numbers")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_SHADOWING)]
fn failures_in_the_shadow() {
    with_shadow(vmread, |guest| {
        for (row, code) in [vmread as extern "C" fn(u64) -> u64, vmwrite].into_iter().enumerate() {
            guest.start_at(code);
            prepare(guest);
            let _ = guest.set(field::VMCS_LINK, u64::MAX);
            guest.registers[RCX] = field::GUEST_RIP.into();
            let exit = run(guest);
            check_eq!("exit reason without link pointer", [&[]; row], exit.reason, reason::VMCALL);
            check_eq!("status flags without link pointer", [&[]; row], guest.registers[RDX] & STATUS, CF);
            guest.reset();
            prepare(guest);
            // No field has this number.
            guest.registers[RCX] = 0x7ffe;
            let exit = run(guest);
            check_eq!("exit reason without a field", [&[]; row], exit.reason, reason::VMCALL);
            check_eq!("status flags without a field", [&[]; row], guest.registers[RDX] & STATUS, ZF);
            guest.reset();
        }
    });
}
