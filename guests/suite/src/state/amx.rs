//! AMX: the tile configuration, tile data, and what XCR0 and IA32_XFD make of them.
//!
//! No processor that these cases were written on has AMX, so that they were never executed: the clauses alone speak for
//! them.

use super::{memory::Area, xcr0::read_supported, xsetbv};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
        msr,
    },
    names, skip, user, user_code,
    vocabulary::{Needs, Text},
};

/// Tile configuration and tile data in XCR0.
const TILES: u64 = 3 << 17;
const TILE_DATA: u64 = 1 << 18;
/// IA32_XFD and IA32_XFD_ERR.
const IA32_XFD: u32 = 0x1c4;
const IA32_XFD_ERR: u32 = 0x1c5;

user_code!(load_configuration: "ldtilecfg [rdi]", "xor eax, eax", "ret");
user_code!(store_configuration: "sttilecfg [rdi + 64]", "xor eax, eax", "ret");
user_code!(release: "tilerelease", "xor eax, eax", "ret");
user_code!(zero: "tilezero tmm0", "xor eax, eax", "ret");
// Tile 0 from RDI + 1024, to RDI + 2048; RSI is the distance between rows.
user_code!(copy: "mov esi, 64", "tileloadd tmm0, [rdi + rsi + 1024]", "tilestored [rdi + rsi + 2048], tmm0",
    "xor eax, eax", "ret");

/// A configuration of palette 1 with tile 0 of 16 rows of 64 bytes.
fn write_configuration(area: Area) {
    area.fill(0, 128, 0);
    area.write(0, 1);
    area.write(16, 64);
    area.write(48, 16);
}

fn enable(xcr0: u64) -> Option<With> {
    let with = With::cr4(cr4::OSXSAVE, 0).ok()?;
    xsetbv(xcr0).ok()?;
    Some(with)
}

/// Without AMX its instructions raise #UD, whatever XCR0 says.
#[case(feature = StateXsave, spec = [sdm1("Programming With Intel Advanced Matrix Extensions"), sdm2("LDTILECFG—Load Tile Configuration")],
       needs = Needs::XSAVE)]
fn tiles_without_amx() {
    const NAMES: &[Text] = names!["LDTILECFG", "STTILECFG", "TILERELEASE", "TILEZERO"];
    if read_leaf(7, 0).edx >> 24 & 1 != 0 {
        skip!("AMX is offered");
    }
    let area = Area::new(0);
    write_configuration(area);
    let Some(_with) = enable(read_supported() & 7) else { return check!("all that there is in XCR0", false) };
    for (row, code) in [load_configuration, store_configuration, release, zero].into_iter().enumerate() {
        check_outcome!("instruction", [NAMES; row], user::call(code, area.address()), Outcome::UD);
    }
}

/// AMX instructions raise #UD unless CR4.OSXSAVE and both of the tiles' bits of XCR0 are set.
#[case(feature = StateXsave, spec = [sdm1("Programming With Intel Advanced Matrix Extensions"), sdm2("LDTILECFG—Load Tile Configuration")],
       needs = Needs::XSAVE | Needs::AMX_TILE)]
fn tiles_need_their_bits_of_xcr0() {
    const NAMES: &[Text] = names!["LDTILECFG", "STTILECFG", "TILERELEASE"];
    let area = Area::new(0);
    write_configuration(area);
    let codes = [load_configuration, store_configuration, release];
    for (row, code) in codes.into_iter().enumerate() {
        check_outcome!("OSXSAVE clear", [NAMES; row], user::call(code, area.address()), Outcome::UD);
    }
    let without = enable(3);
    for (row, code) in codes.into_iter().enumerate() {
        check_outcome!("tiles not in XCR0", [NAMES; row], user::call(code, area.address()), Outcome::UD);
    }
    drop(without);
    let _with = enable(TILES | 3);
    for (row, code) in codes.into_iter().enumerate() {
        check_outcome!("tiles in XCR0", [NAMES; row], user::call(code, area.address()), Outcome::COMPLETED);
    }
}

/// STTILECFG stores what LDTILECFG loaded; TILERELEASE clears it; a reserved byte or an unknown palette raises #GP(0).
#[case(feature = StateXsave, spec = [sdm2("LDTILECFG—Load Tile Configuration"), sdm2("STTILECFG—Store Tile Configuration"),
       sdm2("TILERELEASE—Release Tile")], needs = Needs::XSAVE | Needs::AMX_TILE)]
fn tile_configuration() {
    let Some(_with) = enable(TILES | 3) else {
        check!("XCR0 takes the tiles", false);
        return;
    };
    let area = Area::new(0);
    write_configuration(area);
    check_outcome!("LDTILECFG", user::call(load_configuration, area.address()), Outcome::COMPLETED);
    check_outcome!("STTILECFG", user::call(store_configuration, area.address()), Outcome::COMPLETED);
    for quadword in 0..8 {
        check_eq!("stored", [&[]; quadword], area.read(64 + quadword * 8), area.read(quadword * 8));
    }
    check_outcome!("TILEZERO", user::call(zero, 0), Outcome::COMPLETED);
    check_outcome!("TILERELEASE", user::call(release, 0), Outcome::COMPLETED);
    check_outcome!("STTILECFG of nothing", user::call(store_configuration, area.address()), Outcome::COMPLETED);
    for quadword in 0..8 {
        check_eq!("stored behind TILERELEASE", [&[]; quadword], area.read(64 + quadword * 8), 0);
    }
    check_outcome!("TILEZERO without a configuration", user::call(zero, 0), Outcome::UD);
    area.write(0, 0xff);
    check_outcome!("palette 255", user::call(load_configuration, area.address()), Outcome::GP);
    area.write(0, 1 | 1 << 16);
    check_outcome!("reserved byte 2", user::call(load_configuration, area.address()), Outcome::GP);
    area.write(0, 1);
    area.write(48, 0);
    check_outcome!("columns without rows", user::call(load_configuration, area.address()), Outcome::GP);
}

/// Tile data is loaded and stored row by row.
#[case(feature = StateXsave, spec = [sdm2("TILELOADD/TILELOADDT1—Load Tile"), sdm2("TILESTORED—Store Tile")],
       needs = Needs::XSAVE | Needs::AMX_TILE)]
fn tile_data() {
    let Some(_with) = enable(TILES | 3) else {
        check!("XCR0 takes the tiles", false);
        return;
    };
    let area = Area::new(0);
    write_configuration(area);
    for quadword in 0..128 {
        area.write(1024 + quadword * 8, 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(quadword + 1));
    }
    check_outcome!("LDTILECFG", user::call(load_configuration, area.address()), Outcome::COMPLETED);
    check_outcome!("TILELOADD, TILESTORED", user::call(copy, area.address()), Outcome::COMPLETED);
    for quadword in 0..128 {
        check_eq!("tile 0", [&[]; quadword], area.read(2048 + quadword * 8), area.read(1024 + quadword * 8));
    }
    let _ = user::call(release, 0);
}

/// With tile data in IA32_XFD, an instruction on tiles raises #NM and says so in IA32_XFD_ERR; LDTILECFG
/// and STTILECFG do not.
#[case(feature = StateXsave, spec = sdm1("Extended Feature Disable (XFD)"), needs = Needs::XSAVE | Needs::AMX_TILE)]
fn tile_data_disabled() {
    if read_leaf(0xd, 1).eax >> 4 & 1 == 0 {
        skip!("no IA32_XFD");
        return;
    }
    let Some(_with) = enable(TILES | 3) else {
        check!("XCR0 takes the tiles", false);
        return;
    };
    check!("CPUID names both components", read_supported() & TILES == TILES);
    let area = Area::new(0);
    write_configuration(area);
    check_outcome!("IA32_XFD", msr::write(IA32_XFD, TILE_DATA), Outcome::COMPLETED);
    check_outcome!("IA32_XFD_ERR", msr::write(IA32_XFD_ERR, 0), Outcome::COMPLETED);
    // Both initialize tile data, and need it for nothing else.
    check_outcome!("LDTILECFG", user::call(load_configuration, area.address()), Outcome::COMPLETED);
    check_outcome!("STTILECFG", user::call(store_configuration, area.address()), Outcome::COMPLETED);
    check_eq!("IA32_XFD_ERR behind them", msr::read(IA32_XFD_ERR).unwrap_or(1), 0);
    check_outcome!("TILEZERO", user::call(zero, 0), Outcome::NM);
    check_eq!("IA32_XFD_ERR", msr::read(IA32_XFD_ERR).unwrap_or(0), TILE_DATA);
    check_outcome!("IA32_XFD of another bit", msr::write(IA32_XFD, 1 << 1), Outcome::GP);
    check_outcome!("IA32_XFD of nothing", msr::write(IA32_XFD, 0), Outcome::COMPLETED);
    check_outcome!("IA32_XFD_ERR of nothing", msr::write(IA32_XFD_ERR, 0), Outcome::COMPLETED);
    check_outcome!("TILEZERO, enabled", user::call(zero, 0), Outcome::COMPLETED);
    let _ = user::call(release, 0);
}
