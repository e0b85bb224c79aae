//! `quorid cluster`: who leads, how the servers are, and changes of the members.

mod digest;
mod leader;
pub(super) mod level;
pub(super) mod members;
mod settings;
pub(super) mod status;
mod verify;

use clap::Subcommand;

use super::{ClientCommand, context::Context, errors::Failure, options::ClientOptions};

/// What about the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// How every server of the cluster is doing
    #[command(after_help = status::EXAMPLES)]
    Status(ClientCommand<status::StatusArgs>),
    /// Who leads; with --watch, every election as it happens
    #[command(after_help = leader::EXAMPLES)]
    Leader(ClientCommand<leader::LeaderArgs>),
    /// Adds a server that was started with --join
    #[command(after_help = members::ADD_EXAMPLES)]
    Add(ClientCommand<members::AddArgs>),
    /// Removes a server for good
    #[command(after_help = members::REMOVE_EXAMPLES)]
    Remove(ClientCommand<members::RemoveArgs>),
    /// Puts a new server in the place of one that is lost
    #[command(after_help = members::REPLACE_EXAMPLES)]
    Replace(ClientCommand<members::ReplaceArgs>),
    /// Notes other addresses of a server that has moved
    #[command(after_help = members::MOVE_EXAMPLES)]
    Move(ClientCommand<members::MoveArgs>),
    /// Makes another server the leader
    #[command(after_help = members::TRANSFER_EXAMPLES)]
    Transfer(ClientCommand<members::TransferArgs>),
    /// Checks every server's directory, and that all are the same
    #[command(after_help = verify::EXAMPLES)]
    Verify(ClientCommand<verify::VerifyArgs>),
    /// Shows and changes settings that all servers go by
    #[command(after_help = settings::EXAMPLES)]
    Settings(ClientCommand<settings::SettingsArgs>),
    /// Lets changes use what all servers support by now
    #[command(after_help = level::EXAMPLES)]
    RaiseLevel(ClientCommand<level::RaiseLevelArgs>),
}

/// The same without its client options.
#[derive(Debug)]
pub(crate) enum ClusterTask {
    Status(status::StatusArgs),
    Leader(leader::LeaderArgs),
    Add(members::AddArgs),
    Remove(members::RemoveArgs),
    Replace(members::ReplaceArgs),
    Move(members::MoveArgs),
    Transfer(members::TransferArgs),
    Verify,
    Settings(settings::SettingsArgs),
    RaiseLevel(level::RaiseLevelArgs),
}

impl ClusterCommand {
    pub(crate) fn split(self) -> (ClusterTask, ClientOptions) {
        match self {
            Self::Status(command) => (ClusterTask::Status(command.args), command.options),
            Self::Leader(command) => (ClusterTask::Leader(command.args), command.options),
            Self::Add(command) => (ClusterTask::Add(command.args), command.options),
            Self::Remove(command) => (ClusterTask::Remove(command.args), command.options),
            Self::Replace(command) => (ClusterTask::Replace(command.args), command.options),
            Self::Move(command) => (ClusterTask::Move(command.args), command.options),
            Self::Transfer(command) => (ClusterTask::Transfer(command.args), command.options),
            Self::Verify(command) => (ClusterTask::Verify, command.options),
            Self::Settings(command) => (ClusterTask::Settings(command.args), command.options),
            Self::RaiseLevel(command) => (ClusterTask::RaiseLevel(command.args), command.options),
        }
    }
}

pub(crate) async fn run(task: ClusterTask, context: &Context) -> Result<(), Failure> {
    match task {
        ClusterTask::Status(args) => status::run(args, context).await,
        ClusterTask::Leader(args) => leader::run(args, context).await,
        ClusterTask::Add(args) => members::add(args, context).await,
        ClusterTask::Remove(args) => members::remove(args, context).await,
        ClusterTask::Replace(args) => members::replace(args, context).await,
        ClusterTask::Move(args) => members::move_server(args, context).await,
        ClusterTask::Transfer(args) => members::transfer(args, context).await,
        ClusterTask::Verify => verify::run(context).await,
        ClusterTask::Settings(args) => settings::run(args, context).await,
        ClusterTask::RaiseLevel(args) => level::run(args, context).await,
    }
}
