//! Guest memory: a template in a sealed memfd, and a VM's copy-on-write view of it.

#![expect(unsafe_code, reason = "memfd_create and file seals have no safe wrapper among our dependencies")]
// UNSAFETY: two system calls on file descriptors that this module owns.

use crate::layout;
use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};
use vm_memory::{
    Bytes, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap,
    mmap::MmapRegionBuilder,
};

/// Why guest memory could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The size is not one that this VMM offers.
    #[error(
        "{size_bytes:#x} bytes of guest memory: must be a multiple of {:#x} from {:#x} to {:#x}",
        layout::PAGE_SIZE,
        layout::MEMORY_MIN,
        layout::MEMORY_END
    )]
    Size {
        /// The size asked for.
        size_bytes: u64,
    },
    /// The memfd could not be created, sized or sealed.
    #[error("failed to create a memfd of {size_bytes:#x} bytes for guest memory")]
    Memfd {
        /// The size asked for.
        size_bytes: u64,
        /// Why.
        source: io::Error,
    },
    /// The memfd could not be mapped.
    #[error("failed to map {size_bytes:#x} bytes of guest memory: check the limits on memory and mappings")]
    Map {
        /// The size asked for.
        size_bytes: u64,
        /// Why.
        source: vm_memory::mmap::MmapRegionError,
    },
}

/// An access outside guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{size_bytes} bytes at {address:#x} are not within guest memory")]
pub struct OutsideMemory {
    /// Guest physical address of the first byte.
    pub address: u64,
    /// Size of the access in bytes.
    pub size_bytes: usize,
}

/// Memory of a VM by guest physical address; a clone is another reference to the same memory.
#[derive(Clone, Debug)]
pub struct GuestMemory {
    inner: GuestMemoryMmap<()>,
}

impl GuestMemory {
    /// Fills `bytes` from `address` on.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), OutsideMemory> {
        let size_bytes = bytes.len();
        self.inner.read_slice(bytes, GuestAddress(address)).map_err(|_| OutsideMemory { address, size_bytes })
    }

    /// Writes `bytes` from `address` on.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutsideMemory> {
        let size_bytes = bytes.len();
        self.inner.write_slice(bytes, GuestAddress(address)).map_err(|_| OutsideMemory { address, size_bytes })
    }

    /// The little-endian 32-bit value at `address`.
    pub fn read_u32(&self, address: u64) -> Result<u32, OutsideMemory> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The little-endian 64-bit value at `address`.
    pub fn read_u64(&self, address: u64) -> Result<u64, OutsideMemory> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Size in bytes; memory starts at 0.
    pub fn size_bytes(&self) -> u64 {
        self.region().len()
    }

    /// Address of the first byte in this process, for KVM.
    pub(crate) fn host_address(&self) -> u64 {
        self.region().as_ptr() as u64
    }

    /// The same memory as crates of rust-vmm know it.
    pub(crate) fn shared(&self) -> virtio::Memory {
        self.inner.clone()
    }

    fn region(&self) -> &GuestRegionMmap<()> {
        // Made in `map` from exactly one region.
        self.inner.iter().next().expect("guest memory has one region")
    }
}

/// What guest memory holds when a VM starts; never changes once it is sealed.
#[derive(Debug)]
pub(crate) struct Template {
    file: Arc<File>,
    size_bytes: u64,
}

impl Template {
    /// Zeroed memory, which `fill` may write to before it is sealed.
    pub(crate) fn new<E: From<MemoryError>>(
        size_bytes: u64,
        fill: impl FnOnce(&GuestMemory) -> Result<(), E>,
    ) -> Result<Self, E> {
        if !size_bytes.is_multiple_of(layout::PAGE_SIZE)
            || !(layout::MEMORY_MIN..=layout::MEMORY_END).contains(&size_bytes)
        {
            return Err(MemoryError::Size { size_bytes }.into());
        }
        let file = create_memfd(size_bytes).map_err(|source| MemoryError::Memfd { size_bytes, source })?;
        let template = Self { file: Arc::new(file), size_bytes };
        fill(&template.map(libc::MAP_SHARED)?)?;
        // F_SEAL_WRITE is refused while a writable shared mapping exists: the one above is gone by now.
        seal(&template.file).map_err(|source| MemoryError::Memfd { size_bytes, source })?;
        Ok(template)
    }

    /// A view of its own for one VM: pages are copied when they are first written.
    pub(crate) fn instantiate(&self) -> Result<GuestMemory, MemoryError> {
        self.map(libc::MAP_PRIVATE)
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn map(&self, sharing: i32) -> Result<GuestMemory, MemoryError> {
        let size_bytes = self.size_bytes;
        let region = MmapRegionBuilder::new(size_bytes as usize)
            .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
            // Nothing is reserved: most guests touch a small part of their memory.
            .with_mmap_flags(sharing | libc::MAP_NORESERVE)
            .with_file_offset(FileOffset::from_arc(self.file.clone(), 0))
            .build()
            .map_err(|source| MemoryError::Map { size_bytes, source })?;
        let region =
            GuestRegionMmap::new(region, GuestAddress(0)).expect("a region at 0 does not reach the end of the space");
        let inner = GuestMemoryMmap::from_regions(vec![region]).expect("one region overlaps nothing");
        Ok(GuestMemory { inner })
    }
}

fn create_memfd(size_bytes: u64) -> io::Result<File> {
    // SAFETY: the name is a NUL-terminated string; the result is checked.
    let fd = unsafe { libc::memfd_create(c"guest-memory".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just created and nothing else owns it.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.set_len(size_bytes)?;
    Ok(file)
}

/// How long a process that this one has begun to start may keep its copy of the mapping.
const SEAL_LIMIT: Duration = Duration::from_secs(10);

/// Seals the file. A process that another thread is about to start is a copy of this one until it executes its program, and has a
/// writable mapping of its own for so long: sealing then says EBUSY, and is asked for again.
fn seal(file: &File) -> io::Result<()> {
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    let deadline = Instant::now() + SEAL_LIMIT;
    loop {
        // SAFETY: the command takes an integer; the descriptor is open for as long as `file` is borrowed.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EBUSY) || Instant::now() >= deadline {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;

    fn template() -> Template {
        Template::new::<MemoryError>(SIZE, |memory| {
            memory.write(0x1000, b"template").expect("within memory");
            Ok(())
        })
        .expect("a template")
    }

    #[test]
    fn one_view_does_not_see_what_another_wrote() {
        let template = template();
        let (first, second) = (template.instantiate().unwrap(), template.instantiate().unwrap());
        first.write(0x1000, b"changed!").unwrap();
        let mut bytes = [0; 8];
        second.read(0x1000, &mut bytes).unwrap();
        assert_eq!(&bytes, b"template");
        template.instantiate().unwrap().read(0x1000, &mut bytes).unwrap();
        assert_eq!(&bytes, b"template");
    }

    #[test]
    fn a_sealed_template_cannot_be_written() {
        let error = template().map(libc::MAP_SHARED).expect_err("sealed");
        assert!(matches!(error, MemoryError::Map { .. }), "{error:?}");
    }

    #[test]
    fn accesses_outside_are_errors() {
        let memory = template().instantiate().unwrap();
        assert_eq!(memory.size_bytes(), SIZE);
        for address in [SIZE, SIZE - 7, u64::MAX, u64::MAX - 7] {
            let outside = OutsideMemory { address, size_bytes: 8 };
            assert_eq!(memory.read(address, &mut [0; 8]), Err(outside));
            assert_eq!(memory.write(address, &[0; 8]), Err(outside));
        }
    }

    #[test]
    fn odd_sizes_are_refused() {
        for size in [0, 1, layout::PAGE_SIZE, layout::MEMORY_MIN + 1, layout::MEMORY_END + layout::PAGE_SIZE, u64::MAX]
        {
            let result = Template::new::<MemoryError>(size, |_| Ok(()));
            assert!(matches!(result, Err(MemoryError::Size { size_bytes }) if size_bytes == size));
        }
    }

    #[test]
    fn a_process_that_is_being_started_only_delays_the_seal() {
        let starting = std::sync::Mutex::new(None);
        let template = Template::new::<MemoryError>(SIZE, |_| {
            let (began, begins) = std::os::unix::net::UnixStream::pair().expect("two sockets");
            let mut command = std::process::Command::new("true");
            let descriptor = began.as_raw_fd();
            // SAFETY: 1. both calls are async-signal-safe. 2. the closure touches no memory of the parent.
            unsafe {
                use std::os::unix::process::CommandExt as _;
                command.pre_exec(move || {
                    libc::write(descriptor, c"x".as_ptr().cast(), 1);
                    libc::usleep(100_000);
                    Ok(())
                });
            }
            let thread = std::thread::spawn(move || command.status().map(|status| status.success()));
            io::Read::read_exact(&mut &begins, &mut [0]).expect("the copy says that it is there");
            *starting.lock().expect("nobody panicked") = Some((thread, began));
            Ok(())
        });
        template.expect("it is sealed when the copy is gone");
        let (thread, _began) = starting.into_inner().expect("nobody panicked").expect("it was started");
        assert!(thread.join().expect("it does not panic").expect("it starts"));
    }
}
