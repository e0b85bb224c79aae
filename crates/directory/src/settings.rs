//! Settings of the directory as a whole. They are part of the state, so that all servers go by the
//! same ones, and one that is changed holds for every later command.

use std::fmt;

/// One of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// The greatest age of a change that is kept, ms.
    History,
    /// The most bytes that the kept changes have together.
    HistoryBytes,
    /// How long deleted objects can be restored, ms; 0: never.
    Tombstones,
    /// How long a login name stays reserved that an account no longer has, ms; 0: not at all.
    ReservedNames,
}

/// What the value of a setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Time.
    Milliseconds,
    /// Space.
    Bytes,
}

const HOUR_MS: u64 = 60 * 60 * 1_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const MIB: u64 = 1024 * 1024;

impl Setting {
    /// All settings.
    pub const ALL: [Self; 4] = [
        Self::History,
        Self::HistoryBytes,
        Self::Tombstones,
        Self::ReservedNames,
    ];

    /// Its name in the API and in commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::HistoryBytes => "history_bytes",
            Self::Tombstones => "tombstones",
            Self::ReservedNames => "reserved_names",
        }
    }

    /// The setting of a name.
    pub fn parse(name: &str) -> Result<Self, InvalidSetting> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == name);
        found.ok_or_else(|| InvalidSetting::Unknown {
            name: name.chars().take(InvalidSetting::SHOWN_CHARS).collect(),
        })
    }

    /// The meaning of its value.
    pub const fn description(self) -> &'static str {
        match self {
            Self::History => "how long changes are kept",
            Self::HistoryBytes => "how much space the kept changes may take",
            Self::Tombstones => "how long deleted accounts and groups can be restored",
            Self::ReservedNames => {
                "how long a login name stays reserved that its account no longer has"
            }
        }
    }

    /// What its value counts.
    pub const fn unit(self) -> Unit {
        match self {
            Self::History | Self::Tombstones | Self::ReservedNames => Unit::Milliseconds,
            Self::HistoryBytes => Unit::Bytes,
        }
    }

    /// Its value where nobody has set it.
    pub const fn default_value(self) -> u64 {
        match self {
            Self::History => 400 * DAY_MS,
            Self::HistoryBytes => 1024 * MIB,
            Self::Tombstones => 30 * DAY_MS,
            Self::ReservedNames => 90 * DAY_MS,
        }
    }

    /// The least value that it takes.
    pub const fn least(self) -> u64 {
        match self {
            // Retries are answered with the help of the changes.
            Self::History => HOUR_MS,
            Self::HistoryBytes => MIB,
            Self::Tombstones | Self::ReservedNames => 0,
        }
    }

    /// The greatest value that it takes.
    pub const fn most(self) -> u64 {
        match self {
            Self::History | Self::Tombstones | Self::ReservedNames => 36_500 * DAY_MS,
            Self::HistoryBytes => 1024 * 1024 * MIB,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A setting is to have another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SettingChange {
    setting: Setting,
    value: Option<u64>,
}

impl SettingChange {
    /// To this value, if the setting takes it; None: to its default.
    pub fn new(setting: Setting, value: Option<u64>) -> Result<Self, InvalidSetting> {
        match value {
            Some(value) if value < setting.least() || value > setting.most() => {
                Err(InvalidSetting::OutOfBounds { setting, value })
            }
            Some(_) | None => Ok(Self { setting, value }),
        }
    }

    /// The setting that is meant.
    pub const fn setting(&self) -> Setting {
        self.setting
    }

    /// Its value afterwards; None: its default.
    pub const fn value(&self) -> Option<u64> {
        self.value
    }
}

/// No setting can be changed like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// No setting has the name.
    #[error("there is no setting `{}`; there are {}", name.escape_debug(), names())]
    Unknown {
        /// The name that was asked for, cut if it is long.
        name: String,
    },
    /// Less or more than it takes.
    #[error(
        "{setting} cannot be {}; give {} to {}",
        shown(*setting, *value),
        shown(*setting, setting.least()),
        shown(*setting, setting.most())
    )]
    OutOfBounds {
        /// The setting that was meant.
        setting: Setting,
        /// The value that was asked for.
        value: u64,
    },
}

impl InvalidSetting {
    const SHOWN_CHARS: usize = 64;
}

fn names() -> String {
    Setting::ALL.map(Setting::as_str).join(", ")
}

fn shown(setting: Setting, value: u64) -> String {
    match setting.unit() {
        Unit::Milliseconds => format!("{value} ms"),
        Unit::Bytes => format!("{value} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_takes_its_default_and_its_bounds_and_nothing_beyond() {
        for setting in Setting::ALL {
            assert_eq!(Setting::parse(setting.as_str()), Ok(setting));
            let within = [setting.least(), setting.default_value(), setting.most()];
            for value in within {
                let change = SettingChange::new(setting, Some(value)).expect("within bounds");
                assert_eq!((change.setting(), change.value()), (setting, Some(value)));
            }
            let below = setting.least().checked_sub(1);
            for value in below.into_iter().chain([setting.most() + 1]) {
                let refused = SettingChange::new(setting, Some(value));
                assert_eq!(refused, Err(InvalidSetting::OutOfBounds { setting, value }));
            }
        }
    }

    #[test]
    fn unknown_setting_is_an_error_that_lists_the_known_ones() {
        let error = Setting::parse("histories\n").expect_err("unknown");
        let text = error.to_string();
        assert!(text.contains("`histories\\n`"), "{text}");
        assert!(
            text.contains("history, history_bytes, tombstones, reserved_names"),
            "{text}"
        );
    }
}
