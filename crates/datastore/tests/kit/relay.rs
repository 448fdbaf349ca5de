//! A relay between a driver and its server, to end connections between two calls.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Passes connections on to `port` until the tasks are dropped; returns its own port.
pub async fn relay(port: u16) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    (own, pass_on(listener, port))
}

/// Passes the connections of `listener` on to `port` until the tasks are dropped.
pub fn pass_on(listener: TcpListener, port: u16) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut from, _)) = listener.accept().await {
            let mut to = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            connections.spawn(async move { drop(copy_bidirectional(&mut from, &mut to).await) });
        }
    });
    tasks
}
