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

/// Modules that were never built, for tests.
#[cfg(test)]
pub(super) mod testing {
    /// An ELF file with a section that tells these facts, and nothing else.
    pub(in crate::kernel) fn module(release: &str, uses: &[&str], parameters: &[&str]) -> Vec<u8> {
        const HEADER_SIZE: usize = 64;
        const SECTION_SIZE: usize = 64;
        let parameters: String = parameters.iter().map(|parameter| format!("parmtype={parameter}\0")).collect();
        let facts = format!("vermagic={release} SMP mod_unload\0depends={}\0{parameters}", uses.join(","));
        let names = b"\0.modinfo\0.shstrtab\0";
        let facts_at = HEADER_SIZE + 3 * SECTION_SIZE;
        let section = |name: u32, kind: u32, at: usize, size: usize| {
            let [at, size] = [at, size].map(|number| (number as u64).to_le_bytes());
            let numbers = [name.to_le_bytes(), kind.to_le_bytes()].concat();
            [numbers, vec![0; 16], at.to_vec(), size.to_vec(), vec![0; 24]].concat()
        };
        // e_type ET_REL, e_machine EM_X86_64, e_version 1; sections stand behind the header.
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0".to_vec();
        bytes.resize(40, 0);
        bytes.extend((HEADER_SIZE as u64).to_le_bytes());
        // e_flags in two halves, e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
        for half in [0, 0, HEADER_SIZE, 0, 0, SECTION_SIZE, 3, 2] {
            bytes.extend((half as u16).to_le_bytes());
        }
        bytes.extend([0; SECTION_SIZE]);
        bytes.extend(section(1, 1, facts_at, facts.len()));
        bytes.extend(section(10, 3, facts_at + facts.len(), names.len()));
        bytes.extend(facts.bytes());
        bytes.extend(names);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_module_tells_its_release_what_it_uses_and_its_parameters() {
        let module = testing::module("6.1.0-53-amd64", &["kvm", "ccp"], &["npt:int", "nested:int"]);
        let strings = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        let expected = ModuleFacts {
            release: "6.1.0-53-amd64".to_owned(),
            uses: strings(["kvm", "ccp"]),
            parameters: strings(["npt", "nested"]),
        };
        assert_eq!(of_module(&module), Some(expected));
    }

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
