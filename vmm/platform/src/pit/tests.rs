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

#[test]
fn mode_0_rises_n_plus_1_clocks_after_the_count_and_counts_on() {
    let mut bench = Bench::programmed(0, 3, true);
    assert!(!bench.out());
    assert_eq!(bench.waveform(6), "000111");
    assert_eq!(bench.counts(1), [0xfffd]);
    bench.write(2, &[2]);
    assert!(!bench.out(), "the first byte takes OUT low");
    assert_eq!(bench.counts(2), [0xfffd, 0xfffd], "and stops counting");
    bench.write(2, &[0]);
    assert_eq!(bench.waveform(4), "0011");
}

#[test]
fn mode_0_waits_for_its_gate_without_another_clock_to_load() {
    let mut bench = Bench::programmed(0, 3, false);
    assert_eq!(bench.counts(4), [3, 3, 3, 3]);
    bench.gate(true);
    assert_eq!(bench.waveform(4), "0011");
}

#[test]
fn mode_1_is_low_for_n_clocks_from_each_trigger() {
    let mut bench = Bench::programmed(1, 3, true);
    assert_eq!(bench.waveform(3), "111");
    bench.gate(false);
    bench.gate(true);
    assert_eq!(bench.waveform(5), "00011");
    bench.gate(false);
    assert_eq!(bench.waveform(2), "11");
    bench.gate(true);
    assert_eq!(bench.waveform(2), "00");
    bench.gate(false);
    bench.gate(true);
    assert_eq!(bench.waveform(5), "00011", "it is retriggerable");
}

#[test]
fn mode_1_takes_a_new_count_with_the_next_trigger() {
    let mut bench = Bench::programmed(1, 3, false);
    bench.gate(true);
    assert_eq!(bench.waveform(1), "0");
    bench.write(2, &[2, 0]);
    assert_eq!(bench.waveform(3), "001");
    bench.gate(false);
    bench.gate(true);
    assert_eq!(bench.waveform(3), "001");
}

#[test]
fn mode_2_is_low_for_one_clock_of_n() {
    let mut bench = Bench::programmed(2, 4, true);
    assert_eq!(bench.waveform(12), "111011101110");
    assert_eq!(bench.counts(8), [4, 3, 2, 1, 4, 3, 2, 1]);
}

#[test]
fn mode_2_loads_a_new_count_at_the_end_of_a_cycle() {
    let mut bench = Bench::programmed(2, 4, true);
    bench.clock += 2;
    bench.write(2, &[3, 0]);
    assert_eq!(bench.status(2) & 0x40, 0x40);
    assert_eq!(bench.counts(6), [2, 1, 3, 2, 1, 3]);
    assert_eq!(bench.status(2) & 0x40, 0);
}

#[test]
fn the_gate_stops_modes_2_and_3_with_a_high_output_and_starts_them_anew() {
    for (mode, low_at, after) in [(2, 4, "1110"), (3, 3, "1100")] {
        let mut bench = Bench::programmed(mode, 4, true);
        bench.clock += low_at;
        assert!(!bench.out());
        bench.gate(false);
        assert!(bench.out());
        assert_eq!(bench.waveform(3), "111");
        bench.gate(true);
        assert_eq!(bench.waveform(4), after);
    }
}

#[test]
fn mode_3_is_high_for_the_larger_half() {
    assert_eq!(Bench::programmed(3, 4, true).waveform(9), "110011001");
    assert_eq!(Bench::programmed(3, 5, true).waveform(11), "11100111001");
    assert_eq!(Bench::programmed(3, 4, true).counts(6), [4, 2, 4, 2, 4, 2]);
    assert_eq!(Bench::programmed(3, 5, true).counts(6), [4, 2, 0, 4, 2, 4]);
}

#[test]
fn mode_3_loads_a_new_count_at_the_end_of_a_half_cycle() {
    let mut bench = Bench::programmed(3, 4, true);
    bench.clock += 1;
    bench.write(2, &[6, 0]);
    assert_eq!(bench.waveform(8), "10001110");
}

#[test]
fn mode_4_strobes_once_n_plus_1_clocks_after_the_count() {
    let mut bench = Bench::programmed(4, 3, true);
    assert_eq!(bench.waveform(6), "111011");
    assert_eq!(bench.counts(1), [0xfffd]);
    bench.clock += 0x1_0000 - 6;
    assert_eq!(bench.waveform(12), "111111111111");
    bench.write(2, &[1, 0]);
    assert_eq!(bench.waveform(3), "101");
}

#[test]
fn mode_5_strobes_n_plus_1_clocks_after_each_trigger() {
    let mut bench = Bench::programmed(5, 3, true);
    assert_eq!(bench.waveform(4), "1111");
    bench.gate(false);
    bench.gate(true);
    assert_eq!(bench.waveform(2), "11");
    bench.gate(false);
    bench.gate(true);
    bench.gate(false);
    assert_eq!(bench.waveform(6), "111011", "retriggered, and a low gate does not stop it");
}

#[test]
fn zero_is_the_largest_count() {
    let mut bench = Bench::programmed(2, 0, true);
    assert_eq!(bench.counts(2), [0, 0xffff]);
    let mut bench = Bench::new();
    bench.gate(true);
    bench.write(3, &[0xb5]);
    bench.write(2, &[0, 0]);
    assert_eq!(bench.counts(2), [0, 0x9999]);
    bench.clock += 9_998;
    assert_eq!(bench.counts(2), [0, 0x9999]);
}

#[test]
fn bcd_counts_by_tens() {
    let mut bench = Bench::new();
    bench.gate(true);
    bench.write(3, &[0xb1]);
    bench.write(2, &[0x01, 0x10]);
    assert_eq!(bench.counts(4), [0x1001, 0x1000, 0x0999, 0x0998]);
}

#[test]
fn one_byte_counts_leave_the_other_byte_zero() {
    let mut bench = Bench::new();
    bench.gate(true);
    bench.write(3, &[0x94]);
    bench.write(2, &[5]);
    bench.clock += 1;
    assert_eq!((bench.read(2), bench.read(2)), (5, 5));
    bench.write(3, &[0xa4]);
    bench.write(2, &[5]);
    bench.clock += 2;
    assert_eq!((bench.read(2), bench.read(2)), (4, 4));
}

#[test]
fn a_latched_count_stands_still_and_is_latched_once() {
    let mut bench = Bench::programmed(2, 0x1234, true);
    bench.clock += 1;
    bench.write(3, &[0x80]);
    bench.clock += 5;
    bench.write(3, &[0x80]);
    assert_eq!((bench.read(2), bench.read(2)), (0x34, 0x12));
    assert_eq!((bench.read(2), bench.read(2)), (0x2f, 0x12));
}

#[test]
fn reads_and_writes_of_bytes_may_interleave() {
    let mut bench = Bench::programmed(2, 0x1234, true);
    bench.clock += 1;
    assert_eq!(bench.read(2), 0x34);
    bench.write(2, &[0x78]);
    assert_eq!(bench.read(2), 0x12);
    bench.write(2, &[0x56]);
    bench.clock += 0x1234;
    assert_eq!(bench.count(2), 0x5678);
}

#[test]
fn read_back_latches_status_before_count_of_several_channels() {
    let mut bench = Bench::programmed(3, 0x1234, true);
    bench.write(3, &[0x16]);
    bench.write(0, &[0x22]);
    bench.clock += 1;
    bench.write(3, &[0xc0 | 2 | 8]);
    bench.clock += 4;
    assert_eq!((bench.read(2), bench.read(2), bench.read(2)), (0xb6, 0x34, 0x12));
    assert_eq!((bench.read(0), bench.read(0)), (0x96, 0x22));
    bench.write(3, &[0xd0 | 1 << 3]);
    assert_eq!((bench.read(2), bench.read(2)), (0x2c, 0x12), "the count alone");
}

#[test]
fn status_tells_null_count_output_and_the_mode_as_written() {
    let mut bench = Bench::new();
    bench.gate(true);
    bench.write(3, &[0xbe]);
    assert_eq!(bench.status(2), 0xfe);
    bench.write(2, &[4, 0]);
    assert_eq!(bench.status(2), 0xfe);
    bench.clock += 1;
    assert_eq!(bench.status(2), 0xbe);
    bench.clock += 2;
    assert_eq!(bench.status(2), 0x3e);
}

#[test]
fn a_control_word_drops_latches_and_half_written_counts() {
    let mut bench = Bench::programmed(2, 0x1234, true);
    bench.write(3, &[0x80]);
    bench.write(2, &[0x11]);
    bench.write(3, &[0xb4]);
    bench.write(2, &[7, 0]);
    bench.clock += 1;
    assert_eq!((bench.read(2), bench.read(2)), (7, 0));
}

#[test]
fn port_61h_keeps_its_low_half_and_toggles_with_refresh() {
    let mut bench = Bench::new();
    bench.write(SPEAKER_OFFSET, &[0xff]);
    assert_eq!(bench.read(SPEAKER_OFFSET), 0x2f);
    bench.clock += REFRESH_CLOCKS - 1;
    assert_eq!(bench.read(SPEAKER_OFFSET), 0x2f);
    bench.clock += 1;
    assert_eq!(bench.read(SPEAKER_OFFSET), 0x3f);
    bench.clock += REFRESH_CLOCKS;
    assert_eq!(bench.read(SPEAKER_OFFSET), 0x2f);
    assert!(bench.pit.speaker());
    bench.write(SPEAKER_OFFSET, &[1]);
    assert!(!bench.pit.speaker());
}

#[test]
fn channel_0_wakes_when_its_output_rises() {
    for (mode, count, clocks) in [(0, 100, 101), (2, 100, 101), (3, 101, 102), (4, 100, 102)] {
        let mut bench = Bench::new();
        bench.write(3, &[0x30 | mode << 1]);
        bench.write(0, &[count, 0]);
        bench.pit.take();
        let due = time::time_of(clocks, FREQUENCY);
        assert_eq!(bench.pit.next_change(0), Some(due), "mode {mode}");
        bench.pit.advance(due - 1);
        assert_eq!(bench.pit.take().map_or(0, |signal| signal.rises), 0, "mode {mode}");
        bench.pit.advance(due);
        assert_eq!(bench.pit.take().map(|signal| (signal.rises, signal.high)), Some((1, true)), "mode {mode}");
    }
}

#[test]
fn periods_too_short_to_be_woken_for_are_counted() {
    let mut bench = Bench::new();
    bench.write(3, &[0x14]);
    bench.write(0, &[2]);
    let first = bench.pit.next_change(0).expect("it is periodic");
    bench.pit.advance(first);
    assert_eq!(bench.pit.take().map(|signal| signal.rises), Some(1));
    assert_eq!(bench.pit.next_change(first), Some(first + time::MIN_PERIOD));
    bench.clock = FREQUENCY + 1;
    bench.read(0);
    assert_eq!(bench.pit.take().map(|signal| signal.rises), Some(FREQUENCY / 2 - 1));
}

#[test]
fn a_count_of_1_stands_still_in_periodic_modes() {
    for mode in [2, 3] {
        let mut bench = Bench::programmed(mode, 1, true);
        assert_eq!(bench.waveform(5), "11111");
    }
}

#[test]
fn wide_accesses_are_split_into_bytes() {
    let mut bench = Bench::new();
    bench.pit.write(0, 2, 2, 0x94_05);
    bench.pit.write(0, SPEAKER_OFFSET, 4, 0xffff_ff01);
    bench.write(2, &[9]);
    bench.clock += 1;
    assert_eq!(bench.pit.read(bench.now(), 2, 2), 0xff09);
}

proptest! {
    #[test]
    fn nothing_a_guest_does_breaks_it(steps in hostile::steps(SPEAKER_OFFSET + 3)) {
        hostile::survive(Pit::new(), &steps);
    }

    #[test]
    fn it_counts_the_same_however_often_it_is_asked(steps in hostile::steps(4)) {
        hostile::same_however_often_advanced(Pit::new(), &steps);
    }
}
