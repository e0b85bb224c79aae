//! What one kind of requests costs beside another one, for people and for programs.

use quorid_lab::{
    compare::{Bound, CompareOptions, Compared, Pair},
    load::latency_us,
    table::Table,
};
use serde_json::{Value, json};

use super::report::ms;
use crate::{errors::Failure, terminal::Output};

pub(super) fn show(
    kind: &str,
    options: &CompareOptions,
    compared: &Compared,
    out: Output,
) -> Result<(), Failure> {
    if out.is_json() {
        let mut json = to_json(options.pair, compared);
        json["kind"] = json!(kind);
        json["clients"] = json!(options.clients);
        json["requests_per_round"] = json!(options.requests);
        return out.json(&json);
    }
    out.line(format!(
        "{}, {} rounds of {} requests of each kind",
        compared.setting,
        compared.ratios.len(),
        options.requests
    ))?;
    out.line(to_text(options.pair, compared))
}

fn to_json(pair: Pair, compared: &Compared) -> Value {
    let sides = pair
        .sides()
        .into_iter()
        .zip(&compared.sides)
        .map(|(what, side)| {
            json!({
                "what": what,
                "succeeded": side.latency.len(),
                "per_second": side.per_second(),
                "latency_us": latency_us(&side.latency),
            })
        });
    json!({
        "setting": compared.setting,
        "sides": sides.collect::<Vec<_>>(),
        "ratios": compared.ratios,
        "ratio": compared.ratio(),
        "extra_ms": compared.extra_ms(),
        "bound": bound_text(pair.bound()),
        "within_bound": compared.is_within(pair.bound()),
    })
}

fn to_text(pair: Pair, compared: &Compared) -> String {
    let mut table = Table::new(&["REQUEST", "PER SECOND", "P50 MS", "P99 MS"]);
    for (what, side) in pair.sides().into_iter().zip(&compared.sides) {
        table.row(&[
            what,
            &format!("{:.0}", side.per_second()),
            &ms(side.latency.value_at_quantile(0.5)),
            &ms(side.latency.value_at_quantile(0.99)),
        ]);
    }
    let least = compared.ratios.first().copied().unwrap_or(f64::NAN);
    let most = compared.ratios.last().copied().unwrap_or(f64::NAN);
    let within = match compared.is_within(pair.bound()) {
        true => "held",
        false => "NOT HELD",
    };
    format!(
        "{table}\n\
         ratio   {:.2} (median; {least:.2} to {most:.2})\n\
         longer  {:.2} ms (median)\n\
         bound   {}: {within}",
        compared.ratio(),
        compared.extra_ms(),
        bound_text(pair.bound())
    )
}

fn bound_text(bound: Bound) -> String {
    match bound {
        Bound::Ratio(most) => format!("a ratio of {most:.1} at most"),
        Bound::Extra(most) => format!("{} ms longer at most", most.as_millis()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::time::Duration;

    use quorid_lab::compare::Side;

    use super::*;

    fn compared() -> Compared {
        let sides = [4_000, 6_000].map(|us| {
            let mut side = Side::new().unwrap();
            for _ in 0..1_000 {
                side.latency.record(us).unwrap();
            }
            side.elapsed = Duration::from_micros(us * 500);
            side
        });
        Compared {
            sides,
            ratios: vec![1.4, 1.5, 1.8],
            setting: "a group of 10 members".to_owned(),
        }
    }

    #[test]
    fn text_has_both_kinds_their_ratio_and_whether_it_is_within_its_bound() {
        assert_eq!(
            to_text(Pair::Member, &compared()),
            "REQUEST            PER SECOND  P50 MS  P99 MS\n\
             change an account  500         4.00    4.00\n\
             add a member       333         6.00    6.00\n\
             ratio   1.50 (median; 1.40 to 1.80)\n\
             longer  2.00 ms (median)\n\
             bound   a ratio of 2.0 at most: held"
        );
        assert!(to_text(Pair::Groups, &compared()).ends_with("1 ms longer at most: NOT HELD"));
    }

    #[test]
    fn json_has_the_same() {
        let json = to_json(Pair::Mail, &compared());
        assert_eq!(json["sides"][1]["what"], "lookup by mail");
        assert_eq!(json["sides"][0]["succeeded"], 1_000);
        assert_eq!(json["ratio"], 1.5);
        assert_eq!(json["within_bound"], false);
    }
}
