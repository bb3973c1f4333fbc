//! The virtio devices that the command line or a control socket asks for.

use crate::{
    arguments::Run,
    choices::{DiskBus, DiskChoice, NetworkChoice, SocketChoice},
    tell,
};
use anyhow::{Context, bail};
use pci::Slot;
use std::{
    fs::{self, File},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use virtio::{
    VirtioDevice,
    devices::{
        Announcement, Balloon, BalloonControl, Block, BlockControl, Channel, Console, Discard, Entropy, FrameBuffer,
        FrameFile, Gpu, HostStack, LinkState, Network, NetworkOptions, Port, Scsi, ScsiBus, Socket,
    },
    disk::{self, OpenDisk},
};
use vmm::{GuestMemory, tap};

/// The address of the first network device: locally administered, with the prefix that QEMU's have.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Pixels of a screen, until its driver asks for others.
const SCREEN: (u16, u16) = (1024, 768);

/// What a device is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Disk(DiskChoice),
    Scsi(Vec<DiskChoice>),
    Network(NetworkChoice, [u8; 6]),
    Console(Vec<PathBuf>),
    Random,
    Balloon,
    Screen,
    Socket(SocketChoice),
}

/// A device, where it is, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) id: String,
    pub(crate) slot: Slot,
    pub(crate) kind: Kind,
}

/// Guest memory, once there is some.
pub(crate) type LateMemory = Arc<OnceLock<GuestMemory>>;

/// What is left in the hands of this program of a device that is plugged.
#[derive(Default)]
pub(crate) struct Handles {
    pub(crate) balloon: Option<BalloonControl>,
    pub(crate) disk: Option<BlockControl>,
    pub(crate) bus: Option<ScsiBus>,
    pub(crate) link: Option<LinkState>,
    pub(crate) announcement: Option<Announcement>,
    pub(crate) screen: Option<FrameBuffer>,
    _sockets: Sockets,
}

/// Names of Unix sockets that this process made.
#[derive(Default)]
struct Sockets(Vec<PathBuf>);

impl Drop for Sockets {
    fn drop(&mut self) {
        for path in &self.0 {
            // If it is gone already, that is what was wanted.
            let _ = fs::remove_file(path);
        }
    }
}

/// All that the command line asks for, in the order of their slots.
pub(crate) fn asked_for(run: &Run) -> anyhow::Result<Vec<Spec>> {
    let mut kinds = Vec::new();
    let (on_scsi, disks): (Vec<_>, Vec<_>) = run.disk.iter().cloned().partition(|disk| disk.bus == DiskBus::Scsi);
    for (index, disk) in disks.into_iter().enumerate() {
        kinds.push((format!("disk{index}"), Kind::Disk(disk)));
    }
    for (index, network) in (0_u8..).zip(&run.net) {
        kinds.push((format!("net{index}"), Kind::Network(network.clone(), address_of(index))));
    }
    if !run.console.is_empty() {
        kinds.push(("console0".into(), Kind::Console(run.console.clone())));
    }
    let single = [
        (run.rng, "rng0", Kind::Random),
        (!on_scsi.is_empty(), "scsi0", Kind::Scsi(on_scsi)),
        (run.balloon, "balloon0", Kind::Balloon),
        (run.gpu, "gpu0", Kind::Screen),
    ];
    kinds.extend(single.into_iter().filter(|(asked, ..)| *asked).map(|(_, id, kind)| (id.to_owned(), kind)));
    if let Some(socket) = &run.vsock {
        kinds.push(("vsock0".into(), Kind::Socket(socket.clone())));
    }
    // The bridge has the first.
    let nr_free = Slot::COUNT - 1;
    if kinds.len() > nr_free {
        bail!("there are {} virtio devices, and slots for {nr_free}", kinds.len());
    }
    let slots = (1..).map_while(Slot::new);
    Ok(kinds.into_iter().zip(slots).map(|((id, kind), slot)| Spec { id, slot, kind }).collect())
}

/// The address of a network device that was given none.
pub(crate) fn address_of(index: u8) -> [u8; 6] {
    let mut address = MAC;
    address[5] = address[5].wrapping_add(index);
    address
}

/// Makes a device.
pub(crate) fn make(spec: &Spec, memory: &LateMemory) -> anyhow::Result<(Box<dyn VirtioDevice>, Handles)> {
    let mut handles = Handles::default();
    let device: Box<dyn VirtioDevice> = match &spec.kind {
        Kind::Disk(choice) => {
            let mut disk = Block::new(open(choice)?.disk, &spec.id, 1);
            handles.disk = Some(disk.control().context("cannot use a disk")?);
            Box::new(disk)
        }
        Kind::Scsi(choices) => {
            let scsi = Scsi::new(1).context("cannot use --disk with bus=scsi")?;
            for (target, choice) in (0_u8..).zip(choices) {
                let disk = open(choice)?.disk;
                scsi.bus()
                    .attach(target, disk, &format!("{}-{target}", spec.id))
                    .context("cannot use --disk with bus=scsi")?;
            }
            handles.bus = Some(scsi.bus());
            Box::new(scsi)
        }
        Kind::Network(choice, mac) => {
            let options = NetworkOptions::new(*mac);
            let network = match choice {
                NetworkChoice::User => Network::new(options, HostStack::new()),
                NetworkChoice::Tap(name) => {
                    Network::new(options, FrameFile::new(tap::open(name).context("cannot use --net")?))
                }
            };
            let network = network.context("cannot use --net")?;
            handles.link = Some(network.link_state());
            handles.announcement = Some(network.announcement());
            Box::new(network)
        }
        Kind::Console(paths) => {
            let sockets = &mut handles._sockets;
            let ports = paths.iter().map(|path| port(path, sockets)).collect::<anyhow::Result<Vec<_>>>()?;
            Box::new(Console::new(ports).context("cannot use --console")?)
        }
        Kind::Random => Box::new(Entropy::new(File::open("/dev/urandom").context("cannot use --rng")?)),
        Kind::Balloon => {
            let balloon = Balloon::new(Giver(memory.clone())).context("cannot use --balloon")?;
            handles.balloon = Some(balloon.control());
            Box::new(balloon)
        }
        Kind::Screen => {
            let screen = FrameBuffer::new();
            let gpu = Gpu::new(SCREEN.0, SCREEN.1, screen.clone()).context("cannot use --gpu")?;
            handles.screen = Some(screen);
            Box::new(gpu)
        }
        Kind::Socket(SocketChoice { cid, path }) => Box::new(Socket::new(*cid, path).context("cannot use --vsock")?),
    };
    Ok((device, handles))
}

/// Gives what a balloon has back to the host.
struct Giver(LateMemory);

impl Discard for Giver {
    fn discard(&mut self, address: u64, size_bytes: u64) {
        if let Some(memory) = self.0.get() {
            memory.discard(address, size_bytes);
        }
    }
}

fn open(choice: &DiskChoice) -> anyhow::Result<OpenDisk> {
    let opened = disk::open(&choice.path, choice.options).context("cannot use a disk")?;
    if opened.nr_ignored_bytes != 0 {
        let path = choice.path.display();
        tell(&format!("vmm: the last {} bytes of {path} are no whole sector: left out", opened.nr_ignored_bytes));
    }
    Ok(opened)
}

/// A console at a Unix socket.
fn port(path: &Path, sockets: &mut Sockets) -> anyhow::Result<Port> {
    let failed = || format!("cannot listen at {} for --console: remove it if it is left over", path.display());
    let listener = UnixListener::bind(path).with_context(failed)?;
    sockets.0.push(path.to_owned());
    Ok(Port::console(Channel::listen(listener).with_context(failed)?))
}
