//! Short ways to make commands and to see what they do.

use quorid_directory::{
    AccountId, Change, ClientAddress, Command, Event, LoginName, MemoryDirectory, Operation,
    Outcome, Proof, RealName, Rejection, RequestId, Retention, Revision, Selector, Time, Verifier,
    VerifierChange, decide_with,
};

/// When tests begin, ms.
pub(crate) const START: u64 = 1_700_000_000_000;

pub(crate) fn account_id(number: u8) -> AccountId {
    AccountId::from_bytes([number; 16])
}

/// A request made `ms` after the start; `salt` tells those of one time apart.
pub(crate) fn request_at(ms: u64, salt: u8) -> RequestId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&(START + ms).to_be_bytes()[2..]);
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    bytes[15] = salt;
    RequestId::from_bytes(bytes).expect("version 7")
}

pub(crate) fn login(text: &str) -> LoginName {
    LoginName::parse(text).expect("a login name")
}

pub(crate) fn real(text: &str) -> RealName {
    RealName::parse(text).expect("a real name")
}

pub(crate) fn verifier(salt: &str) -> Verifier {
    Verifier::parse(&format!("$argon2id${salt}")).expect("a verifier")
}

pub(crate) fn by_login(text: &str) -> Selector {
    Selector::LoginName(login(text))
}

pub(crate) fn create(id: u8, name: &str) -> Operation {
    Operation::Create {
        id: account_id(id),
        login_name: login(name),
        real_name: real("Someone"),
        verifier: None,
    }
}

pub(crate) fn create_with_password(id: u8, name: &str, salt: &str) -> Operation {
    Operation::Create {
        id: account_id(id),
        login_name: login(name),
        real_name: real("Someone"),
        verifier: Some(verifier(salt)),
    }
}

pub(crate) fn rename(account: Selector, to: &str) -> Operation {
    Operation::Modify {
        account,
        expected_version: None,
        proof: Proof::Operator,
        login_name: Some(login(to)),
        real_name: None,
        verifier: VerifierChange::Keep,
    }
}

pub(crate) fn set_real_name(
    account: Selector,
    expected_version: Option<u64>,
    to: &str,
) -> Operation {
    Operation::Modify {
        account,
        expected_version: expected_version.map(Revision),
        proof: Proof::Operator,
        login_name: None,
        real_name: Some(real(to)),
        verifier: VerifierChange::Keep,
    }
}

pub(crate) fn change_verifier(
    account: Selector,
    proof: Proof,
    verifier: VerifierChange,
) -> Operation {
    Operation::Modify {
        account,
        expected_version: None,
        proof,
        login_name: None,
        real_name: None,
        verifier,
    }
}

pub(crate) fn delete(account: Selector) -> Operation {
    Operation::Delete {
        account,
        expected_version: None,
        proof: Proof::Operator,
    }
}

pub(crate) fn command(request: RequestId, ms: u64, operation: Operation) -> Command {
    Command {
        request,
        time: Time(START + ms),
        client: ClientAddress::parse("192.0.2.1").expect("an address"),
        operation,
    }
}

/// A directory whose log can be added to.
pub(crate) struct Log {
    pub(crate) directory: MemoryDirectory,
    pub(crate) retention: Retention,
    pub(crate) revision: u64,
    /// Events of the last command.
    pub(crate) events: Vec<Event>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self::with(Retention::STANDARD)
    }

    pub(crate) fn with(retention: Retention) -> Self {
        Self {
            directory: MemoryDirectory::new(),
            retention,
            revision: 0,
            events: Vec::new(),
        }
    }

    pub(crate) fn execute(&mut self, command: &Command) -> Outcome {
        self.revision += 1;
        let revision = Revision(self.revision);
        let Ok(decision) = decide_with(&self.retention, &self.directory, revision, command);
        for event in &decision.events {
            self.directory.apply(event);
        }
        self.events = decision.events;
        decision.outcome
    }

    /// A new request, 1 ms after the one before.
    pub(crate) fn run(&mut self, operation: Operation) -> Result<Change, Rejection> {
        let ms = self.revision + 1;
        self.execute(&command(request_at(ms, 0), ms, operation))
            .result
    }

    pub(crate) fn login_names(&self) -> Vec<(&str, AccountId)> {
        let names = self.directory.login_names();
        names
            .iter()
            .map(|(name, id)| (name.as_str(), *id))
            .collect()
    }
}
