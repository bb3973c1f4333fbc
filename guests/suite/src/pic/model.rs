//! A reference pair of 8259As in cascade, as far as the data sheet tells. It compiles for the host too.
//!
//! Sources: 8259A, "Interrupt Sequence", "Operation Command Words (OCWs)", "Fully Nested Mode", "Poll Command", "Edge and
//! Level Triggered Modes"; ICH9, "ELCR1—Master Controller Edge/Level Triggered Register".

/// The input of the first to which the second's output leads.
pub(crate) const CASCADE: u8 = 2;
const CASCADE_BIT: u8 = 1 << CASCADE;

/// What is set by ICW4, by OCW3 and by the edge/level control register, and stays for a walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    /// Automatic end of interrupt, of both.
    pub(crate) automatic_end: bool,
    /// Special fully nested mode, of the first.
    pub(crate) fully_nested: bool,
    /// Special mask mode, of both.
    pub(crate) special_mask: bool,
    /// Level-triggered inputs of each.
    pub(crate) level: [u8; 2],
}

/// One of the two. Bit n is input n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Controller {
    is_first: bool,
    modes: Modes,
    inputs: u8,
    /// Inputs that are high and whose rise was acknowledged.
    spent: u8,
    in_service: u8,
    mask: u8,
    /// The input of the lowest priority.
    lowest: u8,
    rotates_automatically: bool,
}

impl Controller {
    const fn new(is_first: bool, modes: Modes) -> Self {
        Self { is_first, modes, inputs: 0, spent: 0, in_service: 0, mask: 0, lowest: 7, rotates_automatically: false }
    }

    fn level(&self) -> u8 {
        self.modes.level[usize::from(!self.is_first)]
    }

    fn set_input(&mut self, bits: u8, high: bool) {
        if high {
            self.inputs |= bits;
        } else {
            self.inputs &= !bits;
            self.spent &= !bits;
        }
    }

    /// IRR.
    fn requests(&self) -> u8 {
        self.inputs & (self.level() | !self.spent)
    }

    /// 0 is the highest priority.
    fn rank(&self, input: u8) -> u8 {
        input.wrapping_sub(self.lowest).wrapping_sub(1) & 7
    }

    fn highest(&self, set: u8) -> Option<u8> {
        (0..8).filter(|input| set >> input & 1 != 0).min_by_key(|input| self.rank(*input))
    }

    /// What inhibits others: in special mask mode not what is masked.
    fn inhibiting(&self) -> u8 {
        if self.modes.special_mask { self.in_service & !self.mask } else { self.in_service }
    }

    /// The request that is to be acknowledged next.
    fn pending(&self) -> Option<u8> {
        let input = self.highest(self.requests() & !self.mask)?;
        let is_due = match self.highest(self.inhibiting()) {
            None => true,
            Some(served) if served == input => self.modes.fully_nested && self.is_first && input == CASCADE,
            Some(served) => self.rank(input) < self.rank(served),
        };
        is_due.then_some(input)
    }

    /// Whether the data sheet leaves open what is pending: in special mask mode, what an input in service that is not masked
    /// does to those below it.
    fn is_open(&self) -> bool {
        let waiting = self.requests() & !self.mask & !self.in_service;
        self.modes.special_mask && self.inhibiting() != 0 && waiting != 0
    }

    fn acknowledge(&mut self) -> Option<u8> {
        let input = self.pending()?;
        self.spent |= 1 << input;
        if !self.modes.automatic_end {
            self.in_service |= 1 << input;
        } else if self.rotates_automatically {
            self.lowest = input;
        }
        Some(input)
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Nothing => {}
            Command::RotateAutomatically(on) => self.rotates_automatically = on,
            Command::SetLowest(input) => self.lowest = input & 7,
            Command::End { rotate } => {
                if let Some(input) = self.highest(self.inhibiting()) {
                    self.end(input, rotate);
                }
            }
            Command::EndOf { input, rotate } => self.end(input & 7, rotate),
        }
    }

    fn end(&mut self, input: u8, rotate: bool) {
        self.in_service &= !(1 << input);
        if rotate {
            self.lowest = input;
        }
    }
}

/// OCW2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// No operation.
    Nothing,
    /// Rotation with automatic end of interrupt, on or off.
    RotateAutomatically(bool),
    /// Sets the input of the lowest priority.
    SetLowest(u8),
    /// Non-specific end of interrupt.
    End {
        /// What ended gets the lowest priority.
        rotate: bool,
    },
    /// Specific end of interrupt.
    EndOf {
        /// The input.
        input: u8,
        /// It gets the lowest priority.
        rotate: bool,
    },
}

impl Command {
    /// The byte: R, SL and EOI in bits 7:5.
    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::Nothing => 0x40,
            Self::RotateAutomatically(false) => 0x00,
            Self::RotateAutomatically(true) => 0x80,
            Self::SetLowest(input) => 0xc0 | input & 7,
            Self::End { rotate: false } => 0x20,
            Self::End { rotate: true } => 0xa0,
            Self::EndOf { input, rotate: false } => 0x60 | input & 7,
            Self::EndOf { input, rotate: true } => 0xe0 | input & 7,
        }
    }

    /// What a byte says.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        let (rotate, input) = (bits & 0x80 != 0, bits & 7);
        match bits >> 5 {
            0 | 4 => Self::RotateAutomatically(rotate),
            1 | 5 => Self::End { rotate },
            2 => Self::Nothing,
            6 => Self::SetLowest(input),
            _ => Self::EndOf { input, rotate },
        }
    }
}

/// What is done to the pair. A controller is 0 or 1, the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A line, 0 to 15, goes to a level.
    Line(u8, bool),
    /// OCW1.
    Mask(usize, u8),
    /// OCW2.
    Command(usize, Command),
    /// The processor acknowledges, if it is asked to.
    Acknowledge,
    /// The poll command and the read that follows it.
    Poll(usize),
}

/// What the processor gets if it is not asked to acknowledge.
pub(crate) const NOTHING: u8 = 0xff;

/// Both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair([Controller; 2]);

impl Pair {
    /// After initialisation, with all inputs low.
    pub(crate) const fn new(modes: Modes) -> Self {
        Self([Controller::new(true, modes), Controller::new(false, modes)])
    }

    /// Both request registers, the second's in bits 15:8.
    pub(crate) fn requests(&self) -> u16 {
        u16::from_le_bytes([self.0[0].requests(), self.0[1].requests()])
    }

    /// Both in-service registers.
    pub(crate) fn in_service(&self) -> u16 {
        u16::from_le_bytes([self.0[0].in_service, self.0[1].in_service])
    }

    /// Both masks.
    pub(crate) fn masks(&self) -> u16 {
        u16::from_le_bytes([self.0[0].mask, self.0[1].mask])
    }

    /// Level of the lines.
    pub(crate) fn lines(&self) -> u16 {
        u16::from_le_bytes([self.0[0].inputs & !CASCADE_BIT, self.0[1].inputs])
    }

    /// Whether the first asks for an acknowledge.
    pub(crate) fn asks(&self) -> bool {
        self.0[0].pending().is_some()
    }

    /// Does a step. The result is the input, 0 to 15, of [`Step::Acknowledge`], or what a poll reads, with bits 6:0 as zero if
    /// nothing is pending, for then they mean nothing; else, and if nothing is asked for, [`NOTHING`].
    pub(crate) fn apply(&mut self, step: Step) -> u8 {
        let result = match step {
            Step::Line(line, high) => {
                self.0[usize::from(line >> 3 & 1)].set_input(1 << (line & 7), high);
                NOTHING
            }
            Step::Mask(controller, mask) => {
                self.0[controller & 1].mask = mask;
                NOTHING
            }
            Step::Command(controller, command) => {
                self.0[controller & 1].command(command);
                NOTHING
            }
            Step::Acknowledge => match self.0[0].acknowledge() {
                Some(CASCADE) => {
                    // While the input is in service the output is low, even if it ends automatically.
                    let input = self.0[1].acknowledge();
                    self.0[0].set_input(CASCADE_BIT, false);
                    input.map_or(NOTHING, |input| input + 8)
                }
                input => input.unwrap_or(NOTHING),
            },
            Step::Poll(controller) => {
                let input = self.0[controller & 1].acknowledge();
                if controller & 1 == 1 && input.is_some() {
                    self.0[0].set_input(CASCADE_BIT, false);
                }
                input.map_or(0, |input| 0x80 | input)
            }
        };
        let output = self.0[1].pending().is_some();
        self.0[0].set_input(CASCADE_BIT, output);
        result
    }

    /// Whether the data sheet says what a step does.
    pub(crate) fn is_defined(&self, step: Step) -> bool {
        // What rotates if nothing is in service, it does not say.
        if let Step::Command(controller, Command::End { rotate: true }) = step
            && self.0[controller & 1].inhibiting() == 0
        {
            return false;
        }
        let mut after = *self;
        after.apply(step);
        !after.0.iter().any(Controller::is_open)
    }

    /// Whether a step takes an edge back that was not acknowledged: what then is acknowledged is input 7.
    pub(crate) fn withdraws(&self, step: Step) -> bool {
        let edges = |pair: &Self| [0, 1].map(|index| pair.0[index].requests() & !pair.0[index].level());
        let (before, mut after) = (edges(self), *self);
        after.apply(step);
        let acknowledged = [0, 1].map(|index: usize| after.0[index].spent & !self.0[index].spent);
        let left = edges(&after);
        // The second's output falls with the acknowledge that takes its request.
        let by_cascade = matches!(step, Step::Acknowledge) as u8 * CASCADE_BIT;
        (0..2).any(|index| {
            let by_acknowledge = acknowledged[index] | if index == 0 { by_cascade } else { 0 };
            before[index] & !left[index] & !by_acknowledge != 0
        })
    }
}
