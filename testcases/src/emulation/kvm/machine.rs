//! The VM with its tables, and all state in its place before an execution.

use super::{Flavour, batch, forced, layout, state, tables};
use crate::emulation::{compare::describe, run::is_invalid_opcode};
use iced_decoder::{
    Bitness, Registers,
    machine::{
        End, Extended, Input, fill,
        window::{self, PAGE, Window},
    },
};
use kvm_bindings::{kvm_sregs, kvm_vcpu_events};
use std::{cell::RefCell, error::Error, ops::Range};
use vmm::{Hypervisor, reusable::ReusableVm};

/// What code pages hold beside the instruction: `out 0xe6, al` at every address.
const OUT: u8 = layout::END_PORT as u8;
/// The same for processors that do not let CPL 3 have the port: INT3, which costs an exception more.
pub(super) const INT3: u8 = 0xcc;
/// Vector of the general-protection fault.
const GENERAL_PROTECTION: u8 = 13;
/// The longest instruction in bytes.
pub(super) const INSTRUCTION_MAX: usize = 15;
/// NOP.
const NOP: u8 = 0x90;
/// Component bits of XCR0: x87, SSE, AVX and the three of AVX-512.
const COMPONENTS: u64 = 0xe7;

/// The pages of code in guest memory.
const CODE_PAGES: Range<usize> = layout::CODE as usize..(layout::CODE + window::NR_CODE_PAGES * PAGE) as usize;

pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// A VM that is ready to execute.
pub(super) struct Machine {
    pub(super) vm: ReusableVm,
    /// What stands before every instruction.
    prefix: &'static [u8],
    /// What stands everywhere else in code pages, and ends executions.
    pub(super) ending: u8,
    /// What differs between modes.
    modes: [ModeState; 3],
    events: kvm_vcpu_events,
    /// Extended state of those who bring none.
    initial: Extended,
    /// The code bytes of the last execution within the code pages.
    code: Range<usize>,
    /// Whether extended state can differ from the initial one.
    extended_used: bool,
    /// Where the program of batches saves.
    pub(super) batch_save: u64,
    /// Whether debug registers can differ from those at reset.
    pub(super) debug_used: bool,
}

/// What an executor knows of a mode.
#[derive(Clone, Copy)]
struct ModeState {
    /// Special registers as KVM reads them back.
    special: kvm_sregs,
    /// Whether the special registers are those that KVM gives: found out when the mode is first used, because most
    /// executors use one.
    is_calibrated: bool,
    /// Whether RIP is behind `out` when KVM tells of it; known from the first one on. Where KVM interprets a mode it may
    /// do what it does not elsewhere.
    out_moves_rip: Option<bool>,
}

fn index(bitness: Bitness) -> usize {
    match bitness {
        Bitness::Bits64 => 0,
        Bitness::Bits32 => 1,
        Bitness::Bits16 => 2,
    }
}

impl Machine {
    pub(super) fn new(hypervisor: &Hypervisor, flavour: Flavour) -> Result<Self, Failure> {
        let mut vm = ReusableVm::new(hypervisor, layout::MEMORY_SIZE)?;
        tables::write(vm.memory_mut(), flavour)?;
        vm.memory_mut()[CODE_PAGES].fill(OUT);
        let (program, batch_save) = batch::program()?;
        let at = layout::BATCH_CODE as usize;
        vm.memory_mut()[at..at + program.len()].copy_from_slice(&program);
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
        let modes = [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16].map(|bitness| ModeState {
            special: state::special(&reset, bitness, flavour.mode(), cr4),
            is_calibrated: false,
            out_moves_rip: None,
        });
        if xcr0 != 0 {
            vm.set_xcr0(xcr0)?;
        }
        let initial = Extended::initial(0);
        let mut machine = Self {
            vm,
            prefix: if flavour.is_forced() { &forced::PREFIX } else { &[] },
            ending: OUT,
            modes,
            events,
            initial,
            code: 0..0,
            extended_used: true,
            batch_save,
            debug_used: false,
        };
        // Batches need it, whatever the mode of the first input is.
        machine.calibrate(Bitness::Bits64)?;
        Ok(machine)
    }

    /// Ends executions by INT3 from now on.
    pub(super) fn end_by_int3(&mut self) {
        self.ending = INT3;
        self.empty_memory();
    }

    /// Finds out whether a mode works, and how KVM reads back the special registers that it was given, so that changes
    /// can be told from its habits.
    ///
    /// # Errors
    /// That KVM cannot execute in this mode, and what it did instead. The machine is of no use then.
    pub(super) fn calibrate(&mut self, bitness: Bitness) -> Result<(), Failure> {
        if self.modes[index(bitness)].is_calibrated {
            return Ok(());
        }
        let (rip, behind) = (window::CODE + window::CODE_OFFSET, window::CODE + window::CODE_OFFSET + 1);
        let input = Input {
            bitness,
            code: vec![NOP],
            registers: Registers { rip, bitness, ..Registers::default() },
            extended: None,
            window: Window::Plain,
            memory_seed: 0,
            memory: Vec::new(),
        };
        self.modes[index(bitness)].is_calibrated = true;
        self.prepare(&input)?;
        // Takes the registers over and reads them back, no more.
        self.vm.complete()?;
        let state = *self.vm.state();
        self.modes[index(bitness)].special = state.sregs;
        let ended = self.run(&input, &mut Vec::new())?;
        let place = ended.registers.rip;
        let is_port_closed = matches!(&ended.end, End::Raised(raised) if raised.vector == GENERAL_PROTECTION);
        if is_port_closed && place == behind && self.ending == OUT {
            // QEMU's TCG looks for the bitmap in a TSS that is not busy only, which that of a guest never is.
            self.end_by_int3();
            self.modes[index(bitness)].is_calibrated = false;
            return self.calibrate(bitness);
        }
        if !self.prefix.is_empty() && is_invalid_opcode(&ended.end) && place == rip - self.prefix.len() as u64 {
            return Err(forced::missing().into());
        }
        if ended.is_spent || ended.end != End::Completed || place != behind {
            let (bits, end) = (bitness.bits(), describe(&ended.end));
            return Err(format!(
                "KVM cannot execute in {bits}-bit mode here: NOP at {rip:#x} ends at {place:#x} instead of {behind:#x}, {end}"
            )
            .into());
        }
        Ok(())
    }

    /// Whether RIP is behind `out` in this mode; `seen` is what the first one shows.
    pub(super) fn out_moves_rip(&mut self, bitness: Bitness, seen: bool) -> bool {
        *self.modes[index(bitness)].out_moves_rip.get_or_insert(seen)
    }

    /// Puts all state in its place.
    pub(super) fn prepare(&mut self, input: &Input) -> Result<(), Failure> {
        let offset = input.registers.rip.wrapping_sub(window::CODE);
        if offset >= PAGE {
            return Err(format!("RIP {:#x} is not in the first page of code", input.registers.rip).into());
        }
        if !(1..=INSTRUCTION_MAX).contains(&input.code.len()) {
            return Err(format!("{} bytes are no instruction", input.code.len()).into());
        }
        let nr_before = self.prefix.len() as u64;
        let Some(start) = offset.checked_sub(nr_before) else {
            return Err(format!("RIP {:#x} leaves no place for a prefix before it", input.registers.rip).into());
        };
        self.calibrate(input.bitness)?;
        self.prepare_memory(input, (layout::CODE + start) as usize);
        if let Some(extended) = &input.extended {
            self.vm.set_extended(extended.bytes())?;
        } else if self.extended_used {
            self.vm.set_extended(self.initial.bytes())?;
        }
        self.extended_used = input.extended.is_some() || state::uses_extended(input);
        let [.., fs, gs] = input.registers.segment_bases;
        self.prepare_special(input.bitness, [fs, gs])?;
        let mut regs = state::to_kvm(&input.registers);
        regs.rip -= nr_before;
        self.vm.set_regs(&regs);
        Ok(())
    }

    /// Special registers, debug registers and events, where they are not as they should be.
    pub(super) fn prepare_special(&mut self, bitness: Bitness, [fs, gs]: [u64; 2]) -> Result<(), Failure> {
        if self.debug_used {
            let reset = kvm_bindings::kvm_debugregs { dr6: 0xffff_0ff0, dr7: 0x400, ..Default::default() };
            self.vm.vcpu().set_debug_regs(&reset)?;
            self.debug_used = false;
        }
        let mut special = self.modes[index(bitness)].special;
        (special.fs.base, special.gs.base) = (fs, gs);
        let is_same = self.vm.state().sregs == special;
        if !is_same {
            self.vm.set_sregs(&special);
        }
        let events = self.vm.state().events;
        let (exception, interrupt, nmi) = (events.exception, events.interrupt, events.nmi);
        if exception.injected | exception.pending | interrupt.injected | interrupt.shadow | nmi.masked != 0 {
            let events = self.events;
            self.vm.set_events(&events);
        }
        Ok(())
    }

    /// Whether the stack and all data windows are zero.
    pub(super) fn is_memory_empty(&self) -> bool {
        self.vm.memory()[layout::STACK as usize..layout::DATA_END as usize].iter().fold(0, |all, byte| all | byte) == 0
    }

    /// Makes them so, and code pages too.
    pub(super) fn empty_memory(&mut self) {
        let memory = self.vm.memory_mut();
        clear(&mut memory[layout::STACK as usize..layout::DATA_END as usize]);
        memory[CODE_PAGES].fill(self.ending);
        self.code = 0..0;
    }

    fn prepare_memory(&mut self, input: &Input, code: usize) {
        let memory = self.vm.memory_mut();
        memory[self.code.clone()].fill(self.ending);
        self.code = code..code + self.prefix.len() + input.code.len();
        let (prefix, own) = memory[self.code.clone()].split_at_mut(self.prefix.len());
        prefix.copy_from_slice(self.prefix);
        own.copy_from_slice(&input.code);
        let own = backing(input.window);
        clear(&mut memory[layout::STACK as usize..own.start]);
        clear(&mut memory[own.end..layout::DATA_END as usize]);
        fill_content(input, &mut memory[own]);
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
}

/// Where the backing of a window is in guest memory.
fn backing(window: Window) -> Range<usize> {
    let start = layout::backing(window) as usize;
    start..start + window::SIZE
}

thread_local! {
    /// The sequence that was made last, which executors on the same thread share: comparing them gives each the same
    /// input, and making the sequence costs as much as half an entry of the guest.
    static SEQUENCE: RefCell<(Option<u64>, Vec<u8>)> = const { RefCell::new((None, Vec::new())) };
}

/// The same as [`Input::fill_content`], cheaper the second time; `own` has the size of a window.
pub(super) fn fill_content(input: &Input, own: &mut [u8]) {
    SEQUENCE.with_borrow_mut(|(seed, bytes)| {
        if *seed != Some(input.memory_seed) {
            bytes.resize(window::SIZE, 0);
            fill(input.memory_seed, bytes);
            *seed = Some(input.memory_seed);
        }
        own.copy_from_slice(bytes);
    });
    for &(offset, value) in &input.memory {
        if let Some(byte) = own.get_mut(usize::from(offset)) {
            *byte = value;
        }
    }
}

/// Makes memory zero that nearly always is: looking is cheaper than writing.
fn clear(memory: &mut [u8]) {
    for page in memory.chunks_mut(PAGE as usize) {
        if page.iter().fold(0, |all, byte| all | byte) != 0 {
            page.fill(0);
        }
    }
}
