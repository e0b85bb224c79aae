//! Accounts that act by roles, which are given and taken away meanwhile.

use quorid_api::Client;
use quorid_directory::{GroupName, LoginName};

use super::{Worker, World};
use crate::operation::{Asked, By, Name, Which};

/// The login names of accounts that get roles. They are made, disabled and get other passwords, but they
/// are never renamed or deleted.
pub const STAFF: [&str; 3] = ["mona", "hedy", "paul"];

/// The passwords that accounts have: at first, all of them have the first one.
pub const PASSWORDS: [&str; 2] = ["the same for all", "another one instead"];

/// The groups that give roles, and which.
const ROLES: [(&str, &str); 2] = [("managers", "user_manager"), ("desk", "help_desk")];

/// An account to act as.
pub struct Acting {
    /// The login that the client gives with each request.
    pub by: By,
    /// A client with that login and without a certificate.
    pub client: Client,
}

impl<W: World> Worker<W> {
    /// An account to act as, by number: mostly with the password that accounts have at first.
    fn any_acting(&mut self) -> usize {
        loop {
            let number = self.chance.within(0..=self.acting.len() as u64 - 1);
            let number = usize::try_from(number).expect("few");
            if self.acting[number].by.password == PASSWORDS[0] || self.chance.percent(20) {
                return number;
            }
        }
    }

    /// What an operator asks about the staff, or what one of the staff asks, by its number.
    pub(super) fn choose_of_staff(&mut self) -> (Asked, Option<usize>) {
        let request = self.request_id();
        let staff = |worker: &mut Self| Which::Name(plain(worker.chance.one_of::<&str>(&STAFF)));
        let (group, role) = *self.chance.one_of(&ROLES);
        let group = GroupName::parse(group).expect("the names are valid");
        let number = self.any_acting();
        let own = Which::Name(plain(self.acting[number].by.login_name));
        let set_password = |worker: &mut Self, account| Asked::SetPassword {
            request,
            account,
            password: PASSWORDS[usize::from(worker.chance.percent(20))],
        };
        let edit = |account, attribute, value| Asked::Edit {
            request,
            account,
            attribute,
            value,
        };
        match self.chance.within(0..=99) {
            0..=8 => {
                let asked = Asked::Create {
                    request,
                    login_name: plain(self.chance.one_of::<&str>(&STAFF)),
                    real_name: "Of the staff".to_owned(),
                    numbered: false,
                };
                (asked, None)
            }
            9..=14 => {
                let asked = Asked::CreateGroup {
                    request,
                    group,
                    numbered: false,
                    role: Some(role),
                };
                (asked, None)
            }
            15..=34 => {
                let asked = Asked::Member {
                    request,
                    group,
                    account: staff(self),
                    joins: self.chance.percent(60),
                };
                (asked, None)
            }
            35..=38 => {
                let disabled = self.chance.percent(25).then(|| "true".to_owned());
                (edit(staff(self), "disabled", disabled), None)
            }
            39..=44 => {
                let account = staff(self);
                (set_password(self, account), None)
            }
            45..=69 => {
                let title = format!("Title {}", self.chance.within(0..=9));
                (edit(self.which(), "title", Some(title)), Some(number))
            }
            70..=79 => {
                let account = staff(self);
                (set_password(self, account), Some(number))
            }
            80..=84 => (set_password(self, own), Some(number)),
            85..=92 => {
                let phone = format!("+351 555 {}", self.chance.within(1000..=1009));
                (edit(own, "phone", Some(phone)), Some(number))
            }
            _ => {
                let asked = Asked::Create {
                    request,
                    login_name: self.login_name(),
                    real_name: "By a manager".to_owned(),
                    numbered: false,
                };
                (asked, Some(number))
            }
        }
    }
}

fn plain(name: &str) -> Name {
    Name {
        login_name: LoginName::parse(name).expect("the names are valid"),
        spelled: name.to_owned(),
    }
}
