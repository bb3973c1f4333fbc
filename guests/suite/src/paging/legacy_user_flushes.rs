//! Changed entries in 32-bit and PAE paging, seen at CPL 3 after CPL 0 has flushed.
//!
//! A program at CPL 3 reads a number and calls a gate; CPL 0 changes an entry of the live tables, flushes and returns, and
//! CPL 3 reads again: all in one stay in the mode, so nothing else drops what was cached at CPL 3.

use super::{
    flush_rules::{Change, Flush, must_be_seen},
    legacy_flushes::{CHANGES, Machine, NEW, OLD},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    excursion::{
        ARENA, Code, Program, layout,
        register::{EAX, EBP, EBX, ECX, EDI, EDX},
        tables::{self, access, gate, selector},
    },
    machine_code,
    tables::page_bit::US,
    vocabulary::Needs,
};

machine_code! {
    /// Reads at EBX to EAX, calls the gate, reads to EDX.
    32 READ_AROUND_A_GATE = "mov eax, [ebx]", ".byte 0x9a", ".long 0", ".word 0x5b", "mov edx, [ebx]";
    /// Each of these: writes ECX to the entry at EDI, flushes, and returns to CPL 3.
    32 GATE_INVLPG = "mov [edi], ecx", "invlpg [ebp]", ".byte 0xcb";
    /// MOV to CR3 of what it holds.
    32 GATE_CR3 = "mov [edi], ecx", "mov esi, cr3", "mov cr3, esi", ".byte 0xcb";
    /// CR4.PGE changes and changes back.
    32 GATE_PGE = "mov [edi], ecx", "mov esi, cr4", "xor esi, 0x80", "mov cr4, esi", "xor esi, 0x80", "mov cr4, esi",
        ".byte 0xcb";
    /// CR4.PSE changes and changes back.
    32 GATE_PSE = "mov [edi], ecx", "mov esi, cr4", "xor esi, 0x10", "mov cr4, esi", "xor esi, 0x10", "mov cr4, esi",
        ".byte 0xcb";
    /// CR4.SMEP changes from 0 to 1.
    32 GATE_SMEP = "mov [edi], ecx", "mov esi, cr4", "or esi, 0x100000", "mov cr4, esi", ".byte 0xcb";
    /// CR0.PG is cleared and set.
    32 GATE_PG = "mov [edi], ecx", "mov esi, cr0", "and esi, 0x7fffffff", "mov cr0, esi", "jmp 2f", "2:",
        "or esi, 0x80000000", "mov cr0, esi", "jmp 3f", "3:", ".byte 0xcb";
}

/// The gate, and where the code behind it stands in the arena.
const GATE: u16 = selector::FREE;
const GATE_CODE: u32 = 0x3000;
const _: () = assert!(GATE | 3 == 0x5b);

/// Makes every change that the flush must show; three checks for each.
fn check_changes(flush: Flush, code: &Code, is_pae: bool) {
    let Some(machine) = Machine::new(is_pae) else { return };
    // What CPL 3 executes, and its stack; what CPL 0 executes is no user memory, for CR4.SMEP.
    for page in [layout::CODE, layout::STACK - 0x1000] {
        let index = (ARENA + page) >> 12;
        machine.tables.write_table(index, machine.tables.table(index) | US);
    }
    machine.arena.put(GATE_CODE, code);
    tables::set_descriptor(GATE, gate(selector::CODE_32, ARENA + GATE_CODE, access::CALL_GATE_32 | access::DPL_3, 0));
    for (row, change) in Change::ALL.into_iter().enumerate() {
        if !must_be_seen(flush, change, is_pae) {
            continue;
        }
        let edit = machine.edit(change);
        machine.prepare(&edit);
        let mut program = Program::USER_32.with(&[
            (EBX, edit.address),
            (ECX, edit.after as u32),
            (EDI, machine.entry_address(&edit)),
            (EBP, edit.address),
        ]);
        let mode = machine.program();
        (program.cr0, program.cr3, program.cr4) = (mode.cr0, mode.cr3, mode.cr4);
        let arrival = machine.arena.run(&program, &READ_AROUND_A_GATE);
        let general = arrival.registers.general;
        check_outcome!("program", [CHANGES; row], arrival.outcome(), Outcome::COMPLETED);
        check_eq!("CPL 3, before", [CHANGES; row], general[EAX], OLD);
        check_eq!("CPL 3, after", [CHANGES; row], general[EDX], NEW);
    }
}

macro_rules! cases {
    ($($(#[doc = $doc:literal])+ $name:ident = $flush:ident, $code:ident, $is_pae:literal, $feature:ident, $needs:expr,
       [$($spec:ident($title:literal)),+];)+) => {$(
        $(#[doc = $doc])+
        #[case(feature = $feature, spec = [$($spec($title)),+], needs = $needs)]
        fn $name() {
            check_changes(Flush::$flush, &$code, $is_pae);
        }
    )+};
}

cases! {
    /// In 32-bit paging, after INVLPG at CPL 0 CPL 3 sees a change of PTE or PDE, also of global and large pages.
    bits_32_invlpg_shows_changes_to_cpl_3 = Invlpg, GATE_INVLPG, false, Paging32Bit, Needs::empty(),
        [sdm2("INVLPG—Invalidate TLB Entries"), sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In PAE paging, after INVLPG at CPL 0 CPL 3 sees a change of PTE or PDE, also of global and large pages.
    pae_invlpg_shows_changes_to_cpl_3 = Invlpg, GATE_INVLPG, true, PagingPae, Needs::empty(),
        [sdm2("INVLPG—Invalidate TLB Entries"), sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In 32-bit paging, after MOV to CR3 CPL 3 sees a change of PTE or PDE, but for global pages.
    bits_32_cr3_shows_changes_to_cpl_3 = Cr3, GATE_CR3, false, Paging32Bit, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In PAE paging, after MOV to CR3 CPL 3 sees a change of PTE, PDE or PDPTE, but for global pages.
    pae_cr3_shows_changes_to_cpl_3 = Cr3, GATE_CR3, true, PagingPae, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("PDPTE Registers")];
    /// In 32-bit paging, after CR4.PGE changes CPL 3 sees every change.
    bits_32_pge_shows_changes_to_cpl_3 = Pge, GATE_PGE, false, Paging32Bit, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In PAE paging, after CR4.PGE changes CPL 3 sees every change.
    pae_pge_shows_changes_to_cpl_3 = Pge, GATE_PGE, true, PagingPae, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("PDPTE Registers")];
    /// In 32-bit paging, after CR4.PSE changes CPL 3 sees a change of PTE or PDE.
    bits_32_pse_shows_changes_to_cpl_3 = Pse, GATE_PSE, false, Paging32Bit, Needs::empty(),
        [sdm3a("Invalidating the Translation Lookaside Buffers (TLBs)"), apm2("TLB Management")];
    /// In PAE paging, after CR4.PSE changes CPL 3 sees a change of PTE, PDE or PDPTE.
    pae_pse_shows_changes_to_cpl_3 = Pse, GATE_PSE, true, PagingPae, Needs::empty(),
        [sdm3a("Invalidating the Translation Lookaside Buffers (TLBs)"), sdm3a("PDPTE Registers"),
         apm2("TLB Management")];
    /// On Intel processors, in 32-bit paging, after CR4.SMEP is set CPL 3 sees a change of PTE or PDE.
    bits_32_smep_shows_changes_to_cpl_3_on_intel = Smep, GATE_SMEP, false, Paging32Bit, Needs::INTEL.union(Needs::SMEP),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// On Intel processors, in PAE paging, after CR4.SMEP is set CPL 3 sees a change of PTE, PDE or PDPTE.
    pae_smep_shows_changes_to_cpl_3_on_intel = Smep, GATE_SMEP, true, PagingPae, Needs::INTEL.union(Needs::SMEP),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("PDPTE Registers")];
    /// In 32-bit paging, after CR0.PG is cleared and set CPL 3 sees every change.
    bits_32_pg_shows_changes_to_cpl_3 = Pg, GATE_PG, false, Paging32Bit, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches")];
    /// In PAE paging, after CR0.PG is cleared and set CPL 3 sees every change.
    pae_pg_shows_changes_to_cpl_3 = Pg, GATE_PG, true, PagingPae, Needs::empty(),
        [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"), sdm3a("PDPTE Registers")];
}
