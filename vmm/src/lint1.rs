//! Pin LINT1 of a vCPU's local APIC, which a PC drives with NMI.
//!
//! Of its own local APICs KVM has no such pin: a VMM looks at the entry of the local vector table and does what the pin would.
//!
//! Source: Linux, "Documentation/virt/kvm/api.rst" § KVM_NMI; Intel SDM vol. 3A, "Local Vector Table".

use crate::stop::StopReason;
use kvm_bindings::kvm_lapic_state;
use kvm_ioctls::VcpuFd;

/// Offsets of registers in the state of a local APIC.
mod register {
    /// The first of eight that tell which vectors are requested.
    pub(super) const REQUESTS: usize = 0x200;
    /// The distance of one to the next.
    pub(super) const DISTANCE: usize = 0x10;
    /// The entry of LINT1.
    pub(super) const ENTRY: usize = 0x360;
}

/// IA32_APIC_BASE: the local APIC is enabled.
const ENABLED: u64 = 1 << 11;
const MASKED: u32 = 1 << 16;
const ACTIVE_LOW: u32 = 1 << 13;

/// What a pulse of the pin makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pulse {
    Nothing,
    Nmi,
    /// An edge-triggered interrupt.
    Fixed(u8),
}

/// What an entry makes of it. ExtINT would ask for a vector that nothing gives at this pin, and there is neither system-management
/// mode nor an INIT that reached one processor alone.
const fn of_entry(entry: u32) -> Pulse {
    match entry >> 8 & 7 {
        _ if entry & (MASKED | ACTIVE_LOW) != 0 => Pulse::Nothing,
        0 if entry as u8 >= 16 => Pulse::Fixed(entry as u8),
        4 => Pulse::Nmi,
        _ => Pulse::Nothing,
    }
}

fn read(state: &kvm_lapic_state, offset: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|byte| state.regs[offset + byte] as u8))
}

/// Sets the bit of a vector in IRR.
fn request(state: &mut kvm_lapic_state, vector: u8) {
    let bit = usize::from(vector);
    state.regs[register::REQUESTS + bit / 32 * register::DISTANCE + bit % 32 / 8] |= 1 << (bit % 8);
}

/// Raises and lowers the pin of a vCPU whose local APIC is KVM's, or which has none; gives whether that is an NMI. On the vCPU's
/// own thread.
///
/// # Errors
/// Those of KVM.
pub(crate) fn pulse(vcpu: &VcpuFd) -> Result<bool, StopReason> {
    let state = vcpu.get_lapic().ok();
    let is_enabled = vcpu.get_sregs()?.apic_base & ENABLED != 0;
    // Without a local APIC, and with one that is disabled as if there were none, the pin is NMI.
    let (pulse, state) = match state.filter(|_| is_enabled) {
        Some(state) => (of_entry(read(&state, register::ENTRY)), Some(state)),
        None => (Pulse::Nmi, None),
    };
    match (pulse, state) {
        (Pulse::Nmi, _) => vcpu.nmi()?,
        (Pulse::Fixed(vector), Some(mut state)) => {
            request(&mut state, vector);
            vcpu.set_lapic(&state)?;
        }
        _ => {}
    }
    Ok(pulse == Pulse::Nmi)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_and_delivery_mode_decide() {
        assert_eq!(of_entry(0x1_0000), Pulse::Nothing);
        assert_eq!(of_entry(0x1_0400), Pulse::Nothing);
        assert_eq!(of_entry(0x400), Pulse::Nmi);
        assert_eq!(of_entry(0x4ff), Pulse::Nmi);
        assert_eq!(of_entry(0x31), Pulse::Fixed(0x31));
        assert_eq!(of_entry(0x0f), Pulse::Nothing);
        assert_eq!(of_entry(0x2400), Pulse::Nothing);
        for mode in [2, 5, 7] {
            assert_eq!(of_entry(mode << 8 | 0x31), Pulse::Nothing, "{mode}");
        }
    }

    #[test]
    fn a_request_is_one_bit_where_it_is_read() {
        for vector in 16..=255_u8 {
            let mut state = kvm_lapic_state::default();
            request(&mut state, vector);
            let offset = register::REQUESTS + usize::from(vector / 32) * register::DISTANCE;
            assert_eq!(read(&state, offset), 1 << (vector % 32));
            assert_eq!(state.regs.iter().filter(|byte| **byte != 0).count(), 1);
        }
    }
}
