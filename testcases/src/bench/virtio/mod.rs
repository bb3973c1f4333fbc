//! Requests to a virtio disk and frames of a virtio network interface per second: our VMM against QEMU on the same KVM.
//!
//! One guest drives both: from CPL 3, by polling, with 256 requests or 128 frames on their way, so that the device is what is
//! measured. It looks at the time-stamp counter itself, and tells how much of the time was its own. Sums of what was read
//! show that both did the same work.

mod guest;
mod layout;
mod machines;
mod rom;
mod setup;

use super::Row;
use crate::host;
use anyhow::{Context as _, bail};
use guest::{BATCH, Told};
use layout::{BUFFER_BYTES, Device, FRAME_START, QUEUE_SIZE, SEED, next_random, sector_of};
use machines::{Behind, run_ours, run_qemu};
use std::{fs::File, io::Write as _, net::UdpSocket};
use vmm::{Hypervisor, Notifications};

/// What is to be reached of QEMU's.
const WANTED: f64 = 1.0;
/// Blocks of the disk: 64 MiB, in memory.
const NR_BLOCKS: u64 = 1 << 14;
/// Where files are in memory.
const MEMORY_FILES: &str = "/dev/shm";
/// QEMU's usual program.
const QEMU: &str = "qemu-system-x86_64";

/// How large a measurement is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Rounds, in each of which every side runs once.
    pub nr_rounds: u32,
    /// Requests or frames in each run; made a multiple of what the guest gives back at once.
    pub nr_buffers: u32,
}

/// What of both sides is compared.
struct Comparison {
    what: &'static str,
    peer: &'static str,
    device: Device,
    notifications: Notifications,
    has_thread: bool,
    wanted: f64,
}

const BLOCK: Device = Device::Block { nr_blocks: NR_BLOCKS };
const COMPARISONS: &[Comparison] = &[
    Comparison {
        what: "block, 4 KiB reads",
        peer: "QEMU",
        device: BLOCK,
        notifications: Notifications::Events,
        has_thread: false,
        wanted: WANTED,
    },
    Comparison {
        what: "block, 4 KiB reads",
        peer: "QEMU, iothread",
        device: BLOCK,
        notifications: Notifications::Events,
        has_thread: true,
        wanted: WANTED,
    },
    Comparison {
        what: "network, frames there and back",
        peer: "QEMU",
        device: Device::Network,
        notifications: Notifications::Events,
        has_thread: false,
        wanted: WANTED,
    },
    // For information: without events, each notification is served before the guest goes on.
    Comparison {
        what: "block, notifications as exits",
        peer: "QEMU",
        device: BLOCK,
        notifications: Notifications::Exits,
        has_thread: false,
        wanted: 0.0,
    },
];

/// Measures each comparison, both sides in turn.
///
/// # Errors
/// If KVM or QEMU cannot be used, or what a guest read is not what there was to read.
pub fn measure(size: Size) -> anyhow::Result<Vec<Row>> {
    let hypervisor = Hypervisor::open()?;
    let nr_buffers = whole(size.nr_buffers);
    let disk = disk()?;
    let mut rows = Vec::new();
    for comparison in COMPARISONS {
        let &Comparison { device, notifications, has_thread, .. } = comparison;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..size.nr_rounds {
            // Each run has a socket of its own: what one left there is not another's.
            let socket = reflecting()?;
            let told = run_ours(&hypervisor, device, &behind(device, &disk, &socket), notifications, nr_buffers)?;
            ours.push(checked(device, nr_buffers, told).context("on our VMM")?);
            let socket = reflecting()?;
            let told = run_qemu(QEMU, device, &behind(device, &disk, &socket), has_thread, nr_buffers)?;
            theirs.push(checked(device, nr_buffers, told).context("on QEMU")?);
        }
        rows.push(row(comparison, nr_buffers, &ours, &theirs, host::tsc_khz()));
    }
    Ok(rows)
}

/// As many buffers as were asked for, in whole batches, and more than are on their way at once.
fn whole(nr_buffers: u32) -> u64 {
    u64::from(nr_buffers).next_multiple_of(BATCH).max(2 * QUEUE_SIZE)
}

fn behind<'a>(device: Device, disk: &'a File, socket: &'a UdpSocket) -> Behind<'a> {
    match device {
        Device::Block { .. } => Behind::File(disk),
        Device::Network => Behind::Socket(socket),
    }
}

/// The first eight bytes of a block.
fn start_of(block: u64) -> u64 {
    block.wrapping_mul(0x0101_0000_0001_0001) ^ 0x5555
}

/// A disk in memory whose blocks are told apart by their starts.
fn disk() -> anyhow::Result<File> {
    // Without a name, and never on its way to a device.
    let mut file =
        tempfile::tempfile_in(MEMORY_FILES).with_context(|| format!("failed to make a file in {MEMORY_FILES}"))?;
    let mut block = vec![0x5a; BUFFER_BYTES as usize];
    for number in 0..NR_BLOCKS {
        block[..8].copy_from_slice(&start_of(number).to_le_bytes());
        file.write_all(&block)?;
    }
    Ok(file)
}

/// A socket to itself: each frame comes back.
fn reflecting() -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(socket.local_addr()?)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What was told, if the guest did what it was to do.
fn checked(device: Device, nr_buffers: u64, told: Told) -> anyhow::Result<Told> {
    if told.status != 0xf {
        bail!("the device does not start: its status is {:#x}", told.status);
    }
    let expected = expected_sum(device, nr_buffers);
    if told.failures != 0 || told.sum != expected || told.ticks == 0 {
        bail!("{} failures, and a sum of {:#x} instead of {expected:#x}", told.failures, told.sum);
    }
    Ok(told)
}

/// Sum of the first eight bytes of everything that the guest gets, in whichever order.
fn expected_sum(device: Device, nr_buffers: u64) -> u64 {
    match device {
        Device::Block { nr_blocks } => {
            let mut random = SEED;
            let blocks = (0..nr_buffers).map(|_| sector_of(next_random(&mut random), nr_blocks) / (BUFFER_BYTES / 512));
            blocks.map(start_of).fold(0, u64::wrapping_add)
        }
        Device::Network => FRAME_START.wrapping_mul(nr_buffers),
    }
}

fn row(comparison: &Comparison, nr_buffers: u64, ours: &[Told], theirs: &[Told], tsc_khz: Option<u32>) -> Row {
    let of = |told: &[Told]| told.iter().map(|told| told.ticks).collect::<Vec<_>>();
    let (our, their) = (middle(of(ours)), middle(of(theirs)));
    let pairs = ours.iter().zip(theirs).map(|(ours, theirs)| theirs.ticks as f64 / ours.ticks as f64);
    let (low, high) = pairs.fold((f64::MAX, 0.0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
    let told = |ticks, told: &[Told]| {
        let share = middle(told.iter().map(|told| 100 * told.driver_ticks / told.ticks.max(1)).collect());
        let notifications = middle(told.iter().map(|told| told.nr_notifications).collect());
        format!("{}, guest {share}%, {notifications} notified", rate(nr_buffers, ticks, tsc_khz))
    };
    Row {
        what: format!("{} ({low:.2} to {high:.2})", comparison.what),
        peer: comparison.peer.to_owned(),
        ours: told(our, ours),
        theirs: told(their, theirs),
        ratio: their as f64 / our as f64,
        wanted: comparison.wanted,
        nr_samples: (ours.len(), theirs.len()),
    }
}

/// The middle; of an even number the lower one.
fn middle(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// How many a second, where the rate of the time-stamp counter is known.
fn rate(nr_buffers: u64, ticks: u64, tsc_khz: Option<u32>) -> String {
    match tsc_khz {
        Some(khz) => format!("{} k/s", u128::from(nr_buffers) * u128::from(khz) / u128::from(ticks.max(1))),
        None => format!("{} ticks each", ticks / nr_buffers.max(1)),
    }
}

#[cfg(test)]
mod tests;
