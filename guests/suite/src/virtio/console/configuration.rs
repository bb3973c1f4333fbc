//! The configuration of a console.

use super::{Console, PORT_0, ROWS, each_console, feature, refused};
use crate::virtio::{TRANSPORTS, each_transport_of};
use rt::{
    case, check, check_eq, mmio,
    virtio::{Layout, kind, status},
    vocabulary::{Devices, devices::console::NR_PORTS},
};

/// Offsets of the number of ports and of what is written in an emergency.
const MAX_PORTS: u64 = 4;
const EMERGENCY: u64 = 8;

/// The configuration tells how many ports there can be, and each has its two queues.
#[case(feature = VirtioConfiguration, spec = [virtio("Console Device"), virtio("Device configuration layout")], devices = Devices::CONSOLE)]
fn number_of_ports_is_told() {
    each_transport_of(kind::CONSOLE, |row, transport| {
        let console = Console::started(transport, Layout::Split, feature::MULTIPORT);
        check!("features are accepted", [TRANSPORTS; row], console.is_some());
        let Some(at) = transport.config() else { return check!("there is one", [TRANSPORTS; row], false) };
        let nr_ports = mmio::read_u32(at + MAX_PORTS);
        check_eq!("ports", [TRANSPORTS; row], nr_ports, NR_PORTS);
        for queue in 0..2 * nr_ports.min(31) + 2 {
            transport.select_queue(queue as u16);
            check!("a queue", [TRANSPORTS; row], transport.queue_size_max() != 0);
        }
        transport.select_queue(2 * nr_ports as u16 + 2);
        check_eq!("no more", [TRANSPORTS; row], transport.queue_size_max(), 0);
    });
}

/// What is written in an emergency goes to the console, before there is a driver and beside one.
#[case(feature = VirtioConsole, spec = [virtio("Console Device"), virtio("Device Requirements: Device Initialization")],
       devices = Devices::CONSOLE)]
fn emergencies_need_no_driver() {
    each_console(|row, transport, layout| {
        if transport.device_features() & feature::EMERGENCY_WRITE == 0 {
            return;
        }
        let Some(at) = transport.config() else { return check!("there is one", [ROWS; row], false) };
        check!("reset", [ROWS; row], transport.reset());
        mmio::write_u32(at + EMERGENCY, b'!'.into());
        check_eq!("the device is as before", [ROWS; row], transport.status(), 0);
        let Some(mut console) = Console::started(transport, layout, 0) else { return refused(row) };
        let came = console.receive(PORT_0);
        check!("it came", [ROWS; row], came.is_some_and(|(at, size)| size == 1 && mmio::read_u8(at) == b'!'));
        mmio::write_u32(at + EMERGENCY, b'?'.into());
        let came = console.receive(PORT_0);
        check!("another came", [ROWS; row], came.is_some_and(|(at, size)| size == 1 && mmio::read_u8(at) == b'?'));
        check!("the device works", [ROWS; row], transport.status() & status::DEVICE_NEEDS_RESET == 0);
    });
}
