//! Which change of an entry each kind of flush must show, outside of long mode.
//!
//! Sources: SDM vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches", "PDPTE Registers"; APM vol. 2, "TLB
//! Management". What a flush need not show it may show, so nothing is claimed of it.

/// What is between the change and the access that must see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// INVLPG.
    Invlpg,
    /// MOV to CR3.
    Cr3,
    /// A change of CR4.PGE.
    Pge,
    /// A change of CR4.PSE. Intel's manual names it in "Invalidating the Translation Lookaside Buffers (TLBs)", with
    /// global pages among what is invalidated, and not in the other section: of global pages nothing is claimed.
    Pse,
    /// CR4.SMEP from 0 to 1, which Intel's manual alone names.
    Smep,
    /// CR0.PG cleared and set.
    Pg,
    /// A task switch that changes CR3.
    Task,
}

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The frame that a PTE names.
    Page,
    /// The same with G.
    GlobalPage,
    /// The page table that a PDE names.
    Table,
    /// The frame that a PDE names.
    LargePage,
    /// The same with G.
    GlobalLargePage,
    /// A PDE from naming a page table to naming a frame.
    TableToLargePage,
    /// A PDE from naming a frame to naming a page table.
    LargePageToTable,
    /// The page directory that a PDPTE names.
    Pointer,
}

impl Change {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Page,
        Self::GlobalPage,
        Self::Table,
        Self::LargePage,
        Self::GlobalLargePage,
        Self::TableToLargePage,
        Self::LargePageToTable,
        Self::Pointer,
    ];

    /// Whether it is a large page before.
    pub(crate) const fn keeps_a_large_page(self) -> bool {
        matches!(self, Self::LargePage | Self::GlobalLargePage | Self::LargePageToTable)
    }
}

/// Whether the access must see the change.
pub(crate) const fn must_be_seen(flush: Flush, change: Change, is_pae: bool) -> bool {
    match (change, flush) {
        // PDPTEs are in registers, which INVLPG does not load.
        (Change::Pointer, Flush::Invlpg) => false,
        (Change::Pointer, _) => is_pae,
        (Change::GlobalPage | Change::GlobalLargePage, _) => matches!(flush, Flush::Invlpg | Flush::Pge | Flush::Pg),
        _ => true,
    }
}
