//! What a task switch leaves in the old task-state segment, in the registers and in the descriptors.
//!
//! Sources: SDM vol. 3A, "Task Switching", "Task Linking", "Interrupt 10—Invalid TSS Exception (#TS)"; SDM vol. 2,
//! "IRET/IRETD/IRETQ—Interrupt Return".

use super::columns::columns;
use super::runtime::{
    Outcome,
    excursion::{
        ARENA, EFLAGS_IOPL_3, EFLAGS_VM, layout,
        tables::{access, flag, gate, segment, selector, tss_32},
    },
};

/// The task that is switched to, and a gate to it.
pub(crate) const TASK: u16 = selector::FREE;
pub(crate) const TASK_GATE: u16 = selector::FREE + 8;
/// Segments of the task, so that a load of each is seen.
pub(crate) const TASK_DATA: u16 = selector::FREE + 16;
pub(crate) const TASK_LDT: u16 = selector::FREE + 24;
pub(crate) const BAD: u16 = selector::FREE + 32;
pub(crate) const TASK_TSS: u32 = layout::SPARE;
pub(crate) const TASK_STACK: u32 = ARENA + layout::STACK_2;
/// EFLAGS.NT.
pub(crate) const NT: u64 = 1 << 14;
/// CR0.TS.
pub(crate) const TS: u64 = 1 << 3;
/// The bit of a descriptor of a TSS that tells an available one from a busy one.
pub(crate) const BUSY: u64 = 1 << 41;
/// Size of a 16-bit TSS.
pub(crate) const SIZE_16: u32 = 44;
const WORD: u64 = 0xffff;

/// EAX, ECX, EDX and EBX of the first task.
pub(crate) const FIRST: [u32; 4] = [0xa, 0xc, 0xd, 0xb];
/// What the first task sets EBP to behind the task that it called.
pub(crate) const BEHIND: u32 = 0x600d_f00d;

columns! {
    /// What the first task left in its TSS.
    Saved { eip, eax, ecx, edx, ebx, esp, cs = WORD, ss = WORD, es = WORD, gs = WORD, esp_0 }
    /// What a 32-bit task found.
    Loaded { outcome, eax, ecx, edx, ebx, esp, ebp, esi, edi, es, fs, gs, ds, tr, ts = TS }
    /// What a 16-bit task found: the upper halves of the registers are not defined.
    Loaded16 {
        outcome, ax = WORD, cx = WORD, dx = WORD, bx = WORD, bp = WORD, si = WORD, di = WORD, es, fs, gs, tr,
    }
    /// How the tasks are linked.
    Nesting { nt = NT, new_is_busy = BUSY, old_is_busy = BUSY, link = WORD }
    /// What is left behind a nested task that returned.
    Returned {
        outcome, ebp, eax, es, tr, nt = NT, nested_is_busy = BUSY, first_is_busy = BUSY, saved_ebx, saved_eip,
        saved_nt = NT,
    }
    /// What a refused switch leaves.
    Refused { outcome, tr, eip, descriptor, eax }
    /// What a switch leaves whose last steps fail.
    Failed { outcome, tr, eip, is_busy = BUSY }
    /// What the debug trap of a task shows.
    Trapped { outcome, eip, tr, bt = 1 << 15 }
    /// What IRET to no task leaves.
    NotReturned { outcome, tr }
    /// What a task of virtual-8086 mode shows that was switched to, and what its #GP saved.
    Into8086 {
        outcome, ip, flags = EFLAGS_VM as u64 | NT | 1, cs, ss, sp, tr, handler_esp, old_is_busy = BUSY, es = WORD,
        ds = WORD, fs = WORD, gs = WORD,
    }
    /// What is left of a program in virtual-8086 mode behind a task gate.
    OutOf8086 {
        outcome, flags = EFLAGS_VM as u64 | NT, tr, ds, saved_ip, saved_flags = (EFLAGS_VM | EFLAGS_IOPL_3) as u64,
        saved_cs = WORD, saved_ds = WORD, saved_gs = WORD, link = WORD,
    }
    /// What a task shows of its page tables.
    PageTables { outcome, cr3, tr, saved_cr3 }
}

/// What a general register of the second task starts with.
pub(crate) const fn general(index: usize) -> u32 {
    0x1010_1010 * (index as u32 + 1)
}

/// What 16 bits of it a 16-bit task starts with.
pub(crate) const fn general_16(index: usize) -> u16 {
    0x1111 * (index as u16 + 1)
}

/// The first task has `next` to go on at.
pub(crate) const fn saved(next: u32) -> Saved {
    Saved {
        eip: next as u64,
        eax: FIRST[0] as u64,
        ecx: FIRST[1] as u64,
        edx: FIRST[2] as u64,
        ebx: FIRST[3] as u64,
        esp: (ARENA + layout::STACK) as u64,
        cs: selector::CODE_32 as u64,
        ss: selector::DATA_32 as u64,
        es: selector::DATA_32 as u64,
        gs: selector::DATA_32 as u64,
        esp_0: (ARENA + layout::STACK_0) as u64,
    }
}

/// The second task has its own state, with `pushed` bytes of an error code on its stack.
pub(crate) const fn loaded(pushed: u32) -> Loaded {
    Loaded {
        outcome: Outcome::COMPLETED.0,
        eax: general(0) as u64,
        ecx: general(1) as u64,
        edx: general(2) as u64,
        ebx: general(3) as u64,
        esp: (TASK_STACK - pushed) as u64,
        ebp: general(5) as u64,
        esi: general(6) as u64,
        edi: general(7) as u64,
        es: TASK_DATA as u64,
        fs: TASK_DATA as u64,
        gs: TASK_DATA as u64,
        ds: selector::DATA_32 as u64,
        tr: TASK as u64,
        ts: TS,
    }
}

/// The second task has 16 bits of each register, and no FS and GS.
pub(crate) const fn loaded_16() -> Loaded16 {
    Loaded16 {
        outcome: Outcome::COMPLETED.0,
        ax: general_16(0) as u64,
        cx: general_16(1) as u64,
        dx: general_16(2) as u64,
        bx: general_16(3) as u64,
        bp: general_16(5) as u64,
        si: general_16(6) as u64,
        di: general_16(7) as u64,
        es: selector::DATA_16 as u64,
        fs: 0,
        gs: 0,
        tr: TASK as u64,
    }
}

/// CALL and interrupts nest a task in the old one, which stays busy; JMP does not.
pub(crate) const fn nesting(is_nested: bool) -> Nesting {
    Nesting {
        nt: if is_nested { NT } else { 0 },
        new_is_busy: BUSY,
        old_is_busy: if is_nested { BUSY } else { 0 },
        link: if is_nested { selector::TSS as u64 } else { 0 },
    }
}

/// The first task goes on behind its CALL; the nested one stands behind its IRET at `nested_next`, available.
pub(crate) const fn returned(nested_next: u32) -> Returned {
    Returned {
        outcome: Outcome::COMPLETED.0,
        ebp: BEHIND as u64,
        eax: FIRST[0] as u64,
        es: selector::DATA_32 as u64,
        tr: selector::TSS as u64,
        nt: 0,
        nested_is_busy: 0,
        first_is_busy: BUSY,
        saved_ebx: general(3) as u64 + 1,
        saved_eip: nested_next as u64,
        saved_nt: 0,
    }
}

/// An exception with the selector as its error code.
pub(crate) const fn error(vector: u8, selector: u16) -> Outcome {
    Outcome::exception(vector, (selector & 0xfffc) as u32)
}

const fn gate_of(selector: u16) -> u64 {
    gate(selector, 0, access::TASK_GATE | access::PRESENT, 0)
}

const fn task_of(limit: u32, access: u32) -> u64 {
    segment(ARENA + TASK_TSS, limit, access, 0)
}

const GOOD: u64 = task_of(tss_32::SIZE - 1, access::TSS_32);
const BUSY_TASK: u64 = task_of(tss_32::SIZE - 1, access::TSS_32 | 2);
const ABSENT_TASK: u64 = task_of(tss_32::SIZE - 1, access::TSS_32 & !access::PRESENT);

/// Tasks that cannot be switched to: the descriptor of the TSS, the gate through which JMP goes (or 0), and the fault.
pub(crate) const REFUSED: [(u64, u64, Outcome); 11] = [
    (BUSY_TASK, 0, error(13, TASK)),
    (ABSENT_TASK, 0, error(11, TASK)),
    (task_of(tss_32::SIZE - 2, access::TSS_32), 0, error(10, TASK)),
    (task_of(SIZE_16 - 2, access::TSS_16), 0, error(10, TASK)),
    (BUSY_TASK, gate_of(TASK), error(13, TASK)),
    (ABSENT_TASK, gate_of(TASK), error(11, TASK)),
    (GOOD, gate(TASK, 0, access::TASK_GATE & !access::PRESENT, 0), error(11, TASK_GATE)),
    (GOOD, gate_of(TASK_LDT), error(13, TASK_LDT)),
    (GOOD, gate_of(TASK | 4), error(13, TASK | 4)),
    (GOOD, gate_of(0), Outcome::GP),
    (GOOD, gate_of(0xfff8), error(13, 0xfff8)),
];

/// The old task stays as it was at its JMP, which is the first instruction.
pub(crate) const fn refused(row: usize) -> Refused {
    Refused {
        outcome: REFUSED[row].2.0,
        tr: selector::TSS as u64,
        eip: (ARENA + layout::CODE) as u64,
        descriptor: REFUSED[row].0,
        eax: FIRST[0] as u64,
    }
}

const fn flat(access: u32) -> u64 {
    segment(0, 0xf_ffff, access | access::DPL_3, flag::FLAT)
}

const ABSENT_DATA: u64 = flat(access::DATA & !access::PRESENT);
const ABSENT_CODE: u64 = flat(access::CODE & !access::PRESENT);
const READ_ONLY: u64 = flat(0x91);
const EXECUTE_ONLY: u64 = flat(0x99);
const ABSENT_LDT: u64 = segment(ARENA + layout::LDT, 0xff, access::LDT & !access::PRESENT, 0);
const BAD_3: u16 = BAD | 3;

/// State of a task of CPL 3 that cannot be loaded: the field, its value, the descriptor of [`BAD`], and the fault.
pub(crate) const FAILED: [(u32, u16, u64, Outcome); 18] = [
    // RPL 3, as SS has: which of two faults comes first is the processor's choice ("Task Switching").
    (tss_32::CS, 3, 0, Outcome::exception(10, 0)),
    (tss_32::CS, selector::USER_DATA_32, 0, error(10, selector::USER_DATA_32)),
    (tss_32::CS, 0xfffb, 0, error(10, 0xfff8)),
    (tss_32::CS, BAD_3, ABSENT_CODE, error(11, BAD)),
    (tss_32::SS, 0, 0, Outcome::exception(10, 0)),
    (tss_32::SS, BAD_3, READ_ONLY, error(10, BAD)),
    (tss_32::SS, selector::DATA_32, 0, error(10, selector::DATA_32)),
    (tss_32::SS, BAD_3, ABSENT_DATA, error(12, BAD)),
    (tss_32::DS, TASK | 3, 0, error(10, TASK)),
    (tss_32::DS, BAD_3, ABSENT_DATA, error(11, BAD)),
    (tss_32::ES, BAD_3, EXECUTE_ONLY, error(10, BAD)),
    (tss_32::ES, BAD_3, ABSENT_DATA, error(11, BAD)),
    (tss_32::FS, selector::DATA_32, 0, error(10, selector::DATA_32)),
    (tss_32::GS, 0xfffb, 0, error(10, 0xfff8)),
    (tss_32::LDT, TASK_DATA, 0, error(10, TASK_DATA)),
    (tss_32::LDT, BAD, ABSENT_LDT, error(10, BAD)),
    (tss_32::LDT, TASK_LDT | 4, 0, error(10, TASK_LDT | 4)),
    (tss_32::CS, selector::CODE_32 | 3, 0, error(10, selector::CODE_32)),
];

/// The fault is one of the new task, before its first instruction at `start`.
pub(crate) const fn failed(row: usize, start: u32) -> Failed {
    Failed { outcome: FAILED[row].3.0, tr: TASK as u64, eip: start as u64, is_busy: BUSY }
}

/// #DB is one of the new task, before its first instruction at `start`.
pub(crate) const fn trapped(start: u32) -> Trapped {
    Trapped { outcome: Outcome::DB.0, eip: start as u64, tr: TASK as u64, bt: 1 << 15 }
}

/// Links that name no busy task: available, null, an LDT, beyond the limit of the GDT, in the LDT.
pub(crate) const LINKS: [u16; 5] = [TASK, 0, TASK_LDT, 0xfff8, TASK | 4];

/// IRET raises #TS with the link in the task that it stands in.
pub(crate) const fn not_returned(row: usize) -> NotReturned {
    NotReturned { outcome: error(10, LINKS[row]).0, tr: selector::TSS as u64 }
}

/// DS, ES, FS and GS of a task of virtual-8086 mode: paragraphs, whose values no descriptor table could take.
pub(crate) const PARAGRAPHS: [u32; 4] = [0x1111, 0xfff8, 1, 0x1444];

/// A task of virtual-8086 mode stands at its HLT, at `halt` of the segment `cs`.
pub(crate) const fn into_8086(halt: u32, cs: u32, is_nested: bool) -> Into8086 {
    Into8086 {
        outcome: Outcome::GP.0,
        ip: halt as u64,
        flags: EFLAGS_VM as u64 | if is_nested { NT } else { 0 } | 1,
        cs: cs as u64,
        ss: cs as u64,
        sp: layout::STACK_2 as u64,
        tr: TASK as u64,
        handler_esp: (ARENA + layout::STACK_1 - 36) as u64,
        old_is_busy: if is_nested { BUSY } else { 0 },
        es: PARAGRAPHS[1] as u64,
        ds: PARAGRAPHS[0] as u64,
        fs: PARAGRAPHS[2] as u64,
        gs: PARAGRAPHS[3] as u64,
    }
}

/// The task is one of protected mode; the old TSS has what virtual-8086 mode needs to go on at `next`.
pub(crate) const fn out_of_8086(next: u32, cs: u32) -> OutOf8086 {
    OutOf8086 {
        outcome: Outcome::COMPLETED.0,
        flags: NT,
        tr: TASK as u64,
        ds: selector::DATA_32 as u64,
        saved_ip: next as u64,
        saved_flags: (EFLAGS_VM | EFLAGS_IOPL_3) as u64,
        saved_cs: cs as u64,
        saved_ds: PARAGRAPHS[0] as u64,
        saved_gs: PARAGRAPHS[3] as u64,
        link: selector::TSS as u64,
    }
}

/// What stands in the field CR3 of the old TSS, where nothing writes.
pub(crate) const OLD_CR3: u32 = 0x5ca1_e000;

/// The task has the page tables that its own TSS names.
pub(crate) const fn page_tables(cr3: u32) -> PageTables {
    PageTables { outcome: Outcome::UD.0, cr3: cr3 as u64, tr: TASK as u64, saved_cr3: OLD_CR3 as u64 }
}
