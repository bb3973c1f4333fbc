//! Cached translations under nested paging: what TLB_CONTROL, a new identifier and L2's own invalidations drop.

use super::{end_of, ending::COMPLETED, with_nested, with_svm};
use rt::{
    case, check_eq,
    cpu::control,
    mmio, names, paging,
    svm::{
        self, Guest,
        field::{self, ASID, TLB_CONTROL},
        nested::{ALL, Tables, WINDOW},
    },
    tables::page_bit,
    user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

const FIRST: u64 = 0x1111_1111_1111_1111;
const SECOND: u64 = 0x2222_2222_2222_2222;
const FRAMES: [usize; 2] = [3, 4];

user_code!(read: "mov rax, [rdi]", "vmmcall");

fn prepare() {
    mmio::write_u64(paging::frame(FRAMES[0]), FIRST);
    mmio::write_u64(paging::frame(FRAMES[1]), SECOND);
}

/// Leads the nested window to one of the frames, and invalidates nothing.
fn lead(tables: &Tables, second: bool) -> u64 {
    tables.set_window(Tables::window(paging::frame(FRAMES[usize::from(second)])));
    if second { SECOND } else { FIRST }
}

/// L2 reads the window by `linear`, with this identifier and control.
fn reads(row: u64, tables: &Tables, linear: u64, (asid, tlb_control): (u32, u8), due: u64) {
    let mut guest = Guest::new(read);
    guest.registers.rdi = linear;
    tables.attach(&guest);
    guest.write_u32(ASID, asid);
    guest.write_u8(TLB_CONTROL, tlb_control);
    check_eq!("ending", [&[]; row], end_of(guest.run()), COMPLETED);
    check_eq!("value", [&[]; row], guest.read_u64(field::RAX), due);
}

/// TLB_CONTROL 1, and where it is offered 3, drop nested translations; 7 drops those of pages that are not global.
#[case(feature = SvmNestedPaging, spec = [apm2("TLB Control"), apm2("TLB Management")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn tlb_control_drops_nested_translations() {
    prepare();
    with_nested(|tables| {
        let linear = paging::map(0, WINDOW, paging::ALL_RIGHTS);
        for (row, control) in [1_u8, 3, 7].into_iter().enumerate() {
            if control != 1 && svm::features() & svm::feature::FLUSH_BY_ASID == 0 {
                continue;
            }
            for turn in 0..8_u64 {
                let due = lead(tables, turn & 1 != 0);
                reads((row as u64) << 8 | turn, tables, linear, (1 + turn as u32 / 4, control), due);
            }
        }
    });
}

/// An identifier that no guest has had since all were dropped has no translations.
#[case(feature = SvmNestedPaging, spec = [apm2("Address Space Identifiers"), apm2("TLB Management")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn a_new_identifier_has_no_translations() {
    prepare();
    with_nested(|tables| {
        let linear = paging::map(0, WINDOW, paging::ALL_RIGHTS);
        let due = lead(tables, false);
        reads(0, tables, linear, (1, 1), due);
        for asid in 2..svm::nr_asids().min(16) {
            let due = lead(tables, asid & 1 == 0);
            reads(asid.into(), tables, linear, (asid, 0), due);
        }
    });
}

/// A right that is taken away counts behind a flush, and one that is given counts without: an entry that is not present is never cached.
#[case(feature = SvmNestedPaging, spec = [apm2("TLB Control"), apm2("Nested Page Faults")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn rights_that_come_and_go() {
    prepare();
    with_nested(|tables| {
        let linear = paging::map(0, WINDOW, paging::ALL_RIGHTS);
        for turn in 0..4_u64 {
            let mut window = Tables::window(paging::frame(FRAMES[0]));
            reads(turn << 4, tables, linear, (1, 1), lead(tables, false));
            window[3] &= !page_bit::P;
            tables.set_window(window);
            let mut guest = Guest::new(read);
            guest.registers.rdi = linear;
            tables.attach(&guest);
            check_eq!("ending without it", [&[]; turn], end_of(guest.run()), field::exit::NESTED_PAGE_FAULT);
            window[3] |= ALL;
            tables.set_window(window);
            reads(turn << 4 | 1, tables, linear, (1, 0), FIRST);
        }
    });
}

// RSI is the address of an entry of L2's own, RBX its new value; RDX, R8 and R9 are values of control registers.
user_code!(by_page: "mov rax, [rdi]", "mov [rsi], rbx", "invlpg [rdi]", "mov rax, [rdi]", "vmmcall");
user_code!(by_cr3: "mov rax, [rdi]", "mov [rsi], rbx", "mov cr3, rdx", "mov rax, [rdi]", "vmmcall");
user_code!(by_cr4: "mov rax, [rdi]", "mov [rsi], rbx", "mov cr4, r8", "mov cr4, r9", "mov rax, [rdi]", "vmmcall");
user_code!(write: "mov cr0, rbx", "mov [rdi], rsi", "vmmcall");

/// An L2 that changes an entry of its own and invalidates it sees the new page: by INVLPG, by MOV to CR3, and by changes of CR4.PGE,
/// with nested paging and without.
#[case(feature = SvmNestedPaging, spec = [apm2("Address Space Identifiers"), apm2("TLB Management")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn l2_changes_its_own_tables() {
    const NAMES: &[Text] = names!["INVLPG", "MOV CR3", "CR4.PGE", "INVLPG, global", "CR4.PGE, global"];
    const PGE: u64 = 1 << 7;
    prepare();
    let rows: [(Code, bool); 5] = [(by_page, false), (by_cr3, false), (by_cr4, false), (by_page, true), (by_cr4, true)];
    let cr4 = control::read_cr4();
    with_svm(|| {
        for is_nested in [false, true] {
            let tables = is_nested.then(|| Tables::new(paging::frame(FRAMES[0])));
            for (row, (code, is_global)) in rows.into_iter().enumerate() {
                let bits = paging::ALL_RIGHTS | if is_global { page_bit::G } else { 0 };
                let linear = paging::map(0, paging::frame(FRAMES[0]), bits);
                let mut guest = Guest::new(code);
                guest.registers.rdi = linear;
                guest.registers.rsi = rt::layout::WINDOW_PT;
                guest.registers.rbx = paging::frame(FRAMES[1]) | bits;
                guest.registers.rdx = guest.read_u64(field::CR3);
                guest.registers.r8 = cr4 & !PGE;
                guest.registers.r9 = cr4 | PGE;
                guest.write_u64(field::CR4, cr4 | PGE);
                guest.write_u8(TLB_CONTROL, 1);
                if let Some(tables) = &tables {
                    tables.attach(&guest);
                }
                check_eq!("ending", [NAMES; row], end_of(guest.run()), COMPLETED);
                check_eq!("value", [NAMES; row], guest.read_u64(field::RAX), SECOND);
            }
        }
    });
}

/// A change of L2's CR0.WP counts at once.
#[case(feature = SvmNestedPaging, spec = [apm2("Nested Paging"), apm2("Write Protect (WP) Bit")], needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn write_protection_of_l2_counts_at_once() {
    const WP: u64 = 1 << 16;
    prepare();
    with_svm(|| {
        let cr0 = control::read_cr0();
        for is_nested in [false, true] {
            let tables = is_nested.then(|| Tables::new(paging::frame(FRAMES[0])));
            for turn in 0..4_u64 {
                let protects = turn & 1 != 0;
                let linear = paging::map(0, paging::frame(FRAMES[0]), page_bit::P | page_bit::US);
                let mut guest = Guest::new(write);
                guest.registers.rbx = if protects { cr0 | WP } else { cr0 & !WP };
                guest.write_u64(field::CR0, if protects { cr0 & !WP } else { cr0 | WP });
                guest.registers.rdi = linear;
                guest.registers.rsi = FIRST;
                if let Some(tables) = &tables {
                    tables.attach(&guest);
                }
                let ran = guest.run();
                let (error, address) = ran.as_ref().map_or((0, 0), |exit| (exit.info_1, exit.info_2));
                let ending = end_of(ran);
                let row = turn << 1 | u64::from(is_nested);
                check_eq!("ending", [&[]; row], ending, if protects { field::exit::EXCEPTION + 14 } else { COMPLETED });
                if protects {
                    check_eq!("EXITINFO1", [&[]; row], error, 3);
                    check_eq!("EXITINFO2", [&[]; row], address, linear);
                }
            }
        }
    });
}
