//! Tables that are reached in more than one way, with different rights on the way.

use super::{
    model::{Mode, Operation, predict},
    probe::attempt,
};
use rt::{
    case, check_eq, check_outcome, layout, mmio, names,
    paging::{ALL_RIGHTS, frame, table},
    tables::page_bit::{P, RW, US},
    user, user_code,
};

user_code!(read_quadword: "mov rax, [rdi]", "ret");

/// A page directory shared by three page-directory-pointer entries with different rights; `[entries above it, linear
/// address]` by each.
fn share_page_directory() -> [([u64; 4], u64); 3] {
    let leaf = frame(3) | ALL_RIGHTS;
    let (pd_entry, pml4_entry) = (frame(2) | ALL_RIGHTS, table::read(layout::PML4, 1));
    table::write(frame(1), 7, pd_entry);
    table::write(frame(2), 9, leaf);
    let mut result = [([0; 4], 0); 3];
    for (index, rights) in [ALL_RIGHTS, P | US, P | RW].into_iter().enumerate() {
        table::write(layout::WINDOW_PDPT, 2 + index, frame(1) | rights);
        let address = table::linear_address([1, 2 + index, 7, 9], 0);
        result[index] = ([pml4_entry, frame(1) | rights, pd_entry, leaf], address);
    }
    result
}

/// Orders in which the three ways are tried, since what the first leaves behind may be wrongly used for the next.
const ORDERS: [[usize; 3]; 4] = [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]];

fn check_orders(is_user: bool, operation: Operation) {
    let ways = share_page_directory();
    let mode = if is_user { Mode::USER } else { Mode::SUPERVISOR };
    for (order, indices) in ORDERS.into_iter().enumerate() {
        table::reload_cr3();
        for (position, index) in indices.into_iter().enumerate() {
            let (entries, address) = ways[index];
            check_outcome!(
                "access",
                [names![
                    "all",
                    "then read-only",
                    "then supervisor",
                    "read-only first",
                    "then all",
                    "then supervisor 2",
                    "supervisor first",
                    "then read-only 2",
                    "then all 2",
                    "read-only first 2",
                    "then supervisor 3",
                    "then all 3"
                ]; order * 3 + position],
                attempt(is_user, operation, address),
                predict(&entries, operation, mode)
            );
        }
    }
}

/// Page-directory-pointer entries that share a page directory give it rights of their own for reads at CPL 3.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn shared_directory_user_read() {
    check_orders(true, Operation::Read);
}

/// Page-directory-pointer entries that share a page directory give it rights of their own for writes at CPL 3.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn shared_directory_user_write() {
    check_orders(true, Operation::Write);
}

/// Page-directory-pointer entries that share a page directory give it rights of their own for writes at CPL 0.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn shared_directory_supervisor_write() {
    check_orders(false, Operation::Write);
}

/// A table used at two levels is at each what that level makes of it.
#[case(feature = PagingTranslation, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn table_used_at_two_levels() {
    // Frame 0 is page directory and page table: its entry 5 refers to frame 1, as a table and as a page.
    table::write(layout::WINDOW_PDPT, 3, frame(0) | ALL_RIGHTS);
    table::write(frame(0), 6, frame(0) | ALL_RIGHTS);
    table::write(frame(0), 5, frame(1) | ALL_RIGHTS);
    table::write(frame(1), 5, frame(2) | ALL_RIGHTS);
    mmio::write_u64(frame(2) + 0x18, 0x600d);
    mmio::write_u64(frame(1) + 0x18, 0x1dea);
    for (row, (address, expected)) in [
        (table::linear_address([1, 3, 5, 5], 0x18), 0x600d),
        (table::linear_address([1, 3, 6, 5], 0x18), 0x1dea),
        (table::linear_address([1, 3, 5, 5], 0x18), 0x600d),
    ]
    .into_iter()
    .enumerate()
    {
        check_eq!(
            "CPL 0",
            [names!["as a table", "as a page", "as a table again"]; row],
            mmio::read_u64(address),
            expected
        );
        check_eq!(
            "CPL 3",
            [names!["as a table", "as a page", "as a table again"]; row],
            user::call(read_quadword, address).unwrap_or(0),
            expected
        );
    }
}
