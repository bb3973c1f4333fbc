//! Pages that the processor reads and writes: VMXON region, VMCSs, bitmaps and areas that a VMCS refers to.

use crate::{mmio, tables::Shared};

/// A page of memory of VMX's, zero at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named by what the manual has there")]
pub enum Page {
    VmxonRegion,
    /// The VMCS of [`super::Guest`].
    Vmcs,
    /// VMCSs that belong to the case.
    SecondVmcs,
    ShadowVmcs,
    IoBitmapA,
    IoBitmapB,
    MsrBitmap,
    VirtualApic,
    ApicAccess,
    PostedDescriptor,
    PageLog,
    EptpList,
    VmreadBitmap,
    VmwriteBitmap,
    ExceptionInformation,
    ExitMsrStore,
    ExitMsrLoad,
    EntryMsrLoad,
    /// Belongs to the case.
    Free,
}

const NR_PAGES: usize = Page::Free as usize + 1;

static PAGES: Shared<[[u8; 4096]; NR_PAGES]> = Shared::new([[0; 4096]; NR_PAGES]);

impl Page {
    /// Its physical address, which is its linear address too.
    pub fn address(self) -> u64 {
        PAGES.0.get() as u64 + self as u64 * 4096
    }

    /// Makes it a VMXON region or a VMCS with this revision identifier, whose bit 31 makes it a shadow VMCS.
    pub fn set_revision(self, revision: u32) {
        mmio::write_u32(self.address(), revision);
    }

    /// Fills it.
    pub fn fill(self, value: u64) {
        for offset in (0..4096).step_by(8) {
            mmio::write_u64(self.address() + offset, value);
        }
    }

    /// Sets or clears a bit: bit 7 of byte 0 is number 7.
    pub fn set_bit(self, number: u32, value: bool) {
        let at = self.address() + u64::from((number / 8) & 0xfff);
        let (byte, mask) = (mmio::read_u8(at), 1 << (number % 8));
        mmio::write_u8(at, if value { byte | mask } else { byte & !mask });
    }
}

/// Sets or clears the bit of a port in the I/O bitmaps: set means an exit.
pub fn set_port(port: u16, exits: bool) {
    let page = if port < 0x8000 { Page::IoBitmapA } else { Page::IoBitmapB };
    page.set_bit(u32::from(port & 0x7fff), exits);
}

/// Sets or clears both bits of an MSR, read and write, in the MSR bitmaps; `None` if they have no place for it.
pub fn set_msr(number: u32, reads: bool, writes: bool) -> Option<()> {
    let first = match number {
        0..=0x1fff => 0,
        0xc000_0000..=0xc000_1fff => 0x400 * 8,
        _ => return None,
    };
    let bit = first + (number & 0x1fff);
    Page::MsrBitmap.set_bit(bit, reads);
    Page::MsrBitmap.set_bit(0x800 * 8 + bit, writes);
    Some(())
}

/// Writes an entry of an area of MSRs: number, and the value to be loaded; entries have 16 bytes.
pub fn set_msr_entry(area: Page, index: u64, number: u32, value: u64) {
    let at = area.address() + index % 256 * 16;
    mmio::write_u64(at, number.into());
    mmio::write_u64(at + 8, value);
}

/// The value in an entry of an area of MSRs.
pub fn msr_entry(area: Page, index: u64) -> u64 {
    mmio::read_u64(area.address() + index % 256 * 16 + 8)
}
