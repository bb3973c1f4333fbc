//! What a network device must tell, and the frames by which a host is asked.
//!
//! Sources: VIRTIO, "Network Device"; RFC 826.

/// Feature bits.
pub(crate) mod feature {
    pub(crate) const CSUM: u64 = 1 << 0;
    pub(crate) const GUEST_CSUM: u64 = 1 << 1;
    pub(crate) const MTU: u64 = 1 << 3;
    pub(crate) const MAC: u64 = 1 << 5;
    pub(crate) const GUEST_TSO4: u64 = 1 << 7;
    pub(crate) const GUEST_TSO6: u64 = 1 << 8;
    pub(crate) const GUEST_ECN: u64 = 1 << 9;
    pub(crate) const GUEST_UFO: u64 = 1 << 10;
    pub(crate) const HOST_TSO4: u64 = 1 << 11;
    pub(crate) const HOST_TSO6: u64 = 1 << 12;
    pub(crate) const HOST_ECN: u64 = 1 << 13;
    pub(crate) const HOST_UFO: u64 = 1 << 14;
    pub(crate) const MRG_RXBUF: u64 = 1 << 15;
    pub(crate) const STATUS: u64 = 1 << 16;
    pub(crate) const CTRL_VQ: u64 = 1 << 17;
    pub(crate) const CTRL_RX: u64 = 1 << 18;
    pub(crate) const CTRL_VLAN: u64 = 1 << 19;
    pub(crate) const CTRL_RX_EXTRA: u64 = 1 << 20;
    pub(crate) const GUEST_ANNOUNCE: u64 = 1 << 21;
    pub(crate) const MQ: u64 = 1 << 22;
    pub(crate) const CTRL_MAC_ADDR: u64 = 1 << 23;
}

use feature as f;

/// Features with those of which each needs one ("Feature bit requirements").
pub(crate) const NEEDS: [(u64, u64); 14] = [
    (f::GUEST_TSO4, f::GUEST_CSUM),
    (f::GUEST_TSO6, f::GUEST_CSUM),
    (f::GUEST_ECN, f::GUEST_TSO4 | f::GUEST_TSO6),
    (f::GUEST_UFO, f::GUEST_CSUM),
    (f::HOST_TSO4, f::CSUM),
    (f::HOST_TSO6, f::CSUM),
    (f::HOST_ECN, f::HOST_TSO4 | f::HOST_TSO6),
    (f::HOST_UFO, f::CSUM),
    (f::CTRL_RX, f::CTRL_VQ),
    (f::CTRL_VLAN, f::CTRL_VQ),
    (f::CTRL_RX_EXTRA, f::CTRL_VQ),
    (f::GUEST_ANNOUNCE, f::CTRL_VQ),
    (f::MQ, f::CTRL_VQ),
    (f::CTRL_MAC_ADDR, f::CTRL_VQ),
];

/// Whether each of [`NEEDS`] has what it needs in these features.
pub(crate) fn needs_are_met(features: u64) -> [bool; NEEDS.len()] {
    NEEDS.map(|(feature, needed)| features & feature == 0 || features & needed != 0)
}

/// Bytes of the header before a frame.
pub(crate) const HEADER_BYTES: u32 = 12;

/// How many rules a header of the device keeps.
pub(crate) const NR_HEADER_RULES: usize = 3;

/// Whether the header of a frame from the device, which has so many buffers, keeps: flags are zero without GUEST_CSUM; no
/// segments without one of their features; the number of buffers ("Processing of Incoming Packets").
pub(crate) fn header_keeps(header: [u8; 12], features: u64, nr_buffers: u16) -> [bool; NR_HEADER_RULES] {
    let [flags, segments, .., low, high] = header;
    [
        features & f::GUEST_CSUM != 0 || flags == 0,
        features & (f::GUEST_TSO4 | f::GUEST_TSO6 | f::GUEST_UFO) != 0 || segments == 0,
        u16::from_le_bytes([low, high]) == nr_buffers,
    ]
}

/// The configuration, as far as it is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) mac: [u8; 6],
    pub(crate) status: u16,
    pub(crate) nr_pairs: u16,
    pub(crate) mtu: u16,
}

/// How many rules a configuration keeps.
pub(crate) const NR_CONFIG_RULES: usize = 4;

impl Config {
    /// Whether, for what is offered: the address is this one; the link is up, and nothing is announced; there are 1 to 0x8000
    /// pairs of queues; the largest payload is 68 bytes at least ("Device configuration layout").
    pub(crate) fn keeps(self, features: u64, mac: [u8; 6]) -> [bool; NR_CONFIG_RULES] {
        [
            features & f::MAC == 0 || self.mac == mac,
            features & f::STATUS == 0 || self.status == 1,
            features & f::MQ == 0 || (1..=0x8000).contains(&self.nr_pairs),
            features & f::MTU == 0 || self.mtu >= 68,
        ]
    }
}

/// Bytes of a frame with an ARP packet.
pub(crate) const ARP_BYTES: usize = 42;

/// A frame that asks who has the address `asked`.
pub(crate) fn arp_request(from: [u8; 6], asker: [u8; 4], asked: [u8; 4]) -> [u8; ARP_BYTES] {
    let mut frame = [0; ARP_BYTES];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&from);
    frame[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame[22..28].copy_from_slice(&from);
    frame[28..32].copy_from_slice(&asker);
    frame[38..].copy_from_slice(&asked);
    frame
}

/// Whether a frame is the answer to such a request.
pub(crate) fn is_answer(frame: &[u8; ARP_BYTES], request: &[u8; ARP_BYTES]) -> bool {
    let is_for_it = frame[..6] == request[6..12] && frame[32..] == request[22..32];
    let is_reply = frame[12..22] == [8, 6, 0, 1, 8, 0, 6, 4, 0, 2];
    is_for_it && is_reply && frame[28..32] == request[38..] && frame[22..28] == frame[6..12]
}
