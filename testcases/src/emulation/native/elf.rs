//! The smallest executable that Linux starts: one segment of code, at a fixed address.
//!
//! Source: System V ABI, "ELF Header" and "Program Header".

/// Size of the headers, which are part of the segment.
pub(super) const HEADERS: usize = 64 + 2 * 56;

/// Wraps `segment` as it is to stand at `address` + [`HEADERS`]; the program starts at its first byte.
pub(super) fn executable(address: u64, segment: &[u8]) -> Vec<u8> {
    let size = (HEADERS + segment.len()) as u64;
    let mut file = Vec::with_capacity(HEADERS + segment.len());
    // 64 bits, little-endian, version 1.
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    put16(&mut file, 2); // ET_EXEC
    put16(&mut file, 62); // EM_X86_64
    put32(&mut file, 1); // EV_CURRENT
    put64(&mut file, address + HEADERS as u64);
    put64(&mut file, 64); // Program headers follow.
    put64(&mut file, 0); // No section headers.
    put32(&mut file, 0);
    for half in [64, 56, 2, 64, 0, 0] {
        put16(&mut file, half);
    }
    // PT_LOAD, read and execute.
    put_program_header(&mut file, 1, 0b101, address, size);
    // PT_GNU_STACK, read and write: without it older kernels make every readable page executable.
    put_program_header(&mut file, 0x6474_e551, 0b110, 0, 0);
    file.extend(segment);
    file
}

fn put_program_header(file: &mut Vec<u8>, kind: u32, flags: u32, address: u64, size: u64) {
    put32(file, kind);
    put32(file, flags);
    for word in [0, address, address, size, size, 0x1000] {
        put64(file, word);
    }
}

fn put16(file: &mut Vec<u8>, value: u16) {
    file.extend(value.to_le_bytes());
}

fn put32(file: &mut Vec<u8>, value: u32) {
    file.extend(value.to_le_bytes());
}

fn put64(file: &mut Vec<u8>, value: u64) {
    file.extend(value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_an_elf_that_starts_behind_its_headers() {
        let file = executable(0x2a00_0000_0000, &[0x90, 0xf4]);
        let elf = goblin::elf::Elf::parse(&file).unwrap();
        assert_eq!((elf.header.e_machine, elf.entry), (goblin::elf::header::EM_X86_64, 0x2a00_0000_0000 + 176));
        assert_eq!(elf.program_headers.len(), 2);
        assert_eq!(elf.program_headers[0].p_filesz, 178);
        assert_eq!(file[176..], [0x90, 0xf4]);
    }
}
