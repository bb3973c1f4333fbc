//! Executes the bytes of a row.

use super::{
    model::{MAX_BYTES, Row, State},
    rows::ROWS,
};
use crate::cpuid::bit::Processor;
use case::Text;
use rt::{
    Outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
    },
    instruction, mmio, paging,
    user::{self, State as Registers, register},
};

/// The names of the rows, for checks.
pub(super) const NAMES: &[Text] = &{
    let mut names = [Text::EMPTY; ROWS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Text::new(ROWS[index].name);
        index += 1;
    }
    names
};

/// The processor that this code runs on. CPUID exits, so its answers are kept.
pub(super) struct Guest {
    leaves: [(u32, u32, [u32; 4]); NR_LEAVES],
}

/// The leaves that the table asks for.
const LEAVES: [(u32, u32); NR_LEAVES] =
    [(0, 0), (1, 0), (7, 0), (7, 1), (0xd, 1), (0x14, 0), (0x8000_0000, 0), (0x8000_0001, 0), (0x8000_0008, 0)];
const NR_LEAVES: usize = 9;

impl Guest {
    pub(super) fn read() -> Self {
        let leaves = LEAVES.map(|(leaf, subleaf)| {
            let outputs = read_leaf(leaf, subleaf);
            (leaf, subleaf, [outputs.eax, outputs.ebx, outputs.ecx, outputs.edx])
        });
        Self { leaves }
    }
}

impl Processor for Guest {
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let found = self.leaves.iter().find(|kept| (kept.0, kept.1) == (leaf, subleaf));
        found.map_or_else(Default::default, |kept| kept.2)
    }

    fn msr(&self, _number: u32) -> u64 {
        0
    }
}

/// UD2 and RET: what ends the bytes.
const UD2: [u8; 2] = [0x0f, 0x0b];
const RET: [u8; 2] = [0xc3, 0x90];

/// Puts the bytes and what ends them where they can be executed, and returns the address.
fn place(row: &Row, end: [u8; 2]) -> u64 {
    let mut bytes = [0x90_u8; 16];
    for (index, byte) in row.bytes.iter().chain(&end).enumerate().take(MAX_BYTES + end.len()) {
        bytes[index] = *byte;
    }
    let code = paging::frame(0);
    let value = u128::from_le_bytes(bytes);
    mmio::write_u64(code, value as u64);
    mmio::write_u64(code + 8, (value >> 64) as u64);
    code
}

/// Executes a row at CPL 3. It ends at the UD2 behind it, or with an exception of the instruction itself.
pub(super) fn execute_user(row: &Row) -> Outcome {
    let code = place(row, UD2);
    let mut state = Registers::at(code);
    state.registers[register::RAX] = paging::frame(8);
    state.registers[register::RDI] = paging::frame(1);
    state.registers[register::RSI] = paging::frame(5);
    let exception = user::enter(&mut state);
    if exception.vector == 6 && exception.rip == code + row.bytes.len() as u64 {
        Outcome::COMPLETED
    } else if exception.rip != code {
        // It ran on to somewhere else: no outcome that a check expects.
        Outcome(1)
    } else {
        exception.into()
    }
}

/// Executes a row at CPL 0.
pub(super) fn execute_supervisor(row: &Row) -> Outcome {
    let code = place(row, RET);
    instruction!("call {}", in(reg) code, inout("rax") paging::frame(8) => _, inout("rcx") 0_u64 => _,
                 inout("rdx") 0_u64 => _, inout("rdi") paging::frame(1) => _, inout("rsi") paging::frame(5) => _)
    .into()
}

/// CR4 and XCR0 as a case wants them, until this is dropped.
pub(super) struct Enabled(Option<With>);

impl Enabled {
    /// Enables as much of `state` as the processor has.
    pub(super) fn new(state: State) -> Self {
        let has_xsave = read_leaf(1, 0).ecx >> 26 & 1 != 0;
        let wants_xsave = matches!(state, State::Xsave | State::Avx | State::Avx512);
        if !has_xsave || !wants_xsave {
            return Self(None);
        }
        let with = With::cr4(cr4::OSXSAVE, 0).ok();
        let _ = write_xcr0(1 | state.components() & u64::from(read_leaf(0xd, 0).eax));
        Self(with)
    }

    /// CR4.OSXSAVE set and exactly these components, which must be legal here.
    pub(super) fn components(components: u64) -> Self {
        let with = With::cr4(cr4::OSXSAVE, 0).ok();
        let _ = write_xcr0(components);
        Self(with)
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        if self.0.is_some() {
            // What XCR0 holds after RESET.
            let _ = write_xcr0(1);
        }
    }
}

/// XSETBV of XCR0.
pub(super) fn write_xcr0(value: u64) -> Outcome {
    instruction!("xsetbv", in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32).into()
}
