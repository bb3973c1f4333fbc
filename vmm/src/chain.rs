//! An error with its causes in one line.

/// The error's text and those of its causes, with a colon between.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::VmError;

    #[test]
    fn causes_follow_the_error() {
        let error = VmError::Kvm { request: "KVM_CREATE_VM", source: std::io::ErrorKind::NotFound.into() };
        assert_eq!(chain(&error), "KVM refused KVM_CREATE_VM: entity not found");
        assert_eq!(chain(&VmError::Shape("no")), "no");
    }
}
