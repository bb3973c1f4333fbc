//! Moving a VM to another VMM while it runs.
//!
//! Memory goes first, while the guest runs: all of it, and then, round by round, what was written meanwhile. Then the guest is
//! suspended, what is left goes, and the state of all else as [`Vm::save`] writes it. The destination makes a VM of the same
//! [`VmConfig`], and answers when that stands; until then the source can go on.
//!
//! The checksums are against accidents: who can write to the stream can do what the guest's processor can.

mod stream;

pub use stream::StreamError;

use crate::{
    chain::chain,
    config::VmConfig,
    create::VmError,
    dirty::{DirtyError, DirtyPages, PageSet},
    faults::SavedFault,
    host::Hypervisor,
    image::Image,
    layout::PAGE_SIZE,
    memory::{GuestMemory, OutsideMemory},
    save::{Elapsed, RestoreError, SaveError},
    vm::Vm,
};
use std::io::{Read, Write};
use stream::{Kind, MEMORY_MAX, read_header, read_record, write_header, write_record};
use vm_state::{Reader, memory::is_zero};

/// Why a VM did not move.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The stream broke, or makes no sense.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Guest memory could not be read, or there is not so much of it.
    #[error(transparent)]
    Memory(#[from] OutsideMemory),
    /// What was written could not be told.
    #[error(transparent)]
    Dirty(#[from] DirtyError),
    /// The VM was made without [`VmConfig::tracking`].
    #[error("the VM was not made to be migrated: nobody keeps account of what it writes")]
    NotTracked,
    /// The state could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The destination could not make a VM.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// The destination could not take the state.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The VMs have memory of different sizes.
    #[error("the VM that came has {came} bytes of memory, and this one {here}")]
    MemorySize {
        /// Of the source.
        came: u64,
        /// Of the destination.
        here: u64,
    },
    /// The destination said no.
    #[error("the destination refused: {0}")]
    Refused(String),
}

/// A VM that is on its way to another VMM.
#[derive(Debug)]
pub struct Outgoing<S> {
    stream: S,
    /// Bytes of guest memory that went, without those of zeros.
    nr_bytes: u64,
}

impl<S: Read + Write> Outgoing<S> {
    /// Begins.
    ///
    /// # Errors
    /// If the stream cannot be written to.
    pub fn new(mut stream: S, memory: &GuestMemory) -> Result<Self, MigrationError> {
        write_header(&mut stream, memory.size_bytes())?;
        Ok(Self { stream, nr_bytes: 0 })
    }

    /// How many bytes of memory went so far, without those of zeros.
    pub fn nr_bytes(&self) -> u64 {
        self.nr_bytes
    }

    /// Sends pages as they are now, also while they are written: see [`DirtyPages::take`].
    ///
    /// # Errors
    /// If the stream cannot be written to.
    pub fn send(&mut self, memory: &GuestMemory, pages: &PageSet) -> Result<(), MigrationError> {
        let mut buffer = vec![0; MEMORY_MAX as usize];
        for (first, count) in pages.runs(MEMORY_MAX / PAGE_SIZE) {
            let (address, size_bytes) = (first * PAGE_SIZE, count * PAGE_SIZE);
            let bytes = &mut buffer[..size_bytes as usize];
            memory.read(address, bytes)?;
            self.send_run(address, bytes)?;
        }
        Ok(())
    }

    /// Sends neighbouring pages, those of zeros without their contents.
    fn send_run(&mut self, address: u64, bytes: &[u8]) -> Result<(), MigrationError> {
        let mut at = address;
        for run in bytes.chunk_by_pages() {
            let place = (at, run.len() as u64);
            if is_zero(run) {
                write_record(&mut self.stream, Kind::Zeros, place, &[])?;
            } else {
                write_record(&mut self.stream, Kind::Memory, place, run)?;
                self.nr_bytes += run.len() as u64;
            }
            at += run.len() as u64;
        }
        Ok(())
    }

    /// Sends all memory, and then rounds of what was written meanwhile, until `enough` says so of the number of rounds and of the
    /// pages of the last one. To be called while the VM runs.
    ///
    /// # Errors
    /// See [`MigrationError`]; the VM goes on.
    pub fn precopy(
        &mut self,
        memory: &GuestMemory,
        dirty: &DirtyPages,
        mut enough: impl FnMut(u32, u64) -> bool,
    ) -> Result<(), MigrationError> {
        dirty.start()?;
        let mut pages = PageSet::all(memory.map());
        for round in 1.. {
            self.send(memory, &pages)?;
            if enough(round, pages.count()) {
                break;
            }
            pages = dirty.take()?;
        }
        Ok(())
    }

    /// Sends what is left of a VM that does not run any more, and waits for the answer.
    ///
    /// # Errors
    /// See [`MigrationError`]. After any but a broken connection the VM stands here alone, and can go on.
    pub fn finish(mut self, vm: &mut Vm, hypervisor: &Hypervisor) -> Result<(), MigrationError> {
        let dirty = vm.dirty_pages().cloned().ok_or(MigrationError::NotTracked)?;
        // Before the last pages: it completes what an exit left to be done, to memory, too.
        let state = vm.save_state(hypervisor)?.finish();
        let mut pages = dirty.take()?;
        if !dirty.is_complete() {
            pages = PageSet::all(vm.memory().map());
        }
        if vm.loses == Some(SavedFault::DirtyPages) {
            pages = pages.without_each_second();
        }
        self.send(vm.memory(), &pages)?;
        write_record(&mut self.stream, Kind::State, (0, state.len() as u64), &state)?;
        self.stream.flush().map_err(StreamError::from)?;
        let answer = read_record(&mut self.stream)?;
        match answer.kind {
            Kind::Restored => Ok(()),
            Kind::Refused => Err(MigrationError::Refused(String::from_utf8_lossy(&answer.contents).into_owned())),
            kind => Err(senseless(kind, answer.address, answer.size_bytes)),
        }
    }
}

/// Splits bytes of whole pages where pages of zeros begin or end.
trait ByPages {
    fn chunk_by_pages(&self) -> impl Iterator<Item = &[u8]>;
}

impl ByPages for [u8] {
    fn chunk_by_pages(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let mut pages = rest.chunks(PAGE_SIZE as usize).map(is_zero);
            let first = pages.next()?;
            let nr_pages = 1 + pages.take_while(|is_zero| *is_zero == first).count();
            let (run, behind) = rest.split_at((nr_pages * PAGE_SIZE as usize).min(rest.len()));
            rest = behind;
            Some(run)
        })
    }
}

fn senseless(kind: Kind, address: u64, size_bytes: u64) -> MigrationError {
    StreamError::Record { kind: kind as u32, address, size_bytes }.into()
}

impl Vm {
    /// Takes a VM that comes by a stream, into one of the shape of `config`. `image` is what the memory is made from where most of
    /// it is as the image has it; it is not entered.
    ///
    /// # Errors
    /// See [`MigrationError`]; the source is told, too.
    pub fn receive(
        mut stream: impl Read + Write,
        hypervisor: &Hypervisor,
        image: &Image,
        config: VmConfig,
        elapsed: Elapsed,
    ) -> Result<Self, MigrationError> {
        let result = Self::receive_all(&mut stream, hypervisor, image, config, elapsed);
        let (kind, text) = match &result {
            Ok(_) => (Kind::Restored, String::new()),
            Err(error) => (Kind::Refused, chain(error)),
        };
        let answered =
            write_record(&mut stream, kind, (0, text.len() as u64), text.as_bytes()).and_then(|()| Ok(stream.flush()?));
        let vm = result?;
        // Without an answer the source goes on, and there must not be two.
        answered?;
        Ok(vm)
    }

    fn receive_all(
        stream: &mut impl Read,
        hypervisor: &Hypervisor,
        image: &Image,
        config: VmConfig,
        elapsed: Elapsed,
    ) -> Result<Self, MigrationError> {
        let came = read_header(stream)?;
        let mut vm = Self::assemble(hypervisor, image, config, false)?;
        let here = vm.memory.size_bytes();
        if came != here {
            return Err(MigrationError::MemorySize { came, here });
        }
        let zeros = vec![0; PAGE_SIZE as usize];
        loop {
            let record = read_record(stream)?;
            match record.kind {
                Kind::Memory => write_changed(&vm.memory, record.address, &record.contents)?,
                Kind::Zeros => {
                    if !vm.memory.map().contains(record.address, record.size_bytes) {
                        return Err(senseless(record.kind, record.address, record.size_bytes));
                    }
                    let end = record.address + record.size_bytes;
                    for at in (record.address..end).step_by(zeros.len()) {
                        write_changed(&vm.memory, at, &zeros[..(end - at).min(PAGE_SIZE) as usize])?;
                    }
                }
                Kind::State => {
                    let reader = Reader::new(&record.contents).map_err(RestoreError::from)?;
                    vm.restore_state(&reader, elapsed)?;
                    return Ok(vm);
                }
                kind => return Err(senseless(kind, record.address, record.size_bytes)),
            }
        }
    }
}

/// Writes pages that are not so already: most of a new VM's memory is as that of the one that comes.
fn write_changed(memory: &GuestMemory, address: u64, bytes: &[u8]) -> Result<(), OutsideMemory> {
    let mut page = [0; PAGE_SIZE as usize];
    for (at, wanted) in (address..).step_by(page.len()).zip(bytes.chunks(page.len())) {
        let page = &mut page[..wanted.len()];
        memory.read(at, page)?;
        if page != wanted {
            memory.write(at, wanted)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_zeros_and_of_others_are_split() {
        let page = PAGE_SIZE as usize;
        let mut bytes = vec![0; 6 * page];
        (bytes[2 * page], bytes[4 * page - 1], bytes[5 * page]) = (1, 1, 1);
        let sizes: Vec<_> = bytes.chunk_by_pages().map(|run| run.len() / page).collect();
        assert_eq!(sizes, [2, 2, 1, 1]);
        assert_eq!([0_u8; 0].chunk_by_pages().count(), 0);
    }
}
