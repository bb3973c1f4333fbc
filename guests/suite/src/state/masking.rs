//! Merge-masking, zero-masking and the suppression of faults by EVEX opmasks.

use super::{
    masking_model::{BYTES_AND_WORDS, FOUNDATION, NR_MASKS, Row, Vector, column, faults, mask, result},
    memory::Area,
    xsetbv,
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
    },
    paging::{ALL_RIGHTS, address, frame, map},
    skip, user, user_code,
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

/// Offsets of operands from RDI: the destination before, two operands, the mask, the destination afterwards.
const BEFORE: u64 = 0;
const FIRST: u64 = 64;
const SECOND: u64 = 128;
const MASK: u64 = 192;
const AFTER: u64 = 256;

// The registers from RDI, the instruction on ZMM0, ZMM1 and ZMM2 under K1, ZMM0 to RDI + 256.
macro_rules! on_registers {
    ($($name:ident $kmov:literal: $assembly:literal;)*) => {
        $(user_code!($name: "vmovdqu64 zmm0, [rdi]", "vmovdqu64 zmm1, [rdi + 64]", "vmovdqu64 zmm2, [rdi + 128]",
            $kmov, $assembly, "vmovdqu64 [rdi + 256], zmm0", "vzeroupper", "ret");)*
    };
}
// ZMM1 under K1 to RDI + 256, where the destination before is copied first.
macro_rules! stores {
    ($($name:ident $kmov:literal: $assembly:literal;)*) => {
        $(user_code!($name: "vmovdqu64 zmm0, [rdi]", "vmovdqu64 [rdi + 256], zmm0", "vmovdqu64 zmm1, [rdi + 64]",
            $kmov, $assembly, "vzeroupper", "ret");)*
    };
}

on_registers! {
    vpaddq "kmovw k1, [rdi + 192]": "vpaddq zmm0{{k1}}, zmm1, zmm2";
    vpaddq_z "kmovw k1, [rdi + 192]": "vpaddq zmm0{{k1}}{{z}}, zmm1, zmm2";
    vpaddd "kmovw k1, [rdi + 192]": "vpaddd zmm0{{k1}}, zmm1, zmm2";
    vpaddd_z "kmovw k1, [rdi + 192]": "vpaddd zmm0{{k1}}{{z}}, zmm1, zmm2";
    load_64 "kmovw k1, [rdi + 192]": "vmovdqu64 zmm0{{k1}}, [rdi + 64]";
    load_64_z "kmovw k1, [rdi + 192]": "vmovdqu64 zmm0{{k1}}{{z}}, [rdi + 64]";
    load_32 "kmovw k1, [rdi + 192]": "vmovdqu32 zmm0{{k1}}, [rdi + 64]";
    load_32_z "kmovw k1, [rdi + 192]": "vmovdqu32 zmm0{{k1}}{{z}}, [rdi + 64]";
    vpaddb "kmovq k1, [rdi + 192]": "vpaddb zmm0{{k1}}, zmm1, zmm2";
    vpaddb_z "kmovq k1, [rdi + 192]": "vpaddb zmm0{{k1}}{{z}}, zmm1, zmm2";
    vpaddw "kmovq k1, [rdi + 192]": "vpaddw zmm0{{k1}}, zmm1, zmm2";
    vpaddw_z "kmovq k1, [rdi + 192]": "vpaddw zmm0{{k1}}{{z}}, zmm1, zmm2";
    load_8 "kmovq k1, [rdi + 192]": "vmovdqu8 zmm0{{k1}}, [rdi + 64]";
    load_8_z "kmovq k1, [rdi + 192]": "vmovdqu8 zmm0{{k1}}{{z}}, [rdi + 64]";
    load_16 "kmovq k1, [rdi + 192]": "vmovdqu16 zmm0{{k1}}, [rdi + 64]";
    load_16_z "kmovq k1, [rdi + 192]": "vmovdqu16 zmm0{{k1}}{{z}}, [rdi + 64]";
}
stores! {
    store_64 "kmovw k1, [rdi + 192]": "vmovdqu64 [rdi + 256]{{k1}}, zmm1";
    store_32 "kmovw k1, [rdi + 192]": "vmovdqu32 [rdi + 256]{{k1}}, zmm1";
    store_8 "kmovq k1, [rdi + 192]": "vmovdqu8 [rdi + 256]{{k1}}, zmm1";
    store_16 "kmovq k1, [rdi + 192]": "vmovdqu16 [rdi + 256]{{k1}}, zmm1";
}

/// The code of each row of a table.
const FOUNDATION_CODE: [Code; 10] =
    [vpaddq, vpaddq_z, vpaddd, vpaddd_z, load_64, load_64_z, load_32, load_32_z, store_64, store_32];
const BYTES_AND_WORDS_CODE: [Code; 10] =
    [vpaddb, vpaddb_z, vpaddw, vpaddw_z, load_8, load_8_z, load_16, load_16_z, store_8, store_16];

/// x87, SSE, AVX and AVX-512 state.
const XCR0: u64 = 0xe7;

fn vector(seed: u64) -> Vector {
    let mut vector = [0; 8];
    for (index, quadword) in (1..).zip(&mut vector) {
        *quadword = seed.wrapping_mul(index * 2 + 1).rotate_left(index as u32);
    }
    vector
}

fn write(area: Area, offset: u64, vector: &Vector) {
    for (index, quadword) in (0..).zip(vector) {
        area.write(offset + index * 8, *quadword);
    }
}

fn read(area: Area, offset: u64) -> Vector {
    let mut vector = [0; 8];
    for (index, quadword) in (0..).zip(&mut vector) {
        *quadword = area.read(offset + index * 8);
    }
    vector
}

/// Tries an instruction with all masks; by the number of the mask.
fn try_masks(row: &Row, code: Code) {
    let area = Area::new(0);
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(XCR0);
    let done = user::run(|| {
        let operands = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211, 0x8f1b_bcdc_bfa5_3e0b].map(vector);
        let [before, first, second] = operands;
        write(area, BEFORE, &before);
        write(area, FIRST, &first);
        write(area, SECOND, &second);
        for index in 0..NR_MASKS {
            let mask = mask(index, 512 / row.bits);
            area.write(MASK, mask);
            code(area.address());
            let (wrong, none) = column(&result(row, mask, &before, &first, &second), &read(area, AFTER));
            check_eq!("wrong quadwords, by number of the mask", [&[]; index], wrong, none);
        }
    });
    check_outcome!("no exception", done, Outcome::COMPLETED);
}

// A case for each row, so that the number of the mask is the row of its checks.
macro_rules! cases {
    ($table:ident $codes:ident $bw:literal: $($(#[$doc:meta])* $name:ident $row:literal;)+) => {$(
        $(#[$doc])*
        #[case(feature = StateSse, spec = [sdm1("Eight Opmask Register Support"), sdm1("OPMASK Register to Predicate Vector Data Processing")],
               needs = Needs::AVX512F | Needs::XSAVE)]
        fn $name() {
            if $bw && !has_bytes_and_words() {
                skip!("no AVX-512BW");
                return;
            }
            try_masks(&$table[$row], $codes[$row]);
        }
    )+};
}

/// AVX512BW (CPUID leaf 7, EBX bit 30).
fn has_bytes_and_words() -> bool {
    read_leaf(7, 0).ebx >> 30 & 1 != 0
}

cases! { FOUNDATION FOUNDATION_CODE false:
    /// VPADDQ leaves elements that the mask leaves out.
    masked_quadword_addition 0;
    /// VPADDQ with zeroing clears elements that the mask leaves out.
    zero_masked_quadword_addition 1;
    /// VPADDD leaves elements that the mask leaves out.
    masked_doubleword_addition 2;
    /// VPADDD with zeroing clears elements that the mask leaves out.
    zero_masked_doubleword_addition 3;
    /// A load by VMOVDQU64 leaves elements that the mask leaves out.
    masked_quadword_load 4;
    /// A load by VMOVDQU64 with zeroing clears elements that the mask leaves out.
    zero_masked_quadword_load 5;
    /// A load by VMOVDQU32 leaves elements that the mask leaves out.
    masked_doubleword_load 6;
    /// A load by VMOVDQU32 with zeroing clears elements that the mask leaves out.
    zero_masked_doubleword_load 7;
    /// A store by VMOVDQU64 leaves memory that the mask leaves out.
    masked_quadword_store 8;
    /// A store by VMOVDQU32 leaves memory that the mask leaves out.
    masked_doubleword_store 9;
}

cases! { BYTES_AND_WORDS BYTES_AND_WORDS_CODE true:
    /// VPADDB leaves elements that the mask leaves out.
    masked_byte_addition 0;
    /// VPADDB with zeroing clears elements that the mask leaves out.
    zero_masked_byte_addition 1;
    /// VPADDW leaves elements that the mask leaves out.
    masked_word_addition 2;
    /// VPADDW with zeroing clears elements that the mask leaves out.
    zero_masked_word_addition 3;
    /// A load by VMOVDQU8 leaves elements that the mask leaves out.
    masked_byte_load 4;
    /// A load by VMOVDQU8 with zeroing clears elements that the mask leaves out.
    zero_masked_byte_load 5;
    /// A load by VMOVDQU16 leaves elements that the mask leaves out.
    masked_word_load 6;
    /// A load by VMOVDQU16 with zeroing clears elements that the mask leaves out.
    zero_masked_word_load 7;
    /// A store by VMOVDQU8 leaves memory that the mask leaves out.
    masked_byte_store 8;
    /// A store by VMOVDQU16 leaves memory that the mask leaves out.
    masked_word_store 9;
}

// The mask stands in the top byte of RDI, the address below.
user_code!(load_at: "mov rax, rdi", "shr rax, 56", "kmovw k1, eax", "shl rdi, 8", "shr rdi, 8",
    "vmovdqu64 zmm0{{k1}}, [rdi]", "vzeroupper", "ret");
user_code!(store_at: "mov rax, rdi", "shr rax, 56", "kmovw k1, eax", "shl rdi, 8", "shr rdi, 8",
    "vmovdqu64 [rdi]{{k1}}, zmm0", "vzeroupper", "ret");

/// Runs an access that crosses into a page that is absent, with masks around the border; error code of its #PF.
fn cross(code: Code, error_code: u32) {
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(XCR0);
    map(0, frame(0), ALL_RIGHTS);
    let border = address(1);
    for mapped in 0..8_u32 {
        for (number, mask) in [0, 1, 0xff, 0xff << mapped & 0xff, 0xff >> (8 - mapped), 0x80].into_iter().enumerate() {
            let argument = (border - u64::from(mapped) * 8) | mask << 56;
            let expected = if faults(mask, mapped) { Outcome::pf(error_code) } else { Outcome::COMPLETED };
            let row = mapped as usize * 6 + number;
            check_outcome!(
                "by elements in front of the border and mask",
                [&[]; row],
                user::call(code, argument),
                expected
            );
        }
    }
}

/// A masked load accesses no element that the mask leaves out: a page that is absent behind them raises nothing.
#[case(feature = StateSse, spec = sdm1("Eight Opmask Register Support"), needs = Needs::AVX512F | Needs::XSAVE)]
fn masked_load_suppresses_faults() {
    cross(load_at, 4);
}

/// A masked store accesses no element that the mask leaves out: a page that is absent behind them raises nothing.
#[case(feature = StateSse, spec = sdm1("Eight Opmask Register Support"), needs = Needs::AVX512F | Needs::XSAVE)]
fn masked_store_suppresses_faults() {
    cross(store_at, 6);
}
