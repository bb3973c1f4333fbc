//! The model that instruction tables are judged by: one processor for every mode outside of long mode.
//!
//! A row of a table is a snippet and a function on a [`Machine`]. What a mode changes is in [`Mode`]: the default operand
//! size, the width of the stack pointer, and which exceptions there are. Nothing here touches a processor, so that tests
//! on the host include it.

mod arithmetic;
mod branch;
mod decimal;
mod port_string;
mod shift;
mod stack;
mod string;

pub(crate) use branch::Condition;
pub(crate) use port_string::{PortState, PortString, START, after, columns, is_allowed};
pub(crate) use string::{Repeat, StringOperation};

/// Indices of registers in the order of their encoding.
pub(crate) mod register {
    pub(crate) const EAX: usize = 0;
    pub(crate) const ECX: usize = 1;
    pub(crate) const EDX: usize = 2;
    pub(crate) const EBX: usize = 3;
    pub(crate) const ESP: usize = 4;
    pub(crate) const EBP: usize = 5;
    pub(crate) const ESI: usize = 6;
    pub(crate) const EDI: usize = 7;
    // The same encodings, as bytes.
    pub(crate) const AL: usize = 0;
    pub(crate) const CL: usize = 1;
    pub(crate) const DL: usize = 2;
    pub(crate) const AH: usize = 4;
    pub(crate) const DH: usize = 6;
}
use register::ESP;

pub(crate) const CF: u32 = 1 << 0;
pub(crate) const PF: u32 = 1 << 2;
pub(crate) const AF: u32 = 1 << 4;
pub(crate) const ZF: u32 = 1 << 6;
pub(crate) const SF: u32 = 1 << 7;
pub(crate) const IF: u32 = 1 << 9;
pub(crate) const DF: u32 = 1 << 10;
pub(crate) const OF: u32 = 1 << 11;
/// The status flags.
pub(crate) const STATUS: u32 = CF | PF | AF | ZF | SF | OF;
/// The flags that are compared.
pub(crate) const COMPARED: u32 = STATUS | DF | IF;

/// A mode that tables run in. Segments have the arena as their base in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Real,
    BigReal,
    Virtual8086,
    Protected16,
    Protected32,
    /// 16-bit code with a stack segment whose B flag is set.
    Protected16WideStack,
    /// 32-bit code with a stack segment whose B flag is clear.
    Protected32NarrowStack,
}

impl Mode {
    /// Default operand and address size in bytes: flag D of the code segment.
    pub(crate) const fn size(self) -> u32 {
        if matches!(self, Self::Protected32 | Self::Protected32NarrowStack) { 4 } else { 2 }
    }

    /// Size of the stack pointer in bytes: flag B of the stack segment.
    pub(crate) const fn stack_size(self) -> u32 {
        if matches!(self, Self::Protected32 | Self::Protected16WideStack) { 4 } else { 2 }
    }
}

/// Offset of the data that rows may use, in every segment.
pub(crate) const DATA: u32 = 0x5000;
/// Its first values.
const DATA_VALUES: [u32; NR_DATA] = [0x8182_8384, 0x1122_3344, 0x5566_7788, 0x99aa_bbcc];
const NR_DATA: usize = 4;
/// Initial offset of the stack pointer.
pub(crate) const STACK: u32 = 0xe000;
/// How much of the stack is modelled, below and above [`STACK`].
const BELOW: u32 = 48;
const ABOVE: u32 = 16;
/// Number of doublewords of data and stack.
pub(crate) const NR_WORDS: usize = NR_DATA + ((BELOW + ABOVE) / 4) as usize;

/// Offset of a doubleword of the memory.
pub(crate) const fn offset_of_word(index: usize) -> u32 {
    if index < NR_DATA { DATA + index as u32 * 4 } else { STACK - BELOW + (index - NR_DATA) as u32 * 4 }
}

/// What stands in the memory before each row.
pub(crate) const MEMORY: [u32; NR_WORDS] = {
    let mut memory = [0; NR_WORDS];
    let mut index = 0;
    while index < NR_WORDS {
        memory[index] =
            if index < NR_DATA { DATA_VALUES[index] } else { (0x0101_0101 * (0x40 + index as u32)) ^ 0x0302_0100 };
        index += 1;
    }
    memory
};

/// Registers and flags that a row starts with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    /// ESP is offset [`STACK`] but for what the case chooses.
    pub(crate) general: [u32; 8],
    pub(crate) flags: u32,
}

/// State in the model: before a row, then what it must be behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) mode: Mode,
    pub(crate) general: [u32; 8],
    pub(crate) flags: u32,
    /// Flags that the manuals leave open.
    pub(crate) open_flags: u32,
    pub(crate) memory: [u32; NR_WORDS],
    /// Doublewords of the memory that are not compared, such as return addresses, a bit each.
    pub(crate) open_memory: u32,
    /// EAX holds an address in the snippet, which is not compared, nor are the flags of the sum that made it.
    pub(crate) is_address: bool,
    /// Vector of the exception that the snippet's first instruction raises.
    pub(crate) fault: Option<u8>,
    /// The instruction pointer that the exception saves, from the start of the snippet: 0 but for traps.
    pub(crate) fault_eip: u32,
}

impl Machine {
    pub(crate) const fn new(mode: Mode, input: &Input) -> Self {
        Self {
            mode,
            general: input.general,
            flags: input.flags,
            open_flags: 0,
            memory: MEMORY,
            open_memory: 0,
            is_address: false,
            fault: None,
            fault_eip: 0,
        }
    }

    /// Default operand size in bytes.
    pub(crate) const fn size(&self) -> u32 {
        self.mode.size()
    }

    /// The size that prefix 66H or 67H selects.
    pub(crate) const fn other_size(&self) -> u32 {
        6 - self.mode.size()
    }

    /// A register of this size in bytes. Bytes 4 to 7 are AH, CH, DH and BH.
    pub(crate) const fn get(&self, size: u32, register: usize) -> u32 {
        match size {
            1 if register >= 4 => self.general[register - 4] >> 8 & 0xff,
            _ => self.general[register] & mask(size),
        }
    }

    /// Writes one, which leaves the rest of the 32 bits.
    pub(crate) const fn set(&mut self, size: u32, register: usize, value: u32) {
        let (index, shift) = if size == 1 && register >= 4 { (register - 4, 8) } else { (register, 0) };
        let bits = mask(size) << shift;
        self.general[index] = self.general[index] & !bits | value << shift & bits;
    }

    pub(crate) const fn flag(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    pub(crate) const fn set_flag(&mut self, flag: u32, value: bool) {
        self.flags = if value { self.flags | flag } else { self.flags & !flag };
    }

    /// Leaves bytes of the stack below an offset uncompared: what is allocated there keeps what the way into the program
    /// pushed.
    pub(crate) const fn open_below(&mut self, end: u32, nr_bytes: u32) {
        let mut index = NR_DATA;
        while index < NR_WORDS {
            let offset = offset_of_word(index);
            if offset < end && offset + 4 > end - nr_bytes {
                self.open_memory |= 1 << index;
            }
            index += 1;
        }
    }

    /// Leaves EAX uncompared, which the snippet computes from where it stands.
    pub(crate) const fn open_code_address(&mut self) {
        self.is_address = true;
        self.open_flags |= STATUS;
    }

    /// The exception of the first instruction, which leaves everything as it was.
    pub(crate) const fn raise(&mut self, vector: u8) {
        self.fault = Some(vector);
    }

    /// An exception that is delivered behind an instruction of this length.
    pub(crate) const fn trap(&mut self, vector: u8, length: u32) {
        self.fault = Some(vector);
        self.fault_eip = length;
    }

    const fn byte_index(offset: u32) -> usize {
        match offset {
            DATA..0x5010 => (offset - DATA) as usize,
            _ => {
                assert!(offset >= STACK - BELOW && offset < STACK + ABOVE, "no row accesses other memory");
                NR_DATA * 4 + (offset - (STACK - BELOW)) as usize
            }
        }
    }

    /// Reads memory at an offset.
    pub(crate) const fn load(&self, size: u32, offset: u32) -> u32 {
        let start = Self::byte_index(offset);
        let (word, shift) = (start / 4, start % 4 * 8);
        let next = if word + 1 < NR_WORDS { self.memory[word + 1] as u64 } else { 0 };
        ((next << 32 | self.memory[word] as u64) >> shift) as u32 & mask(size)
    }

    /// Writes memory at an offset.
    pub(crate) const fn store(&mut self, size: u32, offset: u32, value: u32) {
        let start = Self::byte_index(offset);
        let (word, shift) = (start / 4, start % 4 * 8);
        let bits = (mask(size) as u64) << shift;
        let value = (value as u64) << shift & bits;
        self.memory[word] = self.memory[word] & !(bits as u32) | value as u32;
        if bits >> 32 != 0 {
            self.memory[word + 1] = self.memory[word + 1] & !((bits >> 32) as u32) | (value >> 32) as u32;
        }
    }

    /// Bits of a doubleword of the memory that are compared. Below the stack pointer stands what the way into the program
    /// and out of it pushed there, but for virtual-8086 mode, which leaves that to a stack of its own.
    const fn compared_bits(&self, index: usize) -> u32 {
        if self.open_memory >> index & 1 != 0 {
            return 0;
        }
        let (offset, top) = (offset_of_word(index), self.get(self.mode.stack_size(), ESP));
        if index < NR_DATA || matches!(self.mode, Mode::Virtual8086) || offset >= top {
            u32::MAX
        } else if offset + 4 <= top {
            0
        } else {
            u32::MAX << ((top - offset) * 8)
        }
    }

    /// Leaves the stack below its first pointer uncompared, where a return address stood.
    pub(crate) const fn open_stack(&mut self) {
        self.open_memory |= ((1 << (BELOW / 4)) - 1) << NR_DATA;
    }
}

/// Bits of an operand of this size in bytes.
pub(crate) const fn mask(size: u32) -> u32 {
    u32::MAX >> (32 - size * 8)
}

/// What the processor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Vector, or [`Observed::END`]; the error code is in the upper half.
    pub(crate) vector: u32,
    /// EIP behind the start of the snippet, at an exception.
    pub(crate) eip: u32,
    pub(crate) general: [u32; 8],
    pub(crate) flags: u32,
    pub(crate) memory: [u32; NR_WORDS],
}

impl Observed {
    pub(crate) const END: u32 = 0x100;
}

/// Number of columns of a row: vector, EAX, ECX, EDX, ESP, flags, other registers, memory.
pub(crate) const NR_COLUMNS: usize = 8;

/// Actual and expected value of each column. Registers and memory that stand for several values are sets of those that
/// differ, a bit each.
pub(crate) const fn judge(expected: &Machine, observed: &Observed) -> [(u32, u32); NR_COLUMNS] {
    let vector = match expected.fault {
        Some(vector) => vector as u32,
        None => Observed::END,
    };
    let flags = COMPARED & !expected.open_flags;
    // The instruction pointer is one of the other registers, with the bit behind theirs.
    let mut others = if expected.fault.is_some() && observed.eip != expected.fault_eip { 1 << 8 } else { 0 };
    let mut index = 3;
    while index < 8 {
        if index != ESP && observed.general[index] != expected.general[index] {
            others |= 1 << index;
        }
        index += 1;
    }
    let mut memory = 0;
    index = 0;
    while index < NR_WORDS {
        let difference = observed.memory[index] ^ expected.memory[index];
        if difference & expected.compared_bits(index) != 0 {
            memory |= 1 << index;
        }
        index += 1;
    }
    [
        (observed.vector, vector),
        if expected.is_address { (0, 0) } else { (observed.general[0], expected.general[0]) },
        (observed.general[1], expected.general[1]),
        (observed.general[2], expected.general[2]),
        (observed.general[ESP], expected.general[ESP]),
        (observed.flags & flags, expected.flags & flags),
        (others, 0),
        (memory, 0),
    ]
}

/// What a row does.
pub(crate) type Effect = fn(&mut Machine);
