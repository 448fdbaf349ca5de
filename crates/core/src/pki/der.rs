//! Writes the few ASN.1 types that certificates and keys need, as DER. Reading is left to `x509-parser`.

use k8s_openapi::jiff::{Timestamp, tz::TimeZone};

/// Encodes a value with its tag and length.
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

/// Encodes a SEQUENCE of encoded values.
pub(super) fn sequence(items: &[Vec<u8>]) -> Vec<u8> {
    value(0x30, &items.concat())
}

/// Encodes a SET of one encoded value.
pub(super) fn set(item: &[u8]) -> Vec<u8> {
    value(0x31, item)
}

/// Encodes the BOOLEAN true; false is the default, which DER leaves out.
pub(super) fn yes() -> Vec<u8> {
    value(0x01, &[0xff])
}

/// Encodes an INTEGER that is not negative.
pub(super) fn integer(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    let mut content = bytes[zeros..].to_vec();
    if content[0] >= 0x80 {
        content.insert(0, 0);
    }
    value(0x02, &content)
}

/// Encodes an OBJECT IDENTIFIER from its encoded arcs.
pub(super) fn oid(encoded: &[u8]) -> Vec<u8> {
    value(0x06, encoded)
}

/// Encodes an OCTET STRING of the content.
pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    value(0x04, content)
}

/// Encodes a BIT STRING of which the last `unused` bits do not count.
pub(super) fn bits(unused: u8, content: &[u8]) -> Vec<u8> {
    value(0x03, &[&[unused], content].concat())
}

/// Encodes text as a `UTF8String`.
pub(super) fn text(content: &str) -> Vec<u8> {
    value(0x0c, content.as_bytes())
}

/// Encodes a time: `UTCTime` until 2049, `GeneralizedTime` from then on (RFC 5280).
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
mod tests;
