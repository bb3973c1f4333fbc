//! The answer to the probe.

use super::{Ending, ProtocolFault, Transcript, reason};
use crate::judge::checks::Reported;
use case::{Needs, message::Kind};

/// What the guest's processor offers, as the image found out with CPUID and capability MSRs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offers {
    /// The needs that it meets, of [`Needs::PROCESSOR`].
    pub needs: Needs,
    /// Its vendor string.
    pub vendor: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// What arrived is wrong.
    #[error("what the guest sent is broken")]
    Broken(#[source] ProtocolFault),
    /// It answered otherwise.
    #[error("the guest answered with {found:?} instead of its offers; rebuild the image")]
    Answer {
        /// The kinds of its messages.
        found: Vec<Kind>,
    },
    /// The answer names offers that this program does not know.
    #[error("the guest's offers have the unknown bits {bits:#x}; rebuild image and program together")]
    UnknownBits {
        /// Those bits.
        bits: u128,
    },
    /// It ended without an answer.
    #[error("{reason}")]
    Ended {
        /// How.
        reason: String,
    },
}

/// The answer to the probe.
///
/// # Errors
/// [`ProbeError`].
pub fn offers(transcript: &Transcript, ending: &Ending) -> Result<Offers, ProbeError> {
    if let Some(fault) = transcript.fault() {
        return Err(ProbeError::Broken(fault.clone()));
    }
    if transcript.last().is_none() {
        let (_, reason) = reason::without_verdict(transcript, ending, &Reported::default());
        return Err(ProbeError::Ended { reason });
    }
    let [answer, done] = transcript.messages() else {
        return Err(unexpected(transcript));
    };
    if (answer.kind, done.kind) != (Kind::Offers, Kind::Done) {
        return Err(unexpected(transcript));
    }
    let bits = u128::from(answer.value(0)) | u128::from(answer.value(4)) << 64;
    let unknown = bits & !Needs::PROCESSOR.bits();
    if unknown != 0 {
        return Err(ProbeError::UnknownBits { bits: unknown });
    }
    // The registers are 32 bits wide; the image sends them in the order in which they spell the vendor.
    let vendor: Vec<u8> = (1..=3).flat_map(|index| (answer.value(index) as u32).to_le_bytes()).collect();
    Ok(Offers { needs: Needs::from_bits_truncate(bits), vendor: vendor.escape_ascii().to_string() })
}

fn unexpected(transcript: &Transcript) -> ProbeError {
    const SHOWN: usize = 4;
    ProbeError::Answer { found: transcript.messages().iter().map(|message| message.kind).take(SHOWN).collect() }
}
