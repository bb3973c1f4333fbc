//! virtio devices of QEMU's over PCI, with backends that nobody else can see.

use super::{Program, VirtioDevices};
use crate::{
    inherited::{path, path_of, unnamed},
    subjects::devices,
};
use case::{
    Devices,
    devices::{console, disk, gpu, network},
};
use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
    process::Command,
};

/// What there is: over MMIO nothing, because a PC of QEMU's has no such device; and sockets need a kernel's module.
pub(in crate::subjects) const VIRTIO_DEVICES: VirtioDevices =
    VirtioDevices { pci: Devices::all().difference(Devices::SOCKET), mmio: Devices::empty() };

/// What every device is told: to be none of the time before version 1, and to have packed rings.
const MODERN: &str = "disable-legacy=on,packed=on";

/// Files that QEMU inherits.
#[derive(Debug, Default)]
pub(super) struct Backends(Vec<File>);

impl Backends {
    /// Adds the devices of a case to the command line.
    ///
    /// # Errors
    /// If the host lacks a file for one.
    pub(super) fn add(command: &mut Command, program: Program<'_>) -> io::Result<Self> {
        let mut backends = Self::default();
        if let Some(case) = program.case() {
            for device in devices::over_pci(case.needs, case.devices).iter() {
                for (option, value) in backends.arguments(device)? {
                    command.arg(option).arg(value);
                }
            }
        }
        Ok(backends)
    }

    /// Those that the process must inherit.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.0.iter()
    }

    fn arguments(&mut self, device: Devices) -> io::Result<Vec<(&'static str, String)>> {
        let virtio = |text: String| ("-device", format!("{text},{MODERN}"));
        let id = disk::ID;
        Ok(match device {
            Devices::BLOCK => {
                let drive = self.drive("block", false)?;
                vec![drive, virtio(format!("virtio-blk-pci,drive=block,serial={id}"))]
            }
            Devices::READ_ONLY_BLOCK => {
                let drive = self.drive("fixed", true)?;
                vec![drive, virtio(format!("virtio-blk-pci,drive=fixed,serial={id}"))]
            }
            Devices::SCSI => vec![
                self.drive("scsi", false)?,
                virtio("virtio-scsi-pci,id=host".to_owned()),
                ("-device", format!("scsi-hd,bus=host.0,scsi-id=0,lun=0,drive=scsi,serial={id}")),
            ],
            Devices::NETWORK => {
                let mac = network::MAC.map(|byte| format!("{byte:02x}")).join(":");
                vec![
                    // Nothing of what the guest sends leaves the process.
                    ("-netdev", "user,id=network,restrict=on".to_owned()),
                    virtio(format!("virtio-net-pci,netdev=network,mac={mac},romfile=")),
                ]
            }
            Devices::CONSOLE => vec![
                self.looped_back("port0")?,
                self.looped_back("port1")?,
                virtio(format!("virtio-serial-pci,id=ports,max_ports={}", console::NR_PORTS)),
                ("-device", "virtconsole,bus=ports.0,nr=0,chardev=port0".to_owned()),
                ("-device", format!("virtserialport,bus=ports.0,nr=1,chardev=port1,name={}", console::NAME)),
            ],
            Devices::BALLOON => vec![virtio("virtio-balloon-pci".to_owned())],
            Devices::GPU => {
                let (width, height) = gpu::SIZE;
                vec![virtio(format!("virtio-gpu-pci,xres={width},yres={height}"))]
            }
            _ => {
                vec![("-object", "rng-builtin,id=entropy".to_owned()), virtio("virtio-rng-pci,rng=entropy".to_owned())]
            }
        })
    }

    /// A disk in a file without a name.
    fn drive(&mut self, id: &str, is_read_only: bool) -> io::Result<(&'static str, String)> {
        let file = unnamed(&devices::disk_bytes())?;
        let read_only = if is_read_only { "on" } else { "off" };
        let text = format!(
            "driver=raw,node-name={id},read-only={read_only},discard=unmap,\
             file.driver=file,file.filename={},file.locking=off",
            path_of(&file)
        );
        self.0.push(file);
        Ok(("-blockdev", text))
    }

    /// A channel that gives back what it gets: a pipe, both ends of which QEMU opens by one name.
    fn looped_back(&mut self, id: &str) -> io::Result<(&'static str, String)> {
        let (reader, _writer) = io::pipe()?;
        let file = File::from(OwnedFd::from(reader));
        let text = format!("pipe,id={id},path={}", path(file.as_raw_fd()));
        self.0.push(file);
        Ok(("-chardev", text))
    }
}
