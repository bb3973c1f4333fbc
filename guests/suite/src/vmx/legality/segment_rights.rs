//! Rules of guest segment access rights in 64-bit mode.

use super::super::field;
use super::{Failure, Given, Rule, bases::LONG, none, rules, segments::SECTION};
use case::Text;

rules! {
    CS_TYPE: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, LONG;
        given { GUEST_CS_LIMIT: |_, _| 0xffff_ffff, GUEST_CS_RIGHTS: |_, _| 0xa09b }
        types { 9 11 13 15; 0 1 2 4 5 6 7 8 10 12 14 3 };
    CS_RESERVED: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, LONG;
        given { GUEST_CS_LIMIT: |_, _| 0xffff_ffff, GUEST_CS_RIGHTS: |_, _| 0xa09b }
        bits(|_| 1 << 12, |_| 0xfffe_0f00);
    CS_S: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, LONG;
        given { GUEST_CS_LIMIT: |_, _| 0xffff_ffff, GUEST_CS_RIGHTS: |_, _| 0xa09b }
        legal {
            "S": |_, v| v,
        }
        illegal {
            "no S": |_, v| v & !0x10,
        };
    CS_P: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, LONG;
        given { GUEST_CS_LIMIT: |_, _| 0xffff_ffff, GUEST_CS_RIGHTS: |_, _| 0xa09b }
        legal {
            "P": |_, v| v,
        }
        illegal {
            "no P": |_, v| v & !0x80,
        };
    SS_TYPE: Failure::Guest(0), SECTION, GUEST_SS_RIGHTS, LONG;
        given { GUEST_SS_LIMIT: |_, _| 0xffff_ffff, GUEST_SS_RIGHTS: |_, _| 0xc093 }
        types { 3 7; 0 1 2 4 5 6 8 9 10 11 12 13 14 15 };
    SS_RESERVED: Failure::Guest(0), SECTION, GUEST_SS_RIGHTS, LONG;
        given { GUEST_SS_LIMIT: |_, _| 0xffff_ffff, GUEST_SS_RIGHTS: |_, _| 0xc093 }
        bits(|_| 1 << 12, |_| 0xfffe_0f00);
    SS_S: Failure::Guest(0), SECTION, GUEST_SS_RIGHTS, LONG;
        given { GUEST_SS_LIMIT: |_, _| 0xffff_ffff, GUEST_SS_RIGHTS: |_, _| 0xc093 }
        legal {
            "S": |_, v| v,
        }
        illegal {
            "no S": |_, v| v & !0x10,
        };
    SS_P: Failure::Guest(0), SECTION, GUEST_SS_RIGHTS, LONG;
        given { GUEST_SS_LIMIT: |_, _| 0xffff_ffff, GUEST_SS_RIGHTS: |_, _| 0xc093 }
        legal {
            "P": |_, v| v,
        }
        illegal {
            "no P": |_, v| v & !0x80,
        };
    SS_UNUSABLE: Failure::Guest(0), SECTION, GUEST_SS_RIGHTS, LONG;
        given { GUEST_SS_RIGHTS: |_, _| 1 << 16 }
        bits(|_| 0xff9f, none);
    CS_UNUSABLE_TYPE: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, LONG;
        legal {
            "usable": |_, v| v,
        }
        illegal {
            "unusable without S": |_, v| (v | 1 << 16) & !0x10,
            "unusable without P": |_, v| (v | 1 << 16) & !0x80,
            "unusable, type 0": |_, v| (v | 1 << 16) & !0xf,
        };
    CS_DEFAULT_SIZE: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, LONG;
        legal {
            "L": |_, v| v,
            "D": |_, _| 0xc09b,
            "neither": |_, _| 0x809b,
        }
        illegal {
            "both": |_, v| v | 1 << 14,
        };
    CS_DPL: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, LONG;
        legal {
            "type 11, DPL 0": |_, v| v,
            "type 15, DPL 0": |_, v| v & !0xf | 15,
        }
        illegal {
            "type 9, DPL 1": |_, v| v & !0xf | 9 | 1 << 5,
            "type 9, DPL 2": |_, v| v & !0xf | 9 | 2 << 5,
            "type 9, DPL 3": |_, v| v & !0xf | 9 | 3 << 5,
            "type 11, DPL 1": |_, v| v & !0xf | 11 | 1 << 5,
            "type 11, DPL 2": |_, v| v & !0xf | 11 | 2 << 5,
            "type 11, DPL 3": |_, v| v & !0xf | 11 | 3 << 5,
            "type 13, DPL 1": |_, v| v & !0xf | 13 | 1 << 5,
            "type 13, DPL 2": |_, v| v & !0xf | 13 | 2 << 5,
            "type 13, DPL 3": |_, v| v & !0xf | 13 | 3 << 5,
            "type 15, DPL 1": |_, v| v & !0xf | 15 | 1 << 5,
            "type 15, DPL 2": |_, v| v & !0xf | 15 | 2 << 5,
            "type 15, DPL 3": |_, v| v & !0xf | 15 | 3 << 5,
        };
    SS_DPL: Failure::Guest(0), SECTION, GUEST_SS_RIGHTS, LONG;
        legal {
            "DPL 0": |_, v| v,
        }
        illegal {
            "DPL 1": |_, v| v | 1 << 5,
            "DPL 2": |_, v| v | 2 << 5,
            "DPL 3": |_, v| v | 3 << 5,
        };
    CONFORMING_CS_DPL: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, LONG;
        given { GUEST_CS: |_, v| v | 3, GUEST_SS: |_, v| v | 3, GUEST_SS_RIGHTS: |_, v| v | 3 << 5 }
        legal {
            "conforming, DPL 0": |_, v| v & !0xf | 15,
            "conforming, DPL 1": |_, v| v & !0xf | 15 | 1 << 5,
            "conforming, DPL 2": |_, v| v & !0xf | 15 | 2 << 5,
            "conforming, DPL 3": |_, v| v & !0xf | 15 | 3 << 5,
            "DPL 3": |_, v| v | 3 << 5,
        }
        illegal {
            "DPL 0": |_, v| v,
            "DPL 1": |_, v| v | 1 << 5,
            "DPL 2": |_, v| v | 2 << 5,
        };
    TR_TYPE: Failure::Guest(0), SECTION, GUEST_TR_RIGHTS, LONG;
        types { 11; 0 1 2 3 4 5 6 7 8 9 10 12 13 14 15 };
    TR_RESERVED: Failure::Guest(0), SECTION, GUEST_TR_RIGHTS, LONG;
        bits(|_| 0x7060, |_| 0xfffe_0f00);
    TR_S_P_AND_UNUSABLE: Failure::Guest(0), SECTION, GUEST_TR_RIGHTS, LONG;
        illegal {
            "S": |_, v| v | 0x10,
            "no P": |_, v| v & !0x80,
            "unusable": |_, v| v | 1 << 16,
        };
    LDTR_TYPE: Failure::Guest(0), SECTION, GUEST_LDTR_RIGHTS, LONG;
        given { GUEST_LDTR_RIGHTS: |_, _| 0x82, GUEST_LDTR_LIMIT: |_, _| 0xffff }
        types { 2; 0 1 3 4 5 6 7 8 9 10 11 12 13 14 15 };
    LDTR_RESERVED: Failure::Guest(0), SECTION, GUEST_LDTR_RIGHTS, LONG;
        given { GUEST_LDTR_RIGHTS: |_, _| 0x82, GUEST_LDTR_LIMIT: |_, _| 0xffff }
        bits(|_| 0x7060, |_| 0xfffe_0f00);
    LDTR_S_AND_P: Failure::Guest(0), SECTION, GUEST_LDTR_RIGHTS, LONG;
        given { GUEST_LDTR_RIGHTS: |_, _| 0x82, GUEST_LDTR_LIMIT: |_, _| 0xffff }
        illegal {
            "S": |_, v| v | 0x10,
            "no P": |_, v| v & !0x80,
        };
    LDTR_UNUSABLE: Failure::Guest(0), SECTION, GUEST_LDTR_RIGHTS, LONG;
        bits(|_| 0xfffe_ffff, none);
}
