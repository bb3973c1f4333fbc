//! Interrupt pins. Which input of the I/O APIC a pin leads to the board decides: each that it may be is tried.

use rt::{
    case, check, check_eq,
    interrupts::{self, GENEROUS_MICROS},
    io_apic::{self, low},
    local_apic::LocalApic,
    pci::{command, header, status},
    virtio::{self, Element, Layout, PciTransport, Queue, Transport, kind},
    vocabulary::{Devices, Needs},
};

/// Inputs that pins lead to on a PC: those behind the sixteen of ISA.
const INPUTS: core::ops::Range<u8> = 16..24;
const FIRST_VECTOR: u8 = 0x70;

/// A device with one queue, that interrupts by its pin.
struct Source {
    device: PciTransport,
    queue: Queue,
}

impl Source {
    fn started() -> Option<Self> {
        let device = PciTransport::find(kind::ENTROPY)?;
        let transport = Transport::Pci(device);
        transport.negotiate_offered(0)?;
        let queue = Queue::new(0, 8, Layout::Split);
        transport.add_queue(&queue);
        transport.start();
        Some(Self { device, queue })
    }

    fn interrupt(&mut self) {
        self.queue.add(&[Element::written(virtio::buffer(0), 16)]);
        Transport::Pci(self.device).notify(0);
        check!("the buffer comes back", self.queue.wait_used().is_some());
    }

    fn is_asserted(&self) -> bool {
        self.device.function.read_u16(header::STATUS) & status::INTERRUPT != 0
    }

    fn wait_asserted(&self) -> bool {
        rt::clock::Deadline::after(virtio::PATIENCE_MICROS).wait(|| self.is_asserted())
    }
}

/// Lets each input interrupt, level-triggered, by a vector of its own. Virtual boards lead lines to it that are active high.
fn open_inputs(apic: &LocalApic) {
    for input in INPUTS {
        io_apic::set_entry(input, apic.id() as u8, low::LEVEL | u32::from(FIRST_VECTOR + input));
    }
}

/// The same behind a level that is gone, of which interrupts may be on their way.
fn reopen_inputs(apic: &LocalApic) {
    let _ = interrupts::wait_for_more();
    interrupts::clear();
    open_inputs(apic);
    let _ = interrupts::wait_for_more();
}

/// An interrupt asserts the pin until the ISR status is read: one input of the I/O APIC interrupts again and again.
#[case(feature = PciPins, spec = [pci("Device Status"), virtio("ISR status capability")],
       needs = Needs::VIRTIO_PCI | Needs::LOCAL_APIC | Needs::IO_APIC, devices = Devices::ENTROPY, irqchip = Full)]
fn pin_is_asserted_until_it_is_acknowledged() {
    let apic = LocalApic::enabled();
    let Some(mut source) = Source::started() else { return check!("a device", false) };
    source.device.function.change_command(0, command::INTERRUPT_DISABLE);
    let _listening = io_apic::listen_to_levels(FIRST_VECTOR + INPUTS.start..=FIRST_VECTOR + INPUTS.end);
    open_inputs(&apic);
    interrupts::clear();
    check!("nothing at first", !interrupts::wait_for_more());
    for turn in 0..3 {
        interrupts::clear();
        source.interrupt();
        check!(
            "it comes again and again",
            [&[]; turn],
            interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= 3)
        );
        check!("status", [&[]; turn], source.is_asserted());
        let first = interrupts::taken(0).map_or(0, |taken| taken.vector);
        check_eq!("of one input", [&[]; turn], interrupts::count(first), interrupts::total());
        check_eq!("ISR status", [&[]; turn], Transport::Pci(source.device).interrupt_status(), 1);
        reopen_inputs(&apic);
        check!("no more", [&[]; turn], !interrupts::wait_for_more());
        check!("status is clear", [&[]; turn], !source.is_asserted());
    }
    io_apic::mask_all();
}

/// While interrupt disable is set the pin is not asserted, and the status tells of the interrupt all the same; when it is cleared the
/// pin is.
#[case(feature = PciPins, spec = [pci("Device Control"), pci("Device Status")],
       needs = Needs::VIRTIO_PCI | Needs::LOCAL_APIC | Needs::IO_APIC, devices = Devices::ENTROPY, irqchip = Full)]
fn disabled_pin_is_not_asserted() {
    let apic = LocalApic::enabled();
    let Some(mut source) = Source::started() else { return check!("a device", false) };
    let function = source.device.function;
    function.change_command(command::INTERRUPT_DISABLE, 0);
    let _listening = io_apic::listen_to_levels(FIRST_VECTOR + INPUTS.start..=FIRST_VECTOR + INPUTS.end);
    open_inputs(&apic);
    interrupts::clear();
    source.interrupt();
    check!("status", source.wait_asserted());
    check!("nothing comes", !interrupts::wait_for_more());
    function.change_command(0, command::INTERRUPT_DISABLE);
    check!("it comes", interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0));
    function.change_command(command::INTERRUPT_DISABLE, 0);
    reopen_inputs(&apic);
    check!("no more", !interrupts::wait_for_more());
    check!("status stays", source.is_asserted());
    check_eq!("ISR status", Transport::Pci(source.device).interrupt_status(), 1);
    check!("status is clear", !source.is_asserted());
    io_apic::mask_all();
}

/// The status tells of an interrupt that was not acknowledged without any interrupt controller.
#[case(feature = PciPins, spec = pci("Device Status"), needs = Needs::VIRTIO_PCI, devices = Devices::ENTROPY)]
fn status_tells_of_interrupts() {
    let Some(mut source) = Source::started() else { return check!("a device", false) };
    for turn in 0..3 {
        check!("clear", [&[]; turn], !source.is_asserted());
        source.interrupt();
        check!("set", [&[]; turn], source.wait_asserted());
        check_eq!("ISR status", [&[]; turn], Transport::Pci(source.device).interrupt_status(), 1);
    }
    check!("clear at last", !source.is_asserted());
}
