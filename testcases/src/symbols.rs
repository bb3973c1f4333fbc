//! From an address in the guest to something that a person can look up: the function and the instruction there.

use crate::catalog::elf::CodeSymbol;
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, NasmFormatter};

/// The longest instruction in bytes (SDM vol. 2, 253666-087, "Instruction Format").
pub const MAX_INSTRUCTION_BYTES: u64 = 15;

/// The functions of an image, by address.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// Sorted by address.
    functions: Vec<Function>,
}

#[derive(Clone, Debug)]
struct Function {
    address: u64,
    end: u64,
    name: String,
}

impl Symbols {
    /// Collects the symbols of code.
    pub(crate) fn of<'a>(symbols: impl Iterator<Item = CodeSymbol<'a>>) -> Self {
        let mut functions: Vec<_> = symbols
            .map(|symbol| Function {
                address: symbol.address,
                end: symbol.end,
                // The alternate form leaves out the hash.
                name: format!("{:#}", rustc_demangle::demangle(symbol.name)),
            })
            .collect();
        // Of several symbols at one address the last is found: the narrowest.
        functions.sort_by_key(|function| (function.address, std::cmp::Reverse(function.end)));
        Self { functions }
    }

    /// `function+0x1c`, or the address in hexadecimal if no function holds it.
    pub fn name(&self, address: u64) -> String {
        let end = self.functions.partition_point(|function| function.address <= address);
        let function = end.checked_sub(1).and_then(|index| self.functions.get(index));
        match function.filter(|function| address < function.end) {
            Some(function) if address == function.address => function.name.clone(),
            Some(function) => format!("{}+{:#x}", function.name, address - function.address),
            None => format!("{address:#x}"),
        }
    }

    /// Where a RIP stands: `function+0x1c: rep outsb`, from the bytes of memory there; without bytes only the function.
    pub fn place(&self, rip: u64, bytes: &[u8]) -> String {
        match disassemble(bytes, rip) {
            Some(instruction) => format!("{}: {instruction}", self.name(rip)),
            None => self.name(rip),
        }
    }
}

/// The instruction at the start of `bytes`, in 64-bit mode, in NASM's syntax; `(bad)` if they are none, and `None` if
/// there are no bytes.
pub fn disassemble(bytes: &[u8], rip: u64) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    Some(format(&Decoder::with_ip(64, bytes, rip, DecoderOptions::NONE).decode()))
}

/// An instruction in NASM's syntax.
pub fn format(instruction: &Instruction) -> String {
    let mut formatter = NasmFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_space_after_operand_separator(true);
    options.set_rip_relative_addresses(false);
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{
        Catalog,
        synthetic::{Source, encode},
    };
    use iced_x86::{Code, MemoryOperand, Register};

    #[test]
    fn a_place_is_function_offset_and_instruction() {
        let built = Source::new().build();
        let catalog = Catalog::parse(built.bytes).unwrap();
        let [foo, entry] = built.functions[..] else { panic!("two functions") };
        assert_eq!(catalog.place(foo + 1), "suite::pio::string::foo+0x1: rep outsb");
        assert_eq!(catalog.place(entry), "pvh_entry: hlt");
    }

    #[test]
    fn a_place_outside_the_image_is_an_address() {
        let built = Source::new().build();
        let catalog = Catalog::parse(built.bytes).unwrap();
        assert_eq!(catalog.place(0x1234_5678), "0x12345678");
        assert_eq!(
            catalog.symbols().place(u64::MAX, &encode(&[Instruction::with(Code::Ud2)])),
            "0xffffffffffffffff: ud2"
        );
    }

    #[test]
    fn a_function_ends_where_its_size_says() {
        let symbol = |name, address, end| CodeSymbol { name, address, end };
        let symbols = [symbol("label", 0x100, 0x200), symbol("function", 0x120, 0x130), symbol("alias", 0x120, 0x200)];
        let symbols = Symbols::of(symbols.into_iter());
        assert_eq!(symbols.name(0xff), "0xff");
        assert_eq!(symbols.name(0x11f), "label+0x1f");
        assert_eq!(symbols.name(0x12f), "function+0xf");
        assert_eq!(symbols.name(0x130), "0x130");
    }

    #[test]
    fn bytes_that_are_no_instruction_are_called_bad() {
        assert_eq!(disassemble(&[0x06], 0).as_deref(), Some("(bad)"));
        let [cut @ .., _] = &encode(&[Instruction::with(Code::Ud2)])[..] else { panic!("two bytes") };
        assert_eq!(disassemble(cut, 0).as_deref(), Some("(bad)"));
        assert_eq!(disassemble(&[], 0), None);
    }

    #[test]
    fn addresses_are_told_in_full() {
        let memory = MemoryOperand::with_base_displ(Register::RIP, 0x20_0017);
        let bytes = encode(&[Instruction::with2(Code::Mov_r64_rm64, Register::RAX, memory).unwrap()]);
        assert_eq!(disassemble(&bytes, 0).as_deref(), Some("mov rax, [rel 0x200017]"));
    }
}
