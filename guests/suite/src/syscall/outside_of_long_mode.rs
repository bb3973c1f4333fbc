//! SYSENTER, SYSEXIT, SYSCALL and SYSRET outside of long mode: where they are allowed, and where they go.

use super::{
    outside_model::{GROUP, Refused, STACK, SYSENTER, SYSEXIT, Syscall, Sysenter, Sysexit, TARGET, refused, syscall},
    reporting::{report, report_once, sites},
};
use case::{Needs, Text};
use rt::{
    Outcome, case,
    cpu::msr::{
        self,
        number::{IA32_STAR, IA32_SYSENTER_CS, IA32_SYSENTER_EIP, IA32_SYSENTER_ESP},
    },
    excursion::{
        ARENA, Arena, Arrival, Code, EFLAGS_IOPL_3, Ending, Program, layout,
        register::{ECX, EDX, ESP},
        tables::{self, access, flag, segment},
    },
    machine_code, names,
};

machine_code! {
    16 SYSTEM_CALL_SYSENTER = "sysenter";
    16 SYSTEM_CALL_SYSEXIT = "sysexit";
    16 SYSTEM_CALL_SYSCALL = "syscall";
    16 SYSTEM_CALL_SYSRET = ".byte 0x0f, 0x07";
}

/// The modes, by name and program.
const MODES: &[Text] =
    names!["real", "virtual-8086", "16-bit, CPL 0", "32-bit, CPL 0", "16-bit, CPL 3", "32-bit, CPL 3"];
const PROGRAMS: [Program; 6] = [
    Program::REAL,
    Program::VIRTUAL_8086,
    Program::PROTECTED_16,
    Program::PROTECTED_32,
    Program::USER_16,
    Program::USER_32,
];
const REAL: usize = 0;
/// EFER.SCE.
const SCE: u32 = 1;

/// An arena with flat segments at [`GROUP`], as the instructions expect them to be.
fn with_group() -> Arena {
    let arena = Arena::new();
    let rights = [access::CODE, access::DATA, access::CODE | access::DPL_3, access::DATA | access::DPL_3];
    for (index, rights) in (0..).zip(rights) {
        tables::set_descriptor(GROUP + index * 8, segment(0, 0xf_ffff, rights, flag::FLAT));
    }
    arena
}

/// Runs a code of two bytes that does not fall through.
fn run(arena: &Arena, program: &Program, code: &Code) -> Arrival {
    let mut program = *program;
    program.ending = Ending::Nothing;
    arena.run(&program, code)
}

fn left(arrival: &Arrival) -> Refused {
    Refused { outcome: arrival.outcome().0, eip: arrival.registers.eip.into() }
}

/// The MSRs of SYSENTER, with this code segment.
fn with_sysenter(arena: &Arena, code: u16) -> [Result<msr::With, rt::Exception>; 3] {
    [
        msr::With::value(IA32_SYSENTER_CS, code.into()),
        msr::With::value(IA32_SYSENTER_ESP, STACK.into()),
        msr::With::value(IA32_SYSENTER_EIP, arena.end().into()),
    ]
}

/// Rows of [`PROGRAMS`] at CPL 0, which some hypervisors execute where they give up over the others.
const SUPERVISOR: &[usize] = &[2, 3];
/// Rows of virtual-8086 mode and of CPL 3.
const USER: &[usize] = &[1, 4, 5];

/// SYSENTER with a null code segment.
fn check_sysenter_refused(rows: &[usize]) {
    let arena = with_group();
    for code in [0, 3] {
        let _msrs = with_sysenter(&arena, code);
        for &row in rows {
            let arrival = run(&arena, &PROGRAMS[row], &SYSTEM_CALL_SYSENTER);
            let columns = left(&arrival).beside(refused(Outcome::GP, PROGRAMS[row].registers.eip));
            if code == 0 {
                report(sites![MODES; Outcome "SYSENTER", Hex "EIP"], row, columns);
            } else {
                let sites = sites![MODES; Outcome "SYSENTER with a null selector of RPL 3", Hex "EIP with RPL 3"];
                report(sites, row, columns);
            }
        }
    }
}

/// SYSENTER to [`GROUP`].
fn check_sysenter(rows: &[usize]) {
    let arena = with_group();
    let _msrs = with_sysenter(&arena, GROUP);
    for &row in rows {
        let mut program = PROGRAMS[row];
        program.registers.eflags |= EFLAGS_IOPL_3 | 1;
        let arrival = run(&arena, &program, &SYSTEM_CALL_SYSENTER);
        let registers = &arrival.registers;
        let seen = Sysenter {
            outcome: arrival.outcome().0,
            esp: registers.general[ESP].into(),
            ss: registers.ss.into(),
            vm: registers.eflags.into(),
            flags: registers.eflags.into(),
        };
        let sites = sites![MODES; Outcome "SYSENTER", Hex "ESP", Hex "SS", Hex "VM", Hex "IOPL and CF"];
        report(sites, row, seen.beside(SYSENTER));
    }
}

/// SYSEXIT with this group of segments.
fn check_sysexit_refused(code: u16, rows: &[usize]) {
    let arena = with_group();
    let _msrs = with_sysenter(&arena, code);
    for &row in rows {
        let program = PROGRAMS[row].with(&[(ECX, STACK), (EDX, ARENA + layout::CODE)]);
        let arrival = run(&arena, &program, &SYSTEM_CALL_SYSEXIT);
        let columns = left(&arrival).beside(refused(Outcome::GP, program.registers.eip));
        report(sites![MODES; Outcome "SYSEXIT", Hex "EIP"], row, columns);
    }
}

/// SYSCALL or SYSRET where it does not exist.
fn check_undefined(code: &Code, efer: u32, rows: &[usize]) {
    let arena = with_group();
    let _star = (efer != 0).then(|| msr::With::value(IA32_STAR, u64::from(GROUP) << 32 | u64::from(arena.end())));
    // Where a SYSRET goes that does exist: a HLT.
    tables::write_u32(TARGET, 0xf4f4_f4f4);
    for &row in rows {
        let mut program = PROGRAMS[row].with(&[(ECX, ARENA + TARGET)]);
        program.efer = efer;
        let arrival = run(&arena, &program, code);
        let columns = left(&arrival).beside(refused(Outcome::UD, program.registers.eip));
        report(sites![MODES; Outcome "outcome", Hex "EIP"], row, columns);
    }
}

/// AMD's SYSCALL of protected mode.
fn check_syscall_on_amd(rows: &[usize]) {
    let arena = with_group();
    let _star = msr::With::value(IA32_STAR, u64::from(GROUP) << 32 | u64::from(arena.end()));
    for &row in rows {
        let mut program = PROGRAMS[row];
        program.efer = SCE;
        program.registers.eflags |= EFLAGS_IOPL_3 | 1;
        let arrival = run(&arena, &program, &SYSTEM_CALL_SYSCALL);
        let seen = Syscall {
            outcome: arrival.outcome().0,
            ecx: arrival.registers.general[ECX].into(),
            ss: arrival.registers.ss.into(),
            cf: arrival.registers.eflags.into(),
        };
        let sites = sites![MODES; Outcome "SYSCALL", Hex "ECX", Hex "SS", Hex "CF"];
        report(sites, row, seen.beside(syscall(program.registers.eip)));
    }
}

macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident $feature:ident $needs:expr, [$($spec:expr),+], $body:expr;)+) => {$(
        $(#[$doc])*
        #[case(feature = $feature, spec = [$($spec),+], needs = $needs)]
        fn $name() {
            $body;
        }
    )+};
}

cases! {
    /// SYSENTER raises #GP(0) in real mode, whatever IA32_SYSENTER_CS holds.
    sysenter_in_real_mode SysenterSysexit Needs::SYSENTER, [sdm2("SYSENTER—Fast System Call"), apm3("SYSENTER")], {
        let arena = with_group();
        let _msrs = with_sysenter(&arena, GROUP);
        let arrival = run(&arena, &Program::REAL, &SYSTEM_CALL_SYSENTER);
        let columns = left(&arrival).beside(refused(Outcome::GP, layout::CODE));
        report_once(sites![&[]; Outcome "SYSENTER", Hex "IP"], columns);
    };
    /// At CPL 0 of protected mode SYSENTER raises #GP(0) while IA32_SYSENTER_CS is null, by bits 15 to 2.
    sysenter_with_a_null_selector_at_cpl_0 SysenterSysexit Needs::SYSENTER,
        [sdm2("SYSENTER—Fast System Call"), apm3("SYSENTER")], check_sysenter_refused(SUPERVISOR);
    /// The same in virtual-8086 mode and at CPL 3.
    sysenter_with_a_null_selector_at_cpl_3 SysenterSysexit Needs::SYSENTER,
        [sdm2("SYSENTER—Fast System Call"), apm3("SYSENTER")], check_sysenter_refused(USER);
    /// At CPL 0 of protected mode SYSENTER goes to flat segments at CPL 0.
    sysenter_at_cpl_0_outside_of_long_mode SysenterSysexit Needs::SYSENTER,
        [sdm2("SYSENTER—Fast System Call"), apm3("SYSENTER")], check_sysenter(SUPERVISOR);
    /// SYSENTER goes to CPL 0 from virtual-8086 mode and from CPL 3 of protected mode, and clears VM.
    sysenter_at_cpl_3_outside_of_long_mode SysenterSysexit Needs::SYSENTER,
        [sdm2("SYSENTER—Fast System Call"), apm3("SYSENTER")], check_sysenter(USER);
    /// SYSEXIT raises #GP(0) in real mode.
    sysexit_in_real_mode SysenterSysexit Needs::SYSENTER,
        [sdm2("SYSEXIT—Fast Return from Fast System Call"), apm3("SYSEXIT")], check_sysexit_refused(GROUP, &[REAL]);
    /// At CPL 0 of protected mode SYSEXIT raises #GP(0) while IA32_SYSENTER_CS is null.
    sysexit_with_a_null_selector SysenterSysexit Needs::SYSENTER,
        [sdm2("SYSEXIT—Fast Return from Fast System Call"), apm3("SYSEXIT")], check_sysexit_refused(0, SUPERVISOR);
    /// SYSEXIT raises #GP(0) in virtual-8086 mode and at CPL 3 of protected mode.
    sysexit_at_cpl_3_outside_of_long_mode SysenterSysexit Needs::SYSENTER,
        [sdm2("SYSEXIT—Fast Return from Fast System Call"), apm3("SYSEXIT")], check_sysexit_refused(GROUP, USER);
    /// At CPL 0 of protected mode SYSEXIT goes to flat segments at CPL 3.
    sysexit_at_cpl_0_outside_of_long_mode SysenterSysexit Needs::SYSENTER,
        [sdm2("SYSEXIT—Fast Return from Fast System Call"), apm3("SYSEXIT")], {
        let arena = with_group();
        let _msrs = with_sysenter(&arena, GROUP);
        // A HLT, which raises #GP(0) at CPL 3.
        tables::write_u32(TARGET, 0xf4f4_f4f4);
        for &row in SUPERVISOR {
            let program = PROGRAMS[row].with(&[(ECX, STACK), (EDX, ARENA + TARGET)]);
            let arrival = run(&arena, &program, &SYSTEM_CALL_SYSEXIT);
            let registers = &arrival.registers;
            let seen = Sysexit {
                outcome: arrival.outcome().0,
                eip: registers.eip.into(),
                esp: registers.general[ESP].into(),
                cs: registers.cs.into(),
                ss: registers.ss.into(),
            };
            let sites = sites![MODES; Outcome "HLT behind SYSEXIT", Hex "EIP", Hex "ESP", Hex "CS", Hex "SS"];
            report(sites, row, seen.beside(SYSEXIT));
        }
    };
    /// SYSCALL raises #UD in real mode and at CPL 0 of protected mode while EFER.SCE is clear.
    syscall_without_sce_at_cpl_0 SyscallSysret Needs::SYSCALL, [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL")],
        check_undefined(&SYSTEM_CALL_SYSCALL, 0, &[REAL, 2, 3]);
    /// The same in virtual-8086 mode and at CPL 3.
    syscall_without_sce_at_cpl_3 SyscallSysret Needs::SYSCALL, [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL")],
        check_undefined(&SYSTEM_CALL_SYSCALL, 0, USER);
    /// SYSRET raises #UD at CPL 0 of protected mode while EFER.SCE is clear.
    sysret_without_sce_outside_of_long_mode SyscallSysret Needs::SYSCALL, [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET")],
        check_undefined(&SYSTEM_CALL_SYSRET, 0, SUPERVISOR);
    /// Intel processors have SYSCALL in 64-bit mode alone: #UD at CPL 0 of other modes with EFER.SCE set too.
    syscall_outside_of_long_mode_on_intel SyscallSysret Needs::INTEL.union(Needs::SYSCALL),
        [sdm2("SYSCALL—Fast System Call")], check_undefined(&SYSTEM_CALL_SYSCALL, SCE, &[REAL, 2, 3]);
    /// The same in virtual-8086 mode and at CPL 3.
    syscall_at_cpl_3_outside_of_long_mode_on_intel SyscallSysret Needs::INTEL.union(Needs::SYSCALL),
        [sdm2("SYSCALL—Fast System Call")], check_undefined(&SYSTEM_CALL_SYSCALL, SCE, USER);
    /// Intel processors have SYSRET in 64-bit mode alone.
    sysret_outside_of_long_mode_on_intel SyscallSysret Needs::INTEL.union(Needs::SYSCALL),
        [sdm2("SYSRET—Return From Fast System Call")], check_undefined(&SYSTEM_CALL_SYSRET, SCE, &[REAL, 1, 2, 3, 4, 5]);
    /// AMD processors have SYSCALL in protected mode: it goes to STAR's target at CPL 0 with the return address in ECX.
    syscall_at_cpl_0_outside_of_long_mode_on_amd SyscallSysret Needs::AMD.union(Needs::SYSCALL), [apm3("SYSCALL")],
        check_syscall_on_amd(SUPERVISOR);
    /// The same from CPL 3.
    syscall_at_cpl_3_outside_of_long_mode_on_amd SyscallSysret Needs::AMD.union(Needs::SYSCALL), [apm3("SYSCALL")],
        check_syscall_on_amd(&[4, 5]);
}
