use std::{collections::VecDeque, future::pending};

use super::*;
use crate::seams::{BoxFuture, Listener};

/// What a port does with the next connections.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Accept,
    Refuse,
    Reset,
    Silence,
}
use Answer::{Accept, Refuse, Reset, Silence};

/// A port that answers as it is told.
struct Port(Mutex<VecDeque<Answer>>);

impl Network for Port {
    fn connect<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>> {
        let answer = self.0.lock().expect("not poisoned").pop_front();
        Box::pin(async move {
            match answer.expect("it is probed no more often than that") {
                Accept => Ok(Box::new(tokio::io::duplex(1).0) as BoxedIo),
                Refuse => Err(io::ErrorKind::ConnectionRefused.into()),
                Reset => Err(io::ErrorKind::ConnectionReset.into()),
                Silence => pending().await,
            }
        })
    }

    fn bind<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_port_that_refuses_says_that_its_process_is_gone() {
    for (answers, gone) in [
        (vec![Refuse], true),
        // Its connections ended before its port.
        (vec![Accept, Accept, Refuse], true),
        (vec![Accept; PAUSES_MS.len()], false),
        (vec![Reset], false),
        (vec![Silence], false),
        // What comes later says nothing: it may be another one's answer by then.
        (vec![Accept, Silence], false),
        (vec![Accept, Reset], false),
    ] {
        let port = Port(Mutex::new(answers.clone().into()));
        assert_eq!(is_gone(&port, "s1:7401").await, gone, "{answers:?}");
        assert!(port.0.lock().expect("not poisoned").is_empty());
    }
}

#[tokio::test]
async fn a_server_whose_connections_end_all_at_once_is_looked_at_once() {
    let ended = EndedConnections::default();
    for name in ["s2", "s1", "s2", "s2"] {
        ended.note(name);
    }
    assert_eq!(ended.next().await, "s1");
    assert_eq!(ended.next().await, "s2");
    // While that one was looked at, another connection of it ended.
    ended.note("s2");
    assert_eq!(ended.next().await, "s2");
    assert!(ended.names().is_empty());
}
