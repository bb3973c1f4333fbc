//! Making a VM: memory, interrupt controllers, vCPUs, in this order.

#![expect(unsafe_code, reason = "KVM is given the address of guest memory")]
// UNSAFETY: KVM_SET_USER_MEMORY_REGION with memory that the VM keeps mapped.

use crate::{
    boot::{self, Entry},
    boot_info,
    bus::{Bus, BusError},
    config::{Chipset, Irqchip, VmConfig},
    connection::Connection,
    control::Control,
    cpuid::{self, Machine},
    dirty::{DirtyMethod, DirtyPages, DirtyTracking},
    faults::{self, Fault},
    firmware,
    host::Hypervisor,
    image::{Image, ImageError},
    interrupts::{InterruptError, Interrupts},
    irqchip, layout,
    memory::{GuestMemory, MemoryError, OutsideMemory},
    platform::{self, Counters, Platform, Processors},
    reset,
    save::Shape,
    spares::{Parts, SpareRegisters, SpareVcpus, Spares},
    vcpu::Unfinished,
    vm::Vm,
};
use kvm_bindings::{KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY, kvm_userspace_memory_region};
use kvm_ioctls::{VcpuFd, VmFd};
use std::{io, sync::Arc};

/// What KVM's I/O APIC says of itself (Linux, "arch/x86/kvm/ioapic.h", IOAPIC_VERSION_ID).
const KERNEL_IO_APIC_VERSION: u8 = 0x11;

/// Where the keyboard controller takes the command that resets the machine.
const I8042_COMMAND: u16 = layout::pc::I8042 + layout::pc::NR_I8042_PORTS - 1;

/// Why a VM could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The image cannot be entered as asked.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Guest memory could not be mapped.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// What the guest is told at its entry could not be written.
    #[error("failed to write what the guest is told at its entry")]
    StartInfo(#[from] OutsideMemory),
    /// The firmware tables could not be written: they need a mebibyte of memory.
    #[error("failed to write the ACPI and MP tables")]
    FirmwareTables(#[source] OutsideMemory),
    /// The PIT's interrupt could not be led to where the firmware tables tell.
    #[error(transparent)]
    Interrupts(#[from] InterruptError),
    /// The devices do not fit together.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The command line cannot be handed over.
    #[error("the command line of {size_bytes} bytes is longer than {} or holds a NUL", layout::COMMAND_LINE_MAX_BYTES)]
    CommandLine {
        /// Its size.
        size_bytes: usize,
    },
    /// The shape of the VM makes no sense.
    #[error("{0}")]
    Shape(&'static str),
    /// KVM lacks what this shape of VM needs.
    #[error("KVM of this kernel lacks {name}, which this VM needs")]
    MissingCapability {
        /// The capability in the kernel's terms.
        name: &'static str,
    },
    /// KVM refused a request.
    #[error("KVM refused {request}")]
    Kvm {
        /// The request in the kernel's terms.
        request: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Makes an error of kvm-ioctls one of ours.
pub(crate) fn refused(request: &'static str) -> impl Fn(kvm_ioctls::Error) -> VmError {
    move |error| VmError::Kvm { request, source: error.into() }
}

impl Vm {
    /// Makes a VM that runs `image`.
    ///
    /// # Errors
    /// See [`VmError`].
    pub fn new(hypervisor: &Hypervisor, image: &Image, config: VmConfig) -> Result<Self, VmError> {
        Self::assemble(hypervisor, image, config, true)
    }

    /// Makes a VM, which enters the image if it `starts`; else its registers and memory are set by the caller.
    pub(crate) fn assemble(
        hypervisor: &Hypervisor,
        image: &Image,
        mut config: VmConfig,
        starts: bool,
    ) -> Result<Self, VmError> {
        check_shape(&config)?;
        let fd = hypervisor.kvm.create_vm().map_err(refused("KVM_CREATE_VM"))?;
        let memory = match (image.instantiate(config.backing)?, config.tracking) {
            (memory, DirtyTracking::Off) => memory,
            (memory, _) => memory.with_write_log(),
        };
        config.tracking.prepare(&fd)?;
        // Before the interrupt controllers: see the invariant in lib.rs.
        let is_logged = matches!(config.tracking, DirtyTracking::Always(_));
        set_memory(&fd, &memory, is_logged).map_err(refused("KVM_SET_USER_MEMORY_REGION"))?;
        fd.set_identity_map_address(layout::IDENTITY_MAP).map_err(refused("KVM_SET_IDENTITY_MAP_ADDR"))?;
        fd.set_tss_address(layout::KVM_TSS as usize).map_err(refused("KVM_SET_TSS_ADDR"))?;
        irqchip::create(&fd, &config)?;
        let vcpus = (0..config.nr_vcpus)
            .map(|index| fd.create_vcpu(index.into()).map_err(refused("KVM_CREATE_VCPU")))
            .collect::<Result<Vec<_>, VmError>>()?;
        let has_kernel_apic = matches!(config.irqchip, Irqchip::Split | Irqchip::Kernel);
        let counters = match config.irqchip {
            Irqchip::User => Counters::of(&vcpus),
            _ => None,
        };
        let machine = Machine {
            nr_vcpus: config.nr_vcpus_max(),
            has_apic: config.irqchip != Irqchip::None,
            has_kernel_apic,
            has_tsc_deadline: hypervisor.has_tsc_deadline && has_kernel_apic || counters.is_some(),
        };
        let table = |index| {
            let mut table = cpuid::for_vcpu(&hypervisor.supported_cpuid, machine, index);
            faults::change_cpuid(config.fault, &mut table);
            table
        };
        for (index, vcpu) in (0..).zip(&vcpus) {
            vcpu.set_cpuid2(&table(index)).map_err(refused("KVM_SET_CPUID2"))?;
        }
        let later: Vec<_> = (config.nr_vcpus..config.nr_vcpus_max()).map(table).collect();
        if has_kernel_apic && config.nr_vcpus > 1 {
            vcpus.last().map_or(Ok(()), irqchip::make_reachable)?;
        }
        if config.irqchip == Irqchip::User {
            irqchip::take_msrs(&fd, counters.is_some())?;
        }
        faults::take_msrs(&fd, config.fault, config.irqchip)?;
        // The others stay as KVM made them: after reset, waiting for their start-up IPI. All MSRs are as after reset.
        if let Some(first) = vcpus.first().filter(|_| starts) {
            set_entry(first, &config.entry, image)?;
        }
        let fd = Arc::new(fd);
        let control = Arc::new(Control::new(config.confinement));
        let interrupts = Interrupts::new(fd.clone(), config.irqchip, control.clone(), config.fault);
        let processors = Processors {
            nr: config.nr_vcpus,
            nr_max: config.nr_vcpus_max(),
            counters,
            physical_address_bits: cpuid::physical_address_bits(&hypervisor.supported_cpuid),
        };
        let platform = Platform::new(&config, processors, &interrupts, &control).map(|(platform, on_bus)| {
            config.devices.extend(on_bus);
            interrupts.set_platform(&platform);
            platform
        });
        // Before those that come later are taken out.
        let nr_vcpus_max = config.nr_vcpus_max();
        let (fault, has_filter) = (config.fault, config.irqchip != Irqchip::User);
        let told = tables(&config);
        let spares = match config.spare_vcpus.take() {
            None => None,
            Some(SpareVcpus { on_event, .. }) => {
                let msrs = hypervisor.kvm.get_msr_index_list().map_err(refused("KVM_GET_MSR_INDEX_LIST"))?;
                let unfinished = || Unfinished::new(fault, &interrupts, has_filter);
                let spares = Arc::new(Spares::new(Parts {
                    vm: fd.clone(),
                    interrupts: interrupts.clone(),
                    control: control.clone(),
                    platform: platform.clone().filter(|platform| platform.has_local_apics()),
                    has_kernel_apic,
                    msrs: msrs.as_slice().to_vec(),
                    first: config.nr_vcpus,
                    each: later.into_iter().map(|cpuid| (cpuid, unfinished())).collect(),
                    on_event,
                }));
                config.devices.push(Box::new(SpareRegisters(Arc::downgrade(&spares))));
                Some(spares)
            }
        };
        let mut connection = Connection::new(fd.clone(), interrupts.clone(), memory.clone(), config.notifications)
            .with_fault(config.fault);
        config.devices.iter_mut().for_each(|device| device.connect(&mut connection));
        let watched = connection.into_watched();
        let shape = Shape::new(&config, nr_vcpus_max, memory.size_bytes());
        let mut bus = Bus::new(config.devices, memory.map())?;
        let rsdp = match config.acpi {
            true => {
                let (has_i8042, devices) = (bus.has_port(I8042_COMMAND), bus.firmware_devices());
                let told = firmware::Machine { has_i8042, devices: &devices, ..told };
                let told = match fault {
                    Some(Fault::Firmware(fault)) => fault.told(told),
                    _ => told,
                };
                match config.entry {
                    // It asks for them, and places them itself.
                    Entry::Reset => {
                        bus.give_firmware_files(&firmware::files(&told));
                        0
                    }
                    _ => firmware::write(&memory, &told).map_err(VmError::FirmwareTables)?,
                }
            }
            false => 0,
        };
        if config.entry == Entry::Reset {
            firmware::cmos::write(&mut bus, &memory, config.nr_vcpus);
        }
        if starts {
            boot_info::write(&memory, image, &config.entry, &config.command_line, rsdp)?;
        }
        if config.irqchip == Irqchip::Kernel {
            interrupts.override_pit()?;
        }
        if let Some(first) = vcpus.first() {
            faults::change_entry(fault, first, &memory, &interrupts).map_err(refused("a fault at the entry"))?;
        }
        bus.set_fault(fault);
        let unfinished = vcpus.iter().map(|_| Unfinished::new(fault, &interrupts, has_filter)).collect();
        let dirty = DirtyPages::new(&fd, &memory, config.tracking, &vcpus)?.map(Arc::new);
        let loses = match fault {
            Some(Fault::Saved(lost)) => Some(lost),
            _ => None,
        };
        Ok(Self {
            vcpus,
            unfinished,
            spares,
            fd,
            interrupts,
            memory,
            bus,
            platform,
            watched,
            control,
            shape,
            dirty,
            loses,
        })
    }
}

fn check_shape(config: &VmConfig) -> Result<(), VmError> {
    let size_bytes = config.command_line.len();
    if size_bytes > layout::COMMAND_LINE_MAX_BYTES || config.command_line.contains('\0') {
        return Err(VmError::CommandLine { size_bytes });
    }
    match (config.nr_vcpus, config.irqchip) {
        (0, _) => Err(VmError::Shape("a VM has at least one vCPU")),
        (nr, _) if nr > layout::NR_VCPUS_MAX => Err(VmError::Shape("a VM has at most 64 vCPUs")),
        (2.., Irqchip::None) => Err(VmError::Shape("more than one vCPU needs local APICs, of KVM or of this VMM")),
        (_, Irqchip::None | Irqchip::Split | Irqchip::User) if config.pit => {
            Err(VmError::Shape("the PIT needs the in-kernel irqchip"))
        }
        _ => check_spares(config).and_then(|()| check_chipset(config)),
    }
}

fn check_spares(config: &VmConfig) -> Result<(), VmError> {
    let Some(SpareVcpus { nr_max, .. }) = config.spare_vcpus else { return Ok(()) };
    match (nr_max, config.irqchip) {
        (nr_max, _) if nr_max > layout::NR_VCPUS_MAX => Err(VmError::Shape("a VM has at most 64 vCPUs")),
        (nr_max, _) if nr_max <= config.nr_vcpus => {
            Err(VmError::Shape("there are no vCPUs left that could come later"))
        }
        (_, Irqchip::None) => Err(VmError::Shape("more than one vCPU needs local APICs, of KVM or of this VMM")),
        _ if config.tracking.method() == Some(DirtyMethod::Ring) => {
            Err(VmError::Shape("vCPUs that come and go have no dirty rings: use the dirty log"))
        }
        _ if !config.chipset.power => Err(VmError::Shape("vCPUs that come and go need the fixed hardware of ACPI")),
        _ => Ok(()),
    }
}

fn check_chipset(config: &VmConfig) -> Result<(), VmError> {
    let Chipset { interrupt_controllers, pit, hpet, rtc, power } = config.chipset;
    let has_timers = pit || hpet || rtc || power;
    match config.irqchip {
        Irqchip::None | Irqchip::Kernel if interrupt_controllers => {
            Err(VmError::Shape("interrupt controllers of this VMM need local APICs alone: split, or its own"))
        }
        irqchip if has_timers && irqchip != Irqchip::Kernel && !interrupt_controllers => Err(VmError::Shape(
            "a PIT, HPET, real-time clock or ACPI timer needs interrupt controllers that it can interrupt",
        )),
        _ if pit && config.pit => Err(VmError::Shape("there is one PIT, of KVM or of this VMM")),
        _ => Ok(()),
    }
}

/// What the firmware tables tell.
fn tables(config: &VmConfig) -> firmware::Machine<'static> {
    let kernel = config.irqchip == Irqchip::Kernel;
    firmware::Machine {
        nr_vcpus: config.nr_vcpus.into(),
        nr_spare: u32::from(config.nr_vcpus_max() - config.nr_vcpus),
        io_apic: match kernel {
            true => Some(KERNEL_IO_APIC_VERSION),
            false => config.chipset.interrupt_controllers.then_some(platform::IO_APIC_VERSION),
        },
        has_pics: kernel || config.chipset.interrupt_controllers,
        hpet: config.chipset.hpet.then(platform::hpet_id),
        has_rtc: config.chipset.rtc,
        has_power: config.chipset.power,
        has_i8042: false,
        devices: &[],
    }
}

/// Gives KVM the memory, or changes whether it logs which pages are written.
pub(crate) fn set_memory(fd: &VmFd, memory: &GuestMemory, is_logged: bool) -> Result<(), kvm_ioctls::Error> {
    for slot in memory.slots() {
        let flags = match slot.is_read_only {
            true => KVM_MEM_READONLY,
            false if is_logged => KVM_MEM_LOG_DIRTY_PAGES,
            false => 0,
        };
        let region = kvm_userspace_memory_region {
            slot: slot.number,
            flags,
            guest_phys_addr: slot.range.address,
            memory_size: slot.range.size_bytes,
            userspace_addr: slot.host_address,
        };
        // SAFETY: the memory is mapped with this size, and stays so for as long as guests can run: `Vm` owns it and the vCPUs,
        // and drops those first. What others keep of the VM, for interrupts or to make a vCPU, runs no guest.
        unsafe { fd.set_user_memory_region(region) }?;
    }
    Ok(())
}

fn set_entry(vcpu: &VcpuFd, entry: &Entry, image: &Image) -> Result<(), VmError> {
    let reset = vcpu.get_sregs().map_err(refused("KVM_GET_SREGS"))?;
    let (regs, sregs) = match entry {
        Entry::Pvh => boot::pvh(image.pvh_entry()?, reset),
        Entry::LongMode(state) => boot::long_mode(state, reset),
        Entry::Linux => boot::linux(image.linux()?.entry, reset),
        Entry::Multiboot => boot::multiboot(image.multiboot()?.entry, reset),
        Entry::Reset => {
            image.rom()?;
            return reset::init(vcpu).map_err(refused("KVM_SET_SREGS"));
        }
    };
    vcpu.set_sregs(&sregs).map_err(refused("KVM_SET_SREGS"))?;
    vcpu.set_regs(&regs).map_err(refused("KVM_SET_REGS"))
}
