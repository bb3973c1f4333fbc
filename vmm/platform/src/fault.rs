//! Rules that a model can be told to break, one at a time: with them a test suite is tried, as no device of silicon breaks
//! just one rule.
//!
//! Each is a single test at the place of its rule. Who sets none gets the model as it is described elsewhere.

/// A rule of one of the models to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Of the 8259As, both of them.
    Pic(PicFault),
    /// Of the 8254, all channels.
    Pit(PitFault),
    /// Of the HPET.
    Hpet(HpetFault),
    /// Of the real-time clock.
    Rtc(RtcFault),
    /// Of the ACPI timer and its blocks.
    Power(PowerFault),
    /// Of the I/O APIC.
    IoApic(IoApicFault),
    /// Of all local APICs.
    LocalApic(LocalApicFault),
}

macro_rules! faults {
    ($(#[$of:meta])* $name:ident: $($(#[$what:meta])* $variant:ident;)*) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$what])* $variant),* }

        impl $name {
            /// Whether this is what a model was told to do.
            pub(crate) const fn is_set(self, fault: Option<Self>) -> bool {
                matches!(fault, Some(set) if set as u8 == self as u8)
            }
        }
    };
}

faults! {
    /// What is wrong with an 8259A.
    PicFault:
    /// The rotating commands of OCW2 do not rotate.
    EoiDoesNotRotate;
    /// The command that sets the priority does nothing.
    PrioritySetIgnored;
    /// An automatic end of interrupt does not rotate.
    AutoEoiDoesNotRotate;
    /// With the automatic end an interrupt stays in service.
    AutoEoiKeepsService;
    /// A specific end of interrupt ends the highest instead.
    SpecificEoiEndsHighest;
    /// An end that names nothing ends the lowest in service.
    EoiEndsLowest;
    /// What is told when no request is left is in service.
    SpuriousIsInService;
    /// Masked inputs interrupt.
    MaskIgnored;
    /// Writing the mask forgets the edges of masked inputs.
    MaskForgetsRequests;
    /// There is no special mask mode.
    SpecialMaskIgnored;
    /// There is no special fully nested mode.
    FullyNestedIgnored;
    /// A poll command does nothing.
    PollIgnored;
    /// A poll does not acknowledge.
    PollDoesNotAcknowledge;
    /// The in-service register cannot be read.
    InServiceNotReadable;
    /// ICW1 does not clear the mask.
    InitKeepsMask;
    /// ICW1 does not take back special mask mode.
    InitKeepsSpecialMask;
    /// Inputs that should be level-triggered are edge-triggered.
    LevelIgnored;
    /// An edge whose level falls is still a request.
    FallKeepsRequest;
    /// What is in service blocks nothing.
    ServiceBlocksNothing;
    /// What is in service blocks everything.
    ServiceBlocksAll;
    /// The vector's low bits are those of ICW2.
    VectorKeepsLowBits;
    /// The second controller is never asked for its vector.
    CascadeIgnored;
    /// The reserved bits of the edge/level control registers stay as written.
    LevelBitsWritable;
    /// ICW4 is not awaited.
    Icw4NotAwaited;
}

faults! {
    /// What is wrong with an 8254 or port 61H.
    PitFault:
    /// Counter latch commands are ignored.
    LatchIgnored;
    /// A second latch command latches anew.
    LatchedAgain;
    /// The read-back command does not latch counts.
    ReadBackWithoutCount;
    /// The read-back command does not latch the status.
    ReadBackWithoutStatus;
    /// The read-back command takes channel 0 for all.
    ReadBackOfFirstOnly;
    /// A count is read before the status.
    CountBeforeStatus;
    /// Counts are binary, whatever the control word says.
    BcdIgnored;
    /// The gate does not stop counting.
    GateDoesNotStop;
    /// A rising gate does not trigger.
    GateDoesNotTrigger;
    /// A low gate leaves the output of periodic modes low.
    GateLeavesOutput;
    /// The output of mode 0 begins high.
    ModeZeroBeginsHigh;
    /// Mode 2 does what mode 3 does.
    RateIsSquare;
    /// Mode 3 does what mode 2 does.
    SquareIsRate;
    /// One-shot counters begin again.
    OneShotRepeats;
    /// Strobes have no low pulse.
    NoStrobe;
    /// A new count is loaded at once in periodic modes.
    CountLoadedAtOnce;
    /// The status never tells of a null count.
    NullCountNeverSet;
    /// The status tells the output inverted.
    StatusOutputInverted;
    /// The high byte of a count comes first.
    HighByteFirst;
    /// The first byte of a count does not stop mode 0.
    FirstByteDoesNotHold;
    /// The refresh bit of port 61H stands still.
    RefreshStandsStill;
    /// Port 61H does not show the output of channel 2.
    OutputNotShown;
    /// Writable bits of port 61H read as zero.
    GateBitNotReadable;
    /// The output of channel 0 leads nowhere.
    NoInterrupt;
    /// Modes 6 and 7 are not modes 2 and 3.
    AliasesUnknown;
    /// A count of zero is one.
    ZeroIsOne;
    /// A control word lets the count before it go on.
    ControlKeepsCount;
}

faults! {
    /// What is wrong with an HPET.
    HpetFault:
    /// Writing ones does not clear the status.
    StatusNotCleared;
    /// The status is never set.
    StatusNeverSet;
    /// Writing zeros clears the status too.
    StatusClearedByZero;
    /// A periodic timer fires once.
    PeriodicFiresOnce;
    /// A timer that is not periodic fires again.
    OneShotRepeats;
    /// Timers are not forced to 32 bits.
    Force32Ignored;
    /// The bit that lets the accumulator be set is ignored.
    SetValueIgnored;
    /// The bit that lets the accumulator be set stays.
    SetValueStays;
    /// The main counter counts while disabled.
    CountsWhileDisabled;
    /// The main counter begins anew when it is enabled.
    EnableResetsCounter;
    /// The main counter cannot be written.
    CounterReadOnly;
    /// There is no legacy replacement.
    LegacyIgnored;
    /// Level-triggered timers make edges.
    LevelIsEdge;
    /// Disabled timers interrupt.
    DisabledTimerFires;
    /// Any route is taken.
    AnyRoute;
    /// The route is fixed.
    RouteFixed;
    /// Timers that cannot be periodic take the bit.
    PeriodicBitWritable;
    /// The comparators after reset are zero.
    ComparatorsBeginAtZero;
}

faults! {
    /// What is wrong with a real-time clock.
    RtcFault:
    /// There is never an update in progress.
    NoUpdateInProgress;
    /// An update is always in progress.
    AlwaysInProgress;
    /// SET does not stop updates.
    SetDoesNotStop;
    /// SET leaves the enable of the update-ended interrupt.
    SetKeepsEnable;
    /// Reading register C does not clear it.
    FlagsNotCleared;
    /// Reading register C clears only the flag of periods.
    OnlyPeriodicCleared;
    /// IRQF is never set.
    RequestNeverSet;
    /// Flags are set only when they are enabled.
    FlagsFollowEnables;
    /// Alarms know no bytes that match any.
    AlarmCaresAlways;
    /// Alarms never come.
    NoAlarm;
    /// Time is always in BCD.
    BinaryIgnored;
    /// Hours are always 24.
    HalfDaysIgnored;
    /// Periods are twice as long.
    PeriodsTwiceAsLong;
    /// The two fastest rates are not those of 8 and 9.
    FastestRatesTaken;
    /// The divider cannot be held in reset.
    DividerNeverReset;
    /// Register D tells of an empty battery.
    BatteryEmpty;
    /// Updates do not set their flag.
    UpdateNotFlagged;
    /// Updates do not count.
    TimeStandsStill;
    /// Bit 7 of register A can be written.
    ProgressWritable;
    /// The highest byte of memory cannot be written.
    MemoryEndReadOnly;
    /// Register C can be written.
    FlagsWritable;
    /// Interrupts of updates are requested though they are not enabled.
    EnableIgnored;
    /// The day of the week stays.
    WeekdayStays;
    /// Every fourth year is none with 29 February.
    NoLeapDays;
}

faults! {
    /// What is wrong with the ACPI timer and its blocks.
    PowerFault:
    /// The timer has a bit less.
    NarrowTimer;
    /// The timer can be written.
    TimerResetByWrites;
    /// TMR_STS is never set.
    NoTimerStatus;
    /// Status is not cleared by ones.
    StatusNotCleared;
    /// Status is cleared by zeros.
    StatusClearedByZero;
    /// There is no interrupt.
    NoInterrupt;
    /// The interrupt does not wait for its enable.
    EnableIgnored;
    /// SLP_TYP is not kept.
    SleepTypeLost;
}

faults! {
    /// What is wrong with an I/O APIC.
    IoApicFault:
    /// Remote IRR is never set.
    RemoteIrrNeverSet;
    /// Ends of interrupts do not clear remote IRR.
    EndIgnored;
    /// Masked entries send.
    MaskIgnored;
    /// Edges are held while masked.
    EdgesHeldWhileMasked;
    /// Polarity does not matter.
    PolarityIgnored;
    /// Remote IRR can be written.
    RemoteIrrWritable;
    /// All bits of the ID can be written.
    IdBitsWritable;
    /// The arbitration ID does not follow the ID.
    ArbitrationStays;
    /// Every message has fixed delivery.
    AlwaysFixed;
    /// Every destination is physical.
    AlwaysPhysical;
    /// Every message is an edge.
    AlwaysEdge;
    /// The version is another.
    VersionWrong;
    /// There is one entry less than told.
    LastEntryMissing;
    /// The destination's highest bit is lost.
    DestinationNarrow;
    /// Vectors are one too high.
    VectorOffByOne;
    /// An entry that levels hold asserted does not send again.
    LevelSentOnce;
    /// There is no EOI register.
    NoEoiRegister;
    /// Entries are not masked after reset.
    ResetUnmasked;
}

faults! {
    /// What is wrong with local APICs.
    LocalApicFault:
    /// The task priority holds nothing back.
    TaskPriorityIgnored;
    /// What is in service holds nothing back.
    ServiceIgnored;
    /// PPR shows the task priority alone.
    PprIsTpr;
    /// The trigger mode register is never set.
    TmrNeverSet;
    /// The trigger mode of a vector stays when it comes as an edge.
    TmrNeverCleared;
    /// An end ends the lowest in service.
    EndsLowest;
    /// Ends are ignored.
    EoiIgnored;
    /// Ends are not broadcast.
    NoBroadcast;
    /// The broadcast of ends cannot be suppressed.
    SuppressionIgnored;
    /// Disabled by software, the masks of the local vector table stay.
    DisableKeepsMasks;
    /// Disabled by software, it takes interrupts.
    DisabledTakesInterrupts;
    /// No error is ever detected.
    NoErrors;
    /// Illegal vectors are delivered.
    IllegalVectorsDelivered;
    /// Self-IPIs are lost.
    SelfIpiLost;
    /// IPIs to everybody leave out the sender.
    AllLeavesOutSelf;
    /// IPIs to others reach the sender.
    OthersIncludeSelf;
    /// Lowest-priority IPIs go to everybody addressed.
    LowestGoesToAll;
    /// The divide configuration is ignored.
    DivideIgnored;
    /// A one-shot timer fires again and again.
    OneShotRepeats;
    /// A periodic timer fires once.
    PeriodicFiresOnce;
    /// A masked timer fires.
    MaskedTimerFires;
    /// An initial count of zero does not stop the timer.
    ZeroDoesNotStop;
    /// The current count always shows the initial one.
    CurrentIsInitial;
    /// The deadline stays armed after it has fired.
    DeadlineStays;
    /// A deadline in the past does not fire.
    PastDeadlineLost;
    /// Changes of mode do not disarm the timer.
    ModeChangeKeepsTimer;
    /// Writes of the initial count count in TSC-deadline mode.
    CountTakenInDeadlineMode;
    /// Destinations of clusters are read as flat.
    ClusterIsFlat;
    /// Physical destinations that are everybody are nobody.
    BroadcastIsNobody;
    /// Logical destinations of x2APIC mode reach the cluster before.
    WrongCluster;
    /// Reserved bits raise no exception in x2APIC mode.
    ReservedBitsTaken;
    /// Transitions that are not allowed are made.
    AnyTransition;
    /// INIT leaves the registers.
    InitKeepsRegisters;
    /// Start-up IPIs are lost.
    StartUpLost;
    /// INITs are lost.
    InitLost;
    /// NMIs are lost.
    NmiLost;
    /// CR8 is the whole task priority.
    Cr8NotShifted;
    /// Level-triggered LINT0 sets no remote IRR.
    PinWithoutRemoteIrr;
    /// The version register tells of one entry less.
    EntryLess;
    /// LVT entries are not masked after reset.
    ResetUnmasked;
    /// DFR is zero after reset.
    DfrBeginsAtZero;
    /// ESR shows errors without having been written.
    EsrShowsAtOnce;
    /// Requests are in order of arrival: the lowest vector first.
    LowestVectorFirst;
}
