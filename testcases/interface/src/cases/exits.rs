//! Exits of KVM_RUN for I/O, MMIO and HLT.

use super::{caps, case};
use crate::{
    Case,
    machine::{CODE, Irqchip, Machine, end},
};
use case::Feature::InterfaceExits as EXITS;
use iced_x86::code_asm::{al, ax, bx, byte_ptr, cx, di, dx, eax, ptr, si};
use kvm_bindings::{KVM_EXIT_HLT, KVM_EXIT_IO, KVM_EXIT_IO_IN, KVM_EXIT_IO_OUT, KVM_EXIT_MMIO};

const RUN_PAGE: &str = "The kvm_run structure";

pub(crate) const CASES: &[Case] = &[
    case(
        EXITS,
        "io_out_of_each_size",
        "OUT leaves with its direction, size, port and data.",
        RUN_PAGE,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| {
                a.mov(eax, 0x8765_4321_u32)?;
                a.mov(dx, 0x123_u32)?;
                a.out(dx, al)?;
                a.out(dx, ax)?;
                a.out(dx, eax)
            })?;
            for size in [1_u8, 2, 4] {
                checks.answers(format!("{size}: exit"), KVM_EXIT_IO.into(), vcpu.run());
                let io = vcpu.io();
                checks.is(format!("{size}: direction"), KVM_EXIT_IO_OUT, io.direction);
                checks.is(format!("{size}: size"), size, io.size);
                checks.is(format!("{size}: port"), 0x123_u16, io.port);
                checks.is(format!("{size}: count"), 1_u32, io.count);
                let mask = u32::MAX >> (32 - 8 * u32::from(size));
                checks.is(format!("{size}: data"), 0x8765_4321 & mask, vcpu.page.u32(io.offset) & mask);
            }
            Ok(())
        },
    ),
    case(
        EXITS,
        "io_in_of_each_size",
        "IN takes the data that user space leaves, when the next KVM_RUN completes it.",
        RUN_PAGE,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| {
                a.mov(eax, 0xffff_ffff_u32)?;
                a.mov(dx, 0x123_u32)?;
                a.in_(al, dx)?;
                a.mov(ptr(0x2000), eax)?;
                a.in_(ax, dx)?;
                a.mov(ptr(0x2004), eax)?;
                a.in_(eax, dx)?;
                a.mov(ptr(0x2008), eax)?;
                end(a)
            })?;
            for size in [1_u8, 2, 4] {
                checks.answers(format!("{size}: exit"), KVM_EXIT_IO.into(), vcpu.run());
                let io = vcpu.io();
                checks.is(format!("{size}: direction"), KVM_EXIT_IO_IN, io.direction);
                checks.is(format!("{size}: size"), size, io.size);
                vcpu.page.write(io.offset, &[0x11, 0x22, 0x33, 0x44]);
            }
            vcpu.run_to(KVM_EXIT_IO)?;
            for (at, value) in [(0x2000, 0xffff_ff11_u32), (0x2004, 0xffff_2211), (0x2008, 0x4433_2211)] {
                checks.is(format!("EAX at {at:#x}"), value, machine.memory.u32(at));
            }
            Ok(())
        },
    ),
    case(
        EXITS,
        "io_string_out",
        "REP OUTS leaves with as many items as its count says, in one exit or in several.",
        RUN_PAGE,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            machine.memory.write(0x3000, b"abcdef");
            let vcpu = machine.with_code(|a| {
                a.mov(dx, 0x80_u32)?;
                a.mov(cx, 6_u32)?;
                a.mov(si, 0x3000_u32)?;
                a.rep().outsb()?;
                end(a)
            })?;
            let mut sent = Vec::new();
            for _ in 0..8 {
                vcpu.run_to(KVM_EXIT_IO)?;
                let io = vcpu.io();
                if io.port != 0x80 {
                    break;
                }
                sent.extend((0..io.count as usize).map(|n| vcpu.page.u8(io.offset + n)));
            }
            checks.is("items", 6_u64, sent.len() as u64);
            checks.is("in order", true, sent == b"abcdef");
            checks.is("CX", 0_u16, vcpu.regs()?.rcx as u16);
            checks.is("SI", 0x3006_u16, vcpu.regs()?.rsi as u16);
            Ok(())
        },
    ),
    case(EXITS, "io_string_in", "REP INS stores what user space leaves, item by item.", RUN_PAGE, caps!(), |checks| {
        let machine = Machine::new(Irqchip::None)?;
        let vcpu = machine.with_code(|a| {
            a.mov(dx, 0x80_u32)?;
            a.mov(cx, 5_u32)?;
            a.mov(di, 0x3000_u32)?;
            a.rep().insw()?;
            end(a)
        })?;
        let mut next = 0x1000_u16;
        for _ in 0..8 {
            vcpu.run_to(KVM_EXIT_IO)?;
            let io = vcpu.io();
            if io.port != 0x80 {
                break;
            }
            for n in 0..io.count as usize {
                vcpu.page.write(io.offset + 2 * n, &next.to_le_bytes());
                next += 1;
            }
        }
        for n in 0..5 {
            checks.is(format!("item {n}"), 0x1000 + n as u16, machine.memory.u16(0x3000 + 2 * n));
        }
        checks.is("behind", 0_u16, machine.memory.u16(0x300a));
        Ok(())
    }),
    case(
        EXITS,
        "mmio_read_of_each_size",
        "A read by MMIO takes the data that user space leaves.",
        RUN_PAGE,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| {
                a.mov(al, byte_ptr(1))?;
                a.mov(bx, ptr(2))?;
                a.mov(iced_x86::code_asm::ecx, ptr(4))?;
                end(a)
            })?;
            vcpu.point_ds(0x2_0000)?;
            for (size, offset) in [(1_u32, 1_u64), (2, 2), (4, 4)] {
                checks.answers(format!("{size}: exit"), KVM_EXIT_MMIO.into(), vcpu.run());
                let mmio = vcpu.mmio();
                checks.is(format!("{size}: address"), 0x2_0000 + offset, mmio.address);
                checks.is(format!("{size}: length"), size, mmio.length);
                checks.is(format!("{size}: write"), 0_u8, mmio.is_write);
                vcpu.answer_mmio(&[0xa1, 0xb2, 0xc3, 0xd4]);
            }
            vcpu.run_to(KVM_EXIT_IO)?;
            let regs = vcpu.regs()?;
            checks.is("AL", 0xa1_u8, regs.rax as u8);
            checks.is("BX", 0xb2a1_u16, regs.rbx as u16);
            checks.is("ECX", 0xd4c3_b2a1_u32, regs.rcx as u32);
            Ok(())
        },
    ),
    case(
        EXITS,
        "hlt_exits_without_irqchip",
        "HLT leaves as KVM_EXIT_HLT where the interrupt controller is that of user space, with RIP behind it.",
        RUN_PAGE,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.with_code(|a| a.hlt())?;
            checks.answers("exit", KVM_EXIT_HLT.into(), vcpu.run());
            checks.is("RIP", CODE + 1, vcpu.regs()?.rip);
            Ok(())
        },
    ),
];
