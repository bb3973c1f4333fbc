//! A copy of guest memory that is kept up to date by nothing but what is logged of writes.

use crate::chain::chain;
use std::sync::Arc;
use vmm::{DirtyPages, GuestMemory, Vm};

const PAGE_SIZE: usize = 4096;
/// What is compared at once in bytes.
const CHUNK_SIZE: usize = 256 * PAGE_SIZE;

/// The copy.
#[derive(Debug)]
pub(super) struct Shadow {
    copy: Vec<u8>,
    memory: GuestMemory,
    dirty: Arc<DirtyPages>,
}

impl Shadow {
    /// A copy of memory as it is now; from now on writes are logged.
    pub(super) fn new(vm: &Vm) -> Result<Self, String> {
        let dirty = vm.dirty_pages().ok_or("nobody keeps account of what the machine writes")?.clone();
        dirty.start().map_err(|error| chain(&error))?;
        let memory = vm.memory().clone();
        let mut copy = vec![0; memory.size_bytes() as usize];
        memory.read(0, &mut copy).map_err(|error| chain(&error))?;
        Ok(Self { copy, memory, dirty })
    }

    /// Copies the pages that were logged. Nobody runs.
    pub(super) fn update(&mut self) -> Result<(), String> {
        for number in self.dirty.take().map_err(|error| chain(&error))?.numbers() {
            let at = number as usize * PAGE_SIZE;
            if let Some(page) = self.copy.get_mut(at..at + PAGE_SIZE) {
                self.memory.read(at as u64, page).map_err(|error| chain(&error))?;
            }
        }
        Ok(())
    }

    /// The first byte that is not as in memory, told with its page: it was written, and nobody logged it.
    pub(super) fn difference(&self) -> Result<Option<String>, String> {
        let mut chunk = vec![0; CHUNK_SIZE];
        for (at, copied) in (0..).step_by(CHUNK_SIZE).zip(self.copy.chunks(CHUNK_SIZE)) {
            let chunk = &mut chunk[..copied.len()];
            self.memory.read(at, chunk).map_err(|error| chain(&error))?;
            if chunk == copied {
                continue;
            }
            let found = chunk.iter().zip(copied).zip(at..).find(|((memory, copied), _)| memory != copied);
            if let Some(((memory, copied), address)) = found {
                let (page, offset) = (address / PAGE_SIZE as u64, address % PAGE_SIZE as u64);
                return Ok(Some(format!(
                    "page {page:#x} was written without being logged: at offset {offset:#x} it is {memory:#04x}, and was \
                     {copied:#04x} when it was logged last"
                )));
            }
        }
        Ok(None)
    }
}
