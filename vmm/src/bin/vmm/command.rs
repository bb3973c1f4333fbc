//! Doing what the command line says.

use crate::{
    arguments::{Arguments, Command, EntryChoice, MachineChoice, Payload, Run},
    machine, tell,
    trace::{self, Tracer},
    virtio::{self, Plugged},
};
use anyhow::Context;
use std::{
    fs, io,
    net::TcpListener,
    os::unix::net::UnixListener,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};
use vmm::{
    Entry, ExitObserver, Hypervisor, Image, NoObserver, StopReason, Stopped, Vm, VmConfig, VmHandle,
    devices::{DebugExit, DebugPort, FwCfg, I8042, PcTestDevice, PciHost, Serial},
    layout,
};

/// Where Linux kernels under QEMU and most test kernels expect QEMU's isa-debug-exit.
const DEBUG_EXIT_PORT: u16 = 0xf4;
/// Events that a guest can raise through KVM (Linux, "include/uapi/linux/kvm.h", KVM_SYSTEM_EVENT_*).
const SYSTEM_EVENTS_OF_SUCCESS: [u32; 2] = [1, 2];

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
    let Command::Run(run) = arguments.command;
    let hypervisor = Hypervisor::open().context("cannot use KVM")?;
    let (image, entry) = load(&run)?;
    let Plugged { devices, sockets } = virtio::devices(&run)?;
    let mut config = config(&run, entry)?;
    if run.machine() == MachineChoice::Pc || !devices.is_empty() {
        config = config.with(devices.into_iter().fold(PciHost::new(), |host, device| host.with(None, device)));
    }
    let mut vm = Vm::new(&hypervisor, &image, config).context("failed to make the VM")?;
    let result = with_timeout(vm.handle(), run.timeout, || go(&mut vm, &run));
    drop(sockets);
    let (stopped, timed_out) = result?;
    report(stopped, timed_out, &run)
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
        Payload::Kernel(path) => (Image::load_linux(path, initrd, size_bytes)?, Entry::Linux),
        Payload::Multiboot(path) => (Image::load_multiboot(path, initrd, size_bytes)?, Entry::Multiboot),
        Payload::Firmware(path) => (Image::load_firmware(path, size_bytes)?, Entry::Reset),
    })
}

fn config(run: &Run, entry: Entry) -> anyhow::Result<VmConfig> {
    let is_pc = run.machine() == MachineChoice::Pc;
    let memory = run.memory();
    let config = VmConfig {
        nr_vcpus: run.cpus,
        acpi: entry != Entry::Reset && (run.acpi || is_pc),
        command_line: run.append.clone(),
        backing: memory.backing,
        ..machine::with_interrupts(run, VmConfig::new(entry))?
    };
    // Nothing is kept of what goes to standard output, so that there is no need for a limit.
    let serial = Serial::new(layout::pc::COM1, io::stdout(), usize::MAX);
    let mut config = config
        .with(if is_pc { serial.with_line(COM1_IRQ) } else { serial })
        .with(DebugExit::new(DEBUG_EXIT_PORT))
        .with(I8042::new(layout::pc::I8042));
    let fw_cfg = FwCfg::new(run.cpus, memory.size_bytes);
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

fn go(vm: &mut Vm, run: &Run) -> anyhow::Result<Stopped> {
    let mut tracer = Tracer::default();
    let observer: &mut dyn ExitObserver = if run.trace { &mut tracer } else { &mut NoObserver };
    match &run.gdb {
        Some(address) => debug(vm, address, observer),
        None => Ok(vm.run(observer)?),
    }
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

/// Calls `work`, and stops the VM after `seconds`. Gives whether it came to that.
fn with_timeout<T>(
    handle: VmHandle,
    seconds: Option<u64>,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, bool)> {
    let Some(seconds) = seconds else { return Ok((work()?, false)) };
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(move |scope| {
        // Owned here, so that the timer also ends if the work panics.
        let done = done;
        let timer = scope.spawn(move || {
            let timed_out = is_done.recv_timeout(Duration::from_secs(seconds)) == Err(RecvTimeoutError::Timeout);
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
        StopReason::Requested => !timed_out,
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
