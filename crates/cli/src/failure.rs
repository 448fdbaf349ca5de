//! Failures of commands: exit codes, and what an error of an API server means in one sentence with the next action.

use std::process::ExitCode;

use kamaji_core::error_chain::chain;

use crate::terminal::note;

/// Reason why what was waited for is not there, with an exit code of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// The time was over first: exit code 3.
    #[error("{0}")]
    TimedOut(String),
    /// A person has to act first: exit code 4.
    #[error("{0}")]
    Stalled(String),
}

/// Prints the error of a command, and returns its exit code: 0 without an error, 3 and 4 as [`Unreached`] says, else 1.
/// Wrong usage has ended the process with 2 before.
pub fn exit(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    note(&format!("kamaji: {error:#}"));
    match error.downcast_ref::<Unreached>() {
        Some(Unreached::TimedOut(_)) => ExitCode::from(3),
        Some(Unreached::Stalled(_)) => ExitCode::from(4),
        None => ExitCode::FAILURE,
    }
}

/// Cause and next action of an error that the API server at `server` or the way to it gave.
pub fn describe(error: &kube::Error, server: &str) -> String {
    let kube::Error::Api(status) = error else {
        return format!(
            "the API server at {server} cannot be used: {}: is the cluster running, and are address and certificates of the kubeconfig right?",
            chain(error)
        );
    };
    let message = &status.message;
    match status.code {
        401 => format!(
            "the API server at {server} does not accept the credentials of the kubeconfig: fetch a new one"
        ),
        403 => format!("{message}: ask the administrator of the cluster for that right"),
        404 if is_unserved(message) => format!(
            "the cluster at {server} does not know Kamaji's objects: install the definitions (`kamaji crds | kubectl apply --server-side -f -`), or choose another --context"
        ),
        409 if status.reason == "AlreadyExists" => format!("{message}: choose another name"),
        409 => format!("{message}: the object was changed meanwhile, run the command again"),
        410 => format!("{message}: the list took too long, run the command again"),
        _ => message.clone(),
    }
}

/// True for the answer about a resource that no definition serves, as opposed to an object that is not there.
fn is_unserved(message: &str) -> bool {
    message.starts_with("404 page not found")
        || message.contains("could not find the requested resource")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn api(code: u16, message: &str) -> String {
        let status = Status {
            code,
            message: message.to_owned(),
            ..Status::default()
        };
        describe(&kube::Error::Api(Box::new(status)), "https://x:6443")
    }

    #[test]
    fn errors_of_an_api_server_name_the_next_action() {
        assert!(api(401, "Unauthorized").contains("fetch a new one"));
        assert!(api(403, "secrets is forbidden").contains("ask the administrator"));
        assert!(api(404, "404 page not found\n").contains("kamaji crds"));
        assert_eq!(api(404, "x not found"), "x not found");
        assert!(api(409, "conflict").contains("run the command again"));
    }

    #[test]
    fn each_kind_of_failure_has_its_exit_code() {
        let code = |result| format!("{:?}", exit(result));
        let is = |number: u8| format!("{:?}", ExitCode::from(number));
        assert_eq!(code(Ok(())), is(0));
        assert_eq!(code(Err(anyhow::anyhow!("x"))), is(1));
        assert_eq!(code(Err(Unreached::TimedOut(String::new()).into())), is(3));
        assert_eq!(code(Err(Unreached::Stalled(String::new()).into())), is(4));
    }
}
