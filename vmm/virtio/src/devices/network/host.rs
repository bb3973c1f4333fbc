//! A host at the other end of the cable, without privileges and without a network behind it: it gives the guest its address by
//! DHCP, and answers ARP and echo requests.

use super::{Link, MacAddress};
use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    socket::udp,
    time::Instant,
    wire::{
        DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, HardwareAddress, IpAddress, IpCidr, IpEndpoint,
        Ipv4Address,
    },
};
use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    os::fd::RawFd,
};
use vm_state::{DeviceStateError, value::ensure};

/// Frames that wait for the guest at most; others are lost, as on every network.
const NR_FRAMES_MAX: usize = 64;
/// The largest IP packet in bytes, with the Ethernet header.
const FRAME_BYTES_MAX: usize = 1514;
/// Bytes of DHCP messages that wait.
const DHCP_BYTES: usize = 4096;
/// EtherType of ARP, and bytes of such a frame.
const ARP: [u8; 2] = [8, 6];
const ARP_BYTES: usize = 42;
/// A day.
const LEASE_SECONDS: u32 = 86_400;
/// DHCP's ports.
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// The host.
pub struct HostStack {
    interface: Interface,
    sockets: SocketSet<'static>,
    dhcp: SocketHandle,
    cable: Cable,
    /// The last frame in which the guest told its addresses by ARP: where answers go.
    neighbor: Vec<u8>,
}

impl HostStack {
    /// Its Ethernet address.
    pub const MAC: MacAddress = [0x52, 0x55, 10, 0, 2, 2];
    /// Its address, which is also the gateway's.
    pub const ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);
    /// What the guest gets.
    pub const GUEST: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
    /// Of both.
    const MASK: Ipv4Address = Ipv4Address::new(255, 255, 255, 0);

    /// Nobody has said anything yet.
    pub fn new() -> Self {
        let mut cable = Cable::default();
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(Self::MAC)));
        let mut interface = Interface::new(config, &mut cable, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // It is the first one, so there is room.
            let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(Self::ADDRESS), 24));
        });
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; DHCP_BYTES]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        // The port is not zero and the socket not bound, so it cannot fail.
        let _ = socket.bind(SERVER_PORT);
        let mut sockets = SocketSet::new(Vec::new());
        let dhcp = sockets.add(socket);
        Self { interface, sockets, dhcp, cable, neighbor: Vec::new() }
    }

    fn poll(&mut self) {
        // The time stands still: the guest always speaks first, so that nothing is forgotten or sent again.
        self.interface.poll(Instant::ZERO, &mut self.cable, &mut self.sockets);
    }

    /// Answers what came for the DHCP server.
    fn serve(&mut self) {
        let socket: &mut udp::Socket<'_> = self.sockets.get_mut(self.dhcp);
        while let Ok((message, _)) = socket.recv() {
            let Some(answer) = answer(message) else { continue };
            // A client without an address hears what is sent to all.
            let to = IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::BROADCAST), CLIENT_PORT);
            // Without room the answer is lost, and the client asks again.
            let _ = socket.send_slice(&answer, to);
        }
    }
}

impl Default for HostStack {
    fn default() -> Self {
        Self::new()
    }
}

/// The answer to a DHCP message (RFC 2131), if there is one.
fn answer(message: &[u8]) -> Option<Vec<u8>> {
    let packet = DhcpPacket::new_checked(message).ok()?;
    let request = DhcpRepr::parse(&packet).ok()?;
    let is_for_another = request.server_identifier.is_some_and(|server| server != HostStack::ADDRESS);
    let wanted = request.requested_ip.unwrap_or(request.client_ip);
    let message_type = match request.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request if is_for_another => return None,
        DhcpMessageType::Request if wanted == HostStack::GUEST => DhcpMessageType::Ack,
        DhcpMessageType::Request => DhcpMessageType::Nak,
        _ => return None,
    };
    let is_lease = message_type != DhcpMessageType::Nak;
    let answer = DhcpRepr {
        message_type,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: Ipv4Address::UNSPECIFIED,
        your_ip: if is_lease { HostStack::GUEST } else { Ipv4Address::UNSPECIFIED },
        server_ip: HostStack::ADDRESS,
        router: is_lease.then_some(HostStack::ADDRESS),
        subnet_mask: is_lease.then_some(HostStack::MASK),
        relay_agent_ip: Ipv4Address::UNSPECIFIED,
        broadcast: true,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(HostStack::ADDRESS),
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: is_lease.then_some(LEASE_SECONDS),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    let mut bytes = vec![0; answer.buffer_len()];
    answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).ok()?;
    Some(bytes)
}

impl Link for HostStack {
    fn read_frame(&mut self, frame: &mut [u8]) -> io::Result<usize> {
        let next = self.cable.to_guest.pop_front().ok_or(ErrorKind::WouldBlock)?;
        let size = next.len().min(frame.len());
        frame[..size].copy_from_slice(&next[..size]);
        Ok(size)
    }

    fn write_frame(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.cable.to_guest.len() >= NR_FRAMES_MAX {
            // The guest takes none: what it sends would be answered for nobody.
            return Ok(());
        }
        if frame.get(12..14) == Some(&ARP) {
            self.neighbor = frame[..frame.len().min(ARP_BYTES)].to_vec();
        }
        self.cable.to_host = Some(frame.to_vec());
        self.poll();
        self.serve();
        self.poll();
        self.cable.to_host = None;
        Ok(())
    }

    fn descriptors(&self) -> Vec<RawFd> {
        Vec::new()
    }

    fn save(&self) -> Vec<u8> {
        self.neighbor.clone()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        ensure(state.is_empty() || state.len() <= ARP_BYTES && state.get(12..14) == Some(&ARP))?;
        if !state.is_empty() {
            // It hears again what it heard before; the guest has had its answer.
            self.write_frame(state).map_err(|error| DeviceStateError::Host(error.kind()))?;
            self.cable.to_guest.clear();
        }
        Ok(())
    }
}

/// Frames on their way.
#[derive(Default)]
struct Cable {
    to_host: Option<Vec<u8>>,
    to_guest: VecDeque<Vec<u8>>,
}

/// A frame for the host.
struct Incoming(Vec<u8>);

impl RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, use_frame: F) -> R {
        use_frame(&self.0)
    }
}

/// Room for a frame to the guest.
struct Outgoing<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, size: usize, fill: F) -> R {
        let mut frame = vec![0; size];
        let result = fill(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Device for Cable {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        let frame = self.to_host.take()?;
        Some((Incoming(frame), Outgoing(&mut self.to_guest)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        (self.to_guest.len() < NR_FRAMES_MAX).then_some(Outgoing(&mut self.to_guest))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES_MAX;
        capabilities
    }
}
