//! What can be wrong with what every device has, and with its registers.

use super::faults;

faults! {
    /// What is wrong with status, features, queues and configuration.
    CommonFault:
    /// Features that were not offered are accepted.
    UnknownFeaturesAccepted;
    /// After the negotiation less is offered.
    OfferedNarrows;
    /// No accepted feature reaches the rings.
    AcceptedForgotten;
    /// A reset leaves the status.
    ResetKeepsStatus;
    /// A reset leaves what was told of the queues.
    ResetKeepsQueues;
    /// A reset leaves the rings in use.
    ResetKeepsRings;
    /// Buffers are used without DRIVER_OK.
    DriverOkNotAwaited;
    /// FAILED is not kept.
    FailedLost;
    /// ACKNOWLEDGE is forgotten with the next step.
    StatusForgetsSteps;
    /// The driver is not told that a reset is needed.
    NeedsResetSilent;
    /// The generation stays when the configuration changes.
    GenerationStuck;
    /// The generation changes with each notification.
    GenerationRuns;
    /// The driver is not told of a change of the configuration.
    ConfigChangeSilent;
    /// Writes of the configuration are lost.
    ConfigWritesLost;
    /// Bytes of the configuration stand one byte further.
    ConfigOneByteOn;
    /// A queue that there is not has the registers of the first.
    AbsentQueueTold;
    /// The largest size of a queue is no power of two.
    SizeNoPowerOfTwo;
    /// Each ring has the largest size.
    SizeIgnored;
    /// Queues are never put into use.
    EnableLost;
    /// Only the first queue is put into use.
    OtherQueuesLost;
    /// Notifications are always of the first queue.
    NotifiesFirst;
    /// The reset of a queue does nothing.
    QueueResetIgnored;
    /// The reset of a queue takes all of them out of use.
    QueueResetOfAll;
    /// The reset of a queue leaves its ring in use.
    QueueResetKeepsRing;
}

faults! {
    /// What is wrong with the registers of a transport.
    TransportFault:
    /// The interrupt status is never set.
    InterruptStatusNeverSet;
    /// Reading (PCI) or acknowledging (MMIO) does not clear the interrupt status.
    InterruptStatusStays;
    /// Reading clears the interrupt status (MMIO).
    InterruptStatusClearedByReads;
    /// Acknowledging one cause acknowledges all (MMIO).
    AcknowledgesAll;
    /// The causes in the interrupt status are exchanged.
    CausesExchanged;
    /// The cause of the configuration is never set.
    ConfigurationCauseMissing;
    /// A reset leaves the interrupt status.
    ResetKeepsInterruptStatus;
    /// Vectors that there are not are kept (PCI).
    AnyVectorKept;
    /// Vectors are not kept (PCI).
    VectorsNotKept;
    /// A reset leaves vectors (PCI).
    ResetKeepsVectors;
    /// Every message is that of the configuration (PCI).
    VectorOfConfiguration;
    /// The pin is used as well as messages (PCI).
    PinBesideMessages;
    /// Of the selector of features only the lowest bit counts.
    SelectorOneBit;
    /// What the driver accepted cannot be read (PCI).
    AcceptedNotReadable;
    /// Whether a queue is in use cannot be read.
    EnableNotReadable;
    /// There is one queue less than told (PCI).
    QueuesMiscounted;
    /// The selector of queues does nothing.
    QueueSelectIgnored;
    /// The window in configuration space leads nowhere (PCI).
    WindowDead;
    /// The areas of a queue have no high half.
    HighHalfLost;
    /// Areas can be written by quadwords alone (PCI).
    HalvesDropped;
}
