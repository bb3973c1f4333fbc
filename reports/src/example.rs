//! A fixed report for the snapshots: every verdict, every standing, and strings that no form may trip over.
//!
//! It keeps to a few features, so that a new feature does not change every snapshot.

use crate::coverage::CoverageRow;
use crate::model::{Against, Case, Check, Host, Image, Report, Subject, Verdict};

/// The features that the example shows; the first has cases that were not selected, the last has none.
const FEATURES: &[&str] = &[
    "PvhEntryState",
    "CpuidBasicLeaves",
    "MsrPat",
    "MsrTsc",
    "ExceptionVectors",
    "MmioWidth",
    "MmioString",
    "PagingPermissions",
    "PagingInvalidation",
    "Ring3ExtendedState",
    "StringRepeat",
    "StringFaults",
];

/// A case of the given verdict without checks, reason or baseline; a skip has its reason.
pub(crate) fn case(id: &str, feature: &str, verdict: Verdict) -> Case {
    let (area, name) = id.split_once("::").unwrap_or((id, ""));
    Case {
        id: id.to_owned(),
        feature: feature.to_owned(),
        spec: "SDM vol. 3A (253668-087, March 2025): “Interrupt 6—Invalid Opcode Exception (#UD)”".to_owned(),
        rule: format!("The rule of {} holds.", name.replace('_', " ")),
        source: format!("guests/suite/src/{area}/topic.rs:{}", 10 + id.len()),
        setup: None,
        axis: None,
        verdict,
        reason: (verdict == Verdict::Skip).then(|| "needs AVX, which the subject does not offer".to_owned()),
        checks: Vec::new(),
        duration_us: 100 * id.len() as u64,
        against_baseline: None,
        known: None,
    }
}

/// A check.
pub(crate) fn check(id: &str, verdict: Verdict, expected: &str, actual: &str) -> Check {
    Check { id: id.to_owned(), verdict, expected: expected.to_owned(), actual: actual.to_owned() }
}

/// The report.
pub(crate) fn report() -> Report {
    let host = Host {
        kernel: "6.18.0-rc3+".to_owned(),
        processor: "Example™ CPU | 3.0 GHz <b>".to_owned(),
        kvm_module: "kvm_intel".to_owned(),
        nr_processors: 2,
    };
    let image = Image { build_id: "8f14e45fceea167a5a36dedd4bea2543".to_owned() };
    let catalog = ["PvhEntryState", "PvhEntryState", "MsrPat", "MsrTsc", "ExceptionVectors", "Ring3ExtendedState"]
        .into_iter()
        .chain(["CpuidBasicLeaves", "MmioWidth", "MmioWidth", "MmioString", "PagingPermissions"])
        .chain(["PagingInvalidation", "StringRepeat"]);
    let mut report = Report::new(host, image, vec![compared(), not_compared()], catalog);
    report.coverage = coverage();
    report.features.retain(|row| FEATURES.contains(&row.id.as_str()));
    report
}

/// Two executors, of which one has forms that the other has not.
pub(crate) fn coverage() -> Vec<CoverageRow> {
    let user = |encoding: &str, operand_bits, [handled, refused, differing, hung, untried]: [u32; 5]| CoverageRow {
        subject: "vmm".to_owned(),
        on: "mmio-user".to_owned(),
        mode_bits: 64,
        encoding: encoding.to_owned(),
        operand_bits,
        handled,
        refused,
        differing,
        hung,
        untried,
        fewest_inputs: 100,
    };
    let supervisor = |encoding: &str, operand_bits, results| CoverageRow {
        on: "mmio-supervisor".to_owned(),
        mode_bits: 32,
        ..user(encoding, operand_bits, results)
    };
    vec![
        user("legacy", Some(8), [40, 0, 2, 0, 0]),
        user("legacy", Some(128), [6, 90, 0, 0, 0]),
        user("legacy", None, [1, 5, 0, 1, 1]),
        user("x87", Some(80), [0, 2, 0, 0, 0]),
        user("EVEX", Some(512), [0, 250, 0, 0, 0]),
        supervisor("legacy", Some(8), [4, 0, 1, 0, 0]),
        supervisor("legacy", None, [0, 0, 0, 1, 1]),
        supervisor("EVEX", Some(512), [0, 60, 0, 0, 0]),
    ]
}

/// A subject that has a baseline.
fn compared() -> Subject {
    use Against::{Expected, Fixed, New, Regressed};
    use Verdict::{Crash, Error, Fail, Hang, Pass, Skip};
    let cases = vec![
        Case {
            checks: vec![
                check("leaf 0 EAX is at least 1", Pass, "true", "true"),
                check("leaf 1 EAX is not zero", Pass, "true", "true"),
            ],
            ..against(Expected, case("cpuid::largest_basic_leaf", "CpuidBasicLeaves", Pass))
        },
        Case {
            checks: vec![check("UD2", Pass, "#UD", "#UD"), check("saved RIP", Fail, "0x10_0042", "0x10_0044")],
            known: Some("the emulator saves the RIP of the next instruction: bug 4711 | see <list>".to_owned()),
            ..against(Expected, case("exceptions::ud2_raises_invalid_opcode", "ExceptionVectors", Fail))
        },
        Case {
            reason: Some("no verdict in 50 ms; stood at rt::idle+0x3: `hlt`".to_owned()),
            known: Some("IA32_PAT is not emulated".to_owned()),
            ..against(Expected, case("msr::pat_reset_value", "MsrPat", Hang))
        },
        case("msr::tsc_is_monotonic", "MsrTsc", Pass),
        Case {
            checks: vec![
                check("supervisor read of a user page", Pass, "completes", "completes"),
                check("user read | supervisor page", Fail, "#PF(5)", "completes"),
                check("user <script>alert(1)</script> write", Fail, "#PF(7)", ""),
            ],
            ..against(Regressed, case("paging::permissions", "PagingPermissions", Fail))
        },
        Case {
            reason: Some(
                "triple fault at suite::paging::stale\n  0x101234: mov rax, [rdi]\n  0x101237: ret".to_owned(),
            ),
            known: Some("used to fail only".to_owned()),
            ..against(Regressed, case("paging::invlpg_drops_translation", "PagingInvalidation", Crash))
        },
        against(Expected, case("ring3::avx_state", "Ring3ExtendedState", Skip)),
        Case {
            reason: Some("the doorbell said \u{1b}[31m\"]]>\u{0}\r\n# SKIP not ok 1 `é漢🦀`".to_owned()),
            ..case("mmio::width_8", "MmioWidth", Error)
        },
        Case {
            checks: vec![check("bytes read", Fail, "[1, 2, 3, 4]", "[1, 2, 3, 255]")],
            ..against(New, case("mmio::width_16", "MmioWidth", Fail))
        },
        Case {
            known: Some("REP MOVS counted too far until 6.17".to_owned()),
            ..against(Fixed, case("string::rep_movs_counts_down", "StringRepeat", Pass))
        },
        in_setup("kernel", against(Expected, case("msr::apic_base@kernel", "MsrPat", Pass))),
        Case {
            checks: vec![check("bit | 8", Pass, "1", "1"), check("bit | 11 <enable>", Fail, "1", "0")],
            known: Some("our own APIC ignores it".to_owned()),
            ..in_setup("user", against(Expected, case("msr::apic_base@user", "MsrPat", Fail)))
        },
    ];
    Subject {
        id: "vmm".to_owned(),
        version: "vmproof 0.1.0, KVM API 12".to_owned(),
        offers: vec!["SYSCALL".to_owned(), "NX".to_owned()],
        cases,
    }
}

/// A subject that has none.
fn not_compared() -> Subject {
    use Verdict::{Crash, Fail, Pass, Skip};
    let cases = vec![
        case("cpuid::largest_basic_leaf", "CpuidBasicLeaves", Pass),
        case("exceptions::ud2_raises_invalid_opcode", "ExceptionVectors", Pass),
        case("msr::pat_reset_value", "MsrPat", Pass),
        Case { duration_us: 1_270_000, ..case("msr::tsc_is_monotonic", "MsrTsc", Pass) },
        Case {
            checks: vec![check("user read | supervisor page", Fail, "#PF(5)", "#PF(4)")],
            ..case("paging::permissions", "PagingPermissions", Fail)
        },
        Case {
            reason: Some("QEMU ended with signal 6 before a verdict".to_owned()),
            ..case("mmio::width_8", "MmioWidth", Crash)
        },
        case("ring3::avx_state", "Ring3ExtendedState", Skip),
    ];
    Subject { id: "qemu-tcg".to_owned(), version: "QEMU 10.0.2".to_owned(), offers: vec!["NX".to_owned()], cases }
}

/// A variant of a case.
fn in_setup(setup: &str, case: Case) -> Case {
    Case { setup: Some(setup.to_owned()), ..case }
}

fn against(against: Against, case: Case) -> Case {
    Case { against_baseline: Some(against), ..case }
}
