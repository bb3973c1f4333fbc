//! Switches among no paging, 32-bit, PAE, four-level and five-level paging, and what refuses to switch.

use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::control::{cr0, cr4},
    cpu::msr::efer,
    excursion::{
        ARENA, Arena, Code, Program, layout,
        paging::Tables,
        register::{EAX, EBP, EBX, EDI, ESI},
        tables,
    },
    machine_code, mmio, names,
    paging::{ALL_RIGHTS, frame, table},
    tables::page_bit::P,
    vocabulary::{Needs, Text},
};

machine_code! {
    /// Goes through EBP settings of CR4, CR3, IA32_EFER and CR0 at ESI, paging off between; in each it reads the number
    /// at EBX, notes it at EDI, and writes it behind. Long mode is compatibility mode here.
    32 SWITCH = "2: mov eax, cr0", "and eax, 0x7fffffff", "mov cr0, eax", "jmp 3f", "3:",
        "mov eax, [esi]", "mov cr4, eax", "mov eax, [esi + 4]", "mov cr3, eax",
        "mov ecx, 0xc0000080", "xor edx, edx", "mov eax, [esi + 8]", "wrmsr",
        "mov eax, [esi + 12]", "mov cr0, eax", "jmp 4f", "4:",
        "mov eax, [ebx]", "mov [edi], eax", "mov [ebx + 8], eax",
        "add esi, 16", "add edi, 4", "dec ebp", "jnz 2b";
    /// Changes CR4.PAE back and forth while paging is on, and adds up what it reads at EBX: EDX before, EDI and ESI after.
    32 TOGGLE_PAE = "mov edx, [ebx]", "mov eax, cr4", "xor eax, 0x20", "mov cr4, eax", "mov edi, [ebx]",
        "xor eax, 0x20", "mov cr4, eax", "mov esi, [ebx]";
    /// MOV to CR0 of EAX.
    32 WRITE_CR0 = "mov cr0, eax";
    /// MOV to CR4 of EAX.
    32 WRITE_CR4 = "mov cr4, eax";
    /// WRMSR of EAX to IA32_EFER.
    32 WRITE_EFER = "mov ecx, 0xc0000080", "xor edx, edx", "wrmsr";
}

/// Where the number is: a page of the arena that each paging mode maps to a frame of its own.
const NUMBER: u32 = layout::DATA + 0x2000;
/// Where the settings and what was read are.
const SETTINGS: u32 = layout::DATA;
const NOTES: u32 = layout::DATA + 0x1000;

/// The modes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    Bits32,
    Pae,
    FourLevel,
    FiveLevel,
}

impl Mode {
    /// The number that is read in this mode.
    const fn number(self) -> u32 {
        match self {
            Self::Off => 0x0101_0101,
            Self::Bits32 => 0x0202_0202,
            Self::Pae => 0x0303_0303,
            Self::FourLevel | Self::FiveLevel => 0x0404_0404,
        }
    }

    /// Where it stands in physical memory.
    fn place(self) -> u64 {
        match self {
            Self::Off => u64::from(ARENA + NUMBER),
            Self::Bits32 => frame(12),
            Self::Pae => frame(13),
            Self::FourLevel | Self::FiveLevel => frame(14),
        }
    }
}

/// Frames 0 and 1 for 32-bit paging, 2 to 4 for PAE, 5 for the PML5, 8 to 11 for the four levels, 12 to 14 for numbers.
struct Machine {
    arena: Arena,
    bits_32: Tables,
    pae: Tables,
}

const NUMBER_PAGE: u32 = (ARENA + NUMBER) >> 12;

impl Machine {
    fn new() -> Self {
        let (arena, bits_32, pae) = (Arena::new(), Tables::bits_32(0), Tables::pae(2));
        bits_32.write_table(NUMBER_PAGE, frame(12) | ALL_RIGHTS);
        pae.write_table(NUMBER_PAGE, frame(13) | ALL_RIGHTS);
        for level in 8..11 {
            table::write(frame(level), 0, frame(level + 1) | ALL_RIGHTS);
        }
        for page in 0..16 {
            let address = u64::from(ARENA) + page * 0x1000;
            table::write(frame(11), (address >> 12) as usize, address | ALL_RIGHTS);
        }
        table::write(frame(11), NUMBER_PAGE as usize, frame(14) | ALL_RIGHTS);
        // Five levels have a PML5 and share the rest with the four: so they read the same number.
        table::write(frame(5), 0, frame(8) | ALL_RIGHTS);
        Self { arena, bits_32, pae }
    }

    /// CR4, CR3, IA32_EFER, CR0.
    fn setting(&self, mode: Mode) -> [u32; 4] {
        let on = Program::PROTECTED_32.cr0 | cr0::PG as u32;
        let (pae, lme) = (cr4::PAE as u32, efer::LME as u32);
        match mode {
            Mode::Off => [0, 0, 0, Program::PROTECTED_32.cr0],
            Mode::Bits32 => [0, self.bits_32.cr3, 0, on],
            Mode::Pae => [pae, self.pae.cr3, 0, on],
            Mode::FourLevel => [pae, frame(8) as u32, lme, on],
            Mode::FiveLevel => [pae | cr4::LA57 as u32, frame(5) as u32, lme, on],
        }
    }

    /// Goes through the modes two by two; a check for each.
    fn check_pairs(&self, pairs: &[(usize, Mode, Mode)]) {
        for &(row, first, second) in pairs {
            let modes = [first, second, Mode::Off];
            for (index, mode) in (0..).zip(modes) {
                mmio::write_u32(mode.place(), mode.number());
                mmio::write_u32(mode.place() + 8, 0);
                tables::write_u32(NOTES + index * 4, 0);
                for (word, value) in (0..).zip(self.setting(mode)) {
                    tables::write_u32(SETTINGS + index * 16 + word * 4, value);
                }
            }
            let registers =
                [(EBX, ARENA + NUMBER), (ESI, ARENA + SETTINGS), (EDI, ARENA + NOTES), (EBP, modes.len() as u32)];
            let arrival = self.arena.run(&Program::PROTECTED_32.with(&registers), &SWITCH);
            let same = |mode: Mode| mmio::read_u32(mode.place() + 8) == mode.number();
            check_outcome!("program", [PAIRS; row], arrival.outcome(), Outcome::COMPLETED);
            check_eq!("read in the first", [PAIRS; row], tables::read_u32(NOTES), first.number());
            check_eq!("read in the second", [PAIRS; row], tables::read_u32(NOTES + 4), second.number());
            check_eq!("read without paging", [PAIRS; row], tables::read_u32(NOTES + 8), Mode::Off.number());
            check!("written where it is mapped", [PAIRS; row], same(first) && same(second));
        }
    }
}

/// Names of the pairs of modes: the first times five plus the second.
const PAIRS: &[Text] = names![
    "off to off",
    "off to 32-bit",
    "off to PAE",
    "off to four levels",
    "off to five levels",
    "32-bit to off",
    "32-bit to 32-bit",
    "32-bit to PAE",
    "32-bit to four levels",
    "32-bit to five levels",
    "PAE to off",
    "PAE to 32-bit",
    "PAE to PAE",
    "PAE to four levels",
    "PAE to five levels",
    "four levels to off",
    "four levels to 32-bit",
    "four levels to PAE",
    "four levels to four levels",
    "four levels to five levels",
    "five levels to off",
    "five levels to 32-bit",
    "five levels to PAE",
    "five levels to four levels",
    "five levels to five levels",
];

/// From no paging to four-level paging and back, each mode sees what its own tables map.
#[case(feature = PagingModeSwitches, spec = [sdm3a("Paging Modes and Control Bits"),
       sdm3a("Switching Out of IA-32e Mode Operation")])]
fn off_and_four_levels() {
    Machine::new().check_pairs(&[
        (0, Mode::Off, Mode::Off),
        (3, Mode::Off, Mode::FourLevel),
        (15, Mode::FourLevel, Mode::Off),
        (18, Mode::FourLevel, Mode::FourLevel),
    ]);
}

/// From each of no paging, 32-bit and PAE paging to each, each mode sees what its own tables map.
#[case(feature = PagingModeSwitches, spec = [sdm3a("Paging Modes and Control Bits"),
       sdm3a("Switching Out of IA-32e Mode Operation")])]
fn legacy_paging_modes() {
    Machine::new().check_pairs(&[
        (1, Mode::Off, Mode::Bits32),
        (2, Mode::Off, Mode::Pae),
        (5, Mode::Bits32, Mode::Off),
        (6, Mode::Bits32, Mode::Bits32),
        (7, Mode::Bits32, Mode::Pae),
        (10, Mode::Pae, Mode::Off),
        (11, Mode::Pae, Mode::Bits32),
        (12, Mode::Pae, Mode::Pae),
    ]);
}

/// From 32-bit and PAE paging to four-level paging and back, each mode sees what its own tables map.
#[case(feature = PagingModeSwitches, spec = [sdm3a("Paging Modes and Control Bits"),
       sdm3a("Switching Out of IA-32e Mode Operation")])]
fn legacy_and_four_levels() {
    Machine::new().check_pairs(&[
        (8, Mode::Bits32, Mode::FourLevel),
        (13, Mode::Pae, Mode::FourLevel),
        (16, Mode::FourLevel, Mode::Bits32),
        (17, Mode::FourLevel, Mode::Pae),
    ]);
}

/// From no paging and four levels to five-level paging and back, each mode sees what its own tables map.
#[case(feature = PagingModeSwitches, spec = [sdm3a("Paging Modes and Control Bits"),
       sdm3a("Switching Out of IA-32e Mode Operation")], needs = Needs::LA57)]
fn five_levels_and_others() {
    Machine::new().check_pairs(&[
        (4, Mode::Off, Mode::FiveLevel),
        (19, Mode::FourLevel, Mode::FiveLevel),
        (20, Mode::FiveLevel, Mode::Off),
        (23, Mode::FiveLevel, Mode::FourLevel),
        (24, Mode::FiveLevel, Mode::FiveLevel),
    ]);
}

/// From 32-bit and PAE paging to five-level paging and back, each mode sees what its own tables map.
#[case(feature = PagingModeSwitches, spec = [sdm3a("Paging Modes and Control Bits"),
       sdm3a("Switching Out of IA-32e Mode Operation")], needs = Needs::LA57)]
fn five_levels_and_legacy() {
    Machine::new().check_pairs(&[
        (9, Mode::Bits32, Mode::FiveLevel),
        (14, Mode::Pae, Mode::FiveLevel),
        (21, Mode::FiveLevel, Mode::Bits32),
        (22, Mode::FiveLevel, Mode::Pae),
    ]);
}

/// Where the PDPT stands in its frame, behind the entries of a page directory that are used.
pub(super) const POINTERS: u64 = 0x800;

/// CR4.PAE may change while paging is enabled outside of long mode: the same CR3 then refers to tables of the other kind.
#[case(feature = PagingModeSwitches, spec = [sdm3a("Paging Modes and Control Bits"), sdm3a("PAE Paging")])]
fn pae_changes_while_paging_is_on() {
    const ROWS: &[Text] = names!["32-bit first", "PAE first"];
    let arena = Arena::new();
    // One frame is page directory and, from POINTERS on, PDPT, whose entries have no bits R/W, U/S and A. CR3 leads to both: 32-bit
    // paging ignores bits 11:5. Both refer to a frame that is a page table of 32-bit entries from 16 on, and a page directory
    // whose first entry is of 64 bits.
    table::write(frame(0), 0, frame(1) | ALL_RIGHTS);
    table::write(frame(0) + POINTERS, 0, frame(1) | P);
    table::write(frame(1), 0, frame(2) | ALL_RIGHTS);
    for page in 0x10..0x20 {
        let own = page << 12 | ALL_RIGHTS;
        let (narrow, wide) =
            if page as u32 == NUMBER_PAGE { (frame(12) | ALL_RIGHTS, frame(13) | ALL_RIGHTS) } else { (own, own) };
        mmio::write_u32(frame(1) + page * 4, narrow as u32);
        table::write(frame(2), page as usize, wide);
    }
    mmio::write_u32(frame(12), 0x3232);
    mmio::write_u32(frame(13), 0x6464);
    for row in 0..2 {
        let mut program = Program::PROTECTED_32.with(&[(EBX, ARENA + NUMBER)]);
        program.cr3 = (frame(0) + POINTERS) as u32;
        program.cr0 |= cr0::PG as u32;
        program.cr4 = if row == 1 { cr4::PAE as u32 } else { 0 };
        let arrival = arena.run(&program, &TOGGLE_PAE);
        let (own, other) = if row == 1 { (0x6464_u32, 0x3232_u32) } else { (0x3232, 0x6464) };
        check_outcome!("program", [ROWS; row], arrival.outcome(), Outcome::COMPLETED);
        check_eq!("before", [ROWS; row], arrival.registers.general[rt::excursion::register::EDX], own);
        check_eq!("after the change", [ROWS; row], arrival.registers.general[EDI], other);
        check_eq!("after the change back", [ROWS; row], arrival.registers.general[ESI], own);
    }
}

/// Paging of a program: none, 32-bit, PAE.
#[derive(Clone, Copy)]
enum Paging {
    None,
    Bits32,
    Pae,
}

const PAGINGS: &[Text] = names!["without paging", "32-bit paging", "PAE paging"];

/// Runs the one write, made of the program's own CR0 and CR4, and checks that it raises #GP(0) and leaves CR0 alone.
fn check_refused(pagings: &[Paging], efer: u32, code: &Code, value: fn(&Program) -> u32) {
    let arena = Arena::new();
    let (bits_32, pae) = (Tables::bits_32(0), Tables::pae(2));
    for &paging in pagings {
        let mut program = Program::PROTECTED_32;
        program.efer = efer;
        program.cr3 = bits_32.cr3;
        match paging {
            Paging::None => {}
            Paging::Bits32 => program.cr0 |= cr0::PG as u32,
            Paging::Pae => {
                program.cr0 |= cr0::PG as u32;
                program.cr3 = pae.cr3;
                program.cr4 = cr4::PAE as u32;
            }
        }
        let arrival = arena.run(&program.with(&[(EAX, value(&program))]), code);
        check_outcome!("write", [PAGINGS; paging as usize], arrival.outcome(), Outcome::GP);
        check_eq!("CR0 after it", [PAGINGS; paging as usize], arrival.cr0, program.cr0);
    }
}

const WITH_AND_WITHOUT: [Paging; 3] = [Paging::None, Paging::Bits32, Paging::Pae];
const WITH: [Paging; 2] = [Paging::Bits32, Paging::Pae];

/// Setting CR0.PG while IA32_EFER.LME is set and CR4.PAE clear raises #GP(0).
#[case(feature = PagingModeSwitches, spec = [sdm3a("Initializing IA-32e Mode"),
       sdm2("MOV—Move to/from Control Registers")])]
fn long_mode_needs_pae() {
    check_refused(&[Paging::None], efer::LME as u32, &WRITE_CR0, |program| program.cr0 | cr0::PG as u32);
}

/// Changing IA32_EFER.LME while paging is enabled raises #GP(0).
#[case(feature = PagingModeSwitches, spec = sdm4("Architectural MSRs"))]
fn lme_cannot_change_while_paging() {
    check_refused(&WITH, 0, &WRITE_EFER, |_| efer::LME as u32);
}

/// CR0.PG cannot be set while CR0.PE is clear: setting the one and clearing the other raises #GP(0).
#[case(feature = PagingModeSwitches, spec = sdm2("MOV—Move to/from Control Registers"))]
fn paging_needs_protected_mode() {
    check_refused(&[Paging::None], 0, &WRITE_CR0, |program| (program.cr0 | cr0::PG as u32) & !(cr0::PE as u32));
}

/// Clearing CR0.PE while CR0.PG stays set raises #GP(0).
#[case(feature = PagingModeSwitches, spec = sdm2("MOV—Move to/from Control Registers"))]
fn protected_mode_cannot_end_while_paging() {
    check_refused(&WITH, 0, &WRITE_CR0, |program| program.cr0 & !(cr0::PE as u32));
}

/// Setting CR0.NW with CR0.CD clear raises #GP(0).
#[case(feature = PagingModeSwitches, spec = sdm2("MOV—Move to/from Control Registers"))]
fn write_through_needs_disabled_cache() {
    let value = |program: &Program| (program.cr0 | cr0::NW as u32) & !(cr0::CD as u32);
    check_refused(&WITH_AND_WITHOUT, 0, &WRITE_CR0, value);
}

/// Setting CR4.PCIDE outside of long mode raises #GP(0), whether the processor has PCIDs or not.
#[case(feature = PagingModeSwitches, spec = [sdm3a("Process-Context Identifiers (PCIDs)"),
       sdm2("MOV—Move to/from Control Registers")])]
fn pcids_need_long_mode() {
    check_refused(&WITH_AND_WITHOUT, 0, &WRITE_CR4, |program| program.cr4 | cr4::PCIDE as u32);
}
