//! Exits per second of this VMM against a bare kvm-ioctls loop with the same guest, and the time from a VM's creation to
//! its destruction, all measured in one interleaved run.
//!
//! `cargo run --release -p vmm --example exit_rate`

#![expect(unsafe_code, reason = "the bare loop gives KVM its memory itself")]
// UNSAFETY: one KVM_SET_USER_MEMORY_REGION with memory that outlives the VM.

use iced_x86::code_asm::*;
use kvm_bindings::{kvm_regs, kvm_segment, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, VcpuExit};
use std::{
    error::Error,
    time::{Duration, Instant},
};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm::{Entry, Hypervisor, Image, Irqchip, NoObserver, StopReason, Vm, VmConfig, devices, layout};

const CODE: u64 = 0x10_0000;
const MEMORY: u64 = 4 << 20;
const NR_EXITS: u32 = 20_000;
const ROUNDS: usize = 15;
const SCRATCH_PORT: u16 = 0x5c0;
const SCRATCH_PAGE: u32 = 0xd000_0000;

#[derive(Clone, Copy)]
enum Kind {
    Pio,
    Mmio,
}

/// A guest that makes so many exits and halts.
fn guest(kind: Kind) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(32)?;
    let mut again = a.create_label();
    a.mov(ecx, NR_EXITS)?;
    a.mov(dx, u32::from(SCRATCH_PORT))?;
    a.mov(ebx, SCRATCH_PAGE)?;
    a.set_label(&mut again)?;
    match kind {
        Kind::Pio => a.out(dx, eax)?,
        Kind::Mmio => a.mov(dword_ptr(ebx), eax)?,
    }
    a.dec(ecx)?;
    a.jnz(again)?;
    a.hlt()?;
    a.assemble(CODE)
}

fn elf(code: &[u8]) -> Vec<u8> {
    // Header, one segment, one PVH note.
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let note = [[4_u32, 4, 18, u32::from_le_bytes(*b"Xen\0"), CODE as u32].map(u32::to_le_bytes).concat()].concat();
    let (note_at, size) = (64 + 2 * 56, code.len() as u64);
    let header = [0x0001_0102_464c_457f, 0, 0x1_003e_0002, CODE, 64, 0, 56 << 48 | 64 << 32, 64 << 16 | 2];
    let load = [7 << 32 | 1, note_at + 20, CODE, CODE, size, size, 1];
    let notes = [4 << 32 | 4, note_at, 0, 0, 20, 20, 4];
    [words(&header), words(&load), words(&notes), note, code.to_vec()].concat()
}

fn ours(hypervisor: &Hypervisor, image: &Image) -> Result<Duration, Box<dyn Error>> {
    let config = VmConfig::new(Entry::Pvh).with(devices::TestDevice::new(devices::TestDeviceAddresses {
        scratch_port: SCRATCH_PORT,
        nr_scratch_ports: 16,
        log_port: 0x5d0,
        scratch_mmio: SCRATCH_PAGE.into(),
        scratch_mmio_size: layout::PAGE_SIZE,
    }));
    let mut vm = Vm::new(hypervisor, image, config)?;
    let start = Instant::now();
    let stopped = vm.run(&mut NoObserver)?;
    let time = start.elapsed();
    assert_eq!((stopped.reason, stopped.nr_exits), (StopReason::Halted, u64::from(NR_EXITS) + 1));
    Ok(time)
}

fn bare(kvm: &Kvm, code: &[u8]) -> Result<Duration, Box<dyn Error>> {
    let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), MEMORY as usize)])?;
    memory.write_slice(code, GuestAddress(CODE))?;
    let vm = kvm.create_vm()?;
    let region = kvm_userspace_memory_region {
        memory_size: MEMORY,
        userspace_addr: memory.get_host_address(GuestAddress(0))? as u64,
        ..Default::default()
    };
    // SAFETY: `memory` is dropped after `vm`, and has this size.
    unsafe { vm.set_user_memory_region(region)? };
    let mut vcpu = vm.create_vcpu(0)?;
    let mut sregs = vcpu.get_sregs()?;
    let data = kvm_segment { type_: 3, limit: u32::MAX, present: 1, s: 1, db: 1, g: 1, ..Default::default() };
    (sregs.ds, sregs.es, sregs.ss) = (data, data, data);
    sregs.cs = kvm_segment { type_: 0xb, ..data };
    sregs.cr0 |= 1;
    vcpu.set_sregs(&sregs)?;
    vcpu.set_regs(&kvm_regs { rip: CODE, rflags: 2, ..Default::default() })?;
    let (start, mut nr_exits) = (Instant::now(), 0);
    loop {
        match vcpu.run()? {
            VcpuExit::IoOut(..) | VcpuExit::MmioWrite(..) => nr_exits += 1,
            VcpuExit::Hlt => break,
            other => return Err(format!("unexpected {other:?}").into()),
        }
    }
    let time = start.elapsed();
    assert_eq!(nr_exits, NR_EXITS);
    Ok(time)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let (hypervisor, kvm) = (Hypervisor::open()?, Kvm::new()?);
    for (name, kind) in [("PIO", Kind::Pio), ("MMIO", Kind::Mmio)] {
        let code = guest(kind)?;
        let image = Image::from_bytes(&elf(&code), MEMORY)?;
        let (mut ours_times, mut bare_times) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours_times.push(ours(&hypervisor, &image)?);
            bare_times.push(bare(&kvm, &code)?);
        }
        let rate = |time: Duration| f64::from(NR_EXITS) / time.as_secs_f64();
        let (ours, bare) = (rate(median(ours_times)), rate(median(bare_times)));
        println!("{name}: {ours:.0} exits/s, bare loop {bare:.0} exits/s, ratio {:.3}", ours / bare);
    }
    let image = Image::from_bytes(&elf(&guest(Kind::Pio)?), MEMORY)?;
    for irqchip in [Irqchip::None, Irqchip::Split, Irqchip::Kernel] {
        let times = (0..50)
            .map(|_| {
                let start = Instant::now();
                Vm::new(&hypervisor, &image, VmConfig { irqchip, ..VmConfig::new(Entry::Pvh) }).map(drop)?;
                Ok(start.elapsed())
            })
            .collect::<Result<Vec<_>, vmm::VmError>>()?;
        println!("VM from creation to destruction, irqchip {irqchip:?}: {:?}", median(times));
    }
    Ok(())
}
