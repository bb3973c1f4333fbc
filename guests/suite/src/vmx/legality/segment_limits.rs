//! Rules of guest segment limits in 64-bit mode: the same for each segment.

use super::super::field;
use super::{Failure, Given, Rule, bases::LONG, rules, segments::SECTION};
use case::Text;

/// Each segment with its access rights where the limit counts pages, and where it counts bytes.
macro_rules! of_each {
    (
        segments { $($limit:ident $rights:ident: $granularity:ident $with:literal $bytes:ident $without:literal;)+ }
        system { $(
            $system:ident $system_rights:ident:
            $system_granularity:ident $system_with:literal $system_bytes:ident $system_without:literal;
        )+ }
    ) => {
        rules! {
            $(
                $granularity: Failure::Guest(0), SECTION, $limit, LONG;
                    given { $rights: |_, _| $with, $limit: |_, _| 0xffff_ffff }
                    bits(|_| 0xffff_f000, |_| 0xfff)
                    legal {
                        "FFFH": |_, _| 0xfff,
                    }
                    illegal {
                        "0": |_, _| 0,
                        "FFEH": |_, _| 0xffe,
                        "1000H": |_, _| 0x1000,
                    };
                $bytes: Failure::Guest(0), SECTION, $limit, LONG;
                    given { $rights: |_, _| $without, $limit: |_, _| 0xf_ffff }
                    bits(|_| 0xf_ffff, |_| 0xfff0_0000);
            )+
            $(
                $system_granularity: Failure::Guest(0), SECTION, $system, LONG;
                    given { $system_rights: |_, _| $system_with, $system: |_, _| 0xffff_ffff }
                    bits(|_| 0xffff_f000, |_| 0xfff);
                $system_bytes: Failure::Guest(0), SECTION, $system, LONG;
                    given { $system_rights: |_, _| $system_without, $system: |_, _| 0xf_ffff }
                    bits(|_| 0xf_ffff, |_| 0xfff0_0000);
            )+
        }
    };
}

of_each! {
    segments {
        GUEST_CS_LIMIT GUEST_CS_RIGHTS: CS_GRANULARITY 0xa09b CS_BYTES 0x209b;
        GUEST_SS_LIMIT GUEST_SS_RIGHTS: SS_GRANULARITY 0xc093 SS_BYTES 0x4093;
        GUEST_DS_LIMIT GUEST_DS_RIGHTS: DS_GRANULARITY 0xc093 DS_BYTES 0x4093;
        GUEST_ES_LIMIT GUEST_ES_RIGHTS: ES_GRANULARITY 0xc093 ES_BYTES 0x4093;
        GUEST_FS_LIMIT GUEST_FS_RIGHTS: FS_GRANULARITY 0xc093 FS_BYTES 0x4093;
        GUEST_GS_LIMIT GUEST_GS_RIGHTS: GS_GRANULARITY 0xc093 GS_BYTES 0x4093;
    }
    system {
        GUEST_TR_LIMIT GUEST_TR_RIGHTS: TR_GRANULARITY 0x808b TR_BYTES 0x8b;
        GUEST_LDTR_LIMIT GUEST_LDTR_RIGHTS: LDTR_GRANULARITY 0x8082 LDTR_BYTES 0x82;
    }
}
