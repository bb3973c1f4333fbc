//! Bytes that are no instruction, and instructions that would leave the harness: each executor, the oracle, the shrinker and
//! `cargo xtask run repro:` tell what they are or how they ended, nothing hangs or panics, and the next input is not
//! affected.

#![forbid(unsafe_code)]

use iced_decoder::{
    Bitness, Predictor, Registers, Unpredictable,
    machine::{
        End, Executor, Input, Mode, Output,
        window::{CODE, CODE_OFFSET, PAGE, STACK, Window},
    },
    shrink,
};
use std::{fs, path::Path, sync::Arc};
use testcases::emulation::{
    kvm::{Flavour, KvmExecutor},
    native::Native,
    repro,
};
use vmm::Hypervisor;

/// How the processor ends at CPL 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// No executor takes it.
    Error,
    /// An exception of this vector.
    Raises(u8),
    /// It is completed, wherever it leads to.
    Completes,
    /// The kernel takes it.
    Refused,
    /// It never ends.
    Hangs,
    /// Processors differ, or the kernel decides.
    Any,
}
use Ends::{Any, Completes, Error, Hangs, Raises, Refused};

const UNDEFINED: Ends = Raises(6);
const PROTECTED: Ends = Raises(13);

/// Bytes in hexadecimal, mode, how the processor ends, and what it is.
const ROWS: &[(&str, u32, Ends, &str)] = &[
    ("", 64, Error, "no byte"),
    ("90909090909090909090909090909090", 64, Error, "16 bytes"),
    ("66666666666666666666666666666690", 64, Error, "NOP of 16 bytes"),
    ("666666666666666666666666666690", 64, Completes, "NOP of 15 bytes"),
    ("666666666666666666666666666666", 64, PROTECTED, "15 prefixes"),
    ("2e2e2e2e2e2e2e2e2e2e2e488b4500", 64, Completes, "MOV of 15 bytes"),
    ("2e2e2e2e2e2e2e2e2e2e2e488b4500", 32, Any, "DEC and MOV"),
    ("488b", 64, Any, "the start of MOV"),
    ("0f04", 64, UNDEFINED, "an opcode that is none"),
    ("0fff", 64, Any, "UD0 without ModR/M"),
    ("0f0b", 64, UNDEFINED, "UD2"),
    ("06", 64, UNDEFINED, "PUSH ES in 64-bit mode"),
    ("d6", 64, UNDEFINED, "SALC in 64-bit mode"),
    ("c4e2", 64, Any, "the start of a VEX prefix"),
    ("62f17c48", 64, Any, "the start of an EVEX prefix"),
    ("f08b03", 64, UNDEFINED, "LOCK MOV"),
    ("f4", 64, PROTECTED, "HLT"),
    ("f4", 32, PROTECTED, "HLT"),
    ("f4", 16, PROTECTED, "HLT"),
    ("fa", 64, PROTECTED, "CLI"),
    ("fb", 64, PROTECTED, "STI"),
    ("0f20c0", 64, PROTECTED, "MOV RAX, CR0"),
    ("0f22c0", 64, PROTECTED, "MOV CR0, RAX"),
    ("0f22d8", 64, PROTECTED, "MOV CR3, RAX"),
    ("0f22e0", 64, PROTECTED, "MOV CR4, RAX"),
    ("440f22c0", 64, PROTECTED, "MOV CR8, RAX"),
    ("0f23c0", 64, PROTECTED, "MOV DR0, RAX"),
    ("0f23f8", 64, PROTECTED, "MOV DR7, RAX"),
    ("0f06", 64, PROTECTED, "CLTS"),
    ("0f01f0", 64, PROTECTED, "LMSW AX"),
    ("0f0113", 64, PROTECTED, "LGDT"),
    ("0f011b", 64, PROTECTED, "LIDT"),
    ("0f00d0", 64, PROTECTED, "LLDT AX"),
    ("0f00d8", 64, PROTECTED, "LTR AX"),
    ("0f30", 64, PROTECTED, "WRMSR"),
    ("0f32", 64, PROTECTED, "RDMSR"),
    ("0f08", 64, PROTECTED, "INVD"),
    ("0f09", 64, PROTECTED, "WBINVD"),
    ("0f013b", 64, PROTECTED, "INVLPG"),
    ("0f01f8", 64, PROTECTED, "SWAPGS"),
    ("0f01d1", 64, PROTECTED, "XSETBV"),
    ("e460", 64, PROTECTED, "IN AL, 60H"),
    ("e660", 64, PROTECTED, "OUT 60H, AL"),
    ("6c", 64, PROTECTED, "INSB"),
    ("6e", 64, PROTECTED, "OUTSB"),
    ("480f07", 64, Any, "SYSRET"),
    ("0f35", 64, Any, "SYSEXIT"),
    ("0f01c1", 64, Any, "VMCALL"),
    ("0f01d9", 64, Any, "VMMCALL"),
    ("0f01c2", 64, Any, "VMLAUNCH"),
    ("0f01d8", 64, Any, "VMRUN"),
    ("0f01c8", 64, Any, "MONITOR"),
    ("0f01c9", 64, Any, "MWAIT"),
    ("ebfe", 64, Hangs, "a jump to itself"),
    ("ebfe", 32, Hangs, "a jump to itself"),
    ("e900000010", 64, Completes, "a jump far away"),
    ("e800000010", 64, Completes, "a call far away"),
    ("ffe0", 64, Completes, "JMP RAX"),
    ("ff23", 64, Any, "JMP [RBX]"),
    ("ff13", 64, Any, "CALL [RBX]"),
    ("c3", 64, Completes, "RET"),
    ("c20800", 64, Completes, "RET 8"),
    ("e2fe", 64, Any, "LOOP to itself"),
    ("7400", 64, Completes, "JE to the next"),
    ("ff2b", 64, Any, "JMP far [RBX]"),
    ("ff1b", 64, Any, "CALL far [RBX]"),
    ("ea000000002000", 32, Any, "JMP 20H:0"),
    ("9a000000002000", 32, Any, "CALL 20H:0"),
    ("cb", 64, Any, "RETF"),
    ("48cf", 64, Any, "IRETQ"),
    ("cf", 32, Any, "IRETD"),
    ("cf", 16, Any, "IRET"),
    ("cc", 64, Raises(3), "INT3"),
    ("f1", 64, Raises(1), "INT1"),
    ("cd20", 64, PROTECTED, "INT 20H"),
    ("cd80", 64, Refused, "INT 80H"),
    ("cdfe", 64, PROTECTED, "INT FEH"),
    ("ce", 32, Any, "INTO"),
    ("ce", 64, UNDEFINED, "INTO in 64-bit mode"),
    ("0f05", 64, Refused, "SYSCALL"),
    ("0f34", 64, Any, "SYSENTER"),
    ("0f34", 32, Any, "SYSENTER"),
    ("0f0103", 64, Refused, "SGDT"),
    ("0f010b", 64, Refused, "SIDT"),
    ("0f00c0", 64, Refused, "SLDT EAX"),
    ("0f00c8", 64, Refused, "STR EAX"),
    ("0f01e0", 64, Refused, "SMSW EAX"),
    ("8ed0", 64, Any, "MOV SS, EAX"),
    ("8ed8", 64, Any, "MOV DS, EAX"),
    ("8ee8", 64, Any, "MOV GS, EAX"),
    ("0fb213", 64, Any, "LSS EDX, [RBX]"),
    ("9d", 64, Any, "POPF"),
    ("0fa2", 64, Completes, "CPUID"),
    ("0f31", 64, Completes, "RDTSC"),
    ("f390", 64, Completes, "PAUSE"),
    ("c8000000", 64, Completes, "ENTER"),
    ("c9", 64, Any, "LEAVE"),
    ("f30faed0", 64, Completes, "WRFSBASE EAX"),
    ("0fae2b", 64, Any, "XRSTOR"),
    ("0f01d0", 64, Any, "XGETBV"),
    ("0f01ef", 64, Any, "WRPKRU"),
    ("c7f800000000", 64, Any, "XBEGIN"),
    ("0f01ca", 64, Any, "CLAC"),
];

fn bytes(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn bitness(bits: u32) -> Bitness {
    [Bitness::Bits16, Bitness::Bits32, Bitness::Bits64].into_iter().find(|bitness| bitness.bits() == bits).unwrap()
}

/// Every register but RSP points into the window.
fn input(code: &[u8], bitness: Bitness) -> Input {
    let mut registers = Registers { rip: CODE + CODE_OFFSET, bitness, ..Registers::default() };
    registers.general = [Window::Plain.address() + 0x100; 16];
    registers.general[4] = STACK + PAGE;
    if bitness != Bitness::Bits64 {
        registers.general[8..].fill(0);
    }
    Input {
        bitness,
        code: code.to_vec(),
        registers,
        extended: None,
        window: Window::Plain,
        memory_seed: 3,
        memory: Vec::new(),
    }
}

fn rows() -> impl Iterator<Item = (Input, Ends, String)> {
    ROWS.iter().map(|&(code, bits, ends, what)| {
        (input(&bytes(code), bitness(bits)), ends, format!("{what} ({code}) in {bits}-bit mode"))
    })
}

/// `add rax, [rbx]` and `push rax`: uses registers, flags, memory and stack.
fn plain() -> [Input; 2] {
    [input(&[0x48, 0x03, 0x03], Bitness::Bits64), input(&[0x50], Bitness::Bits64)]
}

fn outputs(executor: &mut dyn Executor) -> [Output; 2] {
    plain().map(|input| executor.execute(&input).unwrap())
}

fn ends(output: &Output) -> Ends {
    match &output.end {
        End::Completed => Completes,
        End::Raised(exception) => Raises(exception.vector),
        End::Refused(_) => Refused,
        End::Hung => Hangs,
    }
}

#[test]
fn the_processor_tells_how_they_end() {
    let mut native = match Native::start() {
        Ok(native) => native,
        Err(error) => return eprintln!("no native execution: not tested here: {error}"),
    };
    let expected = outputs(&mut native);
    for (input, wanted, what) in rows() {
        match (native.execute(&input), wanted) {
            (Err(error), Error) => assert!(error.text.contains("bytes are no instruction"), "{what}: {error}"),
            (Err(error), Any) => assert!(error.text.contains("cannot execute"), "{what}: {error}"),
            (Ok(_), Any) => {}
            (Ok(output), wanted) => assert_eq!(ends(&output), wanted, "{what}"),
            (Err(error), wanted) => panic!("{what}: {error} instead of {wanted:?}"),
        }
        assert!(outputs(&mut native) == expected, "what {what} does reaches the next input");
    }
}

#[test]
fn they_cost_no_other_input_of_a_batch() {
    let Ok(mut native) = Native::start() else { return eprintln!("no native execution: not tested here") };
    let [plain, _] = plain();
    let expected = native.execute(&plain).unwrap();
    // Those that hang only take time.
    let bad: Vec<_> = rows().filter(|(_, ends, _)| *ends != Hangs).map(|(input, ..)| input).collect();
    let inputs: Vec<_> = bad.iter().flat_map(|bad| [bad.clone(), plain.clone()]).collect();
    let outputs = native.execute_many(&inputs);
    assert_eq!(outputs.len(), inputs.len());
    for (output, input) in outputs.iter().skip(1).step_by(2).zip(&bad) {
        assert!(output.as_ref().is_ok_and(|output| *output == expected), "behind {:02x?}: {output:?}", input.code);
    }
}

#[test]
fn executors_on_kvm_survive_them() {
    if !Path::new("/dev/kvm").exists() {
        return eprintln!("no /dev/kvm: not tested here");
    }
    let hypervisor = Arc::new(Hypervisor::open().unwrap());
    for flavour in Flavour::ALL {
        let mut executor = match KvmExecutor::new(hypervisor.clone(), flavour) {
            Ok(executor) => executor,
            Err(error) => {
                eprintln!("{}: not tested here: {error}", flavour.name());
                continue;
            }
        };
        let expected = outputs(&mut executor);
        for (input, wanted, what) in rows() {
            let name = flavour.name();
            if input.bitness != Bitness::Bits64 && executor.can_execute(input.bitness).is_err() {
                continue;
            }
            match executor.execute(&input) {
                Err(error) => assert!(error.text.starts_with(name) && error.text.len() > name.len() + 5, "{error}"),
                Ok(output) if wanted == Error => panic!("{what} on {name}: {:?}", output.end),
                Ok(_) => {}
            }
            assert!(outputs(&mut executor) == expected, "what {what} does on {name} reaches the next input");
        }
    }
}

#[test]
fn the_oracle_says_what_is_wrong_with_them() {
    for mode in [Mode::User, Mode::Supervisor] {
        let mut predictor = Predictor::new(mode);
        for (input, _, what) in rows() {
            match predictor.predict(&input) {
                Err(error) => assert!(error.to_string().len() > 10, "{what}: {error}"),
                // Of more bytes than an instruction has, the first are one.
                Ok(prediction) => assert!((1..=input.code.len()).contains(&prediction.instruction.len()), "{what}"),
            }
        }
        let predict = |predictor: &mut Predictor, code: &str| predictor.predict(&input(&bytes(code), Bitness::Bits64));
        for code in
            ["f4", "0f22c0", "ebfe", "c3", "ff2b", "48cf", "cc", "cd80", "0f05", "0f0103", "8ed0", "9d", "0f01d9"]
        {
            let result = predict(&mut predictor, code);
            assert!(matches!(result, Err(Unpredictable::Form(..))), "{code}: {result:?}");
        }
        for code in ["06", "d6", "66666666666666666666666666666690"] {
            assert_eq!(predict(&mut predictor, code), Err(Unpredictable::Undecodable), "{code}");
        }
        assert_eq!(predict(&mut predictor, "488b"), Err(Unpredictable::Incomplete(2)));
        assert_eq!(predict(&mut predictor, ""), Err(Unpredictable::Incomplete(0)));
    }
}

#[test]
fn the_shrinker_ends_whatever_it_is_given() {
    for (input, _, what) in rows() {
        let mut nr_tries = 0;
        let unchanged = shrink::shrink(&input, &mut |_| {
            nr_tries += 1;
            false
        });
        assert_eq!(unchanged, input, "{what}");
        let smallest = shrink::shrink(&input, &mut |_| {
            nr_tries += 1;
            true
        });
        assert!(smallest.code.len() <= input.code.len() && nr_tries <= 2 * shrink::MAX_TRIES, "{what}");
    }
}

#[test]
fn reproducers_of_them_are_told_or_refused() {
    if Native::start().is_err() {
        return eprintln!("no native execution: not tested here");
    }
    let folder = tempfile::tempdir().unwrap();
    for (input, wanted, what) in rows() {
        repro::write(folder.path(), &input, None).unwrap();
        match (repro::replay(&repro::name(&input), &[folder.path()], true), wanted) {
            (Ok((text, agrees)), Completes | Raises(_) | Any) => assert!(agrees && text.contains("native"), "{text}"),
            (Err(error), Error) => {
                let text = format!("{error:#}");
                assert!(text.contains(".repro:1: field code is"), "{what}: {text}");
            }
            (Err(error), Refused | Hangs | Any) => assert!(format!("{error:#}").len() > 20, "{what}: {error:#}"),
            (result, wanted) => panic!("{what}: {result:?} instead of {wanted:?}"),
        }
    }
}

#[test]
fn broken_reproducers_are_told_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = input(&[0x90], Bitness::Bits64);
    let name = repro::name(&good);
    let path = folder.path().join(format!("{name}.repro"));
    let other = Input { memory_seed: 4, ..good.clone() };
    for (content, expected) in [
        (String::new(), ":1: field mode is missing"),
        ("mode=64\non=native\n".to_owned(), ":1: field code is missing"),
        ("mode=64 code=xx\non=native\n".to_owned(), ":1: field code is `xx`"),
        (format!("{good}\non=nothing\n"), ":2: `on=nothing` is not `on=` and an executor"),
        (format!("{good}\nnative\n"), ":2: `native` is not `on=` and an executor"),
        (format!("{good}\non=native\nmore\n"), ":3: `more` is too much"),
        (format!("{other}\non=native\n"), "not the one that it is named after"),
        ("\u{0}\u{1}".to_owned(), ":1: "),
    ] {
        fs::write(&path, &content).unwrap();
        let error = format!("{:#}", repro::replay(&name, &[folder.path()], false).unwrap_err());
        assert!(error.contains(expected) && error.contains(&name), "{content:?}: {error}");
    }
    fs::write(&path, [0xff, 0xfe]).unwrap();
    let error = format!("{:#}", repro::replay(&name, &[folder.path()], false).unwrap_err());
    assert!(error.contains("failed to read") && error.contains(&name), "{error}");
}
