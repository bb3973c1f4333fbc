//! Legacy replacement: timers 0 and 1 in the places of the 8254 and of the real-time clock.

use crate::inputs::Input;
use rt::{
    case, check,
    clock::Deadline,
    hpet::{self, CAPABILITIES, COUNTER, Timer, capability, configuration, timer},
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::LocalApic,
    pic::{self, Chip, icw4},
    pit::{Bytes, Channel, control_bits},
    rtc, skip,
    vocabulary::Needs,
};

const VECTOR: u8 = 0x62;
const LEAD_MICROS: u64 = 50;
/// For what must not come: several periods of the replaced devices.
const ABSENT_MICROS: u64 = 1_500;

fn is_missing() -> bool {
    let is_missing = hpet::read(CAPABILITIES) & capability::LEGACY == 0;
    if is_missing {
        skip!("legacy replacement is not offered");
    }
    is_missing
}

/// Legacy replacement with one of the timers enabled, which is routed nowhere.
fn start(which: Timer, bits: u64) {
    hpet::reset(0);
    which.configure(timer::ENABLE | bits);
    which.compare(hpet::ticks(LEAD_MICROS));
    hpet::start(configuration::LEGACY);
}

/// Sets the comparator while the main counter runs, until it surely was ahead then: a host that takes time away may let the counter
/// pass it before, which is tried again with more. Interrupts of before are forgotten.
fn compare_ahead(which: Timer) -> bool {
    (0..10).any(|attempt| {
        let _ = interrupts::wait_for_more();
        interrupts::clear();
        let value = hpet::read(COUNTER) + hpet::ticks(LEAD_MICROS << attempt);
        which.compare(value);
        hpet::read(COUNTER) < value
    })
}

/// Timer 0 is at input 2 of the I/O APIC and timer 1 at input 8, whatever they are routed to; both outside of it are where
/// their routes say.
#[case(
    feature = HpetRouting, spec = hpet("Mapping Option #1 (LegacyReplacement Option)"),
    needs = Needs::HPET.union(Needs::IO_APIC), irqchip = Full
)]
fn replaced_inputs_of_the_io_apic() {
    if is_missing() {
        return;
    }
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for (which, pin) in [(Timer(0), 2), (Timer(1), 8)] {
        for turn in 0..2_u64 {
            // In the second turn the route says something else.
            let route = u64::from(which.routes().ilog2()) << timer::ROUTE_SHIFT;
            // The 8254's output, which is high half of the time, gives way at the end of this, and came back at its begin: the
            // input follows, and what comes of that is none of the timer's interrupts.
            hpet::reset(0);
            which.configure(timer::ENABLE | (route * turn));
            which.compare(u64::MAX);
            hpet::start(configuration::LEGACY);
            let _input = Input::connect(&apic, pin, VECTOR, false);
            check!("the comparator is ahead", [&[]; which.0 << 4 | turn], compare_ahead(which));
            let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0);
            check!("it comes", [&[]; which.0 << 4 | turn], came);
            let is_one = !interrupts::wait_for_more() && interrupts::total() == 1;
            check!("once", [&[]; which.0 << 4 | turn], is_one);
        }
    }
    hpet::stop();
}

/// Waits until a request of the 8259As is there, and acknowledges it.
fn take(chip: Chip, request: u8, micros: u64) -> bool {
    Deadline::after(micros).wait(|| chip.poll() & 0x87 == 0x80 | request & 7)
}

/// Initialises the 8259As; only requests 0 and 8 are not masked.
fn prepare_pics() {
    pic::initialize(icw4::AUTOMATIC_END);
    Chip::First.data(!1);
    Chip::Second.data(!1);
    let _ = (Chip::First.poll(), Chip::Second.poll());
}

/// Timer 0 is request 0 of the 8259As, timer 1 request 8.
#[case(
    feature = HpetRouting, spec = hpet("Mapping Option #1 (LegacyReplacement Option)"),
    needs = Needs::HPET.union(Needs::PIC), irqchip = Full
)]
fn replaced_requests_of_the_pics() {
    if is_missing() {
        return;
    }
    // One-shot, with its gate low: the 8254 asks for nothing.
    Channel::Zero.control(control_bits(Bytes::Both, 1, false));
    for (which, chip, other) in [(Timer(0), Chip::First, Chip::Second), (Timer(1), Chip::Second, Chip::First)] {
        hpet::reset(0);
        prepare_pics();
        start(which, 0);
        check!("it comes", [&[]; which.0], take(chip, 0, GENEROUS_MICROS));
        check!("once", [&[]; which.0], !take(chip, 0, 4 * LEAD_MICROS));
        check!("not at the other", [&[]; which.0], !take(other, 0, 10));
    }
    hpet::stop();
}

/// While legacy replacement is on, 8254 and real-time clock interrupt nobody; they do before and behind it.
#[case(
    feature = HpetRouting, spec = hpet("Mapping Option #1 (LegacyReplacement Option)"),
    needs = Needs::HPET.union(Needs::PIC).union(Needs::PIT).union(Needs::RTC), irqchip = Full
)]
fn replaced_devices_are_silent() {
    // The fastest rate of the clock is 122 µs; the count is a quarter of a millisecond.
    const RATE: u8 = 3;
    const COUNT: u16 = 300;
    if is_missing() {
        return;
    }
    hpet::reset(0);
    prepare_pics();
    rtc::write(rtc::A, rtc::a::RUNS | RATE);
    rtc::write(rtc::B, rtc::flag::PERIODIC | rtc::b::HOURS_24);
    Channel::Zero.control(control_bits(Bytes::Both, 2, false));
    Channel::Zero.write_count(Bytes::Both, COUNT);
    let clear = || {
        let _ = (Chip::First.poll(), Chip::Second.poll());
        // Last: a request that is acknowledged behind it would not come again.
        let _ = rtc::read(rtc::C);
    };
    for turn in 0..2_u8 {
        clear();
        check!("8254", [&[]; turn], take(Chip::First, 0, GENEROUS_MICROS));
        check!("clock", [&[]; turn], take(Chip::Second, 0, GENEROUS_MICROS));
        hpet::start(configuration::LEGACY);
        // What was on its way.
        Deadline::after(3_000).wait(|| false);
        clear();
        check!("8254, replaced", [&[]; turn], !take(Chip::First, 0, ABSENT_MICROS));
        clear();
        check!("clock, replaced", [&[]; turn], !take(Chip::Second, 0, ABSENT_MICROS));
        hpet::stop();
    }
    clear();
    check!("8254, behind it", take(Chip::First, 0, GENEROUS_MICROS));
    clear();
    check!("clock, behind it", take(Chip::Second, 0, GENEROUS_MICROS));
}
