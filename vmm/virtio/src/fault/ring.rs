//! What can be wrong with a ring.

use super::{BufferFault, Fault, faults};
use crate::DeviceKind;

faults! {
    /// What is wrong with a ring; without a word about it, with either layout.
    RingFault:
    /// The used length is one byte too large.
    LengthTooLarge;
    /// The used length is half of what was written.
    LengthHalved;
    /// The used length is always zero.
    LengthZero;
    /// The id of a used buffer is the next one.
    IdWrong;
    /// Buffers are given back twice (split).
    UsedTwice;
    /// Buffers are not given back.
    NeverUsed;
    /// The used index goes on by two (split).
    UsedIndexTwice;
    /// The used index stays (split).
    UsedIndexStays;
    /// The used index goes on from 32,767 to 0 (split).
    UsedIndexWrapsEarly;
    /// The used index stays at 65,535 (split).
    UsedIndexSaturates;
    /// The used index goes on, and nothing stands there (split).
    UsedElementMissing;
    /// The used element stands in the next place (split).
    UsedElementElsewhere;
    /// The wrap counter of used descriptors never changes (packed).
    UsedWrapStays;
    /// The wrap counter of available descriptors never changes (packed).
    AvailableWrapStays;
    /// A used descriptor has the marks of an available one (packed).
    UsedMarkMissing;
    /// A used descriptor does not tell that it was written (packed).
    WriteFlagMissing;
    /// A used buffer takes one descriptor however many it has (packed).
    UsedTakesOne;
    /// The id of a buffer is that of its first descriptor (packed).
    IdOfFirst;
    /// One more buffer is taken than there is (split).
    OneTooMany;
    /// Heads are read one place too far (split).
    HeadsOnePlaceOn;
    /// Of several buffers that are available the first is left out (split).
    FirstLeftOut;
    /// Indirect descriptors are buffers.
    IndirectIgnored;
    /// Of an indirect table only the first descriptor counts.
    IndirectFirstOnly;
    /// Descriptors do not lead on to a next one.
    NextIgnored;
    /// The next descriptor is always the one behind (split).
    NextIsBehind;
    /// Whatever can be written may only be read.
    WriteIgnored;
    /// Whatever can be read is written.
    ReadWritten;
    /// Elements are in the other order.
    OrderReversed;
    /// The driver is never interrupted.
    NeverInterrupts;
    /// The driver is always interrupted.
    AlwaysInterrupts;
    /// The event index is read one too high.
    EventLate;
    /// The event index is read one too low.
    EventEarly;
    /// The event index is compared as if indices had no end (split).
    EventUnwrapped;
    /// The flag against interrupts counts with event indices too (split).
    FlagCountsWithEvents;
    /// The event index counts without having been negotiated (split).
    EventCountsAlways;
    /// The device says that it wants no notifications, and means it.
    NeverWantsNotifications;
    /// The device's event index is one too high.
    WantsLater;
}

/// Those that concern one ring.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RingFaults {
    pub(crate) ring: Option<RingFault>,
    pub(crate) buffer: Option<BufferFault>,
}

impl RingFaults {
    /// What of a fault concerns this queue of a device of this kind.
    pub(crate) fn of(fault: Option<Fault>, kind: DeviceKind, queue: usize) -> Self {
        match fault {
            Some(Fault::Ring(fault)) => Self { ring: Some(fault), buffer: None },
            Some(Fault::Buffer(fault)) if fault.kind == kind && usize::from(fault.queue) == queue => {
                Self { ring: None, buffer: Some(fault) }
            }
            _ => Self::default(),
        }
    }
}

impl RingFault {
    /// The used length that is told instead.
    pub(crate) fn length(fault: Option<Self>, written: u32) -> u32 {
        match fault {
            Some(Self::LengthTooLarge) => written.saturating_add(1),
            Some(Self::LengthHalved) => written / 2,
            Some(Self::LengthZero) => 0,
            _ => written,
        }
    }
}
