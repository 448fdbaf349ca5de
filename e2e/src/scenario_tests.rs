use super::*;

fn choice(line: &str) -> Choice {
    Choice::parse(line.split_whitespace().map(ToString::to_string))
}

#[test]
fn without_a_filter_every_story_is_told() {
    assert!(choice("--test-threads=1 --nocapture").takes("a pod runs"));
}

#[test]
fn a_filter_takes_the_stories_whose_name_contains_it() {
    let choice = choice("--test-threads 1 pod");
    assert!(choice.takes("a pod runs"));
    assert!(!choice.takes("the DNS answers"));
}

#[test]
fn a_skipped_story_is_not_told_though_it_is_asked_for() {
    assert!(!choice("pod --skip runs").takes("a pod runs"));
}
