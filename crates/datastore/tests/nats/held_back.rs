//! A relay that holds single requests back, as a process does that stands still.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// A relay to a server, which ends with the value.
pub struct HeldBack {
    pub port: u16,
    held: Arc<Notify>,
    release: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl HeldBack {
    /// Passes connections on to `port`; what a client sends waits where it has `words`.
    pub async fn start(port: u16, words: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (held, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (holds, waits) = (Arc::clone(&held), Arc::clone(&release));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut pipes = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let (holds, waits) = (Arc::clone(&holds), Arc::clone(&waits));
                pipes.spawn(async move { drop(copy(&mut from_server, &mut to_client).await) });
                pipes.spawn(async move {
                    let mut bytes = [0; 16384];
                    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                        let mut parts = bytes[..count].windows(words.len());
                        if parts.any(|part| part == words.as_bytes()) {
                            holds.notify_one();
                            waits.notified().await;
                        }
                        if to_server.write_all(&bytes[..count]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self {
            port: own,
            held,
            release,
            _tasks: tasks,
        }
    }

    /// Waits until something is held.
    pub async fn wait(&self) {
        self.held.notified().await;
    }

    /// Lets what is held, or comes to be, pass.
    pub fn release(&self) {
        self.release.notify_one();
    }
}
