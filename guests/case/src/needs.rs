//! What a case requires of its subject, and so what a subject may offer.
//!
//! A need is either a property of the guest's processor, which the image finds out by itself with CPUID and capability
//! MSRs in its probe run, or a property of the board, which only the host knows. Both are bits of one set.

bitflags::bitflags! {
    /// A set of requirements. A case whose needs its subject does not offer is a `skip` that names them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Needs: u128 {
        // Properties of the guest's processor, told by CPUID.
        /// The vendor string is GenuineIntel (or a compatible processor that follows Intel's manual).
        const INTEL = 1 << 0;
        /// The vendor string is AuthenticAMD or HygonGenuine.
        const AMD = 1 << 1;
        /// x2APIC mode.
        const X2APIC = 1 << 2;
        /// Execute-disable pages (EFER.NXE).
        const NX = 1 << 3;
        /// SYSCALL and SYSRET.
        const SYSCALL = 1 << 4;
        /// SYSENTER and SYSEXIT.
        const SYSENTER = 1 << 5;
        /// RDTSCP and IA32_TSC_AUX.
        const RDTSCP = 1 << 6;
        /// RDPID.
        const RDPID = 1 << 7;
        /// 1 GiB pages.
        const PAGE_1G = 1 << 8;
        /// RDFSBASE and its family (CR4.FSGSBASE).
        const FSGSBASE = 1 << 9;
        /// CR4.SMEP.
        const SMEP = 1 << 10;
        /// CR4.SMAP, CLAC and STAC.
        const SMAP = 1 << 11;
        /// CR4.UMIP.
        const UMIP = 1 << 12;
        /// CR4.PCIDE.
        const PCID = 1 << 13;
        /// INVPCID.
        const INVPCID = 1 << 14;
        /// XSAVE, XRSTOR, XGETBV and XSETBV.
        const XSAVE = 1 << 15;
        /// AVX.
        const AVX = 1 << 16;
        /// AVX-512 foundation.
        const AVX512F = 1 << 17;
        /// MTRRs.
        const MTRR = 1 << 18;
        /// IA32_PAT.
        const PAT = 1 << 19;
        /// MONITOR and MWAIT.
        const MONITOR = 1 << 20;
        /// CMPXCHG16B.
        const CMPXCHG16B = 1 << 21;
        /// POPCNT.
        const POPCNT = 1 << 22;
        /// Protection keys for user pages.
        const PKU = 1 << 23;
        /// IA32_TSC_ADJUST.
        const TSC_ADJUST = 1 << 24;
        /// The TSC-deadline mode of the local APIC timer.
        const TSC_DEADLINE = 1 << 25;
        /// RDRAND.
        const RDRAND = 1 << 26;
        /// RDSEED.
        const RDSEED = 1 << 27;
        /// Five-level paging.
        const LA57 = 1 << 28;
        /// The VMX instructions.
        const VMX = 1 << 29;
        /// The SVM instructions.
        const SVM = 1 << 30;
        /// CPUID says that a hypervisor is present (leaf 1, ECX bit 31).
        const HYPERVISOR = 1 << 31;
        /// KVM's signature stands in the hypervisor leaves.
        const KVM = 1 << 32;
        /// KVM's clock by MSRs 4B564D00H and 4B564D01H (KVM_FEATURE_CLOCKSOURCE2).
        const KVM_CLOCK = 1 << 33;
        /// KVM's flag that says that clocks of all virtual processors agree (KVM_FEATURE_CLOCKSOURCE_STABLE_BIT).
        const KVM_CLOCK_STABLE = 1 << 34;
        /// KVM's steal time (KVM_FEATURE_STEAL_TIME).
        const KVM_STEAL_TIME = 1 << 35;
        /// KVM's end of interrupt by a bit in memory (KVM_FEATURE_PV_EOI).
        const KVM_PV_EOI = 1 << 36;
        /// KVM's kick of a halted processor (KVM_FEATURE_PV_UNHALT).
        const KVM_PV_UNHALT = 1 << 37;
        /// KVM's flush of the TLB of a processor that does not run (KVM_FEATURE_PV_TLB_FLUSH).
        const KVM_PV_TLB_FLUSH = 1 << 38;
        /// KVM's asynchronous page faults by an interrupt (KVM_FEATURE_ASYNC_PF_INT).
        const KVM_ASYNC_PF = 1 << 39;
        /// KVM's interrupts to many processors by a hypercall (KVM_FEATURE_PV_SEND_IPI).
        const KVM_PV_SEND_IPI = 1 << 40;
        /// MOVBE.
        const MOVBE = 1 << 41;
        /// KVM's hypercall that yields to another processor (KVM_FEATURE_PV_SCHED_YIELD).
        const KVM_PV_SCHED_YIELD = 1 << 42;
        /// A time-stamp counter whose rate never changes.
        const INVARIANT_TSC = 1 << 43;
        /// AMX: tile configuration and tile data.
        const AMX_TILE = 1 << 44;
        /// Shadow stacks (CET_SS).
        const SHADOW_STACK = 1 << 45;
        /// Virtual interrupts and the interrupt redirection bitmap (CR4.VME, CR4.PVI).
        const VME = 1 << 46;
        /// Protection keys for supervisor pages.
        const PKS = 1 << 47;

        // Properties of the board, told by the subject.
        /// The image was entered by PVH, so the entry state is the loader's.
        const PVH_ENTRY = 1 << 48;
        /// A 16550 UART at port 3F8H.
        const COM1 = 1 << 49;
        /// An i8042 controller at ports 60H and 64H.
        const I8042 = 1 << 50;
        /// Our test device: scratch registers by port and by MMIO (see `case::image`).
        const TEST_DEVICE = 1 << 51;
        /// A local APIC.
        const LOCAL_APIC = 1 << 52;
        /// No device answers at the unclaimed test addresses (see `case::image`).
        const UNCLAIMED = 1 << 53;
        /// The harness can have single instructions executed on MMIO, with any state.
        const SINGLE_INSTRUCTIONS = 1 << 54;
        /// The harness can read and write the registers of a virtual processor that has not run.
        const PROCESSOR_STATE = 1 << 55;
        /// An I/O APIC at FEC00000H.
        const IO_APIC = 1 << 56;
        /// Two 8259A interrupt controllers with edge/level control registers.
        const PIC = 1 << 57;
        /// An 8254 timer at ports 40H to 43H, and port 61H.
        const PIT = 1 << 58;
        /// An HPET at FED00000H.
        const HPET = 1 << 59;
        /// An MC146818 clock at ports 70H and 71H.
        const RTC = 1 << 60;
        /// The ACPI timer at port 608H.
        const PM_TIMER = 1 << 61;
        /// Our signalling device: the host sends messages and drives interrupt lines on request (see `case::image`).
        const SIGNALS = 1 << 62;
        /// ACPI tables that tell of the board, and of all processors.
        const FIRMWARE_TABLES = 1 << 63;

        // Properties of the guest's processor again: what of VMX there is, told by its capability MSRs.
        /// The pin-based control "virtual NMIs".
        const VMX_VIRTUAL_NMI = 1 << 64;
        /// The pin-based control "activate VMX-preemption timer".
        const VMX_PREEMPTION_TIMER = 1 << 65;
        /// The pin-based control "process posted interrupts".
        const VMX_POSTED = 1 << 66;
        /// "Use TPR shadow".
        const VMX_TPR_SHADOW = 1 << 67;
        /// "Monitor trap flag".
        const VMX_MONITOR_TRAP = 1 << 68;
        /// "Use MSR bitmaps".
        const VMX_MSR_MAPS = 1 << 69;
        /// "Activate secondary controls".
        const VMX_SECONDARY = 1 << 70;
        /// "Virtualize APIC accesses".
        const VMX_APIC_ACCESS = 1 << 71;
        /// "Enable EPT".
        const VMX_EPT = 1 << 72;
        /// "Descriptor-table exiting".
        const VMX_DESCRIPTOR_TABLE = 1 << 73;
        /// "Virtualize x2APIC mode".
        const VMX_X2APIC = 1 << 74;
        /// "Enable VPID".
        const VMX_VPID = 1 << 75;
        /// "Unrestricted guest".
        const VMX_UNRESTRICTED = 1 << 76;
        /// "APIC-register virtualization".
        const VMX_APIC_REGISTERS = 1 << 77;
        /// "Virtual-interrupt delivery".
        const VMX_VIRTUAL_INTERRUPTS = 1 << 78;
        /// "PAUSE-loop exiting".
        const VMX_PAUSE_LOOP = 1 << 79;
        /// "Enable VM functions".
        const VMX_FUNCTIONS = 1 << 80;
        /// "VMCS shadowing".
        const VMX_SHADOWING = 1 << 81;
        /// "Enable PML".
        const VMX_PML = 1 << 82;
        /// "EPT-violation #VE".
        const VMX_VIRTUALIZATION_EXCEPTION = 1 << 83;
        /// "Enable XSAVES/XRSTORS".
        const VMX_XSAVES = 1 << 84;
        /// "Mode-based execute control for EPT".
        const VMX_MODE_BASED_EXECUTE = 1 << 85;
        /// "Sub-page write permissions for EPT".
        const VMX_SUB_PAGE = 1 << 86;
        /// "Use TSC scaling".
        const VMX_TSC_SCALING = 1 << 87;
        /// Execute-only translations of EPT.
        const VMX_EPT_EXECUTE_ONLY = 1 << 88;
        /// Pages of 2 MiB of EPT.
        const VMX_EPT_2M = 1 << 89;
        /// Pages of 1 GiB of EPT.
        const VMX_EPT_1G = 1 << 90;
        /// Accessed and dirty flags of EPT.
        const VMX_EPT_DIRTY = 1 << 91;
        /// INVEPT.
        const VMX_INVEPT = 1 << 92;
        /// INVVPID.
        const VMX_INVVPID = 1 << 93;
        /// The VM function "EPTP switching".
        const VMX_EPTP_SWITCHING = 1 << 94;
        /// VMWRITE may write every field that there is, those of exit information too.
        const VMX_WRITES_ALL_FIELDS = 1 << 95;
        /// Software events may be injected with an instruction length of 0.
        const VMX_ZERO_LENGTH = 1 << 96;
        /// The activity state HLT.
        const VMX_ACTIVITY_HLT = 1 << 97;
        /// The activity state shutdown.
        const VMX_ACTIVITY_SHUTDOWN = 1 << 98;
        /// The activity state wait-for-SIPI.
        const VMX_ACTIVITY_WAIT = 1 << 99;
        /// Exits of INS and OUTS tell of the instruction (IA32_VMX_BASIC bit 54).
        const VMX_STRING_INFORMATION = 1 << 100;
        /// Capability MSRs that tell which default1 controls may be 0 (IA32_VMX_BASIC bit 55).
        const VMX_TRUE_CONTROLS = 1 << 101;
        /// Exit controls "save IA32_EFER" and "load IA32_EFER", and the entry control "load IA32_EFER".
        const VMX_EFER = 1 << 102;
        /// The same of IA32_PAT.
        const VMX_PAT = 1 << 103;
        /// The exit control "save VMX-preemption timer value".
        const VMX_SAVES_TIMER = 1 << 104;
        /// The entry control "load IA32_PERF_GLOBAL_CTRL" and the exit control of that name.
        const VMX_PERFORMANCE = 1 << 105;
        /// The entry control "load CET state" and the exit control of that name.
        const VMX_CET = 1 << 106;
        /// The entry control "load PKRS" and the exit control of that name.
        const VMX_PKRS = 1 << 107;
        /// The entry control "load IA32_BNDCFGS" and the exit control "clear IA32_BNDCFGS".
        const VMX_BOUNDS = 1 << 108;

        // What of SVM there is, told by CPUID leaf 8000000AH.
        /// SVM: nested paging.
        const SVM_NESTED_PAGING = 1 << 109;
        /// SVM: LBR virtualization.
        const SVM_LBR = 1 << 110;
        /// SVM: saving of the next RIP.
        const SVM_NEXT_RIP = 1 << 111;
        /// SVM: VMCB clean bits.
        const SVM_CLEAN = 1 << 112;
        /// SVM: flushes of the TLB by ASID.
        const SVM_FLUSH_BY_ASID = 1 << 113;
        /// SVM: decode assists.
        const SVM_DECODE_ASSISTS = 1 << 114;
        /// SVM: the filter of PAUSE.
        const SVM_PAUSE_FILTER = 1 << 115;
        /// SVM: the threshold of the filter of PAUSE.
        const SVM_PAUSE_THRESHOLD = 1 << 116;
        /// SVM: AVIC.
        const SVM_AVIC = 1 << 117;
        /// SVM: virtual VMLOAD and VMSAVE.
        const SVM_VIRTUAL_VMLOAD = 1 << 118;
        /// SVM: virtual GIF.
        const SVM_VIRTUAL_GIF = 1 << 119;

        // Properties of the board again.
        /// A PCI host bridge with functions on bus 0, one of them with MSI-X, by ports CF8H to CFFH.
        const PCI = 1 << 120;
        /// The virtio devices that the case wants over PCI ([`crate::Devices`]); an entropy device if it names none.
        const VIRTIO_PCI = 1 << 121;
        /// The virtio device that the case wants over MMIO, at `case::image::board::VIRTIO_MMIO`; an entropy device if it names
        /// none.
        const VIRTIO_MMIO = 1 << 122;
        /// The host changes configurations of virtio devices when it is asked to, see `case::image::board::CHANGE_CAPACITY`.
        const CONFIG_CHANGES = 1 << 123;
        /// System-management interrupts by the local APIC, with memory at SMBASE.
        const SMI = 1 << 127;
    }
}

impl Needs {
    /// The bits that the image's own probe decides; the others are the subject's to tell.
    pub const PROCESSOR: Self = Self::from_bits_truncate(((1 << 48) - 1) | (u128::MAX << 64 & !(u128::MAX << 120)));

    /// The names of the bits in `self`, for reports.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.iter_names().map(|(name, _)| name)
    }
}
