//! What cases look at, as named columns: what was seen beside what has to be, so that the host can feed wrong values.

/// Defines structures of columns, each a number of 64 bits; behind `=` stands which of its bits are defined.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident { $($field:ident $(= $mask:expr)?),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $(pub(crate) $field: u64),+
        }

        impl $name {
            /// The defined bits of each column.
            pub(crate) const MASKS: [u64; [$(stringify!($field)),+].len()] = [$(u64::MAX $(& $mask)?),+];

            /// Each column as it was seen, beside what it has to be.
            pub(crate) const fn beside(self, expected: Self) -> [(u64, u64); Self::MASKS.len()] {
                [$((self.$field & (u64::MAX $(& $mask)?), expected.$field & (u64::MAX $(& $mask)?))),+]
            }
        }

        #[cfg(test)]
        impl super::columns::Columns for $name {
            const DEFINED: &'static [u64] = &Self::MASKS;

            fn differing(self, expected: Self) -> u64 {
                let columns = self.beside(expected).into_iter().enumerate();
                columns.fold(0, |bits, (column, (seen, expected))| bits | u64::from(seen != expected) << column)
            }

            fn flipped(mut self, column: usize, bit: u32) -> Self {
                let columns = [$(&mut self.$field),+];
                *columns[column] ^= 1 << bit;
                self
            }
        }
    )+};
}
pub(crate) use columns;

/// What tests feed the judging code with.
#[cfg(test)]
pub(crate) trait Columns: Copy {
    /// The defined bits of each column.
    const DEFINED: &'static [u64];
    /// Which columns are judged to be wrong, as bits.
    fn differing(self, expected: Self) -> u64;
    /// The same with a bit of one column wrong.
    fn flipped(self, column: usize, bit: u32) -> Self;
}

/// Asserts that what has to be is accepted, and that each wrong bit that is defined is seen in its own column alone.
///
/// # Panics
/// If not.
#[cfg(test)]
pub(crate) fn assert_each_column_counts<T: Columns>(expected: T) {
    assert_eq!(expected.differing(expected), 0, "what has to be is refused");
    for (column, mask) in T::DEFINED.iter().enumerate() {
        assert_ne!(*mask, 0, "column {column} is never looked at");
        for bit in 0..64 {
            let seen = expected.flipped(column, bit).differing(expected);
            assert_eq!(seen, (mask >> bit & 1) << column, "bit {bit} of column {column}");
        }
    }
}

#[cfg(test)]
mod tests {
    mod columns {
        pub(crate) use super::super::*;
    }

    mod model {
        super::super::columns! {
            /// A column of all bits and one of two.
            Sample { all, two = 3 }
        }
    }

    #[test]
    fn bits_that_are_not_defined_are_not_compared() {
        let expected = model::Sample { all: 5, two: 4 };
        assert_eq!(model::Sample { all: 5, two: 8 }.beside(expected), [(5, 5), (0, 0)]);
        columns::assert_each_column_counts(expected);
    }
}
