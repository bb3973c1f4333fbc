//! Extended page tables: what entries may not hold, and what counts first.

use super::{
    ept_access::{self, WINDOW_FRAME, full, judge, read_mode, with_ept},
    ept_model::{Mode, bit, changed},
};
use crate::paging::decision::Operation;
use rt::{case, check_eq, mmio, paging, vmx::reason, vocabulary::Needs};

/// An entry of the window: its index from the root, and the size of the page that it maps, if it is a large one.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    large: Option<u64>,
}

const PAGE_2M: u64 = 1 << 21;
const PAGE_1G: u64 = 1 << 30;

impl Place {
    const fn table(index: usize) -> Self {
        Self { index, large: None }
    }

    /// The entries of the window with this one mapping what it maps, and the offset of the frame in that.
    fn entries(self) -> ([u64; 4], u64) {
        let mut all = full();
        let Some(size) = self.large else { return (all, 0) };
        let target = paging::frame(WINDOW_FRAME);
        all[self.index] = target & !(size - 1) | 7 | 6 << 3 | bit::PS;
        (all, target & (size - 1))
    }

    /// Whether a bit of the entry is part of the address that it holds.
    fn is_address(self, bit: u32, mode: &Mode) -> bool {
        let lowest = self.large.map_or(12, u64::trailing_zeros);
        (lowest..mode.physical_bits).contains(&bit)
    }

    fn is_leaf(self) -> bool {
        self.large.is_some() || self.index == 3
    }
}

/// Every bit of an entry but rights, address, memory type and size, set alone: it is reserved, and a misconfiguration, or it is ignored. The
/// row is the bit and the operation.
fn bits(place: Place) {
    let mode = read_mode();
    with_ept(|guest, ept| {
        let (entries, offset) = place.entries();
        for number in 3..64_u32 {
            let is_type = place.is_leaf() && number < 6;
            let is_size = number == 7 && matches!(place.index, 1 | 2);
            if is_type || is_size || place.is_address(number, &mode) {
                continue;
            }
            let mut changed = entries;
            changed[place.index] |= 1 << number;
            for (operation_number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = u64::from(number) << 4 | operation_number as u64;
                judge(row, guest, ept, changed, offset, operation, &mode);
            }
        }
    });
}

macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident = $place:expr, $need:expr;)*) => {
        $(
            $(#[$doc])*
            #[case(feature = VmxEpt, spec = [sdm3c("EPT Misconfigurations"), sdm3c("EPT Translation Mechanism")],
                   needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | $need)]
            fn $name() {
                bits($place);
            }
        )*
    };
}

bits! {
    /// Every bit of a PML4 entry.
    ept_bits_of_a_pml4_entry = Place::table(0), Needs::VMX;
    /// Every bit of an entry of the page-directory-pointer table that refers to a page directory.
    ept_bits_of_a_pointer_entry = Place::table(1), Needs::VMX;
    /// Every bit of an entry of a page directory that refers to a page table.
    ept_bits_of_a_directory_entry = Place::table(2), Needs::VMX;
    /// Every bit of an entry of a page table.
    ept_bits_of_a_page_table_entry = Place::table(3), Needs::VMX;
    /// Every bit of an entry that maps 2 MiB: those below the address are reserved.
    ept_bits_of_a_2_mib_entry = Place { index: 2, large: Some(PAGE_2M) }, Needs::VMX_EPT_2M;
    /// Every bit of an entry that maps 1 GiB: those below the address are reserved.
    ept_bits_of_a_1_gib_entry = Place { index: 1, large: Some(PAGE_1G) }, Needs::VMX_EPT_1G;
}

/// Memory types of an entry that maps a page: 2, 3 and 7 are misconfigurations, with and without "ignore PAT". The row is type, "ignore PAT"
/// and operation.
fn memory_types(place: Place) {
    let mode = read_mode();
    with_ept(|guest, ept| {
        let (entries, offset) = place.entries();
        for kind in 0..16_u64 {
            let mut changed = entries;
            changed[place.index] = changed[place.index] & !(15 << 3) | kind << 3;
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                judge(kind << 4 | number as u64, guest, ept, changed, offset, operation, &mode);
            }
        }
    });
}

/// The memory type of a page of 4 KiB: there are five.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Misconfigurations"), sdm3c("EPT and Memory Typing")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_memory_types_of_4_kib() {
    memory_types(Place::table(3));
}

/// The memory type of a page of 2 MiB: there are five.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Misconfigurations"), sdm3c("EPT and Memory Typing")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_2M)]
fn ept_memory_types_of_2_mib() {
    memory_types(Place { index: 2, large: Some(PAGE_2M) });
}

/// The memory type of a page of 1 GiB: there are five.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Misconfigurations"), sdm3c("EPT and Memory Typing")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_1G)]
fn ept_memory_types_of_1_gib() {
    memory_types(Place { index: 1, large: Some(PAGE_1G) });
}

/// What the two entries of a pair hold: something missing, forbidden or reserved. The row is the pair's levels, what both hold, and the operation.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Misconfigurations"), sdm3c("EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_walk_ends_at_the_first_entry_that_is_absent_or_wrong() {
    // Absent, not to be written, reserved at each level, and bits that do not count in an absent entry.
    const RESERVED: u64 = 1 << 51;
    let changes = [(0, 7), (0, bit::W), (RESERVED, 0), (RESERVED | 7 << 3, 7)];
    let mode = read_mode();
    if mode.physical_bits > 51 {
        rt::skip!("no bit is reserved at every level");
        return;
    }
    with_ept(|guest, ept| {
        for upper in 0..3_u64 {
            for lower in upper + 1..4 {
                for both in 0..16_usize {
                    let (first, second) = (changes[both >> 2], changes[both & 3]);
                    let entries = changed(full(), 8 >> upper, first.0, first.1);
                    let entries = changed(entries, 8 >> lower, second.0, second.1);
                    let row = upper << 12 | lower << 8 | (both as u64) << 4;
                    judge(row, guest, ept, entries, 0, Operation::Write, &mode);
                    judge(row | 1, guest, ept, entries, 0, Operation::Read, &mode);
                }
            }
        }
    });
}

/// A table of L2's own whose page is misconfigured: the address is that of the entry that the walk needs.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Misconfigurations"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_misconfiguration_of_a_table_of_the_guest() {
    use rt::{layout, vmx::ept::Level};
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        let tables = [(layout::PML4, 8), (layout::WINDOW_PDPT, 0), (layout::WINDOW_PD, 0), (layout::WINDOW_PT, 0)];
        let _ = ept.split(layout::PML4);
        for (place, (page, offset)) in tables.into_iter().enumerate().skip(1) {
            for (number, wrong) in [bit::W, bit::W | bit::X].into_iter().enumerate() {
                for (operation_number, operation) in Operation::ALL.into_iter().enumerate() {
                    let row = place << 8 | number << 4 | operation_number;
                    let former = ept.read(Level::Pt, page);
                    ept.write(Level::Pt, page, former & !7 | wrong);
                    ept_access::prepare(guest, ept, operation, linear);
                    let exit = ept_access::run(guest);
                    check_eq!("exit reason", [&[]; row], exit.reason, reason::EPT_MISCONFIGURATION);
                    check_eq!("guest-physical address", [&[]; row], exit.physical_address, page + offset);
                    ept.write(Level::Pt, page, former);
                    // Repaired, the same instruction completes.
                    let _ = ept.invalidate();
                    ept_access::completes(row as u64, guest);
                    guest.reset();
                }
            }
        }
    });
}

/// An access that a misconfiguration stopped completes once the entry is right, without INVEPT: such an entry is never cached.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Misconfigurations"), sdm3c("Operations that Invalidate Cached Mappings")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_misconfiguration_is_not_cached() {
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        for level in 0..4_u64 {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = level << 4 | number as u64;
                ept.set_window(changed(full(), 8 >> level, bit::W, 7));
                ept_access::prepare(guest, ept, operation, linear);
                check_eq!("exit reason", [&[]; row], ept_access::run(guest).reason, reason::EPT_MISCONFIGURATION);
                ept.set_window(full());
                ept_access::completes(row, guest);
                let due = if operation == Operation::Write { ept_access::WRITTEN } else { ept_access::CONTENT };
                check_eq!("memory", [&[]; row], mmio::read_u64(paging::frame(WINDOW_FRAME)), due);
                guest.reset();
            }
        }
    });
}
