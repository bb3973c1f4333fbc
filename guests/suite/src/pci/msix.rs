//! MSI-X: the table, masks and pending bits. What interrupts is a virtio device that gives a buffer back.

use rt::{
    case, check, check_count, check_eq,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::LocalApic,
    mmio,
    pci::{header, msix::MsiX, msix::control, msix::entry, status},
    signals::Message,
    virtio::{self, Element, Layout, NO_VECTOR, PciTransport, Queue, Transport, common, kind},
    vocabulary::{Devices, Needs},
};

const VECTOR: u8 = 0x65;

/// A device whose only queue interrupts by an entry of the table.
struct Source {
    device: PciTransport,
    msix: MsiX,
    queue: Queue,
}

impl Source {
    /// Started, with MSI-X on, and the queue's interrupt by an entry, or by none.
    fn started(vector: u16) -> Option<Self> {
        let device = PciTransport::find(kind::ENTROPY)?;
        let msix = MsiX::of(device.function)?;
        let transport = Transport::Pci(device);
        msix.set_control(control::ENABLE);
        transport.negotiate_offered(0)?;
        let queue = Queue::new(0, 8, Layout::Split);
        transport.select_queue(0);
        mmio::write_u16(device.common + common::QUEUE_VECTOR, vector);
        transport.add_queue(&queue);
        transport.start();
        Some(Self { device, msix, queue })
    }

    /// Has a buffer used, for which an interrupt is due.
    fn interrupt(&mut self) {
        self.queue.add(&[Element::written(virtio::buffer(0), 16)]);
        Transport::Pci(self.device).notify(0);
        check!("the buffer comes back", self.queue.wait_used().is_some());
    }

    /// The same, until the pending bit says so.
    fn wait_pending(&self, vector: u16) -> bool {
        rt::clock::Deadline::after(virtio::PATIENCE_MICROS).wait(|| self.msix.is_pending(vector))
    }
}

fn came(vector: u8) -> bool {
    interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) != 0)
}

/// Table and pending bits lie within registers for memory, the table has a size that there is, and all vectors are masked at first.
#[case(feature = PciMsiX, spec = pci("MSI-X Capability and Table Structure"), needs = Needs::PCI)]
fn table_is_masked_at_first() {
    let Some(function) = super::with_msix() else { return check!("a function with MSI-X", false) };
    let Some(offset) = function.capability(rt::pci::capability::MSI_X) else { return };
    check_eq!(
        "off, not masked as a whole",
        function.read_u16(offset + 2) & (control::ENABLE | control::FUNCTION_MASK),
        0
    );
    let nr = u64::from(function.read_u16(offset + 2) & control::SIZE) + 1;
    for (row, (register, size)) in
        [(offset + 4, nr * entry::SIZE), (offset + 8, nr.div_ceil(64) * 8)].into_iter().enumerate()
    {
        let value = function.read_u32(register);
        let end = u64::from(value & !7) + size;
        let bar = function.bars().find(|bar| u32::from(bar.index) == value & 7);
        check!("within its register", [&[]; row], bar.is_some_and(|bar| end <= bar.size));
    }
    function.place_memory();
    let Some(msix) = MsiX::of(function) else { return check!("MSI-X", false) };
    for vector in 0..msix.nr_vectors() {
        check_eq!("masked", [&[]; vector], mmio::read_u32(msix.entry(vector, entry::VECTOR_CONTROL)) & 1, 1);
        check!("not pending", [&[]; vector], !msix.is_pending(vector));
    }
}

/// Entries keep addresses, data and mask; pending bits and the size of the table are read-only.
#[case(feature = PciMsiX, spec = pci("MSI-X Capability and Table Structure"), needs = Needs::PCI)]
fn entries_keep_what_is_written() {
    let Some(function) = super::with_msix() else { return check!("a function with MSI-X", false) };
    function.place_memory();
    let Some(msix) = MsiX::of(function) else { return check!("MSI-X", false) };
    for vector in 0..msix.nr_vectors() {
        for value in [0xfee0_1000_u32, 0x1234_5678, 0] {
            for register in [entry::ADDRESS, entry::UPPER_ADDRESS, entry::DATA] {
                let at = msix.entry(vector, register);
                mmio::write_u32(at, value);
                check_eq!("a register", [&[]; register], mmio::read_u32(at), value);
            }
        }
        let at = msix.entry(vector, entry::VECTOR_CONTROL);
        for masked in [0, 1] {
            mmio::write_u32(at, masked);
            check_eq!("mask", [&[]; vector], mmio::read_u32(at) & 1, masked);
        }
    }
    mmio::write_u32(msix.pending, u32::MAX);
    check_eq!("pending bits", mmio::read_u32(msix.pending), 0);
    let size = msix.control() & control::SIZE;
    msix.set_control(0x7ff);
    check_eq!("size of the table", msix.control() & control::SIZE, size);
    for bits in [control::ENABLE, control::FUNCTION_MASK, control::ENABLE | control::FUNCTION_MASK, 0] {
        msix.set_control(bits);
        check_eq!("message control", [&[]; bits >> 14], msix.control() & !control::SIZE, bits);
    }
}

/// Entries are accessed by quadwords too.
#[case(feature = PciMsiX, spec = pci("MSI-X Capability and Table Structure"), needs = Needs::PCI)]
fn entries_are_accessed_by_quadwords() {
    let Some(function) = super::with_msix() else { return check!("a function with MSI-X", false) };
    function.place_memory();
    let Some(msix) = MsiX::of(function) else { return check!("MSI-X", false) };
    let at = msix.entry(0, entry::ADDRESS);
    mmio::write_u64(at, 0x0000_0001_fee0_2000);
    check_eq!("address", mmio::read_u32(at), 0xfee0_2000_u32);
    check_eq!("upper address", mmio::read_u32(at + 4), 1);
    check_eq!("both", mmio::read_u64(at), 0x0000_0001_fee0_2000_u64);
    check_eq!("mask is left", mmio::read_u64(at + 8) >> 32 & 1, 1);
}

/// An entry that is not masked sends its message once for each interrupt.
#[case(feature = PciMsiX, spec = [pci("MSI-X Capability and Table Structure"), virtio("MSI-X Vector Configuration")],
       needs = Needs::VIRTIO_PCI | Needs::LOCAL_APIC, devices = Devices::ENTROPY, irqchip = LocalApic)]
fn each_interrupt_is_one_message() {
    let apic = LocalApic::enabled();
    let Some(mut source) = Source::started(1) else { return check!("a device", false) };
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    source.msix.set_message(1, Message::fixed(apic.id() as u8, VECTOR));
    source.msix.mask(1, false);
    for turn in 1..=4 {
        interrupts::clear();
        source.interrupt();
        check!("it comes", [&[]; turn], came(VECTOR));
        check!("once", [&[]; turn], !interrupts::wait_for_more());
        check_count!("interrupts", [&[]; turn], interrupts::total(), 1);
        check!("not pending", [&[]; turn], !source.msix.is_pending(1));
    }
}

/// While its entry is masked an interrupt is pending; it comes once when it is unmasked.
#[case(feature = PciMsiX, spec = pci("MSI-X Capability and Table Structure"),
       needs = Needs::VIRTIO_PCI | Needs::LOCAL_APIC, devices = Devices::ENTROPY, irqchip = LocalApic)]
fn masked_interrupt_waits() {
    let apic = LocalApic::enabled();
    let Some(mut source) = Source::started(0) else { return check!("a device", false) };
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    source.msix.set_message(0, Message::fixed(apic.id() as u8, VECTOR));
    for turn in 1..=3 {
        source.msix.mask(0, true);
        interrupts::clear();
        for _ in 0..turn {
            source.interrupt();
        }
        check!("pending", [&[]; turn], source.wait_pending(0));
        check!("nothing comes", [&[]; turn], !interrupts::wait_for_more());
        check!("other bits", [&[]; turn], !source.msix.is_pending(1));
        source.msix.mask(0, false);
        check!("it comes", [&[]; turn], came(VECTOR));
        check!("once", [&[]; turn], !interrupts::wait_for_more());
        check_count!("interrupts", [&[]; turn], interrupts::total(), 1);
        check!("pending no more", [&[]; turn], !source.msix.is_pending(0));
    }
}

/// The function mask holds back all vectors, whatever their own masks.
#[case(feature = PciMsiX, spec = pci("MSI-X Capability and Table Structure"),
       needs = Needs::VIRTIO_PCI | Needs::LOCAL_APIC, devices = Devices::ENTROPY, irqchip = LocalApic)]
fn function_mask_holds_all_back() {
    let apic = LocalApic::enabled();
    let Some(mut source) = Source::started(1) else { return check!("a device", false) };
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    source.msix.set_message(1, Message::fixed(apic.id() as u8, VECTOR));
    source.msix.mask(1, false);
    source.msix.set_control(control::ENABLE | control::FUNCTION_MASK);
    interrupts::clear();
    source.interrupt();
    check!("pending", source.wait_pending(1));
    check!("nothing comes", !interrupts::wait_for_more());
    source.msix.mask(1, true);
    source.msix.set_control(control::ENABLE);
    check!("nor while its own mask is set", !interrupts::wait_for_more());
    check!("still pending", source.msix.is_pending(1));
    source.msix.mask(1, false);
    check!("it comes", came(VECTOR));
    check!("once", !interrupts::wait_for_more());
    source.interrupt();
    check!("the next one too", interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == 2));
}

/// What is sent is the message that stands there when the mask is cleared, not the one of when the interrupt was due.
#[case(feature = PciMsiX, spec = pci("MSI-X Capability and Table Structure"),
       needs = Needs::VIRTIO_PCI | Needs::LOCAL_APIC, devices = Devices::ENTROPY, irqchip = LocalApic)]
fn message_can_change_while_it_is_pending() {
    let apic = LocalApic::enabled();
    let Some(mut source) = Source::started(0) else { return check!("a device", false) };
    let _listening = Listening::to(0x60..=0x6f, End::LocalApic);
    for turn in 1..=4_u8 {
        interrupts::clear();
        let (old, new) = (0x60 + turn, 0x68 + turn);
        source.msix.mask(0, true);
        source.msix.set_message(0, Message::fixed(apic.id() as u8, old));
        source.interrupt();
        check!("pending", [&[]; turn], source.wait_pending(0));
        source.msix.set_message(0, Message::fixed(apic.id() as u8, new));
        check!("nothing comes yet", [&[]; turn], !interrupts::wait_for_more());
        source.msix.mask(0, false);
        check!("the new one comes", [&[]; turn], came(new));
        check!("once", [&[]; turn], !interrupts::wait_for_more());
        check_count!("of the old vector", [&[]; turn], interrupts::count(old), 0);
    }
}

/// A queue without a vector interrupts nobody, and while MSI-X is on the pin is not used.
#[case(feature = PciMsiX, spec = [pci("MSI-X Capability and Table Structure"), virtio("MSI-X Vector Configuration")],
       needs = Needs::VIRTIO_PCI | Needs::LOCAL_APIC, devices = Devices::ENTROPY, irqchip = LocalApic)]
fn pin_is_not_used_while_msix_is_on() {
    let apic = LocalApic::enabled();
    let Some(mut source) = Source::started(NO_VECTOR) else { return check!("a device", false) };
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for vector in 0..source.msix.nr_vectors() {
        source.msix.set_message(vector, Message::fixed(apic.id() as u8, VECTOR));
        source.msix.mask(vector, false);
    }
    source.device.function.change_command(0, rt::pci::command::INTERRUPT_DISABLE);
    interrupts::clear();
    source.interrupt();
    check!("nothing comes", !interrupts::wait_for_more());
    check_eq!("nothing pending", mmio::read_u32(source.msix.pending), 0);
    let bits = source.device.function.read_u16(header::STATUS);
    check_eq!("status of the pin", bits & status::INTERRUPT, 0);
}

/// While a function may not be a bus master it sends no message, even one that waited for its mask.
#[case(feature = PciMsiX, spec = [pci("Device Control"), pci("MSI-X Capability and Table Structure")],
       needs = Needs::VIRTIO_PCI | Needs::LOCAL_APIC, devices = Devices::ENTROPY, irqchip = LocalApic)]
fn messages_need_a_bus_master() {
    let apic = LocalApic::enabled();
    let Some(mut source) = Source::started(0) else { return check!("a device", false) };
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    source.msix.set_message(0, Message::fixed(apic.id() as u8, VECTOR));
    interrupts::clear();
    source.interrupt();
    check!("pending", source.wait_pending(0));
    source.device.function.change_command(0, rt::pci::command::BUS_MASTER);
    source.msix.mask(0, false);
    check!("nothing comes", !interrupts::wait_for_more());
}
