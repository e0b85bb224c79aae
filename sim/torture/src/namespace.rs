//! Namespaces of our own for mounts and processes: whatever ends this program, the kernel takes
//! away mounts, loop devices, stopped servers and all.

use std::{
    env,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

/// The hidden option of the program within.
pub(crate) const INSIDE: &str = "--inside";

/// Runs this program once more, with the same arguments, in namespaces of its own. Returns only
/// if that cannot be done, and says why.
pub(crate) fn enter() -> String {
    let tried = unshare()
        .arg("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output();
    match tried {
        Err(error) => return format!("unshare cannot be run: {error}"),
        Ok(output) if !output.status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            return format!("no namespaces here: {}", said.trim());
        }
        Ok(_) => {}
    }
    match env::current_exe() {
        Ok(program) => unshare()
            .arg(program)
            .args(env::args_os().skip(1))
            .arg(INSIDE)
            .exec()
            .to_string(),
        Err(error) => format!("this program is not found: {error}"),
    }
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]);
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command
}
