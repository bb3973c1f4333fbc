//! Bits of CPUID that follow control registers and MSRs.

use case::Needs;
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
        msr::{
            self,
            number::{IA32_APIC_BASE, IA32_MISC_ENABLE},
        },
    },
    tables::selector,
    user::{self, State, register},
    user_code,
};

/// CR4.PKE: protection keys for user pages.
const CR4_PKE: u64 = 1 << 22;

/// Leaf 1 ECX bit 27 (OSXSAVE) is CR4.OSXSAVE.
#[case(
    feature = CpuidDynamicBits,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Function 1h—Processor and Processor Feature Identifiers")],
    needs = Needs::XSAVE,
)]
fn osxsave_follows_cr4() {
    let osxsave = || read_leaf(1, 0).ecx >> 27 & 1;
    check_eq!("at first", osxsave(), 0);
    let set = With::cr4(cr4::OSXSAVE, 0);
    check_eq!("with CR4.OSXSAVE", osxsave(), 1);
    check_outcome!("setting CR4.OSXSAVE", set.as_ref().map(|_| ()).map_err(|exception| *exception), Outcome::COMPLETED);
    drop(set);
    check_eq!("without it again", osxsave(), 0);
}

/// Leaf 7 ECX bit 4 (OSPKE) is CR4.PKE.
#[case(
    feature = CpuidDynamicBits,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Function 7h—Structured Extended Feature Identifiers")],
    needs = Needs::PKU,
)]
fn ospke_follows_cr4() {
    let ospke = || read_leaf(7, 0).ecx >> 4 & 1;
    check_eq!("at first", ospke(), 0);
    let set = With::cr4(CR4_PKE, 0);
    check_eq!("with CR4.PKE", ospke(), 1);
    drop(set);
    check_eq!("without it again", ospke(), 0);
}

/// Leaf 1 EDX bit 9 (APIC) is cleared when IA32_APIC_BASE disables the local APIC.
#[case(
    feature = CpuidDynamicBits,
    spec = [
        sdm3a("Enabling or Disabling the Local APIC"),
        apm3("Function 1h—Processor and Processor Feature Identifiers"),
    ],
    needs = Needs::LOCAL_APIC,
    irqchip = LocalApic
)]
fn apic_follows_apic_base() {
    const ENABLE: u64 = 1 << 11;
    let apic = || read_leaf(1, 0).edx >> 9 & 1;
    let Ok(base) = msr::read(IA32_APIC_BASE) else {
        check_eq!("IA32_APIC_BASE can be read", 0, 1);
        return;
    };
    check_eq!("the APIC is enabled at first", base & ENABLE, ENABLE);
    check_eq!("with the APIC enabled", apic(), 1);
    check_outcome!("disabling it", msr::write(IA32_APIC_BASE, base & !ENABLE), Outcome::COMPLETED);
    check_eq!("with the APIC disabled", apic(), 0);
    check_outcome!("enabling it", msr::write(IA32_APIC_BASE, base), Outcome::COMPLETED);
    check_eq!("with the APIC enabled again", apic(), 1);
}

user_code!(extended_features_32: ".code32", "mov eax, 0x80000001", "cpuid", "ud2", ".code64");

/// On Intel processors leaf 80000001H EDX bit 11 (SYSCALL) is clear outside of 64-bit mode, where SYSCALL does not exist.
#[case(
    feature = CpuidDynamicBits,
    spec = sdm2("CPUID—CPU Identification"),
    needs = Needs::INTEL | Needs::SYSCALL
)]
fn syscall_follows_the_mode() {
    check_eq!("in 64-bit mode", read_leaf(0x8000_0001, 0).edx >> 11 & 1, 1);
    let mut state = State::at(extended_features_32 as *const () as u64);
    state.cs = selector::USER_CODE_32;
    check_outcome!("the UD2 behind CPUID", Outcome::from(user::enter(&mut state)), Outcome::UD);
    check_eq!("in compatibility mode", state.registers[register::RDX] >> 11 & 1, 0);
    check_eq!("bit 29, long mode", state.registers[register::RDX] >> 29 & 1, 1);
}

/// Leaf 1 ECX bit 3 (MONITOR) follows IA32_MISC_ENABLE bit 18.
#[case(
    feature = CpuidDynamicBits,
    spec = sdm4("Architectural MSRs"),
    needs = Needs::INTEL | Needs::MONITOR
)]
fn monitor_follows_misc_enable() {
    const ENABLE_MONITOR: u64 = 1 << 18;
    let monitor = || read_leaf(1, 0).ecx >> 3 & 1;
    let value = msr::read(IA32_MISC_ENABLE).unwrap_or(0);
    check_eq!("IA32_MISC_ENABLE bit 18", value & ENABLE_MONITOR, ENABLE_MONITOR);
    let cleared = msr::With::value(IA32_MISC_ENABLE, value & !ENABLE_MONITOR);
    check_eq!("with bit 18 clear", monitor(), 0);
    drop(cleared);
    check_eq!("with bit 18 set again", monitor(), 1);
}
