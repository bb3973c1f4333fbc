//! Rules of injected events.

use super::super::field;
use super::{
    Failure, Given, Rule,
    bases::{LONG, REAL},
    none, rules,
    values::LENGTHS,
};
use case::Text;

const SECTION: &str = "VM-Entry Control Fields";
const VALID: u64 = 1 << 31;
const ERROR: u64 = 1 << 11;

rules! {
    INTERRUPTION_INVALID: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        bits(|_| 0x7fff_ffff, none);
    INTERRUPTION_RESERVED: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | 2 << 8 | 2 }
        bits(none, |_| 0x7fff_f000);
    INTERRUPTION_TYPE: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        given { ENTRY_LENGTH: |_, _| 1 }
        legal {
            "hardware exception": |_, _| VALID | 3 << 8 | 6,
            "NMI": |_, _| VALID | 2 << 8 | 2,
            "software interrupt": |_, _| VALID | 4 << 8 | 0x20,
            "privileged software exception": |_, _| VALID | 5 << 8 | 1,
            "software exception": |_, _| VALID | 6 << 8 | 3,
        }
        illegal {
            "type 1, vector 0": |_, _| VALID | 1 << 8,
            "type 1, vector 2": |_, _| VALID | 1 << 8 | 2,
            "type 1, vector 6": |_, _| VALID | 1 << 8 | 6,
            "type 1, vector 32": |_, _| VALID | 1 << 8 | 32,
            "type 1, vector 255": |_, _| VALID | 1 << 8 | 255,
        };
    NMI_VECTOR: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | 2 << 8 | 2 }
        bits(none, |_| 0xff)
        legal {
            "2": |_, v| v,
        };
    HARDWARE_EXCEPTION_VECTOR: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        legal {
            "0": |_, _| VALID | 3 << 8,
            "1": |_, _| VALID | 3 << 8 | 1,
            "3": |_, _| VALID | 3 << 8 | 3,
            "4": |_, _| VALID | 3 << 8 | 4,
            "5": |_, _| VALID | 3 << 8 | 5,
            "6": |_, _| VALID | 3 << 8 | 6,
            "7": |_, _| VALID | 3 << 8 | 7,
            "9": |_, _| VALID | 3 << 8 | 9,
            "16": |_, _| VALID | 3 << 8 | 16,
            "18": |_, _| VALID | 3 << 8 | 18,
            "19": |_, _| VALID | 3 << 8 | 19,
            "20": |_, _| VALID | 3 << 8 | 20,
        }
        illegal {
            "32": |_, _| VALID | 3 << 8 | 32,
            "33": |_, _| VALID | 3 << 8 | 33,
            "63": |_, _| VALID | 3 << 8 | 63,
            "64": |_, _| VALID | 3 << 8 | 64,
            "127": |_, _| VALID | 3 << 8 | 127,
            "128": |_, _| VALID | 3 << 8 | 128,
            "254": |_, _| VALID | 3 << 8 | 254,
            "255": |_, _| VALID | 3 << 8 | 255,
        };
    OTHER_EVENT_VECTOR: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        illegal {
            "1": |_, _| VALID | 7 << 8 | 1,
            "2": |_, _| VALID | 7 << 8 | 2,
            "3": |_, _| VALID | 7 << 8 | 3,
            "4": |_, _| VALID | 7 << 8 | 4,
            "8": |_, _| VALID | 7 << 8 | 8,
            "16": |_, _| VALID | 7 << 8 | 16,
            "32": |_, _| VALID | 7 << 8 | 32,
            "64": |_, _| VALID | 7 << 8 | 64,
            "128": |_, _| VALID | 7 << 8 | 128,
            "255": |_, _| VALID | 7 << 8 | 255,
        };
    ERROR_CODE_DUE: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        when(|f| !f.error_codes_are_free())
        legal {
            "with, vector 8": |_, _| VALID | ERROR | 3 << 8 | 8,
            "with, vector 10": |_, _| VALID | ERROR | 3 << 8 | 10,
            "with, vector 11": |_, _| VALID | ERROR | 3 << 8 | 11,
            "with, vector 12": |_, _| VALID | ERROR | 3 << 8 | 12,
            "with, vector 13": |_, _| VALID | ERROR | 3 << 8 | 13,
            "with, vector 14": |_, _| VALID | ERROR | 3 << 8 | 14,
            "with, vector 17": |_, _| VALID | ERROR | 3 << 8 | 17,
        }
        illegal {
            "without, vector 8": |_, _| VALID | 3 << 8 | 8,
            "without, vector 10": |_, _| VALID | 3 << 8 | 10,
            "without, vector 11": |_, _| VALID | 3 << 8 | 11,
            "without, vector 12": |_, _| VALID | 3 << 8 | 12,
            "without, vector 13": |_, _| VALID | 3 << 8 | 13,
            "without, vector 14": |_, _| VALID | 3 << 8 | 14,
            "without, vector 17": |_, _| VALID | 3 << 8 | 17,
        };
    ERROR_CODE_OF_OTHER_EXCEPTIONS: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        when(|f| !f.error_codes_are_free())
        illegal {
            "with, vector 0": |_, _| VALID | ERROR | 3 << 8,
            "with, vector 1": |_, _| VALID | ERROR | 3 << 8 | 1,
            "with, vector 3": |_, _| VALID | ERROR | 3 << 8 | 3,
            "with, vector 4": |_, _| VALID | ERROR | 3 << 8 | 4,
            "with, vector 5": |_, _| VALID | ERROR | 3 << 8 | 5,
            "with, vector 6": |_, _| VALID | ERROR | 3 << 8 | 6,
            "with, vector 7": |_, _| VALID | ERROR | 3 << 8 | 7,
            "with, vector 9": |_, _| VALID | ERROR | 3 << 8 | 9,
            "with, vector 16": |_, _| VALID | ERROR | 3 << 8 | 16,
            "with, vector 18": |_, _| VALID | ERROR | 3 << 8 | 18,
            "with, vector 19": |_, _| VALID | ERROR | 3 << 8 | 19,
            "with, vector 20": |_, _| VALID | ERROR | 3 << 8 | 20,
        };
    ERROR_CODE_FREE: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        when(|f| f.error_codes_are_free())
        legal {
            "without, vector 0": |_, _| VALID | 3 << 8,
            "with, vector 0": |_, _| VALID | ERROR | 3 << 8,
            "without, vector 1": |_, _| VALID | 3 << 8 | 1,
            "with, vector 1": |_, _| VALID | ERROR | 3 << 8 | 1,
            "without, vector 3": |_, _| VALID | 3 << 8 | 3,
            "with, vector 3": |_, _| VALID | ERROR | 3 << 8 | 3,
            "without, vector 4": |_, _| VALID | 3 << 8 | 4,
            "with, vector 4": |_, _| VALID | ERROR | 3 << 8 | 4,
            "without, vector 5": |_, _| VALID | 3 << 8 | 5,
            "with, vector 5": |_, _| VALID | ERROR | 3 << 8 | 5,
            "without, vector 6": |_, _| VALID | 3 << 8 | 6,
            "with, vector 6": |_, _| VALID | ERROR | 3 << 8 | 6,
            "without, vector 7": |_, _| VALID | 3 << 8 | 7,
            "with, vector 7": |_, _| VALID | ERROR | 3 << 8 | 7,
            "without, vector 8": |_, _| VALID | 3 << 8 | 8,
            "with, vector 8": |_, _| VALID | ERROR | 3 << 8 | 8,
            "without, vector 9": |_, _| VALID | 3 << 8 | 9,
            "with, vector 9": |_, _| VALID | ERROR | 3 << 8 | 9,
            "without, vector 10": |_, _| VALID | 3 << 8 | 10,
            "with, vector 10": |_, _| VALID | ERROR | 3 << 8 | 10,
            "without, vector 11": |_, _| VALID | 3 << 8 | 11,
            "with, vector 11": |_, _| VALID | ERROR | 3 << 8 | 11,
            "without, vector 12": |_, _| VALID | 3 << 8 | 12,
            "with, vector 12": |_, _| VALID | ERROR | 3 << 8 | 12,
            "without, vector 13": |_, _| VALID | 3 << 8 | 13,
            "with, vector 13": |_, _| VALID | ERROR | 3 << 8 | 13,
            "without, vector 14": |_, _| VALID | 3 << 8 | 14,
            "with, vector 14": |_, _| VALID | ERROR | 3 << 8 | 14,
            "without, vector 16": |_, _| VALID | 3 << 8 | 16,
            "with, vector 16": |_, _| VALID | ERROR | 3 << 8 | 16,
            "without, vector 17": |_, _| VALID | 3 << 8 | 17,
            "with, vector 17": |_, _| VALID | ERROR | 3 << 8 | 17,
            "without, vector 18": |_, _| VALID | 3 << 8 | 18,
            "with, vector 18": |_, _| VALID | ERROR | 3 << 8 | 18,
            "without, vector 19": |_, _| VALID | 3 << 8 | 19,
            "with, vector 19": |_, _| VALID | ERROR | 3 << 8 | 19,
            "without, vector 20": |_, _| VALID | 3 << 8 | 20,
            "with, vector 20": |_, _| VALID | ERROR | 3 << 8 | 20,
        };
    ERROR_CODE_OF_REAL_MODE: Failure::Controls, SECTION, ENTRY_INTERRUPTION, REAL;
        legal {
            "#GP without": |_, _| VALID | 3 << 8 | 13,
        }
        illegal {
            "#GP with": |_, _| VALID | ERROR | 3 << 8 | 13,
            "#UD with": |_, _| VALID | ERROR | 3 << 8 | 6,
        };
    ERROR_CODE_OF_OTHER_TYPES: Failure::Controls, SECTION, ENTRY_INTERRUPTION, LONG;
        given { ENTRY_LENGTH: |_, _| 1 }
        illegal {
            "external interrupt": |_, _| VALID | ERROR | 32,
            "external interrupt 13": |_, _| VALID | ERROR | 13,
            "NMI": |_, _| VALID | ERROR | 2 << 8 | 2,
            "software interrupt": |_, _| VALID | ERROR | 4 << 8 | 32,
            "software interrupt 13": |_, _| VALID | ERROR | 4 << 8 | 13,
            "privileged software exception": |_, _| VALID | ERROR | 5 << 8 | 1,
            "software exception": |_, _| VALID | ERROR | 6 << 8 | 3,
        };
    ERROR_CODE_RESERVED: Failure::Controls, SECTION, ENTRY_ERROR_CODE, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | ERROR | 3 << 8 | 13, ENTRY_ERROR_CODE: |_, _| 0 }
        bits(|_| 0x7fff, |_| 0xffff_0000);
    ERROR_CODE_UNUSED: Failure::Controls, SECTION, ENTRY_ERROR_CODE, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | 3 << 8 | 6 }
        bits(|_| 0xffff_ffff, none);
    SOFTWARE_INTERRUPT_LENGTH: Failure::Controls, SECTION, ENTRY_LENGTH, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | 4 << 8 | 32 }
        values(LENGTHS);
    PRIVILEGED_SOFTWARE_EXCEPTION_LENGTH: Failure::Controls, SECTION, ENTRY_LENGTH, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | 5 << 8 | 1 }
        values(LENGTHS);
    SOFTWARE_EXCEPTION_LENGTH: Failure::Controls, SECTION, ENTRY_LENGTH, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | 6 << 8 | 3 }
        values(LENGTHS);
    LENGTH_ZERO: Failure::Controls, SECTION, ENTRY_LENGTH, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | 4 << 8 | 0x20 }
        illegal {
            "0, or 16 where 0 is legal": |f, _| if f.misc >> 30 & 1 != 0 { 16 } else { 0 },
        };
    LENGTH_UNUSED: Failure::Controls, SECTION, ENTRY_LENGTH, LONG;
        given { ENTRY_INTERRUPTION: |_, _| VALID | 3 << 8 | 6 }
        bits(|_| 0xffff_ffff, none);
}
