//! Accounts of programs.

use crate::support::{
    Log, account_id, by_login, change, create, create_group, members, set, verifier, who_knows,
};
use quorid_directory::{
    Action, Kind, Operation, Principal, Rejection, Role, Time, Violation, authorize,
};

fn create_service(id: u8, name: &str) -> Operation {
    Operation::Create {
        id: account_id(id),
        kind: Kind::Service,
        edits: vec![set("login_name", name)],
        verifier: Some(verifier("salt")),
    }
}

#[test]
fn a_service_logs_in_and_shares_the_names_of_persons() {
    let mut log = Log::new();
    log.run(create(1, "ana")).expect("created");
    log.run(create_service(2, "gitea")).expect("created");
    let password = log.revision;
    for operation in [create(3, "gitea"), create_service(3, "ana")] {
        let taken = log.run(operation);
        assert!(
            matches!(taken, Err(Rejection::ValueTaken { .. })),
            "{taken:?}"
        );
    }
    let titled = log.run(change(by_login("gitea"), vec![set("title", "Boss")]));
    assert!(matches!(
        titled,
        Err(Rejection::SchemaViolation {
            violation: Violation::Kind,
            ..
        })
    ));
    log.run(create_group(11, "bots")).expect("created");
    log.run(members("bots", vec![by_login("gitea")], vec![]))
        .expect("a member");
    let itself = who_knows(2, password);
    let key = change(by_login("gitea"), vec![set("login_name", "forgejo")]);
    log.run_as(&itself, key).expect("a name of its own");
    log.directory.assert_whole();
}

#[test]
fn only_managers_make_services_and_strangers_do_not_change_them() {
    let mut log = Log::new();
    let stranger = log.run_as(&Principal::Anyone, create_service(2, "gitea"));
    let role = Role::UserManager;
    assert_eq!(
        stranger,
        Err(Rejection::NotPermitted {
            attribute: None,
            role
        })
    );
    let unguarded = Operation::Create {
        id: account_id(2),
        kind: Kind::Service,
        edits: vec![set("login_name", "gitea")],
        verifier: None,
    };
    let made = log.run(unguarded).expect("created").object;
    let action = Action::Delete(&made);
    let Ok(may) = authorize(&log.directory, Time(0), &Principal::Anyone, action);
    assert_eq!(
        may,
        Err(Rejection::NotPermitted {
            attribute: None,
            role
        })
    );
}
