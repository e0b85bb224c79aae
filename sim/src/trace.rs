//! What happened, line by line: hashed always, printed where asked for.

use std::{
    fmt,
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};
use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, format::Writer, time::FormatTime},
};

/// One process runs one seed, so it has one trace.
static TRACE: Mutex<Option<Trace>> = Mutex::new(None);

struct Trace {
    hash: Sha256,
    lines: u64,
    print: bool,
}

/// Begins the trace. `print`: to standard error too. `filter`: which log lines of the servers
/// are in it.
pub(crate) fn begin(print: bool, filter: &str) {
    *lock() = Some(Trace {
        hash: Sha256::new(),
        lines: 0,
        print,
    });
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_timer(SimulatedTime)
        .with_writer(TraceWriter)
        .init();
}

/// Hash and number of the lines so far.
pub(crate) fn sum() -> (String, u64) {
    lock().as_ref().map_or_else(Default::default, |trace| {
        let digest = trace.hash.clone().finalize();
        let hash = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        (hash, trace.lines)
    })
}

/// One line of the simulation's own.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut line = Vec::new();
    // Writing to memory cannot fail.
    let _ = writeln!(line, "{} {text}", Now);
    put(&line);
}

macro_rules! note {
    ($($arg:tt)*) => { $crate::trace::line(format_args!($($arg)*)) };
}
pub(crate) use note;

fn lock() -> MutexGuard<'static, Option<Trace>> {
    TRACE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(bytes: &[u8]) {
    if let Some(trace) = lock().as_mut() {
        trace.hash.update(bytes);
        trace.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        if trace.print {
            // A reader that went away is no reason to end.
            let _ = io::stderr().write_all(bytes);
        }
    }
}

/// Simulated milliseconds, where a host runs.
struct Now;

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match turmoil::sim_elapsed() {
            Some(at) => write!(f, "{:>6}", at.as_millis()),
            None => f.write_str("      "),
        }
    }
}

struct SimulatedTime;

impl FormatTime for SimulatedTime {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        write!(to, "{Now}")
    }
}

struct TraceWriter;

impl Write for TraceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for TraceWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
