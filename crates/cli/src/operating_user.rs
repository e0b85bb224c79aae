//! The operating system user's name, for an account that is created without a real name.

use std::{env, fs, process::Command};

use super::errors::Failure;

/// The user's full name, or the login where the system knows none.
///
/// Asks the passwd file first and then `getent`, which also knows users of a directory
/// service; the environment names the login where neither knows the user.
pub(crate) fn real_name() -> Result<String, Failure> {
    let uid = rustix::process::getuid().as_raw();
    fs::read_to_string("/etc/passwd")
        .ok()
        .and_then(|passwd| name_of(uid, &passwd))
        .or_else(|| name_of(uid, &getent(uid)?))
        .or_else(|| {
            ["LOGNAME", "USER"]
                .into_iter()
                .filter_map(|variable| env::var(variable).ok())
                .find(|login| !login.is_empty())
        })
        .ok_or_else(|| {
            Failure::usage(format!(
                "the system knows no name of its user {uid}, so the account needs a real name"
            ))
            .hint("quorid create <login name> <real name>")
        })
}

fn getent(uid: u32) -> Option<String> {
    let answer = Command::new("getent")
        .args(["passwd", &uid.to_string()])
        .output()
        .ok()?;
    String::from_utf8(answer.stdout).ok()
}

/// From lines `login:password:uid:gid:gecos:home:shell`. The full name is what stands before
/// the first comma of the gecos field, in which `&` stands for the login.
fn name_of(uid: u32, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [login, _, id, _, gecos, ..] = fields[..] else {
            return None;
        };
        if id.parse() != Ok(uid) || login.is_empty() {
            return None;
        }
        let full_name = gecos.split(',').next().unwrap_or_default().trim();
        Some(if full_name.is_empty() {
            login.to_owned()
        } else {
            full_name.replace('&', &capitalised(login))
        })
    })
}

fn capitalised(login: &str) -> String {
    let mut characters = login.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
# a comment
ana:x:1000:1000:Ana Lima,Room 7,,:/home/ana:/bin/sh
bo:x:1001:1001::/home/bo:/bin/sh
cy:x:1002:1002:& Young:/home/cy:/bin/sh
";

    #[test]
    fn full_name_is_taken_else_the_login() {
        for (uid, name) in [
            (0, Some("root")),
            (1000, Some("Ana Lima")),
            (1001, Some("bo")),
            (1002, Some("Cy Young")),
            (1003, None),
        ] {
            assert_eq!(name_of(uid, PASSWD).as_deref(), name, "{uid}");
        }
    }
}
