//! Code of 16 bits, in compatibility mode, with the stack and the data of 32 bits that a process has.

use super::*;
use crate::emulation::native::Native;

/// Whatever the flavour, KVM can execute it: CPL 3 and CPL 0, natively or by its emulator.
const FLAVOURS: [Flavour; 4] =
    [Flavour::MemoryUser, Flavour::MmioUser, Flavour::MemorySupervisor, Flavour::MmioSupervisor];
/// DI, which 16-bit addresses use.
const DI: usize = 7;

/// EBX points to the operand, and so does DI with the base of FS.
fn input16(code: &[u8]) -> Input {
    let mut input = bytes_input(Window::Plain, OFFSET, code.to_vec());
    (input.bitness, input.registers.bitness) = (Bitness::Bits16, Bitness::Bits16);
    input.registers.general = input.registers.general.map(|value| value & 0xffff_ffff);
    input.registers.general[8..].fill(0);
    input.registers.general[DI] = 0x7777_0000 + OFFSET;
    input.registers.segment_bases[4] = Window::Plain.address();
    input
}

fn word(input: &Input) -> u64 {
    read_at(input, 2).into_iter().rev().fold(0, |word, byte| word << 8 | u64::from(byte))
}

#[test]
fn code_of_16_bits_does_on_kvm_what_the_processor_does() {
    let mut native = Native::start().unwrap();
    let rows: [(&str, &[u8]); 12] = [
        ("mov ax, [fs:di]", &[0x64, 0x8b, 0x05]),
        ("mov [fs:di+10h], ax", &[0x64, 0x89, 0x45, 0x10]),
        ("mov ax, [fs:1234h], a displacement of 16 bits", &[0x64, 0xa1, 0x34, 0x12]),
        ("add [ebx], cx", &[0x67, 0x01, 0x0b]),
        ("add [ebx], ecx", &[0x66, 0x67, 0x01, 0x0b]),
        ("inc eax", &[0x66, 0x40]),
        ("push ax, by ESP", &[0x50]),
        ("push dword [ebx]", &[0x66, 0x67, 0xff, 0x33]),
        ("lea ax, [di-1], of 16 bits", &[0x8d, 0x45, 0xff]),
        ("lea eax, [edi-1], of 32 bits", &[0x66, 0x67, 0x8d, 0x47, 0xff]),
        ("ud2", &[0x0f, 0x0b]),
        ("mov [di], ax where nothing is", &[0x89, 0x05]),
    ];
    for flavour in FLAVOURS {
        let mut executor = executor(flavour);
        executor.can_execute(Bitness::Bits16).unwrap();
        for (name, code) in rows {
            let input = input16(code);
            let mut expected = native.execute(&input).unwrap();
            if let End::Raised(Exception { vector: 14, error_code: Some(code), .. }) = &mut expected.end
                && flavour.mode() == Mode::Supervisor
            {
                *code &= !4;
            }
            let mut actual = executor.execute(&input).unwrap();
            // Not compared: what belongs to the executor.
            (expected.registers.rflags, actual.registers.rflags) =
                (expected.registers.rflags & 0x8d5, actual.registers.rflags & 0x8d5);
            assert_agree(&expected, &actual, &format!("{flavour:?} {name}"));
        }
    }
}

#[test]
fn results_of_16_bit_code_are_known() {
    for flavour in FLAVOURS {
        let mut executor = executor(flavour);
        // MOV AX, [FS:DI].
        let load = input16(&[0x64, 0x8b, 0x05]);
        let output = executor.execute(&load).unwrap();
        assert_eq!(output.registers.general[0], 0x0101_0000 | word(&load), "{flavour:?}");
        assert_eq!(output.registers.rip, load.registers.rip + 3, "{flavour:?}");
        if flavour.is_mmio() {
            let address = Window::Plain.address() + OFFSET;
            assert_eq!(output.accesses.unwrap(), [access(Direction::Read, address, 2)]);
        }
        // A jump drops the upper half of EIP, where no code is.
        let jump = executor.execute(&input16(&[0xeb, 0x00])).unwrap();
        assert!(matches!(jump.end, End::Raised(Exception { vector: 14, .. })), "{flavour:?} {:?}", jump.end);
        assert_eq!(jump.registers.rip, (window::CODE + window::CODE_OFFSET + 2) & 0xffff, "{flavour:?}");
    }
}

#[test]
fn selectors_of_16_bit_code_are_those_of_a_process() {
    // MOV AX, CS and MOV AX, SS.
    for code in [[0x8c, 0xc8], [0x8c, 0xd0]] {
        let input = input16(&code);
        let expected = Native::start().unwrap().execute(&input).unwrap().registers.general;
        for flavour in [Flavour::MemoryUser, Flavour::MmioUser] {
            assert_eq!(executor(flavour).execute(&input).unwrap().registers.general, expected, "{flavour:?} {code:x?}");
        }
    }
}

#[test]
fn modes_alternate_on_one_executor() {
    for flavour in FLAVOURS {
        let mut executor = executor(flavour);
        for _ in 0..20 {
            // INC AX, INC EAX, and with its REX prefix INC RAX.
            for (bitness, code) in [
                (Bitness::Bits16, vec![0x40]),
                (Bitness::Bits32, vec![0x40]),
                (Bitness::Bits64, vec![0x48, 0xff, 0xc0]),
            ] {
                let mut input = input16(&code);
                (input.bitness, input.registers.bitness) = (bitness, bitness);
                input.registers.general[0] = 0xffff;
                let expected = if bitness == Bitness::Bits16 { 0 } else { 0x1_0000 };
                let output = executor.execute(&input).unwrap();
                assert_eq!((output.end, output.registers.general[0]), (End::Completed, expected), "{flavour:?}");
            }
        }
    }
}
