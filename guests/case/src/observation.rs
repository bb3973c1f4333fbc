//! How `cargo xtask mutants` makes wrong what cases see of a processor that nothing here can make wrong: the guest's runtime changes a
//! value between the processor and the case, as if the hypervisor had told it so.
//!
//! The command line says by [`WORD`] which value, before it names the case.

/// Word of the command line, up to an [`Observation`].
pub const WORD: &str = "vp.observed=";

/// Where the runtime reads what a case sees; what the number behind a place means stands there.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What VMREAD reads of a field, which cases are told and the runtime does not write back: its encoding.
    VmcsField = 1,
    /// A field of the VMCB: its offset.
    VmcbField = 2,
    /// What RDMSR reads: the MSR's number.
    Msr = 3,
    /// What a program outside of long mode ended with: [`arrival`].
    Arrival = 4,
    /// What an exception left for its handler: [`exception`].
    Exception = 5,
    /// A register that CPUID wrote: [`cpuid_register`].
    Cpuid = 6,
    /// What became of a row of `rt::attempts`: 0 for its outcome, 1 for CR2.
    Attempt = 7,
    /// A general register behind code at CPL 3, by the number that its encoding has.
    UserRegister = 8,
    /// A doubleword of the save area of system-management mode: its offset from SMBASE.
    SavedInSmm = 9,
}

/// Members of an exception.
pub mod exception {
    /// Its vector.
    pub const VECTOR: u64 = 0;
    /// Its error code.
    pub const ERROR_CODE: u64 = 1;
    /// The saved RIP.
    pub const RIP: u64 = 2;
    /// CR2.
    pub const CR2: u64 = 3;
}

/// Words of what a program outside of long mode ended with.
pub mod arrival {
    #![expect(missing_docs, reason = "registers")]
    pub const EAX: u64 = 0;
    pub const ESP: u64 = 4;
    pub const EIP: u64 = 8;
    pub const EFLAGS: u64 = 9;
    pub const CS: u64 = 10;
    pub const DS: u64 = 12;
    /// The vector of its exception.
    pub const VECTOR: u64 = 16;
    /// The error code of that.
    pub const ERROR_CODE: u64 = 17;
    pub const CR2: u64 = 18;
    /// TR in the handler.
    pub const TR: u64 = 20;
    /// ESP in the handler, at the saved EIP.
    pub const HANDLER_ESP: u64 = 22;
}

/// The number for a register of a leaf: 0 to 3 for EAX to EDX.
pub const fn cpuid_register(leaf: u32, register: u64) -> u64 {
    (leaf as u64) << 2 | register
}

/// A value that cases see wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Where it is read.
    pub place: Place,
    /// Which value of that place.
    pub number: u64,
    /// The bits of it that are inverted.
    pub inverted: u64,
}

impl core::fmt::Display for Observation {
    /// As it stands behind [`WORD`]: three hexadecimal numbers.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:x}:{:x}:{:x}", self.place as u8, self.number, self.inverted)
    }
}
