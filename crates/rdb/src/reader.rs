//! The only file that slices raw bytes: a cursor over what has arrived, where every read names what it wanted.
//!
//! Owns lengths, integers and string headers. Allocates nothing: a packed string is only found here, and
//! unpacked (see [`crate::lzf`]) once everything around it has arrived.

use crate::RdbError;

/// The longest string we read. Redis sets no bound of its own beyond `proto-max-bulk-len` (512 MiB unless
/// configured); ziplists and listpacks end at 4 GiB by their own header.
pub(crate) const STRING_BYTES_MAX: u64 = 4 << 30;

/// LZF gives at most 264 bytes for 3, so a packed string that promises more is a lie.
const LZF_RATIO_MAX: u64 = 88;

/// Why a read did not give its value.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The input must be at least this long.
    More(usize),
    /// Whatever arrives, it cannot be read.
    Bad(Box<RdbError>),
}

/// A string where it lies in the input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    /// Stored as an integer.
    Int(i64),
    /// As it is.
    Plain(&'a [u8]),
    /// LZF; `len` bytes when unpacked, checked against the packed length.
    Lzf { packed: &'a [u8], len: usize, at: u64 },
}

/// What a length's first byte announces.
enum Length {
    /// This many bytes or elements.
    Count(u64),
    /// No count: a string in one of the packed forms.
    Packed(u8),
}

/// A cursor over the input.
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    used: usize,
    /// The position of the input's first byte in the file.
    base: u64,
    /// What was being read, for the error when nothing more comes.
    pub(crate) what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8], base: u64) -> Self {
        Reader { input, used: 0, base, what: "" }
    }

    /// How many bytes were read.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Where the next byte stands in the file.
    pub(crate) fn at(&self) -> u64 {
        self.base.saturating_add(self.used as u64)
    }

    /// The input between two places of it.
    pub(crate) fn between(&self, from: usize, to: usize) -> &'a [u8] {
        self.input.get(from..to).unwrap_or_default()
    }

    #[cold]
    fn more(&mut self, count: usize, what: &'static str) -> Stop {
        self.what = what;
        Stop::More(self.used.saturating_add(count))
    }

    /// `what` is wrong, here.
    #[cold]
    pub(crate) fn corrupt(&self, what: &'static str) -> Stop {
        corrupt(what, self.at())
    }

    #[inline]
    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, Stop> {
        match self.input.get(self.used) {
            Some(byte) => {
                self.used += 1;
                Ok(*byte)
            }
            None => Err(self.more(1, what)),
        }
    }

    /// The next `N` bytes.
    #[inline]
    pub(crate) fn bytes<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Stop> {
        match self.input.get(self.used..).and_then(|rest| rest.first_chunk::<N>()) {
            Some(bytes) => {
                self.used += N;
                Ok(*bytes)
            }
            None => Err(self.more(N, what)),
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Stop> {
        match self.input.get(self.used..).and_then(|rest| rest.get(..count)) {
            Some(bytes) => {
                self.used += count;
                Ok(bytes)
            }
            None => Err(self.more(count, what)),
        }
    }

    #[inline]
    fn length_or_packed(&mut self, what: &'static str) -> Result<Length, Stop> {
        let first = self.byte(what)?;
        match first >> 6 {
            0 => Ok(Length::Count(u64::from(first & 0x3f))),
            1 => {
                let second = self.byte(what)?;
                Ok(Length::Count(u64::from(first & 0x3f) << 8 | u64::from(second)))
            }
            2 => match first {
                0x80 => Ok(Length::Count(u64::from(u32::from_be_bytes(self.bytes(what)?)))),
                0x81 => Ok(Length::Count(u64::from_be_bytes(self.bytes(what)?))),
                _ => Err(corrupt("a length", self.at().saturating_sub(1))),
            },
            _ => Ok(Length::Packed(first & 0x3f)),
        }
    }

    /// A number of bytes or elements.
    #[inline]
    pub(crate) fn length(&mut self, what: &'static str) -> Result<u64, Stop> {
        match self.length_or_packed(what)? {
            Length::Count(count) => Ok(count),
            Length::Packed(_) => Err(self.corrupt(what)),
        }
    }

    /// A string's length, checked against the bound.
    fn string_length(&mut self, what: &'static str, length: u64) -> Result<usize, Stop> {
        match usize::try_from(length) {
            Ok(count) if length <= STRING_BYTES_MAX => Ok(count),
            _ => Err(Stop::Bad(Box::new(RdbError::TooLong {
                what,
                length,
                bound: STRING_BYTES_MAX,
                at: self.at(),
            }))),
        }
    }

    /// A string, wherever it may be packed; looks at its header and no further.
    #[inline]
    pub(crate) fn string(&mut self, what: &'static str) -> Result<Raw<'a>, Stop> {
        match self.length_or_packed(what)? {
            Length::Count(length) => {
                let length = self.string_length(what, length)?;
                Ok(Raw::Plain(self.take(length, what)?))
            }
            Length::Packed(0) => Ok(Raw::Int(i64::from(self.byte(what)?.cast_signed()))),
            Length::Packed(1) => Ok(Raw::Int(i64::from(i16::from_le_bytes(self.bytes(what)?)))),
            Length::Packed(2) => Ok(Raw::Int(i64::from(i32::from_le_bytes(self.bytes(what)?)))),
            Length::Packed(3) => self.lzf(what),
            Length::Packed(_) => Err(self.corrupt(what)),
        }
    }

    fn lzf(&mut self, what: &'static str) -> Result<Raw<'a>, Stop> {
        let at = self.at();
        let packed = self.length(what)?;
        let length = self.length(what)?;
        if length > packed.saturating_mul(LZF_RATIO_MAX) {
            return Err(corrupt(what, at));
        }
        let len = self.string_length(what, length)?;
        let packed = self.string_length(what, packed)?;
        Ok(Raw::Lzf { packed: self.take(packed, what)?, len, at })
    }
}

/// `what` is wrong, there.
#[cold]
pub(crate) fn corrupt(what: &'static str, at: u64) -> Stop {
    Stop::Bad(Box::new(RdbError::Corrupt { what, at }))
}
