//! Places.

use crate::geo;
use crate::spec::{Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    Command::new("geopos", -2, Group::Geo, "3.2.0", Run::Read(geo::geopos))
        .flags(&[F::READONLY])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("georadiusbymember", -5, Group::Geo, "3.2.0", Run::Write(geo::georadiusbymember))
        .flags(&[F::DENYOOM, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS]), KeySpec::new(Begin::Keyword("STORE", 5), Find::Range { last: 0, step: 1, limit: 0 }, &[K::OW, K::UPDATE, K::INCOMPLETE]), KeySpec::new(Begin::Keyword("STOREDIST", 5), Find::Range { last: 0, step: 1, limit: 0 }, &[K::OW, K::UPDATE, K::INCOMPLETE])]),
    Command::new("geosearch", -7, Group::Geo, "6.2.0", Run::Read(geo::geosearch))
        .flags(&[F::READONLY])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("geohash", -2, Group::Geo, "3.2.0", Run::Read(geo::geohash))
        .flags(&[F::READONLY])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("geodist", -4, Group::Geo, "3.2.0", Run::Read(geo::geodist))
        .flags(&[F::READONLY])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("georadius", -6, Group::Geo, "3.2.0", Run::Write(geo::georadius))
        .flags(&[F::DENYOOM, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS]), KeySpec::new(Begin::Keyword("STORE", 6), Find::Range { last: 0, step: 1, limit: 0 }, &[K::OW, K::UPDATE, K::INCOMPLETE]), KeySpec::new(Begin::Keyword("STOREDIST", 6), Find::Range { last: 0, step: 1, limit: 0 }, &[K::OW, K::UPDATE, K::INCOMPLETE])]),
    Command::new("georadiusbymember_ro", -5, Group::Geo, "3.2.10", Run::Read(geo::georadiusbymember_ro))
        .flags(&[F::READONLY])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("georadius_ro", -6, Group::Geo, "3.2.10", Run::Read(geo::georadius_ro))
        .flags(&[F::READONLY])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("geosearchstore", -8, Group::Geo, "6.2.0", Run::Write(geo::geosearchstore))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::OW, K::UPDATE]), KeySpec::at(2, &[K::RO, K::ACCESS])]),
    Command::new("geoadd", -5, Group::Geo, "3.2.0", Run::Write(geo::geoadd))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::GEO])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
];
