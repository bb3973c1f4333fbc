//! Bytes, latches, status, port 61H and interrupts.

use super::*;

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
fn a_latched_status_is_latched_once() {
    let mut bench = Bench::programmed(2, 4, true);
    bench.write(3, &[0xe8]);
    bench.clock += 4;
    bench.write(3, &[0xe8]);
    assert_eq!((bench.read(2), bench.status(2)), (0xf4, 0x34));
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
fn wide_accesses_are_split_into_bytes() {
    let mut bench = Bench::new();
    bench.pit.write(0, 2, 2, 0x94_05);
    bench.pit.write(0, SPEAKER_OFFSET, 4, 0xffff_ff01);
    bench.write(2, &[9]);
    bench.clock += 1;
    assert_eq!(bench.pit.read(bench.now(), 2, 2), 0xff09);
}
