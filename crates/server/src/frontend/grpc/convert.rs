//! Between the wire and the directory's types: everything that a client can get wrong in a
//! message is found here.

mod changes;
mod deleted;
mod groups;
mod pages;
mod schema;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost_types::{FieldMask, Timestamp};
use quorid_api::proto;
use quorid_directory::{
    Attribute, Edit, EditAction, Filter, GROUP_NAME, InvalidValue, Kind, LOGIN_NAME, LoginName,
    Password, REAL_NAME, RequestId, Revision, Schema, Selector, Stamp, Time, Value, Verifier,
};
use zeroize::Zeroizing;

pub(super) use self::{
    changes::change,
    deleted::{deleted_object, reserved_name, restored},
    groups::{edits, group, group_name, member, members, new_group, object_name},
    pages::{
        accounts_start, accounts_token, deleted_start, deleted_token, groups_start, groups_token,
        history_start, history_token, members_start, members_token, page_size, reserved_start,
        reserved_token,
    },
    schema::{attribute_row, definition},
};
use super::Invalid;
use crate::{
    access::Denied,
    passwords::given_hash,
    service::{
        AccountChange, AccountCreation, AccountRemoval, Consistency, Login, PasswordChange, Shown,
    },
};

/// The words for the kinds of accounts.
const PERSON: &str = "person";
const SERVICE: &str = "service";

/// The kinds of accounts that a list is of.
pub(super) fn kinds(asked: i32) -> Result<&'static [Kind], Invalid> {
    use proto::AccountKinds as Kinds;
    match Kinds::try_from(asked) {
        Ok(Kinds::Unspecified) => Ok(Kind::ACCOUNTS),
        Ok(Kinds::Persons) => Ok(Kind::PERSONS),
        Ok(Kinds::Services) => Ok(&[Kind::Service]),
        Err(_) => Err(Invalid::Message(format!(
            "kinds is {asked}; use ACCOUNT_KINDS_PERSONS (1), ACCOUNT_KINDS_SERVICES (2), or leave it out"
        ))),
    }
}

/// The account that is to be made.
pub(super) fn new_account(
    schema: &Schema,
    mut request: proto::CreateAccountRequest,
) -> Result<AccountCreation, Invalid> {
    let asked = request.account.unwrap_or_default();
    let kind = match asked.kind.as_str() {
        "" | PERSON => Kind::Person,
        SERVICE => Kind::Service,
        other => {
            let kind = shown(other);
            return Err(Invalid::Message(format!(
                "account.kind is `{kind}`; use {PERSON} or {SERVICE}"
            )));
        }
    };
    let mut names = vec![set(schema, "login_name", &asked.login_name)?];
    if kind == Kind::Person || !asked.real_name.is_empty() {
        names.push(set(schema, "real_name", &asked.real_name)?);
    }
    Ok(AccountCreation {
        kind,
        edits: [
            names,
            given(schema, &asked.attributes)?,
            assigned(request.assign_posix_number),
        ]
        .concat(),
        verifier: password_hash(&request.password, &mut request.password_hash)?,
        password: password(&mut request.password)?,
        request: request_id(&request.request_id)?,
    })
}

/// A number, where one is asked for.
fn assigned(posix_number: bool) -> Vec<Edit> {
    let edit = posix_number.then(Edit::assign_posix_number);
    edit.into_iter().collect()
}

/// The attributes of something new.
fn given(schema: &Schema, attributes: &[proto::Attribute]) -> Result<Vec<Edit>, Invalid> {
    let given = attributes.iter().map(|given| {
        let asked = proto::AttributeEdit {
            attribute: given.name.clone(),
            action: proto::attribute_edit::Action::Add.into(),
            values: given.values.clone(),
        };
        edit(schema, &asked)
    });
    given.collect()
}

/// The change that is to be made.
pub(super) fn account_change(
    schema: &Schema,
    mut request: proto::UpdateAccountRequest,
) -> Result<AccountChange, Invalid> {
    let asked = request.account.unwrap_or_default();
    let account = account_name(&asked.name)?;
    let new_hash = password_hash(&request.new_password, &mut request.new_password_hash)?;
    let (edits, password) = update(
        schema,
        &asked,
        &mut request.new_password,
        new_hash,
        request.update_mask,
        &request.edits,
    )?;
    Ok(AccountChange {
        account,
        expected_version: expected_version(&asked.etag)?,
        edits,
        password,
        current_password: self::password(&mut request.current_password)?,
        request: request_id(&request.request_id)?,
    })
}

/// The removal that is to be made.
pub(super) fn account_removal(
    mut request: proto::DeleteAccountRequest,
) -> Result<AccountRemoval, Invalid> {
    Ok(AccountRemoval {
        account: account_name(&request.name)?,
        expected_version: expected_version(&request.etag)?,
        current_password: password(&mut request.current_password)?,
        request: request_id(&request.request_id)?,
    })
}

/// `accounts/{id}` or `accounts/login:{login_name}`.
pub(super) fn account_name(name: &str) -> Result<Selector, Invalid> {
    let malformed = || {
        Invalid::AccountName(format!(
            "`{}` does not name an account; write accounts/{{id}} or accounts/login:{{login_name}}",
            shown(name)
        ))
    };
    let rest = name.strip_prefix("accounts/").ok_or_else(malformed)?;
    if let Some(login_name) = rest.strip_prefix("login:") {
        return Ok(Selector::LoginName(self::login_name(login_name)?));
    }
    let id = rest
        .parse()
        .map_err(|error| Invalid::AccountName(format!("{error}")))?;
    Ok(Selector::Id(id))
}

/// A name that is quoted in an error, shortened where it is long.
fn shown(name: &str) -> String {
    const CHARS_MAX: usize = 80;
    let mut shown: String = name
        .chars()
        .take(CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

pub(super) fn login_name(text: &str) -> Result<LoginName, Invalid> {
    Ok(LoginName::parse(text)?)
}

/// A change of an attribute of an account.
fn edit(schema: &Schema, asked: &proto::AttributeEdit) -> Result<Edit, Invalid> {
    use proto::attribute_edit::Action;
    let attribute = schema.by_name(&asked.attribute)?;
    let values = asked.values.iter().map(|text| value(attribute, text));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let action = Action::try_from(asked.action).unwrap_or_default();
    let name = &attribute.name;
    let action = match action {
        Action::Unspecified => {
            return Err(Invalid::Edit(format!(
                "the edit of {name} has the action {}; use ACTION_ADD (1), ACTION_REMOVE (2), \
                 ACTION_REPLACE (3), ACTION_CLEAR (4) or ACTION_ASSIGN (5)",
                asked.action
            )));
        }
        Action::Clear if values.is_empty() => EditAction::Clear,
        Action::Assign if values.is_empty() => EditAction::Assign,
        Action::Clear | Action::Assign => {
            return Err(Invalid::Edit(format!(
                "the edit of {name} clears or assigns it and has values; leave them out, or remove them"
            )));
        }
        Action::Add | Action::Remove | Action::Replace if values.is_empty() => {
            return Err(Invalid::Edit(format!(
                "the edit of {name} has no values; give some, or clear it"
            )));
        }
        Action::Add => EditAction::Add(values),
        Action::Remove => EditAction::Remove(values),
        Action::Replace => EditAction::Replace(values),
    };
    Ok(Edit {
        attribute: attribute.number,
        action,
    })
}

/// The attribute gets this value and no other.
fn set(schema: &Schema, name: &str, text: &str) -> Result<Edit, Invalid> {
    let attribute = schema.by_name(name)?;
    Ok(Edit::set(attribute.number, value(attribute, text)?))
}

fn value(attribute: &Attribute, text: &str) -> Result<Value, Invalid> {
    attribute.syntax.parse(text).map_err(|why| match why {
        InvalidValue::Name(why) if attribute.number == LOGIN_NAME => Invalid::LoginName(why),
        InvalidValue::Name(why) => Invalid::RealName(why),
        InvalidValue::Empty
        | InvalidValue::TooLong { .. }
        | InvalidValue::Character { .. }
        | InvalidValue::Shape { .. } => Invalid::Value {
            attribute: attribute.name.to_string(),
            why,
        },
    })
}

/// Takes a password out of its message. None where the field is empty.
fn password(field: &mut String) -> Result<Option<Password>, Invalid> {
    let typed = Zeroizing::new(std::mem::take(field));
    if typed.is_empty() {
        return Ok(None);
    }
    Password::parse(&typed)
        .map(Some)
        .map_err(|error| Invalid::Password(error.to_string()))
}

/// A hash that another program made, if there is one in place of the password.
fn password_hash(password: &str, field: &mut String) -> Result<Option<Verifier>, Invalid> {
    let hash = std::mem::take(field);
    match (password, hash.as_str()) {
        (_, "") => Ok(None),
        ("", hash) => Ok(Some(given_hash(hash)?)),
        (_, _) => Err(Invalid::Password(
            "a password and a password_hash are given; give one of them".to_owned(),
        )),
    }
}

/// A password in whose place there cannot be none.
pub(super) fn needed_password(field: &mut String) -> Result<Password, Invalid> {
    password(field)?.ok_or_else(|| Invalid::Password("the password is missing".to_owned()))
}

/// The request id, where the client made one.
pub(super) fn request_id(field: &str) -> Result<Option<RequestId>, Invalid> {
    if field.is_empty() {
        return Ok(None);
    }
    Ok(Some(field.parse()?))
}

/// An account's version as its etag: lower-case hexadecimal.
pub(super) fn etag(version: Revision) -> String {
    format!("{:x}", version.0)
}

/// The version that an etag asks for; none where it is empty. Quotes, as HTTP has them, are
/// taken too.
pub(super) fn expected_version(etag: &str) -> Result<Option<Revision>, Invalid> {
    if etag.is_empty() {
        return Ok(None);
    }
    let digits = etag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(etag);
    let hexadecimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16)
        .ok()
        // No account has version 0: it stands for any version in a command.
        .filter(|version| hexadecimal && *version != 0)
        .map(|version| Some(Revision(version)))
        .ok_or_else(|| {
            Invalid::Etag(format!(
                "`{}` is not an etag of this directory; send one as it came with an account",
                shown(etag)
            ))
        })
}

/// How fresh a read has to be.
pub(super) fn consistency(read: Option<proto::ReadOptions>) -> Result<Consistency, Invalid> {
    let read = read.unwrap_or_default();
    let asked = proto::Consistency::try_from(read.consistency)
        .map_err(|_| Invalid::ReadOptions(read.consistency))?;
    Ok(match asked {
        proto::Consistency::Unspecified | proto::Consistency::Linearizable => {
            Consistency::Linearizable
        }
        proto::Consistency::AtLeastRevision => Consistency::AtLeast(Revision(read.min_revision)),
        proto::Consistency::Stale => Consistency::Stale,
    })
}

/// The condition of a search; none where the text is empty.
pub(super) fn filter(schema: &Schema, text: &str) -> Result<Option<Filter>, Invalid> {
    match text.trim() {
        "" => Ok(None),
        text => Ok(Some(Filter::parse(schema, text)?)),
    }
}

/// Applies the field mask. Without one, every field that isn't empty is meant (AIP-134).
fn update(
    schema: &Schema,
    account: &proto::Account,
    new_password: &mut String,
    new_hash: Option<Verifier>,
    mask: Option<FieldMask>,
    edits: &[proto::AttributeEdit],
) -> Result<(Vec<Edit>, PasswordChange), Invalid> {
    let new_password = password(new_password)?;
    let mut paths = mask.unwrap_or_default().paths;
    if paths.is_empty() {
        let filled = [
            ("login_name", !account.login_name.is_empty()),
            ("real_name", !account.real_name.is_empty()),
            ("password", new_password.is_some() || new_hash.is_some()),
        ];
        paths = filled
            .iter()
            .filter(|(_, filled)| *filled)
            .map(|(path, _)| (*path).to_owned())
            .collect();
    }
    if paths.is_empty() && edits.is_empty() {
        return Err(Invalid::FieldMask(
            "nothing to change: update_mask is empty, and so are the fields and the edits; \
             name some of login_name, real_name, password, or make edits"
                .to_owned(),
        ));
    }
    let (mut changes, mut password) = (Vec::new(), PasswordChange::Keep);
    for path in &paths {
        match path.as_str() {
            "login_name" => changes.push(set(schema, "login_name", &account.login_name)?),
            "real_name" => changes.push(set(schema, "real_name", &account.real_name)?),
            "password" => {
                password = match (&new_password, &new_hash) {
                    (Some(new), _) => PasswordChange::Set(new.clone()),
                    (None, Some(hash)) => PasswordChange::SetVerifier(hash.clone()),
                    (None, None) => PasswordChange::Remove,
                }
            }
            unknown => {
                return Err(Invalid::FieldMask(format!(
                    "update_mask has `{}`; what can be changed is login_name, real_name and \
                     password, each by its name",
                    shown(unknown)
                )));
            }
        }
    }
    let given = new_password.is_some() || new_hash.is_some();
    if given && matches!(password, PasswordChange::Keep) {
        return Err(Invalid::FieldMask(
            "new_password or its hash is given, but update_mask does not have `password`"
                .to_owned(),
        ));
    }
    for asked in edits {
        changes.push(edit(schema, asked)?);
    }
    Ok((changes, password))
}

/// `Basic base64(login name:password)`.
pub(super) fn login(header: &str) -> Result<Login, Denied> {
    let decode = || {
        let (scheme, credentials) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let bytes = Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
        let text = std::str::from_utf8(&bytes).ok()?;
        let (login_name, password) = text.split_once(':')?;
        Some((login_name.to_owned(), Zeroizing::new(password.to_owned())))
    };
    let (login_name, password) = decode().ok_or(Denied::MalformedLogin)?;
    // What cannot be a name or a password cannot be those of an account either.
    match (LoginName::parse(&login_name), Password::parse(&password)) {
        (Ok(login_name), Ok(password)) => Ok(Login {
            login_name,
            password,
        }),
        (Err(_), _) | (_, Err(_)) => Err(Denied::WrongPassword),
    }
}

/// An account as clients see it: all but the verifier.
pub(super) fn account(shown: &Shown) -> proto::Account {
    let account = &shown.object;
    proto::Account {
        name: format!("accounts/{}", account.id),
        id: account.id.to_string(),
        login_name: account.login_name().to_owned(),
        real_name: account.text(REAL_NAME).to_owned(),
        create_time: Some(timestamp(account.created.time)),
        create_address: address(shown, &account.created),
        create_actor: account.created.actor.to_string(),
        update_time: Some(timestamp(account.changed.time)),
        update_address: address(shown, &account.changed),
        update_actor: account.changed.actor.to_string(),
        has_password: account.password_version.is_some(),
        etag: etag(account.version),
        attributes: other_attributes(shown),
        groups: Vec::new(),
        kind: match account.kind {
            Kind::Service => SERVICE,
            Kind::Person | Kind::Group => PERSON,
        }
        .to_owned(),
        referenced: referenced(shown),
    }
}

/// The accounts that an object refers to, and are there.
fn referenced(shown: &Shown) -> Vec<proto::ReferencedAccount> {
    let accounts = shown.referenced.iter();
    accounts
        .map(|it| proto::ReferencedAccount {
            attribute: shown.schema.name(it.attribute).name.into_owned(),
            id: it.id.to_string(),
            login_name: it.login_name.clone(),
        })
        .collect()
}

/// All but those that have a field of their own.
fn other_attributes(shown: &Shown) -> Vec<proto::Attribute> {
    let object = &shown.object;
    let rows = shown.schema.rows().iter();
    let others =
        rows.filter(|attribute| ![LOGIN_NAME, REAL_NAME, GROUP_NAME].contains(&attribute.number));
    others
        .map(|attribute| proto::Attribute {
            name: attribute.name.to_string(),
            values: object
                .values(attribute.number)
                .iter()
                .map(ToString::to_string)
                .collect(),
        })
        .filter(|attribute| !attribute.values.is_empty())
        .collect()
}

/// Empty for those whom it does not concern.
fn address(shown: &Shown, stamp: &Stamp) -> String {
    let address = shown.addresses.then(|| stamp.client.to_string());
    address.unwrap_or_default()
}

fn timestamp(time: Time) -> Timestamp {
    let nanos = u32::try_from(time.0 % 1000).expect("less than 1000") * 1_000_000;
    Timestamp {
        seconds: i64::try_from(time.0 / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos).expect("less than a second"),
    }
}

#[cfg(test)]
mod tests;
