//! `quorid cluster settings`: settings of the directory, which all servers go by.

use std::time::Duration;

use clap::Args;
use quorid_api::{Setting, SettingChange};
use serde_json::json;

use crate::{context::Context, errors::Failure, table::Table, terminal::escape};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid cluster settings
  quorid cluster settings --set history=90d
  quorid cluster settings --set history_bytes=268435456
  quorid cluster settings --reset history            back to the default

Changes need an operator's certificate, and hold from then on at every server.";

/// The settings that are to have other values.
#[derive(Args, Debug)]
pub(crate) struct SettingsArgs {
    /// Gives a setting a value: a time such as 30d, 12h or 0s, or a number of bytes
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Gives a setting its default value again
    #[arg(long, value_name = "NAME")]
    reset: Vec<String>,
}

pub(super) async fn run(args: SettingsArgs, context: &Context) -> Result<(), Failure> {
    let mut settings = context.client.settings().await?;
    if !(args.set.is_empty() && args.reset.is_empty()) {
        let changes = changes(args, &settings)?;
        settings = context.client.change_settings(changes, None).await?;
    }
    if context.out.is_json() {
        let values = settings.iter().map(|setting| {
            json!({
                "name": setting.name,
                "value": setting.value,
                "unit": setting.unit,
                "default": setting.default_value,
            })
        });
        return context.out.json(&values.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["setting", "value", "default", "meaning"]);
    for setting in &settings {
        table.row(&[
            &escape(&setting.name),
            &shown(setting, setting.value),
            &shown(setting, setting.default_value),
            &escape(&setting.description),
        ]);
    }
    context.out.line(table.to_string())
}

/// Values are read by the units that the servers name.
fn changes(args: SettingsArgs, known: &[Setting]) -> Result<Vec<SettingChange>, Failure> {
    let mut changes = Vec::new();
    for (name, text) in args.set {
        let found = known.iter().find(|setting| setting.name == name);
        let setting = found.ok_or_else(|| unknown(&name, known))?;
        let (value, example) = match setting.unit == "ms" {
            true => (milliseconds(&text), "a time such as 30d, 12h or 0s"),
            false => (text.parse().ok(), "a whole number of bytes"),
        };
        let value = value.ok_or_else(|| {
            let text = escape(&text);
            Failure::usage(format!("`{text}` is no value of {name}: give {example}"))
        })?;
        let value = Some(value);
        changes.push(SettingChange { name, value });
    }
    let resets = args.reset.into_iter();
    changes.extend(resets.map(|name| SettingChange { name, value: None }));
    Ok(changes)
}

fn unknown(name: &str, known: &[Setting]) -> Failure {
    let known: Vec<_> = known.iter().map(|setting| escape(&setting.name)).collect();
    let (name, known) = (escape(name), known.join(", "));
    Failure::usage(format!("there is no setting `{name}`; there are {known}"))
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is no assignment; write it as in history=90d"))?;
    Ok((name.replace('-', "_"), value.to_owned()))
}

fn milliseconds(text: &str) -> Option<u64> {
    let span = humantime::parse_duration(text).ok()?;
    u64::try_from(span.as_millis()).ok()
}

/// In whole days where that is exact: months and years of a calendar differ.
fn shown(setting: &Setting, value: u64) -> String {
    const DAY_MS: u64 = 24 * 3_600 * 1_000;
    if setting.unit != "ms" {
        return value.to_string();
    }
    match (value / DAY_MS, value % DAY_MS) {
        (days @ 1.., 0) => format!("{days}d"),
        _ => humantime::format_duration(Duration::from_millis(value)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, unit: &str) -> Setting {
        Setting {
            name: name.to_owned(),
            unit: unit.to_owned(),
            ..Setting::default()
        }
    }

    #[test]
    fn values_are_read_by_their_unit_and_shown_in_it() {
        let known = [setting("time", "ms"), setting("space", "bytes")];
        let args = |name: &str, value: &str| SettingsArgs {
            set: vec![(name.to_owned(), value.to_owned())],
            reset: Vec::new(),
        };
        for (name, text, value, again) in [
            ("time", "30d", 2_592_000_000, "30d"),
            ("time", "36h", 129_600_000, "1day 12h"),
            ("time", "0s", 0, "0s"),
            ("space", "1048576", 1_048_576, "1048576"),
        ] {
            let changes = changes(args(name, text), &known).expect("read");
            assert_eq!(changes[0].value, Some(value), "{text}");
            let of = known.iter().find(|it| it.name == name).expect("known");
            assert_eq!(shown(of, value), again);
        }
        for (name, text) in [
            ("time", "30"),
            ("time", ""),
            ("space", "1 GiB"),
            ("space", "-1"),
        ] {
            assert!(changes(args(name, text), &known).is_err(), "{name}={text}");
        }
    }
}
