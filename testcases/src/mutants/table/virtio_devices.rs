//! What one kind of virtio device has to do: bytes of its buffers, of its configuration and of what it offers are other ones.

use super::super::Mutant;
use case::Feature::{
    self, VirtioBalloon, VirtioBlock, VirtioConfiguration, VirtioConsole, VirtioFeatures, VirtioGpu, VirtioNetwork,
    VirtioScsi, VirtioSocket,
};
use virtio::DeviceKind::{self, Balloon, Block, Console, Gpu, Network, Scsi, Socket};
use vmm::{
    Fault,
    faults::virtio::{
        self as wrong, BufferFault, ConfigFault, FeatureFault,
        Place::{self, End, Start},
        Way::{self, Taken, Told},
    },
};

/// A byte of buffers: whose, in which queue, who wrote it, where, only if it is this one, and which of its bits are inverted.
const fn byte(
    id: &'static str,
    what: &'static str,
    feature: Feature,
    (kind, queue, way, place, only, xor): (DeviceKind, u16, Way, Place, Option<u8>, u8),
) -> Mutant {
    let fault = BufferFault { kind, queue, way, place, only, xor };
    Mutant { id, what, feature, fault: Fault::Virtio(wrong::Fault::Buffer(fault)) }
}

const fn config(id: &'static str, what: &'static str, kind: DeviceKind, offset: usize, xor: u8) -> Mutant {
    let fault = wrong::Fault::Config(ConfigFault { kind, offset, xor });
    Mutant { id, what, feature: VirtioConfiguration, fault: Fault::Virtio(fault) }
}

const fn offers(id: &'static str, what: &'static str, feature: Feature, kind: DeviceKind, bit: u32) -> Mutant {
    let fault = wrong::Fault::Features(FeatureFault { kind, xor: 1 << bit });
    Mutant { id, what, feature, fault: Fault::Virtio(fault) }
}

pub(super) const TABLE: &[Mutant] = &[
    byte("blk-error-is-ok", "Errors are told as success.", VirtioBlock, (Block, 0, Told, End(1), Some(1), 1)),
    byte("blk-unsupported-is-error", "No request is unsupported.", VirtioBlock, (Block, 0, Told, End(1), Some(2), 3)),
    byte("blk-ok-is-error", "Success is told as an error.", VirtioBlock, (Block, 0, Told, End(1), Some(0), 1)),
    byte("blk-write-lost", "Writes change nothing.", VirtioBlock, (Block, 0, Taken, Start(0), Some(1), 5)),
    byte("blk-flush-unsupported", "There is no flush.", VirtioBlock, (Block, 0, Taken, Start(0), Some(4), 0x40)),
    byte("blk-id-unsupported", "There is no name.", VirtioBlock, (Block, 0, Taken, Start(0), Some(8), 0x40)),
    byte("blk-zeroes-lost", "Zeros are not written.", VirtioBlock, (Block, 0, Taken, Start(0), Some(13), 9)),
    byte("blk-other-sector", "It is always a neighbour.", VirtioBlock, (Block, 0, Taken, Start(8), None, 1)),
    byte("blk-data-read", "The first byte read is wrong.", VirtioBlock, (Block, 0, Told, Start(0), None, 0x80)),
    byte("blk-data-written", "The first byte written is wrong.", VirtioBlock, (Block, 0, Taken, Start(16), None, 0x80)),
    offers("blk-read-only-not-told", "A disk that is read-only does not say so.", VirtioBlock, Block, 5),
    config("blk-capacity", "The capacity is a sector less.", Block, 0, 1),
    config("blk-writeback", "Whether writes wait is told inverted.", Block, 32, 1),
    byte("net-buffers", "A frame says that it has no buffer.", VirtioNetwork, (Network, 0, Told, Start(10), None, 1)),
    byte("net-flags", "A frame asks for its checksum.", VirtioNetwork, (Network, 0, Told, Start(0), None, 1)),
    byte("net-segments", "A frame is a segment of others.", VirtioNetwork, (Network, 0, Told, Start(1), None, 1)),
    byte("net-frame", "A frame is for another address.", VirtioNetwork, (Network, 0, Told, Start(17), None, 1)),
    byte("net-frame-type", "A frame has another type.", VirtioNetwork, (Network, 0, Told, Start(25), None, 1)),
    byte("net-sent-frame", "A sent frame is another one.", VirtioNetwork, (Network, 1, Taken, Start(25), None, 1)),
    byte("net-ok-is-error", "Commands fail.", VirtioNetwork, (Network, 2, Told, Start(0), Some(0), 1)),
    byte("net-error-is-ok", "No command fails.", VirtioNetwork, (Network, 2, Told, Start(0), Some(1), 1)),
    byte("net-class", "Modes are set as addresses.", VirtioNetwork, (Network, 2, Taken, Start(0), Some(0), 1)),
    byte("net-mac", "Another address is set.", VirtioNetwork, (Network, 2, Taken, Start(7), None, 1)),
    config("net-config-mac", "The address is another one.", Network, 5, 1),
    byte("net-announce", "No announcement is heard.", VirtioNetwork, (Network, 2, Taken, Start(0), Some(3), 0x40)),
    config("net-config-announce", "Whether the driver is to announce itself is inverted.", Network, 6, 2),
    offers("net-without-control", "The features of the control queue come without it.", VirtioFeatures, Network, 17),
    byte("scsi-good-is-check", "Each command ends with a check.", VirtioScsi, (Scsi, 2, Told, Start(10), Some(0), 2)),
    byte("scsi-check-is-good", "No command ends with a check.", VirtioScsi, (Scsi, 2, Told, Start(10), Some(2), 2)),
    byte("scsi-bad-target", "A target that is not there is none.", VirtioScsi, (Scsi, 2, Told, Start(11), Some(3), 3)),
    byte("scsi-overrun", "An overrun is told as success.", VirtioScsi, (Scsi, 2, Told, Start(11), Some(1), 1)),
    byte("scsi-residual", "One byte more is left.", VirtioScsi, (Scsi, 2, Told, Start(4), None, 1)),
    byte("scsi-sense-key", "The sense key is another one.", VirtioScsi, (Scsi, 2, Told, Start(14), None, 1)),
    byte("scsi-sense-code", "The additional sense code is another.", VirtioScsi, (Scsi, 2, Told, Start(24), None, 1)),
    byte("scsi-sense-length", "There are no sense data.", VirtioScsi, (Scsi, 2, Told, Start(0), None, 18)),
    byte("scsi-target", "Each target is another one.", VirtioScsi, (Scsi, 2, Taken, Start(1), None, 1)),
    byte("scsi-unit", "Each unit is another one.", VirtioScsi, (Scsi, 2, Taken, Start(3), None, 1)),
    byte("scsi-write-lost", "Writes change nothing.", VirtioScsi, (Scsi, 2, Taken, Start(19), Some(0x2a), 0x2a)),
    byte("scsi-other-block", "Blocks are neighbours.", VirtioScsi, (Scsi, 2, Taken, Start(24), None, 1)),
    byte("scsi-data", "The first byte that is read is wrong.", VirtioScsi, (Scsi, 2, Told, Start(108), None, 0x80)),
    byte("scsi-task", "Management of tasks fails.", VirtioScsi, (Scsi, 0, Told, Start(0), Some(0), 5)),
    byte("scsi-plug-event", "Targets come and go unheard.", VirtioScsi, (Scsi, 1, Told, Start(0), Some(1), 0x40)),
    byte("scsi-plug-reason", "Who comes goes.", VirtioScsi, (Scsi, 1, Told, Start(12), Some(1), 3)),
    byte("scsi-plug-target", "Another target comes and goes.", VirtioScsi, (Scsi, 1, Told, Start(5), Some(1), 3)),
    byte("scsi-events-missed", "No event is missed.", VirtioScsi, (Scsi, 1, Told, Start(3), Some(0x80), 0x80)),
    byte("scsi-size-event", "Other sizes are no event.", VirtioScsi, (Scsi, 1, Told, Start(0), Some(3), 0x40)),
    byte("scsi-size-sense", "Other sizes are told as resets.", VirtioScsi, (Scsi, 2, Told, Start(24), Some(0x2a), 3)),
    config("scsi-sense-size", "Sense data have another size.", Scsi, 20, 1),
    byte("console-input", "The first character is another one.", VirtioConsole, (Console, 0, Told, Start(0), None, 1)),
    byte("console-output", "The first sent is another one.", VirtioConsole, (Console, 1, Taken, Start(0), None, 1)),
    byte("console-port-add", "Ports are removed, not added.", VirtioConsole, (Console, 2, Told, Start(4), Some(1), 3)),
    byte("console-port-number", "Messages are of another port.", VirtioConsole, (Console, 2, Told, Start(0), None, 1)),
    byte("console-name", "The name is another one.", VirtioConsole, (Console, 2, Told, Start(8), None, 1)),
    byte("console-nominated", "No port is nominated.", VirtioConsole, (Console, 2, Told, Start(4), Some(4), 0x40)),
    byte("console-open", "An open port is not told.", VirtioConsole, (Console, 2, Told, Start(4), Some(6), 0x40)),
    byte("console-ready", "Nobody hears of readiness.", VirtioConsole, (Console, 3, Taken, Start(4), Some(3), 0x40)),
    byte("console-resize", "Another size is not told.", VirtioConsole, (Console, 2, Told, Start(4), Some(5), 0x40)),
    config("console-columns", "There is a column more or less.", Console, 0, 1),
    config("console-ports", "There is one port less than told.", Console, 4, 1),
    config("balloon-target", "A page is wanted.", Balloon, 0, 1),
    config("balloon-actual", "What the driver has is another number.", Balloon, 4, 2),
    offers("balloon-without-version", "VERSION_1 is not offered.", VirtioBalloon, Balloon, 32),
    byte("socket-refused", "Connections are refused.", VirtioSocket, (Socket, 0, Told, Start(30), Some(2), 1)),
    byte("socket-accepted", "None is refused.", VirtioSocket, (Socket, 0, Told, Start(30), Some(3), 1)),
    byte("socket-source", "Packets are from another one.", VirtioSocket, (Socket, 0, Told, Start(0), None, 1)),
    byte("socket-destination", "Packets are for another one.", VirtioSocket, (Socket, 0, Told, Start(8), None, 1)),
    byte("socket-port", "Packets are from another port.", VirtioSocket, (Socket, 0, Told, Start(16), None, 1)),
    byte("socket-size", "Packets have a byte less.", VirtioSocket, (Socket, 0, Told, Start(24), None, 1)),
    byte("socket-credit", "A byte more was taken.", VirtioSocket, (Socket, 0, Told, Start(40), None, 1)),
    byte("socket-data", "The first byte is another one.", VirtioSocket, (Socket, 0, Told, Start(44), None, 1)),
    byte("socket-room", "The driver has room.", VirtioSocket, (Socket, 1, Taken, Start(37), None, 0x40)),
    byte("socket-shutdown", "Ends are not heard.", VirtioSocket, (Socket, 1, Taken, Start(30), Some(4), 2)),
    byte("socket-reset", "Resets are not heard.", VirtioSocket, (Socket, 1, Taken, Start(30), Some(3), 5)),
    config("socket-cid", "The driver's identifier is another one.", Socket, 0, 1),
    byte("gpu-error-is-ok", "No request fails.", VirtioGpu, (Gpu, 0, Told, Start(1), Some(0x12), 3)),
    byte("gpu-ok-is-error", "Each request fails.", VirtioGpu, (Gpu, 0, Told, Start(1), Some(0x11), 3)),
    byte("gpu-response-type", "Responses have another type.", VirtioGpu, (Gpu, 0, Told, Start(0), None, 0x40)),
    byte("gpu-fence-flag", "The flag of the fence is inverted.", VirtioGpu, (Gpu, 0, Told, Start(4), None, 1)),
    byte("gpu-fence", "The fence is another one.", VirtioGpu, (Gpu, 0, Told, Start(8), None, 1)),
    byte("gpu-width", "The display has another width.", VirtioGpu, (Gpu, 0, Told, Start(32), None, 1)),
    byte("gpu-display", "The display is not enabled.", VirtioGpu, (Gpu, 0, Told, Start(40), None, 1)),
    byte("gpu-unref-lost", "Pictures are not removed.", VirtioGpu, (Gpu, 0, Taken, Start(0), Some(2), 2)),
    byte("gpu-picture", "Pictures have other numbers.", VirtioGpu, (Gpu, 0, Taken, Start(24), None, 1)),
    byte("gpu-edid", "There is no EDID.", VirtioGpu, (Gpu, 0, Taken, Start(0), Some(10), 0x40)),
    byte("gpu-edid-width", "A monitor has another width.", VirtioGpu, (Gpu, 0, Told, Start(88), None, 1)),
    byte("gpu-edid-sum", "An EDID's sum is wrong.", VirtioGpu, (Gpu, 0, Told, Start(159), None, 0x80)),
    config("gpu-displays", "There are more displays than can be.", Gpu, 8, 0x20),
    config("gpu-event", "An event is told.", Gpu, 0, 1),
];
