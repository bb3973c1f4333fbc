//! KVM's binary statistics: a cost of a guest that does not depend on the clock.
//!
//! Source: Linux, "Documentation/virt/kvm/api.rst" § 4.133 KVM_GET_STATS_FD.

#![expect(unsafe_code, reason = "kvm-ioctls has no call for KVM_GET_STATS_FD")]
// UNSAFETY: one ioctl that gives a new file descriptor.

use kvm_bindings::KVMIO;
use kvm_ioctls::{VcpuFd, VmFd};
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::FileExt,
    },
};
use vmm_sys_util::ioctl::ioctl;

vmm_sys_util::ioctl_io_nr!(KVM_GET_STATS_FD, KVMIO, 0xce);

/// Offsets within `struct kvm_stats_header`, and its size.
mod header {
    pub(super) const NAME_SIZE: usize = 4;
    pub(super) const NR_DESCRIPTORS: usize = 8;
    pub(super) const DESCRIPTORS: usize = 16;
    pub(super) const DATA: usize = 20;
    pub(super) const SIZE: usize = 24;
}

/// Offsets within `struct kvm_stats_desc`, and its size without the name.
mod descriptor {
    pub(super) const NR_VALUES: usize = 6;
    pub(super) const OFFSET: usize = 8;
    pub(super) const SIZE: usize = 16;
}

/// More than any kernel has; a bound on what is believed of a file.
const NR_DESCRIPTORS_MAX: u32 = 4096;
/// Likewise for the size of a name in bytes.
const NAME_MAX_BYTES: u32 = 1024;

/// Plain values of the VM and of all vCPUs, those of the same name summed. Histograms are left out.
pub(crate) fn collect(vm: &VmFd, vcpus: &[VcpuFd]) -> Vec<(String, u64)> {
    let mut sums = BTreeMap::new();
    let files = [open(vm)].into_iter().chain(vcpus.iter().map(open));
    // A kernel without them has none to tell.
    for file in files.filter_map(Result::ok) {
        for (name, value) in read(&file).unwrap_or_default() {
            *sums.entry(name).or_insert(0_u64) += value;
        }
    }
    sums.into_iter().collect()
}

fn open(fd: &impl AsRawFd) -> io::Result<File> {
    // SAFETY: the descriptor is open for as long as `fd` is borrowed; the request has no argument.
    let stats = unsafe { ioctl(&fd.as_raw_fd(), KVM_GET_STATS_FD()) };
    if stats < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just created and nothing else owns it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(stats) }))
}

fn read(file: &impl FileExt) -> io::Result<Vec<(String, u64)>> {
    let mut header = [0; header::SIZE];
    file.read_exact_at(&mut header, 0)?;
    let name_size = u32_at(&header, header::NAME_SIZE)?;
    let nr_descriptors = u32_at(&header, header::NR_DESCRIPTORS)?;
    if name_size > NAME_MAX_BYTES || nr_descriptors > NR_DESCRIPTORS_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let data_offset = u64::from(u32_at(&header, header::DATA)?);
    let size = descriptor::SIZE + name_size as usize;
    let mut descriptors = vec![0; size * nr_descriptors as usize];
    file.read_exact_at(&mut descriptors, u32_at(&header, header::DESCRIPTORS)?.into())?;
    let mut statistics = Vec::new();
    for one in descriptors.chunks_exact(size) {
        let (fixed, name) = one.split_at(descriptor::SIZE);
        if fixed[descriptor::NR_VALUES..][..2] != [1, 0] {
            continue;
        }
        let mut value = [0; 8];
        file.read_exact_at(&mut value, data_offset + u64::from(u32_at(fixed, descriptor::OFFSET)?))?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        statistics.push((String::from_utf8_lossy(name).into_owned(), u64::from_ne_bytes(value)));
    }
    Ok(statistics)
}

fn u32_at(bytes: &[u8], offset: usize) -> io::Result<u32> {
    let bytes = bytes.get(offset..).and_then(|rest| rest.first_chunk()).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(u32::from_ne_bytes(*bytes))
}
