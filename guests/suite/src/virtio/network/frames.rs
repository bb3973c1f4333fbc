//! Frames in both directions.

use super::{
    HEADER_BYTES, Interface, NOTHING, OTHER, RECEIVE, ROOM, ROWS, SENT, TRANSMIT, USUAL, arp_request, bytes,
    each_interface, feature, incoming, is_answer,
    model::{ARP_BYTES, NR_HEADER_RULES, header_keeps},
    outgoing, refused, works_again,
};
use crate::virtio::several::each_row;
use rt::{
    case, check, check_eq, mmio, names,
    virtio::{Element, kind},
    vocabulary::{
        Devices, Text,
        devices::network::{GUEST, HOST, MAC},
    },
};

/// Names of the rules of [`header_keeps`].
const RULES: &[Text] = names!["no flags", "no segments", "number of buffers"];
const _: () = assert!(RULES.len() == NR_HEADER_RULES);

/// A frame that is sent is answered by one with a header that tells nothing that was not negotiated, and that it has one buffer.
#[case(feature = VirtioNetwork, spec = [virtio("Network Device"), virtio("Device Requirements: Processing of Incoming Packets")],
       devices = Devices::NETWORK)]
fn headers_tell_what_was_negotiated() {
    each_interface(USUAL, |row, interface: &mut Interface<2>| {
        check!("it is taken", [ROWS; row], interface.ask(MAC));
        let Some(frame) = interface.hear() else { return check!("an answer", [ROWS; row], false) };
        check!("it is the answer", [ROWS; row], frame.is_answer(MAC));
        check!("used length", [ROWS; row], (SENT..=ROOM).contains(&frame.written));
        for (rule, keeps) in header_keeps(bytes(frame.at), interface.device.features, 1).into_iter().enumerate() {
            check!("it is kept", [RULES; rule], keeps);
        }
    });
}

/// Answers come in the order of what was asked.
#[case(feature = VirtioNetwork, spec = [virtio("Network Device"), virtio("Packet Transmission")], devices = Devices::NETWORK)]
fn frames_keep_their_order() {
    each_interface(USUAL, |row, interface: &mut Interface<2>| {
        for from in [MAC, OTHER, MAC, MAC, OTHER, OTHER] {
            check!("it is answered", [ROWS; row], interface.is_answered(from));
        }
        // Three at once: they stand in buffers of their own.
        let all = [OTHER, MAC, OTHER];
        for (at, from) in (outgoing()..).step_by(256).zip(all) {
            Interface::<2>::prepare_at(at, from);
            interface.device.queues[TRANSMIT].add(&[Element::read(at, SENT)]);
        }
        interface.device.transport.notify(TRANSMIT as u16);
        for from in all {
            let written = interface.device.queues[TRANSMIT].wait_used().map(|used| used.written);
            check!("it comes back, and nothing was written", [ROWS; row], written == Some(0));
            check!("the next answer", [ROWS; row], interface.hear().is_some_and(|frame| frame.is_answer(from)));
        }
    });
}

/// Header and frame may be cut anywhere.
#[case(feature = VirtioNetwork, spec = [virtio("Network Device"), virtio("Device Requirements: Message Framing")],
       devices = Devices::NETWORK)]
fn frames_are_cut_anywhere() {
    const CUTS: [&[u32]; 5] = [&[12, 42], &[1, 11, 42], &[10, 2, 1, 41], &[26, 28], &[53, 1]];
    each_interface(USUAL, |row, interface: &mut Interface<2>| {
        for cuts in CUTS {
            Interface::<2>::prepare(MAC);
            let mut parts = [Element::read(outgoing(), 0); 4];
            let mut at = outgoing();
            for (part, size) in parts.iter_mut().zip(cuts) {
                *part = Element::read(at, *size);
                at += u64::from(*size);
            }
            let written = interface.device.exchange(TRANSMIT, &parts[..cuts.len()]);
            check!("it is taken", [ROWS; row], written == Some(0));
            check!("it is answered", [ROWS; row], interface.hear().is_some_and(|frame| frame.is_answer(MAC)));
            let at = incoming(interface.device.queues[RECEIVE].next().0);
            // And so may a buffer for a frame.
            interface.device.give(RECEIVE, &[Element::written(at, 5), Element::written(at + 5, ROOM - 5)]);
        }
    });
}

/// With merged buffers a frame takes as many as its header says, and is whole in them.
#[case(feature = VirtioNetwork, spec = [virtio("Network Device"), virtio("Device Requirements: Processing of Incoming Packets")],
       devices = Devices::NETWORK)]
fn merged_buffers_hold_one_frame() {
    const SMALL: u32 = 24;
    each_row(kind::NETWORK, |row, transport, layout| {
        let wanted = USUAL | feature::MRG_RXBUF;
        let Some(mut interface) = Interface::<2>::with_room(transport, layout, wanted, SMALL) else {
            return refused(row);
        };
        if interface.device.features & feature::MRG_RXBUF == 0 {
            return;
        }
        check!("it is taken", [ROWS; row], interface.ask(MAC));
        let Some(first) = interface.hear() else { return check!("an answer", [ROWS; row], false) };
        let nr = mmio::read_u16(first.at + 10);
        check!("as many as it needs", [ROWS; row], (3..=4).contains(&nr));
        let mut frame = [0; ARP_BYTES];
        let mut size = 0;
        for index in 0..nr {
            let skipped = if index == 0 { HEADER_BYTES } else { 0 };
            let part = if index == 0 { Some(first) } else { interface.hear() };
            let Some(part) = part else { return check!("each of them", [ROWS; row], false) };
            for offset in skipped..part.written.min(SMALL) {
                if let Some(byte) = frame.get_mut(size) {
                    *byte = mmio::read_u8(part.at + u64::from(offset));
                }
                size += 1;
            }
        }
        check!("the frame is whole", [ROWS; row], is_answer(&frame, &arp_request(MAC, GUEST, HOST)));
    });
}

/// A frame for which a buffer is too small is not written behind it, and does not come in parts.
#[case(feature = VirtioNetwork, spec = [virtio("Network Device"), virtio("Setting Up Receive Buffers")], devices = Devices::NETWORK)]
fn small_buffers_are_not_left() {
    each_row(kind::NETWORK, |row, transport, layout| {
        for room in [1, HEADER_BYTES, HEADER_BYTES + 8, SENT - 1] {
            let Some(mut interface) = Interface::<2>::with_room(transport, layout, USUAL, room) else {
                return refused(row);
            };
            interface.ask(MAC);
            super::super::give_time();
            for id in 0..4 {
                let behind = (room..64).map(|offset| mmio::read_u8(incoming(id) + u64::from(offset)));
                check!("what stood behind it", [ROWS; row], behind.into_iter().all(|byte| byte == NOTHING));
            }
            if let Some(used) = interface.device.queues[RECEIVE].take_used() {
                check!("used length", [ROWS; row], used.written <= room);
            }
        }
        check!("it works after a reset", [ROWS; row], works_again(transport, layout));
    });
}

/// After a reset, frames that came for the driver of before are not given to the next.
#[case(feature = VirtioNetwork, spec = [virtio("Network Device"), virtio("Device Requirements: Device Reset")], devices = Devices::NETWORK)]
fn buffers_are_the_drivers_after_a_reset() {
    each_row(kind::NETWORK, |row, transport, layout| {
        let Some(mut interface) = Interface::<2>::started(transport, layout, USUAL) else { return refused(row) };
        check!("it is answered", [ROWS; row], interface.is_answered(MAC));
        check!("reset", [ROWS; row], transport.reset());
        for id in 0..4 {
            mmio::write_u32(incoming(id), 0x7777_7777);
        }
        transport.notify(RECEIVE as u16);
        super::super::give_time();
        for id in 0..4 {
            check_eq!("as it was", [ROWS; row], mmio::read_u32(incoming(id)), 0x7777_7777);
        }
        check!("it works after it", [ROWS; row], works_again(transport, layout));
    });
}
