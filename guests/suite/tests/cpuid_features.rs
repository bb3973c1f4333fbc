//! The table of instructions agrees with a decoder, holds no contradiction, and each of its columns decides.

#[path = "../src/cpuid"]
mod cpuid {
    #[expect(dead_code, reason = "the cases use the rest")]
    pub(crate) mod bit;
    #[path = "features"]
    pub(crate) mod features {
        pub(crate) mod model;
        pub(crate) mod rows;
    }
}

use cpuid::{
    bit::{
        Bit,
        Output::{Eax, Ebx, Ecx, Edx},
        Processor, Vendor, bit,
    },
    features::{
        model::{Absent, Contradiction, Levels, Row, State, completes, contradiction, is_told},
        rows::ROWS,
    },
};
use iced_x86::{Decoder, DecoderOptions};

/// Bits and their features' names in the decoder; the empty name is a feature that it does not know.
const NAMES: &[(Bit, &str)] = &[
    (bit(1, 0, Edx, 0), "FPU"),
    (bit(1, 0, Edx, 4), "TSC"),
    (bit(1, 0, Edx, 8), "CX8"),
    (bit(1, 0, Edx, 15), "CMOV"),
    (bit(1, 0, Edx, 19), "CLFSH"),
    (bit(1, 0, Edx, 23), "MMX"),
    (bit(1, 0, Edx, 24), "FXSR"),
    (bit(1, 0, Edx, 25), "SSE"),
    (bit(1, 0, Edx, 26), "SSE2"),
    (bit(1, 0, Ecx, 0), "SSE3"),
    (bit(1, 0, Ecx, 1), "PCLMULQDQ"),
    (bit(1, 0, Ecx, 9), "SSSE3"),
    (bit(1, 0, Ecx, 12), "FMA"),
    (bit(1, 0, Ecx, 13), "CMPXCHG16B"),
    (bit(1, 0, Ecx, 19), "SSE4_1"),
    (bit(1, 0, Ecx, 20), "SSE4_2"),
    (bit(1, 0, Ecx, 22), "MOVBE"),
    (bit(1, 0, Ecx, 23), "POPCNT"),
    (bit(1, 0, Ecx, 25), "AES"),
    (bit(1, 0, Ecx, 26), "XSAVE"),
    (bit(1, 0, Ecx, 28), "AVX"),
    (bit(1, 0, Ecx, 29), "F16C"),
    (bit(1, 0, Ecx, 30), "RDRAND"),
    (bit(1, 0, Ecx, 3), "MONITOR"),
    (bit(7, 0, Ebx, 3), "BMI1"),
    (bit(7, 0, Ebx, 5), "AVX2"),
    (bit(7, 0, Ebx, 8), "BMI2"),
    (bit(7, 0, Ebx, 10), "INVPCID"),
    (bit(7, 0, Ebx, 11), "HLE_or_RTM"),
    (bit(7, 0, Ebx, 16), "AVX512F"),
    (bit(7, 0, Ebx, 17), "AVX512DQ"),
    (bit(7, 0, Ebx, 18), "RDSEED"),
    (bit(7, 0, Ebx, 19), "ADX"),
    (bit(7, 0, Ebx, 20), "SMAP"),
    (bit(7, 0, Ebx, 21), "AVX512_IFMA"),
    (bit(7, 0, Ebx, 23), "CLFLUSHOPT"),
    (bit(7, 0, Ebx, 24), "CLWB"),
    (bit(7, 0, Ebx, 27), "AVX512ER"),
    (bit(7, 0, Ebx, 28), "AVX512CD"),
    (bit(7, 0, Ebx, 29), "SHA"),
    (bit(7, 0, Ebx, 30), "AVX512BW"),
    (bit(7, 0, Ebx, 31), "AVX512VL"),
    (bit(7, 0, Ecx, 1), "AVX512_VBMI"),
    (bit(7, 0, Ecx, 5), "WAITPKG"),
    (bit(7, 0, Ecx, 6), "AVX512_VBMI2"),
    (bit(7, 0, Ecx, 8), "GFNI"),
    (bit(7, 0, Ecx, 9), "VAES"),
    (bit(7, 0, Ecx, 10), "VPCLMULQDQ"),
    (bit(7, 0, Ecx, 11), "AVX512_VNNI"),
    (bit(7, 0, Ecx, 12), "AVX512_BITALG"),
    (bit(7, 0, Ecx, 14), "AVX512_VPOPCNTDQ"),
    (bit(7, 0, Ecx, 22), "RDPID"),
    (bit(7, 0, Ecx, 25), "CLDEMOTE"),
    (bit(7, 0, Ecx, 27), "MOVDIRI"),
    (bit(7, 0, Ecx, 28), "MOVDIR64B"),
    (bit(7, 0, Edx, 2), "AVX512_4VNNIW"),
    (bit(7, 0, Edx, 3), "AVX512_4FMAPS"),
    (bit(7, 0, Edx, 8), "AVX512_VP2INTERSECT"),
    (bit(7, 0, Edx, 14), "SERIALIZE"),
    (bit(7, 0, Edx, 16), "TSXLDTRK"),
    (bit(7, 0, Edx, 23), "AVX512_FP16"),
    (bit(7, 0, Edx, 20), "CET_IBT"),
    (bit(7, 0, Ecx, 7), "CET_SS"),
    (bit(7, 0, Ecx, 0), "PREFETCHWT1"),
    (bit(7, 1, Eax, 0), "SHA512"),
    (bit(7, 1, Eax, 1), "SM3"),
    (bit(7, 1, Eax, 2), "SM4"),
    (bit(7, 1, Eax, 4), "AVX_VNNI"),
    (bit(7, 1, Eax, 5), "AVX512_BF16"),
    (bit(7, 1, Eax, 23), "AVX_IFMA"),
    (bit(7, 1, Edx, 4), "AVX_VNNI_INT8"),
    (bit(7, 1, Edx, 5), "AVX_NE_CONVERT"),
    (bit(7, 1, Edx, 10), "AVX_VNNI_INT16"),
    (bit(0xd, 1, Eax, 0), "XSAVEOPT"),
    (bit(0xd, 1, Eax, 1), "XSAVEC"),
    (bit(0x14, 0, Ebx, 4), "PTWRITE"),
    (bit(0x8000_0001, 0, Ecx, 0), ""),
    (bit(0x8000_0001, 0, Ecx, 5), "LZCNT"),
    (bit(0x8000_0001, 0, Ecx, 6), "SSE4A"),
    (bit(0x8000_0001, 0, Ecx, 8), "PREFETCHW"),
    (bit(0x8000_0001, 0, Ecx, 11), "XOP"),
    (bit(0x8000_0001, 0, Ecx, 16), "FMA4"),
    (bit(0x8000_0001, 0, Ecx, 21), "TBM"),
    (bit(0x8000_0001, 0, Ecx, 29), "MONITORX"),
    (bit(0x8000_0001, 0, Edx, 27), "RDTSCP"),
    (bit(0x8000_0001, 0, Edx, 31), "D3NOW"),
    (bit(0x8000_0001, 0, Edx, 30), "D3NOWEXT"),
    (bit(0x8000_0008, 0, Ebx, 0), "CLZERO"),
    (bit(0x8000_0008, 0, Ebx, 4), "RDPRU"),
    (bit(0x8000_0008, 0, Ebx, 9), "WBNOINVD"),
];

#[test]
fn bytes_are_the_instruction_that_the_row_names_and_of_its_features() {
    for row in ROWS {
        let options = DecoderOptions::NONE;
        let instruction = Decoder::new(64, row.bytes, options).decode();
        assert_eq!(instruction.len(), row.bytes.len(), "{}: {instruction}", row.name);
        let mnemonic = format!("{:?}", instruction.mnemonic()).to_uppercase();
        assert_eq!(Some(mnemonic.as_str()), row.name.split(' ').next(), "{instruction}");
        // What the decoder tells: PAUSE is a feature of its own there, and SSE2's in the manuals; LAHF and SAHF in 64-bit
        // mode have none.
        if ["PAUSE", "LAHF", "SAHF"].contains(&row.name) {
            continue;
        }
        let decoded: Vec<_> = instruction.cpuid_features().iter().map(|feature| format!("{feature:?}")).collect();
        let named: Vec<_> =
            NAMES.iter().filter(|(bit, _)| row.features.contains(bit)).map(|(_, name)| (*name).to_owned()).collect();
        assert_eq!(named.len(), row.features.len(), "{}: the test names every feature", row.name);
        // The foundation is implied where the row names what is built on it.
        let is_implied = |name: &String| name == "AVX512F" && !decoded.iter().all(|name| name == "AVX512F");
        assert!(decoded.iter().all(|name| named.contains(name) || is_implied(name)), "{}: {decoded:?}", row.name);
    }
}

#[test]
fn state_is_what_the_encoding_takes() {
    use iced_x86::EncodingKind;
    for row in ROWS {
        let instruction = Decoder::new(64, row.bytes, DecoderOptions::NONE).decode();
        let names_vectors = format!("{instruction}").contains("mm") || row.name.starts_with("VZERO");
        let takes_masks = row.name.starts_with('K');
        let expected = match instruction.encoding() {
            EncodingKind::EVEX => [State::Avx512].as_slice(),
            EncodingKind::VEX if takes_masks => &[State::Avx512],
            EncodingKind::VEX | EncodingKind::XOP if names_vectors => &[State::Avx],
            EncodingKind::VEX | EncodingKind::XOP | EncodingKind::D3NOW => &[State::None],
            _ => &[State::None, State::Sse, State::Xsave],
        };
        assert!(expected.contains(&row.state), "{}: {:?}", row.name, row.state);
    }
}

/// A processor with these bits alone, and limits that no leaf is beyond.
struct With(Vec<Bit>);

impl Processor for With {
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let mut outputs = if leaf & 0x7fff_ffff == 0 { [leaf | 0x20, 0, 0, 0] } else { [0; 4] };
        for bit in self.0.iter().filter(|bit| (bit.leaf, bit.subleaf) == (leaf, subleaf)) {
            outputs[bit.output as usize] |= 1 << bit.number;
        }
        outputs
    }

    fn msr(&self, _number: u32) -> u64 {
        0
    }
}

#[test]
fn a_row_is_told_by_all_of_its_features_and_no_fewer() {
    for row in ROWS {
        assert!(is_told(row, &With(row.features.to_vec())), "{}", row.name);
        for missing in 0..row.features.len() {
            let mut features = row.features.to_vec();
            features.remove(missing);
            assert!(!is_told(row, &With(features)), "{}", row.name);
        }
    }
}

/// What a subject shows is judged by comparison with this; so the opposite must be what is not expected.
#[test]
fn each_column_decides_what_is_expected() {
    let row = ROWS.iter().find(|row| row.absent == Absent::Ud).expect("most rows are like this");
    let other = Row { absent: Absent::Other, ..*row };
    let open = Row { absent: Absent::UdOnIntel, ..*row };
    assert_eq!(completes(row, true, true, Vendor::Amd), Some(true));
    assert_eq!(completes(row, false, true, Vendor::Amd), Some(false));
    assert_eq!(completes(row, true, false, Vendor::Amd), Some(false));
    assert_eq!(completes(&other, false, false, Vendor::Amd), Some(true));
    assert_eq!(completes(&open, false, true, Vendor::Amd), None);
    assert_eq!(completes(&open, false, true, Vendor::Intel), Some(false));
    assert_eq!(completes(&open, true, true, Vendor::Amd), Some(true));
    assert_eq!(State::Avx.components() & State::Avx512.components(), State::Avx.components());
    assert!(ROWS.iter().any(|row| row.levels == Levels::Supervisor));
}

#[test]
fn every_kind_of_contradiction_is_found() {
    let good = ROWS[0];
    assert_eq!(contradiction(ROWS), None);
    assert_eq!(contradiction(&[Row { features: &[], ..good }]), Some(Contradiction::Features(0)));
    assert_eq!(contradiction(&[Row { bytes: &[], ..good }]), Some(Contradiction::Bytes(0)));
    assert_eq!(contradiction(&[Row { bytes: &[0x90; 15], ..good }]), Some(Contradiction::Bytes(0)));
    assert_eq!(contradiction(&[good, Row { name: "AGAIN", ..good }]), Some(Contradiction::Twice(1)));
}
