use super::*;

fn review(desired: &str, objects: Value) -> Value {
    let body = json!({"request": {"uid": "u", "desiredAPIVersion": desired, "objects": objects}});
    answer(serde_json::from_value::<Review>(body).unwrap().request)
}

const OLD: &str = "controlplane.cluster.x-k8s.io/v1alpha1";
const NEW: &str = "controlplane.cluster.x-k8s.io/v1alpha2";

#[test]
fn all_objects_of_a_review_are_converted_in_order() {
    let object = |name: &str| {
        json!({
            "apiVersion": OLD, "kind": "KamajiControlPlane",
            "metadata": {"name": name},
            "spec": {"version": "v1.36.3"},
        })
    };
    let answer = review(NEW, json!([object("a"), object("b")]));
    assert_eq!(answer["response"]["uid"], "u");
    assert_eq!(answer["response"]["result"]["status"], "Success");
    let objects = answer["response"]["convertedObjects"].as_array().unwrap();
    let names: Vec<_> = objects.iter().map(|o| &o["metadata"]["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(objects.iter().all(|object| object["apiVersion"] == NEW));
}

#[test]
fn a_failed_conversion_is_answered_with_a_message() {
    let answer = review(
        "controlplane.cluster.x-k8s.io/v9",
        json!([{"apiVersion": OLD, "kind": "KamajiControlPlane"}]),
    );
    let result = &answer["response"]["result"];
    assert_eq!(result["status"], "Failure");
    assert!(!result["message"].as_str().unwrap().is_empty());
}

#[test]
fn a_review_that_grows_when_it_is_parsed_is_refused_before() {
    let objects = r#"{"":0},"#.repeat(140_000);
    let body = format!(
        r#"{{"request":{{"uid":"u","desiredAPIVersion":"g/v1","objects":[{objects}{{}}]}}}}"#
    );
    let response = converted(body.as_bytes());
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}
