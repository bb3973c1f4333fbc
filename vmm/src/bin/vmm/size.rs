//! Sizes of memory and kinds of pages, as a person writes them.

use std::str::FromStr;
use vmm::{Backing, layout};

/// `SIZE[,KIND]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemorySize {
    pub(crate) size_bytes: u64,
    pub(crate) backing: Backing,
}

impl FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (size, kind) = text.split_once(',').map_or((text, None), |(size, kind)| (size, Some(kind)));
        let backing = match kind {
            None => Backing::Template,
            Some("hugetlb") => Backing::HugePages,
            Some("thp") => Backing::TransparentHuge,
            Some("mergeable") => Backing::Mergeable,
            Some(other) => return Err(format!("{other} is no kind of pages: type hugetlb, thp or mergeable")),
        };
        let (digits, shift) = match size.char_indices().last() {
            Some((at, 'K' | 'k')) => (&size[..at], 10),
            Some((at, 'M' | 'm')) => (&size[..at], 20),
            Some((at, 'G' | 'g')) => (&size[..at], 30),
            _ => (size, 20),
        };
        let number: u64 = digits.parse().map_err(|_| format!("{size} is not a size: type 512M or 2G"))?;
        let size_bytes = number.checked_mul(1 << shift);
        // The image says what else is too small; less than 1 MiB leaves no room for any.
        let fits = size_bytes.filter(|size| (1 << 20..=layout::MEMORY_MAX).contains(size));
        let fits = fits.filter(|size| size.is_multiple_of(layout::PAGE_SIZE));
        let size_bytes =
            fits.ok_or_else(|| format!("{size} is not in 1M..={}M, in whole pages of 4K", layout::MEMORY_MAX >> 20))?;
        Ok(Self { size_bytes, backing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_mebibytes_unless_they_say_otherwise() {
        let size = |text: &str| text.parse::<MemorySize>().map(|size| (size.size_bytes >> 10, size.backing));
        assert_eq!(size("64"), Ok((64 << 10, Backing::Template)));
        assert_eq!(size("1028K,thp"), Ok((1028, Backing::TransparentHuge)));
        assert_eq!(size("2G,hugetlb"), Ok((2 << 20, Backing::HugePages)));
        assert_eq!(size("6G"), Ok((6 << 20, Backing::Template)));
        assert_eq!(size("512m,mergeable"), Ok((512 << 10, Backing::Mergeable)));
        for (text, problem) in [
            ("", "not a size"),
            ("M", "not a size"),
            ("1T", "not a size"),
            ("0", "not in 1M"),
            ("31G", "not in 1M"),
            ("1025K", "whole pages"),
            ("99999999999999999999", "not a size"),
            ("18446744073709551615G", "not in 1M"),
            ("64,huge", "type hugetlb, thp or mergeable"),
        ] {
            let error = text.parse::<MemorySize>().unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
