//! Rules of guest segment registers in other modes.

use super::super::field;
use super::{
    Failure, Given, Rule,
    bases::{PROTECTED, REAL, UNPAGED, VIRTUAL_8086},
    none, rules,
    segments::SECTION,
};
use case::Text;

rules! {
    ES_BASE_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_ES_BASE, VIRTUAL_8086;
        bits(none, |_| !0)
        legal {
            "16 times the selector": |_, v| v,
        };
    ES_LIMIT_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_ES_LIMIT, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "FFFFH": |_, v| v,
        };
    ES_RIGHTS_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_ES_RIGHTS, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "F3H": |_, v| v,
        };
    CS_BASE_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_CS_BASE, VIRTUAL_8086;
        bits(none, |_| !0)
        legal {
            "16 times the selector": |_, v| v,
        };
    CS_LIMIT_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_CS_LIMIT, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "FFFFH": |_, v| v,
        };
    CS_RIGHTS_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "F3H": |_, v| v,
        };
    SS_BASE_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_SS_BASE, VIRTUAL_8086;
        bits(none, |_| !0)
        legal {
            "16 times the selector": |_, v| v,
        };
    SS_LIMIT_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_SS_LIMIT, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "FFFFH": |_, v| v,
        };
    SS_RIGHTS_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_SS_RIGHTS, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "F3H": |_, v| v,
        };
    DS_BASE_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_DS_BASE, VIRTUAL_8086;
        bits(none, |_| !0)
        legal {
            "16 times the selector": |_, v| v,
        };
    DS_LIMIT_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_DS_LIMIT, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "FFFFH": |_, v| v,
        };
    DS_RIGHTS_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_DS_RIGHTS, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "F3H": |_, v| v,
        };
    FS_BASE_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_FS_BASE, VIRTUAL_8086;
        bits(none, |_| !0)
        legal {
            "16 times the selector": |_, v| v,
        };
    FS_LIMIT_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_FS_LIMIT, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "FFFFH": |_, v| v,
        };
    FS_RIGHTS_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_FS_RIGHTS, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "F3H": |_, v| v,
        };
    GS_BASE_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_GS_BASE, VIRTUAL_8086;
        bits(none, |_| !0)
        legal {
            "16 times the selector": |_, v| v,
        };
    GS_LIMIT_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_GS_LIMIT, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "FFFFH": |_, v| v,
        };
    GS_RIGHTS_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_GS_RIGHTS, VIRTUAL_8086;
        bits(none, |_| 0xffff_ffff)
        legal {
            "F3H": |_, v| v,
        };
    SELECTORS_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_CS, VIRTUAL_8086;
        bits(none, |_| 0xffff)
        legal {
            "as the base": |_, v| v,
        };
    TR_TYPE_PROTECTED: Failure::Guest(0), SECTION, GUEST_TR_RIGHTS, PROTECTED;
        legal {
            "type 11": |_, v| v,
            "type 3": |_, v| v & !0xf | 3,
        }
        illegal {
            "type 0": |_, v| v & !0xf,
            "type 1": |_, v| v & !0xf | 1,
            "type 2": |_, v| v & !0xf | 2,
            "type 4": |_, v| v & !0xf | 4,
            "type 5": |_, v| v & !0xf | 5,
            "type 6": |_, v| v & !0xf | 6,
            "type 7": |_, v| v & !0xf | 7,
            "type 8": |_, v| v & !0xf | 8,
            "type 9": |_, v| v & !0xf | 9,
            "type 10": |_, v| v & !0xf | 10,
            "type 12": |_, v| v & !0xf | 12,
            "type 13": |_, v| v & !0xf | 13,
            "type 14": |_, v| v & !0xf | 14,
            "type 15": |_, v| v & !0xf | 15,
        };
    CS_L_AND_D_PROTECTED: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, PROTECTED;
        legal {
            "neither": |_, _| 0x809b,
            "D": |_, _| 0xc09b,
            "L": |_, _| 0xa09b,
            "both": |_, _| 0xe09b,
        };
    CS_TYPE_REAL: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, REAL;
        legal {
            "type 3": |_, v| v & !0xf | 3,
            "type 9": |_, v| v & !0xf | 9,
            "type 11": |_, v| v & !0xf | 11,
            "type 13": |_, v| v & !0xf | 13,
            "type 15": |_, v| v & !0xf | 15,
        }
        illegal {
            "type 0": |_, v| v & !0xf,
            "type 1": |_, v| v & !0xf | 1,
            "type 2": |_, v| v & !0xf | 2,
            "type 4": |_, v| v & !0xf | 4,
            "type 5": |_, v| v & !0xf | 5,
            "type 6": |_, v| v & !0xf | 6,
            "type 7": |_, v| v & !0xf | 7,
            "type 8": |_, v| v & !0xf | 8,
            "type 10": |_, v| v & !0xf | 10,
            "type 12": |_, v| v & !0xf | 12,
            "type 14": |_, v| v & !0xf | 14,
        };
    CS_DPL_REAL: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, REAL;
        legal {
            "type 3, DPL 0": |_, v| v,
        }
        illegal {
            "type 3, DPL 1": |_, v| v | 1 << 5,
            "type 3, DPL 2": |_, v| v | 2 << 5,
            "type 3, DPL 3": |_, v| v | 3 << 5,
        };
    SS_DPL_REAL: Failure::Guest(0), SECTION, GUEST_SS_RIGHTS, REAL;
        legal {
            "DPL 0": |_, v| v,
        }
        illegal {
            "DPL 1": |_, v| v | 1 << 5,
            "DPL 2": |_, v| v | 2 << 5,
            "DPL 3": |_, v| v | 3 << 5,
        };
    CS_TYPE_UNPAGED: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, UNPAGED;
        legal {
            "type 3": |_, v| v & !0xf | 3,
            "type 9": |_, v| v & !0xf | 9,
            "type 11": |_, v| v & !0xf | 11,
            "type 13": |_, v| v & !0xf | 13,
            "type 15": |_, v| v & !0xf | 15,
        }
        illegal {
            "type 0": |_, v| v & !0xf,
            "type 1": |_, v| v & !0xf | 1,
            "type 2": |_, v| v & !0xf | 2,
            "type 4": |_, v| v & !0xf | 4,
            "type 5": |_, v| v & !0xf | 5,
            "type 6": |_, v| v & !0xf | 6,
            "type 7": |_, v| v & !0xf | 7,
            "type 8": |_, v| v & !0xf | 8,
            "type 10": |_, v| v & !0xf | 10,
            "type 12": |_, v| v & !0xf | 12,
            "type 14": |_, v| v & !0xf | 14,
        };
    SS_DPL_UNPAGED: Failure::Guest(0), SECTION, GUEST_SS_RIGHTS, UNPAGED;
        given { GUEST_CS_RIGHTS: |_, _| 0xc093 }
        legal {
            "DPL 0": |_, v| v,
        }
        illegal {
            "DPL 1 with CS of type 3": |_, v| v | 1 << 5,
            "DPL 2 with CS of type 3": |_, v| v | 2 << 5,
            "DPL 3 with CS of type 3": |_, v| v | 3 << 5,
        };
    DS_DPL_UNPAGED: Failure::Guest(0), SECTION, GUEST_DS, UNPAGED;
        legal {
            "RPL 0": |_, v| v,
            "RPL 1": |_, v| v | 1,
            "RPL 2": |_, v| v | 2,
            "RPL 3": |_, v| v | 3,
        };
}
