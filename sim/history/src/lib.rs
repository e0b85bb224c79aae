//! Clients that get in each other's way, what they asked and were answered, and the checks of it:
//! by the committed log (the [witness](witness)), and by a search for a linear order that
//! knows of no log ([linearizability]). The simulator and the torture of real servers share it.

pub mod chance;
mod follower;
pub mod linearizability;
mod operation;
pub mod report;
pub mod witness;
mod worker;

pub use follower::{Followed, Given, Stretch};
pub use operation::{Answer, Asked, By, Freshness, Name, Operation, Shown, Which, shown};
pub use worker::{Acting, Habits, PASSWORDS, Probed, Prober, STAFF, Worker, World};
