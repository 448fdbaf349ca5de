//! What does a process of ours do between its start and its end? It works as long as it leads, listens a
//! little longer, and ends as a whole when any part of it does.

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

/// Looks that go on when the process is told to stop may take so long still.
const GRACE: Duration = Duration::from_secs(5);

/// Why a process ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No management cluster.
    #[error(
        "the management cluster cannot be reached: {0}; is KUBECONFIG right, or does this run in a pod?"
    )]
    Cluster(#[source] Box<kube::Error>),
    /// How to reach it is not known.
    #[error("no way to the management cluster is configured: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// A listener.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Another replica took over.
    #[error("the lease is lost: another replica may lead, this one must start anew")]
    LeaseLost,
    /// A task that should never end.
    #[error("an essential part of this process ended: {0}")]
    Ended(String),
}

/// Tasks of which none ends by itself.
pub type Tasks = JoinSet<Result<(), RunError>>;

/// What stands for the lease.
pub struct Candidate {
    /// The management cluster.
    pub client: Client,
    /// Namespace of the lease.
    pub namespace: String,
    /// Who we are among the replicas.
    pub identity: String,
    /// What comes of it.
    pub leadership: Leadership,
}

/// What a process consists of.
pub struct Process {
    /// Watches, and whatever else ends with the work.
    pub tasks: Tasks,
    /// Listeners, which stay until nobody counts on them any more.
    pub listening: Tasks,
    /// How webhooks leave, if any are served.
    pub drain: Option<Drain>,
    /// Who may lead.
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
    // The queues try again, and they know for whom.
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

/// Completes when the process is told to stop.
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
        (work, close): (
            impl Future<Output = Result<(), RunError>> + Send + 'static,
            impl FnOnce(),
        ),
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
                    tracing::warn!("some looks did not end within {GRACE:?} and are broken off");
                }
                Ok(())
            }
            Some(ended) = self.tasks.join_next() => broken(ended),
            Some(ended) = self.listening.join_next() => broken(ended),
        };
        self.tasks.shutdown().await;
        lease::release(client, &namespace, &identity, &leadership).await;
        if let Some(drain) = &self.drain {
            drain.over().await;
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
