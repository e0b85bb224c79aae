//! Who is a member of which group: each membership twice, to be read from either side.

use quorid_directory::{Kind, Membership, ObjectId};
use quorid_storage::{Batch, Digested, Fault, Rows, Shape, StoreView, Table};

use super::{
    field::{missing, sixteen},
    object,
};

/// Group id (16 bytes), kind of the member (1 byte, see `Kind::byte`), id of the
/// member (16 bytes), to nothing.
pub(super) const TABLE: Table = Table {
    number: 7,
    name: "members",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole: |_: &StoreView| Ok(()),
};

/// Id of the member (16 bytes), group id (16 bytes), to nothing.
pub(super) const GROUPS_OF: Table = Table {
    number: 8,
    name: "groups_of",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    check_row: check_group_of,
    check_whole: check_sides,
};

const STORING: &str = "storing a received snapshot";

/// Objects come before their memberships.
fn check_row(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let membership = membership(key)?;
    let kind_of = |id| -> Result<_, Fault> { Ok(object::find(batch, id)?.map(|it| it.kind)) };
    let fits = kind_of(&membership.group)? == Some(Kind::Group)
        && kind_of(&membership.member)? == Some(membership.kind);
    if !fits || !value.is_empty() {
        return Err(Fault::new(
            STORING,
            "a membership is not of a group and an object",
        ));
    }
    Ok(())
}

/// Memberships of groups come before those of members.
fn check_group_of(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let (member, group) = member_and_group(key)?;
    let kind = object::find(batch, &member)?.map(|object| object.kind);
    let there = match kind {
        Some(kind) => is_member(
            batch,
            &Membership {
                group,
                kind,
                member,
            },
        )?,
        None => false,
    };
    if !there || !value.is_empty() {
        return Err(Fault::new(
            STORING,
            "a member is not in the group that it names",
        ));
    }
    Ok(())
}

/// Every membership is there from both sides, given that every one of a member is one of its group.
fn check_sides(view: &StoreView) -> Result<(), Fault> {
    let (of_groups, of_members) = (view.count(&TABLE)?, view.count(&GROUPS_OF)?);
    if of_groups != of_members {
        return Err(Fault::new(
            "reading the state",
            format!("groups have {of_groups} members, but members have {of_members} groups"),
        ));
    }
    Ok(())
}

pub(super) fn is_member(rows: &impl Rows, membership: &Membership) -> Result<bool, Fault> {
    let found = rows.get(&TABLE, &row_key(membership), |_| Ok(()))?;
    Ok(found.is_some())
}

pub(super) fn put(batch: &mut Batch<'_>, membership: &Membership) -> Result<(), Fault> {
    batch.insert(&TABLE, &row_key(membership), &[])?;
    batch.insert(&GROUPS_OF, &group_of_key(membership), &[])
}

pub(super) fn remove(batch: &mut Batch<'_>, membership: &Membership) -> Result<(), Fault> {
    batch.remove(&TABLE, &row_key(membership))?;
    batch.remove(&GROUPS_OF, &group_of_key(membership))
}

/// The groups that have the object as a member themselves, by id.
pub(super) fn groups_of(rows: &impl Rows, member: &ObjectId) -> Result<Vec<ObjectId>, Fault> {
    let mut groups = Vec::new();
    rows.scan(&GROUPS_OF, Some(member.as_bytes()), |key, _| {
        let (of, group) = member_and_group(key)?;
        if of == *member {
            groups.push(group);
        }
        Ok(of == *member)
    })?;
    Ok(groups)
}

/// The members of a kind, by id, `limit` at most.
pub(super) fn of_kind(
    rows: &impl Rows,
    group: &ObjectId,
    kind: Kind,
    limit: usize,
) -> Result<Vec<ObjectId>, Fault> {
    let mut members = Vec::new();
    scan(rows, group, Some(&start_of(group, kind)), |membership| {
        let more = membership.kind == kind && members.len() < limit;
        if more {
            members.push(membership.member);
        }
        more
    })?;
    Ok(members)
}

/// Members of a group by kind and id, from the first one after `after`, and whether there are more:
/// at most `limit`.
pub(super) fn list(
    rows: &impl Rows,
    group: &ObjectId,
    after: Option<&Membership>,
    limit: usize,
) -> Result<(Vec<Membership>, bool), Fault> {
    let (mut members, mut more) = (Vec::new(), false);
    scan(rows, group, after.map(row_key).as_deref(), |membership| {
        more = members.len() == limit;
        if !more {
            members.push(membership);
        }
        !more
    })?;
    Ok((members, more))
}

fn scan(
    rows: &impl Rows,
    group: &ObjectId,
    after: Option<&[u8]>,
    mut row: impl FnMut(Membership) -> bool,
) -> Result<(), Fault> {
    let after = after.unwrap_or(group.as_bytes());
    rows.scan(&TABLE, Some(after), |key, _| {
        let membership = membership(key)?;
        Ok(membership.group == *group && row(membership))
    })
}

pub(super) fn row_key(membership: &Membership) -> Vec<u8> {
    let kind = start_of(&membership.group, membership.kind);
    [kind.as_slice(), membership.member.as_bytes()].concat()
}

/// Before all members of the kind.
fn start_of(group: &ObjectId, kind: Kind) -> Vec<u8> {
    [group.as_bytes().as_slice(), &[kind.byte()]].concat()
}

fn group_of_key(membership: &Membership) -> Vec<u8> {
    [*membership.member.as_bytes(), *membership.group.as_bytes()].concat()
}

pub(super) fn membership(key: &[u8]) -> Result<Membership, Fault> {
    let (group, rest) = key.split_at_checked(16).unwrap_or_default();
    let (kind, member) = rest.split_first().unwrap_or((&0, &[]));
    Ok(Membership {
        group: ObjectId::from_bytes(sixteen(group, "group id")?),
        kind: Kind::of_byte(*kind).ok_or_else(|| missing("kind of a member"))?,
        member: ObjectId::from_bytes(sixteen(member, "member id")?),
    })
}

fn member_and_group(key: &[u8]) -> Result<(ObjectId, ObjectId), Fault> {
    let (member, group) = key.split_at_checked(16).unwrap_or_default();
    Ok((
        ObjectId::from_bytes(sixteen(member, "member id")?),
        ObjectId::from_bytes(sixteen(group, "group id")?),
    ))
}
