//! Entry directly into long mode, with tables that the test writes as an image would hold them.

use crate::guest::{CODE, MEMORY, elf, hypervisor, with_deadline};
use iced_x86::code_asm::*;
use vmm::{
    CpuView, Entry, Exit, ExitObserver, Image, ImageError, LongModeState, NoObserver, StopReason, Vm, VmConfig,
    VmError, layout,
};

const PML4: u64 = CODE + 0x1000;
const PDPT: u64 = CODE + 0x2000;
const PD: u64 = CODE + 0x3000;
const GDT: u64 = CODE + 0x4000;
const TSS: u64 = CODE + 0x5000;

fn image(program: impl FnOnce(&mut CodeAssembler)) -> Image {
    let mut assembler = CodeAssembler::new(64).unwrap();
    program(&mut assembler);
    let mut bytes = assembler.assemble(CODE).unwrap();
    bytes.resize(0x6000, 0);
    let mut put = |address: u64, value: u64| {
        let at = (address - CODE) as usize;
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    };
    // Present, writable, for all; the last level is a page of 2 MiB.
    put(PML4, PDPT | 7);
    put(PDPT, PD | 7);
    put(PD, 0x87);
    put(PD + 8, 0x20_0087);
    put(PD + 16, MEMORY | 0x87);
    // 64-bit code, data, busy TSS.
    put(GDT + 8, 0x00af_9b00_0000_ffff);
    put(GDT + 16, 0x00cf_9300_0000_ffff);
    put(GDT + 24, 0x67 | (TSS & 0xff_ffff) << 16 | 0x8b << 40);
    // Data and 64-bit code for CPL 3.
    put(GDT + 40, 0x00cf_f300_0000_ffff);
    put(GDT + 48, 0x00af_fb00_0000_ffff);
    Image::from_bytes(&elf(CODE, &bytes, None), MEMORY).unwrap()
}

fn state() -> LongModeState {
    LongModeState {
        rip: CODE,
        rsp: 0x20_0000,
        cr0: 0x8000_0033,
        cr3: PML4,
        cr4: 0x620,
        efer: 0x500,
        gdt_base: GDT,
        gdt_limit: 0x37,
        tss_base: TSS,
        tss_limit: 0x67,
        code_selector: 8,
        data_selector: 16,
        tss_selector: 24,
        ..LongModeState::default()
    }
}

#[test]
fn long_mode_is_entered_with_the_start_info() {
    let image = image(|a| {
        a.push(rbx).unwrap();
        a.mov(rax, qword_ptr(rbx + 24)).unwrap();
        a.mov(rcx, qword_ptr(rax)).unwrap();
        a.str(edx).unwrap();
        a.hlt().unwrap();
    });
    let config = VmConfig { command_line: "8 bytes!".into(), ..VmConfig::new(Entry::LongMode(state())) };
    let mut vm = Vm::new(&hypervisor(), &image, config).unwrap();
    let stopped = vm.run(&mut NoObserver).unwrap();
    assert_eq!(stopped.reason, StopReason::Halted, "{stopped}");
    assert_eq!(stopped.cpu.rcx.to_le_bytes(), *b"8 bytes!");
    assert_eq!((stopped.cpu.rdx, stopped.cpu.rsp, stopped.cpu.cs), (24, 0x1f_fff8, 8));
    assert_eq!((stopped.cpu.code_bits(), stopped.cpu.cr3, stopped.cpu.efer), (64, PML4, 0x500));
    assert_eq!(vm.memory().read_u64(0x1f_fff8), Ok(layout::START_INFO));
}

#[test]
fn instruction_bytes_end_where_nothing_is_mapped() {
    let last_byte = 0x40_0000 - 1;
    let image = image(|a| {
        a.mov(rax, last_byte - 1).unwrap();
        a.jmp(rax).unwrap();
    });
    let mut vm = Vm::new(&hypervisor(), &image, VmConfig::new(Entry::LongMode(state()))).unwrap();
    let mut end = CodeAssembler::new(64).unwrap();
    end.hlt().unwrap();
    end.nop().unwrap();
    let end = end.assemble(0).unwrap();
    vm.memory().write(last_byte - 1, &end).unwrap();
    let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
    assert_eq!((stopped.reason, stopped.cpu.rip), (StopReason::Halted, last_byte));
    assert_eq!(stopped.instruction, end[1..]);
}

#[test]
fn guest_that_spins_in_ring_3_is_stopped_where_it_stands() {
    let image = image(|a| {
        let mut ring_3 = a.create_label();
        a.push(0x2b).unwrap();
        a.push(0x20_0000).unwrap();
        a.push(2).unwrap();
        a.push(0x33).unwrap();
        a.lea(rax, ptr(ring_3)).unwrap();
        a.push(rax).unwrap();
        a.iretq().unwrap();
        a.set_label(&mut ring_3).unwrap();
        a.mov(qword_ptr(0x1f_0000), rax).unwrap();
        let mut here = a.create_label();
        a.set_label(&mut here).unwrap();
        a.jmp(here).unwrap();
    });
    let mut vm = Vm::new(&hypervisor(), &image, VmConfig::new(Entry::LongMode(state()))).unwrap();
    let (handle, memory) = (vm.handle(), vm.memory().clone());
    let stopped = with_deadline(|| {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while memory.read_u64(0x1f_0000) == Ok(0) {
                    std::thread::yield_now();
                }
                handle.stop();
            });
            vm.run(&mut NoObserver).unwrap()
        })
    });
    assert_eq!(
        (&stopped.reason, stopped.cpu.cpl, stopped.cpu.code_bits()),
        (&StopReason::Requested, 3, 64),
        "{stopped}"
    );
    assert!(stopped.instruction.starts_with(&[0xeb, 0xfe]) || stopped.instruction.starts_with(&[0x48]), "{stopped}");
}

struct Writes(Vec<(u64, usize)>);

impl ExitObserver for Writes {
    fn exit(&mut self, _: u8, exit: &Exit<'_>, _: &CpuView<'_>) {
        if let Exit::MmioWrite { address, data } = exit {
            self.0.push((*address, data.len()));
        }
    }
}

#[test]
fn store_of_sixteen_bytes_is_two_exits() {
    // Behind the end of memory there is nothing.
    let image = image(|a| {
        a.mov(rax, MEMORY).unwrap();
        a.movups(xmmword_ptr(rax + 16), xmm0).unwrap();
        a.hlt().unwrap();
    });
    let mut vm = Vm::new(&hypervisor(), &image, VmConfig::new(Entry::LongMode(state()))).unwrap();
    let mut writes = Writes(Vec::new());
    let stopped = with_deadline(|| vm.run(&mut writes).unwrap());
    assert_eq!(stopped.reason, StopReason::Halted, "{stopped}");
    assert_eq!(writes.0, [(MEMORY + 16, 8), (MEMORY + 24, 8)]);
}

#[test]
fn registers_that_kvm_refuses_are_told() {
    // Paging without protection.
    let entry = Entry::LongMode(LongModeState { cr0: 0x8000_0000, ..state() });
    let error = Vm::new(&hypervisor(), &image(|a| a.hlt().unwrap()), VmConfig::new(entry)).unwrap_err();
    assert!(matches!(error, VmError::Kvm { request: "KVM_SET_SREGS", .. }), "{error:?}");
}

#[test]
fn pvh_entry_needs_its_note() {
    let error = Vm::new(&hypervisor(), &image(|a| a.hlt().unwrap()), VmConfig::new(Entry::Pvh)).unwrap_err();
    assert!(matches!(error, VmError::Image(ImageError::NoPvhEntry)), "{error:?}");
}
