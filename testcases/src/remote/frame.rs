//! Frames on a line of bytes: magic, length, checksum, payload.
//!
//! A serial line has no ends of messages, and a kernel that comes up may leave bytes on it. What stands before a magic is
//! passed over; what stands behind one must be right.

use case::message::checksum;

/// What a frame starts with; its first byte stands nowhere else in it.
const MAGIC: [u8; 4] = *b"\x02vp1";
/// Magic, length in 4 bytes and checksum in 8, little-endian.
const HEADER_SIZE: usize = 16;
/// The largest payload in bytes: more than the longest transcript.
pub const MAX_PAYLOAD: usize = 32 << 20;

/// A frame that is wrong: the line is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The payload would be too long.
    #[error("a frame says that it holds {length} bytes, but at most {MAX_PAYLOAD} may")]
    Overlong {
        /// Its length.
        length: usize,
    },
    /// The payload is not what was sent.
    #[error("a frame of {length} bytes is garbled: its checksum is {computed:x}, but it says {found:x}")]
    Checksum {
        /// Its length.
        length: usize,
        /// The sum of what arrived.
        computed: u64,
        /// The sum that arrived.
        found: u64,
    },
}

/// A payload in its frame.
///
/// # Errors
/// [`FrameError::Overlong`].
pub fn encode(payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = payload.len();
    let too_long = FrameError::Overlong { length };
    let length = u32::try_from(length).ok().filter(|_| length <= MAX_PAYLOAD).ok_or(too_long)?;
    let mut frame = Vec::with_capacity(HEADER_SIZE + payload.len());
    frame.extend(MAGIC);
    frame.extend(length.to_le_bytes());
    frame.extend(sum(payload).to_le_bytes());
    frame.extend(payload);
    Ok(frame)
}

/// Finds frames in a stream of bytes; it keeps at most one.
#[derive(Clone, Debug, Default)]
pub struct FrameDecoder {
    bytes: Vec<u8>,
}

impl FrameDecoder {
    /// Takes the next bytes, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The next payload, once it is whole.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn next_payload(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let is_start = |at: &usize| {
            let rest = self.bytes.get(*at..).unwrap_or_default();
            rest.iter().zip(MAGIC).all(|(&found, due)| found == due)
        };
        let start = (0..self.bytes.len()).find(is_start).unwrap_or(self.bytes.len());
        self.bytes.drain(..start);
        let Some((header, rest)) = self.bytes.split_first_chunk::<HEADER_SIZE>() else { return Ok(None) };
        let [_, _, _, _, l0, l1, l2, l3, sums @ ..] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > MAX_PAYLOAD {
            return Err(FrameError::Overlong { length });
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let (computed, found) = (sum(payload), u64::from_le_bytes(sums));
        if computed != found {
            return Err(FrameError::Checksum { length, computed, found });
        }
        let payload = payload.to_vec();
        self.bytes.drain(..HEADER_SIZE + length);
        Ok(Some(payload))
    }
}

fn sum(payload: &[u8]) -> u64 {
    let words: Vec<u64> = payload.iter().copied().map(u64::from).collect();
    checksum(&words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(bytes: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut decoder = FrameDecoder::default();
        decoder.feed(bytes);
        let mut all = Vec::new();
        while let Some(payload) = decoder.next_payload()? {
            all.push(payload);
        }
        Ok(all)
    }

    #[test]
    fn a_flipped_bit_of_the_payload_is_found() {
        let mut frame = encode(b"payload").unwrap();
        frame[HEADER_SIZE + 2] ^= 1;
        assert!(matches!(decoded(&frame), Err(FrameError::Checksum { length: 7, .. })));
    }

    #[test]
    fn a_length_that_no_frame_has_is_refused_before_it_is_waited_for() {
        let mut frame = encode(b"").unwrap();
        frame[4..8].fill(0xff);
        assert_eq!(decoded(&frame), Err(FrameError::Overlong { length: u32::MAX as usize }));
    }

    #[test]
    fn what_stands_before_a_frame_is_passed_over() {
        let bytes =
            [b"noise \x02v".as_slice(), &encode(b"one").unwrap(), b"\x02vpx", &encode(b"two").unwrap()].concat();
        assert_eq!(decoded(&bytes).unwrap(), [b"one", b"two"]);
    }

    proptest! {
        #[test]
        fn frames_arrive_however_they_are_cut(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
            size in 1_usize..30,
        ) {
            let bytes: Vec<u8> = payloads.iter().flat_map(|payload| encode(payload).unwrap()).collect();
            let mut decoder = FrameDecoder::default();
            let mut arrived = Vec::new();
            for piece in bytes.chunks(size) {
                decoder.feed(piece);
                while let Some(payload) = decoder.next_payload().unwrap() {
                    arrived.push(payload);
                }
            }
            prop_assert_eq!(arrived, payloads);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decoded(&[MAGIC.as_slice(), &bytes].concat());
            let _ = decoded(&bytes);
        }
    }
}
