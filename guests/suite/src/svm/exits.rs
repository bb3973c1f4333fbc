//! Instructions that an intercept turns into an exit: with the intercept, before anything has happened; without it, not.

use super::{model::Row, observe, report, start_of, with_svm};
use rt::{
    case, check_eq,
    cpu::{control, cpuid::read_leaf},
    names, paging,
    svm::{
        Guest,
        field::{self, INTERCEPTS_1, INTERCEPTS_2, exit, intercept_1, intercept_2},
    },
    user_code,
    vocabulary::{Needs, Text},
};

/// What the instruction does where nothing intercepts it.
#[derive(Clone, Copy)]
enum Otherwise {
    /// It completes.
    Completes,
    /// It raises this exception.
    Raises(u64),
    /// Nothing that a test could survive, or that is known.
    Untried,
}
use Otherwise::{Completes, Raises, Untried};

/// Which processors have the instruction.
#[derive(Clone, Copy)]
enum Offered {
    Always,
    /// Bit of ECX of leaf 1.
    Leaf1Ecx(u32),
    /// Bit of EDX of leaf 80000001H.
    ExtendedEdx(u32),
    /// Bit of ECX of leaf 80000001H.
    ExtendedEcx(u32),
    /// Bit of EBX of leaf 80000008H.
    Leaf8Ebx(u32),
}
use Offered::{Always, ExtendedEcx, ExtendedEdx, Leaf1Ecx, Leaf8Ebx};

impl Offered {
    fn is_offered(self) -> bool {
        match self {
            Always => true,
            Leaf1Ecx(bit) => read_leaf(1, 0).ecx >> bit & 1 != 0,
            ExtendedEdx(bit) => read_leaf(0x8000_0001, 0).edx >> bit & 1 != 0,
            ExtendedEcx(bit) => read_leaf(0x8000_0001, 0).ecx >> bit & 1 != 0,
            Leaf8Ebx(bit) => read_leaf(0x8000_0008, 0).ebx >> bit & 1 != 0,
        }
    }
}

struct Instruction {
    code: extern "C" fn(u64) -> u64,
    word: u64,
    bit: u32,
    row: Row,
    otherwise: Otherwise,
    offered: Offered,
}

macro_rules! instructions {
    ($table:ident $names:ident; $($function:ident $title:literal: $assembly:literal, $word:ident $bit:expr, $row:expr,
      $otherwise:expr, $offered:expr;)*) => {
        $(user_code!($function: $assembly, "vmmcall");)*
        static $table: &[Instruction] = &[$(Instruction {
            code: $function, word: $word, bit: $bit, row: $row, otherwise: $otherwise, offered: $offered,
        }),*];
        const $names: &[Text] = names![$($title),*];
    };
}

/// An exit whose code follows from the bit's number.
const fn first(bit: u32, length: u64) -> Row {
    Row::instruction(exit::INTR + bit as u64, length)
}

const fn second(bit: u32, length: u64) -> Row {
    Row::instruction(exit::VMRUN + bit as u64, length)
}

use intercept_1 as one;
use intercept_2 as two;

// RDI and RSI hold addresses of frames, RCX and RDX are zero, RAX is what the row says.
instructions! { TABLES TABLE_NAMES;
    sidt "SIDT": "sidt [rdi]", INTERCEPTS_1 one::IDTR_READ, first(one::IDTR_READ, 3), Completes, Always;
    sgdt "SGDT": "sgdt [rdi]", INTERCEPTS_1 one::GDTR_READ, first(one::GDTR_READ, 3), Completes, Always;
    sldt "SLDT": "sldt eax", INTERCEPTS_1 one::LDTR_READ, first(one::LDTR_READ, 3), Completes, Always;
    str_ "STR": "str eax", INTERCEPTS_1 one::TR_READ, first(one::TR_READ, 3), Completes, Always;
    lidt "LIDT": "lidt [rdi]", INTERCEPTS_1 one::IDTR_WRITE, first(one::IDTR_WRITE, 3), Completes, Always;
    lgdt "LGDT": "lgdt [rdi]", INTERCEPTS_1 one::GDTR_WRITE, first(one::GDTR_WRITE, 3), Completes, Always;
    lldt "LLDT": "lldt ax", INTERCEPTS_1 one::LDTR_WRITE, first(one::LDTR_WRITE, 3), Completes, Always;
    ltr "LTR": "ltr ax", INTERCEPTS_1 one::TR_WRITE, first(one::TR_WRITE, 3), Raises(13), Always;
}

instructions! { ORDINARY ORDINARY_NAMES;
    rdtsc "RDTSC": "rdtsc", INTERCEPTS_1 one::RDTSC, first(one::RDTSC, 2), Completes, Always;
    pushfq "PUSHF": "pushfq", INTERCEPTS_1 one::PUSHF, first(one::PUSHF, 1), Completes, Always;
    popfq "POPF": "popfq", INTERCEPTS_1 one::POPF, first(one::POPF, 1), Untried, Always;
    cpuid "CPUID": "cpuid", INTERCEPTS_1 one::CPUID, first(one::CPUID, 2), Completes, Always;
    rsm "RSM": "rsm", INTERCEPTS_1 one::RSM, first(one::RSM, 2), Raises(6), Always;
    iretq "IRET": "iretq", INTERCEPTS_1 one::IRET, first(one::IRET, 2), Untried, Always;
    int_n "INT 80H": "int 0x80", INTERCEPTS_1 one::INTN, first(one::INTN, 2).assisted(0x80), Untried, Always;
    int_13 "INT 0DH": "int 0x0d", INTERCEPTS_1 one::INTN, first(one::INTN, 2).assisted(0x0d), Untried, Always;
    invd "INVD": "invd", INTERCEPTS_1 one::INVD, first(one::INVD, 2), Untried, Always;
    pause "PAUSE": "pause", INTERCEPTS_1 one::PAUSE, first(one::PAUSE, 2), Completes, Always;
    hlt "HLT": "hlt", INTERCEPTS_1 one::HLT, first(one::HLT, 1), Untried, Always;
    invlpg "INVLPG": "invlpg [rdi]", INTERCEPTS_1 one::INVLPG, first(one::INVLPG, 3), Completes, Always;
    invlpga "INVLPGA": "invlpga rax, ecx", INTERCEPTS_1 one::INVLPGA, first(one::INVLPGA, 3), Completes, Always;
    wbinvd "WBINVD": "wbinvd", INTERCEPTS_2 two::WBINVD, second(two::WBINVD, 2), Completes, Always;
    rdtscp "RDTSCP": "rdtscp", INTERCEPTS_2 two::RDTSCP, second(two::RDTSCP, 3), Completes, ExtendedEdx(27);
    monitor "MONITOR": "monitor", INTERCEPTS_2 two::MONITOR, second(two::MONITOR, 3), Completes, Leaf1Ecx(3);
    mwait "MWAIT": "mwait", INTERCEPTS_2 two::MWAIT, second(two::MWAIT, 3), Untried, Leaf1Ecx(3);
    rdpru "RDPRU": ".byte 0x0f, 0x01, 0xfd", INTERCEPTS_2 two::RDPRU, second(two::RDPRU, 3), Completes, Leaf8Ebx(4);
    icebp "INT1": ".byte 0xf1", INTERCEPTS_2 two::ICEBP, second(two::ICEBP, 1), Raises(1), Always;
}

instructions! { OF_SVM OF_SVM_NAMES;
    vmrun "VMRUN": "vmrun rax", INTERCEPTS_2 two::VMRUN, second(two::VMRUN, 3), Untried, Always;
    vmmcall "VMMCALL": "vmmcall", INTERCEPTS_2 two::VMMCALL, second(two::VMMCALL, 3), Untried, Always;
    vmload "VMLOAD": "vmload rax", INTERCEPTS_2 two::VMLOAD, second(two::VMLOAD, 3), Untried, Always;
    vmsave "VMSAVE": "vmsave rax", INTERCEPTS_2 two::VMSAVE, second(two::VMSAVE, 3), Untried, Always;
    stgi "STGI": "stgi", INTERCEPTS_2 two::STGI, second(two::STGI, 3), Completes, Always;
    clgi "CLGI": "clgi", INTERCEPTS_2 two::CLGI, second(two::CLGI, 3), Completes, Always;
    skinit "SKINIT": "skinit eax", INTERCEPTS_2 two::SKINIT, second(two::SKINIT, 3), Untried, ExtendedEcx(12);
}

/// L2 for a row, with registers that its instruction finds.
fn guest(row: &Instruction) -> Guest {
    let mut guest = Guest::new(row.code);
    guest.registers.rdi = paging::frame(2);
    guest.registers.rsi = paging::frame(3);
    guest
}

/// Prepares what LIDT and LGDT load: the tables that there are, should the instruction complete.
fn prepare() {
    rt::mmio::write_u16(paging::frame(2), rt::tables::GDT_LIMIT);
    rt::mmio::write_u64(paging::frame(2) + 2, rt::layout::GDT);
}

/// With the intercept: the exit, with RIP at the instruction and no register changed.
fn intercepted(rows: &[Instruction]) {
    prepare();
    with_svm(|| {
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| row.offered.is_offered()) {
            let mut guest = guest(row);
            guest.intercept(row.word, row.bit);
            let before = guest.registers;
            let exit = guest.run();
            report(number, &row.row, observe(&guest, exit, start_of(row.code)));
            check_eq!("other registers are kept", [&[]; number], u64::from(guest.registers == before), 1);
        }
    });
}

/// Without it: no such exit, but what the instruction itself does.
fn let_through(rows: &[Instruction]) {
    prepare();
    with_svm(|| {
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| row.offered.is_offered()) {
            let expected = match row.otherwise {
                Completes => exit::VMMCALL,
                Raises(vector) => exit::EXCEPTION + vector,
                Untried => continue,
            };
            let mut guest = guest(row);
            guest.let_through(row.word, row.bit);
            let code = guest.run().map_or(0xffff_fffe, |exit| exit.code);
            check_eq!("exit code", [&[]; number], code, expected);
        }
    });
}

/// Loads and stores of descriptor-table registers exit where they are intercepted.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn descriptor_table_instructions_exit() {
    let _ = TABLE_NAMES;
    intercepted(TABLES);
}

/// Where they are not, they do not.
#[case(feature = SvmIntercepts, spec = apm2("Instruction Intercepts"), needs = Needs::SVM)]
fn descriptor_table_instructions_without_intercept() {
    let_through(TABLES);
}

/// Instructions of every kind exit where they are intercepted, before they have done anything.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn instructions_exit() {
    let _ = ORDINARY_NAMES;
    intercepted(ORDINARY);
}

/// Where they are not, they do not.
#[case(feature = SvmIntercepts, spec = apm2("Instruction Intercepts"), needs = Needs::SVM)]
fn instructions_without_intercept() {
    let_through(ORDINARY);
}

/// The instructions of SVM exit where they are intercepted.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn svm_instructions_exit() {
    let _ = OF_SVM_NAMES;
    intercepted(OF_SVM);
}

/// Where they are not, they do not.
#[case(feature = SvmIntercepts, spec = apm2("Instruction Intercepts"), needs = Needs::SVM)]
fn svm_instructions_without_intercept() {
    let_through(OF_SVM);
}

user_code!(clear_task_switched: "clts", "vmmcall");
user_code!(write_cr0: "mov cr0, rbx", "vmmcall");
user_code!(load_machine_status: "lmsw bx", "vmmcall");

/// The selective intercept of CR0 takes writes that change bits other than TS and MP, by MOV and by LMSW, and no others.
#[case(feature = SvmControlRegisters, spec = apm2("Instruction Intercepts"), needs = Needs::SVM)]
fn selective_intercept_of_cr0() {
    const NAMES: &[Text] = names![
        "MOV, nothing changed",
        "MOV, TS changed",
        "MOV, AM changed",
        "MOV, NE changed",
        "LMSW, EM changed",
        "CLTS"
    ];
    const AM: u64 = 1 << 18;
    const NE: u64 = 1 << 5;
    const TS: u64 = 1 << 3;
    const EM: u64 = 1 << 2;
    let cr0 = control::read_cr0();
    let rows: [(extern "C" fn(u64) -> u64, u64, bool); 6] = [
        (write_cr0, cr0, false),
        (write_cr0, cr0 ^ TS, false),
        (write_cr0, cr0 ^ AM, true),
        (write_cr0, cr0 ^ NE, true),
        (load_machine_status, (cr0 & 0xf) ^ EM, true),
        (clear_task_switched, 0, false),
    ];
    with_svm(|| {
        for (number, (code, value, exits)) in rows.into_iter().enumerate() {
            let mut guest = Guest::new(code);
            guest.intercept(INTERCEPTS_1, one::CR0_SELECTIVE);
            guest.registers.rbx = value;
            let code = guest.run().map_or(0xffff_fffe, |exit| exit.code);
            check_eq!("exit code", [NAMES; number], code, if exits { exit::CR0_SELECTIVE } else { exit::VMMCALL });
            let expected = if exits || number == 5 { cr0 } else { value };
            check_eq!("CR0 of L2", [NAMES; number], guest.read_u64(field::CR0), expected);
        }
    });
}
