//! What a line says that an account does not have.

use std::collections::BTreeSet;

use quorid_api::{
    Account, AccountName, Attribute, AttributeEdit, Password, PasswordChange, UpdateAccount,
    proto::ReferencedAccount,
};
use quorid_directory::{Schema, Syntax};

use crate::record::SERVICE;

use super::lines::{NewLine, POSIX_NUMBER_NAME};

/// What is to be changed of an account, so that it has what its line says.
#[derive(Debug, Default)]
pub(super) struct Difference {
    login_name: Option<String>,
    real_name: Option<String>,
    edits: Vec<AttributeEdit>,
    password: PasswordChange,
}

impl Difference {
    /// Between an account and a line that is to change it. What the line does not give stays, and so
    /// does a password that the account has: nobody can tell whether it is the same, and its owner
    /// may have chosen it since.
    pub(super) fn of(schema: &Schema, account: &Account, line: &NewLine) -> Self {
        let edits = line.attributes.iter();
        let edits = edits.filter(|asked| !has(schema, account, asked));
        let edits = edits.map(|it| AttributeEdit::replace(&it.name, it.values.clone()));
        let assigns = line.assign_posix_number && !has_posix_number(account);
        let assigned = assigns.then(|| AttributeEdit::assign(POSIX_NUMBER_NAME));
        let password = match (&line.password, &line.password_hash) {
            _ if account.has_password => PasswordChange::Keep,
            (Some(password), _) => PasswordChange::Set(Password::from(password.as_str())),
            (None, Some(hash)) => PasswordChange::SetHash(Password::from(hash.as_str())),
            (None, None) => PasswordChange::Keep,
        };
        Self {
            login_name: Some(&line.login_name)
                .filter(|name| !name.is_empty())
                .filter(|name| !is(Syntax::LoginName, name, &account.login_name))
                .cloned(),
            real_name: line
                .real_name
                .clone()
                .filter(|name| !is_real_name(account, name)),
            edits: edits.chain(assigned).collect(),
            password,
        }
    }

    /// The names of what changes; none: nothing does.
    pub(super) fn fields(&self) -> Vec<String> {
        let named = |name: &str, changes: bool| changes.then(|| name.to_owned());
        let edited = self.edits.iter().map(|edit| edit.attribute.clone());
        named("login_name", self.login_name.is_some())
            .into_iter()
            .chain(named("real_name", self.real_name.is_some()))
            .chain(edited)
            .chain(named("password", self.password != PasswordChange::Keep))
            .collect()
    }

    /// The change of that account, which must be as it was read.
    pub(super) fn change(self, account: &Account) -> UpdateAccount {
        UpdateAccount {
            etag: Some(account.etag.clone()),
            login_name: self.login_name,
            real_name: self.real_name,
            edits: self.edits,
            password: self.password,
            ..UpdateAccount::of(AccountName::Login(account.login_name.clone()))
        }
    }
}

/// Whether the account has the names and the attributes that a line gives a new account.
pub(super) fn is_as_new(schema: &Schema, account: &Account, line: &NewLine) -> bool {
    let real_name = line.new_real_name();
    let same_kind = line.is_new_service() == (account.kind == SERVICE);
    same_kind
        && real_name.is_some_and(|name| is_real_name(account, &name))
        && line
            .attributes
            .iter()
            .all(|asked| has(schema, account, asked))
        && (!line.assign_posix_number || has_posix_number(account))
}

fn has_posix_number(account: &Account) -> bool {
    let mut attributes = account.attributes.iter();
    attributes.any(|attribute| attribute.name == POSIX_NUMBER_NAME)
}

fn is_real_name(account: &Account, name: &str) -> bool {
    if name.is_empty() {
        return account.real_name.is_empty();
    }
    is(Syntax::RealName, name, &account.real_name)
}

/// Whether a text, in its normal form, is the value that an account has.
fn is(syntax: Syntax, text: &str, there: &str) -> bool {
    let value = syntax.parse(text);
    value.is_ok_and(|value| value.as_text() == Some(there))
}

/// Whether an account has these values of the attribute, in whatever order, and no others.
fn has(schema: &Schema, account: &Account, asked: &Attribute) -> bool {
    let Ok(attribute) = schema.by_name(&asked.name) else {
        return false;
    };
    let key = |text: &String| {
        let value = attribute.syntax.parse(text).ok()?;
        let mut referenced = account.referenced.iter();
        let names_it = |it: &&ReferencedAccount| {
            it.attribute == asked.name && value.as_text() == Some(&it.login_name)
        };
        let value = match referenced.find(names_it) {
            Some(account) => attribute.syntax.parse(&account.id).ok()?,
            None => value,
        };
        Some(attribute.syntax.key(&value))
    };
    let keys = |values: &[String]| values.iter().map(key).collect::<BTreeSet<_>>();
    let mut there = account.attributes.iter();
    let there = there.find(|there| there.name == asked.name);
    there.is_some_and(|there| keys(&there.values) == keys(&asked.values))
}
