//! Why a server may not start, and what its operator can do about it.

/// Why a server may not start.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The cluster knows it, its disk doesn't.
    #[error(
        "the data directory is empty, but cluster {cluster_id} knows this server, {name}, as \
         member {server_id}: it may have lost votes and changes that it acknowledged, and \
         must not come back under its old id"
    )]
    Emptied {
        /// Of the cluster.
        cluster_id: String,
        /// Of this server.
        name: String,
        /// Its old id.
        server_id: u64,
    },
    /// The log is gone, the identity isn't.
    #[error(
        "the data directory says that this is server {server_id}, {name}, of cluster \
         {cluster_id}, but its log is gone: it may have lost votes and changes that it \
         acknowledged"
    )]
    LogGone {
        /// Of the cluster.
        cluster_id: String,
        /// Of this server.
        name: String,
        /// Its id.
        server_id: u64,
    },
    /// The log ends before the state does.
    #[error(
        "the log of this server, {name}, member {server_id} of cluster {cluster_id}, ends at entry {last_log}, and its \
         checkpoint holds what entry {checkpoint} did: the log lost changes, and maybe votes, that this server \
         acknowledged"
    )]
    LogBehind {
        /// Of the cluster.
        cluster_id: String,
        /// Of this server.
        name: String,
        /// Its id.
        server_id: u64,
        /// The last entry of the log.
        last_log: u64,
        /// The last entry whose effect the checkpoint holds.
        checkpoint: u64,
    },
    /// The servers were told different things.
    #[error(
        "{other} was given other initial servers than this one\nthis one: {ours}\n\
         {other}: {theirs}"
    )]
    ListsDiffer {
        /// The server that was given another list.
        other: String,
        /// This server's list.
        ours: String,
        /// Its list.
        theirs: String,
    },
    /// An address leads to another cluster, or to one that doesn't know this server.
    #[error("{other} belongs to cluster {cluster_id}, which does not know this server")]
    Foreign {
        /// The server that answered.
        other: String,
        /// Its cluster.
        cluster_id: String,
    },
    /// Some servers were enlisted by a first server that is no more.
    #[error("{other} was enlisted in cluster {cluster_id}, which was never formed")]
    HalfFormed {
        /// The server that was enlisted.
        other: String,
        /// The cluster that never was.
        cluster_id: String,
    },
    /// A server went elsewhere while the cluster was being formed.
    #[error("{other} cannot be enlisted in the new cluster {cluster_id}: {why}")]
    NotEnlisted {
        /// The server.
        other: String,
        /// The cluster that was being formed.
        cluster_id: String,
        /// What it says.
        why: String,
    },
    /// Another version of the program.
    #[error("{other} keeps data of format version {theirs}, this server of version {ours}")]
    Format {
        /// The server that answered.
        other: String,
        /// Its version.
        theirs: u32,
        /// This server's.
        ours: u32,
    },
    /// The data directory is another server's.
    #[error("the data directory belongs to server {found}, this server is {name}")]
    OtherName {
        /// This server.
        name: String,
        /// The one that the directory belongs to.
        found: String,
    },
    /// This server isn't in the list.
    #[error("this server, {name}, is not among the initial servers: {list}")]
    NotListed {
        /// This server.
        name: String,
        /// The list.
        list: String,
    },
    /// Nobody else is there to say whether there is a cluster already.
    #[error("this server's list of initial servers names only itself")]
    Alone {
        /// This server.
        name: String,
    },
    /// The identity cannot be written.
    #[error("cannot become a member: {0}")]
    Identity(String),
}

impl Refused {
    /// What the operator of this server can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Emptied { name, .. } => format!(
                "point it at its data directory, if that is only in another place (never at \
                 an older copy); if it is lost, start this server with --join, and then run: \
                 quorid cluster replace {name}"
            ),
            Self::LogGone { name, .. } | Self::LogBehind { name, .. } => format!(
                "empty the data directory, start this server with --join, and then run: \
                 quorid cluster replace {name}"
            ),
            Self::ListsDiffer { .. } => {
                "give all servers the same list, in the same order".to_owned()
            }
            Self::Foreign { .. } => {
                "start this server with --join and run: quorid cluster add; or correct the \
                 list of initial servers"
                    .to_owned()
            }
            Self::HalfFormed { .. } | Self::NotEnlisted { .. } => {
                "nothing was stored yet: empty the data directories of all servers and start \
                 them again"
                    .to_owned()
            }
            Self::Format { .. } => "run the same version of quorid on all servers".to_owned(),
            Self::OtherName { .. } => "correct --name or --data-dir".to_owned(),
            Self::NotListed { .. } => "add it to the list, or correct --name".to_owned(),
            Self::Alone { name, .. } => format!(
                "to form a new cluster of one server, start it with --form-alone, once; if \
                 it was a member of a cluster and lost its data, start it with --join, and \
                 then run: quorid cluster replace {name}"
            ),
            Self::Identity(_) => return None,
        })
    }
}
