//! Pictures from guest memory to the screen.

mod model;

use super::*;
use crate::{
    Common,
    hostile::{self, Hosted},
    testing::{Driver, Layout, due, exchange},
};
use proptest::prelude::*;
use vm_memory::{Bytes, GuestAddress};

const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };
/// VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM.
const BGRX: u32 = 2;

struct Screen {
    common: Common,
    driver: Driver,
    frame: FrameBuffer,
}

impl Screen {
    fn new(layout: Layout) -> Self {
        let frame = FrameBuffer::new();
        let gpu = Gpu::new(640, 480, frame.clone()).unwrap();
        let (common, driver) = Driver::started(Box::new(gpu), layout, 0);
        Self { common, driver, frame }
    }

    /// Sends a request of 32-bit fields, and gives the response's kind.
    fn run(&mut self, command: Command, fields: &[u32]) -> u32 {
        let mut request = (command as u32).to_le_bytes().to_vec();
        request.resize(HEADER_BYTES, 0);
        request.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
        let (response, written) =
            exchange(&mut self.common, &mut self.driver, CONTROL, &[&request[..7], &request[7..]], &[5, 19]);
        assert_eq!(written as usize, HEADER_BYTES);
        Header::new(response.try_into().expect("a header")).kind
    }

    fn ppm(&self) -> Vec<u8> {
        let mut bytes = vec![];
        self.frame.write_ppm(&mut bytes).unwrap();
        bytes
    }
}

#[test]
fn the_screen_tells_its_size() {
    for layout in Layout::all() {
        let mut screen = Screen::new(layout);
        let mut request = 0x100_u32.to_le_bytes().to_vec();
        // With a fence, whose number comes back.
        request.extend([1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 3, 0, 0, 0]);
        let (response, written) = exchange(&mut screen.common, &mut screen.driver, CONTROL, &[&request], &[24, 500]);
        assert_eq!(written, 24 + 24 * 16);
        assert_eq!(response[..4], OK_DISPLAY_INFO.to_le_bytes());
        assert_eq!(response[4..24], request[4..24]);
        let mut first = [0_u32, 0, 640, 480, 1, 0].map(u32::to_le_bytes).as_flattened().to_vec();
        first.resize(24 * 16, 0);
        assert_eq!(response[24..written as usize], first);
    }
}

#[test]
fn a_picture_goes_from_memory_to_the_screen() {
    for layout in Layout::all() {
        let mut screen = Screen::new(layout);
        // 4 × 2 pixels of blue, green, red and nothing, in two parts of memory.
        let pixels: Vec<u8> = (0..8).flat_map(|pixel| [pixel, 0x10 + pixel, 0x20 + pixel, 0xff]).collect();
        let (first, second) = (screen.driver.allocate(32), screen.driver.allocate(32));
        screen.driver.memory.write_slice(&pixels[..22], GuestAddress(first)).unwrap();
        screen.driver.memory.write_slice(&pixels[22..], GuestAddress(second)).unwrap();
        assert_eq!(screen.run(Command::Create, &[7, BGRX, 4, 2]), OK);
        let parts = [first as u32, 0, 22, 0, second as u32, 0, 10, 0];
        assert_eq!(screen.run(Command::AttachBacking, &[&[7, 2], &parts[..]].concat()), OK);
        assert_eq!(screen.run(Command::SetScanout, &[1, 0, 3, 2, 0, 7]), OK);
        assert_eq!(screen.ppm(), [&b"P6\n3 2\n255\n"[..], &[0; 18]].concat());
        assert_eq!(screen.run(Command::Transfer, &[0, 0, 4, 2, 0, 0, 7, 0]), OK);
        assert_eq!(screen.run(Command::Flush, &[0, 0, 4, 1, 7, 0]), OK);
        let row =
            |first: u8| (first..first + 3).flat_map(|pixel| [0x20 + pixel, 0x10 + pixel, pixel]).collect::<Vec<_>>();
        assert_eq!(screen.ppm(), [&b"P6\n3 2\n255\n"[..], &row(1), &[0; 9]].concat(), "{layout:?}");
        assert_eq!(screen.run(Command::Flush, &[0, 0, 4, 2, 7, 0]), OK);
        assert_eq!(screen.ppm(), [&b"P6\n3 2\n255\n"[..], &row(1), &row(5)].concat());
        // Part of it: one pixel, whose place in memory is told.
        screen.driver.memory.write_slice(&[1, 2, 3], GuestAddress(second + 2)).unwrap();
        assert_eq!(screen.run(Command::Transfer, &[2, 1, 1, 1, 24, 0, 7, 0]), OK);
        assert_eq!(screen.run(Command::Flush, &[2, 1, 1, 1, 7, 0]), OK);
        assert_eq!(screen.ppm()[11 + 12..11 + 15], [3, 2, 1]);
        assert_eq!(screen.run(Command::Unref, &[7, 0]), OK);
        assert_eq!(screen.frame.size(), (0, 0));
    }
}

#[test]
fn formats_say_where_colours_stand() {
    for (format, expected) in [
        (1, [3, 2, 1]),
        (2, [3, 2, 1]),
        (3, [2, 3, 4]),
        (4, [2, 3, 4]),
        (67, [1, 2, 3]),
        (134, [1, 2, 3]),
        (68, [4, 3, 2]),
        (121, [4, 3, 2]),
    ] {
        let mut screen = Screen::new(PLAIN);
        let at = screen.driver.allocate(16);
        screen.driver.memory.write_slice(&[1, 2, 3, 4], GuestAddress(at)).unwrap();
        assert_eq!(screen.run(Command::Create, &[1, format, 1, 1]), OK);
        assert_eq!(screen.run(Command::AttachBacking, &[1, 1, at as u32, 0, 4, 0]), OK);
        assert_eq!(screen.run(Command::SetScanout, &[0, 0, 1, 1, 0, 1]), OK);
        assert_eq!(screen.run(Command::Transfer, &[0, 0, 1, 1, 0, 0, 1, 0]), OK);
        assert_eq!(screen.run(Command::Flush, &[0, 0, 1, 1, 1, 0]), OK);
        assert_eq!(screen.ppm()[11..], expected, "{format}");
    }
}

#[test]
fn wrong_requests_fail_by_their_reason() {
    let mut screen = Screen::new(PLAIN);
    assert_eq!(screen.run(Command::Create, &[1, BGRX, 4, 4]), OK);
    let (unspecified, no_memory) = (Failure::Unspecified as u32, Failure::OutOfMemory as u32);
    let (scanout, resource, parameter) =
        (Failure::InvalidScanout as u32, Failure::InvalidResource as u32, Failure::InvalidParameter as u32);
    let whole = 0x1_0000;
    for (command, fields, expected) in [
        (Command::Create, &[0, BGRX, 4, 4][..], resource),
        (Command::Create, &[1, BGRX, 4, 4], resource),
        (Command::Create, &[2, 5, 4, 4], parameter),
        (Command::Create, &[2, BGRX, 0, 4], parameter),
        (Command::Create, &[2, BGRX, u32::MAX, u32::MAX], no_memory),
        (Command::Create, &[2, BGRX, 8192, 8193], no_memory),
        (Command::Create, &[2, BGRX, 4], unspecified),
        (Command::Unref, &[2, 0], resource),
        (Command::SetScanout, &[0, 0, 4, 4, 1, 1], scanout),
        (Command::SetScanout, &[0, 0, 4, 4, 0, 2], resource),
        (Command::SetScanout, &[0, 0, 4, 5, 0, 1], parameter),
        (Command::SetScanout, &[1, 0, u32::MAX, 4, 0, 1], parameter),
        (Command::SetScanout, &[0, 0, 0, 4, 0, 1], parameter),
        (Command::Transfer, &[0, 0, 4, 4, 0, 0, 1, 0], parameter),
        (Command::AttachBacking, &[2, 0], resource),
        (Command::AttachBacking, &[1, 1, 0, 0, 4], unspecified),
        (Command::AttachBacking, &[1, u32::MAX], no_memory),
        (Command::AttachBacking, &[1, 1, 0, 1, 4, 0], parameter),
        (Command::AttachBacking, &[1, 1, 0x10_0000 - 4, 0, 5, 0], parameter),
        (Command::AttachBacking, &[1, 1, whole, 0, 64, 0], OK),
        (Command::AttachBacking, &[1, 1, whole, 0, 64, 0], unspecified),
        (Command::Transfer, &[0, 0, 4, 4, 0, 0, 1, 0], OK),
        (Command::Transfer, &[0, 0, 4, 4, 1, 0, 1, 0], parameter),
        (Command::Transfer, &[0, 0, 4, 4, u32::MAX, u32::MAX, 1, 0], parameter),
        (Command::Transfer, &[0, 0, 5, 1, 0, 0, 1, 0], parameter),
        (Command::Flush, &[0, 0, 4, 5, 1, 0], parameter),
        (Command::Flush, &[0, 0, 4, 4, 1, 0], OK),
        (Command::DetachBacking, &[1, 0], OK),
        (Command::Transfer, &[0, 0, 1, 1, 0, 0, 1, 0], parameter),
        (Command::DetachBacking, &[9, 0], resource),
        (Command::SetScanout, &[0, 0, 0, 0, 0, 0], OK),
    ] {
        assert_eq!(screen.run(command, fields), expected, "{command:?} {fields:x?}");
    }
    for request in [&[][..], &[0; 23], &[0; 24], &[0xff; 24]] {
        let (response, written) = exchange(&mut screen.common, &mut screen.driver, CONTROL, &[request], &[24]);
        assert_eq!((&response[..4], written), (&unspecified.to_le_bytes()[..], 24), "{request:x?}");
    }
}

#[test]
fn all_pictures_together_are_bounded() {
    let mut screen = Screen::new(PLAIN);
    for number in 1..=4 {
        assert_eq!(screen.run(Command::Create, &[number, BGRX, 4096, 4096]), OK);
    }
    assert_eq!(screen.run(Command::Create, &[5, BGRX, 1, 1]), Failure::OutOfMemory as u32);
    assert_eq!(screen.run(Command::Unref, &[4, 0]), OK);
    for number in 5..5 + NR_RESOURCES_MAX as u32 - 3 {
        assert_eq!(screen.run(Command::Create, &[number, BGRX, 1, 1]), OK);
    }
    assert_eq!(screen.run(Command::Create, &[2000, BGRX, 1, 1]), Failure::OutOfMemory as u32);
    screen.common.set_status(0);
    assert_eq!(screen.frame.size(), (0, 0));
}

#[test]
fn another_size_is_an_event_until_it_is_cleared() {
    let gpu = Gpu::new(640, 480, FrameBuffer::new()).unwrap();
    let size = gpu.screen_size();
    let (mut common, mut driver) = Driver::started(Box::new(gpu), PLAIN, 0);
    let events = |common: &Common| {
        let mut config = [0xff; 20];
        common.read_config(0, &mut config);
        assert_eq!(config[4..], [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        config[0]
    };
    assert_eq!(events(&common), 0);
    size.set(800, 65535);
    common.wake();
    assert_eq!((events(&common), due(&mut common)), (1, (0, true)));
    common.write_config(0, &[0; 4]);
    common.write_config(4, &[0; 2]);
    common.write_config(4, &2_u32.to_le_bytes());
    assert_eq!(events(&common), 1);
    common.write_config(4, &1_u32.to_le_bytes());
    assert_eq!(events(&common), 0);
    let mut request = 0x100_u32.to_le_bytes().to_vec();
    request.resize(24, 0);
    let (response, _) = exchange(&mut common, &mut driver, CONTROL, &[&request], &[408]);
    assert_eq!(response[32..40], [0x20, 3, 0, 0, 0, 0x20, 0, 0]);
    assert_eq!(exchange(&mut common, &mut driver, CURSOR, &[&[0; 56]], &[24]).1, 0, "cursors are ignored");
}

#[test]
fn a_monitor_is_told_to_a_driver_that_knows_of_it() {
    let mut request = (Command::GetEdid as u32).to_le_bytes().to_vec();
    request.resize(HEADER_BYTES + 8, 0);
    for (features, scanout, expected) in
        [(EDID, 0, OK_EDID), (EDID, 1, Failure::InvalidScanout as u32), (0, 0, Failure::Unspecified as u32)]
    {
        let gpu = Gpu::new(640, 480, FrameBuffer::new()).unwrap();
        let size = gpu.screen_size();
        let (mut common, mut driver) = Driver::started(Box::new(gpu), PLAIN, features);
        request[HEADER_BYTES] = scanout;
        for (width, height) in [(640, 480), (1280, 720)] {
            size.set(width, height);
            common.wake();
            let (response, written) = exchange(&mut common, &mut driver, CONTROL, &[&request], &[24, 1100]);
            assert_eq!(response[..4], expected.to_le_bytes());
            if expected != OK_EDID {
                assert_eq!(written, 24);
                continue;
            }
            assert_eq!(written, 24 + 8 + 1024);
            assert_eq!(response[24..32], [128, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(response[32..160], edid::block(width.into(), height.into()));
            assert_eq!(response[160..], [0; 1124 - 160]);
        }
    }
}

#[test]
fn a_size_is_told_with_its_event() {
    let gpu = Gpu::new(640, 480, FrameBuffer::new()).unwrap();
    let size = gpu.screen_size();
    let (mut common, mut driver) = Driver::started(Box::new(gpu), PLAIN, 0);
    let mut request = 0x100_u32.to_le_bytes().to_vec();
    request.resize(24, 0);
    size.set(800, 600);
    let mut width = |common: &mut Common| {
        let (response, _) = exchange(common, &mut driver, CONTROL, &[&request], &[408]);
        u16::from_le_bytes([response[32], response[33]])
    };
    assert_eq!(width(&mut common), 640);
    common.wake();
    assert_eq!(width(&mut common), 800);
}

proptest! {
    /// Whatever a driver asks for, nothing panics.
    #[test]
    fn any_requests_are_survived(
        layout in 0_usize..8,
        steps in proptest::collection::vec(
            (0x100_u32..0x10c, proptest::collection::vec(prop_oneof![0_u32..6, any::<u32>()], 0..12), 0_u32..30), 0..60),
    ) {
        let mut screen = Screen::new(Layout::all().nth(layout).expect("one of eight"));
        screen.run(Command::Create, &[1, BGRX, 5, 3]);
        for (kind, fields, room) in steps {
            let mut request = kind.to_le_bytes().to_vec();
            request.resize(HEADER_BYTES, 0);
            request.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
            screen.driver.submit(CONTROL, &[&request], &[room]);
            screen.common.notify(CONTROL);
            prop_assert!(screen.driver.used(CONTROL).is_some());
            let (width, height) = screen.frame.size();
            prop_assert!(u64::from(width) * u64::from(height) * 4 <= PIXELS_BYTES_MAX);
        }
    }

    /// Nor is anything that a driver can do to registers and rings.
    #[test]
    fn hostile_drivers_are_survived(steps in hostile::strategy::steps(
        (0x100_u32..0x10b, proptest::collection::vec(0_u32..8, 0..10)).prop_map(|(kind, fields)| {
            let mut request = kind.to_le_bytes().to_vec();
            request.resize(HEADER_BYTES, 0);
            request.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
            request
        }),
    )) {
        hostile::survive_with_host(|| Hosted::gpu(Gpu::new(64, 48, FrameBuffer::new()).unwrap()), &steps);
    }
}
