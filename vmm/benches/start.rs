//! What a VM costs from making it to its end, by interrupt set-up: `cargo bench -p vmm --bench start`.
//!
//! The set-ups take turns, so that what else the host does meets all of them; the median of each is told, and its ratio to a
//! VM without interrupt controllers.

use std::time::{Duration, Instant};
use vmm::{Entry, Hypervisor, Image, InterruptSetup, NoObserver, StopReason, Vm, VmConfig, devices::DebugExit};

const NR_ROUNDS: usize = 100;
const MEMORY: u64 = 16 << 20;
const DEBUG_EXIT: u16 = 0xf4;

/// The set-ups, the cheapest first.
const SET_UPS: [(&str, Option<InterruptSetup>); 4] = [
    ("none", None),
    ("split", Some(InterruptSetup::Split)),
    ("user", Some(InterruptSetup::User)),
    ("kernel", Some(InterruptSetup::Kernel)),
];

fn main() {
    let hypervisor = Hypervisor::open().expect("this needs KVM");
    let image = Image::from_bytes(&image(), MEMORY).expect("the image is whole");
    println!("{:<8}{:>7}{:>12}{:>12}{:>12}{:>8}", "set-up", "vCPUs", "make", "run", "drop", "ratio");
    for nr_vcpus in [1, 4] {
        let mut samples = vec![Vec::new(); SET_UPS.len()];
        for _ in 0..NR_ROUNDS {
            for ((_, setup), samples) in SET_UPS.iter().zip(&mut samples) {
                samples.push(once(&hypervisor, &image, *setup, nr_vcpus));
            }
        }
        let base = total(&samples[0]);
        for ((name, setup), samples) in SET_UPS.iter().zip(&samples) {
            // More than one vCPU needs local APICs.
            let nr = if setup.is_none() { 1 } else { nr_vcpus };
            let [make, run, end] = [0, 1, 2].map(|part| median(samples.iter().map(|sample| sample[part]).collect()));
            let ratio = total(samples).as_secs_f64() / base.as_secs_f64();
            println!("{name:<8}{nr:>7}{make:>12.1?}{run:>12.1?}{end:>12.1?}{ratio:>8.2}");
        }
    }
}

/// Making a VM, its run to the first exit, and its end.
fn once(hypervisor: &Hypervisor, image: &Image, setup: Option<InterruptSetup>, nr_vcpus: u8) -> [Duration; 3] {
    let start = Instant::now();
    let config = VmConfig::new(Entry::Pvh).with(DebugExit::new(DEBUG_EXIT));
    let config = match setup {
        Some(setup) => VmConfig { nr_vcpus, ..config }.with_interrupts(setup),
        None => config,
    };
    let mut vm = Vm::new(hypervisor, image, config).expect("the shape makes sense");
    let made = Instant::now();
    let stopped = vm.run(&mut NoObserver).expect("the host has threads");
    assert!(matches!(stopped.reason, StopReason::DebugExit(_)), "{stopped}");
    let ran = Instant::now();
    drop(vm);
    [made - start, ran - made, ran.elapsed()]
}

fn total(samples: &[[Duration; 3]]) -> Duration {
    median(samples.iter().map(|sample| sample.iter().sum()).collect())
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// An ELF file with a PVH note whose program writes to the debug exit.
fn image() -> Vec<u8> {
    const CODE: u64 = 0x10_0000;
    // OUT DEBUG_EXIT, EAX.
    let code = [0xe7, DEBUG_EXIT as u8];
    let note: Vec<u8> =
        [4, 4, 18, u32::from_le_bytes(*b"Xen\0"), CODE as u32].iter().flat_map(|word| word.to_le_bytes()).collect();
    let note_offset = 64 + 2 * 56_u64;
    let code_offset = note_offset + note.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    for word in [CODE, 64, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 2, 64, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    for (kind, offset, address, size) in [(4_u32, note_offset, 0, note.len()), (1, code_offset, CODE, code.len())] {
        file.extend_from_slice(&kind.to_le_bytes());
        file.extend_from_slice(&7_u32.to_le_bytes());
        for word in [offset, address, address, size as u64, size as u64, 4] {
            file.extend_from_slice(&word.to_le_bytes());
        }
    }
    file.extend_from_slice(&note);
    file.extend_from_slice(&code);
    file
}
