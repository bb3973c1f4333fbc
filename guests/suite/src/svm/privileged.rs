//! L2 at CPL 3: exceptions of privilege come before intercepts, and what needs none exits as at CPL 0.

use super::{end_of, with_svm};
use rt::{
    case, check_eq,
    svm::{
        Guest,
        field::{
            self, CR_READS, CR_WRITES, DR_READS, DR_WRITES, INTERCEPTS_1, INTERCEPTS_2, exit, intercept_1, intercept_2,
        },
        mode::Mode,
    },
    user_code,
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

macro_rules! rows {
    ($table:ident: $($function:ident $($assembly:literal),+ => $due:expr;)*) => {
        $(user_code!($function: $($assembly),+, "vmmcall");)*
        static $table: &[(Code, u64)] = &[$(($function, $due)),*];
    };
}

const GP: u64 = exit::EXCEPTION + 13;
const UD: u64 = exit::EXCEPTION + 6;

const fn first(bit: u32) -> u64 {
    exit::INTR + bit as u64
}

rows! { PRIVILEGED:
    hlt "hlt" => GP;
    invd "invd" => GP;
    wbinvd "wbinvd" => GP;
    invlpg "invlpg [rdi]" => GP;
    invlpga "invlpga rax, ecx" => GP;
    rdmsr "rdmsr" => GP;
    wrmsr "wrmsr" => GP;
    lgdt "lgdt [rdi]" => GP;
    lidt "lidt [rdi]" => GP;
    lldt "lldt ax" => GP;
    ltr "ltr ax" => GP;
    clts "clts" => GP;
    lmsw "lmsw ax" => GP;
    read_cr0 "mov rbx, cr0" => GP;
    read_cr3 "mov rbx, cr3" => GP;
    read_cr8 "mov rbx, cr8" => GP;
    write_cr0 "mov cr0, rbx" => GP;
    write_cr4 "mov cr4, rbx" => GP;
    write_cr8 "mov cr8, rbx" => GP;
    read_dr7 "mov rbx, dr7" => GP;
    write_dr7 "mov dr7, rbx" => GP;
    vmrun "vmrun rax" => GP;
    vmload "vmload rax" => GP;
    vmsave "vmsave rax" => GP;
    stgi "stgi" => GP;
    clgi "clgi" => GP;
    input "in al, dx" => GP;
    output "out dx, al" => GP;
    sti "sti" => GP;
    cli "cli" => GP;
    rsm "rsm" => first(intercept_1::RSM);
}

rows! { ORDINARY:
    cpuid "cpuid" => first(intercept_1::CPUID);
    rdtsc "rdtsc" => first(intercept_1::RDTSC);
    pause "pause" => first(intercept_1::PAUSE);
    sidt "sidt [rdi]" => first(intercept_1::IDTR_READ);
    sgdt "sgdt [rdi]" => first(intercept_1::GDTR_READ);
    sldt "sldt eax" => first(intercept_1::LDTR_READ);
    store_task "str eax" => first(intercept_1::TR_READ);
    pushf "pushfq" => first(intercept_1::PUSHF);
    popf "popfq" => first(intercept_1::POPF);
    software_interrupt "int 0x80" => first(intercept_1::INTN);
    iret "iretq" => first(intercept_1::IRET);
    smsw "smsw eax" => exit::CR_READ;
    vmmcall "vmmcall" => exit::VMMCALL;
    invalid_opcode "ud2" => UD;
}

/// A guest at CPL 3 with every intercept of an instruction.
fn guest(code: Code) -> Guest {
    let mut guest = Guest::new(code);
    guest.start_in(Mode::User);
    // All but INTR, NMI, SMI, INIT, VINTR and the selective one of CR0.
    guest.write_u32(INTERCEPTS_1, !0x3f);
    for bit in intercept_2::VMRUN..=intercept_2::WBINVD {
        guest.intercept(INTERCEPTS_2, bit);
    }
    for word in [CR_READS, CR_WRITES, DR_READS, DR_WRITES] {
        guest.write_u16(word, u16::MAX);
    }
    guest.registers.rdi = rt::paging::frame(2);
    guest.registers.rdx = 0xf000;
    guest.registers.rcx = 0x2000;
    guest
}

/// What needs CPL 0 raises its exception although it is intercepted.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm2("Exception Intercepts")], needs = Needs::SVM)]
fn privilege_comes_before_intercepts() {
    with_svm(|| {
        for (row, &(code, due)) in PRIVILEGED.iter().enumerate() {
            let mut guest = guest(code);
            let exit = guest.run();
            let (information, rip) = exit.as_ref().map_or((0, 0), |exit| (exit.info_1, exit.rip));
            let ending = end_of(exit);
            check_eq!("ending", [&[]; row], ending, due);
            if ending == due {
                check_eq!("RIP", [&[]; row], rip, super::start_of(code));
                if due == GP {
                    check_eq!("EXITINFO1", [&[]; row], information, 0);
                }
                check_eq!("CPL", [&[]; row], guest.read_u8(field::CPL), 3);
            }
        }
    });
}

/// What needs no privilege exits as it does at CPL 0, and the exit tells CPL 3.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn ordinary_instructions_exit_at_cpl_3() {
    with_svm(|| {
        for (row, &(code, due)) in ORDINARY.iter().enumerate() {
            let mut guest = guest(code);
            let ran = guest.run();
            let rip = ran.as_ref().map_or(0, |exit| exit.rip);
            check_eq!("ending", [&[]; row], end_of(ran), due);
            check_eq!("RIP", [&[]; row], rip, super::start_of(code));
            check_eq!("CPL", [&[]; row], guest.read_u8(field::CPL), 3);
            check_eq!("CS", [&[]; row], guest.read_u16(field::CS), rt::tables::selector::USER_CODE);
        }
    });
}
