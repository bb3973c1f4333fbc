//! The modes that L2 can start in.

use super::{
    Guest, SVME, attributes,
    field::{self, segment},
    privileged_stack_top, stack_top,
};
use crate::tables::selector;

/// A mode of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 64-bit mode at CPL 0, as [`Guest::new`] makes it.
    Long,
    /// 64-bit mode at CPL 3.
    User,
    /// Compatibility mode at CPL 0, with 32-bit code.
    Compatibility,
    /// Protected mode without paging, with 32-bit code.
    Protected32,
    /// Protected mode without paging, with 16-bit code whose segment starts where L2 does.
    Protected16,
    /// Real mode, with segments of 64 KiB that start where L2 and its stack do.
    Real,
}

const CR0_PE: u64 = 1 << 0;
const CR0_ET_NE: u64 = 1 << 4 | 1 << 5;

impl Guest {
    /// Puts L2 into a mode: its RIP, which must still be that of [`Guest::new`], stays the same linear address.
    pub fn start_in(&self, mode: Mode) {
        match mode {
            Mode::Long => (),
            Mode::User => {
                self.set_segment(field::CS, selector::USER_CODE, attributes::CODE_64 | attributes::DPL_3, u32::MAX);
                for at in [field::SS, field::DS, field::ES] {
                    self.set_segment(at, selector::USER_DATA, attributes::DATA | attributes::DPL_3, u32::MAX);
                }
                self.write_u8(field::CPL, 3);
            }
            Mode::Compatibility => {
                self.set_segment(field::CS, selector::KERNEL_CODE_32, attributes::CODE_32, u32::MAX);
            }
            Mode::Protected32 => {
                self.leave_paging(CR0_PE | CR0_ET_NE);
                self.set_segment(field::CS, selector::KERNEL_CODE_32, attributes::CODE_32, u32::MAX);
            }
            Mode::Protected16 => {
                self.leave_paging(CR0_PE | CR0_ET_NE);
                self.start_segment(selector::KERNEL_CODE_32);
            }
            Mode::Real => {
                self.leave_paging(CR0_ET_NE);
                self.start_segment(0);
                for at in [field::SS, field::DS, field::ES] {
                    self.set_segment(at, 0, attributes::DATA_16, 0xffff);
                    self.write_u64(at + segment::BASE, stack_top() & !0xfff);
                }
                self.write_u64(field::RSP, stack_top() & 0xfff);
                self.write_u32(field::IDTR + segment::LIMIT, 0x3ff);
            }
        }
    }

    fn leave_paging(&self, cr0: u64) {
        self.write_u64(field::CR0, cr0);
        self.write_u64(field::CR3, 0);
        self.write_u64(field::CR4, 0);
        self.write_u64(field::EFER, SVME);
    }

    /// A code segment of 64 KiB that starts where L2 does.
    fn start_segment(&self, selector: u16) {
        self.set_segment(field::CS, selector, attributes::CODE_16, 0xffff);
        self.write_u64(field::CS + segment::BASE, self.read_u64(field::RIP));
        self.write_u64(field::RIP, 0);
    }

    /// Writes selector, attributes and limit of a segment.
    pub fn set_segment(&self, at: u64, selector: u16, attributes: u16, limit: u32) {
        self.write_u16(at + segment::SELECTOR, selector);
        self.write_u16(at + segment::ATTRIBUTES, attributes);
        self.write_u32(at + segment::LIMIT, limit);
    }

    /// Whether RSP is below the stack for CPL 0 of L2's TSS, and how far.
    pub fn privileged_stack_depth(&self) -> u64 {
        privileged_stack_top().wrapping_sub(self.read_u64(field::RSP))
    }
}
