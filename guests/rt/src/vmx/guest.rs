//! L2 and its VMCS.

use super::{
    Enabled, Page,
    capability::{self, Controls},
    control::{self, activity},
    entry, field, instruction, reason,
    state::{self, read},
};
use crate::{Outcome, catch::Registers, tables::Shared};

static STACK: Shared<[u8; 2 * 4096]> = Shared::new([0; 2 * 4096]);

/// Ticks of the preemption timer after which a guest exits that does not end: none that ends takes as long.
pub const TIMER_TICKS: u64 = 1 << 26;

/// How many fields may be changed at once.
const NR_CHANGES: usize = 48;

/// L2. Registers that are not in the VMCS stand in `registers`, as [`crate::user::register`] numbers them.
#[derive(Debug)]
pub struct Guest {
    /// General registers; the place of RSP is not used.
    pub registers: Registers,
    /// What the controls may be.
    pub controls: Controls,
    start: u64,
    is_launched: bool,
    changes: [(u32, u64); NR_CHANGES],
    nr_changes: usize,
}

/// What an exit told. What the processor does not have is 0; what an exit does not define is whatever stood there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// All 32 bits of the exit reason, see [`super::reason`].
    pub reason: u32,
    /// The exit qualification.
    pub qualification: u64,
    /// L2's RIP.
    pub rip: u64,
    /// Length of the instruction in bytes.
    pub length: u64,
    /// Instruction information.
    pub instruction: u64,
    /// Interruption information of the exit, and its error code.
    pub interruption: u64,
    /// Error code of the exit's interruption.
    pub error_code: u64,
    /// IDT-vectoring information.
    pub vectoring: u64,
    /// Error code of the IDT-vectoring information.
    pub vectoring_error_code: u64,
    /// Guest-linear address.
    pub linear_address: u64,
    /// Guest-physical address.
    pub physical_address: u64,
}

impl Exit {
    /// Whether it is the VMCALL by which L2 ends.
    pub fn is_end(&self) -> bool {
        self.reason == reason::VMCALL
    }
}

impl Guest {
    /// A guest that starts at `function`, with a stack of its own and all registers zero. Its VMCS is made current.
    ///
    /// # Errors
    /// The outcome of VMCLEAR, VMPTRLD or of the first VMWRITE that is not success.
    pub fn new(_enabled: &Enabled, function: extern "C" fn(u64) -> u64) -> Result<Self, Outcome> {
        let controls = Controls::read();
        let start = function as usize as u64;
        Page::Vmcs.set_revision(capability::read_revision());
        for step in [instruction::clear, instruction::load_pointer] {
            state::expect_success(step(Page::Vmcs.address()))?;
        }
        let guest = Self {
            registers: [0; 16],
            controls,
            start,
            is_launched: false,
            changes: [(0, 0); NR_CHANGES],
            nr_changes: 0,
        };
        state::write_controls(&guest.controls)?;
        state::write_host_state()?;
        state::write_segments()?;
        state::write_guest_state()?;
        for (encoding, value) in guest.flow() {
            state::expect_success(instruction::write(encoding, value))?;
        }
        Ok(guest)
    }

    /// Fields that every run changes, with their values at the start.
    fn flow(&self) -> [(u32, u64); 6] {
        [
            (field::GUEST_RIP, self.start),
            (field::GUEST_RSP, stack_top()),
            (field::GUEST_RFLAGS, crate::user::RFLAGS_CLEAR),
            (field::GUEST_INTERRUPTIBILITY, 0),
            (field::GUEST_ACTIVITY, activity::ACTIVE.into()),
            (field::GUEST_PENDING_DEBUG, 0),
        ]
    }

    /// Reads a field; 0 where there is none.
    pub fn read(&self, encoding: u32) -> u64 {
        seen(encoding)
    }

    /// Changes a field until [`Self::reset`].
    ///
    /// # Panics
    /// If more than 48 fields are changed at once.
    pub fn set(&mut self, encoding: u32, value: u64) -> Outcome {
        if !self.changes[..self.nr_changes].iter().any(|&(changed, _)| changed == encoding) {
            self.changes[self.nr_changes] = (encoding, read(encoding));
            self.nr_changes += 1;
        }
        instruction::write(encoding, value)
    }

    /// Sets bits of a field until [`Self::reset`].
    pub fn set_bits(&mut self, encoding: u32, bits: u64) -> Outcome {
        self.set(encoding, read(encoding) | bits)
    }

    /// Clears bits of a field until [`Self::reset`].
    pub fn clear_bits(&mut self, encoding: u32, bits: u64) -> Outcome {
        self.set(encoding, read(encoding) & !bits)
    }

    /// Activates secondary controls until [`Self::reset`]: those of them that may be set.
    pub fn activate(&mut self, bits: u32) {
        let word = self.controls.secondary.adjust(read(field::SECONDARY_CONTROLS) as u32 | bits);
        let _ = self.set_bits(field::PROCESSOR_CONTROLS, control::processor::SECONDARY.into());
        let _ = self.set(field::SECONDARY_CONTROLS, word.into());
    }

    /// Remembers a field's value, which L2 or an exit will change, for [`Self::reset`].
    pub fn keep(&mut self, encoding: u32) {
        let _ = self.set(encoding, read(encoding));
    }

    /// Takes all changes back, the last first, and lets it start from the beginning with all registers zero. The launch state
    /// stays.
    pub fn reset(&mut self) {
        while self.nr_changes > 0 {
            self.nr_changes -= 1;
            let (encoding, value) = self.changes[self.nr_changes];
            let _ = instruction::write(encoding, value);
        }
        for (encoding, value) in self.flow() {
            let _ = instruction::write(encoding, value);
        }
        self.registers = [0; 16];
    }

    /// Lets it start at another function, from now on.
    pub fn start_at(&mut self, function: extern "C" fn(u64) -> u64) {
        self.start = function as usize as u64;
        let _ = instruction::write(field::GUEST_RIP, self.start);
    }

    /// The address where it starts.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Says that its VMCS has been cleared, and must be launched.
    pub fn set_cleared(&mut self) {
        self.is_launched = false;
    }

    /// Runs it until its next exit. An entry that fails behind the checks of controls and host state is an exit, too.
    ///
    /// # Errors
    /// The outcome of the instruction that made no entry.
    pub fn run(&mut self) -> Result<Exit, Outcome> {
        entry::enter(&mut self.registers, self.is_launched)?;
        let reason = read(field::EXIT_REASON) as u32;
        self.is_launched |= reason & reason::ENTRY_FAILED == 0;
        Ok(Exit {
            reason: seen(field::EXIT_REASON) as u32,
            qualification: seen(field::QUALIFICATION),
            rip: seen(field::GUEST_RIP),
            length: seen(field::EXIT_LENGTH),
            instruction: seen(field::EXIT_INSTRUCTION),
            interruption: seen(field::EXIT_INTERRUPTION),
            error_code: seen(field::EXIT_ERROR_CODE),
            vectoring: seen(field::VECTORING),
            vectoring_error_code: seen(field::VECTORING_ERROR_CODE),
            linear_address: seen(field::GUEST_LINEAR_ADDRESS),
            physical_address: seen(field::GUEST_PHYSICAL_ADDRESS),
        })
    }
}

/// What a case sees of a field; 0 where there is none.
fn seen(encoding: u32) -> u64 {
    instruction::read(encoding).unwrap_or(0)
}

/// The address behind L2's stack.
pub fn stack_top() -> u64 {
    STACK.0.get() as u64 + 2 * 4096 - 64
}
