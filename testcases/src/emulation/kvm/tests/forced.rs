//! Forced emulation, which a host has or has not.

use super::*;
use crate::emulation::kvm::forced;

const FLAVOURS: [Flavour; 2] = [Flavour::ForcedUser, Flavour::ForcedSupervisor];

#[test]
fn a_kvm_without_the_prefix_refuses_and_names_the_parameter() {
    for flavour in FLAVOURS {
        let Err(error) = KvmExecutor::new(HYPERVISOR.clone(), flavour) else { continue };
        for part in [flavour.name(), "kvm.force_emulation_prefix", "/sys/module/kvm/parameters/force_emulation_prefix"]
        {
            assert!(error.text.contains(part), "{}", error.text);
        }
    }
}

#[test]
fn forced_flavours_are_there_as_the_parameter_says() {
    let Some(value) = forced::parameter() else { return };
    // A number; on older kernels Y or N.
    let is_on = !matches!(value.as_str(), "0" | "N");
    for flavour in FLAVOURS {
        assert_eq!(KvmExecutor::new(HYPERVISOR.clone(), flavour).is_ok(), is_on, "{flavour:?} {value}");
    }
}

#[test]
fn an_instruction_behind_the_prefix_keeps_its_address() {
    for flavour in FLAVOURS {
        let Ok(mut executor) = KvmExecutor::new(HYPERVISOR.clone(), flavour) else { continue };
        // LEA RAX, [RIP], and a fault.
        let lea = bytes_input(Window::Plain, OFFSET, vec![0x48, 0x8d, 0x05, 0, 0, 0, 0]);
        let output = executor.execute(&lea).unwrap();
        assert_eq!((output.end, output.registers.general[0]), (End::Completed, lea.registers.rip + 7));
        let fault = input(Window::EndsAbsent, PAGE, |a| a.add(rax, qword_ptr(rbx)));
        let output = executor.execute(&fault).unwrap();
        let code = if flavour == Flavour::ForcedUser { 4 } else { 0 };
        assert_eq!(output.end, raised(14, Some(code), Some(Window::EndsAbsent.address() + PAGE)));
        assert_eq!(output.registers.rip, fault.registers.rip);
        // The code page starts with no place before it.
        let mut first = lea.clone();
        first.registers.rip = window::CODE + 4;
        assert!(executor.execute(&first).unwrap_err().text.contains("prefix"));
    }
}
