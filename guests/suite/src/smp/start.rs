//! INIT and start-up IPIs: what they leave, and when they count.

use case::{Needs, Text};
use rt::{
    case, check, check_count, check_eq,
    clock::Deadline,
    names,
    smp::{
        apic::{self, Message, To},
        stub::{Stub, word},
    },
};

/// How long a processor may take to start, in microseconds.
const MICROS: u64 = 3_000_000;
const OTHER: To = To::Id(1);

fn runs(stub: Stub) -> bool {
    Deadline::after(MICROS).wait(|| stub.read_count() != 0)
}

fn start(stub: Stub) -> bool {
    apic::send(OTHER, Message::StartUp(stub.page()));
    runs(stub)
}

/// How long the manual's algorithm waits between INIT and a start-up IPI.
const BEHIND_INIT_MICROS: u64 = 10_000;

const PAGES: [u8; 5] = [0x40, 0x55, 0x6a, 0x7f, 0x80];
const PAGE_NAMES: &[Text] = names!["vector 40H", "vector 55H", "vector 6AH", "vector 7FH", "vector 80H"];
const SEGMENTS: &[Text] = names!["DS", "ES", "SS", "FS", "GS"];
const GENERAL: &[Text] = names!["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];

/// A start-up IPI starts a processor in real mode at the page that its vector names, in the state that INIT leaves.
#[case(
    feature = SmpStart,
    spec = [
        sdm3a("Issuing Interprocessor Interrupts"),
        sdm3a("Processor State After Reset"),
        apm2("Processor Initialization State"),
    ],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 5,
)]
fn state_after_start_up() {
    apic::enable();
    let signature = rt::cpu::cpuid::read_leaf(1, 0).eax;
    for (row, page) in PAGES.into_iter().enumerate() {
        let stub = Stub::put(page);
        apic::send(OTHER, Message::Init);
        check!("starts", [PAGE_NAMES; row], start(stub));
        check_count!("started once", [PAGE_NAMES; row], stub.read_count(), 1);
        check_eq!("CS", [PAGE_NAMES; row], stub.word(word::CS), u32::from(page) << 8);
        // CD and NW are what they were before INIT.
        check_eq!("CR0 without CD and NW", [PAGE_NAMES; row], stub.word(word::CR0) & !0x6000_0000, 0x10);
        check_eq!("CR2", [PAGE_NAMES; row], stub.word(word::CR2), 0);
        check_eq!("CR3", [PAGE_NAMES; row], stub.word(word::CR3), 0);
        check_eq!("CR4", [PAGE_NAMES; row], stub.word(word::CR4), 0);
        for (segment, _) in SEGMENTS.iter().enumerate() {
            check_eq!("selector", [SEGMENTS; segment], stub.word(word::DS + segment), 0);
        }
        for (register, _) in GENERAL.iter().enumerate() {
            // EDX holds the processor's signature.
            let expected = if register == word::EDX { signature } else { 0 };
            check_eq!("register", [GENERAL; register], stub.word(word::EAX + register), expected);
        }
    }
}

/// A start-up IPI counts only for a processor that waits for one; INIT makes a running processor wait again.
#[case(
    feature = SmpStart,
    spec = [
        sdm3a("Issuing Interprocessor Interrupts"),
        sdm3a("MP Initialization Protocol Algorithm for MP Systems"),
    ],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 5,
)]
fn start_up_counts_once() {
    apic::enable();
    let [first, second, third, fourth] = [0x41, 0x42, 0x43, 0x44].map(Stub::put);
    apic::send(OTHER, Message::Init);
    check!("the first start-up IPI starts it", start(first));
    apic::send(OTHER, Message::StartUp(second.page()));
    apic::send(OTHER, Message::StartUp(first.page()));
    // Before INIT: what a processor makes of one right behind a start-up IPI is another rule.
    Deadline::after(2_000).wait(|| second.read_count() != 0 || first.read_count() > 1);
    let (nr_second, nr_first) = (second.read_count(), first.read_count());
    apic::send(OTHER, Message::Init);
    check!("starts after INIT of the running processor", start(third));
    check_count!("a start-up IPI to a running processor is ignored", nr_second, 0);
    check_count!("a second one to the same page is ignored", nr_first, 1);
    apic::send(OTHER, Message::Init);
    apic::send(OTHER, Message::Init);
    apic::send(OTHER, Message::InitDeassert);
    Deadline::after(BEHIND_INIT_MICROS).wait(|| false);
    check!("starts after INIT while it waits for a start-up IPI", start(fourth));
    check_count!("not started again", third.read_count(), 1);
    check_count!("started once", fourth.read_count(), 1);
}

/// A start-up IPI right behind two INITs comes after both. The manual's algorithm waits for 10 ms in between, which operating systems
/// do not: whether processors have to bear with that it does not say.
#[case(
    feature = SmpStart,
    spec = [
        sdm3a("Issuing Interprocessor Interrupts"),
        sdm3a("MP Initialization Protocol Algorithm for MP Systems"),
    ],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 5,
)]
fn start_up_comes_after_inits_right_before_it() {
    apic::enable();
    let [first, second] = [0x41, 0x42].map(Stub::put);
    apic::send(OTHER, Message::Init);
    check!("the first start-up IPI starts it", start(first));
    apic::send(OTHER, Message::Init);
    apic::send(OTHER, Message::Init);
    check!("starts", start(second));
    check_count!("started once", second.read_count(), 1);
}

/// A fixed interrupt does not start a processor that waits for a start-up IPI.
#[case(
    feature = SmpStart,
    spec = sdm3a("Issuing Interprocessor Interrupts"),
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 5,
)]
fn fixed_interrupt_starts_nothing() {
    apic::enable();
    let [first, second] = [0x45, 0x46].map(Stub::put);
    apic::send(OTHER, Message::Init);
    apic::send(OTHER, Message::Fixed(first.page()));
    check!("the start-up IPI after it starts it", start(second));
    check_count!("the interrupt did not", first.read_count(), 0);
}

/// A local APIC that software has not enabled can still send interprocessor interrupts.
#[case(
    feature = SmpStart,
    spec = sdm3a("Local APIC State After It Has Been Software Disabled"),
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 5,
)]
fn a_disabled_local_apic_starts_others() {
    apic::disable();
    let stub = Stub::put(0x47);
    apic::send(OTHER, Message::Init);
    check!("starts", start(stub));
}
