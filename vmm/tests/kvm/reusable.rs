//! The VM that is entered again and again.

use iced_x86::code_asm::*;
use kvm_ioctls::VcpuExit;
use vmm::{
    Hypervisor,
    reusable::{ReusableVm, XSAVE_SIZE},
};

const SIZE: usize = 0x1_0000;

/// A VM in real mode with this program at 0.
fn vm(build: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> ReusableVm {
    let mut assembler = CodeAssembler::new(16).unwrap();
    build(&mut assembler).unwrap();
    let code = assembler.assemble(0).unwrap();
    let mut vm = ReusableVm::new(&Hypervisor::open().unwrap(), SIZE).unwrap();
    vm.memory_mut()[..code.len()].copy_from_slice(&code);
    let mut sregs = vm.state().sregs;
    (sregs.cs.base, sregs.cs.selector) = (0, 0);
    vm.set_sregs(&sregs);
    vm
}

fn start(vm: &mut ReusableVm, value: u64) {
    let regs = kvm_bindings::kvm_regs { rax: value, rflags: 2, ..Default::default() };
    vm.set_regs(&regs);
}

#[test]
fn one_vm_executes_again_with_other_registers() {
    let mut vm = vm(|a| {
        a.mov(word_ptr(0x800), ax)?;
        a.hlt()
    });
    for value in [7, 0x1234] {
        start(&mut vm, value);
        assert!(matches!(vm.enter().unwrap(), VcpuExit::Hlt));
        assert_eq!(vm.memory()[0x800..0x802], (value as u16).to_le_bytes());
        assert_eq!(vm.state().regs.rax, value);
    }
}

#[test]
fn an_access_is_completed_without_an_entry() {
    let mut vm = vm(|a| {
        a.mov(ax, word_ptr(0x10))?;
        a.inc(ax)?;
        a.hlt()
    });
    let mut sregs = vm.state().sregs;
    // Behind the memory.
    sregs.ds.base = SIZE as u64;
    vm.set_sregs(&sregs);
    start(&mut vm, 0);
    let VcpuExit::MmioRead(address, data) = vm.enter().unwrap() else { panic!("no access") };
    assert_eq!((address, data.len()), (SIZE as u64 + 0x10, 2));
    vm.answer(&[5, 1]);
    assert!(matches!(vm.complete().unwrap(), VcpuExit::Intr));
    assert_eq!((vm.state().regs.rax, vm.state().regs.rip), (0x105, 3));
}

#[test]
fn ticks_end_an_entry_that_would_not_end() {
    let mut vm = vm(|a| {
        let mut again = a.create_label();
        a.set_label(&mut again)?;
        a.jmp(again)
    });
    start(&mut vm, 0);
    vm.start_ticks().unwrap();
    while vm.ticks() < 2 {
        assert!(matches!(vm.enter().unwrap(), VcpuExit::Intr));
    }
}

#[test]
fn extended_state_comes_back() {
    let vm_of_nothing = &mut vm(|a| a.hlt());
    let mut area = vec![0; 576];
    vm_of_nothing.extended(&mut area).unwrap();
    area[160..176].fill(0x5a);
    area[512] |= 2;
    vm_of_nothing.set_extended(&area).unwrap();
    let mut read = vec![0; 576];
    vm_of_nothing.extended(&mut read).unwrap();
    assert_eq!(read[160..176], [0x5a; 16]);
    assert!(vm_of_nothing.set_extended(&[0; XSAVE_SIZE + 1]).is_err());
}
