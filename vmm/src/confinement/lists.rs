//! The system calls that kinds of threads need, as data.

use super::ThreadKind;
use Condition::{Always, First, IoctlOf, NotExecutable};
use libc::*;

/// When a call is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// An ioctl of this group (Linux, "Documentation/userspace-api/ioctl/ioctl-number.rst").
    IoctlOf(u8),
    /// Memory that the third argument does not make executable.
    NotExecutable,
    /// The first argument has this value.
    First(c_int),
}

type List = [(c_long, Condition)];

/// Groups of ioctls.
const KVM: u8 = 0xae;
/// FIONBIO, and taps' TUNSETIFF.
const DESCRIPTORS: u8 = b'T';
/// Sizes of block devices, and holes in them.
const BLOCK_DEVICES: u8 = 0x12;
/// userfaultfd.
const USERFAULT: u8 = 0xaa;

/// Memory, locks, signals, time and descriptors that are open.
const ALL: &List = &[
    (SYS_read, Always),
    (SYS_write, Always),
    (SYS_readv, Always),
    (SYS_writev, Always),
    (SYS_close, Always),
    (SYS_fcntl, Always),
    (SYS_ioctl, IoctlOf(KVM)),
    (SYS_futex, Always),
    (SYS_mmap, NotExecutable),
    (SYS_mprotect, NotExecutable),
    (SYS_mremap, Always),
    (SYS_munmap, Always),
    (SYS_madvise, Always),
    (SYS_brk, Always),
    (SYS_rt_sigprocmask, Always),
    (SYS_rt_sigreturn, Always),
    (SYS_sigaltstack, Always),
    // To get a vCPU out of the guest.
    (SYS_tgkill, Always),
    (SYS_getpid, Always),
    (SYS_gettid, Always),
    (SYS_sched_yield, Always),
    (SYS_sched_getaffinity, Always),
    (SYS_getrandom, Always),
    (SYS_gettimeofday, Always),
    (SYS_clock_gettime, Always),
    (SYS_clock_nanosleep, Always),
    (SYS_nanosleep, Always),
    (SYS_restart_syscall, Always),
    (SYS_epoll_create1, Always),
    (SYS_epoll_ctl, Always),
    (SYS_epoll_wait, Always),
    (SYS_epoll_pwait, Always),
    (SYS_poll, Always),
    (SYS_ppoll, Always),
    (SYS_eventfd2, Always),
    (SYS_exit, Always),
    (SYS_exit_group, Always),
];

/// Disks, sockets and links that are open; sockets that a guest connects to.
const DEVICES: &List = &[
    (SYS_ioctl, IoctlOf(DESCRIPTORS)),
    (SYS_ioctl, IoctlOf(BLOCK_DEVICES)),
    (SYS_pread64, Always),
    (SYS_pwrite64, Always),
    (SYS_preadv, Always),
    (SYS_pwritev, Always),
    (SYS_preadv2, Always),
    (SYS_pwritev2, Always),
    (SYS_lseek, Always),
    (SYS_fstat, Always),
    (SYS_statx, Always),
    // Images ask what their file lies on.
    (SYS_fstatfs, Always),
    (SYS_fsync, Always),
    (SYS_fdatasync, Always),
    (SYS_fallocate, Always),
    (SYS_ftruncate, Always),
    (SYS_socket, First(AF_UNIX)),
    (SYS_connect, Always),
    (SYS_accept4, Always),
    (SYS_getsockopt, Always),
    (SYS_setsockopt, Always),
    (SYS_getsockname, Always),
    (SYS_getpeername, Always),
    (SYS_shutdown, Always),
    (SYS_recvfrom, Always),
    (SYS_recvmsg, Always),
    (SYS_sendto, Always),
    (SYS_sendmsg, Always),
    // A socket is removed with its device.
    (SYS_unlink, Always),
    (SYS_unlinkat, Always),
];

/// Files and sockets by name.
const FILES: &List = &[
    (SYS_openat, Always),
    (SYS_newfstatat, Always),
    (SYS_readlink, Always),
    (SYS_readlinkat, Always),
    (SYS_getcwd, Always),
    (SYS_access, Always),
    (SYS_faccessat2, Always),
    (SYS_rename, Always),
    (SYS_renameat, Always),
    (SYS_renameat2, Always),
    (SYS_fchmod, Always),
    (SYS_bind, Always),
    (SYS_listen, Always),
    (SYS_socketpair, Always),
    (SYS_pipe2, Always),
    (SYS_dup, Always),
    (SYS_dup3, Always),
    (SYS_uname, Always),
    (SYS_sysinfo, Always),
    (SYS_prlimit64, Always),
];

/// VMs, threads and their filters.
const MAKING: &List = &[
    // A debugger may come by TCP.
    (SYS_socket, First(AF_INET)),
    (SYS_socket, First(AF_INET6)),
    (SYS_ioctl, IoctlOf(USERFAULT)),
    (SYS_userfaultfd, Always),
    (SYS_memfd_create, Always),
    (SYS_clone, Always),
    (SYS_clone3, Always),
    (SYS_rseq, Always),
    (SYS_set_robust_list, Always),
    (SYS_sched_setaffinity, Always),
    (SYS_rt_sigaction, Always),
    (SYS_prctl, Always),
    (SYS_seccomp, Always),
];

/// The lists of a kind.
pub(super) fn of(kind: ThreadKind) -> Vec<&'static List> {
    match kind {
        ThreadKind::Main => vec![ALL, DEVICES, FILES, MAKING],
        ThreadKind::Control => vec![ALL, DEVICES, FILES],
        ThreadKind::Vcpu | ThreadKind::Devices => vec![ALL, DEVICES],
        ThreadKind::Timers => vec![ALL],
    }
}
