//! Rules of access rights of guest data segments in 64-bit mode.

use super::super::field;
use super::{Failure, Given, Rule, bases::LONG, none, rules, segments::SECTION};
use case::Text;

rules! {
    DS_TYPE: Failure::Guest(0), SECTION, GUEST_DS_RIGHTS, LONG;
        given { GUEST_DS_LIMIT: |_, _| 0xffff_ffff, GUEST_DS_RIGHTS: |_, _| 0xc093 }
        legal {
            "type 1": |_, v| v & !0xf | 1,
            "type 3": |_, v| v & !0xf | 3,
            "type 5": |_, v| v & !0xf | 5,
            "type 7": |_, v| v & !0xf | 7,
            "type 11": |_, v| v & !0xf | 11,
            "type 15": |_, v| v & !0xf | 15,
        }
        illegal {
            "type 0": |_, v| v & !0xf,
            "type 2": |_, v| v & !0xf | 2,
            "type 4": |_, v| v & !0xf | 4,
            "type 6": |_, v| v & !0xf | 6,
            "type 8": |_, v| v & !0xf | 8,
            "type 9": |_, v| v & !0xf | 9,
            "type 10": |_, v| v & !0xf | 10,
            "type 12": |_, v| v & !0xf | 12,
            "type 13": |_, v| v & !0xf | 13,
            "type 14": |_, v| v & !0xf | 14,
        };
    DS_RESERVED: Failure::Guest(0), SECTION, GUEST_DS_RIGHTS, LONG;
        given { GUEST_DS_LIMIT: |_, _| 0xffff_ffff, GUEST_DS_RIGHTS: |_, _| 0xc093 }
        bits(|_| 1 << 12, |_| 0xfffe_0f00);
    DS_S: Failure::Guest(0), SECTION, GUEST_DS_RIGHTS, LONG;
        given { GUEST_DS_LIMIT: |_, _| 0xffff_ffff, GUEST_DS_RIGHTS: |_, _| 0xc093 }
        legal {
            "S": |_, v| v,
        }
        illegal {
            "no S": |_, v| v & !0x10,
        };
    DS_P: Failure::Guest(0), SECTION, GUEST_DS_RIGHTS, LONG;
        given { GUEST_DS_LIMIT: |_, _| 0xffff_ffff, GUEST_DS_RIGHTS: |_, _| 0xc093 }
        legal {
            "P": |_, v| v,
        }
        illegal {
            "no P": |_, v| v & !0x80,
        };
    DS_UNUSABLE: Failure::Guest(0), SECTION, GUEST_DS_RIGHTS, LONG;
        given { GUEST_DS_RIGHTS: |_, _| 1 << 16 }
        bits(|_| 0xffff, none);
    ES_TYPE: Failure::Guest(0), SECTION, GUEST_ES_RIGHTS, LONG;
        given { GUEST_ES_LIMIT: |_, _| 0xffff_ffff, GUEST_ES_RIGHTS: |_, _| 0xc093 }
        legal {
            "type 1": |_, v| v & !0xf | 1,
            "type 3": |_, v| v & !0xf | 3,
            "type 5": |_, v| v & !0xf | 5,
            "type 7": |_, v| v & !0xf | 7,
            "type 11": |_, v| v & !0xf | 11,
            "type 15": |_, v| v & !0xf | 15,
        }
        illegal {
            "type 0": |_, v| v & !0xf,
            "type 2": |_, v| v & !0xf | 2,
            "type 4": |_, v| v & !0xf | 4,
            "type 6": |_, v| v & !0xf | 6,
            "type 8": |_, v| v & !0xf | 8,
            "type 9": |_, v| v & !0xf | 9,
            "type 10": |_, v| v & !0xf | 10,
            "type 12": |_, v| v & !0xf | 12,
            "type 13": |_, v| v & !0xf | 13,
            "type 14": |_, v| v & !0xf | 14,
        };
    ES_RESERVED: Failure::Guest(0), SECTION, GUEST_ES_RIGHTS, LONG;
        given { GUEST_ES_LIMIT: |_, _| 0xffff_ffff, GUEST_ES_RIGHTS: |_, _| 0xc093 }
        bits(|_| 1 << 12, |_| 0xfffe_0f00);
    ES_S: Failure::Guest(0), SECTION, GUEST_ES_RIGHTS, LONG;
        given { GUEST_ES_LIMIT: |_, _| 0xffff_ffff, GUEST_ES_RIGHTS: |_, _| 0xc093 }
        legal {
            "S": |_, v| v,
        }
        illegal {
            "no S": |_, v| v & !0x10,
        };
    ES_P: Failure::Guest(0), SECTION, GUEST_ES_RIGHTS, LONG;
        given { GUEST_ES_LIMIT: |_, _| 0xffff_ffff, GUEST_ES_RIGHTS: |_, _| 0xc093 }
        legal {
            "P": |_, v| v,
        }
        illegal {
            "no P": |_, v| v & !0x80,
        };
    ES_UNUSABLE: Failure::Guest(0), SECTION, GUEST_ES_RIGHTS, LONG;
        given { GUEST_ES_RIGHTS: |_, _| 1 << 16 }
        bits(|_| 0xffff, none);
    FS_TYPE: Failure::Guest(0), SECTION, GUEST_FS_RIGHTS, LONG;
        given { GUEST_FS_LIMIT: |_, _| 0xffff_ffff, GUEST_FS_RIGHTS: |_, _| 0xc093 }
        legal {
            "type 1": |_, v| v & !0xf | 1,
            "type 3": |_, v| v & !0xf | 3,
            "type 5": |_, v| v & !0xf | 5,
            "type 7": |_, v| v & !0xf | 7,
            "type 11": |_, v| v & !0xf | 11,
            "type 15": |_, v| v & !0xf | 15,
        }
        illegal {
            "type 0": |_, v| v & !0xf,
            "type 2": |_, v| v & !0xf | 2,
            "type 4": |_, v| v & !0xf | 4,
            "type 6": |_, v| v & !0xf | 6,
            "type 8": |_, v| v & !0xf | 8,
            "type 9": |_, v| v & !0xf | 9,
            "type 10": |_, v| v & !0xf | 10,
            "type 12": |_, v| v & !0xf | 12,
            "type 13": |_, v| v & !0xf | 13,
            "type 14": |_, v| v & !0xf | 14,
        };
    FS_RESERVED: Failure::Guest(0), SECTION, GUEST_FS_RIGHTS, LONG;
        given { GUEST_FS_LIMIT: |_, _| 0xffff_ffff, GUEST_FS_RIGHTS: |_, _| 0xc093 }
        bits(|_| 1 << 12, |_| 0xfffe_0f00);
    FS_S: Failure::Guest(0), SECTION, GUEST_FS_RIGHTS, LONG;
        given { GUEST_FS_LIMIT: |_, _| 0xffff_ffff, GUEST_FS_RIGHTS: |_, _| 0xc093 }
        legal {
            "S": |_, v| v,
        }
        illegal {
            "no S": |_, v| v & !0x10,
        };
    FS_P: Failure::Guest(0), SECTION, GUEST_FS_RIGHTS, LONG;
        given { GUEST_FS_LIMIT: |_, _| 0xffff_ffff, GUEST_FS_RIGHTS: |_, _| 0xc093 }
        legal {
            "P": |_, v| v,
        }
        illegal {
            "no P": |_, v| v & !0x80,
        };
    FS_UNUSABLE: Failure::Guest(0), SECTION, GUEST_FS_RIGHTS, LONG;
        given { GUEST_FS_RIGHTS: |_, _| 1 << 16 }
        bits(|_| 0xffff, none);
    GS_TYPE: Failure::Guest(0), SECTION, GUEST_GS_RIGHTS, LONG;
        given { GUEST_GS_LIMIT: |_, _| 0xffff_ffff, GUEST_GS_RIGHTS: |_, _| 0xc093 }
        legal {
            "type 1": |_, v| v & !0xf | 1,
            "type 3": |_, v| v & !0xf | 3,
            "type 5": |_, v| v & !0xf | 5,
            "type 7": |_, v| v & !0xf | 7,
            "type 11": |_, v| v & !0xf | 11,
            "type 15": |_, v| v & !0xf | 15,
        }
        illegal {
            "type 0": |_, v| v & !0xf,
            "type 2": |_, v| v & !0xf | 2,
            "type 4": |_, v| v & !0xf | 4,
            "type 6": |_, v| v & !0xf | 6,
            "type 8": |_, v| v & !0xf | 8,
            "type 9": |_, v| v & !0xf | 9,
            "type 10": |_, v| v & !0xf | 10,
            "type 12": |_, v| v & !0xf | 12,
            "type 13": |_, v| v & !0xf | 13,
            "type 14": |_, v| v & !0xf | 14,
        };
    GS_RESERVED: Failure::Guest(0), SECTION, GUEST_GS_RIGHTS, LONG;
        given { GUEST_GS_LIMIT: |_, _| 0xffff_ffff, GUEST_GS_RIGHTS: |_, _| 0xc093 }
        bits(|_| 1 << 12, |_| 0xfffe_0f00);
    GS_S: Failure::Guest(0), SECTION, GUEST_GS_RIGHTS, LONG;
        given { GUEST_GS_LIMIT: |_, _| 0xffff_ffff, GUEST_GS_RIGHTS: |_, _| 0xc093 }
        legal {
            "S": |_, v| v,
        }
        illegal {
            "no S": |_, v| v & !0x10,
        };
    GS_P: Failure::Guest(0), SECTION, GUEST_GS_RIGHTS, LONG;
        given { GUEST_GS_LIMIT: |_, _| 0xffff_ffff, GUEST_GS_RIGHTS: |_, _| 0xc093 }
        legal {
            "P": |_, v| v,
        }
        illegal {
            "no P": |_, v| v & !0x80,
        };
    GS_UNUSABLE: Failure::Guest(0), SECTION, GUEST_GS_RIGHTS, LONG;
        given { GUEST_GS_RIGHTS: |_, _| 1 << 16 }
        bits(|_| 0xffff, none);
    DS_DPL: Failure::Guest(0), SECTION, GUEST_DS_RIGHTS, LONG;
        given { GUEST_DS: |_, _| 0x13, GUEST_DS_LIMIT: |_, _| 0xffff_ffff }
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
    ES_DPL: Failure::Guest(0), SECTION, GUEST_ES_RIGHTS, LONG;
        given { GUEST_ES: |_, _| 0x13, GUEST_ES_LIMIT: |_, _| 0xffff_ffff }
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
    FS_DPL: Failure::Guest(0), SECTION, GUEST_FS_RIGHTS, LONG;
        given { GUEST_FS: |_, _| 0x13, GUEST_FS_LIMIT: |_, _| 0xffff_ffff }
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
    GS_DPL: Failure::Guest(0), SECTION, GUEST_GS_RIGHTS, LONG;
        given { GUEST_GS: |_, _| 0x13, GUEST_GS_LIMIT: |_, _| 0xffff_ffff }
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
}
