//! What a guest finds before its first instruction.

mod long_mode;
mod memory_map;
mod pvh_entry;
mod start_info;
mod unpaged;

use rt::boot::{self, EntryState};

/// What the PVH entry found. For cases with `needs = Needs::PVH_ENTRY, entry = Pvh`.
fn pvh_entry() -> EntryState {
    let Some(state) = boot::entry_state() else { panic!("not entered by PVH") };
    state
}
