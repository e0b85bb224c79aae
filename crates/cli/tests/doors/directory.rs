//! A cluster of one server, and the command line.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use quorid_lab::testbed::Testbed;
use serde_json::Value;

/// A cluster of one server, and commands to it.
pub(crate) struct Directory {
    pub(crate) cluster: Testbed,
}

impl Directory {
    pub(crate) async fn start() -> Self {
        let cluster = Testbed::builder(env!("CARGO_BIN_EXE_quorid"))
            .servers(1)
            .start()
            .await
            .expect("a cluster");
        Self { cluster }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.cluster.directory().join(name)
    }

    /// A file of this content; its path, as an argument.
    pub(crate) fn written(&self, name: &str, content: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, content).expect("written");
        path.to_string_lossy().into_owned()
    }

    /// Runs a command as the operator.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.operator(arguments).output().expect("the command runs")
    }

    /// A command of the operator, to be started.
    pub(crate) fn operator(&self, arguments: &[&str]) -> Command {
        let files = self.cluster.operator_files();
        let mut command = self.command(arguments);
        command
            .env("QUORID_CERT", files.certificate)
            .env("QUORID_KEY", files.key);
        command
    }

    /// Runs a command as somebody who has a login.
    pub(crate) fn run_as(&self, login_name: &str, password: &str, arguments: &[&str]) -> Output {
        self.command(arguments)
            .env("QUORID_USER", login_name)
            .env("QUORID_USER_PASSWORD", password)
            .output()
            .expect("the command runs")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let home = self.file("home");
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorid"));
        command
            .args(arguments)
            .env_clear()
            .env("QUORID_SERVERS", self.cluster.client_addresses().join(","))
            .env("QUORID_CA", self.cluster.authority())
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_CONFIG_HOME", home.join("config"));
        command
    }

    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    pub(crate) fn lookup(&self, login_name: &str) -> Value {
        let json = self.succeed(&["lookup", login_name, "--output", "json"]);
        serde_json::from_str(&json).expect("JSON")
    }

    /// Deletes an account, and leaves nothing of it.
    pub(crate) fn erase(&self, login_name: &str) {
        self.succeed(&["delete", login_name]);
        self.succeed(&["purge", login_name, "--yes"]);
    }

    /// The same with a group.
    pub(crate) fn erase_group(&self, name: &str) {
        self.succeed(&["group", "delete", name]);
        self.succeed(&["purge", &format!("group:{name}"), "--yes"]);
    }

    /// The exit code of a command that fails, and the reason that it gives programs.
    pub(crate) fn refuse(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        let error: Value = serde_json::from_slice(&output.stderr).expect("an error as JSON");
        let reason = error["reason"].as_str().expect("a reason");
        (output.status.code(), reason.to_owned())
    }
}
