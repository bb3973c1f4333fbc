//! Bochs' option file and its debugger's script.

use crate::inherited::path;
use crate::subjects::loader::layout::{IMAGE, MEMORY_MIB, ROM, START_INFO};
use std::os::fd::RawFd;

/// What a machine is made of: descriptors that Bochs inherits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    /// The CPU model.
    pub(super) model: &'static str,
    /// How many processors there are.
    pub(super) nr_vcpus: u32,
    /// The system ROM.
    pub(super) rom: RawFd,
    /// The ROM in the place of the video BIOS.
    pub(super) video: RawFd,
    /// The page of the start info.
    pub(super) start_info: RawFd,
    /// What stands in memory from [`IMAGE`] on.
    pub(super) image: RawFd,
}

/// Instructions per second of Bochs' own clock, which the host's has no part in, and so the rate of the time-stamp counter.
/// Devices wait by it: the fewer, the fewer instructions a wait takes.
pub(super) const INSTRUCTIONS_PER_SECOND: u64 = 4_000_000;

/// Runs until something stops the guest; then Bochs tells where it stands, and ends.
pub(super) const SCRIPT: &str = "c\nq\n";

/// The option file.
pub(super) fn file(machine: Machine) -> String {
    let Machine { model, nr_vcpus, rom, video, start_info, image } = machine;
    let [rom, video, start_info, image] = [rom, video, start_info, image].map(path);
    // The display writes to the standard output too, so that COM1 is the standard error, where Bochs itself writes only
    // before and after the guest runs. Events of all levels are told by the log, of which only panics are wanted: the
    // third exception, and what Bochs gives up for.
    format!(
        "memory: guest={MEMORY_MIB}, host={MEMORY_MIB}\n\
         romimage: file={rom}, address={ROM:#x}, options=none\n\
         vgaromimage: file={video}\n\
         optramimage1: file={start_info}, address={START_INFO:#x}\n\
         optramimage2: file={image}, address={IMAGE:#x}\n\
         cpu: model={model}, count={nr_vcpus}, ips={INSTRUCTIONS_PER_SECOND}, reset_on_triple_fault=0, ignore_bad_msrs=0\n\
         clock: sync=none, time0=946684800\n\
         display_library: term\n\
         vga: extension=none, update_freq=1, realtime=0\n\
         sound: driver=dummy\n\
         plugin_ctrl: parallel=0, gameport=0, speaker=0, extfpuirq=0\n\
         floppya: type=none\n\
         ata0: enabled=0\n\
         com1: enabled=1, mode=file, dev=/proc/self/fd/2\n\
         log: /proc/self/fd/1\n\
         panic: action=report\n\
         error: action=ignore\n\
         info: action=ignore\n\
         debug: action=ignore\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_file_names_every_part() {
        let machine = Machine { model: "tigerlake", nr_vcpus: 2, rom: 3, video: 4, start_info: 5, image: 6 };
        let text = file(machine);
        for line in [
            "romimage: file=/proc/self/fd/3, address=0xffff0000, options=none",
            "vgaromimage: file=/proc/self/fd/4",
            "optramimage1: file=/proc/self/fd/5, address=0x1e0000",
            "optramimage2: file=/proc/self/fd/6, address=0x200000",
            "com1: enabled=1, mode=file, dev=/proc/self/fd/2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
        }
        assert!(text.contains("cpu: model=tigerlake, count=2, "), "{text}");
    }
}
