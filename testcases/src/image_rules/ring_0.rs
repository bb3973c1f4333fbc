//! What the code of ring 0 must not do.

use super::{Rule, Violation, reach::Function};
use iced_x86::{
    CpuidFeature, EncodingKind, Formatter, Instruction, InstructionInfoFactory, Mnemonic, NasmFormatter, OpKind,
    Register,
};

/// The rules that a function of ring 0 breaks, instruction by instruction.
pub(super) fn broken_rules(function: &Function, instructions: &[Instruction], reached_from: &str) -> Vec<Violation> {
    let mut info = InstructionInfoFactory::new();
    let mut found = Vec::new();
    let mut depth = FrameDepth::default();
    let violation = |rule, instruction: &Instruction| Violation {
        function: function.name.clone(),
        address: instruction.ip(),
        rule,
        instruction: text(instruction),
        reached_from: reached_from.to_owned(),
    };
    if let Some(first) = instructions.first().filter(|_| function.name.contains("core::fmt::")) {
        found.push(violation(Rule::NoFormatting, first));
    }
    for instruction in instructions {
        if !is_plain(instruction, &mut info) {
            found.push(violation(Rule::PlainInstructions, instruction));
        }
        if depth.reaches_below_rsp(instruction) {
            found.push(violation(Rule::NoRedZone, instruction));
        }
    }
    found
}

/// An instruction in NASM's syntax.
pub(super) fn text(instruction: &Instruction) -> String {
    let mut text = String::new();
    NasmFormatter::new().format(instruction, &mut text);
    text
}

/// Whether ring 0 may use it: it touches no register but general-purpose, segment, control and debug ones, and is not one
/// of the few others that a KVM does not interpret.
fn is_plain(instruction: &Instruction, info: &mut InstructionInfoFactory) -> bool {
    let is_extended = |register: Register| {
        register.is_vector_register() || register.is_mm() || register.is_st() || register.is_k() || register.is_tmm()
    };
    let touches_extended = info.info(instruction).used_registers().iter().any(|used| is_extended(used.register()));
    let is_x87 = instruction.cpuid_features().iter().any(|feature| {
        matches!(feature, CpuidFeature::FPU | CpuidFeature::FPU287 | CpuidFeature::FPU387 | CpuidFeature::MMX)
    });
    let is_unknown = matches!(instruction.mnemonic(), Mnemonic::Popcnt | Mnemonic::Lzcnt | Mnemonic::Crc32)
        || !matches!(instruction.encoding(), EncodingKind::Legacy);
    !(touches_extended || is_x87 || is_unknown)
}

/// How far a function's stack frame reaches, as far as its instructions tell in their order.
#[derive(Debug, Default)]
struct FrameDepth {
    /// The most that RSP has been below where RBP points; `None` while RBP is no frame pointer.
    below_rbp: Option<u64>,
}

impl FrameDepth {
    /// Whether the instruction accesses memory below RSP; to be asked of every instruction of a function in turn.
    fn reaches_below_rsp(&mut self, instruction: &Instruction) -> bool {
        let accesses_memory = (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory)
            && !matches!(
                instruction.mnemonic(),
                Mnemonic::Lea | Mnemonic::Nop | Mnemonic::Prefetchnta | Mnemonic::Invlpg
            );
        let below =
            (instruction.memory_displacement64() as i64).checked_neg().and_then(|below| u64::try_from(below).ok());
        // An index may lead upwards by more than the displacement leads down: an array that counts from one.
        let is_told = accesses_memory && instruction.memory_index() == Register::None;
        let reaches = match (is_told, instruction.memory_base(), below) {
            (true, Register::RSP, Some(below)) => below > 0,
            (true, Register::RBP, Some(below)) => self.below_rbp.is_some_and(|depth| below > depth),
            _ => false,
        };
        self.follow(instruction);
        reaches
    }

    fn follow(&mut self, instruction: &Instruction) {
        let (first, second) = (instruction.op0_register(), instruction.op1_register());
        match instruction.mnemonic() {
            Mnemonic::Mov if (first, second) == (Register::RBP, Register::RSP) => self.below_rbp = Some(0),
            // Any other use of RBP: it holds no frame that this can follow.
            Mnemonic::Mov | Mnemonic::Lea if first == Register::RBP => self.below_rbp = None,
            Mnemonic::Push => self.grow(8),
            Mnemonic::Sub if first == Register::RSP && second == Register::None => self.grow(instruction.immediate(1)),
            // RSP goes where no constant says.
            Mnemonic::Sub | Mnemonic::And | Mnemonic::Mov if first == Register::RSP => self.below_rbp = None,
            _ => {}
        }
    }

    fn grow(&mut self, bytes: u64) {
        // A path that leaves early shrinks the frame in between, so only growth is followed: too deep, never too shallow.
        self.below_rbp = self.below_rbp.map(|depth| depth.saturating_add(bytes));
    }
}
