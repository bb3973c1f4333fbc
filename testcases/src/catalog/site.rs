//! Sites: the static descriptors that messages name by address.

use super::{
    elf::Elf,
    error::{ImageError, RecordError},
    fields::Fields,
    record::{elements, expect_magic, records},
};
use case::{
    Style, Text,
    site::{MAGIC, SECTION, layout},
};
use std::collections::{BTreeMap, HashSet};

/// The most rows that a table may have.
const MAX_ROWS: usize = 4096;

/// A place in a case that sends messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Source file, from the root of the workspace.
    pub file: String,
    /// Line in it.
    pub line: u32,
    /// What is claimed, why it is skipped, or the name of what is noted.
    pub text: String,
    /// Names of the table's rows; empty if there is no table or it is shown by number.
    pub rows: Vec<String>,
    /// How values are written.
    pub style: Style,
}

impl Site {
    /// `file:line` of its source.
    pub fn source(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// Reads every site. An image without any has cases that check nothing; each of them says so when it is run.
pub(super) fn read_all(elf: &Elf) -> Result<BTreeMap<u64, Site>, ImageError> {
    let Some(section) = elf.section(SECTION)? else {
        return Ok(BTreeMap::new());
    };
    let sites = records(SECTION, section, layout::SIZE, |address, fields| Ok((address, read(elf, fields)?)))?;
    Ok(sites.into_iter().collect())
}

fn read(elf: &Elf, fields: Fields<'_>) -> Result<Site, RecordError> {
    expect_magic(fields.u32(layout::MAGIC), MAGIC)?;
    let text = |field, (address, length)| elf.text(field, address, length).map(str::to_owned);
    let (address, length) = fields.slice(layout::ROWS);
    let rows = elements(elf, "table of rows", address, length, size_of::<Text>(), MAX_ROWS)?
        .map(|row| text("name of a row", row.slice(0)))
        .collect::<Result<_, _>>()?;
    let site = Site {
        file: text("file", fields.slice(layout::FILE))?,
        line: fields.u32(layout::LINE),
        text: text("text", fields.slice(layout::TEXT))?,
        rows,
        style: style(fields.u8(layout::STYLE))?,
    };
    let mut names = HashSet::new();
    match site.rows.iter().find(|&row| !names.insert(row)) {
        Some(row) => {
            let (text, source_line, row) = (site.text.clone(), site.source(), row.clone());
            Err(RecordError::DuplicateRow { text, source_line, row })
        }
        None => Ok(site),
    }
}

fn style(byte: u8) -> Result<Style, RecordError> {
    [Style::Hex, Style::Decimal, Style::Bool, Style::Outcome]
        .into_iter()
        .find(|&style| style as u8 == byte)
        .ok_or(RecordError::UnknownValue { field: "style", value: u128::from(byte) })
}
