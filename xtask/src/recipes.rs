//! The commands of README.md, taken apart as the command line would.

use crate::Arguments;
use clap::Parser as _;
use serde_yaml_ng::Value;

const README: &str = include_str!("../../README.md");

/// The arguments of each `cargo xtask …` of a text, up to a remark or the end of a code span. What a CI system puts in stands
/// as a number.
fn commands(text: &str) -> Vec<Vec<String>> {
    let of_line = |line: &str| {
        let start = line.find("cargo xtask ")?;
        let command = line.get(start..)?;
        let command = command.split(" #").next().unwrap_or(command).split('`').next().unwrap_or(command);
        let command =
            command.replace("${{ matrix.shard }}", "1").replace("\"$BUILD\"", "ci:1").replace("\"$JOB\"", "1");
        Some(command.split_whitespace().skip(1).map(|word| word.trim_matches(['\'', '"']).to_owned()).collect())
    };
    text.lines().filter_map(of_line).collect()
}

#[test]
fn every_command_of_the_readme_is_one() {
    let commands = commands(README);
    assert!(commands.len() > 30, "{}", commands.len());
    for words in commands {
        match Arguments::try_parse_from(&words) {
            Ok(_) => {}
            Err(error) if !error.use_stderr() => {}
            Err(error) => panic!("{}: {error}", words.join(" ")),
        }
    }
}

#[test]
fn recipes_for_three_kinds_of_ci_are_there() {
    for words in ["strategy:", "matrix.shard }}/4", "junit: report/junit.xml", "report/report.ktap", "report kcidb"] {
        assert!(README.contains(words), "{words}");
    }
}

/// The blocks of YAML, parsed.
fn pipelines() -> Vec<Value> {
    let blocks = README.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| serde_yaml_ng::from_str(block).expect(block)).collect()
}

/// The shell's lines of a list of steps; each step uses an action or runs something.
fn runs(steps: &Value) -> Vec<String> {
    let steps = steps.as_sequence().expect("steps are a list");
    let is_step = |step: &Value| step["run"].is_string() != step["uses"].is_string();
    assert!(steps.iter().all(is_step), "{steps:?}");
    steps.iter().filter_map(|step| step["run"].as_str().map(str::to_owned)).collect()
}

#[test]
fn the_jobs_of_a_workflow_have_what_github_asks_for_and_wait_for_jobs_that_there_are() {
    let pipelines = pipelines();
    let jobs = pipelines.iter().find_map(|pipeline| pipeline.get("jobs")).and_then(Value::as_mapping).expect("jobs");
    for (name, job) in jobs {
        assert!(job["runs-on"].is_string(), "{name:?}");
        let needs = job.get("needs").and_then(Value::as_str);
        assert!(needs.is_none_or(|needed| jobs.contains_key(needed)), "{name:?} needs {needs:?}");
    }
    let nr_shards = jobs["shard"]["strategy"]["matrix"]["shard"].as_sequence().expect("shards").len();
    let [shard, whole] = ["shard", "whole"].map(|job| runs(&jobs[job]["steps"]).join("\n"));
    assert!(shard.contains(&format!("--shard ${{{{ matrix.shard }}}}/{nr_shards} --report report")), "{shard}");
    // What each of them leaves is taken, under the name that it is given.
    let kept = jobs["shard"]["steps"].as_sequence().expect("steps").last().expect("a step")["with"]["name"].as_str();
    assert_eq!(kept, Some("shard-${{ matrix.shard }}"));
    for shard in 1..=nr_shards {
        assert!(whole.contains(&format!(" shards/shard-{shard}/report.json ")), "{whole}");
    }
}

#[test]
fn the_job_of_gitlab_keeps_what_its_script_writes() {
    let pipelines = pipelines();
    let job = pipelines.iter().find_map(|pipeline| pipeline.get("vmproof")).expect("a job");
    let script = job["script"].as_sequence().expect("a script");
    assert!(script.iter().filter_map(Value::as_str).any(|line| line.ends_with("--report report")), "{script:?}");
    assert_eq!(job["artifacts"]["paths"][0].as_str(), Some("report"));
    assert_eq!(job["artifacts"]["reports"]["junit"].as_str(), Some("report/junit.xml"));
}

#[test]
fn a_command_with_a_wrong_option_would_be_found() {
    let commands = commands("    cargo xtask test --shrad 1/2  # a remark\n");
    assert!(Arguments::try_parse_from(&commands[0]).is_err());
}
