//! A whole PC in each set-up: what the set-ups are to have in common.

use crate::{
    guest::{DEBUG_EXIT, config, exit_with_eax, hypervisor, image, with_deadline},
    interrupts::{EXT_INT, LVT_LINT0, apic_eoi, apic_on, waiting, write_tables},
};
use iced_x86::code_asm::*;
use vmm::{
    Image, InterruptSetup, Irqchip, NoObserver, StopReason, Stopped, Vm, VmConfig,
    devices::{I8042, Signals},
    layout,
};

/// Ports of the signalling device.
const SIGNALS: u16 = 0x5b0;
const NR: u32 = 20;
const VECTOR: u32 = 0x40;

fn pc(setup: InterruptSetup) -> VmConfig {
    config().with_interrupts(setup).with(Signals::new(SIGNALS))
}

fn run(image: &Image, config: VmConfig) -> Stopped {
    let mut vm = Vm::new(&hypervisor(), image, config).unwrap();
    write_tables(&vm);
    with_deadline(|| vm.run(&mut NoObserver).unwrap())
}

fn out_32(a: &mut CodeAssembler, port: u16, value: u32) {
    a.mov(edx, u32::from(port)).unwrap();
    a.mov(eax, value).unwrap();
    a.out(dx, eax).unwrap();
}

fn out_8(a: &mut CodeAssembler, port: i32, value: u32) {
    a.mov(al, value).unwrap();
    a.out(port, al).unwrap();
}

/// An entry of the I/O APIC for processor 0.
fn route(a: &mut CodeAssembler, pin: u32, low: u32) {
    for (index, value) in [(0x11 + 2 * pin, 0), (0x10 + 2 * pin, low)] {
        a.mov(dword_ptr(0xfec0_0000_u64), index).unwrap();
        a.mov(dword_ptr(0xfec0_0010_u64), value).unwrap();
    }
}

/// A guest that is interrupted by what it asks the signalling device for: `first` before it waits and `again` at each end.
fn signalled(prepare: impl Fn(&mut CodeAssembler), signal: impl Fn(&mut CodeAssembler)) -> Image {
    waiting(
        NR,
        |a| {
            apic_on(a);
            prepare(a);
            signal(a);
        },
        |a| {
            apic_eoi(a);
            signal(a);
        },
    )
}

#[test]
fn guest_is_signalled_by_message_line_and_event_in_each_set_up() {
    let message = |a: &mut CodeAssembler| out_32(a, SIGNALS + 4, VECTOR);
    let address = |a: &mut CodeAssembler| out_32(a, SIGNALS, 0xfee0_0000);
    let event_of_message = |a: &mut CodeAssembler| out_32(a, SIGNALS + 8, 1 << 10 | VECTOR << 16);
    let edge = |a: &mut CodeAssembler| {
        out_32(a, SIGNALS + 8, 1 << 8 | 20);
        out_32(a, SIGNALS + 8, 20);
    };
    let event_of_line = |a: &mut CodeAssembler| out_32(a, SIGNALS + 8, 1 << 9 | 20);
    for setup in InterruptSetup::ALL {
        let guests = [
            ("message", signalled(address, message)),
            ("event of a message", signalled(address, event_of_message)),
            ("edge", signalled(|a| route(a, 20, VECTOR), edge)),
            ("event of a line", signalled(|a| route(a, 20, VECTOR), event_of_line)),
            // Held high, it comes again at each end.
            ("level", signalled(|a| route(a, 20, VECTOR | 1 << 15), |a| out_32(a, SIGNALS + 8, 1 << 8 | 20))),
        ];
        for (way, guest) in guests {
            let stopped = run(&guest, pc(setup));
            assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{setup:?}, {way}: {stopped}");
        }
    }
}

#[test]
fn pit_leads_to_pin_2_in_each_set_up() {
    let guest = waiting(
        NR,
        |a| {
            apic_on(a);
            route(a, 2, VECTOR);
            for (port, value) in [(0x43, 0x34), (0x40, 1193 & 0xff), (0x40, 1193 >> 8)] {
                out_8(a, port, value);
            }
        },
        apic_eoi,
    );
    for setup in InterruptSetup::ALL {
        let stopped = run(&guest, pc(setup));
        assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{setup:?}: {stopped}");
    }
}

#[test]
fn real_time_clock_wakes_a_guest_in_each_set_up() {
    let read_c = |a: &mut CodeAssembler| {
        out_8(a, 0x70, 0x0c);
        a.in_(al, 0x71).unwrap();
    };
    let guest = waiting(
        NR,
        |a| {
            apic_on(a);
            route(a, 8, VECTOR);
            // Register A: 1,024 Hz; register B: periodic interrupts.
            for (port, value) in [(0x70, 0x0a), (0x71, 0x26), (0x70, 0x0b), (0x71, 0x42)] {
                out_8(a, port, value);
            }
            read_c(a);
        },
        |a| {
            read_c(a);
            apic_eoi(a);
        },
    );
    for setup in InterruptSetup::ALL {
        let start = std::time::Instant::now();
        let stopped = run(&guest, pc(setup));
        assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{setup:?}: {stopped}");
        assert!(start.elapsed().as_micros() >= 18 * 976, "{setup:?}: {:?}", start.elapsed());
    }
}

#[test]
fn hpet_takes_the_place_of_the_pit_in_each_set_up() {
    // The PIT ticks a thousand times a second, and the HPET once, in its place: only that arrives.
    let guest = waiting(
        1,
        |a| {
            apic_on(a);
            // The HPET's timer 0 shall not be told by the edge that the PIT may have made before.
            let hpet = [(0xfed0_0100_u64, 1 << 8 | 1 << 2), (0xfed0_0108, 2_000_000), (0xfed0_0010, 3)];
            for (address, value) in hpet {
                a.mov(dword_ptr(address), value).unwrap();
            }
            for (port, value) in [(0x43, 0x34), (0x40, 1193 & 0xff), (0x40, 1193 >> 8)] {
                out_8(a, port, value);
            }
            route(a, 2, VECTOR);
        },
        apic_eoi,
    );
    for setup in InterruptSetup::ALL {
        let start = std::time::Instant::now();
        let stopped = run(&guest, pc(setup));
        assert_eq!(stopped.reason, StopReason::DebugExit(1), "{setup:?}: {stopped}");
        // Two million ticks of 10 ns.
        assert!(start.elapsed().as_millis() >= 20, "{setup:?}: {:?}", start.elapsed());
    }
}

#[test]
fn guest_turns_itself_off_by_the_pm1_control_register() {
    let guest = image(32, |a| {
        // SCI_EN is set from the start, or another value ends it.
        a.mov(edx, u32::from(layout::pc::PM1_CONTROL)).unwrap();
        a.in_(ax, dx).unwrap();
        a.and(eax, 1).unwrap();
        let mut off = a.create_label();
        a.jnz(off).unwrap();
        exit_with_eax(a);
        a.set_label(&mut off).unwrap();
        a.mov(eax, 1_u32 << 13 | 5 << 10).unwrap();
        a.out(dx, ax).unwrap();
        a.mov(eax, 7).unwrap();
        exit_with_eax(a);
    });
    for setup in InterruptSetup::ALL {
        assert_eq!(run(&guest, pc(setup)).reason, StopReason::PowerOff, "{setup:?}");
    }
}

#[test]
fn lint0_is_masked_after_reset_in_each_set_up() {
    let guest = image(32, |a| {
        a.mov(eax, dword_ptr(LVT_LINT0)).unwrap();
        exit_with_eax(a);
    });
    for setup in InterruptSetup::ALL {
        assert_eq!(run(&guest, pc(setup)).reason, StopReason::DebugExit(0x1_0000), "{setup:?}");
    }
}

#[test]
fn interrupts_of_the_8259s_come_by_the_io_apic_too() {
    // ExtINT at pin 0; LINT0 stays masked. KVM's local APICs do not take such messages.
    let guest = waiting(
        NR,
        |a| {
            apic_on(a);
            route(a, 0, EXT_INT);
            for (port, value) in [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 3), (0x21, 0xfe)] {
                out_8(a, port, value);
            }
            for (port, value) in [(0x43, 0x34), (0x40, 1193 & 0xff), (0x40, 1193 >> 8)] {
                out_8(a, port, value);
            }
        },
        |_| {},
    );
    let stopped = run(&guest, pc(InterruptSetup::User));
    assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{stopped}");
}

fn wrmsr(a: &mut CodeAssembler, msr: u32, value: u32) {
    a.mov(ecx, msr).unwrap();
    a.xor(edx, edx).unwrap();
    a.mov(eax, value).unwrap();
    a.wrmsr().unwrap();
}

#[test]
fn self_ipi_of_x2apic_mode_arrives_in_each_set_up() {
    let send = |a: &mut CodeAssembler| wrmsr(a, 0x83f, VECTOR);
    let guest = waiting(
        NR,
        |a| {
            wrmsr(a, 0x1b, 0xfee0_0d00);
            wrmsr(a, 0x80f, 0x1ff);
            send(a);
        },
        |a| {
            wrmsr(a, 0x80b, 0);
            send(a);
        },
    );
    for setup in InterruptSetup::ALL {
        let stopped = run(&guest, pc(setup));
        assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{setup:?}: {stopped}");
    }
}

/// A guest that arms a deadline 1,000,000 ticks ahead again and again, and counts those that come early in ESI. `between`
/// stands between arming and waiting.
fn deadlines(between: impl Fn(&mut CodeAssembler)) -> Image {
    let arm = move |a: &mut CodeAssembler| {
        a.rdtsc().unwrap();
        a.add(eax, 1_000_000).unwrap();
        a.adc(edx, 0).unwrap();
        a.mov(edi, eax).unwrap();
        a.mov(ebp, edx).unwrap();
        a.mov(ecx, 0x6e0).unwrap();
        a.wrmsr().unwrap();
        between(a);
    };
    let again = arm;
    waiting(
        NR,
        |a| {
            apic_on(a);
            a.mov(dword_ptr(0xfee0_0320_u64), 1 << 18 | VECTOR).unwrap();
            a.mfence().unwrap();
            again(a);
        },
        |a| {
            // Early: the program ends with 1000 instead.
            let mut fine = a.create_label();
            a.rdtsc().unwrap();
            a.sub(eax, edi).unwrap();
            a.sbb(edx, ebp).unwrap();
            a.jns(fine).unwrap();
            a.mov(eax, 1000).unwrap();
            a.out(i32::from(DEBUG_EXIT), eax).unwrap();
            a.set_label(&mut fine).unwrap();
            apic_eoi(a);
            again(a);
        },
    )
}

#[test]
fn deadlines_of_the_time_stamp_counter_are_kept_in_each_set_up() {
    let guest = deadlines(|_| {});
    for setup in InterruptSetup::ALL {
        let stopped = run(&guest, pc(setup));
        assert_eq!(stopped.reason, StopReason::DebugExit(NR), "{setup:?}: {stopped}");
    }
}

#[test]
fn counter_that_is_moved_moves_the_deadlines_of_this_vmm() {
    const UNMOVED: u32 = 0x7f;
    // Ahead by more than is left, by a write: the deadline has passed at once. Decades are what it would be else.
    let guest = waiting(
        1,
        |a| {
            apic_on(a);
            a.mov(dword_ptr(0xfee0_0320_u64), 1 << 18 | VECTOR).unwrap();
            for (msr, high) in [(0x6e0, 0x4000_0000), (0x10, 0x4000_0001)] {
                a.mov(ecx, msr).unwrap();
                a.mov(edx, high).unwrap();
                a.xor(eax, eax).unwrap();
                a.wrmsr().unwrap();
            }
            let mut moved = a.create_label();
            a.rdtsc().unwrap();
            a.cmp(edx, 0x4000_0001).unwrap();
            a.jae(moved).unwrap();
            a.mov(eax, UNMOVED).unwrap();
            exit_with_eax(a);
            a.set_label(&mut moved).unwrap();
        },
        apic_eoi,
    );
    let stopped = run(&guest, VmConfig { irqchip: Irqchip::User, ..config() });
    if stopped.reason == StopReason::DebugExit(UNMOVED) {
        eprintln!("not tested: the KVM of this host does not move time-stamp counters");
        return;
    }
    assert_eq!(stopped.reason, StopReason::DebugExit(1), "{stopped}");
}

#[test]
fn fadt_offers_the_reset_register_of_a_keyboard_controller_that_is_there() {
    // RSDP at F0010H, XSDT's address in it at 24; the FADT is its first entry; flags at 112.
    let guest = image(32, |a| {
        a.mov(eax, dword_ptr(0xf_0010 + 24)).unwrap();
        a.mov(eax, dword_ptr(eax + 36)).unwrap();
        a.mov(eax, dword_ptr(eax + 112)).unwrap();
        a.shr(eax, 10).unwrap();
        a.and(eax, 1).unwrap();
        exit_with_eax(a);
    });
    let config = || VmConfig { acpi: true, ..pc(InterruptSetup::User) };
    assert_eq!(run(&guest, config()).reason, StopReason::DebugExit(0));
    assert_eq!(run(&guest, config().with(I8042::new(layout::pc::I8042))).reason, StopReason::DebugExit(1));
}
