//! [`Weight`]: an upper estimate of the memory that JSON takes once it is parsed, counted on its text.
//!
//! A few bytes of text can take hundreds of times their size: an object with one key is a whole node of a
//! map, or a struct with all of its absent fields. A limit on bytes alone is therefore no limit on memory.

/// Bytes of an object with keys: more than a node of a map, and than any struct of Kubernetes' types.
const OBJECT: usize = 4 << 10;
/// Bytes of one more entry of a list or an object.
const ENTRY: usize = 128;

/// Bytes that one admission review may take once it is parsed.
pub const REVIEW: usize = 64 << 20;
/// Bytes that one conversion review, which may carry a whole list, may take once it is parsed.
pub const CONVERSION: usize = 512 << 20;

/// Weight of a text that is read in parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weight {
    bytes: usize,
    in_text: bool,
    escaped: bool,
    /// The last character but white space opened an object.
    opened: bool,
}

impl Weight {
    /// Weight of a whole text.
    pub fn of(json: &[u8]) -> usize {
        let mut weight = Self::default();
        weight.add(json);
        weight.bytes()
    }

    /// Reads the next part of the text.
    pub fn add(&mut self, part: &[u8]) {
        self.bytes += part.len();
        for byte in part {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            if byte.is_ascii_whitespace() {
                continue;
            }
            if self.opened && *byte != b'}' {
                self.bytes += OBJECT;
            }
            self.opened = *byte == b'{';
            match byte {
                b'"' => self.in_text = true,
                b'[' | b',' => self.bytes += ENTRY,
                _ => {}
            }
        }
    }

    /// Estimate in bytes for the text that was weighed so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_entries_weigh_more_than_their_text() {
        let text = br#"[{"": 0}, {}, { }, "{[,\"{", [1, 2]]"#;
        assert_eq!(Weight::of(text), text.len() + OBJECT + 7 * ENTRY);
    }

    #[test]
    fn a_text_in_parts_weighs_as_much_as_the_whole() {
        let text = br#"{"a\\": [{"b": "\"{"}, {"c": {}}]}"#;
        for at in 0..text.len() {
            let mut weight = Weight::default();
            weight.add(&text[..at]);
            weight.add(&text[at..]);
            assert_eq!(weight.bytes(), Weight::of(text), "cut at {at}");
        }
    }

    #[test]
    fn managed_fields_of_a_thousand_containers_stay_below_a_quarter_of_the_limit_of_a_review() {
        let field = r#""f:image":{},"f:name":{},"#;
        let container = format!(r#"{{{field}"f:resources":{{"f:limits":{{"f:cpu":{{}}}}}}}},"#);
        let managed = format!("[{}1]", container.repeat(1000));
        assert!(Weight::of(managed.as_bytes()) < REVIEW / 4);
    }
}
