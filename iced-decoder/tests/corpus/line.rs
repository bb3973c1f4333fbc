//! One line of a corpus: what goes in and what is expected.
//!
//! `bytes ; setup ; expected # comment`, all numbers in hexadecimal. Addresses are `W` (the window), `S` (the stack) or
//! `C` (the code) with `+` or `-` and a distance, or plain numbers.
//! - setup: `rax=1`, `flags=400`, `mode=32`, `window=ends-absent`, `[0]=00 01` (bytes of the window from an offset on),
//!   `mxcsr=`, `fcw=`, `fsw=`, `xmm0=`, `xmm1=` (their lower 64 bits), `k1=`, `v1=a,ffffffff`
//!   (32-bit elements of ZMM1, the lowest first); RSP is S+1000 unless told, all else 0.
//! - expected: `r:W+0:4` and `w:…` are accesses in their order, `?r:…` those that may be made; `none` for no access;
//!   `#DE`, `#BR`, `#UD`, `#MF`, `#XM`, `#GP`, `#SS`, `#PF:4:W+1000` an exception, `#PF:4?2:…` with open bits, `open`; `undefined=af,of,rdx,memory`
//!   what is undefined, and nothing else is; `refused=Privileged` a form that is left out.

use iced_decoder::{
    Bitness, Registers,
    machine::{
        Extended, Input,
        area::size_bytes,
        window::{CODE, CODE_OFFSET, PAGE, STACK, Window},
    },
};
use thiserror::Error;

/// What is wrong with a line.
#[derive(Debug, PartialEq, Error)]
pub(crate) enum LineError {
    /// It has not three parts.
    #[error("expected `bytes ; setup ; expected`, found {0} parts")]
    Parts(usize),
    /// A number is none.
    #[error("`{0}` is no hexadecimal number")]
    Number(String),
    /// A word is not known.
    #[error("`{0}` is not known")]
    Word(String),
    /// There are no bytes, or more than an instruction has.
    #[error("{0} bytes are no instruction")]
    Length(usize),
}

/// What is expected of one access.
#[derive(Debug, PartialEq)]
pub(crate) struct Expected {
    /// Words for accesses and the end, as they stand there with addresses resolved.
    pub(crate) words: Vec<String>,
}

/// One case.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    /// What goes in.
    pub(crate) input: Input,
    /// What is to come out.
    pub(crate) expected: Expected,
}

/// The components of x87, SSE, AVX and AVX-512.
const ALL: u64 = 0xe7;

/// Names of general registers by their numbers.
pub(crate) const GENERAL: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

/// Parses one line; nothing for an empty one or a comment.
pub(crate) fn parse(text: &str) -> Result<Option<Line>, LineError> {
    let text = without_comment(text).trim();
    if text.is_empty() {
        return Ok(None);
    }
    let parts: Vec<_> = text.split(';').map(str::trim).collect();
    let [bytes, setup, expected] = parts[..] else { return Err(LineError::Parts(parts.len())) };
    let code: Vec<u8> = bytes.split_whitespace().map(byte).collect::<Result<_, _>>()?;
    if !(1..=15).contains(&code.len()) {
        return Err(LineError::Length(code.len()));
    }
    let mut input = Input {
        bitness: Bitness::Bits64,
        code,
        registers: Registers { rip: CODE + CODE_OFFSET, ..Registers::default() },
        extended: None,
        window: Window::Plain,
        memory_seed: 1,
        memory: Vec::new(),
    };
    input.registers.general[4] = STACK + PAGE;
    // The window comes first, as addresses count from it.
    let mut offset = None;
    for word in setup.split_whitespace().filter(|word| word.starts_with("window=")) {
        input.window = window(&word["window=".len()..])?;
    }
    for word in setup.split_whitespace() {
        set_up(&mut input, &mut offset, word)?;
    }
    let words = expected.split_whitespace().map(|word| resolved(word, input.window)).collect::<Result<_, _>>()?;
    Ok(Some(Line { input, expected: Expected { words } }))
}

/// Comments begin with `# `; an exception has a letter behind its `#`.
fn without_comment(text: &str) -> &str {
    let is_comment = |(place, _): &(usize, &str)| matches!(text.as_bytes().get(place + 1), None | Some(b' '));
    text.match_indices('#').find(is_comment).map_or(text, |(place, _)| &text[..place])
}

fn set_up(input: &mut Input, offset: &mut Option<u16>, word: &str) -> Result<(), LineError> {
    let Some((name, value)) = word.split_once('=') else {
        // Bytes follow an offset.
        let Some(place) = offset else { return Err(LineError::Word(word.to_owned())) };
        input.memory.push((*place, byte(word)?));
        *place += 1;
        return Ok(());
    };
    *offset = None;
    if let Some(place) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        let place = number(place)? as u16;
        input.memory.push((place, byte(value)?));
        *offset = Some(place + 1);
        return Ok(());
    }
    if let Some(register) = GENERAL.iter().position(|&general| general == name) {
        input.registers.general[register] = address(value, input.window)?;
        return Ok(());
    }
    match name {
        "flags" => input.registers.rflags = number(value)?,
        "fs" => input.registers.segment_bases[4] = address(value, input.window)?,
        "gs" => input.registers.segment_bases[5] = address(value, input.window)?,
        "window" => {}
        "mode" => {
            input.bitness = match value {
                "16" => Bitness::Bits16,
                "32" => Bitness::Bits32,
                "64" => Bitness::Bits64,
                _ => return Err(LineError::Word(word.to_owned())),
            };
            input.registers.bitness = input.bitness;
        }
        "mxcsr" => set_extended(input, 24, &(number(value)? as u32).to_le_bytes()),
        "xmm0" => set_extended(input, 160, &number(value)?.to_le_bytes()),
        "xmm1" => set_extended(input, 176, &number(value)?.to_le_bytes()),
        "fcw" => set_extended(input, 0, &(number(value)? as u16).to_le_bytes()),
        "fsw" => set_extended(input, 2, &(number(value)? as u16).to_le_bytes()),
        _ => return set_register(input, name, value).ok_or_else(|| LineError::Word(word.to_owned()))?,
    }
    Ok(())
}

/// Sets an opmask or a vector register; nothing if the name is that of none.
fn set_register(input: &mut Input, name: &str, value: &str) -> Option<Result<(), LineError>> {
    let number = name.get(1..)?.parse().ok().filter(|number| *number < 32)?;
    let mut bytes =
        input.extended.as_ref().map_or_else(|| Extended::initial(0), |before| (**before).clone()).bytes().to_vec();
    bytes.resize(size_bytes(ALL), 0);
    let mut extended = Extended::from_bytes(bytes);
    extended.set_components(ALL);
    let result = match name.get(..1)? {
        "k" => self::number(value).map(|value| extended.change_opmask(number, |_| value)),
        "v" => value.split(',').map(self::number).collect::<Result<Vec<_>, _>>().map(|elements| {
            extended.change_vector(number, |bytes| {
                for (bytes, element) in bytes.chunks_exact_mut(4).zip(elements) {
                    bytes.copy_from_slice(&(element as u32).to_le_bytes());
                }
            });
        }),
        _ => return None,
    };
    input.extended = Some(Box::new(extended));
    Some(result)
}

fn set_extended(input: &mut Input, offset: usize, bytes: &[u8]) {
    let extended = input.extended.get_or_insert_with(|| Box::new(Extended::initial(0)));
    extended.set_components(extended.components() | 3);
    extended.bytes_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn window(name: &str) -> Result<Window, LineError> {
    Ok(match name {
        "plain" => Window::Plain,
        "ends-absent" => Window::EndsAbsent,
        "ends-read-only" => Window::EndsReadOnly,
        "ends-memory" => Window::EndsMemory,
        "starts-memory" => Window::StartsMemory,
        _ => return Err(LineError::Word(name.to_owned())),
    })
}

/// A word with its address as a number.
fn resolved(word: &str, window: Window) -> Result<String, LineError> {
    let parts: Vec<_> = word.split(':').collect();
    match parts[..] {
        [kind, place, size] if kind.trim_start_matches('?').len() == 1 => {
            Ok(format!("{kind}:{:x}:{:x}", address(place, window)?, number(size)?))
        }
        [kind, code, place] => Ok(format!("{kind}:{code}:{:x}", address(place, window)?)),
        [word] => Ok(word.to_owned()),
        _ => Err(LineError::Word(word.to_owned())),
    }
}

fn address(text: &str, window: Window) -> Result<u64, LineError> {
    let base = match text.as_bytes().first() {
        Some(b'W') => window.address(),
        Some(b'S') => STACK,
        Some(b'C') => CODE,
        _ => return number(text),
    };
    match text.get(1..2) {
        None => Ok(base),
        Some("+") => Ok(base.wrapping_add(number(&text[2..])?)),
        Some("-") => Ok(base.wrapping_sub(number(&text[2..])?)),
        Some(_) => Err(LineError::Number(text.to_owned())),
    }
}

fn number(text: &str) -> Result<u64, LineError> {
    u64::from_str_radix(text, 16).map_err(|_| LineError::Number(text.to_owned()))
}

fn byte(text: &str) -> Result<u8, LineError> {
    u8::from_str_radix(text, 16).map_err(|_| LineError::Number(text.to_owned()))
}
