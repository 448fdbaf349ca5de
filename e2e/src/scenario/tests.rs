use super::*;

fn choice(line: &str) -> Choice {
    Choice::parse(line.split_whitespace().map(ToString::to_string))
}

#[test]
fn without_a_filter_every_scenario_runs() {
    assert!(choice("--test-threads=1 --nocapture").takes("a pod runs"));
}

#[test]
fn a_filter_selects_the_scenarios_whose_name_contains_it() {
    let choice = choice("--test-threads 1 pod");
    assert!(choice.takes("a pod runs"));
    assert!(!choice.takes("the DNS answers"));
}

#[test]
fn a_skipped_scenario_does_not_run_even_if_a_filter_selects_it() {
    assert!(!choice("pod --skip runs").takes("a pod runs"));
}
