//! Compression of kine's entries: frames of S2, which is Snappy with larger blocks and a shorter form of repeated copies.
//!
//! kine reads both, so that entries are written as Snappy by a library. No library that reads S2 bounds what a hostile
//! frame makes it allocate, or how deep it recurses, so that frames are read here.

use std::io::Write;

const IDENTIFIER: u8 = 0xff;
const COMPRESSED: u8 = 0x00;
const UNCOMPRESSED: u8 = 0x01;
/// First of the kinds of chunks that may be passed over.
const SKIPPABLE: u8 = 0x80;
const MAGIC: [&[u8]; 2] = [b"S2sTwO", b"sNaPpY"];
/// Bytes of the checksum before each block.
const CHECKSUM: usize = 4;
/// Most bytes of one block after decompression, by the format.
const BLOCK: usize = 4 << 20;

/// Frame of `bytes` as kine reads it.
pub(super) fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes)?;
    encoder
        .into_inner()
        .map_err(snap::write::IntoInnerError::into_error)
}

/// Content of a frame, at most `most` bytes.
pub(super) fn decompress(frame: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let (mut content, mut rest, mut begun) = (Vec::new(), frame, false);
    while !rest.is_empty() {
        if !begun && rest[0] != IDENTIFIER {
            return Err("it is not compressed by S2 or Snappy".to_owned());
        }
        let (kind, body, behind) = chunk(rest).ok_or("its compressed frame is cut off")?;
        rest = behind;
        match kind {
            IDENTIFIER if MAGIC.contains(&body) => begun = true,
            COMPRESSED | UNCOMPRESSED if begun => block(kind, body, &mut content, most)?,
            SKIPPABLE..IDENTIFIER if begun => {}
            _ => return Err("it is not compressed by S2 or Snappy".to_owned()),
        }
    }
    Ok(content)
}

/// First chunk of `frame`: its kind, its body, and what is behind it.
fn chunk(frame: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, a, b, c], rest) = frame.split_first_chunk()?;
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    let (body, behind) = rest.split_at_checked(length)?;
    Some((kind, body, behind))
}

/// Appends the content of a block, after its checksum was compared.
fn block(kind: u8, body: &[u8], content: &mut Vec<u8>, most: usize) -> Result<(), String> {
    let damaged = || "its compressed frame is damaged".to_owned();
    let (checksum, body) = body.split_first_chunk::<CHECKSUM>().ok_or_else(damaged)?;
    let (length, body) = if kind == COMPRESSED {
        varint(body).ok_or_else(damaged)?
    } else {
        (body.len(), body)
    };
    let start = content.len();
    if length > BLOCK || length > most.saturating_sub(start) {
        return Err(format!("it has more than {most} bytes after decompression"));
    }
    if kind == COMPRESSED {
        expand(body, content, length).ok_or_else(damaged)?;
    } else {
        content.extend_from_slice(body);
    }
    let found = crc32c::crc32c(&content[start..]).rotate_right(15);
    if found.wrapping_add(0xa282_ead8) != u32::from_le_bytes(*checksum) {
        return Err(damaged());
    }
    Ok(())
}

/// A number in groups of seven bits, the lowest first, and what is behind it.
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(number).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

/// Appends `length` bytes to `content` by the literals and copies of a block; `None` if it has others.
fn expand(block: &[u8], content: &mut Vec<u8>, length: usize) -> Option<()> {
    let (start, end) = (content.len(), content.len() + length);
    content.reserve(length);
    let (mut rest, mut offset) = (block, 0);
    while let Some((&tag, behind)) = rest.split_first() {
        rest = behind;
        let upper = usize::from(tag >> 2);
        let count = match tag & 3 {
            0 => {
                let count = 1 + match upper {
                    0..60 => upper,
                    _ => little(&mut rest, upper - 59)?,
                };
                if count > end - content.len() {
                    return None;
                }
                content.extend_from_slice(rest.split_off(..count)?);
                continue;
            }
            1 => {
                let low = little(&mut rest, 1)?;
                let short = upper & 7;
                match usize::from(tag & 0xe0) << 3 | low {
                    0 => repeated(&mut rest, short)?,
                    found => {
                        offset = found;
                        short + 4
                    }
                }
            }
            kind => {
                offset = little(&mut rest, if kind == 2 { 2 } else { 4 })?;
                upper + 1
            }
        };
        let known = content.len() - start;
        if offset == 0 || offset > known || count > end - content.len() {
            return None;
        }
        copy(content, offset, count);
    }
    (content.len() == end).then_some(())
}

/// Length of a copy from where the last one came from.
fn repeated(rest: &mut &[u8], short: usize) -> Option<usize> {
    Some(match short {
        5 => little(rest, 1)? + 8,
        6 => little(rest, 2)? + (1 << 8) + 4,
        7 => little(rest, 3)? + (1 << 16) + 4,
        _ => short + 4,
    })
}

/// Takes a number of `bytes` bytes, the lowest first.
fn little(rest: &mut &[u8], bytes: usize) -> Option<usize> {
    let taken = rest.split_off(..bytes)?;
    let number = taken.iter().rev();
    Some(number.fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// Appends `count` bytes that begin `offset` before the end, and may reach over it.
fn copy(content: &mut Vec<u8>, offset: usize, mut count: usize) {
    let from = content.len() - offset;
    while count > 0 {
        let part = count.min(content.len() - from);
        content.extend_from_within(from..from + part);
        count -= part;
    }
}

#[cfg(test)]
mod tests;
