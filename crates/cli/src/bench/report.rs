//! Throughput and latencies, for people and for programs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use quorid_lab::load::{Measured, QUANTILES};

use super::BenchArgs;
use crate::{
    errors::Failure,
    terminal::{Output, escape},
};

pub(super) fn progress(out: Output) -> ProgressBar {
    if out.is_json() {
        return ProgressBar::hidden();
    }
    ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg}  {elapsed}").expect("the template is valid"),
    )
}

pub(super) fn show(args: &BenchArgs, measured: &Measured, out: Output) -> Result<(), Failure> {
    let kind = args.kind.as_str();
    if out.is_json() {
        let mut json = measured.to_json();
        json["kind"] = json!(kind);
        json["clients"] = json!(args.clients);
        json["connections"] = json!(args.connections());
        return out.json(&json);
    }
    out.line(format!(
        "{kind}, clients: {}, connections: {}",
        args.clients,
        args.connections()
    ))?;
    out.line(to_text(measured))
}

fn to_text(measured: &Measured) -> String {
    let latency = &measured.latency;
    let mut quantiles: Vec<_> = QUANTILES
        .iter()
        .map(|(name, quantile)| format!("{name} {}", ms(latency.value_at_quantile(*quantile))))
        .collect();
    quantiles.push(format!("max {}", ms(latency.max())));
    let mut text = format!(
        "requests     {} succeeded, {} failed in {:.1} s\n\
         throughput   {:.0}/s\n\
         latency ms   {}\n\
         longest gap  {:.1} ms",
        latency.len(),
        measured.failures(),
        measured.elapsed.as_secs_f64(),
        measured.per_second(),
        quantiles.join("  "),
        measured.longest_gap.as_secs_f64() * 1_000.0
    );
    for (reason, count) in &measured.errors {
        text.push_str(&format!("\nerror        {} {count} times", escape(reason)));
    }
    text
}

pub(super) fn ms(us: u64) -> String {
    format!("{:.2}", Duration::from_micros(us).as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        let mut measured = Measured::new().unwrap_or_else(|failure| panic!("{failure:?}"));
        for us in 1..=1_000 {
            measured.latency.saturating_record(us * 10);
        }
        measured.elapsed = Duration::from_secs(2);
        measured.longest_gap = Duration::from_millis(340);
        measured.errors.insert("BUSY".to_owned(), 3);
        measured
    }

    #[test]
    fn text_has_throughput_latencies_gap_and_errors() {
        assert_eq!(
            to_text(&measured()),
            "requests     1000 succeeded, 3 failed in 2.0 s\n\
             throughput   500/s\n\
             latency ms   p50 5.00  p90 9.01  p95 9.50  p99 9.90  p99.9 9.99  max 10.01\n\
             longest gap  340.0 ms\n\
             error        BUSY 3 times"
        );
    }
}
