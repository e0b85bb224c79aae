//! An account as it is shown and exported.

use quorid_api::Account;
use serde::Serialize;

use super::{
    errors::Failure,
    terminal::{Output, STRONG, escape},
};

/// The columns of an export, in their order. The first two can be imported; `password` isn't
/// among them, because nobody can read a password back.
pub(crate) const COLUMNS: [&str; 9] = [
    "login_name",
    "real_name",
    "id",
    "create_time",
    "create_address",
    "update_time",
    "update_address",
    "has_password",
    "etag",
];

/// An account's fields under the names of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Record {
    login_name: String,
    real_name: String,
    id: String,
    create_time: String,
    create_address: String,
    update_time: String,
    update_address: String,
    has_password: bool,
    etag: String,
}

/// A record and the revision it was read at or made by.
#[derive(Debug, Serialize)]
struct Seen<'a> {
    #[serde(flatten)]
    record: &'a Record,
    revision: u64,
}

impl From<Account> for Record {
    fn from(account: Account) -> Self {
        let time = |time: Option<prost_types::Timestamp>| {
            time.map_or_else(String::new, |time| time.to_string())
        };
        Self {
            login_name: account.login_name,
            real_name: account.real_name,
            id: account.id,
            create_time: time(account.create_time),
            create_address: account.create_address,
            update_time: time(account.update_time),
            update_address: account.update_address,
            has_password: account.has_password,
            etag: account.etag,
        }
    }
}

impl Record {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The values of [`COLUMNS`].
    pub(crate) fn values(&self) -> [&str; 9] {
        [
            &self.login_name,
            &self.real_name,
            &self.id,
            &self.create_time,
            &self.create_address,
            &self.update_time,
            &self.update_address,
            if self.has_password { "true" } else { "false" },
            &self.etag,
        ]
    }

    /// As a block of lines, or as one JSON object with the revision.
    pub(crate) fn show(&self, out: Output, revision: u64) -> Result<(), Failure> {
        if out.is_json() {
            return out.json(&Seen {
                record: self,
                revision,
            });
        }
        out.line(self.to_text())
    }

    /// As a block of lines.
    pub(crate) fn to_text(&self) -> String {
        let stamp =
            |time: &str, address: &str| format!("{} from {}", escape(time), escape(address));
        let rows = [
            ("id", self.id.clone()),
            ("login name", self.login_name.clone()),
            ("real name", self.real_name.clone()),
            ("created", stamp(&self.create_time, &self.create_address)),
            ("changed", stamp(&self.update_time, &self.update_address)),
            (
                "password",
                if self.has_password { "yes" } else { "no" }.to_owned(),
            ),
            ("etag", self.etag.clone()),
        ];
        rows.iter()
            .map(|(name, value)| format!("{STRONG}{name:<10}{STRONG:#}  {}", escape(value)))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn account(login_name: &str, real_name: &str) -> Account {
        Account {
            name: "accounts/0199".to_owned(),
            id: "0199".to_owned(),
            login_name: login_name.to_owned(),
            real_name: real_name.to_owned(),
            create_time: Some(prost_types::Timestamp {
                seconds: 1_795_000_000,
                nanos: 123_000_000,
            }),
            create_address: "127.0.0.1:50000".to_owned(),
            update_time: Some(prost_types::Timestamp {
                seconds: 1_795_000_001,
                nanos: 0,
            }),
            update_address: "[::1]:50001".to_owned(),
            has_password: true,
            etag: "7".to_owned(),
        }
    }

    #[test]
    fn text_shows_everything_and_obeys_nothing() {
        let record = Record::from(account("ana", "A\u{1b}[2Jna"));
        let text = anstream::adapter::strip_str(&record.to_text()).to_string();
        assert_eq!(
            text,
            "id          0199\n\
             login name  ana\n\
             real name   A\\u{1b}[2Jna\n\
             created     2026-11-18T11:06:40.123Z from 127.0.0.1:50000\n\
             changed     2026-11-18T11:06:41Z from [::1]:50001\n\
             password    yes\n\
             etag        7"
        );
    }

    #[test]
    fn values_stand_in_the_order_of_the_columns_and_of_json() {
        let record = Record::from(account("ana", "Ana"));
        let json = serde_json::to_value(&record).expect("a record is JSON");
        for (column, value) in COLUMNS.iter().zip(record.values()) {
            let in_json = json[column].to_string();
            assert_eq!(in_json.trim_matches('"'), value, "{column}");
        }
    }
}
