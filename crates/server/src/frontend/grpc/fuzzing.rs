//! What clients send: the first byte says which message, or which header.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue};
use prost::{DecodeError, Message};
use quorid_api::proto::{
    Account, AddAttributeRequest, AddServerRequest, AttributeEdit, ChangeMembersRequest,
    CheckPasswordRequest, Consistency, CreateAccountRequest, CreateGroupRequest,
    DeleteAccountRequest, ExchangeRequest, GetAccountRequest, GetGroupRequest, GetServerRequest,
    Group, ListAccountsRequest, ListHistoryRequest, ListMembersRequest, ListReservedNamesRequest,
    MoveServerRequest, ReadOptions, RemoveServerRequest, ReplaceServerRequest,
    TransferLeadershipRequest, UpdateAccountRequest, exchange_request::Request as Asked,
};
use quorid_directory::{
    Actor, ClientAddress, Kind, Object, ObjectId, Revision, Schema, Selector, Stamp, Time,
};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{
    convert,
    envelope::{DEADLINE_MAX, deadline},
    errors,
};
use crate::{
    fuzzing::seed,
    service::{Error, HistoryCursor, PasswordChange},
};

/// Names every reason.
const PAGE: &str = include_str!("../../../../../docs/reference/api.md");
/// What a client takes for the headers of an answer, bytes.
const HEADERS_MAX: usize = 8 << 10;

/// A client's message is taken, or refused with a documented error; what names something names
/// it again in the answer.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    match decode(*kind, bytes) {
        Ok(Ok(())) => {}
        Ok(Err(refusal)) => assert_documented(&refusal),
        // The gRPC library says so, and its words are put into ours.
        Err(error) => {
            let status = Status::internal(format!("failed to decode Protobuf message: {error}"));
            let told = errors::malformed_message(&status);
            assert_documented(&told.expect("it is about a message"));
        }
    }
}

fn decode(kind: u8, bytes: &[u8]) -> Result<Result<(), Status>, DecodeError> {
    Ok(match kind % 22 {
        0 => get(GetAccountRequest::decode(bytes)?),
        1 => list(&ListAccountsRequest::decode(bytes)?),
        2 => convert::new_account(Schema::builtin(), CreateAccountRequest::decode(bytes)?)
            .map(drop)
            .map_err(Status::from),
        3 => change(UpdateAccountRequest::decode(bytes)?),
        4 => convert::account_removal(DeleteAccountRequest::decode(bytes)?)
            .map(drop)
            .map_err(Status::from),
        5 => password(CheckPasswordRequest::decode(bytes)?),
        6 => AddServerRequest::decode(bytes).map(|_| Ok(()))?,
        7 => RemoveServerRequest::decode(bytes).map(|_| Ok(()))?,
        8 => ReplaceServerRequest::decode(bytes).map(|_| Ok(()))?,
        9 => TransferLeadershipRequest::decode(bytes).map(|_| Ok(()))?,
        10 => GetServerRequest::decode(bytes).map(|_| Ok(()))?,
        11 => login(bytes),
        12 => convert::new_group(Schema::builtin(), CreateGroupRequest::decode(bytes)?)
            .map(drop)
            .map_err(Status::from),
        13 => members(&ChangeMembersRequest::decode(bytes)?),
        14 => group(&GetGroupRequest::decode(bytes)?),
        15 => lists_of_groups(&ListMembersRequest::decode(bytes)?),
        16 => convert::definition(
            AddAttributeRequest::decode(bytes)?
                .attribute
                .unwrap_or_default(),
        )
        .map(drop)
        .map_err(Status::from),
        17 => history(&ListHistoryRequest::decode(bytes)?),
        18 => lists_of_deleted(&ListReservedNamesRequest::decode(bytes)?),
        20 => exchange(ExchangeRequest::decode(bytes)?),
        21 => MoveServerRequest::decode(bytes).map(|_| Ok(()))?,
        _ => {
            timeout(bytes);
            page_of(bytes);
            Ok(())
        }
    })
}

/// On a stream each is taken as the call of its own would be.
fn exchange(request: ExchangeRequest) -> Result<(), Status> {
    let (kind, bytes) = match request.request {
        Some(Asked::GetAccount(asked)) => (0, asked.encode_to_vec()),
        Some(Asked::CreateAccount(asked)) => (2, asked.encode_to_vec()),
        Some(Asked::UpdateAccount(asked)) => (3, asked.encode_to_vec()),
        Some(Asked::DeleteAccount(asked)) => (4, asked.encode_to_vec()),
        Some(Asked::CheckPassword(asked)) => (5, asked.encode_to_vec()),
        Some(Asked::GetGroup(asked)) => (14, asked.encode_to_vec()),
        Some(Asked::CreateGroup(asked)) => (12, asked.encode_to_vec()),
        Some(Asked::ChangeMembers(asked)) => (13, asked.encode_to_vec()),
        Some(Asked::UpdateGroup(_) | Asked::DeleteGroup(_)) | None => return Ok(()),
    };
    decode(kind, &bytes).expect("it was encoded just now")
}

fn get(request: GetAccountRequest) -> Result<(), Status> {
    let account = convert::account_name(&request.name)?;
    let name = match &account {
        Selector::Id(id) => format!("accounts/{id}"),
        Selector::LoginName(login_name) => format!("accounts/login:{login_name}"),
        Selector::GroupId(_) | Selector::GroupName(_) => panic!("{account} is no account"),
    };
    assert_eq!(convert::account_name(&name), Ok(account));
    convert::consistency(request.read)?;
    Ok(())
}

fn group(request: &GetGroupRequest) -> Result<(), Status> {
    let group = convert::group_name(&request.name)?;
    let name = match &group {
        Selector::GroupId(id) => format!("groups/{id}"),
        Selector::GroupName(group_name) => format!("groups/name:{group_name}"),
        Selector::Id(_) | Selector::LoginName(_) => panic!("{group} is no group"),
    };
    assert_eq!(convert::group_name(&name), Ok(group));
    Ok(())
}

fn members(request: &ChangeMembersRequest) -> Result<(), Status> {
    convert::group_name(&request.name)?;
    convert::members(&request.add, &request.remove)?;
    Ok(())
}

fn lists_of_groups(request: &ListMembersRequest) -> Result<(), Status> {
    let ends = [
        convert::groups_start(&request.page_token).map(drop),
        convert::members_start(&request.page_token).map(drop),
    ];
    // A token is of one list.
    assert!(request.page_token.is_empty() || ends.iter().any(Result::is_err));
    ends.into_iter().collect::<Result<(), _>>()?;
    Ok(())
}

/// A token is of one list, and the one that is given for where it leads.
fn lists_of_deleted(request: &ListReservedNamesRequest) -> Result<(), Status> {
    let token = &request.page_token;
    if let Ok(Some(from)) = convert::reserved_start(token) {
        let again = convert::reserved_start(&convert::reserved_token(&from));
        assert_eq!(again, Ok(Some(from)));
        assert!(convert::deleted_start(token).is_err());
    }
    if let Some(from) = convert::deleted_start(token)? {
        let again = convert::deleted_start(&convert::deleted_token(from));
        assert_eq!(again, Ok(Some(from)));
    }
    Ok(())
}

/// A token that is taken is the one that is given for where it leads.
fn history(request: &ListHistoryRequest) -> Result<(), Status> {
    convert::object_name(&request.name)?;
    if let Some(from) = convert::history_start(&request.page_token)? {
        let again = convert::history_start(&convert::history_token(from));
        assert_eq!(again, Ok(Some(from)));
    }
    Ok(())
}

fn stamp() -> Stamp {
    Stamp {
        time: Time(1),
        actor: Actor::Anyone,
        client: ClientAddress::parse("192.0.2.1:4000").expect("an address"),
    }
}

fn list(request: &ListAccountsRequest) -> Result<(), Status> {
    assert!(convert::page_size(request.page_size)? > 0);
    convert::consistency(request.read)?;
    if let Some(filter) = convert::filter(Schema::builtin(), &request.filter)? {
        let somebody = Object {
            id: ID.parse().expect("an id"),
            kind: Kind::Person,
            created: stamp(),
            changed: stamp(),
            version: Revision(1),
            password_version: None,
            attributes: BTreeMap::new(),
        };
        // Nobody without a value has a unique one.
        let fits = filter.fits(&somebody);
        assert!(!fits || filter.unique_key(Schema::builtin()).is_none());
    }
    if let Some(after) = convert::accounts_start(&request.page_token)? {
        assert_eq!(convert::accounts_token(after), request.page_token);
    }
    Ok(())
}

fn change(request: UpdateAccountRequest) -> Result<(), Status> {
    let asked = request.account.clone().unwrap_or_default();
    let change = convert::account_change(Schema::builtin(), request)?;
    assert!(!change.edits.is_empty() || !matches!(change.password, PasswordChange::Keep));
    match change.expected_version {
        None => assert_eq!(asked.etag, ""),
        Some(version) => {
            let asked = asked.etag.trim_matches('"').to_ascii_lowercase();
            assert_eq!(convert::etag(version), asked.trim_start_matches('0'));
        }
    }
    Ok(())
}

fn password(mut request: CheckPasswordRequest) -> Result<(), Status> {
    convert::account_name(&request.name)?;
    convert::needed_password(&mut request.password)?;
    convert::consistency(request.read)?;
    assert_eq!(request.password, "", "it is taken out of the message");
    Ok(())
}

/// The `authorization` of a request; as it is, and as what stands in it encoded.
fn login(bytes: &[u8]) -> Result<(), Status> {
    let encoded = format!("Basic {}", STANDARD.encode(bytes));
    let written = std::str::from_utf8(bytes).map(convert::login);
    for login in [Some(convert::login(&encoded)), written.ok()]
        .into_iter()
        .flatten()
    {
        if let Err(denied) = login {
            assert_documented(&Error::from(denied).into());
        }
    }
    Ok(())
}

fn timeout(bytes: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        let headers =
            HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), value)]);
        assert!(deadline(&headers, DEADLINE_MAX) <= DEADLINE_MAX);
    }
}

/// The token of any page leads back to it.
fn page_of(bytes: &[u8]) {
    if let Some(id) = bytes.first_chunk::<16>() {
        let id = ObjectId::from_bytes(*id);
        assert_eq!(
            convert::accounts_start(&convert::accounts_token(id)),
            Ok(Some(id))
        );
    }
}

/// The API's documentation lists it, and it gets to the client as it was meant.
fn assert_documented(status: &Status) {
    let info = status.get_details_error_info().expect("a reason");
    assert_eq!(info.domain, errors::DOMAIN);
    assert!(
        PAGE.contains(&format!("| `{}` |", info.reason)),
        "{} is not in docs/reference/api.md",
        info.reason
    );
    assert_ne!(status.message(), "");
    let response = status.clone().into_http::<()>();
    let headers = response.headers();
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    assert!(size < HEADERS_MAX, "an error of {size} bytes");
    let heard = Status::from_header_map(headers).expect("a status");
    assert_eq!(
        (heard.code(), heard.message(), heard.details()),
        (status.code(), status.message(), status.details())
    );
}

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Each message with all of its fields, and the headers.
pub fn seeds() -> Vec<Vec<u8>> {
    let of_text = |kind: u8, text: &str| [&[kind], text.as_bytes()].concat();
    let mut seeds = vec![
        of_text(11, "ana:a password"),
        of_text(11, "Basic YW5hOmEgcGFzc3dvcmQ="),
        of_text(18, "100m"),
    ];
    seeds.extend(reads_of_accounts());
    seeds.extend(changes_of_accounts());
    seeds.extend(of_groups());
    seeds.extend(of_servers());
    seeds
}

fn read(consistency: Consistency) -> Option<ReadOptions> {
    Some(ReadOptions {
        consistency: consistency.into(),
        min_revision: 7,
    })
}

fn reads_of_accounts() -> [Vec<u8>; 4] {
    let get = |name: String, consistency| {
        let request = GetAccountRequest {
            name,
            read: read(consistency),
            with_groups: true,
        };
        seed(0, &request)
    };
    let list = ListAccountsRequest {
        kinds: 1,
        page_size: 100,
        page_token: convert::accounts_token(ID.parse().expect("an id")),
        filter: "department=\"a \\\"b\"\" and not (title=head* or mail=ana@example.org)".to_owned(),
        read: read(Consistency::Linearizable),
    };
    let check = CheckPasswordRequest {
        name: "accounts/login:ana".to_owned(),
        password: "a password".to_owned(),
        read: read(Consistency::Unspecified),
    };
    [
        get(format!("accounts/{ID}"), Consistency::AtLeastRevision),
        get("accounts/login:νίκος".to_owned(), Consistency::Stale),
        seed(1, &list),
        seed(5, &check),
    ]
}

fn changes_of_accounts() -> [Vec<u8>; 4] {
    let account = |name: &str| Account {
        name: name.to_owned(),
        login_name: "ana".to_owned(),
        real_name: "Ana Lima".to_owned(),
        etag: "1f".to_owned(),
        ..Account::default()
    };
    let create = CreateAccountRequest {
        password_hash: String::new(),
        account: Some(account("")),
        password: "a password".to_owned(),
        request_id: ID.to_owned(),
        assign_posix_number: true,
    };
    let update = |paths: &[&str]| UpdateAccountRequest {
        new_password_hash: String::new(),
        account: Some(account("accounts/login:ana")),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
        current_password: "old one".to_owned(),
        new_password: "new one".to_owned(),
        request_id: ID.to_owned(),
        edits: vec![
            AttributeEdit::add("mail", ["Ana@example.ORG".to_owned()]),
            AttributeEdit::clear("title"),
        ],
    };
    let delete = DeleteAccountRequest {
        name: format!("accounts/{ID}"),
        etag: "\"1f\"".to_owned(),
        current_password: "a password".to_owned(),
        request_id: ID.to_owned(),
    };
    [
        seed(2, &create),
        seed(3, &update(&[])),
        seed(3, &update(&["login_name", "real_name", "password"])),
        seed(4, &delete),
    ]
}

fn of_groups() -> [Vec<u8>; 6] {
    let create = CreateGroupRequest {
        group: Some(Group {
            group_name: "Head office".to_owned(),
            ..Group::default()
        }),
        request_id: ID.to_owned(),
        assign_posix_number: true,
    };
    let members = ChangeMembersRequest {
        name: "groups/name:staff".to_owned(),
        etag: "1f".to_owned(),
        add: vec!["accounts/login:ana".to_owned(), format!("groups/{ID}")],
        remove: vec!["groups/name:dev".to_owned()],
        request_id: ID.to_owned(),
    };
    let get = GetGroupRequest {
        name: "groups/name:staff".to_owned(),
        read: read(Consistency::Stale),
        with_groups: true,
    };
    let list = ListMembersRequest {
        name: format!("groups/{ID}"),
        page_size: 100,
        page_token: convert::members_token(Kind::Group, ID.parse().expect("an id")),
        read: read(Consistency::Linearizable),
    };
    [
        seed(12, &create),
        seed(13, &members),
        seed(14, &get.clone()),
        seed(15, &list),
        seed(
            20,
            &ExchangeRequest {
                id: 9,
                timeout_ms: 2000,
                cancel: false,
                request: Some(Asked::GetGroup(get)),
            },
        ),
        seed(
            17,
            &ListHistoryRequest {
                name: format!("groups/{ID}"),
                page_token: convert::history_token(HistoryCursor {
                    own: Some(Revision(7)),
                    mention: None,
                }),
                ..ListHistoryRequest::default()
            },
        ),
    ]
}

fn of_servers() -> [Vec<u8>; 6] {
    let server = || "s4".to_owned();
    let address = || "10.0.0.4:7400".to_owned();
    let add = AddServerRequest {
        server_name: server(),
        client_address: address(),
        peer_address: address(),
        learner: true,
    };
    let remove = RemoveServerRequest {
        server_name: server(),
    };
    let replace = ReplaceServerRequest {
        server_name: server(),
        new_server_name: server(),
        client_address: address(),
        peer_address: address(),
    };
    let moved = MoveServerRequest {
        server_name: server(),
        client_address: address(),
        peer_address: address(),
    };
    let transfer = TransferLeadershipRequest {
        server_name: server(),
    };
    let get = GetServerRequest {
        digest: true,
        min_revision: 9,
    };
    [
        seed(6, &add),
        seed(7, &remove),
        seed(8, &replace),
        seed(9, &transfer),
        seed(10, &get),
        seed(21, &moved),
    ]
}
