//! `quorid.v1.Groups`: decode, ask the service, encode.

use std::sync::Arc;

use quorid_api::proto::{
    self, ChangeMembersRequest, CreateGroupRequest, DeleteGroupRequest, GetGroupRequest,
    ListGroupsRequest, ListGroupsResponse, ListMembersRequest, ListMembersResponse,
    UpdateGroupRequest, groups_server::Groups,
};
use tonic::{Request, Response, Status};

use super::{
    Invalid, answer,
    call::{Call, unary},
    caller, convert, schema_with,
};
use crate::{
    frontend::Frontend,
    service::{Answer, Caller, Consistency, GroupChange, GroupEdit},
};

pub(super) struct GroupsApi(pub(super) Arc<Frontend>);

#[tonic::async_trait]
impl Groups for GroupsApi {
    async fn get_group(
        &self,
        request: Request<GetGroupRequest>,
    ) -> Result<Response<proto::Group>, Status> {
        unary(&self.0, request).await
    }

    async fn list_groups(
        &self,
        request: Request<ListGroupsRequest>,
    ) -> Result<Response<ListGroupsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let size = convert::page_size(request.page_size)?;
        let after = convert::groups_start(&request.page_token)?;
        let consistency = convert::consistency(request.read)?;
        let service = &self.0.service;
        let page = service.groups(&caller, after, size, consistency).await?;
        let groups = &page.value.groups;
        let next = groups.last().filter(|_| page.value.more);
        let response = ListGroupsResponse {
            groups: groups.iter().map(convert::group).collect(),
            next_page_token: next
                .map(|last| convert::groups_token(&last.object))
                .unwrap_or_default(),
        };
        Ok(answer(response, page.revision))
    }

    async fn create_group(
        &self,
        request: Request<CreateGroupRequest>,
    ) -> Result<Response<proto::Group>, Status> {
        unary(&self.0, request).await
    }

    async fn update_group(
        &self,
        request: Request<UpdateGroupRequest>,
    ) -> Result<Response<proto::Group>, Status> {
        unary(&self.0, request).await
    }

    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<()>, Status> {
        unary(&self.0, request).await
    }

    async fn change_members(
        &self,
        request: Request<ChangeMembersRequest>,
    ) -> Result<Response<proto::Group>, Status> {
        unary(&self.0, request).await
    }

    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let group = convert::group_name(&request.name)?;
        let size = convert::page_size(request.page_size)?;
        let after = convert::members_start(&request.page_token)?;
        let consistency = convert::consistency(request.read)?;
        let service = &self.0.service;
        let page = service
            .members(&caller, &group, after, size, consistency)
            .await?;
        let members = &page.value.members;
        let next = members.last().filter(|_| page.value.more);
        let response = ListMembersResponse {
            members: members.iter().map(convert::member).collect(),
            next_page_token: next
                .map(|last| convert::members_token(last.kind, last.id))
                .unwrap_or_default(),
        };
        Ok(answer(response, page.revision))
    }
}

impl Call for GetGroupRequest {
    type Answer = proto::Group;

    async fn answer(
        self,
        frontend: &Frontend,
        caller: &Caller,
    ) -> Result<Answer<proto::Group>, Status> {
        let group = convert::group_name(&self.name)?;
        let consistency = convert::consistency(self.read)?;
        let service = &frontend.service;
        let found = service
            .get(caller, &group, self.with_groups, consistency)
            .await?;
        Ok(found.map(|found| proto::Group {
            groups: found.groups,
            ..convert::group(&found.shown)
        }))
    }
}

impl Call for CreateGroupRequest {
    type Answer = proto::Group;

    async fn answer(
        self,
        frontend: &Frontend,
        caller: &Caller,
    ) -> Result<Answer<proto::Group>, Status> {
        let given = self.group.iter().flat_map(|it| &it.attributes);
        let names = given.map(|it| it.name.as_str());
        let newest = Consistency::Linearizable;
        let schema = schema_with(&frontend.service, names, newest).await?;
        let new = convert::new_group(&schema, self)?;
        let created = frontend.service.create_group(caller, new).await?;
        Ok(created.map(|shown| convert::group(&shown)))
    }
}

impl Call for UpdateGroupRequest {
    type Answer = proto::Group;

    async fn answer(
        self,
        frontend: &Frontend,
        caller: &Caller,
    ) -> Result<Answer<proto::Group>, Status> {
        let names = self.edits.iter().map(|it| it.attribute.as_str());
        let newest = Consistency::Linearizable;
        let schema = schema_with(&frontend.service, names, newest).await?;
        let asked = GroupEdit::Attributes(convert::edits(&schema, &self.edits)?);
        let change = named_change(&self.name, &self.etag, asked, &self.request_id)?;
        let changed = frontend.service.change_group(caller, change).await?;
        Ok(changed.map(|shown| convert::group(&shown)))
    }
}

impl Call for DeleteGroupRequest {
    type Answer = ();

    async fn answer(self, frontend: &Frontend, caller: &Caller) -> Result<Answer<()>, Status> {
        let asked = GroupEdit::Deleted;
        let change = named_change(&self.name, &self.etag, asked, &self.request_id)?;
        let changed = frontend.service.change_group(caller, change).await?;
        Ok(changed.map(drop))
    }
}

impl Call for ChangeMembersRequest {
    type Answer = proto::Group;

    async fn answer(
        self,
        frontend: &Frontend,
        caller: &Caller,
    ) -> Result<Answer<proto::Group>, Status> {
        let asked = convert::members(&self.add, &self.remove)?;
        let change = named_change(&self.name, &self.etag, asked, &self.request_id)?;
        let changed = frontend.service.change_group(caller, change).await?;
        Ok(changed.map(|shown| convert::group(&shown)))
    }
}

/// A change of the group of this name, if it still has this version.
fn named_change(
    name: &str,
    etag: &str,
    asked: GroupEdit,
    request_id: &str,
) -> Result<GroupChange, Invalid> {
    Ok(GroupChange {
        group: convert::group_name(name)?,
        expected_version: convert::expected_version(etag)?,
        asked,
        request: convert::request_id(request_id)?,
    })
}
