//! Guest debug.

use super::{caps, case};
use crate::{
    Case, Trouble,
    api::Answer,
    machine::{CODE, Irqchip, Machine, Vcpu, end},
    requests::*,
};
use case::Feature::InterfaceDebug as DEBUG;
use iced_x86::code_asm::{al, byte_ptr};
use kvm_bindings::{
    KVM_EXIT_DEBUG, KVM_EXIT_IO, KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_HW_BP,
    KVM_GUESTDBG_USE_SW_BP, kvm_debugregs, kvm_guest_debug, kvm_guest_debug_arch,
};

const GUEST_DEBUG: &str = "KVM_SET_GUEST_DEBUG";

/// #DB and #BP.
const DB: u32 = 1;
const BP: u32 = 3;

fn set(vcpu: &Vcpu<'_>, control: u32, debugreg: [u64; 8]) -> Answer {
    let mut debug = kvm_guest_debug { control, pad: 0, arch: kvm_guest_debug_arch { debugreg } };
    vcpu.handle.request(&SET_GUEST_DEBUG, &mut debug)
}

fn nops(a: &mut iced_x86::code_asm::CodeAssembler) -> Result<(), iced_x86::IcedError> {
    for _ in 0..4 {
        a.nop()?;
    }
    end(a)
}

/// INT3 behind a NOP; its vector leads to a halt at 4000H.
fn breakpoint(machine: &Machine) -> Result<Vcpu<'_>, Trouble> {
    machine.memory.write(12, &[0, 0x40, 0, 0]);
    machine.memory.write(0x4000, &[0xf4]);
    machine.with_code(|a| {
        a.nop()?;
        a.int3()?;
        end(a)
    })
}

pub(crate) const CASES: &[Case] = &[
    case(
        DEBUG,
        "single_step_leaves_after_each_instruction",
        "With KVM_GUESTDBG_SINGLESTEP each instruction ends with KVM_EXIT_DEBUG.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(nops)?;
            checks.done("set", set(&vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, [0; 8]));
            for step in 1..=3 {
                checks.answers(format!("exit {step}"), KVM_EXIT_DEBUG.into(), vcpu.run());
                let (exception, pc, dr6) = vcpu.debug();
                checks.is(format!("exception {step}"), DB, exception);
                checks.is(format!("address {step}"), CODE + step, pc);
                checks.is(format!("DR6.BS {step}"), 1_u64 << 14, dr6 & 1 << 14);
            }
            checks.done("off", set(&vcpu, 0, [0; 8]));
            checks.answers("the rest", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        DEBUG,
        "single_step_is_hidden_from_the_guest",
        "RFLAGS.TF of single-stepping is not seen in the registers of the guest.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(nops)?;
            set(&vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, [0; 8])?;
            checks.answers("exit", KVM_EXIT_DEBUG.into(), vcpu.run());
            checks.is("RFLAGS", 2_u64, vcpu.regs()?.rflags);
            Ok(())
        },
    ),
    case(
        DEBUG,
        "hardware_breakpoint_on_execution",
        "With KVM_GUESTDBG_USE_HW_BP an instruction at an address of the debug registers leaves before it is executed.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(nops)?;
            checks.done(
                "set",
                set(&vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, [CODE + 2, 0, 0, 0, 0, 0, 0, 0x401]),
            );
            checks.answers("exit", KVM_EXIT_DEBUG.into(), vcpu.run());
            let (exception, pc, dr6) = vcpu.debug();
            checks.is("exception", DB, exception);
            checks.is("address", CODE + 2, pc);
            checks.is("DR6.B0", 1_u64, dr6 & 0xf);
            checks.is("RIP", CODE + 2, vcpu.regs()?.rip);
            if vcpu.exit_reason() != KVM_EXIT_DEBUG {
                // It has come to its end, and nothing is behind that.
                return Ok(());
            }
            set(&vcpu, 0, [0; 8])?;
            checks.answers("the rest", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        DEBUG,
        "hardware_breakpoint_by_its_number",
        "DR6 tells which of the four breakpoints was met.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG),
        |checks| {
            for number in 0..4_usize {
                let machine = Machine::new(Irqchip::None)?;
                let vcpu = machine.with_code(nops)?;
                let mut registers = [0; 8];
                if let Some(register) = registers.get_mut(number) {
                    *register = CODE + 1;
                }
                registers[7] = 0x400 | 1 << (2 * number);
                set(&vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, registers)?;
                checks.answers(format!("exit {number}"), KVM_EXIT_DEBUG.into(), vcpu.run());
                checks.is(format!("DR6 {number}"), 1_u64 << number, vcpu.debug().2 & 0xf);
            }
            Ok(())
        },
    ),
    case(
        DEBUG,
        "hardware_breakpoint_not_met",
        "A breakpoint that is not met leaves the guest alone.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(nops)?;
            set(&vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, [0x5000, 0, 0, 0, 0, 0, 0, 0x401])?;
            checks.answers("exit", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        DEBUG,
        "hardware_breakpoint_is_hidden_from_the_guest",
        "Breakpoints of the host are not seen in the debug registers of the guest.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG, KVM_CAP_DEBUGREGS),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(nops)?;
            set(&vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, [CODE + 2, 0, 0, 0, 0, 0, 0, 0x401])?;
            checks.answers("exit", KVM_EXIT_DEBUG.into(), vcpu.run());
            let debugregs: kvm_debugregs = vcpu.handle.get(&GET_DEBUGREGS)?;
            checks.is("DR0", 0_u64, debugregs.db[0]);
            checks.is("DR7", 0x400_u64, debugregs.dr7);
            Ok(())
        },
    ),
    case(
        DEBUG,
        "software_breakpoint_leaves",
        "With KVM_GUESTDBG_USE_SW_BP INT3 leaves with KVM_EXIT_DEBUG and RIP at the instruction.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = breakpoint(&machine)?;
            checks.done("set", set(&vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, [0; 8]));
            checks.answers("exit", KVM_EXIT_DEBUG.into(), vcpu.run());
            checks.is("exception", BP, vcpu.debug().0);
            checks.is("RIP", CODE + 1, vcpu.regs()?.rip);
            Ok(())
        },
    ),
    case(
        DEBUG,
        "breakpoint_of_the_guest_is_its_own",
        "Without KVM_GUESTDBG_USE_SW_BP INT3 is an exception of the guest.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = breakpoint(&machine)?;
            checks.answers("exit", kvm_bindings::KVM_EXIT_HLT.into(), vcpu.run());
            checks.is("RIP", 0x4001_u64, vcpu.regs()?.rip);
            Ok(())
        },
    ),
    case(
        DEBUG,
        "single_step_over_mmio",
        "An instruction that leaves by MMIO is stepped over once it is completed.",
        GUEST_DEBUG,
        caps!(KVM_CAP_SET_GUEST_DEBUG),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| {
                a.mov(al, byte_ptr(0))?;
                end(a)
            })?;
            vcpu.point_ds(0x2_0000)?;
            set(&vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, [0; 8])?;
            checks.answers("MMIO", kvm_bindings::KVM_EXIT_MMIO.into(), vcpu.run());
            checks.answers("step", KVM_EXIT_DEBUG.into(), vcpu.run());
            checks.is("address", CODE + 3, vcpu.debug().1);
            Ok(())
        },
    ),
    case(
        DEBUG,
        "debugregs_round_trip",
        "KVM_SET_DEBUGREGS sets what KVM_GET_DEBUGREGS reads, and refuses flags and upper halves of DR6 and DR7.",
        "KVM_SET_DEBUGREGS",
        caps!(KVM_CAP_DEBUGREGS),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let right = kvm_debugregs {
                db: [0x1000, 0x2000, 0x3000, 0x4000],
                dr6: 0xffff_0ff1,
                dr7: 0x455,
                ..Default::default()
            };
            let put = |mut regs: kvm_debugregs| vcpu.handle.request(&SET_DEBUGREGS, &mut regs);
            checks.done("set", put(right));
            let read: kvm_debugregs = vcpu.handle.get(&GET_DEBUGREGS)?;
            for (n, (expected, actual)) in right.db.into_iter().zip(read.db).enumerate() {
                checks.is(format!("DR{n}"), expected, actual);
            }
            checks.is("DR6", right.dr6, read.dr6);
            checks.is("DR7", right.dr7, read.dr7);
            checks.invalid("flags", put(kvm_debugregs { flags: 1, ..right }));
            checks.invalid("upper half of DR6", put(kvm_debugregs { dr6: 1 << 32, ..right }));
            checks.invalid("upper half of DR7", put(kvm_debugregs { dr7: 1 << 32, ..right }));
            Ok(())
        },
    ),
];
