//! `quorid.v1.Schema`: decode, ask the service, encode.

use std::sync::Arc;

use quorid_api::proto::{
    AddAttributeRequest, AttributeDefinition, ListAttributesRequest, ListAttributesResponse,
    schema_server::Schema,
};
use tonic::{Request, Response, Status};

use super::{answer, caller, convert};
use crate::frontend::Frontend;

pub(super) struct SchemaApi(pub(super) Arc<Frontend>);

#[tonic::async_trait]
impl Schema for SchemaApi {
    async fn list_attributes(
        &self,
        request: Request<ListAttributesRequest>,
    ) -> Result<Response<ListAttributesResponse>, Status> {
        let caller = caller(&request)?;
        let consistency = convert::consistency(request.into_inner().read)?;
        let found = self.0.service.attributes(&caller, consistency).await?;
        let rows = found.value.rows().iter();
        let response = ListAttributesResponse {
            attributes: rows.map(convert::attribute_row).collect(),
        };
        Ok(answer(response, found.revision))
    }

    async fn add_attribute(
        &self,
        request: Request<AddAttributeRequest>,
    ) -> Result<Response<AttributeDefinition>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let definition = convert::definition(request.attribute.unwrap_or_default())?;
        let request = convert::request_id(&request.request_id)?;
        let added = self
            .0
            .service
            .add_attribute(&caller, definition, request)
            .await?;
        Ok(answer(convert::attribute_row(&added.value), added.revision))
    }
}
