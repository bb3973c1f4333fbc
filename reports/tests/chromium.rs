//! The page as a browser lays it out: in a frame as narrow as a phone and in a wide one, with scripts and without.
//!
//! It needs Chromium (`apt-get install chromium`); without it each test says so and passes.

#![forbid(unsafe_code)]

use reports::{
    Against, Case, Check, Host, Image, Report, Subject, Verdict,
    history::{History, Run},
    html,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Names that the browser is known by.
const PROGRAMS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// How long the browser may take in all.
const LIMIT: Duration = Duration::from_secs(240);
/// A phone and a desk.
const WIDTHS: [u32; 2] = [360, 1280];

fn browser() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path)
        .flat_map(|folder| PROGRAMS.iter().map(move |name| folder.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: no Chromium is installed; `apt-get install chromium`");
    }
    found
}

/// Three subjects, long words and many checks: what could be too wide.
fn report() -> Report {
    let case = |name: &str, verdict| Case {
        id: format!("msr::{name}"),
        feature: "MsrPat".to_owned(),
        spec: "SDM vol. 3A (253668-087, March 2025): “Memory Cache Control”".to_owned(),
        rule: "A rule of some length that is wrapped where a window is narrow, and holds.".to_owned(),
        source: "guests/suite/src/msr/a_long_name_of_a_file_without_a_place_to_break.rs:1234".to_owned(),
        setup: None,
        axis: None,
        verdict,
        reason: (verdict != Verdict::Pass).then(|| {
            "triple fault at suite::msr::a_long_name::that_has_no_blank_at_all::anywhere+0x1c: wrmsr".to_owned()
        }),
        checks: (0..30)
            .map(|number| Check {
                id: format!("bit {number} of a register with a long name"),
                verdict: if verdict == Verdict::Pass { Verdict::Pass } else { Verdict::Fail },
                expected: "0x0123456789abcdef0123456789abcdef0123456789abcdef".to_owned(),
                actual: "0xfedcba9876543210fedcba9876543210fedcba9876543210".to_owned(),
            })
            .collect(),
        duration_us: 1000,
        against_baseline: Some(if verdict == Verdict::Pass { Against::Expected } else { Against::Regressed }),
        known: None,
    };
    let subject = |id: &str| Subject {
        id: id.to_owned(),
        version: "a hypervisor 1.2.3-4ubuntu5.6, kvm_intel of Linux 6.18.0-rc3-00123-g0123456789ab".to_owned(),
        offers: vec!["X2APIC".to_owned(); 60],
        cases: vec![
            case("holds_everywhere", Verdict::Pass),
            case(
                "crashes_on_one_with_a_long_name_that_goes_on",
                if id == "vmm" { Verdict::Crash } else { Verdict::Pass },
            ),
            case("also_holds", Verdict::Pass),
        ],
    };
    let subjects = vec![subject("vmm"), subject("qemu-tcg-intel"), subject("cloud-hypervisor")];
    Report::new(Host::default(), Image::default(), subjects, ["MsrPat"; 3].into_iter())
}

fn page() -> String {
    let mut former = report();
    former.subjects[0].cases[2].verdict = Verdict::Hang;
    let run =
        |number: u32, report| Run { label: format!("2026-01-{number:02}-nightly-run-of-the-main-branch"), report };
    let runs = (1..20).map(|number| run(number, former.clone())).chain([run(20, report())]).collect();
    html::write_with(&report(), &History { runs }).unwrap()
}

/// What the outer page finds out of the report in a frame of this width. Without scripts the frame may not run any.
const PROBE: &str = r#"<!doctype html><body><iframe id="frame" src="report.html" style="width:WIDTHpx;height:900px;border:0" SANDBOX></iframe>
<pre id="found">nothing</pre><script>
const frame = document.getElementById("frame");
frame.addEventListener("load", () => {
  const page = frame.contentDocument;
  const root = page.documentElement;
  const seen = () => [...page.querySelectorAll(".case")].filter((element) => element.getClientRects().length).length;
  const found = [];
  const tell = (name, value) => found.push(`${name}=${value};`);
  for (const tree of page.querySelectorAll("details")) tree.open = true;
  tell("client", root.clientWidth); tell("scroll", root.scrollWidth);
  tell("filters", page.getElementById("filters").hidden ? "hidden" : "shown");
  tell("cases", seen());
  const box = page.getElementById("filter-text");
  box.value = "crashes_on_one"; box.dispatchEvent(new Event("input"));
  tell("filtered", seen());
  box.value = ""; box.dispatchEvent(new Event("input"));
  const verdict = page.getElementById("filter-verdict");
  verdict.value = "crash"; verdict.dispatchEvent(new Event("change"));
  tell("crashed", seen());
  verdict.value = ""; verdict.dispatchEvent(new Event("change"));
  const hide = page.getElementById("hide-passed"); hide.checked = true;
  tell("without_passed", seen());
  document.getElementById("found").textContent = found.join(" ");
});
</script></body>"#;

/// Runs the browser on a page and returns its document, or says why not.
fn document(browser: &Path, folder: &Path, width: u32, page: &str) -> String {
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .args(["--no-first-run", "--disable-extensions", "--allow-file-access-from-files", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--window-size={},1000", width.max(600) + 100))
        // The browser's own clock: it goes on when there is nothing left to do, however slow the machine.
        .arg("--virtual-time-budget=20000")
        .arg(format!("file://{}", folder.join(page).display()))
        .stdout(fs::File::create(folder.join("document")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser did not end in {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::read_to_string(folder.join("document")).unwrap()
}

fn value(document: &str, name: &str) -> String {
    let found = document.split("<pre id=\"found\">").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap_or("");
    let start = found.find(&format!("{name}=")).unwrap_or_else(|| panic!("no {name} in: {found}: {document:.2000}"));
    found[start + name.len() + 1..].split(';').next().unwrap().to_owned()
}

fn number(document: &str, name: &str) -> u32 {
    value(document, name).parse().unwrap()
}

/// The document that tells of a report in a frame.
fn probed(browser: &Path, page: &str, width: u32, has_scripts: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("report.html"), page).unwrap();
    let sandbox = if has_scripts { "" } else { "sandbox=\"allow-same-origin\"" };
    let probe = PROBE.replace("WIDTH", &width.to_string()).replace("SANDBOX", sandbox);
    fs::write(folder.path().join("probe.html"), probe).unwrap();
    document(browser, folder.path(), width, "probe.html")
}

#[test]
fn the_page_fits_a_phone_and_a_desk_with_scripts_and_without() {
    let Some(browser) = browser() else { return };
    let page = page();
    for width in WIDTHS {
        for has_scripts in [true, false] {
            let found = probed(&browser, &page, width, has_scripts);
            let (client, scroll) = (number(&found, "client"), number(&found, "scroll"));
            assert!(client <= width && client + 20 >= width, "{width}: the frame is {client} wide");
            assert!(scroll <= client, "{width}, scripts {has_scripts}: {scroll} do not fit into {client}");
            assert_eq!(value(&found, "filters"), if has_scripts { "shown" } else { "hidden" });
            assert_eq!(number(&found, "cases"), 3);
            // Without scripts the words filter nothing, and hiding what passed is the style sheet's.
            let filtered = if has_scripts { 1 } else { 3 };
            assert_eq!((number(&found, "filtered"), number(&found, "crashed")), (filtered, filtered));
            assert_eq!(number(&found, "without_passed"), 1);
        }
    }
}

#[test]
fn a_page_that_does_not_fit_is_found_out() {
    let Some(browser) = browser() else { return };
    let wide = page().replace("<h1>", "<div style=\"width:500px\">wide</div><h1>");
    let found = probed(&browser, &wide, WIDTHS[0], true);
    assert!(number(&found, "scroll") > number(&found, "client"));
}
