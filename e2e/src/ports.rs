//! Ports of the loopback device that belong to one process until it ends.
//!
//! A port is reserved by a UDP socket of the same number, which this process keeps: no other process
//! of these tests gets the port meanwhile, also while no server listens on it yet or while a test has
//! stopped its server. The ports lie below the range from which Linux takes the ports of outgoing
//! connections (32768 and above), since one of those would keep a server from listening.

use std::io::{Error, Result};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Mutex;

/// First port that is tried.
const FIRST: u16 = 10_000;

/// Number of ports; they end below those of Services of type NodePort.
const COUNT: u32 = 20_000;

/// Ports of this process and the number of ports that were tried.
static RESERVED: Mutex<(u32, Vec<UdpSocket>)> = Mutex::new((0, Vec::new()));

/// A port of 127.0.0.1 that nothing listens on, and that no second call in any process returns while
/// this process lives. An error if every port is taken.
pub fn free_port() -> Result<u16> {
    let mut reserved = RESERVED
        .lock()
        .map_err(|_| Error::other("a thread panicked while it reserved a port"))?;
    // Processes start at different ports, so that they seldom try one another's.
    let start = std::process::id().wrapping_mul(997);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(reserved.0) % COUNT;
        reserved.0 = reserved.0.wrapping_add(1);
        let port = FIRST.saturating_add(u16::try_from(offset).unwrap_or_default());
        let Ok(reservation) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else {
            continue;
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            reserved.1.push(reservation);
            return Ok(port);
        }
    }
    Err(Error::other(format!(
        "all {COUNT} ports from {FIRST} on are taken; stop the tests that hold them"
    )))
}
