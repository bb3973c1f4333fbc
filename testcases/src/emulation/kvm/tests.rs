//! Executions on the KVM of this host.

use super::{Flavour, KvmExecutor};
use iced_decoder::{
    Access, Bitness, Direction, Registers, Space,
    machine::{
        End, Exception, Executor, Extended, Input, Mode, Output,
        window::{self, PAGE, Window},
    },
};
use iced_x86::{IcedError, code_asm::*};
use std::sync::{Arc, LazyLock};
use vmm::Hypervisor;

mod entry;
mod forced;
mod isolation;
mod modes;
mod rows;

static HYPERVISOR: LazyLock<Arc<Hypervisor>> = LazyLock::new(|| Arc::new(Hypervisor::open().unwrap()));

fn executor(flavour: Flavour) -> KvmExecutor {
    KvmExecutor::new(HYPERVISOR.clone(), flavour).unwrap()
}

/// Size of the XSAVE area up to AVX-512.
const EXTENDED_SIZE: usize = 2688;
/// Where the operand is, unless it is at a page's end.
const OFFSET: u64 = 0x100;

fn assemble(build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Vec<u8> {
    let mut assembler = CodeAssembler::new(64).unwrap();
    build(&mut assembler).unwrap();
    assembler.assemble(window::CODE + window::CODE_OFFSET).unwrap()
}

/// RBX points to the operand; RSP into the stack; every other register has a value of its own.
fn input(window: Window, offset: u64, build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Input {
    bytes_input(window, offset, assemble(build))
}

fn bytes_input(window: Window, offset: u64, code: Vec<u8>) -> Input {
    let mut general: [u64; 16] = std::array::from_fn(|number| 0x0101_0101_0101_0101 * (number as u64 + 1));
    general[3] = window.address() + offset;
    general[4] = window::STACK + PAGE;
    Input {
        bitness: Bitness::Bits64,
        code,
        registers: Registers {
            general,
            rip: window::CODE + window::CODE_OFFSET,
            rflags: 0x202,
            ..Registers::default()
        },
        extended: None,
        window,
        memory_seed: 0x1234,
        memory: Vec::new(),
    }
}

fn with_extended(mut input: Input) -> Input {
    let mut extended = Extended::initial(EXTENDED_SIZE);
    // XMM0 to XMM15 and the upper halves of their YMM registers.
    for (index, byte) in extended.bytes_mut()[160..416].iter_mut().enumerate() {
        *byte = index as u8;
    }
    for (index, byte) in extended.bytes_mut()[576..832].iter_mut().enumerate() {
        *byte = !index as u8;
    }
    extended.set_components(7);
    input.extended = Some(Box::new(extended));
    input
}

fn access(direction: Direction, address: u64, size_bytes: u32) -> Access {
    Access { space: Space::Memory, address, size_bytes, direction }
}

fn read_at(input: &Input, size: usize) -> Vec<u8> {
    let at = (input.registers.general[3] - input.window.address()) as usize;
    input.content()[at..at + size].to_vec()
}

fn raised(vector: u8, error_code: Option<u32>, address: Option<u64>) -> End {
    End::Raised(Exception { vector, error_code, address })
}

/// KVM's emulator refuses some instructions, or says #UD: a result of its own, which is not judged here.
fn is_refusal(end: &End) -> bool {
    matches!(end, End::Refused(_)) || *end == raised(6, None, None)
}

/// All that must be the same whatever the pages under test are.
fn assert_agree(left: &Output, right: &Output, what: &str) {
    assert_eq!(left.end, right.end, "{what}");
    assert_eq!(left.registers, right.registers, "{what}");
    assert_eq!(left.memory, right.memory, "{what}");
    let content = |output: &Output| output.extended.as_ref().map(|extended| extended.bytes()[..464].to_vec());
    assert_eq!(content(left), content(right), "{what}");
    let vectors = |output: &Output| output.extended.as_ref().map(|extended| extended.bytes()[576..].to_vec());
    assert_eq!(vectors(left), vectors(right), "{what}");
}
