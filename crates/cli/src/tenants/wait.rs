//! `kamaji wait`: waits until a tenant is ready, gone, or at a version, and says what it waits for.

use std::time::{Duration, Instant};

use anyhow::bail;
use kamaji_api::tenant::TenantControlPlane;
use kamaji_shell::ObjectKey;

use crate::{
    access::{Access, AccessFlags, TenantName},
    duration::seconds,
    failure::Unreached,
    terminal::{note, print},
};

use super::{
    progress::{Goal, Progress},
    version::parse_version,
};

/// Period of the requests.
const PERIOD: Duration = Duration::from_secs(1);

/// Arguments of `kamaji wait`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The tenant, as NAME or NAMESPACE/NAME
    name: TenantName,
    /// Goal of the wait: ready, deleted or version=VERSION
    #[arg(long = "for", value_name = "GOAL", default_value = "ready", value_parser = goal)]
    goal: Goal,
    /// Longest wait; afterwards the exit code is 3
    #[arg(long, default_value = "10m", value_parser = seconds)]
    timeout: Duration,
    #[command(flatten)]
    access: AccessFlags,
}

fn goal(text: &str) -> Result<Goal, String> {
    match text {
        "ready" => Ok(Goal::Ready),
        "deleted" => Ok(Goal::Deleted),
        other => match other.strip_prefix("version=") {
            Some(version) => parse_version(version).map(Goal::Version),
            None => Err("write ready, deleted or version=VERSION".to_owned()),
        },
    }
}

/// Waits for the goal of the arguments; progress goes to standard error, the result to standard output.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let first = match access.find_tenant(&key).await? {
        Some(tenant) => tenant,
        None if arguments.goal == Goal::Deleted => return print(&format!("{key} is gone\n")),
        None => {
            bail!("there is no TenantControlPlane {key}: `kamaji get -A` lists those that exist")
        }
    };
    let begin = Instant::now();
    let mut seen = Ok(Some(first.clone()));
    let mut last = String::new();
    loop {
        let text = match assess(&arguments.goal, &first, &seen) {
            Progress::Reached => return print(&reached(&arguments.goal, &key)),
            Progress::Stalled(text) => {
                return Err(Unreached::Stalled(format!("{key}: {text}")).into());
            }
            Progress::Waiting(text) => text,
        };
        if text != last {
            note(&format!(
                "{key} after {}s: {text}",
                begin.elapsed().as_secs()
            ));
            last = text;
        }
        if begin.elapsed() >= arguments.timeout {
            let text = format!(
                "{key} is not {} within {:?}, last seen: {last}",
                named(&arguments.goal),
                arguments.timeout
            );
            return Err(Unreached::TimedOut(text).into());
        }
        tokio::time::sleep(PERIOD).await;
        seen = access.find_tenant(&key).await;
    }
}

/// Distance from the goal by the last answer. An API server that fails for a while is waited for.
fn assess(
    goal: &Goal,
    first: &TenantControlPlane,
    seen: &anyhow::Result<Option<TenantControlPlane>>,
) -> Progress {
    let same = |tenant: &&TenantControlPlane| tenant.metadata.uid == first.metadata.uid;
    match seen {
        Err(error) => Progress::Waiting(format!("{error:#}")),
        Ok(found) => match found.as_ref().filter(same) {
            Some(tenant) => goal.progress(tenant),
            None if *goal == Goal::Deleted => Progress::Reached,
            None => Progress::Stalled("the tenant was deleted meanwhile".to_owned()),
        },
    }
}

fn named(goal: &Goal) -> String {
    match goal {
        Goal::Ready => "ready".to_owned(),
        Goal::Deleted => "gone".to_owned(),
        Goal::Version(version) => format!("at {version}"),
    }
}

fn reached(goal: &Goal, key: &ObjectKey) -> String {
    format!("{key} is {}\n", named(goal))
}
