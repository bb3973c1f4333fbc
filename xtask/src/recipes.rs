//! The commands of README.md, taken apart as the command line would.

use crate::Arguments;
use clap::Parser as _;

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

#[test]
fn a_command_with_a_wrong_option_would_be_found() {
    let commands = commands("    cargo xtask test --shrad 1/2  # a remark\n");
    assert!(Arguments::try_parse_from(&commands[0]).is_err());
}
