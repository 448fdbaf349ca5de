use std::{net::SocketAddr, sync::atomic::AtomicUsize};

use axum::{
    body::Bytes,
    routing::{get, post},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const QUICK: Times = Times {
    first: Duration::from_millis(300),
    idle: Duration::from_millis(900),
    request: Duration::from_millis(300),
};

fn router() -> Router {
    Router::new()
        .route("/hello", get(|| async { "good day" }))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
}

async fn serve_on_free_port(router: Router, limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let open = |stream| std::future::ready(Some(stream));
    tokio::spawn(serve(listener, router, limits, open));
    address
}

async fn dial(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Reads until the server closes the connection.
async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("the connection is closed");
    String::from_utf8_lossy(&answer).into_owned()
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

async fn get_hello(address: SocketAddr) -> String {
    read_to_close(&mut dial(address, HELLO).await).await
}

fn post_head(length: usize) -> String {
    format!(
        "POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_with_and_without_a_content_length() {
    let limits = Limits {
        body: 100_000,
        ..REVIEWS
    };
    let address = serve_on_free_port(router(), limits).await;
    let most = post_head(100_000) + &"x".repeat(100_000);
    let answer = read_to_close(&mut dial(address, &most).await).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("100000"),
        "{answer}"
    );
    let answer = read_to_close(&mut dial(address, &post_head(100_001)).await).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", 100_001, "x".repeat(100_001));
    let head = "POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = read_to_close(&mut dial(address, &format!("{head}{chunk}")).await).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_request_is_answered_despite_a_thousand_idle_connections() {
    let limits = Limits {
        connections: 100,
        ..REVIEWS
    };
    let address = serve_on_free_port(router(), limits).await;
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let begin = clock::instant();
    assert!(get_hello(address).await.ends_with("good day"));
    // The oldest connections were closed, long before the time for their first request was over.
    for stream in &mut idle[..899] {
        assert_eq!(read_to_close(stream).await, "");
    }
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn a_connection_with_a_request_outlives_connections_without_one() {
    let limits = Limits {
        connections: 10,
        ..REVIEWS
    };
    let address = serve_on_free_port(router(), limits).await;
    let mut used = dial(address, "GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut answer = [0; 16];
    used.read_exact(&mut answer).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(get_hello(address).await.ends_with("good day"));
    used.write_all(HELLO.as_bytes()).await.unwrap();
    assert!(read_to_close(&mut used).await.ends_with("good day"));
}

#[tokio::test]
async fn silent_and_slow_connections_are_closed() {
    let address = serve_on_free_port(
        router(),
        Limits {
            times: QUICK,
            ..REVIEWS
        },
    )
    .await;
    assert_eq!(read_to_close(&mut dial(address, "").await).await, "");
    let answer = read_to_close(&mut dial(address, "GET /hello HTTP/1.1\r\nhost:").await).await;
    assert!(!answer.contains("good day"), "{answer}");
    // A slow request after an answer is closed, too.
    let mut again = dial(address, "GET /hello HTTP/1.1\r\nhost: x\r\n\r\nGET /he").await;
    assert!(read_to_close(&mut again).await.contains("good day"));
    let answer = read_to_close(&mut dial(address, &format!("{}x", post_head(100))).await).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

#[tokio::test]
async fn requests_in_flight_share_one_limit_of_bytes() {
    static READING: AtomicUsize = AtomicUsize::new(0);
    let slow = async |body: Body| {
        READING.fetch_add(1, Ordering::SeqCst);
        axum::body::to_bytes(body, usize::MAX)
            .await
            .map_or(0, |b| b.len())
            .to_string()
    };
    let limits = Limits {
        body: 1 << 20,
        in_flight: 4 << 20,
        ..REVIEWS
    };
    let address = serve_on_free_port(Router::new().route("/length", post(slow)), limits).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(dial(address, &post_head(1_000_000)).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(READING.load(Ordering::SeqCst), 4);
    // A small request does not wait for the senders of large ones.
    let one = post_head(3) + "abc";
    let answer = tokio::time::timeout(Duration::from_secs(3), async {
        read_to_close(&mut dial(address, &one).await).await
    });
    assert!(answer.await.unwrap().ends_with('3'));
    drop(held);
    let large = post_head(1_000_000) + &"x".repeat(1_000_000);
    let answer = read_to_close(&mut dial(address, &large).await).await;
    assert!(answer.ends_with("1000000"), "{answer}");
}
