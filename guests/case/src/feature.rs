//! The features: the rows of the report.
//!
//! A new feature is one line here. A feature without a case is listed with 0 cases, so the table also
//! says what is not covered yet.

use crate::text::Text;

macro_rules! features {
    ($($id:ident $area:literal $title:literal;)*) => {
        /// One row of the conformance report.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the title in the table is the documentation")]
        pub enum Feature { $($id),* }

        impl Feature {
            /// Every feature, in the order of the report.
            pub const ALL: &[Self] = &[$(Self::$id),*];

            /// The stable name that reports and baselines use.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$id => stringify!($id)),* }
            }

            /// The area (the folder under `guests/suite/src`) that holds its cases.
            pub const fn area(self) -> &'static str {
                match self { $(Self::$id => $area),* }
            }

            /// What it is, for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$id => $title),* }
            }
        }
    };
}

features! {
    // What a guest finds before its first instruction.
    PvhEntryState            "boot"      "Register state at the PVH entry";
    PvhStartInfo             "boot"      "PVH start-of-day structure";
    LongModeActivation       "boot"      "Entering long mode";
    // CPUID.
    CpuidBasicLeaves         "cpuid"     "CPUID basic leaves and limits";
    CpuidExtendedLeaves      "cpuid"     "CPUID extended leaves";
    CpuidDynamicBits         "cpuid"     "CPUID bits that follow control registers";
    CpuidFeatureBehaviour    "cpuid"     "CPUID feature bits tied to behaviour";
    CpuidFeatureTable        "cpuid"     "CPUID feature bits, each with its instruction or register bit";
    CpuidConsistency         "cpuid"     "CPUID leaves against each other";
    // Model-specific registers.
    MsrAccess                "msr"       "RDMSR and WRMSR: faults and operands";
    MsrEfer                  "msr"       "IA32_EFER";
    MsrSegmentBases          "msr"       "FS, GS and kernel GS base";
    MsrSyscall               "msr"       "SYSCALL and SYSENTER MSRs";
    MsrPat                   "msr"       "IA32_PAT";
    MsrTsc                   "msr"       "Time-stamp counter and TSC_AUX";
    MsrMtrr                  "msr"       "MTRR capability and defaults";
    MsrTable                 "msr"       "MSRs by table: existence, reset value, reserved bits, read-back";
    // Exceptions.
    ExceptionVectors         "exceptions" "Exceptions: vectors, error codes, saved RIP";
    ExceptionPageFault       "exceptions" "Page-fault error code and CR2";
    ExceptionDebug           "exceptions" "Debug exceptions, DR6 and DR7";
    ExceptionStackSwitch     "exceptions" "Interrupt stack table and stack frame";
    ExceptionPriority        "exceptions" "Priorities among exceptions";
    ExceptionDoubleFault     "exceptions" "Faults during delivery, double and triple fault";
    ExceptionShadow          "exceptions" "MOV SS, POP SS and STI shadows";
    ExceptionAlignment       "exceptions" "Alignment checks";
    ControlRegisterChecks    "exceptions" "Reserved bits of control registers";
    // Port I/O.
    PortIo                   "pio"       "IN and OUT: sizes and register effects";
    PortIoString             "pio"       "INS and OUTS";
    PortIoPrivilege          "pio"       "IOPL and the I/O permission bitmap";
    SerialPort               "pio"       "16550 UART at COM1";
    ResetPort                "pio"       "i8042 controller: status and commands";
    // Memory-mapped I/O.
    MmioWidth                "mmio"      "MMIO reads and writes of each width";
    MmioReadModifyWrite      "mmio"      "MMIO read-modify-write instructions";
    MmioString               "mmio"      "MMIO by string instructions";
    MmioPaging               "mmio"      "MMIO through page tables";
    MmioUnbacked             "mmio"      "Accesses that no device claims";
    // Hypercalls.
    HypervisorLeaves         "hypercall" "Hypervisor CPUID leaves";
    HypercallKvm             "hypercall" "KVM hypercalls";
    KvmClock                 "hypercall" "KVM clock and wall clock";
    VirtualizationOff        "hypercall" "VMX and SVM instructions while both are off";
    HypercallPrivilege       "hypercall" "Hypercalls by privilege level";
    // Paging.
    PagingTranslation        "paging"    "Four-level translation and page sizes";
    PagingPermissions        "paging"    "Access rights of pages";
    PagingAccessedDirty      "paging"    "Accessed and dirty flags";
    PagingInvalidation       "paging"    "INVLPG, CR3 and stale translations";
    PagingCanonical          "paging"    "Canonical addresses";
    PagingReservedBits       "paging"    "Reserved bits in paging structures";
    PagingEveryCombination   "paging"    "Access rights, every combination of bits and levels";
    PagingFiveLevel          "paging"    "Five-level paging";
    PagingPae                "paging"    "PAE paging";
    Paging32Bit              "paging"    "32-bit paging with and without PSE";
    PagingProtectionKeys     "paging"    "Protection keys for user and supervisor pages";
    PagingContexts           "paging"    "Process-context identifiers and INVPCID";
    PagingConsistency        "paging"    "Changed paging structures, seen after each kind of flush";
    PagingModeSwitches       "paging"    "Switching among paging modes";
    // Modes outside of long mode.
    ModeSwitches             "modes"     "Switching among real, virtual-8086 and protected mode";
    RealMode                 "modes"     "Real mode: segments, interrupts, instructions";
    BigRealMode              "modes"     "Real mode with segments beyond 64 KiB";
    Virtual8086              "modes"     "Virtual-8086 mode";
    ProtectedMode16          "modes"     "16-bit protected mode";
    ProtectedMode32          "modes"     "32-bit protected mode";
    ModeStrings              "modes"     "String instructions outside of long mode";
    // Segmentation and privilege.
    SegmentLoads             "segments"  "Loads of segment registers: type, DPL, RPL, presence";
    SegmentLimits            "segments"  "Segment limits, expand-down segments, bases";
    SegmentTables            "segments"  "GDT, LDT, IDT and TR: loads, stores, limits";
    FarBranches              "segments"  "Far JMP, CALL and RET, conforming code";
    CallGates                "segments"  "Call gates";
    InterruptGates           "segments"  "Interrupt, trap and task gates";
    InterruptReturn          "segments"  "IRET in every direction";
    TaskSwitches             "segments"  "16-bit and 32-bit task switches";
    BranchTargets            "segments"  "Canonical and limit checks of branch targets";
    UserModePrevention       "segments"  "User-mode instruction prevention";
    // System calls.
    SyscallSysret            "syscall"   "SYSCALL and SYSRET";
    SysenterSysexit          "syscall"   "SYSENTER and SYSEXIT";
    SwapGs                   "syscall"   "SWAPGS";
    // Ring 3.
    Ring3Privilege           "ring3"     "Privileged instructions at CPL 3";
    Ring3Transitions         "ring3"     "Transitions between rings";
    Ring3Computation         "ring3"     "Arithmetic and flags at CPL 3";
    Ring3ExtendedState       "ring3"     "x87, SSE and AVX state at CPL 3";
    // String instructions.
    StringInstructions       "string"    "MOVS, STOS, LODS, CMPS, SCAS";
    StringRepeat             "string"    "REP prefixes and RCX";
    StringFaults             "string"    "Faults inside a repeated string instruction";
    // State.
    StateX87                 "state"     "x87 and MMX state";
    StateSse                 "state"     "SSE, AVX and AVX-512 state";
    StateXsave               "state"     "XSAVE, XRSTOR and XCR0";
    StateXsaves              "state"     "XSAVES, XRSTORS, XSAVEC and XSS";
    StateReset               "state"     "State after RESET and INIT";
    // Local APIC.
    ApicRegisters            "apic"      "Local APIC: registers, reset values, reserved bits, access sizes";
    ApicModes                "apic"      "Local APIC: xAPIC, x2APIC and disabled mode";
    X2ApicRegisters          "apic"      "x2APIC: MSRs, reserved bits, ids";
    ApicPriorities           "apic"      "IRR, ISR, TPR, PPR and CR8";
    ApicEndOfInterrupt       "apic"      "End of interrupt, TMR and broadcast suppression";
    ApicLocalVectors         "apic"      "Local vector table: masks, modes, delivery";
    ApicErrors               "apic"      "Local APIC: errors and ESR";
    ApicInterprocessor       "apic"      "Interprocessor interrupts: ICR, shorthands, delivery modes";
    ApicDestinations         "apic"      "Destinations: physical, logical flat, cluster, x2APIC";
    ApicSelfInterrupt        "apic"      "Self-IPI";
    ApicTimerOneShot         "apic_timer" "APIC timer: one-shot mode and divider";
    ApicTimerPeriodic        "apic_timer" "APIC timer: periodic mode";
    ApicTimerDeadline        "apic_timer" "APIC timer: TSC-deadline mode";
    ApicTimerModes           "apic_timer" "APIC timer: changes of mode, masks";
    // Interrupt controllers of the board.
    IoApicRegisters          "ioapic"    "I/O APIC: registers";
    IoApicDelivery           "ioapic"    "I/O APIC: delivery, destinations, polarity, masks";
    IoApicLevel              "ioapic"    "I/O APIC: level-triggered interrupts and remote IRR";
    IoApicReconfiguration    "ioapic"    "I/O APIC: redirection changed in flight";
    PicInitialization        "pic"       "8259A: initialisation and registers";
    PicPriority              "pic"       "8259A: priority, rotation, special mask mode";
    PicEndOfInterrupt        "pic"       "8259A: end of interrupt, automatic and specific";
    PicSpurious              "pic"       "8259A: spurious IRQ 7 and 15, poll command";
    PicCascade               "pic"       "8259A: cascade and edge/level control";
    MessageDelivery          "msi"       "Messages: delivery modes, destinations, trigger modes";
    MessageRouting           "msi"       "Messages by routes and event file descriptors";
    NonMaskable              "nmi"       "NMI: delivery, blocking and unblocking";
    SystemManagement         "nmi"       "SMI";
    // Timers of the board.
    PitModes                 "pit"       "8254: modes 0 to 5";
    PitReadBack              "pit"       "8254: latches, read-back, BCD";
    PitGate                  "pit"       "8254: gates and port 61H";
    PitInterrupt             "pit"       "8254: interrupts";
    HpetRegisters            "hpet"      "HPET: registers and the main counter";
    HpetComparators          "hpet"      "HPET: comparators, one-shot and periodic";
    HpetRouting              "hpet"      "HPET: routing, legacy replacement, level interrupts";
    RtcRegisters             "rtc"       "RTC: registers, formats, memory";
    RtcUpdate                "rtc"       "RTC: update cycle and calendar";
    RtcInterrupts            "rtc"       "RTC: alarm, periodic and update-ended interrupts";
    PmTimer                  "pmtimer"   "ACPI timer";
    // Clocks.
    TscCounter               "tsc"       "TSC: monotonic, on and across processors";
    TscAdjust                "tsc"       "IA32_TSC, IA32_TSC_ADJUST and their relation";
    TscReading               "tsc"       "RDTSC, RDTSCP, RDPID and TSC_AUX";
    ClockAgreement           "clocks"    "Rates of all clocks against each other";
    KvmClockProtocol         "kvmclock"  "KVM clock: version protocol, flags, fields";
    KvmClockTime             "kvmclock"  "KVM clock: monotonic, drift, across processors";
    KvmClockWall             "kvmclock"  "KVM wall clock";
    KvmClockControl          "kvmclock"  "KVM clock after pauses, TSC writes and KVM_SET_CLOCK";
    // Paravirtual interfaces of KVM.
    StealTime                "paravirtual" "KVM steal time";
    ParavirtualEndOfInterrupt "paravirtual" "KVM PV EOI";
    ParavirtualInterprocessor "paravirtual" "KVM PV IPI and kicks";
    ParavirtualTlbFlush      "paravirtual" "KVM PV TLB flush";
    AsyncPageFaults          "paravirtual" "KVM asynchronous page faults";
    // More than one processor.
    SmpStart                 "smp"       "INIT and start-up IPIs";
    SmpInterrupts            "smp"       "Interprocessor interrupts under load";
    SmpTlbShootdown          "smp"       "TLB shootdown";
    SmpAtomics               "smp"       "Atomic read-modify-write instructions";
    SmpOrdering              "smp"       "Memory ordering: litmus tests";
    SmpHalt                  "smp"       "HLT, MWAIT and wake-ups";
    // SVM: the image as a hypervisor.
    SvmLifeCycle             "svm"       "SVM: enabling, VM_CR, VM_HSAVE_PA, features";
    SvmInstructions          "svm"       "SVM instructions: operands, modes, privilege";
    SvmIntercepts            "svm"       "SVM: intercepts and exit codes";
    SvmControlRegisters      "svm"       "SVM: intercepts of control and debug registers";
    SvmExceptions            "svm"       "SVM: intercepts of exceptions";
    SvmPorts                 "svm"       "SVM: I/O permission map";
    SvmMsrs                  "svm"       "SVM: MSR permission map";
    SvmLegality              "svm"       "SVM: what VMRUN refuses";
    SvmState                 "svm"       "SVM: state that VMRUN and #VMEXIT switch";
    SvmInjection             "svm"       "SVM: event injection";
    SvmInterrupts            "svm"       "SVM: GIF, physical and virtual interrupts";
    SvmNestedPaging          "svm"       "SVM: nested paging";
    // VMX: the image as a hypervisor.
    VmxCapabilities          "vmx"       "VMX: capability MSRs";
    VmxLifeCycle             "vmx"       "VMX: entering and leaving VMX operation";
    VmxInstructions          "vmx"       "VMX instructions: operands, modes, privilege";
    VmxFailures              "vmx"       "VMX: VMfailInvalid and VMfailValid";
    VmxFields                "vmx"       "VMX: VMREAD and VMWRITE of every field";
    VmxExits                 "vmx"       "VMX: exit reasons of instructions";
    VmxControlRegisters      "vmx"       "VMX: masks and exits of control registers";
    VmxExceptions            "vmx"       "VMX: exits of exceptions";
    VmxPorts                 "vmx"       "VMX: I/O bitmaps and I/O exits";
    VmxMsrs                  "vmx"       "VMX: MSR bitmaps and MSR areas";
    VmxEntryControls         "vmx"       "VMX: checks of controls at entries";
    VmxEntryHostState        "vmx"       "VMX: checks of host state at entries";
    VmxEntryGuestState       "vmx"       "VMX: checks of guest state at entries";
    VmxState                 "vmx"       "VMX: state that entries and exits load and save";
    VmxInjection             "vmx"       "VMX: event injection";
    VmxInterrupts            "vmx"       "VMX: interrupts, NMIs and windows";
    VmxPreemptionTimer       "vmx"       "VMX: preemption timer and monitor trap flag";
    VmxEpt                   "vmx"       "VMX: extended page tables";
    VmxVpid                  "vmx"       "VMX: VPIDs and cached translations";
    VmxUnrestricted          "vmx"       "VMX: unrestricted guests";
    VmxShadowing             "vmx"       "VMX: VMCS shadowing";
    VmxFunctions             "vmx"       "VMX: VM functions and #VE";
    VmxApic                  "vmx"       "VMX: virtualization of the local APIC";
    // PCI.
    PciConfiguration         "pci"       "PCI: configuration space by ports and by memory";
    PciHeader                "pci"       "PCI: header, command and status";
    PciBaseAddresses         "pci"       "PCI: base address registers";
    PciCapabilities          "pci"       "PCI: capabilities";
    PciMsiX                  "pci"       "PCI: MSI-X table, masks and pending bits";
    PciPins                  "pci"       "PCI: interrupt pins";
    // virtio.
    VirtioPci                "virtio"    "virtio over PCI: capabilities and registers";
    VirtioMmio               "virtio"    "virtio over MMIO: registers";
    VirtioStatus             "virtio"    "virtio: device status and reset";
    VirtioFeatures           "virtio"    "virtio: negotiation of features";
    VirtioConfiguration      "virtio"    "virtio: configuration of a device and its generation";
    VirtioQueues             "virtio"    "virtio: rings, split and packed";
    VirtioIndirect           "virtio"    "virtio: indirect descriptors";
    VirtioNotifications      "virtio"    "virtio: notifications, their suppression, interrupts";
    VirtioQueueReset         "virtio"    "virtio: reset of a queue";
    VirtioHostileDrivers     "virtio"    "virtio: drivers that break the rules";
    VirtioEntropy            "virtio"    "virtio: entropy device";
    VirtioBlock              "virtio"    "virtio: block device";
    VirtioScsi               "virtio"    "virtio: SCSI host";
    VirtioNetwork            "virtio"    "virtio: network device";
    VirtioConsole            "virtio"    "virtio: console and its ports";
    VirtioBalloon            "virtio"    "virtio: balloon";
    VirtioSocket             "virtio"    "virtio: socket device";
    VirtioGpu                "virtio"    "virtio: GPU";
    // What firmware tells of the above.
    FirmwareTables           "firmware"  "ACPI and MP tables against the devices there are";
    // KVM's interface from the host's side: cases of the host, see the crate `interface`.
    InterfaceMemory          "interface" "KVM: memory slots and guest_memfd";
    InterfaceDirty           "interface" "KVM: dirty log and dirty ring";
    InterfaceEvents          "interface" "KVM: ioeventfd and coalesced I/O";
    InterfaceInterrupts      "interface" "KVM: irqfd, routing and messages";
    InterfaceDebug           "interface" "KVM: guest debug";
    InterfaceExits           "interface" "KVM: KVM_RUN, its exits, signals and synchronised registers";
    InterfaceMsrs            "interface" "KVM: MSR lists, exits and filters";
    InterfaceState           "interface" "KVM: state of a virtual processor, read, written and refused";
    InterfaceDevices         "interface" "KVM: state of interrupt controllers and timer";
    InterfaceClocks          "interface" "KVM: TSC rate and clock";
    InterfaceCapabilities    "interface" "KVM: capabilities against behaviour";
    // Instruction emulation: cases of the host, see `testcases::emulation`.
    EmulationLegacy          "emulation" "Emulation of legacy, MMX and SSE instructions";
    EmulationX87             "emulation" "Emulation of x87 instructions";
    EmulationVex             "emulation" "Emulation of VEX instructions";
    EmulationEvex            "emulation" "Emulation of EVEX instructions";
}

impl Feature {
    /// The id as a static text, for a case record.
    pub const fn id_text(self) -> Text {
        Text::new(self.id())
    }

    /// The area as a static text, for a case record.
    pub const fn area_text(self) -> Text {
        Text::new(self.area())
    }

    /// The feature with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|feature| feature.id() == id)
    }
}
