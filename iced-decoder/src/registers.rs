//! The part of a processor's state that addresses are computed from.

use iced_x86::Register;

/// The mode that instructions are decoded in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bitness {
    /// Real mode, virtual-8086 mode and 16-bit protected mode.
    Bits16,
    /// 32-bit protected mode and 32-bit compatibility mode.
    Bits32,
    /// 64-bit mode.
    #[default]
    Bits64,
}

impl Bitness {
    /// The number, as iced-x86 takes it.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Bits16 => 16,
            Self::Bits32 => 32,
            Self::Bits64 => 64,
        }
    }
}

/// Registers before (or, for an exit of a hypervisor, at) an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15: the order of their numbers in instructions.
    pub general: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// Flags; DF decides the direction of string instructions.
    pub rflags: u64,
    /// Bases of ES, CS, SS, DS, FS, GS: the order of their numbers in instructions.
    pub segment_bases: [u64; 6],
    /// The mode.
    pub bitness: Bitness,
}

impl Registers {
    /// Value of a register as an address needs it: general registers zero-extended from their size, segment registers
    /// by their base (0 in 64-bit mode but for FS and GS). Nothing for registers that stand here with no value.
    pub fn value(&self, register: Register) -> Option<u64> {
        if register == Register::RIP {
            return Some(self.rip);
        }
        if register.is_segment_register() {
            let index = register.number();
            let is_flat = self.bitness == Bitness::Bits64 && !matches!(register, Register::FS | Register::GS);
            return if is_flat { Some(0) } else { self.segment_bases.get(index).copied() };
        }
        if !register.is_gpr() {
            return None;
        }
        let full = *self.general.get(register.full_register().number())?;
        Some(match register.size() {
            8 => full,
            4 => full & 0xffff_ffff,
            2 => full & 0xffff,
            // AH, CH, DH and BH are bits 8 to 15 of the registers with numbers 0 to 3.
            _ if matches!(register, Register::AH | Register::CH | Register::DH | Register::BH) => full >> 8 & 0xff,
            _ => full & 0xff,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_registers_are_parts_of_their_full_ones() {
        let mut registers = Registers::default();
        registers.general[0] = 0x1122_3344_5566_7788;
        for (register, value) in [
            (Register::RAX, 0x1122_3344_5566_7788),
            (Register::EAX, 0x5566_7788),
            (Register::AX, 0x7788),
            (Register::AL, 0x88),
            (Register::AH, 0x77),
        ] {
            assert_eq!(registers.value(register), Some(value), "{register:?}");
        }
    }

    #[test]
    fn only_fs_and_gs_have_a_base_in_64_bit_mode() {
        let mut registers = Registers { segment_bases: [1, 2, 3, 4, 5, 6], ..Registers::default() };
        assert_eq!(registers.value(Register::DS), Some(0));
        assert_eq!(registers.value(Register::GS), Some(6));
        registers.bitness = Bitness::Bits32;
        assert_eq!(registers.value(Register::DS), Some(4));
    }

    #[test]
    fn registers_without_a_value_give_none() {
        assert_eq!(Registers::default().value(Register::XMM0), None);
        assert_eq!(Registers::default().value(Register::CR3), None);
    }
}
