//! The calls about what was deleted, and about names that stay reserved.

use futures_util::Stream;
use uuid::Uuid;

use crate::{
    Client, Error, HistoryOf, Read,
    client::{pages, request_id},
    proto::{
        DeletedObject, FreeNameRequest, ListDeletedRequest, ListReservedNamesRequest, PurgeRequest,
        ReservedName, RestoreRequest, RestoreResponse,
    },
};

impl Client {
    /// All accounts and groups that were deleted and can be restored, in the order of their ids, read page by
    /// page, each within the deadline. Ends at the first error.
    pub fn deleted(
        &self,
        read: Read,
    ) -> impl Stream<Item = Result<DeletedObject, Error>> + Send + use<> {
        let client = self.clone();
        pages(move |page_token| {
            let client = client.clone();
            async move {
                let request = ListDeletedRequest {
                    page_size: 0,
                    page_token,
                    read: Some(read.options(client.session_revision())),
                };
                let page = client.read(read, request).await?;
                Ok((page.objects, page.next_page_token))
            }
        })
    }

    /// Restores a deleted account or group. The answer is what it is then.
    pub async fn restore(
        &self,
        of: &HistoryOf,
        request: Option<Uuid>,
    ) -> Result<RestoreResponse, Error> {
        let request = RestoreRequest {
            name: of.to_string(),
            request_id: request_id(request),
        };
        self.write(request).await
    }

    /// Erases a deleted account or group.
    pub async fn purge(&self, of: &HistoryOf, request: Option<Uuid>) -> Result<(), Error> {
        let request = PurgeRequest {
            name: of.to_string(),
            request_id: request_id(request),
        };
        self.write(request).await
    }

    /// All login names that nobody has and that are reserved, read page by page, each within the deadline. Ends
    /// at the first error.
    pub fn reserved_names(
        &self,
        read: Read,
    ) -> impl Stream<Item = Result<ReservedName, Error>> + Send + use<> {
        let client = self.clone();
        pages(move |page_token| {
            let client = client.clone();
            async move {
                let request = ListReservedNamesRequest {
                    page_size: 0,
                    page_token,
                    read: Some(read.options(client.session_revision())),
                };
                let page = client.read(read, request).await?;
                Ok((page.names, page.next_page_token))
            }
        })
    }

    /// Frees a reserved login name before its time.
    pub async fn free_name(
        &self,
        login_name: impl Into<String>,
        request: Option<Uuid>,
    ) -> Result<(), Error> {
        let request = FreeNameRequest {
            login_name: login_name.into(),
            request_id: request_id(request),
        };
        self.write(request).await
    }
}
