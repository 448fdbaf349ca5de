//! How are the few ASN.1 types that a certificate needs written down? Only writing: reading is left
//! to a parser that has seen everything.

use k8s_openapi::jiff::{Timestamp, tz::TimeZone};

/// A value with its tag and length.
pub(super) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    match (length, content.len()) {
        (_, short @ 0..0x80) => out.extend(u8::try_from(short)),
        (length, _) => {
            // At most 8 bytes of length: 0x88.
            out.extend(u8::try_from(0x80 | length.len()));
            out.extend(length);
        }
    }
    out.extend(content);
    out
}

/// SEQUENCE of values that are written already.
pub(super) fn sequence(items: &[Vec<u8>]) -> Vec<u8> {
    value(0x30, &items.concat())
}

/// SET of one value.
pub(super) fn set(item: &[u8]) -> Vec<u8> {
    value(0x31, item)
}

/// BOOLEAN, true; false is what is left out.
pub(super) fn yes() -> Vec<u8> {
    value(0x01, &[0xff])
}

/// INTEGER, never negative.
pub(super) fn integer(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    let mut content = bytes[zeros..].to_vec();
    if content[0] >= 0x80 {
        content.insert(0, 0);
    }
    value(0x02, &content)
}

/// OBJECT IDENTIFIER, from its encoding.
pub(super) fn oid(encoded: &[u8]) -> Vec<u8> {
    value(0x06, encoded)
}

/// OCTET STRING.
pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    value(0x04, content)
}

/// BIT STRING of which the last `unused` bits do not count.
pub(super) fn bits(unused: u8, content: &[u8]) -> Vec<u8> {
    value(0x03, &[&[unused], content].concat())
}

/// `UTF8String`.
pub(super) fn text(content: &str) -> Vec<u8> {
    value(0x0c, content.as_bytes())
}

/// `UTCTime` until 2049, `GeneralizedTime` from then on (RFC 5280 4.1.2.5).
pub(super) fn time(at: Timestamp) -> Vec<u8> {
    let at = at.to_zoned(TimeZone::UTC);
    let (year, rest) = (at.year(), at.strftime("%m%d%H%M%SZ"));
    if (1950..2050).contains(&year) {
        value(0x17, format!("{:02}{rest}", year % 100).as_bytes())
    } else {
        value(0x18, format!("{year:04}{rest}").as_bytes())
    }
}

#[cfg(test)]
#[path = "der_tests.rs"]
mod tests;
