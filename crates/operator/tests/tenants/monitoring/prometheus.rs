//! A real Prometheus, of the Debian package, for one test.

use std::{ffi::OsStr, path::Path};

use kamaji_e2e::{
    command::{command, output},
    ports::free_port,
    process_guard::Guarded,
};
use serde_json::{Value, json};

use super::MONITORING;
use crate::environment::NAMESPACE;

/// A Prometheus that scrapes each second.
pub struct Prometheus {
    url: String,
    _process: Guarded,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes `target` and evaluates the alerts in the file `rules` each second. Its own files are
    /// in `dir`.
    pub fn start(dir: &Path, target: &str, rules: &Path) -> Self {
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "kamaji", "static_configs": [{"targets": [target]}]}],
        });
        let path = dir.join("prometheus.yaml");
        std::fs::write(&path, config.to_string()).unwrap();
        let address = format!("127.0.0.1:{}", free_port().unwrap());
        let mut prometheus = command("prometheus", [] as [&str; 0]);
        prometheus
            .arg(format!("--config.file={}", path.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"));
        let log = dir.join("prometheus.log");
        Self {
            url: format!("http://{address}"),
            _process: Guarded::spawn(&prometheus, &log).unwrap(),
        }
    }

    /// Values of an expression now, or why it has none.
    pub async fn query(&self, expression: &str) -> Result<Vec<String>, String> {
        let series = self.series(expression).await?;
        let values = series
            .iter()
            .filter_map(|series| series["value"][1].as_str());
        Ok(values.map(str::to_owned).collect())
    }

    /// Seconds since 1970 of the samples of each series that `selector` has had within `seconds`.
    pub async fn samples(&self, selector: &str, seconds: u64) -> Result<Vec<Vec<f64>>, String> {
        let series = self.series(&format!("{selector}[{seconds}s]")).await?;
        let times = series.iter().map(|series| {
            let samples = series["values"].as_array().into_iter().flatten();
            samples.filter_map(|sample| sample[0].as_f64()).collect()
        });
        Ok(times.collect())
    }

    async fn series(&self, expression: &str) -> Result<Vec<Value>, String> {
        let query = format!("query={expression}");
        let url = format!("{}/api/v1/query", self.url);
        let words = ["-sSG", "--max-time", "10", "--data-urlencode", &query, &url];
        let text = output(command("curl", words)).await;
        let text = text.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        Ok(answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    /// Draws all dashboards, with the samples of `seconds`, into a folder.
    pub async fn draw(&self, seconds: u64, folder: &OsStr) {
        let script = format!("{MONITORING}/../../.ci/dashboards.py");
        let mut draw = command(script, [self.url.as_str()]);
        draw.arg(seconds.to_string()).arg(folder);
        draw.arg(format!("namespace={NAMESPACE}"))
            .args(["tenant=well", "datastore=default"]);
        output(draw).await.unwrap();
    }

    /// Fails unless the expression has a number.
    pub async fn assert_has_data(&self, what: &str, expression: &str) {
        let values = self.query(expression).await;
        let values = values.unwrap_or_else(|error| panic!("{what}: {expression}: {error}"));
        assert!(
            values.iter().any(|value| value != "NaN"),
            "{what}: {expression} has no data: {values:?}"
        );
    }
}
