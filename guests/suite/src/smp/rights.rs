//! TLB shootdown of rights and of tables: after INVLPG on a processor, every right that was taken away is missing there.

use case::{Needs, Text};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    cpu::{
        control::{self, cr4},
        msr::{self, efer, number::IA32_EFER},
    },
    interrupts::wait_until,
    mmio, names,
    paging::{self, ALL_RIGHTS, Level},
    smp::{
        self, Processors,
        apic::{self, Message, To},
    },
    tables::page_bit::{A, D, G, P, PS, RW, US, XD},
    trap::{self, TrapFrame},
    user, user_code,
};

const VECTOR: u8 = 0x73;
const PAGE: usize = 9;
const MICROS: u64 = 2_000_000;
const RFLAGS_IF: u64 = 1 << 9;

/// The page's address, how often it was used, and whether to stop.
#[repr(C, align(64))]
struct Use([AtomicU64; 3]);

static USE: Use = Use([const { AtomicU64::new(0) }; 3]);
static NR_FLUSHES: AtomicU32 = AtomicU32::new(0);
static ROW: AtomicU64 = AtomicU64::new(0);

user_code!(read: "2:", "mov rcx, [rdi]", "mov rdx, [rcx]", "inc qword ptr [rdi + 8]", "cmp qword ptr [rdi + 16], 0", "je 2b", "ret");
user_code!(
    /// Writes behind the page's first quadword.
    write: "2:", "mov rcx, [rdi]", "inc qword ptr [rcx + 64]", "inc qword ptr [rdi + 8]", "cmp qword ptr [rdi + 16], 0", "je 2b",
    "ret"
);
user_code!(
    /// Calls the RET at the page's start.
    call: "2:", "mov rcx, [rdi]", "call rcx", "inc qword ptr [rdi + 8]", "cmp qword ptr [rdi + 16], 0", "je 2b", "ret"
);
const RET: u8 = 0xc3;

/// What changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// The entry of the page table.
    Page,
    /// The entry of the page directory that refers to the page table.
    Table,
    /// An entry of the page directory that maps 2 MiB.
    LargePage,
}

/// What uses the page, what maps it, bits that are set and bits that are cleared, and the error code of the #PF.
type Row = (extern "C" fn(u64) -> u64, Entry, u64, u64, u32);

const NAMES: &[Text] = names![
    "4 KiB page, not present",
    "4 KiB page, read-only",
    "4 KiB page, for supervisors",
    "global page, not present",
    "page table, not present",
    "page table, read-only",
    "page table, for supervisors",
    "2 MiB page, not present",
    "2 MiB page, read-only",
    "2 MiB page, for supervisors",
    "global 2 MiB page, not present",
    "4 KiB page, execute-disable",
    "page table, execute-disable",
    "2 MiB page, execute-disable",
];
const ROWS: [Row; 11] = [
    (read, Entry::Page, 0, P, 4),
    (write, Entry::Page, 0, RW, 7),
    (read, Entry::Page, 0, US, 5),
    (read, Entry::Page, G, P, 4),
    (read, Entry::Table, 0, P, 4),
    (write, Entry::Table, 0, RW, 7),
    (read, Entry::Table, 0, US, 5),
    (read, Entry::LargePage, 0, P, 4),
    (write, Entry::LargePage, 0, RW, 7),
    (read, Entry::LargePage, 0, US, 5),
    (read, Entry::LargePage, G, P, 4),
];
const ROWS_NX: [Row; 3] =
    [(call, Entry::Page, XD, 0, 0x15), (call, Entry::Table, XD, 0, 0x15), (call, Entry::LargePage, XD, 0, 0x15)];

fn flush(_: &mut TrapFrame) {
    paging::invalidate(USE.0[0].load(Ordering::Acquire));
    NR_FLUSHES.fetch_add(1, Ordering::AcqRel);
    apic::end_interrupt();
}

fn run(code: u64) -> u64 {
    let flags = user::RFLAGS_CLEAR | RFLAGS_IF;
    let Some(&(code, ..)) = ROWS.iter().chain(&ROWS_NX).nth(code as usize) else { return 0 };
    Outcome::from(user::call_with_flags(code, USE.0.as_ptr() as u64, flags)).0
}

/// Maps the page for a row, and returns its entry's level and content.
fn map(entry: Entry, bits: u64, table: u64) -> (Level, u64) {
    let frame = paging::frame(0);
    mmio::write_u8(frame, RET);
    mmio::write_u64(frame + 64, 0);
    match entry {
        Entry::Page => {
            let entry = frame | ALL_RIGHTS | bits & G;
            USE.0[0].store(paging::map(PAGE, frame, ALL_RIGHTS | bits & G), Ordering::Release);
            (Level::Pt, entry)
        }
        Entry::Table => {
            USE.0[0].store(paging::map(PAGE, frame, ALL_RIGHTS), Ordering::Release);
            (Level::Pd, table)
        }
        Entry::LargePage => {
            // All of the 2 MiB in which the frame lies; the window's first page is the one that is invalidated first.
            let base = frame & !0x1f_ffff;
            let content = base | ALL_RIGHTS | PS | bits & G;
            let address = paging::address(0) + (frame - base);
            paging::write_entry(Level::Pd, 0, content);
            paging::invalidate(address);
            USE.0[0].store(address, Ordering::Release);
            (Level::Pd, content)
        }
    }
}

/// Runs a row: the other processor uses the page, a right is taken away, and then the #PF is due there.
fn take_away(processors: &Processors, row: usize, rule: Row) {
    let (_, entry, set, clear, error_code) = rule;
    let table = paging::read_entry(Level::Pd, 0);
    let (level, content) = map(entry, set, table);
    USE.0[1].store(0, Ordering::Release);
    USE.0[2].store(0, Ordering::Release);
    let running = processors.begin(1, run, row as u64);
    let is_used = wait_until(MICROS, || USE.0[1].load(Ordering::Acquire) > 0);
    check!("it is used", [NAMES; row], is_used);
    paging::write_entry_only(level, PAGE, (content | set) & !clear);
    let before = NR_FLUSHES.load(Ordering::Acquire);
    apic::send(To::Id(1), Message::Fixed(VECTOR));
    let is_done = wait_until(MICROS, || NR_FLUSHES.load(Ordering::Acquire) > before);
    check!("shot down", [NAMES; row], is_done);
    let written = mmio::read_u64(paging::frame(0) + 64);
    // It faults at once; if it does not, it is to come back all the same.
    let is_over = wait_until(MICROS, || running.is_over());
    USE.0[2].store(1, Ordering::Release);
    let outcome = running.wait(smp::RUN_MICROS).map_or(Outcome(0), Outcome);
    check_outcome!("the other processor", [NAMES; row], outcome, Outcome::pf(error_code));
    check!("without being told to stop", [NAMES; row], is_over);
    check_eq!("written since", [NAMES; row], mmio::read_u64(paging::frame(0) + 64), written);
    paging::write_entry(Level::Pd, 0, table);
    paging::map(PAGE, 0, 0);
    // What the other one may still hold of a large page goes with CR3; of a global one, with CR4.PGE.
    let dropped = processors.run_on(1, drop_translations, 0);
    check_eq!("translations are dropped there", [NAMES; row], dropped.unwrap_or(0), 1);
    drop_translations(0);
}

fn drop_translations(_: u64) -> u64 {
    let cr4 = control::read_cr4();
    let cleared = control::write_cr4(cr4 & !cr4::PGE).is_ok() && control::write_cr4(cr4).is_ok();
    paging::table::reload_cr3();
    u64::from(cleared)
}

fn enable_global_pages(_: u64) -> u64 {
    u64::from(control::write_cr4(control::read_cr4() | cr4::PGE).is_ok())
}

fn enable_execute_disable(_: u64) -> u64 {
    let before = msr::read(IA32_EFER).unwrap_or(0);
    u64::from(msr::write(IA32_EFER, before | efer::NXE).is_ok())
}

/// Presence, the right to write and the right of CPL 3 that an entry of any level loses are lost after the shootdown, under a
/// running loop, for global pages too.
#[case(
    feature = SmpTlbShootdown,
    spec = [
        sdm3a("Propagation of Paging-Structure Changes to Multiple Processors"),
        sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"),
        apm2("TLB Management"),
    ],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 20,
)]
fn rights_are_lost() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = trap::handle(VECTOR, flush);
    check_eq!("global pages here", enable_global_pages(0), 1);
    check_eq!("global pages there", processors.run_on(1, enable_global_pages, 0).unwrap_or(0), 1);
    for (row, rule) in ROWS.into_iter().enumerate() {
        take_away(&processors, row, rule);
    }
}

/// The right to execute that an entry of any level loses is lost after the shootdown, under running code.
#[case(
    feature = SmpTlbShootdown,
    spec = [
        sdm3a("Propagation of Paging-Structure Changes to Multiple Processors"),
        sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"),
        apm2("TLB Management"),
    ],
    needs = Needs::LOCAL_APIC | Needs::NX,
    vcpus = 2,
    irqchip = LocalApic,
    time = 10,
)]
fn right_to_execute_is_lost() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = trap::handle(VECTOR, flush);
    check_eq!("execute-disable here", enable_execute_disable(0), 1);
    check_eq!("execute-disable there", processors.run_on(1, enable_execute_disable, 0).unwrap_or(0), 1);
    for (row, rule) in ROWS_NX.into_iter().enumerate() {
        take_away(&processors, ROWS.len() + row, rule);
    }
}

/// Pages whose accessed and dirty flags are set by two processors at once.
const FIRST: usize = 64;
const NR_PAGES: usize = 96;
/// A bit that is left to software, in the second byte of an entry: bit 9.
const OWN_BIT: u8 = 1 << 1;

user_code!(
    /// Writes a byte to each page, from the first on.
    touch: "mov ecx, {pages}", "2:", "mov byte ptr [rdi], 1", "add rdi, 4096", "dec ecx", "jnz 2b", "xor eax, eax", "ret",
    pages = const super::NR_PAGES
);

fn run_touch(_: u64) -> u64 {
    ROW.store(1, Ordering::Release);
    u64::from(user::call(touch, paging::address(FIRST)).is_ok())
}

/// Two processors set accessed and dirty flags of the same entries while one of them sets a bit of software's by locked
/// instructions: nothing of either is lost, and no other bit changes.
#[case(
    feature = SmpTlbShootdown,
    spec = [sdm3a("Accessed and Dirty Flags"), sdm3a("Locked Atomic Operations"), apm2("Page-Translation-Table Entry Fields")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    time = 10,
)]
fn accessed_and_dirty_flags() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    for page in FIRST..FIRST + NR_PAGES {
        paging::write_entry_only(Level::Pt, page, paging::frame(2) | ALL_RIGHTS);
    }
    let running = processors.begin(1, run_touch, 0);
    check!("the other one begins", wait_until(MICROS, || ROW.load(Ordering::Acquire) == 1));
    let mut nr_failed = 0;
    // Half of the entries while the other processor touches them; and both touch all.
    for page in FIRST..FIRST + NR_PAGES / 2 {
        let byte = rt::layout::WINDOW_PT + page as u64 * 8 + 1;
        let before = mmio::read_u8(byte);
        nr_failed += u64::from(!mmio::compare_exchange_u8(byte, before, before | OWN_BIT));
    }
    check!("touched here", user::call(touch, paging::address(FIRST)).is_ok());
    check_eq!("touched there", running.wait(smp::RUN_MICROS).unwrap_or(0), 1);
    // Nobody writes this byte but the case.
    check_count!("entries whose bit was not set", nr_failed, 0);
    for page in 0..NR_PAGES {
        let own = if page < NR_PAGES / 2 { u64::from(OWN_BIT) << 8 } else { 0 };
        let expected = paging::frame(2) | ALL_RIGHTS | A | D | own;
        check_eq!("entry", [&[]; page], paging::read_entry(Level::Pt, FIRST + page), expected);
    }
}
