//! Each mode clock by clock, as the data sheet draws it.

use super::*;

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
fn a_count_of_1_stands_still_in_periodic_modes() {
    for mode in [2, 3] {
        let mut bench = Bench::programmed(mode, 1, true);
        assert_eq!(bench.waveform(5), "11111");
        bench.write(2, &[2, 0]);
        assert_eq!(bench.waveform(4), "1010", "until there is another");
    }
}
