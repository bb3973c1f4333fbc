//! SVM: the guest as a hypervisor of its own.

mod address_spaces;
mod canonical;
mod control_registers;
mod decode_assists;
mod delivery_by_vector;
mod delivery_faults;
mod enabling;
mod ending;
mod exceptions;
#[expect(dead_code, reason = "read where exit codes are listed, on the host")]
mod exit_codes;
mod exits;
mod guest_and_nested;
mod init;
mod injection;
mod injection_model;
mod last_branches;
mod legality;
mod legality_fuzz;
mod legality_model;
mod legality_random;
mod legality_rules;
mod legality_walk;
mod life_cycle;
mod load_save;
mod map_boundaries;
mod maps;
mod model;
mod more_codes;
mod more_exits;
mod nested_access;
mod nested_model;
mod nested_permissions;
mod nested_translations;
mod nested_walks;
mod offered;
mod physical_interrupts;
mod port_information;
mod port_strings;
mod priorities;
mod privileged;
mod state;
mod system_management;
mod task_switches;
mod untouched;
mod virtual_gif;
mod virtual_interrupt_model;
mod virtual_interrupts;

use ending::NOT_RUN;
use model::{Observed, Row};
use rt::{
    check, check_eq,
    cpu::msr,
    paging,
    svm::{Enabled, Exit, Guest, feature, features, gates, nested::Tables},
};

/// Runs `body` with SVM enabled; where it cannot be, that is the case's failure.
fn with_svm(body: impl FnOnce()) {
    let Ok(_enabled) = Enabled::new() else {
        check!("SVM can be enabled", false);
        return;
    };
    body();
}

/// Runs `body` with SVM enabled and nested page tables, whose window is a frame of the case.
fn with_nested(body: impl FnOnce(&mut Tables)) {
    with_svm(|| body(&mut Tables::new(paging::frame(WINDOW_FRAME))));
}

/// How a run ended; see [`ending`].
fn end_of(exit: Result<Exit, rt::Exception>) -> u64 {
    exit.map_or(NOT_RUN, |exit| ending::ending(exit.code, gates::delivered(&exit)))
}

/// The frame behind the nested window.
const WINDOW_FRAME: usize = 8;

/// What an exit shows of a table's columns.
fn observe(guest: &Guest, exit: Result<Exit, rt::Exception>, start: u64) -> Observed {
    let Ok(exit) = exit else { return Observed::NOT_RUN };
    let rax = guest.read_u64(rt::svm::field::RAX);
    Observed {
        code: exit.code,
        info_1: exit.info_1,
        info_2: exit.info_2,
        rip: exit.rip.wrapping_sub(start),
        next_rip: exit.next_rip.wrapping_sub(start),
        rax,
    }
}

/// Reports the columns of a row.
fn report(number: usize, row: &Row, seen: Observed) {
    let features = features();
    let offered = model::Offered {
        next_rip: features & feature::NEXT_RIP_SAVE != 0,
        decode_assists: features & feature::DECODE_ASSISTS != 0,
    };
    for (column, actual, expected) in row.columns(offered, seen).into_iter().flatten() {
        match column {
            model::Column::Code => check_eq!("exit code", [&[]; number], actual, expected),
            model::Column::Info1 => check_eq!("EXITINFO1", [&[]; number], actual, expected),
            model::Column::Info2 => check_eq!("EXITINFO2", [&[]; number], actual, expected),
            model::Column::Rip => check_eq!("RIP from the start", [&[]; number], actual, expected),
            model::Column::NextRip => check_eq!("next RIP from the start", [&[]; number], actual, expected),
            model::Column::Rax => check_eq!("RAX", [&[]; number], actual, expected),
        }
    }
}

/// Whether an MSR can be read; for what must exist.
fn reads(number: u32) -> bool {
    msr::read(number).is_ok()
}

/// Where a guest of this code starts.
fn start_of(code: extern "C" fn(u64) -> u64) -> u64 {
    code as *const () as u64
}
