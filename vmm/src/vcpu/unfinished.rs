//! What a vCPU takes along from one run to the next.

use crate::{
    faults::{Fault, OfVcpu},
    injection::Injector,
    interrupts::Interrupts,
};
use serde::{Deserialize, Serialize};

/// What a vCPU takes along from one run to the next, where interrupts or HLT are this VMM's affair.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    pub(super) injector: Injector,
    /// Whether the guest waits in HLT.
    pub(super) is_halted: bool,
    /// What is wrong with this vCPU on purpose.
    pub(super) fault: Option<Box<OfVcpu>>,
}

/// What of it is saved.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    injector: Injector,
    is_halted: bool,
}

impl Unfinished {
    pub(crate) fn pending(&self) -> Pending {
        Pending { injector: self.injector, is_halted: self.is_halted }
    }

    pub(crate) fn set_pending(&mut self, Pending { injector, is_halted }: Pending) {
        (self.injector, self.is_halted) = (injector, is_halted);
    }

    pub(crate) fn new(fault: Option<Fault>, interrupts: &Interrupts, has_filter: bool) -> Self {
        Self { fault: OfVcpu::new(fault, interrupts, has_filter), ..Self::default() }
    }
}
