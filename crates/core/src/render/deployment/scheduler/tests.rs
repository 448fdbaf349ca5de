use serde_json::json;

use super::*;
use crate::render::fixture::Fixture;

fn with(flags: &[&str]) -> Fixture {
    Fixture::with(json!({"controlPlane": {"deployment": {"extraArgs": {"scheduler": flags}}}}))
}

#[test]
fn the_users_flags_win_by_the_newest_renderer_only() {
    let mine = "--leader-elect=false";
    let fixture = with(&[mine, "-v=4"]);
    assert!(!args(&fixture.facts()).contains(&mine.to_owned()));
    let fixture = fixture.newest();
    let args = args(&fixture.facts());
    assert!(args.contains(&mine.to_owned()) && args.contains(&"-v=4".to_owned()));
    assert!(args.is_sorted());
}

#[test]
fn the_newest_renderer_listens_on_both_families() {
    let bound = |fixture: &Fixture| {
        let args = args(&fixture.facts());
        let bound = args
            .into_iter()
            .find(|arg| arg.starts_with("--bind-address"));
        bound.unwrap()
    };
    assert_eq!(bound(&with(&[])), "--bind-address=0.0.0.0");
    assert_eq!(bound(&with(&[]).newest()), "--bind-address=::");
}
