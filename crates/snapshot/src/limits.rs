//! Bounds on everything that a file decides.

/// Most bytes of the header's JSON.
pub const HEADER: usize = 64 << 10;
/// Most bytes of the header of age, which precedes the encrypted data: about 5,000 recipients.
pub const SEAL: u64 = 1 << 20;
/// Most Kubernetes objects; a tenant has one TenantControlPlane and 13 Secrets.
pub const OBJECTS: usize = 64;
/// Most bytes of one Kubernetes object as JSON; an API server takes 1.5 MiB.
pub const OBJECT: usize = 4 << 20;
/// Most bytes of all Kubernetes objects.
pub const ALL_OBJECTS: usize = 16 << 20;
/// Most bytes of a key; names, namespaces and groups of Kubernetes make about 1,000.
pub const KEY: usize = 4 << 10;
/// Most bytes of a value; etcd takes 1.5 MiB unless it is told otherwise.
pub const VALUE: usize = 32 << 20;
/// Most bytes of the footer's JSON.
pub const FOOTER: usize = 256 << 10;
/// Highest revision: half of what the counters of datastores hold.
pub const REVISION: i64 = i64::MAX / 2;
/// Largest window of the decompression, as a power of two: 8 MiB of memory.
pub const WINDOW_LOG: u32 = 23;
/// Most keys that are changed after they were read first, while a snapshot is saved: they are held in
/// memory, 80 bytes each, when the snapshot is read.
pub const CHANGED: usize = 1_000_000;
/// Most keys of encryption at rest that are told apart.
pub const ENCRYPTION_KEYS: usize = 64;
/// Bytes after decompression that are read of a file by default.
pub const DATA: u64 = 64 << 30;
