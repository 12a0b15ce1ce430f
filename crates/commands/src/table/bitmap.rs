//! Bits of strings.

use crate::bitmap;
use crate::spec::{Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run};

pub(super) const ROWS: &[Command] = &[
    Command::new("bitfield_ro", -2, Group::Bitmap, "6.0.0", Run::Read(bitmap::bitfield_ro))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::BITMAP])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("bitfield", -2, Group::Bitmap, "3.2.0", Run::Write(bitmap::bitfield))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::BITMAP])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE, K::VARIABLE_FLAGS])]),
    Command::new("bitop", -4, Group::Bitmap, "2.6.0", Run::Write(bitmap::bitop))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::BITMAP])
        .keys(&[
            KeySpec::at(2, &[K::OW, K::UPDATE]),
            KeySpec::new(Begin::Index(3), Find::Range { last: -1, step: 1, limit: 0 }, &[K::RO, K::ACCESS]),
        ]),
    Command::new("setbit", 4, Group::Bitmap, "2.2.0", Run::Write(bitmap::setbit))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::BITMAP])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("bitpos", -3, Group::Bitmap, "2.8.7", Run::Read(bitmap::bitpos))
        .flags(&[F::READONLY])
        .categories(&[C::BITMAP])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("bitcount", -2, Group::Bitmap, "2.6.0", Run::Read(bitmap::bitcount))
        .flags(&[F::READONLY])
        .categories(&[C::BITMAP])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("getbit", 3, Group::Bitmap, "2.2.0", Run::Read(bitmap::getbit))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::BITMAP])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
];
