//! The save area of system-management mode: what stands there, and what RSM takes from it.

use super::{
    smi::layout,
    smi_model::{self, AMD_TABLES, Field, Layout, RELOCATES, value},
};
use rt::{
    case, check, check_count, check_eq,
    cpu::{control, msr},
    layout as at,
    local_apic::{LocalApic, Mode},
    names,
    smm::{self, Handler, word},
    tables::{self, selector},
    vocabulary::{Needs, Text},
};

const NEEDS: Needs = Needs::SMI.union(Needs::LOCAL_APIC);

fn prepare() -> Option<(Handler, LocalApic)> {
    let apic = LocalApic::in_mode(Mode::XApic).ok();
    check!("the mode", apic.is_some());
    Some((Handler::put(smm::DEFAULT_BASE), apic?))
}

/// Sends an SMI and looks at what both vendors' areas hold.
fn check_area(layout: &Layout) -> Option<Handler> {
    const NAMES: &[Text] = names![
        "CR0",
        "CR3",
        "IA32_EFER",
        "DR6",
        "DR7",
        "TR",
        "CS",
        "SS",
        "SMBASE",
        "IF and the bit that is always set"
    ];
    const KNOWN: &[Text] = names!["RCX", "RDX", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"];
    let (handler, apic) = prepare()?;
    let sent = smm::send(&apic);
    check_count!("runs", handler.count(), 1_u32);
    let read = |field: Field| value(field, |offset| handler.saved(offset));
    const FLAGS: u64 = 1 << 9 | 1 << 1;
    let rows = [
        (read(layout.cr0), control::read_cr0()),
        (read(layout.cr3), control::read_cr3()),
        (read(layout.efer), msr::read(msr::number::IA32_EFER).unwrap_or(0)),
        (read(layout.dr6), control::read_dr6()),
        (read(layout.dr7), control::read_dr7()),
        (read(layout.tr), selector::TSS.into()),
        (read(layout.selectors[0]), selector::KERNEL_CODE.into()),
        (read(layout.selectors[1]), selector::KERNEL_DATA.into()),
        (read(layout.base), smm::DEFAULT_BASE.into()),
        (read(layout.rflags) & FLAGS, 2),
    ];
    for (row, (actual, expected)) in rows.into_iter().enumerate() {
        check_eq!("saved", [NAMES; row], actual, expected);
    }
    for (row, (field, expected)) in layout.known.into_iter().zip(smm::known()).enumerate() {
        check_eq!("saved", [KNOWN; row], read(field), expected);
    }
    let rip = read(layout.rip);
    check!("RIP", (sent.first_rip..=sent.first_rip + smm::WINDOW).contains(&rip));
    check!("not halted", !smi_model::was_halted(layout, read(layout.auto_halt) as u32));
    Some(handler)
}

/// The save area holds the interrupted state, at the places of the manual.
#[case(feature = SystemManagement, spec = sdm3c("SMRAM State Save Map and Intel 64 Architecture"), needs = NEEDS | Needs::INTEL,
       irqchip = LocalApic)]
fn state_is_saved_in_the_layout_of_intel() {
    let _ = check_area(&smi_model::INTEL);
}

/// The save area holds the interrupted state, at the places of the manual; here descriptor-table registers and CR4 too.
#[case(feature = SystemManagement, spec = apm2("SMRAM State-Save Area"), needs = NEEDS | Needs::AMD, irqchip = LocalApic)]
fn state_is_saved_in_the_layout_of_amd() {
    const NAMES: &[Text] = names!["GDTR base", "IDTR base", "TR base", "GDTR limit", "IDTR limit", "CR4"];
    let Some(handler) = check_area(&smi_model::AMD) else { return };
    let expected = [at::GDT, at::IDT, at::TSS, tables::GDT_LIMIT.into(), tables::IDT_LIMIT.into(), control::read_cr4()];
    for (row, (field, expected)) in AMD_TABLES.into_iter().zip(expected).enumerate() {
        check_eq!("saved", [NAMES; row], value(field, |offset| handler.saved(offset)), expected);
    }
    check_eq!("revision", value(smi_model::AMD.revision, |offset| handler.saved(offset)) & 0xffff, 0x64);
}

/// RSM takes registers from the save area: what the handler changed there is theirs.
#[case(feature = SystemManagement, spec = [sdm3c("SMRAM State Save Map"), apm2("Leaving SMM")], needs = NEEDS, irqchip = LocalApic)]
fn changed_registers_are_loaded() {
    const LOW: u32 = 0x1111_2222;
    const HIGH: u32 = 0x8765_4321;
    const KNOWN: &[Text] = names!["RCX", "RDX", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"];
    let layout = layout();
    let Some((handler, apic)) = prepare() else { return };
    // RCX and RDX are in use.
    for changed in 2..layout.known.len() {
        let Some(field) = layout.known.get(changed) else { continue };
        handler.patch(&[(field.offset, LOW), (field.offset + 4, HIGH)]);
        let sent = smm::send(&apic);
        for (index, (actual, known)) in sent.registers.into_iter().zip(smm::known()).enumerate() {
            let expected = if index == changed { u64::from(HIGH) << 32 | u64::from(LOW) } else { known };
            if index == changed || actual != expected {
                check_eq!("loaded", [KNOWN; changed], actual, expected);
            }
        }
    }
    check_count!("runs", handler.count(), layout.known.len() - 2);
}

/// SMBASE is taken from the save area by RSM, where the revision identifier offers it: the next SMI leads to the new place.
#[case(feature = SystemManagement, spec = [sdm3c("SMBASE Relocation"), sdm3c("SMM Revision Identifier"), apm2("SMBASE Register")],
       needs = NEEDS, irqchip = LocalApic)]
fn base_is_relocated() {
    let layout = layout();
    let Some((handler, apic)) = prepare() else { return };
    let other = Handler::put(smm::OTHER_BASE);
    handler.patch(&[(layout.base.offset, smm::OTHER_BASE)]);
    let _ = smm::send(&apic);
    check_count!("runs at the first place", handler.count(), 1_u32);
    let revision = value(layout.revision, |offset| handler.saved(offset)) as u32;
    check!("it is offered", revision & RELOCATES != 0);
    for turn in 1..=2_u32 {
        // Back again with the second.
        if turn == 2 {
            other.patch(&[(layout.base.offset, smm::DEFAULT_BASE)]);
        }
        let _ = smm::send(&apic);
        check_count!("runs at the new place", [&[]; turn], other.count(), turn);
        check_count!("runs at the first place then", [&[]; turn], handler.count(), 1_u32);
        check_eq!("CS there", [&[]; turn], other.word(word::CS), smm::OTHER_BASE >> 4);
        let saved = value(layout.base, |offset| other.saved(offset));
        let expected = if turn == 2 { smm::DEFAULT_BASE } else { smm::OTHER_BASE };
        check_eq!("SMBASE there", [&[]; turn], saved, u64::from(expected));
    }
    let _ = smm::send(&apic);
    check_count!("runs at the first place again", handler.count(), 2_u32);
}
