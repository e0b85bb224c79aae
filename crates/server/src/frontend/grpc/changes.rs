//! `quorid.v1.Changes`: decode, ask the service, encode.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, stream};
use quorid_api::proto::{
    self, GetChangeRequest, ListChangesRequest, ListChangesResponse, ListHistoryRequest,
    ListHistoryResponse, RevertChangeRequest, WatchChangesRequest, WatchChangesResponse,
    changes_server::Changes,
};
use quorid_directory::Revision;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::{answer, caller, convert, errors};
use crate::{
    frontend::Frontend,
    ports::Phase,
    service::{ChangeWatch, Since},
};

pub(super) struct ChangesApi(pub(super) Arc<Frontend>);

#[tonic::async_trait]
impl Changes for ChangesApi {
    async fn list_changes(
        &self,
        request: Request<ListChangesRequest>,
    ) -> Result<Response<ListChangesResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let size = convert::page_size(request.page_size)?;
        let consistency = convert::consistency(request.read)?;
        let since = Revision(request.since_revision);
        let service = &self.0.service;
        let page = service.changes(&caller, since, size, consistency).await?;
        let response = ListChangesResponse {
            changes: page.value.changes.iter().map(convert::change).collect(),
            revision: page.value.revision.0,
            more: page.value.more,
        };
        Ok(answer(response, page.revision))
    }

    async fn get_change(
        &self,
        request: Request<GetChangeRequest>,
    ) -> Result<Response<proto::Change>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let consistency = convert::consistency(request.read)?;
        let revision = Revision(request.revision);
        let found = self
            .0
            .service
            .change(&caller, revision, consistency)
            .await?;
        Ok(answer(convert::change(&found.value), found.revision))
    }

    async fn list_history(
        &self,
        request: Request<ListHistoryRequest>,
    ) -> Result<Response<ListHistoryResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let named = convert::object_name(&request.name)?;
        let size = convert::page_size(request.page_size)?;
        let from = convert::history_start(&request.page_token)?;
        let consistency = convert::consistency(request.read)?;
        let service = &self.0.service;
        let page = service.history(&caller, &named, from, size, consistency);
        let page = page.await?;
        let response = ListHistoryResponse {
            changes: page.value.changes.iter().map(convert::change).collect(),
            next_page_token: page
                .value
                .next
                .map(convert::history_token)
                .unwrap_or_default(),
            older_are_gone: page.value.older_are_gone,
        };
        Ok(answer(response, page.revision))
    }

    async fn revert_change(
        &self,
        request: Request<RevertChangeRequest>,
    ) -> Result<Response<proto::Change>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = convert::request_id(&request.request_id)?;
        let revision = Revision(request.revision);
        let made = self.0.service.revert(&caller, revision, id).await?;
        Ok(answer(convert::change(&made.value), made.revision))
    }

    type WatchChangesStream =
        Pin<Box<dyn Stream<Item = Result<WatchChangesResponse, Status>> + Send>>;

    async fn watch_changes(
        &self,
        request: Request<WatchChangesRequest>,
    ) -> Result<Response<Self::WatchChangesStream>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let since = match (request.since_revision, request.from_the_oldest) {
            (0, false) => Since::Now,
            (0, true) => Since::Oldest,
            (revision, _) => Since::Revision(Revision(revision)),
        };
        let watch = self.0.service.watch_changes(&caller, since).await?;
        let following = Following {
            frontend: Arc::clone(&self.0),
            phase: self.0.phase.clone(),
            watch,
        };
        Ok(Response::new(Box::pin(stream::unfold(
            Some(following),
            next_changes,
        ))))
    }
}

/// One client that follows the changes.
struct Following {
    frontend: Arc<Frontend>,
    phase: watch::Receiver<Phase>,
    watch: ChangeWatch,
}

/// The next changes: read once the client has room for them. At the server's end, an error that sends the client
/// to another server.
async fn next_changes(
    following: Option<Following>,
) -> Option<(Result<WatchChangesResponse, Status>, Option<Following>)> {
    let mut following = following?;
    let next = tokio::select! {
        next = following.frontend.service.next_changes(&mut following.watch) => next,
        () = Phase::Closing.reached(&mut following.phase) => {
            return Some((Err(errors::shutting_down()), None));
        }
    };
    Some(match next {
        Ok(page) => {
            let response = WatchChangesResponse {
                changes: page.changes.iter().map(convert::change).collect(),
                revision: page.revision.0,
            };
            (Ok(response), Some(following))
        }
        Err(error) => (Err(error.into()), None),
    })
}
