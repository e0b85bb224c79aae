//! `quorid.v1.Groups`: decode, ask the service, encode.

use std::sync::Arc;

use quorid_api::proto::{
    self, ChangeMembersRequest, CreateGroupRequest, DeleteGroupRequest, GetGroupRequest,
    ListGroupsRequest, ListGroupsResponse, ListMembersRequest, ListMembersResponse,
    UpdateGroupRequest, groups_server::Groups,
};
use tonic::{Request, Response, Status};

use super::{answer, caller, convert, schema_with};
use crate::{
    frontend::Frontend,
    service::{Consistency, GroupChange, GroupEdit},
};

pub(super) struct GroupsApi(pub(super) Arc<Frontend>);

impl GroupsApi {
    async fn change<T>(
        &self,
        request: Request<T>,
        decode: impl FnOnce(T) -> Result<GroupChange, super::Invalid>,
    ) -> Result<Response<proto::Group>, Status> {
        let caller = caller(&request)?;
        let change = decode(request.into_inner())?;
        let changed = self.0.service.change_group(&caller, change).await?;
        Ok(answer(convert::group(&changed.value), changed.revision))
    }
}

#[tonic::async_trait]
impl Groups for GroupsApi {
    async fn get_group(
        &self,
        request: Request<GetGroupRequest>,
    ) -> Result<Response<proto::Group>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let group = convert::group_name(&request.name)?;
        let consistency = convert::consistency(request.read)?;
        let service = &self.0.service;
        let found = service
            .get(&caller, &group, request.with_groups, consistency)
            .await?;
        let group = proto::Group {
            groups: found.value.groups,
            ..convert::group(&found.value.shown)
        };
        Ok(answer(group, found.revision))
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
        let caller = caller(&request)?;
        let request = request.into_inner();
        let given = request.group.iter().flat_map(|it| &it.attributes);
        let names = given.map(|it| it.name.as_str());
        let newest = Consistency::Linearizable;
        let schema = schema_with(&self.0.service, names, newest).await?;
        let new = convert::new_group(&schema, request)?;
        let created = self.0.service.create_group(&caller, new).await?;
        Ok(answer(convert::group(&created.value), created.revision))
    }

    async fn update_group(
        &self,
        request: Request<UpdateGroupRequest>,
    ) -> Result<Response<proto::Group>, Status> {
        let edits = request.get_ref().edits.iter();
        let names = edits.map(|it| it.attribute.as_str());
        let newest = Consistency::Linearizable;
        let schema = schema_with(&self.0.service, names, newest).await?;
        self.change(request, |request| {
            Ok(GroupChange {
                group: convert::group_name(&request.name)?,
                expected_version: convert::expected_version(&request.etag)?,
                asked: GroupEdit::Attributes(convert::edits(&schema, &request.edits)?),
                request: convert::request_id(&request.request_id)?,
            })
        })
        .await
    }

    async fn delete_group(
        &self,
        request: Request<DeleteGroupRequest>,
    ) -> Result<Response<()>, Status> {
        let deleted = self.change(request, |request| {
            Ok(GroupChange {
                group: convert::group_name(&request.name)?,
                expected_version: convert::expected_version(&request.etag)?,
                asked: GroupEdit::Deleted,
                request: convert::request_id(&request.request_id)?,
            })
        });
        Ok(deleted.await?.map(drop))
    }

    async fn change_members(
        &self,
        request: Request<ChangeMembersRequest>,
    ) -> Result<Response<proto::Group>, Status> {
        self.change(request, |request| {
            Ok(GroupChange {
                group: convert::group_name(&request.name)?,
                expected_version: convert::expected_version(&request.etag)?,
                asked: convert::members(&request.add, &request.remove)?,
                request: convert::request_id(&request.request_id)?,
            })
        })
        .await
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
