//! Rules of guest segment selectors and bases in 64-bit mode.

use super::super::field;
use super::{
    Failure, Given, Rule,
    bases::{LONG, UNRESTRICTED},
    none, not_canonical, rules,
    values::ADDRESSES,
};
use case::Text;

/// Title of the section.
pub(crate) const SECTION: &str = "Checks on Guest Segment Registers";

rules! {
    TR_SELECTOR: Failure::Guest(0), SECTION, GUEST_TR, LONG;
        bits(|_| 0xfffb, |_| 4);
    LDTR_SELECTOR: Failure::Guest(0), SECTION, GUEST_LDTR, LONG;
        given { GUEST_LDTR_RIGHTS: |_, _| 0x82 }
        bits(|_| 0xfffb, |_| 4);
    LDTR_SELECTOR_UNUSABLE: Failure::Guest(0), SECTION, GUEST_LDTR, LONG;
        bits(|_| 0xffff, none);
    SS_RPL: Failure::Guest(0), SECTION, GUEST_SS, LONG;
        legal {
            "RPL 0": |_, v| v,
            "null": |_, _| 0,
            "another index": |_, _| 0xfff8,
        }
        illegal {
            "RPL 1": |_, v| v | 1,
            "RPL 2": |_, v| v | 2,
            "RPL 3": |_, v| v | 3,
        };
    DS_SELECTOR: Failure::Guest(0), SECTION, GUEST_DS, LONG;
        bits(|_| 0xfffc, |_| 3);
    ES_SELECTOR: Failure::Guest(0), SECTION, GUEST_ES, LONG;
        bits(|_| 0xfffc, |_| 3);
    FS_SELECTOR: Failure::Guest(0), SECTION, GUEST_FS, LONG;
        bits(|_| 0xffff, none);
    GS_SELECTOR: Failure::Guest(0), SECTION, GUEST_GS, LONG;
        bits(|_| 0xffff, none);
    CS_BASE: Failure::Guest(0), SECTION, GUEST_CS_BASE, LONG;
        bits(|_| 0xffff_ffff, |_| !0 << 32);
    SS_BASE: Failure::Guest(0), SECTION, GUEST_SS_BASE, LONG;
        bits(|_| 0xffff_ffff, |_| !0 << 32);
    SS_BASE_UNUSABLE: Failure::Guest(0), SECTION, GUEST_SS_BASE, LONG;
        given { GUEST_SS_RIGHTS: |_, _| 1 << 16 }
        bits(|_| !0, none);
    DS_BASE: Failure::Guest(0), SECTION, GUEST_DS_BASE, LONG;
        bits(|_| 0xffff_ffff, |_| !0 << 32);
    DS_BASE_UNUSABLE: Failure::Guest(0), SECTION, GUEST_DS_BASE, LONG;
        given { GUEST_DS_RIGHTS: |_, _| 1 << 16 }
        bits(|_| !0, none);
    ES_BASE: Failure::Guest(0), SECTION, GUEST_ES_BASE, LONG;
        bits(|_| 0xffff_ffff, |_| !0 << 32);
    ES_BASE_UNUSABLE: Failure::Guest(0), SECTION, GUEST_ES_BASE, LONG;
        given { GUEST_ES_RIGHTS: |_, _| 1 << 16 }
        bits(|_| !0, none);
    FS_BASE: Failure::Guest(0), SECTION, GUEST_FS_BASE, LONG;
        bits(|_| 0x7ff8_0000_0000, not_canonical)
        values(ADDRESSES);
    GS_BASE: Failure::Guest(0), SECTION, GUEST_GS_BASE, LONG;
        bits(|_| 0x7ff8_0000_0000, not_canonical)
        values(ADDRESSES);
    TR_BASE: Failure::Guest(0), SECTION, GUEST_TR_BASE, LONG;
        bits(|_| 0x7ff8_0000_0000, not_canonical)
        values(ADDRESSES);
    LDTR_BASE: Failure::Guest(0), SECTION, GUEST_LDTR_BASE, LONG;
        given { GUEST_LDTR_RIGHTS: |_, _| 0x82 }
        bits(|_| 0x7ff8_0000_0000, not_canonical)
        values(ADDRESSES);
    LDTR_BASE_UNUSABLE: Failure::Guest(0), SECTION, GUEST_LDTR_BASE, LONG;
        bits(|_| !0, none);
    SS_RPL_UNRESTRICTED: Failure::Guest(0), SECTION, GUEST_SS, UNRESTRICTED;
        legal {
            "RPL 0": |_, v| v,
            "RPL 3": |_, v| v | 3,
        };
}
