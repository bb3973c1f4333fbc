//! KVM's forced-emulation prefix: the instruction behind it is executed by KVM's emulator, whatever it accesses.
//!
//! The prefix is UD2 and four letters. KVM sees #UD, and where its module's parameter allows it, it moves RIP behind the
//! prefix and emulates what stands there, so that the instruction keeps its address (Linux, arch/x86/kvm/x86.c,
//! `handle_ud`; Documentation/admin-guide/kernel-parameters.txt, "kvm.force_emulation_prefix").

/// The prefix (Linux, arch/x86/include/asm/emulate_prefix.h).
pub(super) const PREFIX: [u8; 5] = *b"\x0f\x0bkvm";

/// Where Linux tells the parameter.
const PARAMETER: &str = "/sys/module/kvm/parameters/force_emulation_prefix";

/// Why there is no forced emulation, and what to do.
pub(super) fn missing() -> String {
    let value = parameter().unwrap_or_else(|| "not there".to_owned());
    format!(
        "KVM raises #UD at its forced-emulation prefix: the module parameter kvm.force_emulation_prefix is {value}; set it \
         with `echo 1 | sudo tee {PARAMETER}`, or on a kernel that has it read-only with kvm.force_emulation_prefix=1 on \
         the kernel's command line"
    )
}

/// The parameter's value, where the kernel tells it.
pub(super) fn parameter() -> Option<String> {
    std::fs::read_to_string(PARAMETER).ok().map(|text| text.trim().to_owned())
}
