//! LDAP: binding, adding an entry and searching for one, encoded by hand. Each client has a connection.

use std::io;

use anyhow::{Context as _, bail};
use quorid_lab::{
    LabError,
    load::{ClientThreads, Failed, Session},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    runtime::Handle,
    sync::Mutex,
};
use uuid::Uuid;

use crate::{Options, record};

const BASE: &str = "ou=people,dc=bench";
const ADMIN: &str = "cn=admin,dc=bench";
const PASSWORD: &str = "bench";

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const BIND: u8 = 0x60;
const BIND_DONE: u8 = 0x61;
const SIMPLE: u8 = 0x80;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const EQUAL: u8 = 0xa3;
const ADD: u8 = 0x68;
const ADD_DONE: u8 = 0x69;

/// A client with its connection.
pub(crate) struct LdapSession {
    stream: Mutex<BufReader<TcpStream>>,
}

pub(crate) async fn sessions(
    options: &Options,
    threads: &ClientThreads,
) -> anyhow::Result<Vec<(LdapSession, Handle)>> {
    let server = options.servers.first().context("no server")?;
    let mut sessions = Vec::new();
    for _ in 0..options.clients {
        let thread = threads.next();
        let connected = thread.spawn(TcpStream::connect(server.clone())).await?;
        let stream = connected.with_context(|| format!("cannot connect to {server}"))?;
        stream.set_nodelay(true)?;
        let session = LdapSession {
            stream: Mutex::new(BufReader::new(stream)),
        };
        let bind = [number(INTEGER, 3), text(ADMIN), tagged(SIMPLE, PASSWORD)].concat();
        let answers = session.call(tagged(BIND, bind), BIND_DONE).await?;
        if answers.result != 0 {
            bail!("the login was refused: result {}", answers.result);
        }
        sessions.push((session, thread));
    }
    Ok(sessions)
}

/// Login names that are there.
pub(crate) async fn known_names(
    sessions: &[(LdapSession, Handle)],
    names_max: usize,
) -> anyhow::Result<Vec<String>> {
    let (session, _) = sessions.first().context("no client")?;
    let answers = session
        .call(search("objectClass", "inetOrgPerson", "1.1"), SEARCH_DONE)
        .await?;
    let names = answers.entries.iter().filter_map(|name| {
        let (name, _) = name.strip_prefix("uid=")?.split_once(',')?;
        Some(name.to_owned())
    });
    Ok(names.take(names_max).collect())
}

impl Session for LdapSession {
    async fn create(&self, login_name: String, real_name: String) -> Result<(), Failed> {
        let id = Uuid::now_v7().to_string();
        let fields = record(&id, &login_name, &real_name);
        let about: Vec<&str> = fields[3..]
            .iter()
            .map(|(_, value)| value.as_str())
            .collect();
        let attributes = [
            attribute("objectClass", "inetOrgPerson"),
            attribute("uid", &login_name),
            attribute("cn", &real_name),
            attribute("sn", &real_name),
            attribute("employeeNumber", &id),
            attribute("description", &about.join(" ")),
        ]
        .concat();
        let name = format!("uid={login_name},{BASE}");
        let request = [text(&name), tagged(SEQUENCE, attributes)].concat();
        let answers = self.call(tagged(ADD, request), ADD_DONE).await;
        let answers = answers.map_err(|error| wrong(error.to_string()))?;
        match answers.result {
            0 => Ok(()),
            result => Err(wrong(format!("{name}: result {result}"))),
        }
    }

    async fn lookup(&self, login_name: String) -> Result<(), Failed> {
        let answers = self
            .call(search("uid", &login_name, "*"), SEARCH_DONE)
            .await;
        let answers = answers.map_err(|error| wrong(error.to_string()))?;
        match (answers.result, answers.entries.len()) {
            (0, 1) => Ok(()),
            (result, found) => Err(wrong(format!(
                "{login_name}: result {result}, {found} entries"
            ))),
        }
    }
}

fn wrong(what: String) -> Failed {
    Failed {
        name: "WRONG".to_owned(),
        error: Box::new(LabError::Fault(what)),
    }
}

/// What was answered to a request.
struct Answers {
    result: u8,
    /// Names of the entries that were found.
    entries: Vec<String>,
}

impl LdapSession {
    /// Sends a request, and reads until its last answer.
    async fn call(&self, request: Vec<u8>, last: u8) -> io::Result<Answers> {
        let mut stream = self.stream.lock().await;
        let message = tagged(SEQUENCE, [number(INTEGER, 1), request].concat());
        stream.write_all(&message).await?;
        let mut entries = Vec::new();
        loop {
            let (_, message) = read_value(&mut stream).await?;
            let mut rest = &message[..];
            let (_, _id) = next(&mut rest)?;
            let (kind, mut content) = next(&mut rest)?;
            let (_, first) = next(&mut content)?;
            if kind == last {
                let result = first.first().copied().unwrap_or(u8::MAX);
                return Ok(Answers { result, entries });
            }
            if kind == ENTRY {
                entries.push(String::from_utf8_lossy(first).into_owned());
            }
        }
    }
}

/// Entries below the base whose attribute has this value.
fn search(attribute: &str, value: &str, wanted: &str) -> Vec<u8> {
    let request = [
        text(BASE),
        number(ENUMERATED, 2),
        number(ENUMERATED, 0),
        number(INTEGER, 0),
        number(INTEGER, 0),
        number(BOOLEAN, 0),
        tagged(EQUAL, [text(attribute), text(value)].concat()),
        tagged(SEQUENCE, text(wanted)),
    ];
    tagged(SEARCH, request.concat())
}

fn attribute(name: &str, value: &str) -> Vec<u8> {
    tagged(SEQUENCE, [text(name), tagged(SET, text(value))].concat())
}

fn text(value: &str) -> Vec<u8> {
    tagged(OCTETS, value)
}

fn number(tag: u8, value: u8) -> Vec<u8> {
    tagged(tag, [value])
}

/// Tag, length, content. Requests are shorter than 64 KiB.
fn tagged(tag: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let [.., high, low] = content.len().to_be_bytes();
    let mut value = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        _ => vec![tag, 0x82, high, low],
    };
    value.extend_from_slice(content);
    value
}

async fn read_value(stream: &mut BufReader<TcpStream>) -> io::Result<(u8, Vec<u8>)> {
    let tag = stream.read_u8().await?;
    let mut length = usize::from(stream.read_u8().await?);
    if length >= 0x80 {
        let bytes = length - 0x80;
        length = 0;
        for _ in 0..bytes {
            length = length << 8 | usize::from(stream.read_u8().await?);
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    Ok((tag, content))
}

/// Takes the first value off.
fn next<'b>(bytes: &mut &'b [u8]) -> io::Result<(u8, &'b [u8])> {
    let cut_short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (&[tag, length], mut rest) = bytes.split_first_chunk().ok_or_else(cut_short)?;
    let mut length = usize::from(length);
    if length >= 0x80 {
        let (high, low) = rest.split_at_checked(length - 0x80).ok_or_else(cut_short)?;
        length = high
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte));
        rest = low;
    }
    let (value, rest) = rest.split_at_checked(length).ok_or_else(cut_short)?;
    *bytes = rest;
    Ok((tag, value))
}
