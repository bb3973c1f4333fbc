//! What all kinds of devices have in common: each is found by its id, with the queues and the features that every one has.

use super::{SIZE, TRANSPORTS, each_transport_of};
use rt::{
    case, check, check_eq,
    virtio::{Layout, Queue, feature, kind, status},
    vocabulary::Devices,
};

/// A device of this kind is found, negotiates, has at least these queues, and is as it was once it is reset.
fn device_of_kind(kind: u16, nr_queues: u16) {
    each_transport_of(kind, |row, transport| {
        check!("reset", [TRANSPORTS; row], transport.reset());
        check!("VERSION_1", [TRANSPORTS; row], transport.device_features() & feature::VERSION_1 != 0);
        check!("features are accepted", [TRANSPORTS; row], transport.negotiate_offered(0).is_some());
        for index in 0..nr_queues {
            transport.select_queue(index);
            check!("a queue", [TRANSPORTS; row], transport.queue_size_max() >= SIZE);
            check_eq!("not in use", [TRANSPORTS; row], transport.queue_enabled(), 0);
        }
        transport.add_queue(&Queue::new(0, SIZE, Layout::Split));
        check_eq!("in use", [TRANSPORTS; row], transport.queue_enabled(), 1);
        transport.start();
        let started = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK;
        check_eq!("status", [TRANSPORTS; row], transport.status(), started);
        check!("reset again", [TRANSPORTS; row], transport.reset());
        transport.select_queue(0);
        check_eq!("not in use after a reset", [TRANSPORTS; row], transport.queue_enabled(), 0);
    });
}

/// There is an entropy device with a queue.
#[case(feature = VirtioEntropy, spec = virtio("Entropy Device"), devices = Devices::ENTROPY)]
fn entropy_device_is_found() {
    device_of_kind(kind::ENTROPY, 1);
}

/// There is a block device with a queue for requests.
#[case(feature = VirtioBlock, spec = virtio("Block Device"), devices = Devices::BLOCK)]
fn block_device_is_found() {
    device_of_kind(kind::BLOCK, 1);
}

/// There is a SCSI host with queues for control, for events and for requests.
#[case(feature = VirtioScsi, spec = virtio("SCSI Host Device"), devices = Devices::SCSI)]
fn scsi_host_is_found() {
    device_of_kind(kind::SCSI, 3);
}

/// There is a network device with a queue for each direction.
#[case(feature = VirtioNetwork, spec = virtio("Network Device"), devices = Devices::NETWORK)]
fn network_device_is_found() {
    device_of_kind(kind::NETWORK, 2);
}

/// There is a console with queues for its first port.
#[case(feature = VirtioConsole, spec = virtio("Console Device"), devices = Devices::CONSOLE)]
fn console_is_found() {
    device_of_kind(kind::CONSOLE, 2);
}

/// There is a balloon with queues to inflate and to deflate it.
#[case(feature = VirtioBalloon, spec = virtio("Traditional Memory Balloon Device"), devices = Devices::BALLOON)]
fn balloon_is_found() {
    device_of_kind(kind::BALLOON, 2);
}

/// There is a socket device with queues for each direction and for events.
#[case(feature = VirtioSocket, spec = virtio("Socket Device"), devices = Devices::SOCKET)]
fn socket_device_is_found() {
    device_of_kind(kind::SOCKET, 3);
}

/// There is a GPU with queues for control and for the cursor.
#[case(feature = VirtioGpu, spec = virtio("GPU Device"), devices = Devices::GPU)]
fn gpu_is_found() {
    device_of_kind(kind::GPU, 2);
}
