use axum::{body::Body, routing::get};
use tower::ServiceExt;

use super::*;

async fn connection(router: &Router) -> Option<HeaderValue> {
    let request = Request::builder().uri("/").body(Body::empty()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    assert!(answer.status().is_success());
    answer.headers().get(CONNECTION).cloned()
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_leaves_answers_for_a_while_and_closes_its_connections() {
    let drain = Drain::default();
    let router = drain.wrap(Router::new().route("/", get(|| async { "fine" })));
    let begin = clock::instant();
    drain.over().await;
    assert_eq!(clock::instant(), begin, "it does not leave");
    assert_eq!(connection(&router).await, None);

    drain.begin();
    tokio::time::advance(LONGEST / 2).await;
    drain.begin();
    assert_eq!(connection(&router).await.unwrap(), "close");
    drain.over().await;
    let waited = clock::instant() - begin;
    assert!(waited >= LONGEST && waited < LONGEST * 2, "{waited:?}");
}
