//! Rules that a function can be told to break, one at a time: with them a test suite is tried.
//!
//! Each is a test at the place of its rule. Who sets none gets the function as it is described elsewhere.

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bits that tell the kind of a base address register can be written.
    BarKindWritable,
    /// The high half of a 64-bit base address register does not count.
    BarHighHalfIgnored,
    /// What is behind a base address register does not end with its size.
    BarEndIgnored,
    /// Memory is decoded whatever the command register says.
    MemorySpaceIgnored,
    /// Messages are sent whatever the command register says.
    BusMasterIgnored,
    /// The pin is used whatever the command register says.
    InterruptDisableIgnored,
    /// The status never tells of an interrupt.
    InterruptStatusNeverSet,
    /// Vendor and device can be written.
    IdentityWritable,
    /// All bits of the command register can be written.
    CommandTakesAll,
    /// The status can be written.
    StatusWritable,
    /// The status does not tell of capabilities.
    CapabilitiesNotTold,
    /// The links of capabilities can be written.
    LinksWritable,
    /// The last capability leads to the first.
    CapabilitiesLoop,
    /// The interrupt line has four bits.
    InterruptLineNarrow,
    /// The masks of vectors do not count.
    MaskIgnored,
    /// The mask of all vectors does not count.
    FunctionMaskIgnored,
    /// What is due while a vector is masked is lost.
    PendingLost,
    /// Pending bits read as zero.
    PendingNotShown,
    /// Pending bits stay when the message has been sent.
    PendingStays,
    /// Each message is the one of the next vector.
    NextMessage,
    /// A message that is held back is that of when it was due.
    MessageStays,
    /// The high half of an entry's address is lost.
    UpperAddressLost,
    /// Vectors are not masked at first.
    UnmaskedAtFirst,
    /// The size of the table can be written.
    TableSizeWritable,
    /// The table takes doublewords alone.
    QuadwordsDropped,
}

impl Fault {
    /// Whether this is what a function was told to do.
    pub const fn is_set(self, fault: Option<Self>) -> bool {
        matches!(fault, Some(set) if set as u8 == self as u8)
    }
}
