//! What an exit must show. It compiles for the host too, where each column is tried.

/// What is known of an exit before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The exit code.
    pub(crate) code: u64,
    /// EXITINFO1, where it is defined.
    pub(crate) info_1: Option<u64>,
    /// EXITINFO1, where it is defined and decode assists are offered.
    pub(crate) info_1_assisted: Option<u64>,
    /// EXITINFO2, where it is defined.
    pub(crate) info_2: Option<u64>,
    /// RIP, from where L2 started.
    pub(crate) rip: u64,
    /// Length of the instruction in bytes, where the next RIP is saved; 0 where it is not.
    pub(crate) length: u64,
    /// RAX, which the intercepted instruction must not have changed.
    pub(crate) rax: u64,
}

/// What the processor says that it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered {
    pub(crate) next_rip: bool,
    pub(crate) decode_assists: bool,
}

/// What an exit showed; RIPs from where L2 started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) code: u64,
    pub(crate) info_1: u64,
    pub(crate) info_2: u64,
    pub(crate) rip: u64,
    pub(crate) next_rip: u64,
    pub(crate) rax: u64,
}

impl Observed {
    /// VMRUN raised an exception: an exit code that there is not, and nothing else.
    pub(crate) const NOT_RUN: Self = Self { code: 0xffff_fffe, info_1: 0, info_2: 0, rip: 0, next_rip: 0, rax: 0 };
}

/// A column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Code,
    Info1,
    Info2,
    Rip,
    NextRip,
    Rax,
}

/// A column that is judged, with what was seen and what is due.
pub(crate) type Judged = Option<(Column, u64, u64)>;

impl Row {
    /// An exit of an instruction at the start of L2, of which only code, length and RIP are known.
    pub(crate) const fn instruction(code: u64, length: u64) -> Self {
        Self { code, info_1: None, info_1_assisted: None, info_2: None, rip: 0, length, rax: 0 }
    }

    /// An exit of an exception at the start of L2.
    pub(crate) const fn exception(vector: u64) -> Self {
        Self::instruction(0x40 + vector, 0)
    }

    /// The same with EXITINFO1.
    pub(crate) const fn with_info_1(self, value: u64) -> Self {
        Self { info_1: Some(value), ..self }
    }

    /// The same with EXITINFO1 where decode assists are offered.
    pub(crate) const fn assisted(self, value: u64) -> Self {
        Self { info_1_assisted: Some(value), ..self }
    }

    /// The same with EXITINFO2.
    pub(crate) const fn with_info_2(self, value: u64) -> Self {
        Self { info_2: Some(value), ..self }
    }

    /// The same behind so many bytes of L2.
    pub(crate) const fn at(self, rip: u64) -> Self {
        Self { rip, ..self }
    }

    /// All columns that can be judged. Without the exit that is due, nothing else means anything.
    pub(crate) fn columns(&self, offered: Offered, seen: Observed) -> [Judged; 6] {
        let mut columns = [Some((Column::Code, seen.code, self.code)), None, None, None, None, None];
        if seen.code != self.code {
            return columns;
        }
        let info_1 = if offered.decode_assists { self.info_1_assisted.or(self.info_1) } else { self.info_1 };
        columns[1] = info_1.map(|due| (Column::Info1, seen.info_1, due));
        columns[2] = self.info_2.map(|due| (Column::Info2, seen.info_2, due));
        columns[3] = Some((Column::Rip, seen.rip, self.rip));
        if self.length != 0 && offered.next_rip {
            columns[4] = Some((Column::NextRip, seen.next_rip, self.rip + self.length));
        }
        columns[5] = Some((Column::Rax, seen.rax, self.rax));
        columns
    }
}
