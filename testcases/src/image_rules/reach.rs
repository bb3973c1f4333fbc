//! What of an image ring 0 may reach.

use super::{Violation, ring_0::broken_rules};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};
use std::collections::{BTreeMap, BTreeSet};

/// Code for 32-bit mode, which no symbol table tells: see `guests/rt/src/boot.rs` and `unpaged.rs`.
const CODE_OF_32_BITS: &[&str] =
    &["pvh_entry", "unpaged_entry", "unpaged_fault", "unpaged_after", "paging_switch_32", "paging_switched"];

/// What of an image matters here.
#[derive(Debug, Default)]
pub(super) struct Image {
    /// Functions that ring 0 may execute, by the address at which they start.
    pub(super) functions: BTreeMap<u64, Function>,
    /// Where execution starts.
    pub(super) entries: Vec<u64>,
    /// Addresses of functions that stand in data.
    pub(super) pointers: BTreeSet<u64>,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) code: Vec<u8>,
}

impl Function {
    /// Whether it is a function of `core`: by its path, or as an implementation for a type that no crate of ours defines.
    pub(super) fn is_of_core(&self) -> bool {
        let implementor = self.name.strip_prefix('<').and_then(|rest| rest.split(" as ").next());
        let is_foreign = |name: &str| {
            let is_primitive = !name.contains("::") && name.starts_with(|first: char| first.is_ascii_lowercase());
            is_primitive || name.starts_with("core::") || name.starts_with(['&', '(', '[', '!'])
        };
        self.name.starts_with("core::") || implementor.is_some_and(is_foreign)
    }

    pub(super) fn instructions(&self, start: u64) -> Vec<Instruction> {
        let bitness = if CODE_OF_32_BITS.contains(&self.name.as_str()) { 32 } else { 64 };
        Decoder::with_ip(bitness, &self.code, start, DecoderOptions::NONE).into_iter().collect()
    }
}

/// What breaks a rule of all that can be reached from its entries, by address.
pub(super) fn examine(image: &Image) -> Vec<Violation> {
    let mut reached_from: BTreeMap<u64, String> = BTreeMap::new();
    let mut waiting: Vec<(u64, String)> = image.entries.iter().map(|&entry| (entry, "an entry".to_owned())).collect();
    let in_data = image.pointers.iter().filter(|pointer| !image.is_core_function(**pointer));
    waiting.extend(in_data.map(|&pointer| (pointer, "a pointer in data".to_owned())));
    let mut found = Vec::new();
    while let Some((address, from)) = waiting.pop() {
        let Some(function) = image.functions.get(&address) else { continue };
        if reached_from.contains_key(&address) {
            continue;
        }
        let instructions = function.instructions(address);
        found.extend(broken_rules(function, &instructions, &from));
        waiting.extend(image.targets(&instructions).into_iter().map(|target| (target, function.name.clone())));
        reached_from.insert(address, from);
    }
    found.sort_by_key(|violation| (violation.address, violation.rule));
    found
}

impl Image {
    fn is_core_function(&self, address: u64) -> bool {
        self.functions.get(&address).is_some_and(Function::is_of_core)
    }

    /// The function that holds an address.
    fn function_of(&self, address: u64) -> Option<u64> {
        let (&start, function) = self.functions.range(..=address).next_back()?;
        (address - start < function.code.len() as u64).then_some(start)
    }

    /// The functions to which these instructions lead: by a branch, by falling through, or by their address.
    fn targets(&self, instructions: &[Instruction]) -> Vec<u64> {
        let mut targets = Vec::new();
        for instruction in instructions {
            if matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64) {
                targets.extend(self.function_of(instruction.near_branch_target()));
            }
            targets.extend(
                addresses_in(instruction)
                    .into_iter()
                    .filter(|address| self.functions.contains_key(address) && !self.is_core_function(*address)),
            );
        }
        // A trap for the processor or filling behind the end is no way on; nothing of either is a call.
        let last = instructions.iter().rev().find(|instruction| !is_filling(instruction));
        if let Some(last) =
            last.filter(|last| matches!(last.flow_control(), FlowControl::Next | FlowControl::ConditionalBranch))
        {
            let behind = instructions.last().map_or(last.next_ip(), Instruction::next_ip);
            targets.extend(self.functions.contains_key(&behind).then_some(behind));
        }
        targets
    }
}

fn is_filling(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3)
}

/// The addresses that an instruction names without going there.
fn addresses_in(instruction: &Instruction) -> Vec<u64> {
    (0..instruction.op_count())
        .filter_map(|operand| match instruction.op_kind(operand) {
            OpKind::Immediate32 | OpKind::Immediate64 | OpKind::Immediate32to64 => Some(instruction.immediate(operand)),
            OpKind::Memory if instruction.mnemonic() == Mnemonic::Lea => Some(instruction.memory_displacement64()),
            OpKind::FarBranch32 => Some(u64::from(instruction.far_branch32())),
            _ => None,
        })
        .collect()
}
