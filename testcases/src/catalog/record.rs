//! Case records: from the section's bytes to [`Case`].

use super::{
    elf::{Elf, Section},
    error::{ImageError, RecordError},
    fields::Fields,
    set_up::{self, InterruptSetup},
};
use case::{
    Devices, Entry, FORMAT_VERSION, Feature, Irqchip, Needs, Setup, Spec,
    record::{MAGIC, SECTION, layout},
};
use std::mem::offset_of;

/// The most clauses that a record may cite.
const MAX_SPECS: usize = 64;

/// One case of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// `<area>::<name>`, and `@<set-up>` if it has one: its name on the command line, in reports and in baselines.
    pub id: String,
    /// The area of its feature.
    pub area: String,
    /// Name of its function.
    pub name: String,
    /// Module path of its function.
    pub module: String,
    /// The row of the report it counts for.
    pub feature: Feature,
    /// The rule in a sentence.
    pub rule: String,
    /// The clauses it proves, each as `document (edition), "title"`.
    pub specs: Vec<String>,
    /// Its source file, from the root of the workspace.
    pub file: String,
    /// Line in it.
    pub line: u32,
    /// What the subject prepares.
    pub setup: Setup,
    /// Who emulates its interrupt controllers, if it wants some: it is one of several variants of one record.
    pub interrupts: Option<InterruptSetup>,
    /// What it requires.
    pub needs: Needs,
    /// The virtio devices that it wants to find.
    pub devices: Devices,
    /// Guest address of its record, for `vp.at=`.
    pub record_address: u64,
    /// Guest address of its function.
    pub entry: u64,
}

impl Case {
    /// A case that the host runs by itself, whose function is at `place`: module path, file and line.
    pub fn of_host(
        (feature, name): (Feature, &str),
        rule: String,
        specs: &[Spec],
        needs: Needs,
        (module, file, line): (&str, &str, u32),
    ) -> Self {
        let clause =
            |spec: &Spec| format!("{} ({}), \"{}\"", spec.document.get(), spec.edition.get(), spec.title.get());
        Self {
            id: format!("{}::{name}", feature.area()),
            area: feature.area().to_owned(),
            name: name.to_owned(),
            module: module.to_owned(),
            feature,
            rule,
            specs: specs.iter().map(clause).collect(),
            file: file.to_owned(),
            line,
            setup: Setup::DEFAULT,
            interrupts: None,
            needs,
            devices: Devices::empty(),
            record_address: 0,
            entry: 0,
        }
    }

    /// `<area>::<name>` alone: what the guest is told.
    pub fn plain_id(&self) -> &str {
        set_up::plain_id(&self.id)
    }

    /// The case in each set-up that it runs in; itself if it has none.
    pub(super) fn in_each_setup(self) -> Vec<Self> {
        let setups = InterruptSetup::of(self.setup.irqchip);
        if setups.is_empty() {
            return vec![self];
        }
        let variant =
            |&setup: &InterruptSetup| Self { id: setup.full_id(&self.id), interrupts: Some(setup), ..self.clone() };
        setups.iter().map(variant).collect()
    }

    /// Its clauses in one line.
    pub fn spec(&self) -> String {
        self.specs.join("; ")
    }

    /// Whether the host runs it by itself: there is no function of it in the image.
    pub fn is_of_host(&self) -> bool {
        self.entry == 0
    }

    /// `file:line` of its source.
    pub fn source(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// Reads every record, in the order of the section.
pub(super) fn read_all(elf: &Elf) -> Result<Vec<Case>, ImageError> {
    let section = elf.section(SECTION)?.ok_or(ImageError::NoCases { found: "missing" })?;
    if section.bytes.is_empty() {
        return Err(ImageError::NoCases { found: "empty" });
    }
    records(SECTION, section, layout::SIZE, |address, fields| read(elf, address, fields))
}

/// Reads the record at an address; nothing if there is none.
pub(super) fn read_at(elf: &Elf, address: u64) -> Result<Option<Case>, ImageError> {
    let section = elf.section(SECTION)?.ok_or(ImageError::NoCases { found: "missing" })?;
    let offset = address.checked_sub(section.address).and_then(|offset| usize::try_from(offset).ok());
    let bytes = offset.filter(|offset| offset % layout::SIZE == 0).and_then(|offset| section.bytes.get(offset..));
    let Some(bytes) = bytes.and_then(|bytes| bytes.get(..layout::SIZE)) else { return Ok(None) };
    let found =
        records(SECTION, Section { address, bytes }, layout::SIZE, |address, fields| read(elf, address, fields))?;
    Ok(found.into_iter().next())
}

/// Cuts a section into records of `size` bytes and reads each.
pub(super) fn records<T>(
    name: &'static str,
    section: Section<'_>,
    size: usize,
    read: impl Fn(u64, Fields<'_>) -> Result<T, RecordError>,
) -> Result<Vec<T>, ImageError> {
    let records = section.bytes.chunks_exact(size);
    if !records.remainder().is_empty() {
        return Err(ImageError::SectionSize { section: name, size: section.bytes.len(), record_size: size });
    }
    let addresses = (0_u64..).map(|index| section.address.wrapping_add(index.wrapping_mul(size as u64)));
    records
        .zip(addresses)
        .enumerate()
        .map(|(index, (bytes, address))| {
            let result = read(address, Fields(bytes));
            result.map_err(|problem| ImageError::Record { section: name, index, problem })
        })
        .collect()
}

fn read(elf: &Elf, record_address: u64, fields: Fields<'_>) -> Result<Case, RecordError> {
    expect_magic(fields.u32(layout::MAGIC), MAGIC)?;
    let version = fields.u16(layout::VERSION);
    if version != FORMAT_VERSION {
        return Err(RecordError::FormatVersion { record: version, program: FORMAT_VERSION });
    }
    let text = |field, offset| {
        let (address, length) = fields.slice(offset);
        elf.text(field, address, length).map(str::to_owned)
    };
    let name = text("name", layout::NAME)?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(RecordError::Name { name });
    }
    let module = text("module", layout::MODULE)?;
    let area = text("area", layout::AREA)?;
    let feature = feature(&name, &module, &area, text("feature", layout::FEATURE)?)?;
    let specs = specs(elf, fields.slice(layout::SPECS))?;
    let bits = u128::from(fields.u64(layout::NEEDS)) | u128::from(fields.u64(layout::NEEDS + 8)) << 64;
    let needs = Needs::from_bits(bits)
        .ok_or(RecordError::UnknownValue { field: "set of needs", value: bits & !Needs::all().bits() })?;
    let devices = fields.u16(layout::DEVICES);
    let unknown = devices & !Devices::all().bits();
    let devices = Devices::from_bits(devices)
        .ok_or(RecordError::UnknownValue { field: "set of devices", value: unknown.into() })?;
    Ok(Case {
        id: format!("{area}::{name}"),
        rule: text("rule", layout::DOC)?,
        file: text("file", layout::FILE)?,
        line: fields.u32(layout::LINE),
        setup: setup(fields)?,
        interrupts: None,
        entry: fields.u64(layout::ENTRY),
        area,
        name,
        module,
        feature,
        specs,
        needs,
        devices,
        record_address,
    })
}

pub(super) fn expect_magic(found: u32, expected: u32) -> Result<(), RecordError> {
    if found == expected { Ok(()) } else { Err(RecordError::Magic { found, expected }) }
}

/// The feature with this id, if it belongs to the folder that the case stands in.
///
/// The rule of folders is that of the suite; other images, of a module or two, have none.
fn feature(name: &str, module: &str, area: &str, id: String) -> Result<Feature, RecordError> {
    let feature = Feature::from_id(&id).ok_or(RecordError::UnknownFeature { feature: id })?;
    let mut path = module.split("::");
    let folder = if path.next() == Some("suite") { path.next().unwrap_or_default() } else { area };
    if folder != feature.area() || area != feature.area() {
        return Err(RecordError::Area {
            name: name.to_owned(),
            module: module.to_owned(),
            feature: feature.id(),
            area: feature.area(),
        });
    }
    Ok(feature)
}

fn setup(fields: Fields<'_>) -> Result<Setup, RecordError> {
    let byte = |offset| fields.u8(layout::SETUP + offset);
    let unknown = |field, value: u8| RecordError::UnknownValue { field, value: u128::from(value) };
    let entry = match byte(offset_of!(Setup, entry)) {
        value if value == Entry::Any as u8 => Entry::Any,
        value if value == Entry::Pvh as u8 => Entry::Pvh,
        value => return Err(unknown("entry", value)),
    };
    let irqchip = match byte(offset_of!(Setup, irqchip)) {
        value if value == Irqchip::Any as u8 => Irqchip::Any,
        value if value == Irqchip::LocalApic as u8 => Irqchip::LocalApic,
        value if value == Irqchip::Full as u8 => Irqchip::Full,
        value => return Err(unknown("interrupt controller", value)),
    };
    let setup = Setup {
        entry,
        irqchip,
        nr_vcpus: byte(offset_of!(Setup, nr_vcpus)),
        time_factor: byte(offset_of!(Setup, time_factor)),
    };
    match setup {
        Setup { nr_vcpus: 0, .. } => Err(RecordError::Zero { field: "number of processors" }),
        Setup { time_factor: 0, .. } => Err(RecordError::Zero { field: "time factor" }),
        setup => Ok(setup),
    }
}

fn specs(elf: &Elf, (address, length): (u64, u64)) -> Result<Vec<String>, RecordError> {
    const FIELD: &str = "list of clauses";
    if length == 0 {
        return Err(RecordError::NoClause);
    }
    elements(elf, FIELD, address, length, size_of::<Spec>(), MAX_SPECS)?
        .map(|fields| {
            let text = |offset| {
                let (address, length) = fields.slice(offset);
                elf.text("clause", address, length)
            };
            let document = text(offset_of!(Spec, document))?;
            let edition = text(offset_of!(Spec, edition))?;
            let title = text(offset_of!(Spec, title))?;
            Ok(format!("{document} ({edition}), \"{title}\""))
        })
        .collect()
}

/// The elements of a `case::text::Slice`.
pub(super) fn elements<'a>(
    elf: &'a Elf,
    field: &'static str,
    address: u64,
    length: u64,
    size: usize,
    limit: usize,
) -> Result<impl Iterator<Item = Fields<'a>> + use<'a>, RecordError> {
    if length > limit as u64 {
        return Err(RecordError::TooLong { field, length, limit });
    }
    // The limit keeps the product far from overflowing. An empty slice's address is not a pointer into the image.
    let bytes = match length {
        0 => &[],
        _ => elf.memory(address, length * size as u64).ok_or(RecordError::Outside { field, address, length })?,
    };
    Ok(bytes.chunks_exact(size).map(Fields))
}
