//! String instructions.
//!
//! Source: SDM vol. 2, "REP/REPE/REPZ/REPNE/REPNZ—Repeat String Operation Prefix" ("Operation").

use super::{
    DF, Machine, ZF,
    register::{EAX, ECX, EDI, ESI},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StringOperation {
    Movs,
    Stos,
    Lods,
    Cmps,
    Scas,
}

/// The prefix; REP of what does not compare is [`Repeat::Equal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    None,
    Equal,
    NotEqual,
}

impl Machine {
    /// Executes one with operands and addresses of these sizes in bytes.
    pub(crate) const fn string(&mut self, operation: StringOperation, size: u32, repeat: Repeat, address_size: u32) {
        let compares = matches!(operation, StringOperation::Cmps | StringOperation::Scas);
        loop {
            if !matches!(repeat, Repeat::None) && self.get(address_size, ECX) == 0 {
                return;
            }
            self.string_element(operation, size, address_size);
            if matches!(repeat, Repeat::None) {
                return;
            }
            self.count_down(address_size);
            if compares && self.flag(ZF) != matches!(repeat, Repeat::Equal) {
                return;
            }
        }
    }

    const fn string_element(&mut self, operation: StringOperation, size: u32, address_size: u32) {
        let (source, destination) = (self.get(address_size, ESI), self.get(address_size, EDI));
        match operation {
            StringOperation::Movs => self.store(size, destination, self.load(size, source)),
            StringOperation::Stos => self.store(size, destination, self.get(size, EAX)),
            StringOperation::Lods => self.set(size, EAX, self.load(size, source)),
            StringOperation::Cmps => {
                self.difference(size, self.load(size, source), self.load(size, destination), false);
            }
            StringOperation::Scas => {
                self.difference(size, self.get(size, EAX), self.load(size, destination), false);
            }
        }
        let step = if self.flag(DF) { size.wrapping_neg() } else { size };
        if !matches!(operation, StringOperation::Stos | StringOperation::Scas) {
            self.set(address_size, ESI, source.wrapping_add(step));
        }
        if !matches!(operation, StringOperation::Lods) {
            self.set(address_size, EDI, destination.wrapping_add(step));
        }
    }
}
