//! The 8259As at pin 0 of the I/O APIC, which is the other way of a virtual wire: by a message that asks for their vector.

use rt::{
    case, check, check_count,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    io_apic::{self, low},
    local_apic::{
        LocalApic, Mode,
        register::{Register, lvt},
    },
    pic::{self, Chip},
    signals,
    vocabulary::Needs,
};

const NEEDS: Needs = Needs::IO_APIC.union(Needs::LOCAL_APIC).union(Needs::PIC).union(Needs::SIGNALS);
/// The pin that the 8259As lead to.
const PIN: u8 = 0;
/// A line that no other device of the board uses. Its pin is masked.
const LINE: u8 = 5;
const EXTERNAL: u8 = pic::BASE + LINE;

fn prepare() -> LocalApic {
    io_apic::mask_all();
    let apic = LocalApic::in_mode(Mode::XApic).unwrap_or_else(|_| LocalApic::enabled());
    apic.write(Register::LVT_LINT0, lvt::MASKED);
    pic::initialize(0);
    Chip::First.data(!(1 << LINE));
    interrupts::clear();
    apic
}

/// Takes the line down, and acknowledges what it may have asked for.
fn release() {
    signals::set_line(LINE, false);
    let _ = Chip::First.poll();
    Chip::First.command(pic::ocw2::END);
}

/// As ExtINT, pin 0 interrupts with the vector of the 8259As, whatever the vector of its entry and the task priority are, and the
/// local APIC has nothing of it in service.
#[case(feature = IoApicDelivery, spec = [io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), mp("Virtual Wire Mode")], needs = NEEDS,
       irqchip = Full)]
fn external_interrupts_by_pin_0() {
    const PRIORITIES: [u8; 3] = [0, 0x50, 0xf0];
    let apic = prepare();
    let _listening = Listening::to(pic::BASE..=pic::BASE + 15, End::Pic);
    io_apic::set_entry(PIN, apic.id() as u8, low::EXT_INT | 0x7e);
    for priority in PRIORITIES {
        interrupts::clear();
        apic.write(Register::TPR, priority.into());
        signals::set_line(LINE, true);
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(EXTERNAL) != 0);
        check!("it comes", [&[]; priority], came);
        signals::set_line(LINE, false);
        let _ = interrupts::wait_for_more();
        check_count!("taken", [&[]; priority], interrupts::count(EXTERNAL), 1);
        check_count!("in all", [&[]; priority], interrupts::total(), 1);
        check!("not in service", [&[]; priority], !apic.is_in_service(EXTERNAL));
        check!("nor requested", [&[]; priority], !apic.is_requested(EXTERNAL));
        if !came {
            release();
            io_apic::mask_all();
            return;
        }
    }
    // While its entry is masked nothing comes any more; what the 8259As ask for stays.
    io_apic::set_entry(PIN, apic.id() as u8, low::EXT_INT | low::MASKED);
    interrupts::clear();
    signals::set_line(LINE, true);
    check!("nothing comes while it is masked", !interrupts::wait_for_more());
    check!("the 8259A asks", Chip::First.requests() >> LINE & 1 != 0);
    release();
    io_apic::mask_all();
}
