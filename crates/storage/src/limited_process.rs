//! A test once more, in a process of its own for which the shell has set a limit.

use std::{env, process::Command};

/// Runs a test after what the shell is told first, with a variable by which it knows. `module` is the test's
/// `module_path!()`. Panics unless the test passes.
pub(crate) fn passes(shell: &str, module: &str, test: &str, variable: (&str, &str)) {
    let (_, path) = module.split_once("::").expect("a module of a crate");
    let output = Command::new("bash")
        .args(["-c", &format!("{shell}; exec \"$@\""), "bash"])
        .arg(env::current_exe().expect("this program"))
        .args(["--exact", &format!("{path}::{test}"), "--nocapture"])
        .env(variable.0, variable.1)
        .output()
        .expect("bash");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("1 passed"), "{said}");
}
