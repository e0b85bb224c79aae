use std::collections::BTreeMap;

use super::*;
use crate::{errors::Exit, options::DisplayOptions};

struct Given {
    dir: tempfile::TempDir,
    env: BTreeMap<&'static str, String>,
    options: ClientOptions,
}

impl Given {
    fn config(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.toml");
        fs::write(&path, text).unwrap();
        Self {
            env: BTreeMap::from([("QUORID_CONFIG", path.display().to_string())]),
            dir,
            options: ClientOptions::default(),
        }
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    fn resolve(&self) -> Result<ClientSettings, Failure> {
        ClientSettings::resolve(self.options.clone(), &|name| {
            self.env.get(name).map(OsString::from)
        })
    }
}

#[test]
fn flag_counts_over_environment_over_file() {
    let mut given = Given::config(
        "servers = ['file:1']\nuser = 'file'\noutput = 'json'\ntimeout = '3s'\ncolor = 'never'",
    );
    let settings = given.resolve().unwrap();
    assert_eq!(settings.servers, ["file:1"]);
    assert_eq!(settings.user.as_deref(), Some("file"));
    assert_eq!(settings.format, Format::Json);
    assert_eq!(settings.color, Color::Never);
    assert_eq!(settings.timeout, Some(Duration::from_secs(3)));

    given = given
        .env("QUORID_SERVERS", "env:1, env:2")
        .env("QUORID_USER", "env")
        .env("QUORID_OUTPUT", "text")
        .env("QUORID_TIMEOUT", "2s");
    let settings = given.resolve().unwrap();
    assert_eq!(settings.servers, ["env:1", "env:2"]);
    assert_eq!(settings.user.as_deref(), Some("env"));
    assert_eq!(settings.format, Format::Text);
    assert_eq!(settings.timeout, Some(Duration::from_secs(2)));

    given.options = ClientOptions {
        servers: vec!["flag:1".to_owned()],
        user: Some("flag".to_owned()),
        timeout: Some(Duration::from_secs(1)),
        display: DisplayOptions {
            output: Some(Format::Json),
            ..DisplayOptions::default()
        },
        ..ClientOptions::default()
    };
    let settings = given.resolve().unwrap();
    assert_eq!(settings.servers, ["flag:1"]);
    assert_eq!(settings.user.as_deref(), Some("flag"));
    assert_eq!(settings.format, Format::Json);
    assert_eq!(settings.timeout, Some(Duration::from_secs(1)));
}

#[test]
fn paths_of_the_file_are_relative_to_it() {
    let given =
        Given::config("ca = 'certs/ca.crt'\ncert = '/etc/op.crt'").env("QUORID_KEY", "op.key");
    let settings = given.resolve().unwrap();
    assert_eq!(settings.ca, Some(given.dir.path().join("certs/ca.crt")));
    assert_eq!(settings.cert, Some(PathBuf::from("/etc/op.crt")));
    assert_eq!(settings.key, Some(PathBuf::from("op.key")));
}

#[test]
fn unknown_key_is_an_error_that_names_key_file_and_known_keys() {
    let failure = Given::config("servers = []\nserver = 'one:1'")
        .resolve()
        .unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    for part in [
        "`server`",
        "client.toml",
        "`servers`",
        "`user_password_file`",
    ] {
        assert!(
            failure.message.contains(part),
            "{part}: {}",
            failure.message
        );
    }
}

#[test]
fn values_that_cannot_be_meant_name_their_source() {
    for (text, part) in [
        ("servers = ['one']", "port is missing"),
        ("timeout = 'soon'", "`timeout`"),
        ("output = 'xml'", "xml"),
        ("servers = 'one:1'", "servers"),
        ("servers = [", "client.toml"),
    ] {
        let failure = Given::config(text).resolve().unwrap_err();
        assert!(
            failure.message.contains(part),
            "{text}: {}",
            failure.message
        );
    }
    let given = Given::config("").env("QUORID_COLOR", "blue");
    let failure = given.resolve().unwrap_err();
    assert!(
        failure.message.contains("QUORID_COLOR"),
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains("auto, always, never"),
        "{}",
        failure.message
    );
    let given = Given::config("").env("QUORID_SERVERS", "one:1,two");
    let failure = given.resolve().unwrap_err();
    assert!(
        failure.message.contains("QUORID_SERVERS"),
        "{}",
        failure.message
    );
}

#[test]
fn file_that_was_asked_for_must_be_there_the_usual_one_need_not() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().display().to_string();
    let env = |name: &str| (name == "HOME").then(|| OsString::from(&home));
    let settings = ClientSettings::resolve(ClientOptions::default(), &env).unwrap();
    assert_eq!(
        settings.config,
        Some(dir.path().join(".config/quorid/client.toml"))
    );
    let options = ClientOptions {
        config: Some(dir.path().join("missing.toml")),
        ..ClientOptions::default()
    };
    let failure = ClientSettings::resolve(options, &env).unwrap_err();
    assert!(
        failure.message.contains("missing.toml"),
        "{}",
        failure.message
    );
}

#[test]
fn password_file_flag_counts_over_the_environments_password() {
    let mut given =
        Given::config("user_password_file = 'pw'").env("QUORID_USER_PASSWORD", "secret");
    assert_eq!(
        given.resolve().unwrap().user_password,
        UserPassword::Known(Password::from("secret"))
    );
    given.options.user_password_file = Some(PathBuf::from("flag"));
    assert_eq!(
        given.resolve().unwrap().user_password,
        UserPassword::File(PathBuf::from("flag"))
    );
    let given = Given::config("user_password_file = 'pw'");
    assert_eq!(
        given.resolve().unwrap().user_password,
        UserPassword::File(given.dir.path().join("pw"))
    );
}

#[test]
fn empty_variables_count_as_not_set() {
    let given = Given::config("servers = ['file:1']").env("QUORID_SERVERS", "");
    assert_eq!(given.resolve().unwrap().servers, ["file:1"]);
}
