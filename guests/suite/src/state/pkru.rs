//! PKRU as a component of XSAVE, alone.

use super::{
    memory::Area,
    pkru_model::{NR_ROWS, PKRU, Row, Saved, restored, row, saved_columns},
    sweep::HEADER,
    xcr0::read_supported,
    xsetbv,
};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
    },
    user, user_code,
    vocabulary::Needs,
};

/// CR4.PKE.
const PKE: u64 = 1 << 22;
/// Offsets from RDI beyond any area: RFBM, PKRU before.
const RFBM: u64 = 0x3000;
const BEFORE: u64 = 0x3008;
/// What memory holds that nothing should write.
const MARK: u32 = 0x5a5a_a5a5;

user_code!(save: "mov eax, [rdi + 0x3008]", "xor ecx, ecx", "xor edx, edx", "wrpkru", "mov eax, [rdi + 0x3000]",
    "xsave64 [rdi]", "xor eax, eax", "xor edx, edx", "wrpkru", "ret");
user_code!(restore: "mov eax, [rdi + 0x3008]", "xor ecx, ecx", "xor edx, edx", "wrpkru", "mov eax, [rdi + 0x3000]",
    "xrstor64 [rdi]", "xor ecx, ecx", "rdpkru", "mov esi, eax", "xor eax, eax", "wrpkru", "mov eax, esi", "ret");

/// Enables x87 state and PKRU, and tells where PKRU stands.
fn enable() -> Option<(With, u64)> {
    if read_supported() & PKRU == 0 {
        return None;
    }
    let with = With::cr4(cr4::OSXSAVE | PKE, 0).ok()?;
    xsetbv(PKRU | 1).ok()?;
    Some((with, u64::from(read_leaf(0xd, 9).ebx)))
}

fn prepare(area: Area, offset: u64, row: &Row) {
    area.write(RFBM, row.rfbm);
    area.write(BEFORE, u64::from(row.before));
    area.write(0, 0x37f);
    area.write(24, 0x1f80);
    area.write(HEADER, row.xstate_bv);
    area.write(HEADER + 8, 0);
    area.write(HEADER + 16, 0);
    area.write(offset, u64::from(row.memory));
}

/// With XCR0 of x87 state and PKRU, XRSTOR loads PKRU, clears it, or leaves it, as RFBM and XSTATE_BV say.
#[case(feature = StateXsave, spec = [sdm1("PKRU State"), sdm1("Operation of XRSTOR")], needs = Needs::XSAVE | Needs::PKU)]
fn pkru_alone_by_xrstor() {
    let Some((_with, offset)) = enable() else {
        check!("XCR0 takes PKRU with x87 state", false);
        return;
    };
    let area = Area::new(0);
    let done = user::run(|| {
        for index in 0..NR_ROWS {
            let row = row(index);
            prepare(area, offset, &row);
            check_eq!("PKRU", [&[]; index], restore(area.address()), restored(&row));
        }
    });
    check_outcome!("no exception", done, Outcome::COMPLETED);
}

/// With XCR0 of x87 state and PKRU, XSAVE writes PKRU and its bit in XSTATE_BV where RFBM has it, and else neither.
#[case(feature = StateXsave, spec = [sdm1("PKRU State"), sdm1("Operation of XSAVE")], needs = Needs::XSAVE | Needs::PKU)]
fn pkru_alone_by_xsave() {
    let Some((_with, offset)) = enable() else {
        check!("XCR0 takes PKRU with x87 state", false);
        return;
    };
    let area = Area::new(0);
    let done = user::run(|| {
        for index in 0..NR_ROWS {
            let row = row(index);
            prepare(area, offset, &row);
            area.write(HEADER, PKRU);
            area.write(offset, u64::from(MARK) << 32 | u64::from(MARK));
            save(area.address());
            let seen = Saved { in_xstate_bv: area.read(HEADER) & PKRU != 0, memory: area.read(offset) as u32 };
            let [bit, memory] = saved_columns(&row, MARK, seen);
            check_eq!("bit in XSTATE_BV", [&[]; index], bit.0, bit.1);
            check_eq!("PKRU in memory", [&[]; index], memory.0, memory.1);
        }
    });
    check_outcome!("no exception", done, Outcome::COMPLETED);
}
