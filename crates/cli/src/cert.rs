//! `quorid cert`: makes and shows the cluster's certificates.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use prost_types::Timestamp;
use quorid_server::certs::{
    self, AUTHORITY_DAYS, CertificateFacts, CertificateFiles, DAYS_MAX, LEAF_DAYS, LeafOptions,
};
use serde_json::{Value, json};

use super::{
    LocalCommand,
    errors::Failure,
    options::DisplayOptions,
    terminal::{Output, STRONG, escape},
};

/// Which certificate.
#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Makes a cluster's certificate authority (CA)
    #[command(after_help = CA_EXAMPLES)]
    Ca(LocalCommand<CaArgs>),
    /// Makes a server's certificate
    #[command(after_help = SERVER_EXAMPLES)]
    Server(LocalCommand<ServerArgs>),
    /// Makes an operator's certificate
    #[command(after_help = OPERATOR_EXAMPLES)]
    Operator(LocalCommand<OperatorArgs>),
    /// Shows what a certificate says: names, role, expiry, fingerprint
    #[command(after_help = SHOW_EXAMPLES)]
    Show(LocalCommand<ShowArgs>),
}

const CA_EXAMPLES: &str = "\
Examples:
  quorid cert ca --out certs                 certs/ca.crt and certs/ca.key

Keep ca.key away from the servers: who has it can make servers and operators.";
const SERVER_EXAMPLES: &str = "\
Examples:
  quorid cert server s1 --host s1.example --host 10.0.0.1 --ca certs --out certs
  quorid cert server s1 --host 10.0.0.1 --ca certs --force       renews it";
const OPERATOR_EXAMPLES: &str = "\
Examples:
  quorid cert operator admin --ca certs
  quorid cluster status --cert certs/admin.crt --key certs/admin.key";
const SHOW_EXAMPLES: &str = "\
Examples:
  quorid cert show certs/s1.crt";

/// Where the authority is made.
#[derive(Args, Debug)]
pub(crate) struct CaArgs {
    /// Directory for ca.crt and ca.key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Days until it expires
    #[arg(long, value_name = "NUMBER", default_value_t = AUTHORITY_DAYS,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
}

/// What servers' and operators' certificates have in common.
#[derive(Args, Debug)]
pub(crate) struct LeafArgs {
    /// Directory with the authority's ca.crt and ca.key
    #[arg(long, value_name = "DIR", default_value = ".")]
    ca: PathBuf,
    /// Directory for the new files [default: that of --ca]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Days until it expires, at most until the authority does
    #[arg(long, value_name = "NUMBER", default_value_t = LEAF_DAYS,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// Replace a certificate of that name
    #[arg(long)]
    force: bool,
}

/// Which server.
#[derive(Args, Debug)]
pub(crate) struct ServerArgs {
    /// The server's name, as given to `quorid serve`
    name: String,
    /// A host name or IP address that clients reach it by; may be given more than once
    #[arg(long = "host", value_name = "HOST", required = true)]
    hosts: Vec<String>,
    #[command(flatten)]
    leaf: LeafArgs,
}

/// Which operator.
#[derive(Args, Debug)]
pub(crate) struct OperatorArgs {
    /// The operator's name, as logs will have it
    name: String,
    #[command(flatten)]
    leaf: LeafArgs,
}

/// Which file.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// A certificate, PEM
    file: PathBuf,
}

/// The same without its display options.
#[derive(Debug)]
pub(crate) enum CertTask {
    Ca(CaArgs),
    Server(ServerArgs),
    Operator(OperatorArgs),
    Show(ShowArgs),
}

impl CertCommand {
    pub(crate) fn split(self) -> (CertTask, DisplayOptions) {
        match self {
            Self::Ca(command) => (CertTask::Ca(command.args), command.display),
            Self::Server(command) => (CertTask::Server(command.args), command.display),
            Self::Operator(command) => (CertTask::Operator(command.args), command.display),
            Self::Show(command) => (CertTask::Show(command.args), command.display),
        }
    }
}

pub(crate) fn run(task: CertTask, out: Output) -> Result<(), Failure> {
    match task {
        CertTask::Ca(args) => made(&certs::make_ca(&args.out, args.days)?, out),
        CertTask::Server(args) => made(
            &certs::make_server(&args.name, &args.hosts, &args.leaf.into())?,
            out,
        ),
        CertTask::Operator(args) => {
            made(&certs::make_operator(&args.name, &args.leaf.into())?, out)
        }
        CertTask::Show(args) => show(&certs::inspect(&args.file)?, out),
    }
}

impl From<LeafArgs> for LeafOptions {
    fn from(args: LeafArgs) -> Self {
        Self {
            out_dir: args.out.unwrap_or_else(|| args.ca.clone()),
            ca_dir: args.ca,
            days: args.days,
            force: args.force,
        }
    }
}

fn made(files: &CertificateFiles, out: Output) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(&json!({
            "certificate": files.certificate,
            "key": files.key,
        }));
    }
    out.line(files.certificate.display().to_string())?;
    out.line(files.key.display().to_string())
}

fn show(certificates: &[CertificateFacts], out: Output) -> Result<(), Failure> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().cast_signed());
    for (index, facts) in certificates.iter().enumerate() {
        if out.is_json() {
            out.json(&to_json(facts, now))?;
        } else {
            if index > 0 {
                out.line("")?;
            }
            out.line(to_text(facts, now))?;
        }
    }
    Ok(())
}

fn time(seconds: i64) -> String {
    Timestamp { seconds, nanos: 0 }.to_string()
}

fn to_json(facts: &CertificateFacts, now: i64) -> Value {
    json!({
        "name": facts.name,
        "role": facts.purpose.as_str(),
        "hosts": facts.hosts,
        "issuer": facts.issuer,
        "not_before": time(facts.not_before),
        "not_after": time(facts.not_after),
        "expired": facts.not_after < now,
        "fingerprint_sha256": facts.fingerprint,
    })
}

fn to_text(facts: &CertificateFacts, now: i64) -> String {
    let left = facts.not_after - now;
    let validity = if left < 0 {
        "EXPIRED".to_owned()
    } else {
        format!("{} days left", left / 86_400)
    };
    let rows = [
        ("name", facts.name.clone()),
        ("role", facts.purpose.as_str().to_owned()),
        ("hosts", facts.hosts.join(", ")),
        ("issuer", facts.issuer.clone()),
        ("valid from", time(facts.not_before)),
        (
            "valid to",
            format!("{} ({validity})", time(facts.not_after)),
        ),
        ("SHA-256", facts.fingerprint.clone()),
    ];
    rows.iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{STRONG}{name:<10}{STRONG:#}  {}", escape(value)))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use quorid_server::certs::Purpose;

    use super::*;

    #[test]
    fn certificate_is_shown_with_role_hosts_and_expiry() {
        let facts = CertificateFacts {
            name: "s1".to_owned(),
            purpose: Purpose::Server,
            hosts: vec!["10.0.0.1".to_owned(), "s1.server.quorid".to_owned()],
            issuer: "Quorid cluster CA".to_owned(),
            not_before: 1_795_000_000,
            not_after: 1_795_000_000 + 20 * 86_400,
            fingerprint: "ab:cd".to_owned(),
            public_key: Vec::new(),
        };
        let text = to_text(&facts, 1_795_000_000 + 86_400);
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(text.contains("role        server"), "{text}");
        assert!(text.contains("10.0.0.1, s1.server.quorid"), "{text}");
        assert!(text.contains("(19 days left)"), "{text}");
        let late = facts.not_after + 1;
        assert!(to_text(&facts, late).contains("EXPIRED"));
        assert_eq!(to_json(&facts, late)["expired"], true);
    }
}
