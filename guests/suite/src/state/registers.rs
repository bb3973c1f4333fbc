//! Groups of registers, loaded and stored by plain instructions at CPL 3, and what may come between.

use super::memory::Area;
use rt::{
    Exception, Outcome, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid, hypercall, msr, port,
    },
    io_bitmap, mmio, test_device, user, user_code,
};

type Code = extern "C" fn(u64) -> u64;

user_code!(load_x87: "fninit", "fldcw [rdi + 128]", "fld tbyte ptr [rdi + 112]", "fld tbyte ptr [rdi + 96]",
    "fld tbyte ptr [rdi + 80]", "fld tbyte ptr [rdi + 64]", "fld tbyte ptr [rdi + 48]", "fld tbyte ptr [rdi + 32]",
    "fld tbyte ptr [rdi + 16]", "fld tbyte ptr [rdi]", "ret");
user_code!(store_x87: "fnstcw [rdi + 128]", "fnstsw [rdi + 136]", "fstp tbyte ptr [rdi]", "fstp tbyte ptr [rdi + 16]",
    "fstp tbyte ptr [rdi + 32]", "fstp tbyte ptr [rdi + 48]", "fstp tbyte ptr [rdi + 64]", "fstp tbyte ptr [rdi + 80]",
    "fstp tbyte ptr [rdi + 96]", "fstp tbyte ptr [rdi + 112]", "fninit", "ret");
user_code!(load_mmx: ".irp n, 0, 1, 2, 3, 4, 5, 6, 7", "movq mm\\n, [rdi + 8 * \\n]", ".endr", "ret");
user_code!(store_mmx: ".irp n, 0, 1, 2, 3, 4, 5, 6, 7", "movq [rdi + 8 * \\n], mm\\n", ".endr", "emms", "ret");
user_code!(load_xmm: ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15", "movups xmm\\n, [rdi + 16 * \\n]",
    ".endr", "ldmxcsr [rdi + 256]", "ret");
user_code!(store_xmm: ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15", "movups [rdi + 16 * \\n], xmm\\n",
    ".endr", "stmxcsr [rdi + 256]", "mov dword ptr [rdi + 264], 0x1f80", "ldmxcsr [rdi + 264]", "ret");
user_code!(load_ymm: ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15", "vmovups ymm\\n, [rdi + 32 * \\n]",
    ".endr", "ret");
user_code!(store_ymm: ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15", "vmovups [rdi + 32 * \\n], ymm\\n",
    ".endr", "vzeroupper", "ret");
user_code!(load_zmm: ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "vmovdqu64 zmm\\n, [rdi + 64 * \\n]", ".endr", ".irp n, 0, 1, 2, 3, 4, 5, 6, 7", "kmovw k\\n, [rdi + 2048 + 8 * \\n]",
    ".endr", "ret");
user_code!(store_zmm: ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "vmovdqu64 [rdi + 64 * \\n], zmm\\n", ".endr", ".irp n, 0, 1, 2, 3, 4, 5, 6, 7", "kmovw [rdi + 2048 + 8 * \\n], k\\n",
    ".endr", "vzeroupper", "ret");

/// Registers that are loaded and stored together, as quadwords in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// ST(0) to ST(7), sixteen bytes apart of which ten count; then control word and status word.
    X87,
    /// MM0 to MM7.
    Mmx,
    /// XMM0 to XMM15, then MXCSR.
    Xmm,
    /// YMM0 to YMM15.
    Ymm,
    /// ZMM0 to ZMM31, then the low 16 bits of k0 to k7.
    Zmm,
}

/// Number of patterns that each register holds in turn.
const NR_PATTERNS: usize = 3;
/// Where the opmasks stand among the quadwords.
const FIRST_OPMASK: usize = 256;

impl Group {
    const fn code(self) -> (Code, Code) {
        match self {
            Self::X87 => (load_x87, store_x87),
            Self::Mmx => (load_mmx, store_mmx),
            Self::Xmm => (load_xmm, store_xmm),
            Self::Ymm => (load_ymm, store_ymm),
            Self::Zmm => (load_zmm, store_zmm),
        }
    }

    const fn nr_quadwords(self) -> usize {
        match self {
            Self::X87 => 18,
            Self::Mmx => 8,
            Self::Xmm => 33,
            Self::Ymm => 64,
            Self::Zmm => 264,
        }
    }

    /// What quadword `index` is loaded with.
    const fn value(self, pattern: usize, index: usize) -> u64 {
        let seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(index as u64 + 1);
        let value = match pattern {
            0 => seed,
            1 => !seed,
            _ => u64::MAX,
        };
        match self {
            // A control word with all exceptions masked, of every precision and rounding; and status with TOP at 0.
            Self::X87 if index == 16 => [0x037f, 0x0c7f, 0x077f][pattern],
            Self::X87 if index == 17 => 0,
            // The integer bit is set, so that the value is a number, infinity or NaN and keeps its tag.
            Self::X87 if index.is_multiple_of(2) => value | 1 << 63,
            Self::X87 => value & 0xffff,
            // MXCSR with all exceptions masked, and flags, rounding and flush-to-zero.
            Self::Xmm if index == 32 => [0x1fbf, 0xff80, 0x3f80][pattern],
            Self::Zmm if index >= FIRST_OPMASK => value & 0xffff,
            _ => value,
        }
    }

    /// What the control registers must allow.
    fn enable(self) -> Result<Option<With>, Exception> {
        let xcr0 = match self {
            Self::X87 | Self::Mmx | Self::Xmm => return Ok(None),
            Self::Ymm => 7,
            Self::Zmm => 0xe7,
        };
        let with = With::cr4(cr4::OSXSAVE, 0)?;
        super::xsetbv(xcr0)?;
        Ok(Some(with))
    }
}

/// What comes between the loads and the stores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// IN from the scratch register of COM1.
    Port,
    /// A read of a device's page.
    Mmio,
    /// CPUID.
    Cpuid,
    /// A hypercall of KVM.
    Hypercall,
    /// An exception, and another entry of CPL 3.
    Exception,
    /// An interrupt, and another entry of CPL 3.
    Interrupt,
}

/// The scratch register of a 16550.
const COM1_SCRATCH: u16 = 0x3ff;

user_code!(faulting: "ud2");
user_code!(vmcall: "mov eax, 12345", "push rbx", "vmcall", "pop rbx", "ret");
user_code!(vmmcall: "mov eax, 12345", "push rbx", "vmmcall", "pop rbx", "ret");
// Ends by the interrupt, or by its own return after milliseconds.
user_code!(wait_for_interrupt: "mov ecx, 10000000", "2: dec ecx", "jnz 2b", "ret");

const X2APIC_SVR: u32 = 0x80f;
const X2APIC_EOI: u32 = 0x80b;
const X2APIC_SELF_IPI: u32 = 0x83f;
/// x2APIC mode: both enable bits of IA32_APIC_BASE.
const X2APIC_MODE: u64 = 3 << 10;
/// Software enable of the local APIC, with the vector of spurious interrupts.
const SOFTWARE_ENABLE: u64 = 0x1ff;
const VECTOR: u8 = 0x41;

fn interrupt() -> Outcome {
    let base = msr::read(msr::number::IA32_APIC_BASE).unwrap_or(0);
    let _ = msr::write(msr::number::IA32_APIC_BASE, base | X2APIC_MODE);
    let _ = msr::write(X2APIC_SVR, SOFTWARE_ENABLE);
    let _ = msr::write(X2APIC_SELF_IPI, u64::from(VECTOR));
    let mut state = user::State::calling(wait_for_interrupt, 0);
    state.rflags |= 1 << 9;
    let exception = user::enter(&mut state);
    let _ = msr::write(X2APIC_EOI, 0);
    exception.into()
}

impl Event {
    /// Runs `load`, the event and `store`, and tells what the event led to.
    fn between(self, load: Code, from: Area, store: Code, to: Area) -> Outcome {
        let hypercall = match hypercall::Instruction::of_vendor() {
            hypercall::Instruction::Vmcall => vmcall as Code,
            hypercall::Instruction::Vmmcall => vmmcall,
        };
        match self {
            Self::Exception => {
                let _ = user::call(load, from.address());
                let outcome = user::call(faulting, 0);
                let _ = user::call(store, to.address());
                outcome.into()
            }
            Self::Interrupt => {
                let _ = user::call(load, from.address());
                let outcome = interrupt();
                let _ = user::call(store, to.address());
                outcome
            }
            Self::Port | Self::Mmio | Self::Cpuid | Self::Hypercall => {
                let _ports = io_bitmap::allow(COM1_SCRATCH, 1);
                user::run(|| {
                    load(from.address());
                    match self {
                        Self::Port => {
                            port::read_u8(COM1_SCRATCH);
                        }
                        Self::Mmio => {
                            mmio::read_u64(test_device::page_address(0));
                        }
                        Self::Cpuid => {
                            cpuid::read_leaf(0, 0);
                        }
                        _ => {
                            hypercall(0);
                        }
                    }
                    store(to.address());
                })
                .into()
            }
        }
    }

    const fn expected(self) -> Outcome {
        match self {
            Self::Exception => Outcome::UD,
            Self::Interrupt => Outcome::exception(VECTOR, 0),
            _ => Outcome::COMPLETED,
        }
    }
}

/// Loads every register of a group with each pattern, lets the event happen, and checks each quadword.
pub(super) fn survive(group: Group, event: Event) {
    let enabled = group.enable();
    check_outcome!(
        "control registers",
        enabled.as_ref().map(|_| ()).map_err(|exception| *exception),
        Outcome::COMPLETED
    );
    let (load, store) = group.code();
    let (from, to) = (Area::new(0), Area::new(1));
    let count = group.nr_quadwords();
    for pattern in 0..NR_PATTERNS {
        let prepared = user::run(|| {
            for index in 0..count {
                from.write(index as u64 * 8, group.value(pattern, index));
                to.write(index as u64 * 8, 0);
            }
        });
        check_outcome!("preparation", [&[]; pattern], prepared, Outcome::COMPLETED);
        check_outcome!("event", [&[]; pattern], event.between(load, from, store, to), event.expected());
        let checked = user::run(|| {
            for index in 0..count {
                let (actual, expected) = (to.read(index as u64 * 8), group.value(pattern, index));
                match pattern {
                    0 => check_eq!("quadword, each its own", [&[]; index], actual, expected),
                    1 => check_eq!("quadword, complemented", [&[]; index], actual, expected),
                    _ => check_eq!("quadword, all ones", [&[]; index], actual, expected),
                }
            }
        });
        check_outcome!("comparison", [&[]; pattern], checked, Outcome::COMPLETED);
    }
    if group != Group::X87 && group != Group::Mmx && group != Group::Xmm {
        let _ = super::xsetbv(1);
    }
    drop(enabled);
}
