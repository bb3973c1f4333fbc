//! The instructions of VMX and SVM while CR4.VMXE and EFER.SVME are clear: both manuals want #UD, at every privilege
//! level and on every processor. (VMCALL and VMMCALL are not among them: hypervisors take them. STGI and SKINIT depend
//! on more than EFER.SVME.)

use rt::{Outcome, case, check_outcome, instruction, names, paging, user, user_code, vocabulary::Text};

const VMX: &[Text] = names![
    "VMLAUNCH", "VMRESUME", "VMXOFF", "VMREAD", "VMWRITE", "VMXON", "VMCLEAR", "VMPTRLD", "VMPTRST", "INVEPT",
    "INVVPID", "VMFUNC"
];
const SVM: &[Text] = names!["VMRUN", "VMLOAD", "VMSAVE", "CLGI", "INVLPGA"];

macro_rules! at_cpl_0 {
    ($names:ident; $($row:literal $instruction:literal)*) => {
        $(check_outcome!("at CPL 0", [$names; $row],
            instruction!($instruction, in("rcx") paging::frame(0), inout("rax") paging::frame(0) => _,
                inout("rdx") 0_u64 => _), Outcome::UD);)*
    };
}

/// VMX instructions raise #UD while CR4.VMXE is clear.
#[case(feature = VirtualizationOff, spec = [sdm3c("Enabling and Entering VMX Operation"), sdm3c("VMXON—Enter VMX Operation")])]
fn vmx_instructions_at_cpl_0() {
    at_cpl_0!(VMX;
        0 "vmlaunch" 1 "vmresume" 2 "vmxoff" 3 "vmread rdx, rax" 4 "vmwrite rax, rdx" 5 "vmxon [rcx]" 6 "vmclear [rcx]"
        7 "vmptrld [rcx]" 8 "vmptrst [rcx]" 9 "invept rax, [rcx]" 10 "invvpid rax, [rcx]" 11 "vmfunc");
}

/// SVM instructions raise #UD while EFER.SVME is clear.
#[case(feature = VirtualizationOff, spec = apm2("Enabling SVM"))]
fn svm_instructions_at_cpl_0() {
    at_cpl_0!(SVM; 0 "vmrun rax" 1 "vmload rax" 2 "vmsave rax" 3 "clgi" 4 "invlpga rax, ecx");
}

user_code!(vmlaunch: "vmlaunch", "ret");
user_code!(vmresume: "vmresume", "ret");
user_code!(vmxoff: "vmxoff", "ret");
user_code!(vmread: "vmread rdx, rax", "ret");
user_code!(vmwrite: "vmwrite rax, rdx", "ret");
user_code!(vmxon: "vmxon [rdi]", "ret");
user_code!(vmclear: "vmclear [rdi]", "ret");
user_code!(vmptrld: "vmptrld [rdi]", "ret");
user_code!(vmptrst: "vmptrst [rdi]", "ret");
user_code!(invept: "invept rax, [rdi]", "ret");
user_code!(invvpid: "invvpid rax, [rdi]", "ret");
user_code!(vmfunc: "xor eax, eax", "xor ecx, ecx", "vmfunc", "ret");
user_code!(vmrun: "mov rax, rdi", "vmrun rax", "ret");
user_code!(vmload: "mov rax, rdi", "vmload rax", "ret");
user_code!(vmsave: "mov rax, rdi", "vmsave rax", "ret");
user_code!(clgi: "clgi", "ret");
user_code!(invlpga: "mov rax, rdi", "xor ecx, ecx", "invlpga rax, ecx", "ret");

/// VMX instructions raise #UD at CPL 3, too, while CR4.VMXE is clear: that comes before the check of the CPL.
#[case(feature = VirtualizationOff, spec = [sdm3c("Enabling and Entering VMX Operation"), sdm3c("VMXON—Enter VMX Operation")])]
fn vmx_instructions_at_cpl_3() {
    let table: [extern "C" fn(u64) -> u64; 12] =
        [vmlaunch, vmresume, vmxoff, vmread, vmwrite, vmxon, vmclear, vmptrld, vmptrst, invept, invvpid, vmfunc];
    for (row, code) in table.into_iter().enumerate() {
        check_outcome!("at CPL 3", [VMX; row], user::call(code, paging::frame(0)), Outcome::UD);
    }
}

/// SVM instructions raise #UD at CPL 3, too, while EFER.SVME is clear: that comes before the check of the CPL.
#[case(feature = VirtualizationOff, spec = [apm2("Enabling SVM"), apm3("VMRUN")])]
fn svm_instructions_at_cpl_3() {
    let table: [extern "C" fn(u64) -> u64; 5] = [vmrun, vmload, vmsave, clgi, invlpga];
    for (row, code) in table.into_iter().enumerate() {
        check_outcome!("at CPL 3", [SVM; row], user::call(code, paging::frame(0)), Outcome::UD);
    }
}
