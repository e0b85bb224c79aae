//! Throughput and latencies, for people and for programs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use quorid_lab::load::{Histogram, Measured};

use super::BenchArgs;
use crate::{
    errors::Failure,
    terminal::{Output, escape},
};

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

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
        let mut json = to_json(measured);
        json["kind"] = json!(kind);
        json["clients"] = json!(args.clients);
        json["connections"] = json!(args.connections);
        return out.json(&json);
    }
    out.line(format!("{kind}, {} clients", args.clients))?;
    out.line(to_text(measured))
}

fn rate(measured: &Measured) -> f64 {
    measured.latency.len() as f64 / measured.elapsed.as_secs_f64().max(0.001)
}

fn error_count(measured: &Measured) -> u64 {
    measured.errors.values().sum()
}

fn to_json(measured: &Measured) -> Value {
    let latency = &measured.latency;
    json!({
        "seconds": measured.elapsed.as_secs_f64(),
        "succeeded": latency.len(),
        "failed": error_count(measured),
        "per_second": rate(measured),
        "latency_us": latency_us(latency),
        "longest_gap_ms": measured.longest_gap.as_secs_f64() * 1_000.0,
        "errors": measured.errors,
    })
}

/// Quantiles of latencies.
pub(super) fn latency_us(latency: &Histogram<u64>) -> Value {
    let mut us: serde_json::Map<_, _> = QUANTILES
        .iter()
        .map(|(name, quantile)| {
            let name = name.replace('.', "_");
            (name, json!(latency.value_at_quantile(*quantile)))
        })
        .collect();
    us.insert("max".to_owned(), json!(latency.max()));
    us.insert("mean".to_owned(), json!(latency.mean()));
    Value::Object(us)
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
        error_count(measured),
        measured.elapsed.as_secs_f64(),
        rate(measured),
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
             latency ms   p50 5.00  p90 9.01  p99 9.90  p99.9 9.99  max 10.01\n\
             longest gap  340.0 ms\n\
             error        BUSY 3 times"
        );
    }

    #[test]
    fn json_has_the_same() {
        let json = to_json(&measured());
        assert_eq!(json["succeeded"], 1_000);
        assert_eq!(json["failed"], 3);
        assert_eq!(json["per_second"], 500.0);
        assert_eq!(json["latency_us"]["p99_9"], 9_991);
        assert_eq!(json["errors"]["BUSY"], 3);
        assert_eq!(json["longest_gap_ms"], 340.0);
    }
}
