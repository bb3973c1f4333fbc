//! Each exception with its vector, error code and saved RIP.

use rt::{
    Outcome, case, catch, check, check_eq, check_outcome,
    cpu::control::{self, cr0},
    instruction, layout, mmio, names, user,
    user::State,
    user_code,
    vocabulary::{Needs, Text},
};

/// UD2 raises #UD without an error code, and the saved RIP is that of UD2.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 6—Invalid Opcode Exception (#UD)"))]
fn ud2_raises_invalid_opcode() {
    let mut rip = 0_u64;
    let result = instruction!("lea {0}, [rip + 2f]", "mov [{1}], {0}", "2: ud2", out(reg) _, in(reg) &raw mut rip);
    check_outcome!("UD2", result, Outcome::UD);
    check_eq!("saved RIP", result.map_or_else(|exception| exception.rip, |()| 0), rip);
}

/// A read of an address that nothing maps raises #PF with CR2 holding the address and an error code of 0.
#[case(feature = ExceptionPageFault, spec = sdm3a("Interrupt 14—Page-Fault Exception (#PF)"))]
fn unmapped_read() {
    let address = layout::UNMAPPED + 0x123;
    let result = catch(|| mmio::read_u8(address));
    check_outcome!("read", result, Outcome::pf(0));
    check!("CR2 is the address", matches!(result, Err(exception) if exception.cr2 == address));
}

// Each of these leaves R8 at the instruction that is to raise the exception, and RAX at the one behind it.
macro_rules! raising {
    ($($name:ident: $($assembly:literal),+;)*) => {
        $(user_code!($name: "lea r8, [rip + 2f]", "lea rax, [rip + 3f]", "jmp 2f", "2:", $($assembly,)+ "3:", "ret");)*
    };
}

raising! {
    int3: "int3";
    int_3: ".byte 0xcd, 3";
    int_4: "int 4";
    int_80h: "int 0x80";
    int1: ".byte 0xf1";
    ud2: "ud2";
    ud1: ".byte 0x0f, 0xb9, 0xc0";
    ud0: ".byte 0x0f, 0xff, 0xc0";
    hlt: "hlt";
    load_outside: "mov rbx, [rbx]";
    int_dpl_0: "int 0x81";
    lock_prefix: ".byte 0xf0, 0x89, 0xc8";
    lock_on_register: ".byte 0xf0, 0x01, 0xc8";
    sixteen_bytes: ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90";
    fifteen_bytes: ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90", "int 0x80";
}

/// Runs the code at CPL 3; the exception and where the code said that it would be raised and what follows.
fn raise(function: extern "C" fn(u64) -> u64) -> (rt::Exception, u64, u64) {
    let mut state = State::calling(function, 0);
    state.registers[user::register::RBX] = layout::UNMAPPED;
    let exception = user::enter(&mut state);
    (exception, state.registers[user::register::R8], state.registers[user::register::RAX])
}

/// A fault saves the RIP of the instruction that raised it.
#[case(feature = ExceptionVectors, spec = [sdm3a("Exception Classifications"),
       sdm3a("Interrupt 13—General Protection Exception (#GP)"), sdm3a("Interrupt 6—Invalid Opcode Exception (#UD)")])]
fn faults_save_their_own_rip() {
    const ROWS: &[Text] = names![
        "UD2",
        "UD1",
        "UD0",
        "HLT",
        "load",
        "INT 81H, gate for CPL 0",
        "LOCK MOV",
        "LOCK ADD to register",
        "16 bytes long"
    ];
    let table: [(extern "C" fn(u64) -> u64, Outcome); 9] = [
        (ud2, Outcome::UD),
        (ud1, Outcome::UD),
        (ud0, Outcome::UD),
        (hlt, Outcome::GP),
        (load_outside, Outcome::pf(4)),
        // The selector index is the vector, with the IDT flag.
        (int_dpl_0, Outcome::gp(0x81 << 3 | 2)),
        (lock_prefix, Outcome::UD),
        (lock_on_register, Outcome::UD),
        (sixteen_bytes, Outcome::GP),
    ];
    for (row, (function, expected)) in table.into_iter().enumerate() {
        let (exception, at, _) = raise(function);
        check_outcome!("exception", [ROWS; row], exception, expected);
        check_eq!("saved RIP", [ROWS; row], exception.rip, at);
    }
}

/// A software interrupt, INT3 and INT1 save the RIP of the next instruction, and no error code.
#[case(feature = ExceptionVectors, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm3a("Interrupt 3—Breakpoint Exception (#BP)")])]
fn traps_save_the_next_rip() {
    let table: [(extern "C" fn(u64) -> u64, Outcome); 5] = [
        (int3, Outcome::BP),
        (int_3, Outcome::BP),
        (int_4, Outcome::OF),
        (int_80h, Outcome::exception(0x80, 0)),
        (int1, Outcome::DB),
    ];
    for (row, (function, expected)) in table.into_iter().enumerate() {
        let (exception, _, behind) = raise(function);
        check_outcome!("exception", [names!["INT3", "INT 3", "INT 4", "INT 80H", "INT1"]; row], exception, expected);
        check_eq!("saved RIP", [names!["INT3", "INT 3", "INT 4", "INT 80H", "INT1"]; row], exception.rip, behind);
    }
}

/// An instruction may be 15 bytes long.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 13—General Protection Exception (#GP)"))]
fn instruction_of_15_bytes() {
    let (exception, _, behind) = raise(fifteen_bytes);
    check_outcome!("the INT 80H behind it", exception, Outcome::exception(0x80, 0));
    check_eq!("saved RIP", exception.rip, behind);
}

user_code!(divide_by_zero: "mov eax, 1", "xor edx, edx", "div edi", "ret");
user_code!(divide_overflow: "mov eax, 1", "mov edx, 7", "div edi", "ret");
user_code!(divide_most_negative: "mov rax, rdi", "cqo", "mov rcx, -1", "idiv rcx", "ret");
user_code!(divide_byte: "mov ax, di", "mov cl, 1", "div cl", "ret");
user_code!(divide_fits: "mov ax, di", "mov cl, 1", "div cl", "movzx eax, al", "ret");

/// DIV and IDIV raise #DE for a divisor of zero and for a quotient that does not fit.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 0—Divide Error Exception (#DE)"))]
fn divide_errors() {
    let table: [(extern "C" fn(u64) -> u64, u64, Outcome); 6] = [
        (divide_by_zero, 0, Outcome::DE),
        (divide_overflow, 7, Outcome::DE),
        (divide_overflow, 8, Outcome::COMPLETED),
        (divide_most_negative, 1 << 63, Outcome::DE),
        (divide_byte, 0x100, Outcome::DE),
        (divide_fits, 0xff, Outcome::COMPLETED),
    ];
    for (row, (function, argument, expected)) in table.into_iter().enumerate() {
        check_outcome!(
            "CPL 3",
            [names![
                "DIV by 0",
                "DIV, quotient 2^32",
                "DIV, quotient fits",
                "IDIV of -2^63 by -1",
                "8-bit, quotient 100H",
                "8-bit, quotient FFH"
            ]; row],
            user::call(function, argument),
            expected
        );
    }
    let zero = 0_u32;
    check_outcome!(
        "CPL 0, DIV by 0",
        instruction!("div {0:e}", in(reg) zero, inout("eax") 1 => _, inout("edx") 0 => _),
        Outcome::DE
    );
    let minus_one = u64::MAX;
    check_outcome!(
        "CPL 0, IDIV of -2^63 by -1",
        instruction!("idiv {0}", in(reg) minus_one, inout("rax") 1_u64 << 63 => _,
                                inout("rdx") u64::MAX => _),
        Outcome::DE
    );
}

user_code!(misaligned_read: "pushfq", "or dword ptr [rsp], 0x40000", "popfq", "mov eax, [rdi + 1]", "ret");
user_code!(aligned_read: "pushfq", "or dword ptr [rsp], 0x40000", "popfq", "mov eax, [rdi + 4]", "ret");
user_code!(misaligned_read_without_ac: "mov eax, [rdi + 1]", "ret");
user_code!(misaligned_byte: "pushfq", "or dword ptr [rsp], 0x40000", "popfq", "mov al, [rdi + 1]", "ret");

/// With CR0.AM and EFLAGS.AC set, a misaligned access at CPL 3 raises #AC(0); not so an aligned one, nor with either
/// bit clear, nor at CPL 0.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 17—Alignment Check Exception (#AC)"))]
fn alignment_check() {
    let at = rt::paging::frame(0);
    check_outcome!("CR0.AM clear", user::call(misaligned_read, at), Outcome::COMPLETED);
    let _am = control::With::cr0(cr0::AM, 0);
    check_outcome!("misaligned", user::call(misaligned_read, at), Outcome::AC);
    check_outcome!("aligned", user::call(aligned_read, at), Outcome::COMPLETED);
    check_outcome!("byte", user::call(misaligned_byte, at), Outcome::COMPLETED);
    check_outcome!("EFLAGS.AC clear", user::call(misaligned_read_without_ac, at), Outcome::COMPLETED);
    let supervisor = instruction!("pushfq", "or dword ptr [rsp], 0x40000", "popfq", "mov eax, [{} + 1]", "pushfq",
                                  "and dword ptr [rsp], 0xfffbffff", "popfq", in(reg) at, out("eax") _);
    check_outcome!("CPL 0", supervisor, Outcome::COMPLETED);
}

user_code!(many_registers: "mov rbx, 0x1111", "mov r12, 0x2222", "mov r15, 0x3333", "stc", "xadd [rdi], rbx", "ret");

/// A fault leaves registers and flags as the instruction found them.
#[case(feature = ExceptionVectors, spec = sdm3a("Program or Task Restart"))]
fn fault_leaves_registers_alone() {
    let mut state = State::calling(many_registers, layout::UNMAPPED);
    let exception = user::enter(&mut state);
    check_eq!("vector", exception.vector, 14);
    check_eq!("RBX", state.registers[user::register::RBX], 0x1111);
    check_eq!("R12", state.registers[12], 0x2222);
    check_eq!("R15", state.registers[15], 0x3333);
    check_eq!("RDI", state.registers[user::register::RDI], layout::UNMAPPED);
    check_eq!("CF", state.rflags & 1, 1);
    check_eq!("RSP", exception.rsp, user::stack_top() - 8);
}

/// The flags that a fault saves have RF set, those that a trap by INT n saves have it clear.
///
/// AMD's manual says so of the breakpoint's own fault only.
#[case(feature = ExceptionVectors, spec = sdm3b("Instruction-Breakpoint Exception Condition"), needs = Needs::INTEL)]
fn resume_flag_in_the_saved_flags() {
    const RF: u64 = 1 << 16;
    let table: [(extern "C" fn(u64) -> u64, u64); 5] =
        [(ud2, RF), (hlt, RF), (load_outside, RF), (int_80h, 0), (int3, 0)];
    for (row, (function, expected)) in table.into_iter().enumerate() {
        let (exception, _, _) = raise(function);
        check_eq!("RF", [names!["#UD", "#GP", "#PF", "INT 80H", "INT3"]; row], exception.rflags & RF, expected);
    }
}
