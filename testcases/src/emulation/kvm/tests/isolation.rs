//! What one execution does must not reach the next, and nothing ends an executor.

use super::*;
use iced_decoder::machine::fill;

/// How many random strings of bytes are executed.
const NR_RANDOM: u64 = 10_000;

#[test]
fn exceptions_come_with_vector_error_code_and_registers() {
    for flavour in [Flavour::MemoryUser, Flavour::MmioUser] {
        let mut executor = executor(flavour);
        let mut end = |build: fn(&mut CodeAssembler) -> Result<(), IcedError>| {
            let input = input(Window::Plain, OFFSET, build);
            let output = executor.execute(&input).unwrap();
            if matches!(&output.end, End::Raised(exception) if exception.vector != 3) {
                assert_eq!(output.registers.rip, input.registers.rip, "{flavour:?} {:?}", output.end);
                assert_eq!(output.registers.general, input.registers.general, "{flavour:?} {:?}", output.end);
            }
            output.end
        };
        assert_eq!(end(|a| a.ud2()), raised(6, None, None));
        assert_eq!(end(|a| a.div(rcx)), raised(0, None, None));
        assert_eq!(end(|a| a.hlt()), raised(13, Some(0), None));
        assert_eq!(end(|a| a.int3()), raised(3, None, None));
        // Of the gate of INT 42H ring 3 may not use; a KVM that emulates it may not know the instruction.
        let gate = end(|a| a.int(0x42));
        assert!(gate == raised(13, Some(0x42 * 8 + 2), None) || is_refusal(&gate), "{gate:?}");
        assert_eq!(end(|a| a.mov(rax, qword_ptr(0x1000))), raised(14, Some(4), Some(0x1000)));
        assert_eq!(end(|a| a.mov(qword_ptr(0x1000), rax)), raised(14, Some(6), Some(0x1000)));
        // EFER.SCE is clear, so it is #UD; a KVM that takes it for enabled jumps to 0, where nothing is.
        let syscall = executor.execute(&input(Window::Plain, OFFSET, |a| a.syscall())).unwrap();
        let no_code = raised(14, Some(0x14), Some(0));
        assert!(syscall.end == raised(6, None, None) || syscall.end == no_code, "{:?}", syscall.end);
    }
}

#[test]
fn a_loop_without_end_hangs_and_the_next_execution_works() {
    for flavour in [Flavour::MemoryUser, Flavour::MmioUser] {
        let mut executor = executor(flavour);
        let hung = bytes_input(Window::Plain, OFFSET, vec![0xeb, 0xfe]);
        assert_eq!(executor.execute(&hung).unwrap().end, End::Hung);
        let next = input(Window::Plain, OFFSET, |a| a.mov(rax, qword_ptr(rbx)));
        let output = executor.execute(&next).unwrap();
        assert_eq!(
            (output.end, output.registers.general[0].to_le_bytes().to_vec()),
            (End::Completed, read_at(&next, 8))
        );
    }
}

#[test]
fn an_endless_string_instruction_on_a_device_hangs_and_the_next_execution_works() {
    let mut executor = executor(Flavour::MmioUser);
    let next = input(Window::Plain, OFFSET, |a| a.mov(rax, qword_ptr(rbx)));
    let expected = executor.execute(&next).unwrap();
    let mut flood = input(Window::Plain, OFFSET, |a| a.rep().stosb());
    flood.registers.general[7] = Window::Plain.address();
    flood.registers.general[1] = 0x1800;
    assert_eq!(executor.execute(&flood).unwrap().end, End::Hung);
    assert_eq!(executor.execute(&next).unwrap(), expected);
    // Known to keep a KVM busy for ever.
    let sgdt = input(Window::Plain, OFFSET, |a| a.sgdt(fword_ptr(rbx)));
    executor.execute(&sgdt).unwrap();
    assert_eq!(executor.execute(&next).unwrap(), expected);
}

#[test]
fn string_moves_between_memory_and_a_device_agree() {
    let mut memory = executor(Flavour::MemoryUser);
    let mut mmio = executor(Flavour::MmioUser);
    let (device, plain) = (Window::EndsMemory.address() + 0x20, Window::EndsMemory.address() + PAGE + 0x40);
    for (from, to) in [(device, plain), (plain, device), (device, device + 0x100)] {
        let mut input = input(Window::EndsMemory, OFFSET, |a| a.rep().movsd());
        input.registers.general[1] = 5;
        (input.registers.general[6], input.registers.general[7]) = (from, to);
        let native = memory.execute(&input).unwrap();
        let mut expected = input.content();
        let [from, to] = [from, to].map(|address| (address - Window::EndsMemory.address()) as usize);
        expected.copy_within(from..from + 20, to);
        assert_eq!((&native.end, native.registers.general[1]), (&End::Completed, 0));
        assert!(native.memory == expected);
        let emulated = mmio.execute(&input).unwrap();
        assert_agree(&native, &emulated, &format!("{from:#x} to {to:#x}"));
    }
}

#[test]
fn memory_that_one_execution_wrote_is_new_for_the_next() {
    for flavour in [Flavour::MemoryUser, Flavour::MmioUser] {
        let mut executor = executor(flavour);
        // Into another window, and onto the stack.
        let other = Window::EndsMemory.address() + 8;
        let mut write = input(Window::Plain, OFFSET, |a| a.mov(qword_ptr(rbx), rcx));
        write.registers.general[3] = other;
        assert_eq!(executor.execute(&write).unwrap().end, End::Completed);
        assert_eq!(executor.execute(&input(Window::Plain, OFFSET, |a| a.push(rax))).unwrap().end, End::Completed);
        let mut read = input(Window::Plain, OFFSET, |a| a.mov(rax, qword_ptr(rbx)));
        read.registers.general[3] = other;
        assert_eq!(executor.execute(&read).unwrap().registers.general[0], 0);
        let pop = input(Window::Plain, OFFSET, |a| a.mov(rax, qword_ptr(rsp - 8)));
        assert_eq!(executor.execute(&pop).unwrap().registers.general[0], 0);
    }
}

#[test]
fn extended_state_does_not_reach_an_execution_without_any() {
    let mut executor = executor(Flavour::MemoryUser);
    let store = input(Window::Plain, OFFSET, |a| a.movups(xmmword_ptr(rbx), xmm1));
    let first = executor.execute(&store).unwrap();
    executor.execute(&with_extended(store.clone())).unwrap();
    assert_eq!(executor.execute(&store).unwrap(), first);
    assert_eq!(first.memory[OFFSET as usize..][..16], [0; 16]);
}

#[test]
fn segment_bases_are_those_of_the_input() {
    for flavour in [Flavour::MemoryUser, Flavour::MmioUser] {
        let mut executor = executor(flavour);
        let mut load = input(Window::Plain, OFFSET, |a| a.mov(rax, qword_ptr(rdx).gs()));
        load.registers.segment_bases[5] = load.registers.general[3];
        load.registers.general[2] = 0;
        for _ in 0..2 {
            let output = executor.execute(&load).unwrap();
            assert_eq!(output.registers.general[0].to_le_bytes().to_vec(), read_at(&load, 8));
            let set = input(Window::Plain, OFFSET, |a| a.wrgsbase(rcx));
            executor.execute(&set).unwrap();
        }
    }
}

#[test]
fn random_bytes_never_end_an_executor() {
    let probe = input(Window::Plain, OFFSET, |a| a.add(qword_ptr(rbx), rcx));
    for flavour in [Flavour::MemoryUser, Flavour::MmioUser] {
        let mut executor = executor(flavour);
        let expected = executor.execute(&probe).unwrap();
        for seed in 0..NR_RANDOM {
            let mut bytes = [0; 16];
            fill(seed, &mut bytes);
            let code = bytes[..1 + usize::from(bytes[15]) % 15].to_vec();
            let mut input = bytes_input(Window::Plain, OFFSET, code);
            for register in [0, 1, 2, 5, 6, 7] {
                input.registers.general[register] = Window::Plain.address() + 0x40 * register as u64;
            }
            executor.execute(&input).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            if seed % 8 == 0 {
                assert_eq!(executor.execute(&probe).unwrap(), expected, "after seed {seed}");
            }
        }
    }
}
