//! The record of a case in the ELF section [`SECTION`].

use crate::{
    Devices, FORMAT_VERSION, Feature, Needs, Spec,
    text::{Slice, Text},
};
use core::mem::{offset_of, size_of};

/// The section that holds one [`CaseRecord`] a case, and nothing else.
pub const SECTION: &str = "vmproof_cases";

/// First field of every record, so that a shifted or foreign section is noticed.
pub const MAGIC: u32 = u32::from_le_bytes(*b"vpc1");

/// How the image is entered for a case.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// However the subject does it fastest.
    Any = 0,
    /// By the PVH entry in 32-bit protected mode: the case examines what the loader left.
    Pvh = 1,
}

/// Which interrupt controllers the case wants.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Irqchip {
    /// None is touched: the subject takes the cheapest.
    Any = 0,
    /// A local APIC; IOAPIC and PIC may be missing.
    LocalApic = 1,
    /// Local APIC, IOAPIC, both 8259s and the PIT.
    Full = 2,
}

/// What the subject prepares for a case.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// How it is entered.
    pub entry: Entry,
    /// Its interrupt controllers.
    pub irqchip: Irqchip,
    /// Number of virtual processors.
    pub nr_vcpus: u8,
    /// The subject's time limit is multiplied by this.
    pub time_factor: u8,
}

impl Setup {
    /// One processor, whatever entry and interrupt controller is the cheapest, the usual time.
    pub const DEFAULT: Self = Self { entry: Entry::Any, irqchip: Irqchip::Any, nr_vcpus: 1, time_factor: 1 };
}

/// One case: made by the `#[case]` attribute, read by the host from the ELF file.
#[repr(C)]
pub struct CaseRecord {
    magic: u32,
    version: u16,
    /// The virtio devices that it wants to find: bits of [`Devices`].
    pub devices: u16,
    /// Name of the function.
    pub name: Text,
    /// Its module path: `suite::<area>::<topic>`.
    pub module: Text,
    /// The area its feature stands in.
    pub area: Text,
    /// The feature's id.
    pub feature: Text,
    /// The first line of its documentation: the rule in a sentence.
    pub doc: Text,
    /// Source file, from the root of the workspace.
    pub file: Text,
    /// Line in it.
    pub line: u32,
    /// What the subject prepares.
    pub setup: Setup,
    /// The clauses it proves; never empty.
    pub specs: Slice<Spec>,
    /// What it requires: the low and the high half of [`Needs`].
    pub needs: [u64; 2],
    /// The case itself.
    pub entry: fn(),
}

impl CaseRecord {
    /// Made by the `#[case]` attribute, which is the only caller.
    ///
    /// # Panics
    /// At compile time, if `specs` or `doc` is empty.
    #[doc(hidden)]
    #[expect(clippy::too_many_arguments, reason = "called by a macro, with names at the caller")]
    pub const fn new(
        name: &'static str,
        module: &'static str,
        feature: Feature,
        doc: &'static str,
        file: &'static str,
        line: u32,
        setup: Setup,
        specs: &'static [Spec],
        needs: Needs,
        devices: Devices,
        entry: fn(),
    ) -> Self {
        assert!(!specs.is_empty(), "a case must cite the clause that it proves");
        assert!(!doc.is_empty(), "a case must say its rule in a documentation line");
        Self {
            magic: MAGIC,
            version: FORMAT_VERSION,
            devices: devices.bits(),
            name: Text::new(name),
            module: Text::new(module),
            area: feature.area_text(),
            feature: feature.id_text(),
            doc: Text::new(doc),
            file: Text::new(file),
            line,
            setup,
            specs: Slice::new(specs),
            needs: [needs.bits() as u64, (needs.bits() >> 64) as u64],
            entry,
        }
    }
}

/// Offsets of the fields, for the host, which reads records out of a file instead of transmuting them.
pub mod layout {
    use super::{CaseRecord, offset_of, size_of};
    /// Size of a record in bytes.
    pub const SIZE: usize = size_of::<CaseRecord>();
    /// `u32`, equal to [`super::MAGIC`].
    pub const MAGIC: usize = offset_of!(CaseRecord, magic);
    /// `u16`, equal to [`crate::FORMAT_VERSION`].
    pub const VERSION: usize = offset_of!(CaseRecord, version);
    /// `u16`: bits of [`crate::Devices`].
    pub const DEVICES: usize = offset_of!(CaseRecord, devices);
    /// [`crate::Text`].
    pub const NAME: usize = offset_of!(CaseRecord, name);
    /// [`crate::Text`].
    pub const MODULE: usize = offset_of!(CaseRecord, module);
    /// [`crate::Text`].
    pub const AREA: usize = offset_of!(CaseRecord, area);
    /// [`crate::Text`].
    pub const FEATURE: usize = offset_of!(CaseRecord, feature);
    /// [`crate::Text`].
    pub const DOC: usize = offset_of!(CaseRecord, doc);
    /// [`crate::Text`].
    pub const FILE: usize = offset_of!(CaseRecord, file);
    /// `u32`.
    pub const LINE: usize = offset_of!(CaseRecord, line);
    /// [`super::Setup`]: four bytes.
    pub const SETUP: usize = offset_of!(CaseRecord, setup);
    /// [`crate::text::Slice`] of [`crate::Spec`].
    pub const SPECS: usize = offset_of!(CaseRecord, specs);
    /// Two `u64`: the low and the high half of [`Needs`](crate::Needs).
    pub const NEEDS: usize = offset_of!(CaseRecord, needs);
    /// `u64`: address of the function.
    pub const ENTRY: usize = offset_of!(CaseRecord, entry);
}

const _: () = assert!(size_of::<Setup>() == 4);
const _: () = assert!(layout::SIZE == 152 && layout::NAME == 8 && layout::LINE == 104 && layout::SPECS == 112);
const _: () = assert!(layout::NEEDS == 128 && layout::DEVICES == 6 && layout::ENTRY == 144);
