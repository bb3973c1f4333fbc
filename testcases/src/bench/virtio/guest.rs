//! The guest: a driver that keeps a device busy from CPL 3, without interrupts, and tells how long it took.
//!
//! Ring 0 is left for good once the device is set up, because a KVM may interpret it. The driver gives buffers back in batches, and
//! notifies as the event index says.
//!
//! Sources: VIRTIO 1.3 §§ 2.7.7, 2.7.10.

use super::{
    super::loops::{ENTRY, PORT},
    layout::{
        BUFFERS, Device, FRAME_HEADER_BYTES, HEADERS, QUEUE_SIZE, Ring, SEED, STACK, STATUSES, next_random, ring,
    },
    setup::{self, NOTIFY},
};
use iced_x86::{BlockEncoderOptions, IcedError, code_asm::*};

/// The port that ends the guest.
pub(super) const EXIT_PORT: u16 = 0xf4;

/// Buffers that are given back at once.
pub(super) const BATCH: u64 = 64;
/// Frames on their way at once: what the buffer of a socket has room for.
const FRAMES_ON_THEIR_WAY: u64 = 128;

/// Values that the guest tells in the end, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Ticks of the time-stamp counter, from the first buffer to the last.
    pub(super) ticks: u64,
    /// How many of them the driver itself took.
    pub(super) driver_ticks: u64,
    /// How often it notified.
    pub(super) nr_notifications: u64,
    /// Sum of all status bytes.
    pub(super) failures: u64,
    /// Sum of the first eight bytes of each buffer.
    pub(super) sum: u64,
    /// The device's status once it was set up.
    pub(super) status: u64,
}

impl Told {
    /// Bytes that the guest writes to [`PORT`].
    pub(super) const BYTES: usize = 48;

    /// What it wrote, if that is all.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else { return None };
        let [ticks, driver_ticks, nr_notifications, failures, sum, status] = *<&[[u8; 8]; 6]>::try_from(words).ok()?;
        let [ticks, driver_ticks, nr_notifications] = [ticks, driver_ticks, nr_notifications].map(u64::from_le_bytes);
        let [failures, sum, status] = [failures, sum, status].map(u64::from_le_bytes);
        Some(Self { ticks, driver_ticks, nr_notifications, failures, sum, status })
    }
}

/// The code for `nr_buffers` in all, a multiple of [`BATCH`] and more than [`QUEUE_SIZE`]. `bar` is the offset in configuration
/// space of the base address register behind which the device has its registers.
pub(super) fn code(device: Device, bar: u32, nr_buffers: u64) -> Result<Vec<u8>, IcedError> {
    // CPL 3 comes behind the largest start there is.
    const USER: u64 = ENTRY + 0x800;
    let mut code = setup::ring_0(device, bar, USER)?;
    code.resize((USER - ENTRY) as usize, 0xf4);
    code.extend(ring_3(device, nr_buffers, USER)?);
    Ok(code)
}

/// Registers: R12 buffers still to be made available, R13 to come back; BX position in the used ring, BP in the available one,
/// R11 the latter as the device was told it last; R14 the random series, R15 the sum, RDI failures, RSI the driver's ticks, R8
/// notifications, R9 when a batch began. XMM0 and the stack are not used.
fn ring_3(device: Device, nr_buffers: u64, user: u64) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(64)?;
    let [mut poll, mut ready, mut next, mut skip] = std::array::from_fn(|_| a.create_label());
    let mask = QUEUE_SIZE as i32 - 1;
    let mut random = SEED;
    for _ in 0..QUEUE_SIZE {
        next_random(&mut random);
    }
    // What comes back tells the pace: requests, or frames received; `given` is where the next of them is made available.
    let back = ring(0);
    let (first, given) = match device {
        Device::Block { .. } => (QUEUE_SIZE, ring(0)),
        Device::Network => (FRAMES_ON_THEIR_WAY, ring(1)),
    };
    a.mov(dword_ptr(HEADERS - 8), esi)?;
    a.mov(r12, nr_buffers - first)?;
    a.mov(r13, nr_buffers)?;
    a.mov(r14, random)?;
    for register in [ebx, esi, edi, r8d, r15d] {
        a.xor(register, register)?;
    }
    a.mov(ebp, first as u32)?;
    a.mov(r11d, ebp)?;
    if device == Device::Network {
        a.mov(word_ptr(back.available + 2), QUEUE_SIZE as u32)?;
        a.mov(word_ptr(back.available + 4 + 2 * QUEUE_SIZE), 0xffff_u32)?;
        notify(&mut a, 0)?;
    }
    a.mov(word_ptr(given.available + 4 + 2 * QUEUE_SIZE), 0xffff_u32)?;
    time(&mut a)?;
    a.mov(qword_ptr(STACK - 8), rax)?;
    a.mov(word_ptr(given.available + 2), bp)?;
    notify(&mut a, if device == Device::Network { 1 } else { 0 })?;

    a.set_label(&mut poll)?;
    a.movzx(eax, word_ptr(back.used + 2))?;
    a.sub(eax, ebx)?;
    a.movzx(eax, ax)?;
    a.cmp(eax, BATCH as u32)?;
    a.jae(ready)?;
    a.pause()?;
    a.jmp(poll)?;
    a.set_label(&mut ready)?;
    time(&mut a)?;
    a.mov(r9, rax)?;
    a.mov(r10d, BATCH as u32)?;

    a.set_label(&mut next)?;
    a.mov(edx, ebx)?;
    a.and(edx, mask)?;
    a.mov(ecx, dword_ptr(rdx * 8 + (back.used + 4)))?;
    a.inc(ebx)?;
    a.movzx(ebx, bx)?;
    a.mov(eax, ecx)?;
    a.shl(eax, 12)?;
    match device {
        Device::Block { .. } => a.add(r15, qword_ptr(rax + BUFFERS))?,
        Device::Network => a.add(r15, qword_ptr(rax + (BUFFERS + FRAME_HEADER_BYTES)))?,
    }
    match device {
        Device::Block { .. } => {
            a.movzx(eax, byte_ptr(rcx + STATUSES))?;
            a.add(rdi, rax)?;
            a.mov(byte_ptr(rcx + STATUSES), 0xff_u32)?;
        }
        // The buffer is given back in any case, in the place that it came from: at most 256 are used.
        Device::Network => a.mov(word_ptr(rdx * 2 + (back.available + 4)), cx)?,
    }
    a.test(r12, r12)?;
    a.jz(skip)?;
    a.dec(r12)?;
    if let Device::Block { nr_blocks } = device {
        for (is_left, count) in [(true, 13), (false, 7), (true, 17)] {
            a.mov(rax, r14)?;
            if is_left {
                a.shl(rax, count)?
            } else {
                a.shr(rax, count)?
            }
            a.xor(r14, rax)?;
        }
        a.mov(rax, r14)?;
        a.shr(rax, 20)?;
        a.and(eax, nr_blocks as i32 - 1)?;
        a.shl(rax, 3)?;
        a.mov(edx, ecx)?;
        a.shl(edx, 4)?;
        a.mov(qword_ptr(rdx + (HEADERS + 8)), rax)?;
        a.mov(edx, ebp)?;
        a.and(edx, mask)?;
        a.mov(word_ptr(rdx * 2 + (given.available + 4)), cx)?;
    }
    a.inc(ebp)?;
    a.movzx(ebp, bp)?;
    a.set_label(&mut skip)?;
    a.dec(r10d)?;
    a.jnz(next)?;

    // An event that has just passed: no interrupt is wanted.
    a.lea(eax, dword_ptr(rbx - 1))?;
    a.mov(word_ptr(given.available + 4 + 2 * QUEUE_SIZE), ax)?;
    if device == Device::Network {
        a.mov(word_ptr(back.available + 4 + 2 * QUEUE_SIZE), ax)?;
        a.lea(eax, dword_ptr(rbx + QUEUE_SIZE as i32))?;
        a.movzx(eax, ax)?;
        a.mov(word_ptr(back.available + 2), ax)?;
        // Of the queue of buffers for frames, the position before is 64 back.
        a.lea(edx, dword_ptr(rax - BATCH as i32))?;
        notify_if_wanted(&mut a, back, 0)?;
    }
    a.mov(word_ptr(given.available + 2), bp)?;
    a.mov(eax, ebp)?;
    a.mov(edx, r11d)?;
    notify_if_wanted(&mut a, given, if device == Device::Network { 1 } else { 0 })?;
    a.mov(r11d, ebp)?;
    time(&mut a)?;
    a.sub(rax, r9)?;
    a.add(rsi, rax)?;
    a.sub(r13, BATCH as i32)?;
    a.jnz(poll)?;

    time(&mut a)?;
    a.sub(rax, qword_ptr(STACK - 8))?;
    a.mov(r9, rax)?;
    a.mov(r10d, dword_ptr(HEADERS - 8))?;
    a.and(r10d, 0xff)?;
    a.mov(edx, u32::from(PORT))?;
    for value in [r9, rsi, r8, rdi, r15, r10] {
        a.mov(rax, value)?;
        for _ in 0..8 {
            a.out(dx, al)?;
            a.shr(rax, 8)?;
        }
    }
    a.mov(edx, u32::from(EXIT_PORT))?;
    a.xor(eax, eax)?;
    a.out(dx, eax)?;
    a.ud2()?;
    Ok(a.assemble_options(user, BlockEncoderOptions::NONE)?.inner.code_buffer)
}

/// The time-stamp counter to RAX; RDX is lost.
fn time(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.rdtsc()?;
    a.shl(rdx, 32)?;
    a.or(rax, rdx)
}

fn notify(a: &mut CodeAssembler, queue: u32) -> Result<(), IcedError> {
    // What was made available is seen before.
    a.mfence()?;
    a.mov(eax, (NOTIFY + 4 * u64::from(queue)) as u32)?;
    a.mov(word_ptr(rax), queue)?;
    a.inc(r8)
}

/// Notifies if the device wants to hear of a position between that of EDX and that of EAX (§ 2.7.10.1).
fn notify_if_wanted(a: &mut CodeAssembler, ring: Ring, queue: u32) -> Result<(), IcedError> {
    let mut quiet = a.create_label();
    a.mfence()?;
    a.mov(ecx, eax)?;
    a.sub(ecx, edx)?;
    a.movzx(ecx, cx)?;
    a.sub(ax, word_ptr(ring.used + 4 + 8 * QUEUE_SIZE))?;
    a.dec(eax)?;
    a.movzx(eax, ax)?;
    a.cmp(eax, ecx)?;
    a.jae(quiet)?;
    notify(a, queue)?;
    a.set_label(&mut quiet)?;
    a.nop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_fits_before_its_tables() {
        for device in [Device::Block { nr_blocks: 1 << 14 }, Device::Network] {
            let code = code(device, 0x20, 4096).unwrap();
            assert!(code.len() > 0x800 && code.len() <= 0x1000, "{device:?}: {:#x}", code.len());
            assert!(setup::ring_0(device, 0x20, ENTRY + 0x800).unwrap().len() <= 0x800, "{device:?}");
        }
    }

    #[test]
    fn what_is_told_is_read_whole_or_not_at_all() {
        let words: Vec<u8> = (1..=6_u64).flat_map(u64::to_le_bytes).collect();
        let told = Told { ticks: 1, driver_ticks: 2, nr_notifications: 3, failures: 4, sum: 5, status: 6 };
        assert_eq!((words.len(), Told::from_bytes(&words)), (Told::BYTES, Some(told)));
        for size in [0, 8, 47] {
            assert_eq!(Told::from_bytes(&words[..size]), None);
        }
        assert_eq!(Told::from_bytes(&[0; 56]), None);
    }
}
