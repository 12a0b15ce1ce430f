//! Places: positions as 52-bit scores, and searches around a centre, bit for bit as the servers do them.
//!
//! A position is 26 bits of longitude and 26 of latitude, interleaved; the score of a sorted set's member is that
//! integer. A search covers its shape by a cell and up to eight neighbours; the order in which they are visited is
//! part of the answer (COUNT n ANY stops in the middle of it), and so is every rounding.
//!
//! Owns the arithmetic. Never touches a sorted set, never knows a command.

/// The bounds of Web Mercator, beyond which nothing is indexed.
const LONGITUDE_MAX: f64 = 180.0;
const LATITUDE_MAX: f64 = 85.051_128_78;
/// Bits of each coordinate in a score.
const STEP_MAX: u8 = 26;

const EARTH_RADIUS_METERS: f64 = 6_372_797.560_856;
/// Half of the equator in that projection.
const MERCATOR_MAX_METERS: f64 = 20_037_726.37;

/// The even bits, which are the latitude's; the odd ones are the longitude's.
const EVEN: u64 = 0x5555_5555_5555_5555;
const ODD: u64 = !EVEN;

/// A position in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// East of Greenwich.
    pub longitude: f64,
    /// North of the equator.
    pub latitude: f64,
}

impl Point {
    /// Whether it can be indexed; NaN cannot.
    pub fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The score of a member at this position, which is valid.
    pub fn score(self) -> f64 {
        Cell::around(self, STEP_MAX).bits as f64
    }

    /// The middle of the cell that a score stands for.
    pub fn of_score(score: f64) -> Point {
        let area = Cell { bits: score_bits(score), step: STEP_MAX }.area();
        Point {
            longitude: middle(area.longitude).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: middle(area.latitude).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The standard geohash, of which 52 bits are known and three read as zero.
    pub fn geohash(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        // The standard's latitudes go to the poles.
        let bits = interleave(
            offset(self.latitude, (-90.0, 90.0), STEP_MAX),
            offset(self.longitude, (-180.0, 180.0), STEP_MAX),
        );
        let mut text = [b'0'; 11];
        for (index, place) in text.iter_mut().take(10).enumerate() {
            let letter = (bits >> (47 - 5 * index)) & 31;
            *place = ALPHABET.get(letter as usize).copied().unwrap_or(b'0');
        }
        text
    }

    /// Meters along a great circle.
    pub fn distance(self, other: Point) -> f64 {
        let v = ((other.longitude.to_rad() - self.longitude.to_rad()) / 2.0).sin();
        if v == 0.0 {
            return latitude_distance(self.latitude, other.latitude);
        }
        let (latitude, other_latitude) = (self.latitude.to_rad(), other.latitude.to_rad());
        let u = ((other_latitude - latitude) / 2.0).sin();
        let a = u * u + latitude.cos() * other_latitude.cos() * v * v;
        2.0 * EARTH_RADIUS_METERS * a.sqrt().asin()
    }
}

fn latitude_distance(one: f64, other: f64) -> f64 {
    EARTH_RADIUS_METERS * (other.to_rad() - one.to_rad()).abs()
}

/// Degrees and radians by the servers' factor (`to_radians` rounds differently in the last bit).
trait Angle {
    fn to_rad(self) -> f64;
    fn to_deg(self) -> f64;
}

impl Angle for f64 {
    fn to_rad(self) -> f64 {
        self * (std::f64::consts::PI / 180.0)
    }
    fn to_deg(self) -> f64 {
        self / (std::f64::consts::PI / 180.0)
    }
}

fn middle((min, max): (f64, f64)) -> f64 {
    (min + max) / 2.0
}

/// The integer of a score as C converts it on x86-64, for scores that are no positions too.
fn score_bits(score: f64) -> u64 {
    const TOP: f64 = (1u64 << 63) as f64;
    let signed = |value: f64| {
        // Out of range, the processor gives the lowest integer.
        if (-TOP..TOP).contains(&value) { value as i64 } else { i64::MIN }
    };
    if score < TOP { signed(score) as u64 } else { (signed(score - TOP) as u64) ^ (1 << 63) }
}

/// Where in its range a coordinate lies, in `2^step` parts.
fn offset(value: f64, (min, max): (f64, f64), step: u8) -> u32 {
    let part = (value - min) / (max - min);
    (part * (1u64 << step) as f64) as u32
}

fn interleave(even: u32, odd: u32) -> u64 {
    spread(even) | (spread(odd) << 1)
}

/// Moves the bits apart, a zero between every two.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    bits = (bits | (bits << 16)) & 0x0000_FFFF_0000_FFFF;
    bits = (bits | (bits << 8)) & 0x00FF_00FF_00FF_00FF;
    bits = (bits | (bits << 4)) & 0x0F0F_0F0F_0F0F_0F0F;
    bits = (bits | (bits << 2)) & 0x3333_3333_3333_3333;
    (bits | (bits << 1)) & EVEN
}

/// The reverse of [`spread`].
fn gather(bits: u64) -> u32 {
    let mut bits = bits & EVEN;
    bits = (bits | (bits >> 1)) & 0x3333_3333_3333_3333;
    bits = (bits | (bits >> 2)) & 0x0F0F_0F0F_0F0F_0F0F;
    bits = (bits | (bits >> 4)) & 0x00FF_00FF_00FF_00FF;
    bits = (bits | (bits >> 8)) & 0x0000_FFFF_0000_FFFF;
    (bits | (bits >> 16)) as u32
}

/// A rectangle of the grid: the upper `2 * step` bits of the scores in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    bits: u64,
    step: u8,
}

/// What a cell covers, in degrees.
#[derive(Clone, Copy, Debug)]
struct Area {
    longitude: (f64, f64),
    latitude: (f64, f64),
}

impl Cell {
    /// The cell of this size that a point lies in.
    fn around(point: Point, step: u8) -> Cell {
        let latitude = offset(point.latitude, (-LATITUDE_MAX, LATITUDE_MAX), step);
        let longitude = offset(point.longitude, (-LONGITUDE_MAX, LONGITUDE_MAX), step);
        Cell { bits: interleave(latitude, longitude), step }
    }

    fn area(self) -> Area {
        let side = |index: u32, min: f64, max: f64| {
            let parts = (1u64 << self.step) as f64;
            let at = |index: f64| min + (index / parts) * (max - min);
            (at(f64::from(index)), at((index.wrapping_add(1)).into()))
        };
        Area {
            longitude: side(gather(self.bits >> 1), -LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: side(gather(self.bits), -LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The cell so many columns to the east and rows to the north, around the edges of the grid.
    fn moved(self, east: i8, north: i8) -> Cell {
        let used = u64::MAX >> (64 - 2 * u32::from(self.step));
        let longitude = step_bits(self.bits & ODD, EVEN & used, ODD & used, east);
        let latitude = step_bits(self.bits & EVEN, ODD & used, EVEN & used, north);
        Cell { bits: longitude | latitude, step: self.step }
    }

    /// The scores in it: from the first up to, and without, the second.
    fn scores(self) -> (f64, f64) {
        let shift = 52 - 2 * u32::from(self.step);
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }
}

/// Adds one to, or takes one from, every second bit; `between` are the bits of the other coordinate, which carry.
fn step_bits(own: u64, between: u64, mask: u64, by: i8) -> u64 {
    let moved = match by {
        0 => return own,
        1.. => own.wrapping_add(between.wrapping_add(1)),
        _ => (own | between).wrapping_sub(between.wrapping_add(1)),
    };
    moved & mask
}

/// A shape to look for members in. Lengths are in the unit that they were given in.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Everything within this distance.
    Circle {
        /// From the centre.
        radius: f64,
    },
    /// A rectangle with its sides along parallels and meridians.
    Box {
        /// From west to east.
        width: f64,
        /// From south to north.
        height: f64,
    },
    /// What a line through these points encloses (Valkey 9); at least three. The centre follows from them.
    Polygon(Vec<Point>),
}

/// A search around a centre.
#[derive(Clone, Debug)]
pub struct Search {
    centre: Point,
    shape: Shape,
    /// Meters in the unit of the shape's lengths.
    unit: f64,
}

impl Search {
    /// A search in a circle or box around `centre`; a polygon has a centre of its own.
    pub fn new(centre: Point, shape: Shape, unit: f64) -> Search {
        let centre = match &shape {
            Shape::Polygon(corners) => centroid(corners),
            _ => centre,
        };
        Search { centre, shape, unit }
    }

    /// Where a member with this score lies and its distance from the centre in meters, when it is in the shape.
    pub fn find(&self, score: f64) -> Option<(Point, f64)> {
        let point = Point::of_score(score);
        match &self.shape {
            Shape::Circle { radius } => {
                let distance = self.centre.distance(point);
                // Not `<=`: a distance that is NaN counts as inside.
                let outside = distance > radius * self.unit;
                (!outside).then_some((point, distance))
            }
            Shape::Box { width, height } => {
                let (width, height) = (width * self.unit, height * self.unit);
                if latitude_distance(point.latitude, self.centre.latitude) > height / 2.0 {
                    return None;
                }
                let level = Point { longitude: self.centre.longitude, latitude: point.latitude };
                if point.distance(level) > width / 2.0 {
                    return None;
                }
                Some((point, self.centre.distance(point)))
            }
            Shape::Polygon(corners) => encloses(corners, point).then(|| (point, self.centre.distance(point))),
        }
    }

    /// The ranges of scores to look through, in the order of the servers: from the first score up to, and without,
    /// the second.
    pub fn ranges(&self) -> impl Iterator<Item = (f64, f64)> {
        let mut last = None;
        self.cells().into_iter().enumerate().filter_map(move |(index, cell)| {
            let cell = cell?;
            // Of a very large shape neighbours may be one and the same. (The centre's cell is not compared, so that
            // some members are then found twice, there as here.)
            if last == Some(cell) {
                return None;
            }
            last = (index > 0).then_some(cell);
            Some(cell.scores())
        })
    }

    /// The cell of the centre and those neighbours that the shape may reach into.
    fn cells(&self) -> [Option<Cell>; 9] {
        if !self.centre.is_valid() {
            // The centre of a polygon that surrounds a pole: the servers find nothing.
            return [None; 9];
        }
        let bounds = self.bounds();
        let mut step = step_for(self.reach(&bounds), self.centre.latitude);
        let mut cell = Cell::around(self.centre, step);
        // The shape may lie so near the edge of its cell that the neighbours do not cover it. (In these words, for
        // the bounds of an infinite radius are NaN.)
        let falls_short = cell.moved(0, 1).area().latitude.1 < bounds.latitude.1
            || cell.moved(0, -1).area().latitude.0 > bounds.latitude.0
            || cell.moved(1, 0).area().longitude.1 < bounds.longitude.1
            || cell.moved(-1, 0).area().longitude.0 > bounds.longitude.0;
        if step > 1 && falls_short {
            step -= 1;
            cell = Cell::around(self.centre, step);
        }
        let area = cell.area();
        // Above that size every neighbour is looked through.
        let trims = step >= 2;
        let no_south = trims && area.latitude.0 < bounds.latitude.0;
        let no_north = trims && area.latitude.1 > bounds.latitude.1;
        let no_west = trims && area.longitude.0 < bounds.longitude.0;
        let no_east = trims && area.longitude.1 > bounds.longitude.1;
        let neighbour = |east: i8, north: i8| {
            let is_useless = (north > 0 && no_north)
                || (north < 0 && no_south)
                || (east > 0 && no_east)
                || (east < 0 && no_west);
            (!is_useless).then(|| cell.moved(east, north))
        };
        [
            Some(cell),
            neighbour(0, 1),
            neighbour(0, -1),
            neighbour(1, 0),
            neighbour(-1, 0),
            neighbour(1, 1),
            neighbour(-1, 1),
            neighbour(1, -1),
            neighbour(-1, -1),
        ]
    }

    /// The degrees that the shape spans.
    fn bounds(&self) -> Area {
        let (width, height) = match &self.shape {
            Shape::Circle { radius } => (self.unit * radius, self.unit * radius),
            Shape::Box { width, height } => (self.unit * width / 2.0, self.unit * height / 2.0),
            Shape::Polygon(corners) => return span(corners),
        };
        let Point { longitude, latitude } = self.centre;
        let latitude_delta = (height / EARTH_RADIUS_METERS).to_deg();
        // A parallel is the shorter the nearer to a pole, so the side that is farther from the equator spans more.
        let towards_pole = if latitude < 0.0 { latitude - latitude_delta } else { latitude + latitude_delta };
        let longitude_delta = (width / EARTH_RADIUS_METERS / towards_pole.to_rad().cos()).to_deg();
        Area {
            longitude: (longitude - longitude_delta, longitude + longitude_delta),
            latitude: (latitude - latitude_delta, latitude + latitude_delta),
        }
    }

    /// Meters from the centre to the farthest point of the shape, about.
    fn reach(&self, bounds: &Area) -> f64 {
        let reach = match &self.shape {
            Shape::Circle { radius } => *radius,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
            Shape::Polygon(_) => {
                let ((west, east), (south, north)) = (bounds.longitude, bounds.latitude);
                [(west, north), (east, north), (west, south), (east, south)]
                    .map(|(longitude, latitude)| self.centre.distance(Point { longitude, latitude }))
                    .into_iter()
                    .fold(0.0, |farthest, distance| if distance > farthest { distance } else { farthest })
            }
        };
        reach * self.unit
    }
}

/// The size of the cells for a search that reaches so far.
fn step_for(mut meters: f64, latitude: f64) -> u8 {
    if meters == 0.0 {
        return STEP_MAX;
    }
    let mut step: i32 = 1;
    while meters < MERCATOR_MAX_METERS {
        meters *= 2.0;
        step += 1;
    }
    step -= 2;
    // Cells are narrow near the poles.
    if latitude.abs() > 66.0 {
        step -= 1;
        if latitude.abs() > 80.0 {
            step -= 1;
        }
    }
    u8::try_from(step.clamp(1, STEP_MAX.into())).unwrap_or(STEP_MAX)
}

/// The degrees that these points span.
fn span(corners: &[Point]) -> Area {
    let mut area =
        Area { longitude: (LONGITUDE_MAX, -LONGITUDE_MAX), latitude: (LATITUDE_MAX, -LATITUDE_MAX) };
    for corner in corners {
        area.longitude = (area.longitude.0.min(corner.longitude), area.longitude.1.max(corner.longitude));
        area.latitude = (area.latitude.0.min(corner.latitude), area.latitude.1.max(corner.latitude));
    }
    area
}

/// The point in the direction of the mean of the corners, taken in space.
fn centroid(corners: &[Point]) -> Point {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for corner in corners {
        let (longitude, latitude) = (corner.longitude.to_rad(), corner.latitude.to_rad());
        x += latitude.cos() * longitude.cos();
        y += latitude.cos() * longitude.sin();
        z += latitude.sin();
    }
    Point { longitude: y.atan2(x).to_deg(), latitude: z.atan2((x * x + y * y).sqrt()).to_deg() }
}

/// Whether a ray from the point to the east crosses the line through the corners an odd number of times.
fn encloses(corners: &[Point], point: Point) -> bool {
    let mut inside = false;
    let before = corners.last().into_iter().chain(corners);
    for (corner, other) in corners.iter().zip(before) {
        let crosses = (corner.latitude > point.latitude) != (other.latitude > point.latitude)
            && point.longitude
                < (other.longitude - corner.longitude) * (point.latitude - corner.latitude)
                    / (other.latitude - corner.latitude)
                    + corner.longitude;
        inside ^= crosses;
    }
    inside
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PALERMO: Point = Point { longitude: 13.361389, latitude: 38.115556 };
    const CATANIA: Point = Point { longitude: 15.087269, latitude: 37.502669 };

    #[test]
    fn what_redis_says_of_sicily() {
        assert_eq!(PALERMO.score(), 3479099956230698.0);
        assert_eq!(CATANIA.score(), 3479447370796909.0);
        let palermo = Point::of_score(PALERMO.score());
        assert_eq!(palermo, Point { longitude: 13.361389338970184, latitude: 38.1155563954963 });
        let meters = palermo.distance(Point::of_score(CATANIA.score()));
        assert_eq!(format!("{meters:.4}"), "166274.1516");
        assert_eq!(&palermo.geohash(), b"sqc8b49rny0");
        assert_eq!(&Point::of_score(CATANIA.score()).geohash(), b"sqdtr74hyu0");
    }

    #[test]
    fn scores_that_are_no_positions_are_decoded_as_c_does() {
        assert_eq!(score_bits(-1.0), u64::MAX);
        assert_eq!(score_bits(1e300), 0);
        assert_eq!(score_bits(-1e300), 1 << 63);
        assert_eq!(score_bits(9.3e18), 9_300_000_000_000_000_000);
        assert_eq!(score_bits(f64::INFINITY), 0);
    }

    fn point() -> impl Strategy<Value = Point> {
        (-LONGITUDE_MAX..=LONGITUDE_MAX, -LATITUDE_MAX..=LATITUDE_MAX)
            .prop_map(|(longitude, latitude)| Point { longitude, latitude })
    }

    proptest! {
        #[test]
        fn a_score_is_near_its_point(point in point()) {
            // Cells of 52 bits are at most 0.6 m wide and 0.3 m high.
            prop_assert!(Point::of_score(point.score()).distance(point) < 0.6);
        }

        #[test]
        fn moving_there_and_back_is_nothing(point in point(), step in 1..=STEP_MAX, east in -1..=1i8, north in -1..=1i8) {
            let cell = Cell::around(point, step);
            prop_assert_eq!(cell.moved(east, north).moved(-east, -north), cell);
        }

        #[test]
        fn the_ranges_hold_all_that_is_near(
            centre in (-170.0..170.0, -75.0..75.0f64),
            radius in 1.0..500_000.0f64,
            angle in 0.0..std::f64::consts::TAU,
            part in 0.0..0.9f64,
        ) {
            let centre = Point { longitude: centre.0, latitude: centre.1 };
            let degrees = (radius * part / EARTH_RADIUS_METERS).to_deg();
            let point = Point {
                longitude: centre.longitude + degrees * angle.cos() / centre.latitude.to_rad().cos(),
                latitude: centre.latitude + degrees * angle.sin(),
            };
            prop_assume!(point.is_valid() && centre.distance(point) < radius * 0.99);
            for shape in [Shape::Circle { radius }, Shape::Box { width: 2.0 * radius, height: 2.0 * radius }] {
                let search = Search::new(centre, shape, 1.0);
                prop_assert!(search.find(point.score()).is_some());
                let score = point.score();
                prop_assert!(search.ranges().any(|(start, end)| (start..end).contains(&score)));
            }
        }
    }

    #[test]
    fn a_polygon_has_an_inside() {
        let corner = |longitude, latitude| Point { longitude, latitude };
        let search = Search::new(
            corner(0.0, 0.0),
            Shape::Polygon(vec![corner(12.0, 36.0), corner(16.0, 36.0), corner(15.0, 39.0)]),
            1.0,
        );
        assert!(search.find(PALERMO.score()).is_none());
        let (_, distance) = search.find(CATANIA.score()).unwrap();
        assert_eq!(format!("{distance:.4}"), "86805.2558"); // valkey-9.1
        let score = CATANIA.score();
        assert!(search.ranges().any(|(start, end)| (start..end).contains(&score)));
    }
}
