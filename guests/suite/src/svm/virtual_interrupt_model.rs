//! When a virtual interrupt is taken. It compiles for the host too.
//!
//! Source: APM vol. 2, "Virtual Interrupts", "Virtual Interrupt Masking".

/// What decides of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// V_IRQ.
    pub(crate) requested: bool,
    /// V_INTR_PRIO.
    pub(crate) priority: u8,
    /// V_TPR.
    pub(crate) task_priority: u8,
    /// V_IGN_TPR.
    pub(crate) ignores_task_priority: bool,
    /// L2's RFLAGS.IF.
    pub(crate) interrupt_flag: bool,
    /// V_GIF, where virtual GIF is enabled.
    pub(crate) virtual_gif: Option<bool>,
}

impl Waiting {
    /// Whether L2 takes it before its first instruction.
    pub(crate) const fn is_taken(self) -> bool {
        let gif = match self.virtual_gif {
            Some(gif) => gif,
            None => true,
        };
        self.requested
            && self.interrupt_flag
            && gif
            && (self.ignores_task_priority || self.priority > self.task_priority)
    }

    /// The field of the VMCB, with this vector.
    pub(crate) const fn field(self, vector: u8) -> u64 {
        let gif = match self.virtual_gif {
            Some(gif) => 1 << 25 | (gif as u64) << 9,
            None => 0,
        };
        self.task_priority as u64
            | (self.requested as u64) << 8
            | (self.priority as u64) << 16
            | (self.ignores_task_priority as u64) << 20
            | (vector as u64) << 32
            | gif
    }
}
