//! Where single steps strike, one after the other: in repeated string instructions, and around instructions that load or
//! clear TF.
//!
//! Sources: SDM vol. 3B, "Single-Step Exception Condition"; SDM vol. 3A, "Masking Exceptions and Interrupts When Switching
//! Stacks"; APM vol. 2, "Single Stepping". The manuals do not say what SYSCALL and SYSRET do: there the TF counts that they
//! leave, not the one that they find, as systems rely on and as Xen's advisory XSA-204 tells. The tests of the suite
//! compile this for the host.

use case::Text;

/// TF.
pub(crate) const TRAP_FLAG: u64 = 1 << 8;
/// BS of DR6, and the bits that tell a cause.
const SINGLE_STEP: u64 = 1 << 14;
const CAUSES: u64 = 0xe00f;
/// Most stops of a walk.
pub(crate) const MAX_STOPS: usize = 8;

/// What was seen at the stops of a walk: byte n of the numbers is that of stop n. The last stop is the UD2 behind the
/// program, or whatever else is no step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) nr_stops: u32,
    /// 1 for #DB with BS as its only cause, else the vector, with bit 7 set.
    pub(crate) kinds: u64,
    /// Saved instruction pointers, from the start of the program.
    pub(crate) ips: u64,
    /// RCX.
    pub(crate) counts: u64,
    /// Accesses that the device has seen.
    pub(crate) accesses: u64,
    /// Whether TF was saved.
    pub(crate) flags: u64,
}

/// One stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) vector: u8,
    pub(crate) dr6: u64,
    pub(crate) ip: u64,
    pub(crate) count: u64,
    pub(crate) accesses: u64,
    pub(crate) flags: u64,
}

impl Seen {
    /// Nothing yet.
    pub(crate) const NOTHING: Self = Self { nr_stops: 0, kinds: 0, ips: 0, counts: 0, accesses: 0, flags: 0 };

    /// Whether the walk goes on behind this stop.
    pub(crate) const fn take(&mut self, stop: Stop) -> bool {
        let is_step = stop.vector == 1 && stop.dr6 & CAUSES == SINGLE_STEP;
        let shift = self.nr_stops * 8;
        self.kinds |= (if is_step { 1 } else { 0x80 | stop.vector as u64 }) << shift;
        // What does not fit is told as FFH.
        self.ips |= byte(stop.ip) << shift;
        self.counts |= byte(stop.count) << shift;
        self.accesses |= byte(stop.accesses) << shift;
        self.flags |= (stop.flags >> 8 & 1) << shift;
        self.nr_stops += 1;
        is_step && (self.nr_stops as usize) < MAX_STOPS
    }
}

const fn byte(value: u64) -> u64 {
    if value < 0xff { value } else { 0xff }
}

/// A repeated string instruction, a NOP, and the end. RDI and RSI point at zeroes, and RAX is 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    /// RCX at the start.
    pub(crate) count: u8,
    /// Iterations until the count or the comparison ends it.
    pub(crate) iterations: u8,
}

/// A NOP behind each.
const fn repeat(name: &'static str, bytes: &'static [u8], count: u8, iterations: u8) -> Repeat {
    Repeat { name, bytes, count, iterations }
}

const MOVSB: &[u8] = &[0xf3, 0xa4];
const MOVSD: &[u8] = &[0xf3, 0xa5];
const MOVSQ: &[u8] = &[0xf3, 0x48, 0xa5];
const STOSB: &[u8] = &[0xf3, 0xaa];
const STOSW: &[u8] = &[0x66, 0xf3, 0xab];
const LODSB: &[u8] = &[0xf3, 0xac];
const LODSD: &[u8] = &[0xf3, 0xad];
const REPE_CMPSB: &[u8] = &[0xf3, 0xa6];
const REPNE_CMPSB: &[u8] = &[0xf2, 0xa6];
const REPE_SCASB: &[u8] = &[0xf3, 0xae];
const REPNE_SCASB: &[u8] = &[0xf2, 0xae];
const INSB: &[u8] = &[0xf3, 0x6c];
const OUTSB: &[u8] = &[0xf3, 0x6e];

/// On memory, or with RDI or RSI at a device.
pub(crate) const REPEATS: [Repeat; 31] = [
    repeat("REP MOVSB, 0", MOVSB, 0, 0),
    repeat("REP MOVSB, 1", MOVSB, 1, 1),
    repeat("REP MOVSB, 2", MOVSB, 2, 2),
    repeat("REP MOVSB, 5", MOVSB, 5, 5),
    repeat("REP MOVSD, 1", MOVSD, 1, 1),
    repeat("REP MOVSD, 3", MOVSD, 3, 3),
    repeat("REP MOVSQ, 1", MOVSQ, 1, 1),
    repeat("REP MOVSQ, 4", MOVSQ, 4, 4),
    repeat("REP STOSB, 0", STOSB, 0, 0),
    repeat("REP STOSB, 1", STOSB, 1, 1),
    repeat("REP STOSB, 5", STOSB, 5, 5),
    repeat("REP STOSW, 1", STOSW, 1, 1),
    repeat("REP STOSW, 3", STOSW, 3, 3),
    repeat("REP LODSB, 0", LODSB, 0, 0),
    repeat("REP LODSB, 1", LODSB, 1, 1),
    repeat("REP LODSB, 5", LODSB, 5, 5),
    repeat("REP LODSD, 2", LODSD, 2, 2),
    repeat("REPE CMPSB, 0", REPE_CMPSB, 0, 0),
    repeat("REPE CMPSB, 1", REPE_CMPSB, 1, 1),
    repeat("REPE CMPSB, 4", REPE_CMPSB, 4, 4),
    repeat("REPNE CMPSB, 0", REPNE_CMPSB, 0, 0),
    repeat("REPNE CMPSB, 1", REPNE_CMPSB, 1, 1),
    repeat("REPNE CMPSB, 4", REPNE_CMPSB, 4, 1),
    repeat("REPE SCASB, 0", REPE_SCASB, 0, 0),
    repeat("REPE SCASB, 1", REPE_SCASB, 1, 1),
    repeat("REPE SCASB, 4", REPE_SCASB, 4, 4),
    repeat("REPNE SCASB, 0", REPNE_SCASB, 0, 0),
    repeat("REPNE SCASB, 1", REPNE_SCASB, 1, 1),
    repeat("REPNE SCASB, 4", REPNE_SCASB, 4, 1),
    repeat("REPNE STOSB, 2", &[0xf2, 0xaa], 2, 2),
    repeat("32-bit REP STOSB, 2", &[0x67, 0xf3, 0xaa], 2, 2),
];

/// On ports.
pub(crate) const PORTS: [Repeat; 8] = [
    repeat("REP INSB, 0", INSB, 0, 0),
    repeat("REP INSB, 1", INSB, 1, 1),
    repeat("REP INSB, 2", INSB, 2, 2),
    repeat("REP INSB, 5", INSB, 5, 5),
    repeat("REP OUTSB, 0", OUTSB, 0, 0),
    repeat("REP OUTSB, 1", OUTSB, 1, 1),
    repeat("REP OUTSB, 2", OUTSB, 2, 2),
    repeat("REP OUTSB, 5", OUTSB, 5, 5),
];

impl Repeat {
    /// The stops of the walk with TF set, each iteration making this many accesses to a device: a step behind each
    /// iteration, the last of which leads on; without an iteration one behind the instruction; one behind the NOP; and the
    /// end.
    pub(crate) const fn expected(&self, accesses_each: u64) -> Seen {
        let length = self.bytes.len() as u64;
        let mut seen = Seen::NOTHING;
        let mut done = 0;
        loop {
            if done < self.iterations {
                done += 1;
            }
            let stop = Stop {
                vector: 1,
                dr6: SINGLE_STEP,
                ip: if done == self.iterations { length } else { 0 },
                count: (self.count - done) as u64,
                accesses: done as u64 * accesses_each,
                flags: TRAP_FLAG,
            };
            let _ = seen.take(stop);
            if done == self.iterations {
                let _ = seen.take(Stop { ip: length + 1, ..stop });
                let _ = seen.take(Stop { ip: length + 1, vector: 6, ..stop });
                return seen;
            }
        }
    }
}

/// A program around TF. At the start RAX holds a selector of SS; the stack holds what [`Flow::stack`] says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    /// TF at the start.
    pub(crate) flag: bool,
    /// What is on the stack.
    pub(crate) stack: Stack,
    /// The stops: whether a step, the offset and TF in the saved flags. One that is no step is the end's #UD.
    pub(crate) stops: &'static [(bool, u8, bool)],
    /// Whether it works at CPL 3.
    pub(crate) at_cpl_3: bool,
}

/// What is on the stack of a [`Flow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// Flags with TF or without.
    Flags(bool),
    /// What IRETQ takes, to this offset, with TF or without, at the same privilege level.
    Return(u8, bool),
    /// A selector of SS.
    Selector,
}

const fn flow(
    name: &'static str,
    bytes: &'static [u8],
    flag: bool,
    stack: Stack,
    stops: &'static [(bool, u8, bool)],
) -> Flow {
    Flow { name, bytes, flag, stack, stops, at_cpl_3: true }
}

/// Each ends in NOPs and UD2.
pub(crate) const FLOWS: [Flow; 17] = [
    // A trap is due behind the instruction that follows the one that set TF.
    flow(
        "POPF sets TF",
        &[0x9d, 0x90, 0x90],
        false,
        Stack::Flags(true),
        &[(true, 2, true), (true, 3, true), (false, 3, true)],
    ),
    flow(
        "POPF keeps TF",
        &[0x9d, 0x90],
        true,
        Stack::Flags(true),
        &[(true, 1, true), (true, 2, true), (false, 2, true)],
    ),
    flow("POPF clears TF", &[0x9d, 0x90], true, Stack::Flags(false), &[(true, 1, false), (false, 2, false)]),
    flow("POPF without TF", &[0x9d, 0x90], false, Stack::Flags(false), &[(false, 2, false)]),
    flow(
        "PUSHF, POPF",
        &[0x9c, 0x9d, 0x90],
        true,
        Stack::Flags(false),
        &[(true, 1, true), (true, 2, true), (true, 3, true), (false, 3, true)],
    ),
    flow(
        "IRETQ sets TF",
        &[0x48, 0xcf, 0xcc, 0x90, 0x90],
        false,
        Stack::Return(3, true),
        &[(true, 4, true), (true, 5, true), (false, 5, true)],
    ),
    flow(
        "IRETQ keeps TF",
        &[0x48, 0xcf, 0xcc, 0x90],
        true,
        Stack::Return(3, true),
        &[(true, 3, true), (true, 4, true), (false, 4, true)],
    ),
    flow(
        "IRETQ clears TF",
        &[0x48, 0xcf, 0xcc, 0x90],
        true,
        Stack::Return(3, false),
        &[(true, 3, false), (false, 4, false)],
    ),
    flow("IRETQ without TF", &[0x48, 0xcf, 0xcc, 0x90], false, Stack::Return(3, false), &[(false, 4, false)]),
    flow(
        "IRETQ to itself",
        &[0x48, 0xcf, 0x90],
        true,
        Stack::Return(2, true),
        &[(true, 2, true), (true, 3, true), (false, 3, true)],
    ),
    flow(
        "MOV to SS, NOP, NOP",
        &[0x8e, 0xd0, 0x90, 0x90],
        true,
        Stack::Selector,
        &[(true, 3, true), (true, 4, true), (false, 4, true)],
    ),
    flow(
        "MOV to SS, PUSHF, NOP",
        &[0x8e, 0xd0, 0x9c, 0x90],
        true,
        Stack::Selector,
        &[(true, 3, true), (true, 4, true), (false, 4, true)],
    ),
    // The step is held back for one instruction only, and TF is clear behind that.
    flow(
        "MOV to SS, POPF clears TF",
        &[0x8e, 0xd0, 0x9d, 0x90],
        true,
        Stack::Flags(false),
        &[(true, 3, false), (false, 4, false)],
    ),
    flow(
        "POPF sets TF, MOV to SS",
        &[0x9d, 0x8e, 0xd0, 0x90, 0x90],
        false,
        Stack::Flags(true),
        &[(true, 4, true), (true, 5, true), (false, 5, true)],
    ),
    // STI holds interrupts back, not steps.
    Flow {
        at_cpl_3: false,
        ..flow("STI, NOP", &[0xfb, 0x90], true, Stack::Selector, &[(true, 1, true), (true, 2, true), (false, 2, true)])
    },
    Flow {
        at_cpl_3: false,
        ..flow("CLI, STI", &[0xfa, 0xfb], true, Stack::Selector, &[(true, 1, true), (true, 2, true), (false, 2, true)])
    },
    flow(
        "LEA, two NOPs",
        &[0x48, 0x8d, 0x07, 0x90, 0x90],
        true,
        Stack::Selector,
        &[(true, 3, true), (true, 4, true), (true, 5, true), (false, 5, true)],
    ),
];

impl Flow {
    /// The stops of the walk.
    pub(crate) const fn expected(&self) -> Seen {
        let mut seen = Seen::NOTHING;
        let mut index = 0;
        while index < self.stops.len() {
            let (is_step, ip, flag) = self.stops[index];
            let (vector, dr6) = if is_step { (1, SINGLE_STEP) } else { (6, 0) };
            let flags = if flag { TRAP_FLAG } else { 0 };
            let _ = seen.take(Stop { vector, dr6, ip: ip as u64, count: 0, accesses: 0, flags });
            index += 1;
        }
        seen
    }
}

/// Actual and expected: kinds of stops, saved instruction pointers, RCX, TF saved, and accesses of the device.
pub(crate) const fn columns(expected: &Seen, seen: &Seen) -> [(u64, u64); 5] {
    [
        (seen.kinds, expected.kinds),
        (seen.ips, expected.ips),
        (seen.counts, expected.counts),
        (seen.flags, expected.flags),
        (seen.accesses, expected.accesses),
    ]
}

/// The names of repeats.
pub(crate) const fn repeat_names<const N: usize>(rows: &[Repeat; N]) -> [Text; N] {
    let mut names = [Text::new(""); N];
    let mut index = 0;
    while index < N {
        names[index] = Text::new(rows[index].name);
        index += 1;
    }
    names
}

/// The names of flows.
pub(crate) const fn flow_names<const N: usize>(rows: &[Flow; N]) -> [Text; N] {
    let mut names = [Text::new(""); N];
    let mut index = 0;
    while index < N {
        names[index] = Text::new(rows[index].name);
        index += 1;
    }
    names
}
