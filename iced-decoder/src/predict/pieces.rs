//! One access as several smaller ones.

use crate::{access::Access, machine::window::PAGE};

/// An access cut at page ends: at most one piece a page, in the order of their addresses.
pub fn split_at_pages(access: &Access) -> impl Iterator<Item = Access> + use<> {
    cut(*access, |address| PAGE - address % PAGE)
}

/// An access in pieces of at most `max_bytes` (0 counts as 1) from its first byte on, and cut at page ends besides: the way
/// in which a hypervisor hands a wide access to its devices.
pub fn pieces(access: &Access, max_bytes: u32) -> impl Iterator<Item = Access> + use<> {
    split_at_pages(access).flat_map(move |part| cut(part, move |_| u64::from(max_bytes.max(1))))
}

fn cut(access: Access, limit: impl Fn(u64) -> u64) -> impl Iterator<Item = Access> {
    let mut rest = access;
    std::iter::from_fn(move || {
        if rest.size_bytes == 0 {
            return None;
        }
        // The limit is at least 1, and the size fits in 32 bits.
        let size_bytes = limit(rest.address).min(u64::from(rest.size_bytes)) as u32;
        let piece = Access { size_bytes, ..rest };
        rest.address = rest.address.wrapping_add(u64::from(size_bytes));
        rest.size_bytes -= size_bytes;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direction, Space};

    const WIDE: Access = Access { space: Space::Memory, address: 0x1ff4, size_bytes: 32, direction: Direction::Write };

    fn places(pieces: impl Iterator<Item = Access>) -> Vec<(u64, u32)> {
        pieces.map(|piece| (piece.address, piece.size_bytes)).collect()
    }

    #[test]
    fn accesses_end_with_their_page() {
        assert_eq!(places(split_at_pages(&WIDE)), [(0x1ff4, 12), (0x2000, 20)]);
        assert_eq!(places(split_at_pages(&Access { address: 0x1000, ..WIDE })), [(0x1000, 32)]);
    }

    #[test]
    fn pieces_are_cut_from_the_first_byte_of_each_page() {
        assert_eq!(places(pieces(&WIDE, 8)), [(0x1ff4, 8), (0x1ffc, 4), (0x2000, 8), (0x2008, 8), (0x2010, 4)]);
        assert_eq!(places(pieces(&Access { size_bytes: 0, ..WIDE }, 8)), []);
    }

    proptest::proptest! {
        #[test]
        fn pieces_are_the_access(address: u64, size_bytes in 0_u32..9000, max_bytes in 0_u32..70) {
            let access = Access { address, size_bytes, ..WIDE };
            let mut next = address;
            for piece in pieces(&access, max_bytes) {
                assert_eq!(piece.address, next);
                assert!(piece.size_bytes <= max_bytes.max(1));
                assert!(piece.address % PAGE + u64::from(piece.size_bytes) <= PAGE);
                next = next.wrapping_add(u64::from(piece.size_bytes));
            }
            assert_eq!(next, address.wrapping_add(u64::from(size_bytes)));
        }
    }
}
