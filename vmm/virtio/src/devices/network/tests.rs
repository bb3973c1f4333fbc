//! Network devices with what is at the other end of the cable.

use super::*;
use crate::{
    Common,
    hostile::{self, Hosted},
    testing::{Driver, Layout, due, exchange},
};
use proptest::prelude::*;
use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame,
        EthernetProtocol, EthernetRepr, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, Ipv4Address, Ipv4Packet,
        Ipv4Repr, UdpPacket, UdpRepr,
    },
};

const OWN: MacAddress = [2, 0, 0, 0, 0, 1];
const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };
const HEADER: [u8; HEADER_BYTES] = [0; HEADER_BYTES];
const RECEIVED: [u8; HEADER_BYTES] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];

fn started(layout: Layout, features: u64) -> (Common, Driver, FrameSocket) {
    let (here, there) = FrameSocket::pair().unwrap();
    let network = Network::new(NetworkOptions::new(OWN), here).unwrap();
    let (common, driver) = Driver::started(Box::new(network), layout, features);
    (common, driver, there)
}

fn frame(to: MacAddress, size: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..size).map(|index| index as u8).collect();
    frame[..6].copy_from_slice(&to);
    frame
}

fn read(link: &mut FrameSocket) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 2000];
    let size = link.read_frame(&mut bytes).ok()?;
    bytes.truncate(size);
    Some(bytes)
}

#[test]
fn frames_are_sent_however_they_are_laid_out() {
    for layout in Layout::all() {
        let (mut common, mut driver, mut link) = started(layout, 0);
        for size in [14, 60, 1514, 1518] {
            let frame = frame([3; 6], size);
            for parts in [
                vec![&HEADER[..], &frame],
                vec![&HEADER[..5], &HEADER[5..], &frame[..3], &[], &frame[3..]],
                vec![&[&HEADER[..], &frame].concat()[..]],
            ] {
                assert_eq!(exchange(&mut common, &mut driver, TRANSMIT, &parts, &[]), (vec![], 0));
                assert_eq!(read(&mut link).as_ref(), Some(&frame), "{layout:?}");
            }
        }
    }
}

#[test]
fn what_is_no_frame_is_not_sent() {
    let (mut common, mut driver, mut link) = started(PLAIN, 0);
    let good = frame([3; 6], 60);
    let with_checksum: &[u8] = &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let with_segments: &[u8] = &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for parts in [
        vec![],
        vec![&HEADER[..11]],
        vec![&HEADER[..]],
        vec![&HEADER[..], &good[..13]],
        vec![with_checksum, &good],
        vec![with_segments, &good],
        vec![&HEADER[..], &[0; 1519]],
    ] {
        // Nor is a buffer that the device could write to.
        exchange(&mut common, &mut driver, TRANSMIT, &parts, &[4]);
        assert_eq!(read(&mut link), None, "{parts:x?}");
    }
    exchange(&mut common, &mut driver, TRANSMIT, &[&HEADER, &good], &[]);
    assert_eq!(read(&mut link), Some(good));
}

#[test]
fn frames_are_received_in_order_as_buffers_come() {
    for layout in Layout::all() {
        let (mut common, mut driver, mut link) = started(layout, 0);
        let frames: Vec<_> = [60, 14, 1518, 100].into_iter().map(|size| frame(OWN, size)).collect();
        frames.iter().for_each(|frame| link.write_frame(frame).unwrap());
        common.wake();
        let mut requests = vec![];
        for frame in &frames {
            let request = driver.submit(RECEIVE, &[], &[10, 1520]);
            common.notify(RECEIVE);
            let (id, written) = driver.used(RECEIVE).expect("one for each buffer");
            assert_eq!((id, written as usize), (request.id, HEADER_BYTES + frame.len()), "{layout:?}");
            let bytes = driver.written(&request);
            assert_eq!((&bytes[..12], &bytes[12..written as usize]), (&RECEIVED[..], &frame[..]));
            requests.push(request);
        }
        driver.submit(RECEIVE, &[], &[1530]);
        common.wake();
        assert_eq!(driver.used(RECEIVE), None);
        link.write_frame(&frames[0]).unwrap();
        common.wake();
        assert_eq!(driver.used(RECEIVE).map(|(_, written)| written), Some(72));
    }
}

#[test]
fn frames_that_do_not_fit_are_lost() {
    let (mut common, mut driver, mut link) = started(PLAIN, 0);
    for (size, room, expected) in
        [(60, 71, Some(0)), (60, 0, Some(0)), (60, 72, Some(72)), (1519, 1600, None), (13, 100, None)]
    {
        driver.submit(RECEIVE, &[], &[room]);
        link.write_frame(&frame(OWN, size)).unwrap();
        common.wake();
        assert_eq!(driver.used(RECEIVE).map(|(_, written)| written), expected, "{size} {room}");
    }
}

#[test]
fn a_link_without_room_leaves_frames_in_the_queue() {
    for layout in Layout::all() {
        let (mut common, mut driver, mut link) = started(layout, 0);
        let mut sent = 0_u8;
        // A socket holds a few messages.
        let held = loop {
            let mut frame = frame([3; 6], 1500);
            frame[20] = sent;
            driver.submit(TRANSMIT, &[&HEADER, &frame], &[]);
            common.notify(TRANSMIT);
            sent += 1;
            if driver.used(TRANSMIT).is_none() {
                break sent;
            }
            assert!(sent < 250, "the link never fills up");
        };
        let numbers: Vec<_> = std::iter::from_fn(|| {
            let frame = read(&mut link)?;
            common.wake();
            Some(frame[20])
        })
        .collect();
        assert_eq!(numbers, (0..held).collect::<Vec<_>>());
        assert!(driver.used(TRANSMIT).is_some());
    }
}

#[test]
fn a_queue_that_is_reset_gives_nothing_back() {
    for layout in Layout::all() {
        let (mut common, mut driver, mut link) = started(layout, 0);
        let frame = frame([3; 6], 1500);
        let request = driver.submit(TRANSMIT, &[&HEADER, &frame], &[]);
        common.notify(TRANSMIT);
        assert_eq!(driver.used(TRANSMIT), Some((request.id, 0)));
        let at = driver.allocate(1600);
        // Until the link is full.
        for _ in 0..250 {
            driver.submit_elements(TRANSMIT, &[(at, 1512, false)]);
            common.notify(TRANSMIT);
            if driver.used(TRANSMIT).is_none() {
                break;
            }
        }
        driver.reset_queue(&mut common, TRANSMIT);
        while read(&mut link).is_some() {}
        common.wake();
        assert_eq!((driver.used(TRANSMIT), common.broken(), read(&mut link)), (None, None, None), "{layout:?}");
    }
}

#[test]
fn drivers_are_asked_to_announce_themselves_until_they_acknowledge() {
    const ALL: u64 = STATUS | CONTROL_QUEUE | GUEST_ANNOUNCE;
    for (layout, features) in [(PLAIN, ALL), (Layout { packed: true, ..PLAIN }, ALL), (PLAIN, STATUS | CONTROL_QUEUE)] {
        let (here, _there) = FrameSocket::pair().unwrap();
        let network = Network::new(NetworkOptions::new(OWN), here).unwrap();
        let announcement = network.announcement();
        announcement.ask();
        let (mut common, mut driver) = Driver::started(Box::new(network), layout, features);
        let status = |common: &Common| {
            let mut config = [0; 2];
            common.read_config(6, &mut config);
            u16::from_le_bytes(config)
        };
        let _ = due(&mut common);
        assert_eq!(status(&common), LINK_UP, "who starts makes itself known");
        let is_asked = features & GUEST_ANNOUNCE != 0;
        for (turn, is_told) in [(0, true), (1, false)] {
            announcement.ask();
            common.wake();
            assert_eq!(status(&common), if is_asked { LINK_UP | ANNOUNCE } else { LINK_UP }, "{turn}");
            assert_eq!(due(&mut common).1, is_asked && is_told, "{turn}");
        }
        let mut command =
            |common: &mut Common, command: &[u8]| exchange(common, &mut driver, CONTROL, &[command], &[1]).0[0];
        assert_eq!(command(&mut common, &[3, 1]), control::ERROR);
        assert_eq!(status(&common) & ANNOUNCE != 0, is_asked);
        assert_eq!(command(&mut common, &[3, 0]), if is_asked { control::OK } else { control::ERROR });
        assert_eq!(status(&common), LINK_UP);
        announcement.ask();
        common.wake();
        assert_eq!(status(&common) & ANNOUNCE != 0, is_asked, "again");
    }
}

#[test]
fn the_configuration_tells_address_and_state() {
    let (here, mut there) = FrameSocket::pair().unwrap();
    let network = Network::new(NetworkOptions { mtu: 9000, ..NetworkOptions::new(OWN) }, here).unwrap();
    let state = network.link_state();
    let (mut common, mut driver) = Driver::started(Box::new(network), PLAIN, STATUS);
    let config = |common: &Common| {
        let mut config = [0; 13];
        common.read_config(0, &mut config);
        config
    };
    assert_eq!(config(&common), [2, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0x28, 0x23, 0]);
    state.set_up(false);
    assert_eq!((config(&common)[6], common.generation()), (1, 0), "no other state in the same generation");
    common.wake();
    assert_eq!((config(&common)[6], due(&mut common), common.generation()), (0, (0, true), 1));
    driver.submit(RECEIVE, &[], &[100]);
    there.write_frame(&frame(OWN, 60)).unwrap();
    common.wake();
    assert_eq!(driver.used(RECEIVE), None);
    exchange(&mut common, &mut driver, TRANSMIT, &[&HEADER, &frame(OWN, 60)], &[]);
    assert_eq!(read(&mut there), None, "the cable is out");
    let (here, _there) = FrameSocket::pair().unwrap();
    assert!(matches!(Network::new(NetworkOptions::new([1; 6]), here), Err(NetworkError::Group { .. })));
    let (here, _there) = FrameSocket::pair().unwrap();
    let small = NetworkOptions { mtu: 1279, ..NetworkOptions::new(OWN) };
    assert!(matches!(Network::new(small, here), Err(NetworkError::Mtu { mtu: 1279 })));
}

#[test]
fn commands_are_acknowledged() {
    for layout in Layout::all() {
        let all = CONTROL_QUEUE | CONTROL_RX | CONTROL_VLAN | CONTROL_MAC;
        let (mut common, mut driver, mut link) = started(layout, all);
        let tables: &[u8] = &[1, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 0, 0, 0];
        let many = [&65_u32.to_le_bytes()[..], &[0; 390], &[0; 4]].concat();
        for (parts, ack) in [
            (vec![&[0, 0][..], &[0]], 0),
            (vec![&[0], &[6, 1]], 1),
            (vec![&[0, 0]], 1),
            (vec![&[1, 0], tables], 0),
            (vec![&[1, 0], &tables[..13]], 1),
            (vec![&[1, 0], &[0xff; 8]], 1),
            (vec![&[1, 1], &[2, 0, 0, 0, 0, 8]], 0),
            (vec![&[1, 1], &[3, 0, 0, 0, 0, 8]], 1),
            (vec![&[1, 1], &[2, 0, 0, 0, 0]], 1),
            (vec![&[2, 0], &[7, 0]], 0),
            (vec![&[2, 0], &[0, 0x10]], 1),
            (vec![&[2, 2], &[7, 0]], 1),
            (vec![&[4, 0], &[1, 0]], 1),
            (vec![], 1),
        ] {
            assert_eq!(exchange(&mut common, &mut driver, CONTROL, &parts, &[1]), (vec![ack], 1), "{parts:?}");
        }
        let mut mac = [0; 6];
        common.read_config(0, &mut mac);
        assert_eq!(mac, [2, 0, 0, 0, 0, 8]);
        for (to, is_wanted) in [(mac, true), (OWN, false), ([2, 0, 0, 0, 0, 9], true), ([0xff; 6], true)] {
            link.write_frame(&frame(to, 60)).unwrap();
            driver.submit(RECEIVE, &[], &[100]);
            common.notify(RECEIVE);
            assert_eq!(driver.used(RECEIVE).is_some(), is_wanted, "{to:x?}");
        }
        // Too many addresses are all addresses.
        assert_eq!(exchange(&mut common, &mut driver, CONTROL, &[&[1, 0], &many], &[1]), (vec![0], 1));
        link.write_frame(&frame(OWN, 60)).unwrap();
        common.wake();
        assert!(driver.used(RECEIVE).is_some());
        common.set_status(0);
        common.read_config(0, &mut mac);
        assert_eq!(mac, OWN, "a reset forgets it");
    }
}

#[test]
fn features_of_the_control_queue_need_it() {
    let (here, _there) = FrameSocket::pair().unwrap();
    let mut network = Network::new(NetworkOptions::new(OWN), here).unwrap();
    for (features, is_accepted) in [
        (0, true),
        (CONTROL_QUEUE | CONTROL_RX, true),
        (CONTROL_RX, false),
        (CONTROL_MAC, false),
        (CONTROL_VLAN, false),
    ] {
        assert_eq!(network.accept(features), is_accepted, "{features:#x}");
    }
}

/// Sends a frame to the host, and gives its answer.
fn ask(common: &mut Common, driver: &mut Driver, frame: &[u8]) -> Option<Vec<u8>> {
    let request = driver.submit(RECEIVE, &[], &[1530]);
    exchange(common, driver, TRANSMIT, &[&HEADER, frame], &[]);
    let (_, written) = driver.used(RECEIVE)?;
    Some(driver.written(&request)[HEADER_BYTES..written as usize].to_vec())
}

fn ethernet(to: EthernetAddress, ethertype: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 14];
    let header = EthernetRepr { src_addr: EthernetAddress(OWN), dst_addr: to, ethertype };
    header.emit(&mut EthernetFrame::new_unchecked(&mut bytes[..]));
    bytes.extend(payload);
    bytes
}

fn ipv4(from: Ipv4Address, to: Ipv4Address, next_header: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let header = Ipv4Repr { src_addr: from, dst_addr: to, next_header, payload_len: payload.len(), hop_limit: 64 };
    let mut bytes = vec![0; header.buffer_len()];
    header.emit(&mut Ipv4Packet::new_unchecked(&mut bytes[..]), &ChecksumCapabilities::default());
    bytes.extend(payload);
    bytes
}

#[test]
fn the_host_answers_who_it_is_and_echoes() {
    let network = Network::new(NetworkOptions::new(OWN), HostStack::new()).unwrap();
    let (mut common, mut driver) = Driver::started(Box::new(network), PLAIN, 0);
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: EthernetAddress(OWN),
        source_protocol_addr: HostStack::GUEST,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: HostStack::ADDRESS,
    };
    let mut bytes = vec![0; arp.buffer_len()];
    arp.emit(&mut ArpPacket::new_unchecked(&mut bytes[..]));
    let request = ethernet(EthernetAddress::BROADCAST, EthernetProtocol::Arp, &bytes);
    let answer = ask(&mut common, &mut driver, &request).expect("an answer");
    let answer = ArpRepr::parse(&ArpPacket::new_checked(&answer[14..]).unwrap()).unwrap();
    assert!(matches!(answer, ArpRepr::EthernetIpv4 { operation: ArpOperation::Reply, source_hardware_addr, .. }
        if source_hardware_addr == EthernetAddress(HostStack::MAC)));

    let checksums = ChecksumCapabilities::default();
    let echo = Icmpv4Repr::EchoRequest { ident: 7, seq_no: 3, data: b"are you there?" };
    let mut bytes = vec![0; echo.buffer_len()];
    echo.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes[..]), &checksums);
    let packet = ipv4(HostStack::GUEST, HostStack::ADDRESS, IpProtocol::Icmp, &bytes);
    let request = ethernet(EthernetAddress(HostStack::MAC), EthernetProtocol::Ipv4, &packet);
    let answer = ask(&mut common, &mut driver, &request).expect("an answer");
    let packet = Ipv4Packet::new_checked(&answer[14..]).unwrap();
    let answer = Icmpv4Repr::parse(&Icmpv4Packet::new_checked(packet.payload()).unwrap(), &checksums).unwrap();
    assert_eq!(answer, Icmpv4Repr::EchoReply { ident: 7, seq_no: 3, data: b"are you there?" });
}

#[test]
fn the_host_gives_the_guest_its_address() {
    let network = Network::new(NetworkOptions::new(OWN), HostStack::new()).unwrap();
    let (mut common, mut driver) = Driver::started(Box::new(network), PLAIN, 0);
    let checksums = ChecksumCapabilities::default();
    for (message_type, requested_ip, server, expected) in [
        (DhcpMessageType::Discover, None, None, Some(DhcpMessageType::Offer)),
        (DhcpMessageType::Request, Some(HostStack::GUEST), Some(HostStack::ADDRESS), Some(DhcpMessageType::Ack)),
        (DhcpMessageType::Request, Some(Ipv4Address::new(10, 0, 2, 99)), None, Some(DhcpMessageType::Nak)),
        (DhcpMessageType::Request, Some(HostStack::GUEST), Some(HostStack::GUEST), None),
        (DhcpMessageType::Release, None, None, None),
    ] {
        let any = Ipv4Address::UNSPECIFIED;
        let message = DhcpRepr {
            message_type,
            transaction_id: 0x1234,
            secs: 0,
            client_hardware_address: EthernetAddress(OWN),
            client_ip: any,
            your_ip: any,
            server_ip: any,
            router: None,
            subnet_mask: None,
            relay_agent_ip: any,
            broadcast: false,
            requested_ip,
            client_identifier: None,
            server_identifier: server,
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).unwrap();
        let udp = UdpRepr { src_port: 68, dst_port: 67 };
        let mut datagram = vec![0; 8 + bytes.len()];
        udp.emit(
            &mut UdpPacket::new_unchecked(&mut datagram[..]),
            &IpAddress::Ipv4(any),
            &IpAddress::Ipv4(Ipv4Address::BROADCAST),
            bytes.len(),
            |payload| payload.copy_from_slice(&bytes),
            &checksums,
        );
        let packet = ipv4(any, Ipv4Address::BROADCAST, IpProtocol::Udp, &datagram);
        let request = ethernet(EthernetAddress::BROADCAST, EthernetProtocol::Ipv4, &packet);
        let answer = ask(&mut common, &mut driver, &request);
        let answer = answer.map(|answer| {
            let packet = Ipv4Packet::new_checked(&answer[14..]).unwrap();
            assert_eq!(packet.dst_addr(), Ipv4Address::BROADCAST);
            let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
            assert_eq!((datagram.src_port(), datagram.dst_port()), (67, 68));
            let message = DhcpPacket::new_checked(datagram.payload()).unwrap();
            let message = DhcpRepr::parse(&message).unwrap();
            assert_eq!(message.transaction_id, 0x1234);
            let is_lease = message.message_type != DhcpMessageType::Nak;
            assert_eq!(message.your_ip == HostStack::GUEST && message.router == Some(HostStack::ADDRESS), is_lease);
            message.message_type
        });
        assert_eq!(answer, expected, "{message_type:?}");
    }
}

proptest! {
    /// Whatever a driver sends, nothing panics, and no more waits than may.
    #[test]
    fn any_frames_are_survived(
        layout in 0_usize..8,
        steps in proptest::collection::vec(
            (0_usize..4, proptest::collection::vec(any::<u8>(), 0..80), 0_u32..2000, any::<bool>()), 0..60),
    ) {
        let layout = Layout::all().nth(layout).expect("one of eight");
        let features = CONTROL_QUEUE | CONTROL_RX | CONTROL_VLAN | CONTROL_MAC;
        let network = Network::new(NetworkOptions::new(OWN), HostStack::new()).unwrap();
        let (mut common, mut driver) = Driver::started(Box::new(network), layout, features);
        for (queue, bytes, room, is_ipv4) in steps {
            // Most random bytes are no frames for the host at all.
            let host = ethernet(EthernetAddress(HostStack::MAC), EthernetProtocol::Ipv4, &bytes);
            let bytes = if is_ipv4 { [&HEADER[..], &host].concat() } else { bytes };
            match queue {
                RECEIVE => _ = driver.submit(queue, &[], &[room]),
                TRANSMIT | CONTROL => _ = driver.submit(queue, &[&bytes], &[room % 3]),
                _ => common.wake(),
            }
            common.notify(queue);
            for queue in [RECEIVE, TRANSMIT, CONTROL] {
                while driver.used(queue).is_some() {}
            }
            prop_assert_eq!(common.broken(), None);
        }
    }

    /// Nor is anything that a driver can do to registers and rings.
    #[test]
    fn hostile_drivers_are_survived(steps in hostile::strategy::steps(prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(|payload| {
            [&HEADER[..], &ethernet(EthernetAddress(HostStack::MAC), EthernetProtocol::Ipv4, &payload)].concat()
        }),
        (0_u8..4, 0_u8..6, any::<u32>()).prop_map(|(class, command, nr)| [&[class, command][..], &nr.to_le_bytes()].concat()),
    ])) {
        let network = || Network::new(NetworkOptions::new(OWN), HostStack::new()).unwrap();
        hostile::survive_with_host(|| Hosted::network(network()), &steps);
    }
}
