//! Interrupt set-ups: who emulates the interrupt controllers of a virtual machine.
//!
//! They are an axis of the host: a case whose record asks for interrupt controllers is one case for each of them, with an
//! id of its own, `<id>@<set-up>`. The guest is told the plain id and cannot see which one it runs in, so that different
//! emulations of the same device test each other.

use case::Irqchip;
use std::{fmt, str::FromStr};

/// Stands between the plain id of a case and the name of a set-up; no name of a case holds it.
pub const SEPARATOR: char = '@';

/// Who emulates the interrupt controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InterruptSetup {
    /// The hypervisor's kernel part does: local APICs, I/O APIC, PICs and PIT.
    Kernel,
    /// The kernel part has the local APICs, the virtual machine monitor the rest.
    Split,
    /// The virtual machine monitor has all of them.
    User,
}

/// What is known of each set-up, in the order of the enumeration: its name in ids, and what it is, for people.
const TABLE: &[(InterruptSetup, &str, &str)] = &[
    (InterruptSetup::Kernel, "kernel", "all interrupt controllers in the kernel"),
    (InterruptSetup::Split, "split", "local APICs in the kernel, the others in user space"),
    (InterruptSetup::User, "user", "all interrupt controllers in user space"),
];

/// No set-up has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no interrupt set-up is called `{name}`; there are: {}", InterruptSetup::names().join(", "))]
pub struct UnknownSetup {
    /// What was asked for.
    pub name: String,
}

impl InterruptSetup {
    /// Every set-up.
    pub const ALL: &'static [Self] = &[Self::Kernel, Self::Split, Self::User];

    /// Its name in ids and on the command line.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    /// The names of all.
    pub fn names() -> Vec<&'static str> {
        TABLE.iter().map(|(_, name, _)| *name).collect()
    }

    /// The set-ups that a case with this wish runs in; none for one that runs once, in whatever is the cheapest.
    pub fn of(irqchip: Irqchip) -> &'static [Self] {
        match irqchip {
            Irqchip::Any => &[],
            Irqchip::LocalApic | Irqchip::Full => Self::ALL,
        }
    }

    /// The full id of a case in this set-up.
    pub fn full_id(self, plain_id: &str) -> String {
        format!("{plain_id}{SEPARATOR}{}", self.name())
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        // A test holds the table to the order of the enumeration.
        TABLE.get(self as usize).copied().unwrap_or((self, "", ""))
    }
}

impl fmt::Display for InterruptSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for InterruptSetup {
    type Err = UnknownSetup;

    fn from_str(name: &str) -> Result<Self, UnknownSetup> {
        let found = TABLE.iter().find(|(_, known, _)| *known == name).map(|(setup, ..)| *setup);
        found.ok_or_else(|| UnknownSetup { name: name.to_owned() })
    }
}

/// The plain id in a full id: what stands before the set-up's name.
pub fn plain_id(id: &str) -> &str {
    id.split(SEPARATOR).next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_in_order() {
        let setups: Vec<_> = TABLE.iter().map(|(setup, ..)| *setup).collect();
        assert_eq!(setups, InterruptSetup::ALL);
        for &setup in InterruptSetup::ALL {
            assert_eq!(setup.name().parse(), Ok(setup));
            assert!(!setup.title().is_empty());
        }
    }

    #[test]
    fn ids_are_put_together_and_taken_apart() {
        assert_eq!(InterruptSetup::Split.full_id("apic::timer"), "apic::timer@split");
        assert_eq!(plain_id("apic::timer@split"), "apic::timer");
        assert_eq!(plain_id("apic::timer"), "apic::timer");
    }

    #[test]
    fn a_case_without_a_wish_runs_once() {
        assert_eq!(InterruptSetup::of(Irqchip::Any), []);
        assert_eq!(InterruptSetup::of(Irqchip::LocalApic).len(), 3);
        assert_eq!(InterruptSetup::of(Irqchip::Full).len(), 3);
    }

    #[test]
    fn an_unknown_name_is_told_with_those_there_are() {
        let text = "kernl".parse::<InterruptSetup>().unwrap_err().to_string();
        let expected = "no interrupt set-up is called `kernl`; there are: kernel, split, user";
        assert_eq!(text, expected);
    }
}
