//! Tiny guests for the tests: code by iced's assembler in an ELF file with a PVH note.

use iced_x86::code_asm::CodeAssembler;
use std::{sync::mpsc, thread, time::Duration};
use vmm::{Entry, Hypervisor, Image, NoObserver, Stopped, Vm, VmConfig, devices::DebugExit};

/// Where code is loaded and entered.
pub(crate) const CODE: u64 = 0x10_0000;
/// Size of guest memory.
pub(crate) const MEMORY: u64 = 4 << 20;
/// Port of the debug exit in [`config`].
pub(crate) const DEBUG_EXIT: u16 = 0xf4;

/// An ELF file with one segment at `address` and, if there is an entry, the PVH note.
pub(crate) fn elf(address: u64, code: &[u8], pvh_entry: Option<u32>) -> Vec<u8> {
    let note: Vec<u8> = pvh_entry.map_or_else(Vec::new, |entry| {
        let words = [4, 4, 18, u32::from_le_bytes(*b"Xen\0"), entry];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    });
    let note_offset = 64 + 2 * 56_u64;
    let code_offset = note_offset + note.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    // Type EXEC, machine x86-64, version, entry, program headers, section headers, flags.
    put(&[2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [address, 64, 0] {
        put(&word.to_le_bytes());
    }
    put(&0_u32.to_le_bytes());
    // Sizes of the headers, and how many there are.
    for half in [64_u16, 56, 2, 64, 0, 0] {
        put(&half.to_le_bytes());
    }
    for (kind, offset, size) in [(4_u32, note_offset, note.len() as u64), (1, code_offset, code.len() as u64)] {
        put(&kind.to_le_bytes());
        put(&7_u32.to_le_bytes());
        let address = if kind == 1 { address } else { 0 };
        for word in [offset, address, address, size, size, 4] {
            put(&word.to_le_bytes());
        }
    }
    put(&note);
    put(code);
    file
}

/// The image of a program for `bits`, loaded at and assembled for [`CODE`].
pub(crate) fn image(bits: u32, program: impl FnOnce(&mut CodeAssembler)) -> Image {
    let mut assembler = CodeAssembler::new(bits).unwrap();
    program(&mut assembler);
    let code = assembler.assemble(CODE).unwrap();
    Image::from_bytes(&elf(CODE, &code, Some(CODE as u32)), MEMORY).unwrap()
}

pub(crate) fn hypervisor() -> Hypervisor {
    Hypervisor::open().expect("these tests need KVM")
}

/// PVH entry, nothing but a debug exit.
pub(crate) fn config() -> VmConfig {
    VmConfig::new(Entry::Pvh).with(DebugExit::new(DEBUG_EXIT))
}

/// Runs a 32-bit program to its end.
pub(crate) fn run(config: VmConfig, program: impl FnOnce(&mut CodeAssembler)) -> Stopped {
    let mut vm = Vm::new(&hypervisor(), &image(32, program), config).unwrap();
    with_deadline(|| vm.run(&mut NoObserver).unwrap())
}

/// Does the work, and ends the tests if it takes so long that it can only hang: a thread that is in a guest and cannot
/// be stopped is beyond the reach of a panic.
pub(crate) fn with_deadline<T>(work: impl FnOnce() -> T) -> T {
    let name = thread::current().name().unwrap_or_default().to_owned();
    let (done, is_done) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if is_done.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            std::process::abort();
        }
    });
    let result = work();
    drop(done);
    watchdog.join().unwrap();
    result
}

/// Ends the guest with the value of EAX.
pub(crate) fn exit_with_eax(a: &mut CodeAssembler) {
    use iced_x86::code_asm::{dx, eax};
    a.mov(dx, u32::from(DEBUG_EXIT)).unwrap();
    a.out(dx, eax).unwrap();
}
