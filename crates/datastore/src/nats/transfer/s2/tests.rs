use super::*;

/// Frames that klauspost/compress 1.20.3 makes, the library of kine 0.17.5.
const SHORT: &str = "ff06000053327354774f010900005eac794f73686f7274";
const REPEATED: &str = "ff06000053327354774f002c0000ff0b1a1fd8a70570612076616c75652074686174207265706561\
     747320697473656c662c20111d1d00af5300";
const ZEROS: &str = "ff06000053327354774f001000002b13a7ba808040000011011d00f3ff0e0010000084e55c58e0c61b000011011d0053e305";
const MIXED: &str = include_str!("mixed.hex");

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    digits
        .chunks(2)
        .map(|two| pair(two).expect("hex"))
        .collect()
}

/// Bytes that no compression makes fewer.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Noise with parts of it from far and near, as the frame [`MIXED`] has it.
fn mixed() -> Vec<u8> {
    let (noise, mut mixed) = (noise(300), Vec::new());
    for n in 0..40 {
        mixed.extend_from_slice(&noise[n..n + 100]);
        mixed.extend_from_slice(&noise);
        let last = mixed.len() - 1 - n;
        mixed[last] ^= 0xff;
    }
    mixed
}

#[test]
fn frames_of_kines_library_are_read() {
    for (frame, content) in [
        (SHORT, b"short".to_vec()),
        (REPEATED, b"a value that repeats itself, ".repeat(3000)),
        (ZEROS, vec![0; 1_500_000]),
        (MIXED, mixed()),
    ] {
        let length = content.len();
        assert!(
            decompress(&hex(frame), length) == Ok(content),
            "{length} bytes"
        );
        let refused = decompress(&hex(frame), length - 1).expect_err("too long");
        assert!(refused.contains("after decompression"), "{refused}");
    }
}

#[test]
fn frames_are_read_as_they_were_written() {
    for content in [Vec::new(), vec![7], noise(300_000), mixed()] {
        let frame = compress(&content).expect("a frame");
        assert!(decompress(&frame, 1 << 20) == Ok(content));
    }
}

/// A frame is refused in words, whatever stands in it, and takes no more than its bound.
#[test]
fn frames_that_were_cut_or_altered_are_refused() {
    let (whole, content) = (hex(MIXED), mixed());
    for length in 1..whole.len() {
        // Behind the identifier alone a frame may end.
        assert_eq!(
            decompress(&whole[..length], 1 << 20).is_ok(),
            length == 10,
            "{length}"
        );
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut altered = whole.clone();
            altered[at] ^= 1 << bit;
            // A chunk may say that it is to be passed over, and a copy may come from the same bytes elsewhere.
            let found = decompress(&altered, 1 << 20).unwrap_or_default();
            assert!(
                found.is_empty() || found == content,
                "bit {bit} of byte {at}"
            );
        }
    }
    let identifier = &whole[..10];
    let skipped = [identifier, &[0xfe, 0, 0, 0].repeat(200_000)].concat();
    assert_eq!(decompress(&skipped, 0), Ok(Vec::new()));
    // A block of four GiB in a few bytes.
    let bomb = [
        identifier,
        &[0, 9, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ]
    .concat();
    assert!(decompress(&bomb, usize::MAX).is_err());
}
