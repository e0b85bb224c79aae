//! Groups between the wire and the directory's types.

use quorid_api::proto;
use quorid_directory::{Edit, GroupName, InvalidObjectId, Kind, Schema, Selector};

use super::{
    Invalid, account_name, address, assigned, edit, etag, given, other_attributes, referenced,
    request_id, set, shown, timestamp,
};
use crate::service::{GroupCreation, GroupEdit, Member, Shown};

/// The group that is to be made.
pub(crate) fn new_group(
    schema: &Schema,
    request: proto::CreateGroupRequest,
) -> Result<GroupCreation, Invalid> {
    let asked = request.group.unwrap_or_default();
    let name = vec![set(schema, "group_name", &asked.group_name)?];
    Ok(GroupCreation {
        edits: [
            name,
            given(schema, &asked.attributes)?,
            assigned(request.assign_posix_number),
        ]
        .concat(),
        request: request_id(&request.request_id)?,
    })
}

/// The edits of a group; it has no other fields that could be changed.
pub(crate) fn edits(schema: &Schema, asked: &[proto::AttributeEdit]) -> Result<Vec<Edit>, Invalid> {
    if asked.is_empty() {
        return Err(Invalid::FieldMask(
            "nothing to change: there are no edits; make some".to_owned(),
        ));
    }
    asked.iter().map(|asked| edit(schema, asked)).collect()
}

/// Who is to be a member and who not.
pub(crate) fn members(add: &[String], remove: &[String]) -> Result<GroupEdit, Invalid> {
    if add.is_empty() && remove.is_empty() {
        return Err(Invalid::FieldMask(
            "nothing to change: there are no members to add or to remove; name some".to_owned(),
        ));
    }
    let named = |names: &[String]| -> Result<Vec<_>, _> {
        names.iter().map(|name| object_name(name)).collect()
    };
    let (add, remove) = (named(add)?, named(remove)?);
    match add.iter().find(|member| remove.contains(member)) {
        Some(both) => Err(Invalid::FieldMask(format!(
            "{both} is both to be added and to be removed; name it once"
        ))),
        None => Ok(GroupEdit::Members { add, remove }),
    }
}

/// `groups/{id}` or `groups/name:{group_name}`.
pub(crate) fn group_name(name: &str) -> Result<Selector, Invalid> {
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
pub(crate) fn object_name(name: &str) -> Result<Selector, Invalid> {
    if name.starts_with("groups/") {
        group_name(name)
    } else {
        account_name(name)
    }
}

/// A group as clients see it.
pub(crate) fn group(shown: &Shown) -> proto::Group {
    let group = &shown.object;
    proto::Group {
        name: format!("groups/{}", group.id),
        id: group.id.to_string(),
        group_name: group.group_name().to_owned(),
        create_time: Some(timestamp(group.created.time)),
        create_address: address(shown, &group.created),
        create_actor: group.created.actor.to_string(),
        update_time: Some(timestamp(group.changed.time)),
        update_address: address(shown, &group.changed),
        update_actor: group.changed.actor.to_string(),
        etag: etag(group.version),
        attributes: other_attributes(shown),
        groups: Vec::new(),
        referenced: referenced(shown),
    }
}

/// A member of a group as clients see it.
pub(crate) fn member(member: &Member) -> proto::Member {
    let (list, login_name, group_name) = match member.kind {
        Kind::Person | Kind::Service => ("accounts", member.name.clone(), String::new()),
        Kind::Group => ("groups", String::new(), member.name.clone()),
    };
    proto::Member {
        name: format!("{list}/{}", member.id),
        id: member.id.to_string(),
        login_name,
        group_name,
    }
}
