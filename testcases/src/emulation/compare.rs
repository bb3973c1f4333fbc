//! What differs between two executions of one input.

use iced_decoder::{
    Effects,
    machine::{End, Extended, Output, window::PAGE},
    normalize,
};
use std::{collections::BTreeSet, fmt, ops::Range};

/// Something that can differ. The order is that of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// One completed and the other raised an exception.
    Completion,
    /// Both raised one, of different vectors.
    Vector,
    /// Its error code.
    ErrorCode,
    /// The address of a page fault.
    FaultAddress,
    /// A general register.
    General,
    /// RIP.
    Rip,
    /// A flag that is defined.
    Flags,
    /// Memory.
    Memory,
    /// x87, SSE, AVX or AVX-512 state.
    Extended,
    /// The accesses that the device saw, against the prediction.
    Accesses,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 10] = [
        Self::Completion,
        Self::Vector,
        Self::ErrorCode,
        Self::FaultAddress,
        Self::General,
        Self::Rip,
        Self::Flags,
        Self::Memory,
        Self::Extended,
        Self::Accesses,
    ];

    /// The field with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Its name in keys, reports and baselines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completion => "completion",
            Self::Vector => "vector",
            Self::ErrorCode => "error-code",
            Self::FaultAddress => "fault-address",
            Self::General => "registers",
            Self::Rip => "rip",
            Self::Flags => "flags",
            Self::Memory => "memory",
            Self::Extended => "extended",
            Self::Accesses => "accesses",
        }
    }
}

/// How much of the address of a page fault is left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenAddress {
    /// Nothing.
    #[default]
    None,
    /// Where in its page it lies.
    InPage,
    /// All of it: of several operands that fault, either may be told.
    All,
}

impl OpenAddress {
    /// What is left to be compared.
    fn of(self, address: u64) -> u64 {
        match self {
            Self::None => address,
            Self::InPage => address / PAGE,
            Self::All => 0,
        }
    }
}

/// What the manual leaves open for one input: differences in it say nothing.
#[derive(Clone, Debug, Default)]
pub struct Open {
    /// Flags, as bits of RFLAGS.
    pub flags: u64,
    /// General registers, as bits by their number.
    pub general: u16,
    /// Bits of the error code of a page fault.
    pub error_code: u32,
    /// The address of a page fault.
    pub address: OpenAddress,
    /// Parts of the window, as offsets.
    pub memory: Vec<Range<usize>>,
    /// What decides what is open in extended state.
    pub effects: Effects,
}

/// A difference between what was expected and what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub fields: BTreeSet<Field>,
    /// Each difference in words: what, expected, actual.
    pub details: Vec<(String, String, String)>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The names of what differs, with a comma between.
    pub fn fields_text(&self) -> String {
        let names: Vec<_> = self.fields.iter().map(|field| field.name()).collect();
        names.join(",")
    }

    /// Notes one difference.
    pub fn add(
        &mut self,
        field: Field,
        what: impl Into<String>,
        expected: impl fmt::Display,
        actual: impl fmt::Display,
    ) {
        self.fields.insert(field);
        self.details.push((what.into(), expected.to_string(), actual.to_string()));
    }
}

/// The flags that an instruction works with: CF, PF, AF, ZF, SF, DF, OF. The others are those of the executor.
pub const FLAGS: u64 = 0xcd5;

/// Names of the general registers by their numbers.
const GENERAL: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

/// Compares the state after two executions; accesses are compared with a prediction elsewhere.
pub fn compare(expected: &Output, actual: &Output, open: &Open) -> Difference {
    let mut difference = Difference::default();
    compare_ends(&expected.end, &actual.end, open, &mut difference);
    if difference.fields.contains(&Field::Completion) {
        // Everything else follows from that.
        return difference;
    }
    let (want, have) = (&expected.registers, &actual.registers);
    for (number, name) in GENERAL.iter().enumerate() {
        if want.general[number] != have.general[number] && open.general >> number & 1 == 0 {
            difference.add(Field::General, *name, hex(want.general[number]), hex(have.general[number]));
        }
    }
    if want.rip != have.rip {
        difference.add(Field::Rip, "rip", hex(want.rip), hex(have.rip));
    }
    let flags = FLAGS & !open.flags;
    if want.rflags & flags != have.rflags & flags {
        difference.add(Field::Flags, "flags", hex(want.rflags & flags), hex(have.rflags & flags));
    }
    compare_memory(&expected.memory, &actual.memory, open, &mut difference);
    compare_extended(expected.extended.as_deref(), actual.extended.as_deref(), &open.effects, &mut difference);
    difference
}

fn compare_ends(expected: &End, actual: &End, open: &Open, difference: &mut Difference) {
    let code = |code: Option<u32>| code.map(|code| code & !open.error_code);
    let address = |address: Option<u64>| address.map(|address| open.address.of(address));
    match (expected, actual) {
        (End::Raised(want), End::Raised(have)) => {
            if want.vector != have.vector {
                difference.add(Field::Vector, "vector", want.vector, have.vector);
            } else if code(want.error_code) != code(have.error_code) {
                difference.add(Field::ErrorCode, "error code", some(want.error_code), some(have.error_code));
            } else if address(want.address) != address(have.address) {
                difference.add(Field::FaultAddress, "address", some(want.address), some(have.address));
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => difference.add(Field::Completion, "end", describe(expected), describe(actual)),
    }
}

/// An end in words.
pub fn describe(end: &End) -> String {
    match end {
        End::Completed => "completed".to_owned(),
        End::Raised(exception) => format!("exception {}", exception.vector),
        End::Refused(text) => format!("refused: {text}"),
        End::Hung => "hung".to_owned(),
    }
}

fn compare_memory(expected: &[u8], actual: &[u8], open: &Open, difference: &mut Difference) {
    if expected == actual {
        return;
    }
    let is_open = |index: &usize| open.memory.iter().any(|range| range.contains(index));
    let differs = |index: &usize| expected.get(*index) != actual.get(*index) && !is_open(index);
    let length = expected.len().max(actual.len());
    let Some(first) = (0..length).find(differs) else { return };
    let last = (0..length).rfind(differs).unwrap_or(first);
    // A few bytes tell enough.
    let end = (last + 1).min(first + 16);
    let bytes = |memory: &[u8]| {
        memory.get(first..end).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    difference.add(Field::Memory, format!("memory +{first:#x}"), bytes(expected), bytes(actual));
}

fn compare_extended(
    expected: Option<&Extended>,
    actual: Option<&Extended>,
    effects: &Effects,
    difference: &mut Difference,
) {
    let (Some(expected), Some(actual)) = (expected, actual) else { return };
    if expected == actual {
        return;
    }
    let (mut expected, mut actual) = (expected.clone(), actual.clone());
    normalize(&mut expected, effects);
    normalize(&mut actual, effects);
    if expected.bytes() == actual.bytes() {
        return;
    }
    // An executor may give a longer area than another: what lies behind is zero.
    let length = expected.bytes().len().max(actual.bytes().len());
    let byte = |area: &Extended, index: usize| area.bytes().get(index).copied().unwrap_or(0);
    let Some(first) = (0..length).find(|&index| byte(&expected, index) != byte(&actual, index)) else { return };
    let start = first & !7;
    let bytes =
        |area: &Extended| (start..start + 16).map(|index| format!("{:02x}", byte(area, index))).collect::<String>();
    difference.add(Field::Extended, format!("area +{start:#x}"), bytes(&expected), bytes(&actual));
}

fn hex(value: u64) -> String {
    format!("{value:#x}")
}

fn some<T: fmt::LowerHex>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:#x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_decoder::{Registers, machine::Exception};

    fn output() -> Output {
        Output {
            end: End::Completed,
            registers: Registers::default(),
            extended: Some(Box::new(Extended::initial(0))),
            memory: vec![0; 64],
            accesses: None,
        }
    }

    fn changed(change: impl FnOnce(&mut Output)) -> Output {
        let mut output = output();
        change(&mut output);
        output
    }

    fn fields(actual: &Output, open: Open) -> String {
        compare(&output(), actual, &open).fields_text()
    }

    #[test]
    fn each_field_is_found() {
        let none = Open::default;
        assert_eq!(fields(&output(), none()), "");
        assert_eq!(fields(&changed(|output| output.registers.general[3] = 1), none()), "registers");
        assert_eq!(fields(&changed(|output| output.registers.rip = 1), none()), "rip");
        assert_eq!(fields(&changed(|output| output.registers.rflags = 1), none()), "flags");
        assert_eq!(fields(&changed(|output| output.memory[63] = 1), none()), "memory");
        // XMM0, which counts only while SSE state is in use.
        let extended = changed(|output| {
            let area = output.extended.as_mut().unwrap();
            area.set_components(1 << 1);
            area.bytes_mut()[160] = 1;
        });
        assert_eq!(fields(&extended, none()), "extended");
        assert_eq!(fields(&changed(|output| output.end = End::Hung), none()), "completion");
        let both = changed(|output| (output.registers.rip, output.registers.rflags) = (1, 0x800));
        assert_eq!(fields(&both, none()), "rip,flags");
    }

    #[test]
    fn what_is_open_is_passed_over() {
        let open = || Open { flags: 0x1, general: 1 << 3, memory: std::iter::once(8..16).collect(), ..Open::default() };
        assert_eq!(fields(&changed(|output| output.registers.general[3] = 1), open()), "");
        assert_eq!(fields(&changed(|output| output.registers.rflags = 1), open()), "");
        assert_eq!(fields(&changed(|output| output.registers.rflags = 0x40), open()), "flags");
        assert_eq!(fields(&changed(|output| output.memory[8] = 1), open()), "");
        assert_eq!(fields(&changed(|output| output.memory[16] = 1), open()), "memory");
        // IF and the reserved bit 1 are the executor's.
        assert_eq!(fields(&changed(|output| output.registers.rflags = 0x202), Open::default()), "");
    }

    #[test]
    fn exceptions_are_compared_by_vector_then_error_code_then_address() {
        let raised = |vector, error_code, address| {
            changed(|output| output.end = End::Raised(Exception { vector, error_code, address }))
        };
        let expected = raised(14, Some(6), Some(0x1000));
        let compare = |actual| compare(&expected, &actual, &Open::default()).fields_text();
        assert_eq!(compare(raised(14, Some(6), Some(0x1000))), "");
        assert_eq!(compare(raised(13, Some(0), None)), "vector");
        assert_eq!(compare(raised(14, Some(7), Some(0))), "error-code");
        assert_eq!(compare(raised(14, Some(6), Some(0x1001))), "fault-address");
        let open = Open { error_code: 2, address: OpenAddress::InPage, ..Open::default() };
        let with_open = |actual| super::compare(&expected, &actual, &open).fields_text();
        assert_eq!(with_open(raised(14, Some(4), Some(0x1001))), "");
        assert_eq!(with_open(raised(14, Some(7), Some(0x1001))), "error-code");
        assert_eq!(with_open(raised(14, Some(4), Some(0x2000))), "fault-address");
        let open = Open { address: OpenAddress::All, ..Open::default() };
        let with_open = |actual| super::compare(&expected, &actual, &open).fields_text();
        assert_eq!(with_open(raised(14, Some(6), Some(0x2000))), "");
        assert_eq!(with_open(raised(14, Some(6), None)), "fault-address");
    }

    #[test]
    fn longer_areas_of_the_same_state_are_equal() {
        let longer = changed(|output| output.extended = Some(Box::new(Extended::initial(2696))));
        assert_eq!(fields(&longer, Open::default()), "");
    }
}
