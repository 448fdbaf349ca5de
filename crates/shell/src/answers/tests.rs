use axum::body::Body as Source;
use futures::{StreamExt, stream};
use tower::{ServiceExt, service_fn};

use super::*;

/// Reads an answer of `blocks`. Returns the number of bytes, and the error if it was not read to its end.
async fn read(answers: &Answers, uri: &str, blocks: Source) -> (usize, Option<Refused>) {
    let mut body = send(answers, uri, blocks).await;
    let read = drain(&mut body).await;
    (read.0, read.1)
}

async fn send(answers: &Answers, uri: &str, blocks: Source) -> BoundedBody<Source> {
    let blocks = std::sync::Mutex::new(Some(blocks));
    let service = service_fn(move |_: Request<()>| {
        let body = blocks.lock().unwrap().take().unwrap();
        async { Ok::<_, std::convert::Infallible>(Response::new(body)) }
    });
    let request = Request::get(uri).body(()).unwrap();
    let answer = answers.layer(service).oneshot(request).await.unwrap();
    answer.into_body()
}

async fn drain(body: &mut BoundedBody<Source>) -> (usize, Option<Refused>) {
    let mut bytes = 0;
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        match frame {
            None => return (bytes, None),
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(error)) => {
                let refused = error.downcast_ref::<Refused>();
                return (bytes, Some(*refused.expect("no other error")));
            }
        }
    }
}

fn blocks(block: &'static [u8], count: usize) -> Source {
    let all = stream::repeat(Bytes::from_static(block)).take(count);
    Source::from_stream(all.map(Ok::<_, std::convert::Infallible>))
}

const BLOCK: &[u8] = &[b'x'; 64 << 10];
const EVENT: &[u8] = b"{\"type\":\"ADDED\"}\n{\"type\":\"ADDED\"}\n{";

#[tokio::test]
async fn an_endless_answer_is_read_up_to_the_limit() {
    let answers = Answers::of_tenants();
    let (bytes, refused) = read(&answers, "/api/v1/pods", blocks(BLOCK, usize::MAX)).await;
    assert_eq!((bytes, refused), (TENANT, Some(Refused::TooLong(TENANT))));
    let whole = read(&answers, "/api/v1/pods", blocks(BLOCK, 64)).await;
    assert_eq!(whole, (TENANT, None));
}

#[tokio::test]
async fn a_watch_is_limited_by_event_and_not_in_total() {
    let answers = Answers {
        most: 1 << 20,
        parsed: None,
        budget: None,
    };
    let uri = "/api/v1/pods?allowWatchBookmarks=true&watch=true&timeoutSeconds=240";
    let count = (4 << 20) / EVENT.len();
    let all = read(&answers, uri, blocks(EVENT, count)).await;
    assert_eq!(all, (count * EVENT.len(), None));
    let (bytes, refused) = read(&answers, uri, blocks(BLOCK, usize::MAX)).await;
    assert_eq!((bytes, refused), (1 << 20, Some(Refused::TooLong(1 << 20))));
}

#[tokio::test]
async fn large_answers_of_all_tenants_share_one_limit_and_small_ones_do_not_count() {
    let answers = Answers::of_tenants();
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..8 {
        let mut body = send(&answers, "/", blocks(BLOCK, 64)).await;
        refused += usize::from(drain(&mut body).await.1 == Some(Refused::TooMany));
        held.push(body);
    }
    assert_eq!(
        refused, 4,
        "16 MiB are four answers, without the bytes that do not count"
    );
    let small = read(&answers, "/", blocks(BLOCK, 2)).await;
    assert_eq!(small, (FREE, None));
    held.clear();
    let again = read(&answers, "/", blocks(BLOCK, 64)).await;
    assert_eq!(again, (TENANT, None));
}

#[tokio::test]
async fn an_answer_that_grows_when_it_is_parsed_is_refused_and_a_watch_by_its_event() {
    const DENSE: &[u8] = b"{\"\":0},";
    const EVENTS: &[u8] = b"{\"a\":[{\"b\":0}]}\n";
    let answers = Answers::of_tenants();
    let refused = Some(Refused::TooDense(TENANT_PARSED));
    let (bytes, why) = read(&answers, "/api/v1/pods", blocks(DENSE, usize::MAX)).await;
    assert_eq!(why, refused);
    assert!(bytes < TENANT / 8, "{bytes}");
    let watch = "/api/v1/pods?watch=true";
    let many = read(&answers, watch, blocks(EVENTS, 100_000)).await;
    assert_eq!(many, (100_000 * EVENTS.len(), None));
    let (_, why) = read(&answers, watch, blocks(DENSE, usize::MAX)).await;
    assert_eq!(why, refused);
}
