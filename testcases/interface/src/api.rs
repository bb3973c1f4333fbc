//! System calls to KVM, typed: a request goes only with the argument that it was made for, and memory that KVM shares is
//! reached only within its bounds.

#![expect(unsafe_code, reason = "ioctl, mmap and memory that KVM and guests write to")]
// UNSAFETY: each request's number holds the size of its argument, which is taken from the type, or of its head, where the
// type is that head and what follows it; shared memory is read and written by atomic bytes inside of its mapping.

use crate::trouble::Errno;
use std::{
    marker::PhantomData,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr::{self, NonNull},
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
    argument: PhantomData<fn(T)>,
}

impl<T> Request<T> {
    const fn new(name: &'static str, direction: u64, nr: u64, size: usize) -> Self {
        Self { name, number: number(direction, nr, size), argument: PhantomData }
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
        Self::new(name, direction, nr, size)
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
pub(crate) struct Handle(OwnedFd);

impl Handle {
    /// Opens `/dev/kvm`.
    pub(crate) fn open() -> Result<Self, Errno> {
        // SAFETY: the path ends in NUL.
        let fd = unsafe { libc::open(c"/dev/kvm".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        answer("open", fd)?;
        // SAFETY: the descriptor was just opened, and belongs to nobody.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Gives an order whose answer is a file.
    pub(crate) fn create(&self, order: Order, value: u64) -> Result<Self, Errno> {
        let fd = self.order(order, value)?;
        // SAFETY: KVM has just opened the descriptor for this call, and it fits, as it came from an `i32`.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// Makes a request whose answer is a file.
    pub(crate) fn create_with<T>(&self, request: &Request<T>, argument: &mut T) -> Result<Self, Errno> {
        let fd = self.request(request, argument)?;
        // SAFETY: as in `create`.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// Gives an order.
    pub(crate) fn order(&self, order: Order, value: u64) -> Answer {
        // SAFETY: the request takes a number, or nothing.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), number(0, order.nr, 0), value) };
        answer(order.name, result)
    }

    /// Makes a request.
    pub(crate) fn request<T>(&self, request: &Request<T>, argument: &mut T) -> Answer {
        // SAFETY: the argument is of the type that the request is made for.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request.number, ptr::from_mut(argument)) };
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
        self.0.as_raw_fd()
    }
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

    /// A part of a file of KVM.
    pub(crate) fn of(file: &Handle, offset: usize, size: usize) -> Result<Self, Errno> {
        Self::map(size, libc::MAP_SHARED, file.raw(), offset)
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
