//! System calls to KVM, typed: a request goes only with the argument that it was made for, and memory that KVM shares is
//! reached only within its bounds.

#![expect(unsafe_code, reason = "ioctl, mmap and memory that KVM and guests write to")]
// UNSAFETY: each request's number holds the size of its argument, which is taken from the type, or of its head, where the
// type is that head and what follows it; arguments are C structures of numbers and raw pointers, of which any bytes are one, since
// KVM writes them, too; shared memory is read and written by atomic bytes inside of its mapping.

use crate::{
    fault::{self, Fault, Wrong},
    trouble::Errno,
};
use std::{
    marker::PhantomData,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU8, Ordering},
};

/// What an ioctl answers: its value, or why it was refused.
pub(crate) type Answer = Result<u64, Errno>;

/// KVM's type of requests.
const KVMIO: u64 = 0xae;
const WRITE: u64 = 1;
const READ: u64 = 2;

const fn number(direction: u64, nr: u64, size: usize) -> u64 {
    direction << 30 | (size as u64) << 16 | KVMIO << 8 | nr
}

/// A request with a pointer to a `T`.
pub(crate) struct Request<T> {
    name: &'static str,
    number: u64,
    /// Bytes in front of what it gives back.
    head: usize,
    argument: PhantomData<fn(T)>,
}

impl<T> Request<T> {
    const fn new(name: &'static str, direction: u64, nr: u64, size: usize) -> Self {
        Self { name, number: number(direction, nr, size), head: 0, argument: PhantomData }
    }

    pub(crate) const fn read(name: &'static str, nr: u64) -> Self {
        Self::new(name, READ, nr, size_of::<T>())
    }

    pub(crate) const fn write(name: &'static str, nr: u64) -> Self {
        Self::new(name, WRITE, nr, size_of::<T>())
    }

    pub(crate) const fn both(name: &'static str, nr: u64) -> Self {
        Self::new(name, READ | WRITE, nr, size_of::<T>())
    }

    /// Of a head of `size` bytes that says how many entries follow; `T` has room for those it says it has.
    pub(crate) const fn headed(name: &'static str, direction: u64, nr: u64, size: usize) -> Self {
        assert!(size <= size_of::<T>(), "the head is a part");
        Self { head: size, ..Self::new(name, direction, nr, size) }
    }
}

/// Directions for [`Request::headed`].
pub(crate) const FROM_USER: u64 = WRITE;
pub(crate) const BOTH_WAYS: u64 = READ | WRITE;

/// A request with a number, or without an argument.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    name: &'static str,
    nr: u64,
}

impl Order {
    pub(crate) const fn new(name: &'static str, nr: u64) -> Self {
        Self { name, nr }
    }
}

fn answer(name: &'static str, result: i32) -> Answer {
    u64::try_from(result).map_err(|_negative| Errno::last(name))
}

/// An open file of KVM: the system, a VM, a virtual processor or a device.
pub(crate) struct Handle {
    fd: OwnedFd,
    /// What is wrong with it, and with all that it creates.
    fault: Option<Fault>,
}

impl Handle {
    /// Opens `/dev/kvm`.
    pub(crate) fn open() -> Result<Self, Errno> {
        // SAFETY: the path ends in NUL.
        let fd = unsafe { libc::open(c"/dev/kvm".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        answer("open", fd)?;
        // SAFETY: the descriptor was just opened, and belongs to nobody.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, fault: fault::get() })
    }

    /// Gives an order whose answer is a file, which no fault makes up.
    pub(crate) fn create(&self, order: Order, value: u64) -> Result<Self, Errno> {
        let fd = self.ordered(order, value)?;
        // SAFETY: KVM has just opened the descriptor for this call, and it fits, as it came from an `i32`.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd as RawFd) }, fault: self.fault })
    }

    /// Makes a request whose answer is a file, which no fault makes up.
    pub(crate) fn create_with<T>(&self, request: &Request<T>, argument: &mut T) -> Result<Self, Errno> {
        let fd = self.requested(request, argument)?;
        // SAFETY: as in `create`.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd as RawFd) }, fault: self.fault })
    }

    /// Gives an order.
    pub(crate) fn order(&self, order: Order, value: u64) -> Answer {
        self.answered(order.name, || self.ordered(order, value))
    }

    /// Makes a request.
    pub(crate) fn request<T>(&self, request: &Request<T>, argument: &mut T) -> Answer {
        let wrong = self.wrong(request.name);
        if let Some(Wrong::Without { offset, bits }) = wrong {
            fault::clear(bytes_of(argument), offset, bits);
        }
        let answer = self.answered(request.name, || self.requested(request, argument));
        if answer.is_ok() && wrong == Some(Wrong::Garbled) {
            fault::garble(bytes_of(argument), request.head);
        }
        answer
    }

    fn wrong(&self, request: &str) -> Option<Wrong> {
        self.fault.filter(|fault| fault.request == request).map(|fault| fault.wrong)
    }

    /// What a request answers, or what a fault makes of it.
    fn answered(&self, name: &str, make: impl FnOnce() -> Answer) -> Answer {
        match self.wrong(name) {
            Some(Wrong::Ignored) => Ok(0),
            Some(Wrong::Accepted) => make().or(Ok(0)),
            Some(Wrong::Garbled | Wrong::Without { .. }) | None => make(),
        }
    }

    fn ordered(&self, order: Order, value: u64) -> Answer {
        // SAFETY: the request takes a number, or nothing.
        let result = unsafe { libc::ioctl(self.raw(), number(0, order.nr, 0), value) };
        answer(order.name, result)
    }

    fn requested<T>(&self, request: &Request<T>, argument: &mut T) -> Answer {
        // SAFETY: the argument is of the type that the request is made for.
        let result = unsafe { libc::ioctl(self.raw(), request.number, ptr::from_mut(argument)) };
        answer(request.name, result)
    }

    /// Makes a request for something that is read.
    pub(crate) fn get<T: Default>(&self, request: &Request<T>) -> Result<T, Errno> {
        let mut value = T::default();
        self.request(request, &mut value)?;
        Ok(value)
    }

    /// Its number.
    pub(crate) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The bytes of a request's argument.
fn bytes_of<T>(argument: &mut T) -> &mut [u8] {
    // SAFETY: the argument is a C structure, of which any bytes are one; it is borrowed as long as its bytes are.
    unsafe { slice::from_raw_parts_mut(ptr::from_mut(argument).cast(), size_of::<T>()) }
}

/// Memory that is shared with KVM or with a guest.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: every access is of an atomic byte, and nothing belongs to a thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed memory of its own.
    pub(crate) fn anonymous(size: usize) -> Result<Self, Errno> {
        Self::map(size, libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE, -1, 0)
    }

    /// A part of a file of KVM, which has to have all of its pages: an access to one that is not there would end the process.
    pub(crate) fn of(file: &Handle, offset: usize, size: usize) -> Result<Self, Errno> {
        let mapping = Self::map(size, libc::MAP_SHARED, file.raw(), offset)?;
        // SAFETY: the range is that of the mapping.
        let result = unsafe { libc::madvise(mapping.start.as_ptr().cast(), size, libc::MADV_POPULATE_READ) };
        match answer("mmap", result) {
            // A kernel before 5.14 does not know this advice.
            Err(errno) if errno.number != libc::EINVAL => Err(errno),
            _ => Ok(mapping),
        }
    }

    fn map(size: usize, flags: i32, fd: RawFd, offset: usize) -> Result<Self, Errno> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses a place where nothing is.
        let start = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, fd, offset as libc::off_t) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last("mmap"));
        }
        NonNull::new(start.cast()).map(|start| Self { start, size }).ok_or(Errno::new("mmap", libc::ENOMEM))
    }

    /// Where it is mapped.
    pub(crate) fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// The bytes at `offset`; zeroes beyond the end.
    pub(crate) fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        for (at, byte) in (offset..self.size).zip(&mut bytes) {
            // SAFETY: `at` is inside of the mapping, which is only ever accessed by atomic bytes.
            *byte = unsafe { AtomicU8::from_ptr(self.start.as_ptr().add(at)) }.load(Ordering::Relaxed);
        }
        bytes
    }

    /// Writes what fits.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        for (at, byte) in (offset..self.size).zip(bytes) {
            // SAFETY: as in `bytes`.
            unsafe { AtomicU8::from_ptr(self.start.as_ptr().add(at)) }.store(*byte, Ordering::Relaxed);
        }
    }

    pub(crate) fn u8(&self, offset: usize) -> u8 {
        u8::from_le_bytes(self.bytes(offset))
    }

    pub(crate) fn u16(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.bytes(offset))
    }

    pub(crate) fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.bytes(offset))
    }

    pub(crate) fn u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.bytes(offset))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `map`, and nothing borrows from it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
    }
}
