//! An account as it is shown and exported.

use std::collections::BTreeMap;

use quorid_api::{Account, proto::ReferencedAccount};
use quorid_directory::{Attribute, LOGIN_NAME, REAL_NAME, Schema};
use serde::Serialize;

use super::{
    errors::Failure,
    terminal::{Output, STRONG, escape},
};

/// The columns of an export that servers fill in: they are not imported. `password` is not among
/// them, because nobody can read a password back.
pub(crate) const SERVERS_COLUMNS: [&str; 9] = [
    "id",
    "create_time",
    "create_address",
    "create_actor",
    "update_time",
    "update_address",
    "update_actor",
    "has_password",
    "etag",
];

/// The column of the kind, which is empty for persons.
pub(crate) const KIND: &str = "kind";
/// The kind of most accounts.
pub(crate) const PERSON: &str = "person";
/// The kind of accounts of programs.
pub(crate) const SERVICE: &str = "service";

/// The attributes that an account may have; each is a column of an export.
pub(crate) fn attributes(schema: &Schema) -> impl Iterator<Item = &Attribute> {
    let of_accounts = |row: &&Attribute| row.kinds.iter().any(|kind| kind.is_account());
    schema.rows().iter().filter(of_accounts)
}

/// An account's fields under the names of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Record {
    login_name: String,
    real_name: String,
    /// The values of every other attribute that the account has.
    attributes: BTreeMap<String, Vec<String>>,
    /// For people, who do not know ids.
    #[serde(skip)]
    referenced: Vec<ReferencedAccount>,
    /// Of persons, nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    id: String,
    create_time: String,
    create_address: String,
    create_actor: String,
    update_time: String,
    update_address: String,
    update_actor: String,
    has_password: bool,
    etag: String,
    /// Names of its groups, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
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
        Self {
            login_name: account.login_name,
            real_name: account.real_name,
            attributes: by_name(account.attributes),
            referenced: account.referenced,
            kind: match account.kind.as_str() {
                PERSON => String::new(),
                _ => account.kind,
            },
            id: account.id,
            create_time: time(account.create_time),
            create_address: account.create_address,
            create_actor: account.create_actor,
            update_time: time(account.update_time),
            update_address: account.update_address,
            update_actor: account.update_actor,
            has_password: account.has_password,
            etag: account.etag,
            groups: None,
        }
    }
}

impl Record {
    /// The record of an account that was asked for with its groups.
    pub(crate) fn with_groups(mut account: Account) -> Self {
        let groups = std::mem::take(&mut account.groups);
        Self {
            groups: Some(groups),
            ..Self::from(account)
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The names of the columns of an export.
    pub(crate) fn columns(schema: &Schema) -> Vec<&str> {
        let attributes = attributes(schema).map(|attribute| &*attribute.name);
        attributes.chain([KIND]).chain(SERVERS_COLUMNS).collect()
    }

    /// The values of [`Self::columns`]. An attribute's values are lines of their field.
    pub(crate) fn values(&self, schema: &Schema) -> Vec<String> {
        let attributes = attributes(schema).map(|attribute| match attribute.number {
            LOGIN_NAME => self.login_name.clone(),
            REAL_NAME => self.real_name.clone(),
            _ => {
                let values = self.attributes.get(&*attribute.name);
                values.map_or_else(String::new, |values| values.join("\n"))
            }
        });
        let servers = [
            self.kind.as_str(),
            &self.id,
            &self.create_time,
            &self.create_address,
            &self.create_actor,
            &self.update_time,
            &self.update_address,
            &self.update_actor,
            if self.has_password { "true" } else { "false" },
            &self.etag,
        ];
        attributes.chain(servers.map(str::to_owned)).collect()
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

    /// The record as a block of lines.
    pub(crate) fn to_text(&self) -> String {
        let mut rows = Rows::default();
        rows.push("id", &self.id);
        rows.push("login name", &self.login_name);
        if self.kind.is_empty() {
            rows.push("real name", &self.real_name);
        } else {
            rows.push(KIND, &self.kind);
        }
        rows.attributes(&self.attributes, &self.referenced);
        rows.all("member of", self.groups.iter().flatten());
        rows.stamps([
            [&self.create_time, &self.create_actor, &self.create_address],
            [&self.update_time, &self.update_actor, &self.update_address],
        ]);
        rows.push("password", if self.has_password { "yes" } else { "no" });
        rows.push("etag", &self.etag);
        rows.to_text()
    }
}

/// The values of attributes by the attributes' names.
pub(crate) fn by_name(attributes: Vec<quorid_api::Attribute>) -> BTreeMap<String, Vec<String>> {
    let attributes = attributes.into_iter();
    attributes.map(|it| (it.name, it.values)).collect()
}

/// A time as text.
pub(crate) fn time(time: Option<prost_types::Timestamp>) -> String {
    time.map_or_else(String::new, |time| time.to_string())
}

/// Lines of names and values.
#[derive(Default)]
pub(crate) struct Rows(Vec<(String, String)>);

impl Rows {
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// A line for each value.
    pub(crate) fn all<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a String>) {
        for value in values {
            self.push(name, value);
        }
    }

    /// The creation and the last change: when, by whom and from where, as far as this reader is told.
    pub(crate) fn stamps(&mut self, stamps: [[&String; 3]; 2]) {
        for (name, [time, actor, address]) in ["created", "changed"].iter().zip(stamps) {
            let told = [("by", actor), ("from", address)];
            let told = told.iter().filter(|(_, text)| !text.is_empty());
            let rest: String = told.map(|(word, text)| format!(" {word} {text}")).collect();
            self.push(name, &format!("{time}{rest}"));
        }
    }

    /// In the order of the schema; those of a newer server after them. Accounts have their login names,
    /// where these are known.
    pub(crate) fn attributes(
        &mut self,
        attributes: &BTreeMap<String, Vec<String>>,
        referenced: &[ReferencedAccount],
    ) {
        let order = |name: &str| {
            Schema::builtin()
                .rows()
                .iter()
                .position(|attribute| attribute.name == name)
        };
        let mut sorted: Vec<_> = attributes.iter().collect();
        sorted.sort_by_key(|(name, _)| order(name).unwrap_or(usize::MAX));
        for (name, values) in sorted {
            for value in values {
                let mut accounts = referenced.iter();
                let account = accounts.find(|it| it.attribute == *name && it.id == *value);
                let shown = account.map_or(value, |account| &account.login_name);
                self.push(&name.replace('_', " "), shown);
            }
        }
    }

    pub(crate) fn to_text(&self) -> String {
        let rows = || {
            self.0
                .iter()
                .map(|(name, value)| (escape(name), escape(value)))
        };
        let width = rows().map(|(name, _)| name.len()).max().unwrap_or(0);
        rows()
            .map(|(name, value)| format!("{STRONG}{name:<width$}{STRONG:#}  {value}"))
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
            create_actor: "operator olga".to_owned(),
            update_time: Some(prost_types::Timestamp {
                seconds: 1_795_000_001,
                nanos: 0,
            }),
            update_address: "[::1]:50001".to_owned(),
            update_actor: "account 0199".to_owned(),
            has_password: true,
            etag: "7".to_owned(),
            attributes: Vec::new(),
            groups: Vec::new(),
            kind: "person".to_owned(),
            referenced: Vec::new(),
        }
    }

    fn with_attributes() -> Account {
        let attribute = |name: &str, values: &[&str]| quorid_api::Attribute {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        Account {
            attributes: vec![
                attribute("mail", &["ana@example.org", "a@example.org"]),
                attribute("employee_number", &["17"]),
            ],
            ..account("ana", "Ana")
        }
    }

    #[test]
    fn each_value_of_an_attribute_has_a_line() {
        let text = Record::from(with_attributes()).to_text();
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(
            text.contains(
                "real name        Ana\n\
                 mail             ana@example.org\n\
                 mail             a@example.org\n\
                 employee number  17\n\
                 created "
            ),
            "{text}"
        );
    }

    #[test]
    fn text_has_the_login_names_of_accounts_that_are_there_and_json_their_ids() {
        let account = Account {
            attributes: vec![quorid_api::Attribute {
                name: "manager".to_owned(),
                values: vec!["0200".to_owned(), "0300".to_owned()],
            }],
            referenced: vec![ReferencedAccount {
                attribute: "manager".to_owned(),
                id: "0200".to_owned(),
                login_name: "ben".to_owned(),
            }],
            ..account("ana", "Ana")
        };
        let record = Record::from(account);
        let text = anstream::adapter::strip_str(&record.to_text()).to_string();
        let lines: Vec<_> = text
            .lines()
            .filter(|it| it.starts_with("manager"))
            .collect();
        assert_eq!(lines, ["manager     ben", "manager     0300"]);
        let json = serde_json::to_value(&record).expect("JSON");
        assert_eq!(json["attributes"]["manager"][0], "0200");
        assert_eq!(json.get("referenced"), None);
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
             created     2026-11-18T11:06:40.123Z by operator olga from 127.0.0.1:50000\n\
             changed     2026-11-18T11:06:41Z by account 0199 from [::1]:50001\n\
             password    yes\n\
             etag        7"
        );
    }

    #[test]
    fn values_stand_in_the_order_of_the_columns_and_of_json() {
        let record = Record::from(with_attributes());
        let json = serde_json::to_value(&record).expect("a record is JSON");
        let schema = Schema::builtin();
        let (columns, values) = (Record::columns(schema), record.values(schema));
        assert_eq!(columns.len(), values.len());
        for (column, value) in columns.into_iter().zip(values) {
            let in_json = match (json.get(column), json["attributes"].get(column)) {
                (Some(field), _) => field.to_string().trim_matches('"').to_owned(),
                (None, Some(values)) => {
                    let values: Vec<String> =
                        serde_json::from_value(values.clone()).expect("texts");
                    values.join("\n")
                }
                (None, None) => String::new(),
            };
            assert_eq!(in_json, value, "{column}");
        }
    }
}
