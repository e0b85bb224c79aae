//! The threads of a server, and what each is for.
//!
//! Consensus, log and state have the thread that the server is started on. Whatever holds up a
//! thread for long (hashes, fsync of the state, digests) goes elsewhere, and connections of clients
//! can have threads of their own, so that what strangers do doesn't delay a heartbeat. Each of these
//! threads runs its tasks alone: to share them among threads costs more than half of what a small
//! request takes.

mod wakes;

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use quorid_storage::{Fault, OrFault as _};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

pub(crate) use self::wakes::woken_together;
/// Where work is done that isn't the caller's own.
pub trait Threads: Send + Sync + 'static {
    /// Runs work that takes a processor or the disk for long, where nothing else waits for it.
    fn run(&self, work: Box<dyn FnOnce() + Send>);

    /// The runtime of a thread that serves clients' connections: each time the next thread's.
    fn serving(&self) -> Handle;
}

impl dyn Threads {
    /// What comes of work that takes a processor or the disk for long. A fault if it panicked or the
    /// server ends.
    pub(crate) async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (tell, told) = oneshot::channel();
        // Who gave up asking doesn't mind.
        self.run(Box::new(move || drop(tell.send(work()))));
        told.await.or_fault("working on another thread")
    }
}

/// Everything is done where it is asked for: a thread's progress is nothing that a simulation can
/// repeat.
#[derive(Debug, Clone, Copy, Default)]
pub struct InPlace;

impl Threads for InPlace {
    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn serving(&self) -> Handle {
        Handle::current()
    }
}

/// The machine's threads.
#[derive(Debug, Default)]
pub struct SystemThreads {
    /// For connections; none: they share the caller's.
    connections: Vec<ConnectionThread>,
    /// How often one was asked for: each time it is the next.
    asked: AtomicUsize,
}

#[derive(Debug)]
struct ConnectionThread {
    runtime: Handle,
    /// The thread ends, and what it serves, when this is dropped.
    _alive: oneshot::Sender<()>,
}

impl SystemThreads {
    /// Starts as many threads for connections. They end when this is dropped.
    pub fn start(connections: usize) -> io::Result<Self> {
        let connections = (0..connections).map(ConnectionThread::start);
        Ok(Self {
            connections: connections.collect::<io::Result<_>>()?,
            asked: AtomicUsize::new(0),
        })
    }
}

impl ConnectionThread {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel();
        let name = format!("connections-{number}");
        let work = move || {
            runtime.spawn(wakes::lane_of_this_thread());
            // An error: the other end was dropped.
            drop(runtime.block_on(ended));
        };
        thread::Builder::new().name(name).spawn(work)?;
        Ok(Self {
            runtime: handle,
            _alive: alive,
        })
    }
}

impl Threads for SystemThreads {
    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        drop(tokio::task::spawn_blocking(work));
    }

    fn serving(&self) -> Handle {
        if self.connections.is_empty() {
            return Handle::current();
        }
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let thread = &self.connections[asked % self.connections.len()];
        thread.runtime.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[tokio::test]
    async fn connections_are_spread_over_their_threads_and_end_with_them() {
        let threads = SystemThreads::start(2).expect("threads");
        let name = || thread::current().name().unwrap_or_default().to_owned();
        let mut names = Vec::new();
        for _ in 0..3 {
            let (tell, told) = oneshot::channel();
            let connection = async move { drop(tell.send(name())) };
            threads.serving().spawn(connection).await.expect("served");
            names.push(told.await.expect("a name"));
        }
        assert_eq!(names, ["connections-0", "connections-1", "connections-0"]);
        let endless = threads.serving().spawn(std::future::pending::<()>());
        drop(threads);
        assert!(endless.await.expect_err("it ended").is_cancelled());
    }

    #[tokio::test]
    async fn a_thread_goes_on_while_work_is_done_elsewhere() {
        let threads: Arc<dyn Threads> = Arc::new(SystemThreads::default());
        let (tell, told) = mpsc::channel();
        let elsewhere = threads.elsewhere(move || told.recv().expect("told"));
        let here = async { tell.send(7).expect("it waits") };
        let (seven, ()) = tokio::join!(elsewhere, here);
        assert_eq!(seven.expect("done"), 7);
        let panics = threads.elsewhere(|| panic!("on purpose")).await;
        assert!(panics.is_err_and(|fault: Fault| fault.to_string().contains("another thread")));
    }
}
