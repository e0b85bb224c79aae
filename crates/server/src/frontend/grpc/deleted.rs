//! `quorid.v1.Deleted`: decode, ask the service, encode.

use std::sync::Arc;

use quorid_api::proto::{
    FreeNameRequest, ListDeletedRequest, ListDeletedResponse, ListReservedNamesRequest,
    ListReservedNamesResponse, PurgeRequest, RestoreRequest, RestoreResponse,
    deleted_server::Deleted,
};
use tonic::{Request, Response, Status};

use super::{answer, caller, convert};
use crate::frontend::Frontend;

pub(super) struct DeletedApi(pub(super) Arc<Frontend>);

#[tonic::async_trait]
impl Deleted for DeletedApi {
    async fn list_deleted(
        &self,
        request: Request<ListDeletedRequest>,
    ) -> Result<Response<ListDeletedResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let size = convert::page_size(request.page_size)?;
        let after = convert::deleted_start(&request.page_token)?;
        let consistency = convert::consistency(request.read)?;
        let service = &self.0.service;
        let page = service.deleted(&caller, after, size, consistency).await?;
        let objects = &page.value.objects;
        let next = objects.last().filter(|_| page.value.more);
        let response = ListDeletedResponse {
            objects: objects.iter().map(convert::deleted_object).collect(),
            next_page_token: next
                .map(|last| convert::deleted_token(last.shown.object.id))
                .unwrap_or_default(),
        };
        Ok(answer(response, page.revision))
    }

    async fn restore(
        &self,
        request: Request<RestoreRequest>,
    ) -> Result<Response<RestoreResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let target = convert::object_name(&request.name)?;
        let id = convert::request_id(&request.request_id)?;
        let restored = self.0.service.restore(&caller, target, id).await?;
        Ok(answer(
            convert::restored(&restored.value),
            restored.revision,
        ))
    }

    async fn purge(&self, request: Request<PurgeRequest>) -> Result<Response<()>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let target = convert::object_name(&request.name)?;
        let id = convert::request_id(&request.request_id)?;
        let purged = self.0.service.purge(&caller, target, id).await?;
        Ok(answer((), purged.revision))
    }

    async fn list_reserved_names(
        &self,
        request: Request<ListReservedNamesRequest>,
    ) -> Result<Response<ListReservedNamesResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let size = convert::page_size(request.page_size)?;
        let after = convert::reserved_start(&request.page_token)?;
        let consistency = convert::consistency(request.read)?;
        let page = self
            .0
            .service
            .reserved_names(&caller, after, size, consistency)
            .await?;
        let names = &page.value.names;
        let next = names.last().filter(|_| page.value.more);
        let response = ListReservedNamesResponse {
            names: names.iter().map(convert::reserved_name).collect(),
            next_page_token: next
                .map(|last| convert::reserved_token(&last.reserved))
                .unwrap_or_default(),
        };
        Ok(answer(response, page.revision))
    }

    async fn free_name(&self, request: Request<FreeNameRequest>) -> Result<Response<()>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let name = convert::login_name(&request.login_name)?;
        let id = convert::request_id(&request.request_id)?;
        let freed = self.0.service.free_name(&caller, name, id).await?;
        Ok(answer((), freed.revision))
    }
}
