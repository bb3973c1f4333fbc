//! Linear-address masking: pointers with metadata in their upper bits.
//!
//! No subject at hand offers it: that a processor does is told by CPUID, which each case asks, and skips by name. That its
//! control bits are refused without is `exceptions::cr3_refuses_bits_above_maxphyaddr` and the area `cpuid`.

use super::{
    masking_rules::{METADATA, Masking},
    probe::{self, PAGE, attempt, supervisor, user},
};
use crate::paging::model::Operation;
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{With, read_cr3, write_cr3},
        feature_bit::{
            FeatureBit,
            Register::{Eax, Ebx},
        },
        msr::{self, number::IA32_FS_BASE},
    },
    instruction, layout, mmio, names,
    paging::{ALL_RIGHTS, map, table},
    vocabulary::Text,
};

/// CR3.LAM_U48 and CR3.LAM_U57; CR4.LAM_SUP.
const LAM_U48: u64 = 1 << 62;
const LAM_U57: u64 = 1 << 61;
const LAM_SUP: u64 = 1 << 28;

fn is_told() -> bool {
    FeatureBit::new(7, 1, Eax, 26).read()
}

const NAMES: &[Text] = names![
    "none",
    "bit 47",
    "bit 48",
    "bit 49",
    "bit 50",
    "bit 51",
    "bit 52",
    "bit 53",
    "bit 54",
    "bit 55",
    "bit 56",
    "bit 57",
    "bit 58",
    "bit 59",
    "bit 60",
    "bit 61",
    "bit 62",
    "bit 63",
    "bits 62 to 48",
    "bits 62 to 57",
    "bits 62, 60, to 50",
    "bits 61, 59, to 49",
    "bits 63 to 48",
];

/// The entry of the PML4 that maps the window a second time, in the upper half.
const UPPER_ENTRY: usize = 257;

/// Control bits as told, until this is dropped.
struct Enabled(u64, Option<With>);

impl Enabled {
    fn new(masking: Masking) -> Self {
        let before = read_cr3();
        let bits = if masking.user_48 { LAM_U48 } else { 0 } | if masking.user_57 { LAM_U57 } else { 0 };
        check_outcome!("MOV to CR3", write_cr3(before | bits), Outcome::COMPLETED);
        check_eq!("CR3", read_cr3(), before | bits);
        let with = if masking.supervisor { With::cr4(LAM_SUP, 0).ok() } else { None };
        Self(before, with)
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        self.1 = None;
        let _ = write_cr3(self.0);
    }
}

/// Reads and writes at both privilege levels by pointers of both halves with all metadata.
fn check_pointers(masking: Masking) {
    if !is_told() {
        rt::skip!("CPUID does not tell of linear-address masking (leaf 7.1, EAX bit 26)");
        return;
    }
    let lower = map(PAGE, probe::ret_frame(), ALL_RIGHTS);
    table::write(layout::PML4, UPPER_ENTRY, table::read(layout::PML4, 1));
    let upper = table::linear_address([UPPER_ENTRY, 0, 0, PAGE], 0);
    let _enabled = Enabled::new(masking);
    for (row, metadata) in METADATA.into_iter().enumerate() {
        for operation in [Operation::Read, Operation::Write] {
            let expected = |address: u64| match masking.reached(address ^ metadata) {
                Some(reached) if reached == lower || reached == upper => Outcome::COMPLETED,
                _ => Outcome::GP,
            };
            let actual = |is_user, address: u64| attempt(is_user, operation, address ^ metadata);
            match operation {
                Operation::Read => {
                    check_outcome!("lower half, CPL 3 reads", [NAMES; row], actual(true, lower), expected(lower));
                    check_outcome!("lower half, CPL 0 reads", [NAMES; row], actual(false, lower), expected(lower));
                    check_outcome!("upper half, CPL 3 reads", [NAMES; row], actual(true, upper), expected(upper));
                    check_outcome!("upper half, CPL 0 reads", [NAMES; row], actual(false, upper), expected(upper));
                }
                Operation::Write | Operation::Fetch => {
                    check_outcome!("lower half, CPL 3 writes", [NAMES; row], actual(true, lower), expected(lower));
                    check_outcome!("lower half, CPL 0 writes", [NAMES; row], actual(false, lower), expected(lower));
                    check_outcome!("upper half, CPL 3 writes", [NAMES; row], actual(true, upper), expected(upper));
                    check_outcome!("upper half, CPL 0 writes", [NAMES; row], actual(false, upper), expected(upper));
                }
            }
        }
    }
}

macro_rules! cases {
    ($($(#[doc = $doc:literal])+ $name:ident = $user_48:literal, $user_57:literal, $supervisor:literal;)+) => {$(
        $(#[doc = $doc])+
        #[case(feature = PagingCanonical, spec = [sdm3a("Linear-Address Pre-Processing"), sdm3a("Control Registers")])]
        fn $name() {
            check_pointers(Masking {
                user_48: $user_48,
                user_57: $user_57,
                supervisor: $supervisor,
                five_levels: false,
            });
        }
    )+};
}

cases! {
    /// A processor with linear-address masking masks nothing while no control bit is set.
    masking_is_off_at_first = false, false, false;
    /// CR3.LAM_U48 masks bits 62 to 48 of pointers whose bit 63 is clear, at every privilege level, and no others.
    masking_of_user_pointers_to_48_bits = true, false, false;
    /// CR3.LAM_U57 masks bits 62 to 57 of pointers whose bit 63 is clear, and no others.
    masking_of_user_pointers_to_57_bits = false, true, false;
    /// CR3.LAM_U57 comes before CR3.LAM_U48.
    masking_to_57_bits_comes_first = true, true, false;
    /// CR4.LAM_SUP masks bits 62 to 48 of pointers whose bit 63 is set, with four levels of paging, and no others.
    masking_of_supervisor_pointers = false, false, true;
    /// CR3.LAM_U57 and CR4.LAM_SUP mask pointers of either half, each by its own width.
    masking_of_all_pointers = false, true, true;
}

/// Fetches, addresses in MSRs, and the operand of INVPCID are not masked: metadata raises #GP(0). INVLPG takes it and does
/// nothing.
#[case(feature = PagingCanonical, spec = sdm3a("Linear-Address Pre-Processing"))]
fn masking_concerns_data_alone() {
    const TAG: u64 = 1 << 62;
    if !is_told() {
        rt::skip!("CPUID does not tell of linear-address masking (leaf 7.1, EAX bit 26)");
        return;
    }
    let address = map(PAGE, probe::ret_frame(), ALL_RIGHTS);
    let _enabled = Enabled::new(Masking { user_48: true, user_57: false, supervisor: true, five_levels: false });
    let tagged = address | TAG;
    check_outcome!("read", supervisor(Operation::Read, tagged), Outcome::COMPLETED);
    check_outcome!("fetch at CPL 0", supervisor(Operation::Fetch, tagged), Outcome::GP);
    check_outcome!("fetch at CPL 3", user(Operation::Fetch, tagged), Outcome::GP);
    check_outcome!("IA32_FS_BASE", msr::try_write(IA32_FS_BASE, tagged), Outcome::GP);
    check_outcome!("INVLPG", instruction!("invlpg [{}]", in(reg) tagged), Outcome::COMPLETED);
    if FeatureBit::new(7, 0, Ebx, 10).read() {
        let descriptor = [0, tagged];
        let result = instruction!("invpcid {0}, [{1}]", in(reg) 0_u64, in(reg) &raw const descriptor);
        check_outcome!("INVPCID", result, Outcome::GP);
    }
    let mut loaded = 0_u64;
    let result = instruction!("lea {0}, [{1}]", inout(reg) 0_u64 => loaded, in(reg) tagged);
    check_outcome!("LEA", result, Outcome::COMPLETED);
    check_eq!("LEA keeps the metadata", loaded, tagged);
    check_eq!("what is there", u64::from(mmio::read_u8(address)), u64::from(probe::RET));
}
