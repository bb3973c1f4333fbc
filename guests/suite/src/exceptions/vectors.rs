//! Each exception with its vector, error code and saved RIP.

use rt::{Outcome, case, catch, check, check_eq, check_outcome, instruction, layout, mmio};

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
