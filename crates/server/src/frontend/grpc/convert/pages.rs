//! Pages of lists: how much of a list is asked for, and where it goes on.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quorid_directory::{
    GROUP_NAME, Kind, LOGIN_NAME, Object, ObjectId, Reserved, Revision, Syntax, UniqueKey, Value,
};

use super::Invalid;
use crate::service::HistoryCursor;

/// Accounts in a page, where the client doesn't say; and the most there are.
const PAGE_SIZE_MAX: usize = 1000;

/// First bytes of page tokens: each list has its own, and another layout gets another one.
const OF_ACCOUNTS: u8 = 1;
const OF_GROUPS: u8 = 2;
const OF_MEMBERS: u8 = 3;
const OF_HISTORY: u8 = 4;
const OF_DELETED: u8 = 5;
const OF_RESERVED: u8 = 6;

/// How many accounts a page gets.
pub(crate) fn page_size(asked: i32) -> Result<usize, Invalid> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE_SIZE_MAX),
        Ok(size) => Ok(size.min(PAGE_SIZE_MAX)),
        Err(_) => Err(Invalid::PageSize(asked)),
    }
}

/// Where the page after this account begins.
pub(crate) fn accounts_token(last: ObjectId) -> String {
    page_token(OF_ACCOUNTS, last.as_bytes())
}

/// The account that the page comes after; none for the first page.
pub(crate) fn accounts_start(token: &str) -> Result<Option<ObjectId>, Invalid> {
    page_start(OF_ACCOUNTS, token, |id| {
        Some(ObjectId::from_bytes(id.try_into().ok()?))
    })
}

/// Where the page after this deleted object begins.
pub(crate) fn deleted_token(last: ObjectId) -> String {
    page_token(OF_DELETED, last.as_bytes())
}

/// The deleted object that the page comes after; none for the first page.
pub(crate) fn deleted_start(token: &str) -> Result<Option<ObjectId>, Invalid> {
    page_start(OF_DELETED, token, |id| {
        Some(ObjectId::from_bytes(id.try_into().ok()?))
    })
}

/// Where the page after this reserved name begins.
pub(crate) fn reserved_token(last: &Reserved) -> String {
    let owner = last.owner.as_bytes().as_slice();
    page_token(OF_RESERVED, &[owner, &last.key.key].concat())
}

/// The reserved name that the page comes after; none for the first page.
pub(crate) fn reserved_start(token: &str) -> Result<Option<Reserved>, Invalid> {
    page_start(OF_RESERVED, token, |reserved| {
        let (owner, key) = reserved.split_first_chunk::<16>()?;
        Some(Reserved {
            owner: ObjectId::from_bytes(*owner),
            key: UniqueKey {
                attribute: LOGIN_NAME,
                key: key.to_vec(),
            },
        })
    })
}

/// Where the page after this group begins.
pub(crate) fn groups_token(last: &Object) -> String {
    let key = Syntax::GroupName.key(&Value::Text(last.group_name().to_owned()));
    page_token(OF_GROUPS, &key)
}

/// The group that the page comes after; none for the first page.
pub(crate) fn groups_start(token: &str) -> Result<Option<UniqueKey>, Invalid> {
    page_start(OF_GROUPS, token, |key| {
        Some(UniqueKey {
            attribute: GROUP_NAME,
            key: key.to_vec(),
        })
    })
}

/// Where the page after this member begins.
pub(crate) fn members_token(kind: Kind, id: ObjectId) -> String {
    page_token(OF_MEMBERS, &[&[kind.byte()], &id.as_bytes()[..]].concat())
}

/// The member that the page comes after; none for the first page.
pub(crate) fn members_start(token: &str) -> Result<Option<(Kind, ObjectId)>, Invalid> {
    page_start(OF_MEMBERS, token, |member| {
        let (kind, id) = member.split_first()?;
        Some((
            Kind::of_byte(*kind)?,
            ObjectId::from_bytes(id.try_into().ok()?),
        ))
    })
}

/// Where the history goes on.
pub(crate) fn history_token(next: HistoryCursor) -> String {
    let number = |revision: Option<Revision>| revision.map_or(0, |it| it.0).to_be_bytes();
    page_token(
        OF_HISTORY,
        &[number(next.own), number(next.mention)].concat(),
    )
}

/// Where the page of the history begins; none for the first page.
pub(crate) fn history_start(token: &str) -> Result<Option<HistoryCursor>, Invalid> {
    page_start(OF_HISTORY, token, |cursor| {
        let (own, mention) = cursor.split_first_chunk::<8>()?;
        let revision = |bytes| {
            let number = u64::from_be_bytes(bytes);
            (number != 0).then_some(Revision(number))
        };
        Some(HistoryCursor {
            own: revision(*own),
            mention: revision(mention.try_into().ok()?),
        })
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
            "the page token is not one of this list; send next_page_token as it came, or none to \
             begin at the first page"
                .to_owned(),
        )
    })
}
