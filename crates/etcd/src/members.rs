//! Requests to the members of the store, as its administrator.

use std::{io::Write, path::Path, time::Duration};

use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Certificate, Client, ConnectOptions, GetOptions,
    Identity, MemberAddOptions, StatusResponse, TlsOptions, UserAddOptions,
};
use futures::future::join_all;
use kamaji_core::error_chain::chain;
use tokio::time::timeout;

use crate::{
    error::Error,
    layout::{MOST_MEMBERS, Store},
    membership::Listed,
    space::Alarm,
};

const CONNECT: Duration = Duration::from_secs(3);
const CALL: Duration = Duration::from_secs(5);
/// Time of a defragmentation; a database of 8 GiB takes about that long on a slow disk.
const DEFRAGMENT: Duration = Duration::from_mins(10);
/// Longest wait for the next piece of a snapshot.
const PIECE: Duration = Duration::from_mins(1);
/// User and role of etcd's administrator.
const ROOT: &str = "root";

/// Credentials of the administrator.
pub struct Access(ConnectOptions);

/// One member that can be asked.
pub struct Member {
    /// URL under which the member is reached.
    pub url: String,
    client: Client,
}

impl Access {
    /// Reads `ca.crt`, `tls.crt` and `tls.key` of a folder.
    pub async fn read(folder: &Path) -> Result<Self, Error> {
        let read = async |name: &str| {
            let path = folder.join(name);
            tokio::fs::read(&path).await.map_err(|error| Error::File {
                path: path.display().to_string(),
                cause: error.to_string(),
            })
        };
        let tls = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(read("ca.crt").await?))
            .identity(Identity::from_pem(
                read("tls.crt").await?,
                read("tls.key").await?,
            ))
            .timeout(CONNECT);
        let options = ConnectOptions::new()
            .with_tls(tls)
            .with_connect_timeout(CONNECT)
            // Without a leader a member answers from what it remembers.
            .with_require_leader(true);
        Ok(Self(options))
    }

    /// Prepares requests to the member at this URL.
    pub async fn member(&self, url: String) -> Result<Member, Error> {
        match Client::connect([&url], Some(self.0.clone())).await {
            Ok(client) => Ok(Member { url, client }),
            Err(error) => Err(Error::Etcd {
                member: url,
                doing: "connecting".to_owned(),
                cause: chain(&error),
            }),
        }
    }

    /// Asks all members that a store may have, but one, for the list of members; returns the first that answers, with
    /// its answer, or else all reasons.
    pub async fn ask(
        &self,
        store: &Store,
        except: Option<u32>,
    ) -> Result<(Member, Vec<Listed>), String> {
        let others = (0..MOST_MEMBERS).filter(|ordinal| Some(*ordinal) != except);
        let answers = join_all(others.map(async |ordinal| {
            let member = self.member(store.client_url(ordinal)).await?;
            let list = member.list().await?;
            Ok::<_, Error>((member, list))
        }));
        let mut reasons = Vec::new();
        for answer in answers.await {
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(reasons.join("\n"))
    }
}

impl Member {
    async fn call<T, F>(
        &self,
        (doing, limit): (&str, Duration),
        request: impl FnOnce(Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let cause = match timeout(limit, request(self.client.clone())).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(etcd_client::Error::GRpcStatus(status))) if !status.message().is_empty() => {
                status.message().to_owned()
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("no answer within {} s", limit.as_secs()),
        };
        Err(Error::Etcd {
            member: self.url.clone(),
            doing: doing.to_owned(),
            cause,
        })
    }

    /// Lists the members of the cluster.
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        let ask = |mut client: Client| async move { client.member_list().await };
        let answer = self.call(("listing the members", CALL), ask).await?;
        let listed = answer.members().iter().map(|member| Listed {
            id: member.id(),
            name: member.name().to_owned(),
            peer_urls: member.peer_urls().to_vec(),
            started: !member.client_urls().is_empty(),
            learner: member.is_learner(),
        });
        Ok(listed.collect())
    }

    /// Adds a member without a vote.
    pub async fn add_learner(&self, peer_url: String) -> Result<(), Error> {
        let add = |mut client: Client| async move {
            let options = MemberAddOptions::new().with_is_learner();
            client.member_add([peer_url], Some(options)).await
        };
        self.call(("adding a member", CALL), add).await.map(drop)
    }

    /// Gives a learner its vote; refused until it has caught up.
    pub async fn promote(&self, id: u64) -> Result<(), Error> {
        let promote = |mut client: Client| async move { client.member_promote(id).await };
        let doing = format!("giving member {id:x} its vote");
        self.call((&doing, CALL), promote).await.map(drop)
    }

    /// Creates the user and the role root and switches access control on; does nothing where it is on.
    pub async fn enable_access_control(&self) -> Result<(), Error> {
        let enable = |mut client: Client| async move {
            let without_password = UserAddOptions::new().with_no_pwd();
            unless_exists(client.user_add(ROOT, "", Some(without_password)).await)?;
            unless_exists(client.role_add(ROOT).await)?;
            client.user_grant_role(ROOT, ROOT).await?;
            client.auth_enable().await
        };
        let doing = "switching access control on";
        self.call((doing, CALL), enable).await.map(drop)
    }

    /// Asks the member for its state.
    pub async fn status(&self) -> Result<StatusResponse, Error> {
        let ask = |mut client: Client| async move { client.status().await };
        self.call(("asking for its state", CALL), ask).await
    }

    /// Revision of the store, which the member knows once it has everything that was acknowledged before.
    pub async fn revision(&self) -> Result<i64, Error> {
        let ask = |mut client: Client| async move {
            let options = GetOptions::new().with_keys_only().with_limit(1);
            client.get("kamaji.clastix.io", Some(options)).await
        };
        let answer = self.call(("reading its revision", CALL), ask).await?;
        let header = answer.header();
        Ok(header.map_or(0, etcd_client::ResponseHeader::revision))
    }

    /// Writes a snapshot of the member to `out`, piece by piece; returns the version of etcd that made it.
    pub async fn snapshot(&self, out: &mut (dyn Write + Send)) -> Result<String, Error> {
        let begin = |mut client: Client| async move { client.snapshot().await };
        let mut pieces = self.call(("taking a snapshot", PIECE), begin).await?;
        let mut version = String::new();
        loop {
            let stream = &mut pieces;
            let next = move |_: Client| async move { stream.message().await };
            let piece = self.call(("sending a snapshot", PIECE), next).await?;
            let Some(piece) = piece else {
                return Ok(version);
            };
            if version.is_empty() {
                piece.version().clone_into(&mut version);
            }
            out.write_all(piece.blob()).map_err(|error| Error::File {
                path: "the snapshot".to_owned(),
                cause: error.to_string(),
            })?;
        }
    }

    /// Gives free space of the member's file back; the member answers nothing else meanwhile.
    pub async fn defragment(&self) -> Result<(), Error> {
        let defragment = |mut client: Client| async move { client.defragment().await };
        let answer = self.call(("defragmenting", DEFRAGMENT), defragment).await;
        answer.map(drop)
    }

    /// Lists the alarms of all members.
    pub async fn alarms(&self) -> Result<Vec<(u64, Alarm)>, Error> {
        let ask = |mut client: Client| async move {
            client.alarm(AlarmAction::Get, AlarmType::None, None).await
        };
        let answer = self.call(("listing the alarms", CALL), ask).await?;
        let alarms = answer.alarms().iter().filter_map(|found| {
            let alarm = match found.alarm() {
                AlarmType::None => return None,
                AlarmType::Nospace => Alarm::NoSpace,
                AlarmType::Corrupt => Alarm::Corrupt,
            };
            Some((found.member_id(), alarm))
        });
        Ok(alarms.collect())
    }

    /// Ends a member's alarm about space.
    pub async fn end_alarm(&self, member: u64) -> Result<(), Error> {
        let end = |mut client: Client| async move {
            let mut options = AlarmOptions::new();
            options.with_member(member);
            let (action, alarm) = (AlarmAction::Deactivate, AlarmType::Nospace);
            client.alarm(action, alarm, Some(options)).await
        };
        self.call(("ending the alarm NOSPACE", CALL), end)
            .await
            .map(drop)
    }
}

/// Success where the user or the role is there already.
fn unless_exists<T>(answer: Result<T, etcd_client::Error>) -> Result<(), etcd_client::Error> {
    match answer {
        Err(etcd_client::Error::GRpcStatus(status))
            if status.message().contains("name already exists") =>
        {
            Ok(())
        }
        other => other.map(drop),
    }
}
