//! Rules of guest segment registers in other modes.

use super::super::field;
use super::{
    Failure, Given, Rule,
    bases::{PROTECTED, REAL, UNPAGED, VIRTUAL_8086},
    none, rules,
    segments::SECTION,
};
use case::Text;

/// The segments in virtual-8086 mode, of which the same holds for each, and what is different from segment to segment.
macro_rules! of_each {
    (
        segments { $($base:ident $limit:ident $rights:ident: $base_rule:ident $limit_rule:ident $rights_rule:ident;)+ }
        others { $($others:tt)+ }
    ) => {
        rules! {
            $(
                $base_rule: Failure::Guest(0), SECTION, $base, VIRTUAL_8086;
                    bits(none, |_| !0)
                    legal {
                        "16 times the selector": |_, v| v,
                    };
                $limit_rule: Failure::Guest(0), SECTION, $limit, VIRTUAL_8086;
                    bits(none, |_| 0xffff_ffff)
                    legal {
                        "FFFFH": |_, v| v,
                    };
                $rights_rule: Failure::Guest(0), SECTION, $rights, VIRTUAL_8086;
                    bits(none, |_| 0xffff_ffff)
                    legal {
                        "F3H": |_, v| v,
                    };
            )+
            $($others)+
        }
    };
}

of_each! {
    segments {
        GUEST_ES_BASE GUEST_ES_LIMIT GUEST_ES_RIGHTS: ES_BASE_VIRTUAL_8086 ES_LIMIT_VIRTUAL_8086 ES_RIGHTS_VIRTUAL_8086;
        GUEST_CS_BASE GUEST_CS_LIMIT GUEST_CS_RIGHTS: CS_BASE_VIRTUAL_8086 CS_LIMIT_VIRTUAL_8086 CS_RIGHTS_VIRTUAL_8086;
        GUEST_SS_BASE GUEST_SS_LIMIT GUEST_SS_RIGHTS: SS_BASE_VIRTUAL_8086 SS_LIMIT_VIRTUAL_8086 SS_RIGHTS_VIRTUAL_8086;
        GUEST_DS_BASE GUEST_DS_LIMIT GUEST_DS_RIGHTS: DS_BASE_VIRTUAL_8086 DS_LIMIT_VIRTUAL_8086 DS_RIGHTS_VIRTUAL_8086;
        GUEST_FS_BASE GUEST_FS_LIMIT GUEST_FS_RIGHTS: FS_BASE_VIRTUAL_8086 FS_LIMIT_VIRTUAL_8086 FS_RIGHTS_VIRTUAL_8086;
        GUEST_GS_BASE GUEST_GS_LIMIT GUEST_GS_RIGHTS: GS_BASE_VIRTUAL_8086 GS_LIMIT_VIRTUAL_8086 GS_RIGHTS_VIRTUAL_8086;
    }
    others {
        SELECTORS_VIRTUAL_8086: Failure::Guest(0), SECTION, GUEST_CS, VIRTUAL_8086;
            bits(none, |_| 0xffff)
            legal {
                "as the base": |_, v| v,
            };
        TR_TYPE_PROTECTED: Failure::Guest(0), SECTION, GUEST_TR_RIGHTS, PROTECTED;
            types { 11 3; 0 1 2 4 5 6 7 8 9 10 12 13 14 15 };
        CS_L_AND_D_PROTECTED: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, PROTECTED;
            legal {
                "neither": |_, _| 0x809b,
                "D": |_, _| 0xc09b,
                "L": |_, _| 0xa09b,
                "both": |_, _| 0xe09b,
            };
        CS_TYPE_REAL: Failure::Guest(0), SECTION, GUEST_CS_RIGHTS, REAL;
            types { 3 9 11 13 15; 0 1 2 4 5 6 7 8 10 12 14 };
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
            types { 3 9 11 13 15; 0 1 2 4 5 6 7 8 10 12 14 };
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
}
