//! Between the wire and the directory's types: everything that a client can get wrong in a
//! message is found here.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use prost_types::{FieldMask, Timestamp};
use quorid_api::proto;
use quorid_directory::{
    ATTRIBUTES, Attribute, Edit, EditAction, GROUP_NAME, GroupName, InvalidObjectId, InvalidValue,
    Kind, LOGIN_NAME, LoginName, Membership, Object, ObjectId, Password, REAL_NAME, RequestId,
    Revision, Selector, Syntax, Time, UniqueKey, Value,
};
use zeroize::Zeroizing;

use super::Invalid;
use crate::{
    access::Denied,
    service::{
        AccountChange, AccountRemoval, Consistency, GroupEdit, Login, NewAccount, NewGroup,
        PasswordChange,
    },
};

/// Accounts in a page, where the client doesn't say; and the most there are.
const PAGE_SIZE_MAX: usize = 1000;

/// First bytes of page tokens: each list has its own, and another layout gets another one.
const OF_ACCOUNTS: u8 = 1;
const OF_GROUPS: u8 = 2;
const OF_MEMBERS: u8 = 3;

/// The account that is to be made.
pub(super) fn new_account(mut request: proto::CreateAccountRequest) -> Result<NewAccount, Invalid> {
    let asked = request.account.unwrap_or_default();
    let names = [
        set("login_name", &asked.login_name)?,
        set("real_name", &asked.real_name)?,
    ];
    Ok(NewAccount {
        edits: [names.to_vec(), given(&asked.attributes)?].concat(),
        password: password(&mut request.password)?,
        request: request_id(&request.request_id)?,
    })
}

/// The group that is to be made.
pub(super) fn new_group(request: proto::CreateGroupRequest) -> Result<NewGroup, Invalid> {
    let asked = request.group.unwrap_or_default();
    let name = vec![set("group_name", &asked.group_name)?];
    Ok(NewGroup {
        edits: [name, given(&asked.attributes)?].concat(),
        request: request_id(&request.request_id)?,
    })
}

/// The attributes of something new.
fn given(attributes: &[proto::Attribute]) -> Result<Vec<Edit>, Invalid> {
    let given = attributes.iter().map(|given| {
        edit(&proto::AttributeEdit {
            attribute: given.name.clone(),
            action: proto::attribute_edit::Action::Add.into(),
            values: given.values.clone(),
        })
    });
    given.collect()
}

/// The edits of a group; it has no other fields that could be changed.
pub(super) fn edits(asked: &[proto::AttributeEdit]) -> Result<Vec<Edit>, Invalid> {
    if asked.is_empty() {
        return Err(Invalid::FieldMask(
            "nothing to change: there are no edits; make some".to_owned(),
        ));
    }
    asked.iter().map(edit).collect()
}

/// Who is to be a member and who not.
pub(super) fn members(add: &[String], remove: &[String]) -> Result<GroupEdit, Invalid> {
    if add.is_empty() && remove.is_empty() {
        return Err(Invalid::FieldMask(
            "nothing to change: there are no members to add or to remove; name some".to_owned(),
        ));
    }
    let named = |names: &[String]| -> Result<Vec<_>, _> {
        names.iter().map(|name| member_name(name)).collect()
    };
    Ok(GroupEdit::Members {
        add: named(add)?,
        remove: named(remove)?,
    })
}

/// The change that is to be made.
pub(super) fn account_change(
    mut request: proto::UpdateAccountRequest,
) -> Result<AccountChange, Invalid> {
    let asked = request.account.unwrap_or_default();
    let account = account_name(&asked.name)?;
    let update = update(
        &asked,
        &mut request.new_password,
        request.update_mask,
        &request.edits,
    )?;
    Ok(AccountChange {
        account,
        expected_version: expected_version(&asked.etag)?,
        edits: update.edits,
        password: update.password,
        current_password: password(&mut request.current_password)?,
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
            "`{}` doesn't name an account; write accounts/{{id}} or accounts/login:{{login_name}}",
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

/// `groups/{id}` or `groups/name:{group_name}`.
pub(super) fn group_name(name: &str) -> Result<Selector, Invalid> {
    let rest = name.strip_prefix("groups/").ok_or_else(|| {
        Invalid::GroupName(format!(
            "`{}` does not name a group; write groups/{{id}} or groups/name:{{group_name}}",
            shown(name)
        ))
    })?;
    if let Some(group_name) = rest.strip_prefix("name:") {
        return GroupName::parse(group_name)
            .map(Selector::GroupName)
            .map_err(|why| Invalid::GroupName(format!("`{}`: {why}", shown(group_name))));
    }
    let id = rest
        .parse()
        .map_err(|error: InvalidObjectId| Invalid::GroupName(error.to_string()))?;
    Ok(Selector::GroupId(id))
}

/// An account or a group.
fn member_name(name: &str) -> Result<Selector, Invalid> {
    if name.starts_with("groups/") {
        group_name(name)
    } else {
        account_name(name)
    }
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

fn login_name(text: &str) -> Result<LoginName, Invalid> {
    LoginName::parse(text).map_err(|error| Invalid::LoginName(error.to_string()))
}

/// A change of an attribute of an account.
fn edit(asked: &proto::AttributeEdit) -> Result<Edit, Invalid> {
    use proto::attribute_edit::Action;
    let attribute = quorid_directory::attribute(&asked.attribute).map_err(Invalid::Attribute)?;
    let values = asked.values.iter().map(|text| value(attribute, text));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let action = Action::try_from(asked.action).unwrap_or_default();
    let name = attribute.name;
    let action = match action {
        Action::Unspecified => {
            return Err(Invalid::Edit(format!(
                "the edit of {name} has the action {}; use ACTION_ADD (1), ACTION_REMOVE (2), \
                 ACTION_REPLACE (3) or ACTION_CLEAR (4)",
                asked.action
            )));
        }
        Action::Clear if values.is_empty() => EditAction::Clear,
        Action::Clear => {
            return Err(Invalid::Edit(format!(
                "the edit of {name} clears it and has values; leave them out, or remove them"
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
fn set(name: &str, text: &str) -> Result<Edit, Invalid> {
    let attribute = quorid_directory::attribute(name).map_err(Invalid::Attribute)?;
    Ok(Edit::set(attribute.number, value(attribute, text)?))
}

fn value(attribute: &Attribute, text: &str) -> Result<Value, Invalid> {
    attribute.syntax.parse(text).map_err(|why| match why {
        InvalidValue::Name(why) if attribute.number == LOGIN_NAME => {
            Invalid::LoginName(why.to_string())
        }
        InvalidValue::Name(why) => Invalid::RealName(why.to_string()),
        InvalidValue::Empty
        | InvalidValue::TooLong { .. }
        | InvalidValue::Character { .. }
        | InvalidValue::Shape { .. } => Invalid::Value {
            attribute: attribute.name,
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

/// A password in whose place there cannot be none.
pub(super) fn needed_password(field: &mut String) -> Result<Password, Invalid> {
    password(field)?.ok_or_else(|| Invalid::Password("the password is missing".to_owned()))
}

/// The request id, where the client made one.
pub(super) fn request_id(field: &str) -> Result<Option<RequestId>, Invalid> {
    if field.is_empty() {
        return Ok(None);
    }
    field
        .parse()
        .map(Some)
        .map_err(|error| Invalid::RequestId(format!("{error}")))
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
                "`{}` isn't an etag of this directory; send one as it came with an account",
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

/// How many accounts a page gets.
pub(super) fn page_size(asked: i32) -> Result<usize, Invalid> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE_SIZE_MAX),
        Ok(size) => Ok(size.min(PAGE_SIZE_MAX)),
        Err(_) => Err(Invalid::PageSize(asked)),
    }
}

/// Where the page after this account begins.
pub(super) fn accounts_token(last: ObjectId) -> String {
    page_token(OF_ACCOUNTS, last.as_bytes())
}

/// The account that the page comes after; none for the first page.
pub(super) fn accounts_start(token: &str) -> Result<Option<ObjectId>, Invalid> {
    page_start(OF_ACCOUNTS, token, |id| {
        Some(ObjectId::from_bytes(id.try_into().ok()?))
    })
}

/// Where the page after this group begins.
pub(super) fn groups_token(last: &Object) -> String {
    let key = Syntax::GroupName.key(&Value::Text(last.group_name().to_owned()));
    page_token(OF_GROUPS, &key)
}

/// The group that the page comes after; none for the first page.
pub(super) fn groups_start(token: &str) -> Result<Option<UniqueKey>, Invalid> {
    page_start(OF_GROUPS, token, |key| {
        Some(UniqueKey {
            attribute: GROUP_NAME,
            key: key.to_vec(),
        })
    })
}

/// Where the page after this member begins.
pub(super) fn members_token(last: &Membership) -> String {
    let kind = match last.kind {
        Kind::Person => 1,
        Kind::Group => 2,
    };
    page_token(OF_MEMBERS, &[&[kind], &last.member.as_bytes()[..]].concat())
}

/// The member that the page comes after; none for the first page.
pub(super) fn members_start(token: &str) -> Result<Option<(Kind, ObjectId)>, Invalid> {
    page_start(OF_MEMBERS, token, |member| {
        let (kind, id) = member.split_first()?;
        let kind = match kind {
            1 => Kind::Person,
            2 => Kind::Group,
            _ => return None,
        };
        Some((kind, ObjectId::from_bytes(id.try_into().ok()?)))
    })
}

/// Version (1 byte), content, CRC-32 of both (4, big-endian), as unpadded base64url.
fn page_token(version: u8, content: &[u8]) -> String {
    let mut bytes = [&[version], content].concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn page_start<T>(
    version: u8,
    token: &str,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, Invalid> {
    if token.is_empty() {
        return Ok(None);
    }
    let start = || {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        let whole = crc32fast::hash(content).to_be_bytes() == *crc;
        let (of, content) = content.split_first()?;
        read(content).filter(|_| whole && *of == version)
    };
    start().map(Some).ok_or_else(|| {
        Invalid::PageToken(
            "the page token isn't one of this list; send next_page_token as it came, or none to \
             begin at the first page"
                .to_owned(),
        )
    })
}

/// What an update is to change.
#[derive(Debug)]
struct Update {
    edits: Vec<Edit>,
    password: PasswordChange,
}

/// Applies the field mask. Without one, every field that isn't empty is meant (AIP-134).
fn update(
    account: &proto::Account,
    new_password: &mut String,
    mask: Option<FieldMask>,
    edits: &[proto::AttributeEdit],
) -> Result<Update, Invalid> {
    let password = password(new_password)?;
    let mut paths = mask.unwrap_or_default().paths;
    if paths.is_empty() {
        let filled = [
            ("login_name", !account.login_name.is_empty()),
            ("real_name", !account.real_name.is_empty()),
            ("password", password.is_some()),
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
    let mut update = Update {
        edits: Vec::new(),
        password: PasswordChange::Keep,
    };
    for path in &paths {
        match path.as_str() {
            "login_name" => update.edits.push(set("login_name", &account.login_name)?),
            "real_name" => update.edits.push(set("real_name", &account.real_name)?),
            "password" => {
                update.password = match &password {
                    Some(password) => PasswordChange::Set(password.clone()),
                    None => PasswordChange::Remove,
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
    if password.is_some() && matches!(update.password, PasswordChange::Keep) {
        return Err(Invalid::FieldMask(
            "new_password is given, but update_mask doesn't have `password`".to_owned(),
        ));
    }
    for asked in edits {
        update.edits.push(edit(asked)?);
    }
    Ok(update)
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
pub(super) fn account(account: &Object) -> proto::Account {
    proto::Account {
        name: format!("accounts/{}", account.id),
        id: account.id.to_string(),
        login_name: account.login_name().to_owned(),
        real_name: account.text(REAL_NAME).to_owned(),
        create_time: Some(timestamp(account.created.time)),
        create_address: account.created.client.to_string(),
        update_time: Some(timestamp(account.changed.time)),
        update_address: account.changed.client.to_string(),
        has_password: account.password_version.is_some(),
        etag: etag(account.version),
        attributes: other_attributes(account),
        groups: Vec::new(),
    }
}

/// A group as clients see it.
pub(super) fn group(group: &Object) -> proto::Group {
    proto::Group {
        name: format!("groups/{}", group.id),
        id: group.id.to_string(),
        group_name: group.group_name().to_owned(),
        create_time: Some(timestamp(group.created.time)),
        create_address: group.created.client.to_string(),
        update_time: Some(timestamp(group.changed.time)),
        update_address: group.changed.client.to_string(),
        etag: etag(group.version),
        attributes: other_attributes(group),
        groups: Vec::new(),
    }
}

/// A member of a group as clients see it.
pub(super) fn member(object: &Object) -> proto::Member {
    let list = match object.kind {
        Kind::Person => "accounts",
        Kind::Group => "groups",
    };
    proto::Member {
        name: format!("{list}/{}", object.id),
        id: object.id.to_string(),
        login_name: object.login_name().to_owned(),
        group_name: object.group_name().to_owned(),
    }
}

/// All but those that have a field of their own.
fn other_attributes(object: &Object) -> Vec<proto::Attribute> {
    let others = ATTRIBUTES
        .iter()
        .filter(|attribute| ![LOGIN_NAME, REAL_NAME, GROUP_NAME].contains(&attribute.number));
    others
        .map(|attribute| proto::Attribute {
            name: attribute.name.to_owned(),
            values: object
                .values(attribute.number)
                .iter()
                .map(ToString::to_string)
                .collect(),
        })
        .filter(|attribute| !attribute.values.is_empty())
        .collect()
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
