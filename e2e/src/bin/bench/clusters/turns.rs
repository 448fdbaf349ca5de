//! Staggered start of control planes: API servers that all start at once starve one another on a
//! small machine. Everything else runs at once.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::Result;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::management::NODE;
use kamaji_e2e::testbed::Testbed;
use serde_json::{Value, json};

use super::available;

/// Number of addresses for control planes.
pub const ADDRESSES: u16 = 64;
/// Number of the first address for control planes.
const FIRST: u8 = 32;

/// Address of the control plane with this turn.
pub fn address(testbed: &Testbed, turn: u16) -> Ipv4Addr {
    let number = u8::try_from(turn % ADDRESSES).unwrap_or_default();
    testbed.bed.layout.vip(FIRST + number)
}

/// Control planes that start one after another.
pub struct Turns<'a> {
    kubectl: &'a Kubectl,
    number: u16,
    started: Cell<u16>,
}

impl<'a> Turns<'a> {
    /// Makes the control planes of these Clusters wait for their turn.
    pub fn of(kubectl: &'a Kubectl, clusters: &mut [Vec<Value>]) -> Result<Self> {
        let number = u16::try_from(clusters.len())?;
        for (turn, objects) in (0..number).zip(clusters) {
            let mut control_planes = objects.iter_mut();
            if let Some(found) =
                control_planes.find(|object| object["kind"] == "KamajiControlPlane")
            {
                wait_for_turn(&mut found["spec"], turn);
            }
        }
        Ok(Self {
            kubectl,
            number,
            started: Cell::new(0),
        })
    }

    /// Starts one more control plane for each that is available, and a few at first.
    pub async fn next(&self, begin: Instant) -> Result<()> {
        let available = available(self.kubectl, "ktcp").await?;
        let at_once = u16::try_from(available_parallelism()?.get())?.saturating_add(1);
        let turn = available.saturating_add(at_once).min(self.number);
        let started = self.started.replace(turn.max(self.started.get()));
        if started >= turn {
            return Ok(());
        }
        let elapsed = begin.elapsed().as_secs();
        println!("{available:>10} control planes available after {elapsed} s");
        let labels: Vec<String> = (started..turn)
            .map(|turn| format!("{}=", label(turn)))
            .collect();
        let line = format!("label node {NODE} --overwrite {}", labels.join(" "));
        self.kubectl.run(&line).await.map(drop)
    }
}

fn label(turn: u16) -> String {
    format!("bench.kamaji.clastix.io/turn-{turn}")
}

/// Makes the pods of a control plane wait for their turn, with more patient probes; components that
/// the bench does not need are left out.
fn wait_for_turn(spec: &mut Value, turn: u16) {
    let patient = json!({"timeoutSeconds": 10, "periodSeconds": 20, "failureThreshold": 30});
    let ready = json!({"timeoutSeconds": 10, "periodSeconds": 5});
    spec["deployment"] = json!({
        "probes": {"startup": patient, "liveness": patient, "readiness": ready},
        "nodeSelector": {label(turn): ""},
    });
    spec["controllerManager"] = json!({"extraArgs": [
        "--leader-elect=false", "--controllers=bootstrap-signer-controller,token-cleaner-controller",
    ]});
    spec["scheduler"] = json!({"extraArgs": ["--leader-elect=false"]});
}
