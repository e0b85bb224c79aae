//! `quorid.v1.Accounts`: decode, ask the service, encode.

use std::sync::Arc;

use quorid_api::proto::{
    self, CheckPasswordRequest, CreateAccountRequest, DeleteAccountRequest, GetAccountRequest,
    ListAccountsRequest, ListAccountsResponse, UpdateAccountRequest, accounts_server::Accounts,
};
use quorid_directory::InvalidFilter;
use tonic::{Request, Response, Status};

use super::{Invalid, answer, caller, convert, schema_with};
use crate::{frontend::Frontend, service::Consistency};

pub(super) struct AccountsApi(pub(super) Arc<Frontend>);

#[tonic::async_trait]
impl Accounts for AccountsApi {
    async fn get_account(
        &self,
        request: Request<GetAccountRequest>,
    ) -> Result<Response<proto::Account>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let account = convert::account_name(&request.name)?;
        let consistency = convert::consistency(request.read)?;
        let service = &self.0.service;
        let found = service
            .get(&caller, &account, request.with_groups, consistency)
            .await?;
        let account = proto::Account {
            groups: found.value.groups,
            ..convert::account(&found.value.shown)
        };
        Ok(answer(account, found.revision))
    }

    async fn list_accounts(
        &self,
        request: Request<ListAccountsRequest>,
    ) -> Result<Response<ListAccountsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let size = convert::page_size(request.page_size)?;
        let after = convert::accounts_start(&request.page_token)?;
        let consistency = convert::consistency(request.read)?;
        let kinds = convert::kinds(request.kinds)?;
        let service = &self.0.service;
        let filter = match convert::filter(&service.schema(), &request.filter) {
            Err(Invalid::Filter(InvalidFilter::Attribute(_))) => {
                let schema = service.fresh_schema(consistency).await?;
                convert::filter(&schema, &request.filter)?
            }
            read => read?,
        };
        let page = service
            .list(&caller, after, size, kinds, filter, consistency)
            .await?;
        let next = page.value.next.map(convert::accounts_token);
        let response = ListAccountsResponse {
            accounts: page.value.accounts.iter().map(convert::account).collect(),
            next_page_token: next.unwrap_or_default(),
        };
        Ok(answer(response, page.revision))
    }

    async fn create_account(
        &self,
        request: Request<CreateAccountRequest>,
    ) -> Result<Response<proto::Account>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let given = request.account.iter().flat_map(|it| &it.attributes);
        let names = given.map(|it| it.name.as_str());
        let newest = Consistency::Linearizable;
        let schema = schema_with(&self.0.service, names, newest).await?;
        let new = convert::new_account(&schema, request)?;
        let created = self.0.service.create(&caller, new).await?;
        Ok(answer(convert::account(&created.value), created.revision))
    }

    async fn update_account(
        &self,
        request: Request<UpdateAccountRequest>,
    ) -> Result<Response<proto::Account>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let names = request.edits.iter().map(|it| it.attribute.as_str());
        let newest = Consistency::Linearizable;
        let schema = schema_with(&self.0.service, names, newest).await?;
        let change = convert::account_change(&schema, request)?;
        let changed = self.0.service.modify(&caller, change).await?;
        Ok(answer(convert::account(&changed.value), changed.revision))
    }

    async fn delete_account(
        &self,
        request: Request<DeleteAccountRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = caller(&request)?;
        let removal = convert::account_removal(request.into_inner())?;
        let deleted = self.0.service.delete(&caller, removal).await?;
        Ok(answer((), deleted.revision))
    }

    async fn check_password(
        &self,
        request: Request<CheckPasswordRequest>,
    ) -> Result<Response<proto::Account>, Status> {
        let caller = caller(&request)?;
        let mut request = request.into_inner();
        let account = convert::account_name(&request.name)?;
        let password = convert::needed_password(&mut request.password)?;
        let consistency = convert::consistency(request.read)?;
        let service = &self.0.service;
        let fitted = service
            .check_password(&caller, &account, password, consistency)
            .await?;
        Ok(answer(convert::account(&fitted.value), fitted.revision))
    }
}
