use axum::{body::Body, routing::get};
use tower::ServiceExt;

use super::*;

async fn connection_header(router: &Router) -> Option<HeaderValue> {
    let request = Request::builder().uri("/").body(Body::empty()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    assert!(answer.status().is_success());
    answer.headers().get(CONNECTION).cloned()
}

#[tokio::test(start_paused = true)]
async fn a_drain_answers_for_a_while_and_closes_connections() {
    let drain = Drain::default();
    let router = drain.wrap(Router::new().route("/", get(|| async { "ok" })));
    let begin = clock::instant();
    drain.completed().await;
    assert_eq!(clock::instant(), begin, "the drain has not begun");
    assert_eq!(connection_header(&router).await, None);

    drain.begin();
    tokio::time::advance(LONGEST / 2).await;
    drain.begin();
    assert_eq!(connection_header(&router).await.unwrap(), "close");
    drain.completed().await;
    let waited = clock::instant() - begin;
    assert!(waited >= LONGEST && waited < LONGEST * 2, "{waited:?}");
}
