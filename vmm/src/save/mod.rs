//! Saving a VM and restoring it.
//!
//! The file is that of the crate `vm-state`, with these sections, each of which but memory holds one value in the format of
//! postcard:
//!
//! | name | what |
//! |---|---|
//! | `machine` | the VM's shape: what it is restored into must have the same |
//! | `firmware` | memory that is only read, if there is some: it stays as it was made |
//! | `moment` | when it was saved, by the clocks of the host |
//! | `vcpu/0`, … | a vCPU; of those that come and go, each that is there |
//! | `spares` | the registers of those, if there can be some |
//! | `kernel` | interrupt controllers, PIT and clock of KVM |
//! | `platform` | those of this VMM |
//! | `device/0`, … | what [`crate::Device::save`] gave, in the order of the devices |
//! | `memory` | guest memory without pages of zeros; what is above 4 GiB follows what is below |
//!
//! What it is restored into is made by its user from the same [`VmConfig`]: devices bring what they have of the host.
//! The checksums tell damage from a state, not an enemy from a friend: who can write the file can do what a guest's processor can.

mod device;
mod error;
mod kernel;
mod time;
mod timer;
mod vcpu;

pub use device::DeviceStateError;
pub(crate) use device::{from_bytes, nothing, to_bytes};
pub use error::{RestoreError, SaveError};
pub use time::Elapsed;
pub(crate) use vcpu::VcpuState;

use crate::{
    bus::Region,
    config::{Chipset, Irqchip, VmConfig},
    host::Hypervisor,
    image::Image,
    memory::{OutsideMemory, Rom},
    platform::PlatformState,
    spares,
    vm::Vm,
};
use kernel::KernelState;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use time::Moment;
use vm_state::{Reader, Writer, memory};

/// How often vCPUs take interrupts before they are saved: one whose line stays high comes again when it ends, but waits then behind
/// the one that was taken.
const NR_TAKES_MAX: usize = 8;

/// What a VM has, as far as states depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    nr_vcpus: u8,
    /// With those that can come later.
    nr_vcpus_max: u8,
    irqchip: Irqchip,
    has_pit: bool,
    chipset: Chipset,
    memory_bytes: u64,
    devices: Vec<Vec<Region>>,
}

impl Shape {
    /// That of a VM with these devices.
    pub(crate) fn new(config: &VmConfig, nr_vcpus_max: u8, memory_bytes: u64) -> Self {
        let VmConfig { nr_vcpus, irqchip, pit: has_pit, chipset, ref devices, .. } = *config;
        let devices = devices.iter().map(|device| device.regions()).collect();
        Self { nr_vcpus, nr_vcpus_max, irqchip, has_pit, chipset, memory_bytes, devices }
    }

    fn has_kernel_apic(&self) -> bool {
        matches!(self.irqchip, Irqchip::Split | Irqchip::Kernel)
    }
}

fn add(writer: &mut Writer, name: impl Into<String>, value: &impl Serialize) -> Result<(), SaveError> {
    let name = name.into();
    match to_bytes(value) {
        Ok(bytes) => Ok(writer.add(name, bytes)?),
        Err(_) => Err(SaveError::Section { name }),
    }
}

fn section<T: DeserializeOwned>(reader: &Reader<'_>, name: &str) -> Result<T, RestoreError> {
    from_bytes(reader.section(name)?).map_err(|_| RestoreError::Section { name: name.to_owned() })
}

impl Vm {
    /// The state of the VM as a file. Its last run ended with [`crate::StopReason::Suspended`], or it has not run yet.
    ///
    /// # Errors
    /// See [`SaveError`].
    pub fn save(&mut self, hypervisor: &Hypervisor) -> Result<Vec<u8>, SaveError> {
        let mut writer = self.save_state(hypervisor)?;
        let (memory, map) = (&self.memory, self.memory.map());
        writer.add("memory", memory::write(map.size_bytes(), |at, bytes| memory.read(map.address_of(at), bytes))?)?;
        Ok(writer.finish())
    }

    /// All but the memory, which this may change: what is left of an exit is done.
    pub(crate) fn save_state(&mut self, hypervisor: &Hypervisor) -> Result<Writer, SaveError> {
        for (index, device) in self.bus.devices_mut().iter_mut().enumerate() {
            let result = device.quiesce();
            result.map_err(|source| SaveError::Device { index, regions: device.regions(), source })?;
        }
        let list = hypervisor
            .kvm
            .get_msr_index_list()
            .map_err(|error| SaveError::Kvm { request: "KVM_GET_MSR_INDEX_LIST", source: error.into() })?;
        let mut writer = Writer::new();
        add(&mut writer, "machine", &self.shape)?;
        let firmware = self.firmware()?;
        if !firmware.is_empty() {
            writer.add("firmware", firmware)?;
        }
        // What they take from the 8259s by that is not to be in these any more; and I/O APICs have to hear of what ends.
        self.take_interrupts()?;
        let (moment, here) = Moment::now();
        add(&mut writer, "moment", &moment)?;
        if let Some(platform) = &self.platform {
            add(&mut writer, "platform", &platform.save(here))?;
        }
        add(&mut writer, "kernel", &KernelState::read(&self.fd, self.shape.irqchip, self.shape.has_pit, here)?)?;
        for (index, (vcpu, unfinished)) in self.vcpus.iter_mut().zip(&self.unfinished).enumerate() {
            let state = VcpuState::read(vcpu, list.as_slice(), unfinished.pending(), self.shape.has_kernel_apic())?;
            let state = self.loses.into_iter().fold(state, VcpuState::without);
            add(&mut writer, format!("vcpu/{index}"), &state)?;
        }
        if let Some(spares) = &self.spares {
            let (registers, states) = spares.save()?;
            add(&mut writer, spares::SECTION, &registers)?;
            for (index, state) in states {
                add(&mut writer, format!("vcpu/{index}"), &state)?;
            }
        }
        for (index, device) in self.bus.devices().iter().enumerate() {
            let state =
                device.save().map_err(|source| SaveError::Device { index, regions: device.regions(), source })?;
            writer.add(format!("device/{index}"), state)?;
        }
        Ok(writer)
    }

    /// Lets vCPUs take the interrupts that wait for them, until none ends by that. What still waits after so many is saved with
    /// the local APIC where it waits.
    fn take_interrupts(&mut self) -> Result<(), SaveError> {
        for _ in 0..NR_TAKES_MAX {
            let mut ended = Vec::new();
            for vcpu in &mut self.vcpus {
                ended.extend(VcpuState::take_interrupts(vcpu, self.shape.has_kernel_apic())?);
            }
            if let Some(spares) = &self.spares {
                ended.extend(spares.take_interrupts()?);
            }
            if ended.is_empty() {
                break;
            }
            for vector in ended {
                let told = self.platform.as_ref().map_or(Ok(()), |platform| platform.end_of_interrupt(vector));
                told.map_err(|error| SaveError::EndOfInterrupt { vector, source: Box::new(error) })?;
            }
        }
        Ok(())
    }

    /// A VM of the shape of `config` in the state that `file` has. `image` is what the memory is made from where most of it is as
    /// the image has it; it is not entered.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub fn restore(
        hypervisor: &Hypervisor,
        image: &Image,
        config: VmConfig,
        file: &[u8],
        elapsed: Elapsed,
    ) -> Result<Self, RestoreError> {
        let reader = Reader::new(file)?;
        let mut vm = Self::assemble(hypervisor, image, config, false)?;
        vm.check_shape(&reader)?;
        vm.write_memory(&reader)?;
        vm.restore_state(&reader, elapsed)?;
        Ok(vm)
    }

    /// Whether it is the state of such a VM.
    fn check_shape(&self, reader: &Reader<'_>) -> Result<(), RestoreError> {
        let saved: Shape = section(reader, "machine")?;
        if saved != self.shape {
            return Err(RestoreError::Shape { saved: format!("{saved:x?}"), here: format!("{:x?}", self.shape) });
        }
        match reader.section("firmware").unwrap_or_default() == self.firmware()? {
            true => Ok(()),
            false => Err(RestoreError::Firmware),
        }
    }

    /// What is only read, if there is such memory.
    fn firmware(&self) -> Result<Vec<u8>, OutsideMemory> {
        let Some((address, _, size_bytes)) = self.memory.rom().map(Rom::place) else { return Ok(Vec::new()) };
        let mut bytes = vec![0; size_bytes as usize];
        self.memory.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// Takes a VM that was assembled, and has its memory already, to a state.
    pub(crate) fn restore_state(&mut self, reader: &Reader<'_>, elapsed: Elapsed) -> Result<(), RestoreError> {
        self.check_shape(reader)?;
        let moment: Moment = section(reader, "moment")?;
        let kernel: KernelState = section(reader, "kernel")?;
        let vm = self;
        let states = (0..vm.vcpus.len())
            .map(|index| section(reader, &format!("vcpu/{index}")))
            .collect::<Result<Vec<VcpuState>, _>>()?;
        // All that follows takes time, by which clocks that go on must not fall behind.
        let (now, here) = Moment::now();
        let (elapsed, behind) = moment.until(&now, elapsed);
        kernel.write_clock(&vm.fd, (elapsed, here))?;
        let as_of_now = |state: VcpuState| if elapsed == 0 { state } else { state.with_running_timer() };
        for ((vcpu, unfinished), state) in vm.vcpus.iter_mut().zip(&mut vm.unfinished).zip(states) {
            let state = as_of_now(state);
            state.write(vcpu, behind)?;
            unfinished.set_pending(state.pending());
        }
        let later = match &vm.spares {
            Some(spares) => {
                let state_of = |index| section(reader, &format!("vcpu/{index}")).map(as_of_now);
                spares.restore(section(reader, spares::SECTION)?, state_of, behind)?
            }
            None => Vec::new(),
        };
        kernel.write_chips(&vm.fd)?;
        for (index, device) in vm.bus.devices_mut().iter_mut().enumerate() {
            let state = reader.section(&format!("device/{index}"))?;
            device.restore(state).map_err(|source| RestoreError::Device { index, source })?;
        }
        if let Some(platform) = &vm.platform {
            let state: PlatformState = section(reader, "platform")?;
            let senseless = || RestoreError::Section { name: "platform".to_owned() };
            platform.restore(state, (&vm.vcpus, &later), (elapsed, here)).map_err(|_| senseless())?;
        }
        Ok(())
    }

    /// Takes guest memory to what was saved; most of it is so already.
    fn write_memory(&self, reader: &Reader<'_>) -> Result<(), RestoreError> {
        let senseless = || RestoreError::Section { name: "memory".to_owned() };
        let saved = memory::Saved::new(reader.section("memory")?).map_err(|_| senseless())?;
        if saved.size_bytes() != self.memory.size_bytes() {
            return Err(senseless());
        }
        let mut runs = saved.runs().iter().peekable();
        let (zeros, mut page) = ([0; memory::PAGE_SIZE], [0; memory::PAGE_SIZE]);
        let mut at = 0;
        while at < saved.size_bytes() {
            while runs.next_if(|(start, run)| start + run.len() as u64 <= at).is_some() {}
            let wanted = match runs.peek() {
                Some((start, run)) if *start <= at => {
                    run.get((at - start) as usize..).and_then(|rest| rest.first_chunk()).unwrap_or(&zeros)
                }
                _ => &zeros,
            };
            let address = self.memory.map().address_of(at);
            self.memory.read(address, &mut page)?;
            if page != *wanted {
                self.memory.write(address, wanted)?;
            }
            at += memory::PAGE_SIZE as u64;
        }
        Ok(())
    }
}
