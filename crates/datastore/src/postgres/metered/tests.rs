use tokio::io::{AsyncReadExt, repeat};

use super::*;

/// A message with a body of `length` bytes.
fn message(kind: u8, length: usize) -> Vec<u8> {
    let own = u32::try_from(length + 4).unwrap();
    let mut bytes = vec![kind];
    bytes.extend(own.to_be_bytes());
    // Bytes that would be the head of a long message.
    bytes.extend(std::iter::repeat_n(0xff, length));
    bytes
}

fn allowing(most: usize) -> Arc<Allowance> {
    let allowance = Arc::new(Allowance::default());
    allowance.raise(most);
    allowance
}

/// Reads `parts` one after the other.
async fn read(parts: &[&[u8]], allowance: &Arc<Allowance>) -> io::Result<Vec<u8>> {
    let parts = parts.iter().rev().copied();
    let parts = Parts(parts.filter(|part| !part.is_empty()).collect());
    let mut all = Vec::new();
    let mut stream = Metered::new(parts, Arc::clone(allowance));
    stream.read_to_end(&mut all).await.map(|_| all)
}

/// Stream of parts, the next one last, of which a read gives one.
struct Parts<'a>(Vec<&'a [u8]>);

impl AsyncRead for Parts<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut part) = self.0.pop() {
            let fits = part.len().min(buffer.remaining());
            buffer.put_slice(&part[..fits]);
            part = &part[fits..];
            if !part.is_empty() {
                self.0.push(part);
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn an_answer_of_the_bound_is_read_wherever_reads_split_it() {
    let answer = [message(b'T', 3), message(b'D', 20), message(READY, 1)].concat();
    let twice = [&answer[..], &answer].concat();
    for at in 0..=twice.len() {
        let (first, second) = twice.split_at(at);
        let allowance = allowing(answer.len());
        assert_eq!(read(&[first, second], &allowance).await.unwrap(), twice);
        assert_eq!(allowance.exceeded(), None);
    }
    let single: Vec<&[u8]> = twice.chunks(1).collect();
    let allowance = allowing(answer.len());
    assert_eq!(read(&single, &allowance).await.unwrap(), twice);
}

#[tokio::test]
async fn a_message_of_the_bound_is_read_and_one_byte_more_is_refused_wherever_reads_split_it() {
    let most = 40;
    for kind in [b'E', b'N', b'D', b'd', b'S'] {
        let fits = message(kind, most - HEAD);
        assert_eq!(read(&[&fits], &allowing(most)).await.unwrap(), fits);
        let exceeds = message(kind, most - HEAD + 1);
        for at in 0..=exceeds.len() {
            let (first, second) = exceeds.split_at(at);
            let allowance = allowing(most);
            let error = read(&[first, second], &allowance).await.unwrap_err();
            let text = "an answer of more than the 40 bytes that are read: with its next message, of 41 bytes, it has 41";
            assert_eq!(error.to_string(), text);
            assert_eq!(allowance.exceeded(), Some(text));
        }
    }
}

#[tokio::test]
async fn many_short_messages_are_one_answer_until_it_ends() {
    let rows = vec![message(b'D', 5); 4].concat();
    let end = message(READY, 1);
    let most = rows.len() + end.len();
    let allowed = [&rows[..], &end, &rows, &end].concat();
    assert_eq!(read(&[&allowed], &allowing(most)).await.unwrap(), allowed);
    let exceeds = [&rows[..], &message(b'D', 5), &end].concat();
    assert!(read(&[&exceeds], &allowing(most)).await.is_err());
}

#[tokio::test]
async fn an_announced_length_is_refused_before_its_body_is_read() {
    for length in [u32::MAX, 1 << 31, 64 << 20] {
        let head = [&[b'E'][..], &length.to_be_bytes()].concat();
        // No end: a body that was collected would fill the memory.
        let mut stream = Metered::new((&head[..]).chain(repeat(b'x')), allowing(USUAL));
        let mut buffer = [0; 64];
        assert!(stream.read(&mut buffer).await.is_err(), "{length}");
    }
}

#[tokio::test]
async fn a_raised_allowance_permits_longer_answers() {
    let long = message(b'D', USUAL);
    assert!(read(&[&long], &Arc::default()).await.is_err());
    let allowance: Arc<Allowance> = Arc::default();
    allowance.raise(2 * USUAL);
    assert_eq!(read(&[&long], &allowance).await.unwrap(), long);
}

#[tokio::test]
async fn a_length_that_does_not_count_itself_does_not_confuse_the_count() {
    let bytes = [&[b'E', 0, 0, 0, 3][..], &message(READY, 1)].concat();
    assert_eq!(read(&[&bytes], &allowing(100)).await.unwrap(), bytes);
}
