//! What commands take and return, and what events carry, as data: requests are checked against it, and clients are told of it.
//!
//! Source: QEMU, "docs/devel/qapi-code-gen.rst", § "Client JSON Protocol introspection", and "qapi/introspect.json".

mod check;
mod introspection;

pub use introspection::introspection;

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// A string.
    Str,
    /// A number of at least 0 without a fraction.
    Number,
    /// Such a number that may be less than 0.
    Integer,
    /// True or false.
    Bool,
    /// One of these strings.
    Enum(&'static [&'static str]),
    /// As many of these as there are.
    Array(&'static Self),
    /// Members by name.
    Object(&'static Object),
    /// Anything.
    Any,
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Type,
    /// Whether it may be left out.
    pub is_optional: bool,
}

/// One that has to be there.
pub const fn needed(name: &'static str, kind: Type) -> Member {
    Member { name, kind, is_optional: false }
}

/// One that may be left out.
pub const fn optional(name: &'static str, kind: Type) -> Member {
    Member { name, kind, is_optional: true }
}

/// Members that an object has; which others it has may depend on one of them.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// Those that it always has.
    pub members: &'static [Member],
    /// Others, by the value of a member that is a [`Type::Enum`] of just these values and has to be there.
    pub variants: Option<Variants>,
}

impl Object {
    /// Nothing.
    pub const EMPTY: Self = Self::new(&[]);

    /// These members.
    pub const fn new(members: &'static [Member]) -> Self {
        Self { members, variants: None }
    }
}

/// Members that depend on another.
#[derive(Clone, Copy, Debug)]
pub struct Variants {
    /// The name of that one.
    pub tag: &'static str,
    /// Each of its values, with the members that come with it.
    pub cases: &'static [(&'static str, &'static [Member])],
}

/// A command, without what does it.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub arguments: &'static Object,
    /// What it returns.
    pub returns: Type,
}

/// An event.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// What it carries.
    pub data: &'static Object,
}

/// The command that ends the negotiation, which every server has.
pub const NEGOTIATION: Signature =
    Signature { name: "qmp_capabilities", arguments: &CAPABILITIES, returns: Type::Object(&Object::EMPTY) };
const CAPABILITIES: Object = Object::new(&[optional("enable", Type::Array(&Type::Enum(&[])))]);

#[cfg(test)]
mod tests;
