//! The lines between clients and server, which can be cut: a Unix socket that passes everything on
//! to the server's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use tests::random::Random;

/// Where clients connect.
#[derive(Debug)]
pub struct Lines {
    folder: PathBuf,
    open: Arc<Mutex<Open>>,
}

/// By the number of each.
type Open = BTreeMap<u64, Line>;

#[derive(Debug)]
struct Line {
    client: UnixStream,
    server: UnixStream,
}

impl Lines {
    /// Listens in a folder under the name that a server of this port has, for the server whose
    /// socket is in another one.
    pub fn listen(folder: &Path, port: u16, server_folder: &Path) -> Result<Self> {
        let name = format!(".s.PGSQL.{port}");
        let (own, server) = (folder.join(&name), server_folder.join(&name));
        // Of the venue before, which is gone.
        let _ = fs::remove_file(&own);
        let listener = UnixListener::bind(&own)
            .with_context(|| format!("cannot listen at {}", own.display()))?;
        let open = Arc::new(Mutex::new(Open::new()));
        let lines = Arc::clone(&open);
        // It ends with the process: nobody connects to a venue that is gone.
        std::thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming().flatten()) {
                // Without a server the client sees the end of its connection.
                let Ok(server) = UnixStream::connect(&server) else { continue };
                let line = Line { client, server };
                // Without room for another file, it does too.
                let _ = pass_on(number, line, &lines);
            }
        });
        Ok(Self { folder: folder.to_owned(), open })
    }

    /// The folder of the socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Cuts some of the lines, without a goodbye to either side; how many.
    pub fn cut(&self, random: &mut Random, per_cent: i64) -> usize {
        let open = self.open.lock().expect("no other user panicked");
        open.values().filter(|_| random.per_cent(per_cent)).map(Line::end).count()
    }
}

impl Line {
    /// Ends it; it may have ended by itself.
    fn end(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// Passes on what comes from either side, until one of them is gone.
fn pass_on(number: u64, line: Line, open: &Arc<Mutex<Open>>) -> io::Result<()> {
    for (from, to) in [(&line.client, &line.server), (&line.server, &line.client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        let open = Arc::clone(open);
        std::thread::spawn(move || {
            // However it ends, the other side hears of it.
            let _ = io::copy(&mut from, &mut to);
            if let Some(line) = open.lock().expect("no other user panicked").remove(&number) {
                line.end();
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    open.lock().expect("no other user panicked").insert(number, line);
    Ok(())
}
