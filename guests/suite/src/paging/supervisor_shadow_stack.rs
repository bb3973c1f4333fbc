//! Shadow stacks of CPL 0: two of them, the page of code, and how a program runs on them.

use super::shadow_rules::{D, P};
use case::message::outcome::COMPLETED;
use rt::{
    cpu::{
        control::With,
        shadow_stack::{Arrival, END, Program},
    },
    mmio,
    paging::{Level, address, frame, map, write_entry},
};

/// CR4.CET.
const CET: u64 = 1 << 23;
/// Pages of the window: the shadow stack that programs start on, another one, and the code.
const PAGES: [usize; 3] = [2, 3, 4];
/// Where in its page the token is that a program starts with.
const OFFSET: u64 = 0x800;

/// CR4.CET and the pages, until this is dropped.
pub(super) struct Supervisor(#[expect(dead_code, reason = "it is dropped")] With);

impl Supervisor {
    /// With shadow-stack pages; says what does not work, if CR4.CET cannot be set.
    pub(super) fn new() -> Option<Self> {
        let cet = With::cr4(CET, 0);
        rt::check_outcome!("setting CR4.CET", cet.as_ref().map(|_| ()).map_err(|e| *e), rt::Outcome(COMPLETED));
        for (index, page) in PAGES.into_iter().enumerate() {
            // What stands above the leaf must be writable for all, and may be for CPL 3.
            map(page, frame(index), rt::paging::ALL_RIGHTS);
            write_entry(Level::Pt, page, frame(index) | if index == 2 { P } else { P | D });
        }
        cet.ok().map(Self)
    }

    /// Address of the token that programs start with: SSP behind SETSSBSY.
    pub(super) fn start(&self) -> u64 {
        address(PAGES[0]) + OFFSET
    }

    /// An address of the other shadow stack.
    pub(super) fn other(&self, offset: u64) -> u64 {
        address(PAGES[1]) + offset
    }

    /// Address of the code.
    pub(super) fn code(&self) -> u64 {
        address(PAGES[2])
    }

    /// Changes the entry that maps the other shadow stack.
    pub(super) fn map_other(&self, bits: u64) {
        write_entry(Level::Pt, PAGES[1], frame(1) | bits);
    }

    /// What stands at this distance from the start of the shadow stack.
    pub(super) fn read(&self, distance: i64) -> u64 {
        mmio::read_u64((frame(0) + OFFSET).wrapping_add_signed(distance))
    }

    /// The same of the other one, from the start of its page.
    pub(super) fn read_other(&self, offset: u64) -> u64 {
        mmio::read_u64(frame(1) + offset)
    }

    /// Writes into the other one.
    pub(super) fn write_other(&self, offset: u64, value: u64) {
        mmio::write_u64(frame(1) + offset, value);
    }

    /// Runs code that needs no other ending than its last byte, with IA32_PL0_SSP and RDI.
    pub(super) fn run(&self, code: &[u8], pointer: u64, operand: u64) -> Arrival {
        for (place, &byte) in (frame(2)..).zip(code.iter().chain(&END)) {
            mmio::write_u8(place, byte);
        }
        mmio::write_u64(frame(0) + OFFSET, self.start());
        Program { code: self.code(), start: self.start(), pointer, operand }.run()
    }
}
