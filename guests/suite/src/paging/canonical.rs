//! Canonical addresses.

use super::model::Operation;
use super::probe::{self, attempt};
use rt::{
    Outcome, case, catch, check, check_eq, check_outcome, instruction, layout, mmio, names, user, user_code,
    vocabulary::Needs,
};

user_code!(push: "mov rdx, rsp", "mov rsp, rdi", "push rax", "mov rsp, rdx", "ret");
user_code!(pop: "mov rdx, rsp", "mov rsp, rdi", "pop rax", "mov rsp, rdx", "ret");
user_code!(by_rsp: "mov rdx, rsp", "mov rsp, rdi", "mov rax, [rsp]", "mov rsp, rdx", "ret");
user_code!(by_rbp: "xchg rbp, rdi", "mov rax, [rbp]", "xchg rbp, rdi", "ret");
user_code!(by_rbx: "xchg rbx, rdi", "mov rax, [rbx]", "xchg rbx, rdi", "ret");
user_code!(by_r13: "xchg r13, rdi", "mov rax, [r13]", "xchg r13, rdi", "ret");
user_code!(jump: "jmp rdi");
user_code!(call: "call rdi", "ret");
user_code!(ret: "push rdi", "ret");

/// The first and the last address that are not canonical, and some between.
const NON_CANONICAL: [u64; 5] =
    [0x0000_8000_0000_0000, 0x0001_0000_0000_0000, 0x7fff_ffff_ffff_f000, 0x8000_0000_0000_0000, 0xffff_7fff_ffff_ffff];

fn check_data(is_user: bool) {
    for (row, address) in NON_CANONICAL.into_iter().enumerate() {
        for operation in [Operation::Read, Operation::Write] {
            probe::check_access!(
                names!["first", "bit 48", "below bit 63", "bit 63 alone", "last"];
                row, operation, attempt(is_user, operation, address), Outcome::GP
            );
        }
    }
    let user_bit = if is_user { 4 } else { 0 };
    let outcome = attempt(is_user, Operation::Read, 0x0000_7fff_ffff_fff0);
    check_outcome!("highest of the lower half, not mapped", outcome, Outcome::pf(user_bit));
}

/// The lowest address of the upper half is canonical: it raises #PF where nothing maps it.
#[case(feature = PagingCanonical, spec = sdm1("Canonical Addressing"))]
fn lowest_address_of_the_upper_half() {
    const LOWEST: u64 = 0xffff_8000_0000_0000;
    check_outcome!("CPL 0", attempt(false, Operation::Read, LOWEST), Outcome::pf(0));
    check_outcome!("CPL 3", attempt(true, Operation::Read, LOWEST), Outcome::pf(4));
}

/// CPL 0 gets #GP(0) for a data address that is not canonical, and #PF for the canonical one below it.
#[case(feature = PagingCanonical, spec = sdm1("Canonical Addressing"))]
fn supervisor_data() {
    check_data(false);
}

/// CPL 3 gets #GP(0) for a data address that is not canonical, and #PF for the canonical one below it.
#[case(feature = PagingCanonical, spec = sdm1("Canonical Addressing"))]
fn user_data() {
    check_data(true);
}

/// A reference to the stack, explicit or by a base of RSP or RBP, gets #SS(0) for an address that is not canonical.
#[case(feature = PagingCanonical, spec = sdm3a("Interrupt 12—Stack Fault Exception (#SS)"))]
fn stack_reference_raises_stack_fault() {
    let table: [(extern "C" fn(u64) -> u64, Outcome); 6] = [
        (push, Outcome::SS),
        (pop, Outcome::SS),
        (by_rsp, Outcome::SS),
        (by_rbp, Outcome::SS),
        (by_rbx, Outcome::GP),
        (by_r13, Outcome::GP),
    ];
    // PUSH writes below RSP, so not the first address of all.
    let address = NON_CANONICAL[0] + 0x1000;
    for (row, (function, expected)) in table.into_iter().enumerate() {
        check_outcome!(
            "CPL 3",
            [names!["PUSH", "POP", "[RSP]", "[RBP]", "[RBX]", "[R13]"]; row],
            user::call(function, address),
            expected
        );
    }
    let rbp = instruction!("xchg rbp, {0}", "mov rax, [rbp]", "xchg rbp, {0}", inout(reg) address => _, out("rax") _);
    check_outcome!("CPL 0 by RBP", rbp, Outcome::SS);
    let rdi = instruction!("mov rax, [rdi]", in("rdi") address, out("rax") _);
    check_outcome!("CPL 0 by RDI", rdi, Outcome::GP);
}

/// A near jump, call or return to an address that is not canonical raises #GP(0).
///
/// The saved RIP is not compared: it is the branch on one vendor's processors, the target on the other's.
#[case(feature = PagingCanonical, spec = [sdm2("JMP—Jump"), sdm2("CALL—Call Procedure"),
       sdm2("RET—Return From Procedure")])]
fn branch_to_non_canonical_address() {
    for (row, address) in NON_CANONICAL.into_iter().enumerate() {
        check_outcome!(
            "JMP at CPL 3",
            [names!["first", "bit 48", "below bit 63", "bit 63 alone", "last"]; row],
            user::call(jump, address),
            Outcome::GP
        );
    }
    check_outcome!("CALL at CPL 3", user::call(call, NON_CANONICAL[0]), Outcome::GP);
    check_outcome!("RET at CPL 3", user::call(ret, NON_CANONICAL[0]), Outcome::GP);
    let target = NON_CANONICAL[0];
    check_outcome!("JMP at CPL 0", instruction!("jmp {}", in(reg) target), Outcome::GP);
    check_outcome!("CALL at CPL 0", instruction!("call {}", in(reg) target, clobber_abi("C")), Outcome::GP);
    check_outcome!("RET at CPL 0", instruction!("push {}", "ret", in(reg) target), Outcome::GP);
}

/// Execution that runs off the end of the lower half raises #GP(0).
#[case(feature = PagingCanonical, spec = sdm1("Canonical Addressing"))]
fn execution_past_the_last_canonical_address() {
    use rt::paging::{ALL_RIGHTS, frame, table};
    const LAST: [usize; 4] = [255, 511, 511, 511];
    let chain = [layout::PML4, frame(0), frame(1), frame(2), frame(3)];
    for (level, index) in LAST.into_iter().enumerate() {
        table::write(chain[level], index, chain[level + 1] | ALL_RIGHTS);
    }
    const NOP: u8 = 0x90;
    mmio::write_u8(frame(3) + 0xfff, NOP);
    let mut state = user::State::at(table::linear_address(LAST, 0xfff));
    check_outcome!("NOP in the last byte", Err::<(), _>(user::enter(&mut state)), Outcome::GP);
}

/// #GP and #SS for an address that is not canonical leave CR2 alone.
#[case(feature = PagingCanonical, spec = sdm3a("Control Registers"))]
fn non_canonical_address_leaves_cr2_alone() {
    let _ = catch(|| mmio::read_u8(layout::UNMAPPED + 0x10));
    let result = catch(|| mmio::read_u8(NON_CANONICAL[0]));
    check!("it faults", result.is_err());
    check_eq!("CR2", rt::cpu::control::read_cr2(), layout::UNMAPPED + 0x10);
}

/// INVLPG with an address that is not canonical does nothing.
#[case(feature = PagingCanonical, spec = sdm2("INVLPG—Invalidate TLB Entries"), needs = Needs::INTEL)]
fn invlpg_of_non_canonical_address() {
    for (row, address) in NON_CANONICAL.into_iter().enumerate() {
        check_outcome!(
            "INVLPG",
            [names!["first", "bit 48", "below bit 63", "bit 63 alone", "last"]; row],
            instruction!("invlpg [{}]", in(reg) address),
            Outcome::COMPLETED
        );
    }
}
