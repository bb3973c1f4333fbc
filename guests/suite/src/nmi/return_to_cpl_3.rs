//! NMIs at CPL 3 whose handler returns there.

use super::NMI;
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    case, check, check_count, check_eq,
    gate::Gate,
    io_bitmap,
    local_apic::LocalApic,
    signals::{self, Message, Way, data},
    trap::{self, TrapFrame},
    user,
    vocabulary::{Needs, image::board::SIGNAL_ADDRESS},
};

/// NMIs arrive as this vector, whose handler returns to CPL 3.
const VECTOR: u8 = 0x75;
const NR_SENT: u32 = 8;

static NR_TAKEN: AtomicU32 = AtomicU32::new(0);
static NR_AT_CPL_3: AtomicU32 = AtomicU32::new(0);

fn count(frame: &mut TrapFrame) {
    NR_TAKEN.fetch_add(1, Ordering::Relaxed);
    NR_AT_CPL_3.fetch_add(u32::from(frame.cs & 3 == 3 && frame.ss & 3 == 3), Ordering::Relaxed);
}

/// Something that depends on each of its steps.
const fn mix(mut value: u64) -> u64 {
    let mut turn = 0;
    while turn < 200 {
        value = value.rotate_left(7) ^ value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        turn += 1;
    }
    value
}

/// The handler of an NMI returns to CPL 3 by IRET: the code there goes on as if nothing had been, and the next NMI is let in.
#[case(feature = NonMaskable, spec = [sdm3a("Handling Multiple NMIs"), sdm3a("Nonmaskable Interrupt (NMI)")],
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn its_handler_returns_to_cpl_3() {
    let apic = LocalApic::enabled();
    let message = Message::fixed(apic.id() as u8, 0).with_data(data::NMI);
    let _gate = Gate::with_handler_of(NMI, VECTOR);
    let _handling = trap::handle(VECTOR, count);
    let mut nr_wrong = 0_u32;
    let ran = {
        let _ports = io_bitmap::allow(SIGNAL_ADDRESS, 16);
        user::run(|| {
            for number in 1..=NR_SENT {
                signals::send(message, Way::Direct);
                let seed = core::hint::black_box(u64::from(number));
                let first = mix(seed);
                // An exit, in which it comes if it has not yet.
                let _ = signals::was_taken();
                nr_wrong += u32::from(first != mix(core::hint::black_box(seed)));
                nr_wrong += u32::from(NR_TAKEN.load(Ordering::Relaxed) != number);
            }
        })
    };
    check!("the code comes to its end", ran.is_ok());
    check_count!("NMIs", NR_TAKEN.load(Ordering::Relaxed), NR_SENT);
    check_eq!("of them, at CPL 3", NR_AT_CPL_3.load(Ordering::Relaxed), NR_SENT);
    check_count!("wrong results and missing NMIs", nr_wrong, 0);
}
