//! Every combination of requested components and of XSTATE_BV, executed and compared with [`super::component`].
//!
//! All of it is done at CPL 3, and each value of the requested-feature bitmap is one row of a few checks: 0, or the first
//! combination that was wrong.

use super::{
    component::{Layout, NR_COMPONENTS, Restored, Save, bit, restored, restored_mxcsr},
    memory::Area,
    xcr0::read_supported,
    xsetbv,
};
use rt::{
    Outcome, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
    },
    user, user_code,
};

// The address in the low half of RDI, the low half of the mask in its high half.
user_code!(xsave: "mov rax, rdi", "shr rax, 32", "mov edi, edi", "xor edx, edx", "xsave64 [rdi]", "ret");
user_code!(xsaveopt: "mov rax, rdi", "shr rax, 32", "mov edi, edi", "xor edx, edx", "xsaveopt64 [rdi]", "ret");
user_code!(xsavec: "mov rax, rdi", "shr rax, 32", "mov edi, edi", "xor edx, edx", "xsavec64 [rdi]", "ret");
user_code!(xrstor: "mov rax, rdi", "shr rax, 32", "mov edi, edi", "xor edx, edx", "xrstor64 [rdi]", "ret");
user_code!(clean: "fninit", "sub rsp, 8", "mov dword ptr [rsp], 0x1f80", "ldmxcsr [rsp]", "add rsp, 8", "ret");

/// The components that are swept. AMX and MPX have states that are not any bits.
const SWEPT: u64 = bit::X87 | bit::SSE | bit::AVX | bit::AVX512 | bit::PKRU;

/// Offsets in the legacy region and the header (SDM vol. 1, "XSAVE Area").
const MXCSR: u64 = 24;
const REGISTERS_X87: u64 = 32;
const REGISTERS_SSE: u64 = 160;
pub(super) const HEADER: u64 = 512;
const HEADER_END: u64 = 576;

/// What memory holds that nothing should write.
const MARK: u64 = 0x5a5a_a5a5_5a5a_a5a5;

/// The state that the processor holds before, and the one that XRSTOR loads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    First,
    Second,
    Initial,
}

impl Contents {
    const fn mxcsr(self) -> u64 {
        match self {
            Self::First => 0x1fbf,
            Self::Second => 0x5f81,
            Self::Initial => 0x1f80,
        }
    }

    /// Quadword `index` of a component.
    const fn quadword(self, component: usize, index: usize) -> u64 {
        let seed = match self {
            Self::First => 0x0123_4567_89ab_cdef_u64,
            Self::Second => 0xfedc_ba98_7654_3211,
            Self::Initial => 0,
        };
        let value = seed.wrapping_mul((component * 512 + index) as u64 * 2 + 3);
        match (self, component, index) {
            // Control word, status word, tag byte.
            (Self::First, 0, 0) => 0xff_4100_027f,
            (Self::Second, 0, 0) => 0x0f_1800_0c7f,
            (Self::Initial, 0, 0) => 0x037f,
            (Self::Initial, ..) => 0,
            (_, 0, _) if index % 2 == 1 => value | 1 << 63,
            (_, 0, _) => value & 0xffff,
            // The key of the runtime's own pages stays allowed.
            (_, 9, _) => value & 0xffff_fffc,
            _ => value,
        }
    }
}

/// A legal XCR0 and the layout of its components.
pub(super) struct Machine {
    xcr0: u64,
    layout: Layout,
    _osxsave: With,
}

/// What the sweep over one requested-feature bitmap found: 0 or the first wrong combination.
#[derive(Default)]
struct Wrong {
    xstate_bv: u64,
    header: u64,
    components: u64,
    mxcsr: u64,
}

/// Keeps the first: bit 63, the other mask of the combination in bits 62 to 32, what was wrong in bits 31 to 0.
fn note(place: &mut u64, other: u64, what: u64) {
    if *place == 0 && what != 0 {
        *place = 1 << 63 | (other & 0x7fff_ffff) << 32 | what & 0xffff_ffff;
    }
}

impl Machine {
    /// Enables the components of `wanted` that the processor has and that are swept. Nothing if they are not legal.
    pub(super) fn new(wanted: u64) -> Option<Self> {
        let xcr0 = wanted & read_supported() & SWEPT;
        let osxsave = With::cr4(cr4::OSXSAVE, 0).ok()?;
        xsetbv(xcr0).ok()?;
        let mut layout =
            Layout { size: [0; NR_COMPONENTS], offset: [0; NR_COMPONENTS], aligned: [false; NR_COMPONENTS] };
        for component in 2..NR_COMPONENTS {
            if xcr0 >> component & 1 != 0 {
                let leaf = read_leaf(0xd, component as u32);
                layout.size[component] = u64::from(leaf.eax);
                layout.offset[component] = u64::from(leaf.ebx);
                layout.aligned[component] = leaf.ecx & 2 != 0;
            }
        }
        Some(Self { xcr0, layout, _osxsave: osxsave })
    }

    /// The components, as bits.
    pub(super) const fn xcr0(&self) -> u64 {
        self.xcr0
    }

    /// Where the compacted format with these components ends.
    pub(super) const fn compacted_size(&self, xcomp_bv: u64) -> u64 {
        self.layout.compacted_offset(NR_COMPONENTS, xcomp_bv)
    }

    fn nr_quadwords(&self, component: usize) -> usize {
        match component {
            0 => 17,
            1 => 32,
            9 => 1,
            _ => (self.layout.size[component] / 8) as usize,
        }
    }

    /// Offset of a quadword in an area of this format, and the bits of it that count.
    fn place(&self, component: usize, index: usize, xcomp_bv: u64) -> (u64, u64) {
        let at = index as u64 * 8;
        match component {
            0 if index == 0 => (0, 0xff_ffff_ffff),
            0 => (REGISTERS_X87 + at - 8, if index % 2 == 1 { u64::MAX } else { 0xffff }),
            1 => (REGISTERS_SSE + at, u64::MAX),
            _ if xcomp_bv & bit::COMPACTED != 0 => (
                self.layout.compacted_offset(component, xcomp_bv) + at,
                if component == 9 { 0xffff_ffff } else { u64::MAX },
            ),
            9 => (self.layout.offset[9], 0xffff_ffff),
            _ => (self.layout.offset[component] + at, u64::MAX),
        }
    }

    fn components(&self) -> impl Iterator<Item = usize> {
        let xcr0 = self.xcr0;
        (0..NR_COMPONENTS).filter(move |component| xcr0 >> component & 1 != 0)
    }

    /// Writes a state into an area of this format, with all of it in XSTATE_BV.
    fn put(&self, area: Area, contents: Contents, xcomp_bv: u64) {
        for component in self.components() {
            if component >= 2 && xcomp_bv & bit::COMPACTED != 0 && xcomp_bv >> component & 1 == 0 {
                continue;
            }
            for index in 0..self.nr_quadwords(component) {
                area.write(self.place(component, index, xcomp_bv).0, contents.quadword(component, index));
            }
        }
        area.write(8, 0);
        area.write(16, 0);
        area.write(MXCSR, contents.mxcsr());
        area.write(HEADER, self.xcr0);
        area.write(HEADER + 8, xcomp_bv);
        area.fill(HEADER + 16, HEADER_END, 0);
    }

    /// Whether a component in an area of this format holds these contents.
    fn holds(&self, area: Area, component: usize, contents: Contents, xcomp_bv: u64) -> bool {
        (0..self.nr_quadwords(component)).all(|index| {
            let (offset, mask) = self.place(component, index, xcomp_bv);
            (area.read(offset) ^ contents.quadword(component, index)) & mask == 0
        })
    }

    fn mark(&self, area: Area) {
        area.fill(0, HEADER_END, MARK);
        let end = self.components().map(|component| self.layout.offset[component] + self.layout.size[component]).max();
        area.fill(HEADER_END, end.unwrap_or(0).max(self.compacted_size(self.xcr0 | bit::COMPACTED)) + 64, MARK);
    }

    fn is_marked(&self, area: Area, component: usize) -> bool {
        (0..self.nr_quadwords(component)).all(|index| {
            let (offset, mask) = self.place(component, index, 0);
            (area.read(offset) ^ MARK) & mask == 0
        })
    }

    /// One combination of a save: XSTATE_BV before and what is in use follow from `other`.
    fn save_once(&self, save: Save, rfbm: u64, other: u64, wrong: &mut Wrong) {
        let (source, target) = (Area::new(0), Area::new(1));
        let (before, loaded) = if save == Save::Xsave { (other, self.xcr0) } else { (self.xcr0 & !other, other) };
        self.mark(target);
        target.write(HEADER, before);
        source.write(HEADER, loaded);
        xrstor(source.address() | self.xcr0 << 32);
        let code = match save {
            Save::Xsave => xsave,
            Save::Xsaveopt => xsaveopt,
            Save::Xsavec | Save::Xsaves => xsavec,
        };
        code(target.address() | rfbm << 32);
        // XSAVEC counts an MXCSR that is not the initial one as SSE state; XRSTOR has loaded it whatever XSTATE_BV says.
        let has_mxcsr = self.xcr0 & (bit::SSE | bit::AVX) != 0;
        let in_use = if save.is_compacting() && has_mxcsr { loaded | bit::SSE } else { loaded };
        let xcomp_bv = save.xcomp_bv(MARK, rfbm);
        let (must, may_be_either) = save.xstate_bv(before, rfbm, in_use);
        let xstate_bv = target.read(HEADER);
        note(&mut wrong.xstate_bv, other, (xstate_bv ^ must) & !may_be_either);
        let rest = (HEADER + 16..HEADER_END).step_by(8).filter(|&offset| target.read(offset) != MARK).count();
        note(&mut wrong.header, other, (target.read(HEADER + 8) ^ xcomp_bv).min(1) | (rest as u64) << 1);
        let format = if save.is_compacting() { xcomp_bv } else { 0 };
        let mut different = 0;
        for component in self.components() {
            let contents = if loaded >> component & 1 != 0 { Contents::First } else { Contents::Initial };
            let is_right = if save.writes(component as u32, rfbm, xstate_bv >> component & 1 != 0) {
                self.holds(target, component, contents, format)
            } else if rfbm >> component & 1 == 0 && (component < 2 || !save.is_compacting()) {
                self.is_marked(target, component)
            } else {
                // Either there is no place for it, or it is initial, where whether memory is written is left open.
                true
            };
            different |= u64::from(!is_right) << component;
        }
        if save.is_compacting() {
            let end = self.compacted_size(xcomp_bv);
            different |= u64::from(target.read((end + 7) & !7) != MARK) << 31;
        }
        note(&mut wrong.components, other, different);
        let mxcsr = target.read(MXCSR);
        let must_write = match save {
            Save::Xsave => rfbm & (bit::SSE | bit::AVX) != 0,
            // Whether the initial-state optimisation holds MXCSR back is left open for XSAVEOPT.
            Save::Xsaveopt => rfbm & loaded & bit::SSE != 0,
            Save::Xsavec | Save::Xsaves => rfbm & bit::SSE != 0,
        };
        if must_write {
            note(
                &mut wrong.mxcsr,
                other,
                (mxcsr as u32 as u64 ^ Contents::First.mxcsr()) | u64::from(mxcsr >> 32 == 0),
            );
        } else if rfbm & (bit::SSE | bit::AVX) == 0 {
            note(&mut wrong.mxcsr, other, (mxcsr ^ MARK).min(1));
        }
    }

    /// Every combination of components to save and of XSTATE_BV (for XSAVE), or of components in use.
    pub(super) fn sweep_save(&self, save: Save) {
        let done = user::run(|| {
            self.put(Area::new(0), Contents::First, 0);
            for rfbm in subsets(self.xcr0) {
                let mut wrong = Wrong::default();
                for other in subsets(self.xcr0) {
                    self.save_once(save, rfbm, other, &mut wrong);
                }
                check_eq!("XSTATE_BV", [&[]; rfbm], wrong.xstate_bv, 0);
                check_eq!("rest of the header", [&[]; rfbm], wrong.header, 0);
                check_eq!("components", [&[]; rfbm], wrong.components, 0);
                check_eq!("MXCSR", [&[]; rfbm], wrong.mxcsr, 0);
            }
            clean(0);
        });
        check_outcome!("no exception", done, Outcome::COMPLETED);
    }

    fn restore_once(&self, rfbm: u64, xstate_bv: u64, xcomp_bv: u64, wrong: &mut Wrong) {
        let (first, second, after) = (Area::new(0), Area::new(1), Area::new(2));
        xrstor(first.address() | self.xcr0 << 32);
        second.write(HEADER, xstate_bv);
        xrstor(second.address() | rfbm << 32);
        xsave(after.address() | self.xcr0 << 32);
        let contents = |restored| match restored {
            Restored::Kept => Contents::First,
            Restored::Initialised => Contents::Initial,
            Restored::Loaded => Contents::Second,
        };
        let mut different = 0;
        for component in self.components() {
            let expected = contents(restored(component as u32, rfbm, xstate_bv));
            different |= u64::from(!self.holds(after, component, expected, 0)) << component;
        }
        note(&mut wrong.components, xstate_bv, different);
        if self.xcr0 & bit::SSE != 0 {
            let expected = contents(restored_mxcsr(xcomp_bv != 0, rfbm, xstate_bv)).mxcsr();
            note(&mut wrong.mxcsr, xstate_bv, u64::from(after.read(MXCSR) as u32) ^ expected);
        }
    }

    /// Every combination of components to restore and of XSTATE_BV, in this format: XCOMP_BV as a function of XSTATE_BV.
    pub(super) fn sweep_restore(&self, xcomp_bv: fn(xstate_bv: u64, xcr0: u64) -> u64) {
        let done = user::run(|| {
            self.put(Area::new(0), Contents::First, 0);
            let mut former = None;
            // The format changes with XSTATE_BV at most, so that is a row here.
            for xstate_bv in subsets(self.xcr0) {
                let format = xcomp_bv(xstate_bv, self.xcr0);
                if former != Some(format) {
                    self.put(Area::new(1), Contents::Second, format);
                    former = Some(format);
                }
                let mut wrong = Wrong::default();
                for rfbm in subsets(self.xcr0) {
                    self.restore_once(rfbm, xstate_bv, format, &mut wrong);
                }
                check_eq!("components, by XSTATE_BV", [&[]; xstate_bv], wrong.components, 0);
                check_eq!("MXCSR, by XSTATE_BV", [&[]; xstate_bv], wrong.mxcsr, 0);
            }
            clean(0);
        });
        check_outcome!("no exception", done, Outcome::COMPLETED);
    }
}

/// Every subset of a set of bits, the empty one first.
fn subsets(set: u64) -> impl Iterator<Item = u64> {
    let mut next = Some(0);
    core::iter::from_fn(move || {
        let current = next?;
        let following = (current | !set).wrapping_add(1) & set;
        next = (following != 0).then_some(following);
        Some(current)
    })
}
