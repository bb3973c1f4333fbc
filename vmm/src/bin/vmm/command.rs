//! Doing what the command line says.

mod config;

use crate::{
    arguments::{Arguments, Command, Payload, Run},
    choices::MigrationUri,
    client,
    devices::{self, LateMemory},
    inventory::{Ending, Inventory, Running},
    migration::{self, Journey},
    monitor::{Facts, Monitor},
    tell,
    terminal::{self, SerialInput},
    trace::{self, Tracer},
};
use anyhow::Context;
use clap::CommandFactory;
use config::{config, load, with_devices};
use qmp::{Server, json};
use std::{
    fs,
    io::{self, Write},
    net::TcpListener,
    os::unix::net::UnixListener,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};
use vmm::{
    Entry, ExitObserver, Hypervisor, Image, NoObserver, SpareVcpus, StopReason, Stopped, Vm, VmHandle,
    confinement::{ThreadKind, confine},
};

/// Events that a guest can raise through KVM (Linux, "include/uapi/linux/kvm.h", KVM_SYSTEM_EVENT_*).
const SYSTEM_EVENTS_OF_SUCCESS: [u32; 2] = [1, 2];

/// Where Linux's own code begins, at the lowest, once it has unpacked itself and turned on its paging (Linux,
/// "Documentation/arch/x86/x86_64/mm.rst").
const KERNEL_START: u64 = 0xffff_ffff_8000_0000;

/// Gives the exit status.
pub(crate) fn execute(arguments: Arguments) -> anyhow::Result<u8> {
    match arguments.command {
        Command::Run(run) => execute_run(&run),
        Command::Restore { state, mut run } => {
            anyhow::ensure!(run.incoming.is_none(), "--incoming is for run: a VM comes from one place");
            run.incoming = Some(MigrationUri::File(state));
            execute_run(&run)
        }
        Command::Save { socket, state } => {
            // The other process may have another working directory.
            let state = std::path::absolute(&state).context("cannot name the state file")?;
            client::migrate(&socket, &MigrationUri::File(state))
        }
        Command::Migrate { socket, uri } => client::migrate(&socket, &uri),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "vmm", &mut script);
            io::stdout().write_all(&script).context("failed to write to standard output")?;
            Ok(0)
        }
    }
}

fn execute_run(run: &Run) -> anyhow::Result<u8> {
    confine(ThreadKind::Main, run.seccomp.into()).context("cannot use --seccomp, which off does without")?;
    let hypervisor = Hypervisor::open().context("cannot use KVM")?;
    let (image, entry) = load(run)?;
    let server = run.qmp.as_deref().map(Monitor::bind).transpose()?;
    let events = server.as_ref().map(Server::events);
    let inventory = Inventory::new(devices::asked_for(run)?, events.clone());
    let facts = Facts {
        nr_vcpus: run.cpus.nr,
        nr_vcpus_max: run.cpus.max,
        memory_bytes: run.memory().size_bytes,
        confinement: run.seccomp.into(),
    };
    let start = |server| Monitor::start(server, inventory.clone(), facts.clone());
    let input = terminal::open(run.serial)?;
    inventory.begin();
    let monitor = server.map(start).transpose()?;
    let deadline = run.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let result = run_until_end(run, &hypervisor, &image, entry, &inventory, deadline, input.as_ref());
    // The terminal is as before when the result is told.
    drop(input);
    inventory.give_up();
    if let (Ok((stopped, _, ending)), Some(events)) = (&result, &events) {
        let reason = match (ending, &stopped.reason) {
            (Some(_), _) => "host-qmp-quit",
            (None, StopReason::Reset | StopReason::Shutdown) => "guest-reset",
            (None, StopReason::Requested) => "host-signal",
            (None, _) => "guest-shutdown",
        };
        events.send("SHUTDOWN", json!({ "guest": reason.starts_with("guest"), "reason": reason }));
    }
    let ended = monitor.map_or(Ok(()), Monitor::end);
    let (stopped, timed_out, ending) = result?;
    ended?;
    if ending.is_some() { Ok(0) } else { report(stopped, timed_out, run) }
}

/// How the last of the VMs ended, whether that was by time, and whether a control socket asked for it.
type End = (Stopped, bool, Option<Ending>);

/// Runs a VM, and another one each time that the machine is reset by its control socket.
fn run_until_end(
    run: &Run,
    hypervisor: &Hypervisor,
    image: &Image,
    entry: Entry,
    inventory: &Inventory,
    deadline: Option<Instant>,
    input: Option<&SerialInput>,
) -> anyhow::Result<End> {
    // After a reset the image starts.
    let mut incoming = run.incoming.as_ref();
    loop {
        let memory = LateMemory::default();
        let (mut config, slots) =
            with_devices(run, config(run, entry, image.memory_map(), input)?, inventory, &memory)?;
        if run.cpus.has_spare() {
            let told = inventory.clone();
            config.spare_vcpus = Some(SpareVcpus::new(run.cpus.max, move |event| told.cpu_event(event)));
        }
        let mut vm = match incoming.take() {
            Some(uri) => {
                let vm = migration::receive(uri, hypervisor, image, config)?;
                inventory.find_cpus(&vm.handle(), run.cpus.nr..run.cpus.max).map_err(anyhow::Error::msg)?;
                vm
            }
            None => {
                let vm = Vm::new(hypervisor, image, config).context("failed to make the VM")?;
                for (index, _) in inventory.cpus() {
                    let plugged = vm.handle().plug_vcpu(index);
                    plugged.context("failed to make a processor that was plugged before the reset")?;
                }
                vm
            }
        };
        // It is new, and gets its memory once.
        let _ = memory.set(vm.memory().clone());
        let running = Running { vm: vm.handle(), slots, memory };
        if !inventory.attach(running) {
            vm.handle().stop();
        }
        let result = with_timeout(vm.handle(), deadline, || {
            let journey = Journey { hypervisor, inventory, deadline };
            go(&mut vm, run, &journey)
        });
        drop(vm);
        let ending = inventory.detach();
        let (stopped, timed_out) = result?;
        match ending {
            Some(Ending::Reset) if !timed_out => inventory.tell_reset(),
            ending => return Ok((stopped, timed_out, ending)),
        }
    }
}

fn go(vm: &mut Vm, run: &Run, journey: &Journey<'_>) -> anyhow::Result<Stopped> {
    if let Some(address) = &run.gdb {
        return observed(run.trace, |observer| debug(vm, address, observer));
    }
    journey.run(vm, |vm| observed(run.trace, |observer| Ok(vm.run(observer)?)))
}

fn observed<T>(is_traced: bool, work: impl FnOnce(&mut dyn ExitObserver) -> T) -> T {
    if is_traced { work(&mut Tracer::default()) } else { work(&mut NoObserver) }
}

fn debug(vm: &mut Vm, address: &str, observer: &mut dyn ExitObserver) -> anyhow::Result<Stopped> {
    let failed = || format!("failed to wait for gdb at {address}");
    if address.contains('/') {
        let listener = UnixListener::bind(address).with_context(failed)?;
        tell(&format!("vmm: waiting for gdb: target remote {address}"));
        let accepted = listener.accept();
        // One debugger is all there is, and the file would stand in the way of the next run.
        fs::remove_file(address).with_context(failed)?;
        return Ok(vm.debug(accepted.with_context(failed)?.0, observer)?);
    }
    let listener = TcpListener::bind(address).with_context(failed)?;
    tell(&format!("vmm: waiting for gdb: target remote {}", listener.local_addr().with_context(failed)?));
    let (connection, _) = listener.accept().with_context(failed)?;
    drop(listener);
    Ok(vm.debug(connection, observer)?)
}

/// Calls `work`, and stops the VM at `deadline`. Gives whether it came to that.
fn with_timeout<T>(
    handle: VmHandle,
    deadline: Option<Instant>,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, bool)> {
    let Some(deadline) = deadline else { return Ok((work()?, false)) };
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(move |scope| {
        // Owned here, so that the timer also ends if the work panics.
        let done = done;
        let timer = scope.spawn(move || {
            let timed_out = is_done.recv_timeout(deadline.saturating_duration_since(Instant::now()))
                == Err(RecvTimeoutError::Timeout);
            if timed_out {
                handle.stop();
            }
            timed_out
        });
        let result = work();
        drop(done);
        // The timer does nothing that could panic.
        let timed_out = timer.join().unwrap_or(false);
        Ok((result?, timed_out))
    })
}

fn report(stopped: Stopped, timed_out: bool, run: &Run) -> anyhow::Result<u8> {
    if let (Payload::Multiboot(_), StopReason::DebugExit(value), false) = (run.payload(), &stopped.reason, run.trace) {
        return Ok(status_of_test(*value));
    }
    let success = match &stopped.reason {
        StopReason::DebugExit(value) => *value == 0,
        StopReason::Reset | StopReason::PowerOff => true,
        // Without a time-out only gdb can have asked for it.
        StopReason::Requested | StopReason::Suspended => !timed_out,
        StopReason::SystemEvent { event, .. } => SYSTEM_EVENTS_OF_SUCCESS.contains(event),
        // The serial port is the only device here that stops, and only if its output fails.
        StopReason::DeviceStopped(reason) => anyhow::bail!("{reason}"),
        StopReason::Shutdown
        | StopReason::Halted
        | StopReason::InternalError { .. }
        | StopReason::FailEntry { .. }
        | StopReason::UnexpectedExit { .. }
        | StopReason::KvmError { .. } => false,
    };
    if !success || run.trace {
        let seconds = run.timeout.unwrap_or_default();
        let why = if timed_out { format!("time-out after {seconds} s") } else { stopped.reason.to_string() };
        let cpu = &stopped.cpu;
        tell(&format!("vmm: {why}; {} exits", stopped.nr_exits));
        tell(&format!(
            "vmm: vCPU {} at {:#x} (CPL {}): {}",
            stopped.vcpu,
            cpu.rip,
            cpu.cpl,
            trace::disassemble(&stopped)
        ));
        tell(&format!(
            "vmm: cr0 {:#x}, cr2 {:#x}, cr3 {:#x}, cr4 {:#x}, efer {:#x}",
            cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4, cpu.efer
        ));
        if matches!(run.payload(), Payload::Kernel(_))
            && timed_out
            && !run.unpack
            && cpu.cpl == 0
            && cpu.rip < KERNEL_START
        {
            tell("vmm: the kernel did not come to where it is linked to; --unpack spares it to unpack itself");
        }
    }
    Ok(match (run.payload(), &stopped.reason) {
        (Payload::Multiboot(_), StopReason::DebugExit(value)) => status_of_test(*value),
        // 1 would be success.
        (Payload::Multiboot(_), _) if !success => 2,
        _ => (!success).into(),
    })
}

/// What QEMU's isa-debug-exit makes of a value, of which a process passes on the low byte.
fn status_of_test(value: u32) -> u8 {
    (value << 1 | 1) as u8
}
