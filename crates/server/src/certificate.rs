//! What a certificate says of itself: its serial number, and until when it holds.
//!
//! Owns which of its fields are told. Never decides whether a certificate is right: TLS does, and what cannot be read
//! here is only not told.

use x509_cert::der::Decode;

/// What is told of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The serial number, in hexadecimal digits, two of them a byte.
    pub(crate) serial: String,
    /// When it ends, in seconds since the epoch.
    pub(crate) ends_at: i64,
}

impl Certificate {
    /// Reads one in its DER form; none when it is not one.
    pub(crate) fn of_der(der: &[u8]) -> Option<Certificate> {
        let fields = x509_cert::Certificate::from_der(der).ok()?.tbs_certificate;
        let ends_at = fields.validity.not_after.to_unix_duration().as_secs();
        Some(Certificate {
            serial: hexadecimal(fields.serial_number.as_bytes()),
            ends_at: i64::try_from(ends_at).ok()?,
        })
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SerialNumber, date_time_ymd};

    use super::*;

    fn read(serial: &[u8], year: i32) -> Option<(String, i64)> {
        let mut params = CertificateParams::new(vec!["nearside.example".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.not_after = date_time_ymd(year, 1, 1);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::of_der(made.der()).map(|found| (found.serial, found.ends_at))
    }

    /// Ends are written in two ways: with two digits of the year up to 2049, and with four.
    #[test]
    fn serial_and_end_are_told() {
        assert_eq!(read(b"\xab\x01", 2030), Some(("AB01".to_owned(), 1_893_456_000)));
        assert_eq!(read(b"\x07", 2050), Some(("07".to_owned(), 2_524_608_000)));
    }

    #[test]
    fn what_is_none_is_not_told() {
        let key = KeyPair::generate().unwrap();
        let whole = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let whole = whole.der();
        assert!(Certificate::of_der(whole).is_some());
        (0..whole.len()).for_each(|cut| assert_eq!(Certificate::of_der(&whole[..cut]), None, "{cut}"));
    }
}
