//! Tests of the 8254: what all have in common.

mod bus;
mod modes;

use super::*;
use crate::hostile;
use proptest::prelude::*;

/// A timer, and the number of its clocks that have passed.
struct Bench {
    pit: Pit,
    clock: u64,
}

impl Bench {
    fn new() -> Self {
        let mut pit = Pit::new();
        pit.take();
        Self { pit, clock: 0 }
    }

    fn now(&self) -> Nanoseconds {
        time::time_of(self.clock, FREQUENCY)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        for byte in bytes {
            self.pit.write(self.now(), offset, 1, (*byte).into());
        }
    }

    fn read(&mut self, offset: u64) -> u8 {
        self.pit.read(self.now(), offset, 1) as u8
    }

    /// The count of a channel, by a latch command.
    fn count(&mut self, channel: u64) -> u16 {
        self.write(3, &[(channel as u8) << 6]);
        u16::from_le_bytes([self.read(channel), self.read(channel)])
    }

    fn status(&mut self, channel: u64) -> u8 {
        self.write(3, &[0xe0 | 2 << channel]);
        self.read(channel)
    }

    fn out(&mut self) -> bool {
        self.read(SPEAKER_OFFSET) & OUT_2 != 0
    }

    fn gate(&mut self, high: bool) {
        self.write(SPEAKER_OFFSET, &[high.into()]);
    }

    /// What OUT of channel 2 is after each of the next clocks.
    fn waveform(&mut self, clocks: usize) -> String {
        (0..clocks)
            .map(|_| {
                self.clock += 1;
                if self.out() { '1' } else { '0' }
            })
            .collect()
    }

    /// What channel 2 counts after each of the next clocks.
    fn counts(&mut self, clocks: usize) -> Vec<u16> {
        (0..clocks)
            .map(|_| {
                self.clock += 1;
                self.count(2)
            })
            .collect()
    }

    /// Channel 2 in a mode with a count, and its gate.
    fn programmed(mode: u8, count: u16, gate: bool) -> Self {
        let mut bench = Self::new();
        bench.gate(gate);
        bench.write(3, &[0xb0 | mode << 1]);
        bench.write(2, &count.to_le_bytes());
        bench
    }
}

proptest! {
    #[test]
    fn nothing_a_guest_does_breaks_it(steps in hostile::strategy::steps(SPEAKER_OFFSET + 3)) {
        hostile::survive(Pit::new(), &steps);
    }

    #[test]
    fn it_counts_the_same_however_often_it_is_asked(steps in hostile::strategy::steps(4)) {
        hostile::same_however_often_advanced(Pit::new(), &steps);
    }
}
