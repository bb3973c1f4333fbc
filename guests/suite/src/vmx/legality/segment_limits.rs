//! Rules of guest segment limits in 64-bit mode.

use super::super::field;
use super::{Failure, Given, Rule, bases::LONG, rules, segments::SECTION};
use case::Text;

rules! {
    CS_GRANULARITY: Failure::Guest(0), SECTION, GUEST_CS_LIMIT, LONG;
        given { GUEST_CS_RIGHTS: |_, _| 0xa09b, GUEST_CS_LIMIT: |_, _| 0xffff_ffff }
        bits(|_| 0xffff_f000, |_| 0xfff)
        legal {
            "FFFH": |_, _| 0xfff,
        }
        illegal {
            "0": |_, _| 0,
            "FFEH": |_, _| 0xffe,
            "1000H": |_, _| 0x1000,
        };
    CS_BYTES: Failure::Guest(0), SECTION, GUEST_CS_LIMIT, LONG;
        given { GUEST_CS_RIGHTS: |_, _| 0x209b, GUEST_CS_LIMIT: |_, _| 0xf_ffff }
        bits(|_| 0xf_ffff, |_| 0xfff0_0000);
    SS_GRANULARITY: Failure::Guest(0), SECTION, GUEST_SS_LIMIT, LONG;
        given { GUEST_SS_RIGHTS: |_, _| 0xc093, GUEST_SS_LIMIT: |_, _| 0xffff_ffff }
        bits(|_| 0xffff_f000, |_| 0xfff)
        legal {
            "FFFH": |_, _| 0xfff,
        }
        illegal {
            "0": |_, _| 0,
            "FFEH": |_, _| 0xffe,
            "1000H": |_, _| 0x1000,
        };
    SS_BYTES: Failure::Guest(0), SECTION, GUEST_SS_LIMIT, LONG;
        given { GUEST_SS_RIGHTS: |_, _| 0x4093, GUEST_SS_LIMIT: |_, _| 0xf_ffff }
        bits(|_| 0xf_ffff, |_| 0xfff0_0000);
    DS_GRANULARITY: Failure::Guest(0), SECTION, GUEST_DS_LIMIT, LONG;
        given { GUEST_DS_RIGHTS: |_, _| 0xc093, GUEST_DS_LIMIT: |_, _| 0xffff_ffff }
        bits(|_| 0xffff_f000, |_| 0xfff)
        legal {
            "FFFH": |_, _| 0xfff,
        }
        illegal {
            "0": |_, _| 0,
            "FFEH": |_, _| 0xffe,
            "1000H": |_, _| 0x1000,
        };
    DS_BYTES: Failure::Guest(0), SECTION, GUEST_DS_LIMIT, LONG;
        given { GUEST_DS_RIGHTS: |_, _| 0x4093, GUEST_DS_LIMIT: |_, _| 0xf_ffff }
        bits(|_| 0xf_ffff, |_| 0xfff0_0000);
    ES_GRANULARITY: Failure::Guest(0), SECTION, GUEST_ES_LIMIT, LONG;
        given { GUEST_ES_RIGHTS: |_, _| 0xc093, GUEST_ES_LIMIT: |_, _| 0xffff_ffff }
        bits(|_| 0xffff_f000, |_| 0xfff)
        legal {
            "FFFH": |_, _| 0xfff,
        }
        illegal {
            "0": |_, _| 0,
            "FFEH": |_, _| 0xffe,
            "1000H": |_, _| 0x1000,
        };
    ES_BYTES: Failure::Guest(0), SECTION, GUEST_ES_LIMIT, LONG;
        given { GUEST_ES_RIGHTS: |_, _| 0x4093, GUEST_ES_LIMIT: |_, _| 0xf_ffff }
        bits(|_| 0xf_ffff, |_| 0xfff0_0000);
    FS_GRANULARITY: Failure::Guest(0), SECTION, GUEST_FS_LIMIT, LONG;
        given { GUEST_FS_RIGHTS: |_, _| 0xc093, GUEST_FS_LIMIT: |_, _| 0xffff_ffff }
        bits(|_| 0xffff_f000, |_| 0xfff)
        legal {
            "FFFH": |_, _| 0xfff,
        }
        illegal {
            "0": |_, _| 0,
            "FFEH": |_, _| 0xffe,
            "1000H": |_, _| 0x1000,
        };
    FS_BYTES: Failure::Guest(0), SECTION, GUEST_FS_LIMIT, LONG;
        given { GUEST_FS_RIGHTS: |_, _| 0x4093, GUEST_FS_LIMIT: |_, _| 0xf_ffff }
        bits(|_| 0xf_ffff, |_| 0xfff0_0000);
    GS_GRANULARITY: Failure::Guest(0), SECTION, GUEST_GS_LIMIT, LONG;
        given { GUEST_GS_RIGHTS: |_, _| 0xc093, GUEST_GS_LIMIT: |_, _| 0xffff_ffff }
        bits(|_| 0xffff_f000, |_| 0xfff)
        legal {
            "FFFH": |_, _| 0xfff,
        }
        illegal {
            "0": |_, _| 0,
            "FFEH": |_, _| 0xffe,
            "1000H": |_, _| 0x1000,
        };
    GS_BYTES: Failure::Guest(0), SECTION, GUEST_GS_LIMIT, LONG;
        given { GUEST_GS_RIGHTS: |_, _| 0x4093, GUEST_GS_LIMIT: |_, _| 0xf_ffff }
        bits(|_| 0xf_ffff, |_| 0xfff0_0000);
    TR_GRANULARITY: Failure::Guest(0), SECTION, GUEST_TR_LIMIT, LONG;
        given { GUEST_TR_RIGHTS: |_, _| 0x808b, GUEST_TR_LIMIT: |_, _| 0xffff_ffff }
        bits(|_| 0xffff_f000, |_| 0xfff);
    TR_BYTES: Failure::Guest(0), SECTION, GUEST_TR_LIMIT, LONG;
        given { GUEST_TR_RIGHTS: |_, _| 0x8b, GUEST_TR_LIMIT: |_, _| 0xf_ffff }
        bits(|_| 0xf_ffff, |_| 0xfff0_0000);
    LDTR_GRANULARITY: Failure::Guest(0), SECTION, GUEST_LDTR_LIMIT, LONG;
        given { GUEST_LDTR_RIGHTS: |_, _| 0x8082, GUEST_LDTR_LIMIT: |_, _| 0xffff_ffff }
        bits(|_| 0xffff_f000, |_| 0xfff);
    LDTR_BYTES: Failure::Guest(0), SECTION, GUEST_LDTR_LIMIT, LONG;
        given { GUEST_LDTR_RIGHTS: |_, _| 0x82, GUEST_LDTR_LIMIT: |_, _| 0xf_ffff }
        bits(|_| 0xf_ffff, |_| 0xfff0_0000);
}
