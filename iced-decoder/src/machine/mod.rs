//! One instruction on a machine: what goes in, what comes out, and where its memory lies.
//!
//! Every executor (a processor, a hypervisor's emulator) takes an [`Input`] and gives an [`Output`], with the same
//! addresses, so that their outputs can be compared field by field. The types hold no hypervisor's terms.

pub mod area;
mod extended;
mod input;
mod output;
mod text;
mod vectors;
pub mod window;

pub use extended::Extended;
pub use input::{Input, Mode, fill};
pub use output::{End, Exception, Executor, ExecutorError, Output};
pub use text::TextError;
pub use vectors::VECTOR_BYTES;
