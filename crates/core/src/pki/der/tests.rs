use super::*;

#[test]
fn lengths_are_encoded_in_as_few_bytes_as_possible() {
    for (length, header) in [
        (0, vec![4, 0]),
        (127, vec![4, 127]),
        (128, vec![4, 0x81, 128]),
        (255, vec![4, 0x81, 255]),
        (256, vec![4, 0x82, 1, 0]),
        (65_536, vec![4, 0x83, 1, 0, 0]),
    ] {
        let written = octets(&vec![7; length]);
        assert_eq!(written[..header.len()], header, "{length}");
        assert_eq!(written.len(), header.len() + length);
    }
}

#[test]
fn integers_are_encoded_short_and_never_negative() {
    for (number, bytes) in [
        (0, vec![2, 1, 0]),
        (2, vec![2, 1, 2]),
        (127, vec![2, 1, 127]),
        (128, vec![2, 2, 0, 128]),
        (256, vec![2, 2, 1, 0]),
        (
            u64::MAX >> 1,
            vec![2, 8, 127, 255, 255, 255, 255, 255, 255, 255],
        ),
    ] {
        assert_eq!(integer(number), bytes, "{number}");
    }
}

#[test]
fn times_change_their_type_in_2050() {
    for (at, tag, content) in [
        ("1999-12-31T23:59:59Z", 0x17, "991231235959Z"),
        ("2026-08-01T02:03:04.9Z", 0x17, "260801020304Z"),
        ("2049-12-31T23:59:59Z", 0x17, "491231235959Z"),
        ("2050-01-01T00:00:00Z", 0x18, "20500101000000Z"),
    ] {
        let written = time(at.parse().unwrap());
        assert_eq!(written, value(tag, content.as_bytes()), "{at}");
    }
}
