//! The modes that a table is walked in, and what of a mode decides what an instruction leads to.
//!
//! Nothing here touches the processor: the tables' own tests compile it for the host.

/// A mode and privilege level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// 64-bit mode at CPL 0.
    Long0,
    /// 64-bit mode at CPL 3.
    Long3,
    /// Compatibility mode with 32-bit code at CPL 0.
    Compatible0,
    /// Compatibility mode with 32-bit code at CPL 3.
    Compatible3,
    /// 32-bit protected mode at CPL 0, without paging.
    Protected32,
    /// The same at CPL 3.
    User32,
    /// 16-bit protected mode at CPL 0, without paging.
    Protected16,
    /// The same at CPL 3.
    User16,
    /// Real mode.
    Real,
    /// Virtual-8086 mode.
    Virtual8086,
}

impl Mode {
    /// Whether it is 64-bit mode.
    pub(crate) const fn is_64_bit(self) -> bool {
        matches!(self, Self::Long0 | Self::Long3)
    }

    /// Whether it is a mode of long mode, with paging and 64-bit gates.
    pub(crate) const fn is_long(self) -> bool {
        self.is_64_bit() || matches!(self, Self::Compatible0 | Self::Compatible3)
    }

    /// Whether operands and addresses have 16 bits by default.
    pub(crate) const fn is_16_bit(self) -> bool {
        matches!(self, Self::Protected16 | Self::User16 | Self::Real | Self::Virtual8086)
    }

    /// Whether segments are those of the 8086: real or virtual-8086 mode.
    pub(crate) const fn is_8086(self) -> bool {
        matches!(self, Self::Real | Self::Virtual8086)
    }

    /// Whether the privilege level is 3. Virtual-8086 mode has it.
    pub(crate) const fn is_user(self) -> bool {
        matches!(self, Self::Long3 | Self::Compatible3 | Self::User32 | Self::User16 | Self::Virtual8086)
    }

    /// Whether exceptions push error codes: everywhere but in real mode.
    pub(crate) const fn has_error_codes(self) -> bool {
        !matches!(self, Self::Real)
    }
}
