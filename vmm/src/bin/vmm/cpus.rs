//! Numbers of vCPUs, as a person writes them.

use std::str::FromStr;
use vmm::layout::NR_VCPUS_MAX;

/// `N[,max=M]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuCount {
    /// Those that there are from the start.
    pub(crate) nr: u8,
    /// With those that can come later.
    pub(crate) max: u8,
}

impl CpuCount {
    /// Whether some can come later.
    pub(crate) fn has_spare(self) -> bool {
        self.max > self.nr
    }
}

impl FromStr for CpuCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number = text.parse().ok().filter(|number| (1..=NR_VCPUS_MAX).contains(number));
            number.ok_or_else(|| format!("{text} is not in 1..={NR_VCPUS_MAX}"))
        };
        let (nr, max) = match text.split_once(',') {
            None => (number(text)?, None),
            Some((nr, rest)) => {
                let max = rest.strip_prefix("max=").ok_or_else(|| format!("{rest} is no option here: type 2,max=4"))?;
                (number(nr)?, Some(number(max)?))
            }
        };
        let max = max.unwrap_or(nr);
        if max < nr {
            return Err(format!("max={max} is less than {nr}"));
        }
        Ok(Self { nr, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_there_can_be_unless_it_says_otherwise() {
        assert_eq!("2".parse(), Ok(CpuCount { nr: 2, max: 2 }));
        assert_eq!("1,max=64".parse(), Ok(CpuCount { nr: 1, max: 64 }));
        assert!("1,max=2".parse().is_ok_and(CpuCount::has_spare) && !"2,max=2".parse().is_ok_and(CpuCount::has_spare));
        for (text, problem) in [
            ("", "not in 1..=64"),
            ("0", "not in 1..=64"),
            ("65", "not in 1..=64"),
            ("1,max=65", "65 is not in"),
            ("1,maxcpus=2", "type 2,max=4"),
            ("1,", "type 2,max=4"),
            ("3,max=2", "less than 3"),
        ] {
            let error = text.parse::<CpuCount>().unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
