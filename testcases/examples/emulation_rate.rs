//! Executions per second of each executor on KVM, and of pairs of them, with one thread and with two.
//!
//! `cargo run --release -p testcases --example emulation_rate`

use iced_decoder::{
    Bitness, Registers,
    machine::{End, Executor, Extended, Input, window},
};
use iced_x86::{IcedError, code_asm::*};
use std::{
    error::Error,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use testcases::emulation::kvm::{Flavour, KvmExecutor};
use vmm::Hypervisor;

/// How long each measurement takes.
const TIME: Duration = Duration::from_millis(700);
/// How many threads measure at once.
const THREADS: [usize; 2] = [1, 2];

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
type Build = fn(&mut CodeAssembler) -> std::result::Result<(), IcedError>;

const INSTRUCTIONS: &[(&str, Build, bool)] = &[
    ("nop", |a| a.nop(), false),
    ("mov eax, [rbx]", |a| a.mov(eax, dword_ptr(rbx)), false),
    ("mov [rbx], ecx", |a| a.mov(dword_ptr(rbx), ecx), false),
    ("add [rbx], ecx", |a| a.add(dword_ptr(rbx), ecx), false),
    ("movups xmm1, [rbx]", |a| a.movups(xmm1, xmmword_ptr(rbx)), true),
    ("ud2", |a| a.ud2(), false),
];

fn input(build: Build, extended: bool) -> Result<Input> {
    let mut assembler = CodeAssembler::new(64)?;
    build(&mut assembler)?;
    let mut registers = Registers { rip: window::CODE + window::CODE_OFFSET, ..Registers::default() };
    registers.general[3] = window::Window::Plain.address() + 0x100;
    Ok(Input {
        bitness: Bitness::Bits64,
        code: assembler.assemble(registers.rip)?,
        registers,
        extended: extended.then(|| Box::new(Extended::initial(2688))),
        window: window::Window::Plain,
        memory_seed: 1,
        memory: Vec::new(),
    })
}

/// Executions per second of all threads, each of which executes with every flavour in turn.
fn rate(hypervisor: &Arc<Hypervisor>, flavours: &[Flavour], input: &Input, nr_threads: usize) -> Result<f64> {
    let count = || -> Result<f64> {
        let mut executors = flavours
            .iter()
            .map(|flavour| KvmExecutor::new(hypervisor.clone(), *flavour))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let (start, mut executions) = (Instant::now(), 0_u32);
        while start.elapsed() < TIME {
            for _ in 0..64 {
                for executor in &mut executors {
                    let output = executor.execute(input)?;
                    if output.end == End::Hung {
                        return Err("an execution hung".into());
                    }
                }
            }
            executions += 64;
        }
        Ok(f64::from(executions) / start.elapsed().as_secs_f64())
    };
    thread::scope(|scope| {
        let threads = (0..nr_threads).map(|_| scope.spawn(count)).collect::<Vec<_>>();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).sum()
    })
}

fn main() -> Result<()> {
    let hypervisor = Arc::new(Hypervisor::open()?);
    let sets = Flavour::ALL.iter().map(|flavour| (flavour.name(), vec![*flavour])).collect::<Vec<_>>();
    let pair = ("pair user", vec![Flavour::MemoryUser, Flavour::MmioUser]);
    for (name, flavours) in sets.into_iter().chain([pair]) {
        for (text, build, extended) in INSTRUCTIONS {
            let input = input(*build, *extended)?;
            let rates = THREADS.map(|nr_threads| rate(&hypervisor, &flavours, &input, nr_threads));
            let [one, two] = rates;
            println!("{name:18} {text:20} {:8.0} executions/s, on two threads {:8.0}", one?, two?);
        }
    }
    Ok(())
}
