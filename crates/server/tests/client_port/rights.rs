//! Every call of the API by everybody, in a closed directory: the roles of accounts on the wire.

use std::collections::BTreeSet;

use quorid_api::proto::{
    Account, AddAttributeRequest, AddServerRequest, Attribute, AttributeDefinition, AttributeEdit,
    ChangeMembersRequest, ChangeSettingsRequest, CheckPasswordRequest, CreateAccountRequest,
    CreateGroupRequest, DeleteAccountRequest, DeleteGroupRequest, FreeNameRequest,
    GetAccountRequest, GetChangeRequest, GetClusterRequest, GetGroupRequest, GetServerRequest,
    GetSettingsRequest, Group, ListAccountsRequest, ListAttributesRequest, ListChangesRequest,
    ListDeletedRequest, ListGroupsRequest, ListHistoryRequest, ListMembersRequest,
    ListReservedNamesRequest, MoveServerRequest, PurgeRequest, RaiseLevelRequest,
    RemoveServerRequest, ReplaceServerRequest, RestoreRequest, RevertChangeRequest, SettingChange,
    TransferLeadershipRequest, UpdateAccountRequest, UpdateGroupRequest, WatchChangesRequest,
    WatchClusterRequest, attribute_edit::Action, changes_client::ChangesClient,
    deleted_client::DeletedClient, exchange_request::Request as Asked, groups_client::GroupsClient,
    schema_client::SchemaClient,
};
use quorid_server::access::Access;
use tonic::{Code, Request, Status, transport::Channel};

use crate::support::{TestServer, accounts, by, cluster, exchange, refusal, revision};

/// The columns: who asks, and the login if there is one.
const ASKING: [(char, Option<&str>); 7] = [
    ('o', None), // by certificate
    ('O', Some("opal:secret")),
    ('m', Some("mona:secret")),
    ('h', Some("hedy:secret")),
    ('r', Some("rita:secret")),
    ('x', Some("xena:secret")),
    ('a', None), // without a certificate
];

const EVERYBODY: &str = "oOmhrxa";
const READERS: &str = "oOmhrx";

/// Each call, and the columns of those who may make it.
const TABLE: &[(&str, &str)] = &[
    ("GetAccount", READERS),
    ("ListAccounts", READERS),
    ("CreateAccount", "oOm"),
    ("UpdateAccount", "oOm"),
    ("UpdateAccount a password", "oOmh"),
    ("UpdateAccount of somebody with a role", "oO"),
    ("DeleteAccount", "oOm"),
    ("CheckPassword", EVERYBODY),
    ("GetGroup", READERS),
    ("ListGroups", READERS),
    ("CreateGroup", "oOm"),
    ("CreateGroup with a role", "oO"),
    ("UpdateGroup", "oOm"),
    ("UpdateGroup that has a role", "oO"),
    ("DeleteGroup", "oOm"),
    ("ChangeMembers", "oOm"),
    ("ChangeMembers of a group that has a role", "oO"),
    ("ListMembers", READERS),
    ("ListAttributes", READERS),
    ("AddAttribute", "oO"),
    ("ListChanges", "oOm"),
    ("GetChange", "oOm"),
    ("ListHistory", "oOm"),
    ("ListHistory of oneself", "oOmhrx"),
    ("WatchChanges", "oOm"),
    ("RevertChange", "oOm"),
    ("ListDeleted", "oOm"),
    ("Restore", "oOm"),
    ("Restore of somebody with a role", "oO"),
    ("Purge", "oO"),
    ("ListReservedNames", "oOm"),
    ("FreeName", "oO"),
    ("GetCluster", EVERYBODY),
    ("WatchCluster", EVERYBODY),
    ("GetServer", EVERYBODY),
    ("GetServer with the digest", "oO"),
    ("AddServer", "oO"),
    ("RemoveServer", "oO"),
    ("ReplaceServer", "oO"),
    ("MoveServer", "oO"),
    ("TransferLeadership", "oO"),
    ("GetSettings of the cluster", READERS),
    ("ChangeSettings of the cluster", "oO"),
    ("RaiseLevel of the Cluster", "oO"),
];

fn person(login_name: &str, password: &str) -> CreateAccountRequest {
    CreateAccountRequest {
        account: Some(Account {
            login_name: login_name.to_owned(),
            real_name: "Somebody".to_owned(),
            ..Account::default()
        }),
        password: password.to_owned(),
        ..CreateAccountRequest::default()
    }
}

fn group(name: &str, role: Option<&str>) -> CreateGroupRequest {
    let role = role.map(|role| Attribute {
        name: "role".to_owned(),
        values: vec![role.to_owned()],
    });
    CreateGroupRequest {
        group: Some(Group {
            group_name: name.to_owned(),
            attributes: role.into_iter().collect(),
            ..Group::default()
        }),
        ..CreateGroupRequest::default()
    }
}

fn edit(attribute: &str, value: &str) -> Vec<AttributeEdit> {
    vec![AttributeEdit {
        attribute: attribute.to_owned(),
        action: Action::Replace.into(),
        values: vec![value.to_owned()],
    }]
}

fn join(group: &str, member: &str) -> ChangeMembersRequest {
    ChangeMembersRequest {
        name: format!("groups/name:{group}"),
        add: vec![format!("accounts/login:{member}")],
        ..ChangeMembersRequest::default()
    }
}

/// A caller, and the number of their call: what they make has a name of its own.
struct Asking {
    channel: Channel,
    login: Option<&'static str>,
    /// Whether they ask on a stream, where that is possible.
    streamed: bool,
    number: usize,
}

impl Asking {
    fn by<T>(&self, message: T) -> Request<T> {
        match self.login {
            Some(login) => by(login, message),
            None => Request::new(message),
        }
    }

    /// What may be asked in two ways.
    async fn ask(&self, asked: Asked) -> Result<(), Status> {
        if self.streamed {
            return exchange(&self.channel, self.login, asked).await.map(drop);
        }
        let mut people = accounts(&self.channel);
        let mut groups = GroupsClient::new(self.channel.clone());
        match asked {
            Asked::GetAccount(request) => people.get_account(self.by(request)).await.map(drop),
            Asked::CreateAccount(request) => {
                people.create_account(self.by(request)).await.map(drop)
            }
            Asked::UpdateAccount(request) => {
                people.update_account(self.by(request)).await.map(drop)
            }
            Asked::DeleteAccount(request) => {
                people.delete_account(self.by(request)).await.map(drop)
            }
            Asked::CheckPassword(request) => {
                people.check_password(self.by(request)).await.map(drop)
            }
            Asked::GetGroup(request) => groups.get_group(self.by(request)).await.map(drop),
            Asked::CreateGroup(request) => groups.create_group(self.by(request)).await.map(drop),
            Asked::UpdateGroup(request) => groups.update_group(self.by(request)).await.map(drop),
            Asked::DeleteGroup(request) => groups.delete_group(self.by(request)).await.map(drop),
            Asked::ChangeMembers(request) => {
                groups.change_members(self.by(request)).await.map(drop)
            }
        }
    }

    async fn call(&self, what: &str) -> Result<(), Status> {
        match what {
            "GetAccount" | "ListAccounts" | "CheckPassword" => self.read_accounts(what).await,
            "GetGroup" | "ListGroups" | "ListMembers" => self.read_groups(what).await,
            "ListAttributes" => {
                let request = ListAttributesRequest { read: None };
                let mut client = SchemaClient::new(self.channel.clone());
                client.list_attributes(self.by(request)).await.map(drop)
            }
            "AddAttribute" => {
                let request = AddAttributeRequest {
                    attribute: Some(AttributeDefinition {
                        name: format!("attribute{}", self.number),
                        kinds: vec!["account".to_owned()],
                        syntax: "line".to_owned(),
                        ..AttributeDefinition::default()
                    }),
                    ..AddAttributeRequest::default()
                };
                let mut client = SchemaClient::new(self.channel.clone());
                client.add_attribute(self.by(request)).await.map(drop)
            }
            "ListChanges"
            | "GetChange"
            | "ListHistory"
            | "ListHistory of oneself"
            | "WatchChanges"
            | "RevertChange" => self.changes(what).await,
            "ListDeleted"
            | "Restore"
            | "Restore of somebody with a role"
            | "Purge"
            | "ListReservedNames"
            | "FreeName" => self.deleted(what).await,
            _ if what.contains("Account") => self.change_accounts(what).await,
            _ if what.contains("Server")
                || what.contains("Leader")
                || what.to_lowercase().contains("cluster") =>
            {
                self.cluster(what).await
            }
            _ => self.change_groups(what).await,
        }
    }

    async fn read_accounts(&self, what: &str) -> Result<(), Status> {
        let mut client = accounts(&self.channel);
        let name = "accounts/login:otto".to_owned();
        match what {
            "GetAccount" => {
                let request = GetAccountRequest {
                    name,
                    ..GetAccountRequest::default()
                };
                self.ask(Asked::GetAccount(request)).await
            }
            "CheckPassword" => {
                let name = "accounts/login:mona".to_owned();
                let request = CheckPasswordRequest {
                    name,
                    password: "secret".to_owned(),
                    read: None,
                };
                self.ask(Asked::CheckPassword(request)).await
            }
            _ => {
                let request = ListAccountsRequest::default();
                client.list_accounts(self.by(request)).await.map(drop)
            }
        }
    }

    async fn change_accounts(&self, what: &str) -> Result<(), Status> {
        let named = |name: &str| {
            Some(Account {
                name: format!("accounts/login:{name}"),
                ..Account::default()
            })
        };
        let title = edit("title", &self.number.to_string());
        let change = match what {
            "CreateAccount" => {
                let request = person(&format!("new{}", self.number), "secret");
                return self.ask(Asked::CreateAccount(request)).await;
            }
            "DeleteAccount" => {
                let request = DeleteAccountRequest {
                    name: format!("accounts/login:doomed{}", self.number),
                    ..DeleteAccountRequest::default()
                };
                return self.ask(Asked::DeleteAccount(request)).await;
            }
            "UpdateAccount a password" => UpdateAccountRequest {
                account: named("otto"),
                new_password: format!("secret{}", self.number),
                ..UpdateAccountRequest::default()
            },
            "UpdateAccount" => UpdateAccountRequest {
                account: named("otto"),
                edits: title,
                ..UpdateAccountRequest::default()
            },
            _ => UpdateAccountRequest {
                account: named("rita"),
                edits: title,
                ..UpdateAccountRequest::default()
            },
        };
        self.ask(Asked::UpdateAccount(change)).await
    }

    async fn read_groups(&self, what: &str) -> Result<(), Status> {
        let mut client = GroupsClient::new(self.channel.clone());
        let name = "groups/name:team".to_owned();
        match what {
            "GetGroup" => {
                let request = GetGroupRequest {
                    name,
                    ..GetGroupRequest::default()
                };
                self.ask(Asked::GetGroup(request)).await
            }
            "ListMembers" => {
                let request = ListMembersRequest {
                    name,
                    ..ListMembersRequest::default()
                };
                client.list_members(self.by(request)).await.map(drop)
            }
            _ => {
                let request = ListGroupsRequest::default();
                client.list_groups(self.by(request)).await.map(drop)
            }
        }
    }

    async fn changes(&self, what: &str) -> Result<(), Status> {
        let mut client = ChangesClient::new(self.channel.clone());
        let own = self.login.and_then(|login| login.split(':').next());
        let name = match (what, own) {
            ("ListHistory of oneself", Some(own)) => own,
            _ => "otto",
        };
        match what {
            "ListChanges" => {
                let request = ListChangesRequest::default();
                client.list_changes(self.by(request)).await.map(drop)
            }
            "GetChange" => {
                let request = GetChangeRequest {
                    revision: 1,
                    read: None,
                };
                client.get_change(self.by(request)).await.map(drop)
            }
            "RevertChange" => {
                let request = RevertChangeRequest {
                    revision: 99_999,
                    request_id: String::new(),
                };
                client.revert_change(self.by(request)).await.map(drop)
            }
            "WatchChanges" => {
                let request = WatchChangesRequest::default();
                client.watch_changes(self.by(request)).await.map(drop)
            }
            _ => {
                let request = ListHistoryRequest {
                    name: format!("accounts/login:{name}"),
                    ..ListHistoryRequest::default()
                };
                client.list_history(self.by(request)).await.map(drop)
            }
        }
    }

    async fn deleted(&self, what: &str) -> Result<(), Status> {
        let mut client = DeletedClient::new(self.channel.clone());
        let name = |of: &str| format!("accounts/login:{of}{}", self.number);
        match what {
            "ListDeleted" => {
                let request = ListDeletedRequest::default();
                client.list_deleted(self.by(request)).await.map(drop)
            }
            "ListReservedNames" => {
                let request = ListReservedNamesRequest::default();
                client.list_reserved_names(self.by(request)).await.map(drop)
            }
            "Purge" => {
                let request = PurgeRequest {
                    name: name("purged"),
                    request_id: String::new(),
                };
                client.purge(self.by(request)).await.map(drop)
            }
            "FreeName" => {
                let request = FreeNameRequest {
                    login_name: format!("former{}", self.number),
                    request_id: String::new(),
                };
                client.free_name(self.by(request)).await.map(drop)
            }
            _ => {
                let of = match what {
                    "Restore" => "gone",
                    _ => "reader",
                };
                let request = RestoreRequest {
                    name: name(of),
                    request_id: String::new(),
                };
                client.restore(self.by(request)).await.map(drop)
            }
        }
    }

    async fn change_groups(&self, what: &str) -> Result<(), Status> {
        let new = format!("new {}", self.number);
        let described = |name: &str| UpdateGroupRequest {
            name: format!("groups/name:{name}"),
            edits: edit("description", &new),
            ..UpdateGroupRequest::default()
        };
        let member = format!("doomed{}", self.number);
        match what {
            "CreateGroup" => self.ask(Asked::CreateGroup(group(&new, None))).await,
            "CreateGroup with a role" => {
                let request = group(&format!("{new} role"), Some("reader"));
                self.ask(Asked::CreateGroup(request)).await
            }
            "UpdateGroup" => self.ask(Asked::UpdateGroup(described("team"))).await,
            "UpdateGroup that has a role" => {
                self.ask(Asked::UpdateGroup(described("readers"))).await
            }
            "ChangeMembers" => self.ask(Asked::ChangeMembers(join("team", &member))).await,
            "DeleteGroup" => {
                let request = DeleteGroupRequest {
                    name: format!("groups/name:doomed{}", self.number),
                    ..DeleteGroupRequest::default()
                };
                return self.ask(Asked::DeleteGroup(request)).await;
            }
            _ => {
                self.ask(Asked::ChangeMembers(join("readers", &member)))
                    .await
            }
        }
        .map(drop)
    }

    /// Changes that end after the question who asks: they name a server that is not there.
    async fn cluster(&self, what: &str) -> Result<(), Status> {
        let mut client = cluster(&self.channel);
        let server_name = "n9".to_owned();
        match what {
            "GetCluster" => client
                .get_cluster(self.by(GetClusterRequest {}))
                .await
                .map(drop),
            "WatchCluster" => client
                .watch_cluster(self.by(WatchClusterRequest {}))
                .await
                .map(drop),
            "AddServer" => {
                let request = AddServerRequest {
                    server_name: "n1".to_owned(),
                    client_address: "127.0.0.1:1".to_owned(),
                    peer_address: "127.0.0.1:2".to_owned(),
                    learner: false,
                };
                client.add_server(self.by(request)).await.map(drop)
            }
            "GetSettings of the cluster" => client
                .get_settings(self.by(GetSettingsRequest {}))
                .await
                .map(drop),
            "ChangeSettings of the cluster" => {
                let request = ChangeSettingsRequest {
                    changes: vec![SettingChange {
                        name: "history".to_owned(),
                        value: None,
                    }],
                    request_id: String::new(),
                };
                client.change_settings(self.by(request)).await.map(drop)
            }
            "RemoveServer" => {
                let request = RemoveServerRequest { server_name };
                client.remove_server(self.by(request)).await.map(drop)
            }
            "ReplaceServer" => {
                let request = ReplaceServerRequest {
                    server_name,
                    ..ReplaceServerRequest::default()
                };
                client.replace_server(self.by(request)).await.map(drop)
            }
            "MoveServer" => {
                let request = MoveServerRequest {
                    server_name,
                    ..MoveServerRequest::default()
                };
                client.move_server(self.by(request)).await.map(drop)
            }
            "TransferLeadership" => {
                let request = TransferLeadershipRequest { server_name };
                client.transfer_leadership(self.by(request)).await.map(drop)
            }
            "RaiseLevel of the Cluster" => {
                let request = RaiseLevelRequest { level: 0 };
                client.raise_level(self.by(request)).await.map(drop)
            }
            _ => {
                let request = GetServerRequest {
                    digest: what == "GetServer with the digest",
                    min_revision: 0,
                };
                client.get_server(self.by(request)).await.map(drop)
            }
        }
    }
}

/// Accounts with roles, ordinary ones, and one of everything that each caller may delete.
async fn fill(operator: &Channel) {
    let mut people = accounts(operator);
    let mut groups = GroupsClient::new(operator.clone());
    for name in ["opal", "mona", "hedy", "rita", "otto", "xena"] {
        let made = people.create_account(person(name, "secret")).await;
        made.expect("made");
    }
    for (name, role) in [
        ("operators", Some("operator")),
        ("managers", Some("user_manager")),
        ("desk", Some("help_desk")),
        ("readers", Some("reader")),
        ("team", None),
    ] {
        groups.create_group(group(name, role)).await.expect("made");
    }
    for (group, member) in [
        ("operators", "opal"),
        ("managers", "mona"),
        ("desk", "hedy"),
        ("readers", "rita"),
    ] {
        let joined = groups.change_members(join(group, member)).await;
        joined.expect("joined");
    }
    for number in 0..2 * ASKING.len() {
        let doomed = format!("doomed{number}");
        let made = people.create_account(person(&doomed, "secret")).await;
        made.expect("made");
        let made = groups.create_group(group(&doomed, None)).await;
        made.expect("made");
        fill_deleted(operator, number).await;
    }
}

/// Deleted accounts, of which one had a role, and a login name that stays reserved.
async fn fill_deleted(operator: &Channel, number: usize) {
    let mut people = accounts(operator);
    let mut groups = GroupsClient::new(operator.clone());
    for name in ["purged", "gone", "reader", "former"] {
        let name = format!("{name}{number}");
        let made = people.create_account(person(&name, "secret")).await;
        made.expect("made");
    }
    let joined = groups.change_members(join("readers", &format!("reader{number}")));
    joined.await.expect("joined");
    for name in ["purged", "gone", "reader"] {
        let request = DeleteAccountRequest {
            name: format!("accounts/login:{name}{number}"),
            ..DeleteAccountRequest::default()
        };
        people.delete_account(request).await.expect("deleted");
    }
    let renamed = UpdateAccountRequest {
        account: Some(Account {
            name: format!("accounts/login:former{number}"),
            ..Account::default()
        }),
        edits: edit("login_name", &format!("renamed{number}")),
        ..UpdateAccountRequest::default()
    };
    people.update_account(renamed).await.expect("renamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_for_whom_the_table_says() {
    let server = TestServer::start(Access::Closed).await;
    let (operator, stranger) = (server.operator().await, server.stranger().await);
    fill(&operator).await;
    let ways = [false, true].into_iter().flat_map(|streamed| {
        let asking = ASKING.into_iter();
        asking.map(move |(column, login)| (streamed, column, login))
    });
    for (what, may) in TABLE {
        for (number, (streamed, column, login)) in ways.clone().enumerate() {
            let channel = if column == 'o' { &operator } else { &stranger };
            let asking = Asking {
                channel: channel.clone(),
                login,
                streamed,
                number,
            };
            let result = asking.call(what).await;
            let code = result.as_ref().err().map(Status::code);
            let refused = matches!(code, Some(Code::PermissionDenied | Code::Unauthenticated));
            assert_eq!(
                refused,
                !may.contains(column),
                "{what} by {column}: {result:?}"
            );
            // Who may gets what was asked for, but for servers that are not there.
            let missing = matches!(code, Some(Code::NotFound | Code::AlreadyExists));
            assert!(
                refused || code.is_none() || missing,
                "{what} by {column}: {result:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_missing_is_told_to_those_who_might_change_it_only() {
    let server = TestServer::start(Access::Closed).await;
    fill(&server.operator().await).await;
    let stranger = server.stranger().await;
    let mut groups = GroupsClient::new(stranger);
    let nowhere = || join("nowhere", "otto");
    let by_manager = groups.change_members(by("mona:secret", nowhere())).await;
    let (code, reason) = refusal(by_manager);
    assert_eq!((code, reason.as_str()), (Code::NotFound, "GROUP_NOT_FOUND"));
    let revision = |status: Status| revision(status.metadata());
    let first = groups.change_members(by("xena:secret", nowhere())).await;
    let first = first.expect_err("refused");
    assert_eq!(first.code(), Code::PermissionDenied);
    let second = groups.change_members(by("xena:secret", nowhere())).await;
    let second = second.expect_err("refused");
    // Nothing was proposed for it.
    assert_eq!(revision(first), revision(second));
}

#[test]
fn the_table_has_every_call_of_the_api() {
    let protos = [
        include_str!("../../../api/proto/quorid/v1/accounts.proto"),
        include_str!("../../../api/proto/quorid/v1/groups.proto"),
        include_str!("../../../api/proto/quorid/v1/schema.proto"),
        include_str!("../../../api/proto/quorid/v1/changes.proto"),
        include_str!("../../../api/proto/quorid/v1/cluster.proto"),
        include_str!("../../../api/proto/quorid/v1/deleted.proto"),
        include_str!("../../../api/proto/quorid/v1/requests.proto"),
    ];
    let calls: BTreeSet<_> = protos
        .iter()
        .flat_map(|proto| proto.lines())
        .filter_map(|line| line.trim_start().strip_prefix("rpc ")?.split('(').next())
        // Everybody opens a stream. Each request on it is judged as a call of its own, by the same table.
        .filter(|call| *call != "Exchange")
        .collect();
    let listed: BTreeSet<_> = TABLE
        .iter()
        .filter_map(|(what, _)| what.split(' ').next())
        .collect();
    assert_eq!(listed, calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_staff_is_shown_to_staff_and_to_the_account_itself() {
    let server = TestServer::start(Access::Closed).await;
    let operator = server.operator().await;
    fill(&operator).await;
    let numbered = UpdateAccountRequest {
        account: Some(Account {
            name: "accounts/login:otto".to_owned(),
            ..Account::default()
        }),
        edits: edit("employee_number", "E17"),
        ..UpdateAccountRequest::default()
    };
    let changed = accounts(&operator).update_account(numbered).await;
    changed.expect("changed");
    let stranger = server.stranger().await;
    for (login, number, address) in [
        (None, true, true),
        (Some("opal:secret"), true, true),
        (Some("mona:secret"), true, false),
        (Some("hedy:secret"), true, false),
        (Some("rita:secret"), true, false),
        (Some("otto:secret"), true, true),
        (Some("xena:secret"), false, false),
    ] {
        let channel = if login.is_none() {
            &operator
        } else {
            &stranger
        };
        let asking = Asking {
            channel: channel.clone(),
            login,
            streamed: false,
            number: 0,
        };
        let get = GetAccountRequest {
            name: "accounts/login:otto".to_owned(),
            ..GetAccountRequest::default()
        };
        let otto = accounts(channel).get_account(asking.by(get)).await;
        let otto = otto.expect("read").into_inner();
        let seen = otto
            .attributes
            .iter()
            .any(|it| it.name == "employee_number");
        assert_eq!(seen, number, "{login:?}");
        assert_eq!(!otto.create_address.is_empty(), address, "{login:?}");
        assert_eq!(!otto.update_address.is_empty(), address, "{login:?}");
        for filter in ["employee_number=E17", "real_name=* and employee_number=E*"] {
            let list = ListAccountsRequest {
                filter: filter.to_owned(),
                ..ListAccountsRequest::default()
            };
            let found = accounts(channel).list_accounts(asking.by(list)).await;
            let found = found.expect("read").into_inner().accounts;
            assert_eq!(found.len(), usize::from(number), "{login:?} {filter}");
        }
    }
}
