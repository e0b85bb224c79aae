//! The calls of the API, each known by the type of its request.

use prost::Message as _;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::{
    connection::Connection,
    failure::Failure,
    proto::{
        self, accounts_client::AccountsClient as Accounts,
        changes_client::ChangesClient as Changes, cluster_client::ClusterClient as Cluster,
        deleted_client::DeletedClient as Deleted, exchange_request::Request as Asked,
        exchange_response::Answer, groups_client::GroupsClient as Groups,
        schema_client::SchemaClient as Schema,
    },
    session::revision_in,
};

/// A server ends the stream over a request of more than 64 KiB, and refuses a call of its own as any
/// other: so that one has a call of its own, with room for what goes around it.
const EXCHANGED_BYTES_MAX: usize = 60 * 1024;

/// The request of a call with one answer.
pub(crate) trait Rpc: Clone + Send + Sync {
    /// What a server answers.
    type Answer: Send;
    /// Name of the method, for logs.
    const NAME: &'static str;

    /// Asks the server at the other end of the connection, which is told when nobody waits any more.
    fn ask(
        self,
        via: Connection,
        until: Instant,
    ) -> impl Future<Output = Answered<Self::Answer>> + Send;
}

/// How a server answered.
pub(crate) struct Answered<T> {
    /// Of the directory that the answer was made from, where the server said so.
    pub(crate) revision: Option<u64>,
    pub(crate) result: Result<T, Failure>,
}

impl<T> From<Result<Response<T>, Status>> for Answered<T> {
    fn from(answered: Result<Response<T>, Status>) -> Self {
        match answered {
            Ok(answer) => Self {
                revision: revision_in(answer.metadata()),
                result: Ok(answer.into_inner()),
            },
            Err(status) => Self {
                revision: revision_in(status.metadata()),
                result: Err(status.into()),
            },
        }
    }
}

fn with_timeout<R>(request: R, until: Instant) -> Request<R> {
    let mut request = Request::new(request);
    request.set_timeout(until.saturating_duration_since(Instant::now()));
    request
}

/// Asks on the connection's stream of requests.
async fn exchange<T>(
    asked: Asked,
    via: Connection,
    until: Instant,
    expected: impl FnOnce(Answer) -> Option<T>,
) -> Answered<T> {
    let heard = match via.exchange().ask(asked, until).await {
        Ok(heard) => heard,
        Err(failure) => {
            return Answered {
                revision: None,
                result: Err(failure),
            };
        }
    };
    let answer = heard.answer.map(|answer| answer.and_then(expected));
    Answered {
        revision: Some(heard.revision),
        result: match answer {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Status::internal("the server answered something else").into()),
            Err(status) => Err(status.into()),
        },
    }
}

/// The request of a call that changes something, known by its request id.
pub(crate) trait Change: Rpc {
    /// The field that has the id.
    fn request_id(&mut self) -> &mut String;
}

/// Calls of their own: they are rare, or their answers are long.
macro_rules! rpcs {
    ($($client:ident.$method:ident($request:ident) -> $answer:ty;)*) => {$(
        impl Rpc for proto::$request {
            type Answer = $answer;
            const NAME: &'static str = stringify!($method);

            async fn ask(self, via: Connection, until: Instant) -> Answered<$answer> {
                $client::new(via).$method(with_timeout(self, until)).await.into()
            }
        }
    )*};
}

/// Calls that go over the stream of requests.
macro_rules! exchanged {
    ($($client:ident.$method:ident($request:ident) -> $answer:ty: $asked:ident, $answered:ident;)*) => {$(
        impl Rpc for proto::$request {
            type Answer = $answer;
            const NAME: &'static str = stringify!($method);

            async fn ask(self, via: Connection, until: Instant) -> Answered<$answer> {
                if self.encoded_len() > EXCHANGED_BYTES_MAX {
                    return $client::new(via).$method(with_timeout(self, until)).await.into();
                }
                exchange(Asked::$asked(self), via, until, |answer| match answer {
                    Answer::$answered(answer) => Some(answer),
                    _ => None,
                })
                .await
            }
        }
    )*};
}

exchanged! {
    Accounts.get_account(GetAccountRequest) -> proto::Account: GetAccount, Account;
    Accounts.create_account(CreateAccountRequest) -> proto::Account: CreateAccount, Account;
    Accounts.update_account(UpdateAccountRequest) -> proto::Account: UpdateAccount, Account;
    Accounts.delete_account(DeleteAccountRequest) -> (): DeleteAccount, Deleted;
    Accounts.check_password(CheckPasswordRequest) -> proto::Account: CheckPassword, Account;
    Groups.get_group(GetGroupRequest) -> proto::Group: GetGroup, Group;
    Groups.create_group(CreateGroupRequest) -> proto::Group: CreateGroup, Group;
    Groups.update_group(UpdateGroupRequest) -> proto::Group: UpdateGroup, Group;
    Groups.delete_group(DeleteGroupRequest) -> (): DeleteGroup, Deleted;
    Groups.change_members(ChangeMembersRequest) -> proto::Group: ChangeMembers, Group;
}

rpcs! {
    Accounts.list_accounts(ListAccountsRequest) -> proto::ListAccountsResponse;
    Groups.list_groups(ListGroupsRequest) -> proto::ListGroupsResponse;
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
    Cluster.move_server(MoveServerRequest) -> proto::ClusterView;
    Cluster.transfer_leadership(TransferLeadershipRequest) -> proto::ClusterView;
    Cluster.get_settings(GetSettingsRequest) -> proto::Settings;
    Cluster.change_settings(ChangeSettingsRequest) -> proto::Settings;
    Cluster.raise_level(RaiseLevelRequest) -> proto::RaiseLevelResponse;
}

macro_rules! changes {
    ($($request:ident,)*) => {$(
        impl Change for proto::$request {
            fn request_id(&mut self) -> &mut String {
                &mut self.request_id
            }
        }
    )*};
}

changes! {
    CreateAccountRequest,
    UpdateAccountRequest,
    DeleteAccountRequest,
    CreateGroupRequest,
    UpdateGroupRequest,
    DeleteGroupRequest,
    ChangeMembersRequest,
    AddAttributeRequest,
    RevertChangeRequest,
    RestoreRequest,
    PurgeRequest,
    FreeNameRequest,
    ChangeSettingsRequest,
}
