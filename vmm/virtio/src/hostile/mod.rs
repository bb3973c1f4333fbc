//! What every device is put through: a driver that follows the rules, breaks them, and writes anything anywhere.
//!
//! The tests beside the devices draw the steps by proptest ([`strategy`]); the fuzz targets (`vmm/virtio/fuzz`, with the feature
//! `hostile`) by what coverage tells.

mod driver;
mod host;
#[cfg(test)]
pub(crate) mod strategy;
#[cfg(test)]
mod tests;
mod transport;

use crate::{Features, Memory, Status, VirtioDevice, mmio::Mmio, pci::VirtioFunction};
use driver::{Driver, MEMORY_BYTES};
pub use host::Hosted;
use transport::Transport;
use vm_memory::{Bytes, GuestAddress};
use vm_state::DeviceStateError;

/// One thing that happens to a device.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "hostile", derive(arbitrary::Arbitrary))]
pub enum Step {
    /// A register, or the configuration of its kind, is read.
    Read {
        /// Where; it is folded to where registers are.
        offset: u64,
        /// How many bytes.
        size: u8,
    },
    /// A register, or the configuration of its kind, is written.
    Write {
        /// Where; it is folded to where registers are.
        offset: u64,
        /// How many bytes.
        size: u8,
        /// What.
        value: u64,
    },
    /// The configuration of its kind is written, where every transport has it.
    Configure {
        /// Where.
        offset: u8,
        /// What.
        value: u32,
        /// How many bytes.
        size: u8,
    },
    /// PCI's configuration space is written, and read.
    Space {
        /// Where.
        offset: u16,
        /// How many bytes.
        size: u8,
        /// What.
        value: u64,
    },
    /// Guest memory changes.
    Memory {
        /// Where; it is folded to where memory is.
        address: u32,
        /// What is there from now on.
        bytes: Vec<u8>,
    },
    /// The driver resets the device and sets it up by the rules.
    Start {
        /// Which of the offered features it accepts.
        features: u64,
        /// Whether it wants interrupts by messages, where there are such.
        messages: bool,
    },
    /// The driver resets the device, and no more.
    Reset,
    /// A buffer is made available in a ring that is as it has to be.
    Request(Request),
    /// The driver notifies.
    Notify(u16),
    /// The other side has something.
    Wake,
    /// Another thread of the host changes it, of which it hears when it is woken.
    Host(u32),
    /// The device is saved, and another one goes on in its state; if that state was damaged before, it may be refused.
    Restore {
        /// What is damaged.
        damage: Option<Damage>,
    },
}

/// What becomes of a saved state.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "hostile", derive(arbitrary::Arbitrary))]
pub enum Damage {
    /// Bits of a byte change.
    Bits {
        /// Which byte, modulo their number.
        at: u32,
        /// Which bits.
        mask: u8,
    },
    /// Nothing is left from a byte on.
    Cut {
        /// Which byte, modulo their number.
        at: u32,
    },
}

impl Damage {
    fn apply(self, state: &mut Vec<u8>) {
        let place = |at: u32| (at as usize).checked_rem(state.len());
        match self {
            Self::Bits { at, mask } => {
                if let Some(at) = place(at) {
                    state[at] ^= mask;
                }
            }
            Self::Cut { at } => state.truncate(place(at).unwrap_or(0)),
        }
    }
}

/// A buffer.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "hostile", derive(arbitrary::Arbitrary))]
pub struct Request {
    /// The queue, modulo their number.
    pub queue: u8,
    /// What it begins with, for the device to read.
    pub head: Vec<u8>,
    /// What follows.
    pub elements: Vec<Element>,
    /// Whether an indirect table has it, if that was negotiated.
    pub indirect: bool,
    /// Whether the driver notifies then.
    pub notify: bool,
}

/// An element of a buffer.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "hostile", derive(arbitrary::Arbitrary))]
pub struct Element {
    /// Where it lies, in part outside of memory.
    pub address: u32,
    /// Size in bytes.
    pub size_bytes: u32,
    /// Whether the device may write it.
    pub writable: bool,
}

/// Does the steps to a device behind each transport. `make` makes the device after reset.
///
/// # Panics
/// If the device does what no device may, or does not work any more when it is set up anew afterwards.
pub fn survive(make: impl Fn() -> Box<dyn VirtioDevice>, steps: &[Step]) {
    survive_with_host(|| Hosted::alone(make()), steps);
}

/// The same with what the host does to it.
///
/// # Panics
/// As [`survive`].
pub fn survive_with_host(make: impl Fn() -> Hosted, steps: &[Step]) {
    run(&make, Mmio::new, steps);
    run(&make, VirtioFunction::new, steps);
}

fn run<T: Transport>(make: impl Fn() -> Hosted, behind: impl Fn(Box<dyn VirtioDevice>, Memory) -> T, steps: &[Step]) {
    let range = (GuestAddress(0), MEMORY_BYTES as usize);
    let memory = Memory::from_ranges(&[range]).expect("one range, which the host has");
    let make = || {
        let Hosted { device, change } = make();
        (behind(device, memory.clone()), change)
    };
    let (mut device, mut change) = make();
    let mut driver = Driver::new(memory.clone(), &device);
    for step in steps {
        match step {
            Step::Restore { damage } => (device, change) = replaced((device, change), make, *damage),
            Step::Host(value) => change(*value),
            _ => one(&mut device, &mut driver, step),
        }
        check(&mut device);
    }
    // Whatever was done to it, a reset brings it back.
    driver.start(&mut device, Features::VERSION_1.bits(), false);
    check(&mut device);
    let common = device.common();
    assert_eq!((common.status(), common.broken()), (all_set(), None), "it is as at its start");
}

/// Another device in the state of one, which is gone by then: both cannot have their other side at once. One whose state is refused is
/// as after reset, and one that cannot be saved stays.
fn replaced<T: Transport, C>(
    (mut device, change): (T, C),
    make: impl Fn() -> (T, C),
    damage: Option<Damage>,
) -> (T, C) {
    device.quiesce();
    let mut state = match device.save() {
        Ok(state) => state,
        Err(DeviceStateError::Unsupported) => return (device, change),
        Err(error) => panic!("it could not be saved: {error}"),
    };
    if let Some(damage) = damage {
        damage.apply(&mut state);
    }
    drop((device, change));
    let (mut device, change) = make();
    match device.restore(&state) {
        Ok(()) => (device, change),
        Err(error) if damage.is_none() => panic!("its own state was refused: {error}"),
        Err(_) => {
            drop((device, change));
            make()
        }
    }
}

/// The status of a device that works.
fn all_set() -> Status {
    Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK | Status::DRIVER_OK
}

fn one<T: Transport>(device: &mut T, driver: &mut Driver, step: &Step) {
    match step {
        Step::Read { offset, size } => device.read(T::fold(*offset), &mut [0xee; 16][..usize::from(size % 17)]),
        Step::Write { offset, size, value } => device.write(T::fold(*offset), bytes(*size, *value, &mut [0; 16])),
        Step::Configure { offset, value, size } => {
            let size = [1, 2, 4][usize::from(size % 3)];
            device.write(T::CONFIG + u64::from(*offset), bytes(size, (*value).into(), &mut [0; 16]));
        }
        Step::Space { offset, size, value } => {
            device.write_space(*offset, bytes(*size, *value, &mut [0; 16]));
            device.read_space(*offset, &mut [0xee; 16][..usize::from(size % 17)]);
        }
        Step::Memory { address, bytes } => driver.put(*address, bytes),
        Step::Start { features, messages } => {
            let features = features & device.common().offered() | Features::VERSION_1.bits();
            driver.start(device, features, *messages);
        }
        Step::Reset => device.write_register(transport::Register::Status, 0),
        Step::Request(request) => {
            if let Some(queue) = driver.submit(request)
                && request.notify
            {
                device.notify(queue);
            }
        }
        Step::Notify(queue) => device.notify((*queue).into()),
        Step::Wake => device.wake(),
        // It makes another device, or is done to its other side.
        Step::Restore { .. } | Step::Host(_) => {}
    }
}

/// Up to sixteen bytes, the first of which are a value.
fn bytes(size: u8, value: u64, room: &mut [u8; 16]) -> &[u8] {
    room[..8].copy_from_slice(&value.to_le_bytes());
    &room[..usize::from(size % 17)]
}

/// What holds for every device at any time.
fn check<T: Transport>(device: &mut T) {
    device.take_signals();
    let common = device.common();
    let status = common.status();
    assert!(status.contains(Status::FEATURES_OK) || !status.contains(Status::DRIVER_OK), "{status:?}");
    assert_eq!(common.broken().is_some(), status.contains(Status::NEEDS_RESET), "{status:?}");
}

impl Driver {
    /// Writes to memory, as far as there is some.
    fn put(&self, address: u32, bytes: &[u8]) {
        let address = u64::from(address) % MEMORY_BYTES;
        let size = bytes.len().min((MEMORY_BYTES - address) as usize);
        self.memory.write_slice(&bytes[..size], GuestAddress(address)).expect("within memory");
    }
}
