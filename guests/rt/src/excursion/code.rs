//! Machine code of any mode, assembled into the image as data.

/// Code for [`super::Arena::run`]; made by [`crate::machine_code!`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Code {
    start: *const u8,
    end: *const u8,
}

// SAFETY: the pointers name a part of the image that nothing writes to.
unsafe impl Sync for Code {}

impl Code {
    /// The code between two symbols.
    #[doc(hidden)]
    pub const fn new(start: *const u8, end: *const u8) -> Self {
        Self { start, end }
    }

    /// Its first byte.
    pub(super) fn start(&self) -> *const u8 {
        self.start
    }

    /// Its address in the image, where code of compatibility mode can be executed in place.
    pub fn address(&self) -> u64 {
        self.start as u64
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.end as usize - self.start as usize
    }
}

/// Machine code for 16 or 32-bit mode, as statics of type [`Code`](crate::excursion::Code):
/// `machine_code! { /// Doc. 32 ADD = "add eax, ecx"; }`.
///
/// The code may stand anywhere: it must name no address of itself but by relative jumps.
#[macro_export]
macro_rules! machine_code {
    ($($(#[$doc:meta])* $bits:literal $visible:vis $name:ident = $($line:literal),+ $(,)?;)+) => {$(
        ::core::arch::global_asm!(
            ".pushsection .rodata.machine_code, \"a\", @progbits",
            concat!(".code", $bits),
            concat!(".global \"machine_code ", module_path!(), "::", stringify!($name), "\""),
            concat!("\"machine_code ", module_path!(), "::", stringify!($name), "\":"),
            $($line,)+
            concat!(".global \"machine_code_end ", module_path!(), "::", stringify!($name), "\""),
            concat!("\"machine_code_end ", module_path!(), "::", stringify!($name), "\":"),
            ".code64",
            ".popsection",
        );
        $(#[$doc])*
        $visible static $name: $crate::excursion::Code = {
            #[expect(unsafe_code, reason = "the assembler's symbols")]
            // SAFETY: the two symbols stand in the assembly above.
            unsafe extern "C" {
                #[link_name = concat!("machine_code ", module_path!(), "::", stringify!($name))]
                safe static START: u8;
                #[link_name = concat!("machine_code_end ", module_path!(), "::", stringify!($name))]
                safe static END: u8;
            }
            $crate::excursion::Code::new(&raw const START, &raw const END)
        };
    )+};
}

/// Snippets of a table, each assembled twice: for 16-bit code and for 32-bit code; made by
/// [`crate::machine_code_table!`].
#[derive(Clone, Copy, Debug)]
pub struct CodeTable {
    rows: *const [Code; 2],
    nr_rows: usize,
}

// SAFETY: the pointer names a part of the image that nothing writes to.
unsafe impl Sync for CodeTable {}

impl CodeTable {
    /// The table at a symbol.
    #[doc(hidden)]
    pub const fn new(symbol: *const u8, nr_rows: usize) -> Self {
        Self { rows: symbol.cast(), nr_rows }
    }

    /// The snippet of a row, as 16-bit or as 32-bit code.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize, is_32_bit: bool) -> &'static Code {
        assert!(row < self.nr_rows, "the table has no such row");
        // SAFETY: the assembler wrote two pairs of addresses for each of the rows.
        unsafe { &(*self.rows.add(row))[usize::from(is_32_bit)] }
    }
}

/// The snippets of a table, assembled for 16-bit and for 32-bit code, so that what a mode lacks by default comes by
/// prefixes: `machine_code_table! { code NAME: "add ax, cx", "add eax, ecx" }` at the level of a module puts them into the
/// image, and `machine_code_table! { table NAME: "add ax, cx", "add eax, ecx" }` is the [`CodeTable`] of them.
///
/// `(att_syntax)` behind the name changes the syntax. As with [`machine_code!`](crate::machine_code!), a name may be used once in a module. Labels 71 to 74 are taken.
#[macro_export]
macro_rules! machine_code_table {
    (code $name:ident $(($option:ident))?: $($line:literal),+ $(,)?) => {
        ::core::arch::global_asm!(
            ".pushsection .rodata.machine_code_tables, \"a\", @progbits",
            ".balign 8",
            concat!(".global \"machine_code_table_", module_path!(), "_", stringify!($name), "\""),
            concat!("\"machine_code_table_", module_path!(), "_", stringify!($name), "\":"),
            $(
                ".pushsection .rodata.machine_code, \"a\", @progbits",
                ".code16",
                "71:",
                $line,
                "72:",
                ".code32",
                "73:",
                $line,
                "74:",
                ".code64",
                ".popsection",
                ".quad 71b, 72b, 73b, 74b",
            )+
            ".popsection",
            $(options($option),)?
        );
    };
    (table $name:ident: $($line:literal),+ $(,)?) => {{
        #[expect(unsafe_code, reason = "the assembler's symbol")]
        // SAFETY: the symbol stands in the assembly of the other arm.
        unsafe extern "C" {
            #[link_name = concat!("machine_code_table_", module_path!(), "_", stringify!($name))]
            safe static TABLE: u8;
        }
        $crate::excursion::CodeTable::new(&raw const TABLE, [$($line),+].len())
    }};
}
