//! The image of the smoke tests, which cases of these tests come from.

use std::sync::{Arc, OnceLock};
use testcases::{
    image::{self, Guest},
    subjects::Image,
};

/// The image, built when it is first asked for.
///
/// # Panics
/// If it cannot be built.
pub(crate) fn image() -> Arc<Image> {
    static IMAGE: OnceLock<Arc<Image>> = OnceLock::new();
    let open = || match image::build(Guest::Smoke) {
        Ok(path) => Arc::new(Image::open(&path).expect("an image")),
        Err(error) => panic!("{error}"),
    };
    IMAGE.get_or_init(open).clone()
}
