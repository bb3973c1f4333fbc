//! The corpus: what the manuals say of single instructions, one line each, against the prediction.

mod line;

use iced_decoder::{COMPARED_FLAGS, Direction, Due, Predictor, Unpredictable, machine::Input};
use line::{GENERAL, Line, LineError};
use std::{fs, path::Path};
use thiserror::Error;

/// Why a corpus cannot be read.
#[derive(Debug, Error)]
enum CorpusError {
    #[error("{path}:{number}: {error}")]
    Line { path: String, number: usize, error: LineError },
}

fn parse(path: &str, text: &str) -> Result<Vec<(usize, Line)>, CorpusError> {
    let mut lines = Vec::new();
    for (number, text) in (1..).zip(text.lines()) {
        let error = |error| CorpusError::Line { path: path.to_owned(), number, error };
        lines.extend(line::parse(text).map_err(error)?.map(|line| (number, line)));
    }
    Ok(lines)
}

/// The prediction in the words of the corpus.
fn words(predictor: &mut Predictor, input: &Input) -> Vec<String> {
    let prediction = match predictor.predict(input) {
        Ok(prediction) => prediction,
        Err(Unpredictable::Form(_, reason)) => return vec![format!("refused={reason:?}")],
        Err(error) => return vec![format!("refused:{error}")],
    };
    let mut words: Vec<_> = prediction
        .accesses
        .iter()
        .map(|predicted| {
            let open = if predicted.is_certain { "" } else { "?" };
            let direction = if predicted.access.direction == Direction::Read { "r" } else { "w" };
            format!("{open}{direction}:{:x}:{:x}", predicted.access.address, predicted.access.size_bytes)
        })
        .collect();
    words.extend(end(&prediction.due));
    let undefined = undefined(&prediction);
    if !undefined.is_empty() {
        words.push(format!("undefined={}", undefined.join(",")));
    }
    if words.is_empty() {
        words.push("none".to_owned());
    }
    words
}

fn end(due: &Due) -> Option<String> {
    let Due::Raises { exception, error_code_open, .. } = due else {
        return (*due == Due::Open).then(|| "open".to_owned());
    };
    let name = match exception.vector {
        0 => "DE",
        5 => "BR",
        6 => "UD",
        12 => "SS",
        13 => "GP",
        14 => "PF",
        16 => "MF",
        19 => "XM",
        vector => return Some(format!("#{vector}")),
    };
    let Some(address) = exception.address else { return Some(format!("#{name}")) };
    let code = exception.error_code.unwrap_or_default();
    let open = if *error_code_open == 0 { String::new() } else { format!("?{error_code_open:x}") };
    Some(format!("#{name}:{code:x}{open}:{address:x}"))
}

fn undefined(prediction: &iced_decoder::Prediction) -> Vec<String> {
    const FLAGS: [(u64, &str); 6] = [(1, "cf"), (4, "pf"), (16, "af"), (64, "zf"), (128, "sf"), (2048, "of")];
    let effects = &prediction.effects;
    let flags = effects.flags_undefined & COMPARED_FLAGS;
    let mut names: Vec<_> =
        FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| (*name).to_owned()).collect();
    let general = GENERAL.iter().enumerate().filter(|(number, _)| effects.general_undefined >> number & 1 != 0);
    names.extend(general.map(|(_, name)| (*name).to_owned()));
    if !prediction.undefined_memory.is_empty() {
        names.push("memory".to_owned());
    }
    names
}

#[test]
fn predictions_are_those_of_the_manuals() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut predictor, mut nr_lines, mut wrong) = (Predictor::default(), 0, Vec::new());
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let lines = parse(&name, &fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{error}"));
        for (number, line) in lines {
            nr_lines += 1;
            let mut expected = line.expected.words;
            expected.sort_by_key(|word| word.starts_with("undefined="));
            let actual = words(&mut predictor, &line.input);
            if expected != actual {
                wrong.push(format!(
                    "{name}:{number}\n  expected {}\n  actual   {}",
                    expected.join(" "),
                    actual.join(" ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(nr_lines >= 150, "only {nr_lines} lines");
}

#[test]
fn broken_lines_are_told_by_file_and_line() {
    let message = |text: &str| parse("broken.txt", text).unwrap_err().to_string();
    assert_eq!(message("90 ; ; none\n90 ; none"), "broken.txt:2: expected `bytes ; setup ; expected`, found 2 parts");
    assert_eq!(message("# c\n\n9x ; ; none"), "broken.txt:3: `9x` is no hexadecimal number");
    assert_eq!(message(" ; ; none"), "broken.txt:1: 0 bytes are no instruction");
    assert_eq!(message("90 ; rzx=1 ; none"), "broken.txt:1: `rzx` is not known".replace("rzx", "rzx=1"));
    assert_eq!(message("90 ; window=none ; none"), "broken.txt:1: `none` is not known");
    assert_eq!(message("90 ; ; r:Wx1:4"), "broken.txt:1: `Wx1` is no hexadecimal number");
    assert_eq!(message("90 ; ; r:W+1"), "broken.txt:1: `r:W+1` is not known");
    assert_eq!(message("90 ; mode=8 ; none"), "broken.txt:1: `mode=8` is not known");
}

#[test]
fn wrong_expectations_are_noticed() {
    let lines = parse("wrong.txt", "8b 03 ; rbx=W ; r:W:8").unwrap();
    let line = &lines[0].1;
    assert_ne!(line.expected.words, words(&mut Predictor::default(), &line.input));
}
