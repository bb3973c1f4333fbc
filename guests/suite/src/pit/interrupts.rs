//! Interrupt request 0: how often each mode of channel 0 makes it, counted by polling the 8259A.

use rt::{
    case, check, check_count, check_eq,
    clock::{self, Deadline, now},
    interrupts::GENEROUS_MICROS,
    pic::{self, Chip, icw4},
    pit::{self, Bytes, Channel, control_bits},
    vocabulary::Needs,
};

/// Clocks of a period: 1.7 ms.
const COUNT: u16 = 2_000;
const NR_PERIODS: u32 = 2;
const NR_TURNS: u32 = 3;
/// For an interrupt that comes: a busy host may be late with it, and only one that is lost costs this.
const PRESENT_MICROS: u64 = 4 * GENEROUS_MICROS;

/// Leaves nothing but IR0 unmasked, no request, and a high output of channel 0. What ran before ends by a new count, for timers
/// that a control word alone does not stop.
fn prepare() {
    let _ = clock::tsc_khz();
    clock::undisturbed(|| {
        let begin = now();
        Channel::Zero.control(control_bits(Bytes::Both, 0, false));
        Channel::Zero.write_count(Bytes::Both, 0);
        Channel::Zero.control(control_bits(Bytes::Both, 1, false));
        pic::initialize(icw4::AUTOMATIC_END);
        Chip::First.data(!1);
        let _ = Chip::First.poll();
        // That count must not end before the next is written, 55 ms later.
        (pit::clocks(now() - begin) < 0x4000, ())
    });
}

/// Waits for an interrupt request and acknowledges it; false if none comes.
fn take(micros: u64) -> bool {
    Deadline::after(micros).wait(|| Chip::First.poll() & 0x87 == 0x80)
}

/// Waits for an interrupt request, and leaves it; false if none comes.
fn requested(micros: u64) -> bool {
    Deadline::after(micros).wait(|| Chip::First.requests() & 1 != 0)
}

/// Modes 0 and 4 interrupt once for each count that is written.
#[case(feature = PitInterrupt, spec = pit("Mode Definitions"), needs = Needs::PIT.union(Needs::PIC), irqchip = Full)]
fn one_interrupt_for_each_count() {
    for mode in [0, 4_u8] {
        prepare();
        Channel::Zero.control(control_bits(Bytes::Both, mode, false));
        for turn in 0..3_u8 {
            let begin = now();
            Channel::Zero.write_count(Bytes::Both, COUNT);
            let row = mode << 4 | turn;
            check!("it comes", [&[]; row], take(PRESENT_MICROS));
            let most = pit::clocks(now() - begin);
            check!("not before the count is over", [&[]; row], most + most / 256 + 3 >= u64::from(COUNT));
            check!("and no other", [&[]; row], !take(3_500));
        }
    }
}

/// Modes 2 and 3 interrupt once in each period: never more than the time that passed holds.
#[case(feature = PitInterrupt, spec = pit("Mode Definitions"), needs = Needs::PIT.union(Needs::PIC), irqchip = Full)]
fn one_interrupt_in_each_period() {
    for mode in [2, 3_u8] {
        // All turns are one answer: a host that takes time away may hide an interrupt that comes too soon, in some of them.
        let (mut nr_all, mut is_soon) = (0, false);
        for _ in 0..NR_TURNS {
            prepare();
            Channel::Zero.control(control_bits(Bytes::Both, mode, false));
            let begin = now();
            Channel::Zero.write_count(Bytes::Both, COUNT);
            let mut nr_taken = 0;
            while nr_taken < NR_PERIODS && take(PRESENT_MICROS) {
                nr_taken += 1;
                let most = pit::clocks(now() - begin);
                is_soon |= most + most / 256 + 3 < u64::from(nr_taken) * u64::from(COUNT);
            }
            nr_all += nr_taken;
        }
        check_count!("interrupts", [&[]; mode], nr_all, NR_TURNS * NR_PERIODS);
        check!("none sooner than its period", [&[]; mode], !is_soon);
    }
}

/// Modes 1 and 5 need a gate that rises, which the one of channel 0 never does.
#[case(feature = PitInterrupt, spec = pit("Mode Definitions"), needs = Needs::PIT.union(Needs::PIC), irqchip = Full)]
fn no_interrupt_without_a_trigger() {
    for mode in [1, 5_u8] {
        prepare();
        Channel::Zero.control(control_bits(Bytes::Both, mode, false));
        Channel::Zero.write_count(Bytes::Both, 500);
        check!("none comes", [&[]; mode], !take(15_000));
    }
}

/// A control word alone ends the interrupts of the mode before.
#[case(feature = PitInterrupt, spec = pit("Programming the 8254"), needs = Needs::PIT.union(Needs::PIC), irqchip = Full)]
fn control_word_ends_the_interrupts() {
    prepare();
    Channel::Zero.control(control_bits(Bytes::Both, 2, false));
    Channel::Zero.write_count(Bytes::Both, COUNT);
    check!("one comes", take(PRESENT_MICROS));
    Channel::Zero.control(control_bits(Bytes::Both, 0, false));
    // One may have come between the two.
    let _ = Chip::First.poll();
    check!("then none", !take(15_000));
}

/// Behind a control word of mode 0 the output is low until a count is written and over, whatever count was under way.
#[case(
    feature = PitInterrupt, spec = [pit("Programming the 8254"), pit("Mode 0: Interrupt on Terminal Count")],
    needs = Needs::PIT.union(Needs::PIC), irqchip = Full
)]
fn control_word_stops_a_count_under_way() {
    /// 5 ms.
    const UNDER_WAY: u16 = 6_000;
    for mode in [0, 2, 3, 4_u8] {
        clock::undisturbed(|| {
            prepare();
            let begin = now();
            Channel::Zero.control(control_bits(Bytes::Both, mode, false));
            Channel::Zero.write_count(Bytes::Both, UNDER_WAY);
            Channel::Zero.control(control_bits(Bytes::Both, 0, false));
            // It must not be over before the control word, nor half of it, where mode 3 lowers the output.
            (pit::clocks(now() - begin) < u64::from(UNDER_WAY / 2), ())
        });
        let is_requested = requested(15_000);
        check!("no request behind the control word", [&[]; mode], !is_requested);
        let _ = Chip::First.poll();
        Channel::Zero.write_count(Bytes::Both, COUNT);
        let is_requested = requested(PRESENT_MICROS);
        check!("one behind a count", [&[]; mode], is_requested);
    }
}

/// The request of mode 0 is the output: it is an edge, which the 8259A keeps while the output is high, and loses when the
/// output falls before it is acknowledged.
#[case(
    feature = PitInterrupt, spec = [pit("Mode 0: Interrupt on Terminal Count"), pic("Interrupt Request Register (IRR) and In-Service Register (ISR)")],
    needs = Needs::PIT.union(Needs::PIC), irqchip = Full
)]
fn request_follows_the_output_of_mode_0() {
    prepare();
    Channel::Zero.control(control_bits(Bytes::Both, 0, false));
    check_eq!("low output", Chip::First.requests() & 1, 0);
    Channel::Zero.write_count(Bytes::Both, 50);
    let is_requested = requested(PRESENT_MICROS);
    check!("high output", is_requested);
    // The new count lowers the output, until it is over.
    let begin = now();
    Channel::Zero.write_count(Bytes::Both, 0xffff);
    let is_requested = Chip::First.requests() & 1;
    let is_over = pit::clocks(now() - begin) > 0xf000;
    check_eq!("low output again", if is_over { 0 } else { is_requested }, 0);
}
