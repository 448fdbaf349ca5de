//! [`Process`]: start and end of an operator or provider process. It works while it leads, serves a little longer,
//! and ends as a whole when any part of it ends.

use std::time::Duration;

use kube::{Client, client::ClientBuilder};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::{JoinError, JoinSet},
};

use super::{
    answers::Answers,
    drain::Drain,
    lease::{self, Leadership},
    serve::ServeError,
};

/// Time for running reconciles to end after the signal to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Error with which a process ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The management cluster does not answer.
    #[error(
        "the management cluster cannot be reached: {0}; is KUBECONFIG right, or does this run in a pod?"
    )]
    Cluster(#[source] Box<kube::Error>),
    /// Neither a kubeconfig nor a service account is configured.
    #[error("no way to the management cluster is configured: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// A listener could not be started.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The lease was lost to another replica.
    #[error("the lease is lost: another replica may lead, this one must start anew")]
    LeaseLost,
    /// A task ended that should never end.
    #[error("an essential part of this process ended: {0}")]
    Ended(String),
}

/// Tasks of which none ends by itself.
pub type Tasks = JoinSet<Result<(), RunError>>;

/// Participant in the leader election.
pub struct Candidate {
    /// Client of the management cluster.
    pub client: Client,
    /// Namespace of the lease.
    pub namespace: String,
    /// Identity of this replica in the lease.
    pub identity: String,
    /// Leadership that the election keeps up to date.
    pub leadership: Leadership,
}

/// Parts of a process.
pub struct Process {
    /// Watches and other tasks that end with the work.
    pub tasks: Tasks,
    /// Listeners, which stay until the drain is complete.
    pub listening: Tasks,
    /// Drain of the webhooks' listener; `None` without webhooks.
    pub drain: Option<Drain>,
    /// Participant in the leader election.
    pub candidate: Candidate,
}

/// Longest silence of the management cluster while it answers a request.
const SILENCE: Duration = Duration::from_secs(30);

/// Clients of the management cluster.
#[derive(Clone)]
pub struct Clients {
    /// For requests, each of which has an end.
    pub requests: Client,
    /// For watches, which are silent for minutes.
    pub watches: Client,
}

impl From<Client> for Clients {
    fn from(client: Client) -> Self {
        Self {
            requests: client.clone(),
            watches: client,
        }
    }
}

/// A client of the management cluster, as this process finds it.
pub async fn client() -> Result<Client, RunError> {
    Ok(clients().await?.watches)
}

/// Clients of the management cluster, as this process finds it.
pub async fn clients() -> Result<Clients, RunError> {
    let mut config = kube::Config::infer().await?;
    config.connect_timeout = Some(Duration::from_secs(5));
    // The queues retry, by key.
    config.default_retry = false;
    clients_of(config).map_err(|e| RunError::Cluster(Box::new(e)))
}

fn clients_of(config: kube::Config) -> Result<Clients, kube::Error> {
    let mut limited = config.clone();
    limited.read_timeout = Some(SILENCE);
    limited.write_timeout = Some(SILENCE);
    // Time that a connection idles in the pool must not count.
    limited.reset_reader_on_write = true;
    let answers = Answers::of_management();
    let client = |config| -> Result<Client, kube::Error> {
        let builder = ClientBuilder::try_from(config)?;
        Ok(builder.with_layer(&answers).build())
    };
    Ok(Clients {
        requests: client(limited)?,
        watches: client(config)?,
    })
}

/// Completes when the process receives the signal to stop.
pub async fn stop() {
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}

impl Process {
    /// Runs `work`, which ends soon after `close` was called, until `stop` completes or a part ends.
    pub async fn run(
        mut self,
        work: impl Future<Output = Result<(), RunError>> + Send + 'static,
        close: impl FnOnce(),
        stop: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        let Candidate {
            client,
            namespace,
            identity,
            leadership,
        } = self.candidate;
        if !leadership.is_given() {
            let (client, leadership) = (client.clone(), leadership.clone());
            let (namespace, identity) = (namespace.clone(), identity.clone());
            self.tasks.spawn(async move {
                lease::keep(client, &namespace, &identity, &leadership).await;
                Err(RunError::LeaseLost)
            });
        }
        let work = self.tasks.spawn(work);
        let ended = tokio::select! {
            () = stop => {
                if let Some(drain) = &self.drain {
                    drain.begin();
                }
                close();
                // The lease is held meanwhile.
                let tasks = &mut self.tasks;
                let finished = async { while !work.is_finished() && tasks.join_next().await.is_some() {} };
                if leadership.is_leading() && tokio::time::timeout(GRACE, finished).await.is_err() {
                    tracing::warn!("some reconciles did not end within {GRACE:?} and are cancelled");
                }
                Ok(())
            }
            Some(ended) = self.tasks.join_next() => broken(ended),
            Some(ended) = self.listening.join_next() => broken(ended),
        };
        self.tasks.shutdown().await;
        lease::release(client, &namespace, &identity, &leadership).await;
        if let Some(drain) = &self.drain {
            drain.completed().await;
        }
        self.listening.shutdown().await;
        ended
    }
}

fn broken(ended: Result<Result<(), RunError>, JoinError>) -> Result<(), RunError> {
    Err(match ended {
        Ok(Ok(())) => RunError::Ended("a task returned".to_owned()),
        Ok(Err(error)) => error,
        Err(error) => RunError::Ended(error.to_string()),
    })
}
