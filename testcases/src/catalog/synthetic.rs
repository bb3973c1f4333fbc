//! A small image made byte by byte, for tests: everything in it can be wrong on purpose.

use case::{FORMAT_VERSION, Spec, Text, image, record, site};
use iced_x86::{Code, Encoder, Instruction};
use std::mem::offset_of;

/// Guest address of the file's first byte: the whole file is one segment.
pub(crate) const BASE: u64 = 0x20_0000;

/// What a record is made from.
#[derive(Clone, Debug)]
pub(crate) struct CaseSource {
    pub(crate) name: &'static str,
    pub(crate) module: &'static str,
    pub(crate) area: &'static str,
    pub(crate) feature: &'static str,
    pub(crate) line: u32,
    /// Entry, interrupt controllers, processors, time factor.
    pub(crate) setup: [u8; 4],
    pub(crate) needs: u128,
    pub(crate) devices: u16,
}

impl CaseSource {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            module: "suite::pio::string",
            area: "pio",
            feature: "PortIoString",
            line: 12,
            setup: [0, 0, 1, 1],
            needs: 0,
            devices: 0,
        }
    }
}

/// What a site is made from.
#[derive(Clone, Debug)]
pub(crate) struct SiteSource {
    pub(crate) text: &'static str,
    pub(crate) rows: &'static [&'static str],
    pub(crate) style: u8,
}

/// What an image is made from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) version: u32,
    pub(crate) note_name: &'static str,
    pub(crate) cases: Vec<CaseSource>,
    pub(crate) cases_section: &'static str,
    pub(crate) sites: Vec<SiteSource>,
    /// Name and code.
    pub(crate) functions: Vec<(&'static str, Vec<u8>)>,
    pub(crate) is_stripped: bool,
}

/// The image, and where things stand in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Built {
    pub(crate) bytes: Vec<u8>,
    /// File offset of each record.
    pub(crate) records: Vec<usize>,
    /// Guest address of each site.
    pub(crate) sites: Vec<u64>,
    /// Guest address of each function.
    pub(crate) functions: Vec<u64>,
    /// File offset of the section header of the records.
    pub(crate) cases_header: usize,
    /// File offset of the note's descriptor.
    pub(crate) note: usize,
}

impl Source {
    /// Two cases, of which one needs much, four sites of every style, two functions.
    pub(crate) fn new() -> Self {
        let site = |text, rows, style| SiteSource { text, rows, style };
        let mut outs = CaseSource::new("outs_advances_rsi");
        outs.setup = [1, 2, 2, 4];
        outs.needs = (case::Needs::X2APIC | case::Needs::TEST_DEVICE).bits();
        Self {
            version: u32::from(FORMAT_VERSION),
            note_name: image::NOTE_NAME,
            cases: vec![outs, CaseSource::new("ins_advances_rdi")],
            cases_section: record::SECTION,
            sites: vec![
                site("RSI", &[], 0),
                site("carry is clear", &[], 2),
                site("access", &["read", "write"], 3),
                site("count", &[], 1),
            ],
            functions: vec![
                ("_ZN5suite3pio6string3foo17h0123456789abcdefE", {
                    let nop = Instruction::with(Code::Nopd);
                    encode(&[nop, Instruction::with_rep_outsb(64).unwrap(), Instruction::with(Code::Retnq)])
                }),
                ("pvh_entry", encode(&[Instruction::with(Code::Hlt)])),
            ],
            is_stripped: false,
        }
    }

    pub(crate) fn build(&self) -> Built {
        let mut image = Writer { bytes: vec![0; HEADER_SIZE + 2 * PROGRAM_HEADER_SIZE] };
        let mut built = Built::default();
        let code = image.bytes.len();
        for (_, bytes) in &self.functions {
            built.functions.push(image.bytes(bytes));
        }
        let code = code..image.bytes.len();

        image.align();
        let note = image.bytes.len();
        image.note(self.note_name, image::NOTE_TYPE, &{
            let mut descriptor = vec![0; image::layout::SIZE];
            descriptor[..4].copy_from_slice(&self.version.to_le_bytes());
            descriptor[image::layout::REPORT_PAGE..][..8].copy_from_slice(&0x20_f000_u64.to_le_bytes());
            descriptor
        });
        built.note = image.bytes.len() - image::layout::SIZE;
        image.note("GNU", 3, &[0xab, 0xcd, 0x01, 0x23]);
        let note = note..image.bytes.len();

        let records: Vec<_> = self.cases.iter().map(|case| image.record(case)).collect();
        let sites: Vec<_> = self.sites.iter().map(|site| image.site(site)).collect();
        image.align();
        let start = image.bytes.len();
        built.records = (0..records.len()).map(|index| start + index * record::layout::SIZE).collect();
        image.bytes.extend(records.concat());
        let records = start..image.bytes.len();
        let start = image.bytes.len();
        built.sites = (0..sites.len()).map(|index| BASE + (start + index * site::layout::SIZE) as u64).collect();
        image.bytes.extend(sites.concat());
        let sites = start..image.bytes.len();

        let mut sections = vec![
            (".text", 1, 0x6, code, 0, 0),
            (".note.vmproof", 7, 0x2, note.clone(), 0, 0),
            (self.cases_section, 1, 0x2, records, 0, 0),
            (site::SECTION, 1, 0x2, sites, 0, 0),
        ];
        if !self.is_stripped {
            let mut names = Writer { bytes: vec![0] };
            image.align();
            let start = image.bytes.len();
            image.bytes.extend([0; SYMBOL_SIZE]);
            for ((name, code), address) in self.functions.iter().zip(&built.functions) {
                image.u32(names.string(name));
                // A global function in the first section behind the null section.
                image.bytes.extend([0x12, 0, 1, 0]);
                image.u64(*address);
                image.u64(code.len() as u64);
            }
            sections.push((".symtab", 2, 0, start..image.bytes.len(), 6, SYMBOL_SIZE));
            let start = image.bytes.len();
            image.bytes.extend(names.bytes);
            sections.push((".strtab", 3, 0, start..image.bytes.len(), 0, 0));
        }
        let mut names = Writer { bytes: vec![0] };
        let offsets: Vec<_> = sections.iter().map(|section| names.string(section.0)).collect();
        let name = names.string(".shstrtab");
        let start = image.bytes.len();
        image.bytes.extend(names.bytes);
        sections.push((".shstrtab", 3, 0, start..image.bytes.len(), 0, 0));
        image.align();
        let headers = image.bytes.len();
        image.bytes.extend([0; SECTION_HEADER_SIZE]);
        let nr_sections = sections.len() as u16 + 1;
        for (section, name) in sections.into_iter().zip(offsets.into_iter().chain([name])) {
            let (title, kind, flags, range, link, entry_size) = section;
            if title == self.cases_section {
                built.cases_header = image.bytes.len();
            }
            image.u32(name);
            image.u32(kind);
            for value in [flags, BASE + range.start as u64, range.start as u64, range.len() as u64] {
                image.u64(value);
            }
            image.u32(link);
            image.u32(0);
            image.u64(8);
            image.u64(entry_size as u64);
        }
        image.finish(headers, nr_sections, note);
        built.bytes = image.bytes;
        built
    }
}

/// The bytes of instructions, as they stand at address 0.
pub(crate) fn encode(instructions: &[Instruction]) -> Vec<u8> {
    let mut encoder = Encoder::new(64);
    for instruction in instructions {
        encoder.encode(instruction, 0).unwrap();
    }
    encoder.take_buffer()
}

const HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: usize = 56;
const SECTION_HEADER_SIZE: usize = 64;
const SYMBOL_SIZE: usize = 24;

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    /// Appends bytes and returns their guest address.
    fn bytes(&mut self, bytes: &[u8]) -> u64 {
        let address = BASE + self.bytes.len() as u64;
        self.bytes.extend(bytes);
        address
    }

    /// Appends a string with a zero byte and returns its offset.
    fn string(&mut self, string: &str) -> u32 {
        let offset = self.bytes.len() as u32;
        self.bytes.extend(string.as_bytes());
        self.bytes.push(0);
        offset
    }

    fn note(&mut self, name: &str, n_type: u32, descriptor: &[u8]) {
        self.u32(name.len() as u32 + 1);
        self.u32(descriptor.len() as u32);
        self.u32(n_type);
        self.string(name);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend(descriptor);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Appends a string and puts its `Text` into a record.
    fn text(&mut self, record: &mut [u8], offset: usize, text: &str) {
        let address = self.bytes(text.as_bytes());
        put_slice(record, offset, address, text.len());
    }

    fn record(&mut self, case: &CaseSource) -> Vec<u8> {
        use record::layout;
        let mut bytes = vec![0; layout::SIZE];
        bytes[layout::MAGIC..][..4].copy_from_slice(&record::MAGIC.to_le_bytes());
        bytes[layout::VERSION..][..2].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[layout::DEVICES..][..2].copy_from_slice(&case.devices.to_le_bytes());
        self.text(&mut bytes, layout::NAME, case.name);
        self.text(&mut bytes, layout::MODULE, case.module);
        self.text(&mut bytes, layout::AREA, case.area);
        self.text(&mut bytes, layout::FEATURE, case.feature);
        self.text(&mut bytes, layout::DOC, "The rule holds.");
        self.text(&mut bytes, layout::FILE, "guests/suite/src/pio/string.rs");
        bytes[layout::LINE..][..4].copy_from_slice(&case.line.to_le_bytes());
        bytes[layout::SETUP..][..4].copy_from_slice(&case.setup);
        bytes[layout::NEEDS..][..16].copy_from_slice(&case.needs.to_le_bytes());
        bytes[layout::ENTRY..][..8].copy_from_slice(&(BASE + 0x100).to_le_bytes());
        let mut spec = vec![0; size_of::<Spec>()];
        self.text(&mut spec, offset_of!(Spec, document), "SDM vol. 2");
        self.text(&mut spec, offset_of!(Spec, edition), "087");
        self.text(&mut spec, offset_of!(Spec, title), "OUTS");
        let address = self.bytes(&spec);
        put_slice(&mut bytes, layout::SPECS, address, 1);
        bytes
    }

    fn site(&mut self, site: &SiteSource) -> Vec<u8> {
        use site::layout;
        let mut bytes = vec![0; layout::SIZE];
        bytes[layout::MAGIC..][..4].copy_from_slice(&site::MAGIC.to_le_bytes());
        bytes[layout::LINE..][..4].copy_from_slice(&34_u32.to_le_bytes());
        self.text(&mut bytes, layout::FILE, "guests/suite/src/pio/string.rs");
        self.text(&mut bytes, layout::TEXT, site.text);
        bytes[layout::STYLE] = site.style;
        let mut rows = vec![0; size_of::<Text>() * site.rows.len()];
        for (row, name) in site.rows.iter().enumerate() {
            self.text(&mut rows, row * size_of::<Text>(), name);
        }
        let address = self.bytes(&rows);
        put_slice(&mut bytes, layout::ROWS, address, site.rows.len());
        bytes
    }

    fn finish(&mut self, section_headers: usize, nr_sections: u16, note: std::ops::Range<usize>) {
        let size = self.bytes.len() as u64;
        let mut head = Self { bytes: b"\x7fELF\x02\x01\x01".to_vec() };
        head.bytes.resize(16, 0);
        head.u16(2);
        head.u16(62);
        head.u32(1);
        head.u64(BASE);
        head.u64(HEADER_SIZE as u64);
        head.u64(section_headers as u64);
        head.u32(0);
        for value in [HEADER_SIZE, PROGRAM_HEADER_SIZE, 2, SECTION_HEADER_SIZE] {
            head.u16(value as u16);
        }
        head.u16(nr_sections);
        head.u16(nr_sections - 1);
        for (kind, start, size) in [(1, 0, size), (4, note.start as u64, note.len() as u64)] {
            head.u32(kind);
            head.u32(5);
            for value in [start, BASE + start, BASE + start, size, size, 4] {
                head.u64(value);
            }
        }
        self.bytes[..head.bytes.len()].copy_from_slice(&head.bytes);
    }
}

fn put_slice(record: &mut [u8], offset: usize, address: u64, length: usize) {
    record[offset..][..8].copy_from_slice(&address.to_le_bytes());
    record[offset + 8..][..8].copy_from_slice(&(length as u64).to_le_bytes());
}
