//! A page of guest memory that is absent until a while after it is first touched, as one is that the host has to fetch.
//!
//! The page gets an anonymous mapping without memory behind it, of which the host's kernel tells accesses by userfaultfd; a
//! thread waits for the first and puts what the page held back, late. It does so too when nobody comes for it, or nobody wants
//! to wait any more: no access waits longer than the time that was asked for.
//!
//! Source: Linux, "Documentation/admin-guide/mm/userfaultfd.rst", "include/uapi/linux/userfaultfd.h".

#![expect(
    unsafe_code,
    reason = "userfaultfd and a mapping over guest memory have no safe wrapper among our dependencies"
)]
// UNSAFETY: system calls about one page of a mapping that outlives them, with structures on the stack.

use crate::{layout::PAGE_SIZE, memory::GuestMemory};
use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    thread::{self, JoinHandle},
    time::Duration,
};
use vmm_sys_util::eventfd::EventFd;

/// How long a page is absent that nobody touches.
const UNTOUCHED: Duration = Duration::from_secs(2);
/// The longest that an access waits.
const DELAY_MAX: Duration = Duration::from_millis(100);

/// The kernel's interface: numbers of ioctl and their structures.
mod uffd {
    pub(super) const API: libc::c_ulong = 0xc018_aa3f;
    pub(super) const REGISTER: libc::c_ulong = 0xc020_aa00;
    pub(super) const COPY: libc::c_ulong = 0xc028_aa03;
    pub(super) const VERSION: u64 = 0xaa;
    pub(super) const MODE_MISSING: u64 = 1;
    /// Size of a message in bytes.
    pub(super) const MESSAGE_SIZE: usize = 32;

    #[repr(C)]
    pub(super) struct Api {
        pub(super) version: u64,
        pub(super) features: u64,
        pub(super) ioctls: u64,
    }

    #[repr(C)]
    pub(super) struct Register {
        pub(super) start: u64,
        pub(super) length: u64,
        pub(super) mode: u64,
        pub(super) ioctls: u64,
    }

    #[repr(C)]
    pub(super) struct Copy {
        pub(super) to: u64,
        pub(super) from: u64,
        pub(super) length: u64,
        pub(super) mode: u64,
        pub(super) copied: i64,
    }
}

/// A page that is absent; dropping it puts it back at once.
#[derive(Debug)]
pub(crate) struct Absent {
    stop: EventFd,
    thread: Option<JoinHandle<()>>,
    /// The mapping that the page is in.
    _memory: GuestMemory,
}

impl Absent {
    /// Takes the page at an address away until `delay` after it is touched.
    ///
    /// # Errors
    /// EINVAL for an address that is no page of guest memory, and those of the kernel, which may not let everybody use
    /// userfaultfd; the page stays then.
    pub(crate) fn new(memory: &GuestMemory, address: u64, delay: Duration) -> io::Result<Self> {
        let mut content = vec![0; PAGE_SIZE as usize];
        let page = memory.host_address(address).filter(|_| address.is_multiple_of(PAGE_SIZE));
        let page = page.filter(|_| memory.read(address, &mut content).is_ok());
        let page = page.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        let faults = open()?;
        let stop = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        // SAFETY: 1. the page lies within the mapping of guest memory, which `_memory` keeps. 2. guest memory is accessed by
        // addresses alone, and holds the same again when the thread is done; no reference to it exists.
        let mapped = unsafe {
            libc::mmap(
                page as *mut libc::c_void,
                PAGE_SIZE as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let back = Back { page, content };
        let mut register = uffd::Register { start: page, length: PAGE_SIZE, mode: uffd::MODE_MISSING, ioctls: 0 };
        // SAFETY: the request takes this structure.
        if unsafe { libc::ioctl(faults.as_raw_fd(), uffd::REGISTER, &raw mut register) } < 0 {
            let error = io::Error::last_os_error();
            // Nothing tells of accesses: the content goes back by an ordinary one.
            let _ = memory.write(address, &back.content);
            return Err(error);
        }
        let stopped = stop.try_clone()?;
        let delay = delay.min(DELAY_MAX);
        let thread = thread::Builder::new()
            .name("absent page".to_owned())
            .spawn(move || serve(faults, &stopped, &back, delay))?;
        Ok(Self { stop, thread: Some(thread), _memory: memory.clone() })
    }
}

impl Drop for Absent {
    fn drop(&mut self) {
        // An event that cannot be signalled has been, and the thread ends by itself at last.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

/// What goes back to where.
struct Back {
    page: u64,
    content: Vec<u8>,
}

fn open() -> io::Result<File> {
    // SAFETY: the system call takes flags; the result is checked.
    let descriptor = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just created, and nothing else owns it. A descriptor is small.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(descriptor as i32) });
    let mut api = uffd::Api { version: uffd::VERSION, features: 0, ioctls: 0 };
    // SAFETY: the request takes this structure.
    match unsafe { libc::ioctl(file.as_raw_fd(), uffd::API, &raw mut api) } {
        0 => Ok(file),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits for the first access, and puts the page back after the delay; at once when that is wanted, and anyway after a while.
fn serve(mut faults: File, stop: &EventFd, back: &Back, delay: Duration) {
    if wait(&[stop.as_raw_fd(), faults.as_raw_fd()], UNTOUCHED) == Some(1) {
        let mut message = [0; uffd::MESSAGE_SIZE];
        // Whatever it says, it is of the only page.
        let _ = faults.read(&mut message);
        wait(&[stop.as_raw_fd()], delay);
    }
    let mut copy =
        uffd::Copy { to: back.page, from: back.content.as_ptr() as u64, length: PAGE_SIZE, mode: 0, copied: 0 };
    // SAFETY: the request takes this structure; both places have the size of a page. It wakes whoever waits. Failing, it leaves
    // the page to the kernel, which gives one of zeros when the descriptor is closed.
    unsafe { libc::ioctl(faults.as_raw_fd(), uffd::COPY, &raw mut copy) };
}

/// Waits until one of these can be read; tells which one, or nothing when the time is over.
fn wait(descriptors: &[i32], limit: Duration) -> Option<usize> {
    let mut polled: Vec<_> =
        descriptors.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the array has as many elements as are told.
    unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, limit) };
    polled.iter().position(|one| one.revents != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryError, Template};
    use std::time::Instant;

    const DELAY: Duration = Duration::from_millis(30);

    fn memory() -> GuestMemory {
        let memory = Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap().instantiate().unwrap();
        memory.write(0x3000, b"content").unwrap();
        memory.write(0x2ff8, b"beforeit").unwrap();
        memory.write(0x4000, b"behindit").unwrap();
        memory
    }

    fn read(memory: &GuestMemory, address: u64, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        memory.read(address, &mut bytes).unwrap();
        assert_eq!(bytes, expected);
    }

    /// Nothing where the kernel lets this user have no userfaultfd.
    fn absent(memory: &GuestMemory, delay: Duration) -> Option<Absent> {
        match Absent::new(memory, 0x3000, delay) {
            Ok(absent) => Some(absent),
            Err(error) => {
                assert!(matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)), "{error}");
                None
            }
        }
    }

    #[test]
    fn an_access_waits_and_finds_the_content() {
        let memory = memory();
        let Some(_absent) = absent(&memory, DELAY) else { return };
        read(&memory, 0x2ff8, b"beforeit");
        read(&memory, 0x4000, b"behindit");
        let begin = Instant::now();
        read(&memory, 0x3000, b"content");
        assert!(begin.elapsed() >= DELAY);
        // It is there now.
        memory.write(0x3000, b"written").unwrap();
        read(&memory, 0x3000, b"written");
    }

    #[test]
    fn a_page_that_nobody_wanted_is_back_at_once() {
        let memory = memory();
        let Some(absent) = absent(&memory, DELAY_MAX) else { return };
        let begin = Instant::now();
        drop(absent);
        read(&memory, 0x3000, b"content");
        assert!(begin.elapsed() < UNTOUCHED);
    }

    #[test]
    fn addresses_that_are_no_page_of_memory_are_refused() {
        let memory = memory();
        for address in [1, 0x3008, 1 << 20, u64::MAX - PAGE_SIZE + 1] {
            let error = Absent::new(&memory, address, DELAY).expect_err("no page");
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{address:#x}");
        }
        read(&memory, 0x3000, b"content");
    }
}
