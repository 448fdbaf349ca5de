use serde_json::json;

use super::*;
use crate::render::fixture::World;

fn with(flags: &[&str]) -> World {
    World::with(json!({"controlPlane": {"deployment": {"extraArgs": {"scheduler": flags}}}}))
}

#[test]
fn the_users_flags_win_by_the_newest_renderer_only() {
    let mine = "--leader-elect=false";
    let world = with(&[mine, "-v=4"]);
    assert!(!args(&world.facts()).contains(&mine.to_owned()));
    let world = world.newest();
    let args = args(&world.facts());
    assert!(args.contains(&mine.to_owned()) && args.contains(&"-v=4".to_owned()));
    assert!(args.is_sorted());
}

#[test]
fn the_newest_renderer_listens_on_both_families() {
    let bound = |world: &World| {
        let args = args(&world.facts());
        let bound = args
            .into_iter()
            .find(|arg| arg.starts_with("--bind-address"));
        bound.unwrap()
    };
    assert_eq!(bound(&with(&[])), "--bind-address=0.0.0.0");
    assert_eq!(bound(&with(&[]).newest()), "--bind-address=::");
}
