//! Asynchronous page faults of pages that the host has to fetch: told as missing by a page fault, and as ready by an interrupt.
//!
//! A hypervisor may wait itself instead of telling the guest, and then the case says so: only what it tells has to be right.

use super::{
    async_page_faults::{ALL, ASYNC_PF_EN, ASYNC_PF_INT, BY_INTERRUPT, ENABLE, SIZE, VECTOR},
    structure::Structure,
};
use rt::{
    Exception, Outcome, case, check, check_count, check_eq, check_outcome,
    cpu::msr,
    interrupts::{self, End, Listening, OTHERS_MICROS},
    local_apic::LocalApic,
    mmio, names, note, paging,
    signals::{self, Command},
    skip, user,
    vocabulary::{Needs, Text},
};

/// KVM_ASYNC_PF_ACK: the guest has seen that a page is there.
const ASYNC_PF_ACK: u32 = 0x4b56_4d07;
/// KVM_PV_REASON_PAGE_NOT_PRESENT.
const NOT_PRESENT: u32 = 1;
const NEEDS: Needs = Needs::KVM_ASYNC_PF.union(Needs::SIGNALS).union(Needs::LOCAL_APIC);
const PAGE: usize = 5;
const VALUE: u64 = 0x0123_4567_89ab_cdef;
const IF: u64 = 1 << 9;
const FLAGS_CLEAR: u64 = 1 << 1;

rt::user_code!(read: "mov rax, [rdi]", "ret");

/// What the case needs of the guest's side, enabled. Dropping it leaves the vectors.
struct Enabled {
    structure: Structure,
    apic: LocalApic,
    _listening: Listening,
}

impl Enabled {
    fn new() -> Self {
        let structure = Structure::new(1, 64, SIZE);
        let apic = LocalApic::enabled();
        interrupts::clear();
        let listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
        check_outcome!("WRMSR INT", msr::write(ASYNC_PF_INT, VECTOR.into()), Outcome::COMPLETED);
        let enabled = structure.address() | ENABLE | BY_INTERRUPT;
        check_outcome!("WRMSR EN", msr::write(ASYNC_PF_EN, enabled), Outcome::COMPLETED);
        // Whoever enables it may be told that all are there.
        let _ = interrupts::wait_for_more();
        let this = Self { structure, apic, _listening: listening };
        if interrupts::count(VECTOR) != 0 {
            check_eq!("the token for all", this.token(), ALL);
            this.acknowledge();
        }
        interrupts::clear();
        this
    }

    fn token(&self) -> u32 {
        self.structure.read(4)
    }

    fn acknowledge(&self) {
        mmio::write_u32(self.structure.address() + 4, 0);
        check_outcome!("WRMSR ACK", msr::write(ASYNC_PF_ACK, 1), Outcome::COMPLETED);
    }

    fn end(self) {
        check_outcome!("WRMSR of the disabled", msr::write(ASYNC_PF_EN, 0), Outcome::COMPLETED);
        check_count!("words written around it", self.structure.nr_written_around(), 0_u64);
        drop(self.apic);
    }
}

/// Takes the page away; false if the host cannot.
fn take_away() -> bool {
    let frame = paging::frame(PAGE);
    mmio::write_u64(frame, VALUE);
    paging::map(PAGE, frame, paging::ALL_RIGHTS);
    signals::command(Command::TakePageAway(frame as u32))
}

/// Reads the page at CPL 3.
fn read_at_cpl_3(flags: u64) -> Result<u64, Exception> {
    user::call_with_flags(read, paging::address(PAGE), FLAGS_CLEAR | flags)
}

/// A page that the host has to fetch is told to be missing by a page fault with a token, and then by an interrupt with the
/// same token to be there.
#[case(feature = AsyncPageFaults, spec = [kvm("KVM-specific MSRs"), kvm_para("KVM_PV_REASON_PAGE_NOT_PRESENT")], needs = NEEDS,
       irqchip = LocalApic, time = 2)]
fn missing_page_is_told_and_then_ready() {
    const NR_TURNS: u32 = 3;
    let enabled = Enabled::new();
    let mut nr_told = 0_u32;
    for turn in 0..NR_TURNS {
        if !take_away() {
            skip!("the host takes no page away");
            return;
        }
        interrupts::clear();
        let Err(exception) = read_at_cpl_3(IF) else { continue };
        nr_told += 1;
        check_eq!("vector", [&[]; turn], exception.vector, 14);
        check_eq!("flags", [&[]; turn], enabled.structure.read(0), NOT_PRESENT);
        mmio::write_u32(enabled.structure.address(), 0);
        let token = exception.cr2 as u32;
        check!("a token", [&[]; turn], token != 0 && token != ALL);
        let came = interrupts::wait_until(OTHERS_MICROS, || interrupts::count(VECTOR) != 0);
        check!("it is ready", [&[]; turn], came);
        check_eq!("token", [&[]; turn], enabled.token(), token);
        enabled.acknowledge();
        let again = read_at_cpl_3(IF);
        check_eq!("what is read then", [&[]; turn], again.unwrap_or(0), VALUE);
        check!("no more", [&[]; turn], !interrupts::wait_for_more());
        check_count!("interrupts", [&[]; turn], interrupts::count(VECTOR), 1_u32);
    }
    enabled.end();
    note!("told", u64::from(nr_told));
    if nr_told == 0 {
        skip!("the hypervisor waits for pages itself");
    }
}

/// What may not be told is waited for: at CPL 3 with interrupts disabled, at CPL 0 without being asked for, and while it is off.
#[case(feature = AsyncPageFaults, spec = kvm("KVM-specific MSRs"), needs = NEEDS, irqchip = LocalApic)]
fn what_may_not_be_told_is_waited_for() {
    const NAMES: &[Text] = names!["interrupts disabled", "CPL 0", "off"];
    for row in 0..NAMES.len() {
        let enabled = Enabled::new();
        if row == 2 {
            check_outcome!("WRMSR EN", [NAMES; row], msr::write(ASYNC_PF_EN, 0), Outcome::COMPLETED);
        }
        if !take_away() {
            skip!("the host takes no page away");
            return;
        }
        let value = match row {
            0 => read_at_cpl_3(0),
            1 => {
                let _flag = interrupts::enable();
                rt::catch(|| mmio::read_u64(paging::frame(PAGE)))
            }
            _ => read_at_cpl_3(IF),
        };
        check_eq!("what is read", [NAMES; row], value.unwrap_or(0), VALUE);
        check_eq!("flags", [NAMES; row], enabled.structure.read(0), 0);
        check!("no interrupt", [NAMES; row], !interrupts::wait_for_more());
        enabled.end();
    }
}
