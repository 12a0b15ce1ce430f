//! What a certificate says of itself: its serial number, and until when it holds.
//!
//! Owns the few fields that are read out of its DER form. Never decides whether a certificate is right: TLS does, and
//! what cannot be read here is only not told.

/// What is told of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The serial number, in hexadecimal digits, two of them a byte.
    pub(crate) serial: String,
    /// When it ends, in seconds since the epoch.
    pub(crate) ends_at: i64,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version, which the oldest certificates leave out.
const VERSION: u8 = 0xa0;

/// Certificates of before 1950 have four digits for their years, and those of after 2049.
const TWO_DIGITS_SINCE: i64 = 1950;

impl Certificate {
    /// Reads one in its DER form; none when it is not one.
    pub(crate) fn of_der(der: &[u8]) -> Option<Certificate> {
        let mut outer = Der(der);
        let mut whole = Der(outer.take(SEQUENCE)?);
        let mut fields = Der(whole.take(SEQUENCE)?);
        if fields.0.first() == Some(&VERSION) {
            fields.take(VERSION)?;
        }
        let serial = fields.take(INTEGER)?;
        let (_signature, _issuer) = (fields.take(SEQUENCE)?, fields.take(SEQUENCE)?);
        let mut validity = Der(fields.take(SEQUENCE)?);
        let _begins_at = validity.time()?;
        Some(Certificate { serial: hexadecimal(serial), ends_at: validity.time()? })
    }
}

/// A number's digits: without the zero byte that only says that it is none below zero.
fn hexadecimal(number: &[u8]) -> String {
    let number = match number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        number => number,
    };
    number.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Elements that stand one behind the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, if it is of this kind.
    fn take(&mut self, kind: u8) -> Option<&'a [u8]> {
        let (found, content) = self.element()?;
        (found == kind).then_some(content)
    }

    fn element(&mut self) -> Option<(u8, &'a [u8])> {
        /// The most bytes of a length: no certificate is longer than four can say.
        const LENGTH_BYTES_MAX: usize = 4;
        let (&kind, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let bytes = usize::from(first & 0x7f);
            if bytes > LENGTH_BYTES_MAX {
                return None;
            }
            let digits;
            (digits, rest) = rest.split_at_checked(bytes)?;
            length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        }
        let content;
        (content, self.0) = rest.split_at_checked(length)?;
        Some((kind, content))
    }

    /// The next element, which is a moment: as seconds since the epoch.
    fn time(&mut self) -> Option<i64> {
        let (kind, text) = self.element()?;
        let year_digits = match kind {
            UTC_TIME => 2,
            GENERALIZED_TIME => 4,
            _ => return None,
        };
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.len() != year_digits + 10 {
            return None;
        }
        let (year, rest) = text.split_at(year_digits);
        let mut year: i64 = year.parse().ok()?;
        if kind == UTC_TIME {
            let century = TWO_DIGITS_SINCE - TWO_DIGITS_SINCE % 100;
            year += if year < TWO_DIGITS_SINCE % 100 { century + 100 } else { century };
        }
        let part = |place: usize| rest.get(2 * place..2 * place + 2)?.parse::<i64>().ok();
        let days = days(year, part(0)?, part(1)?)?;
        Some(((days * 24 + part(2)?) * 60 + part(3)?) * 60 + part(4)?)
    }
}

/// Days from the epoch to this one. (A year is counted from March on, so that the day that not every year has is its last.)
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    /// Days from 1 March of year 0 to the epoch.
    const TO_EPOCH: i64 = 719_468;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - TO_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_since_the_epoch() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(1969, 12, 31), Some(-1));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(2000, 3, 1), Some(11_017));
        assert_eq!(days(2026, 11, 23), Some(20_780));
        assert_eq!(days(2026, 13, 1), None);
    }

    /// The fields of a certificate up to its validity, with short ones in the place of what is passed over.
    fn certificate(version: &[u8], serial: &[u8], ends_at: &[u8]) -> Vec<u8> {
        let element = |kind: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).unwrap();
            // Lengths may be written in more bytes than they need: read, though no certificate has them.
            [&[kind, 0x82, 0, length][..], content].concat()
        };
        let validity = [element(UTC_TIME, b"500101000000Z"), ends_at.to_vec()].concat();
        let fields = [
            version.to_vec(),
            element(INTEGER, serial),
            element(SEQUENCE, b""),
            element(SEQUENCE, b""),
            element(SEQUENCE, &validity),
        ];
        element(SEQUENCE, &element(SEQUENCE, &fields.concat()))
    }

    #[test]
    fn serial_and_end_are_found_wherever_they_stand() {
        let until = b"\x17\x0d491231235959Z";
        let read = |der: &[u8]| Certificate::of_der(der).map(|found| (found.serial, found.ends_at));
        let told = |serial: &str, ends_at| Some((serial.to_owned(), ends_at));
        assert_eq!(
            read(&certificate(b"\xa0\x03\x02\x01\x02", b"\x00\xab\x01", until)),
            told("AB01", 2_524_607_999)
        );
        assert_eq!(read(&certificate(b"", b"\x07", b"\x18\x0f20500101000000Z")), told("07", 2_524_608_000));
        assert_eq!(read(&certificate(b"", b"\x00", until)), told("00", 2_524_607_999));
        for wrong in [&b"\x17\x0d491231235959+"[..], b"\x17\x0d4912312359 9Z", b"\x02\x01\x00", b""] {
            assert_eq!(read(&certificate(b"", b"\x01", wrong)), None);
        }
    }

    #[test]
    fn what_is_cut_short_is_none() {
        let whole = certificate(b"\xa0\x03\x02\x01\x02", b"\x01", b"\x17\x0d491231235959Z");
        assert!(Certificate::of_der(&whole).is_some());
        (0..whole.len()).for_each(|cut| assert_eq!(Certificate::of_der(&whole[..cut]), None, "{cut}"));
    }
}
