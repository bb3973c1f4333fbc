//! Changed entries in 32-bit and PAE paging, seen after each kind of flush.
//!
//! A program outside of long mode reads a number, changes an entry of the live tables, flushes, and reads again.

use super::flush_rules::{Change, Flush, must_be_seen};
use rt::{
    Outcome, case, check_eq, check_outcome,
    excursion::{
        ARENA, Arena, Code, EFLAGS_CLEAR, Program, layout,
        paging::Tables,
        register::{EAX, EBP, EBX, ECX, EDI, EDX, ESI},
        tables::{self, access, segment, selector, tss_32},
    },
    machine_code, mmio, names,
    paging::{ALL_RIGHTS, frame, table},
    tables::page_bit::{G, P, PS, US},
    vocabulary::{Needs, Text},
};

machine_code! {
    /// Each: reads at EBX to EAX, writes ECX to the entry at EDI, flushes, reads at EBX to EDX.
    32 FLUSH_BY_INVLPG = "mov eax, [ebx]", "mov [edi], ecx", "invlpg [ebp]", "mov edx, [ebx]";
    /// MOV to CR3 of what it holds.
    32 FLUSH_BY_CR3 = "mov eax, [ebx]", "mov [edi], ecx", "mov esi, cr3", "mov cr3, esi", "mov edx, [ebx]";
    /// CR4.PGE changes and changes back.
    32 FLUSH_BY_PGE = "mov eax, [ebx]", "mov [edi], ecx", "mov esi, cr4", "xor esi, 0x80", "mov cr4, esi",
        "xor esi, 0x80", "mov cr4, esi", "mov edx, [ebx]";
    /// CR4.PSE changes and changes back.
    32 FLUSH_BY_PSE = "mov eax, [ebx]", "mov [edi], ecx", "mov esi, cr4", "xor esi, 0x10", "mov cr4, esi",
        "xor esi, 0x10", "mov cr4, esi", "mov edx, [ebx]";
    /// CR4.SMEP changes from 0 to 1.
    32 FLUSH_BY_SMEP = "mov eax, [ebx]", "mov [edi], ecx", "mov esi, cr4", "or esi, 0x100000", "mov cr4, esi",
        "mov edx, [ebx]";
    /// CR0.PG is cleared and set.
    32 FLUSH_BY_PG = "mov eax, [ebx]", "mov [edi], ecx", "mov esi, cr0", "and esi, 0x7fffffff", "mov cr0, esi",
        "jmp 2f", "2:", "or esi, 0x80000000", "mov cr0, esi", "jmp 3f", "3:", "mov edx, [ebx]";
    /// Far JMP to a task whose CR3 is another.
    32 FLUSH_BY_TASK = "mov eax, [ebx]", "mov [edi], ecx", "mov ds:[ebp], eax", ".byte 0xea", ".long 0", ".word 0x58";
    /// Does nothing.
    32 FLUSH_NOTHING = "nop";
    /// What that task does.
    32 FLUSHED_TASK = "mov edx, [ebx]", "jmp esi";
}

/// CR0.PG; CR4.PSE, CR4.PAE, CR4.PGE.
const PG: u32 = 1 << 31;
const PSE: u32 = 1 << 4;
const PAE: u32 = 1 << 5;
const PGE: u32 = 1 << 7;

/// The number that is mapped first, and that which the changed entry maps.
pub(super) const OLD: u32 = 0x01d0_01d0;
pub(super) const NEW: u32 = 0x4e44_4e44;

/// Entries of directory and page table that lead to the number.
const DIRECTORY_INDEX: u32 = 5;
const TABLE_INDEX: u32 = 7;
/// Linear page from which the case's frames are mapped, so that programs can edit tables.
const FRAMES: u32 = 0x30;
/// The task that is switched to.
const TASK: u16 = selector::FREE;
const TASK_TSS: u32 = layout::SPARE;
const TASK_CODE: u32 = 0x3000;

const _: () = assert!(TASK == 0x58);

/// Frames 0 to 2: tables of the arena. 3: another root with the same content. 4 and 7: page tables that lead to the
/// numbers in frames 5 and 6. 8 and 9: page directories that lead to these page tables.
pub(super) struct Machine {
    pub(super) arena: Arena,
    pub(super) tables: Tables,
    is_pae: bool,
}

/// One attempt: the entry that is changed, before and after, and the address that is read.
pub(super) struct Edit {
    frame: usize,
    index: u32,
    before: u64,
    pub(super) after: u64,
    pub(super) address: u32,
}

impl Machine {
    /// Makes the tables, and checks that the mode can be entered at all; `None` if not.
    pub(super) fn new(is_pae: bool) -> Option<Self> {
        let arena = Arena::new();
        let tables = if is_pae { Tables::pae(0) } else { Tables::bits_32(0) };
        for page in 0x10..0x20 {
            // CPL 0 must be able to execute the arena with CR4.SMEP.
            tables.write_table(page, tables.table(page) & !US);
        }
        for index in 0..10 {
            tables.write_table(FRAMES + index, frame(index as usize) | ALL_RIGHTS & !US);
        }
        mmio::write_u32(frame(5), OLD);
        mmio::write_u32(frame(6), NEW);
        for (page, value) in rt::layout::LARGE_PAGES.into_iter().zip([OLD, NEW]) {
            mmio::write_u32(page + u64::from(TABLE_INDEX) * 0x1000, value);
        }
        let machine = Self { arena, tables, is_pae };
        let arrival = machine.arena.run(&machine.program(), &FLUSH_NOTHING);
        check_outcome!("the paging mode can be entered", arrival.outcome(), Outcome::COMPLETED);
        arrival.has_ended().then_some(machine)
    }

    /// A program in this mode.
    pub(super) fn program(&self) -> Program {
        let mut program = Program::PROTECTED_32;
        program.cr3 = self.tables.cr3;
        program.cr0 |= PG;
        program.cr4 = PSE | PGE | if self.is_pae { PAE } else { 0 };
        program
    }

    fn write(&self, frame_index: usize, index: u32, entry: u64) {
        if self.is_pae {
            table::write(frame(frame_index), index as usize, entry);
        } else {
            mmio::write_u32(frame(frame_index) + u64::from(index) * 4, entry as u32);
        }
    }

    pub(super) fn edit(&self, change: Change) -> Edit {
        let shift = if self.is_pae { 21 } else { 22 };
        let low = DIRECTORY_INDEX << shift | TABLE_INDEX << 12;
        let directory = usize::from(self.is_pae);
        let [old_table, new_table] = [4, 7].map(|index| frame(index) | ALL_RIGHTS);
        let [old_page, new_page] = [5, 6].map(|index| frame(index) | ALL_RIGHTS);
        let [old_large, new_large] = rt::layout::LARGE_PAGES.map(|page| page | PS | ALL_RIGHTS);
        let in_directory =
            |before, after| Edit { frame: directory, index: DIRECTORY_INDEX, before, after, address: low };
        let in_table = |global| Edit {
            frame: 4,
            index: TABLE_INDEX,
            before: old_page | global,
            after: new_page | global,
            address: low,
        };
        match change {
            Change::Page => in_table(0),
            Change::GlobalPage => in_table(G),
            Change::Table => in_directory(old_table, new_table),
            Change::LargePage => in_directory(old_large, new_large),
            Change::GlobalLargePage => in_directory(old_large | G, new_large | G),
            Change::TableToLargePage => in_directory(old_table, new_large),
            Change::LargePageToTable => in_directory(old_large, new_table),
            Change::Pointer => {
                Edit { frame: 0, index: 1, before: frame(8) | P, after: frame(9) | P, address: 1 << 30 | low }
            }
        }
    }

    /// Puts the tables into their state before any change.
    pub(super) fn prepare(&self, edit: &Edit) {
        self.write(4, TABLE_INDEX, frame(5) | ALL_RIGHTS);
        self.write(7, TABLE_INDEX, frame(6) | ALL_RIGHTS);
        self.write(usize::from(self.is_pae), DIRECTORY_INDEX, frame(4) | ALL_RIGHTS);
        if self.is_pae {
            self.write(8, DIRECTORY_INDEX, frame(4) | ALL_RIGHTS);
            self.write(9, DIRECTORY_INDEX, frame(7) | ALL_RIGHTS);
        }
        self.write(edit.frame, edit.index, edit.before);
    }

    /// A copy of the root as the change leaves it: the one that the task brings.
    fn copy_root(&self, edit: &Edit) {
        let nr_words = if self.is_pae { 8 } else { 8 + u64::from(DIRECTORY_INDEX) };
        for word in 0..nr_words {
            mmio::write_u32(frame(3) + word * 4, mmio::read_u32(frame(0) + word * 4));
        }
        if edit.frame == 0 {
            self.write(3, edit.index, edit.after);
        }
    }

    fn put_task(&self, address: u32) {
        for offset in (0..tss_32::SIZE).step_by(4) {
            tables::write_u32(TASK_TSS + offset, 0);
        }
        let segments = [tss_32::ES, tss_32::SS, tss_32::DS, tss_32::FS, tss_32::GS];
        let words = [
            (tss_32::CR3, frame(3) as u32),
            (tss_32::EIP, ARENA + TASK_CODE),
            (tss_32::EFLAGS, EFLAGS_CLEAR),
            (tss_32::GENERAL + EBX as u32 * 4, address),
            (tss_32::GENERAL + 16, ARENA + layout::STACK_2),
            (tss_32::GENERAL + ESI as u32 * 4, self.arena.end()),
            (tss_32::CS, selector::CODE_32.into()),
            (tss_32::TRAP, 0xffff << 16),
        ];
        for (offset, word) in segments.map(|offset| (offset, selector::DATA_32.into())).into_iter().chain(words) {
            tables::write_u32(TASK_TSS + offset, word);
        }
        self.arena.put(TASK_CODE, &FLUSHED_TASK);
        tables::set_descriptor(TASK, segment(ARENA + TASK_TSS, tss_32::SIZE - 1, access::TSS_32, 0));
    }

    /// The linear address of the entry.
    pub(super) fn entry_address(&self, edit: &Edit) -> u32 {
        let offset = edit.index * if self.is_pae { 8 } else { 4 };
        ((FRAMES + edit.frame as u32) << 12) + offset
    }
}

/// Makes every change that the flush must show; three checks for each. INVLPG gets the address at a distance from that
/// which is read.
fn check_changes(flush: Flush, is_pae: bool, distance: u32) {
    let Some(machine) = Machine::new(is_pae) else { return };
    let code: &Code = match flush {
        Flush::Invlpg => &FLUSH_BY_INVLPG,
        Flush::Cr3 => &FLUSH_BY_CR3,
        Flush::Pge => &FLUSH_BY_PGE,
        Flush::Pse => &FLUSH_BY_PSE,
        Flush::Smep => &FLUSH_BY_SMEP,
        Flush::Pg => &FLUSH_BY_PG,
        Flush::Task => &FLUSH_BY_TASK,
    };
    for (row, change) in Change::ALL.into_iter().enumerate() {
        let is_far = distance >= 0x1000;
        if !must_be_seen(flush, change, is_pae) || is_far && !change.keeps_a_large_page() {
            continue;
        }
        let edit = machine.edit(change);
        machine.prepare(&edit);
        let entry = machine.entry_address(&edit);
        let registers = [(EBX, edit.address), (ECX, edit.after as u32), (EDI, entry), (EBP, edit.address + distance)];
        let mut program = machine.program().with(&registers);
        if flush == Flush::Task {
            machine.copy_root(&edit);
            machine.put_task(edit.address);
            program = program.with(&[(EBP, ARENA + layout::DATA)]);
            tables::write_u32(layout::DATA, 0);
        }
        let arrival = machine.arena.run(&program, code);
        let general = arrival.registers.general;
        let before = if flush == Flush::Task { tables::read_u32(layout::DATA) } else { general[EAX] };
        check_outcome!("program", [CHANGES; row], arrival.outcome(), Outcome::COMPLETED);
        check_eq!("before", [CHANGES; row], before, OLD);
        check_eq!("after", [CHANGES; row], general[EDX], NEW);
    }
}

/// Names of [`Change::ALL`].
pub(super) const CHANGES: &[Text] = names![
    "page",
    "global page",
    "page table",
    "large page",
    "global large page",
    "page table to large page",
    "large page to page table",
    "PDPTE",
];

macro_rules! cases {
    ($($(#[doc = $doc:literal])+ $name:ident = $flush:ident, $is_pae:literal, $distance:literal, $feature:ident, $needs:expr,
       [$($spec:ident($title:literal)),+];)+) => {$(
        $(#[doc = $doc])+
        #[case(feature = $feature, spec = [$($spec($title)),+], needs = $needs)]
        fn $name() {
            check_changes(Flush::$flush, $is_pae, $distance);
        }
    )+};
}

cases! {
    /// In 32-bit paging, after INVLPG a change of PTE or PDE is seen, also of global and large pages.
    bits_32_invlpg_shows_changes = Invlpg, false, 0, Paging32Bit, Needs::empty(),
        [sdm2("INVLPG—Invalidate TLB Entries"), sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In PAE paging, after INVLPG a change of PTE or PDE is seen, also of global and large pages.
    pae_invlpg_shows_changes = Invlpg, true, 0, PagingPae, Needs::empty(),
        [sdm2("INVLPG—Invalidate TLB Entries"), sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In 32-bit paging, INVLPG for any address in a page of 4 MiB drops all that is cached of the page.
    bits_32_invlpg_of_another_part_of_a_large_page = Invlpg, false, 0x2f_0abc, Paging32Bit, Needs::empty(),
        [sdm3a("Details of TLB Use"), sdm2("INVLPG—Invalidate TLB Entries")];
    /// In PAE paging, INVLPG for any address in a page of 2 MiB drops all that is cached of the page.
    pae_invlpg_of_another_part_of_a_large_page = Invlpg, true, 0xf_0abc, PagingPae, Needs::empty(),
        [sdm3a("Details of TLB Use"), sdm2("INVLPG—Invalidate TLB Entries")];
    /// In 32-bit paging, after MOV to CR3 a change of PTE or PDE is seen, but for global pages.
    bits_32_cr3_shows_changes = Cr3, false, 0, Paging32Bit, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In PAE paging, after MOV to CR3 a change of PTE, PDE or PDPTE is seen, but for global pages.
    pae_cr3_shows_changes = Cr3, true, 0, PagingPae, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("PDPTE Registers")];
    /// In 32-bit paging, after CR4.PGE changes every change is seen.
    bits_32_pge_shows_changes = Pge, false, 0, Paging32Bit, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In PAE paging, after CR4.PGE changes every change is seen.
    pae_pge_shows_changes = Pge, true, 0, PagingPae, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("PDPTE Registers")];
    /// In 32-bit paging, after CR4.PSE changes a change of PTE or PDE is seen.
    bits_32_pse_shows_changes = Pse, false, 0, Paging32Bit, Needs::empty(),
        [sdm3a("Invalidating the Translation Lookaside Buffers (TLBs)"), apm2("TLB Management")];
    /// In PAE paging, after CR4.PSE changes a change of PTE, PDE or PDPTE is seen.
    pae_pse_shows_changes = Pse, true, 0, PagingPae, Needs::empty(),
        [sdm3a("Invalidating the Translation Lookaside Buffers (TLBs)"), sdm3a("PDPTE Registers"),
         apm2("TLB Management")];
    /// On Intel processors, in 32-bit paging, after CR4.SMEP is set a change of PTE or PDE is seen.
    bits_32_smep_shows_changes_on_intel = Smep, false, 0, Paging32Bit, Needs::INTEL.union(Needs::SMEP),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// On Intel processors, in PAE paging, after CR4.SMEP is set a change of PTE, PDE or PDPTE is seen.
    pae_smep_shows_changes_on_intel = Smep, true, 0, PagingPae, Needs::INTEL.union(Needs::SMEP),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("PDPTE Registers")];
    /// In 32-bit paging, after CR0.PG is cleared and set every change is seen.
    bits_32_pg_shows_changes = Pg, false, 0, Paging32Bit, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In PAE paging, after CR0.PG is cleared and set every change is seen.
    pae_pg_shows_changes = Pg, true, 0, PagingPae, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("PDPTE Registers")];
    /// In 32-bit paging, after a task switch that changes CR3 a change of PTE or PDE is seen, but for global pages.
    bits_32_task_switch_shows_changes = Task, false, 0, Paging32Bit, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("Task Switching")];
    /// In PAE paging, after a task switch that changes CR3 a change of PTE, PDE or PDPTE is seen, but for global pages.
    pae_task_switch_shows_changes = Task, true, 0, PagingPae, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("PDPTE Registers")];
}
