//! Timers of KVM's local APICs, whose counts stand still while they are a state, and timer interrupts that are between their timer
//! and the local APIC.
//!
//! When the timer of a vCPU expires, KVM notes that, and interrupts the local APIC when the vCPU runs next. Nothing that can be
//! saved tells of it, so that KVM_SET_LAPIC lets a one-shot timer without a current count expire once more: it cannot know whether
//! the guest was interrupted. Here it is made sure that the guest was.
//!
//! Not completely what the guest expects: the initial count of a one-shot timer that is over is 0 then, because there is no other
//! way to tell KVM that it is over.
//!
//! Source: Linux, "Documentation/virt/kvm/api.rst" §§ KVM_RUN, KVM_SET_SIGNAL_MASK and KVM_SET_LAPIC; "arch/x86/kvm/lapic.c",
//! `kvm_apic_set_state`; Intel SDM vol. 3A, "APIC Timer".

#![expect(unsafe_code, reason = "signal masks of threads and of vCPUs have no wrapper among our dependencies")]
// UNSAFETY: signal masks of the calling thread, a signal to itself, and one ioctl with a structure on the stack.

use super::time::{monotonic, timed};
use kvm_bindings::{KVMIO, kvm_lapic_state, kvm_signal_mask};
use kvm_ioctls::{Error, VcpuFd};
use std::{mem::MaybeUninit, ptr, thread, time::Duration};
use vmm_sys_util::{
    ioctl::{ioctl_with_ptr, ioctl_with_ref},
    signal::SIGRTMIN,
};

vmm_sys_util::ioctl_iow_nr!(KVM_SET_SIGNAL_MASK, KVMIO, 0x8b, kvm_signal_mask);

/// Registers by their offset, and fields of them.
const TASK_PRIORITY: usize = 0x80;
const TRIGGER_MODES: usize = 0x180;
const REQUESTS: usize = 0x200;
const LVT_TIMER: usize = 0x320;
const INITIAL_COUNT: usize = 0x380;
const CURRENT_COUNT: usize = 0x390;
const DIVIDE: usize = 0x3e0;
const VECTOR: u32 = 0xff;
const MASKED: u32 = 1 << 16;
const MODE: u32 = 3 << 17;
const ONE_SHOT: u32 = 0;
const PERIODIC: u32 = 1 << 17;
/// Vectors below are reserved: a local APIC does not take them.
const FIRST_VECTOR: u32 = 16;
/// As many ends can be told one after the other: each interrupt ends once, and none comes anew meanwhile.
const NR_VECTORS: usize = 256;
/// What a timer that is not divided counts in a nanosecond, unless KVM is told otherwise (KVM_CAP_X86_APIC_BUS_CYCLES_NS).
const COUNTS_PER_NANOSECOND: u64 = 1;
/// How long a timer of the host is waited for that has expired and was not served: it is served before any that expires later.
const SERVED_AFTER: Duration = Duration::from_micros(100);

/// So often a timer that interrupts again and again is read until it did not in between, and one that goes on is set until that took
/// little time. One that is faster loses an interrupt, and on a host that is busier one falls behind.
const NR_ROUNDS_MAX: usize = 8;
/// What KVM_SET_LAPIC may take, in nanoseconds.
const CLOSE_NS: u64 = 20_000;

/// A set of signals as the kernel has it.
#[repr(C)]
struct SignalMask {
    length: u32,
    set: [u8; 8],
}

/// Blocks the signal that interrupts vCPUs, until this is dropped.
struct Blocked {
    before: libc::sigset_t,
}

impl Blocked {
    fn new() -> Self {
        let (mut set, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: both sets are locals; the first is made by sigemptyset, and the second by pthread_sigmask, which fails for no
        // other reason than its first argument.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), SIGRTMIN());
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr());
            Self { before: before.assume_init() }
        }
    }

    /// What the thread blocks otherwise, without the signal.
    fn others(&self) -> [u8; 8] {
        let mut set = self.before;
        // SAFETY: the set is initialized, and that of the kernel is its first eight bytes.
        unsafe {
            libc::sigdelset(&raw mut set, SIGRTMIN());
            ptr::from_ref(&set).cast::<[u8; 8]>().read()
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // The signal comes now, to a handler that finds no vCPU running.
        // SAFETY: the set is initialized.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut()) };
    }
}

/// Lets a timer that has expired interrupt its local APIC, without entering the guest: KVM does so before it looks at signals, and
/// after that nothing else. Gives the vectors of level-triggered interrupts that end by that, of which an I/O APIC outside of KVM
/// has to be told: those whose end waits to be told, and where a KVM ends them when they are taken, those that are.
pub(super) fn deliver(vcpu: &mut VcpuFd) -> Result<Vec<u8>, Error> {
    let blocked = Blocked::new();
    let mask = SignalMask { length: 8, set: blocked.others() };
    // SAFETY: the kernel reads the length, and so many bytes behind it.
    if unsafe { ioctl_with_ref(vcpu, KVM_SET_SIGNAL_MASK(), &mask) } != 0 {
        return Err(Error::last());
    }
    // SAFETY: the thread signals itself, and blocks the signal.
    unsafe { libc::pthread_kill(libc::pthread_self(), SIGRTMIN()) };
    let mut ended = Vec::new();
    let result = loop {
        match vcpu.run() {
            Ok(kvm_ioctls::VcpuExit::Intr) => break Ok(ended),
            Ok(kvm_ioctls::VcpuExit::IoapicEoi(vector)) if ended.len() < NR_VECTORS => ended.push(vector),
            Ok(_) => break Err(Error::new(libc::EBUSY)),
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => break Ok(ended),
            Err(error) => break Err(error),
        }
    };
    // SAFETY: without a mask the kernel reads nothing.
    match unsafe { ioctl_with_ptr(vcpu, KVM_SET_SIGNAL_MASK(), ptr::null::<SignalMask>()) } {
        0 => result,
        _ => Err(Error::last()),
    }
}

fn register(state: &kvm_lapic_state, offset: usize) -> u32 {
    let bytes = state.regs.iter().skip(offset).take(4);
    bytes.rev().fold(0, |value, byte| value << 8 | u32::from(*byte as u8))
}

fn set_register(state: &mut kvm_lapic_state, offset: usize, value: u32) {
    let bytes = state.regs.iter_mut().skip(offset).take(4);
    bytes.zip(value.to_le_bytes()).for_each(|(byte, value)| *byte = value as _);
}

/// Sets the task priority to 0.
pub(super) fn forget_task_priority(state: &mut kvm_lapic_state) {
    set_register(state, TASK_PRIORITY, 0);
}

/// What the clock of the timer is divided by, as a power of 2 (Intel SDM vol. 3A, "APIC Timer", figure "Divide Configuration
/// Register").
fn divided_by(state: &kvm_lapic_state) -> u32 {
    let divide = register(state, DIVIDE);
    (((divide & 3) | (divide >> 1 & 4)) + 1) & 7
}

/// Lets a timer that counts go on by so many nanoseconds. What comes due meanwhile is there afterwards, once.
fn advance(state: &mut kvm_lapic_state, nanoseconds: u64) {
    let (lvt, count) = (register(state, LVT_TIMER), register(state, CURRENT_COUNT));
    let initial = register(state, INITIAL_COUNT);
    let passed = nanoseconds.saturating_mul(COUNTS_PER_NANOSECOND) >> divided_by(state);
    let left = match (lvt & MODE, u64::from(count).checked_sub(passed)) {
        (ONE_SHOT | PERIODIC, _) if count == 0 || initial == 0 => return,
        (ONE_SHOT | PERIODIC, Some(left @ 1..)) => left as u32,
        // KVM lets it expire.
        (ONE_SHOT, _) => 1,
        (PERIODIC, _) => {
            request(state, lvt);
            initial - ((passed - u64::from(count)) % u64::from(initial)) as u32
        }
        _ => return,
    };
    set_register(state, CURRENT_COUNT, left);
}

/// Requests the interrupt that an entry of the local vector table asks for, unless it is masked.
fn request(state: &mut kvm_lapic_state, entry: u32) {
    let vector = entry & VECTOR;
    if entry & MASKED != 0 || vector < FIRST_VECTOR {
        return;
    }
    let (word, bit) = (vector as usize / 32 * 16, 1 << (vector % 32));
    let edge = register(state, TRIGGER_MODES + word) & !bit;
    set_register(state, TRIGGER_MODES + word, edge);
    let requested = register(state, REQUESTS + word) | bit;
    set_register(state, REQUESTS + word, requested);
}

/// Whether it is a one-shot timer that has nothing left to count, and interrupts.
fn is_over(state: &kvm_lapic_state) -> bool {
    register(state, LVT_TIMER) & (MODE | MASKED) == 0
        && register(state, INITIAL_COUNT) != 0
        && register(state, CURRENT_COUNT) == 0
}

/// Whether it is a timer that interrupts again and again.
fn is_periodic(state: &kvm_lapic_state) -> bool {
    register(state, LVT_TIMER) & (MODE | MASKED) == PERIODIC && register(state, INITIAL_COUNT) != 0
}

/// Whether a timer that interrupts again and again did not do so between two states: what it asked for before the first, the second
/// has, if it was delivered in between. A count of 0 is one of which KVM does not know yet that it is over.
fn is_of_one_period(before: &kvm_lapic_state, after: &kvm_lapic_state) -> bool {
    (1..=register(before, CURRENT_COUNT)).contains(&register(after, CURRENT_COUNT))
}

/// As [`deliver`], where nobody could be told of an end any more.
pub(super) fn deliver_without_ends(vcpu: &mut VcpuFd) -> Result<(), Error> {
    match deliver(vcpu)?.is_empty() {
        true => Ok(()),
        false => Err(Error::new(libc::EBUSY)),
    }
}

/// The state of a local APIC that KVM_SET_LAPIC makes the same again, and when it was so. It has taken its interrupts.
pub(super) fn read(vcpu: &mut VcpuFd) -> Result<(kvm_lapic_state, u64), Error> {
    let (mut state, mut moment) = timed(|| vcpu.get_lapic())?;
    if is_over(&state) {
        // It may have expired since, or be about to: the count is rounded.
        thread::sleep(SERVED_AFTER);
        deliver_without_ends(vcpu)?;
        (state, moment) = timed(|| vcpu.get_lapic())?;
        set_register(&mut state, INITIAL_COUNT, 0);
    }
    for _ in 0..NR_ROUNDS_MAX {
        if !is_periodic(&state) {
            break;
        }
        if register(&state, CURRENT_COUNT) == 0 {
            thread::sleep(SERVED_AFTER);
        }
        deliver_without_ends(vcpu)?;
        let before = state;
        (state, moment) = timed(|| vcpu.get_lapic())?;
        if is_of_one_period(&before, &state) {
            break;
        }
    }
    Ok((state, moment))
}

/// Takes a local APIC to a state; with the moment in which it was so, its timer has gone on since.
pub(super) fn write(vcpu: &VcpuFd, state: &kvm_lapic_state, went_on_since: Option<u64>) -> Result<(), Error> {
    let Some(since) = went_on_since else { return vcpu.set_lapic(state) };
    for _ in 0..NR_ROUNDS_MAX {
        let now = monotonic();
        let mut state = *state;
        advance(&mut state, now.saturating_sub(since));
        vcpu.set_lapic(&state)?;
        // KVM lets it count from some moment in between, in which this thread may not have run.
        if monotonic().saturating_sub(now) <= CLOSE_NS {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(lvt: u32, initial: u32, current: u32) -> kvm_lapic_state {
        let mut state = kvm_lapic_state::default();
        for (offset, value) in [(LVT_TIMER, lvt), (INITIAL_COUNT, initial), (CURRENT_COUNT, current)] {
            set_register(&mut state, offset, value);
        }
        state
    }

    /// Count, and whether vector 40H is requested, after so many nanoseconds.
    fn after(mut state: kvm_lapic_state, divide: u32, nanoseconds: u64) -> (u32, bool) {
        set_register(&mut state, DIVIDE, divide);
        set_register(&mut state, TRIGGER_MODES + 0x20, 3);
        advance(&mut state, nanoseconds);
        let requests = register(&state, REQUESTS + 0x20);
        assert_eq!(register(&state, TRIGGER_MODES + 0x20), 3 & !requests, "it is edge-triggered");
        (register(&state, CURRENT_COUNT), requests == 1)
    }

    #[test]
    fn a_timer_goes_on_and_what_is_due_comes_once() {
        const BY_1: u32 = 0b1011;
        let (one_shot, periodic) = (state(0x40, 1_000, 600), state(0x40 | PERIODIC, 1_000, 600));
        for timer in [one_shot, periodic] {
            assert_eq!(after(timer, BY_1, 0), (600, false));
            assert_eq!(after(timer, BY_1, 599), (1, false));
            // Divided by 2, 4 and 128.
            assert_eq!([0b0000, 0b0001, 0b1010].map(|divide| after(timer, divide, 1_024).0), [88, 344, 592]);
        }
        assert_eq!([600, 5_000].map(|time| after(one_shot, BY_1, time)), [(1, false); 2]);
        assert_eq!(after(periodic, BY_1, 600), (1_000, true));
        assert_eq!(after(periodic, BY_1, 601), (999, true));
        assert_eq!(after(periodic, BY_1, 600 + 1_999), (1, true));
        assert_eq!(after(state(0x40 | PERIODIC | MASKED, 1_000, 600), BY_1, 700), (900, false));
        assert_eq!(after(state(0xf | PERIODIC, 1_000, 600), BY_1, 700), (900, false));
        // Over, never started, and with a deadline.
        assert_eq!(after(state(0x40, 1_000, 0), BY_1, 700), (0, false));
        assert_eq!(after(state(0x40 | PERIODIC, 0, 0), BY_1, 700), (0, false));
        assert_eq!(after(state(0x40 | 2 << 17, 1_000, 600), BY_1, 700), (600, false));
    }

    #[test]
    fn only_a_one_shot_timer_that_interrupts_can_be_over() {
        assert!(is_over(&state(0x40, 0x8000_0000, 0)));
        for (lvt, initial, current) in
            [(0x40, 1, 1), (0x40, 0, 0), (0x40 | MASKED, 1, 0), (0x40 | 1 << 17, 1, 0), (0x40 | 2 << 17, 1, 0)]
        {
            assert!(!is_over(&state(lvt, initial, current)), "{lvt:#x} {initial} {current}");
        }
    }

    #[test]
    fn a_count_that_went_up_or_is_over_is_of_another_period() {
        let is_same = |before, after| is_of_one_period(&state(0x40, 1_000, before), &state(0x40, 1_000, after));
        assert!(is_same(600, 600) && is_same(600, 1));
        assert!(!is_same(600, 601) && !is_same(600, 0) && !is_same(0, 1_000) && !is_same(0, 0));
        assert!(is_periodic(&state(0x40 | PERIODIC, 1, 0)));
        for (lvt, initial) in [(0x40, 1), (0x40 | PERIODIC | MASKED, 1), (0x40 | PERIODIC, 0)] {
            assert!(!is_periodic(&state(lvt, initial, 0)), "{lvt:#x} {initial}");
        }
    }
}
