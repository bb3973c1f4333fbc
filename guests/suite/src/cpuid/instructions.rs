//! Feature bits that decide whether an instruction exists.
//!
//! A set bit promises the instruction, at every level. A clear bit promises #UD only for instructions that a hypervisor
//! can hide; that POPCNT works although a hypervisor does not tell of it is nothing it could change.

use case::{Needs, Text};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        feature_bit::{
            FeatureBit,
            Register::{Ebx, Ecx, Edx},
        },
    },
    instruction, names, user, user_code,
};

type UserFunction = extern "C" fn(u64) -> u64;

user_code!(popcnt: "popcnt rax, rdi", "ret");
user_code!(movbe: "push rdi", "movbe rax, [rsp]", "pop rdi", "ret");
user_code! {
    /// Replaces 5 and 6 in memory by the argument and 7, and returns what stands there then.
    cmpxchg16b: "mov r8, rbx", "mov r9, rsp", "sub rsp, 64", "and rsp, -16", "mov qword ptr [rsp], 5",
    "mov qword ptr [rsp + 8], 6", "mov eax, 5", "mov edx, 6", "mov rbx, rdi", "mov ecx, 7", "cmpxchg16b [rsp]",
    "mov rax, [rsp]", "shl rax, 8", "or rax, [rsp + 8]", "mov rbx, r8", "mov rsp, r9", "ret"
}
user_code!(lahf: "lahf", "sahf", "ret");
user_code!(andn: "andn rax, rdi, rdi", "ret");
user_code!(bzhi: "bzhi rax, rdi, rdi", "ret");
user_code!(adcx: "adcx rax, rdi", "ret");
user_code!(clflushopt: "push rax", "clflushopt [rsp]", "pop rax", "ret");
user_code!(clwb: "push rax", "clwb [rsp]", "pop rax", "ret");
user_code!(prefetchw: "prefetchw [rsp]", "ret");
user_code!(rdrand: "rdrand rax", "ret");
user_code!(rdseed: "rdseed rax", "ret");
user_code!(rdtscp: "rdtscp", "ret");
user_code!(rdpid: "rdpid rax", "ret");

/// An instruction of a feature that CPUID tells of is understood.
#[case(
    feature = CpuidFeatureBehaviour,
    spec = [
        sdm1("Processor Identification and Feature Determination"),
        apm3("Instruction Subsets and CPUID Feature Flags"),
    ],
)]
fn told_instructions_work() {
    const NAMES: &[Text] = names![
        "POPCNT",
        "MOVBE",
        "LAHF",
        "ANDN",
        "BZHI",
        "ADCX",
        "CLFLUSHOPT",
        "CLWB",
        "PREFETCHW",
        "RDRAND",
        "RDSEED",
        "RDTSCP",
        "RDPID"
    ];
    const TABLE: &[(FeatureBit, UserFunction)] = &[
        (FeatureBit::new(1, 0, Ecx, 23), popcnt),
        (FeatureBit::new(1, 0, Ecx, 22), movbe),
        (FeatureBit::new(0x8000_0001, 0, Ecx, 0), lahf),
        (FeatureBit::new(7, 0, Ebx, 3), andn),
        (FeatureBit::new(7, 0, Ebx, 8), bzhi),
        (FeatureBit::new(7, 0, Ebx, 19), adcx),
        (FeatureBit::new(7, 0, Ebx, 23), clflushopt),
        (FeatureBit::new(7, 0, Ebx, 24), clwb),
        (FeatureBit::new(0x8000_0001, 0, Ecx, 8), prefetchw),
        (FeatureBit::new(1, 0, Ecx, 30), rdrand),
        (FeatureBit::new(7, 0, Ebx, 18), rdseed),
        (FeatureBit::new(0x8000_0001, 0, Edx, 27), rdtscp),
        (FeatureBit::new(7, 0, Ecx, 22), rdpid),
    ];
    for (row, &(feature, function)) in TABLE.iter().enumerate() {
        if feature.read() {
            check_outcome!("at CPL 3", [NAMES; row], user::call(function, 1), Outcome::COMPLETED);
        }
    }
}

user_code!(haddpd: "haddpd xmm0, xmm0", "ret");
user_code!(pabsb: "pabsb xmm0, xmm0", "ret");
user_code!(ptest: "ptest xmm0, xmm0", "ret");
user_code!(crc32: "crc32 rax, rdi", "ret");
user_code!(aesenc: "aesenc xmm0, xmm0", "ret");
user_code!(pclmulqdq: "pclmulqdq xmm0, xmm0, 0", "ret");
user_code!(sha1msg1: "sha1msg1 xmm0, xmm0", "ret");
user_code!(extrq: "extrq xmm0, xmm0", "ret");
user_code!(gf2p8mulb: "gf2p8mulb xmm0, xmm0", "ret");

/// An SSE instruction of a feature that CPUID tells of is understood when CR4.OSFXSR is set.
#[case(
    feature = CpuidFeatureBehaviour,
    spec = [
        sdm1("Processor Identification and Feature Determination"),
        apm3("Instruction Subsets and CPUID Feature Flags"),
    ],
)]
fn told_sse_instructions_work() {
    const NAMES: &[Text] =
        names!["HADDPD", "PABSB", "PTEST", "CRC32", "AESENC", "PCLMULQDQ", "SHA1MSG1", "EXTRQ", "GF2P8MULB"];
    const TABLE: &[(FeatureBit, UserFunction)] = &[
        (FeatureBit::new(1, 0, Ecx, 0), haddpd),
        (FeatureBit::new(1, 0, Ecx, 9), pabsb),
        (FeatureBit::new(1, 0, Ecx, 19), ptest),
        (FeatureBit::new(1, 0, Ecx, 20), crc32),
        (FeatureBit::new(1, 0, Ecx, 25), aesenc),
        (FeatureBit::new(1, 0, Ecx, 1), pclmulqdq),
        (FeatureBit::new(7, 0, Ebx, 29), sha1msg1),
        (FeatureBit::new(0x8000_0001, 0, Ecx, 6), extrq),
        (FeatureBit::new(7, 0, Ecx, 8), gf2p8mulb),
    ];
    for (row, &(feature, function)) in TABLE.iter().enumerate() {
        if feature.read() {
            check_outcome!("at CPL 3", [NAMES; row], user::call(function, 1), Outcome::COMPLETED);
        }
    }
}

/// RDTSCP, RDPID, RDRAND and RDSEED raise #UD where CPUID does not tell of them.
#[case(
    feature = CpuidFeatureBehaviour,
    spec = [
        sdm2("RDTSCP—Read Time-Stamp Counter and Processor ID"),
        sdm2("RDPID—Read Processor ID"),
        sdm2("RDRAND—Read Random Number"),
    ]
)]
fn untold_instructions_raise_ud() {
    const NAMES: &[Text] = names!["RDTSCP", "RDPID", "RDRAND", "RDSEED"];
    const TABLE: &[(FeatureBit, UserFunction)] = &[
        (FeatureBit::new(0x8000_0001, 0, Edx, 27), rdtscp),
        (FeatureBit::new(7, 0, Ecx, 22), rdpid),
        (FeatureBit::new(1, 0, Ecx, 30), rdrand),
        (FeatureBit::new(7, 0, Ebx, 18), rdseed),
    ];
    if TABLE.iter().all(|(feature, _)| feature.read()) {
        rt::skip!("CPUID tells of all of them");
        return;
    }
    for (row, &(feature, function)) in TABLE.iter().enumerate() {
        if !feature.read() {
            check_outcome!("at CPL 3", [NAMES; row], user::call(function, 1), Outcome::UD);
        }
    }
}

/// INVPCID works at CPL 0 if CPUID tells of it, and raises #UD if not.
#[case(feature = CpuidFeatureBehaviour, spec = sdm2("INVPCID—Invalidate Process-Context Identifier"))]
fn invpcid_follows_feature() {
    const ALL_CONTEXTS: u64 = 2;
    let expected = if FeatureBit::new(7, 0, Ebx, 10).read() { Outcome::COMPLETED } else { Outcome::UD };
    let descriptor = [0_u64; 2];
    let result = instruction!("invpcid {}, [{}]", in(reg) ALL_CONTEXTS, in(reg) &raw const descriptor);
    check_outcome!("INVPCID", result, expected);
}

user_code!(rdfsbase: "rdfsbase rax", "ret");
user_code!(xgetbv: "xor ecx, ecx", "xgetbv", "ret");
user_code!(rdpkru: "xor ecx, ecx", "rdpkru", "ret");

/// RDFSBASE, XGETBV and RDPKRU raise #UD while their bit in CR4 is clear.
#[case(
    feature = CpuidFeatureBehaviour,
    spec = [
        sdm2("RDFSBASE/RDGSBASE—Read FS/GS Segment Base"),
        sdm2("XGETBV—Get Value of Extended Control Register"),
        sdm2("RDPKRU—Read Protection Key Rights for User Pages"),
    ]
)]
fn instructions_that_cr4_enables() {
    const NAMES: &[Text] = names!["RDFSBASE", "XGETBV", "RDPKRU"];
    const CR4_PKE: u64 = 1 << 22;
    const TABLE: &[(FeatureBit, u64, UserFunction)] = &[
        (FeatureBit::new(7, 0, Ebx, 0), cr4::FSGSBASE, rdfsbase),
        (FeatureBit::new(1, 0, Ecx, 26), cr4::OSXSAVE, xgetbv),
        (FeatureBit::new(7, 0, Ecx, 3), CR4_PKE, rdpkru),
    ];
    for (row, &(feature, bit, function)) in TABLE.iter().enumerate() {
        check_outcome!("bit is clear", [NAMES; row], user::call(function, 0), Outcome::UD);
        if feature.read() {
            let set = With::cr4(bit, 0);
            check_outcome!("bit is set", [NAMES; row], user::call(function, 0), Outcome::COMPLETED);
            drop(set);
        }
    }
}

/// CMPXCHG16B exchanges 16 bytes where CPUID tells of it.
#[case(
    feature = CpuidFeatureBehaviour,
    spec = sdm2("CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes"),
    needs = Needs::CMPXCHG16B,
)]
fn cmpxchg16b_works() {
    let result = user::call(cmpxchg16b, 0x41);
    check_outcome!("at CPL 3", result, Outcome::COMPLETED);
    check_eq!("both quadwords afterwards", result.unwrap_or(0), 0x4107);
}
