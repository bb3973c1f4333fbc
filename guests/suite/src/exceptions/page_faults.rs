//! Page faults: CR2, error code and what the instruction left.

use rt::{
    Exception, Outcome, case, catch, check_eq, check_outcome,
    cpu::control,
    instruction, layout, mmio, names,
    paging::{self, ALL_RIGHTS, frame},
    tables::page_bit::RW,
    user,
    user::State,
    user_code,
    vocabulary::Text,
};

user_code!(read: "mov al, [rdi]", "ret");
user_code!(write: "mov [rdi], al", "ret");
user_code!(update: "add byte ptr [rdi], 1", "ret");
user_code!(exchange: "xchg [rdi], rax", "ret");
user_code!(test_only: "test byte ptr [rdi], 1", "ret");
user_code!(push: "push qword ptr [rdi]", "pop rax", "ret");
user_code!(pop: "push rax", "pop qword ptr [rdi]", "ret");
user_code!(call_through: "call [rdi]", "ret");
user_code!(jump: "jmp rdi");

/// Bit 1 of the error code tells the writes, bit 2 CPL 3; CR2 is the address.
#[case(feature = ExceptionPageFault, spec = sdm3a("Interrupt 14—Page-Fault Exception (#PF)"))]
fn error_code_by_instruction() {
    const ROWS: &[Text] = names!["MOV from", "MOV to", "TEST", "PUSH", "POP", "CALL through"];
    let table: [(extern "C" fn(u64) -> u64, u32); 6] =
        [(read, 4), (write, 6), (test_only, 4), (push, 4), (pop, 6), (call_through, 4)];
    for (row, (function, code)) in table.into_iter().enumerate() {
        let address = layout::UNMAPPED + 0x7000 + row as u64 * 8;
        let result = user::call(function, address);
        check_outcome!("CPL 3", [ROWS; row], result, Outcome::pf(code));
        check_eq!("CR2", [ROWS; row], result.map_or_else(|exception| exception.cr2, |_| 0), address);
    }
}

/// The same instructions at CPL 0 have bit 2 of the error code clear.
#[case(feature = ExceptionPageFault, spec = sdm3a("Interrupt 14—Page-Fault Exception (#PF)"))]
fn error_code_by_instruction_at_cpl_0() {
    let at = layout::UNMAPPED + 0x2468;
    let rows: [(Result<(), Exception>, u32); 5] = [
        (instruction!("mov al, [{}]", in(reg) at, out("al") _), 0),
        (instruction!("mov byte ptr [{}], 1", in(reg) at), 2),
        (instruction!("test byte ptr [{}], 1", in(reg) at), 0),
        (instruction!("push qword ptr [{}]", "pop rax", in(reg) at, out("rax") _), 0),
        (instruction!("push rax", "pop qword ptr [{}]", in(reg) at), 2),
    ];
    for (row, (result, code)) in rows.into_iter().enumerate() {
        check_outcome!("CPL 0", [names!["MOV from", "MOV to", "TEST", "PUSH", "POP"]; row], result, Outcome::pf(code));
        check_eq!(
            "CR2",
            [names!["MOV from", "MOV to", "TEST", "PUSH", "POP"]; row],
            result.map_or_else(|exception| exception.cr2, |()| 0),
            at
        );
    }
}

/// CR2 takes all 64 bits of the address, in both halves of the address space.
#[case(feature = ExceptionPageFault, spec = sdm3a("Control Registers"))]
fn cr2_holds_64_bits() {
    let addresses = [0x0000_7fff_ffff_fabc, 0xffff_8000_0000_0001, 0xffff_ffff_ffff_ffff, 0x0000_1234_5678_9abd];
    for (row, address) in addresses.into_iter().enumerate() {
        let result = catch(|| mmio::read_u8(address));
        check_eq!(
            "CPL 0",
            [names!["lower half", "upper half", "last byte", "any"]; row],
            result.map_or_else(|exception| exception.cr2, |_| 0),
            address
        );
        let result = user::call(read, address);
        check_eq!(
            "CPL 3",
            [names!["lower half", "upper half", "last byte", "any"]; row],
            result.map_or_else(|exception| exception.cr2, |_| 0),
            address
        );
    }
}

/// Software may write any value to CR2 and reads it back, and an exception other than #PF leaves it.
#[case(feature = ExceptionPageFault, spec = [sdm3a("Control Registers"), sdm2("MOV—Move to/from Control Registers")])]
fn cr2_is_a_register() {
    for (row, value) in [0, u64::MAX, 0x1234_5678_9abc_def0].into_iter().enumerate() {
        check_outcome!(
            "MOV to CR2",
            [names!["0", "all ones", "any"]; row],
            control::write_cr2(value),
            Outcome::COMPLETED
        );
        check_eq!("CR2", [names!["0", "all ones", "any"]; row], control::read_cr2(), value);
        let result: Result<(), Exception> = instruction!("ud2");
        check_eq!(
            "CR2 after #UD",
            [names!["0", "all ones", "any"]; row],
            result.map_or_else(|exception| exception.cr2, |()| 0),
            value
        );
    }
}

/// An instruction that crosses into a page that is absent faults with CR2 at the page and RIP at its first byte.
#[case(feature = ExceptionPageFault, spec = sdm3a("Interrupt 14—Page-Fault Exception (#PF)"))]
fn fetch_across_a_border() {
    const PAGE: usize = 1;
    // MOV EAX, 12345678H is five bytes long; the first two stand before the border.
    let border = paging::address(PAGE + 1);
    paging::map(PAGE, frame(0), ALL_RIGHTS);
    paging::map(PAGE + 1, frame(1), 0);
    for (index, byte) in [0xb8, 0x78, 0x56, 0x34, 0x12, 0x0f, 0x0b].into_iter().enumerate() {
        mmio::write_u8(frame(0) + 0xffe + index as u64, byte);
    }
    let mut state = State::at(border - 2);
    let exception = user::enter(&mut state);
    check_eq!("vector", exception.vector, 14);
    // Bit 4 depends on the vendor while EFER.NXE is clear.
    check_eq!("error code", exception.error_code & !0x10, 4);
    check_eq!("CR2", exception.cr2, border);
    check_eq!("saved RIP", exception.rip, border - 2);
    paging::map(PAGE + 1, frame(1), ALL_RIGHTS);
    let exception = user::enter(&mut state);
    check_outcome!("the UD2 behind it, with the page present", exception, Outcome::UD);
    check_eq!("EAX", state.registers[user::register::RAX], 0x1234_5678);
}

/// PUSH and CALL that fault leave RSP as it was.
#[case(feature = ExceptionPageFault, spec = sdm3a("Program or Task Restart"))]
fn faulting_push_leaves_rsp() {
    let at = layout::UNMAPPED + 0x800;
    let table: [(extern "C" fn(u64) -> u64, u64); 2] = [(push, 4), (call_through, 4)];
    for (row, (function, _)) in table.into_iter().enumerate() {
        // With RSP at an address that is not mapped, and the operand at one that is.
        let mut state = State::at(function as usize as u64);
        state.registers[user::register::RDI] = frame(0);
        state.registers[user::register::RSP] = at;
        let exception = user::enter(&mut state);
        check_outcome!("push", [names!["PUSH", "CALL"]; row], exception, Outcome::pf(6));
        check_eq!("RSP", [names!["PUSH", "CALL"]; row], exception.rsp, at);
        check_eq!("CR2", [names!["PUSH", "CALL"]; row], exception.cr2, at - 8);
        check_eq!("saved RIP", [names!["PUSH", "CALL"]; row], exception.rip, function as usize as u64);
    }
}

/// A jump to an absent page faults at the target: RIP and CR2 are its address.
#[case(feature = ExceptionPageFault, spec = sdm3a("Interrupt 14—Page-Fault Exception (#PF)"))]
fn jump_to_an_absent_page() {
    let at = layout::UNMAPPED + 0x1234;
    for (row, result) in [user::call(jump, at).map(|_| ()), instruction!("jmp {}", in(reg) at)].into_iter().enumerate()
    {
        let (rip, cr2) = result.map_or_else(|exception| (exception.rip, exception.cr2), |()| (0, 0));
        check_eq!("saved RIP", [names!["CPL 3", "CPL 0"]; row], rip, at);
        check_eq!("CR2", [names!["CPL 3", "CPL 0"]; row], cr2, at);
    }
}

/// After the page is made present, the instruction that faulted completes.
#[case(feature = ExceptionPageFault, spec = sdm3a("Program or Task Restart"))]
fn restart_after_the_fault() {
    const PAGE: usize = 3;
    let address = paging::map(PAGE, frame(0), 0);
    mmio::write_u64(frame(0), 0x55);
    let mut state = State::calling(exchange, address);
    let exception = user::enter(&mut state);
    // Whether an absent page is told as read or as write by a read-modify-write, the manuals leave open.
    check_eq!("vector", exception.vector, 14);
    check_eq!("RIP", exception.rip, exchange as *const () as usize as u64);
    paging::map(PAGE, frame(0), ALL_RIGHTS);
    // RAX is still the function's address.
    let exception = user::enter(&mut state);
    check_outcome!("the UD2 behind the call", exception, Outcome::UD);
    check_eq!("RAX", state.registers[user::register::RAX], 0x55);
    check_eq!("memory", mmio::read_u64(frame(0)), exchange as *const () as usize as u64);
}

/// A read-modify-write of a read-only page is denied as a write.
#[case(feature = ExceptionPageFault, spec = sdm3a("Interrupt 14—Page-Fault Exception (#PF)"))]
fn read_modify_write_of_a_read_only_page() {
    let address = paging::map(3, frame(0), ALL_RIGHTS & !RW);
    for (row, function) in [update, exchange].into_iter().enumerate() {
        check_outcome!("CPL 3", [names!["ADD", "XCHG"]; row], user::call(function, address), Outcome::pf(7));
    }
    check_outcome!("CPL 0, ADD", instruction!("add byte ptr [{}], 1", in(reg) address), Outcome::pf(3));
    check_outcome!("CPL 0, XCHG", instruction!("xchg [{}], rax", in(reg) address, out("rax") _), Outcome::pf(3));
    // Not even an operand that changes nothing makes it a read.
    check_outcome!("CPL 0, OR with 0", instruction!("or byte ptr [{}], 0", in(reg) address), Outcome::pf(3));
}
