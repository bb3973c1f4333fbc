//! What the VMCS of a new L2 holds: legal controls, this image's state as the host's, and L2's own.

use super::{
    capability::{self, Controls},
    control::{self, rights},
    entry,
    field::{self, segment},
    guest::TIMER_TICKS,
    instruction,
};
use crate::{
    Outcome,
    cpu::{control as register, msr},
    layout,
    tables::{GDT_LIMIT, TSS_LIMIT, selector},
};

/// Reads a field of the current VMCS; 0 where there is none. It is what the field holds, whatever cases see of it.
pub(super) fn read(encoding: u32) -> u64 {
    instruction::stored(encoding.into()).unwrap_or(0)
}

fn read_msr(number: u32) -> u64 {
    msr::read(number).unwrap_or(0)
}

/// Makes what is no success an error.
pub(super) fn expect_success(outcome: Outcome) -> Result<(), Outcome> {
    if outcome == Outcome::COMPLETED { Ok(()) } else { Err(outcome) }
}

/// Writes controls that need nothing else, and exit for all exceptions and HLT.
pub(super) fn write_controls(controls: &Controls) -> Result<(), Outcome> {
    let Controls { pin, processor, secondary, exit, entry } = *controls;
    let all = [
        (field::PIN_CONTROLS, pin.adjust(control::pin::PREEMPTION_TIMER)),
        (field::PROCESSOR_CONTROLS, processor.adjust(control::processor::HLT)),
        (field::EXIT_CONTROLS, exit.adjust(control::exit::HOST_64_BIT | control::exit::SAVE_DEBUG)),
        (field::ENTRY_CONTROLS, entry.adjust(control::entry::GUEST_64_BIT | control::entry::LOAD_DEBUG)),
        (field::EXCEPTION_BITMAP, u32::MAX),
    ];
    for (encoding, value) in all {
        expect_success(instruction::write(encoding, value.into()))?;
    }
    for encoding in [
        field::PAGE_FAULT_MASK,
        field::PAGE_FAULT_MATCH,
        field::CR3_TARGET_COUNT,
        field::EXIT_MSR_STORE_COUNT,
        field::EXIT_MSR_LOAD_COUNT,
        field::ENTRY_MSR_LOAD_COUNT,
        field::ENTRY_INTERRUPTION,
        field::TSC_OFFSET,
        field::CR0_MASK,
        field::CR4_MASK,
        field::CR0_SHADOW,
        field::CR4_SHADOW,
    ] {
        expect_success(instruction::write(encoding, 0))?;
    }
    if pin.allows(control::pin::PREEMPTION_TIMER) {
        expect_success(instruction::write(field::PREEMPTION_TIMER, TIMER_TICKS))?;
    }
    if secondary != capability::Allowed::default() {
        expect_success(instruction::write(field::SECONDARY_CONTROLS, secondary.adjust(0).into()))?;
    }
    Ok(())
}

/// Writes the state that this image has, with exits that arrive in it.
pub(super) fn write_host_state() -> Result<(), Outcome> {
    use msr::number::{IA32_FS_BASE, IA32_GS_BASE, IA32_SYSENTER_CS, IA32_SYSENTER_EIP, IA32_SYSENTER_ESP};
    for (encoding, value) in [
        (field::HOST_ES, selector::KERNEL_DATA.into()),
        (field::HOST_CS, selector::KERNEL_CODE.into()),
        (field::HOST_SS, selector::KERNEL_DATA.into()),
        (field::HOST_DS, selector::KERNEL_DATA.into()),
        (field::HOST_FS, 0),
        (field::HOST_GS, 0),
        (field::HOST_TR, selector::TSS.into()),
        (field::HOST_CR0, register::read_cr0()),
        (field::HOST_CR3, register::read_cr3()),
        (field::HOST_CR4, register::read_cr4()),
        (field::HOST_FS_BASE, read_msr(IA32_FS_BASE)),
        (field::HOST_GS_BASE, read_msr(IA32_GS_BASE)),
        (field::HOST_TR_BASE, layout::TSS),
        (field::HOST_GDTR_BASE, layout::GDT),
        (field::HOST_IDTR_BASE, layout::IDT),
        (field::HOST_SYSENTER_CS, read_msr(IA32_SYSENTER_CS)),
        (field::HOST_SYSENTER_ESP, read_msr(IA32_SYSENTER_ESP)),
        (field::HOST_SYSENTER_EIP, read_msr(IA32_SYSENTER_EIP)),
        (field::HOST_RIP, entry::exit_address()),
    ] {
        expect_success(instruction::write(encoding, value))?;
    }
    Ok(())
}

/// Writes the segments of 64-bit code at CPL 0.
pub(super) fn write_segments() -> Result<(), Outcome> {
    let (data, code) = (selector::KERNEL_DATA, selector::KERNEL_CODE);
    for (part, selector, base, limit, rights) in [
        (segment::ES, data, 0, u32::MAX, rights::DATA),
        (segment::CS, code, 0, u32::MAX, rights::CODE_64),
        (segment::SS, data, 0, u32::MAX, rights::DATA),
        (segment::DS, data, 0, u32::MAX, rights::DATA),
        (segment::FS, 0, read(field::HOST_FS_BASE), 0, rights::UNUSABLE),
        (segment::GS, 0, read(field::HOST_GS_BASE), 0, rights::UNUSABLE),
        (segment::LDTR, 0, 0, 0, rights::UNUSABLE),
        (segment::TR, selector::TSS, layout::TSS, TSS_LIMIT, rights::BUSY_TSS),
    ] {
        expect_success(instruction::write(field::GUEST_ES + part, selector.into()))?;
        expect_success(instruction::write(field::GUEST_ES_BASE + part, base))?;
        expect_success(instruction::write(field::GUEST_ES_LIMIT + part, limit.into()))?;
        expect_success(instruction::write(field::GUEST_ES_RIGHTS + part, rights.into()))?;
    }
    Ok(())
}

/// Writes what else of guest state no run changes.
pub(super) fn write_guest_state() -> Result<(), Outcome> {
    for (encoding, value) in [
        (field::GUEST_CR0, register::read_cr0()),
        (field::GUEST_CR3, register::read_cr3()),
        (field::GUEST_CR4, register::read_cr4()),
        (field::GUEST_DR7, 0x400),
        (field::GUEST_GDTR_BASE, layout::GDT),
        (field::GUEST_GDTR_LIMIT, GDT_LIMIT.into()),
        // No gates: what is delivered to it although it must exit does not reach the image's handlers.
        (field::GUEST_IDTR_BASE, layout::IDT),
        (field::GUEST_IDTR_LIMIT, 0),
        (field::GUEST_SYSENTER_CS, 0),
        (field::GUEST_SYSENTER_ESP, 0),
        (field::GUEST_SYSENTER_EIP, 0),
        (field::GUEST_DEBUGCTL, 0),
        (field::VMCS_LINK, u64::MAX),
    ] {
        expect_success(instruction::write(encoding, value))?;
    }
    Ok(())
}
