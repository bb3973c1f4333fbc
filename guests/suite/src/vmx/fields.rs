//! VMREAD and VMWRITE of every field.

use super::{field_model as model, with_guest};
use rt::{
    Outcome, case, check_eq, check_outcome, names, user_code,
    vmx::{
        Guest,
        capability::{self, number},
        field::{self, ALL, Field, NAMES},
        instruction,
        reason::error,
    },
    vocabulary::{Needs, Text},
};

user_code!(end: "vmcall");

/// What this processor offers.
fn offers() -> Needs {
    rt::vocabulary::probe::vmx::offers(|number| rt::cpu::msr::read(number).ok())
}

/// Fields of which it is known whether this processor has them, with whether it has.
fn known(offers: Needs) -> impl Iterator<Item = (usize, &'static Field, bool)> {
    let fields = ALL.iter().enumerate();
    fields.filter_map(move |(row, field)| model::is_present(field, offers).map(|present| (row, field, present)))
}

/// Every field can be read if the processor has what it belongs to; where it has not, VMREAD fails with error 12.
#[case(feature = VmxFields, spec = [sdm3d("Field Encoding in VMCS"), sdm3c("VMREAD—Read Field from Virtual-Machine Control Structure")],
       needs = Needs::INTEL | Needs::VMX)]
fn every_field_is_read() {
    with_guest(end, |_| {
        for (row, field, present) in known(offers()) {
            let outcome = instruction::read(field.encoding).err().unwrap_or(Outcome::COMPLETED);
            let due = if present { Outcome::COMPLETED } else { Outcome::vm_fail_valid(error::UNSUPPORTED_FIELD) };
            check_outcome!("VMREAD", [NAMES; row], outcome, due);
        }
    });
}

/// A field that can be written keeps what VMWRITE writes, in its width; others are refused: with error 12 where they are missing, with
/// error 13 where they are read-only.
#[case(feature = VmxFields, spec = [sdm3d("Field Encoding in VMCS"), sdm3c("VMWRITE—Write Field to Virtual-Machine Control Structure")],
       needs = Needs::INTEL | Needs::VMX)]
fn every_field_is_written() {
    const PATTERNS: [u64; 2] = [0x5aa5_c33c_9669_f00f, 0xa55a_3cc3_6996_0ff0];
    let offers = offers();
    with_guest(end, |_| {
        for (row, field, present) in known(offers) {
            let due = model::write_outcome(field, present, offers);
            let before = instruction::read(field.encoding).unwrap_or(0);
            for pattern in PATTERNS {
                let outcome = instruction::write(field.encoding, pattern);
                check_outcome!(
                    "VMWRITE",
                    [NAMES; row],
                    outcome,
                    match due {
                        None => Outcome::COMPLETED,
                        Some(number) => Outcome::vm_fail_valid(number),
                    }
                );
                // Bits that a field has not may be kept or not (access rights, fields of natural width that fewer bits exist of).
                if outcome == Outcome::COMPLETED && model::keeps_all_bits(field) {
                    let read = instruction::read(field.encoding).unwrap_or(0);
                    check_eq!("VMREAD behind it", [NAMES; row], read, pattern & field::mask(field.encoding));
                }
            }
            let _ = instruction::write(field.encoding, before);
        }
    });
}

/// Both halves of a field of 64 bits: the high half is read and written by the encoding that is one more.
#[case(feature = VmxFields, spec = [sdm3c("VMREAD, VMWRITE, and Encodings of VMCS Fields"), sdm3d("Field Encoding in VMCS")],
       needs = Needs::INTEL | Needs::VMX)]
fn high_halves() {
    const LOW: u64 = 0x1234_5678_9abc_def0;
    let offers = offers();
    with_guest(end, |_| {
        let wide = known(offers)
            .filter(|&(_, field, present)| present && field::width(field.encoding) == field::Width::Bits64);
        for (row, field, present) in wide {
            if model::write_outcome(field, present, offers).is_some() || !model::keeps_all_bits(field) {
                continue;
            }
            let before = instruction::read(field.encoding).unwrap_or(0);
            let high = field::high_half(field.encoding);
            let _ = instruction::write(field.encoding, LOW);
            check_eq!("the high half", [NAMES; row], instruction::read(high).unwrap_or(0), LOW >> 32);
            // Bits above the half do not count.
            let _ = instruction::write(high, 0xffff_ffff_0fed_cba9);
            let due = 0x0fed_cba9 << 32 | LOW & 0xffff_ffff;
            check_eq!("all of it", [NAMES; row], instruction::read(field.encoding).unwrap_or(0), due);
            let _ = instruction::write(field.encoding, before);
        }
    });
}

/// Fields do not touch each other: each that can be written keeps a value of its own while all others are written.
#[case(feature = VmxFields, spec = sdm3c("Software Use of Virtual-Machine Control Structures"), needs = Needs::INTEL | Needs::VMX)]
fn fields_are_apart() {
    let offers = offers();
    with_guest(end, |_| {
        let writable = || {
            known(offers).filter(|&(_, field, present)| {
                present && model::keeps_all_bits(field) && model::write_outcome(field, present, offers).is_none()
            })
        };
        let value = |field: &Field| model::mark(field.encoding) & field::mask(field.encoding);
        for (_, field, _) in writable() {
            let _ = instruction::write(field.encoding, value(field));
        }
        for (row, field, _) in writable() {
            check_eq!("VMREAD", [NAMES; row], instruction::read(field.encoding).unwrap_or(0), value(field));
        }
        // Two VMCSs are apart as well, and what VMCLEAR has written back is read again.
        use rt::vmx::Page;
        Page::SecondVmcs.set_revision(capability::read_revision());
        let (first, second) = (Page::Vmcs.address(), Page::SecondVmcs.address());
        check_outcome!("VMCLEAR of the second", instruction::clear(second), Outcome::COMPLETED);
        check_outcome!("VMPTRLD of the second", instruction::load_pointer(second), Outcome::COMPLETED);
        for (_, field, _) in writable() {
            let _ = instruction::write(field.encoding, !value(field));
        }
        check_outcome!("VMCLEAR of the first", instruction::clear(first), Outcome::COMPLETED);
        check_outcome!("VMPTRLD of the first", instruction::load_pointer(first), Outcome::COMPLETED);
        for (row, field, _) in writable() {
            check_eq!(
                "VMREAD of the first",
                [NAMES; row],
                instruction::read(field.encoding).unwrap_or(0),
                value(field)
            );
        }
        let _ = instruction::load_pointer(second);
        for (row, field, _) in writable() {
            let due = !value(field) & field::mask(field.encoding);
            check_eq!("VMREAD of the second", [NAMES; row], instruction::read(field.encoding).unwrap_or(0), due);
        }
    });
}

/// VMREAD of fewer bits than the destination clears the rest, and a field's number may stand in any register.
#[case(feature = VmxFields, spec = sdm3c("VMREAD—Read Field from Virtual-Machine Control Structure"), needs = Needs::INTEL | Needs::VMX)]
fn narrow_fields_are_extended_with_zeros() {
    const WIDTHS: &[Text] = names!["16 bits", "32 bits"];
    with_guest(end, |guest: &mut Guest| {
        for (row, encoding) in [field::GUEST_ES, field::GUEST_ES_LIMIT].into_iter().enumerate() {
            let _ = guest.set(encoding, u64::MAX);
            let mut value = u64::MAX;
            let _ = rt::instruction!("vmread {value}, {number}", value = inout(reg) value, number = in(reg) u64::from(encoding));
            check_eq!("register", [WIDTHS; row], value, field::mask(encoding));
            let frame = rt::paging::frame(2);
            rt::mmio::write_u64(frame, u64::MAX);
            rt::mmio::write_u64(frame + 8, u64::MAX);
            let _ = rt::instruction!("vmread [{place}], {number}", place = in(reg) frame, number = in(reg) u64::from(encoding));
            check_eq!("memory", [WIDTHS; row], rt::mmio::read_u64(frame), field::mask(encoding));
            check_eq!("memory behind it", [WIDTHS; row], rt::mmio::read_u64(frame + 8), u64::MAX);
            guest.reset();
        }
    });
}

/// IA32_VMX_VMCS_ENUM tells the highest index of all fields that there are.
#[case(feature = VmxCapabilities, spec = sdm3d("VMCS Enumeration"), needs = Needs::INTEL | Needs::VMX)]
fn highest_index() {
    let told = capability::read(number::VMCS_ENUM) >> 1 & 0x1ff;
    with_guest(end, |_| {
        let mut highest = 0;
        for field in ALL.iter().filter(|field| instruction::read(field.encoding).is_ok()) {
            highest = highest.max(u64::from(field::index(field.encoding)));
        }
        check_eq!("no field that can be read has a higher one", highest.max(told), told);
    });
}
