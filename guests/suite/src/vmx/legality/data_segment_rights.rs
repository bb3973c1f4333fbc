//! Rules of access rights of guest data segments in 64-bit mode: the same for each.

use super::super::field;
use super::{Failure, Given, Rule, bases::LONG, none, rules, segments::SECTION};
use case::Text;

macro_rules! of_each {
    ($(
        $selector:ident $limit:ident $rights:ident:
        $type:ident $reserved:ident $system:ident $present:ident $unusable:ident $dpl:ident;
    )+) => {
        rules! {
            $(
                $type: Failure::Guest(0), SECTION, $rights, LONG;
                    given { $limit: |_, _| 0xffff_ffff, $rights: |_, _| 0xc093 }
                    types { 1 3 5 7 11 15; 0 2 4 6 8 9 10 12 13 14 };
                $reserved: Failure::Guest(0), SECTION, $rights, LONG;
                    given { $limit: |_, _| 0xffff_ffff, $rights: |_, _| 0xc093 }
                    bits(|_| 1 << 12, |_| 0xfffe_0f00);
                $system: Failure::Guest(0), SECTION, $rights, LONG;
                    given { $limit: |_, _| 0xffff_ffff, $rights: |_, _| 0xc093 }
                    legal {
                        "S": |_, v| v,
                    }
                    illegal {
                        "no S": |_, v| v & !0x10,
                    };
                $present: Failure::Guest(0), SECTION, $rights, LONG;
                    given { $limit: |_, _| 0xffff_ffff, $rights: |_, _| 0xc093 }
                    legal {
                        "P": |_, v| v,
                    }
                    illegal {
                        "no P": |_, v| v & !0x80,
                    };
                $unusable: Failure::Guest(0), SECTION, $rights, LONG;
                    given { $rights: |_, _| 1 << 16 }
                    bits(|_| 0xffff, none);
            )+
            $(
                $dpl: Failure::Guest(0), SECTION, $rights, LONG;
                    given { $selector: |_, _| 0x13, $limit: |_, _| 0xffff_ffff }
                    legal {
                        "data, DPL 3": |_, _| 0xc0f3,
                        "conforming code, DPL 0": |_, _| 0xc09f,
                        "code, DPL 3": |_, _| 0xc0fb,
                    }
                    illegal {
                        "data, DPL 0": |_, _| 0xc093,
                        "data, DPL 1": |_, _| 0xc093 | 1 << 5,
                        "data, DPL 2": |_, _| 0xc093 | 2 << 5,
                        "code, DPL 0": |_, _| 0xc09b,
                        "code, DPL 1": |_, _| 0xc09b | 1 << 5,
                        "code, DPL 2": |_, _| 0xc09b | 2 << 5,
                    };
            )+
        }
    };
}

of_each! {
    GUEST_DS GUEST_DS_LIMIT GUEST_DS_RIGHTS: DS_TYPE DS_RESERVED DS_S DS_P DS_UNUSABLE DS_DPL;
    GUEST_ES GUEST_ES_LIMIT GUEST_ES_RIGHTS: ES_TYPE ES_RESERVED ES_S ES_P ES_UNUSABLE ES_DPL;
    GUEST_FS GUEST_FS_LIMIT GUEST_FS_RIGHTS: FS_TYPE FS_RESERVED FS_S FS_P FS_UNUSABLE FS_DPL;
    GUEST_GS GUEST_GS_LIMIT GUEST_GS_RIGHTS: GS_TYPE GS_RESERVED GS_S GS_P GS_UNUSABLE GS_DPL;
}
