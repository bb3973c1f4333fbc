//! A graphics adapter in a saved VM.

use super::{
    DISPLAY_CHANGED, Gpu, NR_PARTS_MAX, NR_PARTS_MAX_ALL, NR_RESOURCES_MAX, PIXELS_BYTES_MAX, Rectangle,
    resource::{Resource, ResourceState},
};
use crate::{Memory, readiness::ShownState};
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{self, ensure},
};

#[derive(Serialize, Deserialize)]
struct State {
    /// Width and height, as [`super::ScreenSize`] has them.
    size: ShownState,
    events: u32,
    /// By their numbers, in order.
    resources: Vec<(u32, ResourceState)>,
    /// What is shown: a resource's number, and left, top, width and height of a part of it.
    scanout: Option<(u32, [u32; 4])>,
}

impl Gpu {
    pub(super) fn give_bytes(&self) -> Result<Vec<u8>, DeviceStateError> {
        let mut resources: Vec<_> =
            self.resources.iter().map(|(number, resource)| (*number, resource.save())).collect();
        resources.sort_by_key(|(number, _)| *number);
        let scanout = self.scanout.map(|(number, area)| (number, [area.x, area.y, area.width, area.height]));
        value::to_bytes(&State { size: self.size.save(), events: self.events, resources, scanout })
    }

    pub(super) fn take_bytes(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        let State { size, events, resources, scanout } = value::from_bytes(state)?;
        ensure(events & !DISPLAY_CHANGED == 0 && resources.len() <= NR_RESOURCES_MAX)?;
        let (mut pixels_bytes, mut nr_parts) = (0_u64, 0_usize);
        for (number, saved) in resources {
            pixels_bytes = pixels_bytes.saturating_add(saved.size_bytes());
            nr_parts = nr_parts.saturating_add(saved.nr_parts());
            ensure(pixels_bytes <= PIXELS_BYTES_MAX && nr_parts <= NR_PARTS_MAX_ALL)?;
            ensure(saved.nr_parts() <= NR_PARTS_MAX && number != 0)?;
            ensure(self.resources.insert(number, Resource::restore(saved, memory)?).is_none())?;
        }
        self.events = events;
        self.size.restore(size);
        if let Some((number, [x, y, width, height])) = scanout {
            self.show(number, Rectangle { x, y, width, height })?;
        }
        Ok(())
    }

    /// Shows a resource as it is; what was shown may be older, if the driver had not flushed it yet.
    fn show(&mut self, number: u32, area: Rectangle) -> Result<(), DeviceStateError> {
        let resource = self.resources.get(&number).ok_or(DeviceStateError::Contents)?;
        ensure(area.is_within(resource.width, resource.height))?;
        self.scanout = Some((number, area));
        self.display.resize(area.width, area.height);
        let on_screen = Rectangle { x: 0, y: 0, ..area };
        self.display.update(on_screen, &mut |row| resource.row(area.x, area.y + row, area.width).collect());
        Ok(())
    }
}
