//! Private clusters, without the extension in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use venue::cluster::{Cluster, SUPERUSER, StopMode};

/// The extension need not be installed for these tests.
const PLAIN: &[(&str, &str)] = &[("shared_preload_libraries", ""), ("shared_buffers", "16MB")];

fn one(cluster: &Cluster, query: &str) -> String {
    cluster.connect("postgres", SUPERUSER).unwrap().query_one(query, &[]).unwrap().get(0)
}

/// A folder that is removed at the end of a test, with the cluster in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("venue-{}-{name}", std::process::id())))
    }

    fn cluster(&self) -> Cluster {
        Cluster::create(&self.0, PLAIN).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Ok(Some(cluster)) = Cluster::open(&self.0) {
            let _ = cluster.remove();
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_temporary_cluster_runs_privately_and_leaves_nothing() {
    let cluster = Cluster::temporary(PLAIN).unwrap();
    assert!(!cluster.is_running());
    cluster.start().unwrap();
    assert!(cluster.is_running());
    assert_eq!(one(&cluster, "SHOW listen_addresses"), "");
    assert_ne!(one(&cluster, "SHOW port"), "5432");
    assert_eq!(one(&cluster, "SHOW wal_level"), "logical");
    assert_eq!(one(&cluster, "SHOW shared_buffers"), "16MB");
    let home = cluster.data_directory().parent().unwrap().to_owned();
    drop(cluster);
    assert!(!home.exists());
}

#[test]
fn a_cluster_is_found_again_and_keeps_its_data() {
    let folder = Folder::new("kept");
    assert!(Cluster::open(&folder.0).unwrap().is_none());
    let cluster = folder.cluster();
    cluster.start().unwrap();
    cluster.create_database("a \"b\"").unwrap();
    cluster.create_database("a \"b\"").unwrap();
    drop(cluster);

    let cluster = Cluster::open(&folder.0).unwrap().unwrap();
    assert!(cluster.is_running());
    cluster.start().unwrap();
    cluster.connect("a \"b\"", SUPERUSER).unwrap();
    cluster.stop(StopMode::Fast).unwrap();
    cluster.stop(StopMode::Fast).unwrap();
    assert!(!cluster.is_running());

    let cluster = folder.cluster();
    cluster.restart().unwrap();
    cluster.connect("a \"b\"", SUPERUSER).unwrap();
}

#[test]
fn a_killed_server_starts_again() {
    let cluster = Cluster::temporary(PLAIN).unwrap();
    cluster.start().unwrap();
    let mut client = cluster.connect("postgres", SUPERUSER).unwrap();
    client.batch_execute("CREATE TABLE kept AS SELECT 'x' AS x").unwrap();
    cluster.kill9().unwrap();
    assert!(!cluster.is_running());
    assert!(client.simple_query("SELECT").is_err());
    cluster.start().unwrap();
    assert_eq!(one(&cluster, "SELECT x FROM kept"), "x");
}

#[test]
fn the_locks_of_a_dead_server_do_not_matter_even_if_its_process_id_is_in_use() {
    let cluster = Cluster::temporary(PLAIN).unwrap();
    cluster.start().unwrap();
    cluster.stop(StopMode::Fast).unwrap();
    let ours = std::process::id();
    let data = cluster.data_directory();
    fs::write(data.join("postmaster.pid"), format!("{ours}\n{}\n1\n", data.display())).unwrap();
    assert!(!cluster.is_running());
    cluster.start().unwrap();
}

#[test]
fn a_server_is_outdated_after_a_change_of_its_settings() {
    let folder = Folder::new("outdated");
    let cluster = folder.cluster();
    cluster.start().unwrap();
    assert_eq!(cluster.outdated("pg_exchange_of_nowhere").unwrap(), None);
    let later = SystemTime::now() + Duration::from_secs(5);
    fs::File::options()
        .append(true)
        .open(cluster.data_directory().join("venue.conf"))
        .and_then(|file| file.set_modified(later))
        .unwrap();
    assert!(cluster.outdated("pg_exchange_of_nowhere").unwrap().unwrap().contains("venue.conf"));
}

#[test]
fn a_deep_folder_has_its_socket_elsewhere() {
    let folder = Folder::new(&"deep".repeat(25));
    let cluster = folder.cluster();
    cluster.start().unwrap();
    assert!(!cluster.socket_directory().starts_with(&folder.0));
    assert_eq!(one(&cluster, "SELECT 'there'"), "there");
    let socket = cluster.socket_directory().to_owned();
    drop(folder);
    assert!(!socket.exists());
}

#[test]
fn a_failure_to_start_shows_the_server_log() {
    let settings = [("shared_preload_libraries", "no_such_library")];
    let cluster = Cluster::temporary(&settings).unwrap();
    let failure = format!("{:#}", cluster.start().unwrap_err());
    assert!(failure.contains("pg_ctl"), "{failure}");
    assert!(failure.contains("could not access file \"no_such_library\""), "{failure}");
}

#[test]
fn clusters_of_killed_tests_are_removed() {
    let folder = Folder::new("orphan");
    let cluster = folder.cluster();
    cluster.start().unwrap();
    let pid = fs::read_to_string(cluster.data_directory().join("postmaster.pid")).unwrap();
    let process = Path::new("/proc").join(pid.lines().next().unwrap()).join("cwd");
    assert!(fs::read_link(&process).is_ok());
    // From now on it is a cluster of a test process that does not exist: no process has the
    // highest number. Every test that makes a cluster removes it, of whatever test run.
    let orphan = std::env::temp_dir().join(format!("pg_exchange-test-{}-0", u32::MAX));
    fs::rename(&folder.0, &orphan).unwrap();
    let _new = Cluster::temporary(PLAIN).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while orphan.exists() || fs::read_link(&process).is_ok() {
        assert!(Instant::now() < deadline, "{} is still there", orphan.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}
