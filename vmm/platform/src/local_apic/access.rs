//! Accesses to the registers, in memory and as MSRs.

use super::{
    GeneralProtection, LocalApic, MSR_APIC_BASE, MSR_TSC_DEADLINE, MSR_X2APIC_FIRST, MSR_X2APIC_LAST, Mode, base,
    errors::ILLEGAL_REGISTER,
    lvt::Entry,
    registers::{Register, SVR_ENABLE, rule},
};
use crate::{fault::LocalApicFault, message::x2apic_logical_id, time::Nanoseconds};

/// End of the registers within their page.
const END: u64 = 0x400;
/// Version of a local APIC that is part of the processor.
const VERSION: u32 = 0x14;
/// Version register: broadcast suppression can be had.
const VERSION_SUPPRESSION: u32 = 1 << 24;
const LOW_HALF: u64 = 0xffff_ffff;

impl LocalApic {
    /// What RDMSR reads of IA32_APIC_BASE, IA32_TSC_DEADLINE and the registers of x2APIC mode.
    ///
    /// # Errors
    /// Where the processor raises an exception, which is what every other MSR gives.
    pub fn read_msr(&mut self, now: Nanoseconds, msr: u32) -> Result<u64, GeneralProtection> {
        self.catch_up(now);
        match msr {
            MSR_APIC_BASE => Ok(self.base),
            MSR_TSC_DEADLINE if self.config.tsc_deadline => Ok(self.timer.deadline()),
            _ => {
                let register = self.x2apic_register(msr)?;
                let rule = rule(&self.config, self.mode(), register).ok_or(GeneralProtection)?;
                if !rule.readable {
                    return Err(GeneralProtection);
                }
                let high = if register == Register::ICR { self.icr & !LOW_HALF } else { 0 };
                Ok(high | u64::from(self.read_register(register)))
            }
        }
    }

    /// Takes what WRMSR writes to the MSRs that [`LocalApic::read_msr`] knows.
    ///
    /// # Errors
    /// Where the processor raises an exception; then nothing was written.
    pub fn write_msr(&mut self, now: Nanoseconds, msr: u32, value: u64) -> Result<(), GeneralProtection> {
        self.catch_up(now);
        match msr {
            MSR_APIC_BASE => self.write_base(value)?,
            MSR_TSC_DEADLINE if self.config.tsc_deadline => {
                let mode = self.timer_mode();
                self.timer.set_deadline(mode, value);
                // One that has passed expires at once.
                if !self.breaks(LocalApicFault::PastDeadlineLost) {
                    self.catch_up(now);
                } else if self.timer.is_past(now) {
                    self.timer.set_deadline(mode, 0);
                }
            }
            _ => {
                let register = self.x2apic_register(msr)?;
                let rule = rule(&self.config, self.mode(), register).ok_or(GeneralProtection)?;
                let writable = rule.writable.ok_or(GeneralProtection)?;
                let high = if register == Register::ICR { !LOW_HALF } else { 0 };
                let is_reserved = value & !(u64::from(writable | rule.ignored) | high) != 0;
                if is_reserved && !self.breaks(LocalApicFault::ReservedBitsTaken) {
                    return Err(GeneralProtection);
                }
                self.icr = if register == Register::ICR { value & high } else { self.icr };
                self.write_register(register, value as u32 & writable);
            }
        }
        Ok(())
    }

    fn x2apic_register(&self, msr: u32) -> Result<Register, GeneralProtection> {
        match (self.mode(), msr) {
            (Mode::X2Apic, MSR_X2APIC_FIRST..=MSR_X2APIC_LAST) => Ok(Register((msr - MSR_X2APIC_FIRST) as u8)),
            _ => Err(GeneralProtection),
        }
    }

    /// Disabling forgets everything; x2APIC mode takes all but the destinations over ("x2APIC State Transitions").
    fn write_base(&mut self, value: u64) -> Result<(), GeneralProtection> {
        let (old, new) = (self.mode(), self.transition(value)?);
        self.base = value;
        match (old, new) {
            (Mode::XApic | Mode::X2Apic, Mode::Disabled) => self.reset_registers(),
            (Mode::XApic, Mode::X2Apic) => self.icr &= LOW_HALF,
            _ => {}
        }
        Ok(())
    }

    /// The mode after a write, by the rules or by the lack of one.
    fn transition(&self, value: u64) -> Result<Mode, GeneralProtection> {
        let is_taken = self.breaks(LocalApicFault::AnyTransition) && base::is_transition_wrong(self.base, value);
        if is_taken { Ok(base::mode(value)) } else { base::transition(&self.config, self.base, value) }
    }

    pub(super) fn read_memory(&mut self, offset: u64, size: u8) -> u64 {
        let kept = u64::MAX.checked_shr(64_u32.saturating_sub(u32::from(size) * 8)).unwrap_or(0);
        let value = match self.memory_register(offset) {
            None => u64::MAX,
            Some(register) => match rule(&self.config, Mode::XApic, register) {
                None => {
                    self.detect(ILLEGAL_REGISTER);
                    0
                }
                Some(rule) if rule.readable => {
                    u64::from(self.read_register(register)).checked_shr((offset % 16) as u32 * 8).unwrap_or(0)
                }
                Some(_) => 0,
            },
        };
        value & kept
    }

    pub(super) fn write_memory(&mut self, offset: u64, size: u8, value: u64) {
        let Some(register) = self.memory_register(offset) else { return };
        match rule(&self.config, Mode::XApic, register) {
            None => self.detect(ILLEGAL_REGISTER),
            Some(rule) => {
                if let (Some(writable), 4, 0) = (rule.writable, size, offset % 16) {
                    self.write_register(register, value as u32 & writable);
                }
            }
        }
    }

    /// The register, or none that can be, at an offset; nothing where the page is not, or in a mode without it.
    fn memory_register(&self, offset: u64) -> Option<Register> {
        match (self.mode(), offset) {
            (Mode::XApic, 0..END) => Some(Register((offset / 16) as u8)),
            (Mode::XApic, END..super::SIZE_BYTES) => Some(Register(u8::MAX)),
            _ => None,
        }
    }

    fn read_register(&self, register: Register) -> u32 {
        let xapic = self.mode() == Mode::XApic;
        if let Some(entry) = Entry::of(register) {
            return self.lvt.get(entry);
        }
        match register {
            Register::ID if xapic => self.config.id << 24,
            Register::ID => self.config.id,
            Register::VERSION => {
                let last = if self.config.cmci { 6 } else { 5 };
                let last = if self.breaks(LocalApicFault::EntryLess) { last - 1 } else { last };
                let suppression = if self.config.eoi_suppression { VERSION_SUPPRESSION } else { 0 };
                suppression | last << 16 | VERSION
            }
            Register::TPR => self.tpr.into(),
            Register::PPR if self.breaks(LocalApicFault::PprIsTpr) => self.tpr.into(),
            Register::PPR => self.processor_priority().into(),
            Register::LDR if xapic => u32::from(self.logical_id) << 24,
            Register::LDR => x2apic_logical_id(self.config.id),
            Register::DFR => u32::from(self.model) << 28 | 0x0fff_ffff,
            Register::SVR => self.svr,
            Register(index @ Register::ISR..Register::TMR) => self.in_service.word(index - Register::ISR),
            Register(index @ Register::TMR..Register::IRR) => self.level.word(index - Register::TMR),
            Register(index @ Register::IRR..=Register::IRR_LAST) => self.requested.word(index - Register::IRR),
            Register::ESR if self.breaks(LocalApicFault::EsrShowsAtOnce) => self.errors.all(),
            Register::ESR => self.errors.read(),
            Register::ICR => self.icr as u32,
            Register::ICR_HIGH => (self.icr >> 32) as u32,
            Register::INITIAL_COUNT => self.timer.initial(),
            Register::CURRENT_COUNT => self.timer.current(self.now),
            Register::DIVIDE => self.timer.divide(),
            // The arbitration priority and remote reads, which later processors do not have.
            _ => 0,
        }
    }

    /// Takes bits that are all writable.
    fn write_register(&mut self, register: Register, bits: u32) {
        if let Some(entry) = Entry::of(register) {
            return self.write_lvt(entry, bits);
        }
        match register {
            Register::TPR => self.tpr = bits as u8,
            Register::EOI => self.end_of_interrupt(),
            Register::LDR => self.logical_id = (bits >> 24) as u8,
            Register::DFR => self.model = (bits >> 28) as u8,
            Register::SVR => {
                self.svr = bits;
                if bits & SVR_ENABLE == 0 && !self.breaks(LocalApicFault::DisableKeepsMasks) {
                    self.lvt.mask_all();
                }
            }
            Register::ESR => self.errors.write(),
            Register::ICR => {
                self.icr = self.icr & !LOW_HALF | u64::from(bits);
                self.send();
            }
            Register::ICR_HIGH => self.icr = self.icr & LOW_HALF | u64::from(bits) << 32,
            Register::INITIAL_COUNT => {
                let mode = self.timer_mode();
                self.timer.set_initial(self.now, mode, bits);
            }
            Register::DIVIDE => self.timer.set_divide(self.now, bits),
            Register::SELF_IPI => self.send_to_self(bits as u8),
            _ => {}
        }
    }
}
