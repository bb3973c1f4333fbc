//! Versions of kernels and modules, as their files tell them.

use goblin::elf::Elf;

/// Where the header of a bzImage starts, and what stands there ("The Linux/x86 Boot Protocol", `header`).
const HEADER: (usize, &[u8]) = (0x202, b"HdrS");
/// The field that points to the version ("kernel_version"); it counts from [`VERSION_BASE`].
const VERSION_POINTER: usize = 0x20e;
/// What it counts from.
const VERSION_BASE: usize = 0x200;
/// The longest version that is looked at.
const MAX_VERSION_BYTES: usize = 256;
/// Section of a module that tells about it: `key=value` strings with zeros between.
const MODULE_SECTION: &str = ".modinfo";

/// The release of a bzImage, such as `6.1.0-53-amd64`; nothing for a file that is no bzImage or does not tell.
pub(super) fn of_kernel(bytes: &[u8]) -> Option<String> {
    let (at, magic) = HEADER;
    if bytes.get(at..at + magic.len())? != magic {
        return None;
    }
    let pointer = bytes.get(VERSION_POINTER..VERSION_POINTER + 2)?;
    let pointer = usize::from(u16::from_le_bytes(pointer.try_into().ok()?));
    if pointer == 0 {
        return None;
    }
    let text = bytes.get(VERSION_BASE + pointer..)?;
    let text = text.get(..MAX_VERSION_BYTES.min(text.len()))?;
    let end = text.iter().position(|&byte| byte == 0 || byte == b' ')?;
    String::from_utf8(text.get(..end)?.to_vec()).ok().filter(|text| !text.is_empty())
}

/// What a module tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ModuleFacts {
    /// The release of the kernel that it is for.
    pub(super) release: String,
    /// Names of the modules that it uses.
    pub(super) uses: Vec<String>,
    /// Names of its parameters.
    pub(super) parameters: Vec<String>,
}

/// Reads them from a module's file, which is not compressed; nothing for a file that is no module.
pub(super) fn of_module(bytes: &[u8]) -> Option<ModuleFacts> {
    let elf = Elf::parse(bytes).ok()?;
    let is_meant =
        |header: &&goblin::elf::SectionHeader| elf.shdr_strtab.get_at(header.sh_name) == Some(MODULE_SECTION);
    let header = elf.section_headers.iter().find(is_meant)?;
    let section = bytes.get(header.file_range()?)?;
    let mut facts = ModuleFacts::default();
    for entry in section.split(|&byte| byte == 0) {
        let Some((key, value)) = std::str::from_utf8(entry).ok().and_then(|entry| entry.split_once('=')) else {
            continue;
        };
        match key {
            "vermagic" => facts.release = value.split(' ').next().unwrap_or_default().to_owned(),
            "depends" => facts.uses.extend(value.split(',').filter(|name| !name.is_empty()).map(str::to_owned)),
            "parmtype" => facts.parameters.extend(value.split(':').next().map(str::to_owned)),
            _ => {}
        }
    }
    Some(facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kernel(pointer: u16, text: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 0x1000];
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x20e..0x210].copy_from_slice(&pointer.to_le_bytes());
        bytes[0x400..0x400 + text.len()].copy_from_slice(text);
        bytes
    }

    #[test]
    fn release_is_the_first_word() {
        let kernel = kernel(0x200, b"6.1.0-53-amd64 (debian-kernel@lists.debian.org) #1 SMP\0");
        assert_eq!(of_kernel(&kernel).as_deref(), Some("6.1.0-53-amd64"));
    }

    #[test]
    fn what_is_no_kernel_has_no_release() {
        assert_eq!(of_kernel(b"\x7fELF"), None);
        assert_eq!(of_kernel(&[0; 0x1000]), None);
        assert_eq!(of_kernel(&kernel(0, b"6.1 ")), None);
        assert_eq!(of_kernel(&kernel(0xffff, b"6.1 ")), None);
        assert_eq!(of_module(b"\x7fELF"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(pointer in any::<u16>(), bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = of_kernel(&bytes);
            let _ = of_kernel(&kernel(pointer, &bytes));
            let _ = of_module(&[b"\x7fELF\x02\x01\x01".as_slice(), &bytes].concat());
        }
    }
}
