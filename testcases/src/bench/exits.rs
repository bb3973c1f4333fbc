//! Exits per second of the VMM against a bare loop around KVM_RUN with the same guest.

use super::{
    Row,
    bare::{BareVm, MEMORY_SIZE_BYTES},
    loops::{self, Kind},
    median,
};
use anyhow::{Context as _, bail};
use kvm_ioctls::VcpuExit;
use std::time::{Duration, Instant};
use vmm::{
    Device, Entry, Flow, GuestMemory, Hypervisor, Image, Location, NoObserver, Region, StopReason, Vm, VmConfig,
};

/// Part of the bare loop's speed that the VMM is to reach.
const WANTED: f64 = 0.9;

/// Measures each kind of exit in `nr_rounds` rounds of `nr_exits` exits for either side in turn.
///
/// # Errors
/// If KVM cannot be used.
pub fn measure(nr_rounds: u32, nr_exits: u32) -> anyhow::Result<Vec<Row>> {
    let hypervisor = Hypervisor::open()?;
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        let code = loops::code(kind, nr_exits).context("failed to assemble the guest")?;
        let image = Image::from_bytes(&loops::image(&code), MEMORY_SIZE_BYTES as u64)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..nr_rounds {
            ours.push(run_ours(&hypervisor, &image)?);
            theirs.push(run_bare(&code, nr_exits)?);
        }
        let nr_samples = (ours.len(), theirs.len());
        let (ours, theirs) = (median(ours), median(theirs));
        rows.push(Row {
            what: kind.name().to_owned(),
            peer: "bare KVM_RUN loop".to_owned(),
            ours: rate(nr_exits, ours),
            theirs: rate(nr_exits, theirs),
            ratio: theirs.as_secs_f64() / ours.as_secs_f64(),
            wanted: WANTED,
            nr_samples,
        });
    }
    Ok(rows)
}

fn rate(nr_exits: u32, duration: Duration) -> String {
    format!("{:.0} exits/s", f64::from(nr_exits) / duration.as_secs_f64())
}

/// Answers the loop's accesses with as little work as the bare loop does.
struct Sink;

impl Device for Sink {
    fn regions(&self) -> Vec<Region> {
        vec![
            Region::Ports { first: loops::PORT, count: 4 },
            Region::Memory { first: loops::ADDRESS, size_bytes: 0x1000 },
        ]
    }

    fn read(&mut self, _: Location, data: &mut [u8]) -> Flow {
        data.fill(0);
        Flow::Continue
    }

    fn write(&mut self, _: Location, _: &[u8], _: &GuestMemory) -> Flow {
        Flow::Continue
    }
}

fn run_ours(hypervisor: &Hypervisor, image: &Image) -> anyhow::Result<Duration> {
    let mut vm = Vm::new(hypervisor, image, VmConfig::new(Entry::Pvh).with(Sink))?;
    let start = Instant::now();
    let stopped = vm.run(&mut NoObserver)?;
    let duration = start.elapsed();
    match stopped.reason {
        StopReason::Halted => Ok(duration),
        _ => bail!("the guest of the benchmark did not halt: {stopped}"),
    }
}

fn run_bare(code: &[u8], nr_exits: u32) -> anyhow::Result<Duration> {
    let mut vm = BareVm::new(code, false)?;
    let start = Instant::now();
    let mut seen = 0;
    loop {
        match vm.vcpu.run()? {
            VcpuExit::IoIn(_, data) | VcpuExit::MmioRead(_, data) => data.fill(0),
            VcpuExit::IoOut(..) | VcpuExit::MmioWrite(..) => {}
            VcpuExit::Hlt => break,
            exit => bail!("the guest of the benchmark did not halt: {exit:?}"),
        }
        seen += 1;
    }
    let duration = start.elapsed();
    if seen != nr_exits {
        bail!("the guest of the benchmark made {seen} exits instead of {nr_exits}");
    }
    Ok(duration)
}
