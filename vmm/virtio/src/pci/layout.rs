//! Where the parts of the transport stand behind the base address register, and the capabilities that say so (§ 4.1.4 "Virtio
//! Structure PCI Capabilities").

use pci::Config;

/// The base address register behind which everything stands.
pub(super) const BAR: usize = 0;
/// Size of what stands there.
pub(super) const BAR_BYTES: u64 = 0x8000;
/// Size of each part's room.
const PART_BYTES: u64 = 0x1000;
/// Offset of the notifications.
pub const NOTIFY_OFFSET: u64 = 0x3000;
/// Bytes from the notification of one queue to that of the next.
pub const NOTIFY_MULTIPLIER: u32 = 4;
/// Offset of MSI-X's table.
pub(super) const TABLE: u64 = 0x4000;
/// Offset of MSI-X's pending bits.
pub(super) const PENDING: u64 = 0x5000;
/// Offset of the data within the capability that is a window into the register's space.
pub(super) const CONFIGURATION: usize = 16;

/// A part of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// § 4.1.4.3.
    Common,
    /// § 4.1.4.5.
    Isr,
    /// § 4.1.4.6.
    Device,
    /// § 4.1.4.4.
    Notify,
    /// MSI-X's table.
    Table,
    /// MSI-X's pending bits.
    Pending,
}

/// The parts in the order in which they stand.
const PARTS: [Part; 6] = [Part::Common, Part::Isr, Part::Device, Part::Notify, Part::Table, Part::Pending];

/// Which part stands at an offset, and what offset it has there.
pub(super) fn part_of(offset: u64) -> Option<(Part, u64)> {
    let index = usize::try_from(offset / PART_BYTES).ok()?;
    Some((*PARTS.get(index)?, offset % PART_BYTES))
}

/// Id of vendor-specific capabilities.
const VENDOR_SPECIFIC: u8 = 9;
/// VIRTIO_PCI_CAP_PCI_CFG.
const WINDOW: u8 = 5;

/// Adds the capabilities, and gives the offset of the window.
pub(super) fn add_capabilities(config: &mut Config) -> usize {
    for (kind, index, size) in [(1, 0, 0x3c), (3, 1, 1), (4, 2, PART_BYTES), (2, 3, PART_BYTES)] {
        let multiplier = if kind == 2 { Some(NOTIFY_MULTIPLIER) } else { None };
        let body = capability(kind, index * PART_BYTES, size, multiplier);
        config.add_capability(VENDOR_SPECIFIC, &body, &vec![0; body.len()]);
    }
    let body = capability(WINDOW, 0, 0, Some(0));
    let mut writable = vec![0; body.len()];
    // Register, offset, length and data; not the length of the capability, its type and its padding.
    writable[2] = 0xff;
    writable[6..].fill(0xff);
    config.add_capability(VENDOR_SPECIFIC, &body, &writable)
}

/// A capability behind its id and link: cap_len, cfg_type, bar, id, padding, offset, length and what its type adds.
fn capability(kind: u8, offset: u64, size: u64, more: Option<u32>) -> Vec<u8> {
    let length = if more.is_some() { 20 } else { 16 };
    let mut body = vec![length, kind, BAR as u8, 0, 0, 0];
    body.extend((offset as u32).to_le_bytes());
    body.extend((size as u32).to_le_bytes());
    body.extend(more.map(u32::to_le_bytes).into_iter().flatten());
    body
}
