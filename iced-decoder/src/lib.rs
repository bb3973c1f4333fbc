//! Predicts from an instruction's bytes and the state of a processor which accesses it makes to memory and ports, what it
//! raises, and what it may change or leaves undefined.
//!
//! [`forms`] lists what there is to predict, [`why`] what is left out, and [`predict`](fn@predict) does it.
//!
//! It is the oracle beside a hypervisor's own instruction emulator: it looks at what iced-x86 knows about each
//! instruction and never at what a hypervisor did. Pure: no memory is read, nothing is run.

#![forbid(unsafe_code)]

mod access;
mod accessor;
mod check;
mod effects;
mod form;
pub mod generate;
pub mod machine;
mod predict;
mod random;
mod registers;
pub mod shrink;
mod unpredictable;

pub use access::{Access, Direction, Space, accesses};
pub use accessor::{Accessor, Code, Place, accessor};
pub use check::{Aspect, Disagreement, check};
pub use effects::{COMPARED_FLAGS, Effects, normalize};
pub use form::{Encoding, Form, forms};
pub use iced_x86;
pub use predict::{
    Due, MAX_ELEMENTS, OpenCause, PredictedAccess, Prediction, Predictor, Unpredictable, pieces, predict,
    split_at_pages,
};
pub use registers::{Bitness, Registers};
pub use unpredictable::{Reason, why};
