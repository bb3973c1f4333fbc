//! The few system calls that no crate of the workspace wraps.

#![expect(unsafe_code, reason = "memory files, futexes, queued signals and processor clocks are system calls")]
// UNSAFETY: system calls on integers, on structures on the stack, and on a futex word that is borrowed.

use std::{
    fs::File,
    io, mem,
    os::fd::{FromRawFd, OwnedFd},
    ptr,
    sync::atomic::AtomicU32,
    time::Duration,
};

/// The signal that ends an execution which does not end by itself.
pub(super) const KICK: i32 = libc::SIGUSR1;

/// Makes a file that lies in memory and is closed on exec.
pub(super) fn memory_file(is_executable: bool) -> io::Result<File> {
    let executable_flag = if is_executable { libc::MFD_EXEC } else { 0 };
    match create(libc::MFD_CLOEXEC | executable_flag) {
        // Kernels before 6.3 do not know the flag, and every memory file of theirs may be executed.
        Err(error) if is_executable && error.raw_os_error() == Some(libc::EINVAL) => create(libc::MFD_CLOEXEC),
        file => file,
    }
}

fn create(flags: libc::c_uint) -> io::Result<File> {
    // SAFETY: the name is a string with its final zero.
    let fd = unsafe { libc::memfd_create(c"native".as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into())
}

/// Waits until `word` is no longer `value`, for at most `limit`; may return before.
pub(super) fn wait(word: &AtomicU32, value: u32, limit: Duration) {
    let limit = libc::timespec {
        tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    // SAFETY: the word and the limit outlive the call. Whatever it returns, the caller looks at the word again.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, value, &raw const limit) };
}

/// Wakes the one that waits for `word`, in whichever process it is.
pub(super) fn wake(word: &AtomicU32) {
    // SAFETY: the word outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

/// Sends [`KICK`] with a value to a child.
pub(super) fn kick(child: u32, value: u32) {
    let Ok(pid) = libc::pid_t::try_from(child) else { return };
    // The kernel reads the value as an `int`, the lower half of the pointer.
    let value = libc::sigval { sival_ptr: ptr::without_provenance_mut(value as usize) };
    // SAFETY: the child has not been waited for, so that the number is still its own. It fails if the child has ended,
    // which the caller finds out by itself.
    unsafe { libc::sigqueue(pid, KICK, value) };
}

/// The processor time that a child has used; nothing if it has ended.
pub(super) fn processor_time(child: u32) -> Option<Duration> {
    let mut clock = 0;
    // SAFETY: the clock outlives the call.
    if unsafe { libc::clock_getcpuclockid(child.try_into().ok()?, &raw mut clock) } != 0 {
        return None;
    }
    // SAFETY: a time of zeros is a valid one.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: the time outlives the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// Whether the kernel lets programs use RDFSBASE, WRFSBASE, RDGSBASE and WRGSBASE.
pub(super) fn has_fsgsbase() -> bool {
    /// HWCAP2_FSGSBASE of the kernel's arch/x86/include/uapi/asm/hwcap2.h.
    const FSGSBASE: libc::c_ulong = 1 << 1;
    // SAFETY: it reads what the kernel handed over at the start of the process.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & FSGSBASE != 0 }
}

/// The components that the kernel has enabled in XCR0; nothing without XSAVE.
pub(super) fn enabled_components() -> Option<u64> {
    if !std::arch::is_x86_feature_detected!("xsave") {
        return None;
    }
    // SAFETY: the processor and the kernel have XSAVE.
    Some(unsafe { std::arch::x86_64::_xgetbv(0) })
}

/// EAX and EBX of a leaf of CPUID.
pub(super) fn cpuid(leaf: u32, subleaf: u32) -> (u32, u32) {
    let result = std::arch::x86_64::__cpuid_count(leaf, subleaf);
    (result.eax, result.ebx)
}
