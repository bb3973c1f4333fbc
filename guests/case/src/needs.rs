//! What a case requires of its subject, and so what a subject may offer.
//!
//! A need is either a property of the guest's processor, which the image finds out by itself with CPUID in its
//! probe run, or a property of the board, which only the host knows. Both are bits of one set.

bitflags::bitflags! {
    /// A set of requirements. A case whose needs its subject does not offer is a `skip` that names them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Needs: u64 {
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
        /// MOVBE.
        const MOVBE = 1 << 41;
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
    }
}

impl Needs {
    /// The bits that the image's own probe decides; the others are the subject's to tell.
    pub const PROCESSOR: Self = Self::from_bits_truncate((1 << 48) - 1);

    /// The names of the bits in `self`, for reports.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.iter_names().map(|(name, _)| name)
    }
}
