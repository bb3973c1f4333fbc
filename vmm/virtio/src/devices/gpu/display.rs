//! Where pictures are shown.

use super::protocol::Rectangle;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A screen. It never blocks.
pub trait Display: Send {
    /// The picture has another size now, and is black; without pixels nothing is shown.
    fn resize(&mut self, width: u32, height: u32);

    /// Part of the picture changed: `row` gives red, green and blue of each pixel of a row of `area`, counted from its top.
    fn update(&mut self, area: Rectangle, row: &mut dyn FnMut(u32) -> Vec<[u8; 3]>);
}

/// A screen in memory.
#[derive(Clone, Default)]
pub struct FrameBuffer(Arc<Mutex<Picture>>);

#[derive(Default)]
struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<[u8; 3]>,
}

impl FrameBuffer {
    /// Nothing is shown.
    pub fn new() -> Self {
        Self::default()
    }

    fn picture(&self) -> MutexGuard<'_, Picture> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Width and height of what is shown.
    pub fn size(&self) -> (u32, u32) {
        let picture = self.picture();
        (picture.width, picture.height)
    }

    /// Writes what is shown as a portable pixmap (PPM, format P6).
    ///
    /// # Errors
    /// Those of `output`.
    pub fn write_ppm(&self, mut output: impl Write) -> io::Result<()> {
        // The device goes on while an output takes its time.
        let (header, pixels) = {
            let picture = self.picture();
            (format!("P6\n{} {}\n255\n", picture.width, picture.height), picture.pixels.clone())
        };
        output.write_all(header.as_bytes())?;
        output.write_all(pixels.as_flattened())
    }
}

impl Display for FrameBuffer {
    fn resize(&mut self, width: u32, height: u32) {
        // A picture of the device, whose size is bounded there.
        *self.picture() = Picture { width, height, pixels: vec![[0; 3]; width as usize * height as usize] };
    }

    fn update(&mut self, area: Rectangle, row: &mut dyn FnMut(u32) -> Vec<[u8; 3]>) {
        let mut picture = self.picture();
        if !area.is_within(picture.width, picture.height) {
            return;
        }
        let width = picture.width as usize;
        for y in 0..area.height {
            let at = (area.y + y) as usize * width + area.x as usize;
            for (pixel, new) in picture.pixels[at..at + area.width as usize].iter_mut().zip(row(y)) {
                *pixel = new;
            }
        }
    }
}
