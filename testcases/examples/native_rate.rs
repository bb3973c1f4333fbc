//! Tells how many executions a second native execution makes.

use iced_decoder::{
    Bitness, Registers,
    machine::{End, Executor, Extended, Input, window, window::Window},
};
use std::{error::Error, time::Instant};
use testcases::emulation::native::Native;

/// Executions that are measured.
const NR_EXECUTIONS: u32 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut native = Native::start()?;
    // ADD [RDI], EAX; MOV EAX, [RDI] without a mapping; MOVUPS [RDI], XMM0; JMP RDI.
    rate(&mut native, "memory", &[0x01, 0x07], window::DATA, false)?;
    rate(&mut native, "memory, with extended state", &[0x0f, 0x11, 0x07], window::DATA, true)?;
    rate(&mut native, "page fault", &[0x8b, 0x07], 0, false)?;
    rate(&mut native, "page fault, with extended state", &[0x8b, 0x07], 0, true)?;
    rate(&mut native, "branch", &[0xff, 0xe7], window::CODE, false)?;

    let input = input(&[0x01, 0x07], window::DATA, false);
    let start = Instant::now();
    for _ in 0..NR_EXECUTIONS / 10 {
        native.execute(&input)?;
    }
    report("memory, one by one", NR_EXECUTIONS / 10, start);
    Ok(())
}

fn rate(native: &mut Native, what: &str, code: &[u8], rdi: u64, with_extended: bool) -> Result<(), Box<dyn Error>> {
    let inputs = vec![input(code, rdi, with_extended); Native::BATCH];
    let start = Instant::now();
    let mut nr_executions = 0;
    while nr_executions < NR_EXECUTIONS {
        for output in native.execute_many(&inputs) {
            if let End::Hung | End::Refused(_) = output?.end {
                return Err("it did not execute".into());
            }
            nr_executions += 1;
        }
    }
    report(what, nr_executions, start);
    Ok(())
}

fn report(what: &str, nr_executions: u32, start: Instant) {
    println!("{what:32} {:9.0} executions/s", f64::from(nr_executions) / start.elapsed().as_secs_f64());
}

fn input(code: &[u8], rdi: u64, with_extended: bool) -> Input {
    let mut registers = Registers { rip: window::CODE + window::CODE_OFFSET, ..Registers::default() };
    registers.general[4] = window::STACK + window::PAGE;
    registers.general[7] = rdi;
    Input {
        bitness: Bitness::Bits64,
        code: code.to_vec(),
        registers,
        extended: with_extended.then(|| Box::new(Extended::initial(0))),
        window: Window::Plain,
        memory_seed: 1,
        memory: Vec::new(),
    }
}
