//! Why a request was refused, as its outcome keeps it.

use quorid_directory::{Rejection, Revision, Time};
use quorid_storage::Fault;

use super::{
    field::{account_id, decode_selector, login_name, missing, request_id, selector},
    proto,
};

pub(super) fn rejection_message(rejection: &Rejection) -> proto::Rejection {
    use proto::rejection::Rejection as Kind;
    let kind = match rejection {
        Rejection::LoginNameTaken { login_name, holder } => {
            Kind::LoginNameTaken(proto::LoginNameTaken {
                login_name: login_name.as_str().to_owned(),
                holder: holder.as_bytes().to_vec(),
            })
        }
        Rejection::AccountNotFound { account } => Kind::AccountNotFound(selector(account)),
        Rejection::VersionMismatch {
            account,
            expected,
            actual,
        } => Kind::VersionMismatch(proto::VersionMismatch {
            account: account.as_bytes().to_vec(),
            expected: expected.0,
            actual: actual.0,
        }),
        Rejection::PasswordNeeded { account } => Kind::PasswordNeeded(account.as_bytes().to_vec()),
        Rejection::PasswordChanged { account } => {
            Kind::PasswordChanged(account.as_bytes().to_vec())
        }
        Rejection::RequestExpired { time, floor } => Kind::RequestExpired(proto::RequestExpired {
            time_ms: time.0,
            floor_ms: floor.0,
        }),
        Rejection::RequestReused { request } => Kind::RequestReused(request.as_bytes().to_vec()),
        Rejection::RequestFromFuture { time, now } => {
            Kind::RequestFromFuture(proto::RequestFromFuture {
                time_ms: time.0,
                now_ms: now.0,
            })
        }
    };
    proto::Rejection {
        rejection: Some(kind),
    }
}

pub(super) fn rejection(message: proto::Rejection) -> Result<Rejection, Fault> {
    use proto::rejection::Rejection as Kind;
    Ok(
        match message.rejection.ok_or_else(|| missing("rejection"))? {
            Kind::LoginNameTaken(it) => Rejection::LoginNameTaken {
                login_name: login_name(&it.login_name)?,
                holder: account_id(&it.holder)?,
            },
            Kind::AccountNotFound(it) => Rejection::AccountNotFound {
                account: decode_selector(Some(it))?,
            },
            Kind::VersionMismatch(it) => Rejection::VersionMismatch {
                account: account_id(&it.account)?,
                expected: Revision(it.expected),
                actual: Revision(it.actual),
            },
            Kind::PasswordNeeded(id) => Rejection::PasswordNeeded {
                account: account_id(&id)?,
            },
            Kind::PasswordChanged(id) => Rejection::PasswordChanged {
                account: account_id(&id)?,
            },
            Kind::RequestExpired(it) => Rejection::RequestExpired {
                time: Time(it.time_ms),
                floor: Time(it.floor_ms),
            },
            Kind::RequestReused(id) => Rejection::RequestReused {
                request: request_id(&id)?,
            },
            Kind::RequestFromFuture(it) => Rejection::RequestFromFuture {
                time: Time(it.time_ms),
                now: Time(it.now_ms),
            },
        },
    )
}
