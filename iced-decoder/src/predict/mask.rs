//! Which elements of a memory operand a mask selects.
//!
//! Source: Intel SDM vol. 1, "Programming with Intel AVX-512", "Opmask Registers" and "Masking and Fault Suppression"; vol. 2A,
//! "EVEX-Encoded Instruction Exception Class Summary" and table "EVEX Instructions in Each Exception Class"; vol. 2,
//! "VMASKMOV", "VPMASKMOV", "MASKMOVQ", "MASKMOVDQU".

use super::{memory, operand::Operand, pieces::split_at_pages};
use crate::{
    access::{Access, Direction},
    machine::{Input, VECTOR_BYTES},
};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

/// What a mask says of a memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Masking {
    /// All of the operand is accessed.
    None,
    /// There is a mask, but the input does not tell its value.
    Unknown,
    /// These elements are accessed.
    Elements {
        /// The elements.
        elements: Elements,
        /// Whether the operand with all of its elements selected is accessed as one without a mask.
        is_whole_plain: bool,
    },
}

/// What an element that a mask does not select may raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// Nothing: faults are suppressed.
    Suppressed,
    /// The same as the others: the operand is checked as a whole.
    Checked,
    /// Either, depending on the processor.
    Open,
}

/// The elements of a memory operand, some of which are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elements {
    /// Linear address of the first element.
    pub(super) address: u64,
    /// Size of all elements in bytes.
    pub(super) size_bytes: u32,
    /// Size of one of them in bytes.
    pub(super) element_bytes: u32,
    /// A bit for each element that is selected.
    pub(super) selected: u64,
    /// What an element that is not selected may raise.
    pub(super) others: Others,
}

impl Elements {
    /// Address and size of what lies from the first to the last element that is selected; the size is 0 if there is none.
    pub(super) fn hull(&self) -> (u64, u32) {
        if self.selected == 0 {
            return (self.address, 0);
        }
        let first = self.selected.trailing_zeros();
        let nr = self.selected.ilog2() + 1 - first;
        (self.address.wrapping_add(u64::from(first * self.element_bytes)), nr * self.element_bytes)
    }

    /// Whether every element is selected.
    pub(super) fn is_whole(&self) -> bool {
        self.selected == low_bits(self.size_bytes / self.element_bytes)
    }

    /// The accesses that may be made, each within a page. Stores leave all other elements alone, so that they are told as
    /// runs of selected elements; loads may read any part of the operand in pages that hold a selected element.
    pub(super) fn for_each_access(&self, direction: Direction, mut with: impl FnMut(Access)) {
        let (start, size_bytes) = self.hull();
        if direction == Direction::Read {
            let end = start.wrapping_add(size_bytes.into());
            let is_all = self.others == Others::Checked;
            split_at_pages(&memory(self.address, self.size_bytes, direction)).for_each(|access| {
                if is_all || access.address < end && access.address.wrapping_add(access.size_bytes.into()) > start {
                    with(access);
                }
            });
            return;
        }
        let (mut rest, mut first) = (self.selected, 0);
        while rest != 0 {
            let skipped = rest.trailing_zeros();
            let nr = (rest >> skipped).trailing_ones();
            first += skipped;
            let address = self.address.wrapping_add(u64::from(first * self.element_bytes));
            split_at_pages(&memory(address, nr * self.element_bytes, direction)).for_each(&mut with);
            first += nr;
            rest = rest.checked_shr(skipped + nr).unwrap_or(0);
        }
    }
}

impl Operand {
    /// Narrows an operand to what its mask selects.
    pub(super) fn apply(&mut self, masking: Masking) {
        let Masking::Elements { elements, is_whole_plain } = masking else {
            let is_certain = masking == Masking::None;
            self.is_read_certain &= is_certain;
            self.is_write_certain &= is_certain;
            return;
        };
        let is_certain = is_whole_plain && elements.is_whole();
        self.is_read_certain &= is_certain;
        self.is_write_certain &= is_certain;
        if elements.others != Others::Checked {
            (self.address, self.size_bytes) = elements.hull();
        }
        self.elements = Some(elements);
    }

    /// Linear address of all of the operand, whatever a mask selects.
    pub(super) fn start(&self) -> u64 {
        self.elements.map_or(self.address, |elements| elements.address)
    }

    /// The same operand as if its mask selected everything, if the elements that it does not select may fault.
    pub(super) fn with_others(&self) -> Option<Self> {
        let elements = self.elements.filter(|elements| elements.others == Others::Open && !elements.is_whole())?;
        Some(Self { address: elements.address, size_bytes: elements.size_bytes, ..*self })
    }

    /// The accesses that may be made, each within a page.
    pub(super) fn for_each_access(&self, direction: Direction, with: impl FnMut(Access)) {
        match &self.elements {
            Some(elements) => elements.for_each_access(direction, with),
            None => split_at_pages(&memory(self.address, self.size_bytes, direction)).for_each(with),
        }
    }
}

/// What the mask of an instruction says of its memory operand of `size_bytes` at `address`.
pub(super) fn masking(instruction: &Instruction, input: &Input, address: u64, size_bytes: u32) -> Masking {
    if size_bytes == 0 {
        return Masking::None;
    }
    let (element_bytes, selected, others) = if instruction.op_mask() != Register::None {
        let Some(opmask) = opmask(instruction, input) else { return Masking::Unknown };
        let (element_bytes, selected) = by_opmask(instruction, opmask, size_bytes);
        let others = others(instruction);
        (element_bytes, selected, others)
    } else {
        match by_signs(instruction, input) {
            None => return Masking::None,
            Some(None) => return Masking::Unknown,
            Some(Some(found)) => found,
        }
    };
    let elements = Elements {
        address,
        size_bytes,
        element_bytes,
        selected: selected & low_bits(size_bytes / element_bytes.max(1)),
        others,
    };
    // How the moves by a mask in a vector access memory is specific to an implementation, whatever the mask.
    Masking::Elements { elements, is_whole_plain: instruction.op_mask() != Register::None }
}

/// Value of the opmask register that masks the instruction.
pub(super) fn opmask(instruction: &Instruction, input: &Input) -> Option<u64> {
    input.extended.as_ref().map(|extended| extended.opmask(instruction.op_mask().number()))
}

/// Size of an element of memory in bytes, and which of them an opmask selects.
fn by_opmask(instruction: &Instruction, opmask: u64, size_bytes: u32) -> (u32, u64) {
    let info = instruction.op_code();
    let element_bytes = (instruction.memory_size().element_size() as u32).clamp(1, size_bytes);
    if instruction.is_broadcast() {
        let nr = info.memory_size().size() as u32 / size_bytes;
        return (size_bytes, u64::from(opmask & low_bits(nr) != 0));
    }
    if is_compressed(instruction.mnemonic()) {
        // The selected elements of the register are next to each other in memory.
        let nr = (opmask & low_bits(size_bytes / element_bytes)).count_ones();
        return (element_bytes, low_bits(nr));
    }
    if is_broadcast_load(instruction.mnemonic()) {
        // Memory is repeated until the register is full.
        let nr = size_bytes / element_bytes;
        let nr_lanes = instruction.op0_register().size() as u32 / size_bytes;
        let repeated = opmask & low_bits(nr * nr_lanes);
        let folded = (0..nr_lanes).fold(0, |folded, lane| folded | repeated.checked_shr(lane * nr).unwrap_or(0));
        return (element_bytes, folded & low_bits(nr));
    }
    // Products of smaller elements are added up: the broadcast form tells what the mask counts.
    let element_bytes = match info.broadcast_memory_size().size() as u32 {
        0 => element_bytes,
        bytes => bytes,
    };
    (element_bytes, opmask)
}

/// The same for masks of signs in another register; nothing for instructions without such a mask.
fn by_signs(instruction: &Instruction, input: &Input) -> Option<Option<(u32, u64, Others)>> {
    use Mnemonic as M;
    let (register, element_bytes, others) = match instruction.mnemonic() {
        M::Vmaskmovps | M::Vpmaskmovd => (instruction.op1_register(), 4, Others::Suppressed),
        M::Vmaskmovpd | M::Vpmaskmovq => (instruction.op1_register(), 8, Others::Suppressed),
        // These have no word about fault suppression, but for a mask of zeros, which may fault or not.
        M::Maskmovq | M::Maskmovdqu | M::Vmaskmovdqu => (instruction.op2_register(), 1, Others::Open),
        _ => return None,
    };
    let Some(extended) = &input.extended else { return Some(None) };
    let mut bytes = [0; VECTOR_BYTES];
    if register.is_mm() {
        bytes[..8].copy_from_slice(&extended.mmx(register.number()).to_le_bytes());
    } else {
        bytes = extended.vector(register.number());
    }
    Some(Some((element_bytes, signs(&bytes, element_bytes as usize), others)))
}

/// The highest bit of each element.
pub(super) fn signs(bytes: &[u8], element_bytes: usize) -> u64 {
    let elements = bytes.chunks_exact(element_bytes).enumerate();
    elements.fold(0, |signs, (number, element)| signs | u64::from(element[element_bytes - 1] >> 7) << number)
}

/// The lowest `nr` bits; all for 64 and more.
pub(super) fn low_bits(nr: u32) -> u64 {
    u64::MAX.checked_shr(64_u32.saturating_sub(nr)).unwrap_or(0)
}

fn is_compressed(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Vcompresspd
            | M::Vcompressps
            | M::Vpcompressb
            | M::Vpcompressd
            | M::Vpcompressq
            | M::Vpcompressw
            | M::Vexpandpd
            | M::Vexpandps
            | M::Vpexpandb
            | M::Vpexpandd
            | M::Vpexpandq
            | M::Vpexpandw
    )
}

fn is_broadcast_load(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Vbroadcastf32x2
            | M::Vbroadcastf32x4
            | M::Vbroadcastf32x8
            | M::Vbroadcastf64x2
            | M::Vbroadcastf64x4
            | M::Vbroadcasti32x2
            | M::Vbroadcasti32x4
            | M::Vbroadcasti32x8
            | M::Vbroadcasti64x2
            | M::Vbroadcasti64x4
            | M::Vbroadcastsd
            | M::Vbroadcastss
            | M::Vpbroadcastb
            | M::Vpbroadcastd
            | M::Vpbroadcastq
            | M::Vpbroadcastw
    )
}

/// What an EVEX instruction does about faults of elements that its opmask does not select. All classes suppress them but those
/// whose name contains `NF`, in which an element of the result depends on several of memory.
fn others(instruction: &Instruction) -> Others {
    if is_shift_by_memory(instruction) || is_without_suppression(instruction.mnemonic()) {
        Others::Checked
    } else {
        Others::Suppressed
    }
}

/// Whether memory holds the count of a shift, of class E4NF.nb.
fn is_shift_by_memory(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    matches!(
        instruction.mnemonic(),
        M::Vpslld | M::Vpsllq | M::Vpsllw | M::Vpsrad | M::Vpsraq | M::Vpsraw | M::Vpsrld | M::Vpsrlq | M::Vpsrlw
    ) && instruction.op2_kind() == OpKind::Memory
}

fn is_without_suppression(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        // E4NF.
        M::Valignd
            | M::Valignq
            | M::Vcvtne2ps2bf16
            | M::Vgf2p8affineinvqb
            | M::Vgf2p8affineqb
            | M::Vpackssdw
            | M::Vpackusdw
            | M::Vpconflictd
            | M::Vpconflictq
            | M::Vpermd
            | M::Vpermi2d
            | M::Vpermi2pd
            | M::Vpermi2ps
            | M::Vpermi2q
            | M::Vpermilpd
            | M::Vpermilps
            | M::Vpermpd
            | M::Vpermps
            | M::Vpermq
            | M::Vpermt2d
            | M::Vpermt2pd
            | M::Vpermt2ps
            | M::Vpermt2q
            | M::Vpmultishiftqb
            | M::Vpshufd
            | M::Vpunpckhdq
            | M::Vpunpckhqdq
            | M::Vpunpckldq
            | M::Vpunpcklqdq
            | M::Vshuff32x4
            | M::Vshuff64x2
            | M::Vshufi32x4
            | M::Vshufi64x2
            | M::Vshufpd
            | M::Vshufps
            | M::Vunpckhpd
            | M::Vunpckhps
            | M::Vunpcklpd
            | M::Vunpcklps
            // E4NF.nb.
            | M::Vdbpsadbw
            | M::Vmovshdup
            | M::Vmovsldup
            | M::Vpacksswb
            | M::Vpackuswb
            | M::Vpalignr
            | M::Vpermb
            | M::Vpermi2b
            | M::Vpermi2w
            | M::Vpermt2b
            | M::Vpermt2w
            | M::Vpermw
            | M::Vpmaddubsw
            | M::Vpmaddwd
            | M::Vpshufb
            | M::Vpshufhw
            | M::Vpshuflw
            | M::Vpunpckhbw
            | M::Vpunpckhwd
            | M::Vpunpcklbw
            | M::Vpunpcklwd
            // E5NF.
            | M::Vmovddup
            // E6NF.
            | M::Vextractf32x4
            | M::Vextractf32x8
            | M::Vextractf64x2
            | M::Vextractf64x4
            | M::Vextracti32x4
            | M::Vextracti32x8
            | M::Vextracti64x2
            | M::Vextracti64x4
            | M::Vinsertf32x4
            | M::Vinsertf32x8
            | M::Vinsertf64x2
            | M::Vinsertf64x4
            | M::Vinserti32x4
            | M::Vinserti32x8
            | M::Vinserti64x2
            | M::Vinserti64x4
    )
}

#[cfg(test)]
mod tests {
    use crate::{
        Direction::{Read, Write},
        machine::{Extended, Input, area::size_bytes, window::Window},
        predict::{
            Due, Prediction, memory,
            test_support::{assemble, predicted},
        },
    };
    use iced_x86::code_asm::*;

    /// An input at the end of the first page, of which the second one is absent, with values for K1 and XMM1.
    fn near_the_end(distance: u64, opmask: u64, vector: &[u8]) -> impl FnOnce(&mut Input) {
        let vector = vector.to_vec();
        move |input| {
            input.window = Window::EndsAbsent;
            for number in [3, 7] {
                input.registers.general[number] = Window::EndsAbsent.address() + 0x1000 - distance;
            }
            let mut extended = Extended::initial(size_bytes(0xe7));
            extended.set_components(0xe7);
            extended.change_opmask(1, |_| opmask);
            extended.change_vector(1, |bytes| bytes[..vector.len()].copy_from_slice(&vector));
            input.extended = Some(Box::new(extended));
        }
    }

    fn accesses(prediction: &Prediction) -> Vec<(u64, u32, bool)> {
        let offset = |address: u64| address - Window::EndsAbsent.address();
        let of = |one: &crate::PredictedAccess| (offset(one.access.address), one.access.size_bytes, one.is_certain);
        prediction.accesses.iter().map(of).collect()
    }

    fn fault(prediction: &Prediction) -> Option<u64> {
        let Due::Raises { exception, .. } = prediction.due else { return None };
        exception.address.map(|address| address - Window::EndsAbsent.address())
    }

    #[test]
    fn elements_that_are_not_selected_do_not_fault() {
        let store = assemble(|a| a.vmovups(ptr(rbx).k1(), zmm2));
        let done = predicted(&store, near_the_end(16, 0b0000_1011, &[]));
        assert_eq!((done.due, accesses(&done)), (Due::Completes, vec![(0xff0, 8, false), (0xffc, 4, false)]));
        let faults = predicted(&store, near_the_end(16, 0b1_0000, &[]));
        assert_eq!((fault(&faults), accesses(&faults)), (Some(0x1000), vec![]));
        let whole = predicted(&store, near_the_end(64, 0xffff, &[]));
        assert_eq!((whole.due, accesses(&whole)), (Due::Completes, vec![(0xfc0, 64, true)]));
        assert_eq!(accesses(&predicted(&store, near_the_end(0, 0, &[]))), []);
        let load = assemble(|a| a.vmovups(zmm2.k1().z(), ptr(rbx)));
        assert_eq!(accesses(&predicted(&load, near_the_end(16, 0b10, &[]))), [(0xff0, 16, false)]);
    }

    #[test]
    fn compressed_elements_are_next_to_each_other() {
        let store = assemble(|a| a.vpcompressd(ptr(rbx).k1(), zmm2));
        let done = predicted(&store, near_the_end(12, 0x8101, &[]));
        assert_eq!((done.due, accesses(&done)), (Due::Completes, vec![(0xff4, 12, false)]));
        assert_eq!(fault(&predicted(&store, near_the_end(12, 0x8103, &[]))), Some(0x1000));
    }

    #[test]
    fn a_repeated_element_is_read_for_any_of_its_places() {
        let load = assemble(|a| a.vaddps(zmm2.k1(), zmm3, dword_bcst(rbx)));
        assert_eq!(fault(&predicted(&load, near_the_end(0, 0x8000, &[]))), Some(0x1000));
        assert_eq!(predicted(&load, near_the_end(0, 0x1_0000, &[])).due, Due::Completes);
        let load = assemble(|a| a.vbroadcastf32x4(zmm2.k1(), xmmword_ptr(rbx)));
        assert_eq!(fault(&predicted(&load, near_the_end(8, 0x4400, &[]))), Some(0x1000));
        assert_eq!(predicted(&load, near_the_end(8, 0x3132, &[])).due, Due::Completes);
    }

    #[test]
    fn classes_without_suppression_fault_anywhere() {
        let load = assemble(|a| a.vpermd(zmm2.k1(), zmm3, zmmword_ptr(rbx)));
        assert_eq!(fault(&predicted(&load, near_the_end(16, 1, &[]))), Some(0x1000));
        assert_eq!(fault(&predicted(&load, near_the_end(0, 0, &[]))), Some(0x1000));
    }

    #[test]
    fn signs_select_elements() {
        let store = assemble(|a| a.vpmaskmovd(xmmword_ptr(rbx), xmm1, xmm2));
        let done = predicted(&store, near_the_end(8, 0, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0x80, 0xff, 0, 0, 0x7f]));
        assert_eq!((done.due, accesses(&done)), (Due::Completes, vec![(0xffc, 4, false)]));
        let bytes = assemble(|a| a.maskmovdqu(xmm0, xmm1));
        let done = predicted(&bytes, near_the_end(16, 0, &[0x80, 0x7f, 0xff]));
        assert_eq!((done.due, accesses(&done)), (Due::Completes, vec![(0xff0, 1, false), (0xff2, 1, false)]));
        assert_eq!(predicted(&bytes, near_the_end(8, 0, &[0x80])).due, Due::Open);
    }

    #[test]
    fn whole_operands_are_as_without_a_mask() {
        let add = assemble(|a| a.vpaddd(zmm2.k1(), zmm3, zmmword_ptr(rbx)));
        let masked = predicted(&add, near_the_end(64, u64::MAX, &[]));
        let base = Window::EndsAbsent.address();
        assert_eq!(crate::predict::test_support::certain(&masked), [memory(base + 0xfc0, 64, Read)]);
        let store = assemble(|a| a.vpmovqb(qword_ptr(rbx).k1(), zmm2));
        let masked = predicted(&store, near_the_end(8, 0xff, &[]));
        assert_eq!(crate::predict::test_support::certain(&masked), [memory(base + 0xff8, 8, Write)]);
    }
}
