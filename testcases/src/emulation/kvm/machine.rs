//! The VM with its tables, and one entry after the other until an execution has ended.

use super::{Flavour, device, layout, state, tables};
use iced_decoder::{
    Access, Bitness, Registers,
    machine::{
        End, Exception, Extended, Input,
        window::{self, PAGE, Window},
    },
};
use kvm_bindings::{kvm_regs, kvm_sregs, kvm_vcpu_events};
use kvm_ioctls::VcpuExit;
use std::{error::Error, ops::Range};
use vmm::{
    Hypervisor,
    reusable::{ReusableVm, TICK_MS},
};

/// What an execution may use of a processor before it is taken for hung, in milliseconds; at most one tick more.
const LIMIT_MS: u32 = 60;
/// How many accesses to devices an execution may make.
const NR_ACCESSES_MAX: usize = 4096;
/// What code pages can be full of, so that the guest leaves behind the instruction and anywhere else in these pages:
/// INT3, whose handler leaves; or `out 0xe6, al` at every address, for modes in which KVM cannot do the former.
const ENDINGS: [u8; 2] = [0xcc, layout::END_PORT as u8];
/// Size of `out imm8, al` in bytes.
const OUT_SIZE: u64 = 2;
/// Vectors that push an error code (Intel SDM vol. 3A, "Error Code").
const WITH_ERROR_CODE: [u8; 10] = [8, 10, 11, 12, 13, 14, 17, 21, 29, 30];
/// Vectors by name.
mod vector {
    pub(super) const DEBUG: u8 = 1;
    pub(super) const BREAKPOINT: u8 = 3;
    pub(super) const PAGE_FAULT: u8 = 14;
}
/// The longest instruction in bytes.
const INSTRUCTION_MAX: usize = 15;
/// Component bits of XCR0: x87, SSE, AVX and the three of AVX-512.
const COMPONENTS: u64 = 0xe7;

/// The pages of code in guest memory.
const CODE_PAGES: Range<usize> = layout::CODE as usize..(layout::CODE + window::NR_CODE_PAGES * PAGE) as usize;

pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// How an execution ended on KVM, with what the output needs.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) registers: Registers,
    /// Whether the VM has to be made anew.
    pub(super) is_spent: bool,
}

/// A VM that is ready to execute.
pub(super) struct Machine {
    vm: ReusableVm,
    /// What differs between 64 and 32-bit mode.
    modes: [ModeState; 2],
    /// What code pages are filled with.
    ending: u8,
    /// Whether RIP is behind `out` when KVM tells of it; known from the first one on.
    out_moves_rip: Option<bool>,
    events: kvm_vcpu_events,
    /// Extended state of those who bring none.
    initial: Extended,
    /// The code bytes of the last execution within the code pages.
    code: Range<usize>,
    /// Whether extended state can differ from the initial one.
    extended_used: bool,
    /// Whether debug registers can differ from those at reset.
    debug_used: bool,
}

/// How the guest left for good.
enum Left {
    /// The instruction is done, and the guest was not entered again.
    Completed,
    /// By HLT.
    Halted,
    /// By the port that ends executions.
    Out,
    /// KVM does not execute this, and can go on with something else.
    Refused(String),
    /// KVM cannot go on.
    Dead(String),
    /// It did not leave in time, or made too many accesses.
    Hung,
}

/// What an executor knows of a mode.
#[derive(Clone, Copy)]
struct ModeState {
    /// Special registers as KVM reads them back.
    special: kvm_sregs,
    /// One of [`ENDINGS`]; nothing if KVM cannot execute in this mode.
    ending: Option<u8>,
}

fn index(bitness: Bitness) -> usize {
    usize::from(bitness != Bitness::Bits64)
}

impl Machine {
    pub(super) fn new(hypervisor: &Hypervisor, flavour: Flavour) -> Result<Self, Failure> {
        let mut vm = ReusableVm::new(hypervisor, layout::MEMORY_SIZE)?;
        tables::write(vm.memory_mut(), flavour)?;
        // Where KVM lacks it, the emulator's refusals look like #UD.
        vm.exit_on_emulation_failure();
        let leaf = |function, index| {
            let entries = hypervisor.supported_cpuid().as_slice();
            entries.iter().find(|entry| (entry.function, entry.index) == (function, index))
        };
        let mut cr4 = 0;
        if leaf(7, 0).is_some_and(|leaf| leaf.ebx & 1 != 0) {
            cr4 |= state::CR4_FSGSBASE;
        }
        let xcr0 = leaf(0xd, 0).map_or(0, |leaf| u64::from(leaf.eax)) & COMPONENTS;
        if xcr0 != 0 {
            cr4 |= state::CR4_OSXSAVE;
        }
        let reset = vm.state().sregs;
        let events = vm.state().events;
        let modes = [Bitness::Bits64, Bitness::Bits32]
            .map(|bitness| ModeState { special: state::special(&reset, bitness, flavour.mode(), cr4), ending: None });
        if xcr0 != 0 {
            vm.set_xcr0(xcr0)?;
        }
        let initial = Extended::initial(0);
        let mut machine = Self {
            vm,
            modes,
            ending: 0,
            out_moves_rip: None,
            events,
            initial,
            code: 0..0,
            extended_used: true,
            debug_used: false,
        };
        machine.calibrate()?;
        Ok(machine)
    }

    /// Finds an ending for each mode, and learns how KVM reads back the special registers that it was given, so that
    /// changes can be told from its habits.
    fn calibrate(&mut self) -> Result<(), Failure> {
        let mut failures = String::new();
        for bitness in [Bitness::Bits64, Bitness::Bits32] {
            for ending in ENDINGS {
                let rip = window::CODE + window::CODE_OFFSET;
                let input = Input {
                    bitness,
                    code: Vec::new(),
                    registers: Registers { rip, bitness, ..Registers::default() },
                    extended: None,
                    window: Window::Plain,
                    memory_seed: 0,
                    memory: Vec::new(),
                };
                self.modes[index(bitness)].ending = Some(ending);
                self.prepare(&input)?;
                // Takes the registers over and reads them back, no more.
                self.vm.complete()?;
                let state = *self.vm.state();
                self.modes[index(bitness)].special = state.sregs;
                self.events = state.events;
                let ended = self.run(&input, &mut Vec::new())?;
                if ended.end == End::Completed && ended.registers.rip == rip {
                    break;
                }
                failures +=
                    &format!("; ending {ending:#x} in {bitness:?}: {:?} at {:#x}", ended.end, ended.registers.rip);
                if ended.is_spent {
                    return Err(format!("the VM cannot be used{failures}").into());
                }
                self.modes[index(bitness)].ending = None;
            }
        }
        match self.modes[0].ending {
            Some(_) => Ok(()),
            None => Err(format!("no ending works{failures}").into()),
        }
    }

    /// Puts all state in its place.
    pub(super) fn prepare(&mut self, input: &Input) -> Result<(), Failure> {
        let offset = input.registers.rip.wrapping_sub(window::CODE);
        if offset >= PAGE {
            return Err(format!("RIP {:#x} is not in the first page of code", input.registers.rip).into());
        }
        if input.code.len() > INSTRUCTION_MAX {
            return Err(format!("{} bytes are no instruction", input.code.len()).into());
        }
        let mode = self.modes[index(input.bitness)];
        let ending = mode.ending.filter(|_| input.bitness != Bitness::Bits16);
        let Some(ending) = ending else { return Err(format!("cannot execute in {:?}", input.bitness).into()) };
        self.prepare_memory(input, (layout::CODE + offset) as usize, ending);
        if let Some(extended) = &input.extended {
            self.vm.set_extended(extended.bytes())?;
        } else if self.extended_used {
            self.vm.set_extended(self.initial.bytes())?;
        }
        self.extended_used = input.extended.is_some() || uses_extended(input);
        if self.debug_used {
            let reset = kvm_bindings::kvm_debugregs { dr6: 0xffff_0ff0, dr7: 0x400, ..Default::default() };
            self.vm.vcpu().set_debug_regs(&reset)?;
            self.debug_used = false;
        }
        let [.., fs, gs] = input.registers.segment_bases;
        let mut special = mode.special;
        (special.fs.base, special.gs.base) = (fs, gs);
        let is_same = self.vm.state().sregs == special;
        if !is_same {
            self.vm.set_sregs(&special);
        }
        let events = self.vm.state().events;
        if events.exception != self.events.exception
            || events.interrupt != self.events.interrupt
            || events.nmi != self.events.nmi
        {
            let events = self.events;
            self.vm.set_events(&events);
        }
        self.vm.set_regs(&state::to_kvm(&input.registers));
        Ok(())
    }

    fn prepare_memory(&mut self, input: &Input, code: usize, ending: u8) {
        let memory = self.vm.memory_mut();
        if self.ending == ending {
            memory[self.code.clone()].fill(ending);
        } else {
            memory[CODE_PAGES].fill(ending);
            self.ending = ending;
        }
        self.code = code..code + input.code.len();
        memory[self.code.clone()].copy_from_slice(&input.code);
        let own = backing(input.window);
        clear(&mut memory[layout::STACK as usize..own.start]);
        clear(&mut memory[own.end..(layout::DATA as usize + Window::ALL.len() * window::SIZE)]);
        input.fill_content(&mut memory[own]);
    }

    /// Content of a window.
    pub(super) fn content(&self, window: Window) -> &[u8] {
        &self.vm.memory()[backing(window)]
    }

    /// Extended state of a size.
    pub(super) fn extended(&self, size: usize) -> Result<Extended, Failure> {
        let mut bytes = vec![0; size];
        self.vm.extended(&mut bytes)?;
        Ok(Extended::from_bytes(bytes))
    }

    /// Enters the guest until the instruction has ended.
    pub(super) fn run(&mut self, input: &Input, accesses: &mut Vec<Access>) -> Result<Ended, Failure> {
        let behind = behind(input);
        self.vm.start_ticks()?;
        let (mut has_access, mut nr_port_accesses) = (false, 0);
        loop {
            // After an access the emulator may have the rest of the instruction done without an entry.
            let exit = if has_access { self.vm.complete()? } else { self.vm.enter()? };
            let was_completion = std::mem::take(&mut has_access);
            let left = match exit {
                VcpuExit::MmioRead(address, data) => {
                    let mut buffer = [0xff; 8];
                    let size = data.len();
                    let told = device::read(self.vm.memory(), address, &mut buffer[..size]);
                    self.vm.answer(&buffer[..size]);
                    accesses.extend(told);
                    has_access = true;
                    None
                }
                VcpuExit::MmioWrite(address, data) => {
                    let mut buffer = [0; 8];
                    let size = data.len();
                    buffer[..size].copy_from_slice(data);
                    accesses.extend(device::write(self.vm.memory_mut(), address, &buffer[..size]));
                    has_access = true;
                    None
                }
                VcpuExit::Intr => self.interrupted(was_completion, behind),
                VcpuExit::IoOut(layout::END_PORT, _) => {
                    let rip = self.vm.state().regs.rip;
                    if *self.out_moves_rip.get_or_insert(rip != behind) {
                        Some(Left::Out)
                    } else {
                        // It would move it when the next execution starts.
                        self.vm.complete()?;
                        Some(Left::Out)
                    }
                }
                VcpuExit::Hlt => Some(Left::Halted),
                VcpuExit::InternalError => Some(self.refusal()),
                VcpuExit::Shutdown => Some(Left::Dead("KVM_EXIT_SHUTDOWN".into())),
                // Ring 0 may use ports: there is nothing on them.
                VcpuExit::IoIn(_, data) => {
                    data.fill(0xff);
                    nr_port_accesses += 1;
                    has_access = true;
                    None
                }
                VcpuExit::IoOut(..) => {
                    nr_port_accesses += 1;
                    has_access = true;
                    None
                }
                exit => Some(Left::Dead(name(&exit))),
            };
            if let Some(left) = left {
                return Ok(self.ended(input, left));
            }
            if accesses.len() + nr_port_accesses > NR_ACCESSES_MAX {
                return Ok(self.ended(input, Left::Hung));
            }
        }
    }

    /// What follows an exit without a reason.
    fn interrupted(&mut self, was_completion: bool, behind: u64) -> Option<Left> {
        let state = self.vm.state();
        let exception = state.events.exception;
        if was_completion && state.regs.rip == behind && exception.injected | exception.pending == 0 {
            return Some(Left::Completed);
        }
        (self.vm.ticks() * u64::from(TICK_MS) > u64::from(LIMIT_MS)).then_some(Left::Hung)
    }

    /// Makes an output's registers and end of where the guest stands.
    fn ended(&mut self, input: &Input, left: Left) -> Ended {
        let state = *self.vm.state();
        let mut regs = state.regs;
        let code = input.registers.rip..behind(input);
        let mut is_spent = false;
        let end = match left {
            Left::Completed => End::Completed,
            Left::Halted => match self.exception(&mut regs, state.sregs.cr2) {
                // Ring 0 may halt.
                None => End::Completed,
                Some(Exception { vector: vector::BREAKPOINT, .. }) if !code.contains(&regs.rip.wrapping_sub(1)) => {
                    regs.rip = regs.rip.wrapping_sub(1);
                    End::Completed
                }
                Some(exception) => {
                    self.debug_used |= exception.vector == vector::DEBUG;
                    End::Raised(exception)
                }
            },
            Left::Out => {
                regs.rip = regs.rip.wrapping_sub(OUT_SIZE);
                match code.contains(&regs.rip) {
                    true => End::Refused("it writes to the port that ends executions".into()),
                    false => End::Completed,
                }
            }
            Left::Refused(text) => End::Refused(text),
            Left::Dead(text) => {
                is_spent = true;
                End::Refused(text)
            }
            Left::Hung => {
                is_spent = true;
                End::Hung
            }
        };
        Ended { end, registers: state::from_kvm(&regs, &state.sregs, &input.registers), is_spent }
    }

    /// The exception whose handler has been reached; `regs` become those of its frame.
    fn exception(&self, regs: &mut kvm_regs, cr2: u64) -> Option<Exception> {
        let handlers = layout::SYSTEM + layout::HANDLERS;
        let offset = regs.rip.checked_sub(handlers).filter(|offset| *offset <= PAGE)?;
        let vector = u8::try_from(offset / layout::HANDLER_STEP).ok()?;
        let has_error_code = WITH_ERROR_CODE.contains(&vector);
        let frame = regs.rsp.checked_sub(layout::SYSTEM)? as usize;
        let memory = self.vm.memory();
        let word = |number: usize| -> Option<u64> {
            let at = frame.checked_add(number * 8)?;
            memory.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
        };
        let first = usize::from(has_error_code);
        let error_code = if has_error_code { word(0)? as u32 } else { 0 };
        (regs.rip, regs.rflags, regs.rsp) = (word(first)?, word(first + 2)?, word(first + 3)?);
        Some(Exception {
            vector,
            error_code: has_error_code.then_some(error_code),
            address: (vector == vector::PAGE_FAULT).then_some(cr2),
        })
    }

    fn refusal(&mut self) -> Left {
        const EMULATION: u32 = 1;
        const HAS_BYTES: u64 = 1;
        let (suberror, data) = self.vm.internal_error();
        Left::Refused(match (suberror, data.first()) {
            (EMULATION, Some(flags)) if flags & HAS_BYTES != 0 => "KVM_INTERNAL_ERROR_EMULATION with its bytes".into(),
            (EMULATION, _) => "KVM_INTERNAL_ERROR_EMULATION without bytes".into(),
            _ => format!("KVM_EXIT_INTERNAL_ERROR {suberror}"),
        })
    }
}

/// Address of the byte behind the instruction.
fn behind(input: &Input) -> u64 {
    input.registers.rip.wrapping_add(input.code.len() as u64)
}

/// Where the backing of a window is in guest memory.
fn backing(window: Window) -> Range<usize> {
    let start = layout::backing(window) as usize;
    start..start + window::SIZE
}

/// Makes memory zero that nearly always is: looking is cheaper than writing.
fn clear(memory: &mut [u8]) {
    for page in memory.chunks_mut(PAGE as usize) {
        if page.iter().fold(0, |all, byte| all | byte) != 0 {
            page.fill(0);
        }
    }
}

/// Whether code may leave extended state changed: everything but one plain instruction.
fn uses_extended(input: &Input) -> bool {
    use iced_decoder::iced_x86::{CpuidFeature, Decoder, DecoderOptions, EncodingKind, FlowControl};
    let mut decoder = Decoder::with_ip(input.bitness.bits(), &input.code, input.registers.rip, DecoderOptions::NONE);
    let instruction = decoder.decode();
    let is_plain = instruction.len() == input.code.len()
        && instruction.encoding() == EncodingKind::Legacy
        && instruction.flow_control() == FlowControl::Next
        && instruction.cpuid_features().iter().all(|feature| {
            matches!(
                feature,
                CpuidFeature::INTEL8086
                    | CpuidFeature::INTEL186
                    | CpuidFeature::INTEL286
                    | CpuidFeature::INTEL386
                    | CpuidFeature::INTEL486
                    | CpuidFeature::X64
                    | CpuidFeature::CMOV
                    | CpuidFeature::CX8
                    | CpuidFeature::CMPXCHG16B
                    | CpuidFeature::MOVBE
                    | CpuidFeature::POPCNT
                    | CpuidFeature::ADX
            )
        });
    !is_plain
}

/// The name of an exit without the numbers in it.
fn name(exit: &VcpuExit<'_>) -> String {
    let text = format!("{exit:?}");
    let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
    format!("KVM exit {}", &text[..end])
}
