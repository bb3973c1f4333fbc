//! Which forms are neither generated nor predicted, and why.

use crate::form::Form;
use iced_x86::{Code, CpuidFeature, DecoderOptions, EncodingKind, FlowControl, Mnemonic, OpCodeOperandKind};

/// Why a form is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// It raises #UD wherever it stands.
    AlwaysInvalid,
    /// No processor that hypervisors run on today has it: 3DNow!, XOP, FMA4, TBM, LWP, Knights Corner and Landing,
    /// Cyrix, Centaur.
    Extinct,
    /// A decoder must be asked for it: it existed for one old processor, or shares its encoding with another form.
    NotDecoded,
    /// It is two instructions: FWAIT and one more.
    TwoInstructions,
    /// It goes on elsewhere.
    ControlTransfer,
    /// It accesses a port.
    Port,
    /// It needs CPL 0.
    Privileged,
    /// It stores what differs between machines (selectors, descriptor tables), or traps under UMIP.
    SystemState,
    /// It loads a segment register.
    SegmentLoad,
    /// Its result comes out of a descriptor table.
    Descriptor,
    /// Format and size of the area in memory depend on XCR0.
    SaveArea,
    /// It uses AMX tiles.
    Tiles,
    /// It uses bounds registers, which an operating system has to switch on.
    Bounds,
    /// It uses the shadow stack, which an operating system has to switch on.
    ShadowStack,
    /// It depends on keys that were loaded before.
    KeyLocker,
    /// It sends a command to a device.
    Enqueue,
    /// It is left to a trace whether the operand is used.
    Trace,
    /// Its result differs from one execution to the next or between processors.
    Volatile,
    /// Vendors disagree about it: the source of `MOVSXD r16, r/m16` has 16 bits by Intel's manual and 32 by AMD's.
    Vendors,
    /// It changes a flag that the executor needs itself.
    ExecutorFlag,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 20] = [
        Self::AlwaysInvalid,
        Self::Extinct,
        Self::NotDecoded,
        Self::TwoInstructions,
        Self::ControlTransfer,
        Self::Port,
        Self::Privileged,
        Self::SystemState,
        Self::SegmentLoad,
        Self::Descriptor,
        Self::SaveArea,
        Self::Tiles,
        Self::Bounds,
        Self::ShadowStack,
        Self::KeyLocker,
        Self::Enqueue,
        Self::Trace,
        Self::Volatile,
        Self::Vendors,
        Self::ExecutorFlag,
    ];
}

/// Why a form is left out, or nothing if it can be predicted.
pub fn why(form: Form) -> Option<Reason> {
    why_code(form.code)
}

/// The same for any code, those without memory operand among them.
pub(crate) fn why_code(code: Code) -> Option<Reason> {
    by_feature(code).or_else(|| by_mnemonic(code)).or_else(|| by_op_code(code))
}

fn by_feature(code: Code) -> Option<Reason> {
    use CpuidFeature as Feature;
    if matches!(code.encoding(), EncodingKind::D3NOW | EncodingKind::XOP | EncodingKind::MVEX) {
        return Some(Reason::Extinct);
    }
    code.cpuid_features().iter().find_map(|feature| {
        Some(match feature {
            Feature::FMA4
            | Feature::XOP
            | Feature::KNC
            | Feature::AVX512ER
            | Feature::AVX512PF
            | Feature::AVX512_4FMAPS
            | Feature::AVX512_4VNNIW
            | Feature::CYRIX_EMMI
            | Feature::CYRIX_SHR
            | Feature::CYRIX_SMM
            | Feature::CYRIX_FPU
            | Feature::CYRIX_DMI
            | Feature::CYRIX_DDI
            | Feature::PADLOCK_ACE
            | Feature::PADLOCK_PHE
            | Feature::PADLOCK_PMM
            | Feature::PADLOCK_RNG
            | Feature::PADLOCK_GMI
            | Feature::PADLOCK_UNDOC
            | Feature::INTEL386_A0_ONLY
            | Feature::INTEL486_A_ONLY
            | Feature::IA64
            | Feature::UMOV => Reason::Extinct,
            Feature::AMX_TILE | Feature::AMX_INT8 | Feature::AMX_BF16 | Feature::AMX_FP16 | Feature::AMX_COMPLEX => {
                Reason::Tiles
            }
            Feature::MPX => Reason::Bounds,
            Feature::CET_SS | Feature::CET_IBT => Reason::ShadowStack,
            Feature::KL | Feature::AESKLE | Feature::WIDE_KL => Reason::KeyLocker,
            Feature::ENQCMD => Reason::Enqueue,
            Feature::PTWRITE => Reason::Trace,
            Feature::XSAVE | Feature::XSAVEC | Feature::XSAVEOPT | Feature::XSAVES => Reason::SaveArea,
            Feature::RDRAND
            | Feature::RDSEED
            | Feature::TSC
            | Feature::RDTSCP
            | Feature::RDPMC
            | Feature::RDPID
            | Feature::RDPRU
            | Feature::CPUID
            | Feature::WAITPKG
            | Feature::MONITOR
            | Feature::MONITORX
            | Feature::RTM
            | Feature::TSXLDTRK
            | Feature::SERIALIZE
            | Feature::PKU
            | Feature::FSGSBASE
            | Feature::UINTR
            | Feature::MCOMMIT
            | Feature::HLE_or_RTM => Reason::Volatile,
            _ => return None,
        })
    })
}

fn by_mnemonic(code: Code) -> Option<Reason> {
    match code {
        Code::Movsxd_r16_rm16 => return Some(Reason::Vendors),
        // With memory, 0F 0D is decoded as PREFETCHW and the like.
        Code::Reservednop_rm16_r16_0F0D | Code::Reservednop_rm32_r32_0F0D | Code::Reservednop_rm64_r64_0F0D => {
            return Some(Reason::NotDecoded);
        }
        _ => {}
    }
    let is_segment = |&kind: &OpCodeOperandKind| {
        use OpCodeOperandKind as Kind;
        matches!(kind, Kind::seg_reg | Kind::es | Kind::cs | Kind::ss | Kind::ds | Kind::fs | Kind::gs)
    };
    let kinds = code.op_code().op_kinds();
    Some(match code.mnemonic() {
        Mnemonic::Ud0 | Mnemonic::Ud1 | Mnemonic::Ud2 => Reason::AlwaysInvalid,
        Mnemonic::In
        | Mnemonic::Out
        | Mnemonic::Insb
        | Mnemonic::Insw
        | Mnemonic::Insd
        | Mnemonic::Outsb
        | Mnemonic::Outsw
        | Mnemonic::Outsd => Reason::Port,
        Mnemonic::Lds | Mnemonic::Les | Mnemonic::Lfs | Mnemonic::Lgs | Mnemonic::Lss => Reason::SegmentLoad,
        Mnemonic::Lar | Mnemonic::Lsl | Mnemonic::Verr | Mnemonic::Verw => Reason::Descriptor,
        Mnemonic::Sgdt | Mnemonic::Sidt | Mnemonic::Sldt | Mnemonic::Smsw | Mnemonic::Str => Reason::SystemState,
        // MOV and POP of segment registers; PUSH and the store move out what differs between machines.
        Mnemonic::Mov | Mnemonic::Pop if kinds.first().is_some_and(is_segment) => Reason::SegmentLoad,
        Mnemonic::Mov | Mnemonic::Push if kinds.iter().any(is_segment) => Reason::SystemState,
        Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Popfq | Mnemonic::Cli | Mnemonic::Sti => Reason::ExecutorFlag,
        Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq => Reason::SystemState,
        Mnemonic::Jmpe => Reason::ControlTransfer,
        _ => return None,
    })
}

fn by_op_code(code: Code) -> Option<Reason> {
    let op_code = code.op_code();
    if op_code.is_privileged() {
        return Some(Reason::Privileged);
    }
    if code.flow_control() != FlowControl::Next {
        return Some(Reason::ControlTransfer);
    }
    if op_code.fwait() {
        return Some(Reason::TwoInstructions);
    }
    (op_code.decoder_option() != DecoderOptions::NONE).then_some(Reason::NotDecoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{form::forms, registers::Bitness};
    use std::{collections::BTreeMap, fmt::Write};

    fn by_reason(bitness: Bitness) -> BTreeMap<String, Vec<String>> {
        let mut reasons: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for form in forms(bitness) {
            let reason = why(form).map_or("(predictable)".to_owned(), |reason| format!("{reason:?}"));
            reasons.entry(reason).or_default().push(form.name());
        }
        reasons
    }

    #[test]
    fn forms_by_reason_are_counted() {
        let mut text = String::new();
        for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
            for (reason, names) in by_reason(bitness) {
                writeln!(text, "{} {reason}: {}", bitness.bits(), names.len()).unwrap();
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn forms_that_are_left_out_are_listed() {
        let mut modes: BTreeMap<(String, String), Vec<u32>> = BTreeMap::new();
        for bitness in [Bitness::Bits64, Bitness::Bits32, Bitness::Bits16] {
            for form in forms(bitness) {
                let Some(reason) = why(form) else { continue };
                modes.entry((format!("{reason:?}"), form.name())).or_default().push(bitness.bits());
            }
        }
        let mut text = String::new();
        for ((reason, name), modes) in modes {
            writeln!(text, "{reason}: {name} {modes:?}").unwrap();
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn everyday_forms_are_predicted() {
        for code in [Code::Add_rm32_r32, Code::Movsb_m8_m8, Code::Fxsave_m512byte, Code::VEX_Vpmaskmovd_xmm_xmm_m128] {
            assert_eq!(why_code(code), None, "{code:?}");
        }
    }

    #[test]
    fn instructions_that_leave_the_harness_are_not() {
        for (code, reason) in [
            (Code::Call_rm64, Reason::ControlTransfer),
            (Code::Lgdt_m1664, Reason::Privileged),
            (Code::Insb_m8_DX, Reason::Port),
            (Code::Mov_Sreg_rm16, Reason::SegmentLoad),
            (Code::Mov_rm16_Sreg, Reason::SystemState),
            (Code::Hlt, Reason::Privileged),
            (Code::Syscall, Reason::ControlTransfer),
            (Code::Int3, Reason::ControlTransfer),
            (Code::Rdtsc, Reason::Volatile),
        ] {
            assert_eq!(why_code(code), Some(reason), "{code:?}");
        }
    }
}
