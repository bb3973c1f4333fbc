//! What exits leave of the VMCB: fields that are no output stay as they were.

use super::{end_of, with_svm};
use rt::{
    case, check_eq, names,
    svm::{
        Guest,
        field::{self, INTERCEPTS_1, INTERCEPTS_2, exit, intercept_1, intercept_2},
    },
    user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

user_code!(end: "vmmcall");
user_code!(cpuid: "cpuid");
user_code!(port: "in al, dx");
user_code!(rdmsr: "rdmsr");
user_code!(hlt: "hlt");
user_code!(invalid_opcode: "ud2");
user_code!(page_fault: "mov rax, [rdi]");
user_code!(read_cr0: "mov rbx, cr0");
user_code!(write_dr7: "mov dr7, rbx");
user_code!(software_interrupt: "int 0x80");
user_code!(stgi: "stgi");

/// Exits of every kind: code, its ending.
const EXITS: [(Code, u64); 11] = [
    (end, exit::VMMCALL),
    (cpuid, exit::INTR + intercept_1::CPUID as u64),
    (port, exit::IOIO),
    (rdmsr, exit::MSR),
    (hlt, exit::HLT),
    (invalid_opcode, exit::EXCEPTION + 6),
    (page_fault, exit::EXCEPTION + 14),
    (read_cr0, exit::CR_READ),
    (write_dr7, exit::DR_WRITE + 7),
    (software_interrupt, exit::INTR + intercept_1::INTN as u64),
    (stgi, exit::VMRUN + intercept_2::STGI as u64),
];
const EXIT_NAMES: &[Text] = names![
    "VMMCALL",
    "CPUID",
    "IN",
    "RDMSR",
    "HLT",
    "UD2",
    "page fault",
    "MOV from CR0",
    "MOV to DR7",
    "INT 80H",
    "STGI"
];

/// Fields of 64 bits that only the hypervisor writes.
const CONTROLS: [u64; 13] = [
    0x000,
    0x008,
    0x010,
    field::IOPM_BASE,
    field::MSRPM_BASE,
    field::TSC_OFFSET,
    field::NESTED_PAGING,
    0x098,
    field::NESTED_CR3,
    field::VIRTUALIZATION,
    field::CLEAN,
    0x0e0,
    0x0f0,
];
const CONTROL_NAMES: &[Text] = names![
    "registers' intercepts",
    "intercepts of exceptions",
    "intercepts of SVM",
    "IOPM_BASE_PA",
    "MSRPM_BASE_PA",
    "TSC_OFFSET",
    "NP_ENABLE",
    "AVIC_BAR",
    "N_CR3",
    "LBR virtualization",
    "clean bits",
    "AVIC backing page",
    "AVIC logical table",
];

/// What VMSAVE stores, and VMRUN and #VMEXIT do not.
const SAVED: [u64; 16] = [
    field::FS,
    field::FS + 8,
    field::GS,
    field::GS + 8,
    field::LDTR,
    field::LDTR + 8,
    field::TR,
    field::TR + 8,
    field::KERNEL_GS_BASE,
    field::STAR,
    field::LSTAR,
    field::CSTAR,
    field::SFMASK,
    field::SYSENTER_CS,
    field::SYSENTER_ESP,
    field::SYSENTER_EIP,
];
const SAVED_NAMES: &[Text] = names![
    "FS",
    "FS base",
    "GS",
    "GS base",
    "LDTR",
    "LDTR base",
    "TR",
    "TR base",
    "KERNEL_GS_BASE",
    "STAR",
    "LSTAR",
    "CSTAR",
    "SFMASK",
    "SYSENTER_CS",
    "SYSENTER_ESP",
    "SYSENTER_EIP"
];

/// State that VMRUN loads and the exit stores: none of the exits changes it.
const STATE: [u64; 22] = [
    field::ES,
    field::ES + 8,
    field::CS,
    field::CS + 8,
    field::SS,
    field::SS + 8,
    field::DS,
    field::DS + 8,
    field::GDTR + 8,
    field::IDTR + 8,
    field::EFER,
    field::CR0,
    field::CR2,
    field::CR3,
    field::CR4,
    field::DR6,
    field::DR7,
    field::RFLAGS,
    field::RSP,
    field::RAX,
    field::GDTR + 4,
    field::IDTR + 4,
];
const STATE_NAMES: &[Text] = names![
    "ES",
    "ES base",
    "CS",
    "CS base",
    "SS",
    "SS base",
    "DS",
    "DS base",
    "GDTR base",
    "IDTR base",
    "EFER",
    "CR0",
    "CR2",
    "CR3",
    "CR4",
    "DR6",
    "DR7",
    "RFLAGS",
    "RSP",
    "RAX",
    "GDTR limit",
    "IDTR limit"
];

/// A guest that exits so.
fn guest(code: Code) -> Guest {
    let mut guest = Guest::new(code);
    for bit in [intercept_1::CPUID, intercept_1::IOIO, intercept_1::MSR, intercept_1::HLT, intercept_1::INTN] {
        guest.intercept(INTERCEPTS_1, bit);
    }
    guest.intercept(INTERCEPTS_2, intercept_2::STGI);
    guest.write_u16(field::CR_READS, 1);
    guest.write_u16(field::DR_WRITES, 1 << 7);
    guest.registers.rdi = rt::layout::UNMAPPED;
    // An MSR and a port that exit: one beyond the map, the other by its bit.
    guest.registers.rcx = 0x2000;
    guest.registers.rdx = 0xf000;
    rt::svm::set_port(0xf000, true);
    guest
}

/// Compares the fields of each exit with what they were.
fn walk<const N: usize>(fields: [u64; N], prepare: impl Fn(&Guest), mut tell: impl FnMut(usize, usize, u64, u64)) {
    with_svm(|| {
        for (number, (code, due)) in EXITS.into_iter().enumerate() {
            let mut guest = guest(code);
            prepare(&guest);
            let before = fields.map(|at| guest.read_u64(at));
            check_eq!("ending", [EXIT_NAMES; number], end_of(guest.run()), due);
            for (index, (at, before)) in fields.into_iter().zip(before).enumerate() {
                tell(number, index, guest.read_u64(at), before);
            }
        }
        rt::svm::set_port(0xf000, false);
    });
}

/// Fields of the control area that are the hypervisor's. The row is the exit's number in a list, and the field's.
#[case(feature = SvmState, spec = [apm2("#VMEXIT"), apm2("Layout of VMCB")], needs = Needs::SVM)]
fn controls_stay() {
    let _ = CONTROL_NAMES;
    walk(
        CONTROLS,
        |guest| guest.write_u64(field::TSC_OFFSET, 0x1234),
        |exit, index, after, before| {
            check_eq!("control", [&[]; exit << 8 | index], after, before);
        },
    );
}

/// What only VMSAVE stores stays, although L2 has other values.
#[case(feature = SvmState, spec = [apm2("#VMEXIT"), apm2("VMSAVE and VMLOAD Instructions")], needs = Needs::SVM)]
fn what_vmsave_stores_stays_without_it() {
    let _ = SAVED_NAMES;
    // The runtime's way into L2 executes VMLOAD and VMSAVE of the same VMCB, which must agree.
    walk(
        SAVED,
        |guest| guest.write_u64(field::STAR, 0x0023_0010_0000_0000),
        |exit, index, after, before| {
            check_eq!("saved", [&[]; exit << 8 | index], after, before);
        },
    );
}

/// State that L2 did not change is stored as it was loaded.
#[case(feature = SvmState, spec = [apm2("VMRUN"), apm2("#VMEXIT")], needs = Needs::SVM)]
fn state_stays() {
    let _ = STATE_NAMES;
    walk(
        STATE,
        |guest| guest.write_u64(field::CR2, 0x1234_5678),
        |exit, index, after, before| {
            check_eq!("state", [&[]; exit << 8 | index], after, before);
        },
    );
}

/// RFLAGS of L2 comes and goes with every bit that can be set at CPL 0, but TF and IF.
#[case(feature = SvmState, spec = apm2("VMRUN"), needs = Needs::SVM)]
fn flags_come_and_go() {
    const BITS: [u32; 12] = [0, 2, 4, 6, 7, 9, 10, 11, 12, 13, 14, 18];
    with_svm(|| {
        for bit in BITS {
            let mut guest = guest(cpuid);
            guest.write_u64(field::RFLAGS, 2 | 1 << bit);
            let _ = guest.run();
            check_eq!("RFLAGS", [&[]; bit], guest.read_u64(field::RFLAGS), 2 | 1_u64 << bit);
        }
    });
}
