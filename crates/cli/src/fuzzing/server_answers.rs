//! What servers answer, as the client library decodes it and the command line shows it: the first
//! byte says which answer.

use prost::{DecodeError, Message as _};
use quorid_api::{Account, ClusterView, ServerStatus, fuzzing as client, proto::ReferencedAccount};
use quorid_directory::Schema;
use quorid_lab::terminal::acts_on_terminals;
use quorid_server::fuzzing::{seed, sequence};
use serde::Serialize;

use crate::{
    cluster::{
        members::{view_json, view_table},
        status::{self, MemberStatus},
    },
    errors::Failure,
    export::{csv_line, json_line},
    record::Record,
    terminal::{STRONG, to_json},
};

/// Nothing that a server answers ends the client, or does anything to a terminal.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    // An answer that cannot be decoded is an error of the call.
    let _ = decode(*kind, bytes);
}

fn decode(kind: u8, bytes: &[u8]) -> Result<(), DecodeError> {
    match kind % 4 {
        0 => match client::answer(bytes) {
            Ok(view) => show_view(view),
            Err(error) => {
                let failure = Failure::from(error);
                assert_harmless(&failure.to_text());
                assert_harmless(&json(&failure.to_json()));
            }
        },
        1 => {
            let views: Vec<ClusterView> = sequence(bytes);
            if let Some(view) = views.first() {
                show_view(view.clone());
            }
            client::views(views);
        }
        2 => {
            let status = ServerStatus::decode(bytes)?;
            let member = MemberStatus {
                server: status.server.clone().unwrap_or_default(),
                status: Ok(status),
            };
            let (view, members) = (ClusterView::default(), [member]);
            assert_harmless(&status::to_text(&view, &members));
            assert_harmless(&json(&status::to_json(&view, &members, None)));
        }
        _ => {
            let record = Record::from(Account::decode(bytes)?);
            let text = record.to_text();
            // Its own bold type.
            let plain = [format!("{STRONG}"), format!("{STRONG:#}")]
                .iter()
                .fold(text, |text, style| text.replace(style, ""));
            assert_harmless(&plain);
            assert_harmless(&json(&record));
            csv_line(&record.values(Schema::builtin()));
            json_line(&record).expect("JSON has every text");
        }
    }
    Ok(())
}

fn show_view(view: ClusterView) {
    assert_harmless(&view_table(&view));
    assert_harmless(&json(&view_json(&view)));
}

fn json(value: &impl Serialize) -> String {
    to_json(value).expect("JSON has every text")
}

fn assert_harmless(text: &str) {
    let act = text.chars().find(|c| *c != '\n' && acts_on_terminals(*c));
    assert_eq!(act, None, "{text:?}");
}

/// Answers of each kind, with all of their fields.
pub fn seeds() -> Vec<Vec<u8>> {
    let answers = client::answer_seeds();
    let mut seeds: Vec<Vec<u8>> = answers
        .into_iter()
        .map(|answer| [vec![0], answer].concat())
        .collect();
    let views = [(1, 2), (2, 0), (2, 3), (1, 1)]
        .into_iter()
        .flat_map(|(term, leader)| client::view_of(term, leader).encode_length_delimited_to_vec());
    seeds.push([1].into_iter().chain(views).collect());
    let view = client::view_of(3, 1);
    let status = ServerStatus {
        server: view.servers.into_iter().next(),
        role: 1,
        term: 3,
        leader_id: 1,
        last_log_index: 9,
        committed_index: 9,
        applied_index: 8,
        checkpoint_index: 7,
        purged_index: 2,
        version: "0.1.0".to_owned(),
        accounts: 5,
        digest: "00ff".to_owned(),
        disk_bytes: 1 << 20,
        uptime_seconds: 60,
        groups: 2,
        level: 1,
        supported_level: 2,
        row_sum: "00ff".to_owned(),
        clock_ahead_ms: Some(-3_600_000),
        clock_is_wrong: true,
    };
    seeds.push(seed(2, &status));
    let time = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    let account = Account {
        name: "accounts/01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        login_name: "ana".to_owned(),
        real_name: "Ana \u{1b}[2J\u{202e}, \"Lima\"".to_owned(),
        create_time: time(1_795_000_000, 123_000_000),
        create_address: "127.0.0.1:50000".to_owned(),
        create_actor: "operator olga".to_owned(),
        update_time: time(1_795_000_001, 0),
        update_address: "[::1]:50001".to_owned(),
        update_actor: "account 0199".to_owned(),
        has_password: true,
        etag: "1f".to_owned(),
        attributes: vec![quorid_api::Attribute {
            name: "mail".to_owned(),
            values: vec!["ana@example.org".to_owned(), "a\u{1b}".to_owned()],
        }],
        referenced: vec![ReferencedAccount {
            attribute: "manager".to_owned(),
            id: "01890a5d-ac96-774b-bcce-b302099a8058".to_owned(),
            login_name: "ben\u{1b}".to_owned(),
        }],
        groups: vec!["staff".to_owned(), "a\u{1b}".to_owned()],
        kind: "service\u{1b}".to_owned(),
    };
    seeds.push(seed(3, &account));
    seeds
}
