//! Metrics of the process itself, named as Prometheus' client libraries name them. Source: `/proc/self`.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Clock ticks a second in `/proc`, a constant of the kernel's interface to user space.
const TICKS: f64 = 100.0;
/// Bytes of the unit in which `/proc/self/status` has memory.
const KIB: u64 = 1024;

/// CPU time, memory and open files of this process, read at each scrape. What cannot be read is left out.
#[derive(Debug)]
pub(super) struct Process;

/// Usage of one process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Usage {
    /// Seconds of CPU time in user and kernel mode.
    cpu: f64,
    /// Resident memory in bytes.
    resident: u64,
}

impl Usage {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        Self::parse(&stat, &status)
    }

    /// Reads the texts of `stat` and `status`. The name of the process, in parentheses, may contain anything.
    fn parse(stat: &str, status: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let user: u32 = fields.nth(11)?.parse().ok()?;
        let system: u32 = fields.next()?.parse().ok()?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(Self {
            cpu: (f64::from(user) + f64::from(system)) / TICKS,
            resident: kib * KIB,
        })
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        if let Some(usage) = Usage::read() {
            let cpu = ConstCounter::new(usage.cpu);
            let help = "Seconds of CPU time in user and kernel mode.";
            let metric =
                encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?;
            cpu.encode(metric)?;
            let resident = ConstGauge::new(usage.resident);
            let help = "Resident memory in bytes.";
            let kind = resident.metric_type();
            let metric =
                encoder.encode_descriptor("process_resident_memory_bytes", help, None, kind)?;
            resident.encode(metric)?;
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            let open = ConstGauge::new(files.count() as u64);
            let help = "Open files.";
            let metric =
                encoder.encode_descriptor("process_open_fds", help, None, open.metric_type())?;
            open.encode(metric)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn usage_is_read_behind_a_process_name_with_parentheses_and_spaces() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 5 0 1 1 1";
        let status = "Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t5\n";
        let usage = Usage::parse(stat, status);
        let expected = Usage {
            cpu: 3.0,
            resident: 2 << 20,
        };
        assert_eq!(usage, Some(expected));
    }

    #[test]
    fn usage_of_a_text_that_was_cut_is_left_out() {
        assert_eq!(Usage::parse("7 (kamaji) S 1 7", "VmRSS: 1 kB"), None);
        assert_eq!(Usage::parse("", ""), None);
    }
}
