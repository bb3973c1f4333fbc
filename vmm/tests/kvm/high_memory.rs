//! Memory above 4 GiB: seen by the guest, by this VMM and by devices, logged, saved, and moved.

use crate::guest::{CODE, elf, exit_with_eax, hypervisor, with_deadline};
use iced_x86::code_asm::*;
use std::{os::unix::net::UnixStream, thread};
use vmm::{
    CpuView, DirtyMethod, DirtyTracking, Elapsed, Entry, Exit, ExitObserver, Image, LongModeState, MemoryMap,
    NoObserver, StopReason, Stopped, Vm, VmConfig, VmHandle, devices::DebugExit, layout::HIGH_MEMORY,
    migration::Outgoing,
};

const PML4: u64 = CODE + 0x1000;
const PDPT: u64 = CODE + 0x2000;
const PD: u64 = CODE + 0x3000;
const HIGH_PD: u64 = CODE + 0x4000;
const GDT: u64 = CODE + 0x5000;
const TSS: u64 = CODE + 0x6000;
/// Memory below 4 GiB ends early, because all of it is looked at when it is saved; above is as much as one large page maps.
const LOW_END: u64 = 4 << 20;
const SIZE: u64 = LOW_END + (2 << 20);
/// Where the guest counts, and what it adds.
const COUNTER: u64 = HIGH_MEMORY + 0x3008;
const ADDED: u64 = HIGH_MEMORY + 0x1f_f000;
const NR_ROUNDS: u32 = 10;
/// A port without a device: to leave the guest.
const PORT: u32 = 0x5c0;

/// Adds the same number to the counter again and again, and ends with what it has then.
fn image() -> Image {
    let mut a = CodeAssembler::new(64).unwrap();
    let mut again = a.create_label();
    a.mov(rbx, COUNTER).unwrap();
    a.mov(rsi, ADDED).unwrap();
    a.mov(ecx, NR_ROUNDS).unwrap();
    a.set_label(&mut again).unwrap();
    a.mov(rax, qword_ptr(rsi)).unwrap();
    a.add(qword_ptr(rbx), rax).unwrap();
    a.mov(dx, PORT).unwrap();
    a.out(dx, al).unwrap();
    a.dec(ecx).unwrap();
    a.jne(again).unwrap();
    a.mov(rax, qword_ptr(rbx)).unwrap();
    exit_with_eax(&mut a);
    let mut bytes = a.assemble(CODE).unwrap();
    bytes.resize(0x7000, 0);
    let mut put = |address: u64, value: u64| {
        let at = (address - CODE) as usize;
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    };
    put(PML4, PDPT | 7);
    // The first gibibyte and the fifth, of each the first page of 2 MiB.
    put(PDPT, PD | 7);
    put(PDPT + 4 * 8, HIGH_PD | 7);
    put(PD, 0x87);
    put(HIGH_PD, HIGH_MEMORY | 0x87);
    put(GDT + 8, 0x00af_9b00_0000_ffff);
    put(GDT + 16, 0x00cf_9300_0000_ffff);
    put(GDT + 24, 0x67 | (TSS & 0xff_ffff) << 16 | 0x8b << 40);
    Image::from_bytes_in(&elf(CODE, &bytes, None), MemoryMap::with_low_end(SIZE, LOW_END).unwrap()).unwrap()
}

fn config() -> VmConfig {
    let state = LongModeState {
        rip: CODE,
        rsp: 0x20_0000,
        cr0: 0x8000_0033,
        cr3: PML4,
        cr4: 0x620,
        efer: 0x500,
        gdt_base: GDT,
        gdt_limit: 0x1f,
        tss_base: TSS,
        tss_limit: 0x67,
        code_selector: 8,
        data_selector: 16,
        tss_selector: 24,
        ..LongModeState::default()
    };
    VmConfig::new(Entry::LongMode(state)).with(DebugExit::new(crate::guest::DEBUG_EXIT))
}

fn tracked(method: DirtyMethod) -> VmConfig {
    VmConfig { tracking: DirtyTracking::Always(method), ..config() }
}

struct SuspendAt(u32, VmHandle);

impl ExitObserver for SuspendAt {
    fn exit(&mut self, _: u8, _: &Exit<'_>, _: &CpuView<'_>) {
        self.0 -= 1;
        if self.0 == 0 {
            self.1.suspend();
        }
    }
}

fn run_until(vm: &mut Vm, nr_exits: u32) -> Stopped {
    let handle = vm.handle();
    with_deadline(|| vm.run(&mut SuspendAt(nr_exits, handle)).unwrap())
}

fn at(vm: &Vm, address: u64) -> u64 {
    vm.memory().read_u64(address).unwrap()
}

#[test]
fn a_guest_and_this_vmm_see_the_same_and_its_pages_are_logged() {
    let (hypervisor, image) = (hypervisor(), image());
    for method in [DirtyMethod::Log, DirtyMethod::Ring].into_iter().filter(|method| method.is_offered(&hypervisor)) {
        let mut vm = Vm::new(&hypervisor, &image, tracked(method)).unwrap();
        let dirty = vm.dirty_pages().unwrap().clone();
        dirty.start().unwrap();
        vm.memory().write(ADDED, &7_u64.to_le_bytes()).unwrap();
        assert!(dirty.take().unwrap().numbers().eq([ADDED >> 12]), "{method:?}");
        let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
        assert_eq!(stopped.reason, StopReason::DebugExit(7 * NR_ROUNDS), "{stopped}");
        assert_eq!(at(&vm, COUNTER), u64::from(7 * NR_ROUNDS));
        let told: Vec<_> = dirty.take().unwrap().numbers().collect();
        assert!(told.contains(&(COUNTER >> 12)) && !told.contains(&(ADDED >> 12)), "{method:?}: {told:x?}");
        // The same offset in the other slot is another page.
        assert!(!told.contains(&((COUNTER - HIGH_MEMORY) >> 12)), "{method:?}: {told:x?}");
    }
}

#[test]
fn it_is_saved_and_restored() {
    let (hypervisor, image) = (hypervisor(), image());
    let mut vm = Vm::new(&hypervisor, &image, config()).unwrap();
    vm.memory().write(ADDED, &7_u64.to_le_bytes()).unwrap();
    assert_eq!(run_until(&mut vm, 4).reason, StopReason::Suspended);
    let file = vm.save(&hypervisor).unwrap();
    // Pages of zeros are not saved, wherever they are.
    assert!(file.len() < 1 << 20, "{}", file.len());
    drop(vm);
    let mut vm = Vm::restore(&hypervisor, &image, config(), &file, Elapsed::default()).unwrap();
    assert_eq!((at(&vm, COUNTER), at(&vm, ADDED)), (4 * 7, 7));
    let stopped = with_deadline(|| vm.run(&mut NoObserver).unwrap());
    assert_eq!(stopped.reason, StopReason::DebugExit(7 * NR_ROUNDS), "{stopped}");
}

#[test]
fn it_moves_with_its_machine() {
    let (hypervisor, image) = (hypervisor(), image());
    let machine = || tracked(DirtyMethod::Log);
    let mut vm = Vm::new(&hypervisor, &image, machine()).unwrap();
    vm.memory().write(ADDED, &7_u64.to_le_bytes()).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut moved = with_deadline(|| {
        thread::scope(|scope| {
            let receiver =
                scope.spawn(|| Vm::receive(theirs, &hypervisor, &image, machine(), Elapsed::WentOn).unwrap());
            let (dirty, memory) = (vm.dirty_pages().unwrap().clone(), vm.memory().clone());
            let mut outgoing = Outgoing::new(ours, &memory).unwrap();
            outgoing.precopy(&memory, &dirty, |_, _| true).unwrap();
            // What is written after the first round goes by the log alone.
            assert_eq!(run_until(&mut vm, 4).reason, StopReason::Suspended);
            outgoing.finish(&mut vm, &hypervisor).unwrap();
            receiver.join().unwrap()
        })
    });
    assert_eq!((at(&moved, COUNTER), at(&moved, ADDED)), (4 * 7, 7));
    let stopped = with_deadline(|| moved.run(&mut NoObserver).unwrap());
    assert_eq!(stopped.reason, StopReason::DebugExit(7 * NR_ROUNDS), "{stopped}");
}
