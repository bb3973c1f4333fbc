//! Guest memory: a template in a sealed memfd, and a VM's copy-on-write view of it; or a copy of it in pages of another kind.

#![expect(
    unsafe_code,
    reason = "memfd_create, file seals, holes and advice have no safe wrapper among our dependencies"
)]
// UNSAFETY: system calls on file descriptors and mappings that this module owns.

use crate::{dirty::WriteLog, layout};
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
    /// There are not so many huge pages.
    #[error(
        "failed to map {size_bytes:#x} bytes of guest memory in huge pages of {:#x}: the size must be a multiple of that, and \
         /proc/sys/vm/nr_hugepages must have as many free",
        HUGE_PAGE_SIZE
    )]
    HugePages {
        /// The size asked for.
        size_bytes: u64,
        /// Why.
        source: io::Error,
    },
    /// The kernel does not take the advice.
    #[error("this kernel has no {feature}, which guest memory was asked to use")]
    Advice {
        /// What it lacks.
        feature: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// What kind of pages guest memory is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backing {
    /// Those of the image, copied when they are first written. The quickest start.
    #[default]
    Template,
    /// Huge pages of 2 MiB that the host has set aside (hugetlbfs).
    HugePages,
    /// Pages that the host makes huge where it can (transparent huge pages).
    TransparentHuge,
    /// Pages that the host shares with others of the same contents (kernel same-page merging).
    Mergeable,
}

/// Size of a huge page in bytes.
const HUGE_PAGE_SIZE: u64 = 2 << 20;

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
    rom: Option<Rom>,
    written: Option<Arc<WriteLog>>,
}

/// Memory that the guest only reads, behind all other memory; a clone is another reference.
#[derive(Clone, Debug)]
pub(crate) struct Rom {
    region: Arc<GuestRegionMmap<()>>,
}

impl Rom {
    /// One at `address` with these contents, which are whole pages below 4 GiB.
    pub(crate) fn new(address: u64, bytes: &[u8]) -> Result<Self, MemoryError> {
        let size_bytes = bytes.len() as u64;
        let failed = |source| MemoryError::Map { size_bytes, source };
        let region = MmapRegionBuilder::new(bytes.len())
            .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
            .with_mmap_flags(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE)
            .build()
            .map_err(failed)?;
        let region = GuestRegionMmap::new(region, GuestAddress(address))
            .expect("a region below 4 GiB does not reach the end of the space");
        region.write_slice(bytes, vm_memory::MemoryRegionAddress(0)).expect("the region has the size of the bytes");
        Ok(Self { region: Arc::new(region) })
    }

    /// Guest physical address, address in this process and size in bytes, for KVM.
    pub(crate) fn place(&self) -> (u64, u64, u64) {
        (self.region.start_addr().0, self.region.as_ptr() as u64, self.region.len())
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        let offset = address.checked_sub(self.region.start_addr().0)?;
        self.region.read_slice(bytes, vm_memory::MemoryRegionAddress(offset)).ok()
    }
}

impl GuestMemory {
    /// Fills `bytes` from `address` on.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), OutsideMemory> {
        let size_bytes = bytes.len();
        let read = self.inner.read_slice(bytes, GuestAddress(address)).ok();
        read.or_else(|| self.rom.as_ref()?.read(address, bytes)).ok_or(OutsideMemory { address, size_bytes })
    }

    /// Writes `bytes` from `address` on.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutsideMemory> {
        let size_bytes = bytes.len();
        let result = self.inner.write_slice(bytes, GuestAddress(address));
        // Also if a part of them found no place.
        if let Some(written) = &self.written {
            written.note(address, size_bytes);
        }
        result.map_err(|_| OutsideMemory { address, size_bytes })
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

    /// Gives pages back to the host, until the guest touches them again: then they hold zeros, or what the image had there. All of
    /// `size_bytes` from `address` on has to be memory and whole pages, else nothing happens; nor does it if the host's pages are
    /// larger.
    pub fn discard(&self, address: u64, size_bytes: u64) {
        let end = address.checked_add(size_bytes).filter(|end| *end <= self.size_bytes());
        let are_pages = address.is_multiple_of(layout::PAGE_SIZE) && size_bytes.is_multiple_of(layout::PAGE_SIZE);
        let Some(_) = end.filter(|_| are_pages && size_bytes > 0) else { return };
        // SAFETY: the range lies within the one region, which is mapped for as long as `self` exists; guest memory is accessed by
        // nothing that relies on its contents.
        let start = unsafe { self.region().as_ptr().add(address as usize) };
        // SAFETY: as above; a private mapping loses its pages alone.
        let _ = unsafe { libc::madvise(start.cast(), size_bytes as usize, libc::MADV_DONTNEED) };
        if let Some(written) = &self.written {
            written.note(address, size_bytes as usize);
        }
    }

    /// The same memory, of which each write of this VMM is noted from now on; clones made before are not.
    pub(crate) fn with_write_log(self) -> Self {
        Self { written: Some(Arc::new(WriteLog::new(self.size_bytes()))), ..self }
    }

    /// The log of this VMM's writes, if there is one.
    pub(crate) fn written(&self) -> Option<&Arc<WriteLog>> {
        self.written.as_ref()
    }

    /// The same memory with what is only read behind it.
    pub(crate) fn with_rom(self, rom: Rom) -> Self {
        Self { rom: Some(rom), ..self }
    }

    /// What is only read.
    pub(crate) fn rom(&self) -> Option<&Rom> {
        self.rom.as_ref()
    }

    /// Size in bytes; memory starts at 0.
    pub fn size_bytes(&self) -> u64 {
        self.region().len()
    }

    /// Address of the first byte in this process, for KVM.
    pub(crate) fn host_address(&self) -> u64 {
        self.region().as_ptr() as u64
    }

    /// The same memory as crates of rust-vmm know it, for devices: their writes are not noted.
    pub(crate) fn shared(&self) -> virtio::Memory {
        if let Some(written) = &self.written {
            written.note_others();
        }
        self.inner.clone()
    }

    /// The same, for what is written before the VM runs.
    pub(crate) fn before_start(&self) -> &virtio::Memory {
        &self.inner
    }

    fn of(region: vm_memory::MmapRegion) -> Self {
        let region =
            GuestRegionMmap::new(region, GuestAddress(0)).expect("a region at 0 does not reach the end of the space");
        let inner = GuestMemoryMmap::from_regions(vec![region]).expect("one region overlaps nothing");
        Self { inner, rom: None, written: None }
    }

    fn region(&self) -> &GuestRegionMmap<()> {
        // Made in `of` from exactly one region.
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

    /// As [`Self::instantiate`], or a copy if pages are to be of another kind.
    pub(crate) fn instantiate_in(&self, backing: Backing) -> Result<GuestMemory, MemoryError> {
        let size_bytes = self.size_bytes;
        let (flags, advice) = match backing {
            Backing::Template => return self.instantiate(),
            // Reserved at once: a guest that touches a page that is not there would end this process.
            Backing::HugePages => (libc::MAP_HUGETLB | libc::MAP_HUGE_2MB, None),
            Backing::TransparentHuge => (
                libc::MAP_NORESERVE,
                Some((libc::MADV_HUGEPAGE, "transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)")),
            ),
            Backing::Mergeable => (libc::MAP_NORESERVE, Some((libc::MADV_MERGEABLE, "same-page merging (CONFIG_KSM)"))),
        };
        let huge_pages = |source| MemoryError::HugePages { size_bytes, source };
        if backing == Backing::HugePages && !size_bytes.is_multiple_of(HUGE_PAGE_SIZE) {
            return Err(huge_pages(io::ErrorKind::InvalidInput.into()));
        }
        let region = MmapRegionBuilder::new(size_bytes as usize)
            .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
            .with_mmap_flags(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags)
            .build()
            .map_err(|source| match (backing, source) {
                (Backing::HugePages, vm_memory::mmap::MmapRegionError::Mmap(source)) => huge_pages(source),
                (_, source) => MemoryError::Map { size_bytes, source },
            })?;
        if let Some((advice, feature)) = advice {
            // SAFETY: the region is mapped with this size, and neither advice changes what it holds.
            let result = unsafe { libc::madvise(region.as_ptr().cast(), region.size(), advice) };
            if result != 0 {
                return Err(MemoryError::Advice { feature, source: io::Error::last_os_error() });
            }
        }
        let memory = GuestMemory::of(region);
        self.copy_to(&memory).map_err(|source| MemoryError::Memfd { size_bytes, source })?;
        Ok(memory)
    }

    /// Copies what the template holds, without its holes.
    fn copy_to(&self, memory: &GuestMemory) -> io::Result<()> {
        let mut chunk = vec![0; 1 << 20];
        let mut at = 0;
        while let Some(start) = self.seek(at, libc::SEEK_DATA)? {
            let end = self.seek(start, libc::SEEK_HOLE)?.unwrap_or(self.size_bytes);
            at = start;
            while at < end {
                let size = (end - at).min(chunk.len() as u64) as usize;
                std::os::unix::fs::FileExt::read_exact_at(&*self.file, &mut chunk[..size], at)?;
                memory.write(at, &chunk[..size]).map_err(io::Error::other)?;
                at += size as u64;
            }
        }
        Ok(())
    }

    /// The next byte of data or of a hole from `from` on, if there is one.
    fn seek(&self, from: u64, whence: i32) -> io::Result<Option<u64>> {
        // SAFETY: the descriptor is open for as long as `self` is borrowed; its position is used by nobody.
        let at = unsafe { libc::lseek(self.file.as_raw_fd(), from as i64, whence) };
        match u64::try_from(at) {
            Ok(at) => Ok(Some(at)),
            Err(_) => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
                error => Err(error),
            },
        }
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
        Ok(GuestMemory::of(region))
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
    fn pages_that_are_given_back_hold_what_the_template_holds() {
        let memory = template().instantiate().unwrap();
        memory.write(0x1000, b"changed!").unwrap();
        memory.write(0x2000, b"changed!").unwrap();
        let at = |address| {
            let mut bytes = [0; 8];
            memory.read(address, &mut bytes).unwrap();
            bytes
        };
        // What is not whole pages of memory stays as it is.
        for (address, size) in
            [(0x1001, 0x1000), (0x1000, 0xfff), (SIZE, 0x1000), (0x1000, u64::MAX - 0xfff), (0x1000, 0)]
        {
            memory.discard(address, size);
        }
        assert_eq!([at(0x1000), at(0x2000)], [*b"changed!"; 2]);
        memory.discard(0x1000, 0x2000);
        assert_eq!([at(0x1000), at(0x2000)], [*b"template", [0; 8]]);
    }

    #[test]
    fn copies_in_pages_of_another_kind_hold_what_the_template_holds() {
        let template = Template::new::<MemoryError>(8 << 20, |memory| {
            // On both sides of a hole, and over the end of a chunk of copying.
            for address in [0x1000, (4 << 20) - 8, (7 << 20) - 4, (8 << 20) - 8] {
                memory.write(address, b"template").expect("within memory");
            }
            Ok(())
        })
        .unwrap();
        for backing in [Backing::TransparentHuge, Backing::Mergeable, Backing::HugePages] {
            let memory = match template.instantiate_in(backing) {
                Ok(memory) => memory,
                // What the host does not offer says what it is.
                Err(MemoryError::HugePages { .. } | MemoryError::Advice { .. }) => continue,
                Err(error) => panic!("{backing:?}: {error}"),
            };
            let mut bytes = [0; 8];
            for (address, expected) in [(0x1000, b"template"), (0x2000, &[0; 8]), ((7 << 20) - 4, b"template")] {
                memory.read(address, &mut bytes).unwrap();
                assert_eq!(&bytes, expected, "{backing:?} at {address:#x}");
            }
            memory.write(0x1000, b"changed!").unwrap();
        }
        template.instantiate().unwrap().read(0x1000, &mut [0; 8]).unwrap();
        let odd = Template::new::<MemoryError>(1 << 20, |_| Ok(())).unwrap();
        assert!(matches!(odd.instantiate_in(Backing::HugePages), Err(MemoryError::HugePages { .. })));
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
