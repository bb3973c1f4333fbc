//! What guest memory is made from: a template in a sealed memfd, of which a VM has a copy-on-write view, or a copy in pages of
//! another kind.

#![expect(
    unsafe_code,
    reason = "memfd_create, file seals, holes and advice have no safe wrapper among our dependencies"
)]
// UNSAFETY: system calls on file descriptors and mappings that this module owns.

use super::{GuestMemory, MemoryError, MemoryMap};
use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};
use vm_memory::{
    FileOffset, MmapRegion,
    mmap::{MmapRegionBuilder, MmapRegionError},
};

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
pub(super) const HUGE_PAGE_SIZE: u64 = 2 << 20;

/// What guest memory holds when a VM starts; never changes once it is sealed. What is above 4 GiB holds zeros and takes nothing of
/// the file: pages of a file that are only read are there for good, and those of no file are not.
#[derive(Debug)]
pub(crate) struct Template {
    file: Arc<File>,
    map: MemoryMap,
}

impl Template {
    /// Zeroed memory, of which `fill` may write to what is below 4 GiB before it is sealed.
    pub(crate) fn new<E: From<MemoryError>>(
        size_bytes: u64,
        fill: impl FnOnce(&GuestMemory) -> Result<(), E>,
    ) -> Result<Self, E> {
        Self::of(MemoryMap::new(size_bytes)?, fill)
    }

    /// As [`Self::new`], where memory is to be elsewhere.
    pub(crate) fn of<E: From<MemoryError>>(
        map: MemoryMap,
        fill: impl FnOnce(&GuestMemory) -> Result<(), E>,
    ) -> Result<Self, E> {
        let size_bytes = map.low_bytes();
        let file = create_memfd(size_bytes).map_err(|source| MemoryError::Memfd { size_bytes, source })?;
        let template = Self { file: Arc::new(file), map };
        fill(&GuestMemory::of(map.low(), vec![template.file_pages(libc::MAP_SHARED)?]))?;
        // F_SEAL_WRITE is refused while a writable shared mapping exists: the one above is gone by now.
        seal(&template.file).map_err(|source| MemoryError::Memfd { size_bytes, source })?;
        Ok(template)
    }

    /// A view of its own for one VM: pages are copied when they are first written.
    pub(crate) fn instantiate(&self) -> Result<GuestMemory, MemoryError> {
        let low = self.file_pages(libc::MAP_PRIVATE)?;
        let high = (self.map.high_bytes() > 0).then(|| anonymous_pages(self.map.high_bytes(), Backing::Template));
        Ok(GuestMemory::of(self.map, [Ok(low)].into_iter().chain(high).collect::<Result<_, _>>()?))
    }

    /// As [`Self::instantiate`], or a copy if pages are to be of another kind.
    pub(crate) fn instantiate_in(&self, backing: Backing) -> Result<GuestMemory, MemoryError> {
        if backing == Backing::Template {
            return self.instantiate();
        }
        let regions = self.map.ranges().map(|range| anonymous_pages(range.size_bytes, backing));
        let mut memory = GuestMemory::of(self.map, regions.collect::<Result<_, _>>()?);
        if backing == Backing::HugePages {
            memory = memory.in_pages_of(HUGE_PAGE_SIZE);
        }
        let size_bytes = self.map.size_bytes();
        self.copy_to(&memory).map_err(|source| MemoryError::Memfd { size_bytes, source })?;
        Ok(memory)
    }

    /// Copies what the template holds, without its holes.
    fn copy_to(&self, memory: &GuestMemory) -> io::Result<()> {
        let mut chunk = vec![0; 1 << 20];
        let mut at = 0;
        while let Some(start) = self.seek(at, libc::SEEK_DATA)? {
            let end = self.seek(start, libc::SEEK_HOLE)?.unwrap_or(self.map.low_bytes());
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

    pub(crate) fn map(&self) -> MemoryMap {
        self.map
    }

    pub(super) fn file_pages(&self, sharing: i32) -> Result<MmapRegion, MemoryError> {
        let size_bytes = self.map.low_bytes();
        MmapRegionBuilder::new(size_bytes as usize)
            .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
            // Nothing is reserved: most guests touch a small part of their memory.
            .with_mmap_flags(sharing | libc::MAP_NORESERVE)
            .with_file_offset(FileOffset::from_arc(self.file.clone(), 0))
            .build()
            .map_err(|source| MemoryError::Map { size_bytes, source })
    }
}

/// Zeroed pages of a kind.
fn anonymous_pages(size_bytes: u64, backing: Backing) -> Result<MmapRegion, MemoryError> {
    let (flags, advice) = match backing {
        Backing::Template => (libc::MAP_NORESERVE, None),
        // Reserved at once: a guest that touches a page that is not there would end this process.
        Backing::HugePages => (libc::MAP_HUGETLB | libc::MAP_HUGE_2MB, None),
        Backing::TransparentHuge => {
            (libc::MAP_NORESERVE, Some((libc::MADV_HUGEPAGE, "transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)")))
        }
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
            (Backing::HugePages, MmapRegionError::Mmap(source)) => huge_pages(source),
            (_, source) => MemoryError::Map { size_bytes, source },
        })?;
    if let Some((advice, feature)) = advice {
        // SAFETY: the region is mapped with this size, and neither advice changes what it holds.
        let result = unsafe { libc::madvise(region.as_ptr().cast(), region.size(), advice) };
        if result != 0 {
            return Err(MemoryError::Advice { feature, source: io::Error::last_os_error() });
        }
    }
    Ok(region)
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
