//! Instructions of the image that do less than they should: what the processor, and a hypervisor that interprets it, would be wrong
//! about is made wrong in the guest's code.

use crate::{catalog::Catalog, image_rules, subjects::Image};
use iced_x86::{Instruction, Mnemonic};
use std::sync::Arc;

/// Instructions, and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewriting {
    /// INVLPG does nothing.
    NoInvlpg,
    /// INVEPT does nothing, and neither succeeds nor fails: flags stay.
    NoInvept,
    /// So does INVVPID.
    NoInvvpid,
    /// WRPKRU at CPL 3 and 0 does nothing.
    NoWrpkru,
    /// LOCK before instructions of CPL 3 does nothing.
    NoLock,
    /// MFENCE at CPL 3 does nothing.
    NoFence,
    /// REP, REPE and REPNE at CPL 3 do nothing.
    NoRepeat,
    /// RDTSC at CPL 3 inverts EAX.
    CounterInverted,
}

/// One byte of nothing.
const NOP: u8 = 0x90;
/// A prefix that changes nothing of a memory operand in 64-bit code.
const DS_PREFIX: u8 = 0x3e;
const LOCK_PREFIX: u8 = 0xf0;
const REP_PREFIXES: [u8; 2] = [0xf3, 0xf2];
/// NOT EAX: as long as RDTSC.
const NOT_EAX: [u8; 2] = [0xf7, 0xd0];

impl Rewriting {
    /// Whether only code of CPL 3 is changed, because the runtime would break without.
    fn is_of_ring_3(self) -> bool {
        matches!(self, Self::NoLock | Self::NoFence | Self::NoRepeat | Self::CounterInverted)
    }

    fn is_meant(self, instruction: &Instruction) -> bool {
        match self {
            Self::NoInvlpg => instruction.mnemonic() == Mnemonic::Invlpg,
            Self::NoInvept => instruction.mnemonic() == Mnemonic::Invept,
            Self::NoInvvpid => instruction.mnemonic() == Mnemonic::Invvpid,
            Self::NoWrpkru => instruction.mnemonic() == Mnemonic::Wrpkru,
            Self::NoLock => instruction.has_lock_prefix(),
            Self::NoFence => instruction.mnemonic() == Mnemonic::Mfence,
            Self::NoRepeat => {
                instruction.is_string_instruction() && (instruction.has_rep_prefix() || instruction.has_repne_prefix())
            }
            Self::CounterInverted => instruction.mnemonic() == Mnemonic::Rdtsc,
        }
    }

    fn rewrite(self, code: &mut [u8]) {
        match self {
            Self::NoInvlpg | Self::NoInvept | Self::NoInvvpid | Self::NoWrpkru | Self::NoFence => code.fill(NOP),
            Self::NoLock => replace_first(code, &[LOCK_PREFIX]),
            Self::NoRepeat => replace_first(code, &REP_PREFIXES),
            Self::CounterInverted => code.copy_from_slice(&NOT_EAX),
        }
    }
}

/// Prefixes stand first, so that the first byte of this value is one.
fn replace_first(code: &mut [u8], prefixes: &[u8]) {
    if let Some(byte) = code.iter_mut().find(|byte| prefixes.contains(byte)) {
        *byte = DS_PREFIX;
    }
}

/// The image with each such instruction changed.
///
/// # Errors
/// Why there is none: the image cannot be read, or holds no such instruction.
pub(super) fn image(image: &Image, rewriting: Rewriting) -> Result<Arc<Image>, String> {
    let mut bytes = image.catalog.bytes().to_vec();
    let places = image_rules::instructions(&bytes, rewriting.is_of_ring_3(), |found| rewriting.is_meant(found));
    let places = places.map_err(|error| crate::chain::chain(&error))?;
    if places.is_empty() {
        return Err(format!("the image holds no instruction for {rewriting:?}"));
    }
    for place in places {
        rewriting.rewrite(bytes.get_mut(place).ok_or("an instruction does not lie in the image")?);
    }
    let catalog = Catalog::parse(bytes).map_err(|error| crate::chain::chain(&error))?;
    Ok(Arc::new(Image { path: image.path.clone(), catalog }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions};

    /// What becomes of the code of one instruction that is meant.
    fn rewritten(rewriting: Rewriting, code: &[u8]) -> Vec<u8> {
        let instruction = Decoder::new(64, code, DecoderOptions::NONE).decode();
        assert!(rewriting.is_meant(&instruction) && instruction.len() == code.len(), "{instruction}");
        let mut code = code.to_vec();
        rewriting.rewrite(&mut code);
        code
    }

    #[test]
    fn what_is_meant_does_nothing_or_less_and_is_as_long_as_before() {
        for (rewriting, code, text) in [
            (Rewriting::NoInvlpg, &[0x0f, 0x01, 0x3f][..], "nop"),
            (Rewriting::NoLock, &[0xf0, 0x48, 0xff, 0x07], "inc qword ptr ds:[rdi]"),
            (Rewriting::NoRepeat, &[0xf3, 0x48, 0xa5], "movsq"),
            (Rewriting::NoRepeat, &[0xf2, 0xae], "scasb"),
            (Rewriting::NoFence, &[0x0f, 0xae, 0xf0], "nop"),
            (Rewriting::CounterInverted, &[0x0f, 0x31], "not eax"),
        ] {
            let after = rewritten(rewriting, code);
            let first = Decoder::new(64, &after, DecoderOptions::NONE).decode();
            assert_eq!(first.to_string().replace("ds:", ""), text.replace("ds:", ""), "{rewriting:?}");
            assert_eq!(after.len(), code.len());
        }
    }

    #[test]
    fn other_instructions_are_left_alone() {
        let plain = Decoder::new(64, &[0x48, 0xa5], DecoderOptions::NONE).decode();
        assert!(!Rewriting::NoRepeat.is_meant(&plain) && !Rewriting::NoLock.is_meant(&plain));
    }
}
