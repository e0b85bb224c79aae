//! The calls about groups, and what they ask for.

use std::fmt;

use futures_util::Stream;
use uuid::Uuid;

use crate::{
    AccountName, Attribute, AttributeEdit, Client, Error, Read,
    client::{pages, request_id},
    proto::{
        ChangeMembersRequest, CreateGroupRequest, DeleteGroupRequest, GetGroupRequest, Group,
        ListGroupsRequest, ListGroupsResponse, ListMembersRequest, ListMembersResponse, Member,
        UpdateGroupRequest,
    },
};

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupName {
    /// The group with this id, which never changes.
    Id(Uuid),
    /// The group with this name, in upper or lower case.
    Name(String),
}

impl GroupName {
    /// The group that somebody means by this text: of this id, if it is a UUID, which no group's name is; else
    /// of this name.
    #[must_use]
    pub fn meant_by(text: &str) -> Self {
        match Uuid::try_parse(text) {
            Ok(id) => Self::Id(id),
            Err(_) => Self::Name(text.to_owned()),
        }
    }
}

impl fmt::Display for GroupName {
    /// As the API writes it: `groups/{id}` or `groups/name:{group_name}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "groups/{id}"),
            Self::Name(name) => write!(f, "groups/name:{name}"),
        }
    }
}

/// Which member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberName {
    /// This account.
    Account(AccountName),
    /// This group.
    Group(GroupName),
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}

/// A group to be created. The server gives it its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewGroup {
    /// Unique among the groups.
    pub group_name: String,
    /// What else is known of it; docs/reference/attributes.md lists the attributes.
    pub attributes: Vec<Attribute>,
    /// Whether it gets the directory's next POSIX number.
    pub assign_posix_number: bool,
    /// As [`Client::new_request_id`](crate::Client::new_request_id) makes it. None: the library makes one, the same
    /// for every retry.
    pub request_id: Option<Uuid>,
}

/// A change of a group's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateGroup {
    /// The group that is changed.
    pub group: GroupName,
    /// Change nothing unless the group still has this `etag`.
    pub etag: Option<String>,
    /// Made in their order. One of `group_name` renames the group.
    pub edits: Vec<AttributeEdit>,
    /// As [`Client::new_request_id`](crate::Client::new_request_id) makes it. None: the library makes one, the same
    /// for every retry.
    pub request_id: Option<Uuid>,
}

/// A change of a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeMembers {
    /// The group that is changed.
    pub group: GroupName,
    /// Change nothing unless the group still has this `etag`.
    pub etag: Option<String>,
    /// These are members afterwards.
    pub add: Vec<MemberName>,
    /// These are not.
    pub remove: Vec<MemberName>,
    /// As [`Client::new_request_id`](crate::Client::new_request_id) makes it. None: the library makes one, the same
    /// for every retry.
    pub request_id: Option<Uuid>,
}

/// A group to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteGroup {
    /// The group that is removed.
    pub group: GroupName,
    /// Remove nothing unless the group still has this `etag`.
    pub etag: Option<String>,
    /// As [`Client::new_request_id`](crate::Client::new_request_id) makes it. None: the library makes one, the same
    /// for every retry.
    pub request_id: Option<Uuid>,
}

impl Client {
    /// One group, with the groups that it is a member of.
    pub async fn get_group(&self, name: &GroupName, read: Read) -> Result<Group, Error> {
        let request = GetGroupRequest {
            name: name.to_string(),
            read: Some(read.options(self.session_revision())),
            with_groups: true,
        };
        self.read(read, request).await
    }

    /// One page of groups in the order of their names: at most `page_size`, 0 for the server's
    /// usual number; after the page that gave `page_token`, or the first if empty.
    pub async fn list_groups(
        &self,
        page_size: u32,
        page_token: &str,
        read: Read,
    ) -> Result<ListGroupsResponse, Error> {
        let request = ListGroupsRequest {
            page_size: page_size.try_into().unwrap_or(i32::MAX),
            page_token: page_token.to_owned(),
            read: Some(read.options(self.session_revision())),
        };
        self.read(read, request).await
    }

    /// All groups in the order of their names, read page by page, each within the deadline. Ends at
    /// the first error.
    pub fn groups(&self, read: Read) -> impl Stream<Item = Result<Group, Error>> + Send + use<> {
        let client = self.clone();
        pages(move |token| {
            let client = client.clone();
            async move {
                let page = client.list_groups(0, &token, read).await?;
                Ok((page.groups, page.next_page_token))
            }
        })
    }

    /// One page of the members that a group has itself, as [`list_groups`](Self::list_groups) gives
    /// groups: accounts, then groups, by their ids.
    pub async fn list_members(
        &self,
        group: &GroupName,
        page_size: u32,
        page_token: &str,
        read: Read,
    ) -> Result<ListMembersResponse, Error> {
        let request = ListMembersRequest {
            name: group.to_string(),
            page_size: page_size.try_into().unwrap_or(i32::MAX),
            page_token: page_token.to_owned(),
            read: Some(read.options(self.session_revision())),
        };
        self.read(read, request).await
    }

    /// All members that a group has itself, read page by page, each within the deadline. Ends at
    /// the first error.
    pub fn members(
        &self,
        group: GroupName,
        read: Read,
    ) -> impl Stream<Item = Result<Member, Error>> + Send + use<> {
        let client = self.clone();
        pages(move |token| {
            let (client, group) = (client.clone(), group.clone());
            async move {
                let page = client.list_members(&group, 0, &token, read).await?;
                Ok((page.members, page.next_page_token))
            }
        })
    }

    /// Creates a group and returns it with its id.
    pub async fn create_group(&self, group: NewGroup) -> Result<Group, Error> {
        let request = CreateGroupRequest {
            group: Some(Group {
                group_name: group.group_name,
                attributes: group.attributes,
                ..Group::default()
            }),
            request_id: request_id(group.request_id),
            assign_posix_number: group.assign_posix_number,
        };
        self.write(request).await
    }

    /// Changes a group's attributes and returns it as it is then.
    pub async fn update_group(&self, change: UpdateGroup) -> Result<Group, Error> {
        let request = UpdateGroupRequest {
            name: change.group.to_string(),
            etag: change.etag.unwrap_or_default(),
            edits: change.edits,
            request_id: request_id(change.request_id),
        };
        self.write(request).await
    }

    /// Adds members to a group and removes others, all of them or none, and returns the group.
    pub async fn change_members(&self, change: ChangeMembers) -> Result<Group, Error> {
        let names = |members: Vec<MemberName>| members.iter().map(ToString::to_string).collect();
        let request = ChangeMembersRequest {
            name: change.group.to_string(),
            etag: change.etag.unwrap_or_default(),
            add: names(change.add),
            remove: names(change.remove),
            request_id: request_id(change.request_id),
        };
        self.write(request).await
    }

    /// Removes a group. Its members stay.
    pub async fn delete_group(&self, removal: DeleteGroup) -> Result<(), Error> {
        let request = DeleteGroupRequest {
            name: removal.group.to_string(),
            etag: removal.etag.unwrap_or_default(),
            request_id: request_id(removal.request_id),
        };
        self.write(request).await
    }
}
