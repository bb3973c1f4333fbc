//! Address-space identifiers and what TLB_CONTROL and INVLPGA drop.

use super::{end_of, ending::COMPLETED, with_svm};
use rt::{
    case, check, check_eq, mmio, paging,
    svm::{
        self, Guest,
        field::{self, ASID, TLB_CONTROL},
    },
    user_code,
    vocabulary::Needs,
};

user_code!(read: "mov rax, [rdi]", "vmmcall");

const FIRST: u64 = 0x1111_1111_1111_1111;
const SECOND: u64 = 0x2222_2222_2222_2222;

/// A guest with this ASID and TLB_CONTROL that reads the window.
fn guest(asid: u32, control: u8) -> Guest {
    let mut guest = Guest::new(read);
    guest.write_u32(ASID, asid);
    guest.write_u8(TLB_CONTROL, control);
    guest.registers.rdi = paging::address(0);
    guest
}

fn prepare() {
    mmio::write_u64(paging::frame(3), FIRST);
    mmio::write_u64(paging::frame(4), SECOND);
}

/// Maps the window to one of two frames and invalidates nothing.
fn map(second: bool) {
    let frame = paging::frame(if second { 4 } else { 3 });
    paging::write_entry_only(paging::Level::Pt, 0, frame | paging::ALL_RIGHTS);
}

/// Reads through the window and tells the value.
fn reads(row: u64, guest: &mut Guest, due: u64) {
    check_eq!("ending", [&[]; row], end_of(guest.run()), COMPLETED);
    check_eq!("value", [&[]; row], guest.read_u64(field::RAX), due);
}

/// Every identifier that CPUID tells will do, the last one too.
#[case(feature = SvmState, spec = apm2("Address Space Identifiers"), needs = Needs::SVM)]
fn every_identifier_runs() {
    prepare();
    with_svm(|| {
        let last = svm::nr_asids() - 1;
        map(false);
        for asid in [1, 2, 3, last / 2, last - 1, last] {
            if asid != 0 {
                reads(asid.into(), &mut guest(asid, 0), FIRST);
                check_eq!("ASID", [&[]; asid], Guest::new(read).read_u32(ASID), 1);
            }
        }
    });
}

/// TLB_CONTROL 1, and where it is offered 3 and 7, drop what was cached: a changed entry counts in the next run.
#[case(feature = SvmState, spec = [apm2("TLB Control"), apm2("Address Space Identifiers")], needs = Needs::SVM)]
fn tlb_control_drops_translations() {
    prepare();
    with_svm(|| {
        for (row, control) in [1_u8, 3, 7].into_iter().enumerate() {
            if control != 1 && svm::features() & svm::feature::FLUSH_BY_ASID == 0 {
                continue;
            }
            for turn in 0..8_u64 {
                let second = turn & 1 != 0;
                map(second);
                let mut guest = guest(1 + turn as u32 / 4, control);
                reads((row as u64) << 8 | turn, &mut guest, if second { SECOND } else { FIRST });
            }
        }
    });
}

/// INVLPGA drops a page of the identifier that it names.
#[case(feature = SvmInstructions, spec = [apm3("INVLPGA"), apm2("Invalidate Page, Alternate ASID")], needs = Needs::SVM)]
fn invlpga_drops_a_page() {
    prepare();
    with_svm(|| {
        for turn in 0..8_u64 {
            let asid = 1 + turn as u32 / 4;
            let second = turn & 1 != 0;
            map(second);
            check!("INVLPGA", [&[]; turn], svm::invalidate_in(paging::address(0), asid).is_ok());
            reads(turn, &mut guest(asid, 0), if second { SECOND } else { FIRST });
        }
    });
}

user_code!(drop_and_read: "invlpg [rdi]", "mov rax, [rdi]", "vmmcall");

/// INVLPG of L2 without an intercept drops its page.
#[case(feature = SvmState, spec = [apm2("Address Space Identifiers"), apm3("INVLPG")], needs = Needs::SVM)]
fn invlpg_of_l2_drops_its_page() {
    prepare();
    with_svm(|| {
        for turn in 0..8_u64 {
            let second = turn & 1 != 0;
            map(second);
            let mut guest = Guest::new(drop_and_read);
            guest.registers.rdi = paging::address(0);
            reads(turn, &mut guest, if second { SECOND } else { FIRST });
        }
    });
}

/// The host's own translations stay what they are, whatever L2's TLB_CONTROL.
#[case(feature = SvmState, spec = apm2("TLB Control"), needs = Needs::SVM)]
fn translations_of_the_host_stay_right() {
    prepare();
    with_svm(|| {
        for control in [0, 1] {
            map(false);
            paging::invalidate(paging::address(0));
            check_eq!("before", [&[]; control], mmio::read_u64(paging::address(0)), FIRST);
            reads(control.into(), &mut guest(1, control), FIRST);
            check_eq!("after", [&[]; control], mmio::read_u64(paging::address(0)), FIRST);
        }
    });
}
