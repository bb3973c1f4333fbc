//! What is mapped, and what an access to it raises.

use crate::machine::{
    Exception, Input, Mode,
    window::{CODE, LOW_END, NR_CODE_PAGES, NR_STACK_PAGES, PAGE, Page, STACK, WINDOWS_END, Window},
};

/// Vector of the general-protection exception.
pub(crate) const GENERAL_PROTECTION: u8 = 13;
/// Vector of the stack-fault exception.
pub(crate) const STACK_FAULT: u8 = 12;
/// Vector of the page fault.
pub(crate) const PAGE_FAULT: u8 = 14;

/// Bits of a page fault's error code (Intel SDM vol. 3A, "Page-Fault Exceptions").
pub(crate) const PRESENT: u32 = 1;
/// The access was a write.
pub(crate) const WRITE: u32 = 1 << 1;
/// The access was made in user mode.
pub(crate) const USER: u32 = 1 << 2;

/// What may be done with one byte of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Read and write.
    ReadWrite,
    /// Read.
    Read,
    /// Not mapped.
    Absent,
    /// Not part of what all executors have in common.
    Unknown,
}

/// What may be done at a linear address during the execution of `input`.
pub(crate) fn permission(input: &Input, address: u64) -> Permission {
    let within = |start: u64, pages: u64| (start..start + pages * PAGE).contains(&address);
    if within(input.window.address(), 2) {
        let page = input.window.pages()[usize::from(address >= input.window.address() + PAGE)];
        return match page {
            Page::Tested | Page::Memory => Permission::ReadWrite,
            Page::ReadOnly => Permission::Read,
            Page::Absent => Permission::Absent,
        };
    }
    if within(STACK, NR_STACK_PAGES) {
        return Permission::ReadWrite;
    }
    if within(CODE, NR_CODE_PAGES) {
        return Permission::Read;
    }
    let is_window = Window::ALL.iter().any(|window| within(window.address(), 2));
    let is_gap = address < LOW_END || (STACK..WINDOWS_END).contains(&address);
    if is_gap && !is_window { Permission::Absent } else { Permission::Unknown }
}

/// Whether an address is canonical with 48 bits.
pub(crate) fn is_canonical(address: u64) -> bool {
    matches!(address >> 47, 0 | 0x1_ffff)
}

/// A page fault.
pub(crate) fn page_fault(address: u64, is_present: bool, is_write: bool, mode: Mode) -> Exception {
    let mut error_code = 0;
    if is_present {
        error_code |= PRESENT;
    }
    if is_write {
        error_code |= WRITE;
    }
    if mode == Mode::User {
        error_code |= USER;
    }
    Exception { vector: PAGE_FAULT, error_code: Some(error_code), address: Some(address) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        machine::window::Window,
        registers::{Bitness, Registers},
    };

    #[test]
    fn permissions_follow_the_window() {
        let input = Input {
            bitness: Bitness::Bits64,
            code: Vec::new(),
            registers: Registers::default(),
            extended: None,
            window: Window::EndsAbsent,
            memory_seed: 0,
            memory: Vec::new(),
        };
        let start = Window::EndsAbsent.address();
        assert_eq!(permission(&input, start + 0xfff), Permission::ReadWrite);
        assert_eq!(permission(&input, start + 0x1000), Permission::Absent);
        assert_eq!(permission(&input, start + 0x2000), Permission::Absent);
        assert_eq!(permission(&input, start - 1), Permission::Absent);
        assert_eq!(permission(&input, Window::Plain.address()), Permission::Unknown);
        assert_eq!(permission(&input, 0xffff), Permission::Absent);
        assert_eq!(permission(&input, 0x1_0000), Permission::Unknown);
        assert_eq!(permission(&input, CODE), Permission::Read);
        assert_eq!(permission(&input, STACK + 0x1fff), Permission::ReadWrite);
        let input = Input { window: Window::EndsReadOnly, ..input };
        assert_eq!(permission(&input, input.window.address() + 0x1000), Permission::Read);
    }

    #[test]
    fn page_faults_tell_access_and_mode() {
        let code = |fault: Exception| fault.error_code;
        assert_eq!(code(page_fault(0, true, true, Mode::User)), Some(7));
        assert_eq!(code(page_fault(0, false, false, Mode::User)), Some(4));
        assert_eq!(code(page_fault(0, false, true, Mode::Supervisor)), Some(2));
    }

    #[test]
    fn canonical_addresses_repeat_bit_47() {
        for (address, expected) in
            [(0x7fff_ffff_ffff, true), (0x8000_0000_0000, false), (0xffff_8000_0000_0000, true), (u64::MAX, true)]
        {
            assert_eq!(is_canonical(address), expected, "{address:#x}");
        }
    }
}
