//! What was changed, as the wire tells it: in lists, by object, and as it happens.

use quorid_api::proto::{
    Account, AttributeEdit, Change, ChangeMembersRequest, CreateAccountRequest, CreateGroupRequest,
    DeleteAccountRequest, GetChangeRequest, Group, ListChangesRequest, ListHistoryRequest,
    RevertChangeRequest, UpdateAccountRequest, WatchChangesRequest, WatchChangesResponse,
    attribute_edit::Action,
    change::{Done, Password},
    changes_client::ChangesClient,
    groups_client::GroupsClient,
};
use quorid_server::access::Access;
use tonic::{Code, Streaming, transport::Channel};

use crate::support::{TestServer, accounts, by, refusal, revision};

fn changes(channel: &Channel) -> ChangesClient<Channel> {
    ChangesClient::new(channel.clone())
}

async fn create(channel: &Channel, login_name: &str) -> (Account, u64) {
    let request = CreateAccountRequest {
        account: Some(Account {
            login_name: login_name.to_owned(),
            real_name: "Somebody".to_owned(),
            ..Account::default()
        }),
        password: "secret".to_owned(),
        ..CreateAccountRequest::default()
    };
    let created = accounts(channel).create_account(request).await;
    let created = created.expect("created");
    let revision = revision(created.metadata());
    (created.into_inner(), revision)
}

async fn set(channel: &Channel, login_name: &str, attribute: &str, value: &str) -> u64 {
    let request = UpdateAccountRequest {
        account: Some(Account {
            name: format!("accounts/login:{login_name}"),
            ..Account::default()
        }),
        edits: vec![AttributeEdit {
            attribute: attribute.to_owned(),
            action: Action::Replace.into(),
            values: vec![value.to_owned()],
        }],
        ..UpdateAccountRequest::default()
    };
    let changed = accounts(channel).update_account(request).await;
    revision(changed.expect("changed").metadata())
}

/// Ana and Ben, and Ana in the group staff; a title for Ana; and Ben is gone. The revisions of it all.
async fn story(operator: &Channel) -> (Account, Account, Vec<u64>) {
    let (ana, first) = create(operator, "ana").await;
    let (ben, second) = create(operator, "ben").await;
    let mut groups = GroupsClient::new(operator.clone());
    let staff = CreateGroupRequest {
        group: Some(Group {
            group_name: "staff".to_owned(),
            ..Group::default()
        }),
        ..CreateGroupRequest::default()
    };
    let made = groups.create_group(staff).await.expect("made");
    let join = ChangeMembersRequest {
        name: "groups/name:staff".to_owned(),
        add: vec![ana.name.clone(), ben.name.clone()],
        ..ChangeMembersRequest::default()
    };
    let joined = groups.change_members(join).await.expect("joined");
    let titled = set(operator, "ana", "title", "Head").await;
    let delete = DeleteAccountRequest {
        name: ben.name.clone(),
        ..DeleteAccountRequest::default()
    };
    let deleted = accounts(operator).delete_account(delete).await;
    let revisions = vec![
        first,
        second,
        revision(made.metadata()),
        revision(joined.metadata()),
        titled,
        revision(deleted.expect("deleted").metadata()),
    ];
    (ana, ben, revisions)
}

fn revisions(changes: &[Change]) -> Vec<u64> {
    changes.iter().map(|change| change.revision).collect()
}

fn of(name: &str) -> ListHistoryRequest {
    ListHistoryRequest {
        name: name.to_owned(),
        ..ListHistoryRequest::default()
    }
}

async fn history(channel: &Channel, name: &str) -> Vec<Change> {
    let listed = changes(channel).list_history(of(name)).await;
    listed.expect("listed").into_inner().changes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_listed_once_and_in_order_with_what_was_there_before() {
    let server = TestServer::start(Access::Closed).await;
    let operator = server.operator().await;
    let (ana, ben, made) = story(&operator).await;
    set(&operator, "ana", "title", "Head").await; // It is so already.
    let listed = |since, size| ListChangesRequest {
        since_revision: since,
        page_size: size,
        ..ListChangesRequest::default()
    };
    let all = changes(&operator).list_changes(listed(0, 0)).await;
    let all = all.expect("listed").into_inner();
    assert_eq!(revisions(&all.changes), made);
    assert!(!all.more && all.revision >= made[5], "{}", all.revision);
    let two = changes(&operator).list_changes(listed(made[0], 2)).await;
    let two = two.expect("listed").into_inner();
    assert_eq!(revisions(&two.changes), made[1..3]);
    assert_eq!((two.more, two.revision), (true, made[2]));

    let first = &all.changes[0];
    assert_eq!(
        (first.done(), first.password()),
        (Done::Created, Password::Set)
    );
    assert_eq!((&first.id, first.display_name.as_str()), (&ana.id, "ana"));
    assert_eq!(first.actor, "operator root");
    assert!(!first.address.is_empty());
    assert_eq!(first.attributes[0].attribute, "login_name");
    assert_eq!(first.attributes[0].after, ["ana"]);
    let members: Vec<_> = all.changes[3].members.iter().collect();
    assert_eq!(members.len(), 2);
    assert!(members.iter().all(|member| member.added));
    let gone = &all.changes[5];
    assert_eq!((gone.done(), gone.groups_left.len()), (Done::Deleted, 1));
    assert!(gone.attributes.iter().all(|it| it.after.is_empty()));

    let one = GetChangeRequest {
        revision: made[4],
        read: None,
    };
    let titled = changes(&operator).get_change(one).await;
    let titled = titled.expect("there").into_inner();
    assert_eq!(titled, all.changes[4]);
    assert_eq!(titled.attributes[0].attribute, "title");
    assert!(titled.attributes[0].before.is_empty());

    assert_eq!(
        revisions(&history(&operator, &ana.name).await),
        [made[4], made[3], made[0]]
    );
    assert_eq!(
        revisions(&history(&operator, &ben.name).await),
        [made[5], made[3], made[1]],
        "also after its end"
    );
    assert_eq!(
        revisions(&history(&operator, "groups/name:staff").await),
        [made[5], made[3], made[2]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_goes_on_page_by_page() {
    let server = TestServer::start(Access::Closed).await;
    let operator = server.operator().await;
    let (ana, _, made) = story(&operator).await;
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListHistoryRequest {
            page_size: 1,
            page_token: token,
            ..of(&ana.name)
        };
        let page = changes(&operator).list_history(request).await;
        let page = page.expect("listed").into_inner();
        assert!(page.changes.len() <= 1);
        seen.extend(revisions(&page.changes));
        token = page.next_page_token;
        if token.is_empty() {
            assert!(!page.older_are_gone);
            break;
        }
    }
    assert_eq!(seen, [made[4], made[3], made[0]]);
    let bad = ListHistoryRequest {
        page_token: "x".to_owned(),
        ..of(&ana.name)
    };
    let (_, reason) = refusal(changes(&operator).list_history(bad).await);
    assert_eq!(reason, "INVALID_PAGE_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_reads_its_own_history_and_no_others() {
    for access in [Access::Closed, Access::Open] {
        let server = TestServer::start(access).await;
        let (operator, stranger) = (server.operator().await, server.stranger().await);
        let (ana, ben, made) = story(&operator).await;
        create(&operator, "cleo").await;
        let mut asked = changes(&stranger);
        let own = asked.list_history(by("ana:secret", of("accounts/login:ana")));
        let own = own.await.expect("her own").into_inner().changes;
        assert_eq!(revisions(&own), [made[4], made[3], made[0]]);
        assert!(!own[0].address.is_empty(), "of a change of her own");
        assert!(own[1].address.is_empty(), "of a change of the group");
        let seen: Vec<_> = own[1].members.iter().map(|it| &it.id).collect();
        assert_eq!(seen, [&ana.id], "nobody else who joined");

        let one = |revision| GetChangeRequest {
            revision,
            read: None,
        };
        let read = asked.get_change(by("ana:secret", one(made[3])));
        assert_eq!(read.await.expect("hers").into_inner(), own[1]);
        for revision in [made[1], 99_999] {
            let refused = asked.get_change(by("ana:secret", one(revision))).await;
            let refused = refusal(refused);
            assert_eq!(refused.0, Code::PermissionDenied, "{refused:?}");
        }
        for name in [&ben.name, &"accounts/login:cleo".to_owned()] {
            let others = asked.list_history(by("ana:secret", of(name)));
            assert_eq!(refusal(others.await).0, Code::PermissionDenied, "{name}");
        }
        let all = asked.list_changes(by("ana:secret", ListChangesRequest::default()));
        assert_eq!(refusal(all.await).0, Code::PermissionDenied);
        let nobody = asked.list_history(of(&ana.name)).await;
        assert_eq!(refusal(nobody).0, Code::PermissionDenied, "{access}");
    }
}

async fn watch(channel: &Channel, request: WatchChangesRequest) -> Streaming<WatchChangesResponse> {
    let watch = changes(channel).watch_changes(request).await;
    watch.expect("watching").into_inner()
}

async fn next(stream: &mut Streaming<WatchChangesResponse>) -> WatchChangesResponse {
    stream
        .message()
        .await
        .expect("going on")
        .expect("a message")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_changes_gets_each_once_from_where_they_were() {
    let server = TestServer::start(Access::Closed).await;
    let operator = server.operator().await;
    let (_, _, made) = story(&operator).await;
    let oldest = WatchChangesRequest {
        from_the_oldest: true,
        ..WatchChangesRequest::default()
    };
    let mut all = watch(&operator, oldest).await;
    let first = next(&mut all).await;
    assert_eq!(revisions(&first.changes), made);
    let mut now = watch(&operator, WatchChangesRequest::default()).await;
    let begins = next(&mut now).await;
    assert_eq!(begins.changes, []);
    let mut later = watch(
        &operator,
        WatchChangesRequest {
            since_revision: made[4],
            from_the_oldest: false,
        },
    )
    .await;
    assert_eq!(revisions(&next(&mut later).await.changes), made[5..]);

    let (_, cleo) = create(&operator, "cleo").await;
    for stream in [&mut all, &mut now, &mut later] {
        let heard = next(stream).await;
        assert_eq!(revisions(&heard.changes), [cleo]);
        assert!(heard.revision >= cleo);
    }
    let text = server.get("/metrics").await;
    assert!(text.contains("quorid_changes_watchers 3"), "{text}");
    assert!(text.contains("quorid_changes 7"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_ends_the_watch() {
    let server = TestServer::start(Access::Closed).await;
    let (operator, stranger) = (server.operator().await, server.stranger().await);
    create(&operator, "mona").await;
    let mut groups = GroupsClient::new(operator.clone());
    let managers = CreateGroupRequest {
        group: Some(Group {
            group_name: "managers".to_owned(),
            attributes: vec![quorid_api::Attribute {
                name: "role".to_owned(),
                values: vec!["user_manager".to_owned()],
            }],
            ..Group::default()
        }),
        ..CreateGroupRequest::default()
    };
    groups.create_group(managers).await.expect("made");
    let member = |add: &[&str], remove: &[&str]| ChangeMembersRequest {
        name: "groups/name:managers".to_owned(),
        add: add.iter().map(ToString::to_string).collect(),
        remove: remove.iter().map(ToString::to_string).collect(),
        ..ChangeMembersRequest::default()
    };
    let mona = ["accounts/login:mona"];
    groups.change_members(member(&mona, &[])).await.expect("in");
    let request = by("mona:secret", WatchChangesRequest::default());
    let watch = changes(&stranger).watch_changes(request).await;
    let mut watch = watch.expect("watching").into_inner();
    next(&mut watch).await;
    set(&operator, "mona", "title", "Head").await;
    let heard = next(&mut watch).await;
    assert!(
        heard.changes[0].address.is_empty(),
        "addresses are for operators"
    );
    groups
        .change_members(member(&[], &mona))
        .await
        .expect("out");
    let ended = watch.message().await.expect_err("ended");
    assert_eq!(ended.code(), Code::PermissionDenied, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_those_who_follow_the_changes_with_its_reason_and_soon() {
    let server = TestServer::start(Access::Closed).await;
    let operator = server.operator().await;
    let mut stream = watch(&operator, WatchChangesRequest::default()).await;
    next(&mut stream).await;
    let began = std::time::Instant::now();
    let (stopped, end) = tokio::join!(server.server.stop(), async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended without a reason"),
                Err(status) => break status,
            }
        }
    });
    stopped.expect("stopped");
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

fn undo(revision: u64) -> RevertChangeRequest {
    RevertChangeRequest {
        revision,
        request_id: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_undone_by_who_may_make_the_opposite_one() {
    let server = TestServer::start(Access::Closed).await;
    let (operator, stranger) = (server.operator().await, server.stranger().await);
    let (ana, _, made) = story(&operator).await;
    let phoned = set(&operator, "ana", "phone", "+351 21").await;
    let by_ana = |revision| by("ana:secret", undo(revision));
    let mut asked = changes(&stranger);
    let managers = refusal(asked.revert_change(by_ana(made[4])).await);
    assert_eq!(
        managers,
        (Code::PermissionDenied, "NOT_PERMITTED".to_owned())
    );
    let others = refusal(asked.revert_change(by_ana(made[1])).await);
    assert_eq!(others.0, Code::PermissionDenied);
    let nobody = refusal(asked.revert_change(undo(phoned)).await);
    assert_eq!(nobody.0, Code::PermissionDenied);
    let undone = asked.revert_change(by_ana(phoned)).await;
    let undone = undone.expect("her own phone").into_inner();
    assert_eq!((undone.reverts, &undone.id), (phoned, &ana.id));
    assert_eq!(undone.actor, format!("account {}", ana.id));
    assert_eq!(undone.attributes[0].before, ["+351 21"]);

    let mut asked = changes(&operator);
    let again = refusal(asked.revert_change(undo(phoned)).await);
    assert_eq!(again, (Code::Aborted, "CHANGED_SINCE".to_owned()));
    let back = asked.revert_change(undo(made[5])).await;
    let back = back.expect("it can be restored").into_inner();
    assert_eq!((back.done(), back.reverts), (Done::Restored, made[5]));
    assert_eq!(back.groups_joined.len(), 1);
    let nothing = refusal(asked.revert_change(undo(99_999)).await);
    assert_eq!(nothing, (Code::NotFound, "CHANGE_NOT_FOUND".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_their_old_login_name_back_where_owners_do_not_rename() {
    let server = TestServer::start(Access::Closed).await;
    let (operator, stranger) = (server.operator().await, server.stranger().await);
    create(&operator, "ana").await;
    let renamed = set(&operator, "ana", "login_name", "anna").await;
    let request = by("anna:secret", undo(renamed));
    let refused = refusal(changes(&stranger).revert_change(request).await);
    assert_eq!(refused.0, Code::PermissionDenied, "{refused:?}");
    let back = changes(&operator).revert_change(undo(renamed)).await;
    assert_eq!(back.expect("undone").into_inner().display_name, "ana");
}
