//! Pictures and the screen against a model that knows of single pixels alone.

use super::*;
use std::collections::BTreeMap;

/// Bytes of guest memory that pictures come from.
const BACKING_BYTES: u32 = 256;
/// Sides of pictures at most, such that some have more pixels than their memory.
const SIDE: u32 = 10;

/// What a driver does next; numbers of pictures are small, so that most of them are there.
#[derive(Clone, Debug)]
enum Step {
    Create {
        number: u32,
        width: u32,
        height: u32,
    },
    Unref {
        number: u32,
    },
    /// In two parts, the first of which has so many bytes.
    Attach {
        number: u32,
        first: u32,
    },
    Detach {
        number: u32,
    },
    /// Guest memory holds other bytes from now on, each the one before and one more.
    Fill {
        byte: u8,
    },
    Transfer {
        number: u32,
        area: Rectangle,
        offset: u64,
    },
    Show {
        number: u32,
        area: Rectangle,
    },
    Flush {
        number: u32,
        area: Rectangle,
    },
}

/// A picture: its size, its pixels by place, and whether it has memory.
#[derive(Clone, Debug)]
struct Picture {
    size: (u32, u32),
    pixels: BTreeMap<(u32, u32), [u8; 4]>,
    has_backing: bool,
}

#[derive(Default)]
struct Model {
    backing: Vec<u8>,
    pictures: BTreeMap<u32, Picture>,
    shown: Option<(u32, Rectangle)>,
    /// What the screen shows, by place.
    screen: BTreeMap<(u64, u64), [u8; 3]>,
}

/// Every place of an area, of whatever size it is told to be; none if it has none or does not lie within a picture.
fn places(area: Rectangle, (width, height): (u32, u32)) -> Option<Vec<(u32, u32)>> {
    let end = |first: u32, size: u32| u64::from(first) + u64::from(size);
    let is_within = area.width > 0
        && area.height > 0
        && end(area.x, area.width) <= width.into()
        && end(area.y, area.height) <= height.into();
    let rows = || area.y..area.y + area.height;
    is_within.then(|| rows().flat_map(|y| (area.x..area.x + area.width).map(move |x| (x, y))).collect())
}

impl Model {
    fn picture(&mut self, number: u32) -> Result<&mut Picture, Failure> {
        self.pictures.get_mut(&number).ok_or(Failure::InvalidResource)
    }

    /// The screen is black, and of this size.
    fn clear(&mut self, width: u32, height: u32) {
        let places = (0..u64::from(height)).flat_map(|y| (0..u64::from(width)).map(move |x| (x, y)));
        self.screen = places.map(|place| (place, [0; 3])).collect();
    }

    fn run(&mut self, step: &Step) -> Result<(), Failure> {
        match *step {
            Step::Fill { byte } => {
                self.backing = (0..BACKING_BYTES).map(|at| byte.wrapping_add(at as u8)).collect();
            }
            Step::Create { number, width, height } => {
                if number == 0 || self.pictures.contains_key(&number) {
                    return Err(Failure::InvalidResource);
                }
                let whole = Rectangle { x: 0, y: 0, width, height };
                let places = places(whole, (width, height)).ok_or(Failure::InvalidParameter)?;
                let pixels = places.into_iter().map(|place| (place, [0; 4])).collect();
                self.pictures.insert(number, Picture { size: (width, height), pixels, has_backing: false });
            }
            Step::Unref { number } => {
                self.pictures.remove(&number).ok_or(Failure::InvalidResource)?;
                if self.shown.is_some_and(|(shown, _)| shown == number) {
                    self.shown = None;
                    self.clear(0, 0);
                }
            }
            Step::Attach { number, .. } => {
                let picture = self.picture(number)?;
                if picture.has_backing {
                    return Err(Failure::Unspecified);
                }
                picture.has_backing = true;
            }
            Step::Detach { number } => self.picture(number)?.has_backing = false,
            Step::Transfer { number, area, offset } => {
                let backing = self.backing.clone();
                let picture = self.picture(number)?;
                let places = places(area, picture.size).ok_or(Failure::InvalidParameter)?;
                let bytes_of = |(x, y): (u32, u32)| {
                    let pixel = u64::from(y - area.y) * u64::from(picture.size.0) + u64::from(x - area.x);
                    let at = usize::try_from(offset.checked_add(4 * pixel)?).ok()?;
                    backing.get(at..at.checked_add(4)?)?.try_into().ok()
                };
                let all = places.into_iter().map(|place| Some((place, bytes_of(place)?))).collect::<Option<Vec<_>>>();
                let all = all.filter(|_| picture.has_backing).ok_or(Failure::InvalidParameter)?;
                picture.pixels.extend(all);
            }
            Step::Show { number: 0, .. } => {
                self.shown = None;
                self.clear(0, 0);
            }
            Step::Show { number, area } => {
                let size = self.picture(number)?.size;
                places(area, size).ok_or(Failure::InvalidParameter)?;
                let before = self.shown.replace((number, area));
                if before.is_none_or(|(_, before)| (before.width, before.height) != (area.width, area.height)) {
                    self.clear(area.width, area.height);
                }
            }
            Step::Flush { number, area } => {
                let picture = self.picture(number)?.clone();
                let places = places(area, picture.size).ok_or(Failure::InvalidParameter)?;
                if let Some((_, shown)) = self.shown.filter(|(shown, _)| *shown == number) {
                    for place in places {
                        let [x, y] = [(place.0, shown.x), (place.1, shown.y)].map(|(at, first)| at.checked_sub(first));
                        let on_screen = x.zip(y).map(|(x, y)| (u64::from(x), u64::from(y)));
                        // B8G8R8X8.
                        let [blue, green, red, _] = picture.pixels[&place];
                        if let Some(pixel) = on_screen.and_then(|place| self.screen.get_mut(&place)) {
                            *pixel = [red, green, blue];
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What the screen shows, from its top on.
    fn picture_on_screen(&self) -> Vec<u8> {
        let mut pixels: Vec<_> = self.screen.iter().map(|((x, y), pixel)| ((*y, *x), *pixel)).collect();
        pixels.sort_unstable();
        pixels.into_iter().flat_map(|(_, pixel)| pixel).collect()
    }
}

/// The same for the device: the response's kind.
fn ask(screen: &mut Screen, parts: [u64; 2], step: &Step) -> u32 {
    let rectangle = |area: Rectangle| [area.x, area.y, area.width, area.height];
    match *step {
        Step::Fill { byte } => {
            let bytes: Vec<_> = (0..BACKING_BYTES).map(|at| byte.wrapping_add(at as u8)).collect();
            screen.driver.memory.write_slice(&bytes, GuestAddress(parts[0])).unwrap();
            screen.driver.memory.write_slice(&bytes, GuestAddress(parts[1])).unwrap();
            OK
        }
        Step::Create { number, width, height } => screen.run(Command::Create, &[number, BGRX, width, height]),
        Step::Unref { number } => screen.run(Command::Unref, &[number, 0]),
        Step::Attach { number, first } => {
            // Both hold the same: the first bytes of the one, and the rest of the other.
            let [one, other] = [parts[0] as u32, parts[1] as u32 + first];
            screen.run(Command::AttachBacking, &[number, 2, one, 0, first, 0, other, 0, BACKING_BYTES - first, 0])
        }
        Step::Detach { number } => screen.run(Command::DetachBacking, &[number, 0]),
        Step::Transfer { number, area, offset } => {
            let more = [offset as u32, (offset >> 32) as u32, number, 0];
            screen.run(Command::Transfer, &[&rectangle(area)[..], &more].concat())
        }
        Step::Show { number, area } => screen.run(Command::SetScanout, &[&rectangle(area)[..], &[0, number]].concat()),
        Step::Flush { number, area } => screen.run(Command::Flush, &[&rectangle(area)[..], &[number, 0]].concat()),
    }
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1_u32..3, 1 => 0_u32..4]
}

/// Most areas lie within the first picture.
fn area() -> impl Strategy<Value = Rectangle> {
    let side = || prop_oneof![12 => 0..SIDE, 1 => any::<u32>(), 1 => (0_u32..4).prop_map(|less| u32::MAX - less)];
    let any = (side(), side(), side(), side());
    prop_oneof![3 => (0..SIDE / 2, 0..SIDE / 4, 1..SIDE / 2, 1..SIDE / 4), 1 => any]
        .prop_map(|(x, y, width, height)| Rectangle { x, y, width, height })
}

fn step() -> impl Strategy<Value = Step> {
    let side = || prop_oneof![8 => 4..=SIDE, 1 => 0..SIDE];
    let offset = prop_oneof![6 => Just(0), 2 => 0..u64::from(BACKING_BYTES), 1 => any::<u64>()];
    prop_oneof![
        2 => (number(), side(), side()).prop_map(|(number, width, height)| Step::Create { number, width, height }),
        1 => number().prop_map(|number| Step::Unref { number }),
        3 => (number(), 0..=BACKING_BYTES).prop_map(|(number, first)| Step::Attach { number, first }),
        1 => number().prop_map(|number| Step::Detach { number }),
        3 => any::<u8>().prop_map(|byte| Step::Fill { byte }),
        8 => (number(), area(), offset).prop_map(|(number, area, offset)| Step::Transfer { number, area, offset }),
        6 => (number(), area()).prop_map(|(number, area)| Step::Show { number, area }),
        8 => (number(), area()).prop_map(|(number, area)| Step::Flush { number, area }),
    ]
}

proptest! {
    #[test]
    fn the_screen_shows_what_a_model_shows(steps in proptest::collection::vec(step(), 0..80)) {
        let mut screen = Screen::new(PLAIN);
        let parts = [screen.driver.allocate(BACKING_BYTES.into()), screen.driver.allocate(BACKING_BYTES.into())];
        let mut model = Model { backing: vec![0; BACKING_BYTES as usize], ..Model::default() };
        let first = [
            Step::Fill { byte: 1 },
            Step::Create { number: 1, width: SIDE, height: SIDE / 2 },
            Step::Attach { number: 1, first: 90 },
        ];
        for step in first.iter().chain(&steps) {
            let expected = model.run(step).map_or_else(|failure| failure as u32, |()| OK);
            prop_assert_eq!(ask(&mut screen, parts, step), expected, "{:?}", step);
            let shown = model.shown.map_or((0, 0), |(_, area)| (area.width, area.height));
            prop_assert_eq!(screen.frame.size(), shown, "{:?}", step);
            let header = format!("P6\n{} {}\n255\n", shown.0, shown.1);
            prop_assert_eq!(screen.ppm(), [header.as_bytes(), &model.picture_on_screen()].concat(), "{:?}", step);
        }
    }
}
