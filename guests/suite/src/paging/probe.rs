//! Accesses to the window, at either privilege level, as outcomes.

use super::model::{Operation, error_code};
use rt::{
    Exception, Outcome, catch, instruction, mmio,
    paging::{self, Level, frame, write_entry},
    user, user_code,
};

user_code!(read_user: "mov al, [rdi]", "ret");
user_code!(write_user: "mov byte ptr [rdi], 0xc3", "ret");
user_code!(fetch_user: "call rdi", "ret");

/// The one-byte instruction RET: what a fetch executes and a write writes, so that neither disturbs the other.
pub(super) const RET: u8 = 0xc3;

/// The page of the window that most cases use.
pub(super) const PAGE: usize = 1;

/// The levels in the order of the walk.
pub(super) const LEVELS: [Level; 4] = [Level::Pml4, Level::Pdpt, Level::Pd, Level::Pt];

/// Puts a RET at the start of frame 0 and returns its address.
pub(super) fn ret_frame() -> u64 {
    mmio::write_u8(frame(0), RET);
    frame(0)
}

/// Attempts the operation on this address at CPL 0.
pub(super) fn supervisor(operation: Operation, address: u64) -> Result<(), Exception> {
    match operation {
        Operation::Read => catch(|| mmio::read_u8(address)).map(|_| ()),
        Operation::Write => catch(|| mmio::write_u8(address, RET)),
        Operation::Fetch => instruction!("call {}", in(reg) address, clobber_abi("C")),
    }
}

/// Attempts the operation on this address at CPL 3.
pub(super) fn user(operation: Operation, address: u64) -> Result<(), Exception> {
    let function = match operation {
        Operation::Read => read_user,
        Operation::Write => write_user,
        Operation::Fetch => fetch_user,
    };
    user::call(function, address).map(|_| ())
}

/// The outcome of the operation at the level of privilege that `is_user` says.
pub(super) fn attempt(is_user: bool, operation: Operation, address: u64) -> Outcome {
    if is_user { user(operation, address).into() } else { supervisor(operation, address).into() }
}

/// The entries through which [`PAGE`] is reached, as they are now, the PML4's first.
pub(super) fn entries() -> [u64; 4] {
    LEVELS.map(|level| paging::read_entry(level, PAGE))
}

/// Maps [`PAGE`] to the frame with the RET by four entries that have all rights but those in `missing`.
pub(super) fn map_without(missing: [u64; 4]) -> u64 {
    paging::map(PAGE, ret_frame(), paging::ALL_RIGHTS);
    for (level, bits) in LEVELS.into_iter().zip(missing) {
        if bits != 0 {
            write_entry(level, PAGE, paging::read_entry(level, PAGE) & !bits);
        }
    }
    paging::address(PAGE)
}

/// Gives the three upper levels all rights again.
pub(super) fn restore_parents() {
    for level in [Level::Pml4, Level::Pdpt, Level::Pd] {
        let entry = paging::read_entry(level, PAGE);
        write_entry(level, PAGE, (entry | paging::ALL_RIGHTS) & !rt::tables::page_bit::XD);
    }
}

/// A page fault's error code, made of the bits that tell the access.
pub(super) const fn access_code(is_user: bool, operation: Operation) -> u32 {
    (if is_user { error_code::U } else { 0 })
        | match operation {
            Operation::Read => 0,
            Operation::Write => error_code::W,
            Operation::Fetch => error_code::I,
        }
}

/// Checks one operation in one row of a table: the text is the operation.
macro_rules! check_access {
    ($names:expr; $row:expr, $operation:expr, $actual:expr, $expected:expr) => {
        match $operation {
            $crate::paging::model::Operation::Read => {
                rt::check_outcome!("read", [$names; $row], $actual, $expected)
            }
            $crate::paging::model::Operation::Write => {
                rt::check_outcome!("write", [$names; $row], $actual, $expected)
            }
            $crate::paging::model::Operation::Fetch => {
                rt::check_outcome!("fetch", [$names; $row], $actual, $expected)
            }
        }
    };
}
pub(crate) use check_access;
