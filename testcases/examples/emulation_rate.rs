//! Executions per second of each executor on KVM, and of pairs of them, with one thread and with two.
//!
//! `cargo run --release -p testcases --example emulation_rate`

use iced_decoder::{
    Bitness, Registers,
    machine::{End, Executor, Extended, Input, Output, window},
};
use iced_x86::{IcedError, code_asm::*};
use std::{
    error::Error,
    fs,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use testcases::emulation::kvm::{Flavour, KvmExecutor};
use vmm::Hypervisor;

/// How long each measurement takes.
const TIME: Duration = Duration::from_millis(500);
/// How many inputs are executed in a row, or in a batch where the executor can.
const NR_INPUTS: u64 = 64;
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

/// The same instruction with many contents of memory.
fn inputs(build: Build, extended: bool) -> Result<Vec<Input>> {
    let input = input(build, extended)?;
    Ok((0..NR_INPUTS).map(|memory_seed| Input { memory_seed, ..input.clone() }).collect())
}

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

/// What the calling thread has used of processors.
fn processor_time() -> Result<Duration> {
    // Linux, "Documentation/scheduler/sched-stats.rst": the first number is in nanoseconds.
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(text.split(' ').next().unwrap_or_default().parse()?))
}

/// Executions per second of all threads, each of which executes with every flavour in turn; and the same per second of
/// processor time, which does not depend on what else this machine does.
fn rate(
    hypervisor: &Arc<Hypervisor>,
    flavours: &[Flavour],
    inputs: &[Input],
    is_batch: bool,
    nr_threads: usize,
) -> Result<(f64, f64)> {
    let count = || -> Result<(f64, f64)> {
        let mut executors = flavours
            .iter()
            .map(|flavour| KvmExecutor::new(hypervisor.clone(), *flavour))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let (used, start, mut executions) = (processor_time()?, Instant::now(), 0_u32);
        while start.elapsed() < TIME {
            if is_batch {
                for executor in &mut executors {
                    executor.execute_many(inputs).into_iter().try_for_each(|output| check(&output?))?;
                }
            } else {
                for input in inputs {
                    for executor in &mut executors {
                        check(&executor.execute(input)?)?;
                    }
                }
            }
            executions += NR_INPUTS as u32;
        }
        let executions = f64::from(executions);
        let used = processor_time()?.saturating_sub(used);
        Ok((executions / start.elapsed().as_secs_f64(), executions / used.as_secs_f64()))
    };
    thread::scope(|scope| {
        let threads = (0..nr_threads).map(|_| scope.spawn(count)).collect::<Vec<_>>();
        let mut sum = (0.0, 0.0);
        for thread in threads {
            let rates = thread.join().map_err(|_| "a thread panicked")??;
            sum = (sum.0 + rates.0, sum.1 + rates.1);
        }
        Ok(sum)
    })
}

fn check(output: &Output) -> Result<()> {
    if output.end == End::Hung { Err("an execution hung".into()) } else { Ok(()) }
}

fn main() -> Result<()> {
    let hypervisor = Arc::new(Hypervisor::open()?);
    let single = Flavour::ALL.iter().map(|flavour| (flavour.name(), vec![*flavour], false));
    let pair = vec![Flavour::MemoryUser, Flavour::MmioUser];
    let sets = single.chain([
        ("memory-user, batch", vec![Flavour::MemoryUser], true),
        ("pair user", pair.clone(), false),
        ("pair user, batch", pair, true),
    ]);
    for (name, flavours, is_batch) in sets {
        for (text, build, extended) in INSTRUCTIONS {
            let inputs = inputs(*build, *extended)?;
            print!("{name:18} {text:20}");
            for nr_threads in THREADS {
                let (wall, used) = rate(&hypervisor, &flavours, &inputs, is_batch, nr_threads)?;
                print!(" {nr_threads} thread(s): {wall:7.0}/s, of processor time {used:7.0}/s;");
            }
            println!();
        }
    }
    Ok(())
}
