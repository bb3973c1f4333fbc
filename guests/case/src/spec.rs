//! Clauses: which document, which edition, which title.
//!
//! A clause is cited by the title of its section, because titles outlive the section numbers, which
//! change from edition to edition. The edition that was read stands once, in [`Document`].

use crate::text::Text;
use core::mem::{offset_of, size_of};

macro_rules! documents {
    ($($(#[$doc:meta])* $function:ident, $short:literal, $edition:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// Cites the section with this title.
            pub const fn $function(title: &'static str) -> Spec {
                Spec { document: Text::new($short), edition: Text::new($edition), title: Text::new(title) }
            }
        )*
        /// Every document that a case may cite: (short name, edition).
        pub const DOCUMENTS: &[(&str, &str)] = &[$(($short, $edition)),*];
    };
}

documents! {
    /// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1: basic architecture.
    sdm1, "SDM vol. 1", "253665-087, March 2025";
    /// The same, volume 2 (A to D): instruction set reference.
    sdm2, "SDM vol. 2", "325383-087, March 2025";
    /// The same, volume 3 (A to D), part 3A: system programming guide, general.
    sdm3a, "SDM vol. 3A", "253668-087, March 2025";
    /// The same, part 3B: system programming guide, among it the time-stamp counter.
    sdm3b, "SDM vol. 3B", "253669-087, March 2025";
    /// The same, part 3C: virtual-machine extensions.
    sdm3c, "SDM vol. 3C", "326019-087, March 2025";
    /// The same, part 3D: among others what VMX reports, field encodings and exit reasons.
    sdm3d, "SDM vol. 3D", "332831-087, March 2025";
    /// The same, volume 4: model-specific registers.
    sdm4, "SDM vol. 4", "335592-087, March 2025";
    /// AMD64 Architecture Programmer's Manual, volume 1: application programming.
    apm1, "APM vol. 1", "24592 rev. 3.23";
    /// The same, volume 2: system programming.
    apm2, "APM vol. 2", "24593 rev. 3.42";
    /// The same, volume 3: general-purpose and system instructions.
    apm3, "APM vol. 3", "24594 rev. 3.36";
    /// The Xen project's description of the PVH entry and start-of-day structure.
    pvh, "Xen PVH", "xen/include/public/arch-x86/hvm/start_info.h and docs/misc/pvh, 4.19";
    /// The kernel's documentation of KVM: `Documentation/virt/kvm/`.
    kvm, "KVM", "Documentation/virt/kvm, Linux 6.12";
    /// What KVM's hypercalls return.
    kvm_para, "KVM ABI", "include/uapi/linux/kvm_para.h, Linux 6.12";
    /// PCI Local Bus Specification.
    pci, "PCI", "PCI Local Bus Specification, revision 3.0";
    /// PCI Express Base Specification.
    pcie, "PCIe", "PCI Express Base Specification, revision 3.0, November 2010";
    /// The specification of virtio devices and their drivers, by OASIS.
    virtio, "VIRTIO", "Virtual I/O Device (VIRTIO) Version 1.3, October 2023";
    /// Datasheet of the National Semiconductor PC16550D UART.
    uart, "PC16550D", "RRD-B30M75, June 1995";
    /// No manual but vmproof itself: cited by the cases that misbehave on purpose, in `guests/smoke`.
    vmproof, "vmproof", "guests/smoke";
    /// Intel 8042 keyboard controller as the IBM PC/AT Technical Reference describes it.
    pc_at, "IBM PC/AT", "Technical Reference 1502494, March 1984";
    /// The Advanced Configuration and Power Interface specification of the UEFI Forum.
    acpi, "ACPI", "6.5, August 2022";
    /// Intel 82093AA I/O Advanced Programmable Interrupt Controller.
    io_apic, "82093AA", "290566-001, May 1996";
    /// Intel 8259A programmable interrupt controller.
    pic, "8259A", "231468-003, December 1988";
    /// Intel 8254 programmable interval timer.
    pit, "8254", "231164-005, September 1993";
    /// IA-PC High Precision Event Timers specification.
    hpet, "HPET", "IA-PC HPET Specification 1.0a, October 2004";
    /// Motorola MC146818A real-time clock plus RAM.
    rtc, "MC146818A", "ADI1197R1, 1984";
    /// Intel I/O Controller Hub 9, the south bridge of the q35 machine: where PCs deviate from the parts above.
    ich9, "ICH9", "316972-004, August 2008";
    /// Intel MultiProcessor Specification.
    mp, "MP", "MultiProcessor Specification 1.4, May 1997";
}

/// One clause: the rule that a case proves stands there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Short name of the document, one of [`DOCUMENTS`].
    pub document: Text,
    /// The edition that was read.
    pub edition: Text,
    /// The title of the section or of the instruction's page.
    pub title: Text,
}

const _: () = assert!(size_of::<Spec>() == 48 && offset_of!(Spec, title) == 32);
