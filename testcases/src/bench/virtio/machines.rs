//! Both sides: our VMM in this process, and QEMU, with the same guest, file and socket.

use super::{
    super::loops::{self, ENTRY, PORT},
    guest::{self, EXIT_PORT, Told},
    layout::{Device as Kind, MEMORY_BYTES, Prepared, SEED},
    rom,
    setup::SLOT,
};
use crate::{
    inherited::{path_of, unnamed},
    process::{Output, Patience, Process},
};
use anyhow::{Context as _, bail};
use std::{
    fs::File,
    net::UdpSocket,
    os::fd::{AsRawFd as _, OwnedFd},
    process::Command,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};
use virtio::{
    VirtioDevice,
    devices::{Block, FrameFile, Network, NetworkOptions},
    disk::RawDisk,
};
use vmm::{
    Device, Entry, Flow, GuestMemory, Hypervisor, Image, Irqchip, Location, NoObserver, Notifications, Region,
    StopReason, Vm, VmConfig,
    devices::{DebugExit, PciHost},
};

/// How long a run may take: one that lost a buffer never ends by itself.
const LIMIT: Duration = Duration::from_secs(60);
/// Where our registers are, and where QEMU's: in the first and in the fifth base address register.
const OUR_BAR: u32 = 0x10;
const QEMU_BAR: u32 = 0x20;
/// What is kept of QEMU's own words in bytes.
const MAX_WORDS: usize = 4096;

/// What is behind the device.
pub(super) enum Behind<'a> {
    /// A disk.
    File(&'a File),
    /// A socket whose frames come back.
    Socket(&'a UdpSocket),
}

fn image(kind: Kind, bar: u32, nr_buffers: u64) -> anyhow::Result<Vec<u8>> {
    let code = guest::code(kind, bar, nr_buffers).context("failed to assemble the guest")?;
    Ok(Prepared::new(&code, kind, &mut { SEED }).into_bytes())
}

/// Runs the guest on our VMM.
pub(super) fn run_ours(
    hypervisor: &Hypervisor,
    kind: Kind,
    behind: &Behind<'_>,
    notifications: Notifications,
    nr_buffers: u64,
) -> anyhow::Result<Told> {
    let image = Image::from_bytes(&loops::image(&image(kind, OUR_BAR, nr_buffers)?), MEMORY_BYTES)?;
    let device: Box<dyn VirtioDevice> = match behind {
        Behind::File(file) => Box::new(Block::new(Box::new(RawDisk::new(file.try_clone()?, true)?), "bench", 1)),
        Behind::Socket(socket) => {
            let link = FrameFile::new(File::from(OwnedFd::from(socket.try_clone()?)));
            Box::new(Network::new(NetworkOptions::new([2, 0, 0, 0, 0, 2]), link)?)
        }
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    // In the first slot behind the bridge, which is SLOT.
    let config = VmConfig { irqchip: Irqchip::Kernel, notifications, ..VmConfig::new(Entry::Pvh) }
        .with(Teller(told.clone()))
        .with(DebugExit::new(EXIT_PORT))
        .with(PciHost::new().with(None, device));
    let mut vm = Vm::new(hypervisor, &image, config)?;
    let handle = vm.handle();
    let (done, is_done) = mpsc::channel::<()>();
    let stopped = thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                handle.stop();
            }
        });
        let stopped = vm.run(&mut NoObserver);
        drop(done);
        stopped
    })?;
    if stopped.reason != StopReason::DebugExit(0) {
        bail!("the guest of the benchmark ended on our VMM: {stopped}");
    }
    let bytes = told.lock().unwrap_or_else(PoisonError::into_inner);
    Told::from_bytes(&bytes).with_context(|| format!("the guest told {} bytes", bytes.len()))
}

/// Where the guest writes what it tells.
struct Teller(Arc<Mutex<Vec<u8>>>);

impl Device for Teller {
    fn regions(&self) -> Vec<Region> {
        vec![Region::Ports { first: PORT, count: 1 }]
    }

    fn read(&mut self, _: Location, _: &mut [u8]) -> Flow {
        Flow::Continue
    }

    fn write(&mut self, _: Location, data: &[u8], _: &GuestMemory) -> Flow {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < Told::BYTES {
            told.extend(data);
        }
        Flow::Continue
    }
}

/// Runs the guest on QEMU with KVM, its device on an I/O thread of its own if asked for.
pub(super) fn run_qemu(
    program: &str,
    kind: Kind,
    behind: &Behind<'_>,
    has_thread: bool,
    nr_buffers: u64,
) -> anyhow::Result<Told> {
    let (rom, image) = (unnamed(&rom::build()?)?, unnamed(&image(kind, QEMU_BAR, nr_buffers)?)?);
    let mut command = Command::new(program);
    command.args(["-accel", "kvm", "-cpu", "host,arch-capabilities=off", "-machine", "q35", "-m", "64"]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.args(["-chardev", "stdio,id=told,signal=off", "-device"]);
    command.arg(format!("isa-debugcon,chardev=told,iobase={PORT:#x}"));
    command.arg("-device").arg(format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4"));
    command.arg("-bios").arg(path_of(&rom));
    command.arg("-device").arg(format!("loader,file={},addr={ENTRY:#x},force-raw=on", path_of(&image)));
    let at = format!("addr={SLOT},disable-legacy=on");
    let thread = if has_thread { ",iothread=thread" } else { "" };
    let mut files = vec![&rom, &image];
    let socket_file;
    match behind {
        Behind::File(file) => {
            if has_thread {
                command.args(["-object", "iothread,id=thread"]);
            }
            let path = path_of(file);
            command.arg("-drive");
            command.arg(format!("if=none,id=disk,file={path},format=raw,readonly=on,file.locking=off"));
            command.arg("-device").arg(format!("virtio-blk-pci,drive=disk,queue-size=256,{at}{thread}"));
            files.push(file);
        }
        Behind::Socket(socket) => {
            socket_file = File::from(OwnedFd::from(socket.try_clone()?));
            command.arg("-netdev").arg(format!("dgram,id=net,local.type=fd,local.str={}", socket_file.as_raw_fd()));
            command.arg("-device").arg(format!("virtio-net-pci,netdev=net,{at},mac=02:00:00:00:00:02"));
            files.push(&socket_file);
        }
    }
    let mut process = Process::start_with_files(&mut command, None, &files).context("failed to start QEMU")?;
    let (mut told, mut words, mut buffer) = (Vec::new(), Vec::new(), vec![0; MAX_WORDS]);
    let patience = Patience::new(&process, LIMIT);
    while !patience.is_over(&process) && told.len() < Told::BYTES {
        match process.read(&mut buffer)? {
            Output::Stdout(size) => told.extend(buffer.get(..size).unwrap_or_default()),
            Output::Stderr(size) if words.len() < MAX_WORDS => words.extend(buffer.get(..size).unwrap_or_default()),
            Output::End => break,
            Output::Stderr(_) | Output::Control(_) | Output::Nothing => {}
        }
    }
    Told::from_bytes(&told).with_context(|| {
        let words = String::from_utf8_lossy(&words);
        format!(
            "the guest of the benchmark told QEMU {} bytes: {}",
            told.len(),
            words.lines().next().unwrap_or("it said nothing")
        )
    })
}
