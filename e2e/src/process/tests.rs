use super::*;
use crate::command::words;

#[tokio::test]
async fn a_started_process_is_known_by_name_until_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let processes = Processes::below(dir.path());
    processes.spawn("sleeper", words("sleep 60")).unwrap();
    assert!(processes.is_alive("sleeper"));
    assert!(processes.spawn("sleeper", words("sleep 60")).is_err());
    processes.stop("sleeper", Duration::ZERO).await.unwrap();
    assert!(!processes.is_alive("sleeper"));
    assert!(processes.names().unwrap().is_empty());
}

#[tokio::test]
async fn a_pid_that_now_belongs_to_another_process_is_not_signalled() {
    let dir = tempfile::tempdir().unwrap();
    let processes = Processes::below(dir.path());
    let stranger = processes.spawn("stranger", words("sleep 60")).unwrap();
    let recycled = Identity {
        pid: stranger.pid,
        started: stranger.started - 1,
    };
    recycled.stop(Duration::ZERO).await.unwrap();
    assert!(stranger.is_alive());
    processes.stop_all().await.unwrap();
    assert!(!stranger.is_alive());
}

#[test]
fn the_remains_of_a_process_do_not_count_as_alive() {
    let mut child = Command::new("true").spawn().unwrap();
    while let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", child.id())) {
        if stat.contains(") Z ") {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(Identity::of(child.id()), None);
    child.wait().unwrap();
}
