//! Doing what the command line says.

use crate::{
    arguments::{Arguments, Command, EntryChoice, MachineChoice, Payload, Run},
    choices::MigrationUri,
    client,
    devices::{self, LateMemory},
    inventory::{Ending, Inventory, Running},
    machine,
    migration::{self, Journey},
    monitor::{Facts, Monitor},
    tell,
    terminal::{self, SerialInput},
    trace::{self, Tracer},
};
use anyhow::Context;
use clap::CommandFactory;
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
    DirtyMethod, DirtyTracking, Entry, ExitObserver, Hypervisor, Image, NoObserver, Notifications, SpareVcpus,
    StopReason, Stopped, Vm, VmConfig, VmHandle,
    confinement::{ThreadKind, confine},
    devices::{DebugExit, DebugPort, FwCfg, I8042, PcTestDevice, PciHost, PciSlots, Serial},
    layout,
};

/// Where Linux kernels under QEMU and most test kernels expect QEMU's isa-debug-exit.
const DEBUG_EXIT_PORT: u16 = 0xf4;
/// Events that a guest can raise through KVM (Linux, "include/uapi/linux/kvm.h", KVM_SYSTEM_EVENT_*).
const SYSTEM_EVENTS_OF_SUCCESS: [u32; 2] = [1, 2];

/// Where Linux's own code begins, at the lowest, once it has unpacked itself and turned on its paging (Linux,
/// "Documentation/arch/x86/x86_64/mm.rst").
const KERNEL_START: u64 = 0xffff_ffff_8000_0000;

/// Where firmware writes its log.
const DEBUG_PORT: u16 = 0x402;
/// The interrupt of COM1.
const COM1_IRQ: u32 = 4;
/// Where SeaBIOS looks for the port of a serial console, and its first port.
const SERIAL_CONSOLE: (&str, u16) = ("etc/sercon-port", layout::pc::COM1);

/// Where it looks whether to wait for a key, which nobody can press: there is no keyboard.
const BOOT_MENU: &str = "etc/show-boot-menu";

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
        let (mut config, slots) = with_devices(run, config(run, entry, input)?, inventory, &memory)?;
        if run.cpus.has_spare() {
            let told = inventory.clone();
            config.spare_vcpus = Some(SpareVcpus::new(run.cpus.max, move |event| told.cpu_event(event)));
        }
        let mut vm = match incoming.take() {
            Some(uri) => migration::receive(uri, hypervisor, image, config)?,
            None => Vm::new(hypervisor, image, config).context("failed to make the VM")?,
        };
        // It is new, and gets its memory once.
        let _ = memory.set(vm.memory().clone());
        for (index, _) in inventory.cpus() {
            vm.handle().plug_vcpu(index).context("failed to make a processor that was plugged before the reset")?;
        }
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

/// Puts the devices on a PCI bus, if there are any or the machine has one; also gives the way to plug others.
fn with_devices(
    run: &Run,
    config: VmConfig,
    inventory: &Inventory,
    memory: &LateMemory,
) -> anyhow::Result<(VmConfig, Option<PciSlots>)> {
    let (specs, is_pc) = (inventory.specs(), run.machine() == MachineChoice::Pc);
    if !is_pc && specs.is_empty() {
        return Ok((config, None));
    }
    let mut host = PciHost::new();
    if config.entry == Entry::Reset {
        // OVMF knows few machines, and this one by its host bridge.
        host = host.like_q35();
    }
    let mut slots = None;
    if is_pc && run.qmp.is_some() {
        let ejected = inventory.clone();
        let (with_hot_plug, way) = host.with_hot_plug(move |slot| ejected.remove(slot));
        (host, slots) = (with_hot_plug, Some(way));
    }
    for spec in specs {
        let (device, handles) = devices::make(&spec, memory)?;
        inventory.keep(spec.slot, handles);
        host = host.with(Some(spec.slot), device);
    }
    Ok((config.with(host), slots))
}

fn load(run: &Run) -> anyhow::Result<(Image, Entry)> {
    let (size_bytes, initrd) = (run.memory().size_bytes, run.initrd.as_deref());
    // All but the first name the file by themselves.
    Ok(match run.payload() {
        Payload::Image(path) => {
            let EntryChoice::Pvh = run.entry;
            let image = Image::load(path, size_bytes);
            (image.with_context(|| format!("failed to load the image {}", path.display()))?, Entry::Pvh)
        }
        Payload::Kernel(path) if run.unpack => (Image::load_linux_unpacked(path, initrd, size_bytes)?, Entry::Linux),
        Payload::Kernel(path) => (Image::load_linux(path, initrd, size_bytes)?, Entry::Linux),
        Payload::Multiboot(path) => (Image::load_multiboot(path, initrd, size_bytes)?, Entry::Multiboot),
        Payload::Firmware(path) => (Image::load_firmware(path, size_bytes)?, Entry::Reset),
    })
}

fn config(run: &Run, entry: Entry, input: Option<&SerialInput>) -> anyhow::Result<VmConfig> {
    let is_pc = run.machine() == MachineChoice::Pc;
    let memory = run.memory();
    let config = VmConfig {
        nr_vcpus: run.cpus.nr,
        acpi: run.acpi || is_pc,
        command_line: run.append.clone(),
        backing: memory.backing,
        notifications: Notifications::Events,
        confinement: run.seccomp.into(),
        tracking: match run.qmp {
            Some(_) => DirtyTracking::OnDemand(DirtyMethod::Log),
            None => DirtyTracking::Off,
        },
        ..machine::with_interrupts(run, VmConfig::new(entry))?
    };
    // Nothing is kept of what goes to standard output, so that there is no need for a limit.
    let mut serial = Serial::new(layout::pc::COM1, io::stdout(), usize::MAX);
    if let Some(input) = input {
        let descriptor = input.descriptor.try_clone().context("cannot use standard input once more")?;
        serial = serial.with_input(descriptor, input.escape);
    }
    let mut config = config
        .with(if is_pc { serial.with_line(COM1_IRQ) } else { serial })
        .with(DebugExit::new(DEBUG_EXIT_PORT))
        .with(I8042::new(layout::pc::I8042));
    let fw_cfg = FwCfg::new(run.cpus.nr, memory.size_bytes);
    match entry {
        Entry::Multiboot => config = config.with(PcTestDevice::new()).with(fw_cfg),
        Entry::Reset => {
            let (name, port) = SERIAL_CONSOLE;
            let fw_cfg = fw_cfg.with_file(name, port.to_le_bytes().to_vec());
            config = config.with(fw_cfg.with_file(BOOT_MENU, vec![0]));
        }
        Entry::Pvh | Entry::LongMode(_) | Entry::Linux => {}
    }
    Ok(if run.debug_port { config.with(DebugPort::new(DEBUG_PORT, io::stderr())) } else { config })
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
