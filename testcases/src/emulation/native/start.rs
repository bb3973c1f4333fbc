//! The start of the child as a list of system calls: what it maps, what it unmaps, which signals it takes, and the
//! filter that lets no further system call through.

use super::{
    layout::{
        GATE, RUNNER, SHARED, USER_END, data_offset,
        shared::{self, SIGNAL_STACK_SIZE},
        shared_address,
    },
    system::KICK,
};
use iced_decoder::machine::window::{self, Page, Window};

/// Size of a step in words of eight bytes: number, six arguments, expectation, expected value.
pub(super) const STEP_WORDS: usize = 9;
/// The call must not fail.
pub(super) const EXPECT_SUCCESS: u64 = 0;
/// The call may fail.
pub(super) const EXPECT_NOTHING: u64 = 1;
/// The call must return the expected value.
pub(super) const EXPECT_EQUAL: u64 = 2;

/// Selector of the code segment of 16 bits: the first of the child's own descriptor table.
pub(super) const CODE_16: u64 = 0b111;

/// Number of the system call that ends the list.
const END: u64 = u64::MAX;
/// Function of MODIFY_LDT that writes one entry.
const LDT_WRITE: u64 = 0x11;
/// `contents` of `struct user_desc`: code that is not conforming.
const SEGMENT_CODE: u64 = 2 << 1;
/// `limit_in_pages`.
const SEGMENT_LIMIT_IN_PAGES: u64 = 1 << 4;
/// `useable`.
const SEGMENT_USEABLE: u64 = 1 << 6;
/// The largest number of a signal.
const LAST_SIGNAL: u64 = 64;
/// Space for the list of steps in bytes; what the steps point to follows.
const STEPS_SIZE: usize = 0x2000;

/// Addresses in the program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Where [`Start::tables`] will stand.
    pub(super) tables: u64,
    /// The handler of signals.
    pub(super) handler: u64,
    /// What handlers return to.
    pub(super) restorer: u64,
    /// The instruction behind the one SYSCALL of the runner's loop.
    pub(super) futex: u64,
}

/// The list of steps as the runner reads it.
#[derive(Debug)]
pub(super) struct Start {
    /// The steps, and behind them what they point to.
    pub(super) tables: Vec<u8>,
    /// Their names.
    pub(super) names: Vec<&'static str>,
}

#[derive(Debug, Default)]
struct Steps {
    words: Vec<u64>,
    names: Vec<&'static str>,
}

impl Steps {
    fn push(&mut self, name: &'static str, call: i64, arguments: &[u64]) {
        self.push_expecting(name, call, arguments, EXPECT_SUCCESS, 0);
    }

    fn push_expecting(&mut self, name: &'static str, call: i64, arguments: &[u64], expectation: u64, value: u64) {
        self.words.push(call as u64);
        self.words.extend((0..6).map(|index| arguments.get(index).copied().unwrap_or(0)));
        self.words.extend([expectation, value]);
        self.names.push(name);
    }

    fn map(&mut self, name: &'static str, address: u64, nr_pages: u64, protection: i32, offset: usize) {
        let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE | libc::MAP_POPULATE;
        let size = nr_pages * window::PAGE;
        let arguments = [address, size, protection as u64, flags as u64, 0, offset as u64];
        self.push_expecting(name, libc::SYS_mmap, &arguments, EXPECT_EQUAL, address);
    }
}

/// The start of a child whose standard input is the shared memory and whose parent is `harness`.
pub(super) fn start(places: &Places, harness: u32) -> Start {
    let mut pointed = Pointed { address: places.tables + STEPS_SIZE as u64, bytes: Vec::new() };
    let mut steps = Steps::default();
    let kill = libc::SIGKILL as u64;
    steps.push("be killed with its parent", libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG as u64, kill]);
    let parent = u64::from(harness);
    steps.push_expecting("find its parent", libc::SYS_getppid, &[], EXPECT_EQUAL, parent);
    // With a limit of one byte nothing is written to a file or piped to a program (Linux, fs/coredump.c).
    let one_byte = pointed.put_words(&[1, 1]);
    steps.push("leave no core file", libc::SYS_prlimit64, &[0, u64::from(libc::RLIMIT_CORE), one_byte, 0]);
    map_memory(&mut steps);
    steps.push("close its files", libc::SYS_close_range, &[0, u64::from(u32::MAX), 0]);
    // Base 0 and limit 4 GiB, as the code segments of the other modes. Where kernels have no such tables, the processor
    // refuses inputs of 16 bits.
    let flags = SEGMENT_CODE | SEGMENT_LIMIT_IN_PAGES | SEGMENT_USEABLE;
    let segment = pointed.put_words(&[0, 0xf_ffff | flags << 32]);
    steps.push_expecting("have 16-bit code", libc::SYS_modify_ldt, &[LDT_WRITE, segment, 16], EXPECT_NOTHING, 0);
    take_signals(&mut steps, &mut pointed, places);
    steps.push("gain no privileges", libc::SYS_prctl, &[libc::PR_SET_NO_NEW_PRIVS as u64, 1]);
    let filter = filter(places);
    let program = pointed.put(&filter);
    let header = pointed.put_words(&[filter.len() as u64, program]);
    let filter_mode = u64::from(libc::SECCOMP_SET_MODE_FILTER);
    // Older kernels would otherwise slow down every filtered process, against attacks that have no place here.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    steps.push("filter its system calls", libc::SYS_seccomp, &[filter_mode, flags, header]);

    let mut tables: Vec<u8> = steps.words.iter().chain(&[END]).flat_map(|word| word.to_le_bytes()).collect();
    debug_assert!(tables.len() <= STEPS_SIZE, "the steps take more than their space");
    tables.resize(STEPS_SIZE, 0);
    tables.extend(pointed.bytes);
    Start { tables, names: steps.names }
}

/// Maps the shared memory and the windows, and unmaps all that the kernel maps for every process: an instruction under
/// test finds there what it would find in an empty address space.
fn map_memory(steps: &mut Steps) {
    let read_write = libc::PROT_READ | libc::PROT_WRITE;
    let nr_pages = (shared::SIZE / window::PAGE as usize) as u64;
    steps.map("map the shared memory", SHARED, nr_pages, read_write, 0);
    let end = SHARED + shared::SIZE as u64;
    steps.push("unmap what lies below it", libc::SYS_munmap, &[0, RUNNER]);
    // A kernel that seals the pages of the vDSO refuses; then these and the stack stay, at random high addresses.
    steps.push_expecting("unmap what lies above it", libc::SYS_munmap, &[end, USER_END - end], EXPECT_NOTHING, 0);

    let executable = libc::PROT_READ | libc::PROT_EXEC;
    steps.map("map the code", window::CODE, window::NR_CODE_PAGES, executable, shared::CODE);
    steps.map("map the stack window", window::STACK, window::NR_STACK_PAGES, read_write, shared::STACK);
    steps.map("map the gate", GATE, 1, executable, shared::GATE);
    for window in Window::ALL {
        for (index, page) in window.pages().into_iter().enumerate() {
            let protection = match page {
                Page::Tested | Page::Memory => read_write,
                Page::ReadOnly => libc::PROT_READ,
                Page::Absent => continue,
            };
            let distance = index * window::PAGE as usize;
            let address = window.address() + distance as u64;
            steps.map("map a data window", address, 1, protection, data_offset(window) + distance);
        }
    }
}

/// Gives every signal its default, but for those that instructions lead to and for the one that ends an execution.
fn take_signals(steps: &mut Steps, pointed: &mut Pointed, places: &Places) {
    let stack = [shared_address(shared::SIGNAL_STACK), 0, SIGNAL_STACK_SIZE as u64];
    let stack = pointed.put_words(&stack);
    steps.push("have a stack for signals", libc::SYS_sigaltstack, &[stack, 0]);
    let restorer_flag = 0x0400_0000; // SA_RESTORER, which the C library keeps to itself.
    let flags = (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER) as u64 | restorer_flag;
    let handled = pointed.put_words(&[places.handler, flags, places.restorer, 0]);
    let default = pointed.put_words(&[0, 0, 0, 0]);
    let set_size = 8;
    for signal in 1..=LAST_SIGNAL {
        let is_handled = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS, KICK]
            .contains(&(signal as i32));
        match signal as i32 {
            libc::SIGKILL | libc::SIGSTOP => {}
            _ if is_handled => {
                steps.push("handle signals", libc::SYS_rt_sigaction, &[signal, handled, 0, set_size]);
            }
            _ => steps.push("reset signals", libc::SYS_rt_sigaction, &[signal, default, 0, set_size]),
        }
    }
    let empty = pointed.put_words(&[0]);
    let set_mask = libc::SIG_SETMASK as u64;
    steps.push("unblock signals", libc::SYS_rt_sigprocmask, &[set_mask, empty, 0, set_size]);
}

/// Lets through the FUTEX of the runner's loop and the RT_SIGRETURN of its restorer, told by their addresses. All
/// others, which are the instruction's under test, give SIGSYS.
///
/// Source: Linux, Documentation/userspace-api/seccomp_filter.rst.
fn filter(places: &Places) -> [[u8; 8]; FILTER_LENGTH] {
    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const POINTER_LOW: u32 = 8;
    const POINTER_HIGH: u32 = 12;
    const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
    // MOV EAX, SYS_rt_sigreturn and SYSCALL.
    let restored = places.restorer + 7;
    // (code, jump if true, jump if false, operand); jumps count from the next instruction.
    let program = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 0, 10, AUDIT_ARCH_X86_64),
        (LOAD, 0, 0, POINTER_HIGH),
        (JUMP_IF_EQUAL, 0, 8, (places.futex >> 32) as u32),
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_EQUAL, 2, 0, libc::SYS_futex as u32),
        (JUMP_IF_EQUAL, 3, 0, libc::SYS_rt_sigreturn as u32),
        (RETURN, 0, 0, libc::SECCOMP_RET_TRAP),
        (LOAD, 0, 0, POINTER_LOW),
        (JUMP_IF_EQUAL, 3, 2, places.futex as u32),
        (LOAD, 0, 0, POINTER_LOW),
        (JUMP_IF_EQUAL, 1, 0, restored as u32),
        (RETURN, 0, 0, libc::SECCOMP_RET_TRAP),
        (RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    program.map(|(code, if_true, if_false, operand): (u16, u8, u8, u32)| {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&code.to_le_bytes());
        bytes[2..4].copy_from_slice(&[if_true, if_false]);
        bytes[4..].copy_from_slice(&operand.to_le_bytes());
        bytes
    })
}

/// Instructions of the filter.
const FILTER_LENGTH: usize = 14;

/// What steps point to.
#[derive(Debug)]
struct Pointed {
    address: u64,
    bytes: Vec<u8>,
}

impl Pointed {
    /// Adds parts and gives the address of the first.
    fn put<const N: usize>(&mut self, parts: &[[u8; N]]) -> u64 {
        let address = self.address + self.bytes.len() as u64;
        self.bytes.extend(parts.iter().flatten());
        address
    }

    fn put_words(&mut self, words: &[u64]) -> u64 {
        let address = self.address + self.bytes.len() as u64;
        self.bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        address
    }
}
