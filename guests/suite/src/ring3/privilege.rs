//! What CPL 3 may not do.

use rt::{
    Outcome, case, check_outcome,
    cpu::control::{self, cr4},
    names, user, user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

user_code!(hlt: "hlt", "ret");
user_code!(clts: "clts", "ret");
user_code!(invd: "invd", "ret");
user_code!(wbinvd: "wbinvd", "ret");
user_code!(invlpg: "invlpg [rdi]", "ret");
user_code!(lgdt: "lgdt [rdi]", "ret");
user_code!(lidt: "lidt [rdi]", "ret");
user_code!(lldt: "xor eax, eax", "lldt ax", "ret");
user_code!(ltr: "mov eax, 0x38", "ltr ax", "ret");
user_code!(lmsw: "mov eax, 1", "lmsw ax", "ret");
user_code!(swapgs: "swapgs", "ret");
user_code!(rdmsr: "mov ecx, 0x10", "rdmsr", "ret");
user_code!(wrmsr: "mov ecx, 0x10", "xor eax, eax", "xor edx, edx", "wrmsr", "ret");
user_code!(read_cr0: "mov rax, cr0", "ret");
user_code!(read_cr2: "mov rax, cr2", "ret");
user_code!(read_cr3: "mov rax, cr3", "ret");
user_code!(read_cr4: "mov rax, cr4", "ret");
user_code!(read_cr8: "mov rax, cr8", "ret");
user_code!(write_cr0: "mov eax, 0x80010033", "mov cr0, rax", "ret");
user_code!(write_cr3: "mov eax, 0x206000", "mov cr3, rax", "ret");
user_code!(write_cr8: "xor eax, eax", "mov cr8, rax", "ret");
user_code!(read_dr0: "mov rax, dr0", "ret");
user_code!(read_dr7: "mov rax, dr7", "ret");
user_code!(write_dr7: "mov eax, 0x400", "mov dr7, rax", "ret");

/// Privileged instructions raise #GP(0) at CPL 3.
#[case(feature = Ring3Privilege, spec = [sdm3a("Privileged Instructions"), apm3("System Instruction Reference")])]
fn privileged_instructions() {
    let table: [Code; 24] = [
        hlt, clts, invd, wbinvd, invlpg, lgdt, lidt, lldt, ltr, lmsw, swapgs, rdmsr, wrmsr, read_cr0, read_cr2,
        read_cr3, read_cr4, read_cr8, write_cr0, write_cr3, write_cr8, read_dr0, read_dr7, write_dr7,
    ];
    for (row, function) in table.into_iter().enumerate() {
        check_outcome!(
            "at CPL 3",
            [names![
                "HLT",
                "CLTS",
                "INVD",
                "WBINVD",
                "INVLPG",
                "LGDT",
                "LIDT",
                "LLDT",
                "LTR",
                "LMSW",
                "SWAPGS",
                "RDMSR",
                "WRMSR",
                "read CR0",
                "read CR2",
                "read CR3",
                "read CR4",
                "read CR8",
                "write CR0",
                "write CR3",
                "write CR8",
                "read DR0",
                "read DR7",
                "write DR7"
            ]; row],
            user::call(function, 0),
            Outcome::GP
        );
    }
}

user_code!(cli: "cli", "ret");
user_code!(sti: "sti", "cli", "ret");
user_code!(in_al: "mov edx, 0x80", "in al, dx", "ret");
user_code!(out_al: "mov edx, 0x80", "out dx, al", "ret");
user_code!(insb: "mov edx, 0x80", "push rax", "mov rdi, rsp", "insb", "pop rax", "ret");
user_code!(iret_to_ring_0: "push 0x10", "push rsp", "push 2", "push 8", "lea rax, [rip + 2f]", "push rax", "iretq",
           "2: ud2");
user_code!(far_return_to_ring_0: "push 8", "lea rax, [rip + 2f]", "push rax", ".byte 0x48, 0xcb", "2: ud2");

/// With IOPL 0, CLI, STI and I/O without permission in the bitmap raise #GP(0) at CPL 3.
#[case(feature = Ring3Privilege, spec = [sdm1("I/O Privilege Level"), sdm2("CLI—Clear Interrupt Flag")])]
fn sensitive_to_iopl() {
    let table: [Code; 5] = [cli, sti, in_al, out_al, insb];
    for (row, function) in table.into_iter().enumerate() {
        check_outcome!(
            "IOPL 0",
            [names!["CLI", "STI", "IN", "OUT", "INSB"]; row],
            user::call(function, 0),
            Outcome::GP
        );
    }
}

/// IRETQ and a far return at CPL 3 to a code segment of CPL 0 raise #GP with its selector.
#[case(feature = Ring3Privilege, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm2("RET—Return From Procedure")])]
fn no_return_to_ring_0() {
    check_outcome!("IRETQ", user::call(iret_to_ring_0, 0), Outcome::gp(8));
    check_outcome!("far return", user::call(far_return_to_ring_0, 0), Outcome::gp(8));
}

user_code!(rdtsc: "rdtsc", "ret");
user_code!(rdtscp: "rdtscp", "ret");
/// CR4.PCE.
const PCE: u64 = 1 << 8;
user_code!(rdpmc: "xor ecx, ecx", "rdpmc", "ret");

/// CR4.TSD makes RDTSC privileged, and a clear CR4.PCE RDPMC.
#[case(feature = Ring3Privilege, spec = [sdm2("RDTSC—Read Time-Stamp Counter"),
       sdm2("RDPMC—Read Performance-Monitoring Counters")])]
fn counters_by_cr4() {
    check_outcome!("RDTSC, TSD clear", user::call(rdtsc, 0), Outcome::COMPLETED);
    let tsd = control::With::cr4(cr4::TSD, PCE);
    let (tsc, pmc) = (user::call(rdtsc, 0), user::call(rdpmc, 0));
    drop(tsd);
    check_outcome!("RDTSC, TSD set", tsc, Outcome::GP);
    check_outcome!("RDPMC, PCE clear", pmc, Outcome::GP);
}

/// CR4.TSD makes RDTSCP privileged.
#[case(feature = Ring3Privilege, spec = sdm2("RDTSCP—Read Time-Stamp Counter and Processor ID"), needs = Needs::RDTSCP)]
fn rdtscp_by_cr4() {
    check_outcome!("TSD clear", user::call(rdtscp, 0), Outcome::COMPLETED);
    let _tsd = control::With::cr4(cr4::TSD, 0);
    check_outcome!("TSD set", user::call(rdtscp, 0), Outcome::GP);
}

user_code!(sgdt: "sub rsp, 16", "sgdt [rsp]", "add rsp, 16", "ret");
user_code!(sidt: "sub rsp, 16", "sidt [rsp]", "add rsp, 16", "ret");
user_code!(sldt: "sldt eax", "ret");
user_code!(str_: "str eax", "ret");
user_code!(smsw: "smsw eax", "ret");
user_code!(smsw_memory: "push 0", "smsw [rsp]", "pop rax", "ret");

/// CR4.UMIP makes SGDT, SIDT, SLDT, STR and SMSW privileged; without it CPL 3 may execute them.
#[case(feature = Ring3Privilege, spec = sdm3a("Control Registers"), needs = Needs::UMIP)]
fn user_mode_instruction_prevention() {
    const ROWS: &[Text] = names!["SGDT", "SIDT", "SLDT", "STR", "SMSW", "SMSW to memory"];
    let table: [Code; 6] = [sgdt, sidt, sldt, str_, smsw, smsw_memory];
    for (row, function) in table.into_iter().enumerate() {
        check_outcome!("UMIP clear", [ROWS; row], user::call(function, 0), Outcome::COMPLETED);
        let umip = control::With::cr4(cr4::UMIP, 0);
        let result = user::call(function, 0);
        drop(umip);
        check_outcome!("UMIP set", [ROWS; row], result, Outcome::GP);
    }
}

user_code!(stac: "stac", "ret");
user_code!(clac: "clac", "ret");

/// STAC and CLAC raise #UD at CPL 3.
#[case(feature = Ring3Privilege, spec = [sdm2("STAC—Set AC Flag in EFLAGS Register"),
       sdm2("CLAC—Clear AC Flag in EFLAGS Register")], needs = Needs::SMAP)]
fn stac_and_clac() {
    check_outcome!("STAC", user::call(stac, 0), Outcome::UD);
    check_outcome!("CLAC", user::call(clac, 0), Outcome::UD);
}

user_code!(rdfsbase: "rdfsbase rax", "ret");
user_code!(wrgsbase: "xor eax, eax", "wrgsbase rax", "ret");

/// CR4.FSGSBASE lets CPL 3 use RDFSBASE and WRGSBASE, which raise #UD without it.
#[case(feature = Ring3Privilege, spec = sdm2("RDFSBASE/RDGSBASE—Read FS/GS Segment Base"), needs = Needs::FSGSBASE)]
fn segment_base_instructions() {
    check_outcome!("RDFSBASE, FSGSBASE clear", user::call(rdfsbase, 0), Outcome::UD);
    check_outcome!("WRGSBASE, FSGSBASE clear", user::call(wrgsbase, 0), Outcome::UD);
    let _set = control::With::cr4(cr4::FSGSBASE, 0);
    check_outcome!("RDFSBASE, FSGSBASE set", user::call(rdfsbase, 0), Outcome::COMPLETED);
    check_outcome!("WRGSBASE, FSGSBASE set", user::call(wrgsbase, 0), Outcome::COMPLETED);
}

user_code!(xgetbv: "xor ecx, ecx", "xgetbv", "ret");
user_code!(xsetbv: "xor ecx, ecx", "mov eax, 1", "xor edx, edx", "xsetbv", "ret");

/// XSETBV raises #GP(0) at CPL 3, XGETBV does not; both raise #UD while CR4.OSXSAVE is clear.
#[case(feature = Ring3Privilege, spec = [sdm2("XSETBV—Set Extended Control Register"),
       sdm2("XGETBV—Get Value of Extended Control Register")], needs = Needs::XSAVE)]
fn extended_control_registers() {
    check_outcome!("XGETBV, OSXSAVE clear", user::call(xgetbv, 0), Outcome::UD);
    check_outcome!("XSETBV, OSXSAVE clear", user::call(xsetbv, 0), Outcome::UD);
    let _set = control::With::cr4(cr4::OSXSAVE, 0);
    check_outcome!("XGETBV, OSXSAVE set", user::call(xgetbv, 0), Outcome::COMPLETED);
    check_outcome!("XSETBV, OSXSAVE set", user::call(xsetbv, 0), Outcome::GP);
}

user_code!(vmxon: "push 0", "vmxon [rsp]", "pop rax", "ret");
user_code!(vmclear: "push 0", "vmclear [rsp]", "pop rax", "ret");
user_code!(vmptrld: "push 0", "vmptrld [rsp]", "pop rax", "ret");
user_code!(vmread: "xor eax, eax", "vmread rax, rax", "ret");
user_code!(vmlaunch: "vmlaunch", "ret");
user_code!(vmxoff: "vmxoff", "ret");

/// Outside of VMX operation the VMX instructions raise #UD, at CPL 3 too.
#[case(feature = Ring3Privilege, spec = sdm3c("VMX Instruction Reference"), needs = Needs::VMX)]
fn vmx_instructions() {
    let table: [Code; 6] = [vmxon, vmclear, vmptrld, vmread, vmlaunch, vmxoff];
    for (row, function) in table.into_iter().enumerate() {
        check_outcome!(
            "at CPL 3",
            [names!["VMXON", "VMCLEAR", "VMPTRLD", "VMREAD", "VMLAUNCH", "VMXOFF"]; row],
            user::call(function, 0),
            Outcome::UD
        );
    }
}

user_code!(vmrun: "vmrun", "ret");
user_code!(vmload: "vmload", "ret");
user_code!(vmsave: "vmsave", "ret");
user_code!(clgi: "clgi", "ret");
user_code!(invlpga: "invlpga", "ret");

/// While EFER.SVME is clear the SVM instructions raise #UD, at CPL 3 too.
#[case(feature = Ring3Privilege, spec = apm2("Enabling SVM"), needs = Needs::SVM)]
fn svm_instructions() {
    let table: [Code; 5] = [vmrun, vmload, vmsave, clgi, invlpga];
    for (row, function) in table.into_iter().enumerate() {
        check_outcome!(
            "at CPL 3",
            [names!["VMRUN", "VMLOAD", "VMSAVE", "CLGI", "INVLPGA"]; row],
            user::call(function, 0),
            Outcome::UD
        );
    }
}

user_code!(monitor: "mov rax, rdi", "xor ecx, ecx", "xor edx, edx", "monitor", "ret");

/// MONITOR raises #UD at CPL 3.
///
/// AMD has a bit that allows it there (HWCR.MonMwaitUserEn), which is clear at reset.
#[case(feature = Ring3Privilege, spec = [sdm2("MONITOR—Set Up Monitor Address"), apm3("MONITOR")],
       needs = Needs::MONITOR)]
fn monitor_at_cpl_3() {
    check_outcome!("MONITOR", user::call(monitor, rt::paging::frame(0)), Outcome::UD);
}
