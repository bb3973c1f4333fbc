//! Frames through a tap of the host, by a VMM whose threads are confined.

use crate::{
    control::vmm,
    guest::exit_with_eax,
    virtio::{BAR, NOTIFY, Queue, place, start_queues},
};
use iced_x86::code_asm::*;
use std::process::Command;

/// The host's address on the tap, and the guest's: TEST-NET-2 (RFC 5737).
const HOST: [u8; 4] = [198, 51, 100, 1];
const GUEST: [u8; 4] = [198, 51, 100, 2];
/// A locally administered address.
const GUEST_STATION: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// `struct virtio_net_hdr` with VIRTIO_F_VERSION_1.
const HEADER_BYTES: u64 = 12;
/// Where the queues and the two buffers are.
const RECEIVE: Queue = Queue { descriptors: 0x30_0000, available: 0x30_1000, used: 0x30_2000 };
const TRANSMIT: Queue = Queue { descriptors: 0x30_3000, available: 0x30_4000, used: 0x30_5000 };
const RECEIVED: u64 = 0x30_6000;
const SENT: u64 = 0x30_7000;
const RECEIVED_BYTES: u32 = 2048;
/// How often the guest looks for a frame before it asks again.
const NR_LOOKS: u32 = 10_000;

/// A tap that is up, with an address of the host, until this is dropped.
struct Tap(String);

impl Tap {
    /// `None` if this machine has none to give, which it says.
    fn new() -> Option<Self> {
        let name = format!("vmproof{}", std::process::id());
        let made = Command::new("ip").args(["tuntap", "add", "mode", "tap", "name", &name]).output();
        match made {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                eprintln!("no tap, so nothing to test: {}", String::from_utf8_lossy(&output.stderr).trim());
                return None;
            }
            Err(error) => {
                eprintln!("no `ip`, so nothing to test: {error}; `apt-get install iproute2`");
                return None;
            }
        }
        let tap = Self(name);
        let [a, b, c, d] = HOST;
        ip(&["addr", "add", &format!("{a}.{b}.{c}.{d}/24"), "dev", &tap.0]);
        ip(&["link", "set", &tap.0, "up"]);
        Some(tap)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        ip(&["link", "delete", &self.0]);
    }
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}: {status}");
}

/// The question who has the host's address, as it goes to the device.
fn question() -> Vec<u8> {
    let mut frame = vec![0; HEADER_BYTES as usize];
    frame.extend([0xff; 6]);
    frame.extend(GUEST_STATION);
    // ARP for IPv4 over Ethernet, a request.
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(GUEST_STATION);
    frame.extend(GUEST);
    frame.extend([0; 6]);
    frame.extend(HOST);
    frame
}

/// Asks until the host's kernel answers, and exits with 0 if the answer is from the address that was asked for. The host sends
/// other frames, too.
fn ask(a: &mut CodeAssembler) {
    let (mut asks, mut waits, mut looks) = (a.create_label(), a.create_label(), a.create_label());
    place(a, BAR);
    start_queues(a, BAR, &[RECEIVE, TRANSMIT]);
    for (at, byte) in (SENT..).zip(question()) {
        a.mov(byte_ptr(at), u32::from(byte)).unwrap();
    }
    a.mov(dword_ptr(TRANSMIT.descriptors), SENT as u32).unwrap();
    a.mov(dword_ptr(TRANSMIT.descriptors + 8), question().len() as u32).unwrap();
    for (offset, value) in [(0, RECEIVED as u32), (8, RECEIVED_BYTES), (12, 2)] {
        a.mov(dword_ptr(RECEIVE.descriptors + offset), value).unwrap();
    }
    // The device is to write no interrupt, and has one buffer.
    for queue in [RECEIVE, TRANSMIT] {
        a.mov(dword_ptr(queue.available), 1).unwrap();
    }
    a.inc(word_ptr(RECEIVE.available + 2)).unwrap();
    a.mov(word_ptr(BAR + NOTIFY), 0).unwrap();

    a.set_label(&mut asks).unwrap();
    a.inc(word_ptr(TRANSMIT.available + 2)).unwrap();
    a.mov(word_ptr(BAR + NOTIFY), 1).unwrap();
    a.mov(ecx, NR_LOOKS).unwrap();
    a.set_label(&mut waits).unwrap();
    a.mov(ax, word_ptr(RECEIVE.used + 2)).unwrap();
    a.cmp(ax, word_ptr(RECEIVE.available + 2)).unwrap();
    a.je(looks).unwrap();
    a.dec(ecx).unwrap();
    a.jnz(waits).unwrap();
    a.jmp(asks).unwrap();

    a.set_label(&mut looks).unwrap();
    let frame = RECEIVED + HEADER_BYTES;
    let mut others = a.create_label();
    // An answer of ARP.
    a.cmp(word_ptr(frame + 12), 0x0608).unwrap();
    a.jne(others).unwrap();
    a.cmp(word_ptr(frame + 20), 0x0200).unwrap();
    a.jne(others).unwrap();
    a.mov(eax, dword_ptr(frame + 28)).unwrap();
    a.xor(eax, u32::from_le_bytes(HOST)).unwrap();
    exit_with_eax(a);
    a.set_label(&mut others).unwrap();
    a.inc(word_ptr(RECEIVE.available + 2)).unwrap();
    a.mov(word_ptr(BAR + NOTIFY), 0).unwrap();
    a.jmp(waits).unwrap();
}

#[test]
fn the_host_answers_what_a_guest_asks_through_a_tap() {
    let Some(tap) = Tap::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let output = vmm(ask, folder.path(), &["--machine", "pc", "--net", &format!("tap={}", tap.0)]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
