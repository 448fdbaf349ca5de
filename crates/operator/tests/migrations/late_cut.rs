//! Cut of a migration that is held on its way to the API server, and sent late.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http_body_util::BodyExt;
use kube::{Client, client::Body};

use crate::{environment::wait_until, world::World};

/// The status patch that is the cut: its operator sends it once, and never gets an answer.
#[derive(Clone, Default)]
pub struct LateCut {
    held: Arc<AtomicBool>,
    request: Arc<tokio::sync::Mutex<Option<http::Request<Vec<u8>>>>>,
}

impl LateCut {
    /// Sends a request of the operator, but for the cut.
    pub async fn pass(
        self,
        request: http::Request<Body>,
        client: Client,
    ) -> kube::Result<http::Response<Body>> {
        if request.method() != http::Method::PATCH {
            return client.send(request).await;
        }
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        if is_cut(&bytes) {
            self.held.store(true, Ordering::Relaxed);
            *self.request.lock().await = Some(http::Request::from_parts(head, bytes));
            return std::future::pending().await;
        }
        client
            .send(http::Request::from_parts(head, Body::from(bytes)))
            .await
    }

    /// Waits until the operator has sent the cut.
    pub async fn wait(&self) {
        wait_until("the cut is on its way", async || {
            self.held.load(Ordering::Relaxed).then_some(())
        })
        .await;
    }

    /// Sends the cut, and asserts that the API server refuses it.
    pub async fn assert_refused(&self, world: &World) {
        let request = self.request.lock().await.take().unwrap();
        let request = request.map(Body::from);
        let answer = world.environment.client.send(request).await.unwrap();
        assert_eq!(answer.status(), 409, "the late cut is refused");
    }
}

/// True for a status patch that is the cut.
fn is_cut(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("\"phase\":\"Switched\"")
}
