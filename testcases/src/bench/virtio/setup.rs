//! What ring 0 of the guest does: it starts the device, and leaves for 64-bit mode and CPL 3.
//!
//! Sources: VIRTIO 1.3 §§ 3.1.1, 4.1.4.3; Intel SDM vol. 3A, "Initializing IA-32e Mode".

use super::{
    super::loops::ENTRY,
    layout::{Device, GDT_POINTER, PAGE_TABLES, QUEUE_SIZE, Ring, STACK, ring, selector},
};
use iced_x86::{Code, IcedError, Instruction, code_asm::*};

/// Device number of the device on bus 0, and where its registers are placed.
pub(super) const SLOT: u32 = 1;
const BAR: u64 = 0xe100_0000;
/// Where QEMU and our VMM have the notifications behind that, four bytes each; the common configuration is at its start.
pub(super) const NOTIFY: u64 = BAR + 0x3000;

/// VIRTIO_F_INDIRECT_DESC and VIRTIO_F_EVENT_IDX; in the other half VIRTIO_F_VERSION_1.
const FEATURES: [u32; 2] = [3 << 28, 1];

/// The code at [`ENTRY`], of 32 bits: it goes on at `user` with CPL 3 and the device's status in ESI.
pub(super) fn ring_0(device: Device, bar: u32, user: u64) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(32)?;
    // Memory and bus master.
    for (register, value) in [(bar, BAR as u32), (bar + 4, 0), (4, 6)] {
        for (port, value) in [(0xcf8_u32, 1 << 31 | SLOT << 11 | register), (0xcfc, value)] {
            a.mov(edx, port)?;
            a.mov(eax, value)?;
            a.out(dx, eax)?;
        }
    }
    // ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK.
    for status in [0, 1, 3] {
        a.mov(byte_ptr(BAR + 0x14), status)?;
    }
    for (half, bits) in (0..).zip(FEATURES) {
        a.mov(dword_ptr(BAR + 8), half)?;
        a.mov(dword_ptr(BAR + 12), bits)?;
    }
    a.mov(byte_ptr(BAR + 0x14), 11)?;
    let nr_queues = if device == Device::Network { 2 } else { 1 };
    for queue in 0..nr_queues {
        let Ring { descriptors, available, used } = ring(queue);
        a.mov(word_ptr(BAR + 0x16), queue as u32)?;
        a.mov(word_ptr(BAR + 0x18), QUEUE_SIZE as u32)?;
        for (register, area) in [(0x20, descriptors), (0x28, available), (0x30, used)] {
            a.mov(dword_ptr(BAR + register), area as u32)?;
            a.mov(dword_ptr(BAR + register + 4), 0)?;
        }
        a.mov(word_ptr(BAR + 0x1c), 1)?;
    }
    a.mov(byte_ptr(BAR + 0x14), 15)?;
    a.movzx(esi, byte_ptr(BAR + 0x14))?;
    // PAE and SSE; CR3; LME; PG, WP, NE, ET, MP and PE.
    a.mov(eax, 0x620)?;
    a.mov(cr4, eax)?;
    a.mov(eax, PAGE_TABLES as u32)?;
    a.mov(cr3, eax)?;
    a.mov(ecx, 0xc000_0080_u32)?;
    a.xor(edx, edx)?;
    a.mov(eax, 0x100)?;
    a.wrmsr()?;
    a.mov(eax, 0x8001_0033_u32)?;
    a.mov(cr0, eax)?;
    a.lgdt(ptr(GDT_POINTER))?;
    let start = a.assemble(ENTRY)?;
    let behind = ENTRY + start.len() as u64 + 7;
    let mut jump = CodeAssembler::new(32)?;
    jump.add_instruction(Instruction::with_far_branch(Code::Jmp_ptr1632, selector::CODE_64, behind as u32)?)?;
    let mut code = start;
    code.extend(jump.assemble(behind - 7)?);
    let mut a = CodeAssembler::new(64)?;
    a.mov(eax, u32::from(selector::DATA))?;
    a.mov(ss, eax)?;
    a.mov(eax, u32::from(selector::TASK))?;
    a.ltr(ax)?;
    a.mov(esp, STACK as u32)?;
    for word in [selector::USER_DATA.into(), STACK as i32, 2, selector::USER_CODE.into(), user as i32] {
        a.push(word)?;
    }
    a.iretq()?;
    code.extend(a.assemble(behind)?);
    Ok(code)
}
