//! The calls of the API, each known by the type of its request.

use tonic::{Request, Response, Status};

use crate::{
    connection::Connection,
    proto::{
        self, accounts_client::AccountsClient as Accounts,
        changes_client::ChangesClient as Changes, cluster_client::ClusterClient as Cluster,
        deleted_client::DeletedClient as Deleted, groups_client::GroupsClient as Groups,
        schema_client::SchemaClient as Schema,
    },
};

/// The request of a call with one answer.
pub(crate) trait Rpc: Clone + Send + Sync {
    /// What a server answers.
    type Answer: Send;
    /// Name of the method, for logs.
    const NAME: &'static str;

    /// Asks the server at the other end of the connection.
    fn send(
        request: Request<Self>,
        via: Connection,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

macro_rules! rpcs {
    ($($client:ident.$method:ident($request:ident) -> $answer:ty;)*) => {$(
        impl Rpc for proto::$request {
            type Answer = $answer;
            const NAME: &'static str = stringify!($method);

            async fn send(
                request: Request<Self>,
                via: Connection,
            ) -> Result<Response<$answer>, Status> {
                $client::new(via).$method(request).await
            }
        }
    )*};
}

rpcs! {
    Accounts.get_account(GetAccountRequest) -> proto::Account;
    Accounts.list_accounts(ListAccountsRequest) -> proto::ListAccountsResponse;
    Accounts.create_account(CreateAccountRequest) -> proto::Account;
    Accounts.update_account(UpdateAccountRequest) -> proto::Account;
    Accounts.delete_account(DeleteAccountRequest) -> ();
    Accounts.check_password(CheckPasswordRequest) -> proto::Account;
    Groups.get_group(GetGroupRequest) -> proto::Group;
    Groups.list_groups(ListGroupsRequest) -> proto::ListGroupsResponse;
    Groups.create_group(CreateGroupRequest) -> proto::Group;
    Groups.update_group(UpdateGroupRequest) -> proto::Group;
    Groups.delete_group(DeleteGroupRequest) -> ();
    Groups.change_members(ChangeMembersRequest) -> proto::Group;
    Groups.list_members(ListMembersRequest) -> proto::ListMembersResponse;
    Schema.list_attributes(ListAttributesRequest) -> proto::ListAttributesResponse;
    Schema.add_attribute(AddAttributeRequest) -> proto::AttributeDefinition;
    Changes.list_changes(ListChangesRequest) -> proto::ListChangesResponse;
    Changes.get_change(GetChangeRequest) -> proto::Change;
    Changes.revert_change(RevertChangeRequest) -> proto::Change;
    Changes.list_history(ListHistoryRequest) -> proto::ListHistoryResponse;
    Deleted.list_deleted(ListDeletedRequest) -> proto::ListDeletedResponse;
    Deleted.restore(RestoreRequest) -> proto::RestoreResponse;
    Deleted.purge(PurgeRequest) -> ();
    Deleted.list_reserved_names(ListReservedNamesRequest) -> proto::ListReservedNamesResponse;
    Deleted.free_name(FreeNameRequest) -> ();
    Cluster.get_cluster(GetClusterRequest) -> proto::ClusterView;
    Cluster.get_server(GetServerRequest) -> proto::ServerStatus;
    Cluster.add_server(AddServerRequest) -> proto::ClusterView;
    Cluster.remove_server(RemoveServerRequest) -> proto::ClusterView;
    Cluster.replace_server(ReplaceServerRequest) -> proto::ClusterView;
    Cluster.transfer_leadership(TransferLeadershipRequest) -> proto::ClusterView;
    Cluster.get_settings(GetSettingsRequest) -> proto::Settings;
    Cluster.change_settings(ChangeSettingsRequest) -> proto::Settings;
    Cluster.raise_level(RaiseLevelRequest) -> proto::RaiseLevelResponse;
}
