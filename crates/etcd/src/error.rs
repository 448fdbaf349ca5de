//! Errors of this crate: each names the object, the cause and the next action.

/// A reason why a command on the bundled etcd ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The private key or the certificate of the CA is missing or damaged; it is not replaced.
    #[error(
        "Secret {secret}: its CA (ca.crt, ca.key) cannot sign: {cause}; restore both keys from a backup: a new CA \
         would lock out every tenant that has its data in this etcd"
    )]
    Authority {
        /// Namespace and name of the Secret.
        secret: String,
        /// Flaw of the CA.
        cause: String,
    },
    /// The Secret with the CA is gone although the store that it belongs to is there.
    #[error(
        "Secret {secret} is missing although {witness} exists: restore it from a backup; if the data is not needed \
         any more, delete StatefulSet, claims, Secrets and the ConfigMap of the cluster"
    )]
    AuthorityLost {
        /// Namespace and name of the Secret.
        secret: String,
        /// Object that shows that the store exists.
        witness: String,
    },
    /// Fewer members were asked for than there are.
    #[error(
        "StatefulSet {store} has {have} members and the values ask for {want}: members are not taken away, since the \
         others would lose their majority; set kamaji-etcd.replicas to {have}"
    )]
    Shrinks {
        /// Name of the StatefulSet.
        store: String,
        /// Members that there are.
        have: u32,
        /// Members that the values ask for.
        want: u32,
    },
    /// A DataStore of that name belongs to somebody else.
    #[error(
        "DataStore {name} exists and is not of this Helm release: set kamaji-etcd.datastore.name to a free name, or \
         kamaji-etcd.deploy to false if that DataStore is to be used"
    )]
    ForeignDataStore {
        /// Name of the DataStore.
        name: String,
    },
    /// A setting that is not accepted.
    #[error("{setting}: {cause}")]
    Setting {
        /// Name of the flag or the value.
        setting: String,
        /// Flaw, with the next action.
        cause: String,
    },
    /// A snapshot that is not whole.
    #[error("the snapshot cannot be used: {0}")]
    Snapshot(String),
    /// A folder that a restore would have to overwrite.
    #[error(
        "{0} exists: a restore never replaces data; delete the claim of this volume, or move its data away, and run the \
         restore again"
    )]
    HasData(String),
    /// Members that may run while the store is restored.
    #[error(
        "StatefulSet {store} has {replicas} replicas: run `kubectl scale statefulset {store} --replicas=0`, wait until \
         its pods are gone, and run the restore again"
    )]
    Running {
        /// Name of the StatefulSet.
        store: String,
        /// Replicas that it asks for.
        replicas: u32,
    },
    /// A member must not start.
    #[error("{0}")]
    MemberRefused(String),
    /// A state that did not come in time.
    #[error("{waited}; gave up after {seconds} s")]
    TimedOut {
        /// State that was waited for, and what is missing.
        waited: String,
        /// Time limit, in seconds.
        seconds: u64,
    },
    /// An alarm, or a member without room; what is to be done is part of the text.
    #[error("{0}")]
    Unhealthy(String),
    /// An object changed at every attempt to write it.
    #[error("{object} is being changed by somebody else; run the command again")]
    Contended {
        /// Kind and name of the object.
        object: String,
    },
    /// The management cluster did not answer as it should.
    #[error(
        "{doing}: {cause}; check that the ServiceAccount of this pod may do it and that the API server answers"
    )]
    Management {
        /// Request in words, with the object.
        doing: String,
        /// Answer of the API server.
        cause: String,
    },
    /// A member of the etcd cluster did not answer as it should.
    #[error("{member}: {doing}: {cause}; see the log of that pod")]
    Etcd {
        /// Address of the member.
        member: String,
        /// Request that was sent, in words.
        doing: String,
        /// Answer of the member, or the reason why there is none.
        cause: String,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {cause}; check the volumes of this pod")]
    File {
        /// Path of the file.
        path: String,
        /// Reason of the operating system.
        cause: String,
    },
}
