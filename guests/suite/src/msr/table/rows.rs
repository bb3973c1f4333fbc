//! The MSRs.
//!
//! Sources: SDM vol. 4, "Architectural MSRs"; SDM vol. 3A, "Memory Type Range Registers (MTRRs)" and "IA32_PAT MSR";
//! SDM vol. 3B, "Machine-Check MSRs" and "Architectural Performance Monitoring"; APM vol. 2, "System Registers",
//! "MTRRs" and appendix A. Where the manuals of the two vendors differ, or where one says nothing, a field holds for one
//! vendor alone or is excluded with its reason.

use super::model::{
    Absence::{Faults, Open as MayExist},
    Access::{ReadOnly, ReadWrite, WriteOnly},
    Condition,
    Condition::{Always, Any, FixedCounter, GeneralCounter, VendorAny},
    Field,
    Group::{
        self, Amd, Apic, Extended, Extensions, FixedRanges, MachineCheck, Performance, UpperFixedRanges,
        UpperVariableRanges, VariableRanges, Vmx,
    },
    Kind::{self, Excluded, Fixed, Physical, Reserved, Writable, WritableIf},
    Reset::{Open, Value},
    Row, Types, contradiction,
};
use crate::cpuid::bit::{
    Output::{Eax, Ebx, Ecx, Edx},
    Vendor, bit,
};

const INTEL: Condition = Condition::Vendor(Vendor::Intel);
const AMD: Condition = Condition::Vendor(Vendor::Amd);

const fn field(low: u32, high: u32, kind: Kind) -> Field {
    Field { low, high, kind }
}

// Conditions.
const MCA: Condition = Any(&[bit(1, 0, Edx, 14)]);
const MTRR: Condition = Any(&[bit(1, 0, Edx, 12)]);
const SEP: Condition = Any(&[bit(1, 0, Edx, 11)]);
const SYSCALL: Condition = Any(&[bit(0x8000_0001, 0, Edx, 11)]);
const VMX: Condition = Any(&[bit(1, 0, Ecx, 5)]);
const SVM: Condition = Any(&[bit(0x8000_0001, 0, Ecx, 2)]);
const SHSTK: Condition = Any(&[bit(7, 0, Ecx, 7)]);
const IBT: Condition = Any(&[bit(7, 0, Edx, 20)]);
const CET: Condition = Any(&[bit(7, 0, Ecx, 7), bit(7, 0, Edx, 20)]);
const XFD: Condition = Any(&[bit(0xd, 1, Eax, 4)]);
const FRED: Condition = Any(&[bit(7, 1, Eax, 17)]);
const UINTR: Condition = Any(&[bit(7, 0, Edx, 5)]);
const HWP: Condition = Any(&[bit(6, 0, Eax, 7)]);
const ARCHITECTURAL_LBR: Condition = Any(&[bit(7, 0, Edx, 19)]);
const PROCESSOR_TRACE: Condition = Any(&[bit(7, 0, Ebx, 25)]);
const FEEDBACK: Condition = Any(&[bit(6, 0, Eax, 19)]);
const ACPI: Condition = VendorAny(Vendor::Intel, &[bit(1, 0, Edx, 22)]);
const EFFECTIVE_FREQUENCY: Condition = Any(&[bit(6, 0, Ecx, 0)]);
const CORE_COUNTERS: Condition = VendorAny(Vendor::Amd, &[bit(0x8000_0001, 0, Ecx, 23)]);
const DATA_BREAKPOINTS: Condition = VendorAny(Vendor::Amd, &[bit(0x8000_0001, 0, Ecx, 26)]);
const OSVW: Condition = VendorAny(Vendor::Amd, &[bit(0x8000_0001, 0, Ecx, 9)]);
const HW_PSTATE: Condition = VendorAny(Vendor::Amd, &[bit(0x8000_0007, 0, Edx, 7)]);
const READ_ONLY_FREQUENCY: Condition = VendorAny(Vendor::Amd, &[bit(0x8000_0007, 0, Edx, 10)]);
const CPPC: Condition = VendorAny(Vendor::Amd, &[bit(0x8000_0008, 0, Ebx, 27)]);
/// Intel: IBRS and IBPB, STIBP, SSBD. AMD: IBRS, STIBP, SSBD, PSFD.
const SPEC_CTRL: Condition = Any(&[
    bit(7, 0, Edx, 26),
    bit(7, 0, Edx, 27),
    bit(7, 0, Edx, 31),
    bit(0x8000_0008, 0, Ebx, 14),
    bit(0x8000_0008, 0, Ebx, 15),
    bit(0x8000_0008, 0, Ebx, 24),
    bit(0x8000_0008, 0, Ebx, 28),
]);
const PRED_CMD: Condition = Any(&[bit(7, 0, Edx, 26), bit(0x8000_0008, 0, Ebx, 12)]);
const IBPB: Condition = PRED_CMD;
const FEATURE_CONTROL: Condition =
    VendorAny(Vendor::Intel, &[bit(1, 0, Ecx, 5), bit(1, 0, Ecx, 6), bit(7, 0, Ebx, 2), bit(7, 0, Ecx, 30)]);
const TSC_AUX: Condition = Any(&[bit(0x8000_0001, 0, Edx, 27), bit(7, 0, Ecx, 22)]);

/// Variable range `index` exists, by IA32_MTRRCAP.
const fn range(index: u64) -> Condition {
    Condition::Msr { bit: bit(1, 0, Edx, 12), number: 0xfe, mask: 0xff, least: index + 1 }
}
const FIXED_RANGES: Condition = Condition::Msr { bit: bit(1, 0, Edx, 12), number: 0xfe, mask: 1 << 8, least: 1 << 8 };
/// Bank `index` of the machine-check architecture exists, by IA32_MCG_CAP.
const fn bank(index: u64) -> Condition {
    Condition::Msr { bit: bit(1, 0, Edx, 14), number: 0x179, mask: 0xff, least: index + 1 }
}
const MCG_CTL_P: Condition = Condition::Msr { bit: bit(1, 0, Edx, 14), number: 0x179, mask: 1 << 8, least: 1 << 8 };
/// The processor has TSX_CTRL, by IA32_ARCH_CAPABILITIES.
const TSX_CTRL: Condition = Condition::Msr { bit: bit(7, 0, Edx, 29), number: 0x10a, mask: 1 << 7, least: 1 << 7 };

// Fields.
const COUNTS: &[Field] = &[field(0, 63, Excluded("it counts, so nothing reads back"))];
const MODEL_SPECIFIC: &[Field] = &[field(0, 63, Excluded("its bits depend on the model"))];
const POWER: &[Field] = &[field(0, 63, Excluded("it would change how fast or how hot the processor is"))];
const READ_ONLY: &[Field] = &[field(0, 63, Excluded("the whole MSR is read-only"))];
const WRITABLE: &[Field] = &[field(0, 63, Writable)];
const CANONICAL: &[Field] = &[field(0, 63, Kind::CanonicalIf(Always))];
const LOCKED: &[Field] = &[field(0, 63, Excluded("firmware locks it"))];
const ADDRESSES: &[Field] = &[field(0, 63, Excluded("it would move an interface of the processor in memory"))];
const COUNTER_VALUE: &[Field] = &[field(0, 63, Excluded("the width of a counter is the model's"))];

const APIC_BASE: &[Field] = &[
    field(0, 7, Reserved),
    field(8, 8, Excluded("whether BSP can be written is the model's")),
    field(9, 9, Reserved),
    field(
        10,
        11,
        Excluded("x2APIC mode and the disabled state are left by a reset only, and belong to the APIC's cases"),
    ),
    field(12, 51, Excluded("moving the registers belongs to the APIC's cases")),
    field(52, 63, Reserved),
];
const SPEC_CTRL_BITS: &[Field] = &[
    field(0, 0, Kind::OpenUnless(Any(&[bit(7, 0, Edx, 26), bit(0x8000_0008, 0, Ebx, 14)]))),
    // Where IBRS is told, software may set STIBP without being told of it.
    field(1, 1, Kind::OpenUnless(Any(&[bit(7, 0, Edx, 27), bit(0x8000_0008, 0, Ebx, 15)]))),
    field(2, 2, WritableIf(Any(&[bit(7, 0, Edx, 31), bit(0x8000_0008, 0, Ebx, 24)]))),
    field(3, 4, WritableIf(Any(&[bit(7, 2, Edx, 1)]))),
    field(5, 6, WritableIf(Any(&[bit(7, 2, Edx, 2)]))),
    field(7, 7, WritableIf(Any(&[bit(7, 2, Edx, 0), bit(0x8000_0008, 0, Ebx, 28)]))),
    field(8, 8, WritableIf(Any(&[bit(7, 2, Edx, 3)]))),
    field(9, 9, Reserved),
    field(10, 10, WritableIf(Any(&[bit(7, 2, Edx, 4)]))),
    field(11, 63, Reserved),
];
const PRED_CMD_BITS: &[Field] = &[
    field(0, 0, Kind::CommandIf(IBPB)),
    field(1, 6, Reserved),
    field(7, 7, Kind::CommandIf(Any(&[bit(0x8000_0021, 0, Eax, 27)]))),
    field(8, 63, Reserved),
];
const FLUSH_CMD_BITS: &[Field] = &[field(0, 0, Kind::CommandIf(Any(&[bit(7, 0, Edx, 28)]))), field(1, 63, Reserved)];
const TSX_CTRL_BITS: &[Field] = &[field(0, 1, Writable), field(2, 63, Reserved)];
const UMWAIT_BITS: &[Field] =
    &[field(0, 0, Writable), field(1, 1, Reserved), field(2, 31, Writable), field(32, 63, Reserved)];
const SYSENTER_CS_BITS: &[Field] =
    &[field(0, 15, Writable), field(16, 63, Excluded("the manuals do not say what the bits above the selector do"))];
/// AMD processors have 32 bits of it; its manual does not say whether the others are kept.
const SYSENTER_TARGET: &[Field] = &[field(0, 31, Writable), field(32, 63, Kind::CanonicalIf(INTEL))];
const BIAS_BITS: &[Field] = &[field(0, 3, Writable), field(4, 63, Reserved)];
const XFD_BITS: &[Field] = &[field(0, 63, Kind::DisableStates)];
const DEBUGCTL_BITS: &[Field] = &[
    field(0, 0, Excluded("without hardware for the records a hypervisor may keep LBR clear")),
    field(1, 1, Writable),
    field(2, 15, Excluded("its bits depend on the model")),
    field(16, 63, Kind::ReservedIf(INTEL)),
];
const PAT_BYTES: &[Field] = &[field(0, 63, Kind::Types(Types::Pat))];
const FIXED_RANGE: &[Field] = &[field(0, 63, Kind::Types(Types::FixedRange))];
const DEF_TYPE: &[Field] = &[
    field(0, 7, Kind::Types(Types::Range)),
    field(8, 9, Reserved),
    field(10, 10, WritableIf(FIXED_RANGES)),
    field(11, 11, Excluded("clearing E makes all memory uncacheable")),
    field(12, 63, Reserved),
];
const RANGE_BASE: &[Field] = &[field(0, 7, Kind::Types(Types::Range)), field(8, 11, Reserved), field(12, 63, Physical)];
const RANGE_MASK: &[Field] = &[
    field(0, 10, Reserved),
    field(11, 11, Excluded("a valid range may change the type of the runtime's memory")),
    field(12, 63, Physical),
];
/// Only software that has set HWCR.McStatusWrEn may write anything but 0.
const STATUS: &[Field] = &[field(0, 63, Reserved)];
const BANK_CTL: &[Field] = &[field(0, 63, Excluded("which errors a bank knows is the model's"))];
const PERFEVTSEL: &[Field] = &[
    field(0, 18, Writable),
    field(19, 19, Excluded("pin control was dropped by later models")),
    field(20, 20, Writable),
    field(21, 21, Excluded("AnyThread depends on the version")),
    field(22, 31, Writable),
    field(32, 63, Excluded("later versions define more bits")),
];
const FIXED_CTR_CTRL: &[Field] = &[
    field(0, 1, WritableIf(FixedCounter(0))),
    field(2, 2, Excluded("AnyThread depends on the version")),
    field(3, 3, WritableIf(FixedCounter(0))),
    field(4, 5, WritableIf(FixedCounter(1))),
    field(6, 6, Excluded("AnyThread depends on the version")),
    field(7, 7, WritableIf(FixedCounter(1))),
    field(8, 9, WritableIf(FixedCounter(2))),
    field(10, 10, Excluded("AnyThread depends on the version")),
    field(11, 11, WritableIf(FixedCounter(2))),
    field(12, 63, Excluded("later versions define more bits")),
];
const GLOBAL_CTRL: &[Field] = &[
    field(0, 0, WritableIf(GeneralCounter(0))),
    field(1, 1, WritableIf(GeneralCounter(1))),
    field(2, 2, WritableIf(GeneralCounter(2))),
    field(3, 3, WritableIf(GeneralCounter(3))),
    field(4, 4, WritableIf(GeneralCounter(4))),
    field(5, 5, WritableIf(GeneralCounter(5))),
    field(6, 6, WritableIf(GeneralCounter(6))),
    field(7, 7, WritableIf(GeneralCounter(7))),
    field(8, 31, Excluded("later versions may have more counters")),
    field(32, 32, WritableIf(FixedCounter(0))),
    field(33, 33, WritableIf(FixedCounter(1))),
    field(34, 34, WritableIf(FixedCounter(2))),
    field(35, 63, Excluded("later versions define more bits")),
];
const CET_BITS: &[Field] = &[
    field(0, 1, WritableIf(SHSTK)),
    field(2, 5, WritableIf(IBT)),
    field(6, 9, Reserved),
    field(10, 11, Excluded("SUPPRESS and TRACKER exclude each other, and exist with IBT")),
    field(12, 63, Excluded("the legacy bitmap exists with IBT")),
];
const SHADOW_STACK: &[Field] = &[field(0, 1, Reserved), field(2, 63, Kind::CanonicalIf(Always))];
const LOW_HALF: &[Field] = &[field(0, 31, Writable), field(32, 63, Reserved)];
const BNDCFGS_BITS: &[Field] =
    &[field(0, 1, Writable), field(2, 11, Reserved), field(12, 63, Kind::CanonicalIf(Always))];
const PASID_BITS: &[Field] =
    &[field(0, 19, Writable), field(20, 30, Reserved), field(31, 31, Writable), field(32, 63, Reserved)];
const XSS_BITS: &[Field] = &[field(0, 63, Kind::SupervisorStates)];
const STACK_ADJUST: &[Field] = &[field(0, 0, Writable), field(1, 2, Reserved), field(3, 63, Kind::CanonicalIf(Always))];
const UINTR_MISC: &[Field] = &[field(0, 39, Writable), field(40, 63, Reserved)];
const UINTR_PD: &[Field] = &[field(0, 5, Reserved), field(6, 63, Kind::CanonicalIf(Always))];
const FRED_STACK: &[Field] = &[field(0, 5, Reserved), field(6, 63, Kind::CanonicalIf(Always))];
const FRED_SHADOW_STACK: &[Field] = &[field(0, 2, Reserved), field(3, 63, Kind::CanonicalIf(Always))];
const FRED_CONFIG_BITS: &[Field] = &[
    field(0, 1, Writable),
    field(2, 2, Reserved),
    field(3, 3, Excluded("it is about shadow stacks, which a processor may lack")),
    field(4, 5, Reserved),
    field(6, 10, Writable),
    field(11, 11, Reserved),
    field(12, 63, Kind::CanonicalIf(Always)),
];
const UINTR_TT: &[Field] = &[field(0, 0, Writable), field(1, 3, Reserved), field(4, 63, Kind::CanonicalIf(Always))];
const EFER_BITS: &[Field] = &[
    field(0, 0, WritableIf(SYSCALL)),
    // AMD's manual has them read as zero and says nothing about a write.
    field(1, 7, Kind::ReservedIf(INTEL)),
    field(8, 8, Fixed),
    field(9, 9, Reserved),
    field(10, 10, Excluded("what a write of LMA does differs by vendor")),
    field(11, 11, WritableIf(Any(&[bit(0x8000_0001, 0, Edx, 20)]))),
    // With SVM, VM_CR.SVMDIS decides; see the CPUID cases.
    field(12, 12, Excluded("SVME may be locked")),
    field(13, 13, Excluded("LMSLE exists by family, and later families have dropped it")),
    field(14, 14, WritableIf(Any(&[bit(0x8000_0001, 0, Edx, 25)]))),
    field(15, 15, WritableIf(Any(&[bit(0x8000_0001, 0, Ecx, 17)]))),
    field(16, 16, Reserved),
    field(17, 17, WritableIf(Any(&[bit(0x8000_0008, 0, Ebx, 8)]))),
    field(18, 18, WritableIf(Any(&[bit(0x8000_0008, 0, Ebx, 13)]))),
    field(19, 19, Reserved),
    field(20, 20, WritableIf(Any(&[bit(0x8000_0021, 0, Eax, 7)]))),
    field(21, 21, WritableIf(Any(&[bit(0x8000_0021, 0, Eax, 8)]))),
    field(22, 63, Reserved),
];
const STAR_BITS: &[Field] = &[field(0, 31, Kind::OpenUnless(AMD)), field(32, 63, Writable)];
const FMASK_BITS: &[Field] =
    &[field(0, 31, Writable), field(32, 63, Excluded("reserved, and the manuals do not say whether that faults"))];
const TSC_AUX_BITS: &[Field] = &[field(0, 31, Writable), field(32, 63, Kind::ReservedIf(INTEL))];
const TSC_RATIO_BITS: &[Field] =
    &[field(0, 39, Excluded("it would change the rate of nested guests")), field(40, 63, Reserved)];
const ADDRESS_MASK: &[Field] =
    &[field(0, 31, Writable), field(32, 63, Excluded("reserved, and the manual does not say whether that faults"))];
const HSAVE: &[Field] = &[field(0, 11, Reserved), field(12, 63, Physical)];
const VIRT_SPEC_CTRL_BITS: &[Field] = &[field(0, 1, Reserved), field(2, 2, Writable), field(3, 63, Reserved)];

/// Every row, once: name, number, group, condition, what its absence means, access, reset value, fields. Calls the
/// macro whose name it is given.
macro_rules! msrs {
    ($use:ident) => {
        $use! {
            IA32_P5_MC_ADDR 0x0, MachineCheck, MCA, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_P5_MC_TYPE 0x1, MachineCheck, MCA, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_TIME_STAMP_COUNTER 0x10, Group::Processor, Any(&[bit(1, 0, Edx, 4)]), Faults, ReadWrite, Open, COUNTS;
            IA32_PLATFORM_ID 0x17, Group::Processor, INTEL, MayExist, ReadOnly, Open, READ_ONLY;
            IA32_APIC_BASE 0x1b, Apic, Any(&[bit(1, 0, Edx, 9)]), MayExist, ReadWrite, Open, APIC_BASE;
            IA32_FEATURE_CONTROL 0x3a, Group::Processor, FEATURE_CONTROL, MayExist, ReadWrite, Open, LOCKED;
            IA32_TSC_ADJUST 0x3b, Group::Processor, Any(&[bit(7, 0, Ebx, 1)]), Faults, ReadWrite, Value(0), WRITABLE;
            IA32_SPEC_CTRL 0x48, Group::Processor, SPEC_CTRL, Faults, ReadWrite, Value(0), SPEC_CTRL_BITS;
            IA32_PRED_CMD 0x49, Group::Processor, PRED_CMD, Faults, WriteOnly, Open, PRED_CMD_BITS;
            IA32_BIOS_SIGN_ID 0x8b, Group::Processor, Always, Faults, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_PMC0 0xc1, Performance, GeneralCounter(0), MayExist, ReadWrite, Open, COUNTER_VALUE;
            IA32_PMC1 0xc2, Performance, GeneralCounter(1), MayExist, ReadWrite, Open, COUNTER_VALUE;
            IA32_PMC2 0xc3, Performance, GeneralCounter(2), MayExist, ReadWrite, Open, COUNTER_VALUE;
            IA32_PMC3 0xc4, Performance, GeneralCounter(3), MayExist, ReadWrite, Open, COUNTER_VALUE;
            IA32_CORE_CAPABILITIES 0xcf, Group::Processor, Any(&[bit(7, 0, Edx, 30)]), Faults, ReadOnly, Open, READ_ONLY;
            IA32_UMWAIT_CONTROL 0xe1, Group::Processor, Any(&[bit(7, 0, Ecx, 5)]), Faults, ReadWrite, Open, UMWAIT_BITS;
            IA32_MPERF 0xe7, Group::Processor, EFFECTIVE_FREQUENCY, Faults, ReadWrite, Open, COUNTS;
            IA32_APERF 0xe8, Group::Processor, EFFECTIVE_FREQUENCY, Faults, ReadWrite, Open, COUNTS;
            IA32_MTRRCAP 0xfe, Group::Processor, MTRR, Faults, ReadOnly, Open, READ_ONLY;
            IA32_ARCH_CAPABILITIES 0x10a, Group::Processor, Any(&[bit(7, 0, Edx, 29)]), Faults, ReadOnly, Open, READ_ONLY;
            IA32_FLUSH_CMD 0x10b, Group::Processor, Any(&[bit(7, 0, Edx, 28)]), Faults, WriteOnly, Open, FLUSH_CMD_BITS;
            IA32_TSX_CTRL 0x122, Group::Processor, TSX_CTRL, Faults, ReadWrite, Open, TSX_CTRL_BITS;
            IA32_SYSENTER_CS 0x174, Group::Processor, SEP, Faults, ReadWrite, Open, SYSENTER_CS_BITS;
            IA32_SYSENTER_ESP 0x175, Group::Processor, SEP, Faults, ReadWrite, Open, SYSENTER_TARGET;
            IA32_SYSENTER_EIP 0x176, Group::Processor, SEP, Faults, ReadWrite, Open, SYSENTER_TARGET;
            IA32_MCG_CAP 0x179, MachineCheck, MCA, Faults, ReadOnly, Open, READ_ONLY;
            IA32_MCG_STATUS 0x17a, MachineCheck, MCA, Faults, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_MCG_CTL 0x17b, MachineCheck, MCG_CTL_P, Faults, ReadWrite, Open, BANK_CTL;
            IA32_PERFEVTSEL0 0x186, Performance, GeneralCounter(0), MayExist, ReadWrite, Open, PERFEVTSEL;
            IA32_PERFEVTSEL1 0x187, Performance, GeneralCounter(1), MayExist, ReadWrite, Open, PERFEVTSEL;
            IA32_PERFEVTSEL2 0x188, Performance, GeneralCounter(2), MayExist, ReadWrite, Open, PERFEVTSEL;
            IA32_PERFEVTSEL3 0x189, Performance, GeneralCounter(3), MayExist, ReadWrite, Open, PERFEVTSEL;
            IA32_PERF_STATUS 0x198, Group::Processor, VendorAny(Vendor::Intel, &[bit(1, 0, Ecx, 7)]), MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_PERF_CTL 0x199, Group::Processor, VendorAny(Vendor::Intel, &[bit(1, 0, Ecx, 7)]), MayExist, ReadWrite, Open, POWER;
            IA32_CLOCK_MODULATION 0x19a, Group::Processor, ACPI, MayExist, ReadWrite, Open, POWER;
            IA32_THERM_INTERRUPT 0x19b, Group::Processor, ACPI, MayExist, ReadWrite, Open, POWER;
            IA32_THERM_STATUS 0x19c, Group::Processor, ACPI, MayExist, ReadWrite, Open, POWER;
            IA32_MISC_ENABLE 0x1a0, Group::Processor, INTEL, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_ENERGY_PERF_BIAS 0x1b0, Group::Processor, Any(&[bit(6, 0, Ecx, 3)]), Faults, ReadWrite, Open, BIAS_BITS;
            IA32_PACKAGE_THERM_STATUS 0x1b1, Group::Processor, VendorAny(Vendor::Intel, &[bit(6, 0, Eax, 6)]), MayExist, ReadWrite, Open, POWER;
            IA32_PACKAGE_THERM_INTERRUPT 0x1b2, Group::Processor, VendorAny(Vendor::Intel, &[bit(6, 0, Eax, 6)]), MayExist, ReadWrite, Open, POWER;
            IA32_XFD 0x1c4, Extensions, XFD, Faults, ReadWrite, Value(0), XFD_BITS;
            IA32_XFD_ERR 0x1c5, Extensions, XFD, Faults, ReadWrite, Value(0), XFD_BITS;
            IA32_FRED_RSP0 0x1cc, Extensions, FRED, Faults, ReadWrite, Open, FRED_STACK;
            IA32_FRED_RSP1 0x1cd, Extensions, FRED, Faults, ReadWrite, Open, FRED_STACK;
            IA32_FRED_RSP2 0x1ce, Extensions, FRED, Faults, ReadWrite, Open, FRED_STACK;
            IA32_FRED_RSP3 0x1cf, Extensions, FRED, Faults, ReadWrite, Open, FRED_STACK;
            IA32_FRED_STKLVLS 0x1d0, Extensions, FRED, Faults, ReadWrite, Open, WRITABLE;
            IA32_FRED_SSP1 0x1d1, Extensions, FRED, Faults, ReadWrite, Open, FRED_SHADOW_STACK;
            IA32_FRED_SSP2 0x1d2, Extensions, FRED, Faults, ReadWrite, Open, FRED_SHADOW_STACK;
            IA32_FRED_SSP3 0x1d3, Extensions, FRED, Faults, ReadWrite, Open, FRED_SHADOW_STACK;
            IA32_FRED_CONFIG 0x1d4, Extensions, FRED, Faults, ReadWrite, Open, FRED_CONFIG_BITS;
            IA32_DEBUGCTL 0x1d9, Group::Processor, Always, Faults, ReadWrite, Value(0), DEBUGCTL_BITS;
            IA32_MTRR_PHYSBASE0 0x200, VariableRanges, range(0), MayExist, ReadWrite, Open, RANGE_BASE;
            IA32_MTRR_PHYSMASK0 0x201, VariableRanges, range(0), MayExist, ReadWrite, Open, RANGE_MASK;
            IA32_MTRR_PHYSBASE1 0x202, VariableRanges, range(1), MayExist, ReadWrite, Open, RANGE_BASE;
            IA32_MTRR_PHYSMASK1 0x203, VariableRanges, range(1), MayExist, ReadWrite, Open, RANGE_MASK;
            IA32_MTRR_PHYSBASE2 0x204, VariableRanges, range(2), MayExist, ReadWrite, Open, RANGE_BASE;
            IA32_MTRR_PHYSMASK2 0x205, VariableRanges, range(2), MayExist, ReadWrite, Open, RANGE_MASK;
            IA32_MTRR_PHYSBASE3 0x206, VariableRanges, range(3), MayExist, ReadWrite, Open, RANGE_BASE;
            IA32_MTRR_PHYSMASK3 0x207, VariableRanges, range(3), MayExist, ReadWrite, Open, RANGE_MASK;
            IA32_MTRR_PHYSBASE4 0x208, UpperVariableRanges, range(4), MayExist, ReadWrite, Open, RANGE_BASE;
            IA32_MTRR_PHYSMASK4 0x209, UpperVariableRanges, range(4), MayExist, ReadWrite, Open, RANGE_MASK;
            IA32_MTRR_PHYSBASE5 0x20a, UpperVariableRanges, range(5), MayExist, ReadWrite, Open, RANGE_BASE;
            IA32_MTRR_PHYSMASK5 0x20b, UpperVariableRanges, range(5), MayExist, ReadWrite, Open, RANGE_MASK;
            IA32_MTRR_PHYSBASE6 0x20c, UpperVariableRanges, range(6), MayExist, ReadWrite, Open, RANGE_BASE;
            IA32_MTRR_PHYSMASK6 0x20d, UpperVariableRanges, range(6), MayExist, ReadWrite, Open, RANGE_MASK;
            IA32_MTRR_PHYSBASE7 0x20e, UpperVariableRanges, range(7), MayExist, ReadWrite, Open, RANGE_BASE;
            IA32_MTRR_PHYSMASK7 0x20f, UpperVariableRanges, range(7), MayExist, ReadWrite, Open, RANGE_MASK;
            IA32_MTRR_FIX64K_00000 0x250, FixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX16K_80000 0x258, FixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX16K_A0000 0x259, FixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX4K_C0000 0x268, FixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX4K_C8000 0x269, FixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX4K_D0000 0x26a, FixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX4K_D8000 0x26b, UpperFixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX4K_E0000 0x26c, UpperFixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX4K_E8000 0x26d, UpperFixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX4K_F0000 0x26e, UpperFixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_MTRR_FIX4K_F8000 0x26f, UpperFixedRanges, FIXED_RANGES, Faults, ReadWrite, Open, FIXED_RANGE;
            IA32_PAT 0x277, Group::Processor, Any(&[bit(1, 0, Edx, 16)]), Faults, ReadWrite, Value(0x0007_0406_0007_0406), PAT_BYTES;
            IA32_MTRR_DEF_TYPE 0x2ff, Group::Processor, MTRR, Faults, ReadWrite, Open, DEF_TYPE;
            IA32_FIXED_CTR0 0x309, Performance, FixedCounter(0), MayExist, ReadWrite, Open, COUNTER_VALUE;
            IA32_FIXED_CTR1 0x30a, Performance, FixedCounter(1), MayExist, ReadWrite, Open, COUNTER_VALUE;
            IA32_FIXED_CTR2 0x30b, Performance, FixedCounter(2), MayExist, ReadWrite, Open, COUNTER_VALUE;
            IA32_FIXED_CTR_CTRL 0x38d, Performance, FixedCounter(0), MayExist, ReadWrite, Open, FIXED_CTR_CTRL;
            IA32_PERF_GLOBAL_STATUS 0x38e, Performance, FixedCounter(0), MayExist, ReadOnly, Open, READ_ONLY;
            IA32_PERF_GLOBAL_CTRL 0x38f, Performance, FixedCounter(0), MayExist, ReadWrite, Open, GLOBAL_CTRL;
            IA32_PERF_GLOBAL_OVF_CTRL 0x390, Performance, FixedCounter(0), MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_MC0_CTL 0x400, MachineCheck, bank(0), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC0_STATUS 0x401, MachineCheck, bank(0), MayExist, ReadWrite, Open, STATUS;
            IA32_MC1_CTL 0x404, MachineCheck, bank(1), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC1_STATUS 0x405, MachineCheck, bank(1), MayExist, ReadWrite, Open, STATUS;
            IA32_MC2_CTL 0x408, MachineCheck, bank(2), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC2_STATUS 0x409, MachineCheck, bank(2), MayExist, ReadWrite, Open, STATUS;
            IA32_MC3_CTL 0x40c, MachineCheck, bank(3), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC3_STATUS 0x40d, MachineCheck, bank(3), MayExist, ReadWrite, Open, STATUS;
            IA32_MC4_CTL 0x410, MachineCheck, bank(4), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC4_STATUS 0x411, MachineCheck, bank(4), MayExist, ReadWrite, Open, STATUS;
            IA32_MC5_CTL 0x414, MachineCheck, bank(5), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC5_STATUS 0x415, MachineCheck, bank(5), MayExist, ReadWrite, Open, STATUS;
            IA32_MC6_CTL 0x418, MachineCheck, bank(6), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC6_STATUS 0x419, MachineCheck, bank(6), MayExist, ReadWrite, Open, STATUS;
            IA32_MC7_CTL 0x41c, MachineCheck, bank(7), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC7_STATUS 0x41d, MachineCheck, bank(7), MayExist, ReadWrite, Open, STATUS;
            IA32_MC8_CTL 0x420, MachineCheck, bank(8), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC8_STATUS 0x421, MachineCheck, bank(8), MayExist, ReadWrite, Open, STATUS;
            IA32_MC9_CTL 0x424, MachineCheck, bank(9), MayExist, ReadWrite, Open, BANK_CTL;
            IA32_MC9_STATUS 0x425, MachineCheck, bank(9), MayExist, ReadWrite, Open, STATUS;
            IA32_VMX_BASIC 0x480, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_PINBASED_CTLS 0x481, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_PROCBASED_CTLS 0x482, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_EXIT_CTLS 0x483, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_ENTRY_CTLS 0x484, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_MISC 0x485, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_CR0_FIXED0 0x486, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_CR0_FIXED1 0x487, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_CR4_FIXED0 0x488, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_CR4_FIXED1 0x489, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_VMX_VMCS_ENUM 0x48a, Vmx, VMX, Faults, ReadOnly, Open, READ_ONLY;
            IA32_RTIT_CTL 0x570, Performance, PROCESSOR_TRACE, Faults, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_RTIT_STATUS 0x571, Performance, PROCESSOR_TRACE, Faults, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_DS_AREA 0x600, Performance, VendorAny(Vendor::Intel, &[bit(1, 0, Edx, 21)]), MayExist, ReadWrite, Open, CANONICAL;
            IA32_U_CET 0x6a0, Extensions, CET, Faults, ReadWrite, Open, CET_BITS;
            IA32_S_CET 0x6a2, Extensions, CET, Faults, ReadWrite, Open, CET_BITS;
            IA32_PL0_SSP 0x6a4, Extensions, SHSTK, Faults, ReadWrite, Open, SHADOW_STACK;
            IA32_PL1_SSP 0x6a5, Extensions, SHSTK, Faults, ReadWrite, Open, SHADOW_STACK;
            IA32_PL2_SSP 0x6a6, Extensions, SHSTK, Faults, ReadWrite, Open, SHADOW_STACK;
            IA32_PL3_SSP 0x6a7, Extensions, SHSTK, Faults, ReadWrite, Open, SHADOW_STACK;
            IA32_INTERRUPT_SSP_TABLE_ADDR 0x6a8, Extensions, SHSTK, Faults, ReadWrite, Open, CANONICAL;
            IA32_TSC_DEADLINE 0x6e0, Apic, Any(&[bit(1, 0, Ecx, 24)]), Faults, ReadWrite, Open, COUNTS;
            IA32_PKRS 0x6e1, Extensions, Any(&[bit(7, 0, Ecx, 31)]), Faults, ReadWrite, Value(0), LOW_HALF;
            IA32_PM_ENABLE 0x770, Group::Processor, HWP, Faults, ReadWrite, Open, POWER;
            IA32_HWP_CAPABILITIES 0x771, Group::Processor, HWP, Faults, ReadOnly, Open, READ_ONLY;
            IA32_HWP_REQUEST 0x774, Group::Processor, HWP, Faults, ReadWrite, Open, POWER;
            IA32_UINTR_RR 0x985, Extensions, UINTR, Faults, ReadWrite, Open, WRITABLE;
            IA32_UINTR_HANDLER 0x986, Extensions, UINTR, Faults, ReadWrite, Open, CANONICAL;
            IA32_UINTR_STACKADJUST 0x987, Extensions, UINTR, Faults, ReadWrite, Open, STACK_ADJUST;
            IA32_UINTR_MISC 0x988, Extensions, UINTR, Faults, ReadWrite, Open, UINTR_MISC;
            IA32_UINTR_PD 0x989, Extensions, UINTR, Faults, ReadWrite, Open, UINTR_PD;
            IA32_UINTR_TT 0x98a, Extensions, UINTR, Faults, ReadWrite, Open, UINTR_TT;
            IA32_BNDCFGS 0xd90, Extensions, Any(&[bit(7, 0, Ebx, 14)]), Faults, ReadWrite, Value(0), BNDCFGS_BITS;
            IA32_PASID 0xd93, Extensions, Any(&[bit(7, 0, Ecx, 29)]), Faults, ReadWrite, Open, PASID_BITS;
            IA32_XSS 0xda0, Extensions, Any(&[bit(0xd, 1, Eax, 3)]), Faults, ReadWrite, Value(0), XSS_BITS;
            IA32_LBR_CTL 0x14ce, Performance, ARCHITECTURAL_LBR, Faults, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_LBR_DEPTH 0x14cf, Performance, ARCHITECTURAL_LBR, Faults, ReadWrite, Open, MODEL_SPECIFIC;
            IA32_HW_FEEDBACK_PTR 0x17d0, Group::Processor, FEEDBACK, Faults, ReadWrite, Open, ADDRESSES;
            IA32_HW_FEEDBACK_CONFIG 0x17d1, Group::Processor, FEEDBACK, Faults, ReadWrite, Open, ADDRESSES;
            IA32_EFER 0xc000_0080, Extended, Always, Faults, ReadWrite, Open, EFER_BITS;
            IA32_STAR 0xc000_0081, Extended, SYSCALL, Faults, ReadWrite, Open, STAR_BITS;
            IA32_LSTAR 0xc000_0082, Extended, SYSCALL, Faults, ReadWrite, Open, CANONICAL;
            IA32_CSTAR 0xc000_0083, Extended, SYSCALL, Faults, ReadWrite, Open, CANONICAL;
            IA32_FMASK 0xc000_0084, Extended, SYSCALL, Faults, ReadWrite, Open, FMASK_BITS;
            MPERF_READ_ONLY 0xc000_00e7, Amd, READ_ONLY_FREQUENCY, MayExist, ReadOnly, Open, READ_ONLY;
            APERF_READ_ONLY 0xc000_00e8, Amd, READ_ONLY_FREQUENCY, MayExist, ReadOnly, Open, READ_ONLY;
            IA32_FS_BASE 0xc000_0100, Extended, Always, Faults, ReadWrite, Value(0), CANONICAL;
            IA32_GS_BASE 0xc000_0101, Extended, Always, Faults, ReadWrite, Value(0), CANONICAL;
            IA32_KERNEL_GS_BASE 0xc000_0102, Extended, Always, Faults, ReadWrite, Open, CANONICAL;
            IA32_TSC_AUX 0xc000_0103, Extended, TSC_AUX, Faults, ReadWrite, Open, TSC_AUX_BITS;
            TSC_RATIO 0xc000_0104, Amd, VendorAny(Vendor::Amd, &[bit(0x8000_000a, 0, Edx, 4)]), MayExist, ReadWrite, Open, TSC_RATIO_BITS;
            PERF_LEGACY_CTL0 0xc001_0000, Amd, AMD, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_LEGACY_CTL1 0xc001_0001, Amd, AMD, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_LEGACY_CTL2 0xc001_0002, Amd, AMD, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_LEGACY_CTL3 0xc001_0003, Amd, AMD, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_LEGACY_CTR0 0xc001_0004, Amd, AMD, MayExist, ReadWrite, Open, COUNTER_VALUE;
            PERF_LEGACY_CTR1 0xc001_0005, Amd, AMD, MayExist, ReadWrite, Open, COUNTER_VALUE;
            PERF_LEGACY_CTR2 0xc001_0006, Amd, AMD, MayExist, ReadWrite, Open, COUNTER_VALUE;
            PERF_LEGACY_CTR3 0xc001_0007, Amd, AMD, MayExist, ReadWrite, Open, COUNTER_VALUE;
            SYSCFG 0xc001_0010, Amd, AMD, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            HWCR 0xc001_0015, Amd, AMD, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PSTATE_CURRENT_LIMIT 0xc001_0061, Amd, HW_PSTATE, MayExist, ReadWrite, Open, POWER;
            PSTATE_CONTROL 0xc001_0062, Amd, HW_PSTATE, MayExist, ReadWrite, Open, POWER;
            PSTATE_STATUS 0xc001_0063, Amd, HW_PSTATE, MayExist, ReadWrite, Open, POWER;
            VM_CR 0xc001_0114, Amd, SVM, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            VM_HSAVE_PA 0xc001_0117, Amd, SVM, MayExist, ReadWrite, Open, HSAVE;
            VIRT_SPEC_CTRL 0xc001_011f, Amd, VendorAny(Vendor::Amd, &[bit(0x8000_0008, 0, Ebx, 25)]), Faults, ReadWrite, Open, VIRT_SPEC_CTRL_BITS;
            OSVW_ID_LENGTH 0xc001_0140, Amd, OSVW, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            OSVW_STATUS 0xc001_0141, Amd, OSVW, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_CTL0 0xc001_0200, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_CTR0 0xc001_0201, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, COUNTER_VALUE;
            PERF_CTL1 0xc001_0202, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_CTR1 0xc001_0203, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, COUNTER_VALUE;
            PERF_CTL2 0xc001_0204, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_CTR2 0xc001_0205, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, COUNTER_VALUE;
            PERF_CTL3 0xc001_0206, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_CTR3 0xc001_0207, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, COUNTER_VALUE;
            PERF_CTL4 0xc001_0208, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_CTR4 0xc001_0209, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, COUNTER_VALUE;
            PERF_CTL5 0xc001_020a, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, MODEL_SPECIFIC;
            PERF_CTR5 0xc001_020b, Amd, CORE_COUNTERS, MayExist, ReadWrite, Open, COUNTER_VALUE;
            CPPC_CAPABILITY_1 0xc001_02b0, Amd, CPPC, MayExist, ReadWrite, Open, POWER;
            CPPC_ENABLE 0xc001_02b1, Amd, CPPC, MayExist, ReadWrite, Open, POWER;
            CPPC_REQUEST 0xc001_02b3, Amd, CPPC, MayExist, ReadWrite, Open, POWER;
            DR1_ADDR_MASK 0xc001_1019, Amd, DATA_BREAKPOINTS, MayExist, ReadWrite, Open, ADDRESS_MASK;
            DR2_ADDR_MASK 0xc001_101a, Amd, DATA_BREAKPOINTS, MayExist, ReadWrite, Open, ADDRESS_MASK;
            DR3_ADDR_MASK 0xc001_101b, Amd, DATA_BREAKPOINTS, MayExist, ReadWrite, Open, ADDRESS_MASK;
            DR0_ADDR_MASK 0xc001_1027, Amd, DATA_BREAKPOINTS, MayExist, ReadWrite, Open, ADDRESS_MASK;
        }
    };
}
pub(crate) use msrs;

macro_rules! rows {
    ($($name:ident $number:literal, $group:expr, $exists:expr, $absence:expr, $access:expr, $reset:expr, $fields:expr;)*) => {
        /// The table.
        pub(crate) const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            number: $number,
            group: $group,
            exists: $exists,
            absence: $absence,
            access: $access,
            reset: $reset,
            fields: $fields,
        }),*];
    };
}
msrs!(rows);

const _: () = assert!(contradiction(ROWS).is_none(), "two rows, or two fields of a row, contradict each other");
