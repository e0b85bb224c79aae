//! What to try next, in words of the command line: its options and commands.

use quorid_api::{Reason, Rejected, TlsError, tls::Remedy};

pub(crate) const REACH: &str = "check that the servers run and that --servers and --ca fit";
pub(crate) const LOOK: &str = "look whether the change was made before you ask for it again";
pub(crate) const ADDRESS: &str = "host:port, such as 127.0.0.1:7400";
pub(crate) const NEW_DIRECTORY: &str = "another directory, or one that does not exist yet";
pub(crate) const ACCOUNTS: &str = "quorid bench create --count 10000";

/// For a server's refusal, where the command line knows a way.
pub(crate) fn of_refusal(rejected: &Rejected) -> Option<String> {
    let hint = match rejected.reason {
        Reason::PasswordNeeded => {
            "--password asks for it; --password-stdin and --password-file read it"
        }
        Reason::LoginNeeded => {
            "the same with --user LOGIN, or with --cert and --key of an operator"
        }
        Reason::OperatorNeeded => {
            "the same with --cert and --key of an operator (`quorid cert operator` makes them)"
        }
        Reason::NotPermitted => {
            "the same with --cert and --key of an operator, or with --user LOGIN of somebody whose \
             group has such a role"
        }
        Reason::FeatureLevel => "quorid cluster raise-level, as an operator",
        Reason::ServerNotFound | Reason::ServerExists | Reason::LevelTooLow => {
            "quorid cluster status"
        }
        Reason::LoginNameTaken | Reason::ValueTaken => {
            match rejected.metadata.get("held").map(String::as_str) {
                Some("deleted") => {
                    return Some(
                        "quorid get deleted; quorid restore brings it back, quorid purge erases it"
                            .to_owned(),
                    );
                }
                Some(_) => {
                    return Some(
                        "quorid get reserved says until when; quorid free-name, as an operator, frees it"
                            .to_owned(),
                    );
                }
                None => {}
            }
            let Some(holder) = rejected.metadata.get("account_id") else {
                return Some("quorid get groups --output json".to_owned());
            };
            return Some(format!("quorid reverse-lookup {holder}"));
        }
        Reason::ChangesGone => {
            let floor = rejected.metadata.get("floor_revision");
            let floor = floor.map_or("", String::as_str);
            return Some(format!("quorid changes --since {floor}"));
        }
        Reason::ChangedSince => {
            let id = ["account_id", "group_id"]
                .iter()
                .find_map(|key| rejected.metadata.get(*key))?;
            return Some(format!("quorid history {id}"));
        }
        Reason::DeletedNotFound => "quorid get deleted lists what can be restored",
        Reason::NotReserved => "quorid get reserved lists the names",
        Reason::ChangeNotFound => "quorid changes lists the changes",
        Reason::AccountNotFound | Reason::ReferenceInvalid => "quorid get users lists the accounts",
        Reason::GroupNotFound => "quorid get groups lists the groups",
        Reason::UnknownAttribute | Reason::AttributeExists => "quorid schema list",
        Reason::EtagMismatch
        | Reason::WrongKind
        | Reason::GroupCycle
        | Reason::NotReversible
        | Reason::LimitExceeded
        | Reason::InvalidGroupName
        | Reason::WrongPassword
        | Reason::RequestExpired
        | Reason::RequestReused
        | Reason::RequestFromFuture
        | Reason::InvalidLoginName
        | Reason::InvalidRealName
        | Reason::InvalidAttribute
        | Reason::InvalidValue
        | Reason::SchemaViolation
        | Reason::InvalidFilter
        | Reason::InvalidPassword
        | Reason::WeakPassword
        | Reason::InvalidPasswordHash
        | Reason::InvalidAccountName
        | Reason::InvalidRequestId
        | Reason::InvalidPageToken
        | Reason::InvalidPageSize
        | Reason::InvalidFieldMask
        | Reason::InvalidEtag
        | Reason::InvalidReadOptions
        | Reason::InvalidSetting
        | Reason::InvalidServer
        | Reason::InvalidMessage
        | Reason::Busy
        | Reason::NotLeader
        | Reason::NoQuorum
        | Reason::OutcomeUnknown
        | Reason::Behind
        | Reason::ShuttingDown
        | Reason::DeadlineExceeded
        | Reason::ChangeInProgress
        | Reason::ServerNotReady
        | Reason::LevelNotSupported
        | Reason::Fault
        | Reason::Unstated
        | Reason::Other(_) => return None,
    };
    Some(hint.to_owned())
}

pub(crate) fn of_tls(error: &TlsError) -> &'static str {
    match error {
        TlsError::File(_) => "`quorid cert` makes the files",
        TlsError::Incomplete { .. } => "give both --cert and --key, or neither",
        TlsError::Handshake { remedy, .. } => match remedy {
            Remedy::Authority => "give the certificate of the cluster's own authority with --ca",
            Remedy::Dates => {
                "check the clocks of both machines; renew the server's certificate with \
                 `quorid cert`"
            }
            Remedy::Name => {
                "use an address that the certificate carries, or renew it with this host added"
            }
            Remedy::Port => "check the port: it must be the server's client address",
            Remedy::OwnCertificate => {
                "check that --cert and --key are of the cluster's authority and still valid"
            }
            Remedy::Operator => "give an operator's certificate with --cert and --key",
        },
    }
}
