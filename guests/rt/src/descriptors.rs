//! Descriptors that belong to the case, in long mode: further slots of the GDT, an LDT, and whole gates of the IDT.
//!
//! Source: SDM vol. 3A, "Segment Descriptor Tables", "64-Bit Mode IDT".

#![expect(unsafe_code, reason = "instructions that load descriptor-table registers")]
// UNSAFETY: LGDT of the runtime's own table with another limit, LLDT of memory that belongs to the case.

use crate::{
    catch::catch,
    layout, mmio,
    tables::{GDT_LIMIT, Shared, selector},
};
use core::arch::asm;

/// The first selector of the GDT that belongs to the case.
pub const FREE: u16 = selector::BEYOND_LIMIT;
/// Limit of the GDT with the case's descriptors, in bytes: the table fills its page.
pub const LIMIT: u16 = 0xfff;
/// Number of quadwords of the LDT.
pub const NR_LDT_QUADWORDS: usize = 512;
/// The LDT's own descriptor, of 16 bytes, in the last slots of the GDT.
pub const LDT: u16 = 0xff0;

static LDT_MEMORY: Shared<[u64; NR_LDT_QUADWORDS]> = Shared::new([0; NR_LDT_QUADWORDS]);

/// The GDT with the case's descriptors, and an LDT, until this is dropped.
#[derive(Debug)]
pub struct Descriptors(());

impl Descriptors {
    /// Loads GDTR with [`LIMIT`] and LDTR with [`LDT`].
    pub fn new() -> Self {
        let base = LDT_MEMORY.0.get() as u64;
        let limit = NR_LDT_QUADWORDS as u64 * 8 - 1;
        let low = limit | (base & 0xff_ffff) << 16 | 0x82 << 40 | (base >> 24 & 0xff) << 56;
        write(LDT, low);
        write(LDT + 8, base >> 32);
        load_gdt(LIMIT);
        load_ldt(LDT);
        Self(())
    }

    /// Writes eight bytes of the GDT.
    ///
    /// # Panics
    /// If they belong to the runtime, or lie beyond [`LIMIT`].
    pub fn set(&self, selector: u16, descriptor: u64) {
        assert!((FREE..LDT).contains(&selector), "the descriptor is not the case's");
        write(selector & !7, descriptor);
    }

    /// Reads eight bytes of the GDT.
    pub fn read(&self, selector: u16) -> u64 {
        mmio::read_u64(layout::GDT + u64::from(selector & 0xff8))
    }

    /// Writes eight bytes of the LDT.
    ///
    /// # Panics
    /// If they lie beyond its limit.
    pub fn set_ldt(&self, selector: u16, descriptor: u64) {
        assert!(usize::from(selector >> 3) < NR_LDT_QUADWORDS, "the LDT has no such descriptor");
        mmio::write_u64(LDT_MEMORY.0.get() as u64 + u64::from(selector & !7), descriptor);
    }

    /// Reads eight bytes of the LDT.
    ///
    /// # Panics
    /// If they lie beyond its limit.
    pub fn read_ldt(&self, selector: u16) -> u64 {
        assert!(usize::from(selector >> 3) < NR_LDT_QUADWORDS, "the LDT has no such descriptor");
        mmio::read_u64(LDT_MEMORY.0.get() as u64 + u64::from(selector & !7))
    }
}

impl Default for Descriptors {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        load_ldt(0);
        load_gdt(GDT_LIMIT);
    }
}

fn write(selector: u16, descriptor: u64) {
    mmio::write_u64(layout::GDT + u64::from(selector), descriptor);
}

fn load_gdt(limit: u16) {
    let base = layout::GDT;
    let pointer = [limit, base as u16, (base >> 16) as u16, (base >> 32) as u16, (base >> 48) as u16];
    // At CPL 0 with a canonical base it cannot fault.
    let _ = catch(|| {
        // SAFETY: the base is that of the runtime's GDT, whose own descriptors stay.
        unsafe { asm!("lgdt [{}]", in(reg) &raw const pointer, options(nostack, preserves_flags)) };
    });
}

fn load_ldt(selector: u16) {
    let _ = catch(|| {
        // SAFETY: null, or the descriptor of memory that belongs to the case; nothing of the runtime is in an LDT.
        unsafe { asm!("lldt {0:x}", in(reg) selector, options(nostack, preserves_flags)) };
    });
}

/// A gate of the IDT with other content until this is dropped.
#[derive(Debug)]
pub struct WholeGate {
    vector: u8,
    previous: [u64; 2],
}

impl WholeGate {
    /// All 16 bytes of the gate. Where it may be taken, it must lead to code that ends in an exception.
    pub fn new(vector: u8, low: u64, high: u64) -> Self {
        let address = layout::IDT + u64::from(vector) * 16;
        let previous = [mmio::read_u64(address), mmio::read_u64(address + 8)];
        mmio::write_u64(address, low);
        mmio::write_u64(address + 8, high);
        Self { vector, previous }
    }
}

impl Drop for WholeGate {
    fn drop(&mut self) {
        let address = layout::IDT + u64::from(self.vector) * 16;
        mmio::write_u64(address, self.previous[0]);
        mmio::write_u64(address + 8, self.previous[1]);
    }
}
