//! IRETQ and far RET of quadwords from 64-bit mode at CPL 0, 1 and 2 to compatibility mode, at their own level and at outer
//! ones.

use super::{
    compatibility_model::{Size, Way, arrived, arrived_outside},
    compatibility_returns::{COMPATIBLE_LANDING, address_of, seen, stack},
    reporting::{report, sites},
};
use case::Text;
use rt::{
    case,
    descriptors::{Descriptors, FREE},
    excursion::tables::{access, flag, segment},
    mmio, names,
    user::{self, State, register},
    user_code,
};

user_code!(iretq: "iretq");
user_code!(retfq: ".byte 0x48, 0xcb");
// PUSH of EAX by its default size, then UD2.
user_code!(landing: ".byte 0x50, 0x0f, 0x0b");

/// L of a code segment's descriptor.
const FLAG_L: u32 = 1 << 21;

const LEVELS: &[Text] = names!["to CPL 0", "to CPL 1", "to CPL 2", "to CPL 3"];
/// Images of RFLAGS: none, and all that every level may change but TF.
const IMAGES: [u64; 2] = [2, 0x24_0cd7];

/// Selectors of a level's descriptors: code of 64, 32 and 16 bits, and data.
fn code(level: u16, size: Size) -> u16 {
    let kind = match size {
        Size::Bits64 => 0,
        Size::Bits32 => 8,
        Size::Bits16 => 16,
    };
    FREE + level * 32 + kind + level
}

fn data(level: u16) -> u16 {
    FREE + level * 32 + 24 + level
}

fn table() -> Descriptors {
    let table = Descriptors::new();
    for level in 0..4 {
        let dpl = u32::from(level) << 5;
        table.set(code(level, Size::Bits64), segment(0, 0xf_ffff, access::CODE | dpl, FLAG_L | flag::G));
        table.set(code(level, Size::Bits32), segment(0, 0xf_ffff, access::CODE | dpl, flag::FLAT));
        let base = COMPATIBLE_LANDING.address() as u32;
        table.set(code(level, Size::Bits16), segment(base, 0xffff, access::CODE | dpl, 0));
        table.set(data(level), segment(0, 0xf_ffff, access::DATA | dpl, flag::FLAT));
    }
    table
}

/// Goes from 64-bit code at `from` to code of this size at each level from there on.
fn check_from(from: u16, size: Size, way: Way) {
    let _table = table();
    let target = match size {
        Size::Bits16 => 0,
        Size::Bits32 => COMPATIBLE_LANDING.address(),
        Size::Bits64 => address_of(landing),
    };
    let above = stack() + 0x100;
    for to in from..4 {
        let (cs, ss) = (code(to, size), data(to));
        // Far RET takes no image of RFLAGS.
        let nr_images = if way == Way::Iretq { IMAGES.len() } else { 1 };
        for (number, image) in IMAGES.into_iter().enumerate().take(nr_images) {
            let mut state = State::at(address_of(if way == Way::Iretq { iretq } else { retfq }));
            (state.cs, state.ss) = (code(from, Size::Bits64), data(from));
            state.registers[register::RSP] = stack();
            let words = if way == Way::Iretq {
                [target, cs.into(), image, above, ss.into()]
            } else {
                [target, cs.into(), above, ss.into(), 0]
            };
            for (index, word) in (0..).zip(words) {
                mmio::write_u64(stack() + index * 8, word);
            }
            let exception = user::enter(&mut state);
            let due = if way == Way::Iretq {
                arrived(way, size, target, cs, ss, above, image)
            } else {
                arrived_outside(from, to, size, target, cs, ss, [stack(), above])
            };
            let columns = seen(&exception).beside(due);
            match (way, number) {
                (Way::Iretq, 0) => report(
                    sites![LEVELS; Outcome "IRETQ, PUSH and UD2", Hex "RIP of IRETQ", Hex "CS of IRETQ",
                            Hex "SS of IRETQ", Hex "RSP of IRETQ", Hex "RFLAGS of IRETQ"],
                    to.into(),
                    columns,
                ),
                (Way::Iretq, _) => report(
                    sites![LEVELS; Outcome "IRETQ with all flags", Hex "RIP of IRETQ with all flags",
                            Hex "CS of IRETQ with all flags", Hex "SS of IRETQ with all flags",
                            Hex "RSP of IRETQ with all flags", Hex "RFLAGS of IRETQ with all flags"],
                    to.into(),
                    columns,
                ),
                _ => report(
                    sites![LEVELS; Outcome "far RET, PUSH and UD2", Hex "RIP of far RET", Hex "CS of far RET",
                            Hex "SS of far RET", Hex "RSP of far RET", Hex "RFLAGS of far RET"],
                    to.into(),
                    columns,
                ),
            }
        }
    }
}

// Cases for each level, size and way.
macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident $from:literal $size:ident $way:ident;)+) => {$(
        $(#[$doc])*
        #[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"),
               sdm2("RET—Return From Procedure"), apm3("IRET"), apm2("Compatibility Mode")])]
        fn $name() {
            check_from($from, Size::$size, Way::$way);
        }
    )+};
}

cases! {
    /// IRETQ at CPL 0 leads to 64-bit mode at CPL 0, 1, 2 and 3.
    interrupt_returns_from_cpl_0_to_64_bit_mode 0 Bits64 Iretq;
    /// IRETQ at CPL 0 leads to 32-bit compatibility mode at CPL 0, 1, 2 and 3.
    interrupt_returns_from_cpl_0_to_32_bit_mode 0 Bits32 Iretq;
    /// IRETQ at CPL 0 leads to 16-bit compatibility mode at CPL 0, 1, 2 and 3.
    interrupt_returns_from_cpl_0_to_16_bit_mode 0 Bits16 Iretq;
    /// IRETQ at CPL 1 leads to 64-bit mode at CPL 1, 2 and 3.
    interrupt_returns_from_cpl_1_to_64_bit_mode 1 Bits64 Iretq;
    /// IRETQ at CPL 1 leads to 32-bit compatibility mode at CPL 1, 2 and 3.
    interrupt_returns_from_cpl_1_to_32_bit_mode 1 Bits32 Iretq;
    /// IRETQ at CPL 1 leads to 16-bit compatibility mode at CPL 1, 2 and 3.
    interrupt_returns_from_cpl_1_to_16_bit_mode 1 Bits16 Iretq;
    /// IRETQ at CPL 2 leads to 64-bit mode at CPL 2 and 3.
    interrupt_returns_from_cpl_2_to_64_bit_mode 2 Bits64 Iretq;
    /// IRETQ at CPL 2 leads to 32-bit compatibility mode at CPL 2 and 3.
    interrupt_returns_from_cpl_2_to_32_bit_mode 2 Bits32 Iretq;
    /// IRETQ at CPL 2 leads to 16-bit compatibility mode at CPL 2 and 3.
    interrupt_returns_from_cpl_2_to_16_bit_mode 2 Bits16 Iretq;
    /// far RET of quadwords at CPL 0 leads to 64-bit mode at CPL 0, 1, 2 and 3.
    far_returns_from_cpl_0_to_64_bit_mode 0 Bits64 Retfq;
    /// far RET of quadwords at CPL 0 leads to 32-bit compatibility mode at CPL 0, 1, 2 and 3.
    far_returns_from_cpl_0_to_32_bit_mode 0 Bits32 Retfq;
    /// far RET of quadwords at CPL 0 leads to 16-bit compatibility mode at CPL 0, 1, 2 and 3.
    far_returns_from_cpl_0_to_16_bit_mode 0 Bits16 Retfq;
    /// far RET of quadwords at CPL 1 leads to 64-bit mode at CPL 1, 2 and 3.
    far_returns_from_cpl_1_to_64_bit_mode 1 Bits64 Retfq;
    /// far RET of quadwords at CPL 1 leads to 32-bit compatibility mode at CPL 1, 2 and 3.
    far_returns_from_cpl_1_to_32_bit_mode 1 Bits32 Retfq;
    /// far RET of quadwords at CPL 1 leads to 16-bit compatibility mode at CPL 1, 2 and 3.
    far_returns_from_cpl_1_to_16_bit_mode 1 Bits16 Retfq;
    /// far RET of quadwords at CPL 2 leads to 64-bit mode at CPL 2 and 3.
    far_returns_from_cpl_2_to_64_bit_mode 2 Bits64 Retfq;
    /// far RET of quadwords at CPL 2 leads to 32-bit compatibility mode at CPL 2 and 3.
    far_returns_from_cpl_2_to_32_bit_mode 2 Bits32 Retfq;
    /// far RET of quadwords at CPL 2 leads to 16-bit compatibility mode at CPL 2 and 3.
    far_returns_from_cpl_2_to_16_bit_mode 2 Bits16 Retfq;
}
