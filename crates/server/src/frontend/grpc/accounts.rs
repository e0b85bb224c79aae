//! `quorid.v1.Accounts`: decode, ask the service, encode.

use std::sync::Arc;

use quorid_api::proto::{
    self, CheckPasswordRequest, CreateAccountRequest, DeleteAccountRequest, GetAccountRequest,
    ListAccountsRequest, ListAccountsResponse, UpdateAccountRequest, accounts_server::Accounts,
};
use quorid_directory::InvalidFilter;
use tonic::{Request, Response, Status};

use super::{
    Invalid, answer,
    call::{Call, unary},
    caller, convert, schema_with,
};
use crate::{
    frontend::Frontend,
    service::{Answer, Caller, Consistency},
};

pub(super) struct AccountsApi(pub(super) Arc<Frontend>);

#[tonic::async_trait]
impl Accounts for AccountsApi {
    async fn get_account(
        &self,
        request: Request<GetAccountRequest>,
    ) -> Result<Response<proto::Account>, Status> {
        unary(&self.0, request).await
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
        unary(&self.0, request).await
    }

    async fn update_account(
        &self,
        request: Request<UpdateAccountRequest>,
    ) -> Result<Response<proto::Account>, Status> {
        unary(&self.0, request).await
    }

    async fn delete_account(
        &self,
        request: Request<DeleteAccountRequest>,
    ) -> Result<Response<()>, Status> {
        unary(&self.0, request).await
    }

    async fn check_password(
        &self,
        request: Request<CheckPasswordRequest>,
    ) -> Result<Response<proto::Account>, Status> {
        unary(&self.0, request).await
    }
}

impl Call for GetAccountRequest {
    type Answer = proto::Account;

    async fn answer(
        self,
        frontend: &Frontend,
        caller: &Caller,
    ) -> Result<Answer<proto::Account>, Status> {
        let account = convert::account_name(&self.name)?;
        let consistency = convert::consistency(self.read)?;
        let service = &frontend.service;
        let found = service
            .get(caller, &account, self.with_groups, consistency)
            .await?;
        Ok(found.map(|found| proto::Account {
            groups: found.groups,
            ..convert::account(&found.shown)
        }))
    }
}

impl Call for CreateAccountRequest {
    type Answer = proto::Account;

    async fn answer(
        self,
        frontend: &Frontend,
        caller: &Caller,
    ) -> Result<Answer<proto::Account>, Status> {
        let given = self.account.iter().flat_map(|it| &it.attributes);
        let names = given.map(|it| it.name.as_str());
        let newest = Consistency::Linearizable;
        let schema = schema_with(&frontend.service, names, newest).await?;
        let new = convert::new_account(&schema, self)?;
        let created = frontend.service.create(caller, new).await?;
        Ok(created.map(|shown| convert::account(&shown)))
    }
}

impl Call for UpdateAccountRequest {
    type Answer = proto::Account;

    async fn answer(
        self,
        frontend: &Frontend,
        caller: &Caller,
    ) -> Result<Answer<proto::Account>, Status> {
        let names = self.edits.iter().map(|it| it.attribute.as_str());
        let newest = Consistency::Linearizable;
        let schema = schema_with(&frontend.service, names, newest).await?;
        let change = convert::account_change(&schema, self)?;
        let changed = frontend.service.modify(caller, change).await?;
        Ok(changed.map(|shown| convert::account(&shown)))
    }
}

impl Call for DeleteAccountRequest {
    type Answer = ();

    async fn answer(self, frontend: &Frontend, caller: &Caller) -> Result<Answer<()>, Status> {
        let removal = convert::account_removal(self)?;
        let deleted = frontend.service.delete(caller, removal).await?;
        Ok(deleted.map(drop))
    }
}

impl Call for CheckPasswordRequest {
    type Answer = proto::Account;

    async fn answer(
        mut self,
        frontend: &Frontend,
        caller: &Caller,
    ) -> Result<Answer<proto::Account>, Status> {
        let account = convert::account_name(&self.name)?;
        let password = convert::needed_password(&mut self.password)?;
        let consistency = convert::consistency(self.read)?;
        let service = &frontend.service;
        let fitted = service
            .check_password(caller, &account, password, consistency)
            .await?;
        Ok(fitted.map(|shown| convert::account(&shown)))
    }
}
