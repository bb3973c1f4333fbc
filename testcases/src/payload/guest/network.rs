//! One network interface with a fixed address, and an echo request to the gateway.
//!
//! Sources: Linux, netdevice(7) and raw(7); RFC 792, "Echo or Echo Reply Message"; RFC 1071, the checksum.

#![expect(unsafe_code, reason = "interfaces are configured and raw sockets used by system calls")]
// UNSAFETY: `socket`, `ioctl`, `setsockopt`, `sendto` and `recv`, with structures and buffers that live across the call.

use std::{
    io,
    mem::{size_of, zeroed},
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    thread,
    time::{Duration, Instant},
};

/// The interface: the only one besides the loop-back.
pub(super) const INTERFACE: &str = "eth0";
/// The gateway of the VMM's `--net user`, and the address that it has for its guest, in a network of 24 bits.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// How long an answer may take, after which is asked again, and how long in all: the first requests may come before the
/// interface is ready.
const ANSWER_LIMIT: libc::timeval = libc::timeval { tv_sec: 2, tv_usec: 0 };
const LIMIT: Duration = Duration::from_secs(30);
/// What the request carries.
const DATA: &[u8] = b"vmproof asks its gateway";
/// Types of messages, and the size of their header and of that of IPv4 without options, in bytes.
const ECHO_REPLY: u8 = 0;
const ECHO: u8 = 8;
const HEADER_BYTES: usize = 8;
const IPV4_HEADER_BYTES: usize = 20;

/// Gives the interface its address and switches it on.
pub(super) fn bring_up() -> io::Result<()> {
    let socket = socket(libc::SOCK_DGRAM, 0)?;
    for (request, address) in [(libc::SIOCSIFADDR, ADDRESS), (libc::SIOCSIFNETMASK, MASK)] {
        let mut of_interface = named();
        let bytes = socket_address(address);
        // SAFETY: both are the kernel's structures for an address, and of one size as the assertion below says.
        of_interface.ifr_ifru.ifru_addr = unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(bytes) };
        control(&socket, request, &of_interface)?;
    }
    let mut of_interface = named();
    of_interface.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    control(&socket, libc::SIOCSIFFLAGS, &of_interface)
}

const _: () = assert!(size_of::<libc::sockaddr_in>() == size_of::<libc::sockaddr>());

/// Asks until there is an answer.
pub(super) fn ask_gateway() -> io::Result<()> {
    let socket = socket(libc::SOCK_RAW, libc::IPPROTO_ICMP)?;
    let limit = ANSWER_LIMIT;
    // SAFETY: an open socket, and a structure of the size that is told.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const limit).cast(),
            size_of::<libc::timeval>() as libc::socklen_t,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let deadline = Instant::now() + LIMIT;
    for number in 0_u16.. {
        if Instant::now() >= deadline {
            break;
        }
        if let Err(error) = send(&socket, &message(ECHO, number)) {
            // Until the link is up nothing can be sent.
            if Instant::now() + Duration::from_millis(100) >= deadline {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(100));
            continue;
        }
        if hears(&socket, number)? {
            return Ok(());
        }
    }
    Err(io::Error::other(format!("no answer within {} s", LIMIT.as_secs())))
}

/// A message with its checksum.
fn message(kind: u8, number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    // Type, code, checksum, identifier and sequence number.
    let mut message = [&[kind, 0, 0, 0, b'v', b'p', high, low], DATA].concat();
    let sum = checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

/// The one's complement of the one's complement sum of the words.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Whether a packet is the answer to the request of this number.
fn is_answer(packet: &[u8], number: u16) -> bool {
    let Some(first) = packet.first() else { return false };
    let header = usize::from(first & 0xf) * 4;
    header >= IPV4_HEADER_BYTES && packet.get(header..) == Some(&message(ECHO_REPLY, number)[..])
}

fn hears(socket: &OwnedFd, number: u16) -> io::Result<bool> {
    let deadline = Instant::now() + LIMIT;
    let mut packet = [0; IPV4_HEADER_BYTES * 3 + HEADER_BYTES + DATA.len()];
    while Instant::now() < deadline {
        // SAFETY: an open socket and a buffer of the size that is told.
        let size = unsafe { libc::recv(socket.as_raw_fd(), packet.as_mut_ptr().cast(), packet.len(), 0) };
        match usize::try_from(size) {
            Ok(size) if is_answer(packet.get(..size).unwrap_or_default(), number) => return Ok(true),
            // A raw socket hears what others are told, too.
            Ok(_) => {}
            Err(_) => {
                return match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                    error => Err(error),
                };
            }
        }
    }
    Ok(false)
}

fn send(socket: &OwnedFd, message: &[u8]) -> io::Result<()> {
    let to = socket_address(GATEWAY);
    // SAFETY: an open socket, a buffer and an address of the sizes that are told.
    let size = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            message.as_ptr().cast(),
            message.len(),
            0,
            (&raw const to).cast(),
            size_of::<libc::sockaddr_in>() as libc::socklen_t,
        )
    };
    if size < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn socket(kind: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let descriptor = unsafe { libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, protocol) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr_in {
    // SAFETY: any bytes are a `sockaddr_in`, which has only integers.
    let mut result: libc::sockaddr_in = unsafe { zeroed() };
    result.sin_family = libc::AF_INET as libc::sa_family_t;
    result.sin_addr.s_addr = u32::from(address).to_be();
    result
}

/// A request that names the interface.
fn named() -> libc::ifreq {
    // SAFETY: any bytes are an `ifreq`, which has integers, and pointers in a union that nothing reads.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(INTERFACE.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

fn control(socket: &OwnedFd, request: libc::c_ulong, of_interface: &libc::ifreq) -> io::Result<()> {
    // SAFETY: an open socket, and the structure that these requests read.
    match unsafe { libc::ioctl(socket.as_raw_fd(), request as libc::Ioctl, std::ptr::from_ref(of_interface)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_its_checksum_sums_to_zero() {
        assert_eq!(checksum(&message(ECHO, 7)), 0);
        assert_eq!(checksum(&[0xff, 0xff, 0x12]), !0x1200);
    }

    #[test]
    fn only_the_reply_to_the_request_is_an_answer() {
        let packet = |message: Vec<u8>| [vec![0x45; 1], vec![0; 19], message].concat();
        assert!(is_answer(&packet(message(ECHO_REPLY, 3)), 3));
        assert!(!is_answer(&packet(message(ECHO_REPLY, 3)), 4));
        assert!(!is_answer(&packet(message(ECHO, 3)), 3));
        assert!(!is_answer(&message(ECHO_REPLY, 3), 3));
        assert!(!is_answer(&[], 3));
    }
}
