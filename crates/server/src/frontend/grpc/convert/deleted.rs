//! What was deleted, between the wire and the directory's types.

use quorid_api::proto::{self, deleted_object, restore_response};
use quorid_directory::Kind;

use super::{account, group, timestamp};
use crate::service::{DeletedObject, ReservedName, Shown};

/// A deleted account or group as clients see it.
pub(crate) fn deleted_object(deleted: &DeletedObject) -> proto::DeletedObject {
    let shown = &deleted.shown;
    let stamp = &deleted.deleted;
    proto::DeletedObject {
        object: Some(match shown.object.kind {
            Kind::Person | Kind::Service => deleted_object::Object::Account(account(shown)),
            Kind::Group => deleted_object::Object::Group(group(shown)),
        }),
        delete_time: Some(timestamp(stamp.time)),
        delete_actor: stamp.actor.to_string(),
        delete_address: super::address(shown, stamp),
        restorable_until: Some(timestamp(deleted.until)),
        revision: deleted.revision.0,
    }
}

/// An account or group that is there again.
pub(crate) fn restored(shown: &Shown) -> proto::RestoreResponse {
    proto::RestoreResponse {
        object: Some(match shown.object.kind {
            Kind::Person | Kind::Service => restore_response::Object::Account(account(shown)),
            Kind::Group => restore_response::Object::Group(group(shown)),
        }),
    }
}

/// A reserved login name as clients see it. Keys of login names are their texts.
pub(crate) fn reserved_name(name: &ReservedName) -> proto::ReservedName {
    let reserved = &name.reserved;
    proto::ReservedName {
        login_name: String::from_utf8_lossy(&reserved.key.key).into_owned(),
        owner: format!("accounts/{}", reserved.owner),
        owner_login_name: name.owner.clone(),
        reserved_until: Some(timestamp(name.until)),
    }
}
