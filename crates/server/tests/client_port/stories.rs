//! Requests and their answers as data: stories/*.txt, one request a line.
//!
//!     WHO [as LOGIN:PASSWORD] REQUEST -> ANSWER[, recorded|, not recorded]
//!
//! WHO is `operator` or `stranger`, who has no certificate. ANSWER is `ok`, `ok` and a text in the
//! answer, or code and reason of a refusal, or `the same`: the answer that this id got before,
//! with its revision. `recorded` says that the answer's revision is higher than the one before. A line
//! with `a|b` stands for two lines, with `a` and with `b`.

use std::{collections::HashMap, fmt::Debug};

use prost_types::FieldMask;
use quorid_api::proto::{
    Account, CheckPasswordRequest, CreateAccountRequest, DeleteAccountRequest, GetAccountRequest,
    ListAccountsRequest, UpdateAccountRequest, accounts_client::AccountsClient,
};
use quorid_server::access::Access;
use tonic::{Request, Response, Status, transport::Channel};

use crate::support::{TestServer, accounts, by, refusal, request_id, revision};

macro_rules! stories {
    ($($name:ident: $file:literal,)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            tell(include_str!(concat!("stories/", $file))).await;
        }
    )*};
}

stories! {
    a_closed_directory_is_read_by_accounts_and_operators: "closed_reading.txt",
    names_cannot_be_probed_by_those_who_cannot_read: "closed_probing.txt",
    a_closed_directory_is_changed_by_operators_and_an_account_by_its_password: "closed_changing.txt",
    only_operators_change_login_names_in_a_closed_directory: "closed_renaming.txt",
    an_open_directory_is_everybodys_and_passwords_guard_their_accounts: "open.txt",
    a_retried_creation_gets_the_first_outcome: "retried_creation.txt",
    a_retried_change_of_the_password_gets_the_first_outcome: "retried_password.txt",
    a_retried_deletion_gets_the_first_outcome: "retried_deletion.txt",
    a_rejection_has_the_revision_that_it_was_made_at_and_its_retry_the_same: "retried_rejection.txt",
    a_request_that_found_no_account_never_acts: "not_found_open.txt",
    a_request_that_found_no_account_never_acts_in_a_closed_directory_either: "not_found_closed.txt",
}

async fn tell(story: &str) {
    let mut lines = story
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (access, self_rename) = match lines.next() {
        Some("access closed") => (Access::Closed, false),
        Some("access closed, self_rename") => (Access::Closed, true),
        Some("access open") => (Access::Open, false),
        other => panic!("a story begins with its access: {other:?}"),
    };
    let server = TestServer::start_with(access, self_rename).await;
    let mut story = Story {
        operator: accounts(&server.operator().await),
        stranger: accounts(&server.stranger().await),
        ids: HashMap::new(),
        latest: HashMap::new(),
        revision: 0,
    };
    for line in lines.flat_map(variants) {
        story.step(&line).await;
    }
}

fn variants(line: &str) -> Vec<String> {
    let Some(word) = line.split(' ').find(|word| word.contains('|')) else {
        return vec![line.to_owned()];
    };
    let choices = word.split('|');
    choices
        .flat_map(|choice| variants(&line.replacen(word, choice, 1)))
        .collect()
}

/// What a request got: the answer's text, or code and reason.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    text: Result<String, String>,
    revision: u64,
}

impl<T: Debug> From<Result<Response<T>, Status>> for Answer {
    fn from(result: Result<Response<T>, Status>) -> Self {
        match result {
            Ok(answer) => Self {
                revision: revision(answer.metadata()),
                text: Ok(format!("{:?}", answer.into_inner())),
            },
            Err(status) => Self {
                revision: revision(status.metadata()),
                text: Err({
                    let (code, reason) = refusal::<()>(Err(status));
                    format!("{code:?} {reason}")
                }),
            },
        }
    }
}

struct Story {
    operator: AccountsClient<Channel>,
    stranger: AccountsClient<Channel>,
    /// Request ids by the names that the story gives them.
    ids: HashMap<String, String>,
    /// The latest answer to each of them.
    latest: HashMap<String, Answer>,
    /// Revision of the latest answer.
    revision: u64,
}

impl Story {
    async fn step(&mut self, line: &str) {
        let (asked, wanted) = line.split_once(" -> ").expect("an answer");
        let (wanted, recorded) = match wanted.split_once(", ") {
            Some((wanted, "recorded")) => (wanted, Some(true)),
            Some((wanted, "not recorded")) => (wanted, Some(false)),
            Some(other) => panic!("no such answer: {other:?}"),
            None => (wanted, None),
        };
        let asked: Vec<&str> = asked.split(' ').collect();
        let answer = self.ask(&asked).await;
        if wanted == "the same" {
            assert_eq!(answer, self.latest[field(&asked, "id")], "{line}");
            return;
        }
        match (&answer.text, wanted.strip_prefix("ok")) {
            (Ok(text), Some(part)) => assert!(text.contains(part.trim()), "{line}: {text}"),
            (Err(refused), None) => assert_eq!(refused, wanted, "{line}"),
            (other, _) => panic!("{line}: {other:?}"),
        }
        if let Some(recorded) = recorded {
            assert_eq!(answer.revision > self.revision, recorded, "{line}");
        }
        self.revision = answer.revision;
        let id = field(&asked, "id").to_owned();
        self.latest.insert(id, answer);
    }

    async fn ask(&mut self, words: &[&str]) -> Answer {
        let client = match words[0] {
            "operator" => &mut self.operator,
            "stranger" => &mut self.stranger,
            other => panic!("nobody is called {other}"),
        };
        let (login, words) = match words[1..] {
            ["as", login, ref rest @ ..] => (Some(login), rest),
            ref rest => (None, rest),
        };
        let request_id = match field(words, "id") {
            "" => String::new(),
            id => self
                .ids
                .entry(id.to_owned())
                .or_insert_with(request_id)
                .clone(),
        };
        let login_name = words.get(1).copied().unwrap_or_default().to_owned();
        let name = format!("accounts/login:{login_name}");
        let password = field(words, "password").to_owned();
        match words[0] {
            "create" => {
                let account = Some(Account {
                    login_name,
                    real_name: "Somebody".to_owned(),
                    ..Account::default()
                });
                let create = CreateAccountRequest {
                    account,
                    password,
                    request_id,
                    assign_posix_number: false,
                    password_hash: String::new(),
                };
                client.create_account(with(login, create)).await.into()
            }
            "get" => {
                let get = GetAccountRequest {
                    name,
                    ..GetAccountRequest::default()
                };
                client.get_account(with(login, get)).await.into()
            }
            "list" => {
                let list = with(login, ListAccountsRequest::default());
                client.list_accounts(list).await.into()
            }
            "check" => {
                let check = CheckPasswordRequest {
                    name,
                    password,
                    read: None,
                };
                client.check_password(with(login, check)).await.into()
            }
            change @ ("rename" | "set-password") => {
                let path = if change == "rename" {
                    "login_name"
                } else {
                    "password"
                };
                let account = Some(Account {
                    name,
                    login_name: field(words, "to").to_owned(),
                    ..Account::default()
                });
                let update = UpdateAccountRequest {
                    account,
                    update_mask: Some(FieldMask {
                        paths: vec![path.to_owned()],
                    }),
                    current_password: password,
                    new_password: field(words, "new").to_owned(),
                    request_id,
                    ..UpdateAccountRequest::default()
                };
                client.update_account(with(login, update)).await.into()
            }
            "delete" => {
                let delete = DeleteAccountRequest {
                    name,
                    current_password: password,
                    request_id,
                    ..DeleteAccountRequest::default()
                };
                client.delete_account(with(login, delete)).await.into()
            }
            other => panic!("there is no request {other}"),
        }
    }
}

/// The value of `name=value` among the words, empty without one.
fn field<'a>(words: &[&'a str], name: &str) -> &'a str {
    let value = |word: &&'a str| word.strip_prefix(name)?.strip_prefix('=');
    words.iter().find_map(value).unwrap_or_default()
}

fn with<T>(login: Option<&str>, message: T) -> Request<T> {
    match login {
        Some(login) => by(login, message),
        None => Request::new(message),
    }
}
