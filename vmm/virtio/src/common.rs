//! What every device has, whatever its transport: status, negotiation of features, queues, and its generation of
//! configuration (§ 2 "Basic Facilities of a Virtio Device" and § 3.1 "Device Initialization").

mod saved;

pub use saved::CommonState;

mod wrong;

use crate::{
    Features, Io, Memory, Ring, RingError, VirtioDevice,
    device::Outcome,
    fault::{CommonFault, Fault, RingFaults},
    ring::Areas,
};

/// How often a device is called at most until it is sure to be notified of the next buffer.
const ROUNDS_MAX: u32 = 16;

bitflags::bitflags! {
    /// The device status field (§ 2.1).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Status: u8 {
        /// The driver has seen the device.
        const ACKNOWLEDGE = 1;
        /// The driver knows how to drive it.
        const DRIVER = 2;
        /// The driver is ready.
        const DRIVER_OK = 4;
        /// Features are negotiated.
        const FEATURES_OK = 8;
        /// The device cannot go on.
        const NEEDS_RESET = 64;
        /// The driver gave up.
        const FAILED = 128;
    }
}

/// What the driver is to be interrupted for; a transport takes it after each call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Interrupts {
    /// Queues with buffers given back, a bit each.
    pub queues: u64,
    /// The configuration changed, or the device needs a reset.
    pub config: bool,
}

/// What a driver told of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRegisters {
    /// The largest size.
    pub size_max: u16,
    /// Descriptors of the ring.
    pub size: u16,
    /// Whether it is in use.
    pub enabled: bool,
    /// Where it lies.
    pub areas: Areas,
}

impl QueueRegisters {
    fn new(size_max: u16) -> Self {
        Self { size_max, size: size_max, enabled: false, areas: Areas::default() }
    }
}

/// Queues, a bit each, that a device waits for more buffers in, and for which it is to be called again.
#[derive(Clone, Copy, Default)]
struct Waiting {
    waits: u64,
    again: u64,
}

/// A device with everything that does not depend on its transport.
pub struct Common {
    device: Box<dyn VirtioDevice>,
    memory: Memory,
    status: Status,
    accepted: u64,
    queues: Vec<QueueRegisters>,
    rings: Vec<Option<Ring>>,
    generation: u8,
    interrupts: Interrupts,
    /// Queues, a bit each, whose driver added buffers as fast as they were taken.
    unfinished: u64,
    /// Why it asked for a reset, for people.
    broken: Option<RingError>,
    /// A rule to break.
    fault: Option<Fault>,
}

impl Common {
    /// A device after reset.
    pub fn new(device: Box<dyn VirtioDevice>, memory: Memory) -> Self {
        let queues: Vec<_> = device.queue_sizes().iter().copied().map(QueueRegisters::new).collect();
        let rings = queues.iter().map(|_| None).collect();
        Self {
            device,
            memory,
            status: Status::empty(),
            accepted: 0,
            queues,
            rings,
            generation: 0,
            interrupts: Interrupts::default(),
            unfinished: 0,
            broken: None,
            fault: None,
        }
    }

    /// The device itself.
    pub fn device(&self) -> &dyn VirtioDevice {
        &*self.device
    }

    /// Feature bits that are offered.
    pub fn offered(&self) -> u64 {
        let offered = self.device.features() | Features::OFFERED.bits();
        if self.fault.is_some() { self.wrongly_offered(offered) } else { offered }
    }

    /// Feature bits that the driver accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Accepts feature bits, as far as these are not settled yet (§ 3.1.1: not after FEATURES_OK).
    pub fn accept(&mut self, bits: u64) {
        if !self.status.contains(Status::FEATURES_OK) {
            self.accepted = bits;
        }
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Which generation of the configuration this is (§ 2.5.1).
    pub fn generation(&self) -> u8 {
        self.generation
    }

    /// Why the device needs a reset, if it does.
    pub fn broken(&self) -> Option<&RingError> {
        self.broken.as_ref()
    }

    /// Takes a write of the status; 0 is a reset. Bits are never cleared otherwise (§ 2.1.1).
    pub fn set_status(&mut self, bits: u8) {
        if bits == 0 {
            return if self.fault.is_some() { self.reset_wrongly() } else { self.reset() };
        }
        let bits = if self.fault.is_some() { self.wrongly_stepped(bits) } else { bits };
        let asked = Status::from_bits_truncate(bits).difference(Status::NEEDS_RESET);
        let new = asked.difference(self.status);
        self.status |= asked.difference(Status::FEATURES_OK | Status::DRIVER_OK);
        if new.contains(Status::FEATURES_OK) && self.settle() {
            self.status |= Status::FEATURES_OK;
        }
        // § 3.1.1: without FEATURES_OK the device is unusable.
        if new.contains(Status::DRIVER_OK) && self.status.contains(Status::FEATURES_OK) {
            self.status |= Status::DRIVER_OK;
            for queue in 0..self.queues.len() {
                self.make_ring(queue);
            }
            let waiting = self.call(|device, io| device.start(io));
            self.listen(waiting);
        }
    }

    /// Whether the accepted features are ones that the device can work with.
    fn settle(&mut self) -> bool {
        let is_known = self.accepted & !self.offered() == 0 || self.is_set(CommonFault::UnknownFeaturesAccepted);
        // A driver of before version 1 would use another layout of everything.
        is_known && self.features().contains(Features::VERSION_1) && self.device.accept(self.accepted)
    }

    fn features(&self) -> Features {
        Features::from_bits_truncate(self.accepted)
    }

    /// § 2.4: everything as at the start.
    fn reset(&mut self) {
        self.device.reset();
        self.status = Status::empty();
        self.accepted = 0;
        for (queue, ring) in self.queues.iter_mut().zip(&mut self.rings) {
            *queue = QueueRegisters::new(queue.size_max);
            *ring = None;
        }
        self.interrupts = Interrupts::default();
        self.unfinished = 0;
        self.broken = None;
    }

    /// How many queues there are.
    pub fn nr_queues(&self) -> usize {
        self.queues.len()
    }

    /// What was told of a queue; none if there is no such queue.
    pub fn queue(&self, queue: usize) -> Option<&QueueRegisters> {
        let is_first = self.is_set(CommonFault::AbsentQueueTold) && queue >= self.queues.len();
        self.queues.get(if is_first { 0 } else { queue })
    }

    /// Changes what is told of a queue, unless it is in use (§ 4.1.4.3.2: drivers must not).
    pub fn change_queue(&mut self, queue: usize, change: impl FnOnce(&mut QueueRegisters)) {
        if let Some(queue) = self.queues.get_mut(queue)
            && !queue.enabled
        {
            change(queue);
        }
    }

    /// Puts a queue into use, once features are settled; it is used from DRIVER_OK on.
    pub fn enable_queue(&mut self, queue: usize) {
        if !self.status.contains(Status::FEATURES_OK) || self.loses_enable(queue) {
            return;
        }
        if let Some(registers) = self.queues.get_mut(queue) {
            registers.enabled = true;
            self.make_ring(queue);
        }
    }

    /// Takes a queue out of use (§ 2.6.1), with what was told of it.
    pub fn reset_queue(&mut self, queue: usize) {
        if self.fault.is_some() && self.resets_queue_wrongly(queue) {
            return;
        }
        if let Some(registers) = self.queues.get_mut(queue) {
            *registers = QueueRegisters::new(registers.size_max);
            self.rings[queue] = None;
            self.device.reset_queue(queue);
        }
    }

    /// Makes the ring of a queue that is enabled, once the driver is ready.
    fn make_ring(&mut self, queue: usize) {
        let registers = self.queues[queue];
        if !registers.enabled || !self.is_ready() || self.rings[queue].is_some() {
            return;
        }
        let (size, features) = match self.fault {
            None => (registers.size, self.features()),
            Some(_) => self.wrongly_made(registers),
        };
        let faults = RingFaults::of(self.fault, self.device.kind(), queue);
        let made = Ring::new(&self.memory, size, registers.areas, features).and_then(|mut ring| {
            ring.set_faults(faults);
            ring.set_notifications(&self.memory, true).map(|_| ring)
        });
        match made {
            Ok(ring) => self.rings[queue] = Some(ring),
            Err(error) => self.break_down(error),
        }
    }

    /// There may be buffers in `queue`.
    pub fn notify(&mut self, queue: usize) {
        let queue = if self.fault.is_some() { self.wrongly_notified(queue) } else { queue };
        if queue >= self.queues.len() {
            return;
        }
        // Whatever the device did about it before, such as to leave buffers that it has no room for, it hears of later ones.
        let mut waiting = self.call(|device, io| device.notified(queue, io));
        waiting.waits |= 1 << queue;
        self.listen(waiting);
    }

    /// The device's other side has something.
    pub fn wake(&mut self) {
        let waiting = self.call(|device, io| device.woken(io));
        self.listen(waiting);
    }

    /// Tells the driver that the device waits for more buffers. Those that came before it was told, it does not notify of.
    fn listen(&mut self, mut waiting: Waiting) {
        // With each round the driver has a moment in which a buffer can come unnoticed. A driver on another processor can make
        // use of all of them: then it is its transport's turn, which has others to look after.
        for _ in 0..ROUNDS_MAX {
            let mut missed = waiting.again;
            for queue in (0..self.rings.len()).filter(|queue| waiting.waits >> queue & 1 != 0) {
                match self.rings[queue].as_mut().map(|ring| ring.set_notifications(&self.memory, true)) {
                    Some(Ok(true)) => missed |= 1 << queue,
                    Some(Err(error)) => return self.break_down(error),
                    Some(Ok(false)) | None => {}
                }
            }
            if missed == 0 {
                return;
            }
            waiting = Waiting::default();
            for queue in (0..self.rings.len()).filter(|queue| missed >> queue & 1 != 0) {
                let Waiting { waits, again } = self.call(|device, io| device.notified(queue, io));
                waiting = Waiting { waits: waiting.waits | waits, again: waiting.again | again };
            }
        }
        self.unfinished |= waiting.waits | waiting.again;
    }

    /// Reads the configuration of the device's kind.
    pub fn read_config(&self, offset: usize, data: &mut [u8]) {
        data.fill(0);
        self.device.read_config(offset, data);
        if self.fault.is_some() {
            self.change_config_read(offset, data);
        }
    }

    /// Writes the configuration of the device's kind.
    pub fn write_config(&mut self, offset: usize, data: &[u8]) {
        if !self.is_set(CommonFault::ConfigWritesLost) {
            self.with_io(|device, io| device.write_config(offset, data, io));
        }
    }

    /// Calls the device, if it may use buffers.
    fn call(&mut self, call: impl FnOnce(&mut dyn VirtioDevice, &mut Io<'_>) -> Result<(), RingError>) -> Waiting {
        if !self.is_ready() || self.status.contains(Status::NEEDS_RESET) {
            return Waiting::default();
        }
        match self.with_io(call) {
            (Ok(()), waiting) => waiting,
            (Err(error), _) => {
                self.break_down(error);
                Waiting::default()
            }
        }
    }

    fn with_io<T>(&mut self, call: impl FnOnce(&mut dyn VirtioDevice, &mut Io<'_>) -> T) -> (T, Waiting) {
        let mut outcome = Outcome::default();
        let result = call(&mut *self.device, &mut Io::new(&self.memory, &mut self.rings, &mut outcome));
        let Outcome { used, waits, again, config_changed } = outcome;
        if config_changed {
            let (changes, tells) = self.wrongly_changed();
            self.generation = self.generation.wrapping_add(changes);
            self.interrupts.config |= tells;
        }
        for queue in 0..self.rings.len() {
            if used >> queue & 1 == 0 {
                continue;
            }
            match self.rings[queue].as_mut().map(|ring| ring.wants_interrupt(&self.memory)) {
                Some(Ok(true)) => self.interrupts.queues |= 1 << queue,
                Some(Err(error)) => self.break_down(error),
                Some(Ok(false)) | None => {}
            }
        }
        (result, Waiting { waits, again })
    }

    /// § 2.1.2: the device has met an error that it cannot recover from.
    fn break_down(&mut self, error: RingError) {
        // The driver is told of it, if it is ready to hear.
        let is_told = !self.is_set(CommonFault::NeedsResetSilent);
        self.interrupts.config |= is_told && self.status.contains(Status::DRIVER_OK);
        self.status |= Status::NEEDS_RESET;
        self.broken.get_or_insert(error);
    }

    /// Queues, a bit each, that are to be notified once more although no driver does so; asked for after each call.
    pub fn take_unfinished(&mut self) -> u64 {
        std::mem::take(&mut self.unfinished)
    }

    /// What is due now; it is no more afterwards.
    pub fn take_interrupts(&mut self) -> Interrupts {
        std::mem::take(&mut self.interrupts)
    }
}

#[cfg(test)]
mod tests;
