//! The VM that the command line asks for.

use crate::{
    arguments::{EntryChoice, MachineChoice, Payload, Run},
    devices::{self, LateMemory},
    inventory::Inventory,
    machine,
    terminal::SerialInput,
};
use anyhow::Context;
use std::io;
use vmm::{
    DirtyMethod, DirtyTracking, Entry, Image, MemoryMap, Notifications, VmConfig,
    devices::{DebugExit, DebugPort, FwCfg, I8042, PcTestDevice, PciHost, PciSlots, Serial},
    layout,
};

/// Where Linux kernels under QEMU and most test kernels expect QEMU's isa-debug-exit.
const DEBUG_EXIT_PORT: u16 = 0xf4;
/// Where firmware writes its log.
const DEBUG_PORT: u16 = 0x402;
/// The interrupt of COM1.
const COM1_IRQ: u32 = 4;
/// Where SeaBIOS looks for the port of a serial console, and its first port.
const SERIAL_CONSOLE: (&str, u16) = ("etc/sercon-port", layout::pc::COM1);

/// Where it looks whether to wait for a key, which nobody can press: there is no keyboard.
const BOOT_MENU: &str = "etc/show-boot-menu";

/// Puts the devices on a PCI bus, if there are any or the machine has one; also gives the way to plug others.
pub(super) fn with_devices(
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

/// Loads what is to be run, and says how it is entered.
pub(super) fn load(run: &Run) -> anyhow::Result<(Image, Entry)> {
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

/// The VM with the devices that are on no bus.
pub(super) fn config(
    run: &Run,
    entry: Entry,
    memory_map: MemoryMap,
    input: Option<&SerialInput>,
) -> anyhow::Result<VmConfig> {
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
    let fw_cfg = FwCfg::new(run.cpus.nr, run.cpus.max, memory_map);
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
