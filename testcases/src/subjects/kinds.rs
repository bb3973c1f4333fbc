//! Which subjects there are, and opening one by its name.

use super::{
    Image, Subject, SubjectError, VirtioDevices, bochs, cloud_hypervisor, crosvm, firecracker, kvm, linux, plain, qemu,
};
use case::Needs;
use std::{path::Path, sync::Arc};

/// Opens a subject, given its name, the path after `=` if there is one, and the image.
type Open = fn(&'static str, Option<&Path>, &Arc<Image>) -> Result<Box<dyn Subject>, SubjectError>;

/// A kind of subject: its name, what it is, and how to open it, given the path after `=`, if any.
pub struct Kind {
    /// Its name on the command line.
    pub id: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// The subject whose known failures hold for this one too, but for cases of which its own baseline has an entry.
    pub like: Option<&'static str>,
    /// What its board offers.
    pub board: Needs,
    /// The virtio devices that it can have.
    pub virtio_devices: VirtioDevices,
    open: Open,
}

/// Every kind of subject.
pub const KINDS: &[Kind] = &[
    Kind {
        id: "vmm",
        title: "our VMM on this host's KVM",
        like: None,
        board: kvm::BOARD,
        virtio_devices: VirtioDevices::OURS,
        open: kvm::open,
    },
    Kind {
        id: "qemu-kvm",
        title: "QEMU on this host's KVM",
        like: Some("vmm"),
        board: qemu::BOARD,
        virtio_devices: qemu::VIRTIO_DEVICES,
        open: qemu::open_kvm,
    },
    Kind {
        id: "qemu-tcg",
        title: "QEMU's own translator",
        like: None,
        board: qemu::TCG_BOARD,
        virtio_devices: qemu::VIRTIO_DEVICES,
        open: qemu::open_tcg,
    },
    Kind {
        id: "qemu-tcg-intel",
        title: "QEMU's own translator as a processor of Intel's",
        like: Some("qemu-tcg"),
        board: qemu::TCG_BOARD,
        virtio_devices: qemu::VIRTIO_DEVICES,
        open: qemu::open_tcg_intel,
    },
    Kind {
        id: "bochs",
        title: "Bochs as a processor of Intel's",
        like: None,
        board: bochs::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: bochs::open_intel,
    },
    Kind {
        id: "bochs-amd",
        title: "Bochs as a processor of AMD's",
        like: Some("bochs"),
        board: bochs::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: bochs::open_amd,
    },
    Kind {
        id: "firecracker",
        title: "Firecracker on this host's KVM",
        like: Some("vmm"),
        board: firecracker::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: |id, path, image| plain::open(id, path, image, &firecracker::RECIPE),
    },
    Kind {
        id: "cloud-hypervisor",
        title: "Cloud Hypervisor on this host's KVM",
        like: Some("vmm"),
        board: cloud_hypervisor::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: |id, path, image| plain::open(id, path, image, &cloud_hypervisor::RECIPE),
    },
    Kind {
        id: "crosvm",
        title: "crosvm on this host's KVM",
        like: Some("vmm"),
        board: crosvm::BOARD,
        virtio_devices: VirtioDevices::NONE,
        open: |id, path, image| plain::open(id, path, image, &crosvm::RECIPE),
    },
    Kind {
        id: "linux",
        title: "our VMM on the KVM of another kernel",
        like: None,
        board: linux::BOARD,
        virtio_devices: VirtioDevices::OURS,
        open: linux::open,
    },
    Kind {
        id: "linux-npt0",
        title: "our VMM on the KVM of another kernel, with shadow paging",
        like: Some("linux"),
        board: linux::BOARD,
        virtio_devices: VirtioDevices::OURS,
        open: linux::open,
    },
];

/// What some subject of this program may offer; what a processor offers only its probe tells.
pub fn offerable() -> Needs {
    KINDS.iter().fold(Needs::PROCESSOR, |offers, kind| offers | kind.board)
}

/// The virtio devices that some subject of this program has.
pub fn offerable_devices() -> VirtioDevices {
    KINDS.iter().fold(VirtioDevices::NONE, |offers, kind| offers.union(kind.virtio_devices))
}

/// The subject whose known failures hold for this one too.
pub(crate) fn like(id: &str) -> Option<&'static str> {
    KINDS.iter().find(|kind| kind.id == id)?.like
}

/// The names of all kinds.
pub fn names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.id).collect()
}

/// The subjects of a list that was cut at its commas: the options of a kernel under test have commas of their own.
pub fn joined(pieces: &[String]) -> Vec<String> {
    linux::with_options(pieces)
}

/// Opens what the command line names: `ID`, `ID=PATH` with the path of the hypervisor's program, or `ID:KERNEL` with that
/// of a kernel under test and its options.
///
/// # Errors
/// [`SubjectError`], which says what is missing and what to do.
pub fn open(name: &str, image: &Arc<Image>) -> Result<Box<dyn Subject>, SubjectError> {
    let kernel = name.split_once(':').filter(|(id, _)| id.starts_with("linux"));
    let (id, path) = match kernel.or_else(|| name.split_once('=')) {
        Some((id, path)) => (id, Some(Path::new(path))),
        None => (name, None),
    };
    let kind = KINDS.iter().find(|kind| kind.id == id).ok_or_else(|| SubjectError::Unknown { name: id.to_owned() })?;
    (kind.open)(kind.id, path, image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_of_a_board_is_offered_by_a_kind_of_subject() {
        let unoffered = Needs::all().difference(offerable());
        assert!(unoffered.is_empty(), "no board offers {unoffered:?}");
    }

    #[test]
    fn every_kind_of_virtio_device_is_offered_by_a_kind_of_subject() {
        let VirtioDevices { pci, mmio } = offerable_devices();
        assert_eq!(case::Devices::all().difference(pci | mmio), case::Devices::empty());
    }

    #[test]
    fn a_board_offers_no_property_of_a_processor() {
        for kind in KINDS {
            assert!(!kind.board.intersects(Needs::PROCESSOR), "{}", kind.id);
        }
    }
}
