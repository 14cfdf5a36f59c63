//! A network between two clusters that can be cut.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use venue::cluster::{Cluster, DATABASE, SUPERUSER};
use venue::connection::Connection;

/// What passes through it: everything, or nothing, and nobody is told. When it is repaired, the
/// connections of before are lost, as a router forgets them.
pub struct Network {
    folder: PathBuf,
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Odd while it is cut; connections are of the number that they were made under.
    age: AtomicU64,
    connections: AtomicU32,
    streams: Mutex<Vec<UnixStream>>,
}

impl State {
    fn age(&self) -> u64 {
        self.age.load(Ordering::SeqCst)
    }

    fn is_cut(&self) -> bool {
        !self.age().is_multiple_of(2)
    }
}

impl Network {
    /// A network to a cluster.
    pub fn to(cluster: &Cluster) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pg_exchange-network-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let open = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours")
        };
        fs::create_dir(&folder).expect("the folder is new");
        open(&folder, 0o755);
        let port = cluster.port();
        let name = format!(".s.PGSQL.{port}");
        let listener = UnixListener::bind(folder.join(&name)).expect("a socket can be made");
        open(&folder.join(&name), 0o777);
        let state = Arc::new(State::default());
        let (target, shared) = (cluster.socket_directory().join(name), Arc::clone(&state));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Where the server is down, the client sees its connection closed.
                let Ok(server) = UnixStream::connect(&target) else { continue };
                let age = shared.age();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let clone =
                        |stream: &UnixStream| stream.try_clone().expect("a file can be had");
                    let (from, to, shared) = (clone(from), clone(to), Arc::clone(&shared));
                    shared.streams.lock().expect("nobody panicked").push(clone(&from));
                    thread::spawn(move || carry(from, to, &shared, age));
                }
            }
        });
        Self { folder, port, state }
    }

    /// How to reach the cluster through it.
    pub fn connection(&self) -> Connection {
        Connection::local(&self.folder, self.port, SUPERUSER, DATABASE)
    }

    /// Nothing passes from here on.
    pub fn cut(&self) {
        assert!(!self.state.is_cut(), "it is cut already");
        self.state.age.fetch_add(1, Ordering::SeqCst);
    }

    /// New connections work from here on.
    pub fn repair(&self) {
        assert!(self.state.is_cut(), "it is not cut");
        self.state.age.fetch_add(1, Ordering::SeqCst);
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> u32 {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for stream in self.state.streams.lock().expect("nobody panicked").drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Carries bytes in one direction until either end closes, or the network was cut and is repaired.
fn carry(mut from: UnixStream, mut to: UnixStream, state: &State, age: u64) {
    const LOOK: Duration = Duration::from_millis(5);
    from.set_read_timeout(Some(LOOK)).expect("the time is above 0");
    let mut buffer = [0; 65_536];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => break,
        };
        while state.is_cut() {
            thread::sleep(LOOK);
        }
        // Bytes that were under way are lost with their connection.
        if state.age() != age || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
