//! Ports on which nothing listens.

#[path = "../../../../e2e/src/ports.rs"]
mod reserved;

/// Ports of 127.0.0.1 that are free, all different, reserved as long as the process of the test lives.
pub fn free_ports<const N: usize>() -> [u16; N] {
    [(); N].map(|()| reserved::free_port().unwrap())
}
