//! RDMSR and WRMSR themselves.

use case::Text;
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::msr::{
        self,
        number::{IA32_EFER, IA32_KERNEL_GS_BASE},
    },
    instruction, names,
    user::{self, State, register},
    user_code,
};

/// Numbers that no processor gives to an MSR.
const UNIMPLEMENTED: [u32; 4] = [0x0000_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const UNIMPLEMENTED_NAMES: &[Text] = names!["0000FFFF", "7FFFFFFF", "80000000", "FFFFFFFF"];

/// RDMSR of an MSR that does not exist raises #GP(0).
#[case(feature = MsrAccess, spec = [sdm2("RDMSR—Read From Model Specific Register"), apm3("RDMSR")])]
fn reading_an_unimplemented_msr() {
    for (row, number) in UNIMPLEMENTED.into_iter().enumerate() {
        check_outcome!("RDMSR", [UNIMPLEMENTED_NAMES; row], msr::read(number), Outcome::GP);
    }
}

/// WRMSR of an MSR that does not exist raises #GP(0).
#[case(feature = MsrAccess, spec = [sdm2("WRMSR—Write to Model Specific Register"), apm3("WRMSR")])]
fn writing_an_unimplemented_msr() {
    for (row, number) in UNIMPLEMENTED.into_iter().enumerate() {
        check_outcome!("WRMSR", [UNIMPLEMENTED_NAMES; row], msr::write(number, 0), Outcome::GP);
    }
}

/// RDMSR takes the lower half of RCX and clears the upper halves of RAX and RDX.
#[case(feature = MsrAccess, spec = [sdm2("RDMSR—Read From Model Specific Register"), apm3("RDMSR")])]
fn rdmsr_register_halves() {
    const VALUE: u64 = 0x0000_7654_89ab_cdef;
    check_outcome!("WRMSR", msr::write(IA32_KERNEL_GS_BASE, VALUE), Outcome::COMPLETED);
    let (mut rax, mut rdx) = (u64::MAX, u64::MAX);
    let result = instruction!("rdmsr", in("rcx") u64::from(IA32_KERNEL_GS_BASE) | 0xffff_ffff << 32,
                              inout("rax") u64::MAX => rax, inout("rdx") u64::MAX => rdx);
    check_outcome!("RDMSR", result, Outcome::COMPLETED);
    check_eq!("RAX", rax, VALUE & 0xffff_ffff);
    check_eq!("RDX", rdx, VALUE >> 32);
}

/// WRMSR takes the lower halves of RCX, RAX and RDX.
#[case(feature = MsrAccess, spec = [sdm2("WRMSR—Write to Model Specific Register"), apm3("WRMSR")])]
fn wrmsr_register_halves() {
    let garbage = 0xdead_beef_u64 << 32;
    let result = instruction!("wrmsr", in("rcx") u64::from(IA32_KERNEL_GS_BASE) | garbage,
                              in("rax") 0x1234_5678 | garbage, in("rdx") 0x7abc | garbage);
    check_outcome!("WRMSR", result, Outcome::COMPLETED);
    check_eq!("the MSR", msr::read(IA32_KERNEL_GS_BASE).unwrap_or(0), 0x7abc_1234_5678);
}

user_code!(rdmsr: "mov rcx, rdi", "rdmsr", "ret");
user_code!(wrmsr: "mov rcx, rdi", "xor eax, eax", "xor edx, edx", "wrmsr", "ret");

/// RDMSR and WRMSR raise #GP(0) at CPL 3, for MSRs that exist and for others.
#[case(
    feature = MsrAccess,
    spec = [
        sdm2("RDMSR—Read From Model Specific Register"),
        sdm2("WRMSR—Write to Model Specific Register"),
        apm3("RDMSR"),
    ],
)]
fn privilege() {
    const NAMES: &[Text] = names!["IA32_TIME_STAMP_COUNTER", "IA32_EFER", "IA32_KERNEL_GS_BASE", "FFFFFFFF"];
    for (row, number) in [0x10, IA32_EFER, IA32_KERNEL_GS_BASE, 0xffff_ffff].into_iter().enumerate() {
        check_outcome!("RDMSR", [NAMES; row], user::call(rdmsr, u64::from(number)), Outcome::GP);
        check_outcome!("WRMSR", [NAMES; row], user::call(wrmsr, u64::from(number)), Outcome::GP);
    }
}

/// RDMSR and WRMSR with a LOCK prefix raise #UD.
#[case(
    feature = MsrAccess,
    spec = [sdm2("RDMSR—Read From Model Specific Register"), sdm2("WRMSR—Write to Model Specific Register")],
)]
fn lock_prefix() {
    // The assembler refuses the prefix before these instructions, so it is written as a byte.
    let read = instruction!(".byte 0xf0", "rdmsr", in("ecx") IA32_KERNEL_GS_BASE, out("eax") _, out("edx") _);
    check_outcome!("LOCK RDMSR", read, Outcome::UD);
    let write = instruction!(".byte 0xf0", "wrmsr", in("ecx") IA32_KERNEL_GS_BASE, in("eax") 0, in("edx") 0);
    check_outcome!("LOCK WRMSR", write, Outcome::UD);
}

/// A faulting RDMSR changes neither RAX nor RDX.
#[case(feature = MsrAccess, spec = sdm3a("Program or Task Restart"))]
fn fault_keeps_registers() {
    // At CPL 3, where the runtime tells all registers.
    let mut state = State::at(rdmsr as *const () as u64);
    let marks = [(register::RAX, 0x1111_2222_3333_4444), (register::RDX, 0x5555_6666_7777_8888)];
    for (index, mark) in marks {
        state.registers[index] = mark;
    }
    state.registers[register::RDI] = 0x10;
    check_outcome!("RDMSR", Outcome::from(user::enter(&mut state)), Outcome::GP);
    const NAMES: &[Text] = names!["RAX", "RDX"];
    for (row, (index, mark)) in marks.into_iter().enumerate() {
        check_eq!("register", [NAMES; row], state.registers[index], mark);
    }
}

/// The RIP that a faulting RDMSR or WRMSR saves is its own, and the MSR keeps its value.
#[case(feature = MsrAccess, spec = sdm3a("Interrupt 13—General Protection Exception (#GP)"))]
fn fault_has_no_effect() {
    let (mut read_rip, mut write_rip) = (0_u64, 0_u64);
    let read = instruction!("lea {0}, [rip + 2f]", "mov [{1}], {0}", "2: rdmsr", out(reg) _, in(reg) &raw mut read_rip,
                            in("ecx") 0xffff_ffff_u32, out("eax") _, out("edx") _);
    check!("RIP of RDMSR", matches!(read, Err(exception) if exception.rip == read_rip));
    check_outcome!("WRMSR", msr::write(IA32_KERNEL_GS_BASE, 0x1234), Outcome::COMPLETED);
    let write = instruction!("lea {0}, [rip + 2f]", "mov [{1}], {0}", "2: wrmsr", out(reg) _,
                             in(reg) &raw mut write_rip, in("ecx") IA32_KERNEL_GS_BASE, in("eax") 0,
                             in("edx") 0x8000_0000_u32);
    check!("RIP of WRMSR", matches!(write, Err(exception) if exception.rip == write_rip));
    check_eq!("the MSR", msr::read(IA32_KERNEL_GS_BASE).unwrap_or(0), 0x1234);
}
