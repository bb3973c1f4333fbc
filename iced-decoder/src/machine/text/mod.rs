//! Inputs as one line of text, for reproducers.
//!
//! A line is a list of fields `name=value` between spaces; what has its usual value is left out. Numbers are hexadecimal
//! without a prefix, only counts of repetitions are decimal:
//!
//! - `mode`: 16, 32 or 64;
//! - `code`: the bytes of the instruction;
//! - `rip`, and general registers that are not 0 as `rax` to `r15`; bases of segments that are not 0 as `es.base` to
//!   `gs.base`;
//! - `flags`: those that are set, joined by `+`; bits that are none of an input's flags as a number;
//! - `window`: which one the operand lies in;
//! - `seed`: that of the window's content;
//! - `memory`: bytes that differ from it as `offset:bytes`, or `offset:byte*count` for equal ones, between commas;
//! - `state`: size of the area of extended state in bytes, and what in it is not 0, as in `memory`.
//!
//! Parsing such a line gives exactly the input that was written.

use super::{
    Extended, Input,
    window::{CODE, CODE_OFFSET, Window},
};
use crate::registers::{Bitness, Registers};
use std::{fmt, str::FromStr};

/// The longest instruction in bytes (Intel SDM vol. 2A, "Instruction Format").
const MAX_INSTRUCTION_BYTES: usize = 15;
/// No area of extended state is larger: one with AMX has about 11 KiB.
const MAX_STATE_BYTES: u64 = 0x1_0000;
/// So many equal bytes are written as one with a count.
const MIN_REPETITIONS: usize = 4;

const GENERAL: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const BASES: [&str; 6] = ["es.base", "cs.base", "ss.base", "ds.base", "fs.base", "gs.base"];
const FLAGS: [(&str, u64); 7] =
    [("cf", 1), ("pf", 1 << 2), ("af", 1 << 4), ("zf", 1 << 6), ("sf", 1 << 7), ("df", 1 << 10), ("of", 1 << 11)];
const WINDOWS: [(&str, Window); 5] = [
    ("plain", Window::Plain),
    ("ends-absent", Window::EndsAbsent),
    ("ends-read-only", Window::EndsReadOnly),
    ("ends-memory", Window::EndsMemory),
    ("starts-memory", Window::StartsMemory),
];

/// Why a line is no input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A field without `=`.
    #[error("`{0}` is no field: name=value is expected")]
    NoField(String),
    /// A name that no field has.
    #[error("`{0}` is the name of no field: mode, code, rip, rax, fs.base, flags, window, seed, memory or state are")]
    Unknown(String),
    /// A field that stands there twice.
    #[error("field {0} stands there twice")]
    Twice(String),
    /// A field that must be there.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A value that a field cannot have.
    #[error("field {field} is `{value}`, but {expected} is expected")]
    Value {
        /// Its name.
        field: String,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mode={} code=", self.bitness.bits())?;
        self.code.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, " rip={:x}", self.registers.rip)?;
        let registers = GENERAL.iter().zip(self.registers.general);
        for (name, value) in registers.chain(BASES.iter().zip(self.registers.segment_bases)) {
            if value != 0 {
                write!(f, " {name}={value:x}")?;
            }
        }
        write_flags(f, self.registers.rflags)?;
        let window = WINDOWS.iter().find(|(_, window)| *window == self.window).map_or("", |(name, _)| name);
        write!(f, " window={window} seed={:x}", self.memory_seed)?;
        if !self.memory.is_empty() {
            f.write_str(" memory=")?;
            write_bytes(f, &self.memory.iter().map(|&(offset, byte)| (usize::from(offset), byte)).collect::<Vec<_>>())?;
        }
        if let Some(extended) = &self.extended {
            let bytes = extended.bytes();
            write!(f, " state={:x}", bytes.len())?;
            let used: Vec<_> = bytes.iter().copied().enumerate().filter(|(_, byte)| *byte != 0).collect();
            if !used.is_empty() {
                f.write_str(",")?;
                write_bytes(f, &used)?;
            }
        }
        Ok(())
    }
}

fn write_flags(f: &mut fmt::Formatter<'_>, flags: u64) -> fmt::Result {
    let mut rest = flags;
    let mut before = " flags=";
    for (name, flag) in FLAGS {
        if flags & flag != 0 {
            write!(f, "{before}{name}")?;
            before = "+";
            rest &= !flag;
        }
    }
    if rest != 0 {
        write!(f, "{before}{rest:x}")?;
    }
    Ok(())
}

/// Writes bytes with their offsets, those that follow each other together.
fn write_bytes(f: &mut fmt::Formatter<'_>, bytes: &[(usize, u8)]) -> fmt::Result {
    let mut at = 0;
    let mut is_open = false;
    while let Some(&(offset, byte)) = bytes.get(at) {
        let nr_equal =
            (0..).zip(&bytes[at..]).take_while(|&(distance, &next)| next == (offset + distance, byte)).count();
        let follows = is_open && at > 0 && bytes[at - 1].0 + 1 == offset;
        if nr_equal >= MIN_REPETITIONS {
            write!(f, "{}{offset:x}:{byte:02x}*{nr_equal}", if at > 0 { "," } else { "" })?;
            (at, is_open) = (at + nr_equal, false);
            continue;
        }
        if follows {
            write!(f, "{byte:02x}")?;
        } else {
            write!(f, "{}{offset:x}:{byte:02x}", if at > 0 { "," } else { "" })?;
        }
        (at, is_open) = (at + 1, true);
    }
    Ok(())
}

impl FromStr for Input {
    type Err = TextError;

    fn from_str(line: &str) -> Result<Self, TextError> {
        let mut input = Self {
            bitness: Bitness::Bits64,
            code: Vec::new(),
            registers: Registers { rip: CODE + CODE_OFFSET, ..Registers::default() },
            extended: None,
            window: Window::Plain,
            memory_seed: 0,
            memory: Vec::new(),
        };
        let mut seen = Vec::new();
        for field in line.split_whitespace() {
            let (name, value) = field.split_once('=').ok_or_else(|| TextError::NoField(field.to_owned()))?;
            if seen.contains(&name) {
                return Err(TextError::Twice(name.to_owned()));
            }
            seen.push(name);
            parse_field(&mut input, name, value)?;
        }
        match ["mode", "code"].into_iter().find(|name| !seen.contains(name)) {
            Some(name) => Err(TextError::Missing(name)),
            None => Ok(input),
        }
    }
}

fn parse_field(input: &mut Input, name: &str, value: &str) -> Result<(), TextError> {
    let expected = |expected| move || TextError::Value { field: name.to_owned(), value: value.to_owned(), expected };
    let number = || hexadecimal(value).ok_or_else(expected("a hexadecimal number of 64 bits"));
    match name {
        "mode" => {
            let all = [Bitness::Bits16, Bitness::Bits32, Bitness::Bits64];
            let bitness = all.into_iter().find(|bitness| bitness.bits().to_string() == value);
            input.bitness = bitness.ok_or_else(expected("16, 32 or 64"))?;
            input.registers.bitness = input.bitness;
        }
        "code" => {
            let bytes = hex_bytes(value).filter(|bytes| (1..=MAX_INSTRUCTION_BYTES).contains(&bytes.len()));
            input.code = bytes.ok_or_else(expected("1 to 15 bytes of two hexadecimal digits each"))?;
        }
        "rip" => input.registers.rip = number()?,
        "flags" => {
            let flags = value.split('+').try_fold(0, |flags, part| {
                let named = FLAGS.iter().find(|(name, _)| *name == part).map(|(_, flag)| *flag);
                Some(flags | named.or_else(|| hexadecimal(part))?)
            });
            input.registers.rflags = flags.ok_or_else(expected("cf, pf, af, zf, sf, df, of or a number between +"))?;
        }
        "window" => {
            let window = WINDOWS.iter().find(|(name, _)| *name == value).map(|(_, window)| *window);
            let names = "plain, ends-absent, ends-read-only, ends-memory or starts-memory";
            input.window = window.ok_or_else(expected(names))?;
        }
        "seed" => input.memory_seed = number()?,
        "memory" => {
            let bytes =
                parse_bytes(value, 1 << 16).ok_or_else(expected("offset:bytes or offset:byte*count between commas"))?;
            // Offsets are below 2¹⁶, which has been checked.
            input.memory = bytes.into_iter().map(|(offset, byte)| (offset as u16, byte)).collect();
        }
        "state" => {
            let state = parse_state(value);
            input.extended =
                Some(Box::new(state.ok_or_else(expected("a size in bytes and offset:bytes between commas"))?));
        }
        _ => {
            let general = GENERAL.iter().position(|general| *general == name);
            let base = BASES.iter().position(|base| *base == name);
            match (general, base) {
                (Some(number_of), _) => input.registers.general[number_of] = number()?,
                (_, Some(number_of)) => input.registers.segment_bases[number_of] = number()?,
                _ => return Err(TextError::Unknown(name.to_owned())),
            }
        }
    }
    Ok(())
}

fn hexadecimal(text: &str) -> Option<u64> {
    // `from_str_radix` would also take a sign.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number { u64::from_str_radix(text, 16).ok() } else { None }
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Parses what [`write_bytes`] writes; offsets must be below `end`.
fn parse_bytes(text: &str, end: u64) -> Option<Vec<(usize, u8)>> {
    let mut bytes = Vec::new();
    for part in text.split(',') {
        let (offset, values) = part.split_once(':')?;
        let first = hexadecimal(offset).filter(|offset| *offset < end)?;
        let values = match values.split_once('*') {
            Some((value, count)) => {
                let [value] = hex_bytes(value)?[..] else { return None };
                vec![value; count.parse().ok().filter(|count| (1..=end as usize).contains(count))?]
            }
            None => hex_bytes(values).filter(|values| !values.is_empty())?,
        };
        if first + values.len() as u64 > end {
            return None;
        }
        bytes.extend((first as usize..).zip(values));
    }
    Some(bytes)
}

fn parse_state(text: &str) -> Option<Extended> {
    let (size, used) = text.split_once(',').map_or((text, None), |(size, used)| (size, Some(used)));
    let size = hexadecimal(size).filter(|size| (576..=MAX_STATE_BYTES).contains(size))?;
    let mut bytes = vec![0; size as usize];
    for (offset, byte) in used.map_or(Some(Vec::new()), |used| parse_bytes(used, size))? {
        bytes[offset] = byte;
    }
    Some(Extended::from_bytes(bytes))
}

impl Input {
    /// A number that stands for this input, the same for equal ones everywhere: FNV-1a of 64 bits over its text. It is
    /// what `repro:<hash>` names, as 16 hexadecimal digits.
    pub fn hash64(&self) -> u64 {
        const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x100_0000_01b3;
        self.to_string().bytes().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
    }
}

#[cfg(test)]
mod tests;
