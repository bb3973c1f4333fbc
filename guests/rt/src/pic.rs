//! The two 8259A interrupt controllers of a PC and their edge/level control registers.
//!
//! Nothing of it is restored: a virtual machine runs one case.
//!
//! Sources: 8259A, "PROGRAMMING THE 8259A"; ICH9, "8259 Interrupt Controllers (PIC)".

use crate::cpu::port;

/// One of the controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chip {
    /// IR0 to IR7, at ports 20H and 21H.
    First,
    /// IR8 to IR15, at ports A0H and A1H; its output is IR2 of the first.
    Second,
}

/// Bits of ICW1.
pub mod icw1 {
    /// It is one.
    pub const IS_ICW1: u8 = 1 << 4;
    /// Level-triggered mode; without effect in a PC, which has registers for that.
    pub const LEVEL: u8 = 1 << 3;
    /// There is no second controller, and no ICW3.
    pub const SINGLE: u8 = 1 << 1;
    /// ICW4 follows.
    pub const ICW4: u8 = 1 << 0;
}

/// Bits of ICW4.
pub mod icw4 {
    /// Special fully nested mode.
    pub const FULLY_NESTED: u8 = 1 << 4;
    /// Automatic end of interrupt.
    pub const AUTOMATIC_END: u8 = 1 << 1;
    /// For an 8086; a PC has no other mode.
    pub const MODE_8086: u8 = 1 << 0;
}

/// Bits 7:5 of OCW2.
pub mod ocw2 {
    /// Clears rotation with automatic end of interrupt.
    pub const CLEAR_ROTATION: u8 = 0x00;
    /// Non-specific end of interrupt.
    pub const END: u8 = 0x20;
    /// No operation.
    pub const NOTHING: u8 = 0x40;
    /// Specific end of interrupt, with the level in bits 2:0.
    pub const SPECIFIC_END: u8 = 0x60;
    /// Sets rotation with automatic end of interrupt.
    pub const SET_ROTATION: u8 = 0x80;
    /// Rotates on non-specific end of interrupt.
    pub const ROTATE_END: u8 = 0xa0;
    /// Sets the lowest priority to the level in bits 2:0.
    pub const SET_PRIORITY: u8 = 0xc0;
    /// Rotates on specific end of interrupt.
    pub const ROTATE_SPECIFIC_END: u8 = 0xe0;
}

/// OCW3, which bit 3 makes it.
pub mod ocw3 {
    /// The next read of the command port is IRR, and all after it.
    pub const READ_IRR: u8 = 0x0a;
    /// The same of ISR.
    pub const READ_ISR: u8 = 0x0b;
    /// Poll command: the next read acknowledges.
    pub const POLL: u8 = 0x0c;
    /// Special mask mode off.
    pub const MASK_MODE_OFF: u8 = 0x48;
    /// Special mask mode on.
    pub const MASK_MODE_ON: u8 = 0x68;
}

/// Vector of IR0 after [`initialize`]; of IR8 it is this plus 8, as [`crate::interrupts::End::Pic`] wants it.
pub const BASE: u8 = 0x50;

impl Chip {
    /// Both.
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    const fn command_port(self) -> u16 {
        match self {
            Self::First => 0x20,
            Self::Second => 0xa0,
        }
    }

    const fn edge_level_port(self) -> u16 {
        match self {
            Self::First => 0x4d0,
            Self::Second => 0x4d1,
        }
    }

    /// Writes the command port: ICW1, OCW2 or OCW3.
    pub fn command(self, value: u8) {
        port::write_u8(self.command_port(), value);
    }

    /// Writes the data port: OCW1, the mask, or what is due of ICW2 to ICW4.
    pub fn data(self, value: u8) {
        port::write_u8(self.command_port() + 1, value);
    }

    /// Reads the mask.
    pub fn mask(self) -> u8 {
        port::read_u8(self.command_port() + 1)
    }

    /// Reads the command port: whatever was chosen.
    pub fn read(self) -> u8 {
        port::read_u8(self.command_port())
    }

    /// Reads IRR.
    pub fn requests(self) -> u8 {
        self.command(ocw3::READ_IRR);
        self.read()
    }

    /// Reads ISR.
    pub fn in_service(self) -> u8 {
        self.command(ocw3::READ_ISR);
        self.read()
    }

    /// Polls: bit 7 tells whether there was a request, bits 2:0 which. It is acknowledged.
    pub fn poll(self) -> u8 {
        self.command(ocw3::POLL);
        self.read()
    }

    /// Reads the edge/level control register: a set bit is a level-triggered input.
    pub fn edge_level(self) -> u8 {
        port::read_u8(self.edge_level_port())
    }

    /// Writes it.
    pub fn set_edge_level(self, value: u8) {
        port::write_u8(self.edge_level_port(), value);
    }

    /// ICW1 to ICW4 of a cascaded controller of a PC, with these bits of ICW4 beside those of the 8086. Leaves nothing masked.
    pub fn initialize(self, base: u8, icw4: u8) {
        self.command(icw1::IS_ICW1 | icw1::ICW4);
        self.data(base);
        // The second one's output is IR2, as a bit to the first and as a number to the second.
        self.data(if self == Self::First { 1 << 2 } else { 2 });
        self.data(icw4 | icw4::MODE_8086);
    }
}

/// Initialises both, with [`BASE`] and `BASE + 8` as first vectors and these bits of ICW4, and masks all inputs.
pub fn initialize(icw4: u8) {
    for (chip, base) in Chip::ALL.into_iter().zip([BASE, BASE + 8]) {
        chip.initialize(base, icw4);
        chip.data(0xff);
    }
}
